//! One binary for everything that is tested from outside: theory, laws, determinism, refusals, properties, semantics, arrows.

mod arrows;
mod determinism;
mod docs;
mod experiments;
mod hostile;
mod laws;
mod properties;
mod refusal;
mod semantics;
mod support;
mod testbed;
mod theory;
