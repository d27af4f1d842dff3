use super::*;

/// A workload whose flow `f` takes the given steps.
fn load(workload: &str, steps: &str, seconds: f64) -> Observations {
    observe(
        &format!("[flow.f]\nsteps = [{steps}]\n[workload.w]\nflow = \"f\"\n{workload}\n"),
        seconds,
    )
}

fn of(o: &Observations, name: &str) -> f64 {
    figure(o, "workload.w", name)
}

/// Requests sent in all.
fn sent(o: &Observations) -> f64 {
    (figure(o, "flow.f", "offered") * o.simulated).round()
}

fn completed(o: &Observations) -> f64 {
    (figure(o, "flow.f", "throughput") * o.simulated).round()
}

const RAMPING: &str = "executor = \"ramping-arrival-rate\"\npre-allocated-vus = 100\n\
                       stages = [{ target = \"10/s\", duration = \"10s\" }, { target = \"10/s\", duration = \"10s\" }]";

#[test]
fn a_ramp_starts_iteration_i_when_the_area_under_the_rate_is_i() {
    // From 0 to 10 a second in 10 s: iteration i at the square root of 2 i seconds.
    for (seconds, count) in [
        (1.4141, 0.0),
        (1.4143, 1.0),
        (1.9999, 1.0),
        (2.0001, 2.0),
        (2.4494, 2.0),
        (2.4495, 3.0),
        (9.9999, 49.0),
        (10.0001, 50.0),
    ] {
        assert_eq!(sent(&load(RAMPING, "", seconds)), count, "{seconds} s");
    }
}

#[test]
fn a_constant_arrival_rate_starts_at_once_and_then_evenly() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"4/s\"\npre-allocated-vus = 10";
    for (seconds, count) in [
        (0.1, 1.0),
        (0.2499, 1.0),
        (0.2501, 2.0),
        (0.5001, 3.0),
        (9.9, 40.0),
    ] {
        assert_eq!(sent(&load(w, "", seconds)), count, "{seconds} s");
    }
}

#[test]
fn at_its_duration_no_new_iteration_starts() {
    let w =
        "executor = \"constant-arrival-rate\"\nrate = \"4/s\"\npre-allocated-vus = 10\nduration = \"10s\"";
    assert_eq!(sent(&load(w, "", 20.0)), 40.0);
}

#[test]
fn without_a_free_user_an_iteration_is_dropped_and_never_made_up() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"10/s\"\npre-allocated-vus = 3";
    // Three users of one second each carry 3 of the 10 a second.
    let o = load(w, "{ delay = \"1s\" }", 99.95);
    near(of(&o, "dropped") * o.simulated, 700.0, 2.0);
    assert_eq!(sent(&o) + of(&o, "dropped_iterations"), 1000.0);
}

#[test]
fn one_user_at_a_time_is_initialised_while_arrivals_are_dropped() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"100/s\"\npre-allocated-vus = 1\nmax-vus = 11\nvu-init-time = \"50ms\"";
    let o = load(w, "{ delay = \"100s\" }", 10.0);
    assert_eq!(of(&o, "vus_max"), 11.0);
    // The second arrival, at 10 ms, asks for the first user more, ready at 60 ms, just before that arrival. Then the
    // one at 70 ms asks for the next: one every 60 ms.
    let o = load(w, "{ delay = \"100s\" }", 0.305);
    assert_eq!(of(&o, "vus_max"), 6.0);
    assert_eq!(sent(&o), 6.0);
}

#[test]
fn script_pauses_keep_a_user_busy() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"10/s\"\npre-allocated-vus = 5\nthink-time = \"900ms\"";
    let o = load(w, "{ delay = \"100ms\" }", 99.95);
    near(sent(&o) / o.simulated, 5.0, 0.1);
    near(of(&o, "iteration_duration_mean"), 1.0, 1e-4);
    near(figure(&o, "flow.f", "response_time_mean"), 0.1, 1e-9);
}

#[test]
fn a_closed_user_pauses_inside_its_iteration() {
    let o = load(
        "executor = \"constant-vus\"\nvus = 2\nthink-time = \"900ms\"",
        "{ delay = \"100ms\" }",
        10.5,
    );
    near(of(&o, "iteration_duration_mean"), 1.0, 1e-4);
    assert_eq!(completed(&o), 22.0);
    near(of(&o, "iterations") * o.simulated, 20.0, 1e-6);
}

#[test]
fn what_runs_at_the_end_is_interrupted_after_the_graceful_stop() {
    let w = "executor = \"constant-vus\"\nvus = 3\nduration = \"10s\"\ngraceful-stop = \"5s\"";
    let o = load(w, "{ delay = \"8s\" }", 100.0);
    // Begun at 0 and at 8 s; the second is due at 16 s and interrupted at 15 s.
    assert_eq!((sent(&o), completed(&o)), (6.0, 3.0));
    assert_eq!(of(&o, "interrupted"), 3.0);
    assert_eq!(figure(&o, "flow.f", "failures"), 0.0);
    let o = load(&w.replace("5s", "30s"), "{ delay = \"8s\" }", 100.0);
    assert_eq!((completed(&o), of(&o, "interrupted")), (6.0, 0.0));
}

#[test]
fn the_servers_work_goes_on_when_its_user_is_interrupted() {
    let o = observe(
        "[station.server]\nservers = 3\n[flow.f]\nsteps = [{ use = \"server\", time = \"40s\" }]\n\
         [workload.w]\nexecutor = \"constant-vus\"\nvus = 3\nduration = \"10s\"\ngraceful-stop = \"0s\"\n",
        100.0,
    );
    assert_eq!(of(&o, "interrupted"), 3.0);
    near(figure(&o, "station.server", "utilisation"), 0.4, 1e-9);
    // So does the work of those whose users had given up before, begun at 0 to 9 s.
    let o = observe(
        "[station.server]\nservers = 20\n[flow.f]\nsteps = [{ use = \"server\", time = \"40s\" }]\n\
         [workload.w]\nexecutor = \"constant-vus\"\nvus = 1\ntimeout = \"1s\"\nduration = \"9500ms\"\ngraceful-stop = \"0s\"\n",
        100.0,
    );
    assert_eq!(of(&o, "interrupted"), 1.0);
    near(figure(&o, "station.server", "busy_mean") * 100.0, 400.0, 1e-6);
}

#[test]
fn a_paused_iteration_is_interrupted_too() {
    for w in [
        "executor = \"constant-vus\"\nvus = 3",
        "executor = \"constant-arrival-rate\"\nrate = \"1000/s\"\npre-allocated-vus = 3",
    ] {
        let w = format!("{w}\nthink-time = \"30s\"\nduration = \"1s\"\ngraceful-stop = \"0s\"");
        let o = load(&w, "{ delay = \"1ms\" }", 100.0);
        assert_eq!((of(&o, "interrupted"), of(&o, "iterations")), (3.0, 0.0), "{w}");
        assert_eq!(completed(&o), 3.0);
    }
}

#[test]
fn users_follow_linear_stages() {
    let w = "executor = \"ramping-vus\"\nstart-vus = 0\ngraceful-ramp-down = \"0s\"\n\
             stages = [{ target = 10, duration = \"10s\" }, { target = 10, duration = \"5s\" }, { target = 0, duration = \"10s\" }, { target = 0, duration = \"1s\" }]";
    // The n-th user comes at n seconds; one after the other goes from 16 s on.
    let o = load(w, "{ delay = \"100ms\" }", 100.0);
    assert_eq!(of(&o, "vus_max"), 10.0);
    near(of(&o, "vus_mean") * 100.0, 45.0 + 50.0 + 55.0, 1e-3);
}

#[test]
fn a_steep_ramp_counts_whole_users() {
    let w = "executor = \"ramping-vus\"\nstart-vus = 0\ngraceful-ramp-down = \"0s\"\n\
             stages = [{ target = 7000, duration = \"1s\" }, { target = 0, duration = \"1s\" }, { target = 0, duration = \"1s\" }]";
    let o = load(w, "{ delay = \"10s\" }", 3.0);
    assert_eq!((of(&o, "vus_max"), sent(&o)), (7000.0, 7000.0));
    assert_eq!(of(&o, "interrupted"), 7000.0);
}

#[test]
fn a_removed_user_may_finish_within_the_graceful_ramp_down() {
    let w = |grace: &str| {
        format!(
            "executor = \"ramping-vus\"\nstart-vus = 1\ngraceful-ramp-down = \"{grace}\"\n\
             stages = [{{ target = 1, duration = \"1s\" }}, {{ target = 0, duration = \"1s\" }}, {{ target = 0, duration = \"60s\" }}]"
        )
    };
    let o = load(&w("30s"), "{ delay = \"10s\" }", 100.0);
    assert_eq!((completed(&o), of(&o, "interrupted")), (1.0, 0.0));
    let o = load(&w("5s"), "{ delay = \"10s\" }", 100.0);
    assert_eq!((completed(&o), of(&o, "interrupted")), (0.0, 1.0));
}

#[test]
fn shared_iterations_are_pulled_by_whoever_is_idle() {
    let o = load(
        "executor = \"shared-iterations\"\nvus = 3\niterations = 10",
        "{ delay = \"1s\" }",
        100.0,
    );
    assert_eq!((sent(&o), completed(&o)), (10.0, 10.0));
    near(of(&o, "vus_mean") * 100.0, 10.0, 1e-6);
}

#[test]
fn each_user_runs_its_own_count() {
    let o = load(
        "executor = \"per-vu-iterations\"\nvus = 3\niterations = 10",
        "{ delay = \"1s\" }",
        100.0,
    );
    assert_eq!((sent(&o), completed(&o)), (30.0, 30.0));
}

#[test]
fn iterations_left_at_the_longest_duration_are_dropped() {
    for (executor, left) in [("shared-iterations", 94.0), ("per-vu-iterations", 194.0)] {
        let w = format!("executor = \"{executor}\"\nvus = 2\niterations = 100\nmax-duration = \"2500ms\"");
        let o = load(&w, "{ delay = \"1s\" }", 100.0);
        assert_eq!(
            (completed(&o), of(&o, "dropped_iterations")),
            (6.0, left),
            "{executor}"
        );
    }
}

#[test]
fn wrk_rounds_connections_down_to_a_multiple_of_its_threads() {
    let o = load(
        "executor = \"wrk\"\nconnections = 11\nthreads = 3",
        "{ delay = \"1s\" }",
        10.5,
    );
    assert_eq!((of(&o, "vus_max"), completed(&o)), (9.0, 90.0));
}

#[test]
fn wrk_counts_an_answer_after_its_timeout_but_does_not_record_it() {
    let o = load(
        "executor = \"wrk\"\nconnections = 2\nthreads = 1",
        "{ delay = \"2s\" }",
        9.0,
    );
    assert_eq!((completed(&o), of(&o, "timeouts")), (8.0, 8.0));
    assert_eq!(o.figure("flow.f", "response_time_mean"), None);
    let o = load(
        "executor = \"wrk\"\nconnections = 2\nthreads = 1",
        "{ delay = \"1999ms\" }",
        9.0,
    );
    assert_eq!((completed(&o), of(&o, "timeouts")), (8.0, 0.0));
}

#[test]
fn wrk_and_locust_lose_what_is_in_flight_at_the_end() {
    for w in [
        "executor = \"wrk\"\nconnections = 2\nthreads = 1",
        "executor = \"locust\"\nusers = 2\nspawn-rate = 2",
    ] {
        let o = load(&format!("{w}\nduration = \"5s\""), "{ delay = \"2s\" }", 20.0);
        assert_eq!((sent(&o), completed(&o)), (6.0, 4.0), "{w}");
    }
}

#[test]
fn locust_spawns_whole_batches() {
    // 2.5 users a second: batches of two, 0.8 s apart, the first at once.
    let w = "executor = \"locust\"\nusers = 5\nspawn-rate = 2.5";
    for (seconds, users) in [(0.7, 2.0), (0.9, 4.0), (1.5, 4.0), (1.7, 5.0), (9.0, 5.0)] {
        assert_eq!(
            of(&load(w, "{ delay = \"1s\" }", seconds), "vus_max"),
            users,
            "{seconds} s"
        );
    }
    // Half a user a second: one every two seconds.
    let w = "executor = \"locust\"\nusers = 5\nspawn-rate = 0.5";
    for (seconds, users) in [(1.9, 1.0), (2.1, 2.0), (4.1, 3.0)] {
        assert_eq!(
            of(&load(w, "{ delay = \"1s\" }", seconds), "vus_max"),
            users,
            "{seconds} s"
        );
    }
}

#[test]
fn locust_spawns_one_user_a_second_by_default() {
    let o = load("executor = \"locust\"\nusers = 100", "{ delay = \"1s\" }", 4.5);
    assert_eq!(of(&o, "vus_max"), 5.0);
}

#[test]
fn constant_pacing_subtracts_the_time_of_the_task() {
    let w = "executor = \"locust\"\nusers = 1\npacing = \"1s\"";
    assert_eq!(sent(&load(w, "{ delay = \"300ms\" }", 9.5)), 10.0);
    // A task that takes longer is followed by the next at once: pacing is still a closed loop.
    assert_eq!(sent(&load(w, "{ delay = \"2s\" }", 9.5)), 5.0);
}

#[test]
fn think_time_follows_the_answer() {
    let w = "executor = \"users\"\nusers = 1\nthink-time = \"1s\"";
    assert_eq!(sent(&load(w, "{ delay = \"1s\" }", 9.5)), 5.0);
    let w = "executor = \"users\"\nusers = 1\nthink-time = \"1s\"\nthink-first = true";
    assert_eq!((sent(&load(w, "", 0.9)), sent(&load(w, "", 1.1))), (0.0, 1.0));
}

#[test]
fn recorded_arrivals_come_when_they_came() {
    let w = "executor = \"recorded\"\nfile = \"arrivals.csv\"";
    for (seconds, count) in [
        (0.4, 0.0),
        (0.6, 1.0),
        (2.1, 3.0),
        (7.4, 3.0),
        (7.6, 4.0),
        (99.0, 4.0),
    ] {
        assert_eq!(sent(&load(w, "", seconds)), count, "{seconds} s");
    }
}

/// Three requests at 0, 1 and 3 s with their own values, in a file of this name.
fn replay(name: &str, steps: &str) -> Observations {
    let file = std::env::temp_dir().join(name);
    let text = "# a load test\nid,sent_ms,service_ms,rounds\na,0,100,1\nb,1000,250.25,3\nc,3000,40,2\n";
    std::fs::write(&file, text).expect("writing a temporary file");
    let name = file.display().to_string();
    let w = format!(
        "executor = \"recorded\"\nfile = {name:?}\ntime-column = \"sent_ms\"\ntime-unit = \"1ms\"\ntimeout = \"9s\""
    );
    load(&w, steps, 10.0)
}

#[test]
fn replayed_requests_take_what_was_recorded_of_them() {
    let of = |o: &Observations, name: &str| figure(o, "flow.f", &format!("response_time_{name}"));
    let o = replay(
        "plimsoll-replay-1.csv",
        "{ delay = \"recorded(service_ms, 1ms)\" }",
    );
    near(of(&o, "mean"), 0.39025 / 3.0, 1e-9);
    near(of(&o, "max"), 0.25025, 1e-9);
    let o = replay(
        "plimsoll-replay-2.csv",
        "{ delay = \"1ms + ceil(10ms, recorded(service_ms, 1ms))\" }",
    );
    near(of(&o, "max"), 0.261, 1e-9);
    near(of(&o, "mean"), (0.101 + 0.261 + 0.041) / 3.0, 1e-9);
    // A value may stand wherever a step takes a law, in branches and rounds too.
    let step = "{ delay = \"recorded(service_ms, 1ms)\" }";
    let o = replay(
        "plimsoll-replay-3.csv",
        &format!(
            "{{ repeat = \"recorded(rounds)\", steps = [{{ parallel = [{{ steps = [{step}] }}, {{ steps = [] }}] }}] }}"
        ),
    );
    near(of(&o, "max"), 3.0 * 0.25025, 1e-9);
    near(of(&o, "mean"), (0.1 + 3.0 * 0.25025 + 0.08) / 3.0, 1e-9);
    let o = replay(
        "plimsoll-replay-5.csv",
        "{ call = \"inner\" }\n]\n[flow.inner]\nsteps = [{ delay = \"recorded(service_ms, 1ms)\" }",
    );
    near(of(&o, "max"), 0.25025, 1e-9);
}

#[test]
fn a_poisson_stream_follows_its_stages() {
    let w = "executor = \"poisson\"\nstart-rate = \"100/s\"\n\
             stages = [{ target = \"100/s\", duration = \"100s\" }, { target = \"0/s\", duration = \"100s\" }]";
    // 10,000 and 5,000 are expected; four standard deviations.
    near(sent(&load(w, "", 100.0)), 10_000.0, 400.0);
    near(sent(&load(w, "", 1000.0)), 15_000.0, 490.0);
}

#[test]
fn a_client_of_one_thread_sends_no_faster_than_it_can() {
    let w = "executor = \"users\"\nusers = 100\nclient = { threads = 1, time = \"20ms\" }";
    let o = load(w, "{ delay = \"100ms\" }", 100.0);
    near(figure(&o, "flow.f", "throughput"), 50.0, 0.2);
    // The request itself is as fast as ever; who counts from the wish to send sees the queue in the client.
    near(figure(&o, "flow.f", "response_time_mean"), 0.1, 1e-6);
    near(figure(&o, "flow.f", "intended_response_time_p50"), 2.0, 0.05);
}

#[test]
fn an_arrival_rate_through_a_slow_client_is_sent_late() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"10/s\"\npre-allocated-vus = 100\nthink-time = \"10ms\"\n\
             client = { threads = 1, time = \"200ms\" }\nduration = \"4s\"\ngraceful-stop = \"1s\"";
    let o = load(w, "{ delay = \"100ms\" }", 20.0);
    // 40 arrive, one is sent every 200 ms; at 5 s the rest is interrupted before it was sent or answered.
    assert_eq!((sent(&o), completed(&o)), (25.0, 24.0));
    near(figure(&o, "flow.f", "response_time_mean"), 0.1, 1e-6);
    assert_eq!(of(&o, "interrupted"), 40.0 - 24.0);
}

#[test]
fn a_removal_at_the_end_of_the_last_stage_interrupts_when_its_time_is_up() {
    for stages in [
        "[{ target = 0, duration = \"5s\" }]",
        "[{ target = 0, duration = \"5s\" }, { target = 0, duration = \"0s\" }]",
    ] {
        let w = |grace: &str| {
            format!(
                "executor = \"ramping-vus\"\nstart-vus = 1\nstages = {stages}\ngraceful-ramp-down = \"{grace}\""
            )
        };
        let o = load(&w("0s"), "{ delay = \"10s\" }", 20.0);
        assert_eq!((completed(&o), of(&o, "interrupted")), (0.0, 1.0), "{stages}");
        let o = load(&w("6s"), "{ delay = \"10s\" }", 20.0);
        assert_eq!((completed(&o), of(&o, "interrupted")), (1.0, 0.0), "{stages}");
    }
}

#[test]
fn users_of_an_arrival_rate_are_those_that_run_an_iteration_and_at_most_those_that_exist() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"10/s\"\npre-allocated-vus = 50";
    let o = load(w, "{ delay = \"200ms\" }", 10.0);
    near(of(&o, "vus_mean"), 2.0, 0.02);
    assert_eq!(of(&o, "vus_max"), 50.0);
}

#[test]
fn a_limit_on_requests_in_flight_counts_those_of_its_workload() {
    let o = observe(
        "[topic.t]\npartitions = 8\n[consumer.c]\ntopic = \"t\"\nconcurrency = 8\nsteps = [{ delay = \"1ms\" }]\n\
         [flow.slow]\nsteps = [{ delay = \"100s\" }]\n[flow.f]\nsteps = [{ delay = \"1ms\" }]\n\
         [workload.others]\nexecutor = \"constant-vus\"\nvus = 10\nflow = \"slow\"\n\
         [workload.w]\nexecutor = \"renewal\"\ninterarrival = \"100ms\"\nmax-in-flight = 1\nflow = \"f\"\n",
        10.05,
    );
    assert_eq!((sent(&o), of(&o, "dropped")), (100.0, 0.0));
}

#[test]
fn a_request_whose_caller_has_left_is_not_in_flight_any_more() {
    let w = "executor = \"renewal\"\ninterarrival = \"1s\"\ntimeout = \"1500ms\"\nmax-in-flight = 1";
    // Sent at 1, 3, 5, 7 and 9 s, each given up after 1.5 s; those between are dropped.
    let o = load(w, "{ delay = \"10s\" }", 10.5);
    assert_eq!((sent(&o), of(&o, "dropped") * o.simulated), (5.0, 5.0));
}

#[test]
fn a_caller_who_gives_up_asks_again_while_the_server_still_works() {
    let o = observe(
        "[station.server]\n[flow.f]\nsteps = [{ use = \"server\", time = \"1s\" }]\n\
         [workload.w]\nexecutor = \"constant-vus\"\nvus = 1\ntimeout = \"400ms\"\n",
        10.1,
    );
    assert_eq!(completed(&o), 0.0);
    near(
        figure(&o, "flow.f", "failures_client_timeout") * o.simulated,
        25.0,
        1e-6,
    );
    near(figure(&o, "flow.f", "wasted") * o.simulated, 10.0, 1e-6);
    near(figure(&o, "station.server", "utilisation"), 1.0, 1e-9);
}

#[test]
fn a_script_pauses_after_a_time_out_too() {
    let w = "executor = \"constant-arrival-rate\"\nrate = \"10/s\"\npre-allocated-vus = 1\ntimeout = \"400ms\"\nthink-time = \"550ms\"";
    let o = load(w, "{ delay = \"1h\" }", 9.95);
    // Busy for 950 ms, then the next arrival: one a second.
    assert_eq!(sent(&o), 10.0);
    near(of(&o, "iteration_duration_mean"), 0.95, 1e-4);
}

#[test]
fn an_executor_that_is_gone_is_refused() {
    let said = refusal("[flow.f]\nsteps = []\n[workload.w]\nexecutor = \"externally-controlled\"\n");
    assert!(said.contains("k6 no longer has"), "{said}");
}

#[test]
fn wrk_fills_in_what_its_connections_would_have_sent_meanwhile() {
    for connections in [1, 2, 5] {
        let text = format!(
            "[service.api]\n[flow.f]\nat = \"api\"\nsteps = [{{ delay = \"100ms\" }}]\n\
             [workload.w]\nexecutor = \"wrk\"\nconnections = {connections}\nthreads = 1\n\
             [[timeline]]\nat = \"5050ms\"\npause = \"api\"\nfor = \"1500ms\"\n"
        );
        let o = observe(&text, 10.02);
        // Each has 84 answers after 100 ms and one after 1.55 s: one in 118 ms, so twelve are filled in below that one.
        let mean = (84.0 * 0.1 + 1.55 + 12.0 * 1.55 - 78.0 * 10.02 / 85.0) / 97.0;
        near(of(&o, "latency_mean"), mean, 0.002);
        near(of(&o, "latency_max"), 1.55, 1e-9);
        near(
            figure(&o, "flow.f", "response_time_mean"),
            (84.0 * 0.1 + 1.55) / 85.0,
            1e-6,
        );
    }
}

#[test]
fn what_runs_for_a_user_that_has_given_up_runs_on_when_the_workload_ends() {
    // The user gives up at 0.5 s and the workload ends at 1 s; the answer is there at 3 s.
    let o = observe(
        "[thread-pool.http]\n[flow.f]\nsteps = [{ use = \"http\", steps = [{ delay = \"3s\" }] }]\n\
         [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"1/s\"\npre-allocated-vus = 10\n\
         duration = \"999ms\"\ngraceful-stop = \"0s\"\ntimeout = \"500ms\"\nflow = \"f\"\n",
        10.0,
    );
    near(figure(&o, "thread-pool.http", "busy_mean") * 10.0, 3.0, 1e-9);
    near(figure(&o, "flow.f", "wasted") * 10.0, 1.0, 1e-9);
}

#[test]
fn a_recording_that_is_no_text_is_refused_with_its_line() {
    let file = std::env::temp_dir().join("plimsoll-no-text.csv");
    std::fs::write(&file, b"1\n2\n\xff\xfe\n").expect("writing a temporary file");
    let said = refusal(&format!(
        "[flow.f]\nsteps = []\n[workload.w]\nexecutor = \"recorded\"\nfile = {:?}\nflow = \"f\"\n",
        file.display().to_string()
    ));
    assert!(said.contains("line 3 is no text"), "{said}");
}

#[test]
fn a_stage_whose_end_is_no_whole_number_of_nanoseconds_ends() {
    // 2 and 17 ms add up to a little more than 19 ms in binary.
    let o = observe(
        "[flow.f]\nsteps = [{ delay = \"1ms\" }]\n[workload.w]\nexecutor = \"ramping-vus\"\n\
         stages = [{ duration = \"2ms\", target = 3 }, { duration = \"17ms\", target = 3 }, { duration = \"30ms\", target = 3 }]\n",
        1.0,
    );
    assert!(figure(&o, "flow.f", "throughput") >= 3.0 * 47.0);
}

#[test]
fn who_gives_up_is_known_to_after_its_time_out_and_ends_its_iteration() {
    let o = observe(
        "[flow.f]\nsteps = [{ delay = \"5s\" }]\n[workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"1/s\"\n\
         pre-allocated-vus = 20\nduration = \"9500ms\"\nstart-time = \"3s\"\ntimeout = \"500ms\"\nflow = \"f\"\n",
        20.0,
    );
    near(figure(&o, "flow.f", "failures_client_timeout") * 20.0, 10.0, 1e-9);
    near(figure(&o, "flow.f", "failure_time_max"), 0.5, 1e-9);
    near(figure(&o, "workload.w", "iterations") * 20.0, 10.0, 1e-9);
    near(figure(&o, "workload.w", "iteration_duration_mean"), 0.5, 1e-9);
}

#[test]
fn each_user_that_is_removed_has_its_own_time_to_finish() {
    // Two users who never end; removed at 11 and 12 s after the start at 10 s, interrupted five seconds later.
    let o = observe(
        "[flow.f]\nsteps = [{ delay = \"1000s\" }]\n[workload.w]\nexecutor = \"ramping-vus\"\nstart-vus = 2\nstart-time = \"10s\"\n\
         graceful-ramp-down = \"5s\"\nstages = [{ duration = \"2s\", target = 0 }, { duration = \"20s\", target = 0 }]\n",
        40.0,
    );
    near(figure(&o, "flow.f", "inside_mean") * 40.0, 6.0 + 7.0, 1e-6);
}

#[test]
fn a_time_out_is_forgotten_with_a_request_that_a_limit_of_time_has_ended() {
    let text = "[time-limiter.l]\n[flow.a]\nsteps = [{ use = \"l\", steps = [{ delay = \"5s\" }] }]\n[flow.b]\nsteps = [{ delay = \"1s\" }]\n"
        .to_owned()
        + &requests(&[(0.0, "a"), (1.5, "b")]).replace("1h\"\nmax", "2s\"\nmax");
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.a", "failure_time_max"), 1.0, 1e-9);
    near(figure(&o, "flow.b", "response_time_max"), 1.0, 1e-9);
    assert_eq!(figure(&o, "flow.b", "failures"), 0.0);
}
