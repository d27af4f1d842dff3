//! Which lines stand in which picture.

use crate::experiment::results::{Metric, Point, Results, SYSTEM, SeriesColumn, Unit, Verdict};
use crate::output::chart::{Line, Mark, Note, Panel, Picture, XAxis};
use crate::output::reading;

/// Lines a panel can hold and still be read.
const LINES: usize = 7;
/// Panels one above the other.
const PANELS: usize = 4;
/// As many where each was asked for by name.
const ASKED_PANELS: usize = 8;

/// Every picture of these results, the most important first; those with nothing to show are left out.
pub fn pictures(results: &Results) -> Vec<Picture> {
    let all = match results.points.as_slice() {
        [] => Vec::new(),
        [point] => vec![over_time(results, point)],
        _ => vec![curve(results), latency(results), utilisation(results)],
    };
    all.into_iter().filter(Picture::shows_something).collect()
}

/// The main metrics against the x axis, one panel a metric, one line a group.
pub fn curve(results: &Results) -> Picture {
    let groups = reading::lines(results);
    let shown = reading::spread(groups.len(), LINES);
    let wanted = reading::main_metrics(results);
    let mut panels: Vec<Panel> = Vec::new();
    for (at, (subject, name)) in wanted.iter().take(ASKED_PANELS).enumerate() {
        let unit = reading::unit_of(results, subject, name).unwrap_or(Unit::None);
        let lines = shown.iter().map(|group| {
            let group = &groups[*group];
            line(results, group.label.clone(), &group.points, subject, name)
        });
        let records = if name.starts_with("lag") { ", records" } else { "" };
        let mut panel = Panel {
            title: reading::full_label(subject, name) + records,
            unit,
            logarithmic: false,
            lines: lines.collect(),
            notes: Vec::new(),
        };
        panel.logarithmic = spans_decades(&panel);
        if at == 0 {
            panel.notes = knees(
                results,
                &shown.iter().map(|at| &groups[*at]).collect::<Vec<_>>(),
                subject,
                name,
            );
        }
        panels.push(panel);
    }
    let figures = left_out(wanted.len().min(ASKED_PANELS), wanted.len(), "figure");
    let left_out = left_out(shown.len(), groups.len(), "line") + &figures;
    Picture {
        file: "curve",
        title: results.title.clone(),
        caption: format!("{}{left_out}", intervals_caption(results)),
        x: x_axis(results),
        panels: panels.into_iter().filter(Panel::shows_something).collect(),
    }
}

/// Percentiles of the response time of all flows against the x axis, one panel a group.
pub fn latency(results: &Results) -> Picture {
    const PERCENTILES: [(&str, &str); 4] = [
        ("response_time_p50", "p50"),
        ("response_time_p90", "p90"),
        ("response_time_p95", "p95"),
        ("response_time_p99", "p99"),
    ];
    by_group(
        results,
        "latency",
        "Response time",
        "response time",
        Unit::Seconds,
        |group| {
            let lines = PERCENTILES
                .iter()
                .map(|(name, label)| line(results, (*label).to_owned(), &group.points, SYSTEM, name));
            lines
                .filter(|line| line.marks.iter().any(|mark| mark.y.is_finite()))
                .collect()
        },
    )
}

/// Utilisation of the busiest components against the x axis, one panel a group.
pub fn utilisation(results: &Results) -> Picture {
    by_group(
        results,
        "utilisation",
        "Utilisation of components",
        "utilisation",
        Unit::Share,
        |group| {
            busiest(&group.points)
                .into_iter()
                .map(|subject| {
                    line(
                        results,
                        reading::clean(subject),
                        &group.points,
                        subject,
                        "utilisation",
                    )
                })
                .collect()
        },
    )
}

/// One run over time: flow of requests, response times, utilisation and queues.
pub fn over_time(results: &Results, point: &Point) -> Picture {
    let times = &point.series.times_s;
    let last = times
        .iter()
        .copied()
        .filter(|time| time.is_finite())
        .fold(0.0, f64::max);
    let (divisor, unit) = match last {
        long if long > 7200.0 => (3600.0, "h"),
        middling if middling > 600.0 => (60.0, "min"),
        _ => (1.0, "s"),
    };
    type Wanted = (&'static str, Unit, fn(&SeriesColumn) -> bool);
    let wanted: [Wanted; 7] = [
        ("requests", Unit::PerSecond, |column| {
            reading::is_flow(&column.subject)
        }),
        ("response time", Unit::Seconds, |column| {
            reading::is_flow(&column.subject)
        }),
        (REPLICAS, Unit::Count, of_autoscaler),
        ("utilisation", Unit::Share, |column| {
            !reading::is_flow(&column.subject)
        }),
        ("number in queue or system", Unit::Count, |column| {
            !reading::is_flow(&column.subject) && !of_breaker(column) && !of_autoscaler(column)
        }),
        ("breaker: 0 closed, 1 half open, 2 open", Unit::Count, |column| {
            of_breaker(column) && column.name == "state"
        }),
        ("breaker: rates in %", Unit::Count, |column| {
            of_breaker(column) && column.name != "state"
        }),
    ];
    let mut hidden = 0;
    let panels = wanted.iter().map(|(title, unit, keep)| {
        let matching = point
            .series
            .columns
            .iter()
            .filter(|column| column.unit == *unit && keep(column));
        let mut columns: Vec<&SeriesColumn> = matching.collect();
        // All flows together say it best; single flows are drawn only if nothing sums them up.
        if columns.iter().any(|column| column.subject == SYSTEM) {
            columns.retain(|column| column.subject == SYSTEM);
        }
        // A flow without requests and a sort of failure that never came say nothing.
        // No more does a breaker that stayed closed.
        // Nor does what has no such figure at all.
        let says_nothing = |column: &SeriesColumn| {
            column.values.iter().all(|value| value.is_nan())
                || (reading::is_flow(&column.subject) || of_breaker(column))
                    && column.values.iter().all(|value| *value == 0.0 || value.is_nan())
        };
        columns.retain(|column| !says_nothing(column));
        let peak = |column: &SeriesColumn| {
            column
                .values
                .iter()
                .copied()
                .filter(|value| value.is_finite())
                .fold(0.0, f64::max)
        };
        columns.sort_by(|one, other| peak(other).total_cmp(&peak(one)));
        hidden += columns.len().saturating_sub(LINES);
        columns.truncate(LINES);
        let common = columns
            .windows(2)
            .all(|two| two[0].subject == two[1].subject && reading::is_flow(&two[0].subject));
        let lines = columns.into_iter().map(|column| {
            let label = if common {
                reading::metric_label(&column.name)
            } else if *unit == Unit::Share {
                reading::clean(&column.subject)
            } else {
                format!(
                    "{} {}",
                    reading::clean(column.subject.strip_prefix("flow.").unwrap_or(&column.subject)),
                    reading::metric_label(&column.name)
                )
            };
            let marks = times
                .iter()
                .zip(&column.values)
                .filter(|(time, _)| time.is_finite());
            let marks = marks.map(|(time, value)| Mark {
                x: time / divisor,
                y: *value,
                interval: None,
            });
            Line {
                label,
                marks: marks.collect(),
                connected: true,
            }
        });
        let lines: Vec<Line> = lines.collect();
        let mut panel = Panel {
            title: (*title).to_owned(),
            unit: *unit,
            logarithmic: false,
            lines,
            notes: Vec::new(),
        };
        panel.logarithmic = *unit == Unit::Seconds && spans_decades(&panel);
        panel
    });
    let panels: Vec<Panel> = panels.filter(Panel::shows_something).collect();
    let hidden = if hidden > 0 {
        format!(" {} left out.", reading::count(hidden, "line"))
    } else {
        String::new()
    };
    Picture {
        file: "series",
        title: format!("{}: over time", results.title),
        caption: format!(
            "Means over {}.{hidden}",
            reading::count(results.replications as usize, "replication")
        ),
        x: XAxis {
            label: "simulated time".to_owned(),
            unit: unit.to_owned(),
            logarithmic: false,
            categories: None,
            stops: Vec::new(),
        },
        panels,
    }
}

/// What a circuit breaker shows beside the number inside: a state and two rates in percent.
/// The panel of autoscalers.
pub const REPLICAS: &str = "replicas";

fn of_autoscaler(column: &SeriesColumn) -> bool {
    column.subject.starts_with("autoscaler.") && ["replicas", "ready"].contains(&column.name.as_str())
}

fn of_breaker(column: &SeriesColumn) -> bool {
    column.subject.starts_with("circuit-breaker.")
        && ["state", "failure_rate", "slow_call_rate"].contains(&column.name.as_str())
}

fn by_group<'a>(
    results: &'a Results,
    file: &'static str,
    title: &str,
    what: &str,
    unit: Unit,
    lines: impl Fn(&reading::Line<'a>) -> Vec<Line>,
) -> Picture {
    let groups = reading::lines(results);
    let shown = reading::spread(groups.len(), PANELS);
    let panels = shown.iter().map(|at| {
        let group = &groups[*at];
        let title = if group.label.is_empty() {
            what.to_owned()
        } else {
            format!("{what}, {}", group.label)
        };
        let mut panel = Panel {
            title,
            unit,
            logarithmic: false,
            lines: lines(group),
            notes: Vec::new(),
        };
        panel.logarithmic = spans_decades(&panel);
        panel
    });
    let panels: Vec<Panel> = panels.filter(Panel::shows_something).collect();
    let left_out = left_out(shown.len(), groups.len(), "panel");
    Picture {
        file,
        title: format!("{title}: {}", results.title),
        caption: format!("{}{left_out}", intervals_caption(results)),
        x: x_axis(results),
        panels,
    }
}

fn line(results: &Results, label: String, points: &[&Point], subject: &str, name: &str) -> Line {
    let x = reading::x_axis(results);
    let numeric = x.is_some_and(|axis| reading::is_numeric(results, axis));
    let marks = points.iter().filter_map(|point| {
        let metric = point.metric(subject, name);
        let at = place(results, point, x?, numeric)?;
        Some(Mark {
            x: at,
            y: metric.map_or(f64::NAN, |metric| metric.mean),
            interval: metric.and_then(Metric::interval),
        })
    });
    Line {
        label,
        marks: marks.collect(),
        connected: numeric,
    }
}

fn place(results: &Results, point: &Point, axis: usize, numeric: bool) -> Option<f64> {
    if numeric {
        reading::value_number(results, point, axis)
    } else {
        point.coordinates.get(axis).map(|at| *at as f64)
    }
}

fn x_axis(results: &Results) -> XAxis {
    let Some(axis) = reading::x_axis(results) else {
        let label = "point".to_owned();
        return XAxis {
            label,
            unit: String::new(),
            logarithmic: false,
            categories: None,
            stops: Vec::new(),
        };
    };
    let spec = &results.axes[axis];
    let numeric = reading::is_numeric(results, axis);
    let numbers: Vec<f64> = spec.values.iter().filter_map(|value| value.number).collect();
    let stops = if numeric && numbers.len() <= 12 {
        spec.values
            .iter()
            .filter_map(|value| Some((value.number?, reading::clean(&value.label))))
            .collect()
    } else {
        Vec::new()
    };
    XAxis {
        label: reading::clean(&spec.label),
        unit: reading::clean(&spec.unit),
        logarithmic: numeric && is_geometric(&numbers),
        categories: (!numeric).then(|| {
            spec.values
                .iter()
                .map(|value| reading::clean(&value.label))
                .collect()
        }),
        stops,
    }
}

/// True for values like 1, 10, 100: over a wide range, and most of them in its lower part.
fn is_geometric(numbers: &[f64]) -> bool {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        return false;
    };
    let middle = sorted[sorted.len() / 2];
    sorted.len() > 3 && *least > 0.0 && most / least >= 30.0 && middle < (least + most) / 4.0
}

/// Response times near saturation span decades; on a linear axis the lower ones would lie on the floor.
fn spans_decades(panel: &Panel) -> bool {
    let means = || panel.lines.iter().flat_map(|line| &line.marks).map(|mark| mark.y);
    let finite = || means().filter(|mean| mean.is_finite());
    let least = finite().fold(f64::INFINITY, f64::min);
    let most = finite().fold(0.0, f64::max);
    panel.unit == Unit::Seconds && least > 0.0 && most / least >= 30.0 && most.is_finite()
}

/// Components by their largest utilisation at any of the points.
fn busiest<'a>(points: &[&'a Point]) -> Vec<&'a str> {
    let mut found: Vec<(&str, f64)> = Vec::new();
    for metric in points.iter().flat_map(|point| &point.metrics) {
        if metric.name != "utilisation" || !metric.mean.is_finite() {
            continue;
        }
        match found.iter_mut().find(|(subject, _)| *subject == metric.subject) {
            Some((_, most)) => *most = most.max(metric.mean),
            None => found.push((&metric.subject, metric.mean)),
        }
    }
    found.sort_by(|one, other| other.1.total_cmp(&one.1));
    found
        .into_iter()
        .take(LINES)
        .map(|(subject, _)| subject)
        .collect()
}

/// Names what gives way where it first does: along each line, the first point past stable for each
/// component, or the best point of the first line when all is stable.
fn knees(results: &Results, groups: &[&reading::Line], subject: &str, name: &str) -> Vec<Note> {
    let x = reading::x_axis(results);
    let numeric = x.is_some_and(|axis| reading::is_numeric(results, axis));
    // Named alternatives have no order in which one would come first.
    if !numeric {
        return Vec::new();
    }
    let note = |line: usize, point: &Point| {
        let metric = point.metric(subject, name)?;
        let text = reading::clean(point.bottleneck.as_deref()?);
        let x = place(results, point, x?, numeric)?;
        metric.mean.is_finite().then_some(Note {
            line,
            x,
            y: metric.mean,
            text,
        })
    };
    let mut notes: Vec<Note> = Vec::new();
    // Where lines run together, one note is enough.
    let mut known: Vec<(&str, Option<f64>)> = Vec::new();
    for (line, group) in groups.iter().enumerate() {
        let mut named: Vec<&str> = Vec::new();
        for point in &group.points {
            let Some(component) = reading::bottleneck_subject(point) else {
                continue;
            };
            let pressed = matches!(point.verdict, Verdict::NearCritical | Verdict::Overloaded);
            if pressed && !named.contains(&component) {
                named.push(component);
                let place = (component, x.and_then(|x| place(results, point, x, numeric)));
                if !known.contains(&place) {
                    known.push(place);
                    notes.extend(note(line, point));
                }
            }
        }
        if groups.len() > 1 && notes.len() >= 3 {
            break;
        }
    }
    if notes.is_empty() {
        let mean = |point: &Point| {
            point
                .metric(subject, name)
                .map_or(f64::NEG_INFINITY, |metric| metric.mean)
        };
        let first = groups
            .first()
            .map(|group| group.points.as_slice())
            .unwrap_or_default();
        let named = first.iter().filter(|point| point.bottleneck.is_some());
        notes.extend(
            named
                .max_by(|one, other| mean(one).total_cmp(&mean(other)))
                .and_then(|point| note(0, point)),
        );
    }
    notes.truncate(3);
    notes
}

fn intervals_caption(results: &Results) -> String {
    let with = results
        .points
        .iter()
        .flat_map(|point| &point.metrics)
        .any(|metric| metric.interval().is_some());
    if with {
        let percent = results.confidence * 100.0;
        format!(
            "Bars and bands: {percent} % confidence intervals over {}.",
            reading::count(results.replications as usize, "replication")
        )
    } else {
        format!(
            "{}: no intervals.",
            reading::capitalised(&reading::count(results.replications as usize, "replication"))
        )
    }
}

fn left_out(shown: usize, all: usize, noun: &str) -> String {
    if shown < all {
        format!(" {shown} of {} shown.", reading::count(all, noun))
    } else {
        String::new()
    }
}
