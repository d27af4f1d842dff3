//! Texts from files, no longer than a limit: a device or a wrong file must not fill the memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a model's or an experiment's text.
pub const MOST_TEXT: u64 = 8 << 20;
/// Bytes of a data file: recorded arrivals, values of a law, pauses.
pub const MOST_DATA: u64 = 128 << 20;

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// What the machine has against it, that it is longer, or that it is no text.
pub fn read_text(path: &Path, most: u64) -> Result<String, String> {
    let file = File::open(path).map_err(|why| why.to_string())?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|why| why.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it is longer than {} MiB", most >> 20));
    }
    String::from_utf8(bytes).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        format!("it is not UTF-8 text: byte {at} begins no character")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_longer_than_the_limit_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(read_text(&path, 1 << 20).map(|t| t.len()), Ok(1 << 20));
        std::fs::write(&path, vec![b'a'; (1 << 20) + 1]).unwrap();
        assert_eq!(
            read_text(&path, 1 << 20),
            Err("it is longer than 1 MiB".to_owned())
        );
        std::fs::write(&path, b"ab\xff").unwrap();
        assert!(read_text(&path, 9).unwrap_err().contains("byte 2"));
        assert!(read_text(folder.path(), 9).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_that_never_ends_does_not_fill_the_memory() {
        assert!(read_text(Path::new("/dev/zero"), 1 << 20).is_err());
    }
}
