//! What arithmetic knows of each kind.

use super::tests::{load, near, sums, told};
use super::*;

/// Poisson requests that take one step, `g` beside a station with plenty of servers.
fn one(table: &str, step: &str, rate: &str) -> Arithmetic {
    sums(&format!(
        "{table}\n[station.s]\nservers = 1000\n[flow.f]\nsteps = [{step}]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}\"\n"
    ))
}

const HOLD: &str = "{ use = \"g\", steps = [{ delay = \"100ms\" }] }";
const SERVE: &str = "{ use = \"g\", time = \"100ms\" }";

#[test]
fn each_kind_is_counted_in_what_it_has() {
    for (table, step, wanted) in [
        ("[lock.g]", HOLD, "4/s × 100ms = 0.4 of 1 holder"),
        ("[bulkhead.g]", HOLD, "4/s × 100ms = 0.4 of 25 calls"),
        ("[thread-pool.g]", HOLD, "4/s × 100ms = 0.4 of 200 threads"),
        ("[connection-pool.g]", HOLD, "4/s × 100ms = 0.4 of 10 connections"),
        (
            "[station.g]\nservers = 3",
            SERVE,
            "4/s × 100ms = 0.4 of 3 servers",
        ),
        (
            "[external.g]\nconcurrency = 50",
            SERVE,
            "4/s × 100ms = 0.4 of 50 calls",
        ),
        (
            "[database.g]\nparallelism = 8",
            "{ query = \"g\", time = \"100ms\" }",
            "4/s × 100ms = 0.4 of 8 statements",
        ),
        (
            "[rate-limiter.g]\nlimit-for-period = 16\nlimit-refresh-period = \"2s\"",
            HOLD,
            "4/s of 8/s",
        ),
    ] {
        let a = one(table, step, "4/s");
        let found = a.loads.iter().find(|l| l.subject.ends_with(".g"));
        assert_eq!(found.map(|l| l.sum.as_str()), Some(wanted), "{table}");
    }
    let cores = "[host.box]\ncores = 8\n[service.api]\nhost = \"box\"\ncpu-limit = 2\n[flow.f]\nat = \"api\"\n\
                 steps = [{ cpu = \"100ms\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"4/s\"";
    let a = sums(cores);
    assert_eq!(load(&a, "host.box").sum, "4/s × 100ms = 0.4 of 8 cores");
    assert_eq!(load(&a, "service.api").sum, "4/s × 100ms = 0.4 of 2 cores");
}

#[test]
fn what_has_no_limit_has_no_capacity() {
    // resilience4j's default of 50 in 500 ns is 1e8/s.
    for (table, step) in [
        ("[external.g]", SERVE),
        ("[database.g]", "{ query = \"g\", time = \"100ms\" }"),
        ("[rate-limiter.g]", HOLD),
        ("[time-limiter.g]", HOLD),
        ("[station.g]\ndiscipline = \"infinite-server\"", SERVE),
    ] {
        let a = one(table, step, "4/s");
        assert!(a.loads.is_empty(), "{table}: {:?}", a.loads);
    }
}

#[test]
fn who_finds_no_place_is_turned_away_waits_or_fails_when_its_patience_ends() {
    let (grows, turned) = ("the queue of `g` grows without bound", "the rest is turned away");
    for (table, step, end) in [
        ("[lock.g]", HOLD, grows),
        (
            "[lock.g]\nwait-timeout = \"50s\"",
            HOLD,
            "whoever waits longer than `wait-timeout` of 50s fails",
        ),
        ("[bulkhead.g]", HOLD, turned),
        (
            "[bulkhead.g]\nmax-wait-duration = \"2s\"",
            HOLD,
            "whoever waits longer than `max-wait-duration` of 2s fails",
        ),
        (
            "[thread-pool.g]\nmax-threads = 10",
            HOLD,
            "grows until 8293 are inside, and the rest is turned away",
        ),
        (
            "[thread-pool.g]\nmax-threads = 10\nmax-queue-capacity = 100",
            HOLD,
            turned,
        ),
        (
            "[connection-pool.g]",
            HOLD,
            "whoever waits longer than `connection-timeout` of 30s fails",
        ),
        ("[connection-pool.g]\nconnection-timeout = \"0s\"", HOLD, grows),
        ("[station.g]", SERVE, grows),
        ("[station.g]\ncapacity = 30", SERVE, turned),
        (
            "[station.g]\npatience = \"3s\"",
            SERVE,
            "whoever waits longer than `patience` of 3s fails",
        ),
        ("[external.g]\nconcurrency = 20", SERVE, grows),
        (
            "[external.g]\nconcurrency = 20\ntimeout = \"4s\"",
            SERVE,
            "whoever waits longer than `timeout` of 4s fails",
        ),
        (
            "[rate-limiter.g]\nlimit-for-period = 1\nlimit-refresh-period = \"10ms\"",
            HOLD,
            "whoever waits longer than `timeout-duration` of 5s fails",
        ),
        (
            "[database.g]\nparallelism = 8\nstatement-timeout = \"7s\"",
            "{ query = \"g\", time = \"100ms\" }",
            "whoever waits longer than `statement-timeout` of 7s fails",
        ),
    ] {
        let text = told(&one(table, step, "1000/s"), "overload");
        assert!(text.contains(end), "{table}: {text}");
    }
    let host = one("[host.g]", "{ cpu = \"100ms\", on = \"g\" }", "1000/s");
    assert!(told(&host, "overload").contains("work on `g` piles up without bound"));
}

#[test]
fn the_work_of_a_station_or_host_is_divided_by_its_speed() {
    // A station alone has the first of its speeds, a full one the last.
    let station = one("[station.g]\nservers = 2\nspeeds = [1, 0.5]", SERVE, "4/s");
    near(load(&station, "station.g").load, 0.4);
    near(load(&station, "station.g").utilisation(), 0.4);
    let fast = one("[station.g]\nservers = 2\nspeeds = [2, 1]", SERVE, "4/s");
    near(load(&fast, "station.g").load, 0.2);
    near(load(&fast, "station.g").utilisation(), 0.2);
    let host = one("[host.g]\nspeed = 2", "{ cpu = \"100ms\", on = \"g\" }", "4/s");
    near(load(&host, "host.g").load, 0.2);
}

#[test]
fn a_cache_takes_the_time_of_its_hits_and_of_its_misses() {
    let step = "{ use = \"g\", steps = [{ use = \"s\", time = \"100ms\" }] }";
    let given = one("[cache.g]\nhit-ratio = \"75%\"\nhit-time = \"2ms\"", step, "4/s");
    near(given.streams[0].response, 0.75 * 0.002 + 0.25 * 0.1);
    // Without a hit no hit takes time, however long it would.
    let cold = one(
        "[cache.g]\nhit-ratio = \"0%\"\nhit-time = \"pareto(1ms, alpha 0.9)\"",
        step,
        "4/s",
    );
    near(cold.streams[0].response, 0.1);
}

#[test]
fn the_failures_of_an_external_take_their_own_time() {
    let after = "{ use = \"g\" }, { use = \"s\", time = \"1ms\" }";
    let takes = |keys: &str| one(&format!("[external.g]\ntime = \"100ms\"\n{keys}"), after, "10/s");
    let some = takes("failure-rate = \"20%\"\nfailure-time = \"10ms\"");
    near(some.streams[0].response, 0.8 * 0.1 + 0.2 * 0.01 + 0.8 * 0.001);
    near(load(&some, "station.s").visits_per_second, 8.0);
    near(takes("failure-rate = \"20%\"").streams[0].response, 0.1008);
    near(takes("failure-time = \"10ms\"").streams[0].response, 0.101);
    let all = one(
        "[external.g]\ntime = \"pareto(1ms, alpha 0.9)\"\nfailure-rate = \"100%\"\nfailure-time = \"10ms\"",
        "{ use = \"g\" }",
        "10/s",
    );
    near(all.streams[0].response, 0.01);
}

#[test]
fn a_time_limiter_ends_what_takes_longer() {
    let limited = |limit: &str| {
        let table = format!("[time-limiter.g]\ntimeout-duration = \"{limit}\"");
        one(&table, HOLD, "4/s").streams[0].response
    };
    near(limited("1s"), 0.1);
    near(limited("30ms"), 0.03);
}

/// Sixty messages a second for two threads that take fifty at most in a poll.
fn stream(consumer: &str) -> Arithmetic {
    sums(&format!(
        "[topic.events]\npartitions = 2\n[consumer.settle]\ntopic = \"events\"\nconcurrency = 2\nmax-poll-records = 50\n\
         {consumer}\n[flow.f]\nsteps = [{{ publish = \"events\" }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"60/s\"\n"
    ))
}

#[test]
fn the_messages_of_a_poll_share_its_commit() {
    for batch in ["", "batch = true\n"] {
        let steps = match batch {
            "" => "[{ delay = \"10ms\" }]",
            _ => "[{ each = [{ delay = \"10ms\" }] }]",
        };
        let a = stream(&format!("commit-time = \"100ms\"\n{batch}steps = {steps}"));
        near(load(&a, "consumer.settle").load, 60.0 * (0.01 + 0.1 / 50.0));
    }
}

#[test]
fn the_commit_belongs_to_the_time_between_two_polls() {
    // Fifty times 100 ms and a commit of 1 s.
    let steps = "commit-time = \"1s\"\nsteps = [{ delay = \"100ms\" }]";
    let slow = stream(&format!("max-poll-interval = \"5.9s\"\n{steps}"));
    assert!(told(&slow, "slow-poll").contains("= 6s for a full poll"));
    let quick = stream(&format!("max-poll-interval = \"6.1s\"\n{steps}"));
    assert!(quick.warnings.iter().all(|d| d.id != "slow-poll"));
    let batch = "batch = true\ncommit-time = \"1s\"\nsteps = [{ delay = \"5s\" }]";
    let slow = stream(&format!("max-poll-interval = \"5.9s\"\n{batch}"));
    assert!(told(&slow, "slow-poll").contains("= 6s for a full poll"));
    let quick = stream(&format!("max-poll-interval = \"6.1s\"\n{batch}"));
    assert!(quick.warnings.iter().all(|d| d.id != "slow-poll"));
}

#[test]
fn a_poller_that_drains_does_not_wait_between_full_polls() {
    let rows = |keys: &str| {
        let a = one(
            &format!(
                "[outbox.g]\npoll-interval = \"900ms\"\nbatch = 100\n{keys}\nsteps = [{{ delay = \"100ms\" }}]"
            ),
            "{ publish = \"g\" }",
            "60/s",
        );
        let found = load(&a, "outbox.g");
        assert!(found.sum.ends_with(" of 1 poller"), "{}", found.sum);
        found.load
    };
    near(rows(""), 0.6);
    near(rows("drain = true"), 0.06);
}

#[test]
fn who_holds_a_lock_has_it_already() {
    let step = "{ use = \"g\", steps = [{ use = \"g\", steps = [{ delay = \"10ms\" }] }] }";
    let a = one("[lock.g]", step, "80/s");
    near(load(&a, "lock.g").load, 0.8);
    assert!(a.warnings.iter().all(|d| d.id != "deadlock"), "{:?}", a.warnings);
}

#[test]
fn a_retry_tries_again_what_it_is_set_to() {
    let tries = |keys: &str| {
        let table = format!(
            "[external.e]\ntime = \"10ms\"\nfailure-rate = \"50%\"\nconcurrency = 10\n[thread-pool.p]\n\
             [retry.g]\nmax-attempts = 3\nwait-duration = \"100ms\"\n{keys}"
        );
        let step = "{ use = \"p\", steps = [{ use = \"g\", steps = [{ use = \"e\" }] }] }";
        let a = one(&table, step, "10/s");
        (
            load(&a, "external.e").visits_per_second,
            load(&a, "thread-pool.p").held,
        )
    };
    // One, every second time another, every fourth time a third; a wait before each but the first.
    let (visits, held) = tries("");
    near(visits, 17.5);
    near(held, 1.75 * 0.01 + 0.75 * 0.1);
    let (_, held) = tries("back-off = \"exponential\"\nmultiplier = 2.0");
    near(held, 1.75 * 0.01 + 0.5 * 0.1 + 0.25 * 0.2);
    for keys in ["on = [\"timed_out\"]", "ignore = [\"failed\"]"] {
        let (visits, held) = tries(keys);
        near(visits, 10.0);
        near(held, 0.01);
    }
}

#[test]
fn who_gives_up_a_call_is_held_no_longer() {
    let held = |time: &str| {
        let table = format!(
            "[thread-pool.p]\n[external.e]\nconcurrency = 100\ntime = \"{time}\"\ntimeout = \"50ms\""
        );
        let a = one(&table, "{ use = \"p\", steps = [{ use = \"e\" }] }", "10/s");
        (load(&a, "thread-pool.p").held, load(&a, "external.e").held)
    };
    // The call itself goes on.
    assert_eq!(held("1s"), (0.05, 1.0));
    // The mean of the lesser of 50 ms and an exponential time of 100 ms.
    let (caller, call) = held("exp(100ms)");
    assert!((caller - 0.1 * (1.0 - libm::exp(-0.5))).abs() < 1e-6, "{caller}");
    near(call, 0.1);
    assert_eq!(held("20ms"), (0.02, 0.02));
    // Half of them fail after 20 ms.
    let (caller, _) = held("1s\"\nfailure-rate = \"50%\"\nfailure-time = \"20ms");
    assert!((caller - 0.5 * (0.05 + 0.02)).abs() < 1e-6, "{caller}");
}

#[test]
fn a_consumer_tries_failing_records_again() {
    let a =
        stream("retries = 2\nretry-interval = \"10ms\"\nsteps = [{ delay = \"5ms\" }, { fail = \"50%\" }]");
    near(load(&a, "consumer.settle").held, 1.75 * 0.005 + 0.75 * 0.01);
}

#[test]
fn the_fullest_partition_has_one_thread() {
    let of = |key: &str| {
        let a = sums(&format!(
            "[topic.t]\npartitions = 4\n{key}\n[consumer.c]\ntopic = \"t\"\nconcurrency = 4\nsteps = [{{ delay = \"10ms\" }}]\n\
             [flow.f]\nsteps = [{{ publish = \"t\" }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n"
        ));
        load(&a, "consumer.c").capacity
    };
    near(of(""), 4.0);
    near(of("key = \"list(1)\""), 1.0);
    // Three of four records have the first key; the others may lie with it.
    let most = of("key = \"list(3, 1)\"");
    assert!((1.0..=4.0 / 3.0 + 1e-9).contains(&most), "{most}");
}

#[test]
fn an_autoscaler_comes_to_what_its_goals_ask_for() {
    let comes = |keys: &str, rate: u32| {
        let a = sums(&format!(
            "[service.s]\nreplicas = 10\nhost = {{ cores = 2 }}\ncpu-limit = 0.5\n[autoscaler.a]\nof = \"s\"\n{keys}\n\
             [flow.f]\nat = \"s\"\nsteps = [{{ cpu = \"10ms\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}/s\"\n"
        ));
        a.scaling.join("\n")
    };
    let about = |n: &str| {
        format!("autoscaler.a comes to about {n} of at most 10 at this load; the sums count all of them.")
    };
    // Two cores, of 0.8 of a half each, or of 0.6 of a whole one.
    assert_eq!(comes("cpu = \"80%\"", 200), about("5 replicas"));
    assert_eq!(comes("cpu = \"60%\"\ncpu-request = 1", 200), about("4 replicas"));
    assert_eq!(comes("requests = \"25/s\"", 200), about("8 replicas"));
    // Of two goals the one that asks for more.
    assert_eq!(
        comes("cpu = \"80%\"\nrequests = \"25/s\"", 200),
        about("8 replicas")
    );
    assert_eq!(
        comes("requests = \"8/s\"", 200),
        "autoscaler.a would want 25 replicas at this load and may have 10."
    );
}

#[test]
fn pauses_that_laws_give_take_their_share_of_a_host_of_its_own() {
    let a = sums(
        "[service.s]\nhost = { cores = 4 }\n[heap.jvm]\nin = \"s\"\npauses = { every = \"8s\", lasts = \"uniform(1s, 3s)\" }\n\
         [flow.f]\nat = \"s\"\nsteps = [{ cpu = \"100ms\" }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"3/s\"\n",
    );
    near(load(&a, "host.s").utilisation(), 0.3 / 3.0);
}
