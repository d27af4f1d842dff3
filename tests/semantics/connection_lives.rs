//! Connections that come to their end in somebody's hand, that are reset, or whose adder wakes up late.

use super::*;

fn db(o: &Observations, name: &str) -> f64 {
    figure(o, "connection-pool.db", name)
}

/// The last value of a series.
pub fn last(o: &Observations, subject: &str, name: &str) -> f64 {
    let column = o.columns.iter().find(|c| c.subject == subject && c.name == name);
    *column
        .and_then(|c| c.values.last())
        .unwrap_or_else(|| panic!("{subject} has no series {name}"))
}

#[test]
fn an_order_that_nobody_wants_any_more_after_a_refusal_is_dropped() {
    let o = observe(
        &("[database.mysql]\nmax-connections = 1\n\
           [connection-pool.db]\nto = \"mysql\"\nmaximum-pool-size = 5\nminimum-idle = 0\nconnect-time = \"0s\"\n\
           [flow.hold]\nsteps = [{ use = \"db\", steps = [{ delay = \"200ms\" }] }]\n\
           [flow.next]\nsteps = [{ use = \"db\", steps = [{ delay = \"1s\" }] }]\n"
            .to_owned()
            + &requests(&[(1.0, "hold"), (1.1, "next")])),
        10.0,
    );
    // At 1.1, 1.11, 1.13 and 1.17 s. At 1.2 s the first one's connection comes back, and at 1.25 s nobody waits.
    assert_eq!(db(&o, "connections_refused_total"), 4.0);
    near(figure(&o, "flow.next", "response_time_max"), 1.1, 1e-9);
}

#[test]
fn a_connection_that_was_closed_while_it_idled_does_not_end_again() {
    // At 30.1 s the housekeeper closes the one opened at 0 s, which has idled since 3 s; the other one lives until 40.1 s.
    let source = "[connection-pool.db]\nmaximum-pool-size = 3\nminimum-idle = 1\nidle-timeout = \"10s\"\n\
                  max-lifetime = \"40s\"\nmax-lifetime-variance = \"0%\"\nconnect-time = \"0s\"\n\
                  [flow.brief]\nsteps = [{ use = \"db\", steps = [{ delay = \"150ms\" }] }]\n\
                  [flow.one]\nsteps = [{ use = \"db\", steps = [{ delay = \"1s\" }] }]\n\
                  [flow.two]\nsteps = [{ use = \"db\", steps = [{ delay = \"2s\" }] }]\n"
        .to_owned()
        + &requests(&[(0.0, "brief"), (2.0, "one"), (2.0, "two")]);
    let retired = |seconds: f64| db(&observe(&source, seconds), "connections_retired_total");
    assert_eq!((retired(30.0), retired(40.05), retired(41.0)), (0.0, 1.0, 2.0));
    let o = observe(&source, 41.0);
    assert_eq!(last(&o, "connection-pool.db", "connections_idle"), 1.0);
    assert_eq!(last(&o, "connection-pool.db", "connections_active"), 0.0);
}

/// A pool of two connections that are opened one after the other in 2 s, at 2.1 and 4.13 s, and live for 30 s; whoever is handed one
/// wakes up a second later.
fn slow_hands(calls: &[(f64, &str)]) -> Observations {
    let flow = |name: &str, hold: &str| {
        format!("[flow.{name}]\nsteps = [{{ use = \"db\", steps = [{{ delay = \"{hold}\" }}] }}]\n")
    };
    observe(
        &("[connection-pool.db]\nmaximum-pool-size = 2\ninitially = \"empty\"\nmax-lifetime = \"30s\"\n\
           max-lifetime-variance = \"0%\"\nconnect-time = \"2s\"\nwake-up-latency = \"1s\"\n"
            .to_owned()
            + &flow("first", "11800ms")
            + &flow("second", "11800ms")
            + &flow("third", "1s")
            + &flow("fourth", "1s")
            + &requests(calls)),
        60.0,
    )
}

#[test]
fn a_connection_that_comes_to_its_end_in_a_waiters_hand_is_gone_when_that_one_wakes_up() {
    let o = slow_hands(&[
        (20.0, "first"),
        (20.1, "second"),
        (25.0, "third"),
        (26.0, "fourth"),
    ]);
    let took = |flow: &str| figure(&o, &format!("flow.{flow}"), "response_time_max");
    // The third is handed the younger connection at 31.8 s and has it at 32.8 s. The fourth is handed the older one at 31.9 s,
    // which ends at 32.1 s: it finds it gone and waits again. At 33.8 s it is handed the younger one, which ends at 34.13 s;
    // but by 34.8 s there is a new one.
    near(took("third"), 8.8, 1e-6);
    near(took("fourth"), 9.8, 1e-6);
    assert_eq!(db(&o, "connections_retired_total"), 2.0);
    assert_eq!(db(&o, "connections_active_max"), 2.0);
    assert_eq!(last(&o, "connection-pool.db", "connections_active"), 0.0);
    assert_eq!(last(&o, "connection-pool.db", "connections_idle"), 2.0);
}

#[test]
fn who_has_lost_a_connection_and_waits_again_gives_up_at_its_own_time() {
    // The second is handed the connection at 1.5 s, and the third takes it; behind it in line stand two who came later.
    let flow = |name: &str, hold: &str| {
        format!("[flow.{name}]\nsteps = [{{ use = \"db\", steps = [{{ delay = \"{hold}\" }}] }}]\n")
    };
    let o = observe(
        &("[connection-pool.db]\nmaximum-pool-size = 1\nconnect-time = \"0s\"\nconnection-timeout = \"3s\"\n\
           wake-up-latency = \"500ms\"\n"
            .to_owned()
            + &flow("first", "1500ms")
            + &flow("second", "1s")
            + &flow("third", "20s")
            + &flow("fourth", "1s")
            + &requests(&[(0.0, "first"), (0.5, "second"), (1.6, "third"), (1.9, "fourth")])),
        30.0,
    );
    assert_eq!(figure(&o, "flow.third", "response_time_max"), 20.0);
    near(figure(&o, "flow.second", "failure_time_max"), 3.0, 1e-9);
    near(figure(&o, "flow.fourth", "failure_time_max"), 3.0, 1e-9);
}

/// A pool in a service that stands still for some time.
fn paused(keys: &str, at: &str, length: &str, calls: &[(f64, &str)], seconds: f64) -> Observations {
    observe(
        &format!(
            "[service.s]\n[connection-pool.db]\nin = \"s\"\n{keys}\n\
             [flow.call]\nat = \"s\"\nsteps = [{{ use = \"db\", steps = [{{ delay = \"1s\" }}] }}]\n\
             [[timeline]]\nat = \"{at}\"\npause = \"s\"\nfor = \"{length}\"\n{}",
            requests(calls)
        ),
        seconds,
    )
}

#[test]
fn an_adder_whose_process_was_paused_while_it_connected_goes_on_afterwards() {
    let keys = "initially = \"empty\"\nmaximum-pool-size = 3\nconnect-time = \"100ms\"";
    let o = paused(keys, "150ms", "5s", &[(9.0, "call")], 10.0);
    // The first was begun at 0.1 s and stands when the process sees it, at 5.15 s; the others follow at 5.28 and 5.41 s.
    near(
        db(&o, "connections_mean"),
        (3.0 * 10.0 - 5.15 - 5.28 - 5.41) / 10.0,
        1e-9,
    );
    assert_eq!(db(&o, "connections_creation_total"), 3.0);
}

#[test]
fn a_connection_whose_time_is_over_during_a_pause_is_closed_after_it() {
    let keys = "maximum-pool-size = 1\nmax-lifetime = \"30s\"\nmax-lifetime-variance = \"0%\"\nconnect-time = \"1s\"";
    let o = paused(keys, "29s", "5s", &[(1.0, "call")], 40.0);
    // Closed at 34 s, and there again at 35 s.
    near(db(&o, "connections_mean"), 39.0 / 40.0, 1e-9);
    assert_eq!(db(&o, "connections_retired_total"), 1.0);
}

fn http(o: &Observations, name: &str) -> f64 {
    figure(o, "thread-pool.http", name)
}

/// Users of one connection at a server that has one place, and one in its accept queue.
fn one_place(keys: &str, users: &str, rest: &str) -> String {
    format!(
        "[thread-pool.http]\nmax-connections = 1\naccept-count = 0\n{keys}\n\
         [flow.f]\nsteps = [{{ use = \"http\", steps = [{{ delay = \"1s\" }}] }}]\n\
         [flow.back]\nsteps = [{{ use = \"http\", steps = [{{ delay = \"1s\" }}] }}]\n{users}\n{rest}"
    )
}

/// A user who takes so many rounds and thinks for 4 s after each.
fn user(start: &str, rounds: u32) -> String {
    format!(
        "[workload.user]\nexecutor = \"per-vu-iterations\"\nvus = 1\niterations = {rounds}\nstart-time = \"{start}\"\n\
         flow = \"back\"\nthink-time = \"4s\"\nmax-duration = \"1h\"\ntimeout = \"1h\"\n"
    )
}

#[test]
fn a_kept_connection_that_is_reset_is_opened_again_and_kept() {
    let keys = "abort-on-overflow = true\nkeep-alive-timeout = \"500ms\"";
    // Two hold the place and the queue when the user comes at 0.2 s; from 4.2 s on nobody is in its way.
    let source = one_place(keys, &requests(&[(0.0, "f"), (0.1, "f")]), &user("200ms", 2));
    let o = observe(&source, 20.0);
    near(http(&o, "resets") * 20.0, 1.0, 1e-9);
    near(figure(&o, "flow.back", "throughput") * 20.0, 1.0, 1e-9);
    assert_eq!(last(&o, "thread-pool.http", "connections_open"), 0.0);
}

#[test]
fn a_user_whose_connection_has_idled_too_long_dials_anew() {
    let o = observe(
        &one_place("keep-alive-timeout = \"500ms\"", "", &user("0s", 4)),
        30.0,
    );
    near(figure(&o, "flow.back", "throughput") * 30.0, 4.0, 1e-9);
    assert_eq!(http(&o, "connections_open_max"), 1.0);
    assert_eq!(last(&o, "thread-pool.http", "connections_open"), 0.0);
    near(http(&o, "connections_idle_mean") * 30.0, 4.0 * 0.5, 1e-9);
}

#[test]
fn connections_that_idle_too_long_are_closed_one_after_the_other_while_somebody_waits() {
    let hold = |name: &str, time: &str| {
        format!("[flow.{name}]\nsteps = [{{ use = \"http\", steps = [{{ delay = \"{time}\" }}] }}]\n")
    };
    let text = |timeout: &str, timeline: &str| {
        format!("[thread-pool.http]\nmax-connections = 2\nkeep-alive-timeout = \"{timeout}\"\n{timeline}\n")
            + &hold("short", "100ms")
            + &hold("long", "100s")
            + &hold("late", "100ms")
            + &requests(&[(0.0, "short"), (5.0, "short"), (6.0, "long"), (6.1, "late")])
    };
    // The places of the first two are free at 10.1 and 15.1 s.
    let o = observe(&text("10s", ""), 200.0);
    near(figure(&o, "flow.long", "response_time_max"), 104.1, 1e-9);
    near(figure(&o, "flow.late", "response_time_max"), 9.1, 1e-9);
    // A shorter time that is set at 7 s holds for those that idle already.
    let set = "[[timeline]]\nat = \"7s\"\nset = { \"thread-pool.http.keep-alive-timeout\" = \"3s\" }";
    let o = observe(&text("10s", set), 200.0);
    near(figure(&o, "flow.long", "response_time_max"), 101.0, 1e-9);
    near(figure(&o, "flow.late", "response_time_max"), 2.1, 1e-9);
}

#[test]
fn calls_of_another_server_do_not_come_on_the_users_own_connections() {
    // Three users at once, who think for 5 s: the inner server's one place is free when it has answered.
    let source = |front: &str, back: &str| {
        format!(
            "[service.front]\n[service.back]\n[thread-pool.door]\n{front}\n[thread-pool.http]\n{back}\nmax-connections = 1\n\
             [flow.get]\nat = \"front\"\nsteps = [{{ use = \"door\", steps = [{{ call = \"inner\" }}] }}]\n\
             [flow.inner]\nat = \"back\"\nsteps = [{{ use = \"http\", steps = [{{ delay = \"1ms\" }}] }}]\n\
             [workload.user]\nexecutor = \"per-vu-iterations\"\nvus = 3\niterations = 2\nflow = \"get\"\nthink-time = \"5s\"\n"
        )
    };
    let o = observe(&source("in = \"front\"", "in = \"back\""), 20.0);
    near(figure(&o, "flow.get", "response_time_max"), 0.003, 1e-9);
    near(figure(&o, "flow.get", "throughput") * 20.0, 6.0, 1e-9);
    assert_eq!(http(&o, "connections_idle_mean"), 0.0);
    near(figure(&o, "thread-pool.door", "connections_open_max"), 3.0, 1e-9);
    // Without services a server within another is another server too.
    let plain = source("", "").replace("[service.front]\n[service.back]\n", "");
    let plain = plain
        .replace("at = \"front\"\n", "")
        .replace("at = \"back\"\n", "");
    let o = observe(&plain, 20.0);
    near(figure(&o, "flow.get", "response_time_max"), 0.003, 1e-9);
}

#[test]
fn a_connection_is_closed_after_an_error() {
    // One place. Its user thinks for 30 s when somebody else comes.
    let came = |step: &str| {
        let source = format!(
            "[thread-pool.http]\nmax-connections = 1\n[flow.f]\nsteps = [{{ use = \"http\", steps = [{{ delay = \"1ms\" }}] }}]\n\
             [flow.back]\nsteps = [{step}]\n{}{}",
            user("0s", 1).replace("4s", "30s"),
            requests(&[(1.0, "f")])
        );
        figure(&observe(&source, 100.0), "flow.f", "response_time_max")
    };
    near(came("{ use = \"http\", steps = [{ fail = 1.0 }] }"), 0.001, 1e-9);
    // What is mended before the answer is no error.
    let mended = "{ use = \"http\", steps = [{ try = [{ fail = 1.0 }], else = [] }] }";
    near(came(mended), 19.001 + 40.0, 1e-9);
}

#[test]
fn users_of_an_arrival_rate_take_turns_on_connections_of_their_own() {
    let open = |limit: u32, users: u32| {
        let source = format!(
            "[thread-pool.http]\nmax-connections = {limit}\n[flow.f]\nsteps = [{{ use = \"http\", steps = [{{ delay = \"1ms\" }}] }}]\n\
             [workload.k]\nexecutor = \"constant-arrival-rate\"\nrate = \"10/s\"\npre-allocated-vus = {users}\nflow = \"f\"\ntimeout = \"1h\"\n"
        );
        observe(&source, 10.0)
    };
    let o = open(100, 7);
    assert_eq!(http(&o, "connections_open_max"), 7.0);
    near(figure(&o, "flow.f", "response_time_max"), 0.001, 1e-9);
    // Five have the places, and the other five wait for a connection to idle too long.
    let o = open(5, 10);
    assert_eq!(http(&o, "connections_open_max"), 5.0);
    assert_eq!(http(&o, "backlog_max"), 5.0);
}
