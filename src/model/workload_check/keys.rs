//! The keys of `[workload.*]`, and which executor takes which.

use crate::document::{Form, Key, key};

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
        "`[{ target = \"30/s\", duration = \"5m\" }, ..]`: linear from target to target; k6's executors end with the last stage, `poisson` goes on at its target",
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
        "CSV with a line for each request: when it came, and what steps take by `recorded(column, 1ms)`",
    ),
    key(
        "time-column",
        Form::Text,
        None,
        "the column of the instants; without it the first one",
    ),
    key(
        "time-unit",
        Form::Duration,
        Some("\"1s\""),
        "what a 1 in that column means: `\"1ns\"` for nanoseconds",
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
        "the caller gives up; what it asked for goes on (k6: 60 s). wrk does not give up: slower answers are counted, not recorded (2 s). Times are counted from sending, a connection that must be opened first included, which k6 shows apart",
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
        "requests of this workload whose answer is awaited; further arrivals are dropped: a guard where the real system has one",
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
        "recorded" => &["file", "time-column", "time-unit", "max-in-flight"],
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
