//! What the timeline sets while work is under way.

use super::*;

/// Services of one second that begin at these instants, with one change of `key` at 0.5 s; how long each took.
pub fn changed<const N: usize>(tables: &str, step: &str, set: &str, at: [f64; N]) -> [f64; N] {
    let mut text = format!("{tables}\n[[timeline]]\nat = \"500ms\"\nset = {{ {set} }}\n");
    let names: Vec<String> = (0..N).map(|i| format!("f{i}")).collect();
    for name in &names {
        text += &format!("[flow.{name}]\nsteps = [{step}]\n");
    }
    let list: Vec<(f64, &str)> = at.into_iter().zip(names.iter().map(String::as_str)).collect();
    let o = observe(&(text + &requests(&list)), 20.0);
    std::array::from_fn(|i| figure(&o, &format!("flow.f{i}"), "response_time_max"))
}

#[track_caller]
pub fn same<const N: usize>(what: &str, found: [f64; N], expected: [f64; N]) {
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() < 1e-5, "{what}: {found:?}, expected {expected:?}");
    }
}

/// Kinds that let so many in at a time: tables, the key of that number, and a step of one second.
fn kinds(n: u32) -> Vec<(String, String, &'static str)> {
    let hold = r#"{ use = "b", steps = [{ delay = "1s" }] }"#;
    [
        (
            "bulkhead",
            "max-concurrent-calls",
            "max-wait-duration = \"10s\"",
            hold,
        ),
        ("thread-pool", "max-threads", "min-spare-threads = 1", hold),
        (
            "thread-pool",
            "max-connections",
            "connections = \"per-request\"",
            hold,
        ),
        ("database", "parallelism", "", r#"{ query = "b", time = "1s" }"#),
        ("external", "concurrency", "time = \"1s\"", r#"{ use = "b" }"#),
        ("station", "servers", "", r#"{ use = "b", time = "1s" }"#),
        (
            "station",
            "servers",
            "preemptive = true",
            r#"{ use = "b", time = "1s" }"#,
        ),
        (
            "connection-pool",
            "maximum-pool-size",
            "connect-time = \"0s\"",
            hold,
        ),
    ]
    .map(|(kind, key, keys, step)| {
        (
            format!("[{kind}.b]\n{keys}\n{key} = {n}\n"),
            format!("{kind}.b.{key}"),
            step,
        )
    })
    .into()
}

#[test]
fn more_places_are_taken_at_once() {
    // A connection pool adds one connection at a time: it has its own test.
    for (tables, key, step) in kinds(1).into_iter().filter(|k| !k.0.contains("pool-size")) {
        let found = changed(&tables, step, &format!("\"{key}\" = 3"), [0.0, 0.1, 0.2]);
        same(&tables, found, [1.0, 1.4, 1.3]);
        let found = changed(&tables, step, &format!("\"{key}\" = 2"), [0.0, 0.1, 0.2]);
        same(&tables, found, [1.0, 1.4, 1.8]);
    }
}

#[test]
fn fewer_places_take_effect_as_those_inside_leave() {
    // A connection pool closes nothing.
    for (tables, key, step) in kinds(3) {
        let pool = tables.contains("pool-size");
        // Until 1.2 s more are inside than may be.
        let found = changed(
            &tables,
            step,
            &format!("\"{key}\" = 1"),
            [0.0, 0.1, 0.2, 0.6, 0.7],
        );
        let (fourth, fifth) = if pool { (1.4, 1.4) } else { (1.6, 2.5) };
        same(&tables, found, [1.0, 1.0, 1.0, fourth, fifth]);
    }
}

const CPU: &str = r#"{ cpu = "1s", on = "b" }"#;

fn host(discipline: &str, cores: u32) -> String {
    let quantum = if discipline == "round-robin" {
        "quantum = \"10s\""
    } else {
        ""
    };
    format!("[host.b]\ndiscipline = \"{discipline}\"\ncores = {cores}\n{quantum}\n")
}

#[test]
fn more_cores_take_up_what_waits() {
    for discipline in ["fcfs", "round-robin"] {
        let found = changed(&host(discipline, 1), CPU, "\"host.b.cores\" = 3", [0.0, 0.1, 0.2]);
        same(discipline, found, [1.0, 1.4, 1.3]);
    }
    // A sixth of each is done after half a second.
    let found = changed(
        &host("processor-sharing", 1),
        CPU,
        "\"host.b.cores\" = 3",
        [0.0, 0.0, 0.0],
    );
    same("shared", found, [0.5 + 5.0 / 6.0; 3]);
}

#[test]
fn of_fewer_cores_the_last_ones_are_given_up_as_their_jobs_end() {
    for discipline in ["fcfs", "round-robin"] {
        let set = "\"host.b.cores\" = 1";
        let found = changed(&host(discipline, 3), CPU, set, [0.0, 0.1, 0.2, 0.6, 0.7]);
        // The first core takes up the others, one after the other.
        same(discipline, found, [1.0, 1.0, 1.0, 1.4, 2.3]);
    }
    // At half a second 0.5 s of each are left.
    let found = changed(
        &host("processor-sharing", 2),
        CPU,
        "\"host.b.cores\" = 1",
        [0.0, 0.0],
    );
    same("shared", found, [1.5; 2]);
}

#[test]
fn idle_cores_are_given_up_at_once() {
    for discipline in ["fcfs", "round-robin"] {
        let set = "\"host.b.cores\" = 1";
        // The first is over before the change: of three idle cores one is left.
        let found = changed(
            &host(discipline, 3),
            "{ cpu = \"300ms\", on = \"b\" }",
            set,
            [0.0, 0.6, 0.7],
        );
        same(discipline, found, [0.3, 0.3, 0.5]);
    }
}

#[test]
fn a_faster_machine_is_faster_for_what_comes_and_where_cores_are_shared_for_what_is_there() {
    let set = "\"host.b.speed\" = 2.0";
    let found = changed(&host("fcfs", 1), CPU, set, [0.0, 0.6]);
    same("fcfs", found, [1.0, 0.9]);
    let found = changed(&host("processor-sharing", 1), CPU, set, [0.0, 2.0]);
    same("shared", found, [0.75, 0.5]);
}

#[test]
fn another_patience_holds_for_those_who_wait_already() {
    let flows = |tables: &str, step: &str, set: &str| {
        let text = format!(
            "{tables}\n[[timeline]]\nat = \"500ms\"\nset = {{ {set} }}\n[flow.f]\nsteps = [{step}]\n{}",
            requests(&[(0.0, "f"), (0.1, "f"), (0.4, "f")])
        );
        let o = observe(&text, 20.0);
        (
            figure(&o, "flow.f", "failures") * 20.0,
            o.figure("flow.f", "failure_time_max").unwrap_or(0.0),
        )
    };
    let station = "[station.b]\npatience = \"700ms\"\n";
    let step = r#"{ use = "b", time = "9s" }"#;
    // Shorter: one has waited longer already, the other waits for 0.3 s.
    assert_eq!(
        flows(station, step, "\"station.b.patience\" = \"300ms\""),
        (2.0, 0.4)
    );
    assert_eq!(
        flows(station, step, "\"station.b.patience\" = \"2s\""),
        (2.0, 2.0)
    );
    let external = "[external.b]\ntime = \"9s\"\nconcurrency = 1\ntimeout = \"20s\"\n";
    let found = flows(external, r#"{ use = "b" }"#, "\"external.b.timeout\" = \"300ms\"");
    assert_eq!(found, (2.0, 0.4));
    for more in ["", "\nwake-up-latency = \"1us\""] {
        let pool = format!("[connection-pool.b]\nmaximum-pool-size = 1\nconnect-time = \"0s\"{more}\n");
        let step = r#"{ use = "b", steps = [{ delay = "9s" }] }"#;
        let found = flows(
            &pool,
            step,
            "\"connection-pool.b.connection-timeout\" = \"300ms\"",
        );
        assert_eq!(found, (2.0, 0.4), "{more}");
    }
}

/// The first takes `b` for 9 s from 0 s on; when those who come at 0.1, 0.4 and 0.6 s give up, if the key is set at 0.5 s.
pub fn give_up(tables: &str, step: &str, set: &str) -> [f64; 3] {
    let mut text = format!("{tables}\n[[timeline]]\nat = \"500ms\"\nset = {{ {set} }}\n");
    let names = ["f0", "f1", "f2", "f3"];
    for name in names {
        text += &format!("[flow.{name}]\nsteps = [{step}]\n");
    }
    let list: Vec<(f64, &str)> = [0.0, 0.1, 0.4, 0.6].into_iter().zip(names).collect();
    let o = observe(&(text + &requests(&list)), 100.0);
    [1, 2, 3].map(|i| {
        let took = o.figure(&format!("flow.f{i}"), "failure_time_max");
        [0.0, 0.1, 0.4, 0.6][i] + took.unwrap_or(f64::INFINITY)
    })
}

pub const NINE: &str = r#"{ use = "b", steps = [{ delay = "9s" }] }"#;

#[test]
fn another_longest_wait_holds_at_once_for_who_waits_and_for_who_comes() {
    for (tables, key, step) in [
        ("[lock.b]\nwait-timeout = \"2s\"", "lock.b.wait-timeout", NINE),
        (
            "[bulkhead.b]\nmax-concurrent-calls = 1\nmax-wait-duration = \"2s\"",
            "bulkhead.b.max-wait-duration",
            NINE,
        ),
        (
            "[topic.b]\nlinger = \"0s\"\nsend-time = \"9s\"\nbuffer-memory = \"16KiB\"\nmax-block = \"2s\"",
            "topic.b.max-block",
            r#"{ publish = "b" }"#,
        ),
    ] {
        let found = give_up(tables, step, &format!("\"{key}\" = \"300ms\""));
        same(key, found, [0.5, 0.7, 0.9]);
        let found = give_up(tables, step, &format!("\"{key}\" = \"3s\""));
        same(key, found, [3.1, 3.4, 3.6]);
    }
}

#[test]
fn at_a_rate_limiter_who_comes_with_a_shorter_time_out_gives_up_before_those_who_came_with_a_longer_one() {
    let limiter =
        "[rate-limiter.b]\nlimit-for-period = 1\nlimit-refresh-period = \"1000s\"\ntimeout-duration = \"2s\"";
    let found = give_up(limiter, NINE, "\"rate-limiter.b.timeout-duration\" = \"300ms\"");
    same("shorter", found, [2.1, 2.4, 0.9]);
}

#[test]
fn connections_are_tested_from_the_moment_on_at_which_the_timeline_says_so() {
    let pool = "[connection-pool.b]\nmaximum-pool-size = 1\nconnect-time = \"0s\"\nmax-lifetime = \"0s\"\n";
    let step = r#"{ use = "b", steps = [{ delay = "100ms" }] }"#;
    let set = "\"connection-pool.b.validation-time\" = \"50ms\"";
    // It has idled since 0.1 s, and for less than half a second at 3.3 s.
    let found = changed(pool, step, set, [0.0, 3.0, 3.3]);
    same("tested", found, [0.1, 0.15, 0.1]);
}

#[test]
fn a_wait_for_a_lock_that_began_without_a_limit_has_none_later() {
    let found = give_up("[lock.b]", NINE, "\"lock.b.wait-timeout\" = \"300ms\"");
    assert_eq!(found[..2], [f64::INFINITY; 2]);
    near(found[2], 0.9, 1e-9);
}

#[test]
fn more_buffer_memory_lets_those_who_wait_for_it_in() {
    let topic =
        "[topic.b]\nlinger = \"0s\"\nsend-time = \"9s\"\nbuffer-memory = \"16KiB\"\nmax-in-flight = 1\n";
    let send = r#"{ publish = "b" }"#;
    let found = changed(
        topic,
        send,
        "\"topic.b.buffer-memory\" = \"32KiB\"",
        [0.0, 0.1, 0.4],
    );
    same("a batch more", found, [0.0, 0.4, 0.1]);
}

#[test]
fn a_rate_limiter_keeps_the_permits_at_hand_as_far_as_the_new_limit_allows() {
    let limiter = |limit: u32| {
        format!(
            "[rate-limiter.b]\nlimit-for-period = {limit}\nlimit-refresh-period = \"1s\"\ntimeout-duration = \"20s\"\n"
        )
    };
    let step = r#"{ use = "b", steps = [] }"#;
    // One is reserved for the next second, in which three come: two are left for the two that come first.
    let set = "\"rate-limiter.b.limit-for-period\" = 3";
    let found = changed(&limiter(1), step, set, [0.0, 0.6, 1.1, 1.2, 1.3]);
    same("raised", found, [0.0, 0.4, 0.0, 0.0, 0.7]);
    let set = "\"rate-limiter.b.limit-for-period\" = 2";
    let found = changed(&limiter(5), step, set, [0.6, 0.7, 0.8, 0.9, 0.95]);
    same("lowered", found, [0.0, 0.0, 0.2, 0.1, 1.05]);
    // Periods are counted from time zero whatever their length was before.
    let set = "\"rate-limiter.b.limit-refresh-period\" = \"4s\"";
    let found = changed(&limiter(1), step, set, [0.1, 0.6, 4.5]);
    same("longer", found, [0.0, 3.4, 3.5]);
}

#[test]
fn another_threshold_leaves_a_breaker_what_it_knows_and_another_wait_begins_anew() {
    let text = |at: &str, set: &str| {
        format!(
            "[circuit-breaker.cb]\nminimum-number-of-calls = 2\nwait-duration-in-open-state = \"2s\"\n\
             automatic-transition-from-open-to-half-open = true\n\
             [flow.bad]\nsteps = [{{ use = \"cb\", steps = [{{ fail = \"100%\" }}] }}]\n\
             [[timeline]]\nat = \"{at}\"\nset = {{ \"circuit-breaker.cb.{set} }}\n{}",
            requests(&[(0.0, "bad"), (1.0, "bad"), (6.0, "bad")])
        )
    };
    let of = |at: &str, set: &str| {
        let o = observe(&text(at, set), 10.0);
        let of = |name| figure(&o, "circuit-breaker.cb", name);
        assert_eq!(of("transitions_to_open"), 1.0);
        (of("time_closed"), of("time_open"))
    };
    let same = |found: (f64, f64), wanted: (f64, f64)| {
        near(found.0, wanted.0, 1e-9);
        near(found.1, wanted.1, 1e-9);
    };
    // Open from the second failure on for two seconds, whenever the threshold is changed.
    let threshold = "failure-rate-threshold\" = \"60%\"";
    for at in ["0s", "500ms", "2s"] {
        same(of(at, threshold), (1.0, 2.0));
    }
    // Another wait begins while it is open.
    same(
        of("2s", "wait-duration-in-open-state\" = \"3s\""),
        (1.0, 1.0 + 3.0),
    );
}

#[test]
fn a_java_pool_grows_to_a_larger_core_and_not_to_a_larger_maximum() {
    let pool =
        "[thread-pool.b]\nexecutor = \"java\"\ncore-threads = 1\nqueue-capacity = 9\nmax-threads = 3\n";
    let step = r#"{ use = "b", steps = [{ delay = "1s" }] }"#;
    let found = changed(pool, step, "\"thread-pool.b.core-threads\" = 2", [0.0, 0.1, 0.2]);
    same("core", found, [1.0, 1.4, 1.8]);
    // Its queue has room: a larger maximum, or any other key, starts no thread.
    for set in [
        "\"thread-pool.b.max-threads\" = 9",
        "\"thread-pool.b.queue-capacity\" = 8",
        "\"thread-pool.b.thread-keep-alive\" = \"1s\"",
    ] {
        same(set, changed(pool, step, set, [0.0, 0.1, 0.2]), [1.0, 1.9, 2.8]);
    }
}

#[test]
fn threads_beyond_a_smaller_maximum_of_a_java_pool_end() {
    let pool = "[thread-pool.b]\nexecutor = \"java\"\ncore-threads = 2\nmax-threads = 2\n";
    let step = r#"{ use = "b", steps = [{ delay = "1s" }] }"#;
    let set = "\"thread-pool.b.core-threads\" = 1, \"thread-pool.b.max-threads\" = 1";
    // Both at work at the change: one takes up what waits, and is the only one later on.
    let found = changed(pool, step, set, [0.0, 0.1, 0.6, 3.0, 3.1]);
    same("at work", found, [1.0, 1.0, 1.5, 1.0, 1.9]);
    // Both idle.
    let text = "[thread-pool.b]\nexecutor = \"java\"\ncore-threads = 2\nmax-threads = 2\n".to_owned()
        + "[flow.f]\nsteps = [{ use = \"b\", steps = [{ delay = \"100ms\" }] }]\n"
        + &format!("[[timeline]]\nat = \"500ms\"\nset = {{ {set} }}\n")
        + &requests(&[(0.0, "f"), (0.05, "f"), (1.0, "f"), (1.05, "f")]);
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 0.15, 1e-9);
    assert_eq!(figure(&o, "thread-pool.b", "threads_current"), 1.0);
}

#[test]
fn a_process_that_ends_closes_the_connections_that_idle() {
    let text = |timeline: &str| {
        format!(
            "[service.api]\n[thread-pool.http]\nin = \"api\"\nmax-connections = 1\nkeep-alive-timeout = \"20s\"\n\
             [flow.f]\nat = \"api\"\nsteps = [{{ use = \"http\", steps = [{{ delay = \"100ms\" }}] }}]\n{timeline}\n{}",
            requests(&[(0.0, "f"), (3.0, "f")])
        )
    };
    // A user's connection idles for 20 s.
    let o = observe(&text(""), 60.0);
    near(figure(&o, "flow.f", "response_time_max"), 17.2, 1e-9);
    let o = observe(
        &text("[[timeline]]\nat = \"1s\"\noutage = \"api\"\nfor = \"1s\""),
        60.0,
    );
    near(figure(&o, "flow.f", "response_time_max"), 0.1, 1e-9);
    near(
        figure(&o, "thread-pool.http", "connections_open_mean") * 60.0,
        1.0 + 20.1,
        1e-9,
    );
}

#[test]
fn a_process_that_ends_gives_its_connections_back_and_opens_new_ones_when_it_is_back() {
    let text = "[service.api]\n[database.db]\n[connection-pool.p]\nin = \"api\"\nto = \"db\"\nmaximum-pool-size = 4\n\
                connect-time = \"0s\"\n[flow.f]\nat = \"api\"\nsteps = [{ use = \"p\", steps = [{ delay = \"100ms\" }] }]\n\
                [[timeline]]\nat = \"2s\"\noutage = \"api\"\nfor = \"3s\"\n"
        .to_owned()
        + &requests(&[(0.0, "f"), (8.0, "f")]);
    let o = observe(&text, 10.0);
    near(
        figure(&o, "connection-pool.p", "connections_mean"),
        4.0 * 0.7,
        1e-9,
    );
    near(figure(&o, "database.db", "connections_mean"), 4.0 * 0.7, 1e-9);
    near(figure(&o, "flow.f", "throughput"), 0.2, 1e-9);
}

#[test]
fn a_capacity_that_changed_is_averaged_over_the_measured_time() {
    let text = "[station.b]\n[[timeline]]\nat = \"5s\"\nset = { \"station.b.servers\" = 3 }\n\
                [flow.f]\nsteps = [{ use = \"b\", time = \"100s\" }]\n"
        .to_owned()
        + &requests(&[(0.0, "f")]);
    let model = crate::support::model(&text);
    let seen = |warm_up: f64| {
        let o = run(&model, &crate::support::options(0, 10.0, warm_up)).expect("the books balance");
        (
            figure(&o, "station.b", "utilisation"),
            o.columns
                .iter()
                .find(|c| c.subject == "station.b" && c.name == "utilisation")
                .map(|c| c.values.clone()),
        )
    };
    // One is always busy: of one server until 5 s, of three from then on.
    let (whole, series) = seen(0.0);
    near(whole, 0.5, 1e-9);
    near(seen(2.0).0, 8.0 / 18.0, 1e-9);
    near(seen(6.0).0, 1.0 / 3.0, 1e-9);
    let series = series.expect("a series");
    near(series[8], 1.0, 1e-9);
    near(series[10], 1.0 / 3.0, 1e-9);
}

#[test]
fn a_connection_that_was_asked_for_by_a_process_that_ended_meanwhile_is_none() {
    let text = "[service.api]\n[database.db]\n[connection-pool.p]\nin = \"api\"\nto = \"db\"\ninitially = \"empty\"\n\
                minimum-idle = 0\nmaximum-pool-size = 4\nconnect-time = \"5s\"\n\
                [flow.f]\nat = \"api\"\nsteps = [{ use = \"p\", steps = [{ delay = \"100ms\" }] }]\n\
                [[timeline]]\nat = \"2s\"\noutage = \"api\"\nfor = \"8s\"\n"
        .to_owned()
        + &requests(&[(0.0, "f"), (20.0, "f")]);
    let o = observe(&text, 19.0);
    assert_eq!(figure(&o, "connection-pool.p", "connections_max"), 0.0);
    // The server sees its socket closed with the process.
    near(figure(&o, "database.db", "connections_mean") * 19.0, 2.0, 1e-9);
    let o = observe(&text, 40.0);
    near(figure(&o, "flow.f", "response_time_max"), 5.1, 1e-9);
}

#[test]
fn in_turn_those_from_cores_that_are_given_up_take_turns_with_the_others() {
    let host = "[host.b]\ndiscipline = \"round-robin\"\nquantum = \"100ms\"\ncores = 3\n";
    // 0.4 s of each are left at 0.6 s, the end of the quantum.
    let found = changed(host, CPU, "\"host.b.cores\" = 1", [0.0, 0.0, 0.0]);
    same("one of three", found, [1.6, 1.7, 1.8]);
    let found = changed(host, CPU, "\"host.b.cores\" = 2", [0.0, 0.0, 0.0]);
    assert!(found.iter().all(|f| (1.1..=1.3).contains(f)), "{found:?}");
}

#[test]
fn any_other_key_leaves_the_threads_of_a_java_pool_as_they_are() {
    let text = "[thread-pool.b]\nexecutor = \"java\"\ncore-threads = 2\nmax-threads = 2\n\
                [flow.f]\nsteps = [{ use = \"b\", steps = [{ delay = \"100ms\" }] }]\n\
                [[timeline]]\nat = \"500ms\"\nset = { \"thread-pool.b.thread-keep-alive\" = \"9s\" }\n"
        .to_owned()
        + &requests(&[(0.0, "f"), (0.01, "f")]);
    assert_eq!(
        figure(&observe(&text, 10.0), "thread-pool.b", "threads_current"),
        2.0
    );
}

#[test]
fn in_turn_each_of_the_cores_that_are_left_works_and_no_other() {
    // The second job is over at 0.3 s. The other two have a core each until 0.6 s, and one together from then on.
    let mut text = "[host.b]\ndiscipline = \"round-robin\"\nquantum = \"100ms\"\ncores = 3\n\
                    [[timeline]]\nat = \"500ms\"\nset = { \"host.b.cores\" = 1 }\n"
        .to_owned();
    for (name, cpu) in [("first", "1s"), ("second", "300ms"), ("third", "1s")] {
        text += &format!("[flow.{name}]\nsteps = [{{ cpu = \"{cpu}\", on = \"b\" }}]\n");
    }
    let o = observe(
        &(text + &requests(&[(0.0, "first"), (0.0, "second"), (0.0, "third")])),
        10.0,
    );
    near(figure(&o, "flow.first", "response_time_max"), 1.3, 1e-9);
    near(figure(&o, "flow.third", "response_time_max"), 1.4, 1e-9);
    // Two more beside two: each has a clock of its own.
    let found = changed(
        &host("round-robin", 2),
        CPU,
        "\"host.b.cores\" = 4",
        [0.0, 0.0, 0.1, 0.2],
    );
    same("four", found, [1.0, 1.0, 1.4, 1.3]);
}

#[test]
fn a_capacity_that_changes_twice_within_a_window_is_averaged_over_it() {
    let set = |at: &str, servers: u32| {
        format!("[[timeline]]\nat = \"{at}\"\nset = {{ \"station.b.servers\" = {servers} }}\n")
    };
    let text = format!(
        "[station.b]\n{}{}[flow.f]\nsteps = [{{ use = \"b\", time = \"100s\" }}]\n{}",
        set("5200ms", 3),
        set("5300ms", 2),
        requests(&[(0.0, "f")])
    );
    let model = crate::support::model(&text);
    let o = run(&model, &crate::support::options(0, 10.0, 0.0)).expect("the books balance");
    let mut columns = o.columns.iter().filter(|c| c.subject == "station.b");
    let series = columns.find(|c| c.name == "utilisation").expect("a series");
    // In the window from 5 to 5.5 s: one server for 0.2 s, three for 0.1 s, two for 0.2 s.
    near(series.values[9], 1.0, 1e-9);
    near(series.values[10], 0.5 / 0.9, 1e-9);
    near(series.values[11], 0.5, 1e-9);
}
