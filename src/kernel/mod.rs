//!
pub mod calendar;
