//! `validate`: reported rows of real systems against what their models give, as a page of docs.
//!
//! The rows stand in a TOML file, each with the experiment, the point and the figure that re-enact it:
//!
//! ```toml
//! [[row]]
//! case = "A"
//! what = "1 instance, cached reads"
//! reported = "929/s"
//! use = "fit"                     # fit: the model was fitted to it; predict: it was not; claim: somebody hoped for it
//! experiment = "../experiments/scale-out.toml"
//! at = { instances = 1 }
//! figure = "throughput"
//! ```
//!
//! For a claim, `reported` is a bound: `"> 1500/s"`. A `[[remark]]` has a `case` and a `text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::trials::{failed, page_written, watched};
use super::{ValidateArgs, complain, fail, print, say};
use crate::diagnostic::{Diagnostic, Sink, Span};
use crate::document::{self, Form, Key, Reader, Table, key};
use crate::experiment::axis::written;
use crate::experiment::results::{Metric, Point, Results, Unit};
use crate::experiment::{Overrides, Sheet, figure_name, load};
use crate::output::figure::{figure, plain};
use crate::quantity::{Rate, Share, SimDuration};

const FILE_KEYS: &[Key] = &[
    key("row", Form::List, None, "reported rows"),
    key("remark", Form::List, None, "what is to be said about a case"),
    key("case", Form::List, None, "the cases: `name` and `title`"),
];
const CASE_KEYS: &[Key] = &[
    key("name", Form::Text, None, "as rows call it"),
    key("title", Form::Text, None, "as the page calls it"),
];
const REMARK_KEYS: &[Key] = &[
    key("case", Form::Text, None, "the case"),
    key("text", Form::Text, None, "the remark"),
];
const ROW_KEYS: &[Key] = &[
    key("case", Form::Text, None, "the case"),
    key(
        "what",
        Form::Text,
        None,
        "what was measured, and under which configuration",
    ),
    key(
        "reported",
        Form::Text,
        None,
        "a quantity; for a claim a bound, as in \"> 1500/s\"",
    ),
    key(
        "use",
        Form::Choice(&["fit", "predict", "claim"]),
        None,
        "whether the model was fitted to it, or it is predicted, or somebody hoped for it",
    ),
    key(
        "experiment",
        Form::Text,
        None,
        "the experiment's file, relative to this one",
    ),
    key("at", Form::Table, None, "the point: axes and values"),
    key(
        "figure",
        Form::Text,
        None,
        "the figure, as in \"host.vps.utilisation\"",
    ),
    key("note", Form::Text, None, "what may explain a difference"),
];

/// A reported row.
pub(super) struct Row {
    case: String,
    what: String,
    reported: String,
    sense: Sense,
    value: f64,
    unit: Unit,
    experiment: PathBuf,
    at: Vec<(String, String)>,
    figure: (String, String),
    note: Option<String>,
    span: Span,
}

#[derive(Clone, Copy, PartialEq)]
enum Sense {
    Fit,
    Predict,
    /// At least, or at most.
    Claim {
        least: bool,
    },
}

/// Runs what the rows name and writes the page.
pub fn validate(args: &ValidateArgs) -> Exit {
    let source = match document::read_text(&args.file, document::MOST_TEXT) {
        Ok(source) => source,
        Err(why) => {
            fail(&format!(
                "cannot read the reported rows `{}`: {why}",
                args.file.display()
            ));
            return Exit::Impossible;
        }
    };
    let mut sink = Sink::default();
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let read = read(&source, folder, &mut sink);
    let wrong = sink.has_errors();
    let mut sheets = vec![Sheet {
        path: args.file.display().to_string(),
        source,
        diagnostics: sink.into_vec(),
    }];
    let Some((cases, rows, remarks)) = read.filter(|_| !wrong) else {
        complain(&sheets);
        return Exit::Impossible;
    };
    let mut results: BTreeMap<PathBuf, Results> = BTreeMap::new();
    for row in &rows {
        if !results.contains_key(&row.experiment) {
            match run(&row.experiment, args.replications) {
                Ok(found) => _ = results.insert(row.experiment.clone(), found),
                Err(exit) => return exit,
            }
        }
    }
    let mut found = Vec::new();
    for row in &rows {
        match point(row, &results[&row.experiment]) {
            Ok(point) => found.push((row, point.metric(&row.figure.0, &row.figure.1))),
            Err(why) => {
                let problem = Diagnostic::error("unknown-point", why).at(row.span.clone());
                sheets[0].diagnostics.push(problem);
            }
        }
    }
    if found.len() < rows.len() {
        complain(&sheets);
        return Exit::Impossible;
    }
    let mut page = String::new();
    for (name, title) in &cases {
        page.push_str(&format!("## {title}\n\n"));
        page.push_str(&table(found.iter().filter(|f| f.0.case == *name)));
        for (_, text) in remarks.iter().filter(|r| r.0 == *name) {
            page.push_str(&format!("\n- {text}"));
        }
        page.push_str("\n\n");
    }
    print(&page);
    page_written(&args.out, super::page::put(&args.out, "cases", page.trim_end()))
}

pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn read(source: &str, folder: &Path, sink: &mut Sink) -> Option<(Pairs, Vec<Row>, Pairs)> {
    let document = document::parse(source, sink)?;
    let mut reader = Reader::new("the reported rows".into(), document.root(), FILE_KEYS, sink);
    let lists = ["case", "row", "remark"].map(|k| reader.list(k).unwrap_or_default().to_vec());
    let (mut cases, mut rows, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for item in &lists[0] {
        let table = item.table("a case", sink)?;
        let mut reader = Reader::new("a case".into(), table, CASE_KEYS, sink);
        cases.push((reader.required_text("name")?, reader.required_text("title")?));
    }
    for item in &lists[1] {
        let table = item.table("a row", sink)?;
        rows.extend(row(table, folder, sink));
    }
    for item in &lists[2] {
        let table = item.table("a remark", sink)?;
        let mut reader = Reader::new("a remark".into(), table, REMARK_KEYS, sink);
        remarks.push((reader.required_text("case")?, reader.required_text("text")?));
    }
    Some((cases, rows, remarks))
}

fn row(table: &Table, folder: &Path, sink: &mut Sink) -> Option<Row> {
    let mut reader = Reader::new("a row".into(), table, ROW_KEYS, sink);
    let (case, what) = (reader.required_text("case"), reader.required_text("what"));
    let reported = reader.required_text("reported");
    let sense = reader.required_choice("use");
    let experiment = reader.required_text("experiment");
    let figure = reader.required_text("figure");
    let at = reader.table("at");
    let (reported, sense) = (reported?, sense?);
    let (sense, amount) = match (sense, reported.split_at_checked(1)) {
        ("claim", Some((">", rest))) => (Sense::Claim { least: true }, rest),
        ("claim", Some(("<", rest))) => (Sense::Claim { least: false }, rest),
        ("fit", _) => (Sense::Fit, reported.as_str()),
        ("predict", _) => (Sense::Predict, reported.as_str()),
        _ => {
            let span = reader.span("reported");
            reader
                .sink()
                .error(
                    span,
                    "bad-quantity",
                    format!("the claim `{reported}` is no bound"),
                )
                .help("write `>` or `<` and a quantity, as in \"> 1500/s\"");
            return None;
        }
    };
    let Some((value, unit)) = quantity(amount.trim()) else {
        let span = reader.span("reported");
        reader
            .sink()
            .error(span, "bad-quantity", format!("`{reported}` is no quantity"))
            .help("write a rate, a duration, a share or a number: \"929/s\", \"97ms\", \"1.2%\", \"93\"");
        return None;
    };
    Some(Row {
        case: case?,
        what: what?,
        reported: reported.clone(),
        sense,
        value,
        unit,
        experiment: folder.join(experiment?),
        at: at.map_or(Vec::new(), |t| {
            let pair = |e: &document::Entry| (e.key.clone(), written(&e.item.value));
            t.entries.iter().map(pair).collect()
        }),
        figure: figure_name(&figure?),
        note: reader.text("note"),
        span: reader.table_span(),
    })
}

fn quantity(text: &str) -> Option<(f64, Unit)> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some((number, Unit::Count));
    }
    if let Ok(duration) = SimDuration::parse(text) {
        return Some((duration.as_secs_f64(), Unit::Seconds));
    }
    if let Ok(rate) = Rate::parse(text) {
        return Some((rate.per_second, Unit::PerSecond));
    }
    Share::parse(text).ok().map(|share| (share.0, Unit::Share))
}

fn run(path: &Path, replications: Option<u32>) -> Result<Results, Exit> {
    let overrides = Overrides {
        replications,
        ..Overrides::default()
    };
    let loaded = load(path, &overrides);
    complain(&loaded.sheets);
    let experiment = loaded.experiment.ok_or(Exit::Impossible)?;
    say(&format!("{}\n", path.display()));
    watched(&experiment).map_err(failed)
}

/// The point of a row.
fn point<'a>(row: &Row, results: &'a Results) -> Result<&'a Point, String> {
    let mut wanted = Vec::new();
    for (label, value) in &row.at {
        let axis = results.axes.iter().position(|a| a.label == *label);
        let axis = axis.ok_or_else(|| format!("{} has no axis `{label}`", row.experiment.display()))?;
        let place = results.axes[axis].values.iter().position(|v| v.label == *value);
        wanted.push((
            axis,
            place.ok_or_else(|| format!("axis `{label}` has no value `{value}`"))?,
        ));
    }
    let stands = |p: &&Point| {
        wanted
            .iter()
            .all(|(axis, place)| p.coordinates.get(*axis) == Some(place))
    };
    results
        .points
        .iter()
        .find(stands)
        .ok_or_else(|| "there is no such point".to_owned())
}

fn table<'a>(rows: impl Iterator<Item = &'a (&'a Row, Option<&'a Metric>)>) -> String {
    let mut text =
        String::from("| | what | reported | simulated | error | |\n|---|---|---:|---:|---:|---|\n");
    for (row, metric) in rows {
        let usable = metric.filter(|m| m.mean.is_finite() && fits(row.unit, m.unit));
        let simulated = usable.map_or("not observed".to_owned(), figure);
        let (word, reported, error) = match row.sense {
            Sense::Fit => ("fitted", plain_or(row, usable), error(row, usable)),
            Sense::Predict => ("**predicted**", plain_or(row, usable), error(row, usable)),
            Sense::Claim { least } => ("claim", row.reported.clone(), judged(row, usable, least)),
        };
        let note = row.note.as_deref().unwrap_or("");
        text.push_str(&format!(
            "| {word} | {} | {reported} | {simulated} | {error} | {note} |\n",
            row.what
        ));
    }
    text
}

/// A bare number fits any figure that counts.
fn fits(reported: Unit, simulated: Unit) -> bool {
    reported == simulated || (reported == Unit::Count && simulated == Unit::None)
}

fn plain_or(row: &Row, metric: Option<&Metric>) -> String {
    plain(row.value, metric.map_or(row.unit, |m| m.unit))
}

fn error(row: &Row, metric: Option<&Metric>) -> String {
    match metric {
        Some(m) if row.value != 0.0 => format!("{:+.1} %", (m.mean / row.value - 1.0) * 100.0),
        Some(m) if m.mean == 0.0 => "none".to_owned(),
        _ => "–".to_owned(),
    }
}

fn judged(row: &Row, metric: Option<&Metric>, least: bool) -> String {
    let Some(m) = metric else {
        return "–".to_owned();
    };
    let (low, high) = m.interval().unwrap_or((m.mean, m.mean));
    let (holds, fails) = match least {
        true => (low >= row.value, high < row.value),
        false => (high <= row.value, low > row.value),
    };
    match (holds, fails) {
        (true, _) => "holds",
        (_, true) => "**does not hold**",
        _ => "undecided",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rows_can_be_read_and_belong_to_a_case_and_an_experiment() {
        let folder = Path::new("docs");
        let source = std::fs::read_to_string(folder.join("cases.toml")).expect("the rows");
        let mut sink = Sink::default();
        let (cases, rows, remarks) = read(&source, folder, &mut sink).expect("rows that can be read");
        assert!(sink.into_vec().is_empty());
        let known = |case: &str| cases.iter().any(|c| c.0 == case);
        assert_eq!(cases.len(), 5);
        assert!(rows.iter().all(|r| known(&r.case) && r.experiment.is_file()));
        assert!(remarks.iter().all(|r| known(&r.0)));
        for (case, _) in &cases {
            assert!(rows.iter().any(|r| r.case == *case), "{case}");
        }
    }
}
