//! What users can reach at most, and what is no bound because not all of it is done for each answer.

use super::*;

const USERS: &str = "[workload.w]\nexecutor = \"users\"\n";

fn users(a: &Arithmetic) -> &Users {
    let closed = a.streams.iter().find_map(|s| s.users.as_ref());
    closed.unwrap_or_else(|| panic!("{:?}", a.streams))
}

/// What bounds the users of a model, and what would if all that is counted came to it.
fn bounds(source: &str) -> (f64, Option<f64>, Option<f64>) {
    let a = sums(source);
    let u = users(&a);
    (u.by_number, u.by_capacity.map(|b| b.1), u.about.map(|b| b.1))
}

fn unreachable(source: &str) -> Vec<String> {
    let all = sums(source).warnings.into_iter();
    all.filter(|d| d.id == "out-of-reach")
        .map(|d| d.message)
        .collect()
}

#[test]
fn what_follows_the_answer_bounds_nobody() {
    let source = format!(
        "[station.a]\n[station.b]\n[flow.back]\nsteps = [{{ reply = true }}, {{ use = \"b\", time = \"exp(30ms)\" }}]\n\
         [flow.req]\nsteps = [{{ use = \"a\", time = \"exp(20ms)\" }}, {{ call = \"back\" }}]\n\
         {USERS}users = 3\nthink-time = \"exp(30ms)\"\nflow = \"req\"\n\
         [objective]\nthroughput = \"> 40/s\"\nmean = \"< 45ms\"\n"
    );
    // 3 / (20 + 30) ms, 1 / 20 ms; and 1 / 30 ms that nobody waits for.
    let (number, capacity, about) = bounds(&source);
    near(number, 60.0);
    near(capacity.unwrap(), 50.0);
    near(about.unwrap(), 1.0 / 0.03);
    assert!(unreachable(&source).is_empty());
    // Beyond the bounds that are true: 3 / 50 - 30 ms = 30 ms.
    let wished = source.replace("> 40/s", "> 51/s").replace("< 45ms", "< 29ms");
    let said = unreachable(&wished);
    assert!(said[0].contains("at most 50/s come"), "{said:?}");
    assert!(said[1].contains("the mean is at least 30ms"), "{said:?}");
}

#[test]
fn who_holds_a_pool_beyond_the_answer_keeps_others_from_it() {
    let source = format!(
        "[station.a]\nservers = 9\n[connection-pool.p]\nmaximum-pool-size = 2\nconnection-timeout = \"0s\"\n\
         [flow.f]\nsteps = [{{ use = \"p\", steps = [{{ use = \"a\", time = \"20ms\" }}, {{ reply = true }}, {{ delay = \"80ms\" }}] }}]\n\
         {USERS}users = 50\n"
    );
    // All of them have to get one of two that are taken for 100 ms; they are answered after 20 ms of it.
    let (number, capacity, about) = bounds(&source);
    near(number, 50.0 / 0.02);
    near(capacity.unwrap(), 2.0 / 0.1);
    assert_eq!(about, None);
}

#[test]
fn branches_that_need_not_be_done_bound_nobody() {
    let race = |rest: &str| {
        format!(
            "[station.a]\n[station.b]\n[flow.f]\nsteps = [{{ parallel = [{{ steps = [{{ use = \"a\", time = \"exp(100ms)\" }}] }}, \
             {{ steps = [{{ use = \"b\", time = \"exp(100ms)\" }}] }}]{rest} }}]\n{USERS}users = 5\nthink-time = \"exp(50ms)\"\n\
             [objective]\nthroughput = \"> 15/s\"\nmean = \"< 300ms\"\n"
        )
    };
    for rest in [", join = 1", ", join = 1, rest = \"cancel\""] {
        let (number, capacity, about) = bounds(&race(rest));
        near(number, 5.0 / 0.05);
        assert_eq!(capacity, None, "{rest}");
        near(about.unwrap(), 10.0);
        assert!(unreachable(&race(rest)).is_empty(), "{rest}");
    }
    let (number, capacity, about) = bounds(&race(""));
    near(number, 5.0 / 0.15);
    near(capacity.unwrap(), 10.0);
    assert_eq!(about, None);
    assert_eq!(unreachable(&race("")).len(), 2);
}

#[test]
fn who_goes_first_leaves_the_others_what_remains() {
    let mixed = |station: &str, priority: &str, rate: &str| {
        bounds(&format!(
            "[station.s]\n{station}\n[flow.hi]\nsteps = [{{ use = \"s\", time = \"exp(10ms)\" }}]\n\
             [flow.lo]\nsteps = [{{ use = \"s\", time = \"exp(10ms)\"{priority} }}]\n\
             [workload.a]\nexecutor = \"users\"\nusers = 3\nthink-time = \"exp(10ms)\"\nflow = \"hi\"\n\
             [workload.b]\nexecutor = \"poisson\"\nrate = \"{rate}\"\nflow = \"lo\"\n"
        ))
    };
    // In one line the others' half of the server is theirs.
    let (_, capacity, about) = mixed("", "", "50/s");
    near(capacity.unwrap(), 50.0);
    assert_eq!(about, None);
    // Behind the users, or turned away, they may have none of it.
    for (station, priority, rate, left) in [
        ("preemptive = true", ", priority = 1", "50/s", 50.0),
        ("", ", priority = 1", "50/s", 50.0),
        ("discipline = \"lcfs-pr\"", "", "50/s", 50.0),
        ("capacity = 4", "", "80/s", 20.0),
    ] {
        let (_, capacity, about) = mixed(station, priority, rate);
        near(capacity.unwrap(), 100.0);
        assert!((about.unwrap() - left).abs() < 1e-9, "{station}: {about:?}");
    }
}

#[test]
fn a_fallback_takes_the_place_of_what_has_no_room() {
    let guarded = |table: &str, inner: &str, other: &str, users: &str| {
        bounds(&format!(
            "{table}\n[flow.f]\nsteps = [{{ try = [{inner}], else = [{other}] }}]\n{USERS}{users}\n"
        ))
    };
    for (table, inner, other, people, number, room) in [
        (
            "[station.s]\npatience = \"20ms\"",
            "{ use = \"s\", time = \"exp(50ms)\" }",
            "",
            "users = 5\nthink-time = \"exp(10ms)\"",
            5.0 / 0.01,
            20.0,
        ),
        (
            "[connection-pool.p]\nmaximum-pool-size = 2\nconnection-timeout = \"250ms\"",
            "{ use = \"p\", steps = [{ delay = \"1s\" }] }",
            "",
            "users = 8\nthink-time = \"exp(50ms)\"",
            8.0 / 0.05,
            2.0,
        ),
        (
            "[bulkhead.r]\nmax-concurrent-calls = 1",
            "{ use = \"r\", steps = [{ delay = \"100ms\" }] }",
            "{ delay = \"1ms\" }",
            "users = 5\nthink-time = \"exp(50ms)\"",
            5.0 / 0.051,
            10.0,
        ),
        (
            "[rate-limiter.r]\nlimit-for-period = 10\nlimit-refresh-period = \"1s\"\ntimeout-duration = \"0s\"",
            "{ use = \"r\", steps = [{ delay = \"10ms\" }] }",
            "{ delay = \"1ms\" }",
            "users = 5\nthink-time = \"exp(50ms)\"",
            5.0 / 0.051,
            10.0,
        ),
    ] {
        let (most, capacity, about) = guarded(table, inner, other, people);
        near(most, number);
        assert_eq!(capacity, None, "{table}");
        near(about.unwrap(), room);
    }
    // Where there is room for all of them, nobody needs it.
    let (_, capacity, _) = guarded(
        "[bulkhead.r]\nmax-concurrent-calls = 5",
        "{ use = \"r\", steps = [{ delay = \"100ms\" }] }",
        "{ delay = \"1ms\" }",
        "users = 5",
    );
    near(capacity.unwrap(), 50.0);
}

#[test]
fn who_may_fail_on_one_way_goes_the_other_more_often() {
    let source = |patience: &str| {
        format!(
            "[connection-pool.p]\nmaximum-pool-size = 2\nconnection-timeout = \"{patience}\"\n\
             [flow.f]\nsteps = [{{ choose = [{{ steps = [{{ use = \"p\", steps = [{{ delay = \"1s\" }}] }}] }}, \
             {{ steps = [{{ use = \"p\", steps = [{{ delay = \"200ms\" }}] }}] }}] }}]\n{USERS}users = 40\n"
        )
    };
    // Without a limit half of them take a second, and 2 / 0.6 s is all there is.
    let (_, capacity, about) = bounds(&source("0s"));
    near(capacity.unwrap(), 2.0 / 0.6);
    assert_eq!(about, None);
    // Who waits briefly only, fails more often where others hold longer: 2 / 0.2 s.
    let (_, capacity, about) = bounds(&source("250ms"));
    near(capacity.unwrap(), 10.0);
    near(about.unwrap(), 2.0 / 0.6);
    // Longer than ten times all of them one after the other, nobody waits.
    let (_, capacity, _) = bounds(&source("241s"));
    near(capacity.unwrap(), 2.0 / 0.6);
}

#[test]
fn callers_who_leave_do_not_wait_for_the_rest() {
    let source = |timeout: &str| {
        format!(
            "[station.s]\nservers = 100\n[flow.f]\nsteps = [{{ use = \"s\", time = \"mix(0.99: exp(1ms), 0.01: 10s)\" }}]\n\
             {USERS}users = 10\nthink-time = \"exp(10ms)\"\n{timeout}\n[objective]\nthroughput = \"> 200/s\"\n"
        )
    };
    let (number, capacity, _) = bounds(&source("timeout = \"100ms\""));
    let sure = 0.99 * 0.001 * (1.0 - libm::exp(-100.0)) + 0.01 * 0.1;
    near(number, 10.0 / (sure + 0.01));
    // The server finishes what it has begun.
    near(capacity.unwrap(), 100.0 / 0.10099);
    let a = sums(&source("timeout = \"100ms\""));
    assert!(a.warnings.is_empty(), "{:?}", a.warnings);
    assert!(unreachable(&source(""))[0].contains("at most 90.1/s"));
}

#[test]
fn a_shared_processor_ends_short_work_first() {
    let source = |timeout: &str| {
        format!(
            "[host.h]\ncores = 1\n[flow.f]\nsteps = [{{ cpu = \"exp(10ms)\", on = \"h\" }}]\n{USERS}users = 100\n{timeout}\n"
        )
    };
    // What callers have left goes on, and those who are answered had less to do.
    let (_, capacity, about) = bounds(&source("timeout = \"500ms\""));
    assert_eq!(capacity, None);
    near(about.unwrap(), 100.0);
    // Nobody leaves that late: 10 × 100 × 10 ms.
    let (_, capacity, about) = bounds(&source("timeout = \"60s\""));
    near(capacity.unwrap(), 100.0);
    assert_eq!(about, None);
}

#[test]
fn answers_to_those_who_do_not_fail_may_come_sooner() {
    let source = |patience: &str| {
        format!(
            "[connection-pool.p]\nmaximum-pool-size = 1\nconnection-timeout = \"{patience}\"\n\
             [flow.f]\nsteps = [{{ use = \"p\", steps = [{{ delay = \"100ms\" }}] }}]\n{USERS}users = 50\n\
             [objective]\nmean = \"< 1s\"\nthroughput = \"> 11/s\"\n"
        )
    };
    // 50 / 10/s = 5 s if all of them wait; those who do for at most 250 ms, wait no longer.
    assert_eq!(unreachable(&source("0s")).len(), 2);
    let said = unreachable(&source("250ms"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`throughput > 11/s` cannot be reached: at most 10/s come"));
}

#[test]
fn connections_that_users_keep_while_they_think_are_a_bound() {
    let source = |keys: &str| {
        format!(
            "[thread-pool.t]\nmax-connections = 50\n{keys}\n[flow.f]\nsteps = [{{ use = \"t\", time = \"exp(10ms)\" }}]\n\
             {USERS}users = 100\nthink-time = \"exp(1s)\"\n"
        )
    };
    let most = |keys: &str| bounds(&source(keys)).1.unwrap();
    // An idle one lasts for 60 s.
    let idle = 1.0 - libm::exp(-60.0);
    near(most("max-keep-alive-requests = -1"), 50.0 / (0.01 + idle));
    // One thought in a hundred is without.
    near(most(""), 50.0 / (0.01 + 0.99 * idle));
    near(
        most("max-keep-alive-requests = -1\nkeep-alive-timeout = \"500ms\""),
        50.0 / (0.01 + 1.0 - libm::exp(-0.5)),
    );
    // 50 threads.
    near(most("connections = \"per-request\""), 5000.0);
    let m = model(&source("max-keep-alive-requests = -1"));
    let text = arithmetic(&m).table(&m);
    assert!(
        text.contains(
            "at most 49.5/s by thread-pool.t, whose connections users keep while they think: 50 / 1.01s"
        ),
        "{text}"
    );
}

#[test]
fn the_best_speed_of_a_station_bounds_its_users() {
    let source = format!(
        "[station.s]\nspeeds = [1.0, 2.0, 1.2]\n[flow.f]\nsteps = [{{ use = \"s\", time = \"exp(10ms)\" }}]\n{USERS}users = 2\n"
    );
    // With two inside, as here.
    let (number, capacity, about) = bounds(&source);
    near(number, 200.0);
    near(capacity.unwrap(), 200.0);
    near(about.unwrap(), 120.0);
}

#[test]
fn what_lasts_longer_than_the_run_does_not_keep_the_others() {
    let source = |time: &str| {
        format!(
            "[station.s]\nservers = 50\n[flow.f]\nsteps = [{{ use = \"s\", time = \"{time}\" }}]\n\
             {USERS}users = 20\nthink-time = \"exp(100ms)\"\n[run]\nduration = \"600s\"\n"
        )
    };
    let (number, capacity, _) = bounds(&source("mix(0.999: exp(10ms), 0.001: 1000h)"));
    let sure = 0.999 * 0.01 + 0.001 * 600.0;
    near(number, 20.0 / (sure + 0.1));
    near(capacity.unwrap(), 50.0 / sure);
    // A mean that is infinite: 1 ms and the integral of (1 ms / x)^0.5 up to 600 s.
    let (number, ..) = bounds(&source("pareto(1ms, alpha 0.5)"));
    let sure = 0.001 + 2.0 * (libm::sqrt(0.001 * 600.0) - 0.001);
    near(number, 20.0 / (sure + 0.1));
}
