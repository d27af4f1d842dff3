//! A rate or a number of users over time: constant, or along stages.

use super::super::workload::Profile;
use super::{MOST_USERS, STAGE_KEYS};
use crate::document::{Reader, Value};

/// Arrivals a second. The clock counts whole nanoseconds: of Poisson arrivals at this rate 0.04 % too many come, at ten
/// times the rate 4 %.
const HIGHEST_RATE: f64 = 1e8;

const COUNTED_IN_NANOSECONDS: &str =
    "the clock counts whole nanoseconds; model a share of the load on a share of the system";

pub(super) fn rates(reader: &mut Reader, staged: bool) -> Option<Profile> {
    if staged || reader.has("stages") {
        let start = reader.rate("start-rate")?.per_second;
        return stages(reader, start, true);
    }
    let rate = reader.required_rate("rate")?.per_second;
    if !(1e-9..=HIGHEST_RATE).contains(&rate) {
        let span = reader.span("rate");
        reader
            .sink()
            .error(
                span,
                "out-of-range",
                format!("a rate of {rate}/s; it must lie between 1e-9/s and 1e8/s"),
            )
            .help(match rate == 0.0 {
                true => "leave out a workload that sends nothing, or let it begin later with `start-time = \"5m\"`",
                false => COUNTED_IN_NANOSECONDS,
            });
        return None;
    }
    Some(Profile::constant(rate))
}

pub(super) fn stages(reader: &mut Reader, start: f64, rate: bool) -> Option<Profile> {
    reader.required("stages");
    let items = reader.list("stages")?;
    let mut profile = Profile {
        start,
        stages: Vec::new(),
    };
    for item in items {
        let what = format!("a stage of {}", reader.what());
        let table = item.table(&what, reader.sink())?;
        let mut inner = Reader::new(what.clone(), table, STAGE_KEYS, reader.sink());
        let length = inner.required_duration("duration");
        inner.required("target");
        let target = inner.item("target")?;
        let target = match (&target.value, rate) {
            (Value::String(_), true) => {
                let rate = target
                    .rate(&format!("`target` of {what}"), inner.sink())?
                    .per_second;
                if rate > HIGHEST_RATE {
                    inner
                        .sink()
                        .error(
                            target.span.clone(),
                            "out-of-range",
                            format!("a rate of {rate}/s; it may be 1e8/s at most"),
                        )
                        .help(COUNTED_IN_NANOSECONDS);
                    return None;
                }
                rate
            }
            (Value::Integer(_), false) => {
                let n = target.count(&format!("`target` of {what}"), inner.sink())?;
                if n > MOST_USERS {
                    inner.sink().error(
                        target.span.clone(),
                        "out-of-range",
                        format!("{n} users; at most {MOST_USERS}"),
                    );
                    return None;
                }
                n as f64
            }
            (_, true) => {
                inner
                    .sink()
                    .error(
                        target.span.clone(),
                        "wrong-type",
                        format!("`target` of {what} is a rate"),
                    )
                    .help("write `target = \"30/s\"`");
                return None;
            }
            (_, false) => {
                inner
                    .sink()
                    .error(
                        target.span.clone(),
                        "wrong-type",
                        format!("`target` of {what} is a number of users"),
                    )
                    .help("write `target = 100`");
                return None;
            }
        };
        let length = length?.as_secs_f64();
        if length == 0.0 {
            // k6 takes a stage without length as a jump.
            match profile.stages.last_mut() {
                Some(_) => profile.stages.push((1e-9, target)),
                None => profile.start = target,
            }
        } else {
            profile.stages.push((length, target));
        }
    }
    if profile.stages.is_empty() {
        let span = reader.span("stages");
        reader.sink().error(span, "empty-list", "`stages` has no stage");
        return None;
    }
    Some(profile)
}
