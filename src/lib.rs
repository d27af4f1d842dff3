//! plimsoll: a deterministic discrete-event capacity simulator for back ends.
//!
//! The modules in reading order follow the pipeline: text becomes a [`document`], a document a
//! checked [`model`], a model a flat [`program`], a program a run of the [`engine`], runs become an
//! [`experiment`]'s results, and results an [`output`].

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
