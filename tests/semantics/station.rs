use super::*;

const WORK: &str = "time = \"1s\"";

fn model(station: &str, flows: &[(&str, &str)], list: &[(f64, &str)]) -> String {
    let mut text = format!("[station.s]\n{station}\n");
    for (name, options) in flows {
        text += &format!("[flow.{name}]\nsteps = [{{ use = \"s\", {options} }}]\n");
    }
    text + &requests(list)
}

fn ends<const N: usize>(text: &str, flows: [&str; N]) -> [f64; N] {
    let o = observe(text, 100.0);
    flows.map(|f| figure(&o, &format!("flow.{f}"), "response_time_max"))
}

#[track_caller]
fn same<const N: usize>(found: [f64; N], expected: [f64; N]) {
    for (f, e) in found.iter().zip(expected) {
        near(*f, e, 1e-9);
    }
}

#[test]
fn who_is_interrupted_goes_on_with_what_is_left_before_the_others_of_its_priority() {
    let flows = [
        ("low", "time = \"1s\", priority = 1"),
        ("next", "time = \"1s\", priority = 1"),
        ("high", "time = \"1s\""),
    ];
    let text = model(
        "preemptive = true",
        &flows,
        &[(0.0, "low"), (0.2, "next"), (0.5, "high")],
    );
    // Half before, half after the second of the high one; then the next.
    same(ends(&text, ["low", "next", "high"]), [2.0, 2.8, 1.0]);
    // Who is interrupted waits again: one second, 1.8 s and nothing.
    let o = observe(&text, 100.0);
    near(figure(&o, "station.s", "waiting_time_mean"), 2.8 / 3.0, 1e-9);
    near(figure(&o, "station.s", "waiting_time_max"), 1.8, 1e-9);
    near(figure(&o, "station.s", "in_queue_mean"), 0.028, 1e-9);
    let patient = text.replace("preemptive = true", "");
    same(ends(&patient, ["low", "next", "high"]), [1.0, 2.8, 1.5]);
}

#[test]
fn of_several_in_service_the_last_of_the_lowest_priority_is_interrupted() {
    let flows = [
        ("middle", "time = \"1s\", priority = 1"),
        ("early", "time = \"1s\", priority = 2"),
        ("late", "time = \"1s\", priority = 2"),
        ("high", "time = \"1s\""),
    ];
    let list = [(0.0, "middle"), (0.1, "early"), (0.2, "late"), (0.3, "high")];
    let text = model("servers = 3\npreemptive = true", &flows, &list);
    // The late one has 0.9 left when the middle one leaves at 1.
    let found = ends(&text, ["middle", "early", "high", "late"]);
    same(found, [1.0, 1.0, 1.0, 1.7]);
}

#[test]
fn a_full_station_turns_away_whatever_the_priority() {
    let flows = [("low", "time = \"1s\", priority = 1"), ("high", "time = \"1s\"")];
    let text = model(
        "preemptive = true\ncapacity = 1",
        &flows,
        &[(0.0, "low"), (0.5, "high")],
    );
    let o = observe(&text, 10.0);
    assert_eq!(figure(&o, "flow.high", "failure_share"), 1.0);
    assert_eq!(figure(&o, "flow.low", "response_time_max"), 1.0);
}

#[test]
fn a_speed_changes_at_the_instant_at_which_the_number_inside_does() {
    // Alone at speed 1 until 0.5; two at speed 2: the half that is left takes 0.25; alone again.
    let text = model(
        "speeds = [1, 2]",
        &[("a", WORK), ("b", WORK)],
        &[(0.0, "a"), (0.5, "b")],
    );
    same(ends(&text, ["a", "b"]), [0.75, 1.25]);
}

#[test]
fn more_servers_take_up_who_waits_and_fewer_let_services_end() {
    let flows = [("a", WORK), ("b", WORK), ("c", WORK)];
    let list = [(0.0, "a"), (0.0, "b"), (0.0, "c")];
    let text =
        model("", &flows, &list) + "[[timeline]]\nat = \"500ms\"\nset = { \"station.s.servers\" = 3 }\n";
    same(ends(&text, ["a", "b", "c"]), [1.0, 1.5, 1.5]);
    let text = model("servers = 3", &flows, &[(0.0, "a"), (0.0, "b"), (0.6, "c")])
        + "[[timeline]]\nat = \"500ms\"\nset = { \"station.s.servers\" = 1 }\n";
    same(ends(&text, ["a", "b", "c"]), [1.0, 1.0, 1.4]);
}

#[test]
fn whoever_waits_too_long_leaves_whatever_its_priority() {
    let flows = [
        ("a", WORK),
        ("low", "time = \"1s\", priority = 3"),
        ("high", WORK),
    ];
    let text = model(
        "patience = \"700ms\"",
        &flows,
        &[(0.0, "a"), (0.1, "low"), (0.6, "high")],
    );
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.low", "failure_time_max"), 0.7, 1e-9);
    near(figure(&o, "flow.high", "response_time_max"), 1.4, 1e-9);
}

#[test]
fn what_cannot_be_interrupted_cannot_be_held() {
    let text =
        "[station.s]\npreemptive = true\n[flow.f]\nsteps = [{ use = \"s\", steps = [{ delay = \"1s\" }] }]\n"
            .to_owned()
            + &requests(&[(0.0, "f")]);
    assert!(refusal(&text).contains("cannot be held"));
}

#[test]
fn ties_are_decided_by_the_order_of_events_and_by_the_coin_when_asked() {
    // A completion and an arrival every second at the same instant: there is room if the completion comes first.
    let text = r#"
        [station.s]
        capacity = 1
        [flow.f]
        steps = [{ use = "s", time = "1s" }]
        [workload.w]
        executor = "constant-arrival-rate"
        rate = "1/s"
        pre-allocated-vus = 10
    "#;
    let model = crate::support::model(text);
    let share = |coin: bool, seed: u64| {
        let options = Options {
            coin,
            seed,
            ..crate::support::options(0, 1000.5, 0.0)
        };
        let o = run(&model, &options).expect("the books balance");
        o.figure("flow.f", "failure_share").expect("there are requests")
    };
    assert_eq!((share(false, 1), share(false, 2)), (0.0, 0.0));
    let (one, two) = (share(true, 1), share(true, 2));
    assert!(
        one != two && (0.2..0.5).contains(&one) && (0.2..0.5).contains(&two),
        "{one} {two}"
    );
    assert_eq!(one, share(true, 1));
}

#[test]
fn the_largest_priority_and_the_most_cores_in_turn_are_taken_and_one_more_is_refused() {
    let priority = |n: u32| {
        let text = model(
            "",
            &[("f", &format!("time = \"1s\", priority = {n}"))],
            &[(0.0, "f")],
        );
        plimsoll::model::load("test", &text, None, &mut Default::default()).is_some()
    };
    assert!(priority(255) && !priority(256));
    let cores = |n: u32| {
        let text = format!(
            "[host.h]\ndiscipline = \"round-robin\"\ncores = {n}\n[flow.f]\nsteps = [{{ cpu = \"1s\", on = \"h\" }}]\n"
        ) + &requests(&[(0.0, "f")]);
        plimsoll::model::load("test", &text, None, &mut Default::default()).is_some()
    };
    assert!(cores(4096) && !cores(4097));
}

#[test]
fn who_is_interrupted_in_a_line_without_order_is_served_again() {
    let flows = [("low", "time = \"1s\", priority = 1"), ("high", "time = \"1s\"")];
    let text = model(
        "preemptive = true\ndiscipline = \"siro\"",
        &flows,
        &[(0.0, "low"), (0.5, "high")],
    );
    same(ends(&text, ["low", "high"]), [2.0, 1.0]);
}

#[test]
fn who_has_left_any_line_has_left_its_place() {
    for order in ["fcfs", "lcfs", "siro"] {
        let leaves = "steps = [{ use = \"t\", steps = [{ use = \"s\", time = \"10s\" }] }]";
        let text = format!(
            "[station.s]\ncapacity = 2\ndiscipline = \"{order}\"\n[time-limiter.t]\n[flow.a]\nsteps = [{{ use = \"s\", time = \"10s\" }}]\n\
             [flow.b]\n{leaves}\n{}",
            requests(&[(0.0, "a"), (1.0, "b"), (3.0, "a"), (4.0, "a")])
        );
        let o = observe(&text, 100.0);
        // The second gives up after a second; the third has its place, and the fourth none.
        near(figure(&o, "flow.a", "failures_rejected") * 100.0, 1.0, 1e-9);
        near(figure(&o, "flow.a", "response_time_max"), 17.0, 1e-9);
    }
}
