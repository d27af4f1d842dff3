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
    near(
        figure(&six, "consumer.c", "busiest_thread_utilisation"),
        1.0,
        0.02,
    );
}

#[test]
fn the_busiest_thread_has_records_in_hand_until_its_next_poll() {
    // 10 ms of work and 40 ms of commit in each 100 ms, and 30 ms until the next try of what fails.
    let busy = |extra: &str| {
        let o = observe(
            &model(1, "10/s", &format!("commit-time = \"40ms\"\n{extra}")),
            100.0,
        );
        figure(&o, "consumer.c", "busiest_thread_utilisation")
    };
    near(busy("steps = [{ delay = \"10ms\" }]"), 0.5, 0.01);
    near(
        busy("retries = 1\nretry-interval = \"30ms\"\nsteps = [{ fail = 1.0 }]"),
        0.7,
        0.01,
    );
}

#[test]
fn lag_counts_what_is_committed_and_client_lag_what_is_taken() {
    // Polls of 1, 1, 3, 5, 15, 25, 75 and 125 records are committed by then; the one of 375 goes on until 31 s.
    let o = observe(&model(1, "100/s", SLOW), 20.0);
    near(figure(&o, "consumer.c", "lag_end"), 1750.0, 2.0);
    near(figure(&o, "consumer.c", "client_lag_end"), 1375.0, 2.0);
    let often = observe(&model(1, "100/s", &format!("max-poll-records = 1\n{SLOW}")), 20.0);
    near(figure(&often, "consumer.c", "lag_end"), 1600.0, 3.0);
    near(figure(&often, "consumer.c", "time_lag_end"), 16.0, 0.2);
}

#[test]
fn a_poll_takes_at_most_max_poll_records() {
    let o = observe(
        &model(1, "1000/s", &format!("max-poll-records = 50\n{SLOW}")),
        400.0,
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
        400.0,
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
    // Each delivery is a visit.
    near(figure(&o, "consumer.c", "visit_time_mean"), 0.010, 1e-6);
    assert!(figure(&o, "consumer.c", "lag_end") <= 1.0);
}

#[test]
fn a_poison_record_fails_in_every_delivery() {
    // One record in four, whoever gets it and however often: not 0.25^10.
    let o = observe(
        &model(1, "10/s", "steps = [{ fail = 0.25, by = \"request\" }]"),
        1000.0,
    );
    // 10,000 records: four standard errors are 0.17/s.
    near(figure(&o, "consumer.c", "skipped"), 2.5, 0.18);
    near(
        figure(&o, "consumer.c", "retried"),
        9.0 * figure(&o, "consumer.c", "skipped"),
        0.02,
    );
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
    // The first two polls have a record each, the third all else that came in the first second. It takes 18 s: neither thread ever
    // commits it, and both do it over and over.
    let late = twenty(slow);
    assert_eq!(figure(&late, "consumer.c", "lag_end"), 18.0);
    assert!(figure(&late, "consumer.c", "consumed") > 1.0);
    assert!(figure(&late, "consumer.c", "poll_timeouts") > 0.05);
    assert!(figure(&late, "consumer.c", "failed_commits") > 0.05);
}

#[test]
fn the_partition_of_a_late_thread_goes_to_another_at_the_poll_interval_and_it_rejoins_at_its_next_poll() {
    // Thread 0 has one record until 1 s, one until 2 s and eighteen until 20 s; it is out at 7 s, when thread 1 begins with the
    // eighteen. That is two rebalances when thread 0 comes back at 20 s, of which the second waits for thread 1, out at 12 s.
    let source = model(
        1,
        "20/s",
        "concurrency = 2\nmax-poll-interval = \"5s\"\nsteps = [{ delay = \"1s\" }]",
    );
    let source = source.replace("duration = \"1h\"", "duration = \"990ms\"");
    let before = observe(&source, 6.5);
    assert_eq!(figure(&before, "consumer.c", "rebalances"), 0.0);
    let after = observe(&source, 7.5);
    assert_eq!(figure(&after, "consumer.c", "rebalances"), 1.0);
    near(figure(&after, "consumer.c", "poll_timeouts") * 7.5, 1.0, 1e-9);
    // Both are at work: thread 0 has done eleven, thread 1 four.
    near(
        figure(&observe(&source, 11.5), "consumer.c", "consumed") * 11.5,
        11.0 + 4.0,
        1e-9,
    );
}

/// One record at each of these instants, for one partition.
pub fn records(consumer: &str, at: &[f64]) -> String {
    let list: Vec<(f64, &str)> = at.iter().map(|t| (*t, "send")).collect();
    format!(
        "[topic.events]\nlinger = \"0s\"\n[consumer.c]\ntopic = \"events\"\n{consumer}\n\
         [flow.send]\nsteps = [{{ publish = \"events\" }}]\n"
    ) + &requests(&list)
}

pub fn lag_at(source: &str, seconds: f64) -> f64 {
    figure(&observe(source, seconds), "consumer.c", "lag_end")
}

#[test]
fn only_a_single_pause_between_two_tries_counts_towards_the_poll_interval() {
    // Five tries with 3 s between them, each of which ends in a poll: never 5 s without one.
    let failing = "max-poll-interval = \"5s\"\ninitial-rebalance-delay = \"0s\"\nretries = 4\nsteps = [{ fail = 1.0 }]\n";
    let source = records(&format!("{failing}retry-interval = \"3s\""), &[0.0]);
    let o = observe(&source, 60.0);
    assert_eq!(figure(&o, "consumer.c", "poll_timeouts"), 0.0);
    assert_eq!(figure(&o, "consumer.c", "redelivered"), 0.0);
    near(figure(&o, "consumer.c", "retried") * 60.0, 4.0, 1e-9);
    near(figure(&o, "consumer.c", "skipped") * 60.0, 1.0, 1e-9);
    assert_eq!((lag_at(&source, 11.9), lag_at(&source, 12.1)), (1.0, 0.0));
    // One pause of 6 s is too long: the thread is out at each, and comes back to go on counting its tries.
    let source = records(&format!("{failing}retry-interval = \"6s\""), &[0.0]);
    let o = observe(&source, 60.0);
    near(figure(&o, "consumer.c", "poll_timeouts") * 60.0, 4.0, 1e-9);
    assert_eq!((lag_at(&source, 23.9), lag_at(&source, 24.1)), (1.0, 0.0));
    // A batch is tried again in memory.
    let batch = twenty("batch = true\nretries = 2\nretry-interval = \"6s\"\nsteps = [{ fail = 1.0 }]");
    assert_eq!(figure(&batch, "consumer.c", "poll_timeouts"), 0.0);
    assert_eq!(figure(&batch, "consumer.c", "lag_end"), 0.0);
}

#[test]
fn what_was_done_before_a_record_that_fails_is_committed_at_once_and_the_rest_is_polled_again() {
    // Each record takes three tries of 100 ms and two pauses of 1 s, and is committed when it is given up.
    let source = records(
        "retries = 2\nretry-interval = \"1s\"\nsteps = [{ delay = \"100ms\" }, { fail = 1.0 }]",
        &[0.0, 0.05, 0.05, 0.05, 0.05, 0.05],
    );
    for given_up in 0..6 {
        let at = 2.3 * f64::from(given_up + 1);
        assert_eq!(lag_at(&source, at - 0.01), 6.0 - f64::from(given_up));
        assert_eq!(lag_at(&source, at + 0.01), 5.0 - f64::from(given_up));
    }
    // The poll of 10 s that was broken off at its first record is not in the way of a record that comes later.
    let o = observe(&source, 20.0);
    assert_eq!(figure(&o, "consumer.c", "redelivered"), 0.0);
    near(figure(&o, "consumer.c", "skipped") * 20.0, 6.0, 1e-9);
}

#[test]
fn after_a_failure_the_records_are_fetched_again() {
    // Fetches of 10 ms: one for the record, and one after each of the two failures.
    let source = records(
        "retries = 2\nfetch-time = \"10ms\"\nsteps = [{ delay = \"100ms\" }, { fail = 1.0 }]",
        &[1.0],
    );
    assert_eq!((lag_at(&source, 1.329), lag_at(&source, 1.331)), (1.0, 0.0));
}

fn restarted(replicas: u32, consumer: &str) -> Observations {
    let source = model(
        2,
        "20/s",
        &format!("in = \"s\"\non-stop = \"crash\"\nsteps = [{{ delay = \"1us\" }}]\n{consumer}"),
    ) + &format!(
        "[service.s]\nreplicas = {replicas}\nstart-up-time = \"2s\"\n\
         [[timeline]]\nat = \"10s\"\nrestart = \"s\"\nreplica = 0\n"
    );
    observe(&source, 100.0)
}

#[test]
fn a_crashed_member_that_is_back_waits_with_its_group_until_its_old_session_ends() {
    let alone = restarted(1, "");
    near(figure(&alone, "consumer.c", "end_to_end_max"), 45.0, 0.1);
    near(figure(&alone, "consumer.c", "lag_max"), 20.0 * 45.0, 2.0);
    assert_eq!(figure(&alone, "consumer.c", "rebalances"), 1.0);
    near(figure(&alone, "consumer.c", "rebalance_time"), 43.0, 1e-6);
    // Eagerly the other one stands still from the return at 12 s; half of the records lag from the crash on.
    let two = restarted(2, "");
    near(
        figure(&two, "consumer.c", "lag_max"),
        10.0 * 45.0 + 10.0 * 43.0,
        40.0,
    );
    // Cooperatively it goes on.
    let two = restarted(2, "assignment = \"cooperative-sticky\"");
    near(figure(&two, "consumer.c", "lag_max"), 10.0 * 45.0, 40.0);
    near(figure(&two, "consumer.c", "end_to_end_max"), 45.0, 0.2);
    // The join does not take longer than the longest time between two polls.
    let short = restarted(1, "max-poll-interval = \"20s\"");
    near(figure(&short, "consumer.c", "end_to_end_max"), 22.0, 0.1);
}

#[test]
fn a_static_member_that_is_back_before_its_session_ends_goes_on_without_a_rebalance() {
    let o = restarted(1, "static-membership = true");
    near(figure(&o, "consumer.c", "end_to_end_max"), 2.0, 0.1);
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 0.0);
    // Nobody takes its partitions over for the two seconds.
    let o = restarted(2, "static-membership = true");
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 0.0);
    near(figure(&o, "consumer.c", "lag_max"), 10.0 * 2.0, 15.0);
}

#[test]
fn a_paused_process_sends_no_heartbeats_and_is_missed_when_its_session_ends() {
    let paused = |seconds: u32| {
        let pause =
            format!("[[timeline]]\nat = \"10s\"\npause = \"worker\"\nreplica = 0\nfor = \"{seconds}s\"\n");
        let consumer = "session-timeout = \"10s\"\nsteps = [{ delay = \"1ms\" }]";
        observe(&replicated(consumer, &pause), 100.0)
    };
    let o = paused(40);
    // Its two threads are taken over from at 20 s and are back at 50 s.
    near(figure(&o, "consumer.c", "session_timeouts") * 100.0, 2.0, 1e-9);
    near(figure(&o, "consumer.c", "end_to_end_max"), 10.0, 0.6);
    assert!(figure(&o, "consumer.c", "rebalances") >= 2.0);
    assert!(figure(&o, "consumer.c", "lag_end") < 5.0);
    let o = paused(9);
    assert_eq!(figure(&o, "consumer.c", "session_timeouts"), 0.0);
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 0.0);
    near(figure(&o, "consumer.c", "end_to_end_max"), 9.0, 0.6);
}

/// Eleven records of 100 ms: a poll of one, and one of ten until 1.1 s. Their process stops at 650 ms.
fn eleven(consumer: &str, timeline: &str) -> String {
    let mut at = vec![0.0];
    at.extend([0.05; 10]);
    let steps = "in = \"s\"\nsteps = [{ delay = \"100ms\" }]";
    records(&format!("{steps}\n{consumer}"), &at)
        + &format!("[service.s]\nstart-up-time = \"2s\"\n[[timeline]]\nat = \"650ms\"\n{timeline}\n")
}

#[test]
fn a_replica_that_closes_finishes_its_polls_and_commits_them_first() {
    let source = eleven("", "restart = \"s\"");
    let o = observe(&source, 20.0);
    near(figure(&o, "consumer.c", "consumed") * 20.0, 11.0, 1e-9);
    assert_eq!(figure(&o, "consumer.c", "redelivered"), 0.0);
    assert_eq!((lag_at(&source, 1.09), lag_at(&source, 1.11)), (10.0, 0.0));
    // A crash throws away what was done of the ten.
    let o = observe(
        &eleven("on-stop = \"crash\"\nsession-timeout = \"1s\"", "restart = \"s\""),
        20.0,
    );
    near(figure(&o, "consumer.c", "consumed") * 20.0, 16.0, 1e-9);
    near(figure(&o, "consumer.c", "redelivered") * 20.0, 10.0, 1e-9);
    // So does a shutdown that may not last so long.
    let o = observe(&eleven("shutdown-timeout = \"200ms\"", "restart = \"s\""), 20.0);
    near(figure(&o, "consumer.c", "consumed") * 20.0, 18.0, 1e-9);
    // One that is to be back before the polls are finished is back when they are.
    let source = eleven(
        "initial-rebalance-delay = \"0s\"",
        "outage = \"s\"\nfor = \"100ms\"",
    );
    let source = source + &requests(&[(0.7, "send")]).replace("w000", "late");
    let o = observe(&source, 20.0);
    near(figure(&o, "consumer.c", "consumed") * 20.0, 12.0, 1e-9);
    near(figure(&o, "consumer.c", "end_to_end_max"), 1.05, 1e-9);
    assert_eq!((lag_at(&source, 1.19), lag_at(&source, 1.21)), (1.0, 0.0));
}

#[test]
fn records_that_a_poll_returns_a_second_time_are_counted() {
    // Thread 0 takes nineteen at 1 s and is out at 6 s, thread 1 takes the same then.
    let o = twenty("steps = [{ delay = \"1s\" }]");
    assert!(figure(&o, "consumer.c", "redelivered") * 100.0 >= 19.0);
    let o = twenty("max-poll-records = 4\nsteps = [{ delay = \"1s\" }]");
    assert_eq!(figure(&o, "consumer.c", "redelivered"), 0.0);
}

#[test]
fn in_a_cooperative_rebalance_the_others_go_on_with_what_they_have() {
    let stop = "[[timeline]]\nat = \"50s\"\nstop = \"worker\"\nreplica = 0\n";
    let at = |assignment: &str| {
        let consumer = format!(
            "assignment = \"{assignment}\"\nmax-poll-records = 500\nshutdown-timeout = \"0s\"\n{SLOW}"
        );
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

/// End-to-end times of records that are published at these milliseconds, each poll taking 20 ms: their mean and longest, in ms.
fn polled_ahead(linger: &str, keys: &str, at: &[u32]) -> (f64, f64) {
    let text = format!(
        "[topic.t]\npartitions = 1\nlinger = \"{linger}\"\n[service.s]\n[consumer.c]\nin = \"s\"\ntopic = \"t\"\nbatch = true\n{keys}\n\
         steps = [{{ delay = \"20ms\" }}]\n[flow.f]\nsteps = [{{ publish = \"t\" }}]\n"
    );
    let calls: Vec<(f64, &str)> = at.iter().map(|ms| (f64::from(*ms) / 1e3, "f")).collect();
    let o = observe(&(text + &requests(&calls)), 10.0);
    let of = |name: &str| figure(&o, "consumer.c", name) * 1e3;
    (of("end_to_end_mean"), of("end_to_end_max"))
}

#[test]
fn the_next_fetch_is_answered_with_the_first_record_that_comes_while_the_thread_works() {
    // Polls of the records of 0, of 5, of 6 and 7 ms: done at 20, 40 and 60 ms.
    let (mean, longest) = polled_ahead("0s", "", &[0, 5, 6, 7]);
    near(longest, 54.0, 1e-6);
    near(mean, 40.5, 1e-6);
    // With two records wanted: 0 waits for nobody but itself and 5; then 6 and 7 come together.
    let (mean, longest) = polled_ahead("0s", "fetch-min-bytes = \"2KiB\"", &[0, 5, 6, 7]);
    near(longest, 39.0, 1e-6);
    near(mean, (25.0 + 20.0 + 39.0 + 38.0) / 4.0, 1e-6);
    // What comes after the broker has given up is fetched by the next poll, all of it.
    let (mean, longest) = polled_ahead("0s", "fetch-max-wait = \"3ms\"", &[0, 5, 6, 7]);
    near(longest, 35.0, 1e-6);
    near(mean, (20.0 + 35.0 + 34.0 + 33.0) / 4.0, 1e-6);
    // What the producer sends in one batch is there in one go: {0} is sent at 5 ms, the others at 10.
    let (mean, longest) = polled_ahead("5ms", "", &[0, 5, 6, 7]);
    near(longest, 40.0, 1e-6);
    near(mean, (25.0 + 40.0 + 39.0 + 38.0) / 4.0, 1e-6);
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

/// Records of a kilobyte, one a second from the first second on, to one thread.
fn steady(consumer: &str, rest: &str) -> String {
    format!(
        "[topic.events]\npartitions = 1\nlinger = \"0s\"\nrecord-size = \"1000B\"\n[consumer.c]\ntopic = \"events\"\n{consumer}\n\
         [flow.send]\nsteps = [{{ publish = \"events\" }}]\n[workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"1/s\"\n\
         pre-allocated-vus = 10\nflow = \"send\"\n{rest}"
    )
}

#[test]
fn a_thread_that_commits_is_at_work() {
    let consumer = "commit-time = \"200ms\"\nsteps = [{ delay = \"100ms\" }]";
    // The last record of eleven is committed since 0.1 s.
    let o = observe(&steady(consumer, ""), 10.2);
    near(
        figure(&o, "consumer.c", "utilisation") * 10.2,
        10.0 * 0.3 + 0.2,
        1e-6,
    );
    let o = observe(&steady(consumer, ""), 11.0);
    near(figure(&o, "consumer.c", "utilisation") * 11.0, 11.0 * 0.3, 1e-6);
}

#[test]
fn each_commit_takes_a_time_of_its_own() {
    let consumer = "commit-time = \"exp(100ms)\"\nsteps = []";
    let o = observe(&steady(consumer, ""), 2000.0);
    near(figure(&o, "consumer.c", "utilisation"), 0.1, 0.007);
}

#[test]
fn the_oldest_record_that_was_not_committed_is_so_many_seconds_old() {
    let o = observe(&steady("steps = [{ delay = \"1h\" }]", ""), 10.0);
    let column = o
        .columns
        .iter()
        .find(|c| c.subject == "consumer.c" && c.name == "time_lag");
    let lag = &column.expect("a series").values;
    near(lag[49], 5.0, 1e-9);
    near(lag[99], 10.0, 1e-9);
}
