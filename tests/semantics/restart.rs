//! What a process that comes back still knows: nothing.

use super::*;

/// A service with a component of its own, restarted at 5 s and back at 6 s, and one request of each flow at each of
/// these instants. `call` takes the steps inside the component for 100 ms, `bad` fails there.
fn restarted(component: &str, calls: &[(f64, &str)], seconds: f64) -> Observations {
    observe(
        &format!(
            "[service.s]\nstart-up-time = \"1s\"\n{component}\nin = \"s\"\n\
             [flow.call]\nat = \"s\"\nsteps = [{{ use = \"own\", steps = [{{ delay = \"100ms\" }}] }}]\n\
             [flow.bad]\nat = \"s\"\nsteps = [{{ use = \"own\", steps = [{{ fail = \"100%\" }}] }}]\n\
             [[timeline]]\nat = \"5s\"\nrestart = \"s\"\n{}",
            requests(calls)
        ),
        seconds,
    )
}

#[test]
fn a_restarted_process_has_an_empty_cache() {
    let cache = "[cache.own]\nkey = \"uniform(1)\"";
    let o = restarted(
        cache,
        &[(1.0, "call"), (2.0, "call"), (8.0, "call"), (9.0, "call")],
        10.0,
    );
    assert_eq!(figure(&o, "cache.own", "hits"), 2.0);
    assert_eq!(figure(&o, "cache.own", "misses"), 2.0);
    // One that starts warm is cold afterwards.
    let warm = format!("{cache}\nwarm = true");
    let o = restarted(&warm, &[(1.0, "call"), (8.0, "call"), (9.0, "call")], 10.0);
    assert_eq!(figure(&o, "cache.own", "hits"), 2.0);
    assert_eq!(figure(&o, "cache.own", "misses"), 1.0);
}

#[test]
fn a_restarted_process_has_a_closed_breaker() {
    let breaker = "[circuit-breaker.own]\nminimum-number-of-calls = 1\nwait-duration-in-open-state = \"60s\"";
    let o = restarted(breaker, &[(1.0, "bad"), (2.0, "call"), (8.0, "call")], 10.0);
    assert_eq!(figure(&o, "circuit-breaker.own", "not_permitted_calls"), 1.0);
    assert_eq!(figure(&o, "circuit-breaker.own", "transitions_to_closed"), 0.0);
    near(figure(&o, "circuit-breaker.own", "time_open"), 4.0, 1e-9);
    near(figure(&o, "flow.call", "throughput"), 0.1, 1e-9);
}

#[test]
fn a_restarted_process_has_a_new_rate_limiter_whose_periods_count_from_there() {
    let limiter =
        "[rate-limiter.own]\nlimit-for-period = 1\nlimit-refresh-period = \"4s\"\ntimeout-duration = \"10s\"";
    // The second of the first process would wait until 8 s, and dies with it.
    let calls = [(4.1, "call"), (4.2, "call"), (7.0, "call"), (7.5, "call")];
    let o = restarted(limiter, &calls, 20.0);
    near(figure(&o, "flow.call", "failures_killed") * 20.0, 1.0, 1e-9);
    // The new one begins at 6 s: its second period at 10 s.
    near(figure(&o, "flow.call", "response_time_max"), 2.6, 1e-9);
    near(figure(&o, "flow.call", "throughput") * 20.0, 3.0, 1e-9);
}

#[test]
fn a_restarted_executor_has_no_threads_yet() {
    let pool = "[thread-pool.own]\nexecutor = \"java\"\ncore-threads = 4\nqueue-capacity = 1";
    let o = restarted(pool, &[(1.0, "call"), (2.0, "call"), (8.0, "call")], 10.0);
    assert_eq!(figure(&o, "thread-pool.own", "threads_current"), 1.0);
}

/// A service with one core, what happens to it, and one request of 100 ms at `at`.
fn one(timeline: &str, at: f64) -> Observations {
    observe(
        &format!(
            "[service.s]\nhost = {{ cores = 1 }}\nstart-up-time = \"2s\"\n\
             [flow.call]\nat = \"s\"\nsteps = [{{ cpu = \"100ms\" }}]\n{timeline}\n{}",
            requests(&[(at, "call")])
        ),
        20.0,
    )
}

fn entry(at: &str, what: &str) -> String {
    format!("[[timeline]]\nat = \"{at}\"\n{what}\n")
}

#[test]
fn a_pause_ends_with_its_process() {
    let pause = entry("500ms", "pause = \"s\"\nfor = \"10s\"");
    let restart = entry("1s", "restart = \"s\"");
    let o = one(&(pause.clone() + &restart), 4.0);
    near(figure(&o, "flow.call", "response_time_max"), 0.1, 1e-9);
    // A pause of the new process is not ended by the old one's, nor does it last as long.
    let again = entry("4500ms", "pause = \"s\"\nfor = \"7s\"");
    let o = one(&(pause.clone() + &restart + &again), 4.45);
    near(figure(&o, "flow.call", "response_time_max"), 7.1, 1e-9);
    // Pauses that overlap take their union.
    let inside = entry("1s", "pause = \"s\"\nfor = \"1s\"");
    let o = one(&(pause + &inside), 4.0);
    near(figure(&o, "flow.call", "response_time_max"), 6.6, 1e-9);
}

#[test]
fn a_process_that_is_restarted_while_it_starts_begins_anew() {
    let twice = entry("1s", "restart = \"s\"") + &entry("2s", "restart = \"s\"");
    for (at, up) in [(3.5, 0.0), (4.0, 1.0)] {
        let o = one(&twice, at);
        assert_eq!(figure(&o, "flow.call", "throughput") * 20.0, up, "{at} s");
    }
}

#[test]
fn outages_that_overlap_last_until_the_last_one_ends() {
    let long = entry("1s", "outage = \"s\"\nfor = \"5s\"");
    let short = entry("2s", "outage = \"s\"\nfor = \"1s\"");
    for (at, up) in [(4.0, 0.0), (5.9, 0.0), (6.0, 1.0)] {
        let o = one(&(long.clone() + &short), at);
        assert_eq!(figure(&o, "flow.call", "throughput") * 20.0, up, "{at} s");
    }
    // Somebody starts it by hand.
    let o = one(&(long + &entry("3s", "start = \"s\"")), 4.0);
    assert_eq!(figure(&o, "flow.call", "throughput") * 20.0, 1.0);
}

#[test]
fn what_was_stopped_stays_down_until_it_is_started_or_restarted() {
    let stop = entry("1s", "stop = \"s\"");
    let outage = entry("2s", "outage = \"s\"\nfor = \"1s\"");
    for (then, up) in [
        (String::new(), 0.0),
        (entry("4s", "start = \"s\""), 1.0),
        (entry("4s", "restart = \"s\""), 1.0),
    ] {
        let o = one(&(stop.clone() + &outage + &then), 7.0);
        assert_eq!(figure(&o, "flow.call", "throughput") * 20.0, up, "{then}");
    }
}

#[test]
fn a_call_whose_process_ends_says_nothing_to_a_breaker_and_one_that_is_interrupted_has_failed() {
    let seen = |inside: &str, timeline: &str| {
        let text = format!(
            "[service.s]\n[circuit-breaker.cb]\n[time-limiter.t]\ntimeout-duration = \"500ms\"\n\
             [flow.call]\nat = \"s\"\nsteps = [{inside}]\n{timeline}\n{}",
            requests(&[(0.0, "call")])
        );
        figure(&observe(&text, 5.0), "circuit-breaker.cb", "calls_failed")
    };
    let call = r#"{ use = "cb", steps = [{ delay = "1s" }] }"#;
    assert_eq!(seen(call, "[[timeline]]\nat = \"500ms\"\nrestart = \"s\""), 0.0);
    let limited = format!(r#"{{ use = "t", steps = [{call}] }}"#);
    assert_eq!(seen(&limited, ""), 1.0);
}

#[test]
fn what_a_cache_has_lost_before_a_restart_is_counted() {
    let calls = [1.0, 2.0, 3.0, 8.0, 9.0].map(|t| (t, "call"));
    let lost = |cache: &str, what: &str| {
        let o = restarted(&format!("[cache.own]\n{cache}"), &calls, 20.0);
        figure(&o, "cache.own", what)
    };
    // Room for one of a million keys, and one key that is too old each time.
    assert_eq!(lost("key = \"uniform(1M)\"\nmaximum-size = 1", "evictions"), 3.0);
    assert_eq!(
        lost(
            "key = \"uniform(1)\"\nexpire-after-write = \"500ms\"",
            "expirations"
        ),
        3.0
    );
}

#[test]
fn periods_of_a_restarted_rate_limiter_count_from_its_start_also_when_it_is_set() {
    let limiter =
        "[rate-limiter.own]\nlimit-for-period = 1\nlimit-refresh-period = \"4s\"\ntimeout-duration = \"10s\"";
    let set = "[[timeline]]\nat = \"7s\"\nset = { \"rate-limiter.own.limit-refresh-period\" = \"3s\" }\n";
    let text = |set: &str| {
        format!(
            "[service.s]\nstart-up-time = \"1s\"\n{limiter}\nin = \"s\"\n\
             [flow.call]\nat = \"s\"\nsteps = [{{ use = \"own\", steps = [] }}]\n\
             [[timeline]]\nat = \"5s\"\nrestart = \"s\"\n{set}{}",
            requests(&[(6.5, "call"), (7.5, "call")])
        )
    };
    let waits = |set: &str| figure(&observe(&text(set), 20.0), "flow.call", "response_time_max");
    // It begins at 6 s: the next period at 10 s, or at 9 s.
    near(waits(""), 2.5, 1e-9);
    near(waits(set), 1.5, 1e-9);
}

#[test]
fn who_is_in_a_process_that_ends_catches_nothing_of_what_its_branches_lose() {
    let text = "[service.s]\n[external.e]\ntime = \"1s\"\n[flow.inner]\nat = \"s\"\nsteps = [{ delay = \"5s\" }]\n\
                [flow.outer]\nat = \"s\"\nsteps = [{ try = [{ parallel = [{ steps = [{ call = \"inner\" }] }, \
                { steps = [{ call = \"inner\" }] }], join = 2 }], else = [{ use = \"e\" }] }]\n\
                [[timeline]]\nat = \"2s\"\nstop = \"s\"\n"
        .to_owned()
        + &requests(&[(0.0, "outer")]);
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.outer", "failure_time_max"), 2.0, 1e-9);
    assert_eq!(o.figure("external.e", "arrivals").unwrap_or(0.0), 0.0);
}

#[test]
fn each_shutdown_has_the_whole_of_its_time_and_a_start_waits_for_its_end() {
    let with = |grace: &str, list: &[(f64, &str)], entries: &str| {
        observe(
            &format!(
                "[service.s]\ngraceful-shutdown = \"{grace}\"\n[flow.f]\nat = \"s\"\nsteps = [{{ delay = \"2s\" }}]\n\
                 [flow.g]\nat = \"s\"\nsteps = [{{ delay = \"4s\" }}]\n{entries}{}",
                requests(list)
            ),
            20.0,
        )
    };
    let at = |when: &str, what: &str| format!("[[timeline]]\nat = \"{when}\"\n{what} = \"s\"\n");
    // Down from 5 to 6.5 s and from 7 to 8.9 s: three seconds from 5 s on end in the middle of the second time.
    let twice = at("5s", "restart") + &at("7s", "restart");
    let o = with("3s", &[(4.5, "f"), (6.9, "f")], &twice);
    near(figure(&o, "flow.f", "throughput") * 20.0, 2.0, 1e-9);
    // Started by hand at 6 s, it takes calls when what it has is done, at 7 s.
    let o = with(
        "10s",
        &[(3.0, "g"), (6.5, "f"), (8.0, "f")],
        &(at("5s", "stop") + &at("6s", "start")),
    );
    near(figure(&o, "flow.g", "throughput") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.f", "failures_unavailable") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.f", "throughput") * 20.0, 1.0, 1e-9);
}

#[test]
fn what_outlived_its_caller_leaves_a_line_with_its_own_process_and_no_other() {
    let waited = |stop: &str| {
        let o = observe(
            &format!(
                "[service.a]\n[service.b]\n[database.d]\nparallelism = 1\n[time-limiter.l]\ncancel-running = false\n\
                 [flow.other]\nat = \"a\"\nsteps = [{{ delay = \"1ms\" }}]\n[flow.long]\nsteps = [{{ query = \"d\", time = \"5s\" }}]\n\
                 [flow.f]\nat = \"b\"\nsteps = [{{ use = \"l\", steps = [{{ query = \"d\", time = \"1s\" }}] }}]\n\
                 [[timeline]]\nat = \"2s\"\nstop = \"{stop}\"\n{}",
                requests(&[(0.0, "long"), (0.1, "other"), (0.5, "f")])
            ),
            20.0,
        );
        near(figure(&o, "flow.f", "failure_time_max"), 1.0, 1e-9);
        figure(&o, "database.d", "in_queue_mean") * 20.0
    };
    near(waited("b"), 1.5, 1e-9);
    near(waited("a"), 4.5, 1e-9);
}

#[test]
fn series_of_replicas_are_their_largest_value_or_their_mean() {
    let o = observe(
        &("[service.s]\nreplicas = 2\n[circuit-breaker.k]\nin = \"s\"\nminimum-number-of-calls = 1\n[station.t]\nin = \"s\"\n\
           [flow.f]\nat = \"s\"\nsteps = [{ use = \"t\", time = \"50s\" }]\n\
           [flow.g]\nat = \"s\"\nsteps = [{ use = \"k\", steps = [{ delay = \"1ms\" }] }]\n"
            .to_owned()
            + &requests(&[(0.0, "f"), (0.1, "g")])),
        10.0,
    );
    let at_the_end = |subject: &str, name: &str| {
        let column = o.columns.iter().find(|c| c.subject == subject && c.name == name);
        *column.expect("a series").values.last().expect("a window")
    };
    // One of two breakers has seen a call, one of two servers is at work.
    assert_eq!(at_the_end("circuit-breaker.k", "failure_rate"), 0.0);
    near(at_the_end("station.t", "utilisation"), 0.5, 1e-9);
}
