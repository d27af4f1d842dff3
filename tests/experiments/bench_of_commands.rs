//! A folder with files and the program to run in it.

use super::{Command, Output, Path};

pub struct Bench {
    folder: tempfile::TempDir,
}

pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn succeeds(&self) {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Bench {
    pub fn new(files: &[(&str, &str)]) -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("writing a file");
        }
        Bench { folder }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.env_remove("COLUMNS");
        command.args(args).current_dir(self.folder.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("running plimsoll").into()
    }

    /// As [`Bench::run`] with a summary of so many columns.
    pub fn run_in_columns(&self, columns: &str, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.env("COLUMNS", columns);
        command.output().expect("running plimsoll").into()
    }

    pub fn start(&self, args: &[&str]) -> std::process::Child {
        let quiet = std::process::Stdio::null;
        let mut command = self.command(args);
        command
            .stdout(quiet())
            .stderr(quiet())
            .spawn()
            .expect("starting plimsoll")
    }

    pub fn digest(&self, name: &str) -> String {
        let bytes = std::fs::read(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        blake3::hash(&bytes).to_hex().to_string()
    }

    /// Waits until there is such a file, or a folder with something in it.
    pub fn wait_for(&self, name: &str) {
        let path = self.path(name);
        let there = || match std::fs::read_dir(&path) {
            Ok(mut entries) => {
                entries.any(|e| e.is_ok_and(|e| e.path().extension().is_some_and(|x| x == "json")))
            }
            Err(_) => path.is_file(),
        };
        for _ in 0..3000 {
            if there() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{name} did not appear");
    }
}

pub fn results(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).expect("results are JSON")
}
