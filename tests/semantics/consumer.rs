use super::*;

fn model(partitions: u32, rate: &str, consumer: &str) -> String {
    format!(
        r#"
[topic.events]
partitions = {partitions}
key = "uniform(1000000)"
linger = "0s"
[consumer.c]
topic = "events"
{consumer}
[flow.send]
steps = [{{ publish = "events" }}]
[workload.w]
executor = "constant-arrival-rate"
rate = "{rate}"
pre-allocated-vus = 10000
duration = "1h"
flow = "send"
"#
    )
}

const SLOW: &str = "steps = [{ delay = \"50ms\" }]";

#[test]
fn a_partition_is_read_by_one_thread_so_its_rate_is_bounded_by_one_record_at_a_time() {
    let o = observe(&model(3, "100/s", &format!("concurrency = 3\n{SLOW}")), 200.0);
    near(figure(&o, "consumer.c", "consumed"), 60.0, 0.5);
    near(figure(&o, "consumer.c", "utilisation"), 1.0, 0.01);
    // What came and was not committed: 40/s for 200 s.
    near(figure(&o, "consumer.c", "lag_end"), 8000.0, 1600.0);
    near(figure(&o, "consumer.c", "lag_mean"), 4000.0, 900.0);
    assert_eq!(
        figure(&o, "consumer.c", "lag_end"),
        figure(&o, "topic.events", "lag_end")
    );
}

#[test]
fn threads_beyond_the_number_of_partitions_are_idle() {
    let three = observe(&model(3, "100/s", &format!("concurrency = 3\n{SLOW}")), 100.0);
    let six = observe(&model(3, "100/s", &format!("concurrency = 6\n{SLOW}")), 100.0);
    assert_eq!(
        figure(&three, "consumer.c", "consumed"),
        figure(&six, "consumer.c", "consumed")
    );
    near(figure(&six, "consumer.c", "poll_idle_ratio"), 0.5, 0.02);
}

#[test]
fn lag_counts_what_is_committed_and_client_lag_what_is_taken() {
    // Polls of 1, 4, 20 and 100 records are committed by then; the one of 500 takes 25 s, until which nothing of it is.
    let o = observe(&model(1, "100/s", SLOW), 20.0);
    near(figure(&o, "consumer.c", "lag_end"), 1875.0, 2.0);
    near(figure(&o, "consumer.c", "client_lag_end"), 1375.0, 2.0);
    let often = observe(&model(1, "100/s", &format!("max-poll-records = 1\n{SLOW}")), 20.0);
    near(figure(&often, "consumer.c", "lag_end"), 1600.0, 3.0);
    near(figure(&often, "consumer.c", "time_lag_end"), 16.0, 0.2);
}

#[test]
fn a_poll_takes_at_most_max_poll_records() {
    let o = observe(
        &model(1, "1000/s", &format!("max-poll-records = 50\n{SLOW}")),
        100.0,
    );
    near(figure(&o, "consumer.c", "records_per_poll"), 50.0, 2.0);
}

#[test]
fn a_batch_listener_runs_its_steps_once_a_poll() {
    // 50 inserts in 200 ms: 250/s a thread, against 20/s one by one.
    let o = observe(
        &model(
            1,
            "400/s",
            "batch = true\nmax-poll-records = 50\nsteps = [{ delay = \"200ms\" }]",
        ),
        100.0,
    );
    near(figure(&o, "consumer.c", "consumed"), 250.0, 3.0);
}

#[test]
fn each_goes_through_the_records_of_a_batch() {
    let consumer = "batch = true\nmax-poll-records = 10\nsteps = [{ delay = \"50ms\" }, { each = [{ delay = \"5ms\" }] }]";
    let o = observe(&model(1, "400/s", consumer), 100.0);
    // Ten records in 50 ms + 10 × 5 ms.
    near(figure(&o, "consumer.c", "consumed"), 100.0, 1.5);
    let said = refusal(&model(1, "1/s", "steps = [{ each = [{ delay = \"5ms\" }] }]"));
    assert!(said.contains("batch = true"), "{said}");
}

#[test]
fn commits_and_fetches_take_the_threads_time() {
    let plain = observe(&model(1, "10/s", "steps = [{ delay = \"10ms\" }]"), 100.0);
    near(figure(&plain, "consumer.c", "end_to_end_mean"), 0.010, 1e-6);
    let costly =
        "fetch-time = \"3ms\"\ncommit-time = \"90ms\"\nmax-poll-records = 1\nsteps = [{ delay = \"10ms\" }]";
    let o = observe(&model(1, "10/s", costly), 100.0);
    // 10 ms of work and 90 ms of commit fill the 100 ms between two records.
    assert!(figure(&o, "consumer.c", "poll_idle_ratio") < 0.001);
    near(figure(&o, "consumer.c", "consumed"), 10.0, 0.2);
}

#[test]
fn a_failing_record_is_delivered_ten_times_on_the_same_thread_and_then_skipped() {
    let o = observe(
        &model(1, "1/s", "steps = [{ delay = \"10ms\" }, { fail = 1.0 }]"),
        100.0,
    );
    near(figure(&o, "consumer.c", "retried"), 9.0, 0.2);
    near(figure(&o, "consumer.c", "skipped"), 1.0, 0.02);
    assert_eq!(figure(&o, "consumer.c", "consumed"), 0.0);
    near(figure(&o, "consumer.c", "visit_time_mean"), 0.100, 1e-6);
    assert!(figure(&o, "consumer.c", "lag_end") <= 1.0);
}

#[test]
fn a_record_that_is_given_up_goes_to_the_dead_letter_topic() {
    let source = model(
        2,
        "10/s",
        "retries = 0\ndead-letter = \"dead\"\nsteps = [{ fail = 0.25 }]",
    ) + "[topic.dead]\npartitions = 2\n";
    let o = observe(&source, 1000.0);
    near(figure(&o, "topic.dead", "produced"), 2.5, 0.2);
    near(
        figure(&o, "topic.dead", "produced"),
        figure(&o, "consumer.c", "skipped"),
        1e-9,
    );
}

#[test]
fn skewed_keys_leave_one_partition_behind() {
    let source =
        model(3, "50/s", &format!("concurrency = 3\n{SLOW}")).replace("uniform(1000000)", "list(8, 1, 1)");
    let o = observe(&source, 200.0);
    let lags: Vec<f64> = (0..3)
        .map(|p| figure(&o, "consumer.c", &format!("lag_partition_{p}_max")))
        .collect();
    let (most, sum) = (
        lags.iter().fold(0.0f64, |a, b| a.max(*b)),
        lags.iter().sum::<f64>(),
    );
    assert!(most > 0.9 * sum && most > 500.0, "{lags:?}");
    // The mean load of 50/s is below the capacity of 60/s: only the hot partition lags.
    assert!(figure(&o, "consumer.c", "consumed") < 45.0);
}

#[test]
fn several_groups_read_the_same_records_each_for_itself() {
    let source =
        model(1, "100/s", SLOW) + "[consumer.d]\ntopic = \"events\"\nsteps = [{ delay = \"1ms\" }]\n";
    let o = observe(&source, 100.0);
    near(figure(&o, "consumer.c", "consumed"), 20.0, 0.5);
    near(figure(&o, "consumer.d", "consumed"), 100.0, 1.0);
    assert!(figure(&o, "consumer.d", "lag_max") < 10.0);
}

fn replicated(consumer: &str, timeline: &str) -> String {
    model(
        4,
        "100/s",
        &format!("in = \"worker\"\nconcurrency = 2\n{consumer}"),
    ) + "[service.worker]\nreplicas = 2\n"
        + timeline
}

#[test]
fn partitions_are_shared_by_the_threads_of_all_replicas() {
    let o = observe(&replicated(SLOW, ""), 100.0);
    near(figure(&o, "consumer.c", "consumed"), 80.0, 1.0);
}

#[test]
fn threads_stop_with_their_replica_and_the_others_take_over() {
    let stop = "[[timeline]]\nat = \"50s\"\nstop = \"worker\"\nreplica = 0\n";
    let consumer = format!("max-poll-records = 10\n{SLOW}");
    let o = observe(&replicated(&consumer, stop), 100.0);
    // 80/s with four threads for 50 s, 40/s with two.
    near(figure(&o, "consumer.c", "consumed"), 60.0, 1.5);
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 1.0);
    // All partitions are still read: none is left with more than the others by far.
    let back = format!("{stop}[[timeline]]\nat = \"60s\"\nstart = \"worker\"\nreplica = 0\n");
    let o = observe(&replicated(&consumer, &back), 100.0);
    near(figure(&o, "consumer.c", "consumed"), 76.0, 1.5);
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 2.0);
}

#[test]
fn a_slow_batch_stops_the_whole_group_in_a_rebalance() {
    // With 500 records in hand a thread comes to its next poll only after 25 s; the others wait for it.
    let stop = "[[timeline]]\nat = \"50s\"\nstop = \"worker\"\nreplica = 0\n";
    let small = observe(
        &replicated(&format!("max-poll-records = 10\n{SLOW}"), stop),
        100.0,
    );
    let large = observe(
        &replicated(&format!("max-poll-records = 500\n{SLOW}"), stop),
        100.0,
    );
    assert!(figure(&small, "consumer.c", "rebalance_time") <= 0.5);
    assert!(figure(&large, "consumer.c", "rebalance_time") > 2.0);
}

#[test]
fn the_partitions_of_a_crashed_replica_are_not_read_until_the_session_ends() {
    let stop = "[[timeline]]\nat = \"40s\"\nstop = \"worker\"\nreplica = 0\n";
    let crash = "on-stop = \"crash\"\nmax-poll-records = 10\nsteps = [{ delay = \"1ms\" }]".to_string();
    let o = observe(&replicated(&crash, stop), 100.0);
    // Half of 100/s for 45 s.
    near(figure(&o, "consumer.c", "lag_max"), 2250.0, 150.0);
    let close = observe(&replicated(&crash.replace("crash", "close"), stop), 100.0);
    assert!(figure(&close, "consumer.c", "lag_max") < 50.0);
    // Nothing is lost: what was in hand is delivered again.
    near(figure(&o, "consumer.c", "lag_end"), 0.0, 5.0);
}

#[test]
fn a_pause_of_the_process_stops_its_consumers() {
    let pause = "[[timeline]]\nat = \"20s\"\npause = \"worker\"\nfor = \"30s\"\n";
    let o = observe(&replicated("steps = [{ delay = \"1ms\" }]", pause), 100.0);
    // 100/s for 30 s, and for the half second until the first 500 of a thread are committed.
    near(figure(&o, "consumer.c", "lag_max"), 3050.0, 20.0);
    near(figure(&o, "consumer.c", "lag_end"), 0.0, 5.0);
}

#[test]
fn consumers_take_connections_like_anything_else() {
    let source = model(
        4,
        "100/s",
        "in = \"worker\"\nconcurrency = 4\nsteps = [{ use = \"db\", steps = [{ delay = \"50ms\" }] }]",
    ) + "[service.worker]\n[connection-pool.db]\nin = \"worker\"\nmaximum-pool-size = 2\n";
    let o = observe(&source, 100.0);
    near(figure(&o, "consumer.c", "consumed"), 40.0, 1.0);
    near(figure(&o, "connection-pool.db", "utilisation"), 1.0, 0.02);
}

#[test]
fn draws_belong_to_the_record_and_not_to_the_thread() {
    let steps = "steps = [{ delay = \"exp(1ms)\" }]";
    let one = observe(&model(8, "10/s", steps), 300.0);
    let four = observe(&model(8, "10/s", &format!("concurrency = 4\n{steps}")), 300.0);
    let mean = |o: &Observations| figure(o, "consumer.c", "visit_time_mean");
    assert_eq!(mean(&one), mean(&four));
}

#[test]
fn wrong_consumers_are_refused_with_the_reason() {
    let said = refusal(&model(1, "1/s", "dead-letter = \"events\"\nsteps = []"));
    assert!(said.contains("would never end"), "{said}");
    let said = refusal(&model(1, "1/s", "").replace("topic = \"events\"", "topic = \"event\""));
    assert!(
        said.contains("did you mean `events`") && said.contains("no `steps`"),
        "{said}"
    );
}

/// Twenty records within a second, for one partition and two threads.
fn twenty(consumer: &str) -> Observations {
    let source = model(
        1,
        "20/s",
        &format!("concurrency = 2\nmax-poll-interval = \"5s\"\n{consumer}"),
    );
    observe(
        &source.replace("duration = \"1h\"", "duration = \"990ms\""),
        100.0,
    )
}

#[test]
fn a_thread_that_polls_too_late_leaves_the_group_and_its_records_are_delivered_again() {
    let slow = "steps = [{ delay = \"1s\" }]";
    // Four records a poll take 4 s of the 5 s.
    let quick = twenty(&format!("max-poll-records = 4\n{slow}"));
    assert_eq!(figure(&quick, "consumer.c", "poll_timeouts"), 0.0);
    assert_eq!(figure(&quick, "consumer.c", "failed_commits"), 0.0);
    assert_eq!(figure(&quick, "consumer.c", "lag_end"), 0.0);
    near(figure(&quick, "consumer.c", "consumed"), 0.2, 1e-9);
    // All that came in the first second takes 19 s: neither thread ever commits it, and both do it over and over.
    let late = twenty(slow);
    assert_eq!(figure(&late, "consumer.c", "lag_end"), 19.0);
    assert!(figure(&late, "consumer.c", "consumed") > 1.0);
    assert!(figure(&late, "consumer.c", "poll_timeouts") > 0.05);
    assert!(figure(&late, "consumer.c", "failed_commits") > 0.05);
}

#[test]
fn the_partition_of_a_late_thread_goes_to_another_at_the_poll_interval_and_it_rejoins_at_its_next_poll() {
    // Thread 0 has one record until 1 s and nineteen until 20 s; it is out at 6 s, when thread 1 begins with the nineteen.
    // That is two rebalances when thread 0 comes back at 20 s, of which the second waits for thread 1, out at 11 s.
    let source = model(
        1,
        "20/s",
        "concurrency = 2\nmax-poll-interval = \"5s\"\nsteps = [{ delay = \"1s\" }]",
    );
    let source = source.replace("duration = \"1h\"", "duration = \"990ms\"");
    let before = observe(&source, 5.5);
    assert_eq!(figure(&before, "consumer.c", "rebalances"), 0.0);
    let after = observe(&source, 6.5);
    assert_eq!(figure(&after, "consumer.c", "rebalances"), 1.0);
    near(figure(&after, "consumer.c", "poll_timeouts") * 6.5, 1.0, 1e-9);
    // Both are at work: thread 0 has done six, thread 1 has begun one.
    near(
        figure(&observe(&source, 10.5), "consumer.c", "consumed") * 10.5,
        10.0 + 4.0,
        1e-9,
    );
}

#[test]
fn pauses_between_tries_of_a_record_keep_its_thread_from_its_poll_and_those_of_a_batch_do_not() {
    let failing = "retry-interval = \"1s\"\nsteps = [{ fail = 1.0 }]";
    let record = twenty(&format!("max-poll-records = 1\n{failing}"));
    assert!(figure(&record, "consumer.c", "poll_timeouts") > 0.0);
    assert!(figure(&record, "consumer.c", "lag_end") > 15.0);
    let batch = twenty(&format!("batch = true\n{failing}"));
    assert_eq!(figure(&batch, "consumer.c", "poll_timeouts"), 0.0);
    assert_eq!(figure(&batch, "consumer.c", "lag_end"), 0.0);
}

#[test]
fn in_a_cooperative_rebalance_the_others_go_on_with_what_they_have() {
    let stop = "[[timeline]]\nat = \"50s\"\nstop = \"worker\"\nreplica = 0\n";
    let at = |assignment: &str| {
        let consumer = format!("assignment = \"{assignment}\"\nmax-poll-records = 500\n{SLOW}");
        observe(&replicated(&consumer, stop), 100.0)
    };
    let (eager, cooperative) = (at("range"), at("cooperative-sticky"));
    // 80/s for 50 s, 40/s for 50 s: nobody stands still.
    near(figure(&cooperative, "consumer.c", "consumed"), 60.0, 0.2);
    assert!(figure(&eager, "consumer.c", "consumed") < 59.0);
}

#[test]
fn in_a_cooperative_rebalance_partitions_that_move_wait_for_two_rounds_and_lose_nothing() {
    let timeline = "[[timeline]]\nat = \"30s\"\noutage = \"worker\"\nreplica = 0\nfor = \"20s\"\n";
    let consumer =
        "assignment = \"cooperative-sticky\"\nmax-poll-records = 10\nsteps = [{ delay = \"1ms\" }]";
    let o = observe(&replicated(consumer, timeline), 100.0);
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 2.0);
    near(figure(&o, "consumer.c", "lag_end"), 0.0, 3.0);
    // What was in hand when the replica stopped is delivered again, and nothing else.
    near(
        figure(&o, "consumer.c", "consumed"),
        figure(&o, "topic.events", "produced"),
        0.3,
    );
    for p in 0..4 {
        assert!(figure(&o, "consumer.c", &format!("lag_partition_{p}_max")) < 30.0);
    }
}

#[test]
fn a_fetch_is_answered_when_enough_is_there_or_after_the_longest_wait() {
    let quick = "steps = [{ delay = \"1us\" }]";
    // Ten records of 1 KiB in 100 ms.
    let o = observe(
        &model(1, "100/s", &format!("fetch-min-bytes = \"10KiB\"\n{quick}")),
        100.0,
    );
    near(figure(&o, "consumer.c", "records_per_poll"), 10.0, 0.02);
    near(figure(&o, "consumer.c", "end_to_end_max"), 0.09, 0.001);
    // Never so much: what came is there after half a second.
    let o = observe(
        &model(1, "100/s", &format!("fetch-min-bytes = \"1MiB\"\n{quick}")),
        100.0,
    );
    near(figure(&o, "consumer.c", "records_per_poll"), 50.0, 0.5);
    near(figure(&o, "consumer.c", "end_to_end_max"), 0.5, 0.011);
    let o = observe(&model(1, "100/s", quick), 100.0);
    near(figure(&o, "consumer.c", "records_per_poll"), 1.0, 1e-9);
}
