//! The reading of one table against its keys.

use std::ops::RangeInclusive;

use super::convert::{Refusal, boolean, choice, count, number, quantity, share, text, zero};
use super::key::example;
use super::{Form, Item, Key, Spanned, Table, Value, code};
use crate::diagnostic::{Sink, Span, nearest};
use crate::quantity::{Bytes, Money, Quantity, Rate, Share, SimDuration};

/// Reads one table against its keys; every problem goes to the sink, none stops the others.
///
/// A value that is present is read or reported; an absent one takes the default of its key; without
/// a default there is none, silently, unless it is asked for with `required`.
pub struct Reader<'a> {
    what: String,
    table: &'a Table,
    keys: &'static [Key],
    sink: &'a mut Sink,
}

impl<'a> Reader<'a> {
    /// Reports unknown keys at once. `what` names the table: "connection pool `orders-db`".
    pub fn new(what: String, table: &'a Table, keys: &'static [Key], sink: &'a mut Sink) -> Self {
        let mut names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        names.sort_unstable();
        let mut told = false;
        for entry in &table.entries {
            if names.binary_search(&entry.key.as_str()).is_ok() {
                continue;
            }
            let message = format!("{what} has no key {}", code(&entry.key));
            let mut added = sink.error(entry.key_span.clone(), "unknown-key", message);
            added = added.label(match nearest(&entry.key, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "not a key of this table".to_owned(),
            });
            if !told {
                let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                added.help(match listed.len() {
                    0 => "it has no keys".to_owned(),
                    1 => format!("its only key is {}", listed[0]),
                    _ => format!("its keys are {}", listed.join(", ")),
                });
                told = true;
            }
        }
        Reader {
            what,
            table,
            keys,
            sink,
        }
    }

    fn key(&self, name: &str) -> &'static Key {
        match self.keys.iter().find(|key| key.name == name) {
            Some(key) => key,
            None => panic!(
                "`{name}` is read from {} but is not declared among its keys",
                self.what
            ),
        }
    }

    /// The key, which the documentation describes in the same form in which it is read.
    fn declared(&self, name: &str, form: Form) -> &'static Key {
        let key = self.key(name);
        let agrees = match form {
            Form::List => matches!(key.form, Form::List | Form::Steps),
            Form::Text => matches!(key.form, Form::Text | Form::Name | Form::Law),
            Form::Number => matches!(key.form, Form::Number | Form::Count),
            form => key.form == form,
        };
        debug_assert!(
            agrees || key.form == Form::Value,
            "`{name}` of {} is read as {} but declared as {}",
            self.what,
            form.describe(),
            key.form.describe()
        );
        key
    }

    fn read<T>(
        &mut self,
        key: &str,
        form: Form,
        convert: impl FnOnce(&Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        let declared = self.declared(key, form);
        if let Some(item) = self.table.get(key) {
            return item.read(&format!("`{key}` of {}", self.what), self.sink, convert);
        }
        let default = declared.default?;
        let value = Value::parse(default).map_err(|problem| Refusal {
            id: "bad-default",
            problem: format!("has a default that is not TOML: {problem}"),
            label: String::new(),
            help: String::new(),
        });
        match value.and_then(|value| convert(&value)) {
            Ok(value) => Some(value),
            Err(refusal) => panic!(
                "the default {default} of `{key}` of {} {}: {}",
                self.what, refusal.problem, refusal.label
            ),
        }
    }

    pub fn duration(&mut self, key: &str) -> Option<SimDuration> {
        self.read(key, Form::Duration, quantity)
    }

    /// A duration that may not be zero.
    pub fn positive_duration(&mut self, key: &str) -> Option<SimDuration> {
        self.read(key, Form::Duration, |value| {
            quantity(value).and_then(|length: SimDuration| match length.is_zero() {
                true => Err(zero(value, "longer than nothing", SimDuration::HELP)),
                false => Ok(length),
            })
        })
    }

    pub fn rate(&mut self, key: &str) -> Option<Rate> {
        self.read(key, Form::Rate, quantity)
    }

    /// A rate that may not be zero.
    pub fn positive_rate(&mut self, key: &str) -> Option<Rate> {
        self.read(key, Form::Rate, |value| {
            quantity(value).and_then(|rate: Rate| match rate.per_second > 0.0 {
                false => Err(zero(value, "above nothing", Rate::HELP)),
                true => Ok(rate),
            })
        })
    }

    pub fn bytes(&mut self, key: &str) -> Option<Bytes> {
        self.read(key, Form::Bytes, quantity)
    }

    pub fn money(&mut self, key: &str) -> Option<Money> {
        self.read(key, Form::Money, quantity)
    }

    pub fn share(&mut self, key: &str) -> Option<Share> {
        self.read(key, Form::Share, share)
    }

    pub fn count(&mut self, key: &str) -> Option<u64> {
        self.count_in(key, 0..=u64::MAX)
    }

    pub fn count_in(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        self.read(key, Form::Count, |value| count(value, &allowed))
    }

    pub fn number(&mut self, key: &str) -> Option<f64> {
        self.read(key, Form::Number, number)
    }

    pub fn number_in(&mut self, key: &str, allowed: RangeInclusive<f64>) -> Option<f64> {
        self.read(key, Form::Number, |value| match number(value)? {
            number if allowed.contains(&number) => Ok(number),
            number => Err(Refusal {
                id: "out-of-range",
                problem: "is out of range".to_owned(),
                label: format!(
                    "found {number}, allowed is from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
                help: format!("write a number from {} to {}", allowed.start(), allowed.end()),
            }),
        })
    }

    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        self.read(key, Form::Boolean, boolean)
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        self.read(key, Form::Text, |value| text(value, Form::Text))
    }

    pub fn name(&mut self, key: &str) -> Option<Spanned<String>> {
        let name = self.read(key, Form::Name, |value| text(value, Form::Name))?;
        Some(Spanned {
            value: name,
            span: self.span(key),
        })
    }

    /// The text of a law; its meaning is read elsewhere, with this place.
    pub fn law(&mut self, key: &str) -> Option<Spanned<String>> {
        let law = self.read(key, Form::Law, |value| text(value, Form::Law))?;
        Some(Spanned {
            value: law,
            span: self.span(key),
        })
    }

    /// One of the choices in the key's form.
    pub fn choice(&mut self, key: &str) -> Option<&'static str> {
        let Form::Choice(choices) = self.key(key).form else {
            panic!(
                "`{key}` of {} is read as a choice but declared otherwise",
                self.what
            );
        };
        self.read(key, Form::Choice(choices), |value| choice(value, choices))
    }

    /// The value as it stands; a default does not apply.
    pub fn item(&self, key: &str) -> Option<&'a Item> {
        self.key(key);
        self.table.get(key)
    }

    /// The entries of a list; a default does not apply.
    pub fn list(&mut self, key: &str) -> Option<&'a [Item]> {
        self.declared(key, Form::List);
        let what = format!("`{key}` of {}", self.what);
        self.item(key)?.list(&what, self.sink)
    }

    /// A table within this one; a default does not apply.
    pub fn table(&mut self, key: &str) -> Option<&'a Table> {
        self.declared(key, Form::Table);
        let what = format!("`{key}` of {}", self.what);
        self.item(key)?.table(&what, self.sink)
    }

    /// Reports a key that is absent; says whether it is there.
    pub fn required(&mut self, key: &str) -> bool {
        let form = self.key(key).form;
        if self.has(key) {
            return true;
        }
        let message = format!("{} has no `{key}`", self.what);
        self.sink
            .error(self.table.span.clone(), "missing-key", message)
            .label(format!("`{key}` is needed here"))
            .help(format!("add `{key} = {}`", example(form)));
        false
    }

    /// Whether the key is written in the table.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Of the key's value, or of the table's header if it is absent.
    pub fn span(&self, key: &str) -> Span {
        self.table
            .get(key)
            .map_or_else(|| self.table_span(), |item| item.span.clone())
    }

    /// Of the key itself, or of the table's header if it is absent.
    pub fn key_span(&self, key: &str) -> Span {
        self.table
            .entry(key)
            .map_or_else(|| self.table_span(), |entry| entry.key_span.clone())
    }

    pub fn table_span(&self) -> Span {
        self.table.span.clone()
    }

    pub fn sink(&mut self) -> &mut Sink {
        self.sink
    }

    pub fn what(&self) -> &str {
        &self.what
    }
}

/// The same readings for keys that must be there: `missing-key` if they are not.
macro_rules! required {
    ($($required:ident = $read:ident -> $type:ty;)*) => {
        impl<'a> Reader<'a> {
            $(pub fn $required(&mut self, key: &str) -> Option<$type> {
                if self.required(key) { self.$read(key) } else { None }
            })*
        }
    };
}

required! {
    required_duration = duration -> SimDuration;
    required_rate = rate -> Rate;
    required_bytes = bytes -> Bytes;
    required_money = money -> Money;
    required_share = share -> Share;
    required_count = count -> u64;
    required_number = number -> f64;
    required_boolean = boolean -> bool;
    required_text = text -> String;
    required_name = name -> Spanned<String>;
    required_law = law -> Spanned<String>;
    required_choice = choice -> &'static str;
    required_list = list -> &'a [Item];
    required_table = table -> &'a Table;
}

#[cfg(test)]
mod tests {
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
                "wrong-type: `time` of pool `p` is not a law: found the number 5",
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
}
