//!

pub mod results;
