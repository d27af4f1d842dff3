//! Feeds mutated models, experiments, data files, laws, paths and command lines to plimsoll and looks for a panic, a
//! hang, or memory over a cap.
//!
//! ```text
//! cargo run --profile fuzz --example fuzz -- --inputs 10000000 --seed 1
//! ```
//!
//! The profile `fuzz` is optimised and checks arithmetic. Input number n is a pure function of the seed and n, so
//! `--from n --inputs 1 --show` prints a finding's input and runs it again. What is found is written to
//! `target/fuzz/`; the exit code is 1 if there is anything.

mod feed;
mod memory;
mod mild;
mod mutate;
mod output;
mod words;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutate::{Dice, Seeds};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

/// An input that takes longer than this counts as a hang. A million instances are built in a few seconds.
const LONGEST: Duration = Duration::from_secs(10);
/// An input that takes more memory than this counts as a leak: what the parts of a model may take from the start
/// (docs/limits.md) and a little for the run. The process ends at `memory::HARD`.
const MOST_MEMORY: usize = (2 << 30) + (256 << 20);

/// The number of the present input; the largest for none.
static NUMBER: AtomicU64 = AtomicU64::new(u64::MAX);
/// What the last panic said.
static SAID: Mutex<String> = Mutex::new(String::new());

struct Wish {
    inputs: u64,
    from: u64,
    seed: u64,
    show: bool,
    only: Option<String>,
    /// Ends after so many seconds, with what was fed till then.
    seconds: u64,
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish {
        inputs: 100_000,
        from: 0,
        seed: 1,
        show: false,
        only: None,
        seconds: u64::MAX,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--show" {
            wish.show = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|why| format!("{name} {value}: {why}"))
        };
        match name.as_str() {
            "--inputs" => wish.inputs = number()?,
            "--from" => wish.from = number()?,
            "--seed" => wish.seed = number()?,
            "--seconds" => wish.seconds = number()?,
            "--only" => wish.only = Some(value),
            _ => {
                return Err(format!(
                    "{name}: known are --inputs, --from, --seed, --seconds, --only and --show"
                ));
            }
        }
    }
    Ok(wish)
}

/// Ends the process when an input takes too long: a hang cannot be unwound. What counts is processor time where the
/// system tells it, since a busy machine makes everything slow; else, and for what waits for nothing, the clock.
fn watch(folder: PathBuf) {
    std::thread::spawn(move || {
        let (mut number, mut since, mut used) = (u64::MAX, Instant::now(), Duration::ZERO);
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let (present, cpu) = (NUMBER.load(Ordering::Relaxed), processor_time());
            if present != number {
                (number, since, used) = (present, Instant::now(), cpu.unwrap_or_default());
            }
            let took = match cpu {
                Some(cpu) => cpu.saturating_sub(used).max(since.elapsed() / 20),
                None => since.elapsed(),
            };
            if number != u64::MAX && took > LONGEST {
                println!(
                    "input {number} took more than {LONGEST:?}; see {}",
                    folder.display()
                );
                let _ = std::fs::write(folder.join("hang.txt"), format!("input {number}\n"));
                std::process::exit(1);
            }
        }
    });
}

/// What this process has used of the processor, on Linux, in steps of 10 ms.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the program's name, which may hold anything: the 14th and 15th field of all.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

fn main() {
    let wish = wish().unwrap_or_else(|why| {
        eprintln!("{why}");
        std::process::exit(2)
    });
    // The stack of a program's first thread, which is what users have.
    let worker = std::thread::Builder::new().stack_size(8 << 20);
    let found = worker.spawn(move || fuzz(&wish)).map(|t| t.join());
    match found {
        Ok(Ok(0)) => {}
        Ok(Ok(_)) => std::process::exit(1),
        _ => {
            let said = SAID.lock().map(|s| s.clone()).unwrap_or_default();
            let number = NUMBER.load(Ordering::Relaxed);
            eprintln!("the fuzzer itself failed at input {number}: {said}");
            std::process::exit(1)
        }
    }
}

fn fuzz(wish: &Wish) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/fuzz");
    std::fs::create_dir_all(&folder).expect("making target/fuzz");
    let scratch = tempfile::tempdir().expect("a folder for data files");
    let seeds = Seeds::read(root);
    let start = Instant::now();
    watch(folder.clone());
    std::panic::set_hook(Box::new(|info| {
        if let Ok(mut said) = SAID.lock() {
            *said = info.to_string();
        }
    }));
    let mut kinds: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    let mut findings: BTreeMap<String, u64> = BTreeMap::new();
    let mut peak = (0, 0);
    let mut slowest = (Duration::ZERO, 0);
    for number in wish.from..wish.from + wish.inputs {
        let mut dice = Dice::new(wish.seed, number);
        NUMBER.store(number, Ordering::Relaxed);
        let input = feed::input(&mut dice, &seeds, root, scratch.path());
        if wish.only.as_ref().is_some_and(|only| *only != input.kind()) {
            continue;
        }
        if wish.show {
            println!("{}\n{}", input.kind(), input.text());
        }
        memory::reset_peak();
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| input.feed(&mut dice)));
        let (took, most) = (began.elapsed(), memory::peak());
        peak = peak.max((most, number));
        slowest = slowest.max((took, number));
        let count = kinds.entry(input.kind()).or_default();
        count.0 += 1;
        let problem = match outcome {
            Ok(Ok(taken)) => {
                count.1 += u64::from(taken >= feed::Taken::Fine);
                count.2 += u64::from(taken == feed::Taken::Ran);
                (most > MOST_MEMORY).then(|| format!("memory: {} MiB", most >> 20))
            }
            Ok(Err(why)) => Some(why),
            Err(_) => Some(SAID.lock().map(|s| s.clone()).unwrap_or_default()),
        };
        if let Some(problem) = problem {
            // Findings of one place count as one.
            let place: String = problem.lines().next().unwrap_or("").chars().take(120).collect();
            let times = findings.entry(place.clone()).or_insert(0);
            *times += 1;
            if *times == 1 {
                println!("input {number} ({}): {problem}", input.kind());
                let file = folder.join(format!("{}-{number}.txt", wish.seed));
                let _ = std::fs::write(file, format!("{problem}\n----\n{}", input.text()));
            }
        }
        let done = number - wish.from + 1;
        let over = done == wish.inputs || start.elapsed().as_secs() >= wish.seconds;
        if done.is_multiple_of(50_000) || over {
            println!(
                "{done} inputs in {:.0?}, findings {}, most memory {} MiB (input {}), slowest {:.0?} (input {})",
                start.elapsed(),
                findings.len(),
                peak.0 >> 20,
                peak.1,
                slowest.0,
                slowest.1
            );
        }
        if over {
            break;
        }
    }
    for (kind, (fed, fine, ran)) in &kinds {
        println!("{kind:12} fed {fed:>9}  accepted {fine:>9}  run {ran:>8}");
    }
    for (place, times) in &findings {
        println!("{times:>7} x {place}");
    }
    findings.len()
}
