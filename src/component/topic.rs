//! A topic: records in partitions, written by producers that gather them into batches.
//!
//! ```toml
//! [topic.order-events]
//! partitions = 3
//! key = "zipf(1000, 1.1)"        # which key a record has; without it records stick to a partition by batch
//! send = "async"                 # or "sync": the caller waits for the acknowledgement, as `send().get()` does
//! send-time = "lognormal(4ms, cv 0.5)"
//! linger = "5ms"
//! record-size = "1KiB"
//! ```
//!
//! A step `{ publish = "order-events" }` sends one record; it may have a `key` and a `send` of its own.
//!
//! Each replica that publishes has one producer, as a Kafka client has one accumulator: a batch for each
//! partition, closed when it is full or `linger` old; at most `max-in-flight` requests unanswered on its one
//! link to the broker. When one batch is full or has lingered, a request takes the oldest batch of every partition along, up to
//! `max-request-size`. While the link is taken, batches grow. A request is acknowledged after `send-time`, in the order of sending; then
//! its records are in the log, where consumers find them. A new batch takes `batch-size` of `buffer-memory` at
//! once; when there is none left, callers wait first come, first served, and fail after `max-block`.
//! A batch that is not acknowledged `delivery-timeout` after its creation is lost, on its way or not: its callers fail (a real broker
//! may still have got it). Its request keeps its place on the link until it is answered.
//!
//! While a process is paused its producer sends nothing and sees no answer; requests that are on their way reach the broker. When
//! it stops, what it has not sent goes out at once, or is lost (`on-stop`); its successor begins with an empty buffer.
//!
//! The records stand in the context (`kernel::log`). Not modelled: several brokers, retries, quotas.

mod keys;
mod partitioner;

pub use partitioner::partition_of;
use std::collections::BTreeMap;

use super::contract::*;
use super::producer::{Limits, Producer};
use crate::diagnostic::Sink;
use crate::distribution::{Law, LawUnit, Popularity, PopularitySampler, Sampler};
use crate::document::{Item, Key, Reader, Spanned};
use crate::kernel::{Admission, Context, Log, NONE, Outcome, Record, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running.
pub struct Topic {
    limits: Limits,
    instance: u32,
    log: u32,
    keys: Option<PopularitySampler>,
    producers: Vec<Producer>,
    /// By the replica that publishes, which of them is its own; the first one is that of flows without a service.
    homes: Vec<Option<usize>>,
    /// How many processes that publish have ended.
    ended: u64,
    flushes: bool,
    meters: Meters,
    send_time: Option<Sampler>,
    purposes: Purposes,
    timer: crate::kernel::TimerId,
    due: u64,
}

/// What producers count.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    pub requests: u64,
    pub batches: u64,
    pub records: u64,
    pub lost: u64,
    pub buffer_exhausted: u64,
    /// Bytes of all producers' buffers in use.
    pub buffer: crate::metric::Gauge,
}

#[derive(Copy, Clone)]
struct Purposes {
    sticky: u32,
    send_time: u32,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    partitions: u32,
    keys: Option<Popularity>,
    sync: bool,
    send_time: Option<Law>,
    limits: Limits,
    record_size: u64,
    flushes: bool,
}

impl Plan {
    /// Share of the records that lie in the partition with most of them.
    fn fullest_partition(&self) -> f64 {
        /// More keys than that are spread evenly.
        const MOST_KEYS: u64 = 100_000;
        let mut shares = vec![0.0; self.partitions as usize];
        let Some(keys) = self.keys.as_ref().filter(|k| k.len() <= MOST_KEYS) else {
            return 0.0;
        };
        for key in 0..keys.len() {
            shares[partition_of(key, self.partitions) as usize] += keys.probability(key);
        }
        shares.into_iter().fold(0.0, f64::max)
    }
}

/// The site's note of a synchronous send.
const SYNC: u32 = 1;

impl Component for Topic {
    const KIND: &'static str = "topic";
    const ABOUT: &'static str = "records in partitions, written by producers";
    const FREEZES: bool = true;
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("lag", Unit::Count, Combine::Sum),
        ("lag_partition_max", Unit::Count, Combine::Max),
        ("buffer_used", Unit::Bytes, Combine::Sum),
    ];
    const KEYS: &'static [Key] = keys::KEYS;
    const STEP_KEYS: &'static [Key] = keys::STEP_KEYS;
    const SETTABLE: &'static [&'static str] = &[
        "send-time",
        "linger",
        "batch-size",
        "buffer-memory",
        "max-block",
        "max-request-size",
        "max-in-flight",
        "delivery-timeout",
        "on-stop",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let partitions = reader.count_in("partitions", 1..=1_000_000);
        let keys = match reader.law("key") {
            Some(text) => Some(popularity(&text, reader.sink())?),
            None => None,
        };
        let sync = reader.choice("send")? == "sync";
        let send_time = reader.law("send-time")?;
        let send_time = read_law(&send_time, LawUnit::Duration, "`send-time`", names, reader.sink())?;
        let linger = reader.duration("linger");
        let (batch, buffer) = (reader.bytes("batch-size"), reader.bytes("buffer-memory"));
        let (request, record) = (reader.bytes("max-request-size"), reader.bytes("record-size"));
        let max_block = reader.duration("max-block");
        let in_flight = reader.count_in("max-in-flight", 1..=1_000_000);
        let delivery = reader.duration("delivery-timeout");
        let flushes = reader.choice("on-stop")? == "close";
        let (batch, buffer, request, record) = (batch?.0, buffer?.0, request?.0, record?.0);
        let mut at_most = |what: &str, value: u64, limit: u64, other: &str| {
            if value <= limit {
                return true;
            }
            let span = reader.span(what);
            reader
                .sink()
                .error(
                    span,
                    "out-of-range",
                    format!("`{what}` is {value} bytes and `{other}` only {limit}"),
                )
                .help(format!("no record could ever be sent: make `{other}` larger"));
            false
        };
        let fits = at_most("record-size", record, request, "max-request-size")
            & at_most("record-size", record, buffer, "buffer-memory")
            & at_most("batch-size", batch, buffer, "buffer-memory");
        let (linger, max_block, delivery): (SimDuration, SimDuration, SimDuration) =
            (linger?, max_block?, delivery?);
        if delivery < linger {
            let span = reader.span("delivery-timeout");
            let text = format!("`delivery-timeout` is {delivery} and `linger` {linger}");
            reader
                .sink()
                .error(span, "out-of-range", text)
                .help("a batch would be given up before it is sent, which Kafka refuses: make `delivery-timeout` longer");
            return None;
        }
        let limits = Limits {
            partitions: partitions? as u32,
            linger: linger.nanos(),
            batch,
            record,
            buffer,
            request,
            in_flight: in_flight? as u32,
            max_block: max_block.nanos(),
            delivery: delivery.nanos(),
        };
        fits.then_some(Plan {
            partitions: limits.partitions,
            keys,
            sync,
            send_time: (send_time != Law::Constant { value: 0.0 }).then_some(send_time),
            limits,
            record_size: record,
            flushes,
        })
    }

    fn facts(plan: &Plan) -> Facts {
        let sent = plan.send_time.as_ref();
        let outcome = sent.map_or(0.0, |law| law.mean().unwrap_or(f64::INFINITY));
        let l = &plan.limits;
        // A request takes the oldest batch of every partition along.
        let single = l.request < 2 * l.record || (l.partitions == 1 && l.batch < 2 * l.record);
        Facts {
            unit: "requests",
            time: if plan.sync { outcome } else { 0.0 },
            link: (single && outcome > 0.0).then_some((f64::from(l.in_flight), outcome)),
            outcome,
            partitions: Some(u64::from(plan.partitions)),
            fullest: plan.fullest_partition(),
            ..Facts::default()
        }
    }

    fn check_step(_: &Plan, options: &BTreeMap<String, Item>, sink: &mut Sink) {
        if let Some(item) = options.get("key")
            && let Some(text) = item.text("`key`", sink)
        {
            popularity(
                &Spanned {
                    value: text,
                    span: item.span.clone(),
                },
                sink,
            );
        }
        if let Some(item) = options.get("send")
            && !matches!(item.as_str(), Some("sync" | "async"))
        {
            sink.error(
                item.span.clone(),
                "bad-choice",
                "`send` of a step is neither \"async\" nor \"sync\"",
            );
        }
    }

    fn lower(plan: &Plan, step: &UseStep, lowering: &mut Lowering, _: &mut dyn FnMut(&mut Lowering)) {
        let text = |name: &str| step.options.get(name).and_then(Item::as_str);
        let keys = text("key")
            .and_then(|k| Popularity::parse(k).ok())
            .or_else(|| plan.keys.clone());
        let sync = text("send").map_or(plan.sync, |s| s == "sync");
        let site = lowering.site(step.path.clone(), None);
        lowering.sites[site as usize].keys = keys;
        lowering.sites[site as usize].note = if sync { SYNC } else { 0 };
        let remark = format!("publish to {}{}", step.name, if sync { ", and wait" } else { "" });
        lowering
            .asm
            .enter(step.place.base, step.place.sel, site, false, remark);
        lowering.asm.leave(step.name.clone());
    }

    fn keeps(plan: &Plan) -> u64 {
        u64::from(plan.partitions) * 128
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        build
            .cx
            .logs
            .push(Log::new(build.instance, plan.partitions, plan.record_size));
        Topic {
            limits: plan.limits,
            instance: build.instance,
            log: build.cx.logs.len() as u32 - 1,
            keys: plan.keys.as_ref().map(Popularity::sampler),
            producers: Vec::new(),
            homes: Vec::new(),
            ended: 0,
            flushes: plan.flushes,
            meters: Meters::default(),
            send_time: plan.send_time.as_ref().map(Sampler::new),
            purposes: Purposes {
                sticky: build.purpose("sticky"),
                send_time: build.purpose("send-time"),
            },
            timer: build.timer(0),
            due: u64::MAX,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let home = cx.requests[visit.slot].home;
        let number = self.producer_of(home);
        let site = cx.site(visit.site);
        let sync = site.note == SYNC;
        let mut draws = cx.identity_at(visit.site, visit.slot);
        let record = Record {
            key: draws.next_u64(),
            at: cx.nanos(),
        };
        let keys = site.keys.as_ref();
        let producer = &mut self.producers[number];
        let partition = match keys {
            Some(keys) => partition_of(keys.sample(&mut draws), self.limits.partitions),
            None => producer.stick(&self.limits, cx, self.purposes.sticky),
        };
        let answer = producer.send(visit, partition, record, sync, &self.limits, cx, &mut self.meters);
        if answer == Admission::Wait && self.send_time.is_none() {
            // Who has only begun to wait cannot be let go on within the same call.
            self.arm(cx.nanos(), cx);
        } else {
            self.pump(number, cx);
        }
        answer
    }

    fn leave(&mut self, _: Visit, _: Outcome, _: &mut Context) {}

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        for p in &mut self.producers {
            if p.forget(visit, cx) {
                return;
            }
        }
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        if cx.nanos() < self.due {
            return; // one that was set before an earlier one was needed
        }
        self.due = u64::MAX;
        for number in 0..self.producers.len() {
            let due = self.producers[number].next_due(&self.limits, cx);
            if due <= cx.nanos() {
                self.work(number, cx);
            } else {
                self.arm(due, cx);
            }
        }
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        if let Some(Some(number)) = self.homes.get(replica as usize + 1) {
            self.work(*number, cx);
        }
    }

    fn ended(&mut self, replica: u32, cx: &mut Context) {
        let Some(number) = self.homes.get_mut(replica as usize + 1).and_then(Option::take) else {
            return;
        };
        self.ended += 1;
        self.producers[number].close(self.flushes, cx, &mut self.meters);
        self.work(number, cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.limits = plan.limits;
        self.keys = plan.keys.as_ref().map(Popularity::sampler);
        self.send_time = plan.send_time.as_ref().map(Sampler::new);
        self.flushes = plan.flushes;
        for number in 0..self.producers.len() {
            self.producers[number].adopt(&self.limits, cx);
            self.work(number, cx);
        }
    }

    fn reset(&mut self, now: SimTime) {
        self.meters.buffer.reset(now);
        self.meters = Meters {
            buffer: self.meters.buffer.clone(),
            ..Meters::default()
        };
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        let log = &cx.logs[self.log as usize];
        let groups = 0..log.groups.len() as u32;
        let lag = log.groups.iter().map(|g| g.lag.value()).max().unwrap_or(0);
        out.push(lag as f64);
        out.push(groups.map(|g| log.longest_lag(g)).max().unwrap_or(0) as f64);
        out.push(self.meters.buffer.value() as f64);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let log = &cx.logs[self.log as usize];
        let span = (cx.now() - since).as_secs_f64().max(1e-9);
        let m = &self.meters;
        out.add(
            "produced",
            Unit::PerSecond,
            Combine::Sum,
            log.appended as f64 / span,
        );
        out.ratio(
            "records_per_batch",
            Unit::Count,
            m.records as f64,
            m.batches as f64,
        );
        out.ratio(
            "batches_per_request",
            Unit::Count,
            m.batches as f64,
            m.requests as f64,
        );
        out.add(
            "buffer_used_mean",
            Unit::Bytes,
            Combine::Sum,
            m.buffer.mean(cx.now()).unwrap_or(f64::NAN),
        );
        out.add(
            "buffer_used_max",
            Unit::Bytes,
            Combine::Sum,
            m.buffer.max() as f64,
        );
        out.add(
            "buffer_exhausted",
            Unit::PerSecond,
            Combine::Sum,
            m.buffer_exhausted as f64 / span,
        );
        out.add(
            "records_lost",
            Unit::PerSecond,
            Combine::Sum,
            m.lost as f64 / span,
        );
        for (p, n) in log.by_partition.iter().enumerate() {
            out.add(
                format!("produced_partition_{p}"),
                Unit::PerSecond,
                Combine::Sum,
                *n as f64 / span,
            );
        }
        // The group that is furthest behind stands for the topic; each consumer reports its own.
        let worst = (0..log.groups.len()).max_by_key(|g| log.groups[*g].lag.area(cx.now()));
        if let Some(group) = worst {
            super::consumer::lag_readings(log, group as u32, cx.now(), out);
        }
    }
}

impl Topic {
    /// The producer of a replica.
    fn producer_of(&mut self, home: u32) -> usize {
        let place = if home == NONE { 0 } else { home as usize + 1 };
        if let Some(Some(number)) = self.homes.get(place) {
            return *number;
        }
        if self.homes.len() <= place {
            self.homes.resize(place + 1, None);
        }
        let producer = Producer::new(place as u64 | self.ended << 32, home);
        let number = match self.producers.iter().position(Producer::is_gone) {
            Some(gone) => {
                self.producers[gone] = producer;
                gone
            }
            None => {
                self.producers.push(producer);
                self.producers.len() - 1
            }
        };
        self.homes[place] = Some(number);
        number
    }

    /// A producer takes in answers before anybody's time is up, and sends what it can.
    fn work(&mut self, number: usize, cx: &mut Context) {
        let (log, instance) = (self.log, self.instance);
        let producer = &mut self.producers[number];
        producer.answer(log, instance, &self.limits, cx, &mut self.meters);
        producer.expire(instance, &self.limits, cx, &mut self.meters);
        self.pump(number, cx);
    }

    /// Sends what is ready, and sets the timer for what comes next.
    fn pump(&mut self, number: usize, cx: &mut Context) {
        let Topic {
            producers,
            limits,
            meters,
            send_time,
            purposes,
            instance,
            log,
            ..
        } = self;
        let producer = &mut producers[number];
        loop {
            let key = producer.request_key();
            let sent = producer.send_request(limits, cx, meters, |cx| match send_time {
                Some(law) => cx.sample(law, &mut cx.draws_of(purposes.send_time, key)),
                None => 0,
            });
            if !sent {
                break;
            }
            if send_time.is_none() {
                producer.answer(*log, *instance, limits, cx, meters);
            }
        }
        let due = producer.next_due(limits, cx);
        self.arm(due, cx);
    }

    fn arm(&mut self, at: u64, cx: &mut Context) {
        if at < self.due {
            self.due = at;
            cx.arm(self.timer, at);
        }
    }
}

/// Reads how often keys are written.
fn popularity(text: &Spanned<String>, sink: &mut Sink) -> Option<Popularity> {
    match Popularity::parse(&text.value) {
        Ok(p) => Some(p),
        Err(problem) => {
            sink.error(
                text.span.clone(),
                "bad-law",
                format!("`key` is not a popularity: {problem}"),
            );
            None
        }
    }
}
