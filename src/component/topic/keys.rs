//! What can be written of a topic.

use crate::document::{Form, Key, key};

const STOPS: &[&str] = &["close", "crash"];
const SENDS: &[&str] = &["async", "sync"];

/// Of its table.
pub(super) const KEYS: &[Key] = &[
    key(
        "partitions",
        Form::Count,
        Some("1"),
        "partitions (Kafka `num.partitions`, 1)",
    ),
    key(
        "key",
        Form::Law,
        None,
        "how often each key is written: `uniform(1000)`, `zipf(1000, 1.1)`, `list(3, 2, 1)`; without it records have no key",
    ),
    key(
        "send",
        Form::Choice(SENDS),
        Some("\"async\""),
        "whether the caller waits for the acknowledgement (`KafkaTemplate.send` does not, `.get()` on its result does)",
    ),
    key(
        "send-time",
        Form::Law,
        Some("\"0s\""),
        "from the sending of a request until the broker acknowledges it; measured as `request-latency-avg`",
    ),
    key(
        "linger",
        Form::Duration,
        Some("\"5ms\""),
        "how long a batch waits for more records (Kafka `linger.ms`, 5 since 4.0, 0 before)",
    ),
    key(
        "batch-size",
        Form::Bytes,
        Some("\"16KiB\""),
        "a full batch of one partition (Kafka `batch.size`, 16384)",
    ),
    key(
        "buffer-memory",
        Form::Bytes,
        Some("\"32MiB\""),
        "memory of one producer for batches (Kafka `buffer.memory`, 33554432)",
    ),
    key(
        "max-block",
        Form::Duration,
        Some("\"60s\""),
        "how long a caller waits for buffer memory (Kafka `max.block.ms`, 60000)",
    ),
    key(
        "max-request-size",
        Form::Bytes,
        Some("\"1MiB\""),
        "most bytes in one request (Kafka `max.request.size`, 1048576)",
    ),
    key(
        "max-in-flight",
        Form::Count,
        Some("5"),
        "unanswered requests of a producer (Kafka `max.in.flight.requests.per.connection`, 5)",
    ),
    key(
        "delivery-timeout",
        Form::Duration,
        Some("\"2min\""),
        "age at which a batch that is not acknowledged is given up (Kafka `delivery.timeout.ms`, 120000)",
    ),
    key(
        "on-stop",
        Form::Choice(STOPS),
        Some("\"close\""),
        "what becomes of records that a replica has not sent when it stops: sent at once (`KafkaProducer.close`, which Spring calls), or lost",
    ),
    key(
        "record-size",
        Form::Bytes,
        Some("\"1KiB\""),
        "bytes of a record (an assumption; measure it)",
    ),
];

/// Of a step that publishes.
pub(super) const STEP_KEYS: &[Key] = &[
    key(
        "key",
        Form::Law,
        None,
        "how often each key is written, for this step",
    ),
    key(
        "send",
        Form::Choice(SENDS),
        None,
        "whether the caller waits for the acknowledgement",
    ),
];
