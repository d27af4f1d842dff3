//! What a run says about itself: verdict, bottleneck, objective, theory, limits.

use super::QUEUE;
use super::bench_of_commands::{Bench, results};
use serde_json::Value;

fn point(model: &str, args: &[&str]) -> Value {
    let bench = Bench::new(&[("m.toml", model)]);
    let mut all = vec!["run", "m.toml"];
    all.extend(args);
    let ran = bench.run(&all);
    assert!(ran.code == Some(0), "{}", ran.stderr);
    results(&bench.path("output/m/results.json"))["points"][0].clone()
}

fn metric(point: &Value, subject: &str, name: &str) -> Value {
    let found = point["metrics"]
        .as_array()
        .and_then(|all| all.iter().find(|m| m["subject"] == subject && m["name"] == name));
    found.cloned().unwrap_or_else(|| panic!("no {subject} {name}"))
}

/// Everybody is answered at once; what is left behind is done later.
const BEHIND: [(&str, &str); 3] = [
    (
        "lag of consumer.group",
        "[topic.events]\npartitions = 1\n[consumer.group]\ntopic = \"events\"\nsteps = [{ delay = \"exp(10ms)\" }]\n\
         [flow.send]\nsteps = [{ publish = \"events\" }]\n",
    ),
    (
        "work that nobody waits for grows",
        "[station.desk]\n[flow.work]\nsteps = [{ reply = true }, { use = \"desk\", time = \"exp(10ms)\" }]\n\
         [flow.send]\nsteps = [{ call = \"work\" }]\n",
    ),
    (
        "work that nobody waits for grows",
        "[station.desk]\n[flow.send]\nsteps = [{ parallel = [{ steps = [{ delay = \"1ms\" }] }, { steps = [{ use = \"desk\", time = \"exp(10ms)\" }] }], \
         join = 1, rest = \"finish\" }]\n",
    ),
];

#[test]
fn work_that_nobody_waits_for_can_be_too_much() {
    for (what, parts) in BEHIND {
        let model = |rate: &str| {
            format!("{parts}[workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}/s\"\nflow = \"send\"\n")
        };
        let time = ["--duration", "400s", "--warm-up", "40s"];
        let p = point(&model("110"), &time);
        let why = p["verdict_reason"].as_str().unwrap_or_default();
        assert_eq!(
            (&p["verdict"], why.contains(what)),
            (&Value::from("overloaded"), true),
            "{why}"
        );
        let p = point(&model("70"), &time);
        assert_eq!(p["verdict"], "stable", "{what}: {}", p["verdict_reason"]);
    }
}

#[test]
fn what_was_never_sent_is_a_share_of_all_that_came() {
    let model = QUEUE
        .replace("1.2/s", "4/s")
        .replace("executor", "max-in-flight = 2\nexecutor");
    let p = point(&model, &["--duration", "2000s", "--warm-up", "200s"]);
    let why = p["verdict_reason"].as_str().unwrap_or_default();
    assert!(why.contains("at the limit of those in flight"), "{why}");
    // M/M/2/2 with a load of 4: 8/13 are lost.
    assert!(why.starts_with("61.") && why.contains("of 4.0"), "{why}");
}

#[test]
fn what_fails_by_itself_is_told_beside_a_good_verdict() {
    let model = QUEUE.replace("steps = [", "steps = [{ fail = \"30%\" }, ");
    let p = point(&model, &["--duration", "2000s", "--warm-up", "200s"]);
    let why = p["verdict_reason"].as_str().unwrap_or_default();
    assert_eq!(p["verdict"], "stable", "{why}");
    assert!(why.contains("% fails: failed 0.3"), "{why}");
}

#[test]
fn a_queue_below_above_and_near_its_capacity() {
    for (rate, verdict) in [
        ("1.2/s", "stable"),
        ("2.4/s", "overloaded"),
        ("1.94/s", "near-critical"),
    ] {
        let p = point(
            &QUEUE.replace("1.2/s", rate),
            &["--duration", "20000s", "--warm-up", "2000s"],
        );
        assert_eq!(p["verdict"], verdict, "{rate}: {}", p["verdict_reason"]);
        let bottleneck = p["bottleneck"].as_str().unwrap_or_default();
        assert!(bottleneck.starts_with("station.desk servers "), "{bottleneck}");
    }
}

#[test]
fn losses_make_an_overload() {
    let lossy = QUEUE
        .replace("servers = 2", "servers = 2\ncapacity = 2")
        .replace("1.2/s", "4/s");
    let p = point(&lossy, &["--duration", "2000s"]);
    assert_eq!(p["verdict"], "overloaded");
    assert!(
        p["verdict_reason"].as_str().unwrap().contains("rejected"),
        "{}",
        p["verdict_reason"]
    );
    let share = metric(&p, "system", "failure_share");
    // Erlang B with 4 erlangs on 2 servers: 8 / 13.
    assert!(
        share["low"].as_f64() < Some(8.0 / 13.0) && share["high"].as_f64() > Some(8.0 / 13.0),
        "{share}"
    );
    assert!((share["theory"]["value"].as_f64().unwrap() - 8.0 / 13.0).abs() < 1e-12);
}

#[test]
fn closed_forms_stand_beside_the_figures() {
    for (time, formula, wait) in [
        ("exp(1s)", "M/M/1", 1.0),
        ("1s", "M/D/1", 0.5),
        ("erlang(2, 1s)", "M/G/1", 0.75),
    ] {
        let model = QUEUE
            .replace("servers = 2", "servers = 1")
            .replace("1.2/s", "0.5/s")
            .replace("exp(1s)", time);
        let p = point(&model, &["--duration", "20000s", "--warm-up", "1000s"]);
        let m = metric(&p, "station.desk", "waiting_time_mean");
        assert!(
            m["theory"]["formula"].as_str().unwrap().starts_with(formula),
            "{m}"
        );
        let theory = m["theory"]["value"].as_f64().unwrap();
        assert!((theory - wait).abs() < 1e-9, "{m}");
        // Three checks at 95 % with a fixed seed.
        assert!(
            m["low"].as_f64() < Some(theory) && m["high"].as_f64() > Some(theory),
            "{m}"
        );
    }
    let two = QUEUE.replace("[flow", "[station.other]\n[flow");
    let p = point(&two, &["--duration", "100s", "--warm-up", "0s"]);
    let notes = p["notes"].to_string();
    assert!(notes.contains("more than one component"), "{notes}");
}

#[test]
fn the_innermost_of_the_busy_components_is_the_bottleneck() {
    let nested = "
[host.box]
cores = 1
[service.api]
host = \"box\"
[thread-pool.http]
in = \"api\"
max-threads = 10
[connection-pool.db]
in = \"api\"
maximum-pool-size = 2
[flow.read]
at = \"api\"
steps = [{ use = \"http\", steps = [{ cpu = \"exp(1ms)\" }, { use = \"db\", steps = [{ delay = \"exp(50ms)\" }] }] }]
[workload.users]
executor = \"users\"
users = 50
think-time = \"exp(10ms)\"
flow = \"read\"
";
    let p = point(nested, &["--duration", "60s"]);
    assert_eq!(
        p["bottleneck"].as_str().unwrap().split(' ').next(),
        Some("connection-pool.db")
    );
    assert_eq!(p["verdict"], "near-critical", "{}", p["verdict_reason"]);
}

#[test]
fn objectives_are_judged_by_their_intervals() {
    let asking = format!("{QUEUE}[objective]\nmean = \"< 10s\"\np99 = \"< 100ms\"\nerrors = \"< 1%\"\n");
    let p = point(&asking, &["--duration", "5000s", "--warm-up", "500s"]);
    let met: Vec<(&str, Option<bool>)> = p["objective"]
        .as_array()
        .unwrap()
        .iter()
        .map(|j| (j["text"].as_str().unwrap(), j["met"].as_bool()))
        .collect();
    assert!(met.contains(&("mean < 10s", Some(true))), "{met:?}");
    assert!(met.contains(&("p99 < 100ms", Some(false))), "{met:?}");
    assert!(met.contains(&("errors < 1%", Some(true))), "{met:?}");
}

#[test]
fn without_a_steady_state_the_point_says_so() {
    // A random walk without drift for so short a time has neither an end of its transient nor a trend.
    let p = point(&QUEUE.replace("1.2/s", "2/s"), &["--duration", "60s"]);
    assert_ne!(p["verdict"], "stable", "{}", p["verdict_reason"]);
}

#[test]
fn limits_are_told() {
    let p = point(
        QUEUE,
        &[
            "--duration",
            "100000s",
            "--warm-up",
            "0s",
            "--max-events",
            "100000",
        ],
    );
    assert_eq!(p["verdict"], "undecided");
    assert!(
        p["verdict_reason"].as_str().unwrap().contains("--max-events"),
        "{}",
        p["verdict_reason"]
    );
    let flood = QUEUE.replace("1.2/s", "100000/s");
    let p = point(
        &flood,
        &[
            "--duration",
            "1000s",
            "--warm-up",
            "0s",
            "--max-memory",
            "20MiB",
            "--replications",
            "2",
        ],
    );
    assert_eq!(p["verdict"], "overloaded", "{}", p["verdict_reason"]);
}

#[test]
fn a_load_that_changes_by_plan_has_no_warm_up() {
    let ramp = QUEUE.replace(
        "executor = \"poisson\"\nrate = \"1.2/s\"",
        "executor = \"ramping-arrival-rate\"\npre-allocated-vus = 50\nstages = [{ target = \"2/s\", duration = \"5m\" }]",
    );
    let p = point(&ramp, &[]);
    assert_eq!(p["warm_up_s"], 0.0);
    assert_eq!(p["duration_s"], 300.0);
}
