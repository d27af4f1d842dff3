//! `results.json`: the whole of [`Results`], as documented in `docs/output.md`.

use std::io::{self, Read, Write};

use crate::experiment::results::{Results, SCHEMA};

/// Writes results as one line of JSON.
pub fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, results)?;
    out.write_all(b"\n")
}

/// Reads results that an earlier run wrote.
///
/// # Errors
/// When the text is not JSON, lacks a field, or was written under another [`SCHEMA`].
pub fn read(from: impl Read) -> io::Result<Results> {
    let results: Results = serde_json::from_reader(io::BufReader::new(from))?;
    if results.schema != SCHEMA {
        let text = format!(
            "the results have schema {}, this version reads schema {SCHEMA}",
            results.schema
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(results)
}
