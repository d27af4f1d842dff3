//! Who gives way first.

use super::*;

#[test]
fn of_components_about_as_busy_the_innermost_holds_the_others_up() {
    let point = plan(OPEN, "");
    let of = |desk: f64, back: f64| {
        let metrics = figures(&[
            ("station.desk", "utilisation", desk),
            ("station.back", "utilisation", back),
        ]);
        bottleneck(&point, &steady(), &metrics)
    };
    assert_eq!(of(0.9, 0.86).as_deref(), Some("station.back servers 86 %"));
    assert_eq!(of(0.9, 0.84).as_deref(), Some("station.desk servers 90 %"));
    assert_eq!(of(0.5, 0.9).as_deref(), Some("station.back servers 90 %"));
    // Nobody is busy.
    assert_eq!(of(0.0, 0.0), None);
    assert_eq!(of(f64::NAN, f64::NAN), None);
    // Of two as deep, the busier one.
    let side = "[station.desk]\n[station.back]\n[flow.f]\nsteps = [{ use = \"desk\", time = \"1ms\" }, { use = \"back\", time = \"1ms\" }]\n\
                [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n";
    let side = written(side);
    for (desk, back, first) in [(0.90, 0.91, "back"), (0.91, 0.90, "desk"), (0.90, 0.90, "back")] {
        let metrics = figures(&[
            ("station.desk", "utilisation", desk),
            ("station.back", "utilisation", back),
        ]);
        let said = bottleneck(&side, &steady(), &metrics).expect("somebody is busy");
        assert!(said.starts_with(&format!("station.{first} ")), "{said}");
    }
}

#[test]
fn where_nobody_has_a_capacity_the_longest_wait_gives_way_first() {
    let point = plan(OPEN, "");
    let waits = |desk: f64, back: f64| {
        let metrics = figures(&[
            ("station.desk", "waiting_time_mean", desk),
            ("station.back", "waiting_time_mean", back),
        ]);
        bottleneck(&point, &steady(), &metrics)
    };
    assert_eq!(waits(0.2, 0.1).as_deref(), Some("station.desk waiting 200ms"));
    assert_eq!(waits(0.1, 0.2).as_deref(), Some("station.back waiting 200ms"));
    assert_eq!(waits(0.0, 0.0), None);
}

#[test]
fn a_lock_is_as_busy_as_its_hottest_key() {
    let text = "[lock.row]\nkey = \"list(1, 99)\"\n[station.desk]\nservers = 40\n[flow.visit]\n\
                steps = [{ use = \"desk\", steps = [{ use = \"row\", time = \"10ms\" }] }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n";
    let point = written(text);
    let metrics = carrying(
        10.0,
        &[
            ("station.desk", "utilisation", 0.6),
            ("lock.row", "hottest_key_utilisation", 0.96),
        ],
    );
    assert_eq!(verdict(&point, &steady(), &metrics).0, Verdict::NearCritical);
    assert_eq!(
        bottleneck(&point, &steady(), &metrics).as_deref(),
        Some("lock.row held 96 %")
    );
}

#[test]
fn a_consumer_is_as_busy_as_its_busiest_thread() {
    let text = "[topic.t]\npartitions = 2\n[consumer.c]\ntopic = \"t\"\nconcurrency = 10\nsteps = [{ delay = \"10ms\" }]\n\
                [flow.f]\nsteps = [{ publish = \"t\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n";
    let of = |all: f64, busiest: f64| {
        let metrics = figures(&[
            ("consumer.c", "utilisation", all),
            ("consumer.c", "busiest_thread_utilisation", busiest),
        ]);
        bottleneck(&written(text), &steady(), &metrics)
    };
    assert_eq!(of(0.2, 1.0).as_deref(), Some("consumer.c busiest thread 100 %"));
    assert_eq!(of(0.89, 0.9).as_deref(), Some("consumer.c threads 89 %"));
}

const RATE: &str = "[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n";

#[test]
fn what_is_busy_is_named_for_each_kind() {
    for (text, subject, word) in [
        (
            "[host.h]\n[station.s]\n[flow.f]\nsteps = [{ use = \"s\", time = \"1ms\" }]\n",
            "host.h",
            "cpu",
        ),
        (
            "[station.s]\n[flow.f]\nsteps = [{ use = \"s\", time = \"1ms\" }]\n",
            "station.s",
            "servers",
        ),
        (
            "[database.d]\n[flow.f]\nsteps = [{ query = \"d\", time = \"1ms\" }]\n",
            "database.d",
            "statements",
        ),
        (
            "[lock.l]\n[flow.f]\nsteps = [{ use = \"l\", time = \"1ms\" }]\n",
            "lock.l",
            "held",
        ),
        (
            "[bulkhead.b]\n[flow.f]\nsteps = [{ use = \"b\", time = \"1ms\" }]\n",
            "bulkhead.b",
            "busy",
        ),
        (
            "[topic.t]\n[consumer.c]\ntopic = \"t\"\nsteps = [{ delay = \"1ms\" }]\n[flow.f]\nsteps = [{ publish = \"t\" }]\n",
            "consumer.c",
            "threads",
        ),
    ] {
        let metrics = carrying(10.0, &[(subject, "utilisation", 0.5)]);
        let said = bottleneck(&written(&format!("{text}{RATE}")), &steady(), &metrics);
        assert_eq!(said, Some(format!("{subject} {word} 50 %")));
    }
}

#[test]
fn connections_of_a_database_are_used_up_when_one_more_is_refused() {
    let text = "[database.d]\nmax-connections = 5\n[flow.f]\nsteps = [{ query = \"d\", time = \"1ms\" }]\n";
    let point = written(&format!("{text}{RATE}"));
    let of = |refused: f64| {
        let metrics = [
            ("database.d", "utilisation", 0.3),
            ("database.d", "connections_refused", refused),
            ("database.d", "connections_utilisation", 1.0),
        ];
        bottleneck(&point, &steady(), &carrying(10.0, &metrics))
    };
    assert_eq!(of(0.1).as_deref(), Some("database.d connections 100 %"));
    assert_eq!(of(0.0).as_deref(), Some("database.d statements 30 %"));
}

#[test]
fn who_turns_requests_away_while_nobody_is_busy_gives_way_first() {
    let of = |busy: f64, rejected: f64, dropped: f64| {
        let metrics = [
            ("station.desk", "utilisation", busy),
            ("station.desk", "rejected", rejected),
            (SYSTEM, "failures_rejected", rejected),
            ("workload.w", "dropped", dropped),
        ];
        bottleneck(&plan(OPEN, ""), &steady(), &carrying(10.0, &metrics))
    };
    assert_eq!(of(0.3, 2.0, 0.0).as_deref(), Some("station.desk turns away 2/s"));
    assert_eq!(of(0.3, 1.0, 2.0).as_deref(), Some("workload.w never sends 2/s"));
    assert_eq!(of(0.97, 2.0, 0.0).as_deref(), Some("station.desk servers 97 %"));
    // Below five in a hundred.
    assert_eq!(of(0.3, 0.2, 0.0).as_deref(), Some("station.desk servers 30 %"));
    // Whoever waited too long was turned away too; less than half of what is lost names nobody.
    let both = |lost: f64| {
        let metrics = [
            ("station.desk", "utilisation", 0.3),
            ("station.desk", "rejected", 0.6),
            ("station.desk", "timed_out", 0.4),
            (SYSTEM, "failures_rejected", lost),
        ];
        bottleneck(&plan(OPEN, ""), &steady(), &carrying(10.0, &metrics))
    };
    assert_eq!(both(1.0).as_deref(), Some("station.desk turns away 1/s"));
    assert_eq!(both(4.0).as_deref(), Some("station.desk servers 30 %"));
}

#[test]
fn a_client_that_cannot_send_what_it_should_is_the_bottleneck() {
    let text = "[station.desk]\n[flow.f]\nsteps = [{ use = \"desk\", time = \"1ms\" }]\n[workload.w]\nexecutor = \"poisson\"\n\
                rate = \"12/s\"\nclient = { threads = 1, time = \"100ms\" }\n";
    let point = written(text);
    let of = |busy: f64| {
        let metrics = [
            ("station.desk", "utilisation", 0.3),
            ("client.w", "utilisation", busy),
            ("client.w", "arrivals", 12.0),
            ("client.w", "throughput", 10.0),
        ];
        let metrics = carrying(10.0, &metrics);
        let (verdict_, why) = verdict(&point, &steady(), &metrics);
        (verdict_, why, bottleneck(&point, &steady(), &metrics))
    };
    let (verdict_, why, who) = of(1.0);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(
        why,
        "16.67 % of 12/s is lost: never sent for want of the client's time 2/s"
    );
    assert_eq!(who.as_deref(), Some("client.w threads 100 %"));
    // What is on its way through a client with time to spare.
    assert_eq!(of(0.5).0, Verdict::Stable);
}

#[test]
fn where_the_load_changes_the_busiest_stretch_counts() {
    let users = plan(
        "executor = \"ramping-vus\"\nstages = [{ duration = \"1000s\", target = 300 }]\nthink-time = \"1s\"",
        "",
    );
    let mut seen = steady();
    // Twice a hundred windows: a fifth of them at work all the time.
    let busy = (0..200).map(|i| if (100..120).contains(&i) { 1.0 } else { 0.25 });
    seen.columns.push(Column {
        subject: "station.back".to_owned(),
        name: "utilisation".to_owned(),
        unit: Unit::Share,
        values: Bits(busy.collect()),
    });
    let metrics = carrying(10.0, &[("station.back", "utilisation", 0.4)]);
    let (verdict_, why) = verdict(&users, &seen, &metrics);
    assert_eq!(verdict_, Verdict::NearCritical);
    assert_eq!(
        why,
        "station.back is busy for 100 % of the time from 8m 20s to 10m: more users would wait longer and get no more done"
    );
    assert_eq!(
        bottleneck(&users, &seen, &metrics).as_deref(),
        Some("station.back servers 100 % from 8m 20s to 10m")
    );
    // A load that does not change is judged by all of it.
    assert_eq!(verdict(&plan(USERS, ""), &seen, &metrics).0, Verdict::Stable);
}

#[test]
fn a_time_limit_that_ends_everything_or_a_full_heap_gives_way_before_who_is_idle() {
    let text = "[time-limiter.l]\n[service.s]\nhost = { cores = 4 }\n[heap.s]\nin = \"s\"\nsize = \"1GiB\"\n[station.desk]\n\
                [flow.f]\nat = \"s\"\nsteps = [{ use = \"l\", steps = [{ use = \"desk\", time = \"1ms\" }] }]\n";
    let point = written(&format!("{text}{RATE}"));
    let of = |fault: &str| {
        let metrics = [
            ("station.desk", "utilisation", 0.12),
            ("time-limiter.l", "failed", 9.0),
            (SYSTEM, fault, 9.0),
        ];
        bottleneck(&point, &steady(), &carrying(1.0, &metrics))
    };
    assert_eq!(
        of("failures_timed_out").as_deref(),
        Some("time-limiter.l turns away 9/s")
    );
    assert_eq!(
        of("failures_out_of_memory").as_deref(),
        Some("heap.s out of memory")
    );
}

#[test]
fn the_busiest_stretch_is_a_tenth_of_the_run() {
    let users = plan(
        "executor = \"ramping-vus\"\nstages = [{ duration = \"1000s\", target = 300 }]\nthink-time = \"1s\"",
        "",
    );
    let said = |mean: f64, busy: &dyn Fn(i32) -> f64| {
        let mut seen = steady();
        seen.warm_up = 0;
        let column = |subject: &str, name: &str, values: Vec<f64>| Column {
            subject: subject.to_owned(),
            name: name.to_owned(),
            unit: Unit::Share,
            values: Bits(values),
        };
        seen.columns = vec![
            column("station.desk", "utilisation", vec![0.1; 200]),
            column("station.back", "in_queue", vec![0.9; 200]),
            column("station.back", "utilisation", (0..200).map(busy).collect()),
        ];
        let metrics = carrying(10.0, &[("station.back", "utilisation", mean)]);
        bottleneck(&users, &seen, &metrics).expect("somebody is busy")
    };
    // Twenty windows of two hundred, of which ten at work.
    let short = |i: i32| if (100..110).contains(&i) { 1.0 } else { 0.2 };
    assert_eq!(said(0.24, &short), "station.back servers 60 % from 7m 30s to 10m");
    // Of two alike the first.
    let twice = |i: i32| f64::from(u8::from((40..60).contains(&i) || (150..170).contains(&i)));
    assert_eq!(said(0.2, &twice), "station.back servers 100 % from 3m 20s to 5m");
    // One hundredth more than all the time is as busy.
    assert_eq!(said(0.4, &|_| 0.41), "station.back servers 40 %");
}
