//! What must not change when a model is changed in a way that means nothing, and what must change exactly.

use crate::support::{bits, figure, model, options, run};

const TIER: &str = r#"
[host.box]
cores = 2

[service.web]
host = "box"
replicas = 2

[station.threads]
in = "web"
servers = 8

[connection-pool.db]
in = "web"
maximum-pool-size = 3
connection-timeout = "200ms"

[flow.page]
at = "web"
steps = [
  { use = "threads", steps = [
    { cpu = "exp(2ms)" },
    { use = "db", steps = [{ delay = "lognormal(20ms, cv 0.5)" }] },
    { choose = [{ weight = 0.3, steps = [{ delay = "exp(4ms)" }] }, { weight = 0.7, steps = [{ cpu = "exp(1ms)" }] }] },
    { parallel = [{ steps = [{ delay = "exp(8ms)" }] }, { steps = [{ cpu = "exp(1ms)" }] }] },
    { repeat = 2, steps = [{ delay = "exp(1ms)" }] },
  ] },
]

[workload.users]
executor = "poisson"
rate = "230/s"
"#;

fn figures(text: &str, without: &[&str]) -> String {
    bits(&run(&model(text), &options(0, 20.0, 2.0)), without)
}

#[track_caller]
fn unchanged(text: &str, without: &[&str]) {
    let (before, after) = (figures(TIER, without), figures(text, without));
    for (a, b) in before.lines().zip(after.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(before.lines().count(), after.lines().count());
}

#[track_caller]
fn replaced(from: &str, to: &str) -> String {
    assert!(TIER.contains(from), "the model has no `{from}`");
    TIER.replace(from, to)
}

#[test]
fn all_times_halved_and_rates_doubled_halve_all_times() {
    // Constant and uniform laws and powers of two, so that halving is exact in whole nanoseconds.
    let slow = r#"
        [station.server]
        servers = 2
        [connection-pool.db]
        maximum-pool-size = 3
        connection-timeout = "65536us"
        [flow.page]
        steps = [{ use = "server", time = "16384us" }, { use = "db", steps = [{ delay = "32768us" }] }, { delay = "8192us" }]
        [workload.users]
        executor = "constant-arrival-rate"
        rate = "128/s"
        pre-allocated-vus = 64
    "#;
    let fast = slow
        .replace("65536us", "32768us")
        .replace("16384us", "8192us")
        .replace("\"32768us\" }] }", "\"16384us\" }] }")
        .replace("\"8192us\" }]", "\"4096us\" }]")
        .replace("128/s", "256/s");
    let (slow, fast) = (
        run(&model(slow), &options(0, 16.0, 4.0)),
        run(&model(&fast), &options(0, 8.0, 2.0)),
    );
    let mut times = 0;
    for f in &slow.figures {
        let other = fast.figure(&f.subject, &f.name);
        use plimsoll::component::Unit;
        let expected = match f.unit {
            Unit::Seconds => {
                times += 1;
                f.value / 2.0
            }
            Unit::PerSecond => f.value * 2.0,
            _ => f.value,
        };
        match other {
            Some(other) => assert!(
                (other - expected).abs()
                    <= 1e-12 + 0.008 * expected.abs() * f.name.contains("_p") as u8 as f64,
                "{} {}: {} against {}",
                f.subject,
                f.name,
                f.value,
                other
            ),
            None => assert!(f.value.is_nan(), "{} {} is missing", f.subject, f.name),
        }
    }
    assert!(times > 20);
    assert_eq!(slow.events, fast.events);
}

#[test]
fn an_infinite_pool_around_steps_changes_nothing() {
    let text = replaced(
        "{ cpu = \"exp(2ms)\" },",
        "{ use = \"wide\", steps = [{ cpu = \"exp(2ms)\" }] },",
    );
    unchanged(
        &(text + "[station.wide]\nservers = 4000000000\n"),
        &["station.wide"],
    );
    let text = replaced(
        "{ use = \"threads\", steps = [",
        "{ use = \"wide\", steps = [{ use = \"threads\", steps = [",
    )
    .replace("  ] },\n]", "  ] }] },\n]");
    unchanged(
        &(text + "[connection-pool.wide]\nmaximum-pool-size = 1000000\n"),
        &["connection-pool.wide"],
    );
}

#[test]
fn steps_that_take_no_time_change_nothing() {
    for nothing in [
        "{ delay = \"0s\" }",
        "{ use = \"other\", time = \"0s\" }",
        "{ fail = \"0%\" }",
        "{ repeat = 0, steps = [{ delay = \"1s\" }] }",
    ] {
        // Last of its sort, or the steps behind it would be the third and fourth of theirs.
        let text = replaced(
            "{ repeat = 2, steps = [{ delay = \"exp(1ms)\" }] },",
            &format!("{{ repeat = 2, steps = [{{ delay = \"exp(1ms)\" }}] }}, {nothing},"),
        );
        unchanged(
            &(text + "[station.other]\nservers = 4000000000\n"),
            &["station.other"],
        );
    }
}

#[test]
fn a_loop_of_one_round_changes_nothing() {
    unchanged(
        &replaced(
            "{ use = \"db\", steps = [{ delay = \"lognormal(20ms, cv 0.5)\" }] },",
            "{ repeat = 1, steps = [{ use = \"db\", steps = [{ delay = \"lognormal(20ms, cv 0.5)\" }] }] },",
        ),
        &[],
    );
}

#[test]
fn a_zero_think_time_is_none() {
    let closed = replaced(
        "executor = \"poisson\"\nrate = \"230/s\"",
        "executor = \"users\"\nusers = 12",
    );
    let thinking = closed.replace("users = 12", "users = 12\nthink-time = \"0s\"");
    assert_eq!(figures(&closed, &[]), figures(&thinking, &[]));
}

#[test]
fn a_pause_of_no_length_changes_nothing() {
    let text = TIER.to_owned() + "[[timeline]]\nat = \"5s\"\npause = \"web\"\nfor = \"0s\"\n";
    unchanged(&text, &[]);
}

#[test]
fn a_component_that_nobody_uses_moves_no_figure_of_others() {
    let text = TIER.to_owned()
        + "[station.aaa]\nservers = 1\n[connection-pool.aaa-pool]\n[host.aaa]\ncores = 3\n[service.aaa]\nhost = \"aaa\"\n";
    let without = [
        "station.aaa",
        "connection-pool.aaa-pool",
        "host.aaa",
        "service.aaa",
        "balancer.aaa",
    ];
    unchanged(&text, &without);
}

#[test]
fn a_flow_that_nobody_runs_moves_no_figure_of_others() {
    let text = TIER.to_owned() + "[flow.aaa]\nat = \"web\"\nsteps = [{ cpu = \"exp(1ms)\" }]\n";
    let text = text.replace("rate = \"230/s\"", "rate = \"230/s\"\nflow = \"page\"");
    unchanged(&text, &["flow.aaa", "system"]);
}

#[test]
fn the_order_of_tables_and_keys_does_not_matter() {
    let mut tables: Vec<&str> = TIER.split("\n\n").collect();
    tables.reverse();
    let text = tables
        .join("\n\n")
        .replace("host = \"box\"\nreplicas = 2", "replicas = 2\nhost = \"box\"");
    assert_ne!(text, TIER);
    unchanged(&text, &[]);
}

#[test]
fn every_seed_and_every_replication_sees_other_requests() {
    let m = model(TIER);
    let mean = |seed: u64, replication: u64| {
        let mut o = options(replication, 20.0, 2.0);
        o.seed = seed;
        figure(&run(&m, &o), "flow.page", "response_time_mean")
    };
    let means = [mean(1, 0), mean(2, 0), mean(1, 1), mean(2, 1)];
    for i in 0..4 {
        for j in 0..i {
            assert_ne!(means[i], means[j]);
        }
    }
    assert_eq!(mean(1, 0), means[0]);
}

#[test]
fn a_larger_pool_meets_the_same_requests() {
    // Common random numbers: every request asks for the same work, however it is scheduled.
    let work = |text: &str| figure(&run(&model(text), &options(0, 20.0, 0.0)), "flow.page", "offered");
    assert_eq!(
        work(TIER),
        work(&replaced("maximum-pool-size = 3", "maximum-pool-size = 30"))
    );
}
