//! Replicas that come and go, and processes that finish what they have.

use super::*;

/// A service of up to ten replicas with a core each, and steady calls of 10 ms of CPU. Samples are whole from 15 s on.
fn scaled(autoscaler: &str, rate: &str, seconds: f64) -> Observations {
    observe(
        &format!(
            "[service.s]\nreplicas = 10\nhost = {{ cores = 1 }}\nstart-up-time = \"5s\"\n\
             [autoscaler.a]\nof = \"s\"\n{autoscaler}\n\
             [flow.f]\nat = \"s\"\nsteps = [{{ cpu = \"10ms\" }}]\n\
             [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"{rate}\"\npre-allocated-vus = 100000\nflow = \"f\"\n"
        ),
        seconds,
    )
}

fn replicas(o: &Observations) -> f64 {
    figure(o, "autoscaler.a", "replicas_end")
}

#[test]
fn hpa_comes_to_the_ceiling_of_load_over_goal() {
    // 300/s of 10 ms are 3 cores: at 60 % of one core each 5 replicas.
    let cpu = "cpu = \"60%\"\ncpu-request = 1\ninitially = 4";
    let o = scaled(cpu, "300/s", 120.0);
    assert_eq!(replicas(&o), 5.0);
    assert_eq!(figure(&o, "autoscaler.a", "scale_ups"), 1.0);
    assert!(figure(&o, "autoscaler.a", "ready_mean") < 5.0);
    // 66 % is within the tolerance of 60 %: 2.64 cores on four.
    assert_eq!(replicas(&scaled(cpu, "264/s", 120.0)), 4.0);
    // By calls: 300/s at 40/s each.
    let calls = "requests = \"40/s\"\ninitially = 4";
    assert_eq!(replicas(&scaled(calls, "300/s", 120.0)), 8.0);
    // Of two goals the one that asks for more counts.
    assert_eq!(
        replicas(&scaled(&format!("{cpu}\nrequests = \"40/s\""), "300/s", 120.0)),
        8.0
    );
}

#[test]
fn hpa_without_a_goal_aims_at_80_percent_of_the_cpu_limit() {
    let o = observe(
        "[service.s]\nreplicas = 9\nhost = { cores = 2 }\ncpu-limit = 0.5\n\
         [autoscaler.a]\nof = \"s\"\ninitially = 3\n\
         [flow.f]\nat = \"s\"\nsteps = [{ cpu = \"10ms\" }]\n\
         [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"140/s\"\npre-allocated-vus = 100000\nflow = \"f\"\n",
        120.0,
    );
    // 1.4 cores of 3 x 0.5 are 93 %: ceil(3 x 93 / 80).
    assert_eq!(figure(&o, "autoscaler.a", "replicas_end"), 4.0);
}

#[test]
fn hpa_without_behavior_doubles_and_never_passes_the_most() {
    // 9.5 times the goal, from one replica on: 4, 8, 10.
    let ten = "requests = \"10/s\"";
    let o = scaled(ten, "95/s", 200.0);
    assert_eq!(replicas(&o), 10.0);
    assert_eq!(figure(&o, "autoscaler.a", "replicas_max"), 10.0);
    assert_eq!(figure(&o, "autoscaler.a", "scale_ups"), 3.0);
    assert!(figure(&o, "autoscaler.a", "at_most") > 0.5);
    assert_eq!(replicas(&scaled(ten, "95/s", 31.0)), 4.0);
    // With one, five in the first step.
    assert_eq!(
        replicas(&scaled(&format!("{ten}\nscale-up-pods = 4"), "95/s", 31.0)),
        5.0
    );
    // A full core is no more than twice half a core.
    assert_eq!(
        replicas(&scaled("cpu = \"50%\"\ncpu-request = 1", "600/s", 31.0)),
        2.0
    );
}

#[test]
fn hpa_goes_down_after_its_window() {
    let down = "requests = \"100/s\"\ninitially = 6\nscale-down-stabilization = ";
    // 150/s need two; three are within the tolerance of nothing.
    let o = scaled(&format!("{down}\"60s\""), "150/s", 50.0);
    assert_eq!(replicas(&o), 6.0);
    let o = scaled(&format!("{down}\"60s\""), "150/s", 100.0);
    assert_eq!(replicas(&o), 2.0);
    assert_eq!(figure(&o, "autoscaler.a", "scale_downs"), 1.0);
    // One a minute at most.
    let slow = "\"0s\"\nscale-down-pods = 1\nscale-down-percent = \"0%\"\nscale-down-period = \"60s\"";
    let o = scaled(&format!("{down}{slow}"), "150/s", 170.0);
    assert_eq!(replicas(&o), 3.0);
}

#[test]
fn a_new_replica_takes_calls_after_provisioning_and_start_up() {
    let with = |provisioning: &str| {
        let keys = format!("requests = \"40/s\"\ninitially = 2\nprovisioning = \"{provisioning}\"");
        scaled(&keys, "110/s", 300.0)
    };
    let (fast, slow) = (with("0s"), with("60s"));
    for (o, least) in [(&fast, 5.0), (&slow, 65.0)] {
        let (replicas, ready) = (
            figure(o, "autoscaler.a", "replicas_mean"),
            figure(o, "autoscaler.a", "ready_mean"),
        );
        near((replicas - ready) * 300.0, least, 1e-6);
    }
}

#[test]
fn utilisation_is_that_of_replicas_that_exist() {
    let o = scaled("requests = \"1000/s\"\ninitially = 2\nmin = 2", "100/s", 60.0);
    // One core of two, not of ten.
    near(figure(&o, "host.s", "utilisation"), 0.5, 0.02);
}

#[test]
fn a_lag_is_shared_out_up_to_one_replica_a_partition() {
    let o = observe(
        "[topic.t]\npartitions = 6\n[service.s]\nreplicas = 10\nstart-up-time = \"1s\"\n\
         [consumer.c]\nin = \"s\"\ntopic = \"t\"\nmax-poll-records = 10\nsteps = [{ delay = \"100ms\" }]\n\
         [autoscaler.a]\nof = \"s\"\nlag = 10\nconsumer = \"c\"\n\
         [flow.f]\nsteps = [{ publish = \"t\" }]\n\
         [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"45/s\"\npre-allocated-vus = 100000\nflow = \"f\"\n",
        300.0,
    );
    assert_eq!(figure(&o, "autoscaler.a", "replicas_max"), 6.0);
    // One member carries 10/s, four would fall behind for ever: what was left at first is worked off.
    assert!(
        figure(&o, "consumer.c", "lag_end") < 150.0,
        "{}",
        figure(&o, "consumer.c", "lag_end")
    );
    assert!(figure(&o, "consumer.c", "lag_max") > 100.0);
}

#[test]
fn replicas_that_do_not_exist_hold_no_connections() {
    let o = observe(
        "[database.db]\nproduct = \"postgresql\"\nmax-connections = 40\n\
         [service.s]\nreplicas = 10\n[connection-pool.p]\nin = \"s\"\nmaximum-pool-size = 10\nto = \"db\"\n\
         [autoscaler.a]\nof = \"s\"\nrequests = \"1000/s\"\ninitially = 3\nmin = 3\n\
         [flow.f]\nat = \"s\"\nsteps = [{ use = \"p\", steps = [{ query = \"db\", time = \"10ms\" }] }]\n\
         [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"100/s\"\npre-allocated-vus = 1000\nflow = \"f\"\n",
        30.0,
    );
    assert_eq!(figure(&o, "database.db", "connections_max"), 30.0);
    assert_eq!(figure(&o, "database.db", "connections_refused"), 0.0);
}

#[test]
fn a_graceful_shutdown_lets_requests_end_within_its_time() {
    let with = |grace: &str, how: &str| {
        observe(
            &format!(
                "[service.s]\nstart-up-time = \"1s\"\ngraceful-shutdown = \"{grace}\"\n\
                 [flow.f]\nat = \"s\"\nsteps = [{{ delay = \"4s\" }}]\n\
                 [[timeline]]\nat = \"5s\"\n{how} = \"s\"\n{}",
                requests(&[(3.0, "f"), (6.0, "f"), (7.5, "f"), (8.5, "f")])
            ),
            20.0,
        )
    };
    // The one of 3 s ends at 7 s; then the new process starts up until 8 s. Those of 6 and 7.5 s find nobody.
    let o = with("10s", "restart");
    near(figure(&o, "flow.f", "throughput") * 20.0, 2.0, 1e-9);
    near(figure(&o, "flow.f", "failures_unavailable") * 20.0, 2.0, 1e-9);
    // Its time is over after one second: back at 7 s.
    let o = with("1s", "restart");
    near(figure(&o, "flow.f", "failures_killed") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.f", "failures_unavailable") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.f", "throughput") * 20.0, 2.0, 1e-9);
    // Without one it is killed at once, and back at 6 s.
    let o = with("0s", "restart");
    near(figure(&o, "flow.f", "failures_killed") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.f", "throughput") * 20.0, 3.0, 1e-9);
    // A stop without an end stays one.
    let o = with("10s", "stop");
    near(figure(&o, "flow.f", "throughput") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.f", "failures_unavailable") * 20.0, 3.0, 1e-9);
}

#[test]
fn replicas_that_are_not_needed_finish_what_they_have() {
    let with = |grace: &str| {
        observe(
            &format!(
                "[service.s]\nreplicas = 4\ngraceful-shutdown = \"{grace}\"\n\
                 [autoscaler.a]\nof = \"s\"\nrequests = \"100/s\"\ninitially = 4\nscale-down-stabilization = \"0s\"\n\
                 [flow.f]\nat = \"s\"\nsteps = [{{ delay = \"3s\" }}]\n\
                 [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"20/s\"\npre-allocated-vus = 1000\nflow = \"f\"\n"
            ),
            60.0,
        )
    };
    let o = with("30s");
    assert_eq!(figure(&o, "autoscaler.a", "replicas_end"), 1.0);
    assert_eq!(figure(&o, "flow.f", "failures"), 0.0);
    // Three of four replicas with 15 requests each.
    near(figure(&with("0s"), "flow.f", "failures_killed") * 60.0, 45.0, 3.0);
}

#[test]
fn an_autoscaler_needs_to_know_what_is_requested() {
    let of = |service: &str, autoscaler: &str| {
        refusal(&format!(
            "[service.s]\n{service}\n[autoscaler.a]\nof = \"s\"\n{autoscaler}\n[flow.f]\nat = \"s\"\nsteps = [{{ delay = \"1ms\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\nflow = \"f\"\n"
        ))
    };
    assert!(of("replicas = 3", "").contains("it has no `host`"));
    assert!(of("replicas = 3\nhost = { cores = 1 }", "").contains("requests is not known"));
    assert!(of("replicas = 3", "requests = \"1/s\"\nmin = 4").contains("more than the 3 `replicas`"));
    assert!(of("replicas = 3", "requests = \"1/s\"\nmin = 2\ninitially = 1").contains("less than `min`"));
    let host = "replicas = 3\nhost = { cores = 1, discipline = \"fcfs\" }";
    assert!(of(host, "cpu-request = 1").contains("do not share its cores"));
    assert!(of("replicas = 3", "lag = 10").contains("needs `consumer`"));
}

#[test]
fn means_and_ratios_are_those_of_replicas_that_exist() {
    let of = |replicas: u32| {
        observe(
            &format!(
                "[service.s]\nreplicas = {replicas}\nhost = {{ cores = 1 }}\n[cache.c]\nin = \"s\"\nkey = \"uniform(3)\"\n\
                 [external.e]\nin = \"s\"\nfailure-rate = \"10%\"\n\
                 [autoscaler.a]\nof = \"s\"\nrequests = \"1000/s\"\n\
                 [flow.f]\nat = \"s\"\nsteps = [{{ use = \"c\", steps = [{{ delay = \"1ms\" }}] }}, {{ cpu = \"5ms\" }}, {{ use = \"e\" }}]\n\
                 [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"50/s\"\npre-allocated-vus = 1000\nflow = \"f\"\n"
            ),
            20.0,
        )
    };
    let (one, ten) = (of(1), of(10));
    let figures = [
        ("cache.c", "hit_ratio"),
        ("external.e", "failure_share"),
        ("host.s", "utilisation"),
        ("host.s", "runnable_mean"),
        ("host.s", "load_average_mean"),
    ];
    for (subject, name) in figures {
        near(figure(&ten, subject, name), figure(&one, subject, name), 1e-12);
    }
    near(figure(&one, "external.e", "failure_share"), 0.1, 0.03);
}

#[test]
fn ready_are_those_that_take_calls() {
    let o = observe(
        "[service.s]\nreplicas = 4\n[autoscaler.a]\nof = \"s\"\nrequests = \"10/s\"\ninitially = 4\nmin = 4\n\
         [flow.f]\nat = \"s\"\nsteps = [{ delay = \"1ms\" }]\n\
         [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"30/s\"\npre-allocated-vus = 1000\nflow = \"f\"\n\
         [[timeline]]\nat = \"50s\"\nstop = \"s\"\nreplica = 1\n",
        100.0,
    );
    near(figure(&o, "autoscaler.a", "ready_mean"), 3.5, 1e-9);
    assert_eq!(figure(&o, "autoscaler.a", "replicas_mean"), 4.0);
}
