//! Quotas of CPU time.

use super::*;

/// Requests at these instants, each with so much work, at a service with this limit on four cores.
fn limited(limit: &str, list: &[(f64, u32)]) -> (Observations, Vec<String>) {
    let mut flows = String::new();
    let mut at = Vec::new();
    let names: Vec<String> = (0..list.len()).map(|i| format!("f{i}")).collect();
    for ((start, work), name) in list.iter().zip(&names) {
        flows += &format!("[flow.{name}]\nat = \"api\"\nsteps = [{{ cpu = \"{work}us\" }}]\n");
        at.push((*start, name.as_str()));
    }
    let text = format!(
        "[host.vm]\ncores = 4\n[service.api]\nhost = \"vm\"\n{limit}\n{flows}{}",
        requests(&at)
    );
    (observe(&text, 10.0), names)
}

fn times(limit: &str, list: &[(f64, u32)]) -> Vec<f64> {
    let (o, names) = limited(limit, list);
    names
        .iter()
        .map(|name| figure(&o, &format!("flow.{name}"), "response_time_max"))
        .collect()
}

#[test]
fn work_beyond_the_quota_waits_for_the_next_period() {
    // Work and quota of each 100 ms, and when it is done, in milliseconds.
    for (work, quota, end) in [
        (50, 50, 50.0),
        (51, 50, 101.0),
        (80, 50, 130.0),
        (200, 50, 350.0),
        (30, 20, 110.0),
    ] {
        let limit = format!("cpu-limit = {}", f64::from(quota) / 100.0);
        near(times(&limit, &[(0.0, work * 1000)])[0], end / 1e3, 1e-8);
    }
    // In periods of 10 ms the waits are short.
    near(
        times("cpu-limit = 0.5\ncpu-period = \"10ms\"", &[(0.0, 20_000)])[0],
        0.035,
        1e-8,
    );
}

#[test]
fn threads_at_once_use_the_quota_up_together() {
    // Four threads on four cores: 50 ms are gone after 12.5 ms, and the rest of 20 ms each takes the next period.
    for time in times("cpu-limit = 0.5", &[(0.0, 20_000); 4]) {
        near(time, 0.1075, 1e-8);
    }
    let (o, _) = limited("cpu-limit = 0.5", &[(0.0, 20_000); 4]);
    near(figure(&o, "service.api", "cpu_used"), 0.08 / 10.0, 1e-9);
    near(figure(&o, "service.api", "utilisation"), 0.016, 1e-9);
    near(figure(&o, "service.api", "throttled_time"), 0.0875 / 10.0, 1e-9);
}

#[test]
fn nothing_is_saved_up_for_later() {
    // The first period is left unused; who comes in the second has its quota and no more.
    near(times("cpu-limit = 0.5", &[(0.1, 60_000)])[0], 0.11, 1e-8);
    // Who comes late in a period has all of its quota.
    near(times("cpu-limit = 0.5", &[(0.16, 60_000)])[0], 0.06, 1e-8);
}

#[test]
fn who_comes_while_it_stands_still_waits_too() {
    let times = times("cpu-limit = 0.5", &[(0.0, 60_000), (0.07, 10_000)]);
    near(times[0], 0.11, 1e-8);
    // From 70 ms to 100 ms it stands still, then it has a core to itself.
    near(times[1], 0.04, 1e-8);
}

#[test]
fn each_replica_has_its_own_quota_and_a_limit_above_the_cores_is_none() {
    let loaded = |limit: &str| {
        let text = format!(
            "[host.vm]\ncores = 4\n[service.api]\nhost = \"vm\"\nreplicas = 2\n{limit}\n\
             [flow.f]\nat = \"api\"\nsteps = [{{ cpu = \"exp(10ms)\" }}]\n\
             [workload.w]\nexecutor = \"users\"\nusers = 40\n"
        );
        observe(&text, 100.0)
    };
    // Two times half a core.
    let o = loaded("cpu-limit = 0.5");
    near(figure(&o, "flow.f", "throughput"), 100.0, 4.0);
    // Now and then all 40 are at the other one.
    near(figure(&o, "service.api", "utilisation"), 1.0, 0.03);
    near(figure(&o, "service.api", "throttled_periods"), 1.0, 0.06);
    near(figure(&o, "host.vm", "utilisation"), 0.25, 0.01);
    // Neither serves the other's share: 70/s each are too many, of the same 10 ms.
    let open = "[host.vm]\ncores = 4\n[service.api]\nhost = \"vm\"\nreplicas = 2\ncpu-limit = 0.5\n\
                [flow.f]\nat = \"api\"\nsteps = [{ cpu = \"10ms\" }]\n\
                [workload.w]\nexecutor = \"poisson\"\nrate = \"140/s\"\n";
    let o = observe(open, 100.0);
    near(figure(&o, "service.api", "cpu_used"), 1.0, 0.02);
    near(figure(&o, "service.api", "utilisation"), 1.0, 0.02);
    near(figure(&o, "host.vm", "utilisation"), 0.25, 5e-3);
    let free = loaded("");
    let above = loaded("cpu-limit = 4");
    assert_eq!(
        figure(&free, "flow.f", "response_time_mean"),
        figure(&above, "flow.f", "response_time_mean")
    );
    assert_eq!(figure(&above, "service.api", "throttled_periods"), 0.0);
}

#[test]
fn a_paused_process_uses_nothing_of_its_quota() {
    let text = "[host.vm]\ncores = 1\n[service.api]\nhost = \"vm\"\ncpu-limit = 0.5\n\
                [flow.f]\nat = \"api\"\nsteps = [{ cpu = \"60ms\" }]\n\
                [[timeline]]\nat = \"PAUSE\"\npause = \"api\"\nfor = \"100ms\"\n";
    let time = |pause: &str| {
        let text = text.replace("PAUSE", pause) + &requests(&[(0.0, "f")]);
        figure(&observe(&text, 10.0), "flow.f", "response_time_max")
    };
    // 20 ms, a pause until 120 ms, and the rest within the quota of the second period.
    near(time("20ms"), 0.16, 1e-8);
    // 50 ms, stopped; paused from 70 to 170 ms, over the start of the period; then 10 ms.
    near(time("70ms"), 0.18, 1e-8);
}

#[test]
fn the_periods_of_replicas_begin_one_after_the_other() {
    let text = "[host.vm]\ncores = 2\n[service.api]\nhost = \"vm\"\nreplicas = 2\ncpu-limit = 0.5\n\
                [flow.first]\nat = \"api\"\nsteps = [{ cpu = \"60ms\" }]\n[flow.second]\nat = \"api\"\nsteps = [{ cpu = \"60ms\" }]\n"
        .to_owned()
        + &requests(&[(0.0, "first"), (0.001, "second")]);
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.first", "response_time_max"), 0.11, 1e-8);
    // The other replica's second period begins at 50 ms.
    near(figure(&o, "flow.second", "response_time_max"), 0.06, 1e-8);
}

/// Two services with a limit on four cores, of which the second is kept busy; `f` is at the first and `quit` calls it from a service
/// that ends at 80 ms.
fn beside(work: &str, busy: &str, list: &[(f64, &str)]) -> Observations {
    observe(
        &format!(
            "[host.vm]\ncores = 4\n[service.near]\n\
             [service.api]\nhost = \"vm\"\ncpu-limit = 0.5\n[service.other]\nhost = \"vm\"\ncpu-limit = 0.6\n\
             [flow.busy]\nat = \"other\"\nsteps = [{{ cpu = \"{busy}\" }}]\n\
             [flow.f]\nat = \"api\"\nsteps = [{{ cpu = \"{work}\" }}]\n\
             [flow.quit]\nat = \"near\"\nsteps = [{{ call = \"f\" }}]\n\
             [[timeline]]\nat = \"80ms\"\nstop = \"near\"\n{}",
            requests(list)
        ),
        10.0,
    )
}

#[test]
fn periods_in_which_a_service_did_nothing_do_not_count_though_others_work() {
    let o = beside("60ms", "9s", &[(0.0, "f"), (0.0, "busy")]);
    // It worked in two, and was stopped in one of them.
    near(figure(&o, "service.api", "throttled_periods"), 0.5, 1e-9);
}

#[test]
fn who_uses_its_quota_up_and_is_done_is_not_stopped_though_others_are_in_the_same_period() {
    let o = beside("50ms", "70ms", &[(0.0, "f"), (0.0, "busy"), (0.1, "f")]);
    assert_eq!(figure(&o, "service.api", "throttled_periods"), 0.0);
    assert!(figure(&o, "service.other", "throttled_periods") > 0.0);
}

#[test]
fn of_those_that_wait_for_the_next_period_the_one_that_leaves_is_gone() {
    let o = beside("60ms", "1ms", &[(0.0, "f"), (0.07, "quit")]);
    near(figure(&o, "flow.quit", "failure_time_max"), 0.01, 1e-9);
    near(figure(&o, "flow.f", "response_time_max"), 0.11, 1e-8);
    near(figure(&o, "service.api", "cpu_used") * 10.0, 0.06, 1e-8);
}
