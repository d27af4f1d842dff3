//! `--max-events`, `--max-memory` and `--max-wall` end a run cleanly, with what it has.

use crate::experiments::bench_of_commands::{Bench, results};

const QUEUE: &str = "[station.desk]\nservers = 2\n[flow.visit]\nsteps = [{ use = \"desk\", time = \"exp(1s)\" }]\n\
    [workload.w]\nexecutor = \"poisson\"\nrate = \"1.2/s\"\nflow = \"visit\"\n[run]\nwarm-up = \"0s\"\n";

const FOR_EVER: &str = "100000000s";

#[test]
fn a_limit_of_events_gives_figures_and_says_so() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let ran = bench.run(&[
        "run",
        "queue.toml",
        "--duration",
        FOR_EVER,
        "--max-events",
        "20000",
        "--replications",
        "3",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("--max-events"), "{}", ran.stdout);
    let found = results(&bench.path("output/queue/results.json"));
    assert_eq!(found["points"][0]["verdict"], "undecided");
    assert_eq!(found["points"][0]["events"], 60_000);
}

#[test]
fn a_limit_of_memory_names_the_overload() {
    let crowd = QUEUE.replace("1.2/s", "1000/s");
    let bench = Bench::new(&[("queue.toml", &crowd)]);
    let ran = bench.run(&[
        "run",
        "queue.toml",
        "--duration",
        FOR_EVER,
        "--max-memory",
        "8MiB",
        "--replications",
        "2",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found = results(&bench.path("output/queue/results.json"));
    assert_eq!(found["points"][0]["verdict"], "overloaded");
    assert!(ran.stdout.contains("--max-memory"), "{}", ran.stdout);
}

#[test]
fn a_limit_of_time_keeps_the_replications_that_are_finished() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let ran = bench.run(&[
        "run",
        "queue.toml",
        "--duration",
        "200000s",
        "--replications",
        "100000",
        "--max-wall",
        "1500ms",
    ]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let found = results(&bench.path("output/queue/results.json"));
    assert_eq!(found["complete"], false);
    let metric = &found["points"][0]["metrics"][0];
    assert!(
        metric["replications"].as_u64().is_some_and(|n| n >= 1),
        "{metric}"
    );
    assert!(ran.stdout.contains("of 100000 replications"), "{}", ran.stdout);
}

#[test]
fn a_limit_of_time_within_the_first_replication_gives_what_was_seen() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let ran = bench.run(&["run", "queue.toml", "--duration", FOR_EVER, "--max-wall", "300ms"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("--max-wall"), "{}", ran.stdout);
    let found = results(&bench.path("output/queue/results.json"));
    assert_eq!(
        (&found["complete"], &found["points"][0]["verdict"]),
        (&false.into(), &"undecided".into())
    );
}

#[test]
fn limits_hold_before_the_measurement_begins() {
    let bench = Bench::new(&[("queue.toml", &QUEUE.replace("0s", "1000000s"))]);
    for limit in [
        ["--max-events", "5000"],
        ["--max-memory", "1B"],
        ["--max-wall", "300ms"],
    ] {
        let mut args = vec![
            "run",
            "queue.toml",
            "--duration",
            FOR_EVER,
            "--replications",
            "2",
            "--out",
            "here",
        ];
        args.extend(limit);
        let ran = bench.run(&args);
        assert!(
            matches!(ran.code, Some(0 | 1)),
            "{limit:?}: {:?}\n{}",
            ran.code,
            ran.stderr
        );
        assert!(
            !ran.stdout.contains("inf") && !ran.stdout.contains("NaN"),
            "{limit:?}\n{}",
            ran.stdout
        );
    }
}

#[test]
fn an_instant_that_never_passes_is_ended() {
    let still = "[flow.a]\nsteps = [{ repeat = 1000000000, steps = [{ delay = \"0s\" }] }]\n[workload.w]\n\
        executor = \"poisson\"\nrate = \"1/s\"\nflow = \"a\"\n[run]\nduration = \"10s\"\nwarm-up = \"0s\"\nreplications = 1\n";
    let bench = Bench::new(&[("still.toml", still)]);
    let ran = bench.run(&["run", "still.toml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("limit"), "{}", ran.stdout);
}

/// What lies in topics and outboxes counts too.
#[test]
fn a_limit_of_memory_holds_for_records_and_rows() {
    let publish = "[flow.f]\nsteps = [{ publish = \"q\" }]\n\
                   [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"2000/s\"\npre-allocated-vus = 99\n";
    for queue in [
        "[outbox.q]\npoll-interval = \"1h\"\n",
        "[topic.q]\n[consumer.c]\ntopic = \"q\"\nsteps = [{ delay = \"1h\" }]\n",
    ] {
        let model = crate::support::model(&format!("{queue}{publish}"));
        let ended = |megabytes: usize| {
            let mut o = crate::support::options(0, 100.0, 0.0);
            o.budget.memory = megabytes << 20;
            let seen = crate::support::run(&model, &o);
            (seen.stopped, seen.simulated)
        };
        let (stopped, after) = ended(1);
        assert_eq!(stopped, Some(plimsoll::engine::Stopped::Memory), "{queue}");
        assert!(after < 50.0, "{queue}: {after} s");
        assert_eq!(ended(100).0, None, "{queue}");
    }
}
