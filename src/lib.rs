//! plimsoll: a deterministic discrete-event capacity simulator for back ends.
//!
//! The modules in reading order follow the pipeline: text becomes a [`document`], a document a
//! checked [`model`], a model a flat [`program`], a program a run of the [`engine`], runs become an
//! [`experiment`]'s results, and results an [`output`].
//!
//! # From a text to figures
//!
//! ```
//! let results = plimsoll::simulate(
//!     r#"
//!     [station.desk]
//!     servers = 2
//!
//!     [flow.visit]
//!     steps = [{ use = "desk", time = "exp(1s)" }]
//!
//!     [workload.customers]
//!     executor = "poisson"
//!     rate = "1.2/s"
//!     flow = "visit"
//!
//!     [run]
//!     duration = "2000s"
//!     warm-up = "100s"
//!     replications = 5
//!     "#,
//! )?;
//! let point = &results.points[0];
//! let busy = point.metric("station.desk", "utilisation").ok_or("no such figure")?;
//! assert!((busy.mean - 0.6).abs() < 0.05);
//! let (low, high) = busy.interval().ok_or("no interval")?;
//! println!("the desk is busy {low:.3} to {high:.3} of the time, at 95 %");
//! print!("{}", plimsoll::output::terminal(&results, 80, false));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`simulate_with`] changes duration, seed, replications and values of the model, [`experiment::load`] and
//! [`experiment::carry_out`] do whole experiments, and [`engine::run`] does one replication without any statistics.
//! Whatever can be wrong with a model is an [`Error`] that draws the lines it is about; nothing in a text makes these
//! functions panic.

pub mod diagnostic;
pub mod quantity;
pub mod random;
pub mod statistics;

pub mod distribution;
pub mod document;
pub mod metric;

pub mod cli;
pub mod component;
pub mod engine;
pub mod experiment;
pub mod kernel;
pub mod model;
pub mod output;
pub mod program;

pub use experiment::{Error, simulate, simulate_with};
