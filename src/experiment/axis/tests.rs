use super::*;
use crate::document::parse;

fn axis(source: &str) -> Result<AxisPlan, String> {
    let mut sink = Sink::default();
    let document = parse(source, &mut sink).expect("valid TOML");
    let plan = read(0, document.root(), &mut sink);
    plan.ok_or_else(|| {
        sink.diagnostics()
            .iter()
            .map(|d| d.message.clone())
            .collect::<Vec<_>>()
            .join("; ")
    })
}

fn labels(source: &str) -> Vec<String> {
    let plan = axis(source).expect("an axis");
    assert_eq!(plan.axis.values.len(), plan.changes.len());
    plan.axis.values.into_iter().map(|v| v.label).collect()
}

#[test]
fn ranges_hit_both_ends() {
    assert_eq!(
        labels("path = 'a.b'\nfrom = 1\nto = 5\nstep = 2"),
        ["1", "3", "5"]
    );
    assert_eq!(
        labels("path = 'a.b'\nfrom = 0.1\nto = 0.5\nstep = 0.1"),
        ["0.1", "0.2", "0.3", "0.4", "0.5"]
    );
    assert_eq!(
        labels("path = 'a.b'\nfrom = '10/s'\nto = '1000/s'\npoints = 3\nscale = 'log'"),
        ["10/s", "100/s", "1000/s"]
    );
    assert_eq!(
        labels("path = 'a.b'\nfrom = 1\nto = 4\npoints = 10\nscale = 'log'"),
        ["1", "2", "3", "4"]
    );
    assert_eq!(labels("path = 'a.b'\nfrom = 5\nto = 5\nstep = 1"), ["5"]);
    assert_eq!(
        labels("path = 'a.b'\nfrom = 0.1\nto = 0.7\npoints = 4"),
        ["0.1", "0.3", "0.5", "0.7"]
    );
}

#[test]
fn a_step_that_is_not_whole_is_kept_between_whole_ends() {
    assert_eq!(
        labels("path = 'a.b'\nfrom = 1\nto = 3\nstep = 0.5"),
        ["1", "1.5", "2", "2.5", "3"]
    );
    assert_eq!(
        labels("path = 'a.b'\nfrom = 1\nto = 2.5\npoints = 4"),
        ["1", "1.5", "2", "2.5"]
    );
}

#[test]
fn units_become_the_axis_unit() {
    let plan = axis("path = 'w.x.rate'\nvalues = ['40/s', '80/s']").unwrap();
    assert_eq!(
        (plan.axis.unit.as_str(), plan.axis.label.as_str()),
        ("/s", "rate")
    );
    let plan = axis("path = 'w.x.t'\nvalues = ['500ms', '1s']").unwrap();
    assert_eq!(plan.axis.unit, "s");
    assert_eq!(plan.axis.values[0].number, Some(0.5));
    let plan = axis("path = 'w.x.t'\nvalues = ['exp(2ms)', 'exp(3ms)']").unwrap();
    assert_eq!(plan.axis.values[0].number, None);
    let plan = axis("path = 'w.x.n'\nvalues = [3, 4]").unwrap();
    assert_eq!(plan.axis.values[1].number, Some(4.0));
    let plan = axis("path = 'w.x.n'\nvalues = ['1e3', '2e3']").unwrap();
    assert_eq!(plan.axis.values[1].number, None);
}

#[test]
fn zipped_paths_change_together() {
    let plan = axis("paths = ['a.n', 'b.m']\nvalues = [[1, 2], [100, 200]]").unwrap();
    assert_eq!(plan.axis.values[1].label, "2 / 200");
    assert_eq!(plan.changes[1][1].value, Value::Integer(200));
    let same = axis("paths = ['a.n', 'b.m']\nvalues = [1, 2]").unwrap();
    assert_eq!(same.changes[1][1].value, Value::Integer(2));
    assert_eq!(same.axis.values[1].label, "2");
    // One path of which each value is a list.
    let lists = axis("path = 'a.n'\nvalues = [[1, 2], [3, 4]]").unwrap();
    assert_eq!((lists.changes.len(), lists.changes[1].len()), (2, 1));
    assert!(matches!(&lists.changes[1][0].value, Value::Array(items) if items.len() == 2));
}

#[test]
fn an_axis_with_a_name_is_told_by_its_first_path_where_that_is_enough() {
    let zipped = "paths = ['a.n', 'b.m']\nlabel = 'size'\n";
    assert_eq!(labels(&format!("{zipped}values = [[1, 2], [7, 8]]")), ["1", "2"]);
    assert_eq!(
        labels(&format!("{zipped}values = [[1, 1], [7, 8]]")),
        ["1 / 7", "1 / 8"]
    );
}

#[test]
fn points_that_share_the_value_of_the_first_path_have_places_of_their_own() {
    let plan = |values: &str| {
        axis(&format!("paths = ['a.t', 'b.m']\nvalues = {values}"))
            .unwrap()
            .axis
    };
    let shared = plan("[['10s', '10s', '20s'], [100, 1000, 100]]");
    assert!(
        shared.values.iter().all(|value| value.number.is_none()),
        "{shared:?}"
    );
    assert_eq!(shared.values[1].label, "10s / 1000");
    assert_eq!(shared.unit, "");
    let own = plan("[['10s', '20s'], [100, 1000]]");
    assert_eq!(own.values[1].number, Some(20.0));
    // The same number written in two ways is the same place.
    let twice = plan("[['1s', '1000ms'], [1, 2]]");
    assert!(
        twice.values.iter().all(|value| value.number.is_none()),
        "{twice:?}"
    );
}

#[test]
fn a_table_under_a_plain_key_is_a_part_of_a_path() {
    let source = "alternatives = [{ name = 'x', set = { a.b = 1, 'c.d' = { e = 2 }, f = { g = { h = 3 } }, i = {} } }]";
    let plan = axis(source).unwrap();
    let paths: Vec<&str> = plan.changes[0]
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    assert_eq!(paths, ["a.b", "c.d", "f.g.h", "i"]);
    assert_eq!(plan.changes[0][2].value, Value::Integer(3));
}

#[test]
fn an_alternative_without_a_name_is_not_said_to_be_missing() {
    let found = axis("alternatives = [{ set = {} }]").map(|_| ()).unwrap_err();
    assert!(!found.contains("is empty"), "{found}");
}

#[test]
fn what_is_wrong_with_an_axis_is_said() {
    for (source, expected) in [
        ("path = 'a.b'", "does not say which values"),
        ("values = [1]", "does not say what it varies"),
        ("path = 'a.b'\nvalues = []", "is empty"),
        ("path = 'a.b'\nvalues = [1]\nfrom = 1", "says twice"),
        ("path = 'a.b'\nfrom = 1\nto = 5", "either `step` or `points`"),
        ("path = 'a.b'\nfrom = 1\nto = 5\nstep = -1", "leads away"),
        ("path = 'a.b'\nfrom = 1\nto = 5\nstep = 0", "above zero"),
        (
            "path = 'a.b'\nfrom = 0\nto = 5\npoints = 3\nscale = 'log'",
            "above zero",
        ),
        (
            "path = 'a.b'\nfrom = '1s'\nto = '5ms'\npoints = 3",
            "begins in `s`",
        ),
        (
            "path = 'a.b'\nfrom = 5\nto = 0\npoints = 3\nscale = 'log'",
            "above zero",
        ),
        (
            "path = 'a.b'\nfrom = inf\nto = 1\nstep = 1",
            "`from` of a range is not a number",
        ),
        ("path = 'a.b'\nfrom = 0\nto = 1e9\nstep = 1", "more than 10000"),
        (
            "path = 'a.b'\nfrom = 'x'\nto = 1\nstep = 1",
            "`from` of a range is not a number",
        ),
        ("paths = ['a', 'b']\nvalues = [[1], [1, 2]]", "have 1, 2 entries"),
        ("paths = ['a', 'b']\nvalues = [[1]]", "2 paths and 1 lists"),
        ("alternatives = [{ set = {} }]", "has no `name`"),
        ("path = 'a'\nalternatives = [{ name = 'x' }]", "does not go with"),
    ] {
        let found = axis(source).map(|_| ()).expect_err(source);
        assert!(found.contains(expected), "{source}: {found}");
    }
}
