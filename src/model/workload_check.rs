//! Reading of `[workload.*]`: each executor with its own keys and its own rules.

use super::compile::{Compiler, FlowPlan};
use super::workload::*;
use crate::component::{Names, read_law};
use crate::diagnostic::{Sink, nearest};
use crate::distribution::{Law, LawUnit};
use crate::document::{Document, Form, Item, Key, Reader, Spanned, Table, Value, key};
use crate::quantity::SimDuration;

const EXECUTORS: &[&str] = &[
    "poisson",
    "renewal",
    "recorded",
    "constant-arrival-rate",
    "ramping-arrival-rate",
    "constant-vus",
    "ramping-vus",
    "shared-iterations",
    "per-vu-iterations",
    "wrk",
    "locust",
    "users",
];

/// The keys of a workload. Which of them an executor takes is in [`taken`].
pub const KEYS: &[Key] = &[
    key(
        "executor",
        Form::Choice(EXECUTORS),
        None,
        "who sends: an open stream (`poisson`, `renewal`, `recorded`), a k6 executor, `wrk`, `locust`, or plain closed `users`",
    ),
    key("flow", Form::Name, None, "the flow that every request runs"),
    key(
        "mix",
        Form::Table,
        None,
        "flows with their shares: `{ purchase = 0.6, coupon = 0.4 }`",
    ),
    key(
        "rate",
        Form::Rate,
        None,
        "requests (k6: iterations) started a second",
    ),
    key(
        "start-rate",
        Form::Rate,
        Some("\"0/s\""),
        "rate at the begin of the first stage (k6 `startRate`, 0)",
    ),
    key(
        "stages",
        Form::List,
        None,
        "`[{ target = \"30/s\", duration = \"5m\" }, ..]`: linear from target to target",
    ),
    key(
        "interarrival",
        Form::Law,
        None,
        "law of the gaps between arrivals",
    ),
    key(
        "file",
        Form::Text,
        None,
        "CSV whose first column is the instant of each arrival, in seconds",
    ),
    key(
        "duration",
        Form::Duration,
        None,
        "no new requests after this; without it as long as the run",
    ),
    key(
        "start-time",
        Form::Duration,
        Some("\"0s\""),
        "begins this long after the run (k6 `startTime`)",
    ),
    key(
        "graceful-stop",
        Form::Duration,
        Some("\"30s\""),
        "then what is under way may take this long (k6 `gracefulStop`, 30 s)",
    ),
    key(
        "graceful-ramp-down",
        Form::Duration,
        Some("\"30s\""),
        "what a removed user may take to finish (k6 `gracefulRampDown`, 30 s)",
    ),
    key(
        "pre-allocated-vus",
        Form::Count,
        None,
        "virtual users that exist from the start (k6 `preAllocatedVUs`)",
    ),
    key(
        "max-vus",
        Form::Count,
        None,
        "most virtual users (k6 `maxVUs`, = pre-allocated)",
    ),
    key(
        "vu-init-time",
        Form::Duration,
        Some("\"10ms\""),
        "to initialise one more virtual user; one at a time",
    ),
    key("vus", Form::Count, Some("1"), "virtual users (k6 `vus`, 1)"),
    key(
        "start-vus",
        Form::Count,
        Some("1"),
        "users at the begin of the first stage (k6 `startVUs`, 1)",
    ),
    key(
        "iterations",
        Form::Count,
        Some("1"),
        "iterations: of all users together, or of each (k6, 1)",
    ),
    key(
        "max-duration",
        Form::Duration,
        Some("\"10m\""),
        "iterations not begun by then are dropped (k6 `maxDuration`, 10 min)",
    ),
    key(
        "users",
        Form::Count,
        None,
        "users, each of which waits for its answer",
    ),
    key(
        "spawn-rate",
        Form::Number,
        None,
        "users started a second (Locust's default is 1; `users`: all at once)",
    ),
    key(
        "think-time",
        Form::Law,
        None,
        "between an answer and the next request",
    ),
    key(
        "pacing",
        Form::Law,
        None,
        "least distance between two starts of a user (Locust `constant_pacing`)",
    ),
    key(
        "think-first",
        Form::Boolean,
        Some("false"),
        "a user thinks before its first request",
    ),
    key("connections", Form::Count, Some("10"), "wrk `-c`, 10"),
    key(
        "threads",
        Form::Count,
        Some("2"),
        "wrk `-t`, 2: each drives connections / threads, rounded down",
    ),
    key(
        "timeout",
        Form::Duration,
        None,
        "the caller gives up; what it asked for goes on (k6: 60 s). wrk does not give up: slower answers are counted, not recorded (2 s)",
    ),
    key(
        "client",
        Form::Table,
        None,
        "a client that is itself a bottleneck: `{ threads = 1, time = \"12ms\" }` of its own work a request",
    ),
    key(
        "max-in-flight",
        Form::Count,
        None,
        "further arrivals are dropped; a guard where the real system has one",
    ),
];

/// The keys of a workload's `client`.
pub const CLIENT_KEYS: &[Key] = &[
    key(
        "threads",
        Form::Count,
        Some("1"),
        "requests that the client works on at once",
    ),
    key("time", Form::Law, None, "the client's own work for one request"),
];

/// The keys of a stage.
pub const STAGE_KEYS: &[Key] = &[
    key(
        "target",
        Form::Value,
        None,
        "rate or number of users at the end of the stage",
    ),
    key("duration", Form::Duration, None, "length of the stage"),
];

/// The keys that an executor takes beside those that all take.
pub fn taken(executor: &str) -> &'static [&'static str] {
    match executor {
        "poisson" => &["rate", "start-rate", "stages", "max-in-flight"],
        "renewal" => &["interarrival", "max-in-flight"],
        "recorded" => &["file", "max-in-flight"],
        "constant-arrival-rate" => &[
            "rate",
            "pre-allocated-vus",
            "max-vus",
            "vu-init-time",
            "graceful-stop",
            "think-time",
        ],
        "ramping-arrival-rate" => &[
            "start-rate",
            "stages",
            "pre-allocated-vus",
            "max-vus",
            "vu-init-time",
            "graceful-stop",
            "think-time",
        ],
        "constant-vus" => &["vus", "graceful-stop", "think-time"],
        "ramping-vus" => &[
            "start-vus",
            "stages",
            "graceful-stop",
            "graceful-ramp-down",
            "think-time",
        ],
        "shared-iterations" | "per-vu-iterations" => {
            &["vus", "iterations", "max-duration", "graceful-stop", "think-time"]
        }
        "wrk" => &["connections", "threads"],
        "locust" => &["users", "spawn-rate", "think-time", "pacing"],
        _ => &["users", "spawn-rate", "think-time", "think-first", "pacing"],
    }
}

/// The keys that every executor takes.
pub const ALL_TAKE: &[&str] = &[
    "executor",
    "flow",
    "mix",
    "duration",
    "start-time",
    "timeout",
    "client",
];

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
                .get("station", &format!("client of {name}"))
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
            match names.load(&file) {
                Ok(times) => {
                    if let Some(i) = times.windows(2).position(|w| w[1] < w[0]) {
                        let span = reader.span("file");
                        reader.sink().error(
                            span,
                            "not-in-order",
                            format!("{file}: arrival {} is before the one above it", i + 2),
                        );
                        return None;
                    }
                    Arrivals::Recorded(times.into())
                }
                Err(why) => {
                    let span = reader.span("file");
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

fn mix(reader: &mut Reader, flows: &[FlowPlan]) -> Option<Vec<(u16, f64)>> {
    let known: Vec<&str> = flows.iter().map(|f| f.name.as_str()).collect();
    let find = |name: &str, item: &Item, sink: &mut Sink| -> Option<u16> {
        if let Some(i) = known.iter().position(|n| *n == name) {
            return Some(i as u16);
        }
        let mut d = sink.error(
            item.span.clone(),
            "unknown-name",
            format!("there is no flow called `{name}`"),
        );
        match nearest(name, known.iter().copied()) {
            Some(near) => d.label = format!("did you mean `{near}`?"),
            None => d
                .help
                .push(format!("the model has the flows `{}`", known.join("`, `"))),
        }
        None
    };
    match (reader.item("flow"), reader.item("mix")) {
        (Some(item), None) => {
            let name = reader.text("flow")?;
            Some(vec![(find(&name, item, reader.sink())?, 1.0)])
        }
        (None, Some(_)) => {
            let table = reader.table("mix")?;
            let mut list = Vec::new();
            for e in &table.entries {
                let weight = match &e.item.value {
                    Value::String(_) => e.item.share("a share of the mix", reader.sink()).map(|s| s.0),
                    _ => e.item.number("a share of the mix", reader.sink()),
                };
                let flow = find(&e.key, &e.item, reader.sink());
                let weight = weight?;
                if !(weight.is_finite() && weight >= 0.0) {
                    reader.sink().error(
                        e.item.span.clone(),
                        "out-of-range",
                        format!("a share of {weight}; it must be zero or more"),
                    );
                    return None;
                }
                list.push((flow?, weight));
            }
            let total: f64 = list.iter().map(|m| m.1).sum();
            if total <= 0.0 {
                let span = reader.span("mix");
                reader
                    .sink()
                    .error(span, "no-weight", "the mix has no flow with a share above zero");
                return None;
            }
            // Flows with no share stand first, where no draw finds them: an experiment may give them one.
            list.sort_by_key(|m| (m.1 > 0.0, m.0));
            for m in &mut list {
                m.1 /= total;
            }
            Some(list)
        }
        (Some(_), Some(_)) => {
            let span = reader.key_span("mix");
            reader
                .sink()
                .error(span, "two-verbs", "a workload has either a `flow` or a `mix`");
            None
        }
        (None, None) if flows.len() == 1 => Some(vec![(0, 1.0)]),
        (None, None) => {
            let (span, what) = (reader.table_span(), reader.what().to_owned());
            reader
                .sink()
                .error(
                    span,
                    "missing-key",
                    format!("{what} has neither `flow` nor `mix`"),
                )
                .help(match known.is_empty() {
                    true => "the model has no flow; add [flow.NAME] with its `steps`".to_owned(),
                    false => format!("the model has the flows `{}`", known.join("`, `")),
                });
            None
        }
    }
}

/// Arrivals a second. The clock counts whole nanoseconds: of Poisson arrivals at this rate 0.04 % too many come, at ten
/// times the rate 4 %.
const HIGHEST_RATE: f64 = 1e8;

const COUNTED_IN_NANOSECONDS: &str =
    "the clock counts whole nanoseconds; model a share of the load on a share of the system";

fn rates(reader: &mut Reader, staged: bool) -> Option<Profile> {
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
            .help(COUNTED_IN_NANOSECONDS);
        return None;
    }
    Some(Profile::constant(rate))
}

fn stages(reader: &mut Reader, start: f64, rate: bool) -> Option<Profile> {
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

/// Reads a recorded column for tests and tools.
pub fn spanned(text: &str) -> Spanned<String> {
    Spanned {
        value: text.to_owned(),
        span: 0..text.len(),
    }
}
