//! Valid TOML that asks for too much, too little, or for ever.

use std::fmt::Write;

use plimsoll::diagnostic::{Sink, render};
use plimsoll::engine::observe::Observations;
use plimsoll::engine::{self, Stopped};
use plimsoll::experiment::{Overrides, load_text};
use plimsoll::model::{self, arithmetic::arithmetic};

use crate::support::{figure, model, options, root};

/// What is said against a model, as it is printed.
#[track_caller]
fn refused(source: &str, id: &str, words: &str) {
    let mut sink = Sink::default();
    let loaded = model::load("hostile", source, None, &mut sink);
    let told = render(sink.diagnostics(), "hostile.toml", source, false);
    assert!(loaded.is_none(), "it should be refused");
    let clipped: String = told.chars().take(2000).collect();
    assert!(
        sink.diagnostics().iter().any(|d| d.id == id) && told.contains(words),
        "expected {id} and `{words}`:\n{clipped}"
    );
    assert!(told.len() < 200_000, "{} bytes of messages", told.len());
}

/// Runs for so many simulated seconds and at most `events` events.
#[track_caller]
fn ran(source: &str, seconds: f64, events: u64) -> Observations {
    let model = model(source);
    let sums = arithmetic(&model);
    let _ = render(&sums.warnings, "hostile.toml", source, false);
    let mut options = options(0, seconds, 0.0);
    options.budget.events = events;
    options.budget.memory = 1 << 30;
    match engine::run(&model, &options) {
        Ok(seen) => seen,
        Err(broken) => panic!("{}", broken.0),
    }
}

fn queue(time: &str, rate: &str) -> String {
    format!(
        "[station.desk]\nservers = 2\n[flow.visit]\nsteps = [{{ use = \"desk\", time = \"{time}\" }}]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}\"\nflow = \"visit\"\n"
    )
}

/// A flow with these steps, and one arrival a second.
fn flow(steps: &str) -> String {
    format!("[flow.a]\nsteps = [{steps}]\n{ONE_A_SECOND}")
}

const ONE_A_SECOND: &str = "[workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"1/s\"\npre-allocated-vus = 5\nflow = \"a\"\n";

#[test]
fn rates_from_nearly_nothing_to_a_hundred_million_a_second() {
    let seen = ran(&queue("exp(1s)", "1e-9/s"), 100.0, 1000);
    assert_eq!((seen.stopped, seen.peak_requests), (None, 0));
    // Gaps of less than ten nanoseconds would be rounded to a rate of some per cent more.
    refused(
        &queue("exp(1s)", "1e9/s"),
        "out-of-range",
        "between 1e-9/s and 1e8/s",
    );
    let seen = ran(&queue("exp(1s)", "1e8/s"), 100.0, 50_000);
    assert_eq!(seen.stopped, Some(Stopped::Events));
    let offered = figure(&seen, "flow.visit", "offered");
    assert!((offered / 1e8 - 1.0).abs() < 0.02, "{offered}");
}

#[test]
fn laws_without_variance_or_mean_are_run() {
    for law in [
        "pareto(100ms, alpha 1.1)",
        "pareto(100ms, alpha 0.5)",
        "lognormal(1s, cv 100)",
    ] {
        let seen = ran(&queue(law, "1/s"), 1000.0, 100_000);
        assert_eq!(seen.stopped, None, "{law}");
        assert!(figure(&seen, "flow.visit", "throughput") > 0.0, "{law}");
    }
}

#[test]
fn durations_from_zero_to_beyond_the_clock() {
    assert_eq!(
        figure(
            &ran(&queue("0s", "100/s"), 10.0, 100_000),
            "flow.visit",
            "response_time_max"
        ),
        0.0
    );
    for law in ["300000h", "exp(300000h)", "uniform(0s, 300000h)"] {
        assert_eq!(ran(&queue(law, "1/s"), 100.0, 10_000).stopped, None, "{law}");
    }
    // Whoever is served for longer than the clock can count is never finished.
    let seen = ran(&queue("1e9h", "1/s"), 100.0, 10_000);
    assert_eq!(figure(&seen, "flow.visit", "throughput"), 0.0);
    let run = |duration: &str| {
        format!(
            "{}[run]\nduration = \"{duration}\"\nwarm-up = \"0s\"\n",
            queue("1s", "1/s")
        )
    };
    refused(&run("1e9h"), "bad-quantity", "`duration` of `run`");
    refused(&run("400000h"), "out-of-range", "36 years");
    refused(&run("0s"), "out-of-range", "nothing would be measured");
}

#[test]
fn users_whose_rounds_take_no_time_do_not_stop_the_clock() {
    let text = queue("0s", "1/s")
        .replace("poisson", "constant-vus")
        .replace("rate = \"1/s\"", "vus = 10");
    let seen = ran(&text, 1.0, 1_000_000);
    assert_eq!(seen.stopped, None);
}

#[test]
fn loops_that_never_let_the_clock_go_on_are_ended() {
    for body in ["", "{ delay = \"0s\" }", "{ repeat = 1000000000, steps = [] }"] {
        let seen = ran(
            &flow(&format!("{{ repeat = 1000000000, steps = [{body}] }}")),
            5.0,
            u64::MAX,
        );
        assert_eq!(seen.stopped, Some(Stopped::Events), "{body}");
    }
    let seen = ran(
        &flow("{ repeat = 1000000000, steps = [{ delay = \"1ns\" }] }"),
        5.0,
        200_000,
    );
    assert_eq!(seen.stopped, Some(Stopped::Events));
}

#[test]
fn calls_in_a_circle_and_calls_that_multiply_are_refused() {
    refused(
        "[flow.a]\nsteps = [{ call = \"b\" }]\n[flow.b]\nsteps = [{ call = \"a\" }]\n[workload.w]\nexecutor = \"poisson\"\n\
         rate = \"1/s\"\nflow = \"a\"\n",
        "call-cycle",
        "a → b → a",
    );
    // Two to the fortieth steps, with something at the end and with nothing.
    for last in ["{ delay = \"1ms\" }", ""] {
        let mut text = String::new();
        for i in 0..40 {
            let _ = writeln!(
                text,
                "[flow.f{i}]\nsteps = [{{ call = \"f{0}\" }}, {{ call = \"f{0}\" }}]",
                i + 1
            );
        }
        let _ = write!(
            text,
            "[flow.f40]\nsteps = [{last}]\n{}",
            ONE_A_SECOND.replace("\"a\"", "\"f0\"")
        );
        refused(&text, "too-long", "more than 1000000");
    }
    // A chain that is only deep.
    let mut text = String::new();
    for i in 0..2000 {
        let _ = writeln!(
            text,
            "[flow.f{i}]\nsteps = [{{ call = \"f{}\" }}]",
            (i + 1).min(1999)
        );
    }
    text = text.replace(
        "[flow.f1999]\nsteps = [{ call = \"f1999\" }]",
        "[flow.f1999]\nsteps = []",
    );
    refused(
        &format!("{text}{}", ONE_A_SECOND.replace("\"a\"", "\"f0\"")),
        "too-deep",
        "64 steps and calls deep",
    );
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = |n: usize| {
        format!(
            "[flow.a]\nsteps = {}[]{}\n{ONE_A_SECOND}",
            "[{ repeat = 1, steps = ".repeat(n),
            "}]".repeat(n)
        )
    };
    refused(&deep(10_000), "syntax", "recurse");
    refused(&deep(35), "too-deep", "32 deep");
    ran(&deep(20), 2.0, 1000);
}

#[test]
fn more_parts_than_anybody_writes_are_refused_with_the_limit() {
    let many = |n: usize, table: &dyn Fn(usize) -> String| (0..n).map(table).collect::<String>();
    let flows = many(10_000, &|i| {
        format!("[flow.f{i}]\nsteps = [{{ delay = \"1ms\" }}]\n")
    });
    refused(
        &format!("{flows}{}", flow("")),
        "too-many",
        "10001 flows, more than 2000",
    );
    let stations = many(20_000, &|i| format!("[station.s{i}]\n"));
    refused(
        &format!("{stations}{}", flow("")),
        "too-many",
        "20000 stations, more than 2000",
    );
    let happenings = many(20_001, &|i| {
        format!("[[timeline]]\nat = \"{i}ms\"\nrestart = \"x\"\n")
    });
    refused(
        &format!("{happenings}{}", flow("")),
        "too-many",
        "20001 entries of the timeline, more than 20000",
    );
}

#[test]
fn two_thousand_parts_are_run() {
    let mut text = String::from("[flow.a]\nsteps = [");
    for i in 0..1000 {
        let _ = write!(text, "{{ use = \"s{i}\", time = \"1us\" }}, ");
    }
    let _ = writeln!(text, "]\n{ONE_A_SECOND}");
    for i in 0..1000 {
        let _ = writeln!(text, "[station.s{i}]");
    }
    let seen = ran(&text, 10.0, 1_000_000);
    assert!(figure(&seen, "station.s999", "throughput") > 0.5);
}

#[test]
fn texts_without_end_are_refused() {
    let fine = queue("1s", "1/s");
    refused(
        &format!("title = \"{}\"\n{fine}", "x".repeat(5_000_000)),
        "too-long",
        "more than 10000",
    );
    refused(
        &fine.replace("desk", &"d".repeat(100_000)),
        "bad-name",
        "one to 200",
    );
    refused(
        &format!("{} = 1\n{fine}", "k".repeat(1_000_000)),
        "unknown-kind",
        "there is no kind",
    );
    let law = format!("mix({})", vec!["1: exp(1s)"; 6000].join(", "));
    refused(&queue(&law, "1/s"), "bad-law", "put its values into a file");
    refused(
        &format!("# {}\n{fine}", "x".repeat(9 << 20)),
        "too-large",
        "8 MiB",
    );
    // A few bytes make a table.
    let deep: String = (0..9000)
        .map(|i| format!("a{i}{} = 1\n", ".b".repeat(45)))
        .collect();
    refused(&deep, "too-large", "400000 tables");
    refused(
        &format!("a = [{}]\n", "1,".repeat(1_700_000)),
        "too-large",
        "400000 tables",
    );
    refused(&queue(&"exp(".repeat(5000), "1/s"), "bad-law", "is not a law");
}

/// Each of these would take the memory of the machine before the first request.
#[test]
fn what_is_held_from_the_start_is_limited() {
    let service = |replicas: u32| format!("[service.api]\nreplicas = {replicas}\n");
    let pool = "[connection-pool.p]\nin = \"api\"\nmaximum-pool-size = 1000000\n";
    let used =
        flow("{ use = \"p\", steps = [{ delay = \"1ms\" }] }").replace("[flow.a]", "[flow.a]\nat = \"api\"");
    refused(
        &format!("{}{pool}{used}", service(1000)),
        "too-many-instances",
        "`p` in 1000 instances",
    );
    let later = "[[timeline]]\nat = \"1s\"\nset = { \"connection-pool.p.maximum-pool-size\" = 1000000 }\n";
    let small = pool.replace("1000000", "10");
    refused(
        &format!("{}{small}{used}{later}", service(1000)),
        "too-many-instances",
        "`p` in 1000 instances",
    );
    let cache = "[cache.p]\nin = \"api\"\nkey = \"zipf(1000000, 1)\"\nmaximum-size = 1000000\nwarm = true\n";
    refused(
        &format!("{}{cache}{used}", service(100)),
        "too-many-instances",
        "`p` in 100 instances",
    );
    let topics: String = (0..50)
        .map(|i| format!("[topic.t{i}]\npartitions = 1000000\n"))
        .collect();
    let published = flow("{ publish = \"t1\" }");
    refused(&format!("{topics}{published}"), "too-many-instances", "2 GiB");
    let breaker = "[circuit-breaker.p]\nin = \"api\"\nsliding-window-size = 1000000\n";
    refused(
        &format!("{}{breaker}{used}", service(200)),
        "too-many-instances",
        "`p` in 200 instances",
    );
    // Every group keeps its offsets.
    let groups: String = (0..100)
        .map(|i| format!("[consumer.g{i}]\ntopic = \"t1\"\nsteps = [{{ delay = \"1ms\" }}]\n"))
        .collect();
    let topic = "[topic.t1]\npartitions = 1000000\n";
    refused(
        &format!("{topic}{groups}{published}"),
        "too-many-instances",
        "2 GiB",
    );
    let hosts: String = (0..100)
        .map(|i| format!("[host.h{i}]\ncores = 1000000\ndiscipline = \"fcfs\"\n"))
        .collect();
    refused(
        &format!("{hosts}{}", flow("{ delay = \"1ms\" }")),
        "too-many-instances",
        "2 GiB",
    );
    // A table of keys is one for all instances.
    let cold = cache.replace("warm = true", "warm = false");
    ran(&format!("{}{cold}{used}", service(10_000)), 10.0, 1000);
}

#[test]
fn problems_without_end_are_counted_and_not_told() {
    let keys: String = (0..100_000).map(|i| format!("k{i} = {i}\n")).collect();
    let mut sink = Sink::default();
    let source = format!("{}{keys}", queue("1ms", "1/s"));
    assert!(model::load("hostile", &source, None, &mut sink).is_none());
    let found = sink.into_vec();
    assert_eq!(found.len(), 501);
    assert!(
        found[500].message.contains("99500 errors more"),
        "{}",
        found[500].message
    );
    // The same at every point, and something else at every point.
    let path = root().join("experiments/hostile.toml");
    for (key, values) in [
        ("run.sed", "from = 1\nto = 10000\nstep = 1"),
        ("station.server.servers", "from = -9999\nto = 0\nstep = 1"),
    ] {
        let text = format!("model = \"../models/textbook/mm1.toml\"\n[[vary]]\npath = \"{key}\"\n{values}\n");
        let loaded = load_text(&path, &text, &Overrides::default());
        assert!(loaded.experiment.is_none() && loaded.has_errors(), "{key}");
        let problems: usize = loaded.sheets.iter().map(|s| s.diagnostics.len()).sum();
        assert!((1..=501).contains(&problems), "{key}: {problems}");
    }
}

/// The length of a run that only a recording tells is what the clock can count.
#[test]
fn recordings_beyond_the_clock_are_cut_at_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.csv"), "0.5\n1\n1e18\n").expect("writing");
    let text = "[flow.f]\nsteps = [{ delay = \"1ms\" }]\n[workload.w]\nexecutor = \"recorded\"\nfile = \"x.csv\"\n\
        flow = \"f\"\n";
    let path = folder.path().join("m.toml");
    let loaded = plimsoll::experiment::load_model_text(&path, text, &Overrides::default());
    let point = &loaded.experiment.expect("an experiment").points[0];
    assert_eq!(point.settings.duration, (1 << 60) - 1);
    let seen = engine::run(&point.model, &options(0, 1152921504.0, 0.0)).expect("its books balance");
    assert!(figure(&seen, "flow.f", "throughput") > 0.0);
}

/// Real time is looked at after building and in every window, however few events there are.
#[test]
fn many_instances_do_not_hide_the_limit_of_time() {
    let text = "[service.api]\nreplicas = 20000\n[thread-pool.http]\nin = \"api\"\n[flow.f]\nat = \"api\"\n\
        steps = [{ use = \"http\", steps = [{ delay = \"1ms\" }] }]\n[workload.w]\nexecutor = \"poisson\"\n\
        rate = \"1/s\"\nflow = \"f\"\n";
    let mut options = options(0, 1000.0, 0.0);
    options.budget.wall = Some(std::time::Duration::ZERO);
    let seen = engine::run(&model(text), &options).expect("its books balance");
    assert_eq!(seen.stopped, Some(Stopped::Wall));
    assert!(
        seen.simulated < 100.0 && seen.events < 1000,
        "{} s",
        seen.simulated
    );
}

#[test]
fn a_million_of_everything_that_may_be_many() {
    let common = "[workload.w]\nexecutor = \"poisson\"\nrate = \"1000/s\"\nflow = \"f\"\n";
    for (what, text) in [
        (
            "replicas",
            "[service.api]\nreplicas = 1000000\n[thread-pool.http]\nin = \"api\"\n[flow.f]\nat = \"api\"\n\
             steps = [{ use = \"http\", steps = [{ delay = \"1ms\" }] }]\n",
        ),
        (
            "keys",
            "[lock.row]\nkey = \"zipf(1000000, 1.1)\"\n[flow.f]\nsteps = [{ use = \"row\", steps = [{ delay = \"1ms\" }] }]\n",
        ),
        (
            "partitions",
            "[topic.t]\npartitions = 100000\n[flow.f]\nsteps = [{ publish = \"t\" }]\n[consumer.c]\ntopic = \"t\"\n\
             steps = [{ delay = \"1ms\" }]\n",
        ),
        (
            "connections",
            "[database.db]\nmax-connections = 1000000\n[connection-pool.p]\nto = \"db\"\nmaximum-pool-size = 1000000\n\
             [flow.f]\nsteps = [{ use = \"p\", steps = [{ query = \"db\", time = \"1ms\" }] }]\n",
        ),
    ] {
        let seen = ran(&format!("{text}{common}"), 0.2, 1_000_000);
        assert_eq!(seen.stopped, None, "{what}");
        assert!(figure(&seen, "flow.f", "throughput") > 500.0, "{what}");
    }
    let users = "[flow.f]\nsteps = [{ delay = \"exp(1s)\" }]\n[workload.w]\nexecutor = \"constant-vus\"\nvus = 1000000\nflow = \"f\"\n";
    let seen = ran(users, 0.1, 1_500_000);
    assert_eq!(seen.peak_requests, 1_000_000);
    refused(&users.replace("1000000", "1000000000"), "out-of-range", "vus");
}

#[test]
fn overload_for_a_day_ends_at_the_limit_of_memory() {
    let model = model(&queue("exp(1s)", "1000/s"));
    let mut options = options(0, 86_400.0, 0.0);
    options.budget.memory = 64 << 20;
    let seen = engine::run(&model, &options).expect("its books balance");
    assert_eq!(seen.stopped, Some(Stopped::Memory));
    // What is counted is looked at every 65,536 events.
    let over = 65_536 * 100;
    assert!(seen.simulated > 60.0 && seen.request_bytes < (64 << 20) + over);
    // Requests that wait for a time stand in the calendar too.
    let holding = self::model(&queue("1h", "1000/s").replace("servers = 2", "servers = 100000000"));
    let held = engine::run(&holding, &options).expect("its books balance");
    assert_eq!(held.stopped, Some(Stopped::Memory));
    assert!(held.peak_requests < seen.peak_requests * 4 / 5);
    // So does what a cache comes to hold.
    let cache = "[cache.c]\nkey = \"uniform(1000000000)\"\nmaximum-size = 1000000000\n";
    let miss = "{ use = \"c\", steps = [{ delay = \"1ms\" }] }";
    let text = queue("1ns", "10000/s").replace("{ use = \"desk\", time = \"1ns\" }", miss);
    let text = text.replace("[station.desk]\nservers = 2\n", cache);
    let seen = engine::run(&self::model(&text), &options).expect("its books balance");
    assert_eq!(seen.stopped, Some(Stopped::Memory));
    // Where the system bounds its queue, the day is done in bounded memory.
    let bounded = queue("exp(1s)", "20/s").replace("servers = 2", "servers = 2\ncapacity = 100");
    let seen = ran(&bounded, 86_400.0, u64::MAX);
    assert_eq!((seen.stopped, seen.peak_requests <= 101), (None, true));
}

#[test]
fn sweeps_of_more_points_than_anybody_waits_for_are_refused() {
    let path = root().join("experiments/hostile.toml");
    let refused = |axes: &str, words: &str| {
        let text = format!("model = \"../models/textbook/mm1.toml\"\n{axes}");
        let loaded = load_text(&path, &text, &Overrides::default());
        assert!(loaded.experiment.is_none());
        let told: String = loaded
            .sheets
            .iter()
            .map(|s| render(&s.diagnostics, &s.path, &s.source, false))
            .collect();
        assert!(told.contains(words), "{told}");
    };
    let axis = |path: &str, to: &str| format!("[[vary]]\npath = \"{path}\"\nfrom = 1\nto = {to}\nstep = 1\n");
    refused(
        &axis("station.server.servers", "1000000000"),
        "more than 10000 values",
    );
    let axes = axis("station.server.servers", "1000") + &axis("run.seed", "1000");
    refused(&axes, "more than 10000 points");
}
