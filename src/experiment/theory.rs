//! The closed form beside the simulated figure, where a model meets its assumptions: one station with first come
//! first served, Poisson arrivals at a constant rate, and nothing else.

use super::results::{Metric, SYSTEM, Theory};
use crate::distribution::{Law, LawUnit};
use crate::document::Document;
use crate::model::Model;
use crate::model::check::quoted;
use crate::model::workload::Arrivals;
use crate::statistics::queueing::{Means, Mmc, md1, mg1, mmck};

/// A station with its load, as the formulas want it.
struct Queue {
    subject: String,
    servers: u32,
    /// Places in all, where they are limited.
    room: Option<u32>,
    rate: f64,
    law: Law,
}

/// Why no formula applies.
type Reason = &'static str;

/// How a point's note begins that says why no closed form stands beside its figures.
pub const NO_CLOSED_FORM: &str = "No closed form stands beside the figures";

/// Puts values of closed forms beside the figures; says why if none applies.
pub fn add(model: &Model, metrics: &mut [Metric]) -> Result<(), Reason> {
    let queue = recognise(model)?;
    let answer = answer(&queue)?;
    let means = &answer.means;
    let station = queue.subject.as_str();
    let mut put = |subject: &str, name: &str, value: f64| {
        let found = metrics
            .iter_mut()
            .find(|m| m.subject == subject && m.name == name);
        if let Some(metric) = found.filter(|m| m.mean.is_finite()) {
            metric.theory = Some(Theory {
                value,
                formula: answer.formula.clone(),
            });
        }
    };
    put(station, "utilisation", means.utilisation);
    put(station, "waiting_time_mean", means.waiting_time);
    put(station, "visit_time_mean", means.response_time);
    put(station, "in_queue_mean", means.number_waiting);
    put(station, "in_system_mean", means.number_in_system);
    let flows = metrics_of_flows(model);
    for subject in flows.iter().map(String::as_str).chain([SYSTEM]) {
        put(subject, "throughput", means.throughput);
        put(subject, "response_time_mean", means.response_time);
        put(subject, "inside_mean", means.number_in_system);
        for (name, p) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
            if let Some(value) = answer.mmc.as_ref().and_then(|q| q.response_time_quantile(p).ok()) {
                put(subject, &format!("response_time_{name}"), value);
            }
        }
        if let Some(rejected) = answer.rejected {
            put(subject, "failure_share", rejected);
        }
    }
    Ok(())
}

fn metrics_of_flows(model: &Model) -> Vec<String> {
    model.flows.iter().map(|f| format!("flow.{}", f.name)).collect()
}

struct Answer {
    means: Means,
    rejected: Option<f64>,
    mmc: Option<Mmc>,
    formula: String,
}

fn answer(queue: &Queue) -> Result<Answer, Reason> {
    let service = queue.law.mean().ok_or("the service time has no mean")?;
    let (c, rate) = (queue.servers, queue.rate);
    let unstable = "the offered load is at or above capacity";
    match (&queue.law, queue.room) {
        (Law::Exponential { .. }, Some(room)) => {
            let loss = mmck(c, room, rate, service).map_err(|_| "the formula cannot be computed")?;
            Ok(Answer {
                means: loss.means,
                rejected: Some(loss.rejected),
                mmc: None,
                formula: format!("M/M/{c}/{room}"),
            })
        }
        // Nobody waits, so the law of the service does not matter (Sevastyanov 1957).
        (_, Some(room)) if room == c => {
            let loss = mmck(c, room, rate, service).map_err(|_| "the formula cannot be computed")?;
            Ok(Answer {
                means: loss.means,
                rejected: Some(loss.rejected),
                mmc: None,
                formula: format!("M/G/{c}/{c}, Erlang B"),
            })
        }
        (_, Some(_)) => Err("a limited queue has a closed form for exponential service only"),
        (Law::Exponential { .. }, None) => {
            let mmc = Mmc::new(c, rate, service).map_err(|_| unstable)?;
            let formula = if c == 1 {
                "M/M/1".to_owned()
            } else {
                format!("M/M/{c}, Erlang C")
            };
            Ok(Answer {
                means: mmc.means(),
                rejected: None,
                mmc: Some(mmc),
                formula,
            })
        }
        (_, None) if c > 1 => Err("several servers have a closed form for exponential service only"),
        (Law::Constant { .. }, None) => Ok(Answer {
            means: md1(rate, service).map_err(|_| unstable)?,
            rejected: None,
            mmc: None,
            formula: "M/D/1, Pollaczek–Khinchine".to_owned(),
        }),
        (law, None) => {
            let cv2 = law
                .cv2()
                .filter(|v| v.is_finite())
                .ok_or("the service time has no variance")?;
            Ok(Answer {
                means: mg1(rate, service, cv2.sqrt()).map_err(|_| unstable)?,
                rejected: None,
                mmc: None,
                formula: "M/G/1, Pollaczek–Khinchine".to_owned(),
            })
        }
    }
}

fn recognise(model: &Model) -> Result<Queue, Reason> {
    let [entry] = model.components.as_slice() else {
        return Err(match model.components.is_empty() {
            true => "there is no component",
            false => "there is more than one component",
        });
    };
    if entry.kind != "station" {
        return Err("the component is not a station");
    }
    if !model.timeline.is_empty() {
        return Err("the system changes during the run");
    }
    let [workload] = model.workloads.as_slice() else {
        return Err("there is more than one workload");
    };
    let rate = match &workload.arrivals {
        Arrivals::Poisson(profile) if profile.stages.is_empty() => profile.start,
        _ => return Err("arrivals are not Poisson at a constant rate"),
    };
    let limited = workload.duration.is_some() || workload.timeout.is_some() || workload.limit.is_some();
    if limited || workload.start > 0 || workload.users.is_some() || workload.mix.len() != 1 {
        return Err("the workload is not a plain Poisson stream of one flow");
    }
    let flow = &model.flows[workload.mix[0].0 as usize];
    let (document, name) = (&model.document, quoted(&entry.name));
    let station = |key: &str| document.get(&format!("station.{name}.{key}"));
    if station("patience").is_some() || station("discipline").is_some_and(|d| d.as_str() != Some("fcfs")) {
        return Err("the station is not first come first served without patience");
    }
    if station("speeds").is_some() {
        return Err("the speed of the station depends on its load");
    }
    let servers = whole(document, &format!("station.{name}.servers")).unwrap_or(1);
    let room = whole(document, &format!("station.{name}.capacity"));
    let steps = document
        .get(&format!("flow.{}.steps", quoted(&flow.name)))
        .and_then(|i| i.as_array())
        .unwrap_or_default();
    let [step] = steps else {
        return Err("the flow has more than one step");
    };
    let time = step
        .as_table()
        .filter(|t| t.entries.len() == 2 && t.get("use").is_some())
        .and_then(|t| t.get("time"))
        .and_then(|i| i.as_str());
    let time = time.ok_or("the flow's step is not a plain service time")?;
    let none = &mut |_: &str| Err("is not read here".to_owned());
    let law = Law::parse(time, LawUnit::Duration, none).map_err(|_| "the service times come from a file")?;
    Ok(Queue {
        subject: entry.subject(),
        servers,
        room,
        rate,
        law,
    })
}

fn whole(document: &Document, path: &str) -> Option<u32> {
    match document.get(path)?.value {
        crate::document::Value::Integer(n) => u32::try_from(n).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(station: &str, time: &str) -> Result<(String, Option<f64>), Reason> {
        let text = format!(
            "[station.desk]\n{station}\n[flow.f]\nsteps = [{{ use = \"desk\", time = \"{time}\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n"
        );
        let model = crate::model::load("m", &text, None, &mut crate::diagnostic::Sink::default());
        let queue = recognise(&model.expect("a model"))?;
        answer(&queue).map(|a| (a.formula, a.rejected))
    }

    #[test]
    fn a_loss_system_has_the_same_losses_with_any_law() {
        for time in ["exp(100ms)", "100ms", "lognormal(100ms, cv 3)"] {
            let (formula, rejected) = formula("servers = 2\ncapacity = 2", time).unwrap();
            // One erlang on two servers: a fifth is lost.
            assert!((rejected.unwrap() - 0.2).abs() < 1e-12, "{formula}: {rejected:?}");
        }
        assert!(formula("servers = 2\ncapacity = 3", "100ms").is_err());
        assert_eq!(formula("", "50ms").unwrap().0, "M/D/1, Pollaczek–Khinchine");
    }
}
