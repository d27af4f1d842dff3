//! Finished points on disk while a sweep is under way, and the lock that keeps two runs out of one folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::say;
use crate::experiment::Store;
use crate::experiment::collect::Collected;

/// The folder `.partial` in the output folder: one file a finished point, named by the point's key.
///
/// A file is one line with the hash of its key and of what follows, then JSON: a file that was copied from another
/// point is as little taken as a damaged one. It is written beside its name, brought to the disk, and renamed.
pub struct Partial {
    folder: PathBuf,
    warnings: Mutex<Vec<String>>,
}

impl Partial {
    pub fn in_folder(folder: &Path) -> Partial {
        Partial {
            folder: folder.join(".partial"),
            warnings: Mutex::new(Vec::new()),
        }
    }

    /// Removes what killed runs left half written. Whoever holds the folder's lock may do so.
    pub fn tidy(&self) {
        let half = |name: &str| {
            name.starts_with(".plimsoll-") && (name.ends_with(".part") || name.ends_with(".png"))
                || name.starts_with(".point-")
        };
        let above = self.folder.parent().unwrap_or(Path::new(""));
        for folder in [above, &self.folder] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(half) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    fn note(&self, warning: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(warning);
    }

    /// Prints what went wrong with the files on the way.
    pub fn warn(&self) {
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings.iter() {
            say(&format!("warning: {warning}\n"));
        }
    }

    /// The sweep is complete: the points are in its results.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    fn write(&self, key: &str, collected: &Collected) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let json = serde_json::to_string(collected)?;
        let mut file = tempfile::Builder::new()
            .prefix(".point-")
            .tempfile_in(&self.folder)?;
        writeln!(file, "{}", sum(key, &json))?;
        file.write_all(json.as_bytes())?;
        file.as_file().sync_data()?;
        file.persist(self.path(key)).map_err(|why| why.error)?;
        Ok(())
    }
}

/// The hash of a point's key and of what is stored under it.
fn sum(key: &str, json: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(json.as_bytes());
    hasher.finalize().to_hex().to_string()
}

impl Store for Partial {
    fn load(&self, key: &str) -> Option<Collected> {
        let path = self.path(key);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return None,
            Err(why) => {
                self.note(format!(
                    "cannot read `{}`: {why}; the point is run again",
                    path.display()
                ));
                return None;
            }
        };
        let sound = text
            .split_once('\n')
            .and_then(|(hash, json)| match sum(key, json) == hash {
                true => serde_json::from_str(json).ok(),
                false => None,
            });
        if sound.is_none() {
            self.note(format!("`{}` is damaged; the point is run again", path.display()));
        }
        sound
    }

    fn save(&self, key: &str, collected: &Collected) {
        if let Err(why) = self.write(key, collected) {
            self.note(format!(
                "cannot keep a finished point in `{}`: {why}",
                self.folder.display()
            ));
        }
    }
}

/// The lock of an output folder. The system lets go of it when the process ends, however it ends, so that no
/// stale lock can stay behind.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Says that another run writes there, or what the machine has against it.
    pub fn take(folder: &Path) -> Result<Lock, String> {
        let path = folder.join(".lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        loop {
            let mut file = options
                .open(&path)
                .map_err(|why| format!("cannot open the lock `{}`: {why}", path.display()))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = match holder.trim() {
                        "" => String::new(),
                        pid => format!(" (process {pid})"),
                    };
                    return Err(format!(
                        "another run{holder} is writing into `{}`; wait for it or choose another folder with --out",
                        folder.display()
                    ));
                }
                Err(TryLockError::Error(why)) => {
                    return Err(format!("cannot lock `{}`: {why}", path.display()));
                }
            }
            if !still_there(&path, &file) {
                // Its last holder removed it between our opening and locking it.
                continue;
            }
            let _ = file.set_len(0);
            let _ = write!(file, "{}", std::process::id());
            return Ok(Lock { path, file });
        }
    }
}

#[cfg(unix)]
fn still_there(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(held)) => (named.dev(), named.ino()) == (held.dev(), held.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn still_there(_: &Path, _: &File) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::collect::Bits;

    fn sample() -> Collected {
        Collected {
            replications: 2,
            times: Bits(vec![0.1, f64::NAN, f64::INFINITY, 1.0 / 3.0]),
            ..Collected::default()
        }
    }

    #[test]
    fn what_was_stored_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::in_folder(folder.path());
        assert_eq!(partial.load("a"), None);
        partial.save("a", &sample());
        assert_eq!(partial.load("a"), Some(sample()));
        partial.remove();
        assert_eq!(partial.load("a"), None);
        assert!(partial.warnings.lock().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_file_is_ignored_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::in_folder(folder.path());
        partial.save("a", &sample());
        let text = fs::read_to_string(partial.path("a")).unwrap();
        for damaged in [
            "",
            "no hash",
            &text[..text.len() - 5],
            &text.replace("\"replications\":2", "\"replications\":3"),
        ] {
            fs::write(partial.path("a"), damaged).unwrap();
            assert_eq!(partial.load("a"), None);
        }
        assert_eq!(partial.warnings.lock().unwrap().len(), 4);
    }

    #[test]
    fn a_point_of_another_key_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::in_folder(folder.path());
        partial.save("a", &sample());
        fs::copy(partial.path("a"), partial.path("b")).unwrap();
        assert_eq!(partial.load("b"), None);
        assert_eq!(partial.warnings.lock().unwrap().len(), 1);
        assert_eq!(partial.load("a"), Some(sample()));
    }

    #[test]
    fn one_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        let why = Lock::take(folder.path()).unwrap_err();
        assert!(
            why.contains("another run") && why.contains(&std::process::id().to_string()),
            "{why}"
        );
        drop(first);
        drop(Lock::take(folder.path()).unwrap());
        assert!(!folder.path().join(".lock").exists());
        // A file that a killed run left behind is no lock.
        fs::write(folder.path().join(".lock"), "12345").unwrap();
        Lock::take(folder.path()).unwrap();
    }
}
