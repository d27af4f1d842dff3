//! What is written of a consumer, as checked.

use super::super::contract::*;
use crate::distribution::{Law, LawUnit};
use crate::document::Reader;
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
    pub(super) session_timeout: u64,
    pub(super) max_poll_interval: u64,
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
    let session = reader.duration("session-timeout");
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
        session_timeout: session?.nanos(),
        max_poll_interval: interval_limit?.nanos(),
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
