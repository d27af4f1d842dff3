//! What the sums cannot know: they say on which side they err.

use super::*;

const SERVERS: &str = "[station.a]\n[station.b]\n";
const FAST: &str = "[workload.w]\nexecutor = \"poisson\"\nrate = \"150/s\"\n";

#[test]
fn what_is_cancelled_in_time_is_no_overload() {
    let race = "[flow.f]\nsteps = [{ parallel = [{ steps = [{ use = \"a\", time = \"exp(10ms)\" }] }, { steps = [{ use = \"b\", time = \"exp(10ms)\" }] }], join = 1, rest = \"cancel\" }]\n";
    let source = format!("{SERVERS}{race}{FAST}");
    let a = sums(&source);
    assert!(a.warnings.is_empty(), "{:?}", a.warnings);
    near(load(&a, "station.a").load, 1.5);
    let text = a.table(&model(&source));
    assert!(
        text.contains("up to 100/s or more: what is cut short takes less"),
        "{text}"
    );
    assert!(text.contains("a request takes at least 0s"), "{text}");
    // Branches that go on by themselves do all their work.
    let a = sums(&source.replace("\"cancel\"", "\"finish\""));
    assert!(told(&a, "overload").contains("grows without bound"));
}

#[test]
fn a_limit_of_time_ends_the_waits_in_a_queue() {
    let limited = "[time-limiter.limit]\ntimeout-duration = \"1s\"\n[flow.f]\nsteps = [{ use = \"limit\", steps = [{ use = \"a\", time = \"exp(10ms)\" }, { use = \"b\", time = \"1ms\" }] }]\n";
    let a = sums(&format!("{SERVERS}{limited}{FAST}"));
    assert!(told(&a, "overload").contains("until the time limit around it ends the waits"));
}

#[test]
fn given_pauses_take_their_share_of_what_a_process_carries() {
    let a = sums(
        "[service.m]\nhost = { cores = 1 }\n[heap.h]\nin = \"m\"\npauses = { every = \"1s\", lasts = \"100ms\" }\n\
         [flow.f]\nat = \"m\"\nsteps = [{ cpu = \"10ms\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"95/s\"\n",
    );
    near(load(&a, "host.m").capacity, 0.9);
    assert!(told(&a, "overload").contains("0.95 of capacity 0.9"));
}

#[test]
fn a_station_alone_works_at_its_first_speed_and_saturates_at_its_last() {
    let a = sums(
        "[station.s]\nspeeds = [1.0, 0.5]\n[flow.f]\nsteps = [{ use = \"s\", time = \"10ms\" }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n",
    );
    near(a.streams[0].response, 0.01);
    near(load(&a, "station.s").utilisation(), 0.2);
}

#[test]
fn an_autoscaler_comes_to_what_its_goal_asks_for() {
    let told = |rate: &str| {
        let source = format!(
            "[service.m]\nreplicas = 10\nhost = {{ cores = 2 }}\n[autoscaler.x]\nof = \"m\"\nmin = 2\ncpu = \"50%\"\ncpu-request = 1\n\
             [flow.f]\nat = \"m\"\nsteps = [{{ cpu = \"10ms\" }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}\"\n"
        );
        sums(&source).scaling
    };
    assert_eq!(
        told("330/s"),
        ["autoscaler.x comes to about 7 replicas of at most 10 at this load; the sums count all of them."]
    );
    assert_eq!(
        told("10/s")[0].split(" of").next(),
        Some("autoscaler.x comes to about 2 replicas")
    );
    assert_eq!(
        told("600/s"),
        ["autoscaler.x would want 12 replicas at this load and may have 10."]
    );
}

#[test]
fn what_a_time_limit_cuts_short_is_no_bound_either() {
    let a = sums(
        "[time-limiter.l]\ntimeout-duration = \"50ms\"\n[station.s]\n[flow.f]\nsteps = [{ use = \"l\", steps = [{ use = \"s\", time = \"155ms\" }] }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"12/s\"\n",
    );
    assert!(a.loads.iter().all(|l| l.cancelled), "{:?}", a.loads);
}

#[test]
fn a_peak_above_capacity_passes() {
    let spike = |stages: &str| {
        let a = sums(&format!(
            "[station.s]\n[flow.f]\nsteps = [{{ use = \"s\", time = \"100ms\" }}]\n[workload.w]\nexecutor = \"poisson\"\n{stages}\n"
        ));
        told(&a, "overload").to_owned()
    };
    let passing = "start-rate = \"5/s\"\nstages = [{ duration = \"10s\", target = \"20/s\" }, { duration = \"10s\", target = \"5/s\" }]";
    assert!(spike(passing).contains("the queue of `s` grows while the load is at its peak"));
    assert!(spike("rate = \"20/s\"").contains("the queue of `s` grows without bound"));
}
