//! What a running simulation stands on: the future event list, the requests in flight, and the
//! context through which a component sees both.

pub mod calendar;
pub mod context;
pub mod fault;
pub mod log;
pub mod meter;
pub mod replica;
pub mod request;
pub mod rows;
pub mod seats;
pub(crate) mod unchecked;

pub use context::{Context, Effect, Site, TimerId, TimerOwner};
pub use fault::{Fault, Faults};
pub use log::{Log, Record, Rows};
pub use meter::Meter;
pub use replica::{CpuLimit, CpuUse, Grace, Lasted, Replica};
pub use request::{Frame, Line, Request, Requests, State};
pub use seats::Seats;

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
