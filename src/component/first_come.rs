//! Cores that serve first come, first served.
//!
//! A job runs on its core to the end, in the calendar, unless its process is paused: then it gives up the core, and
//! goes on with what it has left when the pause is over, before those that have not begun.

use crate::kernel::{Admission, Context, Line, NONE, State, Visit};

/// A core at work.
#[derive(Clone, Copy)]
struct Core {
    slot: u32,
    frame: u32,
    end: u64,
}

/// Marks, in a waiting visit's word, a job that has begun; the other bits are what it has left, in nanoseconds.
pub const BEGUN: u64 = 1 << 63;

/// A job of a paused process. What it has left is in its visit's word.
#[derive(Clone, Copy)]
struct Paused {
    replica: u32,
    slot: u32,
}

/// As running.
pub struct FirstCome {
    cores: Vec<Core>,
    free: Vec<u32>,
    /// Cores in use; those numbered higher are being given up.
    limit: u32,
    /// Cores that threads of no request take.
    others: usize,
    line: Line,
    paused: Vec<Paused>,
    instance: u32,
}

const RESTING: Core = Core {
    slot: NONE,
    frame: NONE,
    end: 0,
};

impl FirstCome {
    pub fn new(cores: u32, instance: u32) -> Self {
        FirstCome {
            cores: vec![RESTING; cores as usize],
            free: (0..cores).rev().collect(),
            limit: cores,
            others: 0,
            line: Line::default(),
            paused: Vec::new(),
            instance,
        }
    }

    /// Jobs on a core or waiting for one; those of paused processes are not runnable.
    pub fn runnable(&self) -> u64 {
        (self.cores.len() - self.free.len() + self.line.len()) as u64
    }

    #[inline(always)]
    pub fn enter(&mut self, visit: Visit, demand: u64, cx: &mut Context) -> Admission {
        cx.join_run_queue(self.instance, demand);
        let Some(core) = self.free_core() else {
            *cx.word(visit) = demand;
            cx.begin_wait(visit);
            self.line.push_back(&mut cx.requests, visit.slot);
            return Admission::Wait;
        };
        *cx.word(visit) = core as u64;
        self.cores[core as usize] = Core {
            slot: visit.slot,
            frame: visit.frame,
            end: cx.nanos().saturating_add(demand),
        };
        Admission::Serve(demand)
    }

    #[inline(always)]
    pub fn leave(&mut self, visit: Visit, cx: &mut Context) {
        let core = *cx.word(visit) as u32;
        self.next(core, cx);
    }

    /// A core is free.
    #[inline(always)]
    fn next(&mut self, core: u32, cx: &mut Context) {
        self.cores[core as usize].slot = NONE;
        if core < self.limit {
            self.free.push(core);
        }
        self.fill(cx);
    }

    #[inline(always)]
    fn free_core(&mut self) -> Option<u32> {
        if self.free.len() > self.others {
            self.free.pop()
        } else {
            None
        }
    }

    /// Free cores take up what waits.
    #[inline(always)]
    fn fill(&mut self, cx: &mut Context) {
        while let Some(slot) = self.line.head()
            && let Some(core) = self.free_core()
        {
            self.line.pop_front(&mut cx.requests);
            self.run(core, slot, cx);
        }
    }

    /// Threads of no request take so many cores, as soon as they are free.
    pub fn set_others(&mut self, others: usize, cx: &mut Context) {
        self.others = others;
        self.fill(cx);
    }

    #[inline(always)]
    fn run(&mut self, core: u32, slot: u32, cx: &mut Context) {
        let frame = cx.requests[slot].ticket;
        let left = std::mem::replace(cx.waiting_word(slot), core as u64);
        self.cores[core as usize] = Core {
            slot,
            frame,
            end: cx.nanos().saturating_add(left & !BEGUN),
        };
        if left & BEGUN == 0 {
            return cx.admit_for(self.instance, slot, left);
        }
        let now = cx.now();
        cx.meters[self.instance as usize].waiting.leave(now);
        cx.requests[slot].pc += 1;
        cx.hold(slot, left & !BEGUN);
    }

    /// A job that does not run goes away.
    pub fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match self.paused.iter().position(|p| p.slot == visit.slot) {
            Some(i) => {
                self.paused.remove(i);
            }
            None => self.line.remove(&mut cx.requests, visit.slot),
        }
        stop_waiting(visit, cx);
    }

    pub fn freeze(&mut self, replica: u32, cx: &mut Context) {
        let now = cx.now();
        let mut freed = Vec::new();
        for i in 0..self.cores.len() {
            let Core { slot, frame, end } = self.cores[i];
            if slot == NONE || cx.requests[slot].home != replica || cx.requests[slot].state != State::Holding
            {
                continue;
            }
            // Back to the instruction at which it entered, with what is left.
            let r = &mut cx.requests[slot];
            r.ticket = frame;
            r.state = State::Waiting;
            r.pc -= 1;
            *cx.waiting_word(slot) = end.saturating_sub(now.nanos()) | BEGUN;
            cx.meters[self.instance as usize].waiting.enter(now);
            self.paused.push(Paused { replica, slot });
            freed.push(i as u32);
        }
        take_waiting(&mut self.line, replica, cx, |slot| {
            self.paused.push(Paused { replica, slot });
        });
        for core in freed {
            self.next(core, cx);
        }
    }

    pub fn thaw(&mut self, replica: u32, cx: &mut Context) {
        let (back, stay) = std::mem::take(&mut self.paused)
            .into_iter()
            .partition(|p| p.replica == replica);
        self.paused = stay;
        let first = self.line.head();
        let back: Vec<Paused> = back;
        for p in back {
            if let Some(core) = self.free_core() {
                self.run(core, p.slot, cx);
            } else {
                let before = first.filter(|_| *cx.waiting_word(p.slot) & BEGUN != 0);
                self.line.insert_before(&mut cx.requests, before, p.slot);
            }
        }
    }

    /// Another number of cores; fewer take effect as jobs end.
    pub fn adopt(&mut self, cores: u32, cx: &mut Context) {
        self.limit = cores;
        self.free.retain(|c| *c < cores);
        let ever = self.cores.len().max(cores as usize);
        self.cores.resize(ever, RESTING);
        for core in 0..cores {
            if self.cores[core as usize].slot == NONE && !self.free.contains(&core) {
                self.next(core, cx);
            }
        }
    }
}

/// Ends the wait of a job that goes away. Only the wait before it began is recorded.
pub fn stop_waiting(visit: Visit, cx: &mut Context) {
    if *cx.word(visit) & BEGUN == 0 {
        cx.abandon(visit.instance, visit.slot);
    } else {
        let now = cx.now();
        cx.meters[visit.instance as usize].waiting.leave(now);
    }
}

/// Takes the jobs of a replica out of a line, in their order.
pub fn take_waiting(line: &mut Line, replica: u32, cx: &mut Context, mut each: impl FnMut(u32)) {
    let mut at = line.head();
    while let Some(slot) = at {
        at = line.after(&cx.requests, slot);
        if cx.requests[slot].home == replica {
            line.remove(&mut cx.requests, slot);
            each(slot);
        }
    }
}
