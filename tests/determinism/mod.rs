//! The same bytes from the same inputs: on every machine, in every build, for any number of threads.

use std::fmt::Write;

use crate::support::{bits, files, options, root, run, same_as_file, shipped};

/// FNV-1a, written out so that the digest depends on nothing but the bytes.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn load(name: &str, text: &str, folder: &std::path::Path) -> plimsoll::model::Model {
    let mut sink = plimsoll::diagnostic::Sink::default();
    plimsoll::model::load(name, text, Some(folder), &mut sink).unwrap_or_else(|| {
        panic!(
            "{}",
            plimsoll::diagnostic::render(sink.diagnostics(), name, text, false)
        )
    })
}

#[test]
fn the_figures_of_every_model_have_the_committed_digest() {
    let mut out = String::new();
    for (name, text, folder) in shipped() {
        let model = load(&name, &text, &folder);
        for coin in [false, true] {
            let mut o = options(3, 2.0, 0.5);
            o.coin = coin;
            let seen = run(&model, &o);
            let mut all = bits(&seen, &[]);
            let _ = writeln!(all, "{} events", seen.events);
            let ties = if coin { "coin" } else { "rank" };
            let _ = writeln!(out, "{:016x} {ties} {name}", digest(&all));
        }
    }
    same_as_file(&root().join("tests/golden/digests.txt"), &out);
}

/// Another build's figures have the same digest: `PLIMSOLL=target/release/plimsoll cargo test any_build`.
#[test]
fn the_figures_of_any_build_have_the_committed_digest() {
    let built = std::env::var_os("PLIMSOLL").map(|name| root().join(name));
    let program = built.unwrap_or_else(|| env!("CARGO_BIN_EXE_plimsoll").into());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trail.csv");
    let committed = std::fs::read_to_string(root().join("tests/golden/digests.txt")).expect("the digests");
    for line in committed.lines() {
        let mut words = line.split(' ');
        let (digest_, ties, name) = (words.next(), words.next(), words.next().expect("a model"));
        let mut command = std::process::Command::new(&program);
        command.args([
            "events",
            name,
            "--replication",
            "3",
            "--duration",
            "2s",
            "--warm-up",
            "500ms",
        ]);
        command.args(["--seed", "1", "--every", "1000000000", "--windows", "20", "--out"]);
        command
            .arg(&file)
            .current_dir(root())
            .args((ties == Some("coin")).then_some("--coin"));
        let ran = command.output().expect("running plimsoll");
        assert!(
            ran.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let mut all = String::new();
        for row in csv::Reader::from_path(&file).expect("a trail").records() {
            let row = row.expect("a row");
            match row[4].strip_prefix("figure ") {
                Some(figure) => {
                    let _ = writeln!(all, "{figure} {}", &row[5]);
                }
                None => {
                    let _ = writeln!(all, "{} events", &row[0]);
                }
            }
        }
        let found = format!("{:016x}", digest(&all));
        assert_eq!(
            digest_,
            Some(found.as_str()),
            "{ties:?} {name} with {}",
            program.display()
        );
    }
}

#[test]
fn trails_are_compared_event_by_event() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trail = |name: &str, more: &[&str]| {
        let file = folder.path().join(name);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(["events", "models/textbook/mm1.toml", "--duration", "200s"]);
        let ran = command
            .args(more)
            .arg("--out")
            .arg(&file)
            .current_dir(root())
            .output();
        assert!(ran.expect("running plimsoll").status.success());
        file
    };
    let diverge = |one: &std::path::Path, other: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        let ran = command
            .arg("diverge")
            .arg(one)
            .arg(other)
            .output()
            .expect("running plimsoll");
        (
            ran.status.code(),
            String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned(),
        )
    };
    let (one, same) = (
        trail("one", &["--every", "16"]),
        trail("same", &["--every", "16"]),
    );
    assert_eq!(
        diverge(&one, &same),
        (Some(0), "the same to the last event and figure\n".to_owned())
    );
    // The timeline of the other run differs from the hundredth second on: a faster server.
    let text = std::fs::read_to_string(root().join("models/textbook/mm1.toml")).expect("the model");
    let changed =
        format!("{text}\n[[timeline]]\nat = \"100s\"\nset = {{ \"station.server.servers\" = 2 }}\n");
    let model = folder.path().join("changed.toml");
    std::fs::write(&model, changed).expect("writing the model");
    let changed = |name: &str, more: &[&str]| {
        let file = folder.path().join(name);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.arg("events").arg(&model).args(["--duration", "200s"]);
        assert!(
            command
                .args(more)
                .arg("--out")
                .arg(&file)
                .output()
                .expect("running")
                .status
                .success()
        );
        file
    };
    let endless = folder.path().join("endless.csv");
    let mut text = std::fs::read(&one).unwrap();
    text.extend(vec![b'a'; 2 << 20]);
    std::fs::write(&endless, text).unwrap();
    let (code, told) = diverge(&one, &endless);
    assert_eq!(
        (code, told.contains("longer than 1 MiB")),
        (Some(2), true),
        "{told}"
    );
    let (code, told) = diverge(&one, &changed("other", &["--every", "16"]));
    assert_eq!(code, Some(1));
    let range: Vec<&str> = told.split_whitespace().rev().take(3).collect();
    let (to, from) = (range[0], range[2]);
    assert!(from.parse::<u64>().is_ok() && to.parse::<u64>().is_ok(), "{told}");
    let fine = ["--every", "1", "--from", from, "--to", to];
    let (code, told) = diverge(&trail("fine", &fine), &changed("finer", &fine));
    assert_eq!(code, Some(1));
    // Running numbers part where the timeline's own timer was armed, or the instruction itself is named.
    assert!(
        told.contains("rank") && !told.contains("write both again"),
        "{told}"
    );
}

#[test]
fn threads_do_not_matter() {
    for (name, text, folder) in shipped().into_iter().filter(|m| !m.0.contains("m5")) {
        let model = load(&name, &text, &folder);
        let one = |r: u64| digest(&bits(&run(&model, &options(r, 1.0, 0.0)), &[]));
        let alone: Vec<u64> = (0..4).map(one).collect();
        let together: Vec<u64> = std::thread::scope(|s| {
            let handles: Vec<_> = (0..4).map(|r| s.spawn(move || one(r))).collect();
            handles
                .into_iter()
                .map(|h| h.join().expect("a replication ends"))
                .collect()
        });
        assert_eq!(alone, together, "{name}");
    }
}

/// What may stand where: beginning of the path, what is allowed there, why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("src/output/", ".", "drawings and text, never a figure"),
    ("src/cli/", ".", "times measured on this machine, never a figure"),
    (
        "src/component/cache",
        "HashMap",
        "entries, looked up by key and never iterated",
    ),
    (
        "src/component/lock.rs",
        "HashMap",
        "rows in use, looked up by key and never iterated",
    ),
    (
        "src/component/thread_pool.rs",
        "HashMap",
        "open connections, looked up by user and never iterated",
    ),
];

/// Calls whose last bit, or whose order, differs between platforms.
const BANNED: &[&str] = &[
    ".ln()",
    ".ln_1p()",
    ".log10()",
    ".log2()",
    ".log(",
    ".exp()",
    ".exp2()",
    ".exp_m1()",
    ".powf(",
    ".powi(",
    ".sin()",
    ".cos()",
    ".tan()",
    ".asin()",
    ".acos()",
    ".atan()",
    ".atan2(",
    ".sinh()",
    ".cosh()",
    ".tanh()",
    ".cbrt()",
    ".hypot(",
    ".mul_add(",
    "HashMap",
    "HashSet",
];

#[test]
fn no_platform_mathematics_and_no_hash_order_can_reach_a_result() {
    let mut found = Vec::new();
    for path in files("src", "rs") {
        let name = path
            .strip_prefix(root())
            .expect("below the root")
            .to_string_lossy()
            .replace('\\', "/");
        let text = std::fs::read_to_string(&path).expect("reading a source file");
        // Unit tests may compare with the platform's functions.
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        if name.contains("/tests/") || name.ends_with("/tests.rs") {
            continue;
        }
        for (i, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or("");
            let allowed = |b: &str| {
                ALLOWED
                    .iter()
                    .any(|(place, what, _)| name.starts_with(place) && b.starts_with(what))
            };
            for banned in BANNED.iter().filter(|b| line.contains(**b) && !allowed(b)) {
                found.push(format!("{name}:{}: {banned}", i + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "take these from libm, or an ordered map:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_trail_says_whose_event_each_one_is() {
    let text = "[station.desk]\npatience = \"1s\"\n[flow.f]\nsteps = [{ use = \"desk\", time = \"3s\" }]\n\
                [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"1/s\"\npre-allocated-vus = 9\n\
                [[timeline]]\nat = \"2500ms\"\nset = { \"station.desk.servers\" = 2 }\n";
    let model = crate::support::model(text);
    let every = plimsoll::engine::trail::Every {
        events: 1,
        from: 0,
        to: u64::MAX,
    };
    let mut o = options(0, 10.0, 4.0);
    o.windows = 2;
    let mut rows = Vec::new();
    plimsoll::engine::trail::run_told(&model, &o, every, &mut |row| rows.push(row))
        .expect("the books balance");
    let at = |nanos: u64| -> Vec<&str> {
        let here = rows.iter().filter(|r| r.nanos == nanos);
        here.map(|r| r.what.as_str()).collect()
    };
    assert_eq!(at(0), ["timer 0 of workload.w"]);
    // The second has waited for a second when the third comes.
    assert_eq!(
        at(2_000_000_000),
        ["timer 0 of station.desk, instance 0", "timer 0 of workload.w"]
    );
    assert_eq!(at(2_500_000_000), ["entry 0 of the timeline"]);
    let ended = at(3_000_000_000);
    assert!(ended[0].starts_with("request 0 at instruction "), "{ended:?}");
    assert_eq!(at(4_000_000_000).last(), Some(&"the end of the warm-up"));
    assert_eq!(at(5_000_000_000).last(), Some(&"the end of a window"));
    assert!(rows.iter().zip(1..).all(|(r, n)| r.event == n));
}
