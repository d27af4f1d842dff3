//! Cores that serve in turn: each job runs for a quantum at most, then goes to the end of the line.
//!
//! Slices are counted out exactly, one event each; while nobody waits a job runs on without an event. Taking up another
//! job costs a switch first. (Silberschatz, Galvin and Gagne, Operating System Concepts, section 5.3.3.)

use super::first_come::{BEGUN, stop_waiting, take_waiting};
use crate::kernel::{Admission, Context, Line, NONE, TimerId, Visit};
use crate::metric::Gauge;

/// A core and the slice it runs.
#[derive(Clone, Copy)]
struct Core {
    slot: u32,
    frame: u32,
    /// The job it ran last, by its request's key.
    last: u64,
    /// When the job's own work begins, after the switch.
    start: u64,
    end: u64,
    /// What the job had left at the start.
    left: u64,
    timer: TimerId,
}

/// As running.
pub struct RoundRobin {
    cores: Vec<Core>,
    /// Cores of the machine, and how many of them requests may have.
    machine: usize,
    limit: usize,
    others: usize,
    quantum: u64,
    switch: u64,
    line: Line,
    /// Jobs of paused processes: replica, slot.
    paused: Vec<(u32, u32)>,
    instance: u32,
    running: u64,
    /// Cores busy, switches included.
    pub busy: Gauge,
    /// Since the measurement began.
    pub switches: u64,
}

impl RoundRobin {
    /// `timers`, one a core, must wake [`RoundRobin::wake`].
    pub fn new(quantum: u64, switch: u64, timers: Vec<TimerId>, instance: u32) -> Self {
        let mut me = RoundRobin {
            cores: Vec::new(),
            machine: timers.len(),
            limit: timers.len(),
            others: 0,
            quantum,
            switch,
            line: Line::default(),
            paused: Vec::new(),
            instance,
            running: 0,
            busy: Gauge::default(),
            switches: 0,
        };
        timers.into_iter().for_each(|t| me.add_core(t));
        me
    }

    fn add_core(&mut self, timer: TimerId) {
        self.cores.push(Core {
            slot: NONE,
            frame: NONE,
            last: 0,
            start: 0,
            end: 0,
            left: 0,
            timer,
        });
    }

    /// Jobs on a core or waiting for one; those of paused processes are not runnable.
    pub fn runnable(&self) -> u64 {
        self.running + self.line.len() as u64
    }

    pub fn enter(&mut self, visit: Visit, demand: u64, cx: &mut Context) -> Admission {
        if demand == 0 {
            return Admission::Proceed;
        }
        let idle = self.cores.iter().take(self.limit).position(|c| c.slot == NONE);
        if let Some(core) = idle {
            cx.unwaited(visit.instance);
            cx.requests[visit.slot].ticket = visit.frame;
            self.run(core, visit.slot, visit.frame, demand, cx);
        } else {
            *cx.word(visit) = demand.min(!BEGUN);
            cx.begin_wait(visit);
            self.line.push_back(&mut cx.requests, visit.slot);
            if self.line.len() == 1 {
                self.end_long_slices(cx);
            }
        }
        Admission::Wait
    }

    /// Somebody waits now: who has run on beyond the quantum stops at the next multiple of it.
    fn end_long_slices(&mut self, cx: &mut Context) {
        let (now, quantum) = (cx.nanos(), self.quantum);
        for c in self.cores.iter_mut().filter(|c| c.slot != NONE) {
            let slices = now.saturating_sub(c.start) / quantum + 1;
            let end = c.start.saturating_add(quantum.saturating_mul(slices));
            if end < c.end {
                c.end = end;
                cx.arm(c.timer, end);
            }
        }
    }

    fn run(&mut self, core: usize, slot: u32, frame: u32, left: u64, cx: &mut Context) {
        let now = cx.now();
        let key = cx.requests[slot].key;
        let c = &mut self.cores[core];
        let other = c.last != key;
        self.switches += other as u64;
        let slice = if self.line.is_empty() {
            left
        } else {
            left.min(self.quantum)
        };
        c.slot = slot;
        c.frame = frame;
        c.last = key;
        c.start = now.nanos() + if other { self.switch } else { 0 };
        c.end = c.start.saturating_add(slice);
        c.left = left;
        self.running += 1;
        self.busy.enter(now);
        cx.arm(c.timer, c.end);
    }

    /// The end of a core's slice.
    pub fn wake(&mut self, core: usize, cx: &mut Context) {
        let c = self.cores[core];
        if c.slot == NONE || c.end != cx.nanos() {
            return; // set before the slice was cut short
        }
        let left = c.left - (c.end - c.start).min(c.left);
        self.stop(core, cx);
        if left == 0 {
            cx.requests[c.slot].ticket = 0;
            cx.proceed(c.slot);
        } else if self.line.is_empty() && core < self.limit {
            return self.run(core, c.slot, c.frame, left, cx);
        } else {
            self.put_back(c.slot, left, cx);
            self.line.push_back(&mut cx.requests, c.slot);
        }
        self.next(core, cx);
    }

    fn stop(&mut self, core: usize, cx: &Context) {
        self.cores[core].slot = NONE;
        self.running -= 1;
        self.busy.leave(cx.now());
    }

    /// A job that has begun waits again.
    fn put_back(&mut self, slot: u32, left: u64, cx: &mut Context) {
        *cx.waiting_word(slot) = left | BEGUN;
        let now = cx.now();
        cx.meters[self.instance as usize].waiting.enter(now);
    }

    fn next(&mut self, core: usize, cx: &mut Context) {
        if core >= self.limit {
            // Who was on a core that is given up takes turns with the others.
            if !self.line.is_empty() {
                self.end_long_slices(cx);
            }
            return;
        }
        if let Some(slot) = self.line.pop_front(&mut cx.requests) {
            self.take_up(core, slot, cx);
        }
    }

    fn take_up(&mut self, core: usize, slot: u32, cx: &mut Context) {
        let frame = cx.requests[slot].ticket;
        let word = *cx.waiting_word(slot);
        if word & BEGUN == 0 {
            cx.begin_service(self.instance, slot);
        } else {
            let now = cx.now();
            cx.meters[self.instance as usize].waiting.leave(now);
        }
        self.run(core, slot, frame, word & !BEGUN, cx);
    }

    /// A job goes away.
    pub fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        if let Some(core) = self.cores.iter().position(|c| c.slot == visit.slot) {
            self.stop(core, cx);
            return self.next(core, cx);
        }
        match self.paused.iter().position(|p| p.1 == visit.slot) {
            Some(i) => {
                self.paused.remove(i);
            }
            None => self.line.remove(&mut cx.requests, visit.slot),
        }
        stop_waiting(visit, cx);
    }

    pub fn freeze(&mut self, replica: u32, cx: &mut Context) {
        let now = cx.nanos();
        let mut freed = Vec::new();
        for core in 0..self.cores.len() {
            let c = self.cores[core];
            if c.slot != NONE && cx.requests[c.slot].home == replica {
                let left = c.left - now.saturating_sub(c.start).min(c.left);
                self.stop(core, cx);
                self.put_back(c.slot, left.max(1), cx);
                self.paused.push((replica, c.slot));
                freed.push(core);
            }
        }
        take_waiting(&mut self.line, replica, cx, |slot| {
            self.paused.push((replica, slot))
        });
        for core in freed {
            self.next(core, cx);
        }
    }

    pub fn thaw(&mut self, replica: u32, cx: &mut Context) {
        let (back, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.paused)
            .into_iter()
            .partition(|p| p.0 == replica);
        self.paused = stay;
        let empty = self.line.is_empty();
        for (_, slot) in back {
            self.line.push_back(&mut cx.requests, slot);
        }
        self.fill(cx);
        if empty && !self.line.is_empty() {
            self.end_long_slices(cx);
        }
    }

    /// Idle cores take up what waits.
    fn fill(&mut self, cx: &mut Context) {
        for core in 0..self.limit {
            if self.cores[core].slot == NONE {
                self.next(core, cx);
            }
        }
    }

    /// Other cores; fewer take effect as slices end.
    pub fn adopt(&mut self, quantum: u64, switch: u64, timers: Vec<TimerId>, cores: usize, cx: &mut Context) {
        (self.quantum, self.switch, self.machine) = (quantum, switch, cores);
        timers.into_iter().for_each(|t| self.add_core(t));
        self.set_others(self.others, cx);
    }

    /// Threads of no request take so many cores, as soon as slices end.
    pub fn set_others(&mut self, others: usize, cx: &mut Context) {
        self.others = others;
        self.limit = self.machine.saturating_sub(others);
        self.end_long_slices(cx);
        self.fill(cx);
    }

    /// How many cores have a timer.
    pub fn timers(&self) -> usize {
        self.cores.len()
    }
}
