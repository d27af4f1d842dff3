use super::*;

/// A job of 2 s at the only server at time 0, under a limit of 500 ms, and a short one at 600 ms.
fn model(limiter: &str) -> String {
    format!(
        "[station.server]\n[time-limiter.limit]\ntimeout-duration = \"500ms\"\n{limiter}\n\
         [flow.long]\nsteps = [{{ use = \"limit\", steps = [{{ use = \"server\", time = \"2s\" }}] }}]\n\
         [flow.short]\nsteps = [{{ use = \"server\", time = \"100ms\" }}]\n{}",
        requests(&[(0.0, "long"), (0.6, "short")])
    )
}

#[test]
fn a_caller_leaves_when_its_time_is_up() {
    let o = observe(&model(""), 10.0);
    near(figure(&o, "flow.long", "failure_time_mean"), 0.5, 1e-9);
    near(figure(&o, "flow.long", "failures_timed_out"), 0.1, 1e-9);
    assert_eq!(figure(&o, "time-limiter.limit", "calls_timeout"), 1.0);
}

#[test]
fn cancelled_work_gives_back_what_it_holds() {
    let o = observe(&model(""), 10.0);
    near(figure(&o, "flow.short", "response_time_mean"), 0.1, 1e-9);
    near(figure(&o, "station.server", "busy_mean"), 0.06, 1e-9);
}

#[test]
fn work_that_is_not_cancelled_goes_on_without_its_caller() {
    let o = observe(&model("cancel-running = false"), 10.0);
    near(figure(&o, "flow.long", "failure_time_mean"), 0.5, 1e-9);
    near(figure(&o, "flow.short", "response_time_mean"), 1.5, 1e-9);
    near(figure(&o, "station.server", "busy_mean"), 0.21, 1e-9);
}

#[test]
fn a_wait_in_a_line_outlives_its_caller_too() {
    let model = |limiter| {
        format!(
            "[station.server]\n[time-limiter.limit]\ntimeout-duration = \"500ms\"\n{limiter}\n\
             [flow.call]\nsteps = [{{ use = \"limit\", steps = [{{ use = \"server\", time = \"400ms\" }}] }}]\n{}",
            requests(&[(0.0, "call"), (0.01, "call"), (0.02, "call")])
        )
    };
    let o = observe(&model("cancel-running = false"), 10.0);
    near(figure(&o, "station.server", "busy_mean"), 0.12, 1e-9);
    near(figure(&o, "flow.call", "throughput"), 0.1, 1e-9);
    let o = observe(&model(""), 10.0);
    // The second is served from 400 ms to 510 ms, the third from there to 520 ms.
    near(figure(&o, "station.server", "busy_mean"), 0.052, 1e-9);
}

/// A call under a limit of 1 s at time 0, another one without a limit at 2 s.
fn interrupted(parts: &str, inside: &str) -> Observations {
    observe(
        &format!(
            "[database.store]\n[service.api]\n[time-limiter.limit]\n{parts}\n\
             [flow.limited]\nat = \"api\"\nsteps = [{{ use = \"limit\", steps = [{inside}] }}]\n\
             [flow.free]\nat = \"api\"\nsteps = [{inside}]\n{}",
            requests(&[(0.0, "limited"), (2.0, "free")])
        ),
        30.0,
    )
}

#[test]
fn an_interrupted_thread_reads_the_answer_of_its_query_first() {
    let parts = "[connection-pool.db]\nin = \"api\"\nmaximum-pool-size = 1\n";
    let query = "{ query = \"store\", time = \"5s\" }";
    let o = interrupted(
        parts,
        &format!("{{ use = \"db\", steps = [{query}, {{ delay = \"1s\" }}, {query}] }}"),
    );
    near(figure(&o, "flow.limited", "failure_time_mean"), 1.0, 1e-9);
    // The connection is free after 5 s, not after 1 s and not after 11 s.
    near(figure(&o, "flow.free", "response_time_mean"), 3.0 + 11.0, 1e-9);
    near(figure(&o, "database.store", "busy_mean"), 15.0 / 30.0, 1e-9);
}

#[test]
fn an_interrupted_wait_in_the_process_ends_at_once() {
    let parts = "[connection-pool.db]\nin = \"api\"\nmaximum-pool-size = 1\n\
                 [flow.first]\nat = \"api\"\nsteps = [{ use = \"db\", steps = [{ delay = \"1.5s\" }] }]\n";
    let o = observe(
        &format!(
            "[service.api]\n[time-limiter.limit]\n{parts}[flow.limited]\nat = \"api\"\nsteps = [{{ use = \"limit\", \
             steps = [{{ use = \"db\", steps = [{{ delay = \"1s\" }}] }}] }}]\n{}",
            requests(&[(0.0, "first"), (0.1, "limited")])
        ),
        10.0,
    );
    near(figure(&o, "flow.limited", "failure_time_mean"), 1.0, 1e-9);
    near(figure(&o, "connection-pool.db", "busy_mean"), 0.15, 1e-9);
    // A sleep ends too, and gives back what its thread holds.
    let o = interrupted(
        "[connection-pool.db]\nin = \"api\"\nmaximum-pool-size = 1\n",
        "{ use = \"db\", steps = [{ delay = \"5s\" }] }",
    );
    near(figure(&o, "flow.free", "response_time_mean"), 5.0, 1e-9);
}

#[test]
fn a_call_goes_on_without_its_caller_and_is_not_tried_again() {
    let parts = "[service.remote]\n[thread-pool.threads]\nin = \"remote\"\nmax-threads = 1\n[retry.again]\nmax-attempts = 3\n\
                 [flow.work]\nat = \"remote\"\nsteps = [{ use = \"threads\", steps = [{ delay = \"5s\" }, { fail = \"100%\" }] }]\n";
    let o = interrupted(parts, "{ use = \"again\", steps = [{ call = \"work\" }] }");
    near(figure(&o, "flow.limited", "failure_time_mean"), 1.0, 1e-9);
    // One attempt of the first, 5 s; three of the second, each of which waits for nobody but the first.
    near(
        figure(&o, "flow.free", "failure_time_mean"),
        3.0 + 15.0 + 2.0 * 0.5,
        1e-9,
    );
    near(figure(&o, "thread-pool.threads", "busy_mean"), 20.0 / 30.0, 1e-9);
}

#[test]
fn a_computation_is_finished_before_the_interrupt_is_heard() {
    let o = observe(
        &format!(
            "[host.box]\n[service.api]\nhost = \"box\"\n[time-limiter.limit]\n[flow.limited]\nat = \"api\"\n\
             steps = [{{ use = \"limit\", steps = [{{ cpu = \"3s\" }}, {{ cpu = \"3s\" }}] }}]\n{}",
            requests(&[(0.0, "limited")])
        ),
        10.0,
    );
    near(figure(&o, "flow.limited", "failure_time_mean"), 1.0, 1e-9);
    near(figure(&o, "host.box", "busy_mean"), 0.3, 1e-9);
}

#[test]
fn a_failure_inside_reaches_the_caller_of_work_that_runs_apart() {
    let o = observe(
        &format!(
            "[time-limiter.limit]\ncancel-running = false\n\
             [flow.call]\nsteps = [{{ use = \"limit\", steps = [{{ delay = \"20ms\" }}, {{ fail = \"100%\" }}] }}]\n{}",
            requests(&[(0.0, "call")])
        ),
        10.0,
    );
    near(figure(&o, "flow.call", "failures_failed"), 0.1, 1e-9);
    near(figure(&o, "flow.call", "failure_time_mean"), 0.02, 1e-9);
    assert_eq!(figure(&o, "time-limiter.limit", "calls_failed"), 1.0);
}

#[test]
fn work_that_runs_apart_draws_the_same_numbers() {
    let model = |cancel: bool| {
        format!(
            "[station.server]\nservers = 2\n[time-limiter.limit]\ntimeout-duration = \"1h\"\ncancel-running = {cancel}\n\
             [flow.call]\nsteps = [{{ use = \"limit\", steps = [{{ use = \"server\", time = \"exp(100ms)\" }}] }}]\n\
             [workload.users]\nexecutor = \"poisson\"\nrate = \"12/s\"\n"
        )
    };
    let (a, b) = (observe(&model(true), 100.0), observe(&model(false), 100.0));
    for name in ["throughput", "response_time_mean", "response_time_max"] {
        assert_eq!(
            figure(&a, "flow.call", name),
            figure(&b, "flow.call", name),
            "{name}"
        );
    }
}

#[test]
fn work_without_a_caller_dies_with_its_process() {
    let model = |stop: &str| {
        format!(
            "[host.box]\n[service.api]\nhost = \"box\"\n[station.server]\nin = \"api\"\n\
             [time-limiter.limit]\nin = \"api\"\ntimeout-duration = \"500ms\"\ncancel-running = false\n\
             [flow.call]\nat = \"api\"\nsteps = [{{ use = \"limit\", steps = [{{ use = \"server\", time = \"5s\" }}] }}]\n{stop}\n{}",
            requests(&[(0.0, "call")])
        )
    };
    let o = observe(&model(""), 10.0);
    near(figure(&o, "station.server", "busy_mean"), 0.5, 1e-9);
    let o = observe(&model("[[timeline]]\nat = \"2s\"\nstop = \"api\""), 10.0);
    near(figure(&o, "station.server", "busy_mean"), 0.2, 1e-9);
}

#[test]
fn a_paused_process_notices_its_deadline_after_the_pause() {
    let o = observe(
        &format!(
            "[host.box]\n[service.api]\nhost = \"box\"\n\
             [time-limiter.limit]\nin = \"api\"\ntimeout-duration = \"500ms\"\n\
             [flow.call]\nat = \"api\"\nsteps = [{{ use = \"limit\", steps = [{{ delay = \"5s\" }}] }}]\n\
             [[timeline]]\nat = \"300ms\"\npause = \"api\"\nfor = \"1s\"\n{}",
            requests(&[(0.0, "call")])
        ),
        10.0,
    );
    near(figure(&o, "flow.call", "failure_time_mean"), 1.3, 1e-9);
}

#[test]
fn a_time_limiter_needs_steps() {
    let said = refusal(
        "[time-limiter.limit]\n[flow.call]\nsteps = [{ use = \"limit\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n",
    );
    assert!(said.contains("a time limiter needs `steps`"), "{said}");
}
