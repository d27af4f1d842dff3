//! Questions about [`Results`] that every form of output asks: which axis lies along the bottom, which
//! points form a line, what a figure is called, what the answer is in a sentence.

use crate::experiment::results::{Kind, Metric, Point, Results, SYSTEM, Unit, Verdict};
use crate::output::{explain, figure};

/// Points along the x axis with every other coordinate fixed.
pub struct Line<'a> {
    /// The fixed coordinates: `pool 20, batch 50`; empty when there is one line only.
    pub label: String,
    /// In the order of the x axis.
    pub points: Vec<&'a Point>,
}

/// The label of a point's value on an axis.
pub fn value_label<'a>(results: &'a Results, point: &Point, axis: usize) -> &'a str {
    let value = point
        .coordinates
        .get(axis)
        .and_then(|at| results.axes.get(axis)?.values.get(*at));
    value.map_or("?", |value| value.label.as_str())
}

/// The number of a point's value on an axis.
pub fn value_number(results: &Results, point: &Point, axis: usize) -> Option<f64> {
    let at = *point.coordinates.get(axis)?;
    results
        .axes
        .get(axis)?
        .values
        .get(at)?
        .number
        .filter(|number| number.is_finite())
}

/// True when every value of the axis is a number.
pub fn is_numeric(results: &Results, axis: usize) -> bool {
    let Some(axis) = results.axes.get(axis) else {
        return false;
    };
    axis.values
        .iter()
        .all(|value| value.number.is_some_and(f64::is_finite))
}

/// The axes that take more than one value.
pub fn varied(results: &Results) -> Vec<usize> {
    (0..results.axes.len())
        .filter(|axis| results.axes[*axis].values.len() > 1)
        .collect()
}

/// The axis drawn from left to right: as asked for, or the first varied one, numbers preferred.
pub fn x_axis(results: &Results) -> Option<usize> {
    let asked = results.curve.as_ref().map(|curve| curve.x);
    if let Some(axis) = asked.filter(|axis| *axis < results.axes.len()) {
        return Some(axis);
    }
    let varied = varied(results);
    let numeric = varied.iter().copied().find(|axis| is_numeric(results, *axis));
    numeric
        .or(varied.first().copied())
        .or((!results.axes.is_empty()).then_some(0))
}

/// Groups the points into lines along the x axis; the grouping axis asked for leads the label.
pub fn lines(results: &Results) -> Vec<Line<'_>> {
    let Some(x) = x_axis(results) else {
        return Vec::new();
    };
    let group = results.curve.as_ref().and_then(|curve| curve.group);
    let mut others: Vec<usize> = varied(results).into_iter().filter(|axis| *axis != x).collect();
    others.sort_by_key(|axis| (Some(*axis) != group, *axis));
    let mut lines: Vec<(Vec<Option<usize>>, Line)> = Vec::new();
    for point in &results.points {
        let key: Vec<Option<usize>> = others
            .iter()
            .map(|axis| point.coordinates.get(*axis).copied())
            .collect();
        match lines.iter_mut().find(|(known, _)| *known == key) {
            Some((_, line)) => line.points.push(point),
            None => {
                let label = place(results, point, &others);
                lines.push((
                    key,
                    Line {
                        label,
                        points: vec![point],
                    },
                ));
            }
        }
    }
    lines.sort_by(|(one, _), (other, _)| one.cmp(other));
    let numeric = is_numeric(results, x);
    for (_, line) in &mut lines {
        line.points.sort_by(|one, other| {
            let order = |point: &Point| point.coordinates.get(x).copied();
            if numeric {
                let number = |point| value_number(results, point, x).unwrap_or(f64::INFINITY);
                number(one).total_cmp(&number(other))
            } else {
                order(one).cmp(&order(other))
            }
        });
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// `replicas 3, pool 20` for the given axes of a point.
pub fn place(results: &Results, point: &Point, axes: &[usize]) -> String {
    let part = |axis: &usize| {
        let label = results.axes.get(*axis).map_or("?", |axis| axis.label.as_str());
        format!("{} {}", clean(label), clean(value_label(results, point, *axis)))
    };
    axes.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// The name of a point in running text.
pub fn point_name(results: &Results, point: &Point) -> String {
    let name = place(results, point, &varied(results));
    if name.is_empty() {
        format!("point {}", point.index)
    } else {
        name
    }
}

/// What the first picture draws: as asked for, or throughput and the 95th percentile.
pub fn main_metrics(results: &Results) -> Vec<(String, String)> {
    let asked = results
        .curve
        .as_ref()
        .map(|curve| curve.metrics.clone())
        .unwrap_or_default();
    let known = |subject: &str, name: &str| {
        results
            .points
            .iter()
            .any(|point| point.metric(subject, name).is_some())
    };
    let kept: Vec<_> = asked
        .into_iter()
        .filter(|(subject, name)| known(subject, name))
        .collect();
    if !kept.is_empty() {
        return kept;
    }
    let usual = ["throughput", "response_time_p95"].into_iter();
    usual
        .filter(|name| known(SYSTEM, name))
        .map(|name| (SYSTEM.to_owned(), name.to_owned()))
        .collect()
}

/// Subjects in order of appearance: flows (with `system` first), or everything else.
pub fn subjects(point: &Point, flows: bool) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for metric in &point.metrics {
        let subject = metric.subject.as_str();
        if is_flow(subject) == flows && seen.insert(subject) {
            found.push(subject);
        }
    }
    found.sort_by_key(|subject| *subject != SYSTEM);
    found
}

/// The flows to tell of: those that had requests, after all flows together unless there is but one.
pub fn flows_with_traffic(point: &Point) -> Vec<&str> {
    let mut all = subjects(point, true);
    let idle = |subject: &str| {
        point
            .metric(subject, "offered")
            .is_some_and(|offered| offered.mean == 0.0)
    };
    let single = |subject: &&str| *subject != SYSTEM;
    let busy = all.iter().filter(|flow| single(flow) && !idle(flow)).count();
    if busy > 0 {
        all.retain(|subject| !idle(subject));
    }
    if busy == 1 {
        all.retain(single);
    }
    all
}

/// True for `system` and for flows, which have response times; the rest are components.
pub fn is_flow(subject: &str) -> bool {
    subject == SYSTEM || subject.starts_with("flow.")
}

/// `response_time_p99_9` becomes `response time p99.9`.
pub fn metric_label(name: &str) -> String {
    let mut words: Vec<String> = name.split('_').map(str::to_owned).collect();
    if words.len() > 1 {
        let last = words.len() - 1;
        let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let percentile = words[last - 1].strip_prefix('p').is_some_and(digits);
        if percentile && digits(&words[last]) {
            let fraction = words.remove(last);
            words[last - 1] = format!("{}.{fraction}", words[last - 1]);
        }
    }
    words.join(" ")
}

/// A metric's label with its subject, unless that is the whole system.
pub fn full_label(subject: &str, name: &str) -> String {
    if subject == SYSTEM {
        metric_label(name)
    } else {
        format!("{} of {}", metric_label(name), clean(subject))
    }
}

/// The words for a verdict.
pub fn verdict_label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Stable => "stable",
        Verdict::NearCritical => "near critical",
        Verdict::Overloaded => "overloaded",
        Verdict::Recovered => "recovered",
        Verdict::Failing => "failing",
        Verdict::Undecided => "undecided",
    }
}

/// The component that a point's bottleneck speaks of: the longest subject that it begins with, since names may hold
/// spaces.
pub fn bottleneck_subject(point: &Point) -> Option<&str> {
    let bottleneck = point.bottleneck.as_deref()?;
    let known = subjects(point, false).into_iter().filter(|subject| {
        bottleneck
            .strip_prefix(subject)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let first_word = bottleneck.split_whitespace().next().unwrap_or(bottleneck);
    Some(known.max_by_key(|subject| subject.len()).unwrap_or(first_word))
}

/// The answer, shortest first: the verdict, then what it rests on.
pub fn headline(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    match (results.kind, results.points.as_slice()) {
        (_, []) => lines.push("No point was finished, so there is nothing to say yet.".to_owned()),
        (Kind::Run, [point, ..]) => {
            let reason = clean(&point.verdict_reason);
            let verdict = capitalised(verdict_label(point.verdict));
            lines.push(if reason.is_empty() {
                format!("{verdict}.")
            } else {
                format!("{verdict}: {}", sentence(&reason))
            });
            if let Some(bottleneck) = &point.bottleneck {
                lines.push(format!("Bottleneck: {}.", clean(bottleneck)));
            }
        }
        (Kind::Sweep, points) => {
            lines.push(verdicts(results, points));
            lines.extend(range(results));
            lines.extend(bottlenecks(results));
            lines.extend(explain::cost_of_a_request(results));
        }
    }
    if let Some(note) = unfinished(results) {
        lines.push(note);
    }
    lines
}

/// A sentence of its own: its first letter large, unless it begins with a component's name, and a full stop.
pub fn standing_alone(text: &str) -> String {
    let name = text
        .split_whitespace()
        .next()
        .is_some_and(|word| word.contains('.'));
    match name {
        true => sentence(text),
        false => capitalised(&sentence(text)),
    }
}

/// The text with a full stop at its end.
pub fn sentence(text: &str) -> String {
    let text = clean(text);
    match text.ends_with(['.', '!', '?', ':']) || text.is_empty() {
        true => text,
        false => text + ".",
    }
}

/// The notes of a point that say something of the system.
pub fn notes(point: &Point) -> impl Iterator<Item = &String> {
    let notes = point.notes.iter();
    notes.filter(|note| !note.starts_with(crate::experiment::theory::NO_CLOSED_FORM))
}

/// What is said of tables with response times where requests are lost.
pub fn answered_only<'a>(mut points: impl Iterator<Item = &'a Point>) -> Option<String> {
    let loses = |metric: &Metric| metric.name == "failure_share" && metric.mean > 0.0;
    points
        .any(|point| point.metrics.iter().any(loses))
        .then(|| "Response times are those of requests that were answered.".to_owned())
}

/// What an experiment that was stopped has to say about itself.
pub fn unfinished(results: &Results) -> Option<String> {
    if results.complete {
        return None;
    }
    let grid = results
        .axes
        .iter()
        .try_fold(1_usize, |size, axis| size.checked_mul(axis.values.len()));
    let done = results.points.len();
    let of = match grid {
        Some(grid) if grid > done => format!("{done} of {grid} points are"),
        _ => format!(
            "{} {}",
            count(done, "point"),
            if done == 1 { "is" } else { "are" }
        ),
    };
    Some(format!("Incomplete: the experiment was stopped; {of} finished."))
}

/// `1 point`, `3 points`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn verdicts(results: &Results, points: &[Point]) -> String {
    let order = [
        Verdict::Stable,
        Verdict::Recovered,
        Verdict::NearCritical,
        Verdict::Overloaded,
        Verdict::Failing,
        Verdict::Undecided,
    ];
    let mut parts = Vec::new();
    let varied = varied(results);
    for verdict in order {
        let having: Vec<&Point> = points.iter().filter(|point| point.verdict == verdict).collect();
        let word = verdict_label(verdict);
        let all = points.len();
        match (having.as_slice(), varied.as_slice()) {
            ([], _) => {}
            (some, _) if some.len() == all && all > 1 => parts.push(format!("{word} at all {all} points")),
            ([only], _) => parts.push(format!("{word} at {}", point_name(results, only))),
            (few, [axis]) if few.len() <= 4 => {
                let values = few.iter().map(|point| clean(value_label(results, point, *axis)));
                let values: Vec<String> = values.collect();
                let label = clean(&results.axes[*axis].label);
                parts.push(format!("{word} at {label} {}", values.join(", ")));
            }
            (some, _) => parts.push(format!("{word} at {} of {all} points", some.len())),
        }
    }
    format!("{}.", capitalised(&parts.join("; ")))
}

/// The extremes of the main metric with the points at which they stand.
fn range(results: &Results) -> Option<String> {
    let (subject, name) = main_metrics(results).into_iter().next()?;
    let figures = results.points.iter().filter_map(|point| {
        let metric = point.metric(&subject, &name)?;
        metric.mean.is_finite().then_some((point, metric))
    });
    let figures: Vec<(&Point, &Metric)> = figures.collect();
    let least = figures
        .iter()
        .min_by(|one, other| one.1.mean.total_cmp(&other.1.mean))?;
    let most = figures
        .iter()
        .max_by(|one, other| one.1.mean.total_cmp(&other.1.mean))?;
    if figures.len() < 2 {
        return None;
    }
    if figure::figure(least.1) == figure::figure(most.1) {
        let label = capitalised(&full_label(&subject, &name));
        return Some(format!("{label} is {} at all points.", figure::figure(least.1)));
    }
    // Common draws may tell apart what these intervals do not, but not by looking for the extremes.
    let high = least.1.interval().map_or(least.1.mean, |i| i.1);
    let low = most.1.interval().map_or(most.1.mean, |i| i.0);
    let ranges = match high >= low {
        true => "differs by no more than its intervals:",
        false => "ranges",
    };
    Some(format!(
        "{} {ranges} from {} ({}) to {} ({}).",
        capitalised(&full_label(&subject, &name)),
        figure::figure(least.1),
        point_name(results, least.0),
        figure::figure(most.1),
        point_name(results, most.0),
    ))
}

/// Which component gives way first, and at how many points.
fn bottlenecks(results: &Results) -> Option<String> {
    let mut counts: Vec<(&str, usize, &Point)> = Vec::new();
    for point in &results.points {
        let Some(subject) = bottleneck_subject(point) else {
            continue;
        };
        match counts.iter_mut().find(|(known, _, _)| *known == subject) {
            Some((_, count, _)) => *count += 1,
            None => counts.push((subject, 1, point)),
        }
    }
    counts.sort_by_key(|(_, count, _)| usize::MAX - count);
    let parts: Vec<String> = counts
        .iter()
        .take(3)
        .map(|(subject, number, point)| match number {
            1 => format!("{} ({})", clean(subject), point_name(results, point)),
            _ => format!("{} ({number} points)", clean(subject)),
        })
        .collect();
    (!parts.is_empty()).then(|| format!("Gives way first: {}.", parts.join(", ")))
}

/// At most `most` indices out of `0..len`, spread evenly, first and last among them.
pub fn spread(len: usize, most: usize) -> Vec<usize> {
    if len <= most || most < 2 {
        return (0..len.min(most.max(1))).collect();
    }
    (0..most).map(|step| step * (len - 1) / (most - 1)).collect()
}

/// All points, or when there are more than `most`, those around changes of verdict and an even spread.
pub fn telling(results: &Results, most: usize) -> Vec<&Point> {
    let points = &results.points;
    if points.len() <= most {
        return points.iter().collect();
    }
    let mut keep = vec![false; points.len()];
    let changes = points
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0].verdict != pair[1].verdict);
    let changes: Vec<usize> = changes.map(|(at, _)| at).collect();
    for at in spread(changes.len(), most / 4) {
        keep[changes[at]] = true;
        keep[changes[at] + 1] = true;
    }
    for at in spread(points.len(), most / 2) {
        keep[at] = true;
    }
    points
        .iter()
        .zip(keep)
        .filter_map(|(point, keep)| keep.then_some(point))
        .collect()
}

/// Text without control characters, which could move a terminal's cursor or break a picture's XML.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{FFFD}' } else { char })
        .collect()
}

/// The first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The unit of a metric anywhere in the results.
pub fn unit_of(results: &Results, subject: &str, name: &str) -> Option<Unit> {
    results
        .points
        .iter()
        .find_map(|point| point.metric(subject, name))
        .map(|metric| metric.unit)
}
