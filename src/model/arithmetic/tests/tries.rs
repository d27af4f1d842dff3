//! Limits of time, repeated tries and drawn numbers of rounds.

use super::*;

fn poisson(rate: &str) -> String {
    format!("[workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}\"\n")
}

#[test]
fn a_time_limiter_ends_each_time_by_itself() {
    let limited = |steps: &str| {
        let a = sums(&format!(
            "[station.p]\nservers = 10\n[time-limiter.t]\ntimeout-duration = \"100ms\"\n[external.e]\ntime = \"exp(100ms)\"\n\
             [flow.f]\nsteps = [{{ use = \"p\", steps = [{{ try = [{{ use = \"t\", steps = [{steps}] }}], else = [] }}] }}]\n{}",
            poisson("100/s")
        ));
        assert!(a.warnings.is_empty(), "{:?}", a.warnings);
        load(&a, "station.p").held
    };
    // The mean of the lesser of 100 ms and an exponential time of as much.
    let one = 0.1 * (1.0 - libm::exp(-1.0));
    near(limited("{ use = \"e\" }"), one);
    let rest = 0.04 + 0.1 * (1.0 - libm::exp(-0.6));
    near(limited("{ delay = \"40ms\" }, { use = \"e\" }"), rest);
    // Two in a row: P(longer than x) = (1 + x / 50 ms) e^(-x / 50 ms), from 0 to 100 ms.
    let two = 0.05 * (2.0 - libm::exp(-2.0) * 4.0);
    let found = limited("{ delay = \"exp(50ms)\" }, { delay = \"exp(50ms)\" }");
    assert!((found - two).abs() < 1e-4, "{found}, not {two}");
}

#[test]
fn users_whose_calls_are_ended_come_back_as_soon() {
    let a = sums(
        "[external.e]\ntime = \"exp(100ms)\"\n[time-limiter.t]\ntimeout-duration = \"20ms\"\n\
         [flow.f]\nsteps = [{ try = [{ use = \"t\", steps = [{ use = \"e\" }] }], else = [] }]\n\
         [workload.w]\nexecutor = \"users\"\nusers = 5\nthink-time = \"exp(10ms)\"\n",
    );
    let cut = 0.1 * (1.0 - libm::exp(-0.2));
    near(a.streams[0].response, cut);
    // Answered or not: that long for each.
    near(a.streams[0].most, 5.0 / (cut + 0.01));
}

#[test]
fn what_fails_by_what_it_is_about_fails_each_time() {
    let a = sums(&format!(
        "[topic.t]\nlinger = \"0ms\"\n[consumer.c]\ntopic = \"t\"\nretries = 9\nsteps = [{{ delay = \"exp(5ms)\" }}, {{ fail = \"5%\", by = \"request\" }}]\n\
         [flow.f]\nsteps = [{{ publish = \"t\" }}]\n{}",
        poisson("150/s")
    ));
    // Nineteen of twenty once, one ten times.
    near(load(&a, "consumer.c").held, (0.95 + 0.05 * 10.0) * 0.005);
    assert!(told(&a, "overload").contains("the lag of `c` grows without bound"));
    let tried = |steps: &str| {
        let a = sums(&format!(
            "[station.a]\nservers = 9\n[station.b]\n[retry.r]\nmax-attempts = 3\nwait-duration = \"100ms\"\n\
             [flow.f]\nsteps = [{{ use = \"r\", steps = [{steps}] }}, {{ use = \"b\", time = \"1ms\" }}]\n{}",
            poisson("20/s")
        ));
        (
            load(&a, "station.a").visits_per_second,
            load(&a, "station.b").visits_per_second,
            a.streams[0].response,
        )
    };
    let serve = "{ use = \"a\", time = \"exp(10ms)\" }";
    // Half of them once, half three times with two waits.
    let (visits, after, response) = tried(&format!("{serve}, {{ fail = \"50%\", by = \"request\" }}"));
    near(visits, 20.0 * 2.0);
    near(after, 10.0);
    near(response, 0.5 * 0.01 + 0.5 * 0.03 + 0.5 * 0.2 + 0.5 * 0.001);
    // What comes behind the failure is done for the good ones, and for them once.
    let (visits, ..) = tried(&format!("{{ fail = \"50%\", by = \"request\" }}, {serve}"));
    near(visits, 10.0);
    // Beside one that is drawn anew: good ones 1 + 1/2 + 1/4 times.
    let (visits, after, _) = tried(&format!(
        "{serve}, {{ fail = \"50%\", by = \"request\" }}, {{ fail = 0.5 }}"
    ));
    near(visits, 20.0 * (0.5 * 1.75 + 0.5 * 3.0));
    near(after, 20.0 * 0.5 * 0.875);
}

#[test]
fn a_drawn_number_of_rounds_is_not_its_mean() {
    let repeated = |rounds: &str, fail: &str, rate: &str| {
        let a = sums(&format!(
            "[station.s]\nservers = 9\n[station.d]\nservers = 9\n[flow.f]\nsteps = [{{ repeat = {rounds}, \
             steps = [{{ use = \"s\", time = \"10ms\" }}, {{ fail = \"{fail}\" }}] }}, {{ use = \"d\", time = \"5ms\" }}]\n{}",
            poisson(rate)
        ));
        (
            load(&a, "station.s").visits_per_second,
            load(&a, "station.d").visits_per_second,
        )
    };
    // More than k rounds with probability 0.9^k, of which 0.8^k come as far.
    let (visits, through) = repeated("\"ceil(1, exp(9.491221581029903))\"", "20%", "1/s");
    near(visits, 1.0 / (1.0 - 0.72));
    near(through, 1.0 - 0.2 / (1.0 - 0.72));
    // One round, or ninety-one.
    let p = libm::pow(0.95, 91.0);
    let (visits, through) = repeated("\"mix(0.9: 1, 0.1: 91)\"", "5%", "1/s");
    near(visits, 0.9 + 0.1 * (1.0 - p) / 0.05);
    near(through, 0.9 * 0.95 + 0.1 * p);
    let (visits, _) = repeated("\"mix(0.9: 1, 0.1: 91)\"", "0%", "1/s");
    near(visits, 10.0);
}
