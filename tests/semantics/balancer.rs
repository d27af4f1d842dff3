use super::*;

/// Two replicas, of which the first stands still from 5 s to 35 s and resets connections meanwhile.
fn model(balancer: &str) -> String {
    format!(
        r#"
[service.app]
replicas = 2
[balancer.edge]
to = "app"
{balancer}
[thread-pool.http]
in = "app"
accept-count = 0
abort-on-overflow = true
[flow.f]
at = "app"
steps = [{{ use = "http", steps = [{{ delay = "1ms" }}] }}]
[workload.w]
executor = "constant-arrival-rate"
rate = "10/s"
pre-allocated-vus = 1000
flow = "f"
[[timeline]]
at = "5s"
pause = "app"
replica = 0
for = "30s"
"#
    )
}

fn failures(balancer: &str) -> f64 {
    let o = observe(&model(balancer), 50.0);
    figure(&o, "flow.f", "failures") * 50.0
}

#[test]
fn a_replica_whose_calls_fail_is_passed_over_for_fail_timeout_and_then_tried_by_one() {
    // Every second call, but for one that waits in the accept queue.
    near(failures(""), 149.0, 1.5);
    // One failure in ten seconds.
    near(failures("max-fails = 1"), 3.0, 1e-6);
    // Two until it is marked; then again one in ten seconds.
    near(failures("max-fails = 2"), 4.0, 1.0 + 1e-6);
    near(failures("max-fails = 1\nfail-timeout = \"1min\""), 1.0, 1e-6);
}

#[test]
fn replicas_marked_during_the_warm_up_are_not_counted() {
    // Marked at 5.1 s and every 10 s until 35 s, when it works again.
    let text = model("max-fails = 1");
    let o = observe_after(&text, 20.0, 50.0, 1);
    near(figure(&o, "balancer.edge", "marked_down") * 30.0, 0.0, 1e-9);
    let o = observe(&text, 50.0);
    near(figure(&o, "balancer.edge", "marked_down") * 50.0, 1.0, 1e-9);
}

#[test]
fn when_every_replica_is_passed_over_calls_fail_at_once() {
    let text = model("max-fails = 1").replace("replica = 0\n", "");
    let o = observe(&text, 30.0);
    assert!(figure(&o, "flow.f", "failures_unavailable") > 5.0);
}

/// Two replicas of `app`, whose flow `f` takes these steps there, called by `caller` at these instants.
fn watched(balancer: &str, inside: &str, caller: &str, at: &[f64]) -> Observations {
    let calls: Vec<(f64, &str)> = at.iter().map(|t| (*t, "caller")).collect();
    observe(
        &format!(
            "[service.app]\nreplicas = 2\n[balancer.edge]\nto = \"app\"\nmax-fails = 1\nfail-timeout = \"30s\"\n{balancer}\n\
             [flow.f]\nat = \"app\"\nsteps = [{inside}]\n\
             [flow.caller]\nsteps = [{caller}]\n{}",
            requests(&calls)
        ),
        20.0,
    )
}

#[test]
fn a_time_limit_that_passes_speaks_against_the_replica_at_once() {
    for cancels in [true, false] {
        let limit = format!("[time-limiter.limit]\ntimeout-duration = \"1s\"\ncancel-running = {cancels}");
        let run = |at: &[f64]| {
            watched(
                &limit,
                "{ delay = \"3s\" }",
                "{ use = \"limit\", steps = [{ call = \"f\" }] }",
                at,
            )
        };
        // The first replica is marked at 1 s, the second at 6 s: nobody is left.
        let o = run(&[0.0, 5.0, 10.0, 15.0]);
        near(figure(&o, "balancer.edge", "marked_down") * 20.0, 2.0, 1e-9);
        near(figure(&o, "flow.caller", "failures_timed_out") * 20.0, 2.0, 1e-9);
        near(
            figure(&o, "flow.caller", "failures_unavailable") * 20.0,
            2.0,
            1e-9,
        );
    }
}

#[test]
fn a_rejection_from_inside_the_service_is_an_answer_unless_fail_on_names_it() {
    let run = |keys: &str| {
        watched(
            &format!("{keys}\n[bulkhead.b]\nin = \"app\"\nmax-concurrent-calls = 1"),
            "{ use = \"b\", steps = [{ delay = \"1s\" }] }",
            "{ call = \"f\" }",
            &[0.0, 0.0, 0.1, 0.1, 3.0],
        )
    };
    let o = run("");
    assert_eq!(figure(&o, "balancer.edge", "marked_down"), 0.0);
    near(figure(&o, "flow.caller", "failures_rejected") * 20.0, 2.0, 1e-9);
    near(figure(&o, "flow.caller", "throughput") * 20.0, 3.0, 1e-9);
    let o = run("fail-on = [\"rejected\"]");
    near(figure(&o, "balancer.edge", "marked_down") * 20.0, 2.0, 1e-9);
    near(
        figure(&o, "flow.caller", "failures_unavailable") * 20.0,
        1.0,
        1e-9,
    );
}

#[test]
fn a_refused_connection_of_another_service_is_an_answer_of_this_one() {
    // The inner service has one thread, no queue and closes what it cannot run: the outer one answers with an error.
    let o = watched(
        "[service.inner]\n[thread-pool.http]\nin = \"inner\"\nmax-threads = 1\nmax-queue-capacity = 0\n\
         [flow.g]\nat = \"inner\"\nsteps = [{ use = \"http\", steps = [{ delay = \"1s\" }] }]",
        "{ call = \"g\" }",
        "{ call = \"f\" }",
        &[0.0, 0.1, 0.2, 3.0],
    );
    near(figure(&o, "flow.caller", "failures_rejected") * 20.0, 2.0, 1e-9);
    assert_eq!(figure(&o, "balancer.edge", "marked_down"), 0.0);
    near(figure(&o, "flow.caller", "throughput") * 20.0, 2.0, 1e-9);
}

#[test]
fn of_replicas_with_as_few_connections_the_next_in_turn_is_taken() {
    for more in ["", "weights = [1, 1]\n", "weights = [3, 3]\n"] {
        let text = format!(
            "[service.app]\nreplicas = 2\n[balancer.edge]\nto = \"app\"\npolicy = \"least-connections\"\n{more}\
             [flow.f]\nat = \"app\"\nsteps = [{{ delay = \"1ms\" }}]\n\
             [[timeline]]\nat = \"500ms\"\npause = \"app\"\nreplica = 1\nfor = \"100s\"\n{}",
            requests(&[(0.0, "f"), (1.0, "f"), (2.0, "f"), (3.0, "f")])
        );
        // The second goes to the other replica, which stands still; it has one connection from then on.
        let o = observe(&text, 10.0);
        near(figure(&o, "flow.f", "throughput"), 0.3, 1e-9);
    }
}

/// As above, with two flows of the callers: `f` is called at once, `g` by `other`.
fn two_flows(more: &str, f: &str, g: &str, list: &[(f64, &str)]) -> Observations {
    observe(
        &format!(
            "[service.app]\nreplicas = 2\n[balancer.edge]\nto = \"app\"\nmax-fails = 1\nfail-timeout = \"30s\"\n{more}\n\
             [flow.f]\nat = \"app\"\nsteps = [{f}]\n[flow.g]\nat = \"app\"\nsteps = [{g}]\n\
             [flow.caller]\nsteps = [{{ use = \"limit\", steps = [{{ call = \"f\" }}] }}]\n\
             [flow.other]\nsteps = [{{ call = \"g\" }}]\n{}",
            requests(list)
        ),
        20.0,
    )
}

#[test]
fn each_call_is_judged_by_its_own_end_while_another_is_overdue() {
    // The first replica is marked at 1 s, though its call goes on until 3 s; the second one by the failure at 2 s.
    let limit =
        "fail-on = [\"failed\"]\n[time-limiter.limit]\ntimeout-duration = \"1s\"\ncancel-running = false";
    let o = two_flows(
        limit,
        "{ delay = \"3s\" }",
        "{ delay = \"500ms\" }, { fail = 1.0 }",
        &[(0.0, "caller"), (1.5, "other"), (5.0, "other")],
    );
    near(figure(&o, "balancer.edge", "marked_down") * 20.0, 2.0, 1e-9);
    near(figure(&o, "flow.other", "failures_unavailable") * 20.0, 1.0, 1e-9);
}

#[test]
fn a_call_that_ends_with_its_process_speaks_against_that_replica() {
    let outage = "[[timeline]]\nat = \"1s\"\noutage = \"app\"\nreplica = 1\nfor = \"1s\"";
    // The second call is at the second replica.
    let o = watched(outage, "{ delay = \"3s\" }", "{ call = \"f\" }", &[0.0, 0.1]);
    near(figure(&o, "flow.caller", "failures") * 20.0, 1.0, 1e-9);
    near(figure(&o, "balancer.edge", "marked_down") * 20.0, 1.0, 1e-9);
}

#[test]
fn a_connection_that_the_server_closes_unread_speaks_against_the_replica() {
    let pool = "[thread-pool.http]\nin = \"app\"\nmax-threads = 1\nmax-queue-capacity = 0";
    let inside = "{ use = \"http\", steps = [{ delay = \"1s\" }] }";
    let run = |more: &str, at: &[f64]| {
        let o = watched(&format!("{pool}\n{more}"), inside, "{ call = \"f\" }", at);
        near(
            figure(&o, "flow.caller", "failures_rejected") * 20.0,
            figure(&o, "balancer.edge", "marked_down") * 20.0,
            1e-9,
        );
        (figure(&o, "balancer.edge", "marked_down") * 20.0).round()
    };
    // The third finds the only thread at work.
    assert_eq!(run("", &[0.0, 0.1, 0.2]), 1.0);
    // Those that wait to be accepted during a pause find it taken up by the first of them.
    let pause = "[[timeline]]\nat = \"500ms\"\npause = \"app\"\nfor = \"1s\"";
    assert_eq!(run(pause, &[0.6, 0.7, 0.8, 0.9]), 2.0);
}

#[test]
fn of_weighted_replicas_with_as_few_connections_the_next_in_turn_is_taken() {
    for more in ["", "weights = [1, 1]\n", "weights = [3, 3]\n"] {
        let text = format!(
            "[service.app]\nreplicas = 2\n[balancer.edge]\nto = \"app\"\npolicy = \"least-connections\"\n{more}\
             [flow.f]\nat = \"app\"\nsteps = [{{ delay = \"1ms\" }}]\n\
             [[timeline]]\nat = \"1500ms\"\npause = \"app\"\nreplica = 0\nfor = \"100s\"\n{}",
            requests(&[(0.0, "f"), (1.0, "f"), (2.0, "f"), (3.0, "f")])
        );
        // The third goes to the first replica, which stands still.
        near(figure(&observe(&text, 10.0), "flow.f", "throughput"), 0.3, 1e-9);
    }
}
