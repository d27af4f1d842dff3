//! Laws that hold exactly: they follow from how things are counted, or from what a model means.

mod identities;
mod measurement;
mod metamorphic;
