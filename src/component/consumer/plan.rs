//! What is written of a consumer, as checked.

use super::super::contract::*;
use crate::distribution::{Law, LawUnit};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::log::Assignment;

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) topic: ComponentId,
    pub(super) concurrency: u32,
    pub(super) max_poll_records: u64,
    pub(super) partition_fetch: u64,
    pub(super) batch: bool,
    pub(super) assignment: Assignment,
    pub(super) retries: u64,
    pub(super) retry_interval: u64,
    pub(super) dead_letter: Option<ComponentId>,
    pub(super) fetch_time: Option<Law>,
    pub(super) commit_time: Option<Law>,
    pub(super) closes: bool,
    pub(super) shutdown_timeout: u64,
    pub(super) session_timeout: u64,
    pub(super) is_static: bool,
    pub(super) max_poll_interval: u64,
    /// Nanoseconds.
    pub(super) initial_delay: u64,
    pub(super) fetch_min_bytes: u64,
    /// Nanoseconds.
    pub(super) fetch_max_wait: u64,
}

impl Plan {
    /// The topic that the group reads.
    pub fn topic(&self) -> ComponentId {
        self.topic
    }
}

const STOPS: &[&str] = &["close", "crash"];
const ASSIGNMENTS: &[&str] = &["range", "round-robin", "cooperative-sticky"];
/// The keys of its table.
pub(super) const KEYS: &[Key] = &[
    key("topic", Form::Name, None, "the topic it reads"),
    key(
        "in",
        Form::Name,
        None,
        "the service whose replicas its threads run in; without it, one process",
    ),
    key(
        "concurrency",
        Form::Count,
        Some("1"),
        "threads in each replica (Spring Kafka `concurrency`, 1); more than partitions stay idle",
    ),
    key(
        "steps",
        Form::Steps,
        None,
        "what is done for each record, or for each poll with `batch`",
    ),
    key(
        "batch",
        Form::Boolean,
        Some("false"),
        "whether the steps run once for all records of a poll (Spring Kafka batch listener)",
    ),
    key(
        "max-poll-records",
        Form::Count,
        Some("500"),
        "most records in a poll (Kafka `max.poll.records`, 500)",
    ),
    key(
        "max-partition-fetch",
        Form::Bytes,
        Some("\"1MiB\""),
        "most bytes of one partition before the next one's turn (Kafka `max.partition.fetch.bytes`, 1048576)",
    ),
    key(
        "assignment",
        Form::Choice(ASSIGNMENTS),
        Some("\"range\""),
        "how partitions are dealt out: eagerly, or cooperatively (Kafka's default list `[range, cooperative-sticky]` runs as eager `range`)",
    ),
    key(
        "fetch-min-bytes",
        Form::Bytes,
        Some("\"1B\""),
        "what must be there until a fetch is answered (Kafka `fetch.min.bytes`, 1)",
    ),
    key(
        "fetch-max-wait",
        Form::Duration,
        Some("\"500ms\""),
        "the longest that the broker waits for it (Kafka `fetch.max.wait.ms`, 500)",
    ),
    key(
        "fetch-time",
        Form::Law,
        Some("\"0s\""),
        "until a record that a waiting poll gets is there (a round trip to the broker)",
    ),
    key(
        "commit-time",
        Form::Law,
        Some("\"0s\""),
        "a commit, on the consumer's thread (Spring Kafka commits synchronously)",
    ),
    key(
        "retries",
        Form::Count,
        Some("9"),
        "tries of a record beyond the first (Spring Kafka `DefaultErrorHandler`, 9)",
    ),
    key(
        "retry-interval",
        Form::Duration,
        Some("\"0s\""),
        "between two tries, on the consumer's thread (Spring Kafka `DefaultErrorHandler`, 0)",
    ),
    key(
        "dead-letter",
        Form::Name,
        None,
        "the topic for records that are given up, where they lie at once (the time of sending them is not counted); without it they are skipped",
    ),
    key(
        "on-stop",
        Form::Choice(STOPS),
        Some("\"close\""),
        "how a replica that stops leaves the group: at once, or after `session-timeout`",
    ),
    key(
        "shutdown-timeout",
        Form::Duration,
        Some("\"10s\""),
        "how long a replica that closes waits for polls to be finished (Spring Kafka `shutdownTimeout`, 10 s)",
    ),
    key(
        "session-timeout",
        Form::Duration,
        Some("\"45s\""),
        "until a crashed or paused replica is missed (Kafka `session.timeout.ms`, 45000)",
    ),
    key(
        "static-membership",
        Form::Boolean,
        Some("false"),
        "whether the group knows its members by name (Kafka `group.instance.id`): none leaves when it stops, and one that is back within `session-timeout` has its partitions at once",
    ),
    key(
        "max-poll-interval",
        Form::Duration,
        Some("\"5min\""),
        "longest time between two polls of a member (Kafka `max.poll.interval.ms`, 300000)",
    ),
    key(
        "initial-rebalance-delay",
        Form::Duration,
        Some("\"3s\""),
        "how long the coordinator waits for more when the first member of an empty group comes, and once more whenever others have come meanwhile, up to `max-poll-interval` (broker `group.initial.rebalance.delay.ms`, 3000); a group is not empty when the run begins",
    ),
];

/// Reads the table.
pub(super) fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let topic = reader.required_name("topic");
    reader.required("steps");
    let concurrency = reader.count_in("concurrency", 1..=100_000);
    let records = reader.count_in("max-poll-records", 1..=1 << 40);
    let fetch = reader.bytes("max-partition-fetch");
    let batch = reader.boolean("batch");
    let min_bytes = reader.bytes("fetch-min-bytes");
    let max_wait = reader.positive_duration("fetch-max-wait");
    let assignment = match reader.choice("assignment")? {
        "round-robin" => Assignment::RoundRobin,
        "cooperative-sticky" => Assignment::CooperativeSticky,
        _ => Assignment::Range,
    };
    let (retries, interval) = (reader.count("retries"), reader.duration("retry-interval"));
    let (fetch_time, commit_time) = (
        time(reader, "fetch-time", names),
        time(reader, "commit-time", names),
    );
    let closes = reader.choice("on-stop")? == "close";
    let is_static = reader.boolean("static-membership");
    let shutdown = reader.duration("shutdown-timeout");
    let session = reader.duration("session-timeout");
    let initial = reader.duration("initial-rebalance-delay");
    let interval_limit = reader.positive_duration("max-poll-interval");
    let dead_letter = match reader.name("dead-letter") {
        Some(name) => Some(names.resolve(&["topic"], &name, reader)?),
        None => None,
    };
    let topic = names.resolve(&["topic"], &topic?, reader)?;
    if dead_letter == Some(topic) {
        let span = reader.span("dead-letter");
        reader
            .sink()
            .error(
                span,
                "call-cycle",
                "`dead-letter` is the topic that is read: a bad record would never end",
            )
            .help("name another topic");
        return None;
    }
    Some(Plan {
        topic,
        concurrency: concurrency? as u32,
        max_poll_records: records?,
        partition_fetch: fetch?.0,
        batch: batch?,
        assignment,
        retries: retries?,
        retry_interval: interval?.nanos(),
        dead_letter,
        fetch_time: fetch_time?,
        commit_time: commit_time?,
        closes,
        shutdown_timeout: shutdown?.nanos(),
        session_timeout: session?.nanos(),
        is_static: is_static?,
        max_poll_interval: interval_limit?.nanos(),
        initial_delay: initial?.nanos(),
        fetch_min_bytes: min_bytes?.0,
        fetch_max_wait: max_wait?.nanos(),
    })
}

fn time(reader: &mut Reader, name: &str, names: &Names) -> Option<Option<Law>> {
    let text = reader.law(name)?;
    let law = read_law(
        &text,
        LawUnit::Duration,
        &format!("`{name}`"),
        names,
        reader.sink(),
    )?;
    Some((law != Law::Constant { value: 0.0 }).then_some(law))
}
