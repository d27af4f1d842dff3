//! Processor sharing, exactly: a virtual clock runs at the rate at which each job is served.
//!
//! A job of demand d that comes at virtual time v is done at v + d. While n jobs share c cores the virtual
//! clock runs at min(1, c/n), lessened by the contention law; every event costs O(log n)
//! (Kleinrock 1976, vol. 2, section 4.4; the virtual clock of Demers, Keshav and Shenker 1989).
//! The virtual clock is an integer in units of 2^-32 ns, so no rounding of floats orders two jobs.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::kernel::{Context, NONE, TimerId};
use crate::metric::Gauge;
use crate::quantity::SimTime;

/// How much of their speed `n` runnable threads on `cores` keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contention {
    /// Serial share σ of the Universal Scalability Law, over threads beyond the cores.
    pub sigma: f64,
    /// Coherency κ of the law.
    pub kappa: f64,
    /// Cost of a context switch, as a share of a time slice.
    pub switch: f64,
    /// Cost of a switch to a thread of another process, which finds the core's caches cold, over a time slice.
    pub process_switch: f64,
    /// What a core's second thread adds to its speed; zero without hyper-threads.
    pub second_thread: f64,
}

impl Contention {
    /// No loss.
    pub const NONE: Contention = Contention {
        sigma: 0.0,
        kappa: 0.0,
        switch: 0.0,
        process_switch: 0.0,
        second_thread: 0.0,
    };

    /// Share of the cores' speed that is left with `n` runnable threads, of which any two in turn belong to
    /// different processes with probability `mixed`.
    ///
    /// The excess e = n / c - 1 takes the place of N - 1 in the law (Gunther 2007, eq. 4.31).
    /// A slice s in which a process switch costs r of refilling the caches takes s + r; the next thread in line
    /// belongs to another process with probability 1 - sum of the squared shares.
    pub fn efficiency(&self, n: f64, cores: f64, mixed: f64) -> f64 {
        let excess = (n / cores - 1.0).max(0.0);
        let law = 1.0 + self.sigma * excess + self.kappa * excess * (excess + 1.0);
        let switching = if excess > 0.0 { 1.0 - self.switch } else { 1.0 };
        let refill = if excess > 0.0 {
            1.0 + self.process_switch * mixed
        } else {
            1.0
        };
        switching / (law * refill)
    }
}

/// Jobs that share cores.
pub struct ProcessorSharing {
    cores: f64,
    speed: f64,
    contention: Contention,
    /// Virtual time, 2^-32 ns.
    clock: u128,
    rate: u64,
    /// CPU time that one running thread had so far, 2^-32 ns, and has in a nanosecond.
    cpu: u128,
    cpu_rate: u64,
    last: u64,
    /// Jobs by virtual finish time, then order of coming; those in `gone` are stale.
    jobs: BinaryHeap<Reverse<(u128, u32, u32)>>,
    /// Numbers of jobs that went away before they were done and whose entries are still there.
    gone: BTreeSet<u32>,
    running: u64,
    /// Jobs of each replica, and of requests at no service; the sum of their squares.
    of_process: Vec<u64>,
    squares: u64,
    /// Cores taken by others than jobs, as collector threads.
    others: u64,
    number: u32,
    timer: TimerId,
    due: u64,
    /// Cores busy.
    pub busy: Gauge,
    busy_now: i64,
    /// Share of the busy cores' time that contention takes now, and core-nanoseconds that it took.
    loss: f64,
    lost: f64,
    /// Runnable threads, others included.
    pub runnable: Gauge,
}

const ONE: f64 = 4_294_967_296.0;

impl ProcessorSharing {
    /// `timer` must wake [`ProcessorSharing::wake`].
    pub fn new(cores: f64, speed: f64, contention: Contention, timer: TimerId) -> Self {
        let mut ps = ProcessorSharing {
            cores,
            speed,
            contention,
            clock: 0,
            rate: 0,
            cpu: 0,
            cpu_rate: 0,
            last: 0,
            jobs: BinaryHeap::new(),
            gone: BTreeSet::new(),
            running: 0,
            of_process: Vec::new(),
            squares: 0,
            others: 0,
            number: 0,
            timer,
            due: u64::MAX,
            busy: Gauge::default(),
            busy_now: 0,
            loss: 0.0,
            lost: 0.0,
            runnable: Gauge::default(),
        };
        ps.set_rate();
        ps
    }

    fn set_rate(&mut self) {
        let n = (self.running + self.others).max(1) as f64;
        let mixed = match self.contention.process_switch > 0.0 {
            // Threads of no request, as collectors', count as one process more.
            true => 1.0 - ((self.squares + self.others * self.others) as f64 / (n * n)).min(1.0),
            false => 0.0,
        };
        // Beyond the cores, second threads run beside the first ones.
        let extra = (n - self.cores).clamp(0.0, self.cores) * self.contention.second_thread;
        let threads = n.min(self.cores) + extra;
        let efficiency = self.contention.efficiency(n, self.cores, mixed);
        self.loss = 1.0 - efficiency;
        let share = threads / n * self.speed * efficiency;
        self.rate = libm::round(share * ONE).max(1.0) as u64;
        // A second thread of a core is a processor to the scheduler.
        let beside = if self.contention.second_thread > 0.0 {
            2.0
        } else {
            1.0
        };
        self.cpu_rate = libm::round((beside * self.cores / n).min(1.0) * ONE).max(1.0) as u64;
    }

    #[inline]
    fn advance(&mut self, now: u64) {
        if self.running > 0 {
            self.clock += (now - self.last) as u128 * self.rate as u128;
            self.cpu += (now - self.last) as u128 * self.cpu_rate as u128;
            self.lost += self.lost_since(now);
        }
        self.last = now;
    }

    /// Core-nanoseconds that contention took since the last change.
    #[inline]
    fn lost_since(&self, now: u64) -> f64 {
        if self.loss == 0.0 || self.running == 0 {
            return 0.0;
        }
        (now - self.last) as f64 * (self.busy_now as f64 * 1e-3) * self.loss
    }

    /// The part of the cores' busy time that contention takes, none without any.
    pub fn share_lost(&self, now: SimTime) -> Option<f64> {
        let busy = self.busy.area(now) as f64 * 1e-3;
        let lost = self.lost + self.lost_since(now.nanos());
        (self.contention != Contention::NONE && busy > 0.0).then(|| lost / busy)
    }

    /// Starts measurement.
    pub fn reset(&mut self, now: SimTime) {
        self.advance(now.nanos());
        self.lost = 0.0;
        self.busy.reset(now);
        self.runnable.reset(now);
    }

    /// One more runnable thread of the process that a request is in.
    #[inline]
    fn join(&mut self, home: u32) {
        let at = home.wrapping_add(1) as usize;
        if at >= self.of_process.len() {
            self.of_process.resize(at + 1, 0);
        }
        self.squares += 2 * self.of_process[at] + 1;
        self.of_process[at] += 1;
        self.running += 1;
    }

    /// One less.
    #[inline]
    fn part(&mut self, home: u32) {
        let mine = &mut self.of_process[home.wrapping_add(1) as usize];
        self.squares -= 2 * *mine - 1;
        *mine -= 1;
        self.running -= 1;
    }

    fn changed(&mut self, cx: &mut Context) {
        let now = cx.now();
        let n = self.running + self.others;
        // Whole thousandths of a core, so that a fractional number of cores is counted too.
        let busy = libm::round((n as f64).min(self.cores) * 1000.0) as i64;
        self.busy.add(now, busy - self.busy_now);
        self.busy_now = busy;
        self.set_rate();
        self.schedule(cx);
    }

    fn schedule(&mut self, cx: &mut Context) {
        while let Some(Reverse((finish, ticket, _))) = self.jobs.peek().copied() {
            if self.gone.remove(&ticket) {
                self.jobs.pop();
                continue;
            }
            let left = finish.saturating_sub(self.clock);
            let at = cx
                .nanos()
                .saturating_add(left.div_ceil(self.rate as u128).min(u64::MAX as u128) as u64);
            if at < self.due {
                self.due = at;
                cx.arm(self.timer, at);
            }
            return;
        }
    }

    /// A job of `demand` nanoseconds comes; its request is in the host's hands until [`Context::proceed`].
    pub fn enter(&mut self, slot: u32, demand: u64, cx: &mut Context) {
        self.advance(cx.nanos());
        self.join(cx.requests[slot].home);
        self.number = self.number.wrapping_add(1).max(1);
        if self.number == NONE {
            self.number = 1;
        }
        cx.requests[slot].ticket = self.number;
        self.jobs.push(Reverse((
            self.clock + ((demand as u128) << 32),
            self.number,
            slot,
        )));
        cx.requests[slot].since = demand;
        let now = cx.now();
        self.runnable.enter(now);
        self.changed(cx);
    }

    /// The timer went off: jobs that are done go on.
    pub fn wake(&mut self, cx: &mut Context, mut done: impl FnMut(u32, &mut Context)) {
        if cx.nanos() < self.due {
            return; // set before the jobs changed; the one that counts comes later
        }
        self.due = u64::MAX;
        self.advance(cx.nanos());
        let now = cx.now();
        while let Some(Reverse((finish, ticket, slot))) = self.jobs.peek().copied() {
            let stale = self.gone.contains(&ticket);
            if !stale && finish > self.clock {
                break;
            }
            self.gone.remove(&ticket);
            self.jobs.pop();
            if !stale {
                self.part(cx.requests[slot].home);
                self.runnable.leave(now);
                cx.requests[slot].ticket = 0;
                done(slot, cx);
            }
        }
        self.changed(cx);
    }

    /// A job goes away. Its entry stays until it comes to the front.
    pub fn remove(&mut self, slot: u32, cx: &mut Context) {
        self.advance(cx.nanos());
        let number = std::mem::replace(&mut cx.requests[slot].ticket, 0);
        self.gone.insert(number);
        self.part(cx.requests[slot].home);
        let now = cx.now();
        self.runnable.leave(now);
        self.changed(cx);
    }

    /// Takes out the jobs of one replica and returns them with what they have left, in the order they came.
    pub fn take(&mut self, replica: u32, cx: &mut Context) -> Vec<(u32, u64)> {
        self.advance(cx.nanos());
        let mut taken = Vec::new();
        for Reverse((finish, ticket, slot)) in std::mem::take(&mut self.jobs).into_vec() {
            if self.gone.remove(&ticket) {
                continue;
            }
            if cx.requests[slot].home == replica {
                taken.push((ticket, slot, (finish.saturating_sub(self.clock) >> 32) as u64));
            } else {
                self.jobs.push(Reverse((finish, ticket, slot)));
            }
        }
        taken.sort_unstable();
        let now = cx.now();
        for (_, slot, _) in &taken {
            cx.requests[*slot].ticket = 0;
            self.part(replica);
            self.runnable.leave(now);
        }
        self.changed(cx);
        taken.into_iter().map(|(_, slot, left)| (slot, left)).collect()
    }

    /// Cores taken by others than jobs.
    pub fn set_others(&mut self, others: u64, cx: &mut Context) {
        self.advance(cx.nanos());
        let now = cx.now();
        self.runnable.add(now, others as i64 - self.others as i64);
        self.others = others;
        self.changed(cx);
    }

    /// CPU time that one running thread has had up to now, 2^-32 ns.
    pub fn cpu_clock(&mut self, now: u64) -> u128 {
        self.advance(now);
        self.cpu
    }

    /// What a running thread has of it in a nanosecond.
    pub fn cpu_rate(&self) -> u64 {
        self.cpu_rate
    }

    /// Jobs of a replica.
    pub fn running_of(&self, replica: u32) -> u64 {
        self.of_process.get(replica as usize + 1).copied().unwrap_or(0)
    }

    /// Threads that would run if they could.
    pub fn runnable_now(&self) -> u64 {
        self.running + self.others
    }

    /// Another machine.
    pub fn adopt(&mut self, cores: f64, speed: f64, contention: Contention, cx: &mut Context) {
        self.advance(cx.nanos());
        (self.cores, self.speed, self.contention) = (cores, speed, contention);
        self.due = u64::MAX;
        self.changed(cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_in_turn_find_cold_caches() {
        let c = Contention {
            process_switch: 0.5,
            ..Contention::NONE
        };
        // Nobody waits for a core: nothing is switched.
        assert_eq!(c.efficiency(6.0, 6.0, 0.5), 1.0);
        // One process: its threads find the caches as they left them.
        assert_eq!(c.efficiency(60.0, 6.0, 0.0), 1.0);
        // Three equal ones: two switches of three are between processes.
        let three = c.efficiency(60.0, 6.0, 2.0 / 3.0);
        assert!((three - 1.0 / (1.0 + 1.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn threads_beyond_the_cores_lose_a_share_of_each_slice_to_switching() {
        let c = Contention {
            switch: 0.1,
            ..Contention::NONE
        };
        for (n, left) in [(1.0, 1.0), (6.0, 1.0), (6.5, 0.9), (60.0, 0.9)] {
            assert_eq!(c.efficiency(n, 6.0, 0.5), left, "{n}");
        }
        // The law has no part in what is within the cores either.
        let c = Contention {
            sigma: 0.1,
            kappa: 0.05,
            ..Contention::NONE
        };
        for (n, left) in [(3.0, 1.0), (6.0, 1.0), (18.0, 1.0 / 1.5)] {
            assert!((c.efficiency(n, 6.0, 0.0) - left).abs() < 1e-12, "{n}");
        }
    }

    #[test]
    fn shares_of_processes_are_counted_as_they_come_and_go() {
        let mut contention = Contention::NONE;
        contention.process_switch = 1.0;
        let mut ps = ProcessorSharing::new(1.0, 1.0, contention, TimerId(0));
        for home in [NONE, 0, 0, 2] {
            ps.join(home);
        }
        assert_eq!((ps.running, ps.squares), (4, 1 + 4 + 1));
        ps.part(0);
        ps.part(NONE);
        assert_eq!((ps.running, ps.squares), (2, 2));
    }
}
