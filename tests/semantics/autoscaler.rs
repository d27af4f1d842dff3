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
    assert!(of("replicas = 3", "requests = \"0.0005/s\"").contains("less than a thousandth"));
    let least = calls("replicas = 3", "requests = \"0.001/s\"", 1, 1, "0s", "1s", "");
    assert_eq!(replicas(&observe(&least, 50.0)), 3.0);
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

/// The last value of a series of the autoscaler.
fn last(o: &Observations, name: &str) -> f64 {
    *series(o, name).last().expect("a window")
}

fn series<'a>(o: &'a Observations, name: &str) -> &'a [f64] {
    let column = o
        .columns
        .iter()
        .find(|c| c.subject == "autoscaler.a" && c.name == name);
    &column.expect("a series").values
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
    assert_eq!(last(&o, "replicas"), 4.0);
    assert_eq!(last(&o, "ready"), 3.0);
}

/// Calls of a millisecond: so many a second, and so many more from `from` until `to`.
fn calls(
    service: &str,
    autoscaler: &str,
    always: u32,
    more: u32,
    from: &str,
    to: &str,
    rest: &str,
) -> String {
    let flow = |name: &str| format!("[flow.{name}]\nat = \"s\"\nsteps = [{{ delay = \"1ms\" }}]\n");
    let load = |name: &str, rate: u32, when: &str| {
        format!(
            "[workload.{name}]\nexecutor = \"constant-arrival-rate\"\nrate = \"{rate}/s\"\npre-allocated-vus = 1000\n\
             {when}\nflow = \"{name}\"\n"
        )
    };
    let when = format!("start-time = \"{from}\"\nduration = \"{to}\"");
    format!(
        "[service.s]\n{service}\n[autoscaler.a]\nof = \"s\"\n{autoscaler}\n{}{}{}{}{rest}",
        flow("f"),
        flow("g"),
        load("f", always, ""),
        load("g", more, &when)
    )
}

#[test]
fn hpa_follows_a_load_that_comes_and_goes_later() {
    let keys = "requests = \"10/s\"\nscale-down-stabilization = \"60s\"";
    let text = calls("replicas = 10", keys, 5, 90, "100s", "100s", "");
    let o = observe(&text, 400.0);
    let replicas = series(&o, "replicas");
    // Windows of 4 s. Nine and a half goals from 100 to 200 s, for which nine are near enough; half a one before and after.
    assert_eq!((replicas[24], replicas[45], replicas[99]), (1.0, 9.0, 1.0));
}

#[test]
fn hpa_takes_nothing_away_for_a_young_replica_that_is_down() {
    // The second replica comes within the first minute and goes down; from then on the first has half a goal.
    let rest = "[[timeline]]\nat = \"50s\"\nstop = \"s\"\nreplica = 1\n";
    let keys = "requests = \"10/s\"\nscale-down-stabilization = \"0s\"";
    let text = calls("replicas = 2", keys, 5, 15, "0s", "60s", rest);
    let o = observe(&text, 400.0);
    let replicas = series(&o, "replicas");
    // Unknown counts as a whole goal for five minutes; then it is known to do nothing.
    assert_eq!((replicas[11], replicas[74], replicas[99]), (2.0, 2.0, 1.0));
}

#[test]
fn hpa_takes_nothing_away_before_it_has_measured() {
    let o = observe(
        &("[topic.t]\n[service.s]\nreplicas = 6\nhost = { cores = 1 }\n[consumer.c]\nin = \"s\"\ntopic = \"t\"\nsteps = [{ cpu = \"1ms\" }]\n\
           [autoscaler.a]\nof = \"s\"\ncpu = \"50%\"\ncpu-request = 1\nlag = 10\nconsumer = \"c\"\ninitially = 4\n\
           scale-down-stabilization = \"0s\"\nsync-period = \"5s\"\nmetric-period = \"100s\"\n\
           [flow.f]\nsteps = [{ publish = \"t\" }]\n"
            .to_owned()
            + &requests(&[(1.0, "f")])),
        150.0,
    );
    let replicas = series(&o, "replicas");
    // Two looks are needed, at 0 and 100 s.
    assert_eq!((replicas[60], replicas[99]), (4.0, 1.0));
}

#[test]
fn hpa_sees_work_that_goes_on() {
    // Both replicas compute all the time, and nothing else happens.
    let o = observe(
        &("[service.s]\nreplicas = 6\nhost = { cores = 1 }\n[autoscaler.a]\nof = \"s\"\ncpu = \"50%\"\ncpu-request = 1\n\
           initially = 2\nscale-down-stabilization = \"0s\"\n[flow.f]\nat = \"s\"\nsteps = [{ cpu = \"1000s\" }]\n"
            .to_owned()
            + &requests(&[(0.0, "f"), (0.0, "f")])),
        40.0,
    );
    assert_eq!(replicas(&o), 4.0);
}

#[test]
fn hpa_decides_for_the_first_time_within_the_first_period() {
    let keys = "requests = \"10/s\"\nsync-period = \"100s\"\nmetric-period = \"1s\"";
    let o = observe(&calls("replicas = 10", keys, 30, 1, "0s", "1s", ""), 100.0);
    assert_eq!(figure(&o, "autoscaler.a", "scale_ups"), 1.0);
}

#[test]
fn a_share_more_is_added_at_a_time() {
    let keys = "requests = \"10/s\"\ninitially = 4\nscale-up-pods = 0\nscale-up-percent = \"50%\"";
    assert_eq!(replicas(&scaled(keys, "95/s", 31.0)), 6.0);
}

#[test]
fn a_warm_up_takes_away_what_was_scaled_in_it() {
    let text = calls(
        "replicas = 10",
        "requests = \"10/s\"\nmin = 1",
        28,
        1,
        "0s",
        "1s",
        "",
    );
    let o = observe_after(&text, 60.0, 100.0, 1);
    assert_eq!(figure(&o, "autoscaler.a", "scale_ups"), 0.0);
    assert_eq!(figure(&o, "autoscaler.a", "replicas_mean"), 3.0);
}

#[test]
fn replicas_that_are_added_are_some_of_those_that_can_work() {
    // A whole core of calls: one replica is not enough, two are half idle.
    let o = observe_after(
        "[service.s]\nreplicas = 4\nhost = { cores = 1 }\n[autoscaler.a]\nof = \"s\"\nrequests = \"50/s\"\n\
         [flow.f]\nat = \"s\"\nsteps = [{ cpu = \"9ms\" }]\n\
         [workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"100/s\"\npre-allocated-vus = 1000\nflow = \"f\"\n",
        60.0,
        100.0,
        1,
    );
    near(figure(&o, "host.s", "utilisation"), 0.45, 0.01);
}

#[test]
fn each_new_replica_has_a_provisioning_of_its_own() {
    let keys = "requests = \"10/s\"\nprovisioning = \"exp(60s)\"";
    let o = observe(&calls("replicas = 10", keys, 28, 1, "0s", "1s", ""), 400.0);
    let ready = series(&o, "ready");
    assert!([1.0, 2.0, 3.0].iter().all(|n| ready.contains(n)), "{ready:?}");
}

#[test]
fn who_is_down_is_removed_first() {
    let rest = "[[timeline]]\nat = \"1s\"\nstop = \"s\"\nreplica = 0\n";
    let keys = "requests = \"10/s\"\ninitially = 3\nscale-down-stabilization = \"0s\"";
    let o = observe(&calls("replicas = 3", keys, 15, 1, "0s", "1s", rest), 100.0);
    assert_eq!((last(&o, "replicas"), last(&o, "ready")), (2.0, 2.0));
}

#[test]
fn replicas_of_a_service_behind_others_are_its_own() {
    // The same with three replicas of another service before them in every list.
    let other = "[service.b]\nreplicas = 3\n[flow.b]\nat = \"b\"\nsteps = [{ delay = \"1ms\" }]\n";
    let keys = "requests = \"10/s\"\nscale-down-stabilization = \"60s\"";
    let service = "replicas = 10\nstart-up-time = \"5s\"\ngraceful-shutdown = \"10s\"\n\
                   [connection-pool.p]\nin = \"s\"\nmaximum-pool-size = 200";
    let text = calls(service, keys, 5, 90, "100s", "100s", "").replace(
        "{ delay = \"1ms\" }",
        "{ use = \"p\", steps = [{ delay = \"1s\" }] }",
    );
    let alone = observe(&text, 400.0);
    let behind = observe(&(other.to_owned() + &text + &requests(&[(1.0, "b")])), 400.0);
    assert_eq!(figure(&alone, "system", "failures"), 0.0);
    for name in ["replicas", "ready"] {
        assert_eq!(series(&alone, name), series(&behind, name));
    }
    for name in [
        "connections_mean",
        "connections_active_mean",
        "connections_creation_total",
    ] {
        let of = |o: &Observations| figure(o, "connection-pool.p", name);
        near(of(&behind), of(&alone), 1e-9);
    }
}

#[test]
fn threads_of_replicas_that_do_not_exist_do_nothing() {
    let o = observe(
        &("[topic.t]\n[service.s]\nreplicas = 4\n[outbox.o]\nin = \"s\"\npublishes = \"t\"\npoll-interval = \"1s\"\n\
           [autoscaler.a]\nof = \"s\"\nrequests = \"10/s\"\n[flow.f]\nat = \"s\"\nsteps = [{ publish = \"o\" }]\n"
            .to_owned()
            + &requests(&[(1.0, "f")])),
        100.5,
    );
    near(figure(&o, "outbox.o", "polls") * 100.5, 101.0, 1.0);
}

#[test]
fn a_request_of_cpu_without_a_goal_for_it_is_warned_of() {
    let warned = |keys: &str| {
        let mut sink = plimsoll::diagnostic::Sink::default();
        let text = calls("replicas = 3\nhost = { cores = 1 }", keys, 1, 1, "0s", "1s", "");
        assert!(plimsoll::model::load("test", &text, None, &mut sink).is_some());
        sink.diagnostics()
            .iter()
            .any(|d| d.message.contains("`cpu-request` has no effect"))
    };
    assert!(warned("requests = \"10/s\"\ncpu-request = 1"));
    assert!(!warned("requests = \"10/s\""));
    assert!(!warned("cpu = \"50%\"\ncpu-request = 1"));
}
