//! Why requests fail.

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

/// A set of faults.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    pub const ALL: Faults = Faults(u32::MAX);
    pub const NONE: Faults = Faults(0);

    pub fn contains(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    pub fn insert(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u32;
    }
}
