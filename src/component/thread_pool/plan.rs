//! What is written of a thread pool, as checked: Tomcat's keys or an executor's.

use super::super::connection_pool::law;
use super::super::connector::Limits;
use crate::component::contract::Names;
use crate::distribution::Law;
use crate::document::Reader;

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) threads: Threads,
    pub(super) limits: Option<Limits>,
    /// Tomcat: how long a thread that has answered looks for the next request of the connection.
    pub(super) read_on: Option<Law>,
}

impl Plan {
    /// Whether it has connections of its own.
    pub fn is_server(&self) -> bool {
        self.limits.is_some()
    }

    /// Most open connections, if they are limited.
    pub fn max_connections(&self) -> Option<u64> {
        let limits = self.limits.as_ref()?;
        (limits.max_connections < UNBOUNDED).then_some(limits.max_connections)
    }

    /// Visitors for whom there is room: at work and in the executor's queue; or, of Tomcat, with a connection or in the
    /// kernel's queue for one.
    pub(super) fn places(&self) -> u64 {
        let inside = self.threads.max.saturating_add(self.threads.queue);
        let connected = |l: &Limits| l.max_connections.saturating_add(l.backlog);
        self.limits.as_ref().map_or(inside, connected).min(inside)
    }

    /// Connections that users may keep while they think: how many there are, for how many seconds an idle one lasts, and how many
    /// requests one serves.
    pub fn kept(&self) -> Option<(f64, f64, f64)> {
        let limits = self.limits.as_ref().filter(|l| l.keep_alive)?;
        let served = limits.max_keep_alive_requests as f64;
        let timeout = limits.keep_alive_timeout as f64 * 1e-9;
        (limits.max_connections < UNBOUNDED).then_some((limits.max_connections as f64, timeout, served))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Threads {
    /// Tomcat: started at once. Java: the core.
    pub(super) core: u64,
    pub(super) max: u64,
    pub(super) queue: u64,
    pub(super) caller_runs: bool,
    /// Nanoseconds.
    pub(super) keep_alive: u64,
    pub(super) java: bool,
    /// Java: whether tasks have priorities.
    pub(super) by_priority: bool,
}

/// Java's `Integer.MAX_VALUE`, which stands for "no limit".
pub(super) const UNBOUNDED: u64 = 2_147_483_647;

const TOMCAT_ONLY: &[&str] = &[
    "min-spare-threads",
    "max-queue-capacity",
    "virtual-threads",
    "max-connections",
    "accept-count",
    "connections",
    "max-keep-alive-requests",
    "keep-alive-timeout",
    "abort-on-overflow",
    "tcp-syn-retries",
    "tcp-syn-linear-timeouts",
    "tcp-tick",
    "read-on",
];

const JAVA_ONLY: &[&str] = &[
    "core-threads",
    "queue-capacity",
    "queue",
    "policy",
    "thread-keep-alive",
];

/// Reads the table by the rules of its executor; keys of the other one are refused.
pub(super) fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let java = reader.choice("executor")? == "java";
    let (others, mode) = if java {
        (TOMCAT_ONLY, "\"java\"")
    } else {
        (JAVA_ONLY, "\"tomcat\"")
    };
    let mut fits = true;
    for name in others {
        if !reader.has(name) {
            continue;
        }
        let (span, what) = (reader.key_span(name), reader.what().to_owned());
        reader
            .sink()
            .error(
                span,
                "does-not-apply",
                format!("{what} has no `{name}` with executor = {mode}"),
            )
            .help(format!(
                "leave it out, or write executor = {}",
                if java { "\"tomcat\"" } else { "\"java\"" }
            ));
        fits = false;
    }
    let plan = if java {
        check_java(reader)
    } else {
        check_tomcat(reader, names)
    };
    plan.filter(|_| fits)
}

/// A number of which -1 means that there is no limit.
fn limit(reader: &mut Reader, name: &str) -> Option<u64> {
    let value = reader.number_in(name, -1.0..=4e9)?;
    if value == -1.0 {
        return Some(u64::MAX);
    }
    if value < 1.0 || value.fract() != 0.0 {
        let span = reader.span(name);
        reader
            .sink()
            .error(span, "out-of-range", format!("`{name}` is {value}"))
            .help("write a whole number from 1 up, or -1 for no limit");
        return None;
    }
    Some(value as u64)
}

fn check_tomcat(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let read_on = law(reader, "read-on", names);
    let max = reader.count_in("max-threads", 1..=u32::MAX as u64);
    let core = reader.count("min-spare-threads");
    let queue = reader.count("max-queue-capacity");
    let virtual_threads = reader.boolean("virtual-threads");
    let max_connections = limit(reader, "max-connections");
    let accept_count = reader.count_in("accept-count", 0..=u32::MAX as u64);
    let keep_alive = reader.choice("connections").map(|c| c == "keep-alive");
    let max_keep_alive_requests = limit(reader, "max-keep-alive-requests");
    let keep_alive_timeout = reader.duration("keep-alive-timeout");
    let reset_on_overflow = reader.boolean("abort-on-overflow");
    let syn_retries = reader.count_in("tcp-syn-retries", 0..=100);
    let syn_linear = reader.count_in("tcp-syn-linear-timeouts", 0..=100);
    let tick = match reader.has("tcp-tick") {
        true => reader.positive_duration("tcp-tick").map(|t| t.nanos()),
        false => Some(0),
    };
    let virtual_threads = virtual_threads?;
    if virtual_threads && reader.has("max-threads") {
        let span = reader.key_span("max-threads");
        reader
            .sink()
            .error(span, "does-not-apply", "virtual threads have no `max-threads`")
            .help("leave it out: `max-connections` is the limit");
        return None;
    }
    let max = if virtual_threads { u64::MAX } else { max? };
    Some(Plan {
        threads: Threads {
            core: if virtual_threads { 0 } else { core?.min(max) },
            max,
            queue: queue?,
            caller_runs: false,
            keep_alive: u64::MAX,
            java: false,
            by_priority: false,
        },
        limits: Some(Limits {
            max_connections: max_connections?,
            backlog: accept_count? + 1,
            keep_alive: keep_alive?,
            keep_alive_timeout: keep_alive_timeout?.nanos(),
            max_keep_alive_requests: max_keep_alive_requests?,
            reset_on_overflow: reset_on_overflow?,
            syn_retries: syn_retries? as u32,
            syn_linear: syn_linear? as u32,
            tick: tick?,
        }),
        read_on: read_on?,
    })
}

fn check_java(reader: &mut Reader) -> Option<Plan> {
    let core = reader.count_in("core-threads", 0..=u32::MAX as u64);
    let max = if reader.has("max-threads") {
        reader.count_in("max-threads", 1..=u32::MAX as u64)
    } else {
        Some(UNBOUNDED)
    };
    let queue = reader.count("queue-capacity");
    let by_priority = reader.choice("queue")? == "priority";
    if by_priority && reader.has("queue-capacity") {
        let span = reader.key_span("queue-capacity");
        reader
            .sink()
            .error(
                span,
                "does-not-apply",
                "a queue by priority has no `queue-capacity`",
            )
            .help("leave it out: a PriorityBlockingQueue grows without limit");
        return None;
    }
    let policy = reader.choice("policy");
    let keep_alive = reader.duration("thread-keep-alive");
    let (core, max) = (core?, max?);
    if core > max {
        let span = reader.span("max-threads");
        reader
            .sink()
            .error(
                span,
                "out-of-range",
                format!("{max} threads at most, but a core of {core}"),
            )
            .help("`max-threads` counts the core threads too (ThreadPoolExecutor refuses this as well)");
        return None;
    }
    Some(Plan {
        threads: Threads {
            core,
            max,
            queue: queue?,
            caller_runs: policy? == "caller-runs",
            keep_alive: keep_alive?.nanos(),
            java: true,
            by_priority,
        },
        limits: None,
        read_on: None,
    })
}
