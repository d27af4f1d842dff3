//! A run told event by event: a digest that is carried on from each event to the next, and a row for every so many.
//!
//! Two builds, or two machines, that should give the same bytes are compared by their trails. The first row that
//! differs bounds the first event that differs; a trail of every event between the two names it.

use super::observe::Observations;
use super::{Broken, Engine, Options};
use crate::kernel::TimerOwner;
use crate::kernel::calendar::Event;
use crate::kernel::context::TIMER_BIT;
use crate::model::Model;

/// Sees every event before it is carried out.
pub(super) trait Watch {
    fn see(&mut self, engine: &Engine, event: Event);
}

/// Nobody watches: nothing is done, and nothing is left of it in the loop.
impl Watch for () {
    #[inline(always)]
    fn see(&mut self, _: &Engine, _: Event) {}
}

/// One event of a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Events up to this one.
    pub event: u64,
    /// When it happened, nanoseconds.
    pub nanos: u64,
    /// Its place among events of one instant, and its running number.
    pub rank: u8,
    pub number: u64,
    /// Whose event it is: a component's timer, or a request with the instruction it stands at.
    pub what: String,
    /// Of this event and all before it.
    pub digest: u64,
}

/// Which rows are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Every {
    /// A row for every so many events.
    pub events: u64,
    /// The first and the last event that may have a row.
    pub from: u64,
    pub to: u64,
}

struct Trail<'a> {
    every: Every,
    event: u64,
    digest: u64,
    tell: &'a mut dyn FnMut(Row),
}

impl Trail<'_> {
    fn mix(&mut self, word: u64) {
        // FNV-1a by words, with a shift so that high bits come down.
        let x = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.digest = x ^ (x >> 29);
    }
}

impl Watch for Trail<'_> {
    fn see(&mut self, engine: &Engine, event: Event) {
        self.event += 1;
        self.mix(event.time().nanos());
        self.mix(u64::from(event.rank()) << 56 ^ event.number());
        let payload = event.payload();
        self.mix(u64::from(payload));
        if payload & TIMER_BIT == 0 {
            let r = &engine.cx.requests[payload];
            let (key, pc) = (r.key, r.pc);
            self.mix(key);
            self.mix(u64::from(pc));
        }
        let Every { events, from, to } = self.every;
        if self.event.is_multiple_of(events) && (from..=to).contains(&self.event) {
            (self.tell)(Row {
                event: self.event,
                nanos: event.time().nanos(),
                rank: event.rank(),
                number: event.number(),
                what: engine.told(event),
                digest: self.digest,
            });
        }
    }
}

impl Engine<'_> {
    /// Whose event it is.
    fn told(&self, event: Event) -> String {
        let payload = event.payload();
        if payload & TIMER_BIT == 0 {
            let r = &self.cx.requests[payload];
            let what = self.model.program.remarks.get(r.pc as usize);
            let what = what.map_or("", String::as_str);
            return format!("request {payload} at instruction {}: {what}", r.pc);
        }
        match self.cx.timer_owner(payload & !TIMER_BIT) {
            TimerOwner::Component { instance, tag } => {
                let id = self.model.layout.owner[instance as usize];
                let base = self.model.layout.bases[id.0 as usize];
                let subject = self.model.components[id.0 as usize].subject();
                format!("timer {tag} of {subject}, instance {}", instance - base)
            }
            TimerOwner::Workload { index, tag } => {
                format!(
                    "timer {tag} of workload.{}",
                    self.model.workloads[index as usize].name
                )
            }
            TimerOwner::Timeline(i) => format!("entry {i} of the timeline"),
            TimerOwner::Replica(replica) => format!("replica {replica} takes requests"),
            TimerOwner::Observer => "the end of a window".to_owned(),
            TimerOwner::WarmUp => "the end of the warm-up".to_owned(),
        }
    }
}

/// Runs one replication like [`super::run`] and tells its events; the digest at the end comes with what was seen.
///
/// # Errors
/// When an identity that must hold does not: a bug.
pub fn run_told(
    model: &Model,
    options: &Options,
    every: Every,
    tell: &mut dyn FnMut(Row),
) -> Result<(Observations, u64), Broken> {
    let mut trail = Trail {
        every,
        event: 0,
        digest: 0xcbf2_9ce4_8422_2325,
        tell,
    };
    let seen = Engine::new(model, options).run_watched(&mut trail)?;
    Ok((seen, trail.digest))
}
