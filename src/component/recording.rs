//! A load test's log as a workload replays it: one request a line, its instant and whatever else is known of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::distribution::Columns;

/// The lines of a CSV, field by field.
#[derive(Clone, Debug)]
pub struct Recording {
    path: PathBuf,
    /// Names of the columns; empty where the file begins with numbers.
    heads: Vec<String>,
    /// Line in the file and fields of each record.
    records: Vec<(u64, csv::StringRecord)>,
}

/// The recordings of all workloads.
#[derive(Clone, Debug, Default)]
pub struct Recordings {
    /// By the workload's number.
    pub list: Arc<[Option<Recording>]>,
    /// A workload names a file that cannot be read, which is told elsewhere.
    pub unreadable: bool,
}

impl Recordings {
    /// A column of those recordings that have it, in units of `unit`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn column(&self, name: &str, unit: f64) -> Result<Columns, String> {
        let present = || self.list.iter().flatten();
        if self.unreadable {
            return Ok(self.list.iter().map(|_| None).collect());
        }
        let Some(first) = present().next() else {
            return Err(
                "no workload has `executor = \"recorded\"` and with it a `file` of recorded values".into(),
            );
        };
        if !present().any(|r| r.has(name)) {
            return Err(first.no_column(name));
        }
        let column = |r: &Recording| r.column(Some(name), unit).map(Arc::from);
        self.list
            .iter()
            .map(|r| r.as_ref().filter(|r| r.has(name)).map(column).transpose())
            .collect()
    }
}

/// Largest value of a recording: 2^60.
const MOST: f64 = (1u64 << 60) as f64;

impl Recording {
    /// Reads a file: commas between fields, `#` before a comment, and names of the columns in the first line if that
    /// does not begin with a number.
    pub fn read(path: &Path) -> Result<Recording, String> {
        let wrong = |why: String| format!("reading {}: {why}", path.display());
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|e| match e.into_kind() {
                csv::ErrorKind::Io(e) => wrong(e.to_string()),
                _ => wrong("it is no CSV file".into()),
            })?;
        let mut heads = Vec::new();
        let mut records = Vec::new();
        for (i, record) in reader.records().enumerate() {
            let record = record.map_err(|e| match e.kind() {
                csv::ErrorKind::Utf8 { pos, .. } => {
                    let line = pos.as_ref().map_or(0, csv::Position::line);
                    wrong(format!(
                        "line {line} is no text; unpack the file if it is compressed"
                    ))
                }
                _ => wrong(e.to_string()),
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            if i == 0 && record.get(0).is_none_or(|f| f.parse::<f64>().is_err()) {
                heads = record.iter().map(str::to_owned).collect();
            } else if record.iter().any(|f| !f.is_empty()) {
                records.push((line, record));
            }
        }
        if records.is_empty() {
            return Err(format!("{} has no numbers", path.display()));
        }
        Ok(Recording {
            path: path.to_owned(),
            heads,
            records,
        })
    }

    /// Whether there is a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.heads.iter().any(|h| h == column)
    }

    /// The numbers of a column, the first one where none is named, in units of `unit`.
    ///
    /// # Errors
    /// The file, the line, and what stands there instead of a number from zero up.
    pub fn column(&self, name: Option<&str>, unit: f64) -> Result<Vec<f64>, String> {
        let at = match name {
            None => 0,
            Some(name) => match self.heads.iter().position(|h| h == name) {
                Some(at) => at,
                None => return Err(self.no_column(name)),
            },
        };
        self.records
            .iter()
            .map(|(line, record)| {
                let field = record.get(at).unwrap_or("");
                let number = field.parse::<f64>().ok().map(|v| v * unit);
                number.filter(|v| (0.0..=MOST).contains(v)).ok_or_else(|| {
                    let what = if field.is_empty() { "nothing" } else { field };
                    format!(
                        "{}, line {line}: `{what}` is not a number from zero up",
                        self.path.display()
                    )
                })
            })
            .collect()
    }

    fn no_column(&self, name: &str) -> String {
        let path = self.path.display();
        if self.heads.is_empty() {
            return format!("{path} has no column `{name}`: its first line has no names");
        }
        let near = crate::diagnostic::nearest(name, self.heads.iter().map(String::as_str));
        match near {
            Some(near) => format!("{path} has no column `{name}`: did you mean `{near}`?"),
            None => format!(
                "{path} has no column `{name}`: it has `{}`",
                self.heads.join("`, `")
            ),
        }
    }
}
