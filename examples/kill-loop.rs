//! Kills a sweep at random moments, again and again, lets it go on each time, and compares the bytes it ends with to
//! those of a sweep that nobody disturbed. Then, where a small file system can be mounted, fills a disk.
//!
//! ```text
//! cargo build --release && cargo run --release --example kill-loop -- --kills 200 --seed 1
//! ```

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

/// What must be the same, whatever happened on the way.
const COMPARED: [&str; 5] = [
    "results.json",
    "metrics.csv",
    "series.csv",
    "curve.svg",
    "curve.png",
];

struct Loop {
    program: PathBuf,
    folder: PathBuf,
    dice: u64,
}

impl Loop {
    fn dice(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 16
    }

    fn start(&mut self, out: &Path) -> Child {
        let threads = ["1", "2", "4"][self.dice() as usize % 3];
        Command::new(&self.program)
            .args(["sweep", "sweep.toml", "--threads", threads, "--out"])
            .arg(out)
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting plimsoll")
    }

    fn undisturbed(&mut self, out: &str) -> (BTreeMap<String, String>, Duration) {
        let begun = Instant::now();
        let out = self.folder.join(out);
        let ended = self.start(&out).wait().expect("its end");
        assert!(ended.success(), "the undisturbed sweep failed: {ended}");
        (digests(&out), begun.elapsed())
    }
}

fn digests(out: &Path) -> BTreeMap<String, String> {
    let digest = |name: &&str| {
        let bytes = std::fs::read(out.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        (name.to_string(), blake3::hash(&bytes).to_hex().to_string())
    };
    COMPARED.iter().map(digest).collect()
}

/// The names of everything in a folder.
fn listing(out: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(out).expect("the folder");
    let mut names: Vec<String> = entries
        .flatten()
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
    let (expected, whole) = each.undisturbed("whole");
    println!("the undisturbed sweep took {whole:.2?}");
    kill(&mut each, kills, &expected, whole);
    full_disk(&mut each, &expected);
}

fn kill(each: &mut Loop, kills: u32, expected: &BTreeMap<String, String>, whole: Duration) {
    let out = each.folder.join("killed");
    let names = listing(&each.folder.join("whole"));
    let (mut killed, mut sweeps, mut early, mut late) = (0, 0, 0, 0);
    // Long enough to finish a point now and then, short enough to need many lives.
    let longest = (whole.as_millis() as u64 / 4).max(30);
    while killed < kills || out.exists() {
        let mut child = each.start(&out);
        let patience = Duration::from_millis(each.dice() % longest);
        let begun = Instant::now();
        let mut over = None;
        while over.is_none() && (killed >= kills || begun.elapsed() < patience) {
            over = child.try_wait().expect("asking for its end");
            std::thread::sleep(Duration::from_micros(200));
        }
        match over {
            Some(ended) => {
                assert!(ended.success(), "after {killed} kills the sweep failed: {ended}");
                assert_eq!(&digests(&out), expected, "after {killed} kills the bytes differ");
                assert_eq!(listing(&out), names, "something stayed behind");
                sweeps += 1;
                std::fs::remove_dir_all(&out).expect("removing the folder");
            }
            None => {
                child.kill().expect("killing it");
                child.wait().expect("its end");
                killed += 1;
                early += u32::from(!out.join(".partial").exists());
                late += u32::from(out.join("results.json").exists());
                // What is there is there as a whole.
                for name in COMPARED.iter().filter(|name| out.join(name).exists()) {
                    let bytes = std::fs::read(out.join(name)).expect("reading a result");
                    let found = blake3::hash(&bytes).to_hex().to_string();
                    assert_eq!(Some(&found), expected.get(*name), "a kill left half of {name}");
                }
            }
        }
    }
    println!(
        "{killed} kills ({early} before the first point was kept, {late} while results were written); \
         {sweeps} sweeps ended with the same bytes as the undisturbed one"
    );
}

/// A file system of 300 KiB, then of 64 MiB.
fn full_disk(each: &mut Loop, expected: &BTreeMap<String, String>) {
    let disk = each.folder.join("disk");
    std::fs::create_dir(&disk).expect("making a folder");
    let mount = |options: &str| {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk);
        command.stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    if !mount("size=300k") {
        println!("no small file system can be mounted here: the full disk is left out");
        return;
    }
    let out = disk.join("out");
    let first = each.start(&out).wait().expect("its end");
    let said = first.code();
    let grown = mount("remount,size=64m");
    let second = each.start(&out).wait().expect("its end");
    let same = digests(&out) == *expected;
    let unmounted = Command::new("umount")
        .arg(&disk)
        .status()
        .is_ok_and(|s| s.success());
    assert_eq!(said, Some(2), "a full disk is told by exit code 2");
    assert!(
        grown && second.success() && same,
        "the same command goes on once there is room"
    );
    assert!(
        unmounted,
        "the small file system stays mounted at {}",
        disk.display()
    );
    println!("on a full disk it ended with code 2, and with room again with the same bytes");
}
