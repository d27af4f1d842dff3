//! What can be set of a heap, and what the JVM chooses where nothing is.

use super::memory::{self, Collector, Shape};
use super::pauses::{self, Pauses};
use crate::component::Names;
use crate::document::{Form, Key, Reader, key};

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shape: Option<Draft>,
    pub pauses: Option<Pauses>,
}

impl Plan {
    /// Share of the time that given pauses take, if laws say when they come: `every` counts from begin to begin.
    pub fn paused_share(&self) -> Option<f64> {
        match self.pauses.as_ref()? {
            Pauses::Laws { every, lasts } => Some(lasts.mean()? / every.mean()?),
            Pauses::Measured(_) | Pauses::Allocated(_) => None,
        }
    }

    /// Bytes that are allocated between two collections at most, and the seconds for which one stops the process at least; `None`
    /// if none does.
    pub fn collected(&self) -> Option<(f64, f64)> {
        let draft = self.shape.as_ref()?;
        let of = |collector| {
            memory::Memory::new(Shape {
                collector,
                ..draft.shape
            })
            .eden_capacity() as f64
        };
        let eden = match draft.collector {
            Some(Collector::Zgc) => return None,
            Some(collector) => of(collector),
            // Which of them it is, the cores say.
            None => of(Collector::G1).max(of(Collector::Serial)),
        };
        let pause = draft.shape.base_pause as f64 * 1e-9;
        (eden > 0.0 && pause > 0.0).then_some((eden, pause))
    }

    /// Bytes of the heap, of what never dies, and the share of what a request allocates that it keeps.
    pub fn sizes(&self) -> Option<(f64, f64, f64)> {
        let shape = &self.shape.as_ref()?.shape;
        Some((shape.size as f64, shape.live_set as f64, shape.retained))
    }
}

/// A shape whose workers are not known before the host's cores are.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) shape: Shape,
    pub(super) collector: Option<Collector>,
    /// Bytes of the machine or the container, where they are known.
    pub(super) memory: Option<u64>,
    pub(super) threads: Option<u32>,
    pub(super) concurrent: Option<u32>,
}

/// From so many processors and bytes on the JVM takes a machine for a server (`os::is_server_class_machine`: 2 GiB less 256 MiB).
const SERVER: (u32, u64) = (2, 1792 << 20);

const COLLECTORS: &[&str] = &["serial", "parallel", "g1", "zgc"];
pub const KEYS: &[Key] = &[
    key("in", Form::Name, None, "the service whose replicas have one each"),
    key(
        "size",
        Form::Bytes,
        None,
        "the heap (`-Xmx`); without it only the given `pauses` happen",
    ),
    key(
        "collector",
        Form::Choice(COLLECTORS),
        None,
        "how it is collected; without it G1, or serial on less than 2 CPUs or less than 1792 MiB of `memory`, as the JVM chooses before JDK 27 (JEP 523: always G1)",
    ),
    key(
        "memory",
        Form::Bytes,
        None,
        "what the machine or the container has: it decides about the collector where none is named; without it there is enough for G1",
    ),
    key(
        "young-size",
        Form::Bytes,
        None,
        "young space (`-Xmn`); without it a third of the heap (`NewRatio` 2), for G1 5 to 60 % of it",
    ),
    key(
        "live-set",
        Form::Bytes,
        Some("\"0B\""),
        "bytes that never die: caches, classes' data, pools",
    ),
    key(
        "retained",
        Form::Share,
        Some("\"100%\""),
        "share of what a request allocates that it keeps until it ends (an upper bound; fit it to a log)",
    ),
    key(
        "gc-threads",
        Form::Count,
        None,
        "workers of a pause (`ParallelGCThreads`: n CPUs up to 8, then 8 + 5/8 of the rest)",
    ),
    key(
        "conc-gc-threads",
        Form::Count,
        None,
        "concurrent workers (`ConcGCThreads`: G1 (`ParallelGCThreads` + 2) / 4; ZGC a quarter of the CPUs, on a small heap one for each 100 MiB)",
    ),
    key(
        "base-pause",
        Form::Duration,
        Some("\"2ms\""),
        "the pause with nothing to copy (an assumption: 1 to 3 ms)",
    ),
    key(
        "short-pause",
        Form::Duration,
        Some("\"100us\""),
        "each of the pauses of a concurrent cycle (ZGC: below 1 ms whatever the heap)",
    ),
    key(
        "copy-speed",
        Form::Bytes,
        Some("\"500MB\""),
        "bytes a second that one worker copies (an assumption: 0.3 to 1.5 GB)",
    ),
    key(
        "mark-speed",
        Form::Bytes,
        Some("\"1GB\""),
        "bytes a second that one concurrent worker marks (an assumption)",
    ),
    key(
        "full-speed",
        Form::Bytes,
        Some("\"1GB\""),
        "live bytes a second of a full collection, all workers together (an assumption)",
    ),
    key(
        "max-gc-pause",
        Form::Duration,
        Some("\"200ms\""),
        "G1's goal (`MaxGCPauseMillis`, 200)",
    ),
    key(
        "ihop",
        Form::Share,
        Some("\"45%\""),
        "old share at which G1 marks (`InitiatingHeapOccupancyPercent`, later `G1IHOP`, 45); kept, where G1 adapts it",
    ),
    key(
        "tenuring-threshold",
        Form::Count,
        Some("15"),
        "collections survived before promotion (`MaxTenuringThreshold`, 15)",
    ),
    key(
        "pauses",
        Form::Table,
        None,
        "pauses beside the computed ones: `{ every = \"10s\", lasts = \"50ms\" }`, `every` from the beginning of one to the beginning of the next, or of a log: `{ log = \"gc.log\", last = \"40s\", trigger = \"allocation\" }`",
    ),
];

pub fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let within = reader.required("in");
    let pauses = pauses::check(reader, names);
    let shape = if reader.has("size") {
        draft(reader).map(Some)
    } else {
        Some(None)
    };
    if !reader.has("size") && !reader.has("pauses") {
        let span = reader.table_span();
        reader
            .sink()
            .error(
                span,
                "missing-key",
                "a heap with neither `size` nor `pauses` does nothing",
            )
            .help("add `size = \"1GiB\"`, or `pauses = { every = \"exp(10s)\", lasts = \"50ms\" }`");
        return None;
    }
    let (shape, pauses) = (shape?, pauses?);
    if shape.is_some() && matches!(pauses, Some(Pauses::Allocated(_))) {
        let span = reader.key_span("size");
        reader
            .sink()
            .error(
                span,
                "does-not-apply",
                "allocations trigger either the log's collections or those computed from `size`, not both",
            )
            .help("leave `size` and what belongs to it out, or write `trigger = \"time\"`");
        return None;
    }
    within.then_some(Plan { shape, pauses })
}

impl Draft {
    /// The shape on so many CPUs (JDK `WorkerPolicy`, `G1ConcurrentMark`, `ZHeuristics`).
    pub fn shape(&self, cpus: f64) -> Shape {
        let n = libm::ceil(cpus).clamp(1.0, 1e6) as u32;
        let server = n >= SERVER.0 && self.memory.is_none_or(|m| m >= SERVER.1);
        let collector = self.collector.unwrap_or(match server {
            true => Collector::G1,
            false => Collector::Serial,
        });
        let all = if n <= 8 { n } else { 8 + (n - 8) * 5 / 8 };
        let threads = match collector {
            Collector::Serial => 1,
            _ => self.threads.unwrap_or(all),
        };
        let concurrent = self.concurrent.unwrap_or(match collector {
            Collector::Zgc => memory::zgc_workers(n, self.shape.size),
            _ => ((threads + 2) / 4).max(1),
        });
        Shape {
            collector,
            threads,
            concurrent,
            ..self.shape
        }
    }
}

fn draft(reader: &mut Reader) -> Option<Draft> {
    let size = reader.bytes("size")?.0;
    let collector = match reader.has("collector").then(|| reader.choice("collector")) {
        None => None,
        Some(choice) => Some(match choice? {
            "serial" => Collector::Serial,
            "parallel" => Collector::Parallel,
            "zgc" => Collector::Zgc,
            _ => Collector::G1,
        }),
    };
    let memory = if reader.has("memory") {
        Some(reader.bytes("memory")?.0)
    } else {
        None
    };
    if let Some(memory) = memory
        && memory < size
    {
        let span = reader.span("memory");
        reader
            .sink()
            .error(span, "out-of-range", "`memory` has no room for the heap")
            .help("give what the container has, more than `size`");
        return None;
    }
    if collector.is_none() && memory.is_none() && size < SERVER.1 {
        let (span, what) = (reader.key_span("size"), reader.what().to_owned());
        reader
            .sink()
            .warning(
                span,
                "collector-not-known",
                format!("{what} names no collector, and a container of its size may have too little memory for G1"),
            )
            .help(
                "on less than 2 CPUs or less than 1792 MiB the JVM takes the serial collector, which pauses longer; \
                 say `collector = \"g1\"`, `collector = \"serial\"` or what the container has, `memory = \"1GiB\"`",
            );
    }
    let count = |reader: &mut Reader, key: &str| match reader.has(key) {
        true => reader.count_in(key, 1..=100_000).map(|n| Some(n as u32)),
        false => Some(None),
    };
    let young = if reader.has("young-size") {
        Some(reader.bytes("young-size")?.0)
    } else {
        None
    };
    let (threads, concurrent) = (count(reader, "gc-threads"), count(reader, "conc-gc-threads"));
    let live_set = reader.bytes("live-set")?.0;
    let retained = reader.share("retained")?.0;
    let mut speed = |key: &str| {
        let found = reader.bytes(key)?.0;
        if found == 0 {
            let span = reader.span(key);
            reader.sink().error(
                span,
                "out-of-range",
                format!("`{key}` is zero: a collection would never end"),
            );
            return None;
        }
        Some(found as f64)
    };
    let (copy, mark, full) = (speed("copy-speed"), speed("mark-speed"), speed("full-speed"));
    for (what, bytes) in [("live-set", live_set), ("young-size", young.unwrap_or(0))] {
        if bytes >= size {
            let span = reader.span(what);
            reader
                .sink()
                .error(
                    span,
                    "out-of-range",
                    format!("`{what}` fills the whole heap: nothing could be allocated"),
                )
                .help("make `size` larger");
            return None;
        }
    }
    let (base, short, goal) = (
        reader.duration("base-pause"),
        reader.duration("short-pause"),
        reader.duration("max-gc-pause"),
    );
    let (ihop, tenuring) = (
        reader.share("ihop"),
        reader.count_in("tenuring-threshold", 0..=15),
    );
    Some(Draft {
        collector,
        memory,
        threads: threads?,
        concurrent: concurrent?,
        shape: Shape {
            collector: Collector::G1,
            size,
            young,
            live_set,
            retained: retained.min(1.0),
            threads: 1,
            concurrent: 1,
            base_pause: base?.nanos(),
            short_pause: short?.nanos(),
            copy: copy?,
            mark: mark?,
            full: full?,
            pause_goal: goal?.nanos(),
            ihop: ihop?.0,
            tenuring: tenuring? as usize,
        },
    })
}
