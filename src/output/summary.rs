//! Which figures stand in which table. The terminal and the report set the same tables.

use crate::experiment::results::{Metric, Point, Results, SYSTEM, Unit, Verdict};
use crate::output::figure::{self, Scale};
use crate::output::reading;
use crate::output::table::{Column, Grid, Row, Tint};

/// Reasons why a figure has no interval, each with the mark that stands at the figure.
#[derive(Default)]
pub struct Footnotes {
    reasons: Vec<String>,
    /// What the table leaves out.
    rest: Option<String>,
    /// What its figures are of.
    legend: Option<String>,
}

/// Rows of a table of flows or of components.
const MOST_ROWS: usize = 100;
/// The rank of the first figure that an experiment asks for, above that of any other figure.
const FIRST_ASKED: u8 = 29;

impl Footnotes {
    fn mark(&mut self, reason: &str) -> String {
        let at = self
            .reasons
            .iter()
            .position(|known| known == reason)
            .unwrap_or_else(|| {
                self.reasons.push(reason.to_owned());
                self.reasons.len() - 1
            });
        Self::sign(at)
    }

    fn sign(at: usize) -> String {
        ["*", "†", "‡", "§", "¶"]
            .get(at)
            .map_or_else(|| format!("({})", at + 1), |sign| (*sign).to_owned())
    }

    /// `* no interval: one replication`, in the order of first use, for the marks in `shown`.
    pub fn lines(&self, shown: &[String]) -> Vec<String> {
        let used = |at: &usize| {
            let sign = Self::sign(*at);
            shown.iter().any(|line| line.contains(&sign))
        };
        let line = |at: usize| format!("{} {}", Self::sign(at), self.reasons[at]);
        let marks = (0..self.reasons.len()).filter(used).map(line);
        marks
            .chain(self.rest.clone())
            .chain(self.legend.clone())
            .collect()
    }

    /// All reasons, whatever is shown.
    pub fn all(&self) -> Vec<String> {
        let line = |(at, reason): (usize, &String)| format!("{} {reason}", Self::sign(at));
        let marks = self.reasons.iter().enumerate().map(line);
        marks
            .chain(self.rest.clone())
            .chain(self.legend.clone())
            .collect()
    }

    /// A figure in a scale, with a mark when it lacks an interval or carries a note.
    fn figure(&mut self, metric: Option<&Metric>, scale: Scale) -> String {
        let Some(metric) = metric.filter(|metric| metric.mean.is_finite()) else {
            return "–".to_owned();
        };
        let text = figure::in_scale(metric, scale);
        let reason = match (&metric.note, metric.interval()) {
            (Some(note), _) => reading::clean(note),
            (None, Some(_)) => return text,
            (None, None) if metric.replications < 2 => "no interval: one replication".to_owned(),
            (None, None) => "no interval could be formed".to_owned(),
        };
        format!("{text} {}", self.mark(&reason))
    }
}

/// The subject that stands for the whole: all flows together, or the first flow.
pub fn whole(results: &Results) -> &str {
    let subjects = || {
        results
            .points
            .iter()
            .flat_map(|point| &point.metrics)
            .map(|metric| metric.subject.as_str())
    };
    if subjects().any(|subject| subject == SYSTEM) {
        return SYSTEM;
    }
    subjects()
        .find(|subject| reading::is_flow(subject))
        .unwrap_or(SYSTEM)
}

/// Where the bottleneck of a point is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// In a column of its own, beside one for the objective.
    Column,
    /// In a line below the row, together with the objective.
    Below,
    /// Not in this table.
    Elsewhere,
}

/// One row a point.
pub fn points(results: &Results, shown: &[&Point], bottleneck: Bottleneck, notes: &mut Footnotes) -> Grid {
    let subject = whole(results);
    const USUAL: [(&str, &str, u8); 5] = [
        ("throughput", "throughput", 8),
        ("response_time_p50", "p50", 2),
        ("response_time_p95", "p95", 7),
        ("response_time_p99", "p99", 4),
        ("failure_share", "failures", 6),
    ];
    // What was asked for gives way last, its end before its beginning. What is not always shown stands in front.
    let asked = results.curve.iter().any(|curve| !curve.metrics.is_empty());
    let wanted = reading::main_metrics(results);
    let asked_rank = |of: &str, name: &str| {
        let at = wanted
            .iter()
            .position(|(known, named)| known == of && named == name);
        at.filter(|_| asked).map(|at| FIRST_ASKED - at.min(9) as u8)
    };
    let is_usual = |of: &str, name: &str| of == subject && USUAL.iter().any(|(known, _, _)| *known == name);
    let mut figures: Vec<(String, String, String, u8)> = Vec::new();
    for (of, name) in wanted.iter().filter(|(of, name)| !is_usual(of, name)) {
        if figures
            .iter()
            .all(|(known, named, _, _)| (known, named) != (of, name))
        {
            let rank = asked_rank(of, name).unwrap_or(5);
            figures.push((of.clone(), name.clone(), reading::full_label(of, name), rank));
        }
    }
    for (name, head, rank) in USUAL {
        let rank = asked_rank(subject, name).unwrap_or(rank);
        figures.push((subject.to_owned(), name.to_owned(), head.to_owned(), rank));
    }
    let scales: Vec<Scale> = figures
        .iter()
        .map(|(subject, name, _, _)| column_scale(shown.iter().copied(), subject, name))
        .collect();

    if figures
        .iter()
        .any(|(_, name, _, _)| name.starts_with("response_time_"))
    {
        notes.legend = reading::answered_only(shown.iter().copied());
    }
    let axes = reading::varied(results);
    let judged = shown.iter().any(|point| !point.objective.is_empty());
    let objective = judged && bottleneck != Bottleneck::Below;
    let mut columns: Vec<Column> = axes
        .iter()
        .map(|axis| Column {
            right: reading::is_numeric(results, *axis),
            ..Column::names(reading::clean(&results.axes[*axis].label), FIRST_ASKED + 1, 9)
        })
        .collect();
    if axes.is_empty() {
        columns.push(Column::figures("point", "", FIRST_ASKED + 1));
    }
    for ((_, _, head, rank), scale) in figures.iter().zip(&scales) {
        columns.push(Column::figures(head.as_str(), scale.suffix, *rank));
    }
    if objective {
        columns.push(Column::names("objective", 5, 9));
    }
    columns.push(Column::names("verdict", FIRST_ASKED + 2, 15));
    if bottleneck == Bottleneck::Column {
        columns.push(Column::names("bottleneck", 3, 20));
    }

    let rows = shown.iter().map(|point| {
        let mut cells: Vec<(String, Tint)> = axes
            .iter()
            .map(|axis| {
                (
                    reading::clean(reading::value_label(results, point, *axis)),
                    Tint::Plain,
                )
            })
            .collect();
        if axes.is_empty() {
            cells.push((point.index.to_string(), Tint::Plain));
        }
        for ((subject, name, _, _), scale) in figures.iter().zip(&scales) {
            cells.push((notes.figure(point.metric(subject, name), *scale), Tint::Plain));
        }
        if objective {
            cells.push(objective_cell(point));
        }
        let mut verdict = reading::verdict_label(point.verdict).to_owned();
        if !point.converged {
            verdict = format!(
                "{verdict} {}",
                notes.mark("the precision asked for was not reached")
            );
        }
        cells.push((verdict, verdict_tint(point.verdict)));
        let named = point.bottleneck.as_deref().map(reading::clean);
        if bottleneck == Bottleneck::Column {
            cells.push((named.clone().unwrap_or_default(), Tint::Plain));
        }
        let (answer, _) = objective_cell(point);
        let answer = (!answer.is_empty()).then(|| format!("objective {answer}"));
        let below: Vec<String> = named.into_iter().chain(answer).collect();
        let below = (bottleneck == Bottleneck::Below && !below.is_empty()).then(|| below.join("; "));
        Row { cells, below }
    });
    let rows = rows.collect();
    Grid { columns, rows }.without_empty_columns()
}

/// One row a flow, all of them together first.
pub fn flows(point: &Point, notes: &mut Footnotes) -> Grid {
    const FIGURES: [(&str, &str, u8); 9] = [
        ("offered", "offered", 2),
        ("throughput", "throughput", 8),
        ("goodput", "goodput", 1),
        ("failure_share", "failures", 6),
        ("response_time_mean", "mean", 1),
        ("response_time_p50", "p50", 3),
        ("response_time_p95", "p95", 7),
        ("response_time_p99", "p99", 4),
        ("response_time_max", "max", 0),
    ];
    notes.legend = reading::answered_only(std::iter::once(point));
    by_subject(
        point,
        "flow",
        &reading::flows_with_traffic(point),
        &FIGURES,
        notes,
    )
}

/// One row a component, the busiest first.
pub fn components(point: &Point, notes: &mut Footnotes) -> Grid {
    const FIGURES: [(&str, &str, u8); 10] = [
        ("utilisation", "utilisation", 8),
        ("throughput", "throughput", 2),
        ("in_queue_mean", "in queue", 6),
        ("in_queue_max", "queue max", 1),
        ("waiting_time_p95", "wait p95", 7),
        ("visit_time_p95", "visit p95", 5),
        ("rejected", "rejected", 4),
        ("timed_out", "timed out", 4),
        ("load_average", "load", 1),
        ("lag_max", "lag max", 3),
    ];
    let mut subjects = reading::subjects(point, false);
    let says_something = |subject: &str| {
        let figures = FIGURES
            .iter()
            .filter_map(|(name, _, _)| point.metric(subject, name));
        // Nobody visits a service or an autoscaler itself.
        let visited = !subject.starts_with("service.") && !subject.starts_with("autoscaler.");
        figures
            .into_iter()
            .any(|metric| metric.mean.is_finite() && (visited || metric.mean != 0.0))
    };
    subjects.retain(|subject| says_something(subject));
    let busy = |subject: &str| {
        let metric = point
            .metric(subject, "utilisation")
            .filter(|metric| metric.mean.is_finite());
        metric.map_or(f64::NEG_INFINITY, |metric| metric.mean)
    };
    subjects.sort_by_cached_key(|subject| std::cmp::Reverse(Ordered(busy(subject))));
    by_subject(point, "component", &subjects, &FIGURES, notes)
}

/// A number in its total order.
struct Ordered(f64);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

/// Simulation beside theory, where a closed form applies.
pub fn theory(results: &Results) -> Grid {
    let mut columns = vec![
        Column::names("figure", 9, 16),
        Column::figures("simulated", "", 8),
        Column::figures("theory", "", 8),
        Column::figures("apart", "", 4),
        Column::names("formula", 5, 10),
    ];
    let several = results.points.len() > 1;
    if several {
        columns.insert(0, Column::names("point", 9, 8));
    }
    let mut rows = Vec::new();
    for point in &results.points {
        for metric in &point.metrics {
            let Some(theory) = &metric.theory else {
                continue;
            };
            let inside = metric
                .interval()
                .map(|(low, high)| (low..=high).contains(&theory.value));
            let apart = (metric.mean - theory.value) / theory.value;
            let apart = if apart.is_finite() {
                format!("{:+.1} %", apart * 100.0)
            } else {
                "–".to_owned()
            };
            let tint = if inside == Some(true) {
                Tint::Good
            } else {
                Tint::Plain
            };
            let label = format!(
                "{} {}",
                reading::clean(&metric.subject),
                reading::metric_label(&metric.name)
            );
            let mut cells = vec![
                (label.trim_start_matches("system ").to_owned(), Tint::Plain),
                (figure::figure(metric), Tint::Plain),
                (figure::plain(theory.value, metric.unit), Tint::Plain),
                (
                    if inside == Some(true) {
                        "inside".to_owned()
                    } else {
                        apart
                    },
                    tint,
                ),
                (reading::clean(&theory.formula), Tint::Plain),
            ];
            if several {
                cells.insert(0, (reading::point_name(results, point), Tint::Plain));
            }
            rows.push(Row { cells, below: None });
        }
    }
    Grid { columns, rows }
}

/// The sign and colour of a term of the objective.
pub fn met(met: Option<bool>) -> (&'static str, Tint) {
    match met {
        Some(true) => ("met", Tint::Good),
        Some(false) => ("not met", Tint::Bad),
        None => ("undecided", Tint::Doubtful),
    }
}

/// The colour of a verdict.
pub fn verdict_tint(verdict: Verdict) -> Tint {
    match verdict {
        Verdict::Stable | Verdict::Recovered => Tint::Good,
        Verdict::NearCritical | Verdict::Undecided => Tint::Doubtful,
        Verdict::Overloaded | Verdict::Failing => Tint::Bad,
    }
}

/// All terms together: one failure fails, one doubt leaves doubt.
fn objective_cell(point: &Point) -> (String, Tint) {
    if point.objective.is_empty() {
        return (String::new(), Tint::Plain);
    }
    let terms = || point.objective.iter().map(|term| term.met);
    let all = if terms().any(|term| term == Some(false)) {
        Some(false)
    } else if terms().any(|term| term.is_none()) {
        None
    } else {
        Some(true)
    };
    let (text, tint) = met(all);
    (text.to_owned(), tint)
}

fn by_subject(
    point: &Point,
    first: &str,
    subjects: &[&str],
    figures: &[(&str, &str, u8)],
    notes: &mut Footnotes,
) -> Grid {
    let all = subjects.len();
    let subjects = &subjects[..all.min(MOST_ROWS)];
    if all > MOST_ROWS {
        notes.rest = Some(format!("{} more rows are in metrics.csv", all - MOST_ROWS));
    }
    let scales: Vec<Scale> = figures
        .iter()
        .map(|(name, _, _)| {
            let of = subjects.iter().filter_map(|subject| point.metric(subject, name));
            scale_of(of.collect::<Vec<_>>().as_slice())
        })
        .collect();
    // The least important figures give way before a name is cut.
    let mut columns = vec![Column::names(first, 9, 26)];
    for ((_, head, rank), scale) in figures.iter().zip(&scales) {
        columns.push(Column::figures(*head, scale.suffix, *rank));
    }
    let rows = subjects.iter().map(|subject| {
        let name = subject.strip_prefix("flow.").unwrap_or(subject);
        let name = if *subject == SYSTEM {
            "all flows".to_owned()
        } else {
            reading::clean(name)
        };
        let mut cells = vec![(name, Tint::Plain)];
        for ((metric, _, _), scale) in figures.iter().zip(&scales) {
            let metric = point.metric(subject, metric);
            let busy = metric.is_some_and(|metric| metric.name == "utilisation" && metric.mean >= 0.9);
            cells.push((
                notes.figure(metric, *scale),
                if busy { Tint::Bad } else { Tint::Plain },
            ));
        }
        Row { cells, below: None }
    });
    let rows = rows.collect();
    Grid { columns, rows }.without_empty_columns()
}

fn column_scale<'a>(points: impl Iterator<Item = &'a Point>, subject: &str, name: &str) -> Scale {
    let metrics: Vec<&Metric> = points.filter_map(|point| point.metric(subject, name)).collect();
    scale_of(&metrics)
}

fn scale_of(metrics: &[&Metric]) -> Scale {
    let unit = metrics.first().map_or(Unit::None, |metric| metric.unit);
    figure::shared_scale(unit, metrics.iter().map(|metric| figure::magnitude(metric)))
}
