//! What happens to callers while the process they called from stands still, restarts, or has left.

use super::*;

/// Service `s`, paused from 1 s to 6 s, and `t`, whose flow `c` takes 2 s. Requests of flow `a` run `steps` at `s`.
fn paused(tables: &str, steps: &str, list: &[(f64, &str)]) -> Observations {
    observe(
        &format!(
            "[service.s]\n[service.t]\n{tables}\n[flow.c]\nat = \"t\"\nsteps = [{{ delay = \"2s\" }}]\n\
             [flow.bad]\nat = \"t\"\nsteps = [{{ delay = \"2s\" }}, {{ fail = 1.0 }}]\n\
             [flow.a]\nat = \"s\"\nsteps = [{steps}]\n\
             [[timeline]]\nat = \"1s\"\npause = \"s\"\nfor = \"5s\"\n{}",
            requests(list)
        ),
        30.0,
    )
}

const WORK: &str = "{ delay = \"1s\" }";

#[track_caller]
fn takes(tables: &str, steps: &str, seconds: f64) {
    let o = paused(tables, steps, &[(0.0, "a")]);
    near(figure(&o, "flow.a", "response_time_max"), seconds, 1e-9);
}

#[test]
fn a_paused_process_sees_the_answer_of_a_call_after_the_pause() {
    takes("", &format!("{{ call = \"c\" }}, {WORK}"), 7.0);
    takes("", "{ call = \"c\" }, { call = \"c\" }", 8.0);
    takes(
        "[host.h]\n",
        "{ call = \"c\" }, { cpu = \"1s\", on = \"h\" }",
        7.0,
    );
    // The process of another service goes on.
    let o = observe(
        &format!(
            "[service.s]\n[service.t]\n[service.u]\n[flow.d]\nat = \"u\"\nsteps = [{WORK}]\n[flow.c]\nat = \"t\"\n\
             steps = [{{ call = \"d\" }}, {WORK}]\n[flow.a]\nat = \"s\"\nsteps = [{{ call = \"c\" }}]\n\
             [[timeline]]\nat = \"500ms\"\npause = \"s\"\nfor = \"5s\"\n{}",
            requests(&[(0.0, "a"), (1.0, "c")])
        ),
        20.0,
    );
    near(figure(&o, "flow.c", "response_time_max"), 2.0, 1e-9);
    near(figure(&o, "flow.a", "response_time_max"), 5.5, 1e-9);
}

#[test]
fn a_paused_process_hears_of_a_failed_call_after_the_pause() {
    takes(
        "",
        &format!("{{ try = [{{ call = \"bad\" }}], else = [{WORK}] }}"),
        7.0,
    );
    let retry = "[retry.r]\nmax-attempts = 2\nwait-duration = \"500ms\"\n";
    let o = paused(
        retry,
        "{ use = \"r\", steps = [{ call = \"bad\" }] }",
        &[(0.0, "a")],
    );
    near(figure(&o, "flow.a", "failure_time_mean"), 8.5, 1e-9);
}

#[test]
fn what_is_held_around_a_call_is_given_back_after_the_pause() {
    let pool = "[connection-pool.p]\nmaximum-pool-size = 1\n[flow.b]\nsteps = [{ use = \"p\", steps = [{ delay = \"0s\" }] }]\n";
    let steps = "{ use = \"p\", steps = [{ call = \"c\" }] }";
    let o = paused(pool, steps, &[(0.0, "a"), (2.5, "b")]);
    near(figure(&o, "flow.b", "response_time_max"), 3.5, 0.01);
}

#[test]
fn a_limit_without_a_service_passes_by_the_clock_of_its_caller() {
    let limiter = "[time-limiter.l]\ntimeout-duration = \"1500ms\"\ncancel-running = false\n\
                   [flow.long]\nat = \"t\"\nsteps = [{ delay = \"20s\" }]\n";
    let steps = "{ use = \"l\", steps = [{ call = \"long\" }] }";
    let o = paused(limiter, steps, &[(0.0, "a")]);
    near(figure(&o, "flow.a", "failure_time_mean"), 6.0, 1e-9);
    // Who called from elsewhere notices in time.
    let o = paused(
        &format!(
            "{limiter}[service.u]\n[flow.e]\nat = \"u\"\nsteps = [{{ use = \"l\", steps = [{{ call = \"c\" }}] }}]\n"
        ),
        steps,
        &[(0.0, "a"), (0.1, "e")],
    );
    near(figure(&o, "flow.e", "failure_time_mean"), 1.5, 1e-9);
}

#[test]
fn a_process_that_only_finishes_what_it_has_can_be_paused() {
    let o = observe(
        &format!(
            "[service.s]\ngraceful-shutdown = \"10s\"\n[flow.a]\nat = \"s\"\nsteps = [{{ delay = \"2s\" }}, {{ delay = \"500ms\" }}]\n\
             [[timeline]]\nat = \"1s\"\nstop = \"s\"\n[[timeline]]\nat = \"1500ms\"\npause = \"s\"\nfor = \"2s\"\n{}",
            requests(&[(0.0, "a")])
        ),
        20.0,
    );
    near(figure(&o, "flow.a", "response_time_max"), 4.0, 1e-9);
}

#[test]
fn a_new_process_begins_when_a_consumer_of_the_old_one_has_finished() {
    // Restarted at 1 s while a record is in hand until 4 s: it begins then, and takes requests 3 s later.
    for grace in ["", "graceful-shutdown = \"30s\"\n"] {
        let source = format!(
            "[service.s]\nstart-up-time = \"3s\"\n{grace}[topic.t]\nlinger = \"0s\"\n[consumer.c]\ntopic = \"t\"\nin = \"s\"\n\
             steps = [{{ delay = \"4s\" }}]\n[flow.send]\nsteps = [{{ publish = \"t\" }}]\n[flow.ask]\nat = \"s\"\nsteps = []\n\
             [[timeline]]\nat = \"1s\"\nrestart = \"s\"\n{}",
            requests(&[(0.0, "send"), (4.5, "ask"), (6.9, "ask"), (7.1, "ask")])
        );
        let o = observe(&source, 20.0);
        near(figure(&o, "flow.ask", "failures_unavailable") * 20.0, 2.0, 1e-9);
        near(figure(&o, "flow.ask", "throughput") * 20.0, 1.0, 1e-9);
    }
}

#[test]
fn a_call_that_is_given_up_is_no_open_connection_any_more() {
    // Replica 0 hangs. Who comes every 4 s and waits 2 s meets it every other time, whoever it is that gives up.
    let common = "[service.t]\nreplicas = 2\n[balancer.b]\nto = \"t\"\npolicy = \"least-connections\"\n\
                  [flow.c]\nat = \"t\"\nsteps = [{ delay = \"1s\" }]\n[[timeline]]\nat = \"0s\"\npause = \"t\"\nfor = \"60s\"\nreplica = 0\n";
    let limiter = format!(
        "{common}[time-limiter.l]\ntimeout-duration = \"2s\"\n[flow.a]\nsteps = [{{ use = \"l\", steps = [{{ call = \"c\" }}] }}]\n{}",
        requests(&[(1.0, "a"), (5.0, "a"), (9.0, "a"), (13.0, "a")])
    );
    let o = observe(&limiter, 30.0);
    near(figure(&o, "flow.a", "failures_timed_out") * 30.0, 2.0, 1e-9);
    let client = format!(
        "{common}[workload.w]\nexecutor = \"renewal\"\ninterarrival = \"4s\"\nflow = \"c\"\ntimeout = \"2s\"\n"
    );
    let o = observe(&client, 30.0);
    near(figure(&o, "flow.c", "failures_client_timeout") * 30.0, 4.0, 1.01);
}

#[test]
fn what_an_interrupted_thread_only_returns_from_has_succeeded() {
    // The call inside the breaker is not interrupted, its caller leaves after 1 s; the breaker sees a good answer.
    let model = |step: &str| {
        format!(
            "[service.s]\n[time-limiter.l]\n[circuit-breaker.k]\n[external.e]\ntime = \"3s\"\n\
             [flow.a]\nat = \"s\"\nsteps = [{{ use = \"l\", steps = [{{ use = \"k\", steps = [{step}] }}] }}]\n{}",
            requests(&[(0.0, "a")])
        )
    };
    let calls = |step: &str| {
        let o = observe(&model(step), 10.0);
        let of = |name| figure(&o, "circuit-breaker.k", name);
        (of("calls_successful"), of("calls_failed"))
    };
    assert_eq!(calls("{ use = \"e\" }"), (1.0, 0.0));
    // A sleep throws, also behind the call.
    assert_eq!(calls("{ use = \"e\" }, { delay = \"1s\" }"), (0.0, 1.0));
    assert_eq!(calls("{ delay = \"3s\" }"), (0.0, 1.0));
}

#[test]
fn a_branch_that_outlives_who_took_a_lock_holds_it_on() {
    let o = observe(
        &format!(
            "[lock.l]\n[time-limiter.t]\ncancel-running = false\n\
             [flow.a]\nsteps = [{{ use = \"l\", steps = [{{ use = \"t\", steps = [{{ use = \"l\", steps = [{{ delay = \"5s\" }}] }}] }}] }}]\n\
             [flow.b]\nsteps = [{{ use = \"l\", steps = [{{ delay = \"1s\" }}] }}]\n{}",
            requests(&[(0.0, "a"), (0.5, "b"), (10.0, "b")])
        ),
        20.0,
    );
    near(figure(&o, "flow.a", "failure_time_mean"), 1.0, 1e-9);
    near(figure(&o, "flow.b", "response_time_max"), 5.5, 1e-9);
    near(figure(&o, "flow.b", "response_time_mean"), 3.25, 1e-9);
}

#[test]
fn a_key_of_another_state_leaves_a_breaker_what_it_knows() {
    // Three of four failures that open it, then a key that concerns the open state only.
    let failures = |set: &str| {
        let o = observe(
            &format!(
                "[circuit-breaker.k]\nsliding-window-size = 10\nminimum-number-of-calls = 4\n\
                 [flow.bad]\nsteps = [{{ use = \"k\", steps = [{{ fail = 1.0 }}] }}]\n\
                 [[timeline]]\nat = \"4s\"\nset = {{ \"circuit-breaker.k.{set}\" = {} }}\n{}",
                match set {
                    "sliding-window-size" => "20",
                    _ => "\"30s\"",
                },
                requests(&[
                    (1.0, "bad"),
                    (2.0, "bad"),
                    (3.0, "bad"),
                    (5.0, "bad"),
                    (6.0, "bad")
                ])
            ),
            10.0,
        );
        figure(&o, "circuit-breaker.k", "not_permitted_calls")
    };
    assert_eq!(failures("wait-duration-in-open-state"), 1.0);
    // Another window begins empty.
    assert_eq!(failures("sliding-window-size"), 0.0);
}

#[test]
fn a_group_that_was_empty_waits_for_more_members() {
    let lag = |keys: &str, members: &str, at: f64| {
        let source = format!(
            "[service.s]\nreplicas = 2\n[topic.t]\nlinger = \"0s\"\npartitions = 2\n[consumer.c]\ntopic = \"t\"\nin = \"s\"\n{keys}\
             steps = [{{ delay = \"1ms\" }}]\n[flow.send]\nsteps = [{{ publish = \"t\" }}]\n\
             [[timeline]]\nat = \"1s\"\nstop = \"s\"\n{members}{}",
            requests(&[(2.5, "send")])
        );
        super::consumer::lag_at(&source, at)
    };
    let first = "[[timeline]]\nat = \"2s\"\nstart = \"s\"\nreplica = 0\n";
    assert_eq!((lag("", first, 4.9), lag("", first, 5.1)), (1.0, 0.0));
    // One that comes meanwhile prolongs it once.
    let both = format!("{first}[[timeline]]\nat = \"4s\"\nstart = \"s\"\nreplica = 1\n");
    assert_eq!((lag("", &both, 7.9), lag("", &both, 8.1)), (1.0, 0.0));
    assert_eq!(lag("initial-rebalance-delay = \"0s\"\n", first, 2.6), 0.0);
    // No longer than until the rebalance times out.
    let short = "max-poll-interval = \"4s\"\n";
    assert_eq!((lag(short, &both, 5.9), lag(short, &both, 6.1)), (1.0, 0.0));
}

#[test]
fn members_that_crashed_are_counted_when_they_are_missed() {
    let source = format!(
        "[service.s]\n[topic.t]\n[consumer.c]\ntopic = \"t\"\nin = \"s\"\non-stop = \"crash\"\nsteps = [{{ delay = \"1ms\" }}]\n\
         [flow.send]\nsteps = [{{ publish = \"t\" }}]\n[[timeline]]\nat = \"1s\"\nstop = \"s\"\n{}",
        requests(&[(0.0, "send")])
    );
    let missed =
        |seconds: f64| figure(&observe(&source, seconds), "consumer.c", "session_timeouts") * seconds;
    near(missed(45.5), 0.0, 1e-9);
    near(missed(46.5), 1.0, 1e-9);
}

#[test]
fn an_idle_connection_is_closed_after_its_time_and_not_counted_any_more() {
    // A request of 100 ms every 10.1 s; the connection idles for 3 s of it.
    let o = observe(
        "[thread-pool.h]\nkeep-alive-timeout = \"3s\"\n[flow.a]\nsteps = [{ use = \"h\", steps = [{ delay = \"100ms\" }] }]\n\
         [workload.w]\nexecutor = \"users\"\nusers = 10\nflow = \"a\"\nthink-time = \"10s\"\n",
        1010.0,
    );
    near(
        figure(&o, "thread-pool.h", "connections_idle_mean"),
        10.0 * 3.0 / 10.1,
        0.02,
    );
    near(
        figure(&o, "thread-pool.h", "connections_open_mean"),
        10.0 * 3.1 / 10.1,
        0.02,
    );
}

#[test]
fn all_of_all_branches_fail_as_soon_as_one_has() {
    let at = |join: &str| {
        let o = observe(
            &format!(
                "[flow.a]\nsteps = [{{ parallel = [{{ steps = [{{ delay = \"1s\" }}, {{ fail = 1.0 }}] }}, {{ steps = [{{ delay = \"5s\" }}] }}]{join} }}]\n{}",
                requests(&[(0.0, "a")])
            ),
            10.0,
        );
        figure(&o, "flow.a", "failure_time_mean")
    };
    near(at(""), 5.0, 1e-9);
    near(at(", join = 2"), 1.0, 1e-9);
}

#[test]
fn a_server_outside_is_free_when_it_has_answered_whoever_hears_of_it() {
    // Replica 0 asks from 0 to 1 s and is paused from 0.5 to 2.5 s; replica 1 asks at 1.1 s.
    for (table, step) in [
        (
            "[database.x]\nparallelism = 1\n",
            "{ query = \"x\", time = \"1s\" }",
        ),
        ("[station.x]\n", "{ use = \"x\", time = \"1s\" }"),
        (
            "[external.x]\nconcurrency = 1\ntime = \"1s\"\n",
            "{ use = \"x\" }",
        ),
    ] {
        let o = observe(
            &format!(
                "[service.s]\nreplicas = 2\n{table}[flow.a]\nat = \"s\"\nsteps = [{step}]\n\
                 [[timeline]]\nat = \"500ms\"\npause = \"s\"\nfor = \"2s\"\nreplica = 0\n{}",
                requests(&[(0.0, "a"), (1.1, "a")])
            ),
            10.0,
        );
        near(figure(&o, "flow.a", "response_time_max"), 2.5, 1e-9);
        near(
            figure(&o, "flow.a", "response_time_mean"),
            (2.5 + 1.0) / 2.0,
            1e-9,
        );
        near(
            figure(
                &o,
                &format!("{}.x", &table[1..table.find('.').unwrap_or(1)]),
                "busy_mean",
            ) * 10.0,
            2.0,
            1e-9,
        );
    }
}

#[test]
fn one_that_holds_a_server_for_its_own_steps_holds_it_through_its_pause() {
    let o = observe(
        &format!(
            "[service.s]\nreplicas = 2\n[station.x]\n[flow.a]\nat = \"s\"\nsteps = [{{ use = \"x\", steps = [{{ delay = \"1s\" }}] }}]\n\
             [[timeline]]\nat = \"500ms\"\npause = \"s\"\nfor = \"2s\"\nreplica = 0\n{}",
            requests(&[(0.0, "a"), (1.1, "a")])
        ),
        10.0,
    );
    near(
        figure(&o, "flow.a", "response_time_mean"),
        (2.5 + 2.4) / 2.0,
        1e-9,
    );
}

#[test]
fn the_cpu_of_a_query_is_the_servers_own() {
    let taken = |service: &str, timeline: &str| {
        let o = observe(
            &format!(
                "[service.s]\nhost = {{ cores = 4 }}\n{service}[database.d]\ncores = 1\n\
                 [flow.a]\nat = \"s\"\nsteps = [{{ query = \"d\", cpu = \"500ms\" }}]\n{timeline}{}",
                requests(&[(0.0, "a")])
            ),
            10.0,
        );
        let used = o.figure("service.s", "cpu_used").unwrap_or(0.0);
        (
            figure(&o, "flow.a", "response_time_max"),
            figure(&o, "host.d", "busy_mean") * 10.0,
            used,
        )
    };
    // A pause of the caller stops nothing of it, and a limit of the caller neither holds nor counts it.
    let pause = "[[timeline]]\nat = \"100ms\"\npause = \"s\"\nfor = \"200ms\"\n";
    assert_eq!(taken("", pause), (0.5, 0.5, 0.0));
    assert_eq!(taken("cpu-limit = 0.1\n", ""), (0.5, 0.5, 0.0));
}

#[test]
fn a_statement_under_way_ends_with_what_outlived_its_caller_but_not_its_process() {
    let o = observe(
        &format!(
            "[service.s]\n[database.d]\nparallelism = 1\n[time-limiter.l]\ncancel-running = false\n\
             [flow.a]\nat = \"s\"\nsteps = [{{ use = \"l\", steps = [{{ query = \"d\", time = \"5s\" }}, {{ query = \"d\", time = \"5s\" }}] }}]\n\
             [flow.b]\nsteps = [{{ query = \"d\", time = \"1s\" }}]\n[[timeline]]\nat = \"2s\"\nstop = \"s\"\n{}",
            requests(&[(0.0, "a"), (0.5, "b")])
        ),
        20.0,
    );
    // The process ends at 2 s, and the statement with it.
    near(figure(&o, "flow.b", "response_time_max"), 2.5, 1e-9);
}

#[test]
fn each_goes_through_all_from_the_first_one_every_time() {
    let outbox = |steps: &str| {
        let text = format!(
            "[outbox.o]\npoll-interval = \"1s\"\nmax-retries = 0\nsteps = [{steps}]\n[station.x]\n[station.y]\n\
             [flow.a]\nsteps = [{{ publish = \"o\" }}]\n{}",
            requests(&[(0.1, "a"), (0.2, "a")])
        );
        let o = observe(&text, 10.0);
        let of = |name| figure(&o, "outbox.o", name) * 10.0;
        let came = |name| o.figure(name, "arrivals").unwrap_or(0.0) * 10.0;
        (of("sent"), of("given_up"), came("station.x"), came("station.y"))
    };
    let x = "{ each = [{ use = \"x\", time = \"1ms\" }] }";
    let y = "{ each = [{ use = \"y\", time = \"1ms\" }] }";
    assert_eq!(outbox(x), (2.0, 0.0, 2.0, 0.0));
    assert_eq!(outbox(&format!("{x}, {y}")), (2.0, 0.0, 2.0, 2.0));
    let failing = "{ each = [{ use = \"x\", time = \"1ms\" }, { fail = 1.0 }] }";
    let (sent, given_up, came, _) = outbox(failing);
    assert_eq!((sent, given_up, came), (0.0, 2.0, 2.0));
    // A fallback goes through them too.
    let instead = format!("{{ try = [{failing}], else = [{y}] }}");
    assert_eq!(outbox(&instead), (2.0, 0.0, 1.0, 2.0));
}

#[test]
fn a_batch_goes_through_its_records_again_after_a_retry() {
    let text = format!(
        "[retry.r]\nmax-attempts = 3\nwait-duration = \"10ms\"\n[station.x]\n[topic.t]\nlinger = \"0s\"\n[consumer.c]\ntopic = \"t\"\nbatch = true\n\
         retries = 0\nsteps = [{{ use = \"r\", steps = [{{ each = [{{ use = \"x\", time = \"1ms\" }}, {{ fail = 1.0 }}] }}] }}]\n\
         [flow.send]\nsteps = [{{ publish = \"t\" }}]\n{}",
        requests(&[(0.0, "send")])
    );
    let o = observe(&text, 10.0);
    near(figure(&o, "station.x", "arrivals") * 10.0, 3.0, 1e-9);
    near(figure(&o, "consumer.c", "skipped") * 10.0, 1.0, 1e-9);
    near(figure(&o, "consumer.c", "consumed"), 0.0, 1e-9);
}

#[test]
fn each_is_refused_on_another_thread_than_the_pollers() {
    for step in [
        "{ parallel = [{ steps = [{ each = [{ delay = \"1ms\" }] }] }, { steps = [] }] }",
        "{ use = \"l\", steps = [{ each = [{ delay = \"1ms\" }] }] }",
    ] {
        let said = refusal(&format!(
            "[time-limiter.l]\n[outbox.o]\nsteps = [{step}]\n[flow.a]\nsteps = [{{ publish = \"o\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n"
        ));
        assert!(said.contains("may stand inside it, not around it"), "{said}");
    }
}

#[test]
fn only_outages_and_pauses_last() {
    for verb in ["restart", "stop", "start"] {
        let said = refusal(&format!(
            "[service.s]\n[flow.a]\nat = \"s\"\nsteps = []\n[[timeline]]\nat = \"1s\"\n{verb} = \"s\"\nfor = \"3s\"\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n"
        ));
        assert!(
            said.contains(&format!("`for` says nothing of `{verb}`")),
            "{said}"
        );
    }
}
