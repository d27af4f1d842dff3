//! What a running simulation stands on: the future event list, the requests in flight, and the
//! context through which a component sees both.

pub mod calendar;
pub mod context;
pub mod log;
pub mod meter;
pub mod request;
pub mod rows;
pub(crate) mod unchecked;

pub use context::{Context, Effect, Replica, Seats, Site, TimerId, TimerOwner};
pub use log::{Log, Record, Rows};
pub use meter::Meter;
pub use request::{Frame, Line, Request, Requests, State};

/// No slot, no frame, no instance.
pub const NONE: u32 = u32::MAX;

/// The order of events at one instant, before their running number. See `docs/design.md`.
pub mod rank {
    /// The end of a hold or of service: what it gives back is there for whoever comes at the same instant.
    pub const COMPLETION: u8 = 0;
    /// A component's own timer: time-outs, refills, polls.
    pub const TIMER: u8 = 1;
    /// A new request.
    pub const ARRIVAL: u8 = 2;
    /// The observer, after everything else of that instant.
    pub const OBSERVE: u8 = 3;
}

/// One stay of a request at one instance of a component.
#[derive(Copy, Clone, Debug)]
pub struct Visit {
    /// The instance that is visited.
    pub instance: u32,
    /// The visiting request.
    pub slot: u32,
    /// Index of the visit's frame: its start and one word that belongs to the component.
    pub frame: u32,
    /// The step of the program from which the visit is made; it keys the draws.
    pub site: u32,
    /// Service demand in nanoseconds; zero for a component that is only held.
    pub demand: u64,
}

/// A component's answer to a visitor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go on at once.
    Proceed,
    /// Stay for this many nanoseconds, then go on.
    Serve(u64),
    /// Wait; the component will resume or fail the visitor.
    Wait,
    /// Of an operation: go on at its jump (behind the scope, as after a cache hit).
    Skip,
    /// Turned away.
    Reject(Fault),
}

/// What a component that catches failures wants done.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Let the failure go on to the next scope.
    Propagate,
    /// Run the scope's steps again after this many nanoseconds.
    Again(u64),
    /// Treat the scope as done and go on behind it.
    Absorb,
    /// Go on behind the scope, whose visit has failed.
    GiveUp,
}

/// How a visit ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The scope's steps are done.
    Done,
    /// A step failed.
    Failed(Fault),
    /// The caller left or the process died; nobody waits for the answer.
    Cancelled,
}

/// Why a request did not complete. The names are those of the results.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// Turned away at a full queue or pool.
    Rejected,
    /// Waited for a permit longer than the component allows.
    AcquireTimeout,
    /// An open circuit breaker did not permit the call.
    NotPermitted,
    /// A time limit on a scope passed.
    TimedOut,
    /// The component answered with an error.
    Failed,
    /// The server accepts no more connections.
    TooManyConnections,
    /// No replica is up.
    Unavailable,
    /// The connection could not be made before the kernel gave up.
    ConnectTimeout,
    /// A row lock was not granted in time.
    LockTimeout,
    /// The database chose this request as the victim of a deadlock.
    Deadlock,
    /// The process it ran in was stopped.
    Killed,
    /// Memory is exhausted.
    OutOfMemory,
    /// The load generator interrupted it at the end of the test.
    Interrupted,
}

impl Fault {
    /// All faults, in the order of the results.
    pub const ALL: [Fault; 13] = [
        Fault::Rejected,
        Fault::AcquireTimeout,
        Fault::NotPermitted,
        Fault::TimedOut,
        Fault::Failed,
        Fault::TooManyConnections,
        Fault::Unavailable,
        Fault::ConnectTimeout,
        Fault::LockTimeout,
        Fault::Deadlock,
        Fault::Killed,
        Fault::OutOfMemory,
        Fault::Interrupted,
    ];

    /// The name under which the results count it.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Rejected => "rejected",
            Fault::AcquireTimeout => "acquire_timeout",
            Fault::NotPermitted => "not_permitted",
            Fault::TimedOut => "timed_out",
            Fault::Failed => "failed",
            Fault::TooManyConnections => "too_many_connections",
            Fault::Unavailable => "unavailable",
            Fault::ConnectTimeout => "connect_timeout",
            Fault::LockTimeout => "lock_timeout",
            Fault::Deadlock => "deadlock",
            Fault::Killed => "killed",
            Fault::OutOfMemory => "out_of_memory",
            Fault::Interrupted => "interrupted",
        }
    }

    /// The fault with this number, as [`Fault::ALL`] counts them.
    pub fn from_index(index: u8) -> Fault {
        Fault::ALL.get(index as usize).copied().unwrap_or(Fault::Failed)
    }
}
