//! Kills a sweep at moments spread evenly over its whole length, lets it go on, and compares the bytes it ends with to
//! those of a sweep that nobody disturbed. Then, where a small file system can be mounted, fills disks and makes them
//! read-only.
//!
//! ```text
//! cargo build --release && cargo run --release --example kill-loop -- --kills 200 --seed 1
//! ```

mod disks;
mod kills;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MODEL: &str = "\
[station.desk]
servers = 2
[flow.visit]
steps = [{ use = \"desk\", time = \"exp(1s)\" }]
[workload.customers]
executor = \"poisson\"
rate = \"1/s\"
flow = \"visit\"
";

const SWEEP: &str = "\
model = \"queue.toml\"
[[vary]]
path = \"workload.customers.rate\"
from = \"0.1/s\"
to = \"1.9/s\"
step = \"0.1/s\"
[[vary]]
path = \"station.desk.servers\"
values = [2, 3]
[run]
duration = \"8000s\"
warm-up = \"500s\"
replications = 5
";

/// Points of the sweep.
const POINTS: usize = 38;

/// What must be the same, whatever happened on the way.
const COMPARED: [&str; 5] = [
    "results.json",
    "metrics.csv",
    "series.csv",
    "curve.svg",
    "curve.png",
];

/// Hashes of what is compared, by name.
type Digests = BTreeMap<String, String>;

struct Loop {
    program: PathBuf,
    folder: PathBuf,
    dice: u64,
}

impl Loop {
    fn below(&mut self, n: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 16) % n.max(1)
    }

    fn start(&self, threads: &str, out: &Path) -> Child {
        Command::new(&self.program)
            .args(["sweep", "sweep.toml", "--threads", threads, "--out"])
            .arg(out)
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting plimsoll")
    }

    /// How long a sweep takes that nobody disturbs, and what it writes.
    fn undisturbed(&self, threads: &str, out: &str) -> (Digests, Duration) {
        let begun = Instant::now();
        let out = self.folder.join(out);
        let ended = self.start(threads, &out).wait().expect("its end");
        assert!(ended.success(), "the undisturbed sweep failed: {ended}");
        let took = begun.elapsed();
        (digests(&out), took)
    }
}

fn digests(out: &Path) -> Digests {
    let digest = |name: &&str| {
        let bytes = std::fs::read(out.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        (name.to_string(), blake3::hash(&bytes).to_hex().to_string())
    };
    COMPARED.iter().map(digest).collect()
}

/// The names of everything in a folder, none if there is no such folder.
fn listing(out: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(out).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn main() {
    let mut kills = 200;
    let mut seed = 1;
    let mut program = PathBuf::from("target/release/plimsoll");
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        match name.as_str() {
            "--kills" => kills = value.parse().expect("a number of kills"),
            "--seed" => seed = value.parse().expect("a seed"),
            "--program" => program = value.into(),
            _ => panic!("{name}: known are --kills, --seed and --program"),
        }
    }
    let program = std::fs::canonicalize(&program).expect("build plimsoll first, or name it with --program");
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().to_owned();
    std::fs::write(folder.join("queue.toml"), MODEL).expect("writing the model");
    std::fs::write(folder.join("sweep.toml"), SWEEP).expect("writing the experiment");
    let mut each = Loop {
        program,
        folder,
        dice: seed,
    };
    let (expected, _) = each.undisturbed("1", "whole");
    kills::kill(&mut each, kills, &expected);
    disks::fill(&each, &expected);
}
