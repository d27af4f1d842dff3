//! A service: a process that runs in one or more replicas, on a host they share or on one each.
//!
//! ```toml
//! [service.order-api]
//! host = "vps"          # all replicas share it; { cores = 2 } gives each its own
//! replicas = 3
//! cpu-limit = 1.5       # cores, as a container's limit
//! ```
//!
//! `cpu-limit` is a quota of Linux's scheduler: in each `cpu-period` the threads of a replica may have `cpu-limit` × `cpu-period` of CPU
//! time together, on however many cores. When it is used up, all of them stand still until the next period: four threads on
//! four cores use up 50 ms in 12.5 ms. Nothing is saved up for later. Periods of replicas begin one after another, evenly spread.
//! A JVM counts as many processors as the limit, rounded up. Its collectors' threads do not draw on the quota here.
//!
//! What a stopping process has asked of other services, and they of others, ends with the request: the other side does not go on by
//! itself, as it does when a caller gives up. Only what it has sent off in branches of `parallel` or under a time limit goes on there.
//!
//! Readings with a limit: `utilisation` of it, `cpu_used` (cores), `throttled_periods` (share of the periods with work, as
//! `container_cpu_cfs_throttled_periods_total` over `container_cpu_cfs_periods_total`) and `throttled_time`, the share of time in which
//! the replica stood still.

use super::contract::*;
use crate::document::{Form, Key, Reader, Value, key};
use crate::kernel::{Admission, Context, CpuLimit, CpuUse, Effect, Grace, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running: its replicas among all.
pub struct Service {
    first: u32,
    replicas: u32,
    limited: bool,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub replicas: u32,
    pub start_up: SimDuration,
    /// The shared host, if it names one.
    pub host: Option<ComponentId>,
    /// Cores of a host of each replica's own.
    pub own_cores: bool,
    /// Cores' worth of CPU time, and the period in which it is counted.
    pub limit: Option<(f64, SimDuration)>,
    /// How long requests in flight may go on after it was told to stop.
    pub grace: SimDuration,
}

impl Plan {
    /// Stands in for a component whose table could not be read, so that the rest can be checked.
    pub fn none() -> Plan {
        Plan {
            replicas: 1,
            start_up: SimDuration::ZERO,
            host: None,
            own_cores: false,
            limit: None,
            grace: SimDuration::ZERO,
        }
    }
}

/// More replicas than this are refused: each has its own state.
pub const MOST_REPLICAS: u64 = 1_000_000;

impl Component for Service {
    const KIND: &'static str = "service";
    const ABOUT: &'static str = "a process: where it runs and in how many replicas";
    const KEYS: &'static [Key] = &[
        key(
            "host",
            Form::Value,
            None,
            "a host's name: all replicas share it; or a host's table, `{ cores = 2 }`: each replica has its own",
        ),
        key("replicas", Form::Count, Some("1"), "processes that run it"),
        key(
            "start-up-time",
            Form::Duration,
            Some("\"0s\""),
            "from a restart until it takes requests",
        ),
        key(
            "graceful-shutdown",
            Form::Duration,
            Some("\"0s\""),
            "how long requests in flight may go on when it is stopped; those that are left then fail (Spring Boot `server.shutdown=graceful`, the default since 3.4, with `spring.lifecycle.timeout-per-shutdown-phase`, 30 s)",
        ),
        key(
            "cpu-limit",
            Form::Number,
            None,
            "most CPU time of a replica, in cores (Kubernetes `limits.cpu`); without it there is no limit",
        ),
        key(
            "cpu-period",
            Form::Duration,
            Some("\"100ms\""),
            "the period in which the limit is counted (Linux `cpu.max`, 100 ms)",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let replicas = reader.count_in("replicas", 1..=MOST_REPLICAS);
        let start_up = reader.duration("start-up-time");
        let grace = reader.duration("graceful-shutdown");
        let limit = match reader.has("cpu-limit") {
            true => reader.number_in("cpu-limit", 0.001..=1e6).map(Some),
            false => Some(None),
        };
        let period = reader.positive_duration("cpu-period");
        if limit == Some(None) && reader.has("cpu-period") {
            let span = reader.key_span("cpu-period");
            reader.sink().warning(
                span,
                "no-effect",
                "`cpu-period` has no effect without a `cpu-limit`",
            );
        }
        let mut host = None;
        let mut own_cores = false;
        match reader.item("host").map(|i| (&i.value, i.span.clone())) {
            None => {}
            Some((Value::String(name), span)) => {
                let name = crate::document::Spanned {
                    value: name.clone(),
                    span,
                };
                host = Some(names.resolve(&["host"], &name, reader)?);
            }
            Some((Value::Table(_), _)) => own_cores = true,
            Some((_, span)) => {
                reader
                    .sink()
                    .error(span, "wrong-type", "`host` is a host's name or a host's table")
                    .help(
                        "write `host = \"vps\"` for a shared one, `host = { cores = 2 }` for one a replica",
                    );
                return None;
            }
        }
        Some(Plan {
            replicas: replicas? as u32,
            start_up: start_up?,
            host,
            own_cores,
            limit: limit?.zip(period),
            grace: grace?,
        })
    }

    /// Of all replicas: they are one instance.
    fn capacity(plan: &Plan) -> Option<f64> {
        plan.limit.map(|l| l.0 * f64::from(plan.replicas))
    }

    fn facts(_: &Plan) -> Facts {
        Facts {
            unit: "cores",
            to_the_end: false,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let first = build.layout.first_replica.get(&build.id).copied().unwrap_or(0);
        for i in 0..plan.replicas {
            let grace = (plan.grace > SimDuration::ZERO).then(|| Grace {
                period: plan.grace.nanos(),
                until: 0,
                starts: false,
                over: build.timer(i),
            });
            let Some(mine) = build.cx.replicas.get_mut((first + i) as usize) else {
                break;
            };
            mine.start_up = plan.start_up.nanos();
            mine.grace = grace;
            mine.limit = plan.limit.map(|(cores, period)| CpuLimit {
                quota: libm::round(cores * period.nanos() as f64) as u64,
                period: period.nanos(),
                phase: (u128::from(i) * u128::from(period.nanos()) / u128::from(plan.replicas)) as u64,
            });
        }
        Service {
            first,
            replicas: plan.replicas,
            limited: plan.limit.is_some(),
        }
    }

    fn busy(&self, _: SimTime, cx: &Context) -> Option<f64> {
        let used = || {
            cx.replicas_of(self.first, self.replicas)
                .iter()
                .map(|r| r.cpu.used as f64)
                .sum()
        };
        self.limited.then(used)
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        if !self.limited {
            return;
        }
        let span = (cx.now() - since).nanos().max(1) as f64;
        let sum = |of: fn(&CpuUse) -> u64| {
            cx.replicas_of(self.first, self.replicas)
                .iter()
                .map(|r| of(&r.cpu))
                .sum::<u64>() as f64
        };
        let there: f64 = cx
            .replicas_of(self.first, self.replicas)
            .iter()
            .map(|r| r.there.total(cx.nanos()) as f64)
            .sum();
        // 0/0, where nothing was to be done, is "not observed".
        let periods = sum(|cpu| cpu.throttled_periods) / sum(|cpu| cpu.periods);
        out.add("cpu_used", Unit::Count, Combine::Sum, sum(|cpu| cpu.used) / span);
        out.add("throttled_periods", Unit::Share, Combine::Mean, periods);
        out.ratio("throttled_time", Unit::Share, sum(|cpu| cpu.throttled), there);
    }

    fn enter(&mut self, _: Visit, _: &mut Context) -> Admission {
        Admission::Proceed
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        let (replica, now) = (self.first + tag, cx.nanos());
        let grace = cx.replicas[replica as usize].grace;
        if grace.is_some_and(|g| g.until > 0 && g.until <= now) {
            cx.leave_effect(Effect::Drained(replica));
        }
    }
}
