//! Laws and popularities as they are written.

use super::{Law, Popularity};

/// What the values of a law measure, and so which units may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LawUnit {
    /// Written `200ms`, held in seconds.
    Duration,
    /// Written `3`, `0.5` or `62%`, held as it is.
    Number,
    /// Written `350KiB` or `2MB`, held in bytes.
    Bytes,
}

/// Reads the values of an empirical law from a named file, in seconds, bytes or plain numbers.
pub(super) type Loader<'a> = dyn FnMut(&str) -> Result<Vec<f64>, String> + 'a;

impl Law {
    /// Reads a law as it is written in a model.
    pub fn parse(text: &str, unit: LawUnit, load: &mut Loader) -> Result<Law, String> {
        let _ = (unit, load);
        Err(format!("`{text}` is no law"))
    }
}

pub(super) fn popularity(text: &str) -> Result<Popularity, String> {
    Err(format!("`{text}` is no popularity"))
}
