//! The points of the grid: each with its model, checked, and its settings.

use std::path::Path;

use super::axis::{AxisPlan, Change};
use super::planned::{changes_by_plan, stages};
use super::read::{Base, Input, Overrides, RunKeys, Sheet, stem};
use super::{
    DEFAULT_CONFIDENCE, DEFAULT_DURATION, DEFAULT_REPLICATIONS, DEFAULT_SEED, MOST_POINTS, PointPlan,
    PrecisionGoal, Settings, WINDOWS, WarmUp,
};
use crate::diagnostic::{Diagnostic, MOST_KEPT, Severity, Sink, Span};
use crate::document::{self, Document, Item, Value};
use crate::model::workload::Arrivals;
use crate::model::{self, Model};

/// The last nanosecond that the clock counts.
const LATEST: u64 = (1 << 60) - 1;
/// Bytes that the models of all points may take together, about.
const MOST_BYTES: usize = 4 << 30;

/// What is run, before it is spread over the grid.
pub(super) struct Draft {
    pub run: RunKeys,
    pub fixed: Vec<Change>,
    pub axes: Vec<AxisPlan>,
}

pub(super) fn points(
    draft: &Draft,
    base: &Base,
    overrides: &Overrides,
    sink: &mut Sink,
    sheets: &mut Vec<Sheet>,
) -> Option<Vec<PointPlan>> {
    let sizes: Vec<usize> = draft.axes.iter().map(|a| a.axis.values.len()).collect();
    let count = sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
    let Some(count) = count.filter(|n| *n <= MOST_POINTS) else {
        sink.push(
            Diagnostic::error(
                "too-many-points",
                format!("the axes span more than {MOST_POINTS} points"),
            )
            .help("vary fewer things at once, or take wider steps"),
        );
        return None;
    };
    let mut document = base.document.clone();
    let behind = behind(base.source.len());
    let mut whole = apply(&mut document, &draft.fixed, behind, sink);
    let commanded = Commanded::of(&overrides.set);
    for ((path, value), (named, place)) in overrides.set.iter().zip(&commanded.places) {
        let item = Item {
            value: value.clone(),
            span: place.clone(),
        };
        let by = commanded_from(base.source.len());
        let named = named.start + by..named.end + by;
        if let Err(why) = document.set_from(path, item.moved(by), named) {
            sink.push(Diagnostic::error("unknown-path", format!("--set {path}: {why}")));
            whole = false;
        }
    }
    if !whole {
        return None;
    }
    overruled(draft, overrides, sink);
    let mut said = Said::default();
    let mut out = Vec::with_capacity(count);
    let mut bytes = 0;
    for index in 0..count {
        let coordinates = coordinates(index, &sizes);
        let label = label(&draft.axes, &coordinates);
        let mut document = document.clone();
        let mut fits = true;
        for (axis, at) in draft.axes.iter().zip(&coordinates) {
            fits &= apply(&mut document, &axis.changes[*at], behind, sink);
        }
        if !fits {
            // The same path fails at every point.
            return None;
        }
        let mut own = Sink::default();
        let mut model = model::from_document(&stem(&base.path), document, base.path.parent(), &mut own);
        let settings = model.as_mut().map(|model| {
            let duration = duration(draft, model, overrides);
            model.ends_after(duration, &mut own);
            settings(draft, model, duration, overrides, sink)
        });
        said.note(own, &label);
        if said.is_enough() {
            break;
        }
        if let (Some(model), Some(settings)) = (model, settings) {
            bytes += model.bytes();
            if bytes > MOST_BYTES && count > 1 {
                sink.push(
                    Diagnostic::error(
                        "too-many-points",
                        format!(
                            "the models of the first {} of {count} points take more than {} GiB together",
                            index + 1,
                            MOST_BYTES >> 30
                        ),
                    )
                    .help(
                        "vary fewer things at once, or give the model fewer replicas or shorter data files",
                    ),
                );
                return None;
            }
            out.push(PointPlan {
                index,
                coordinates,
                label,
                model,
                settings: settings?,
            });
        }
    }
    let Apart {
        model: diagnostics,
        experiment: set,
        command,
    } = apart(said.finish(count), base.source.len());
    set.into_iter().for_each(|told| sink.push(told));
    sheets.extend(commanded.sheet(command));
    if !diagnostics.is_empty() {
        sheets.push(Sheet {
            path: base.path.display().to_string(),
            source: base.source.clone(),
            diagnostics,
        });
    }
    (out.len() == count).then_some(out)
}

/// Where the experiment's text begins in places: what it sets is placed as if it stood behind the model's text.
fn behind(length: usize) -> usize {
    length + 1
}

/// Where the command line begins, behind any experiment's text.
fn commanded_from(length: usize) -> usize {
    behind(length) + document::MOST_TEXT as usize + 1
}

/// What is said, by the text in which its places lie.
#[derive(Default)]
pub struct Apart {
    pub model: Vec<Diagnostic>,
    pub experiment: Vec<Diagnostic>,
    pub command: Vec<Diagnostic>,
}

/// What is said about the model's own text, of so many bytes, about what the experiment sets and about what the command
/// line sets, with the places in their texts.
pub fn apart(said: Vec<Diagnostic>, length: usize) -> Apart {
    let (behind, commanded) = (behind(length), commanded_from(length));
    let mut out = Apart::default();
    for mut told in said {
        let start = told.span.as_ref().map_or(0, |span| span.start);
        let (list, by) = match start {
            start if start >= commanded => (&mut out.command, commanded),
            start if start >= behind => (&mut out.experiment, behind),
            _ => (&mut out.model, 0),
        };
        if let Some(span) = &mut told.span {
            *span = span.start - by..span.end - by;
        }
        list.push(told);
    }
    out
}

/// The changes on the command line as a text, so that what is wrong with them can be shown in it.
pub struct Commanded {
    source: String,
    /// Of the path and of the value of each.
    places: Vec<(Span, Span)>,
}

impl Commanded {
    pub fn of(set: &[(String, Value)]) -> Commanded {
        let (mut source, mut places) = (String::new(), Vec::new());
        for (path, value) in set {
            source.push_str("--set ");
            let start = source.len();
            source.push_str(path);
            let end = source.len();
            source.push('=');
            source.push_str(&super::axis::written(value));
            places.push((start..end, end + 1..source.len()));
            source.push('\n');
        }
        Commanded { source, places }
    }

    /// What is said of them, if anything is.
    pub fn sheet(&self, diagnostics: Vec<Diagnostic>) -> Option<Sheet> {
        (!diagnostics.is_empty()).then(|| Sheet {
            path: "command line".to_owned(),
            source: self.source.clone(),
            diagnostics,
        })
    }
}

/// Tells of values that an axis overrules at every point.
fn overruled(draft: &Draft, overrides: &Overrides, sink: &mut Sink) {
    let varied = |path: &str| {
        let all = |axis: &&AxisPlan| {
            axis.changes
                .iter()
                .all(|changes| changes.iter().any(|c| c.path == path))
        };
        draft.axes.iter().find(all)
    };
    for change in &draft.fixed {
        if let Some(axis) = varied(&change.path) {
            let text = format!(
                "`{}` is set and varied: axis `{}` decides",
                change.path, axis.axis.label
            );
            sink.warning(change.span.clone(), "set-and-varied", text);
        }
    }
    for (path, _) in &overrides.set {
        if let Some(axis) = varied(path) {
            let text = format!(
                "--set {path} changes nothing: axis `{}` varies it",
                axis.axis.label
            );
            sink.push(Diagnostic::warning("set-and-varied", text));
        }
    }
}

fn apply(document: &mut Document, changes: &[Change], behind: usize, sink: &mut Sink) -> bool {
    let mut said: Vec<String> = Vec::new();
    for change in changes {
        let item = Item {
            value: change.value.clone(),
            span: change.place.clone(),
        };
        let named = change.span.start + behind..change.span.end + behind;
        let Err(why) = document.set_from(&change.path, item.moved(behind), named) else {
            continue;
        };
        // The keys of a table that is not there lack the same.
        if !said.contains(&why) {
            sink.error(change.span.clone(), "unknown-path", why.clone())
                .label("no such place in the model");
            said.push(why);
        }
    }
    said.is_empty()
}

/// The last axis changes fastest.
fn coordinates(mut index: usize, sizes: &[usize]) -> Vec<usize> {
    let mut out = vec![0; sizes.len()];
    for (c, size) in out.iter_mut().zip(sizes).rev() {
        *c = index % size;
        index /= size;
    }
    out
}

fn label(axes: &[AxisPlan], coordinates: &[usize]) -> String {
    let parts: Vec<String> = axes
        .iter()
        .zip(coordinates)
        .map(|(a, at)| format!("{} {}", a.axis.label, a.axis.values[*at].label))
        .collect();
    parts.join(", ")
}

/// Diagnostics of all points, each once, with the points at which it arose.
#[derive(Default)]
pub struct Said {
    list: Vec<Told>,
    /// Errors, and others, that differ from one another; so many of each that nobody reads more are kept.
    kept: [usize; 2],
    lost: bool,
}

struct Told {
    what: Diagnostic,
    /// The first points, and how many there are.
    at: Vec<String>,
    count: usize,
}

impl Said {
    /// Points that are named.
    const SHOWN: usize = 4;

    /// Takes what is said of the next point.
    pub fn note(&mut self, sink: Sink, label: &str) {
        for (i, d) in sink.into_vec().into_iter().enumerate() {
            // Mostly every point has the same to say in the same order.
            let known = match self.list.get(i).is_some_and(|t| t.what == d) {
                true => Some(i),
                false => self.list.iter().position(|t| t.what == d),
            };
            let told = match known {
                Some(at) => &mut self.list[at],
                None => {
                    let kept = &mut self.kept[usize::from(d.severity == Severity::Error)];
                    if *kept >= MOST_KEPT {
                        self.lost = true;
                        continue;
                    }
                    *kept += 1;
                    let (at, count) = (Vec::new(), 0);
                    self.list.push(Told { what: d, at, count });
                    self.list.last_mut().expect("one was put there")
                }
            };
            told.count += 1;
            if told.at.len() < Self::SHOWN {
                told.at.push(label.to_owned());
            }
        }
    }

    /// Whether looking at further points would say nothing that anybody reads.
    fn is_enough(&self) -> bool {
        self.lost && self.kept[1] > 0
    }

    /// All that was said of so many points.
    pub fn finish(self, points: usize) -> Vec<Diagnostic> {
        let lost = self.lost;
        let with_points = |Told { what, at, count }: Told| {
            if count == points && points != 1 || at[0].is_empty() {
                return what;
            }
            let mut text = at.join("; ");
            if count > at.len() {
                text.push_str(&format!("; and {} more", count - at.len()));
            }
            let points = if count == 1 { "point" } else { "points" };
            what.note(format!("at the {points} {text}"))
        };
        let mut out: Vec<Diagnostic> = self.list.into_iter().map(with_points).collect();
        if lost {
            let told = "other points have more to say, which is not shown";
            out.push(Diagnostic::remark("too-many-problems", told));
        }
        out
    }
}

/// Simulated time of a replication, nanoseconds.
fn duration(draft: &Draft, model: &Model, overrides: &Overrides) -> u64 {
    overrides
        .duration
        .or(draft.run.plan.duration)
        .or(model.run.duration)
        .or_else(|| natural_length(model))
        .unwrap_or(DEFAULT_DURATION)
}

fn settings(
    draft: &Draft,
    model: &Model,
    duration: u64,
    overrides: &Overrides,
    sink: &mut Sink,
) -> Option<Settings> {
    let (told, own) = (&draft.run.plan, &model.run);
    let warm_up = match overrides.warm_up.or(told.warm_up).or(own.warm_up) {
        Some(nanos) => WarmUp::Told(nanos),
        None if changes_by_plan(model, duration) => WarmUp::Nothing,
        None => WarmUp::Find,
    };
    if duration == 0 || matches!(warm_up, WarmUp::Told(w) if w >= duration) {
        sink.push(
            Diagnostic::error(
                "out-of-range",
                "the run measures nothing: its warm-up is as long as itself",
            )
            .help("make the duration longer than the warm-up"),
        );
        return None;
    }
    let precision = draft.run.precision.as_ref().map(|(goal, _)| goal.clone());
    let asked = overrides.replications.or(told.replications).or(own.replications);
    let most = precision
        .as_ref()
        .map(|goal: &PrecisionGoal| goal.max_replications);
    let replications = asked.unwrap_or(DEFAULT_REPLICATIONS.min(most.unwrap_or(u32::MAX)));
    if let Some((most, (_, span))) = most
        .zip(draft.run.precision.as_ref())
        .filter(|(m, _)| *m < replications)
    {
        let text = format!("{replications} replications are asked for, and {most} at most");
        if !sink.diagnostics().iter().any(|told| told.message == text) {
            sink.error(span.clone(), "out-of-range", text)
                .help("`max-replications` must not be below `replications`, with which each point begins");
        }
        return None;
    }
    Some(Settings {
        duration,
        warm_up,
        replications,
        seed: overrides.seed.or(told.seed).or(own.seed).unwrap_or(DEFAULT_SEED),
        confidence: draft.run.confidence.unwrap_or(DEFAULT_CONFIDENCE),
        precision,
        windows: WINDOWS,
        coin: overrides.coin,
        budget: overrides.budget,
    })
}

/// The time after which nobody sends any more, if every workload ends.
fn natural_length(model: &Model) -> Option<u64> {
    let mut longest = 0;
    for w in &model.workloads {
        let profile = stages(&w.arrivals).map(|p| (p.length() * 1e9) as u64);
        let recorded = match &w.arrivals {
            Arrivals::Recorded(times) => times.last().map(|t| ((t * 1e9) as u64).saturating_add(1)),
            _ => None,
        };
        let end = w.start.saturating_add(w.duration.or(profile).or(recorded)?);
        longest = longest.max(end.min(LATEST));
    }
    (longest > 0).then_some(longest)
}

/// The files that were read: experiment, model, and the data that the model names.
pub(super) fn inputs(own: &[(&Path, &str)], base: &Base, points: &[PointPlan]) -> Vec<Input> {
    let mut out: Vec<Input> = own
        .iter()
        .map(|(path, source)| Input {
            path: path.to_path_buf(),
            content: source.as_bytes().to_vec(),
        })
        .collect();
    out.push(Input {
        path: base.path.clone(),
        content: base.source.as_bytes().to_vec(),
    });
    let mut names = Vec::new();
    for point in points {
        let root = Value::Table(point.model.document.root().clone());
        files(&root, "", &mut names);
    }
    names.sort();
    names.dedup();
    let folder = base.path.parent().unwrap_or(Path::new(""));
    for name in names {
        let path = folder.join(name);
        if let Ok(text) = document::read_text(&path, document::MOST_DATA) {
            let content = text.into_bytes();
            out.push(Input { path, content });
        }
    }
    out
}

/// Texts that name a data file: the keys `file` and `log`, and `empirical(file)` in laws.
fn files(value: &Value, key: &str, out: &mut Vec<String>) {
    match value {
        Value::String(text) if matches!(key, "file" | "log") => out.push(text.clone()),
        Value::String(text) => {
            for part in text.split("empirical(").skip(1) {
                if let Some((inside, _)) = part.split_once(')') {
                    out.push(inside.trim().trim_matches(['"', '\'']).to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| files(&i.value, key, out)),
        Value::Table(table) => table
            .entries
            .iter()
            .for_each(|e| files(&e.item.value, &e.key, out)),
        _ => {}
    }
}
