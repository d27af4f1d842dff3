//! One binary for everything that is tested from outside: theory, laws, determinism, refusals, properties, arrows.

mod arrows;
mod determinism;
mod experiments;
mod laws;
mod properties;
mod refusal;
mod support;
mod testbed;
mod theory;
