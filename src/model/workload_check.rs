//! Reading of `[workload.*]`: each executor with its own keys and its own rules.

mod keys;
mod mix;
mod stages;

pub use keys::{ALL_TAKE, CLIENT_KEYS, KEYS, STAGE_KEYS, taken};

use super::compile::{Compiler, FlowPlan};
use super::workload::*;
use crate::component::{Names, Recording, read_law};
use crate::diagnostic::Sink;
use crate::distribution::{Law, LawUnit};
use crate::document::{Document, Reader, Table, Value};
use crate::quantity::SimDuration;
use mix::mix;
use stages::{rates, stages};

/// A workload as read, before it has a place in the program.
pub struct WorkloadDraft {
    pub plan: WorkloadPlan,
    pub client: Option<(u32, Law)>,
}

impl WorkloadDraft {
    pub fn finish(self, compiler: &mut Compiler, names: &Names) -> WorkloadPlan {
        let mut plan = self.plan;
        let name = plan.name.clone();
        plan.mix_site = compiler.site(format!("workload.{name}/mix"), None);
        let gap = match &plan.arrivals {
            // A constant rate is a law of gaps; along stages a unit-rate stream is stretched.
            Arrivals::Poisson(rate) if rate.stages.is_empty() => Some(Law::Exponential {
                mean: if rate.start > 0.0 {
                    1.0 / rate.start
                } else {
                    f64::MAX
                },
            }),
            Arrivals::Poisson(_) => Some(Law::Exponential { mean: 1.0 }),
            Arrivals::Renewal(law) => Some(law.clone()),
            _ => None,
        };
        plan.gap_site = compiler.site(format!("workload.{name}/gap"), gap);
        plan.think_site = compiler.site(format!("workload.{name}/think"), plan.think.clone());
        let client = self.client.and_then(|(_, law)| {
            names
                .get("station", &super::client_name(&name))
                .map(|station| (station, law))
        });
        plan.entry = compiler.workload(&name, client);
        plan.rest = compiler.rest();
        plan
    }
}

/// Reads all workloads; what is wrong is reported and left out.
pub fn drafts(document: &Document, flows: &[FlowPlan], names: &Names, sink: &mut Sink) -> Vec<WorkloadDraft> {
    let Some(Value::Table(t)) = document.root().get("workload").map(|i| &i.value) else {
        sink.error(
            0..0,
            "no-workload",
            "the model has no workload: nothing would happen",
        )
        .help("add [workload.users] with `executor = \"poisson\"`, `rate = \"100/s\"` and `flow = \"...\"`");
        return Vec::new();
    };
    let mut sorted: Vec<_> = t.entries.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut out = Vec::new();
    for e in sorted {
        let Value::Table(table) = &e.item.value else {
            continue;
        };
        let mut reader = Reader::new(format!("workload `{}`", e.key), table, KEYS, sink);
        if let Some(draft) = draft(&e.key, &mut reader, table, flows, names) {
            out.push(draft);
        }
    }
    if out.len() > u16::MAX as usize {
        sink.error(0..0, "too-many", "the model has more than 65,535 workloads");
    }
    out
}

fn draft(
    name: &str,
    reader: &mut Reader,
    table: &Table,
    flows: &[FlowPlan],
    names: &Names,
) -> Option<WorkloadDraft> {
    if table.get("executor").and_then(|i| i.as_str()) == Some("externally-controlled") {
        let span = reader.span("executor");
        reader
            .sink()
            .error(
                span,
                "no-executor",
                "k6 no longer has the executor `externally-controlled`",
            )
            .help("use `ramping-vus` with the stages that you would have typed");
        return None;
    }
    let executor = reader.required_choice("executor");
    let mix = mix(reader, flows);
    let executor = executor?;
    for e in &table.entries {
        let k = e.key.as_str();
        if KEYS.iter().any(|d| d.name == k) && !ALL_TAKE.contains(&k) && !taken(executor).contains(&k) {
            let (what, span) = (reader.what().to_owned(), e.key_span.clone());
            reader
                .sink()
                .error(
                    span,
                    "not-taken",
                    format!("{what}: the executor `{executor}` has no `{k}`"),
                )
                .help(format!("it takes `{}`", taken(executor).join("`, `")));
        }
    }
    let think = law(reader, "think-time", names)?;
    let pacing = law(reader, "pacing", names)?;
    let (think, pacing) = match (think, pacing) {
        (Some(_), Some(_)) => {
            let span = reader.key_span("pacing");
            reader
                .sink()
                .error(span, "two-verbs", "a user either thinks or is paced, not both")
                .help("`think-time` follows the answer; `pacing` is the least distance of two starts");
            return None;
        }
        (None, Some(p)) => (Some(p), Pacing::Between),
        (think, None) => (think, Pacing::After),
    };
    let client = client(reader, names)?;
    let (tool, default_timeout) = match executor {
        "wrk" => (Tool::Wrk, None),
        "locust" => (Tool::Locust, None),
        "poisson" | "renewal" | "recorded" | "users" => (Tool::Plain, None),
        _ => (Tool::K6, Some(SimDuration::from_nanos(60_000_000_000))),
    };
    let timeout = if reader.has("timeout") {
        Some(reader.positive_duration("timeout")?)
    } else {
        default_timeout
    };
    let record_limit = (tool == Tool::Wrk).then(|| timeout.map_or(2_000_000_000, |t| t.nanos()));
    let timeout = if tool == Tool::Wrk {
        None
    } else {
        timeout.map(|t| t.nanos())
    };
    let start = reader.duration("start-time")?.nanos();
    let mut duration = reader.duration("duration").map(|d| d.nanos());
    let graceful_stop = match tool {
        Tool::K6 => reader.duration("graceful-stop")?.nanos(),
        // wrk stops reading at once, Locust kills its users (`--stop-timeout` 0): nothing of that is counted.
        Tool::Wrk | Tool::Locust => 0,
        // A plain stream leaves what is under way to itself.
        Tool::Plain => 1 << 59,
    };
    let graceful_ramp_down = reader.duration("graceful-ramp-down")?.nanos();
    let mut iterations = Iterations::Unlimited;
    let mut spawn = Spawn {
        per_second: None,
        think_first: false,
    };
    let mut users = None;
    let arrivals = match executor {
        "poisson" => Arrivals::Poisson(rates(reader, false)?),
        "renewal" => {
            reader.required("interarrival");
            let gaps = law(reader, "interarrival", names)??;
            if gaps.mean() == Some(0.0) {
                let span = reader.span("interarrival");
                reader
                    .sink()
                    .error(
                        span,
                        "out-of-range",
                        "gaps of no length: all requests would come at once, without end",
                    )
                    .help("give the gaps a mean, as in `interarrival = \"uniform(5ms, 15ms)\"`");
                return None;
            }
            Arrivals::Renewal(gaps)
        }
        "recorded" => {
            let file = reader.required_text("file")?;
            let unit = reader.positive_duration("time-unit")?.as_secs_f64();
            let column = match reader.has("time-column") {
                true => Some(reader.text("time-column")?),
                false => None,
            };
            let times = Recording::read(&names.path(&file)).map_err(|why| ("file", why));
            let times = times.and_then(|r| {
                let column = column.as_deref();
                let place = if column.is_some_and(|c| !r.has(c)) {
                    "time-column"
                } else {
                    "file"
                };
                r.column(column, unit).map_err(|why| (place, why))
            });
            match times {
                Ok(times) => {
                    if let Some(i) = times.windows(2).position(|w| w[1] < w[0]) {
                        let span = reader.span("file");
                        reader
                            .sink()
                            .error(
                                span,
                                "not-in-order",
                                format!("{file}: arrival {} is before the one above it", i + 2),
                            )
                            .help("sort its lines by the time at which requests were to be sent");
                        return None;
                    }
                    Arrivals::Recorded(times.into())
                }
                Err((key, why)) => {
                    let span = reader.span(key);
                    reader.sink().error(span, "bad-file", why);
                    return None;
                }
            }
        }
        "constant-arrival-rate" => {
            users = virtual_users(reader);
            users?;
            Arrivals::Paced {
                rate: rates(reader, false)?,
                from_zero: true,
            }
        }
        "ramping-arrival-rate" => {
            users = virtual_users(reader);
            let rate = rates(reader, true)?;
            users?;
            duration = duration.or(Some(SimDuration::from_secs_f64(rate.length()).nanos()));
            Arrivals::Paced {
                rate,
                from_zero: false,
            }
        }
        "constant-vus" => Arrivals::Users(Profile::constant(population(reader, "vus")?)),
        "ramping-vus" => {
            let start = reader.count_in("start-vus", 0..=MOST_USERS)? as f64;
            let stages = stages(reader, start, false)?;
            duration = duration.or(Some(SimDuration::from_secs_f64(stages.length()).nanos()));
            Arrivals::Users(stages)
        }
        "shared-iterations" | "per-vu-iterations" => {
            let n = reader.count("iterations")?;
            iterations = if executor == "shared-iterations" {
                Iterations::Shared(n)
            } else {
                Iterations::Each(n)
            };
            duration = duration.or(Some(reader.duration("max-duration")?.nanos()));
            Arrivals::Users(Profile::constant(population(reader, "vus")?))
        }
        "wrk" => {
            let threads = reader.count_in("threads", 1..=MOST_USERS)?;
            let connections = reader.count_in("connections", 1..=MOST_USERS)?;
            if connections < threads {
                let span = reader.span("connections");
                reader.sink().error(
                    span,
                    "out-of-range",
                    format!(
                        "{connections} connections for {threads} threads; wrk wants at least one a thread"
                    ),
                );
                return None;
            }
            Arrivals::Users(Profile::constant((connections / threads * threads) as f64))
        }
        _ => {
            reader.required("users");
            let n = population(reader, "users")?;
            let rate = if reader.has("spawn-rate") {
                Some(reader.number_in("spawn-rate", 1e-6..=1e9)?)
            } else {
                None
            };
            spawn.per_second = if executor == "locust" {
                Some(rate.unwrap_or(1.0))
            } else {
                rate
            };
            spawn.think_first = executor == "users" && reader.boolean("think-first")?;
            Arrivals::Users(Profile::constant(n))
        }
    };
    let limit = reader.count("max-in-flight");
    Some(WorkloadDraft {
        plan: WorkloadPlan {
            name: name.to_owned(),
            tool,
            arrivals,
            mix: mix?,
            start,
            duration,
            graceful_stop,
            graceful_ramp_down,
            users,
            iterations,
            spawn,
            think,
            pacing,
            timeout,
            record_limit,
            limit,
            entry: 0,
            rest: 0,
            mix_site: 0,
            gap_site: 0,
            think_site: 0,
        },
        client,
    })
}

const MOST_USERS: u64 = 10_000_000;

fn population(reader: &mut Reader, key: &str) -> Option<f64> {
    reader.count_in(key, 1..=MOST_USERS).map(|n| n as f64)
}

fn law(reader: &mut Reader, key: &str, names: &Names) -> Option<Option<Law>> {
    if !reader.has(key) {
        return Some(None);
    }
    let text = reader.law(key)?;
    let what = format!("`{key}` of {}", reader.what());
    read_law(&text, LawUnit::Duration, &what, names, reader.sink()).map(Some)
}

fn client(reader: &mut Reader, names: &Names) -> Option<Option<(u32, Law)>> {
    if !reader.has("client") {
        return Some(None);
    }
    let table = reader.table("client")?;
    let what = format!("the client of {}", reader.what());
    let mut inner = Reader::new(what.clone(), table, CLIENT_KEYS, reader.sink());
    let threads = inner.count_in("threads", 1..=1_000_000);
    let text = inner.required_law("time")?;
    let law = read_law(
        &text,
        LawUnit::Duration,
        &format!("`time` of {what}"),
        names,
        inner.sink(),
    )?;
    Some(Some((threads? as u32, law)))
}

fn virtual_users(reader: &mut Reader) -> Option<VirtualUsers> {
    let pre = reader.required_count("pre-allocated-vus")?;
    let max = if reader.has("max-vus") {
        reader.count_in("max-vus", 1..=MOST_USERS)?
    } else {
        pre
    };
    let initialise = reader.duration("vu-init-time")?.nanos();
    if max < pre || pre > MOST_USERS {
        let span = reader.span("max-vus");
        reader.sink().error(
            span,
            "out-of-range",
            format!("`max-vus` of {max} is below `pre-allocated-vus` of {pre}"),
        );
        return None;
    }
    Some(VirtualUsers {
        pre_allocated: pre as u32,
        max: max as u32,
        initialise,
    })
}
