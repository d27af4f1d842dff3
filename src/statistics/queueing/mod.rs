//! Queueing formulas, each with its source: what a simulated station must agree with.
//!
//! Arrival rates are per second, times in seconds, offered load a = λS in erlangs, utilisation
//! ρ = a/c. A formula that has no answer (saturation, a parameter outside its domain) returns a
//! [`Refusal`](super::Refusal).

pub mod bounds;
pub mod dispatch;
pub mod impatient;
pub mod many;
pub mod nested;
pub mod priority;
pub mod single;

use serde::{Deserialize, Serialize};

pub use bounds::*;
pub use dispatch::*;
pub use impatient::*;
pub use many::*;
pub use nested::*;
pub use priority::*;
pub use single::*;

/// Steady-state means of a station. Where requests can be turned away, the times are those of the
/// requests admitted and `throughput` counts the admitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Admitted requests per second.
    pub throughput: f64,
    /// Share of server capacity that is busy.
    pub utilisation: f64,
    /// Time in queue, in seconds.
    pub waiting_time: f64,
    /// Time from arrival to departure, in seconds.
    pub response_time: f64,
    /// Requests in queue.
    pub number_waiting: f64,
    /// Requests in queue and in service.
    pub number_in_system: f64,
}

impl Means {
    /// All six from the wait, by Little's law.
    pub(in crate::statistics) fn from_wait(
        throughput: f64,
        servers: f64,
        service_time: f64,
        waiting_time: f64,
    ) -> Means {
        let response_time = waiting_time + service_time;
        Means {
            throughput,
            utilisation: throughput * service_time / servers,
            waiting_time,
            response_time,
            number_waiting: throughput * waiting_time,
            number_in_system: throughput * response_time,
        }
    }
}
