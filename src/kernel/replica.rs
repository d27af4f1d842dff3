//! The replicas of services: whether they run, what they are paused by, and the CPU time they may have.

use super::Line;
use super::context::{Context, Effect, TimerId};
use crate::metric::Gauge;

/// A replica's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuLimit {
    /// Core-nanoseconds in each period.
    pub quota: u64,
    /// Nanoseconds.
    pub period: u64,
    /// When the first period begins, nanoseconds.
    pub phase: u64,
}

impl CpuLimit {
    /// As good as none: one period, longer than any run, and more than any host can give in it.
    pub const NONE: CpuLimit = CpuLimit {
        quota: u64::MAX,
        period: 1 << 62,
        phase: 0,
    };
}

/// What a replica used and missed since the measurement began.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuUse {
    /// When the measurement began, nanoseconds.
    pub since: u64,
    /// Core-nanoseconds.
    pub used: u64,
    /// Periods in which it had work, and those in which it was stopped.
    pub periods: u64,
    pub throttled_periods: u64,
    /// Nanoseconds in which it stood still.
    pub throttled: u64,
}

/// How long something was so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lasted {
    since: Option<u64>,
    before: u64,
}

impl Lasted {
    /// It is so from now on, or not.
    pub fn set(&mut self, is: bool, now: u64) {
        self.before = self.total(now);
        self.since = is.then_some(now);
    }

    /// The measurement begins.
    pub fn reset(&mut self, now: u64) {
        self.before = 0;
        self.since = self.since.map(|_| now);
    }

    /// Nanoseconds since the measurement began.
    pub fn total(&self, now: u64) -> u64 {
        self.before + self.since.map_or(0, |since| now - since)
    }
}

/// One replica of a service.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Whether there is such a process: autoscalers make and remove them.
    pub exists: bool,
    pub there: Lasted,
    /// Takes requests.
    pub up: bool,
    pub serving: Lasted,
    /// Pauses that are on.
    pub frozen: u32,
    /// When the timeline's pauses end, nanoseconds; zero where none is on.
    pub paused_until: u64,
    /// When the timeline's outages end, nanoseconds.
    pub down_until: u64,
    /// Whether the last of them is a restart, which takes its time from when the old process has ended.
    pub restarts: bool,
    /// Requests that the balancer sent and that are still inside.
    pub in_flight: u32,
    /// Those of them whose answers are awaited: what a balancer counts as open connections.
    pub awaited: u32,
    /// Calls that have left it, whatever their outcome, since the run began.
    pub answered: u64,
    /// Requests that wait for the end of a pause.
    pub stalled: Line,
    /// Time spent in pauses.
    pub pause: Gauge,
    /// How much CPU time it may have, if that is limited, and what it had.
    pub limit: Option<CpuLimit>,
    pub cpu: CpuUse,
    /// Whether its CPU time is counted though it has no limit.
    pub watched: bool,
    /// Core-nanoseconds since the run began, where they are counted.
    pub cpu_time: u64,
    /// Nanoseconds from its start until it takes requests.
    pub start_up: u64,
    /// Goes off when a new process takes requests, if the old one had more to do than expected.
    pub back: Option<TimerId>,
    /// How it stops, if it may finish what it has in flight.
    pub grace: Option<Grace>,
}

/// A graceful shutdown.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// Nanoseconds that requests have to end.
    pub period: u64,
    /// By when those inside have to be gone; zero unless it is stopping.
    pub until: u64,
    /// Whether it is to start again then.
    pub starts: bool,
    /// Goes off when the time is over.
    pub over: TimerId,
}

impl Default for Replica {
    fn default() -> Self {
        Replica {
            exists: true,
            there: Lasted::default(),
            up: true,
            serving: Lasted::default(),
            frozen: 0,
            paused_until: 0,
            down_until: 0,
            restarts: false,
            in_flight: 0,
            awaited: 0,
            answered: 0,
            stalled: Line::default(),
            pause: Gauge::default(),
            limit: None,
            cpu: CpuUse::default(),
            watched: false,
            cpu_time: 0,
            start_up: 0,
            back: None,
            grace: None,
        }
    }
}

impl Replica {
    /// The quota under which its CPU time is counted, if it is.
    pub fn quota(&self) -> Option<CpuLimit> {
        self.limit.or(self.watched.then_some(CpuLimit::NONE))
    }

    /// Whether it only finishes what it has.
    pub fn is_draining(&self) -> bool {
        self.grace.is_some_and(|g| g.until > 0)
    }
}

impl Context {
    /// The replicas of a service: so many from its first one on.
    pub fn replicas_of(&self, first: u32, count: u32) -> &[Replica] {
        let first = first as usize;
        self.replicas
            .get(first..first + count as usize)
            .unwrap_or_default()
    }

    /// A pause of the timeline begins. Several take their union; a process that does not run has nothing to pause.
    pub fn pause(&mut self, replica: u32, until: u64) {
        let r = &mut self.replicas[replica as usize];
        if !r.up && !r.is_draining() {
            return;
        }
        let begins = r.paused_until == 0;
        r.paused_until = r.paused_until.max(until);
        if begins {
            self.freeze(replica);
        }
    }

    /// The timeline's pauses of a replica end, if they do so by `now`.
    pub fn end_pause(&mut self, replica: u32, now: u64) {
        let r = &mut self.replicas[replica as usize];
        if r.paused_until > 0 && r.paused_until <= now {
            r.paused_until = 0;
            self.thaw(replica);
        }
    }

    /// Stops everything that runs in a replica. Pauses may overlap; the last [`Context::thaw`] ends them.
    pub fn freeze(&mut self, replica: u32) {
        let now = self.now();
        let r = &mut self.replicas[replica as usize];
        r.frozen += 1;
        if r.frozen == 1 {
            r.pause.enter(now);
            self.effects.push(Effect::Freeze(replica));
        }
    }

    /// Ends a pause.
    pub fn thaw(&mut self, replica: u32) {
        let now = self.now();
        let r = &mut self.replicas[replica as usize];
        r.frozen -= 1;
        if r.frozen == 0 {
            r.pause.leave(now);
            self.effects.push(Effect::Thaw(replica));
        }
    }
}
