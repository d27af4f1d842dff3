//! Files that are there whole or not at all, and errors that say what was being done to which one.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file could not be written.
#[derive(Debug)]
pub struct OutputError {
    /// What was being done: `write the table of figures`.
    pub doing: String,
    /// To which file or folder.
    pub path: PathBuf,
    /// What the machine said.
    pub source: io::Error,
}

impl OutputError {
    pub(crate) fn new(doing: &str, path: &Path, source: io::Error) -> OutputError {
        OutputError {
            doing: doing.to_owned(),
            path: path.to_owned(),
            source,
        }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "cannot {} `{}`: {}",
            self.doing,
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A written file as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The blake3 hash of its bytes, in hexadecimal.
    pub blake3: String,
}

/// Writes a file beside its final name and renames it, so that no reader ever sees half of it.
pub fn write(
    folder: &Path,
    name: &str,
    what: &str,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Written, OutputError> {
    let path = folder.join(name);
    let failed = |source| OutputError::new(&format!("write {what} to"), &path, source);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".plimsoll-").suffix(".part");
    #[cfg(unix)]
    {
        // Temporary files are private by default; results are as readable as other new files.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    let mut hashing = Hashing {
        inner: BufWriter::new(file.as_file_mut()),
        hasher: blake3::Hasher::new(),
        bytes: 0,
    };
    fill(&mut hashing)
        .and_then(|()| hashing.flush())
        .map_err(failed)?;
    let (bytes, blake3) = (hashing.bytes, hashing.hasher.finalize().to_hex().to_string());
    drop(hashing);
    // Some file systems rename at once and write later: after a power cut the name would stand for nothing.
    file.as_file().sync_data().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(Written {
        name: name.to_owned(),
        bytes,
        blake3,
    })
}

struct Hashing<W> {
    inner: W,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.hasher.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
