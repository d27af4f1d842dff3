//! Experiments and the command line from outside: determinism, resuming, refusals, exit codes.

pub mod bench_of_commands;
mod refusals;
mod resume;
mod verdicts;

use std::path::Path;
use std::process::{Command, Output};

use bench_of_commands::{Bench, results};

const QUEUE: &str = "
[station.desk]
servers = 2

[flow.visit]
steps = [{ use = \"desk\", time = \"exp(1s)\" }]

[workload.customers]
executor = \"poisson\"
rate = \"1.2/s\"
flow = \"visit\"
";

/// Two services on one host, in one order of the tables and in another.
const SHOP: &str = "
title = \"shop\"
[host.box]
cores = 2
[service.api]
host = \"box\"
replicas = 2
[thread-pool.http]
in = \"api\"
max-threads = 20
[connection-pool.db]
in = \"api\"
maximum-pool-size = 3
[flow.read]
at = \"api\"
steps = [{ use = \"http\", steps = [{ cpu = \"exp(2ms)\" }, { use = \"db\", steps = [{ delay = \"exp(20ms)\" }] }] }]
[flow.write]
at = \"api\"
steps = [{ use = \"http\", steps = [{ cpu = \"exp(5ms)\" }] }]
[workload.users]
executor = \"poisson\"
rate = \"150/s\"
mix = { read = 0.7, write = 0.3 }
";
const SHOP_SHUFFLED: &str = "
workload.users = { mix = { write = 0.3, read = 0.7 }, rate = \"150/s\", executor = \"poisson\" }
[flow.write]
steps = [{ use = \"http\", steps = [{ cpu = \"exp(5ms)\" }] }]
at = \"api\"
[flow.read]
steps = [{ steps = [{ cpu = \"exp(2ms)\" }, { steps = [{ delay = \"exp(20ms)\" }], use = \"db\" }], use = \"http\" }]
at = \"api\"
[connection-pool.db]
maximum-pool-size = 3
in = \"api\"
[thread-pool.http]
max-threads = 20
in = \"api\"
[service.api]
replicas = 2
host = \"box\"
[host.box]
cores = 2
";

const SWEEP: &str = "
title = \"pools\"
model = \"shop.toml\"
[[vary]]
path = \"connection-pool.db.maximum-pool-size\"
label = \"pool\"
values = [2, 3, 5]
[[vary]]
path = \"workload.users.rate\"
from = \"100/s\"
to = \"150/s\"
step = \"50/s\"
[run]
duration = \"20s\"
replications = 4
";

#[test]
fn one_two_and_eight_threads_write_the_same_bytes() {
    let bench = Bench::new(&[("shop.toml", SHOP), ("pools.toml", SWEEP)]);
    let mut digests = Vec::new();
    for threads in ["1", "2", "8"] {
        bench
            .run(&["sweep", "pools.toml", "--threads", threads, "--out", threads])
            .succeeds();
        let files = ["results.json", "metrics.csv", "series.csv", "curve.svg"];
        digests.push(files.map(|f| bench.digest(&format!("{threads}/{f}"))));
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
    let results = results(&bench.path("1/results.json"));
    assert_eq!(results["points"].as_array().map(Vec::len), Some(6));
    assert_eq!(results["points"][1]["coordinates"], serde_json::json!([0, 1]));
}

#[test]
fn the_order_of_the_tables_does_not_matter() {
    let one = Bench::new(&[("shop.toml", SHOP)]);
    let other = Bench::new(&[("shop.toml", &format!("title = \"shop\"\n{SHOP_SHUFFLED}"))]);
    for bench in [&one, &other] {
        bench
            .run(&["run", "shop.toml", "--duration", "20s", "--replications", "3"])
            .succeeds();
    }
    assert_eq!(
        one.digest("output/shop/results.json"),
        other.digest("output/shop/results.json")
    );
}

#[test]
fn another_seed_and_a_coin_give_other_bytes() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let mut digests = Vec::new();
    for extra in [&[][..], &["--seed", "2"], &["--set", "station.desk.servers=3"]] {
        let mut args = vec!["run", "queue.toml", "--duration", "1000s", "--warm-up", "0s"];
        args.extend(extra);
        bench.run(&args).succeeds();
        digests.push(bench.digest("output/queue/results.json"));
    }
    assert_ne!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
}

#[test]
fn exit_codes_say_what_happened() {
    let expecting = |bound: &str| {
        format!(
            "model = \"queue.toml\"\nset = {{ \"station.desk.servers\" = 3 }}\n[run]\nduration = \"500s\"\n\
             warm-up = \"50s\"\n[[expect]]\nmetric = \"throughput\"\nis = \"{bound}\"\n"
        )
    };
    let precise = "model = \"queue.toml\"\n[run]\nduration = \"100s\"\nwarm-up = \"0s\"\nreplications = 5\n\
         precision = { metric = \"response_time_p99\", within = \"0.1%\", max-replications = 7 }\n";
    let bench = Bench::new(&[
        ("queue.toml", QUEUE),
        ("holds.toml", &expecting("> 1/s")),
        ("fails.toml", &expecting("> 2/s")),
        ("precise.toml", precise),
    ]);
    for (args, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["sweep", "--help"], 0),
        (&["check", "queue.toml"], 0),
        (&["check", "holds.toml"], 0),
        (&["sweep", "holds.toml"], 0),
        (&["sweep", "fails.toml"], 1),
        (&["sweep", "precise.toml"], 1),
        (&["run", "absent.toml"], 2),
        (&["sweep", "absent.toml"], 2),
        (&["check", "absent.toml"], 2),
        (&["swim"], 2),
        (&[], 2),
        (&["run", "queue.toml", "--duration", "soon"], 2),
        (&["run", "queue.toml", "--set", "station.desk.servers"], 2),
        (&["run", "queue.toml", "--set", "station.disk.servers=2"], 2),
        (&["run", "queue.toml", "--duration", "10s", "--warm-up", "10s"], 2),
        (&["bench", "m9"], 2),
    ] {
        let ran = bench.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}\n{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{args:?}\n{}", ran.stderr);
    }
    let found = results(&bench.path("output/precise/results.json"));
    assert_eq!(found["points"][0]["converged"], false);
    assert_eq!(found["points"][0]["metrics"][0]["replications"], 7);
    let ran = bench.run(&["sweep", "fails.toml"]);
    assert!(
        ran.stdout.contains("Expectation not met: throughput > 2/s"),
        "{}",
        ran.stdout
    );
}

#[test]
fn precision_adds_replications_until_it_is_reached() {
    let precise = "model = \"queue.toml\"\n[run]\nduration = \"500s\"\nwarm-up = \"50s\"\nreplications = 5\n\
         precision = { metric = \"throughput\", within = \"2%\" }\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("precise.toml", precise)]);
    bench.run(&["sweep", "precise.toml"]).succeeds();
    let found = results(&bench.path("output/precise/results.json"));
    let throughput = &found["points"][0]["metrics"]
        .as_array()
        .and_then(|m| m.iter().find(|m| m["name"] == "throughput"))
        .cloned()
        .expect("a throughput");
    let (mean, high) = (
        throughput["mean"].as_f64().unwrap(),
        throughput["high"].as_f64().unwrap(),
    );
    assert!((high - mean) / mean <= 0.02);
    assert!(throughput["replications"].as_u64().unwrap() > 5);
    assert_eq!(found["points"][0]["converged"], true);
}

#[test]
fn named_alternatives_and_zipped_paths_reach_the_model() {
    let sweep = "model = \"queue.toml\"\n[run]\nduration = \"300s\"\nwarm-up = \"0s\"\nreplications = 2\n\
         [[vary]]\nlabel = \"plan\"\nalternatives = [{ name = \"as it is\" }, { name = \"one desk\", set = { \
         \"station.desk.servers\" = 1, \"workload.customers.rate\" = \"0.5/s\" } }]\n\
         [[vary]]\npaths = [\"station.desk.capacity\", \"flow.visit.steps[0].time\"]\n\
         values = [[5, 6], [\"exp(1s)\", \"exp(900ms)\"]]\n\
         [plot]\nx = \"plan\"\ngroup = \"capacity\"\nmetrics = [\"throughput\", \"station.desk.utilisation\"]\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("plans.toml", sweep)]);
    let ran = bench.run(&["sweep", "plans.toml"]);
    ran.succeeds();
    let found = results(&bench.path("output/plans/results.json"));
    assert_eq!(found["axes"][0]["values"][1]["label"], "one desk");
    assert_eq!(found["axes"][1]["values"][1]["label"], "6 / exp(900ms)");
    assert_eq!(found["curve"]["x"], 0);
    assert_eq!(found["points"].as_array().map(Vec::len), Some(4));
    let listing = bench.run(&["check", "plans.toml", "--listing"]);
    assert!(
        listing
            .stdout
            .contains("at plan one desk, capacity 6 / exp(900ms)"),
        "{}",
        listing.stdout
    );
}

#[test]
fn one_folder_has_one_writer() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let mut first = bench.start(&["run", "queue.toml", "--duration", "100000000s", "--warm-up", "0s"]);
    bench.wait_for("output/queue/.lock");
    let second = bench.run(&["run", "queue.toml", "--duration", "10s", "--warm-up", "0s"]);
    first.kill().expect("ending the first run");
    first.wait().expect("its end");
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(second.stderr.contains("another run"), "{}", second.stderr);
    // The lock of a killed run is none.
    bench
        .run(&["run", "queue.toml", "--duration", "10s", "--warm-up", "0s"])
        .succeeds();
}

#[test]
fn a_limit_of_time_within_the_search_for_the_warm_up_leaves_nothing() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let ran = bench.run(&[
        "run",
        "queue.toml",
        "--duration",
        "100000000s",
        "--max-wall",
        "300ms",
    ]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
}

#[test]
fn results_go_to_standard_output_and_all_else_to_standard_error() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let ran = bench.run(&[
        "run",
        "queue.toml",
        "--duration",
        "100s",
        "--warm-up",
        "0s",
        "--profile",
    ]);
    ran.succeeds();
    assert!(ran.stdout.contains("station.desk") && !ran.stdout.contains("profile"));
    assert!(ran.stderr.contains("events a second") && ran.stderr.contains("report.html"));
    assert!(
        !ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'),
        "colour without a terminal"
    );
    let widest = ran.stdout.lines().map(|l| l.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}");
}

#[test]
fn a_missed_expectation_names_its_points() {
    let text = "model = \"queue.toml\"\n[run]\nduration = \"3000s\"\nwarm-up = \"0s\"\nreplications = 3\n\
         [[vary]]\nlabel = \"desks\"\npath = \"station.desk.servers\"\nvalues = [1, 2, 3]\n\
         [[expect]]\nmetric = \"throughput\"\nis = \"> 1.05/s\"\n\
         [[expect]]\nobjective = \"met\"\nat = { desks = 1 }\n\
         [[expect]]\nobjective = \"missed\"\nat = { desks = 3 }\n";
    let queue = format!("{QUEUE}[objective]\np95 = \"< 10s\"\n");
    let bench = Bench::new(&[("queue.toml", &queue), ("grid.toml", text)]);
    let ran = bench.run(&["sweep", "grid.toml"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let found = results(&bench.path("output/grid/results.json"));
    let told = |at: usize| {
        found["findings"][at]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    for (at, part) in [
        (
            0,
            "Expectation not met at 1 of 3 points: throughput > 1.05/s (desks 1: found ",
        ),
        (
            1,
            "Expectation not met: the objective at desks 1 is expected to be met (it is missed: p95 < 10s, ",
        ),
        (
            2,
            "Expectation not met: the objective at desks 3 is expected to be missed (it is met).",
        ),
    ] {
        assert!(told(at).starts_with(part), "{}", told(at));
    }
}

#[test]
fn an_objective_says_whose_figures_it_is_about() {
    let model = "
[station.desk]
servers = 1
capacity = 1
[flow.visit]
steps = [{ use = \"desk\", time = \"exp(1s)\" }]
[flow.look]
steps = [{ delay = \"2s\" }]
[workload.visitors]
executor = \"poisson\"
rate = \"1/s\"
flow = \"visit\"
[workload.lookers]
executor = \"constant-arrival-rate\"
rate = \"2/s\"
pre-allocated-vus = 2
flow = \"look\"
[objective.visit]
p95 = \"< 10s\"
[objective.look]
errors = \"< 1%\"
[run]
duration = \"500s\"
warm-up = \"0s\"
replications = 4
";
    let bench = Bench::new(&[("lossy.toml", model)]);
    let ran = bench.run(&["run", "lossy.toml"]);
    ran.succeeds();
    let found = results(&bench.path("output/lossy/results.json"));
    let term = |at: usize, key: &str| {
        let text = found["points"][0]["objective"][at][key].as_str();
        text.unwrap_or_default().to_owned()
    };
    assert_eq!(term(0, "text"), "look: errors < 1%");
    assert!(
        term(0, "detail").contains("% of the iterations were never sent"),
        "{}",
        term(0, "detail")
    );
    assert_eq!(term(1, "text"), "visit: p95 < 10s");
    assert!(
        term(1, "detail").contains(", met by the 5") && term(1, "detail").ends_with(" % that were answered"),
        "{}",
        term(1, "detail")
    );
    assert!(
        ran.stdout.contains("of requests that were answered"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_title_says_what_the_command_line_changed() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    let args = [
        "run",
        "queue.toml",
        "--duration",
        "100s",
        "--warm-up",
        "0s",
        "--set",
        "station.desk.servers=3",
    ];
    let ran = bench.run(&args);
    ran.succeeds();
    assert!(ran.stdout.starts_with("queue (servers = 3)\n"), "{}", ran.stdout);
}

#[test]
fn without_a_terminal_the_summary_is_as_wide_as_asked() {
    let bench = Bench::new(&[("queue.toml", QUEUE)]);
    for (columns, expected) in [("", 80), ("wide", 80), ("120", 120)] {
        let args = ["run", "queue.toml", "--duration", "100s", "--warm-up", "0s"];
        let ran = bench.run_in_columns(columns, &args);
        ran.succeeds();
        let widest = ran.stdout.lines().map(|l| l.chars().count()).max();
        let room = expected - 20..=expected;
        assert!(widest.is_some_and(|w| room.contains(&w)), "{columns}: {widest:?}");
    }
}
