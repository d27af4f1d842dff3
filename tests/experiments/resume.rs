//! A sweep that was ended early goes on where it was and writes the same bytes.

use super::QUEUE;
use super::bench_of_commands::{Bench, results};

/// Eight points, the first of which are short and the last long.
const LONG: &str = "
model = \"queue.toml\"
[[vary]]
path = \"run.duration\"
values = [\"500s\", \"600s\", \"700s\", \"DURATION\"]
[run]
warm-up = \"100s\"
replications = 3
";

fn bench(last: &str) -> Bench {
    let model = format!("{QUEUE}[run]\nduration = \"1s\"\n");
    Bench::new(&[
        ("queue.toml", &model),
        ("long.toml", &LONG.replace("DURATION", last)),
    ])
}

/// Ends the sweep when it has finished a point, then lets it go on; the bytes and what the second run said.
fn ended_and_resumed(end: impl FnOnce(&mut std::process::Child, &Bench)) {
    // Long enough to be caught in the act, short enough to be run again.
    let bench = bench("300000s");
    bench.run(&["sweep", "long.toml", "--out", "whole"]).succeeds();
    let mut first = bench.start(&["sweep", "long.toml", "--out", "parts", "--threads", "1"]);
    bench.wait_for("parts/.partial");
    end(&mut first, &bench);
    assert!(
        bench.path("parts/.partial").is_dir(),
        "the sweep was over before it could be ended"
    );
    let second = bench.run(&["sweep", "long.toml", "--out", "parts", "--threads", "2"]);
    second.succeeds();
    assert!(second.stderr.contains("by an earlier run"), "{}", second.stderr);
    assert_eq!(
        bench.digest("whole/results.json"),
        bench.digest("parts/results.json")
    );
    assert_eq!(
        bench.digest("whole/metrics.csv"),
        bench.digest("parts/metrics.csv")
    );
    assert!(
        !bench.path("parts/.partial").exists(),
        "finished points are removed at the end"
    );
    assert!(!bench.path("parts/.lock").exists());
}

#[test]
fn a_killed_sweep_goes_on_and_writes_the_same_bytes() {
    ended_and_resumed(|child, _| {
        child.kill().expect("killing the sweep");
        child.wait().expect("its end");
    });
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_writes_what_is_finished_and_goes_on() {
    ended_and_resumed(|child, bench| {
        let pid = child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|s| s.success()));
        assert_eq!(child.wait().expect("its end").code(), Some(130));
        let found = results(&bench.path("parts/results.json"));
        assert_eq!(found["complete"], false);
        let points = found["points"].as_array().map_or(0, Vec::len);
        assert!((1..4).contains(&points), "{points}");
    });
}

#[test]
fn a_damaged_point_is_run_again_and_one_of_other_settings_is_not_taken() {
    let bench = bench("800s");
    bench.run(&["sweep", "long.toml", "--out", "whole"]).succeeds();
    let mut first = bench.start(&[
        "sweep",
        "long.toml",
        "--out",
        "parts",
        "--set",
        "run.duration=\"2s\"",
    ]);
    first.wait().expect("its end");
    let folder = bench.path("parts/.partial");
    std::fs::create_dir_all(&folder).expect("making a folder");
    // Every point has a damaged file under its own name.
    for key in keys(&bench) {
        std::fs::write(folder.join(format!("{key}.json")), "{ damaged").expect("damaging");
    }
    let second = bench.run(&["sweep", "long.toml", "--out", "parts"]);
    second.succeeds();
    assert_eq!(
        second.stderr.matches("is damaged").count(),
        4,
        "{}",
        second.stderr
    );
    assert!(!second.stderr.contains("earlier run"), "{}", second.stderr);
    assert_eq!(
        bench.digest("whole/results.json"),
        bench.digest("parts/results.json")
    );
}

fn keys(bench: &Bench) -> Vec<String> {
    let loaded = plimsoll::experiment::load(&bench.path("long.toml"), &Default::default());
    let experiment = loaded.experiment.expect("an experiment");
    experiment.points.iter().map(plimsoll::experiment::key).collect()
}
