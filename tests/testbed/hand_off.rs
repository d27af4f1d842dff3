//! HikariCP's bag and PostgreSQL's rows, one request a flow, at instants that can be told by hand.

use crate::support::{bits, figure, model, options, run};
use plimsoll::engine::observe::Observations;

/// A pool of one connection that is held 10 ms and takes 1 ms to wake up for; flows come at these instants.
fn play(pool: &str, flows: &[(&str, &str, &str)]) -> Observations {
    let mut source = format!("[connection-pool.db]\nmaximum-pool-size = 1\n{pool}\n");
    for (name, at, steps) in flows {
        source.push_str(&format!(
            "[flow.{name}]\nsteps = [{steps}]\n[workload.{name}]\nexecutor = \"per-vu-iterations\"\n\
             flow = \"{name}\"\nvus = 1\niterations = 1\nstart-time = \"{at}\"\n"
        ));
    }
    run(&model(&source), &options(0, 1.0, 0.0))
}

const HOLD: &str = "{ use = \"db\", steps = [{ delay = \"10ms\" }] }";
const SLOW: &str = "wake-up-latency = \"1ms\"";

#[track_caller]
fn took(o: &Observations, flow: &str, milliseconds: f64) {
    let found = figure(o, &format!("flow.{flow}"), "response_time_max") * 1e3;
    assert!(
        (found - milliseconds).abs() < 1e-6,
        "flow {flow} took {found} ms, not {milliseconds} ms"
    );
}

#[test]
fn a_newcomer_may_claim_a_connection_on_its_way() {
    let o = play(
        SLOW,
        &[("a", "0s", HOLD), ("b", "5ms", HOLD), ("c", "10.5ms", HOLD)],
    );
    took(&o, "a", 10.0);
    took(&o, "c", 10.0); // claims at 10.5 ms what b was handed at 10 ms
    took(&o, "b", 26.5); // runs at 11 ms, finds it gone, runs again at 21.5 ms
    assert_eq!(figure(&o, "connection-pool.db", "steal_share"), 1.0 / 3.0);
}

#[test]
fn the_loser_waits_again_at_the_end_with_what_is_left_of_its_time() {
    let flows = [
        ("a", "0s", HOLD),
        ("b", "5ms", HOLD),
        ("c", "10.5ms", HOLD),
        ("d", "10.8ms", HOLD),
    ];
    let o = play(SLOW, &flows);
    took(&o, "d", 20.7); // stood in line when b came back to it at 11 ms
    took(&o, "b", 37.5);
    let o = play(&format!("{SLOW}\nconnection-timeout = \"20ms\""), &flows);
    took(&o, "d", 20.7);
    let gone = figure(&o, "flow.b", "failure_time_max") * 1e3;
    assert!(
        (gone - 20.0).abs() < 1e-6,
        "b gave up after {gone} ms, not 20 ms after it came"
    );
    assert_eq!(figure(&o, "flow.b", "failures_acquire_timeout"), 1.0);
}

#[test]
fn a_waiter_that_leaves_hands_its_connection_on() {
    let short = format!("{{ use = \"limit\", steps = [{HOLD}] }}");
    let limit = "[time-limiter.limit]\ntimeout-duration = \"5.5ms\"\ncancel-running = true";
    let pool = format!("{SLOW}\n{limit}");
    let o = play(
        &pool,
        &[("a", "0s", HOLD), ("b", "5ms", &short), ("e", "6ms", HOLD)],
    );
    took(&o, "e", 15.5); // b leaves at 10.5 ms, e runs at 11.5 ms
    assert_eq!(figure(&o, "flow.b", "failures"), 1.0);
}

#[test]
fn who_is_handed_a_connection_before_its_deadline_has_it() {
    let pool = format!("{SLOW}\nconnection-timeout = \"5.5ms\"");
    let o = play(&pool, &[("a", "0s", HOLD), ("b", "5ms", HOLD)]);
    took(&o, "b", 16.0); // handed at 10 ms, deadline at 10.5 ms, runs at 11 ms
}

#[test]
fn zero_latency_is_first_come_first_served() {
    let source = |latency: &str| {
        format!(
            "[connection-pool.db]\nmaximum-pool-size = 3\nconnection-timeout = \"80ms\"\n{latency}\n\
             [flow.f]\nsteps = [{{ use = \"db\", steps = [{{ delay = \"exp(30ms)\" }}] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n"
        )
    };
    let [direct, bag] = ["", "wake-up-latency = \"0ms\""]
        .map(|latency| run(&model(&source(latency)), &options(0, 60.0, 5.0)));
    assert_eq!(
        bits(&direct, &["connection-pool.db"]),
        bits(&bag, &["connection-pool.db"])
    );
    for name in [
        "waiting_time_mean",
        "waiting_time_p99",
        "timed_out",
        "utilisation",
    ] {
        assert_eq!(
            figure(&direct, "connection-pool.db", name),
            figure(&bag, "connection-pool.db", name),
            "{name}"
        );
    }
    assert_eq!(figure(&bag, "connection-pool.db", "steal_share"), 0.0);
}

#[test]
fn a_row_is_free_until_its_first_waiter_runs_and_the_waiter_stays_first() {
    let row = "{ use = \"row\", steps = [{ delay = \"10ms\" }] }";
    let mut source = String::from("[lock.row]\nwake-up-latency = \"1ms\"\n");
    for (name, at) in [("a", "0s"), ("b", "5ms"), ("d", "6ms"), ("c", "10.5ms")] {
        source.push_str(&format!(
            "[flow.{name}]\nsteps = [{row}]\n[workload.{name}]\nexecutor = \"per-vu-iterations\"\n\
             flow = \"{name}\"\nvus = 1\niterations = 1\nstart-time = \"{at}\"\n"
        ));
    }
    let o = run(&model(&source), &options(0, 1.0, 0.0));
    took(&o, "c", 10.0); // takes at 10.5 ms the row that was freed at 10 ms
    took(&o, "b", 26.5); // runs at 11 ms in vain and again at 21.5 ms, still before d
    took(&o, "d", 36.5); // freed at 31.5 ms, runs at 32.5 ms
    assert_eq!(figure(&o, "lock.row", "claimed_share"), 0.25);
}

#[test]
fn a_woken_waiter_stands_in_the_run_queue() {
    let mut source = String::from(
        "[host.box]\ncores = 1\ndiscipline = \"fcfs\"\n[service.app]\nhost = \"box\"\n\
         [connection-pool.db]\nin = \"app\"\nmaximum-pool-size = 1\nwake-up-latency = \"1ms\"\n",
    );
    let busy = "{ cpu = \"6ms\" }";
    for (name, at, steps) in [
        ("a", "0s", HOLD),
        ("b", "5ms", HOLD),
        ("c", "8ms", busy),
        ("d", "13ms", HOLD),
    ] {
        source.push_str(&format!(
            "[flow.{name}]\nat = \"app\"\nsteps = [{steps}]\n[workload.{name}]\n\
             executor = \"per-vu-iterations\"\nflow = \"{name}\"\nvus = 1\niterations = 1\nstart-time = \"{at}\"\n"
        ));
    }
    let o = run(&model(&source), &options(0, 1.0, 0.0));
    took(&o, "d", 10.0); // b was handed the connection at 10 ms, but c keeps the core until 14 ms
    took(&o, "b", 29.0); // runs at 15 ms in vain, and again at 24 ms
}
