//! Loading, running and judging models.

use std::path::{Path, PathBuf};

use plimsoll::diagnostic::{Sink, render};
use plimsoll::engine::observe::Observations;
use plimsoll::engine::{self, Budget, Options};
use plimsoll::model::{self, Model};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether expected files are to be rewritten.
pub fn update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|v| v == "1")
}

/// Compares with a file of the repository, or rewrites it.
#[track_caller]
pub fn same_as_file(path: &Path, found: &str) {
    if update() {
        std::fs::create_dir_all(path.parent().expect("the file lies in a folder"))
            .expect("making the folder");
        std::fs::write(path, found).expect("writing the expected file");
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected != found {
        let line = expected
            .lines()
            .zip(found.lines())
            .position(|(a, b)| a != b)
            .unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
        panic!(
            "{} differs from line {}: expected\n  {}\nfound\n  {}\n(UPDATE=1 cargo test rewrites it)",
            path.display(),
            line + 1,
            expected.lines().nth(line).unwrap_or("(the end)"),
            found.lines().nth(line).unwrap_or("(the end)"),
        );
    }
}

/// A model from text; what is wrong with it fails the test.
#[track_caller]
pub fn model(source: &str) -> Model {
    let mut sink = Sink::default();
    let model = model::load("test", source, Some(&root().join("models")), &mut sink);
    model.unwrap_or_else(|| panic!("{}", render(sink.diagnostics(), "test.toml", source, false)))
}

/// The text of `models/textbook/NAME.toml`.
pub fn book(name: &str) -> String {
    let path = root().join("models/textbook").join(format!("{name}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below a folder with this ending, sorted.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for e in entries.flatten() {
            let path = e.path();
            if path.is_dir() {
                walk(&path, ending, out);
            } else if path.extension().is_some_and(|e| e == ending) {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join(folder), ending, &mut out);
    out.sort();
    out
}

/// Every model that is shipped: path from the root, text, folder.
pub fn shipped() -> Vec<(String, String, PathBuf)> {
    files("models", "toml")
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("reading a shipped model");
            let name = path
                .strip_prefix(root())
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            (name, text, path.parent().expect("in a folder").to_path_buf())
        })
        .collect()
}

/// Options for a run of so many simulated seconds.
pub fn options(replication: u64, seconds: f64, warm_up: f64) -> Options {
    Options {
        seed: 1,
        replication,
        duration: (seconds * 1e9) as u64,
        warm_up: (warm_up * 1e9) as u64,
        windows: 20,
        coin: false,
        budget: Budget::default(),
    }
}

/// Runs a model; a broken identity fails the test.
#[track_caller]
pub fn run(model: &Model, options: &Options) -> Observations {
    engine::run(model, options).unwrap_or_else(|e| panic!("{}", e.0))
}

/// Runs `n` replications for as long as the model's `[run]` says.
#[track_caller]
pub fn replicate(source: &str, n: u64) -> Vec<Observations> {
    let model = model(source);
    let duration = model.run.duration.expect("[run] says how long") as f64 * 1e-9;
    let warm_up = model.run.warm_up.unwrap_or(0) as f64 * 1e-9;
    (0..n)
        .map(|r| run(&model, &options(r, duration, warm_up)))
        .collect()
}

/// A figure that must have been observed.
#[track_caller]
pub fn figure(o: &Observations, subject: &str, name: &str) -> f64 {
    o.figure(subject, name)
        .unwrap_or_else(|| panic!("no figure `{name}` of `{subject}`"))
}

/// The bits of all figures but those of the named subjects, one line each.
pub fn bits(o: &Observations, without: &[&str]) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for f in o
        .figures
        .iter()
        .filter(|f| !without.contains(&f.subject.as_str()))
    {
        let _ = writeln!(out, "{} {} {:016x}", f.subject, f.name, f.value.to_bits());
    }
    out
}
