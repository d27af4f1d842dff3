//! Wrong experiments are refused before anything runs, with the place and what would do.

use super::QUEUE;
use super::bench_of_commands::Bench;

#[test]
fn wrong_experiments_are_refused_in_one_go() {
    for (text, expected) in [
        ("title = \"x\"", &["has no `model`"][..]),
        (
            "model = \"absent.toml\"",
            &["cannot read the model", "wrong.toml:1:9"],
        ),
        (
            "modell = \"queue.toml\"",
            &["no key `modell`", "did you mean `model`?"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.dask.servers\"\nvalues = [1]",
            &["`station` has no `dask`; did you mean `desk`?", "wrong.toml:3:8"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"\nvalues = [1, 0]",
            &["wrong.toml:4:14", "at the point servers 0"],
        ),
        (
            "model = \"queue.toml\"\nset = { \"station.desk.servers\" = 0 }",
            &["wrong.toml:2:34", "allowed is"],
        ),
        (
            "model = \"queue.toml\"\nset = { \"station.desk.capacity\" = 0 }",
            &["wrong.toml:2:35"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\nalternatives = [\n{ name = \"a\", set = { flow.visit.steps = [\n\
          { try = [], on = [\"tierd\"], else = [] }] } }]",
            &["wrong.toml:5:"],
        ),
        (
            "model = \"queue.toml\"\nset = { station.attic = { servers = 1, speed = 2 } }",
            &["`station` has no `attic`", "wrong.toml:2:"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.server\"\nvalues = [1, 2]",
            &["has no key `server`", "did you mean `servers`?"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"",
            &["does not say which values"],
        ),
        (
            "model = \"queue.toml\"\n[run]\nduration = \"10s\"\nwarm-up = \"10s\"",
            &["nothing would be measured"],
        ),
        (
            "model = \"queue.toml\"\n[run]\nreplications = 0",
            &["replications"],
        ),
        (
            "model = \"queue.toml\"\n[run]\nprecision = { metric = \"p99\" , within = \"5%\" }",
            &["`system` has no figure `p99`", "response_time_p99"],
        ),
        (
            "model = \"queue.toml\"\n[run]\nprecision = { metric = \"throughput\" }",
            &["has no `within`"],
        ),
        (
            "model = \"queue.toml\"\n[run]\nprecision = { metric = \"throughput\", within = \"0%\" }",
            &["no figure is exact"],
        ),
        (
            "model = \"queue.toml\"\n[run]\nconfidence = \"100%\"",
            &["lies between"],
        ),
        (
            "model = \"queue.toml\"\n[plot]\nmetrics = [\"station.disk.utilisation\"]",
            &["nothing is called `station.disk`", "did you mean `station.desk`?"],
        ),
        (
            "model = \"queue.toml\"\n[plot]\nx = \"pool\"",
            &["there is no axis `pool`", "nothing is varied"],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nmetric = \"throughput\"",
            &["does not say one thing"],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nmetric = \"throughput\"\nis = \"500\"",
            &["is no bound"],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nverdict = \"stabel\"",
            &["did you mean \"stable\"?"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"\nvalues = [1, 2]\n[[expect]]\n\
          verdict = \"stable\"\nat = { servers = 3 }",
            &["has no value `3`", "its values are `1`, `2`"],
        ),
        (
            "model = \"queue.toml\"\nset = { \"flow.visit.steps[1].time\" = \"1s\" }",
            &["only [0]"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"a.b\"\nfrom = 1\nto = 9999\nstep = 1\n[[vary]]\npath = \"c.d\"\n\
          from = 1\nto = 9999\nstep = 1",
            &["more than 10000 points"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"\nvalues = [1]\n[[vary]]\n\
          path = \"station.desk.servers\"\nvalues = [1]",
            &["two axes called `servers`"],
        ),
        ("model = \"broken.toml\"", &["broken.toml:1"]),
        (
            "model = \"queue.toml\"\n[vary]\npath = \"station.desk.servers\"\nvalues = [1]",
            &["write [[vary]], with two brackets"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"\nvalues = [1, 2, 1]",
            &["has `1` twice", "wrong.toml:4:17"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\nalternatives = [{ name = \"a\" }, { name = \"a\" }]",
            &["has `a` twice"],
        ),
        (
            "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk\"\nvalues = [1, 2]",
            &[
                "`station.desk` is a table: add a key, as in `station.desk.servers`",
                "wrong.toml:3:8",
            ],
        ),
        (
            "model = \"queue.toml\"\n[run]\nreplications = 20\n\
          precision = { metric = \"throughput\", within = \"5%\", max-replications = 15 }",
            &["20 replications are asked for, and 15 at most", "wrong.toml:4"],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nmetric = \"response_time_p95\"\nis = \"< 5%\"",
            &[
                "`response_time_p95` is a time, and the bound is not",
                "wrong.toml:4:6",
                "is = \"< 500ms\"",
            ],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nmetric = \"response_time_p95\"\nis = \"< 5\"",
            &["the bound has no unit", "is = \"< 5ms\""],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nmetric = \"failure_share\"\nis = \"< 1\"",
            &["1 without a sign is all", "is = \"< 1%\""],
        ),
        (
            "model = \"queue.toml\"\n[[expect]]\nmetric = \"p95\"\nis = \"< 1s\"",
            &["did you mean `response_time_p95`?"],
        ),
        ("model = \"queue.toml\n", &["wrong.toml:1"]),
    ] {
        let bench = Bench::new(&[
            ("queue.toml", QUEUE),
            ("broken.toml", "[station\n"),
            ("wrong.toml", text),
        ]);
        for command in ["sweep", "check"] {
            let ran = bench.run(&[command, "wrong.toml"]);
            if command == "check" && !text.contains("model =") {
                continue;
            }
            assert_eq!(
                ran.code,
                Some(2),
                "{command} {text}\n{}{}",
                ran.stdout,
                ran.stderr
            );
            for part in expected {
                assert!(
                    ran.stderr.contains(part),
                    "{text}\nlacks {part:?}:\n{}",
                    ran.stderr
                );
            }
            assert!(!bench.path("output").exists(), "{text}: nothing is written");
        }
    }
}

#[test]
fn several_mistakes_are_told_together() {
    let text =
        "model = \"queue.toml\"\n[[vary]]\npath = \"x\"\n[run]\nreplications = \"many\"\n[plot]\nx = \"y\"\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("wrong.toml", text)]);
    let ran = bench.run(&["sweep", "wrong.toml"]);
    for part in [
        "does not say which values",
        "replications",
        "no axis `y`",
        "3 errors",
    ] {
        assert!(ran.stderr.contains(part), "lacks {part:?}:\n{}", ran.stderr);
    }
}

#[test]
fn a_table_that_is_not_there_is_told_of_once() {
    let text = "model = \"queue.toml\"\nset = { station.attic = { servers = 1, speed = 2 }, queue.x = 1 }";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("wrong.toml", text)]);
    let ran = bench.run(&["sweep", "wrong.toml"]);
    assert_eq!(ran.stderr.matches("unknown-path").count(), 2, "{}", ran.stderr);
}

const POOLS: &str = "
[service.api]
[database.mysql]
max-connections = 100
[connection-pool.db]
in = \"api\"
to = \"mysql\"
maximum-pool-size = 10
[flow.f]
at = \"api\"
steps = [{ use = \"db\", steps = [{ query = \"mysql\", time = \"20ms\" }] }]
[workload.w]
executor = \"poisson\"
rate = \"30/s\"
flow = \"f\"
";

#[test]
fn settings_that_contradict_one_another_are_told_with_their_points() {
    let text = "model = \"pools.toml\"\n[[vary]]\npath = \"connection-pool.db.maximum-pool-size\"\n\
        values = [50, 150, 600]\n[run]\nduration = \"10s\"\nreplications = 1\n";
    let also = format!("{text}[[vary]]\npath = \"database.mysql.max-connections\"\nvalues = [40]\n");
    let bench = Bench::new(&[("pools.toml", POOLS), ("grid.toml", text), ("also.toml", &also)]);
    for command in ["check", "sweep"] {
        let ran = bench.run(&[command, "grid.toml"]);
        ran.succeeds();
        for part in [
            "too-many-connections",
            "may open 600 connections",
            "pools.toml:4",
            "at the point maximum-pool-size 150",
        ] {
            assert!(
                ran.stderr.contains(part),
                "{command} lacks {part:?}:\n{}",
                ran.stderr
            );
        }
        let ran = bench.run(&[command, "also.toml"]);
        assert!(ran.stderr.contains("also.toml:10:11"), "{}", ran.stderr);
    }
}

#[test]
fn check_tells_how_long_the_points_last() {
    let text = "model = \"queue.toml\"\n[[vary]]\nlabel = \"seconds\"\nalternatives = [\n\
        { name = \"30\", set = { run = { duration = \"30s\" } } },\n\
        { name = \"600\", set = { run = { duration = \"10min\" } } },\n]\n";
    let queue = format!("{QUEUE}[run]\nduration = \"1min\"\n");
    let bench = Bench::new(&[("queue.toml", &queue), ("grid.toml", text)]);
    let ran = bench.run(&["check", "grid.toml"]);
    ran.succeeds();
    assert!(
        ran.stdout.contains("2 points, 20 replications of 30s to 10m"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_wrong_axis_is_not_missed_as_well() {
    let text = "model = \"queue.toml\"\n[[vary]]\nlabel = \"desks\"\npath = \"station.desk.servers\"\n\
        values = []\n[plot]\nx = \"desks\"\n[[expect]]\nverdict = \"stable\"\nat = { desks = 2 }\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("wrong.toml", text)]);
    let ran = bench.run(&["sweep", "wrong.toml"]);
    assert!(
        ran.stderr.contains("`values` of `vary` number 1 is empty"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("no axis"), "{}", ran.stderr);
}

#[test]
fn the_other_sort_of_file_leads_to_the_other_command() {
    let grid = "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"\nvalues = [1, 2]\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("grid.toml", grid)]);
    for (args, told) in [
        (["run", "grid.toml"], "write `plimsoll sweep grid.toml`"),
        (["sweep", "queue.toml"], "write `plimsoll run queue.toml`"),
    ] {
        let ran = bench.run(&args);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("error").count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn what_the_command_line_sets_is_shown_in_the_command_line() {
    let grid = "model = \"queue.toml\"\n[[vary]]\npath = \"station.desk.servers\"\nvalues = [1, 2]\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("grid.toml", grid)]);
    for (command, file) in [
        ("run", "queue.toml"),
        ("check", "queue.toml"),
        ("sweep", "grid.toml"),
    ] {
        for (set, told) in [
            (
                "workload.customers.rate=95",
                "1 | --set workload.customers.rate=95",
            ),
            ("station.desk.severs=3", "did you mean `servers`?"),
        ] {
            let ran = bench.run(&[command, file, "--set", set]);
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
            for part in [told, "command line:1:"] {
                assert!(
                    ran.stderr.contains(part),
                    "{command} {set} lacks {part}:\n{}",
                    ran.stderr
                );
            }
        }
    }
}

#[test]
fn what_is_set_and_varied_is_told() {
    let grid = "model = \"queue.toml\"\nset = { \"station.desk.servers\" = 4 }\n[[vary]]\n\
        path = \"station.desk.servers\"\nvalues = [2, 3]\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("grid.toml", grid)]);
    let ran = bench.run(&["check", "grid.toml", "--set", "station.desk.servers=5"]);
    ran.succeeds();
    for part in [
        "is set and varied: axis `servers` decides",
        "--set station.desk.servers changes nothing",
    ] {
        assert!(ran.stderr.contains(part), "lacks {part}:\n{}", ran.stderr);
    }
}

#[test]
fn what_comes_after_the_end_is_told_and_changes_nothing() {
    let late = "[[timeline]]\nat = \"50m\"\nset = { \"station.desk.servers\" = 3 }\n";
    let bench = Bench::new(&[
        ("queue.toml", &format!("{QUEUE}[run]\nduration = \"10m\"\n")),
        ("late.toml", &format!("{QUEUE}[run]\nduration = \"10m\"\n{late}")),
    ]);
    let told = "an entry of the timeline is at 50m, which is after the end of the run (10m)";
    let mut metrics = Vec::new();
    for file in ["queue", "late"] {
        let ran = bench.run(&["run", &format!("{file}.toml"), "--replications", "2"]);
        ran.succeeds();
        assert_eq!(ran.stderr.contains(told), file == "late", "{}", ran.stderr);
        assert!(!ran.stdout.contains("changes by plan"), "{}", ran.stdout);
        metrics.push(bench.digest(&format!("output/{file}/metrics.csv")));
    }
    assert_eq!(metrics[0], metrics[1]);
    let longer = bench.run(&["check", "late.toml", "--set", "run.duration=1h"]);
    longer.succeeds();
    assert!(!longer.stderr.contains("after-the-end"), "{}", longer.stderr);
}

#[test]
fn the_most_replications_bound_the_usual_number() {
    let text = "model = \"queue.toml\"\n[run]\nduration = \"100s\"\nwarm-up = \"0s\"\n\
        precision = { metric = \"response_time_p99\", within = \"0.1%\", max-replications = 6 }\n";
    let bench = Bench::new(&[("queue.toml", QUEUE), ("precise.toml", text)]);
    let ran = bench.run(&["sweep", "precise.toml"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("6 replications"), "{}", ran.stdout);
}
