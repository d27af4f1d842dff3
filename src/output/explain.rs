//! Why one point of a sweep carries less than another: what a request costs where both give way.

use crate::experiment::results::{Metric, Point, Results, Unit, Verdict};
use crate::output::{figure, reading, summary};

/// A request's cost must differ by this share before there is something to explain.
const TELLING: f64 = 0.03;
/// A share must differ by so much, and beyond its intervals, to be named as a part of it.
const CHANGED: f64 = 0.01;
/// Most changes named.
const MOST: usize = 3;

/// What a request costs at the points that carry most and least, when the same component is used up at both, and
/// which shares (hit ratios, losses) moved with it.
pub fn cost_of_a_request(results: &Results) -> Option<String> {
    let whole = summary::whole(results);
    let carried = |point: &Point| point.metric(whole, "throughput").map(|metric| metric.mean);
    let mut pressed: Vec<(&Point, f64)> = results
        .points
        .iter()
        .filter(|point| matches!(point.verdict, Verdict::NearCritical | Verdict::Overloaded))
        .filter_map(|point| Some((point, carried(point).filter(|rate| *rate > 0.0)?)))
        .collect();
    pressed.sort_by(|one, other| other.1.total_cmp(&one.1));
    let (&(most, rate), &(least, low_rate)) = (pressed.first()?, pressed.last()?);
    let subject = reading::bottleneck_subject(most)?;
    if reading::bottleneck_subject(least) != Some(subject) {
        return None;
    }
    let busy = |point: &Point| point.metric(subject, "busy_mean").map(|metric| metric.mean);
    let (cheap, dear) = (busy(most)? / rate, busy(least)? / low_rate);
    if dear < cheap * (1.0 + TELLING) {
        return None;
    }
    let told = format!(
        "A request takes {} of {} at {} and {} at {}",
        figure::plain(cheap, Unit::Seconds),
        reading::clean(subject),
        reading::point_name(results, most),
        figure::plain(dear, Unit::Seconds),
        reading::point_name(results, least),
    );
    let changes = changes(most, least);
    Some(match changes.is_empty() {
        true => format!("{told}."),
        false => format!("{told}; {}.", changes.join(", ")),
    })
}

/// Shares of components that differ between two points, the largest difference first.
pub(super) fn changes(from: &Point, to: &Point) -> Vec<String> {
    let mut found: Vec<(f64, String)> = Vec::new();
    for before in &from.metrics {
        let idle = before.name.ends_with("utilisation") || before.name == "failure_share";
        if before.unit != Unit::Share || idle || reading::is_flow(&before.subject) {
            continue;
        }
        let Some(after) = to.metric(&before.subject, &before.name) else {
            continue;
        };
        let apart = (after.mean - before.mean).abs();
        // Not a number where one of them was not observed.
        if !apart.is_finite() || apart < CHANGED || overlap(before, after) {
            continue;
        }
        let verb = if after.mean > before.mean {
            "rises"
        } else {
            "falls"
        };
        found.push((
            apart,
            format!(
                "{} {verb} from {} to {}",
                reading::full_label(&before.subject, &before.name),
                figure::plain(before.mean, Unit::Share),
                figure::plain(after.mean, Unit::Share),
            ),
        ));
    }
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().take(MOST).map(|(_, text)| text).collect()
}

fn overlap(one: &Metric, other: &Metric) -> bool {
    match (one.interval(), other.interval()) {
        (Some(one), Some(other)) => one.0 <= other.1 && other.0 <= one.1,
        _ => false,
    }
}
