use super::*;

/// Calls through one circuit breaker: `good` ends well, `bad` fails, `slow` takes 5 s, `hang` a minute.
fn breaker(keys: &str, calls: &[(f64, &str)], seconds: f64) -> Observations {
    let mut text = format!("[circuit-breaker.cb]\n{keys}\n");
    for (flow, steps) in [
        ("good", ""),
        ("bad", "{ fail = \"100%\" }"),
        ("slow", "{ delay = \"5s\" }"),
        ("hang", "{ delay = \"60s\" }"),
    ] {
        text += &format!(
            "[flow.{flow}]\nsteps = [{{ use = \"cb\", steps = [{{ delay = \"1ms\" }}, {steps}] }}]\n"
        );
    }
    observe(&(text + &requests(calls)), seconds)
}

fn count(o: &Observations, name: &str) -> f64 {
    figure(o, "circuit-breaker.cb", name)
}

const SMALL: &str = "sliding-window-size = 10\nminimum-number-of-calls = 5\n";

#[test]
fn failure_success_failure_success_failure_opens_at_the_fifth_call() {
    let calls = [(0.0, "bad"), (1.0, "good"), (2.0, "bad"), (3.0, "good")];
    let o = breaker(SMALL, &calls, 10.0);
    assert_eq!(count(&o, "transitions_to_open"), 0.0);
    for name in ["failure_rate", "slow_call_rate"] {
        let column = o.columns.iter().find(|c| c.name == name);
        assert_eq!(
            column.expect("a series").values[99],
            -1.0,
            "below the minimum of calls"
        );
    }
    let mut five = calls.to_vec();
    five.extend([(4.0, "bad"), (5.0, "good")]);
    let o = breaker(SMALL, &five, 10.0);
    assert_eq!(count(&o, "transitions_to_open"), 1.0);
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
    near(figure(&o, "flow.good", "failures_not_permitted"), 0.1, 1e-9);
    near(count(&o, "time_open"), 10.0 - 4.001, 1e-9);
}

#[test]
fn by_default_the_hundredth_failure_opens() {
    let run = |seconds| {
        observe(
            "[circuit-breaker.cb]\n[flow.bad]\nsteps = [{ use = \"cb\", steps = [{ fail = \"100%\" }] }]\n\
             [workload.w]\nexecutor = \"renewal\"\ninterarrival = \"1s\"\n",
            seconds,
        )
    };
    assert_eq!(count(&run(99.5), "transitions_to_open"), 0.0);
    assert_eq!(count(&run(100.5), "transitions_to_open"), 1.0);
}

#[test]
fn an_open_breaker_tries_again_at_the_next_call_after_its_wait() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"2s\"\n";
    let o = breaker(keys, &[(0.0, "bad"), (1.0, "good")], 10.0);
    assert_eq!(count(&o, "transitions_to_half_open"), 0.0);
    let o = breaker(keys, &[(0.0, "bad"), (1.0, "good"), (5.0, "good")], 10.0);
    assert_eq!(count(&o, "transitions_to_half_open"), 1.0);
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
}

#[test]
fn an_automatic_transition_needs_no_call() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"2s\"\n\
                automatic-transition-from-open-to-half-open = true\n";
    let o = breaker(keys, &[(0.0, "bad")], 10.0);
    near(count(&o, "time_open"), 2.0, 1e-9);
    near(count(&o, "time_half_open"), 10.0 - 2.001, 1e-9);
}

#[test]
fn half_open_lets_a_few_calls_in_and_turns_others_away_until_they_end() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"1s\"\n\
                permitted-number-of-calls-in-half-open-state = 2\nautomatic-transition-from-open-to-half-open = true\n";
    let calls = [
        (0.0, "bad"),
        (2.0, "hang"),
        (2.1, "hang"),
        (3.0, "good"),
        (30.0, "good"),
        (70.0, "good"),
    ];
    let o = breaker(keys, &calls, 100.0);
    assert_eq!(count(&o, "not_permitted_calls"), 2.0);
    assert_eq!(count(&o, "transitions_to_closed"), 1.0);
}

#[test]
fn a_longest_half_open_state_opens_again_though_calls_hang() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"1s\"\n\
                permitted-number-of-calls-in-half-open-state = 1\nmax-wait-duration-in-half-open-state = \"3s\"\n";
    let o = breaker(keys, &[(0.0, "bad"), (2.0, "hang")], 10.0);
    near(count(&o, "time_half_open"), 3.0, 1e-9);
    assert_eq!(count(&o, "transitions_to_open"), 2.0);
}

#[test]
fn a_call_begun_while_closed_that_ends_in_half_open_counts_there() {
    let keys = "sliding-window-size = 2\nminimum-number-of-calls = 2\nwait-duration-in-open-state = \"1s\"\n\
                permitted-number-of-calls-in-half-open-state = 1\n";
    let calls = [
        (0.0, "slow"),
        (1.0, "bad"),
        (2.0, "bad"),
        (3.5, "hang"),
        (4.0, "good"),
        (6.0, "good"),
    ];
    let o = breaker(keys, &calls, 10.0);
    // The slow one ends at 5 s and closes it; the call at 4 s was turned away.
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
    near(count(&o, "time_half_open"), 5.001 - 3.5, 1e-9);
    assert_eq!(count(&o, "transitions_to_closed"), 1.0);
}

#[test]
fn failed_trial_calls_open_it_again() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"1s\"\n\
                permitted-number-of-calls-in-half-open-state = 3\n";
    let o = breaker(keys, &[(0.0, "bad"), (2.0, "bad"), (2.5, "good")], 10.0);
    assert_eq!(count(&o, "transitions_to_open"), 2.0);
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
}

#[test]
fn ignored_faults_count_nowhere_and_unrecorded_ones_as_success() {
    let calls: Vec<(f64, &str)> = (0..6).map(|i| (i as f64, "bad")).collect();
    let o = breaker(&format!("{SMALL}ignore = [\"failed\"]"), &calls, 10.0);
    assert_eq!(
        (count(&o, "calls_ignored"), count(&o, "calls_failed")),
        (6.0, 0.0)
    );
    let o = breaker(&format!("{SMALL}record = [\"timed_out\"]"), &calls, 10.0);
    assert_eq!(
        (count(&o, "calls_successful"), count(&o, "transitions_to_open")),
        (6.0, 0.0)
    );
}

#[test]
fn a_slow_call_takes_strictly_longer_than_the_threshold() {
    let calls: Vec<(f64, &str)> = (0..5).map(|i| (i as f64, "good")).collect();
    let o = breaker(
        &format!("{SMALL}slow-call-duration-threshold = \"1ms\""),
        &calls,
        10.0,
    );
    assert_eq!(count(&o, "slow_calls"), 0.0);
    let o = breaker(
        &format!("{SMALL}slow-call-duration-threshold = \"999us\""),
        &calls,
        10.0,
    );
    assert_eq!(
        (count(&o, "slow_calls"), count(&o, "transitions_to_open")),
        (5.0, 1.0)
    );
}

#[test]
fn a_window_of_time_forgets_old_failures() {
    let keys =
        "sliding-window-type = \"time-based\"\nsliding-window-size = 10\nminimum-number-of-calls = 3\n";
    let o = breaker(keys, &[(0.0, "bad"), (1.0, "bad"), (20.0, "bad")], 30.0);
    assert_eq!(count(&o, "transitions_to_open"), 0.0);
    let o = breaker(keys, &[(0.0, "bad"), (1.0, "bad"), (8.0, "bad")], 30.0);
    assert_eq!(count(&o, "transitions_to_open"), 1.0);
}

#[test]
fn rejections_and_time_outs_inside_open_a_breaker() {
    let o = observe(
        &format!(
            "[circuit-breaker.cb]\n{SMALL}[time-limiter.limit]\ntimeout-duration = \"10ms\"\n[flow.call]\nsteps = [\
             {{ use = \"cb\", steps = [{{ use = \"limit\", steps = [{{ delay = \"1s\" }}] }}] }}]\n{}",
            requests(&[
                (0.0, "call"),
                (1.0, "call"),
                (2.0, "call"),
                (3.0, "call"),
                (4.0, "call")
            ])
        ),
        10.0,
    );
    assert_eq!(count(&o, "transitions_to_open"), 1.0);
}

#[test]
fn a_call_that_a_time_limit_around_the_breaker_cuts_short_is_a_failure() {
    let run = |keys: &str| {
        observe(
            &format!(
                "[time-limiter.limit]\n[circuit-breaker.cb]\n{SMALL}{keys}\n[flow.call]\nsteps = [\
                 {{ use = \"limit\", steps = [{{ use = \"cb\", steps = [{{ delay = \"5s\" }}] }}] }}]\n{}",
                requests(&[
                    (0.0, "call"),
                    (2.0, "call"),
                    (4.0, "call"),
                    (6.0, "call"),
                    (8.0, "call"),
                    (10.0, "call")
                ])
            ),
            20.0,
        )
    };
    // The fifth is cut short at 9 s.
    let o = run("");
    assert_eq!(count(&o, "calls_failed"), 5.0);
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
    near(count(&o, "time_open"), 11.0, 1e-9);
    let o = run("ignore = [\"timed_out\"]");
    assert_eq!(
        (count(&o, "calls_failed"), count(&o, "calls_ignored")),
        (0.0, 6.0)
    );
}

#[test]
fn twenty_callers_of_a_limit_of_five_wait_for_later_periods_or_in_vain() {
    let o = observe(
        "[rate-limiter.rl]\nlimit-for-period = 5\nlimit-refresh-period = \"1s\"\ntimeout-duration = \"2s\"\n\
         [flow.call]\nsteps = [{ use = \"rl\", steps = [] }]\n\
         [workload.w]\nexecutor = \"per-vu-iterations\"\nvus = 20\n",
        10.0,
    );
    // Five at once, five after 1 s, five after 2 s; five sleep the whole 2 s and are rejected.
    near(figure(&o, "flow.call", "throughput"), 1.5, 1e-9);
    near(figure(&o, "flow.call", "response_time_mean"), 1.0, 1e-6);
    near(figure(&o, "flow.call", "response_time_max"), 2.0, 1e-9);
    near(figure(&o, "flow.call", "failures_rejected"), 0.5, 1e-9);
    near(figure(&o, "flow.call", "failure_time_mean"), 2.0, 1e-6);
}

#[test]
fn twice_the_limit_passes_around_the_end_of_a_period() {
    let calls: Vec<(f64, &str)> = (0..10)
        .map(|i| (if i < 5 { 0.99 } else { 1.0 }, "call"))
        .collect();
    let o = observe(
        &format!(
            "[rate-limiter.rl]\nlimit-for-period = 5\nlimit-refresh-period = \"1s\"\n\
             [flow.call]\nsteps = [{{ use = \"rl\", steps = [] }}]\n{}",
            requests(&calls)
        ),
        10.0,
    );
    near(figure(&o, "flow.call", "response_time_max"), 0.0, 1e-9);
}

#[test]
fn the_default_rate_limiter_is_as_good_as_none() {
    let o = observe(
        "[rate-limiter.rl]\n[flow.call]\nsteps = [{ use = \"rl\", steps = [] }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"10000/s\"\n",
        1.0,
    );
    assert_eq!(figure(&o, "rate-limiter.rl", "rejected"), 0.0);
    near(figure(&o, "flow.call", "response_time_max"), 0.0, 1e-9);
}

#[test]
fn a_full_bulkhead_rejects_at_once_or_after_its_longest_wait() {
    let run = |keys: &str| {
        observe(
            &format!(
                "[bulkhead.b]\n{keys}\n[flow.call]\nsteps = [{{ use = \"b\", steps = [{{ delay = \"1s\" }}] }}]\n\
                 [workload.w]\nexecutor = \"per-vu-iterations\"\nvus = 26\n"
            ),
            10.0,
        )
    };
    let o = run("");
    near(figure(&o, "flow.call", "failures_rejected"), 0.1, 1e-9);
    near(figure(&o, "flow.call", "failure_time_max"), 0.0, 1e-9);
    let o = run("max-wait-duration = \"400ms\"");
    near(figure(&o, "flow.call", "failure_time_max"), 0.4, 1e-9);
    let o = run("max-wait-duration = \"2s\"");
    near(figure(&o, "flow.call", "throughput"), 2.6, 1e-9);
    near(figure(&o, "flow.call", "response_time_max"), 2.0, 1e-9);
}

#[test]
fn an_open_breaker_lets_nobody_in_at_the_last_instant_of_its_wait() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"2s\"\n";
    // Opened at 1 ms.
    let o = breaker(keys, &[(0.0, "bad"), (2.001, "good")], 10.0);
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
    let o = breaker(keys, &[(0.0, "bad"), (2.001_001, "good")], 10.0);
    assert_eq!(count(&o, "not_permitted_calls"), 0.0);
    near(count(&o, "time_open"), 2.000_001, 1e-9);
}

#[test]
fn calls_are_counted_by_how_they_end() {
    let calls = [
        (0.0, "bad"),
        (1.0, "good"),
        (2.0, "bad"),
        (3.0, "bad"),
        (4.0, "good"),
    ];
    let keys = "minimum-number-of-calls = 9\nslow-call-duration-threshold = \"2s\"\n";
    let mut all = calls.to_vec();
    all.extend([(5.0, "slow"), (6.0, "slow")]);
    let o = breaker(keys, &all, 20.0);
    assert_eq!(
        (count(&o, "calls_failed"), count(&o, "calls_successful")),
        (3.0, 4.0)
    );
    assert_eq!(count(&o, "slow_calls"), 2.0);
}

#[test]
fn a_trial_call_that_says_nothing_gives_its_place_back() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"1s\"\n\
                permitted-number-of-calls-in-half-open-state = 1\nrecord = [\"timed_out\"]\nignore = [\"failed\"]\n";
    let text = |first: &str| {
        format!(
            "[circuit-breaker.cb]\n{keys}\n[time-limiter.limit]\ntimeout-duration = \"100ms\"\n\
             [flow.late]\nsteps = [{{ use = \"cb\", steps = [{{ use = \"limit\", steps = [{{ delay = \"1s\" }}] }}] }}]\n\
             [flow.ignored]\nsteps = [{{ use = \"cb\", steps = [{{ fail = \"100%\" }}] }}]\n\
             [flow.cancelled]\nsteps = [{{ use = \"limit\", steps = [{{ use = \"cb\", steps = [{{ delay = \"1s\" }}] }}] }}]\n\
             [flow.hang]\nsteps = [{{ use = \"cb\", steps = [{{ delay = \"9s\" }}] }}]\n\
             [flow.good]\nsteps = [{{ use = \"cb\", steps = [{{ delay = \"0s\" }}] }}]\n{}",
            requests(&[(0.0, "late"), (2.0, first), (3.0, "good"), (4.0, "good")])
        )
    };
    let o = observe(&text("ignored"), 20.0);
    assert_eq!(count(&o, "not_permitted_calls"), 0.0);
    near(count(&o, "time_half_open"), 1.0, 1e-9);
    // One that is cut short at 2.1 s is a failure: open again until 3.1 s.
    let o = observe(&text("cancelled"), 20.0);
    assert_eq!(count(&o, "not_permitted_calls"), 1.0);
    near(count(&o, "time_half_open"), 0.1, 1e-9);
    let o = observe(&text("hang"), 20.0);
    assert_eq!(count(&o, "not_permitted_calls"), 2.0);
}

#[test]
fn who_is_turned_away_after_a_wait_is_counted_by_why() {
    let o = observe(
        &format!(
            "[bulkhead.b]\nmax-concurrent-calls = 1\nmax-wait-duration = \"400ms\"\n[station.s]\npatience = \"300ms\"\n\
             [flow.call]\nsteps = [{{ use = \"b\", steps = [{{ delay = \"1s\" }}] }}]\n\
             [flow.visit]\nsteps = [{{ use = \"s\", time = \"1s\" }}]\n{}",
            requests(&[(0.0, "call"), (0.1, "call"), (0.0, "visit"), (0.2, "visit")])
        ),
        10.0,
    );
    for (subject, name, other) in [
        ("bulkhead.b", "rejected", "timed_out"),
        ("station.s", "timed_out", "rejected"),
    ] {
        near(figure(&o, subject, name), 0.1, 1e-9);
        near(figure(&o, subject, other), 0.0, 1e-9);
        assert!(o.figure(subject, "failed").is_none(), "{subject}");
    }
}

#[test]
fn a_breaker_that_is_set_to_wait_for_a_call_does_not_try_again_by_itself() {
    let keys = "minimum-number-of-calls = 1\nwait-duration-in-open-state = \"2s\"\n\
                automatic-transition-from-open-to-half-open = true\n\
                [[timeline]]\nat = \"1s\"\n\
                set = { \"circuit-breaker.cb.automatic-transition-from-open-to-half-open\" = false }\n";
    let o = breaker(keys, &[(0.0, "bad")], 10.0);
    assert_eq!(count(&o, "time_half_open"), 0.0);
    near(count(&o, "time_open"), 10.0 - 0.001, 1e-9);
}

#[test]
fn a_threshold_of_failures_is_reached_from_both_sides_and_is_above_nothing() {
    let opened = |bad: usize| {
        let calls: Vec<(f64, &str)> = (0..10)
            .map(|i| (i as f64, if i < bad { "bad" } else { "good" }))
            .collect();
        let keys =
            "sliding-window-size = 10\nminimum-number-of-calls = 10\nfailure-rate-threshold = \"40%\"\n";
        count(&breaker(keys, &calls, 20.0), "transitions_to_open")
    };
    assert_eq!((opened(3), opened(4)), (0.0, 1.0));
    let held = burst_at("circuit-breaker", "cb", "", 1, "1s")
        .replace("steps = [{ delay = \"1s\" }]", "time = \"1s\"");
    assert!(refusal(&held).contains("needs `steps`"));
    let said = refusal(&burst_at(
        "circuit-breaker",
        "cb",
        "failure-rate-threshold = \"0%\"",
        1,
        "1s",
    ));
    assert!(said.contains("`failure-rate-threshold`"), "{said}");
}
