//! What a reader reads, and what it says of what it cannot read.

use super::super::tests::document;
use super::super::{Document, key};
use super::*;
use crate::diagnostic::{Diagnostic, render};

const KEYS: &[Key] = &[
    key("size", Form::Count, Some("10"), "how many"),
    key("timeout", Form::Duration, Some("\"30s\""), "how long"),
    key("rate", Form::Rate, None, "how often"),
    key("bytes", Form::Bytes, Some("\"8MiB\""), "how large"),
    key("share", Form::Share, Some("0.5"), "how much"),
    key("cost", Form::Money, None, "how dear"),
    key("factor", Form::Number, Some("1.5"), "how strong"),
    key("on", Form::Boolean, Some("true"), "whether"),
    key("title", Form::Text, Some("\"none\""), "what"),
    key("host", Form::Name, None, "where"),
    key("mode", Form::Choice(&["fast", "slow"]), Some("\"fast\""), "how"),
    key("time", Form::Law, Some("\"exp(2ms)\""), "how long"),
    key("steps", Form::Steps, None, "what"),
    key("more", Form::Table, None, "more"),
];

fn reading(document: &Document, read: impl FnOnce(&mut Reader<'_>)) -> Vec<Diagnostic> {
    let mut sink = Sink::default();
    let mut reader = Reader::new("pool `p`".to_owned(), document.root(), KEYS, &mut sink);
    read(&mut reader);
    sink.into_vec()
}

#[test]
fn what_is_absent_takes_its_default() {
    let document = document("");
    let found = reading(&document, |r| {
        assert_eq!(r.count("size"), Some(10));
        assert_eq!(r.duration("timeout"), Some(SimDuration::from_secs(30)));
        assert_eq!(r.rate("rate"), None);
        assert_eq!(r.bytes("bytes"), Some(Bytes(8 << 20)));
        assert_eq!(r.share("share"), Some(Share(0.5)));
        assert_eq!(r.money("cost"), None);
        assert_eq!(r.number("factor"), Some(1.5));
        assert_eq!(r.boolean("on"), Some(true));
        assert_eq!(r.text("title").as_deref(), Some("none"));
        assert_eq!(r.name("host"), None);
        assert_eq!(r.choice("mode"), Some("fast"));
        assert_eq!(r.law("time").map(|law| law.value).as_deref(), Some("exp(2ms)"));
        assert!(r.list("steps").is_none() && r.table("more").is_none());
    });
    assert_eq!(found, []);
    assert!(KEYS.iter().all(|key| key.check().is_ok()));
}

#[test]
fn a_default_that_is_not_of_its_form_is_found_by_its_check() {
    assert!(key("k", Form::Duration, Some("30"), "").check().is_err());
    assert!(key("k", Form::Duration, Some("30s"), "").check().is_err());
    assert!(key("k", Form::Choice(&["a"]), Some("\"b\""), "").check().is_err());
}

#[test]
fn what_is_written_is_read_with_its_place() {
    let document = document(
        "size = 20\ntimeout = \"5s\"\nrate = \"60/min\"\ncost = \"15 USD\"\nfactor = 2\n\
         host = \"vps\"\nmode = \"slow\"\nshare = \"62%\"\nsteps = [{}, {}]\nmore = { a = 1 }\n",
    );
    let found = reading(&document, |r| {
        assert_eq!(r.required_count("size"), Some(20));
        assert_eq!(r.required_duration("timeout"), Some(SimDuration::from_secs(5)));
        assert_eq!(r.positive_rate("rate"), Some(Rate::per_second(1.0)));
        assert_eq!(r.money("cost").unwrap().to_string(), "15 USD");
        assert_eq!(r.number("factor"), Some(2.0));
        let host = r.required_name("host").unwrap();
        assert_eq!(
            (host.value.as_str(), &document.source[host.span]),
            ("vps", "\"vps\"")
        );
        assert_eq!(r.choice("mode"), Some("slow"));
        assert_eq!(r.share("share"), Some(Share(0.62)));
        assert_eq!(r.required_list("steps").unwrap().len(), 2);
        assert_eq!(r.table("more").unwrap().entries.len(), 1);
    });
    assert_eq!(found, []);
}

#[test]
fn a_value_that_will_not_do_is_named_with_what_would() {
    type Read = fn(&mut Reader<'_>) -> bool;
    let duration: Read = |r| r.positive_duration("timeout").is_none();
    let size: Read = |r| r.count_in("size", 1..=100).is_none();
    let share: Read = |r| r.share("share").is_none();
    let mode: Read = |r| r.choice("mode").is_none();
    let rows: &[(&str, Read, &str)] = &[
        (
            "timeout = 5000",
            duration,
            "bad-quantity: `timeout` of pool `p` is not a duration: the number 5000 has no unit",
        ),
        (
            "timeout = 0.5",
            duration,
            "bad-quantity: `timeout` of pool `p` is not a duration: the number 0.5 has no unit",
        ),
        (
            "timeout = \"5 sec\"",
            duration,
            "bad-quantity: `timeout` of pool `p` is not a duration: `sec` is not a unit of time",
        ),
        (
            "timeout = true",
            duration,
            "wrong-type: `timeout` of pool `p` is not a duration: found true",
        ),
        (
            "timeout = \"0s\"",
            duration,
            "out-of-range: `timeout` of pool `p` is zero: found the text \"0s\", must be longer than nothing",
        ),
        (
            "size = 0",
            size,
            "out-of-range: `size` of pool `p` is out of range: found 0, allowed is from 1 to 100",
        ),
        (
            "size = -5",
            size,
            "out-of-range: `size` of pool `p` is out of range: found -5, allowed is from 1 to 100",
        ),
        (
            "size = 2.5",
            size,
            "wrong-type: `size` of pool `p` is not a whole number: found the number 2.5",
        ),
        (
            "size = \"20\"",
            size,
            "wrong-type: `size` of pool `p` is not a whole number: found the text \"20\"",
        ),
        (
            "share = 62",
            share,
            "out-of-range: `share` of pool `p` is not a share: 62 is more than the whole; for 62 of a hundred write \"62%\"",
        ),
        (
            "share = \"120%\"",
            share,
            "bad-quantity: `share` of pool `p` is not a share: `120%` is more than the whole",
        ),
        (
            "mode = \"fsat\"",
            mode,
            "bad-choice: `mode` of pool `p` cannot be \"fsat\": did you mean \"fast\"?",
        ),
        (
            "mode = 1",
            mode,
            "wrong-type: `mode` of pool `p` is not a text: found the number 1",
        ),
        (
            "on = \"yes\"",
            |r| r.boolean("on").is_none(),
            "wrong-type: `on` of pool `p` is not true or false: found the text \"yes\"",
        ),
        (
            "factor = inf",
            |r| r.number("factor").is_none(),
            "out-of-range: `factor` of pool `p` is out of range: found inf",
        ),
        (
            "factor = 3",
            |r| r.number_in("factor", 0.0..=2.0).is_none(),
            "out-of-range: `factor` of pool `p` is out of range: found 3, allowed is from 0 to 2",
        ),
        (
            "steps = {}",
            |r| r.list("steps").is_none(),
            "wrong-type: `steps` of pool `p` is not a list: found a table",
        ),
        (
            "time = 5",
            |r| r.law("time").is_none(),
            "wrong-type: `time` of pool `p` is not a law: the number 5 has no unit",
        ),
        (
            "",
            |r| r.required_rate("rate").is_none(),
            "missing-key: pool `p` has no `rate`: `rate` is needed here",
        ),
    ];
    for (source, read, expected) in rows {
        let document = document(source);
        let found = reading(&document, |r| assert!(read(r), "{source}"));
        let [only] = &found[..] else {
            panic!("{source}: {found:?}")
        };
        assert_eq!(
            format!("{}: {}: {}", only.id, only.message, only.label),
            *expected
        );
        assert!(only.help.len() == 1 && !only.help[0].is_empty(), "{source}");
        let span = only.span.clone().unwrap();
        let value = source.split_once(" = ").map_or("", |(_, value)| value);
        assert_eq!(&source[span], value);
    }
}

#[test]
fn every_unknown_key_is_told_and_the_keys_are_listed_once() {
    let source = "sise = 1\ncolour = 2\n";
    let document = document(source);
    let found = reading(&document, |_| ());
    let text = render(&found, "m.toml", source, false);
    assert_eq!(
        text,
        "\
error[unknown-key]: pool `p` has no key `sise`
 --> m.toml:1:1
  |
1 | sise = 1
  | ^^^^ did you mean `size`?
  |
  = help: its keys are `bytes`, `cost`, `factor`, `host`, `mode`, `more`, `on`, `rate`, `share`, `size`, `steps`, `time`, `timeout`, `title`

error[unknown-key]: pool `p` has no key `colour`
 --> m.toml:2:1
  |
2 | colour = 2
  | ^^^^^^ not a key of this table
"
    );
}

#[test]
#[should_panic(expected = "`seize` is read from pool `p` but is not declared among its keys")]
fn reading_an_undeclared_key_is_a_bug() {
    reading(&document(""), |r| assert!(r.count("seize").is_none()));
}

#[test]
#[should_panic(expected = "`size` of pool `p` is read as a duration but declared as a whole number")]
fn reading_a_key_in_another_form_than_declared_is_a_bug() {
    reading(&document("size = 1"), |r| assert!(r.duration("size").is_none()));
}
