//! Loops, branches and faults of flows.

use super::*;

#[test]
fn after_a_loop_that_failed_in_a_later_round_every_step_draws_what_it_would_have_drawn() {
    let text = |outage: &str| {
        format!(
            "[external.e]\ntime = \"10ms\"\n[retry.again]\nmax-attempts = 2\nwait-duration = \"500ms\"\n\
             [flow.f]\nsteps = [\n{{ use = \"again\", steps = [{{ repeat = 3, steps = [{{ repeat = 2, steps = [\
             {{ use = \"e\" }}] }}] }}] }},\n{{ delay = \"exp(1s)\" }}]\n{outage}\n{}",
            requests(&[(0.0, "f")])
        )
    };
    let time = |outage: &str| figure(&observe(&text(outage), 100.0), "flow.f", "response_time_max");
    let set = |at: &str, rate: &str| {
        format!("[[timeline]]\nat = \"{at}\"\nset = {{ \"external.e.failure-rate\" = \"{rate}\" }}\n")
    };
    let well = time("");
    // Six calls of 10 ms; the first attempt fails in one or the other round of either loop and is repeated.
    for (at, first) in [
        ("5ms", 0.02),
        ("15ms", 0.03),
        ("25ms", 0.04),
        ("35ms", 0.05),
        ("45ms", 0.06),
    ] {
        near(
            time(&(set(at, "100%") + &set("200ms", "0%"))) - well,
            first + 0.5,
            1e-9,
        );
    }
}

/// Three branches that take 10, 20 and 30 ms; those named fail at their ends. After how many milliseconds all is done, or
/// has failed.
fn branches(join: &str, fails: &[usize]) -> (Option<u64>, Option<u64>) {
    let list: Vec<String> = (0..3)
        .map(|i| {
            let end = if fails.contains(&i) {
                ", { fail = \"100%\" }"
            } else {
                ""
            };
            format!(
                "{{ steps = [{{ use = \"s\", time = \"{}ms\" }}{end}] }}",
                10 * (i + 1)
            )
        })
        .collect();
    let text = format!(
        "[station.s]\nservers = 9\n[flow.f]\nsteps = [{{ parallel = [{}]{join} }}]\n{}",
        list.join(", "),
        requests(&[(0.0, "f")])
    );
    let o = observe(&text, 1.0);
    let milliseconds = |seconds: f64| (seconds * 1e3).round() as u64;
    (
        o.figure("flow.f", "response_time_max").map(milliseconds),
        o.figure("flow.f", "failure_time_max").map(milliseconds),
    )
}

#[test]
fn a_quorum_is_met_or_missed_as_soon_as_that_is_certain() {
    let two = ", join = 2";
    assert_eq!(branches(two, &[]), (Some(20), None));
    // Two are left of which two are needed.
    assert_eq!(branches(two, &[0]), (Some(30), None));
    assert_eq!(branches(two, &[1]), (Some(30), None));
    // The third comes after the quorum.
    assert_eq!(branches(two, &[2]), (Some(20), None));
    assert_eq!(branches(two, &[0, 1]), (None, Some(20)));
    assert_eq!(branches(two, &[0, 2]), (None, Some(30)));
    assert_eq!(branches(", join = 1", &[0, 1]), (Some(30), None));
    assert_eq!(branches(", join = 3", &[0]), (None, Some(10)));
    assert_eq!(branches(", join = 3", &[]), (Some(30), None));
    // Without a number all are waited for, whatever failed.
    assert_eq!(branches("", &[]), (Some(30), None));
    assert_eq!(branches("", &[0]), (None, Some(30)));
}

/// A file of values, and what a step of a law that reads it takes.
fn empirical(name: &str, text: &str) -> (String, std::path::PathBuf) {
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, text).expect("writing a temporary file");
    let model = format!(
        "[flow.f]\nsteps = [{{ delay = \"empirical({})\" }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n",
        file.display()
    );
    (model, file)
}

#[test]
fn a_law_may_read_its_values_from_a_file() {
    let text = "seconds,of what\n1,a\n# a remark\n\n 3 ,b\n0.5\n";
    let (model, file) = empirical("plimsoll-values-1.csv", text);
    let o = observe(&model, 100.0);
    near(figure(&o, "flow.f", "response_time_mean"), 1.5, 0.06);
    assert_eq!(figure(&o, "flow.f", "response_time_max"), 3.0);
    std::fs::remove_file(file).expect("removing the file");
    for (name, text, line) in [
        ("plimsoll-values-2.csv", "1\nnothing\n", "line 2: `nothing`"),
        ("plimsoll-values-3.csv", "1\n2\n-1\n", "line 3: `-1`"),
        ("plimsoll-values-4.csv", "1\ninf\n", "line 2: `inf`"),
    ] {
        let (model, file) = empirical(name, text);
        let said = refusal(&model);
        assert!(said.contains(line), "{said}");
        std::fs::remove_file(file).expect("removing the file");
    }
}

/// What one request of these steps comes to: how long it took, or the fault that it ended with.
fn outcome(components: &str, steps: &str, more: &str) -> Result<f64, String> {
    let text = format!(
        "{components}\n[flow.f]\nsteps = [{steps}]\n{more}\n{}",
        requests(&[(1.0, "f")])
    );
    let o = observe(&text, 100.0);
    if let Some(time) = o.figure("flow.f", "response_time_max")
        && figure(&o, "flow.f", "throughput") > 0.0
    {
        return Ok(time);
    }
    let fault = plimsoll::kernel::Fault::ALL.iter().find(|f| {
        o.figure("flow.f", &format!("failures_{}", f.name()))
            .is_some_and(|n| n > 0.0)
    });
    Err(fault.map_or("nothing".into(), |f| f.name().into()))
}

#[test]
fn a_fallback_runs_instead_of_what_failed_and_the_request_goes_on() {
    let steps = "{ try = [{ delay = \"10ms\" }, { fail = \"100%\" }, { delay = \"5s\" }], else = [{ delay = \"20ms\" }] }, { delay = \"40ms\" }";
    near(outcome("", steps, "").unwrap(), 0.07, 1e-9);
    // Nothing failed.
    near(outcome("", &steps.replace("100%", "0%"), "").unwrap(), 5.05, 1e-9);
    // Nothing is done instead.
    let nothing = steps.replace("[{ delay = \"20ms\" }]", "[]");
    near(outcome("", &nothing, "").unwrap(), 0.05, 1e-9);
}

#[test]
fn a_fallback_that_fails_fails_the_request() {
    let steps = "{ try = [{ fail = \"100%\" }], else = [{ fail = \"100%\" }] }";
    assert_eq!(outcome("", steps, ""), Err("failed".into()));
    let outer = format!("{{ try = [{steps}], else = [{{ delay = \"1ms\" }}] }}");
    near(outcome("", &outer, "").unwrap(), 0.001, 1e-9);
}

#[test]
fn a_fallback_is_for_the_faults_it_names() {
    let steps = "{ try = [{ use = \"limit\", steps = [{ delay = \"10s\" }] }], else = [{ delay = \"20ms\" }], on = [\"timed-out\"] }";
    let limit = "[time-limiter.limit]\ntimeout-duration = \"1s\"";
    near(outcome(limit, steps, "").unwrap(), 1.02, 1e-9);
    let others = steps.replace("timed-out", "not-permitted");
    assert_eq!(outcome(limit, &others, ""), Err("timed_out".into()));
}

#[test]
fn a_time_limit_around_a_fallback_ends_it_too() {
    let steps =
        "{ use = \"limit\", steps = [{ try = [{ delay = \"10s\" }], else = [{ delay = \"20ms\" }] }] }";
    let limit = "[time-limiter.limit]\ntimeout-duration = \"1s\"";
    assert_eq!(outcome(limit, steps, ""), Err("timed_out".into()));
}

#[test]
fn what_failed_has_given_back_what_it_held_when_its_fallback_runs() {
    // The second lock is taken where the first one's wait was too long, and the pool's only connection is free again.
    let components = "[connection-pool.db]\nmaximum-pool-size = 1\n[lock.first]\nwait-timeout = \"2s\"\n[lock.second]\n\
                      [flow.holder]\nsteps = [{ use = \"first\", steps = [{ delay = \"50s\" }] }]";
    let steps = "{ try = [{ use = \"db\", steps = [{ use = \"first\", steps = [] }] }], else = [{ use = \"db\", steps = [\
                 { use = \"second\", steps = [{ delay = \"10ms\" }] }] }], on = [\"lock_timeout\"] }";
    let holder = requests(&[(0.0, "holder")]).replace("w000", "holder");
    near(outcome(components, steps, &holder).unwrap(), 2.01, 1e-6);
}

#[test]
fn a_caller_falls_back_when_the_process_it_called_dies() {
    let service = "[service.api]\n[flow.there]\nat = \"api\"\nsteps = [{ STEP }]\n[[timeline]]\nat = \"2s\"\nrestart = \"api\"";
    let call = "{ try = [{ call = \"there\" }], else = [{ delay = \"20ms\" }] }";
    let plain = service.replace("{ STEP }", "{ delay = \"10s\" }");
    near(outcome(&plain, call, "").unwrap(), 1.02, 1e-9);
    // Code of the process that died runs no fallback.
    let own = service.replace("{ STEP }", "{ try = [{ delay = \"10s\" }], else = [] }");
    assert_eq!(outcome(&own, "{ call = \"there\" }", ""), Err("killed".into()));
}

#[test]
fn a_fallback_moves_no_draw_of_the_steps_it_stands_around() {
    let time = |steps: &str| outcome("", steps, "").unwrap();
    let plain = time("{ delay = \"exp(1s)\" }, { delay = \"exp(1s)\" }");
    let tried = time(
        "{ try = [{ delay = \"exp(1s)\" }], else = [{ delay = \"exp(9s)\" }] }, { delay = \"exp(1s)\" }",
    );
    assert_eq!(plain, tried);
}

#[test]
fn a_branch_may_begin_with_a_fallback() {
    let steps = "{ parallel = [{ steps = [{ try = [{ fail = \"100%\" }], else = [{ delay = \"20ms\" }] }] }, { steps = [] }] }";
    near(outcome("", steps, "").unwrap(), 0.02, 1e-9);
}

#[test]
fn rounds_of_loops_within_loops_draw_apart() {
    let o = observe(
        "[flow.f]\nsteps = [{ repeat = 2, steps = [{ repeat = 2, steps = [{ delay = \"exp(1s)\" }] }] }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\nflow = \"f\"\n",
        300.0,
    );
    // The sum of four; of two pairs that are the same it would be 13.3 s.
    near(figure(&o, "flow.f", "response_time_p99"), 10.05, 0.4);
}
