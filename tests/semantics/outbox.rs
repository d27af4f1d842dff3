use super::*;

fn model(rate: &str, outbox: &str, rest: &str) -> String {
    format!(
        r#"
[topic.events]
linger = "0s"
[outbox.rows]
publishes = "events"
{outbox}
[flow.pay]
steps = [{{ publish = "rows" }}]
[workload.w]
executor = "poisson"
rate = "{rate}"
flow = "pay"
{rest}
"#
    )
}

#[test]
fn a_row_waits_half_an_interval_on_average() {
    let o = observe(
        &model("100/s", "poll-interval = \"2s\"\nbatch = 100000", ""),
        1000.0,
    );
    near(figure(&o, "outbox.rows", "added_latency_mean"), 1.0, 0.02);
    near(figure(&o, "outbox.rows", "added_latency_max"), 2.0, 0.01);
    near(figure(&o, "topic.events", "produced"), 100.0, 2.0);
    assert_eq!(figure(&o, "flow.pay", "response_time_max"), 0.0);
}

#[test]
fn throughput_is_the_batch_over_interval_and_work() {
    // 100 rows each 1 s + 100 × 10 ms: 50/s, however many come.
    let outbox = "poll-interval = \"1s\"\nbatch = 100\nsteps = [{ each = [{ delay = \"10ms\" }] }]";
    let o = observe(&model("80/s", outbox, ""), 400.0);
    near(figure(&o, "outbox.rows", "sent"), 50.0, 0.5);
    near(figure(&o, "outbox.rows", "pending_end"), 30.0 * 400.0, 800.0);
    near(
        figure(&o, "outbox.rows", "oldest_age_end"),
        30.0 * 400.0 / 80.0,
        10.0,
    );
}

#[test]
fn a_poller_that_drains_does_not_wait_after_a_full_batch() {
    let outbox = "poll-interval = \"1s\"\nbatch = 100\nsteps = [{ each = [{ delay = \"10ms\" }] }]";
    let o = observe(&model("80/s", &format!("drain = true\n{outbox}"), ""), 400.0);
    near(figure(&o, "outbox.rows", "sent"), 80.0, 2.0);
}

#[test]
fn a_fixed_delay_is_counted_from_the_end_of_a_poll() {
    let o = observe(
        &model(
            "100/s",
            "poll-interval = \"1s\"\nsteps = [{ delay = \"1s\" }]",
            "",
        ),
        400.0,
    );
    near(figure(&o, "outbox.rows", "polls"), 0.5, 0.01);
}

#[test]
fn only_a_full_batch_that_went_well_is_followed_by_a_poll_at_once() {
    let polls = |rows: usize, steps: &str| {
        let text = format!(
            "[outbox.rows]\npoll-interval = \"1s\"\nbatch = 2\ndrain = true\nsteps = [{steps}]\n\
             [flow.pay]\nsteps = [{{ publish = \"rows\" }}]\n{}",
            requests(&if rows == 0 {
                vec![(9.0, "pay")]
            } else {
                vec![(1.5, "pay"); rows]
            })
        );
        let o = observe(&text, 3.5);
        let of = |name| figure(&o, "outbox.rows", name) * 3.5;
        (of("polls"), of("empty_polls"))
    };
    let empty = polls(0, "").0;
    for (rows, steps, more, idle) in [
        (1, "", 0.0, 1.0),
        (2, "", 1.0, 0.0),
        (2, "{ fail = \"100%\" }", 0.0, 1.0),
    ] {
        let (all, none) = polls(rows, steps);
        near(all - empty, more, 1e-9);
        near(empty - none, idle, 1e-9);
    }
}

#[test]
fn pollers_of_all_replicas_share_the_rows_without_sending_one_twice() {
    let outbox = "in = \"api\"\npoll-interval = \"1s\"\nbatch = 10";
    let rest = "[service.api]\nreplicas = 3\n";
    let o = observe(
        &model("100/s", outbox, rest).replace("[flow.pay]", "[flow.pay]\nat = \"api\""),
        200.0,
    );
    near(figure(&o, "outbox.rows", "sent"), 30.0, 0.5);
    assert_eq!(
        figure(&o, "outbox.rows", "sent"),
        figure(&o, "topic.events", "produced")
    );
}

#[test]
fn a_batch_holds_its_connection_while_it_publishes() {
    let outbox = "in = \"api\"\npoll-interval = \"1s\"\nbatch = 100\nsteps = [{ use = \"db\", steps = [{ each = [{ delay = \"10ms\" }] }] }]";
    let rest = "[service.api]\n[connection-pool.db]\nin = \"api\"\nmaximum-pool-size = 1\n";
    let o = observe(
        &model("200/s", outbox, rest).replace("[flow.pay]", "[flow.pay]\nat = \"api\""),
        200.0,
    );
    near(figure(&o, "connection-pool.db", "utilisation"), 0.5, 0.01);
}

/// Ten rows at time zero, read at 1 s.
fn ten(outbox: &str) -> String {
    format!(
        "[topic.events]\nlinger = \"0s\"\n[consumer.c]\ntopic = \"events\"\nsteps = []\n\
         [outbox.rows]\npublishes = \"events\"\npoll-interval = \"1s\"\nretry-interval = \"1s\"\n{outbox}\n\
         [flow.pay]\nsteps = [{{ publish = \"rows\" }}]\n"
    ) + &requests(&[(0.0, "pay"); 10])
}

#[test]
fn a_message_goes_out_at_the_end_of_its_round_of_each() {
    let o = observe(&ten("steps = [{ each = [{ delay = \"100ms\" }] }]"), 10.0);
    // 1.1 s, 1.2 s, .. 2.0 s.
    near(figure(&o, "outbox.rows", "added_latency_mean"), 1.55, 1e-9);
    near(figure(&o, "outbox.rows", "added_latency_max"), 2.0, 1e-9);
    // In the middle of the poll half of them are in the topic, and all are still to be marked.
    let o = observe(&ten("steps = [{ each = [{ delay = \"100ms\" }] }]"), 1.55);
    near(figure(&o, "topic.events", "produced") * 1.55, 5.0, 1e-9);
    assert_eq!(figure(&o, "outbox.rows", "pending_end"), 10.0);
    // Without `each` all go out at the end.
    let o = observe(&ten("steps = [{ delay = \"1s\" }]"), 10.0);
    near(figure(&o, "outbox.rows", "added_latency_mean"), 2.0, 1e-9);
}

#[test]
fn a_mark_that_fails_leaves_all_rows_to_be_sent_again() {
    let failing = "max-retries = 2\nsteps = [{ each = [{ delay = \"1ms\" }] }, { fail = 1.0 }]";
    // All go out in the first poll, and in two more.
    let o = observe(&ten(failing), 1.5);
    assert_eq!(figure(&o, "outbox.rows", "pending_end"), 10.0);
    near(figure(&o, "outbox.rows", "sent") * 1.5, 10.0, 1e-9);
    assert_eq!(figure(&o, "outbox.rows", "sent_again"), 0.0);
    let o = observe(&ten(failing), 60.0);
    near(figure(&o, "outbox.rows", "sent") * 60.0, 30.0, 1e-9);
    near(figure(&o, "outbox.rows", "sent_again") * 60.0, 20.0, 1e-9);
    near(figure(&o, "outbox.rows", "given_up") * 60.0, 10.0, 1e-9);
    assert_eq!(figure(&o, "outbox.rows", "pending_end"), 0.0);
}

#[test]
fn a_row_that_fails_stays_and_is_tried_again_later_until_it_is_given_up() {
    let outbox = "poll-interval = \"100ms\"\nmax-retries = 2\nretry-interval = \"5s\"\nsteps = [{ each = [{ fail = 1.0 }] }]";
    let o = observe(&model("1/s", outbox, ""), 1000.0);
    assert_eq!(figure(&o, "topic.events", "produced"), 0.0);
    near(figure(&o, "outbox.rows", "given_up"), 1.0, 0.1);
    near(figure(&o, "outbox.rows", "retried"), 2.0, 0.2);
    // One that fails half of the time gets through.
    let o = observe(
        &model("1/s", &outbox.replace("1.0", "0.5").replace("= 2", "= 20"), ""),
        1000.0,
    );
    near(figure(&o, "topic.events", "produced"), 1.0, 0.1);
    assert_eq!(figure(&o, "outbox.rows", "given_up"), 0.0);
}

#[test]
fn rows_in_the_hands_of_a_poller_that_stops_are_sent_by_another() {
    let outbox = "in = \"api\"\npoll-interval = \"100ms\"\nbatch = 1000\nsteps = [{ delay = \"3s\" }]";
    let rest = "[service.api]\nreplicas = 2\n[[timeline]]\nat = \"50s\"\nstop = \"api\"\nreplica = 0\n";
    let o = observe(
        &model("100/s", outbox, rest).replace("[flow.pay]", "[flow.pay]\nat = \"api\""),
        100.0,
    );
    near(figure(&o, "outbox.rows", "pending_end"), 300.0, 350.0);
    near(figure(&o, "outbox.rows", "inserted"), 100.0, 4.0);
}

#[test]
fn rows_a_poll_are_counted_over_polls_that_found_some() {
    let text =
        "[topic.events]\nlinger = \"0s\"\n[outbox.rows]\npublishes = \"events\"\npoll-interval = \"250ms\"\n\
                [flow.pay]\nsteps = [{ publish = \"rows\" }]\n"
            .to_owned()
            + &requests(&[(0.1, "pay"), (0.1, "pay"), (0.2, "pay"), (1.1, "pay")]);
    let o = observe(&text, 10.0);
    assert_eq!(figure(&o, "outbox.rows", "rows_per_poll"), 2.0);
    near(figure(&o, "outbox.rows", "sent"), 0.4, 1e-9);
    // Until the polls at 250 ms and at 1250 ms.
    near(
        figure(&o, "outbox.rows", "added_latency_mean"),
        (0.15 + 0.15 + 0.05 + 0.15) / 4.0,
        1e-6,
    );
}

#[test]
fn a_row_is_written_by_publishing_alone() {
    let said = refusal(
        "[outbox.rows]\n[flow.f]\nsteps = [{ use = \"rows\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n",
    );
    assert!(said.contains("a row is written by `{ publish"), "{said}");
}

#[test]
fn a_poller_polls_by_its_new_interval_and_batch_from_its_next_poll_on() {
    let seen = |set: &str| {
        let text =
            "[topic.events]\nlinger = \"0s\"\n[outbox.rows]\npublishes = \"events\"\npoll-interval = \"1s\"\n\
                    batch = 1\n[flow.pay]\nsteps = [{ publish = \"rows\" }]\n"
                .to_owned()
                + &format!("[[timeline]]\nat = \"500ms\"\nset = {{ {set} }}\n")
                + &requests(&[(0.1, "pay"), (0.2, "pay"), (0.3, "pay"), (0.4, "pay")]);
        let o = observe(&text, 20.0);
        figure(&o, "outbox.rows", "added_latency_max")
    };
    // One row a second, the last one at 4 s.
    near(seen("\"outbox.rows.batch\" = 1"), 3.6, 1e-6);
    near(seen("\"outbox.rows.batch\" = 2"), 1.7, 1e-6);
    near(seen("\"outbox.rows.drain\" = true"), 0.9, 1e-6);
    near(seen("\"outbox.rows.poll-interval\" = \"100ms\""), 0.9, 1e-6);
}

#[test]
fn messages_are_spread_over_the_partitions_by_their_row() {
    let text = model("100/s", "poll-interval = \"1s\"\nbatch = 1000", "");
    let o = observe(&text.replace("linger = \"0s\"", "partitions = 4"), 100.0);
    for p in 0..4 {
        near(
            figure(&o, "topic.events", &format!("produced_partition_{p}")),
            25.0,
            3.0,
        );
    }
}

#[test]
fn a_row_that_failed_is_tried_again_after_its_interval() {
    let outbox = "max-retries = 1\nsteps = [{ each = [{ fail = 1.0 }] }]";
    let text = ten(outbox).replace("retry-interval = \"1s\"", "retry-interval = \"5s\"");
    // One by one they fail at 1, 2, .. 10 s, and again 5 s later or more.
    let given_up = |seconds: f64| figure(&observe(&text, seconds), "outbox.rows", "given_up") * seconds;
    near(given_up(5.5), 0.0, 1e-9);
    near(given_up(60.0), 10.0, 1e-9);
}

#[test]
fn each_outbox_has_its_own_rows() {
    let text = "[topic.events]\nlinger = \"0s\"\n[outbox.a]\npublishes = \"events\"\npoll-interval = \"1s\"\n\
                [outbox.b]\npublishes = \"events\"\npoll-interval = \"10ms\"\n\
                [flow.pay]\nsteps = [{ publish = \"a\" }]\n[flow.other]\nsteps = [{ publish = \"b\" }]\n"
        .to_owned() + &requests(&[(0.0, "pay"), (0.1, "pay"), (0.2, "pay"), (5.0, "other")]);
    let o = observe(&text, 10.0);
    near(figure(&o, "outbox.a", "sent") * 10.0, 3.0, 1e-9);
    near(figure(&o, "outbox.b", "sent") * 10.0, 1.0, 1e-9);
    near(figure(&o, "outbox.a", "added_latency_max"), 1.0, 1e-6);
}

#[test]
fn a_row_is_part_of_the_transaction_in_which_it_is_written() {
    let model = |steps: &str| {
        format!(
            "[connection-pool.db]\n[retry.again]\nmax-attempts = 3\nwait-duration = \"100ms\"\n[outbox.rows]\npoll-interval = \"10ms\"\n\
             [flow.pay]\nsteps = [{steps}]\n"
        ) + &requests(&[(1.0, "pay")])
    };
    let of = |steps: &str| {
        let o = observe(&model(steps), 10.0);
        (
            figure(&o, "outbox.rows", "inserted") * 10.0,
            o.figure("outbox.rows", "added_latency_max"),
        )
    };
    let write = "{ publish = \"rows\" }";
    // Rolled back three times.
    let fails =
        format!("{{ use = \"again\", steps = [{{ use = \"db\", steps = [{write}, {{ fail = 1.0 }}] }}] }}");
    assert_eq!(of(&fails).0, 0.0);
    // Without a transaction each try leaves one.
    let plain = format!("{{ use = \"again\", steps = [{write}, {{ fail = 1.0 }}] }}");
    assert_eq!(of(&plain).0, 3.0);
    // It is read after the commit, 100 ms later, by the poll of then.
    let long = format!("{{ use = \"db\", steps = [{write}, {{ delay = \"95ms\" }}] }}");
    let (inserted, latency) = of(&long);
    assert_eq!(inserted, 1.0);
    near(latency.unwrap_or(f64::NAN), 0.1, 1e-9);
    // What fails afterwards leaves what was committed.
    let late = format!("{{ use = \"db\", steps = [{write}] }}, {{ fail = 1.0 }}");
    assert_eq!(of(&late).0, 1.0);
    // The inner one of two connections is given back first.
    let nested = format!(
        "{{ use = \"db\", steps = [{{ try = [{{ use = \"db\", steps = [{write}, {{ fail = 1.0 }}] }}], else = [] }}, {write}] }}"
    );
    assert_eq!(of(&nested).0, 1.0);
    // A branch writes by itself.
    let branch =
        format!("{{ use = \"db\", steps = [{{ parallel = [{{ steps = [{write}] }}] }}, {{ fail = 1.0 }}] }}");
    assert_eq!(of(&branch).0, 1.0);
}
