//! Who is in service at a station where service may be interrupted, slowed down or sped up.
//!
//! A job's end stands in the calendar; whenever the speed changes it is entered anew, and the entry that it had before
//! is stale. What a job that was interrupted has left is in its visit's word, stated for speed 1.
//!
//! A visit waits before its service and whenever it is interrupted, so how long it waited is known, and noted, when it ends.

use crate::component::waiting::Waiting;
use crate::kernel::{Context, State, Visit};

/// Speed 1: work done in a nanosecond, in units of 2^-32 ns.
const ONE: u64 = 1 << 32;

/// Those in service.
pub struct Jobs {
    list: Vec<Job>,
    /// Smaller priorities interrupt larger ones.
    preemptive: bool,
    /// And who comes interrupts its like.
    last_come: bool,
    /// With one, two, .. inside; empty if there is one speed only.
    speeds: Vec<u64>,
    speed: u64,
    /// The station stands still, and these were in service when it stopped: priority and request.
    pause: Option<Vec<(u32, u32)>>,
    instance: u32,
}

#[derive(Copy, Clone)]
struct Job {
    slot: u32,
    frame: u32,
    class: u32,
    /// How long it has waited, nanoseconds.
    waited: u64,
    noted: Noted,
    /// Nanoseconds. One that stays inside after its service has an end in the past.
    end: u64,
}

/// Whether the wait of a visit is among the measured ones already.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Noted {
    No,
    /// It began at once and counts as one that did not wait.
    Unwaited,
    /// The same, before the measurement began.
    Before,
}

impl Jobs {
    pub fn new(preemptive: bool, last_come: bool, speeds: &[f64], instance: u32) -> Self {
        Jobs {
            list: Vec::new(),
            preemptive,
            last_come,
            speeds: speeds
                .iter()
                .map(|s| libm::round(s * ONE as f64) as u64)
                .collect(),
            speed: ONE,
            pause: None,
            instance,
        }
    }

    /// Whether the station stands still.
    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// How many stand still at their servers.
    pub fn paused(&self) -> u64 {
        self.pause.as_ref().map_or(0, |p| p.len() as u64)
    }

    /// A visitor finds a free server; how long its service takes at the speed of now.
    pub fn begin(&mut self, visit: Visit, class: u32, cx: &mut Context) -> u64 {
        self.put(
            visit.slot,
            visit.frame,
            class,
            visit.demand,
            0,
            Noted::Unwaited,
            cx,
        )
    }

    /// A server takes up one that waited, or goes on with one that was interrupted.
    pub fn take_up(&mut self, class: u32, slot: u32, cx: &mut Context) {
        let now = cx.now();
        let r = cx.requests[slot];
        let demand = *cx.waiting_word(slot);
        let waited = now.nanos() - r.since;
        let time = self.put(slot, r.ticket, class, demand, waited, Noted::No, cx);
        cx.meters[self.instance as usize].waiting.leave(now);
        if time == 0 {
            return cx.proceed(slot);
        }
        cx.requests[slot].pc += 1;
        cx.hold(slot, time);
    }

    #[allow(clippy::too_many_arguments)]
    fn put(
        &mut self,
        slot: u32,
        frame: u32,
        class: u32,
        demand: u64,
        waited: u64,
        noted: Noted,
        cx: &mut Context,
    ) -> u64 {
        let time = rounded(demand, ONE, self.speed);
        cx.requests.frame(frame).word = self.list.len() as u64;
        let end = cx.nanos().saturating_add(time);
        self.list.push(Job {
            slot,
            frame,
            class,
            waited,
            noted,
            end,
        });
        time
    }

    /// One in service leaves.
    pub fn end(&mut self, visit: Visit, cx: &mut Context) {
        let at = *cx.word(visit) as usize;
        let job = self.take_out(at, cx);
        if job.noted == Noted::No {
            let times = cx.meters[self.instance as usize].times;
            cx.times[times as usize].wait.record(job.waited);
        }
    }

    /// The measurement begins.
    pub fn reset(&mut self) {
        for job in &mut self.list {
            if job.noted == Noted::Unwaited {
                job.noted = Noted::Before;
            }
        }
    }

    fn take_out(&mut self, at: usize, cx: &mut Context) -> Job {
        let job = self.list.swap_remove(at);
        if let Some(moved) = self.list.get(at) {
            cx.requests.frame(moved.frame).word = at as u64;
        }
        job
    }

    /// Whom a visitor of this priority interrupts: the one of those it outranks who would go last.
    pub fn outranked(&self, class: u32, cx: &mut Context) -> Option<usize> {
        if !self.preemptive || self.pause.is_some() {
            return None;
        }
        let mut found: Option<(usize, (u32, u64))> = None;
        for (at, job) in self.list.iter().enumerate() {
            let below = job.class > class || job.class == class && self.last_come;
            // One whose service ends at this very instant is as good as gone.
            if !below || job.end <= cx.nanos() {
                continue;
            }
            let came = cx.requests.frame(job.frame).start;
            let rank = (job.class, if self.last_come { u64::MAX - came } else { came });
            if found.is_none_or(|(_, worst)| rank > worst) {
                found = Some((at, rank));
            }
        }
        found.map(|(at, _)| at)
    }

    /// Takes a job off its server; it waits with what it has left. Its priority and its request are returned.
    pub fn interrupt(&mut self, at: usize, cx: &mut Context) -> (u32, u32) {
        let now = cx.now();
        let job = self.take_out(at, cx);
        let left = rounded(job.end - now.nanos(), self.speed, ONE);
        // Back to the instruction at which it entered; its wait goes on where it was.
        let r = &mut cx.requests[job.slot];
        r.ticket = job.frame;
        r.state = State::Waiting;
        r.pc -= 1;
        r.since = now.nanos() - job.waited;
        *cx.waiting_word(job.slot) = left.max(1);
        let m = &mut cx.meters[self.instance as usize];
        m.waiting.enter(now);
        m.unwaited -= u64::from(job.noted == Noted::Unwaited);
        (job.class, job.slot)
    }

    /// The station stands still; how many servers were at work.
    pub fn pause(&mut self, cx: &mut Context) -> u32 {
        let mut stopped = Vec::new();
        let mut at = 0;
        while at < self.list.len() {
            let Job { slot, end, .. } = self.list[at];
            if end > cx.nanos() && cx.requests[slot].state == State::Holding {
                stopped.push(self.interrupt(at, cx));
            } else {
                at += 1;
            }
        }
        let n = stopped.len() as u32;
        self.pause.get_or_insert_default().extend(stopped);
        n
    }

    /// It goes on; how many servers are at work again.
    pub fn unpause(&mut self, cx: &mut Context) -> u32 {
        let stopped = self.pause.take().unwrap_or_default();
        let n = stopped.len() as u32;
        for (class, slot) in stopped {
            self.take_up(class, slot, cx);
        }
        n
    }

    /// One that stands still at its server goes away; says whether there was such a one.
    pub fn forget_paused(&mut self, slot: u32) -> bool {
        let Some(paused) = &mut self.pause else {
            return false;
        };
        let n = paused.len();
        paused.retain(|p| p.1 != slot);
        paused.len() < n
    }

    /// So many are inside now: who is in service goes on at the speed for that number.
    pub fn pace(&mut self, busy: u32, waiting: &Waiting, cx: &mut Context) {
        if self.speeds.is_empty() {
            return;
        }
        let inside = u64::from(busy) + waiting.len() + self.paused();
        let at = inside.clamp(1, self.speeds.len() as u64) as usize - 1;
        let (before, now) = (self.speed, cx.nanos());
        self.speed = self.speeds[at];
        if self.speed == before {
            return;
        }
        for job in &mut self.list {
            if job.end > now {
                let left = rounded(job.end - now, before, self.speed);
                job.end = now.saturating_add(left);
                cx.hold(job.slot, left);
            }
        }
    }
}

/// A time at one speed as a time at another, in whole nanoseconds.
fn rounded(time: u64, from: u64, to: u64) -> u64 {
    if from == to {
        return time;
    }
    let work = u128::from(time) * u128::from(from);
    ((work + u128::from(to / 2)) / u128::from(to)).min(u128::from(u64::MAX >> 1)) as u64
}
