//! From files to an experiment: every point's model is checked before anything runs.

mod plot;
mod run;

pub use plot::PLOT_KEYS;
pub(super) use plot::{check_figure, find_axis};
pub(super) use run::RunKeys;
pub use run::{PRECISION_KEYS, RUN_KEYS};

use plot::read_plot;
use run::read_run;
use std::path::{Component, Path, PathBuf};

use super::Experiment;
use super::axis::{self, AxisPlan};
use super::expectation;
use super::grid::{Draft, inputs, points};
use super::replicate::dry_run;
use super::results::{Axis, Kind};
use crate::diagnostic::{Diagnostic, Severity, Sink};
use crate::document::{self, Document, Form, Item, Key, Reader, Value, key};
use crate::engine::Budget;

/// The keys of an experiment's file.
pub const KEYS: &[Key] = &[
    key("title", Form::Text, None, "one line for people"),
    key("about", Form::Text, None, "what the experiment is for"),
    key(
        "model",
        Form::Text,
        None,
        "the model's file, relative to this one",
    ),
    key(
        "set",
        Form::Table,
        None,
        "changes of the model at every point: `{ \"service.api.replicas\" = 3 }`",
    ),
    key("vary", Form::List, None, "what is varied: one `[[vary]]` an axis"),
    key("run", Form::Table, None, "how long, how often, how precise"),
    key("plot", Form::Table, None, "what the first picture shows"),
    key(
        "expect",
        Form::List,
        None,
        "what must hold: one `[[expect]]` each",
    ),
];

/// What the command line changes.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Nanoseconds.
    pub duration: Option<u64>,
    pub warm_up: Option<u64>,
    pub replications: Option<u32>,
    pub seed: Option<u64>,
    /// Changes of the model, path and value.
    pub set: Vec<(String, Value)>,
    pub coin: bool,
    pub budget: Budget,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Input {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

/// What is to be said about one file.
#[derive(Clone, Debug)]
pub struct Sheet {
    pub path: String,
    pub source: String,
    pub diagnostics: Vec<Diagnostic>,
}

/// What reading gave: an experiment if nothing is wrong, and what there is to say.
#[derive(Debug, Default)]
pub struct Loaded {
    pub experiment: Option<Experiment>,
    pub sheets: Vec<Sheet>,
}

impl Loaded {
    /// Whether anything is wrong.
    pub fn has_errors(&self) -> bool {
        let errors = |s: &Sheet| s.diagnostics.iter().any(|d| d.severity == Severity::Error);
        self.sheets.iter().any(errors)
    }
}

/// A model's file before its points are made.
pub(super) struct Base {
    pub path: PathBuf,
    pub source: String,
    pub document: Document,
}

/// Reads a file that should be a model and makes a run of it: one point, nothing varied.
pub fn load_model(path: &Path, overrides: &Overrides) -> Loaded {
    let mut loaded = Loaded::default();
    let mut sink = Sink::default();
    match read_model(path, &mut sink, &mut loaded.sheets) {
        Some(base) => run_of(base, overrides, sink, loaded),
        None => {
            push(&mut loaded.sheets, path, "", sink);
            loaded
        }
    }
}

/// Makes a run of a model's text, as if it stood in a file at `path`.
pub fn load_model_text(path: &Path, source: &str, overrides: &Overrides) -> Loaded {
    let mut loaded = Loaded::default();
    match parse_model(path, source.to_owned(), &mut loaded.sheets) {
        Some(base) => run_of(base, overrides, Sink::default(), loaded),
        None => loaded,
    }
}

/// Whether a document is an experiment: it names a model, or varies something.
pub fn is_experiment(document: &Document) -> bool {
    let root = document.root();
    root.get("vary").is_some() || root.get("model").is_some_and(|item| item.as_str().is_some())
}

fn run_of(base: Base, overrides: &Overrides, mut sink: Sink, mut loaded: Loaded) -> Loaded {
    if is_experiment(&base.document) {
        let shown = base.path.display();
        sink.push(
            Diagnostic::error("not-a-model", format!("`{shown}` is an experiment, not a model"))
                .help(format!("write `plimsoll sweep {shown}`")),
        );
        push(&mut loaded.sheets, &base.path, &base.source, sink);
        return loaded;
    }
    let name = stem(&base.path);
    let title = text_of(&base.document, "title").unwrap_or_else(|| name.clone());
    let title = title + &changed(overrides);
    let about = text_of(&base.document, "about");
    let draft = Draft {
        run: RunKeys::default(),
        fixed: Vec::new(),
        axes: Vec::new(),
    };
    let points = points(&draft, &base, overrides, &mut sink, &mut loaded.sheets);
    push(&mut loaded.sheets, &base.path, &base.source, sink);
    if let Some(points) = points
        && !loaded.has_errors()
    {
        let inputs = inputs(&[], &base, &points);
        loaded.experiment = Some(Experiment {
            name,
            title,
            about,
            kind: Kind::Run,
            axes: Vec::new(),
            points,
            curve: None,
            expectations: Vec::new(),
            inputs,
        });
    }
    loaded
}

/// Reads an experiment's file and the model that it names.
pub fn load(path: &Path, overrides: &Overrides) -> Loaded {
    match document::read_text(path, document::MOST_TEXT) {
        Ok(source) => load_text(path, &source, overrides),
        Err(why) => {
            let mut sink = Sink::default();
            sink.push(Diagnostic::error(
                "unreadable-file",
                format!("cannot read the experiment: {why}"),
            ));
            let mut loaded = Loaded::default();
            push(&mut loaded.sheets, path, "", sink);
            loaded
        }
    }
}

/// Reads an experiment from its text, as if it stood in a file at `path`.
pub fn load_text(path: &Path, source: &str, overrides: &Overrides) -> Loaded {
    let mut loaded = Loaded::default();
    let mut sink = Sink::default();
    loaded.experiment = experiment(path, source, overrides, &mut sink, &mut loaded.sheets);
    push(&mut loaded.sheets, path, source, sink);
    if loaded.has_errors() {
        loaded.experiment = None;
    }
    loaded
}

fn experiment(
    path: &Path,
    source: &str,
    overrides: &Overrides,
    sink: &mut Sink,
    sheets: &mut Vec<Sheet>,
) -> Option<Experiment> {
    let document = document::parse(source, sink)?;
    let root = document.root().clone();
    if root.get("model").is_none() && (root.get("workload").is_some() || root.get("flow").is_some()) {
        let shown = path.display();
        sink.push(
            Diagnostic::error(
                "not-an-experiment",
                format!("`{shown}` is a model, not an experiment"),
            )
            .help(format!("write `plimsoll run {shown}`")),
        );
        return None;
    }
    let mut reader = Reader::new("the experiment".into(), &root, KEYS, sink);
    let (title, about) = (reader.text("title"), reader.text("about"));
    let model = reader.required_text("model");
    let model_span = reader.span("model");
    let fixed = reader.table("set").map(axis::changes_of).unwrap_or_default();
    let vary = reader.tables("vary").unwrap_or_default().to_vec();
    let run = reader.table("run").cloned();
    let plot = reader.table("plot").cloned();
    let expect = reader.tables("expect").unwrap_or_default().to_vec();
    let mut axes = Vec::new();
    for (i, item) in vary.iter().enumerate() {
        if let Some(table) = item.table("an entry of `vary`", sink)
            && let Some(axis) = axis::read(i, table, sink)
        {
            axes.push(axis);
        }
    }
    labels_differ(&axes, &vary, sink);
    let run = run.as_ref().map(|t| read_run(t, sink)).unwrap_or_default();
    let base = model.and_then(|m| {
        let folder = path.parent().unwrap_or(Path::new(""));
        let base = read_model(&shortest(folder.join(&m)), sink, sheets);
        if base.is_none()
            && sheets.is_empty()
            && let Some(last) = last_without_place(sink)
        {
            last.span = Some(model_span);
        }
        base
    });
    let base = base?;
    let draft = Draft { run, fixed, axes };
    let names: Vec<Axis> = draft.axes.iter().map(|a| a.axis.clone()).collect();
    if sink.has_errors() {
        // What is wrong with the picture and the expectations is shown in the same go.
        let mut own = Sink::default();
        plot.as_ref().map(|t| read_plot(t, &names, None, &mut own));
        expectation::read(&expect, &names, None, &mut own);
        // Of an axis that is wrong itself the name is not missed.
        let wrong: Vec<String> = match (vary.is_empty(), root.get("vary")) {
            (true, Some(item)) => labels(item),
            _ => vary.iter().flat_map(labels).collect(),
        };
        let known = |name: &String| names.iter().any(|a| a.label == *name || a.path == *name);
        let missed = |found: &Diagnostic| {
            let of = |name: &&String| found.message == format!("there is no axis `{name}`");
            wrong.iter().filter(of).any(|name| !known(name))
        };
        let told = own.into_vec().into_iter().filter(|found| !missed(found));
        told.for_each(|found| sink.push(found));
        return None;
    }
    let points = points(&draft, &base, overrides, sink, sheets);
    // A model is built once for this: left out where nothing asks for a name.
    let named = plot.is_some() || !expect.is_empty() || draft.run.precision.is_some();
    let known = points
        .as_ref()
        .and_then(|p| p.first())
        .filter(|_| named)
        .map(|p| dry_run(p, base.path.parent()));
    let curve = plot
        .as_ref()
        .and_then(|t| read_plot(t, &names, known.as_deref(), sink));
    let expectations = expectation::read(&expect, &names, known.as_deref(), sink);
    let points = points?;
    if let (Some((goal, span)), Some(known)) = (&draft.run.precision, &known) {
        check_figure(&goal.subject, &goal.name, known, span.clone(), sink);
    }
    let name = stem(path);
    Some(Experiment {
        title: title.unwrap_or_else(|| name.clone()) + &changed(overrides),
        name,
        about,
        kind: Kind::Sweep,
        axes: names,
        inputs: inputs(&[(path, source)], &base, &points),
        points,
        curve,
        expectations,
    })
}

/// What an axis may be called, whatever else is wrong with it.
fn labels(item: &Item) -> Vec<String> {
    let text = |key: &str| item.as_table()?.get(key)?.as_str();
    let last = text("path").map(|path| path.rsplit('.').next().unwrap_or(path).trim_matches('"'));
    let all = [text("label"), text("path"), last, Some("alternative")];
    all.into_iter().flatten().map(str::to_owned).collect()
}

/// What the command line changes, to stand behind a title that was written without it.
fn changed(overrides: &Overrides) -> String {
    let told = overrides.set.iter().map(|(path, value)| {
        let key = path.rsplit('.').next().unwrap_or(path).trim_matches('"');
        let text: String = axis::written(value).chars().take(40).collect();
        format!("{key} = {text}")
    });
    let told: Vec<String> = told.collect();
    match told.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    }
}

fn last_without_place(sink: &mut Sink) -> Option<&mut Diagnostic> {
    sink.last_mut().filter(|d| d.span.is_none())
}

fn push(sheets: &mut Vec<Sheet>, path: &Path, source: &str, sink: Sink) {
    if !sink.is_empty() {
        sheets.push(Sheet {
            path: path.display().to_string(),
            source: source.to_owned(),
            diagnostics: sink.into_vec(),
        });
    }
}

pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    stem.filter(|s| !s.is_empty()).unwrap_or_else(|| "run".to_owned())
}

fn text_of(document: &Document, key: &str) -> Option<String> {
    document.root().get(key)?.as_str().map(str::to_owned)
}

/// `models/x.toml` for `experiments/../models/x.toml`, where both are the same file.
fn shortest(path: PathBuf) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        let named = matches!(short.components().next_back(), Some(Component::Normal(_)));
        if part == Component::ParentDir && named {
            short.pop();
        } else {
            short.push(part);
        }
    }
    let same = match (std::fs::canonicalize(&path), std::fs::canonicalize(&short)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    if same { short } else { path }
}

/// Reads and parses a model's file. That it cannot be read goes to `sink`, what is wrong with its text to a
/// sheet of its own.
fn read_model(path: &Path, sink: &mut Sink, sheets: &mut Vec<Sheet>) -> Option<Base> {
    let source = match document::read_text(path, document::MOST_TEXT) {
        Ok(source) => source,
        Err(why) => {
            let text = format!("cannot read the model `{}`: {why}", path.display());
            sink.push(Diagnostic::error("unreadable-file", text));
            return None;
        }
    };
    parse_model(path, source, sheets)
}

fn parse_model(path: &Path, source: String, sheets: &mut Vec<Sheet>) -> Option<Base> {
    let mut own = Sink::default();
    let document = document::parse(&source, &mut own);
    push(sheets, path, &source, own);
    Some(Base {
        path: path.to_path_buf(),
        source,
        document: document?,
    })
}

fn labels_differ(axes: &[AxisPlan], items: &[Item], sink: &mut Sink) {
    for (i, axis) in axes.iter().enumerate() {
        if axes[..i].iter().any(|a| a.axis.label == axis.axis.label) {
            let span = items.get(i).map_or(0..0, |item| item.span.clone());
            sink.error(
                span,
                "ambiguous-name",
                format!("there are two axes called `{}`", axis.axis.label),
            )
            .help("give one of them another `label`");
        }
    }
}
