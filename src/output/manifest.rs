//! `manifest.json`: what is needed to make the folder again, and the hashes to tell whether it was.
//!
//! It holds no time of day and no name of a machine, so that the same inputs give the same bytes.

use std::io::{self, Write};

use serde::Serialize;

use crate::experiment::results::{Kind, Results, SCHEMA};
use crate::output::file::Written;

/// What the caller knows about how the results came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestInput {
    /// The version of plimsoll.
    pub version: String,
    /// The command line, program first, with paths as the user gave them.
    pub command_line: Vec<String>,
    /// The files read: experiment, model, data.
    pub inputs: Vec<InputFile>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// Its path as the user gave it, or as it stands in the experiment.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// The blake3 hash of its bytes, in hexadecimal.
    pub blake3: String,
}

impl InputFile {
    /// Describes a file by the bytes that were read from it.
    pub fn of(path: impl Into<String>, content: &[u8]) -> InputFile {
        let blake3 = blake3::hash(content).to_hex().to_string();
        InputFile {
            path: path.into(),
            bytes: content.len() as u64,
            blake3,
        }
    }
}

#[derive(Serialize)]
struct Manifest<'a> {
    schema: u32,
    plimsoll: &'a str,
    name: &'a str,
    kind: Kind,
    complete: bool,
    seed: u64,
    replications: u32,
    points: usize,
    command_line: &'a [String],
    inputs: &'a [InputFile],
    files: Vec<OutputFile<'a>>,
}

#[derive(Serialize)]
struct OutputFile<'a> {
    name: &'a str,
    bytes: u64,
    blake3: &'a str,
}

/// Writes the manifest of a folder that holds `files`.
pub fn write(
    results: &Results,
    input: &ManifestInput,
    files: &[Written],
    out: &mut dyn Write,
) -> io::Result<()> {
    let files = files.iter().map(|file| OutputFile {
        name: &file.name,
        bytes: file.bytes,
        blake3: &file.blake3,
    });
    let manifest = Manifest {
        schema: SCHEMA,
        plimsoll: &input.version,
        name: &results.name,
        kind: results.kind,
        complete: results.complete,
        seed: results.seed,
        replications: results.replications,
        points: results.points.len(),
        command_line: &input.command_line,
        inputs: &input.inputs,
        files: files.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &manifest)?;
    out.write_all(b"\n")
}
