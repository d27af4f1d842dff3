//! Kills, damage, and two runs at a time.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::{COMPARED, Digests, Loop, POINTS, digests, listing};

const THREADS: [&str; 3] = ["1", "2", "4"];

/// What a kill hit.
#[derive(Default)]
struct Hits {
    /// Kills before the first point was kept, by how many quarters of the points were kept, after the last one, and
    /// while results were written.
    before: u32,
    quarters: [u32; 4],
    kept_all: u32,
    output: u32,
    /// A file stood there half written, of a point or of a result.
    half_points: u32,
    half_results: u32,
}

/// How a life ends.
enum Fate {
    /// Killed so long after that many points were kept, or results begun if it is one more. Headway is waited for instead
    /// of time alone, because a busy machine makes some lives longer than others.
    After(usize, Duration),
    /// Killed when so many half-written files were seen.
    InWriting(u64),
    Lives,
}

pub fn kill(each: &mut Loop, kills: u32, expected: &Digests) {
    let mut lengths = [Duration::ZERO; 3];
    for (length, threads) in lengths.iter_mut().zip(THREADS) {
        let mut took: Vec<Duration> = (0..3).map(|_| each.undisturbed(threads, "whole").1).collect();
        took.sort();
        *length = took[1];
        println!("undisturbed on {threads} threads: {length:.2?}, median of 3");
    }
    let names = listing(&each.folder.join("whole"));
    let out = each.folder.join("killed");
    let mut hits = Hits::default();
    let (mut killed, mut sweeps, mut missed, mut damaged, mut together) = (0, 0, 0, 0, 0);
    while killed < kills {
        // A sweep from nothing, killed once at least.
        let mut kills_here = 0;
        loop {
            let which = each.below(3) as usize;
            let fate = fate(each, lengths[which], kills_here, kept(&out));
            if matches!(fate, Fate::Lives) {
                if kills_here > 0 && each.below(3) == 0 {
                    damaged += u32::from(damage(each, &out));
                }
                if each.below(8) == 0 {
                    two_at_once(each, THREADS[which], &out);
                    together += 1;
                }
            }
            let child = each.start(THREADS[which], &out);
            if live(child, &fate, &out) {
                // Killed.
                killed += 1;
                kills_here += 1;
                count(&mut hits, &out);
                whole_files(&out, expected);
                continue;
            }
            missed += u32::from(!matches!(fate, Fate::Lives));
            assert_eq!(&digests(&out), expected, "after {killed} kills the bytes differ");
            assert_eq!(listing(&out), names, "something stayed behind");
            sweeps += 1;
            std::fs::remove_dir_all(&out).expect("removing the folder");
            break;
        }
    }
    let [a, b, c, d] = hits.quarters;
    println!(
        "{killed} kills of {sweeps} sweeps: {} before the first point was kept; {a}, {b}, {c} and {d} with up to a quarter, \
         half, three quarters and nearly all of the points kept; {} with all of them; {} while results were written",
        hits.before, hits.kept_all, hits.output
    );
    println!(
        "{} of them left a point half written, {} a result; {missed} more came after the end",
        hits.half_points, hits.half_results
    );
    println!(
        "{damaged} times a kept point was damaged before the sweep went on, {together} times two runs began at once; \
         every sweep ended with the bytes of the undisturbed one, and nothing stayed behind"
    );
}

fn fate(each: &mut Loop, length: Duration, kills_here: u32, kept: usize) -> Fate {
    // Writing results takes about as long as a fifth of the points.
    const OUTPUT: usize = POINTS / 5;
    let step = length.as_micros() as u64 / (POINTS + OUTPUT) as u64;
    match each.below(if kills_here == 0 { 4 } else { 8 }) {
        0 => Fate::InWriting(1 + each.below(POINTS as u64 + 12)),
        1..4 => {
            let at = kept + each.below((POINTS + OUTPUT - kept) as u64) as usize;
            let steps = if at < POINTS { 1 } else { OUTPUT as u64 };
            Fate::After(
                at.min(POINTS + 1),
                Duration::from_micros(each.below(steps * step)),
            )
        }
        _ => Fate::Lives,
    }
}

/// Runs it to its fate; whether it was killed. One that was not must have succeeded.
fn live(mut child: Child, fate: &Fate, out: &Path) -> bool {
    // When the headway that is waited for was made.
    let mut there = None;
    let (mut seen, mut last) = (0, String::new());
    loop {
        let over = child.try_wait().expect("asking for its end");
        if let Some(ended) = over {
            assert!(ended.success(), "the sweep failed: {ended}");
            return false;
        }
        let now = match fate {
            Fate::Lives => false,
            Fate::After(points, patience) => {
                if there.is_none() && headway(out) >= *points {
                    there = Some(Instant::now());
                }
                there.is_some_and(|t: Instant| t.elapsed() >= *patience)
            }
            Fate::InWriting(which) => {
                if let Some(name) = half_points(out).into_iter().chain(half_results(out)).next()
                    && name != last
                {
                    seen += 1;
                    last = name;
                }
                seen >= *which
            }
        };
        if now {
            child.kill().expect("killing it");
            return !child.wait().expect("its end").success();
        }
        if !matches!(fate, Fate::InWriting(_)) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn half_points(out: &Path) -> Vec<String> {
    let names = listing(&out.join(".partial")).into_iter();
    names.filter(|n| n.starts_with(".point-")).collect()
}

fn half_results(out: &Path) -> Vec<String> {
    let names = listing(out).into_iter();
    names.filter(|n| n.starts_with(".plimsoll-")).collect()
}

/// Points that are kept for going on.
fn kept(out: &Path) -> usize {
    let names = listing(&out.join(".partial")).into_iter();
    names.filter(|n| n.ends_with(".json")).count()
}

/// Points that are kept, or one more than all of them once results are written.
fn headway(out: &Path) -> usize {
    match is_writing(out) {
        true => POINTS + 1,
        false => kept(out),
    }
}

fn is_writing(out: &Path) -> bool {
    !half_results(out).is_empty() || COMPARED.iter().any(|name| out.join(name).exists())
}

fn count(hits: &mut Hits, out: &Path) {
    match kept(out) {
        _ if is_writing(out) => hits.output += 1,
        0 => hits.before += 1,
        n if n < POINTS => hits.quarters[n * 4 / POINTS] += 1,
        _ => hits.kept_all += 1,
    }
    hits.half_points += u32::from(!half_points(out).is_empty());
    hits.half_results += u32::from(!half_results(out).is_empty());
}

/// What is there is there as a whole.
fn whole_files(out: &Path, expected: &Digests) {
    for name in COMPARED.iter().filter(|name| out.join(name).exists()) {
        let bytes = std::fs::read(out.join(name)).expect("reading a result");
        let found = blake3::hash(&bytes).to_hex().to_string();
        assert_eq!(Some(&found), expected.get(*name), "a kill left half of {name}");
    }
}

/// Damages one of the kept points: cut off, a byte changed, emptied, or another point's content. Whether there was one.
fn damage(each: &mut Loop, out: &Path) -> bool {
    let folder = out.join(".partial");
    let names: Vec<String> = listing(&folder)
        .into_iter()
        .filter(|n| n.ends_with(".json"))
        .collect();
    let Some(name) = names.get(each.below(names.len() as u64) as usize) else {
        return false;
    };
    let path = folder.join(name);
    let mut bytes = std::fs::read(&path).expect("reading a kept point");
    match each.below(4) {
        0 => bytes.truncate(each.below(bytes.len() as u64) as usize),
        1 => {
            let at = each.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << each.below(8);
        }
        2 => bytes.clear(),
        _ => bytes = std::fs::read(folder.join(&names[0])).expect("reading a kept point"),
    }
    std::fs::write(&path, bytes).expect("damaging a kept point");
    true
}

/// Two runs into one folder: one of them writes, the other is told so, or comes after it.
fn two_at_once(each: &Loop, threads: &str, out: &Path) {
    let mut both = [each.start(threads, out), each.start(threads, out)];
    let ended = both.each_mut().map(|c| c.wait().expect("its end").code());
    assert!(
        matches!(
            ended,
            [Some(0), Some(2)] | [Some(2), Some(0)] | [Some(0), Some(0)]
        ),
        "two runs at once ended with {ended:?}"
    );
}
