//! Members of a group one by one: who leaves, who comes back, who takes over, and what each draws and waits for.

use super::consumer::{lag_at, records};
use super::*;

/// A consumer in `worker` and one record for each instant and partition, of two or four.
fn group(partitions: u32, worker: &str, consumer: &str, rest: &str, sends: &[(f64, usize)]) -> String {
    // Keys that Kafka's hash sends to partitions 0, 1, 2 and 3.
    let keys = match partitions {
        2 => ["list(1)", "list(0, 1)", "", ""],
        _ => [
            "list(1)",
            "list(0, 0, 0, 0, 1)",
            "list(0, 0, 0, 0, 0, 1)",
            "list(0, 1)",
        ],
    };
    let mut text = format!(
        "[service.worker]\n{worker}\n[topic.events]\nlinger = \"0s\"\npartitions = {partitions}\n\
         [consumer.c]\nin = \"worker\"\ntopic = \"events\"\n{consumer}\n{rest}\n"
    );
    for (p, key) in keys.iter().enumerate().take(partitions as usize) {
        text += &format!("[flow.p{p}]\nsteps = [{{ publish = \"events\", key = \"{key}\" }}]\n");
    }
    let list: Vec<(f64, &str)> = sends
        .iter()
        .map(|(t, p)| (*t, ["p0", "p1", "p2", "p3"][*p]))
        .collect();
    text + &requests(&list)
}

fn c(o: &Observations, name: &str) -> f64 {
    figure(o, "consumer.c", name)
}

const SECOND: &str = "steps = [{ delay = \"1s\" }]";

#[test]
fn range_gives_neighbours_to_one_thread_and_round_robin_to_different_ones() {
    let source = |assignment: &str| {
        let consumer = format!("concurrency = 2\nassignment = \"{assignment}\"\n{SECOND}");
        group(4, "", &consumer, "", &[(0.0, 0), (0.0, 1)])
    };
    assert_eq!(lag_at(&source("range"), 1.1), 1.0);
    assert_eq!(lag_at(&source("range"), 2.1), 0.0);
    assert_eq!(lag_at(&source("round-robin"), 1.1), 0.0);
}

#[test]
fn what_is_given_up_goes_to_the_partition_of_the_same_number() {
    let consumer = "retries = 0\ndead-letter = \"dead\"\nsteps = [{ fail = 1.0 }]";
    let dead = |partitions: u32| {
        let rest = format!("[topic.dead]\npartitions = {partitions}\nlinger = \"0s\"");
        let o = observe(
            &group(4, "", consumer, &rest, &[(0.0, 0), (0.0, 1), (0.0, 3)]),
            10.0,
        );
        (0..partitions)
            .map(|p| (figure(&o, "topic.dead", &format!("produced_partition_{p}")) * 10.0).round())
            .collect::<Vec<_>>()
    };
    assert_eq!(dead(4), [1.0, 1.0, 0.0, 1.0]);
    // Of two partitions the fourth's is the second.
    assert_eq!(dead(2), [1.0, 2.0]);
}

#[test]
fn each_member_draws_its_own_times_of_fetches_and_commits() {
    for key in ["fetch-time", "commit-time"] {
        let consumer = format!("{key} = \"uniform(0s, 1s)\"\nsteps = [{{ delay = \"0s\" }}]");
        let source = group(2, "replicas = 2", &consumer, "", &[(0.0, 0), (0.0, 1)]);
        let o = observe(&source, 10.0);
        let took = |p: u32| c(&o, &format!("lag_partition_{p}_mean"));
        assert!(
            (took(0) - took(1)).abs() > 1e-4,
            "{key}: {} and {}",
            took(0),
            took(1)
        );
    }
}

#[test]
fn a_batch_that_is_tried_again_is_gone_through_from_its_first_record() {
    let consumer = "batch = true\nretries = 1\nretry-interval = \"0s\"\n\
                    steps = [{ each = [{ delay = \"1s\" }] }, { fail = 1.0 }]";
    // One record in two times 1 s, then two in two times 2 s.
    let source = records(consumer, &[0.0, 0.1, 0.1]);
    assert_eq!((lag_at(&source, 1.9), lag_at(&source, 2.1)), (3.0, 2.0));
    assert_eq!((lag_at(&source, 5.9), lag_at(&source, 6.1)), (2.0, 0.0));
}

#[test]
fn a_batch_that_is_tried_again_draws_anew() {
    let at: Vec<f64> = (0..1000).map(f64::from).collect();
    let consumer = "batch = true\nretries = 100\nretry-interval = \"0s\"\nsteps = [{ fail = 0.5 }]";
    let o = observe(&records(consumer, &at), 1000.0);
    // A failure more with half of the chance each time: one a record; four standard errors are 0.18.
    near(c(&o, "retried"), 1.0, 0.18);
}

#[test]
fn a_record_that_is_polled_again_comes_before_others_and_takes_none_of_them_away() {
    // While the first record is tried, more come to its partition and then to the other one.
    let consumer = "retries = 1\nretry-interval = \"0s\"\nsteps = [{ delay = \"1s\" }, { fail = 1.0 }]";
    let source = group(2, "", consumer, "", &[(0.0, 0), (0.1, 0), (0.2, 1)]);
    assert_eq!((lag_at(&source, 1.9), lag_at(&source, 2.1)), (3.0, 2.0));
    assert_eq!(lag_at(&source, 6.1), 0.0);
}

#[test]
fn a_closing_process_has_the_whole_of_its_shutdown_time_every_time() {
    // The first closing began at 5 s and would have lasted until 15 s; the second one lasts until 24 s.
    let rest =
        "[[timeline]]\nat = \"5s\"\nrestart = \"worker\"\n[[timeline]]\nat = \"14s\"\nrestart = \"worker\"";
    let source = group(
        2,
        "",
        "initial-rebalance-delay = \"0s\"\nsteps = [{ delay = \"8s\" }]",
        rest,
        &[(4.0, 0), (13.5, 0)],
    );
    let o = observe(&source, 40.0);
    near(c(&o, "consumed") * 40.0, 2.0, 1e-9);
    assert_eq!(c(&o, "redelivered"), 0.0);
    near(c(&o, "end_to_end_max"), 8.0, 1e-6);
}

#[test]
fn what_is_stopped_while_it_closes_for_a_restart_stays_down() {
    let run = |stop: &str| {
        let rest = format!("[[timeline]]\nat = \"5s\"\nrestart = \"worker\"\n{stop}");
        let source = group(
            2,
            "",
            "steps = [{ delay = \"5s\" }]",
            &rest,
            &[(4.0, 0), (15.0, 1)],
        );
        lag_at(&source, 30.0)
    };
    assert_eq!(run(""), 0.0);
    assert_eq!(run("[[timeline]]\nat = \"6s\"\nstop = \"worker\""), 1.0);
}

#[test]
fn a_process_that_crashes_twice_is_missed_twice() {
    // Sessions of the old members end at 50 and 55 s; until then nobody can join for them.
    let rest =
        "[[timeline]]\nat = \"5s\"\nrestart = \"worker\"\n[[timeline]]\nat = \"10s\"\nrestart = \"worker\"";
    let source = group(
        2,
        "start-up-time = \"1s\"",
        &format!("on-stop = \"crash\"\n{SECOND}"),
        rest,
        &[(20.0, 0)],
    );
    assert_eq!((lag_at(&source, 55.9), lag_at(&source, 56.1)), (1.0, 0.0));
}

#[test]
fn threads_without_work_leave_the_group_when_their_process_begins_to_close() {
    // Of the second replica's threads one has nothing in hand at 5 s, the other one a record until 9 s: the group stands still for 4 s.
    let rest = "[[timeline]]\nat = \"5s\"\nstop = \"worker\"\nreplica = 1";
    let consumer = "concurrency = 2\nsteps = [{ delay = \"5s\" }]";
    let source = group(
        4,
        "replicas = 2",
        consumer,
        rest,
        &[(4.0, 3), (12.0, 0), (12.0, 2)],
    );
    let o = observe(&source, 30.0);
    assert_eq!(c(&o, "rebalances"), 1.0);
    near(c(&o, "rebalance_time"), 4.0, 1e-9);
    assert_eq!(c(&o, "redelivered"), 0.0);
    // Both threads of the first replica read on, each two partitions.
    assert_eq!((lag_at(&source, 16.9), lag_at(&source, 17.1)), (2.0, 0.0));
    // Members that are known by name do not leave.
    let o = observe(
        &source.replace("[consumer.c]", "[consumer.c]\nstatic-membership = true"),
        30.0,
    );
    assert_eq!(c(&o, "rebalances"), 0.0);
}

#[test]
fn each_pause_of_a_process_has_the_whole_of_its_session() {
    let rest = "[[timeline]]\nat = \"5s\"\npause = \"worker\"\nfor = \"5s\"\n\
                [[timeline]]\nat = \"30s\"\npause = \"worker\"\nfor = \"40s\"";
    // The first would have lasted until 50 s, the second one would until 75 s.
    let o = observe(&group(2, "", SECOND, rest, &[(1.0, 0)]), 100.0);
    assert_eq!(c(&o, "session_timeouts"), 0.0);
    assert_eq!(c(&o, "rebalances"), 0.0);
}

#[test]
fn the_others_take_over_from_a_paused_replica_that_is_missed() {
    let rest = "[[timeline]]\nat = \"5s\"\npause = \"worker\"\nreplica = 1\nfor = \"60s\"";
    let source = group(2, "replicas = 2", SECOND, rest, &[(55.0, 0), (55.0, 1)]);
    assert_eq!((lag_at(&source, 56.9), lag_at(&source, 57.1)), (1.0, 0.0));
    near(c(&observe(&source, 60.0), "session_timeouts") * 60.0, 1.0, 1e-9);
}

#[test]
fn of_two_threads_the_one_that_polls_too_late_leaves() {
    let consumer = "concurrency = 2\nmax-poll-interval = \"5s\"\nsteps = [{ delay = \"8s\" }]";
    let o = observe(&group(2, "", consumer, "", &[(0.0, 1)]), 6.0);
    // The other one has its record at 5 s.
    near(c(&o, "redelivered") * 6.0, 1.0, 1e-9);
}

#[test]
fn each_threads_fetch_is_held_back_for_its_own_time() {
    let consumer = "concurrency = 2\nfetch-min-bytes = \"10KiB\"\nsteps = [{ delay = \"700ms\" }]";
    // The second thread's first fetch is answered at 0.5 s. It polls again at 1.2 s, and what comes at 1.3 s is held back until 1.7 s;
    // what comes to the first thread at 1.25 s until 1.5 s.
    let source = group(2, "", consumer, "", &[(0.1, 1), (1.25, 0), (1.3, 1)]);
    assert_eq!((lag_at(&source, 1.19), lag_at(&source, 1.21)), (1.0, 0.0));
    assert_eq!((lag_at(&source, 2.19), lag_at(&source, 2.21)), (2.0, 1.0));
    assert_eq!((lag_at(&source, 2.39), lag_at(&source, 2.41)), (1.0, 0.0));
}

const ONE_BY_ONE: &str =
    "assignment = \"cooperative-sticky\"\nmax-poll-records = 1\nsteps = [{ delay = \"1s\" }]";

#[test]
fn who_stays_in_a_cooperative_rebalance_goes_on_with_what_it_has_queued() {
    let rest = "[[timeline]]\nat = \"2500ms\"\nstop = \"worker\"\nreplica = 1";
    let source = group(2, "replicas = 2", ONE_BY_ONE, rest, &[(0.0, 0); 5]);
    assert_eq!((lag_at(&source, 4.9), lag_at(&source, 5.1)), (1.0, 0.0));
}

#[test]
fn records_of_a_partition_that_moves_are_read_by_its_new_owner_alone() {
    // The second replica is back at 3 s, and the first one comes to its poll then; each has two partitions from there on.
    let rest = "[[timeline]]\nat = \"1s\"\noutage = \"worker\"\nreplica = 1\nfor = \"2s\"";
    let sends: Vec<(f64, usize)> = (0..8).map(|i| (2.0, i % 4)).collect();
    let source = group(4, "replicas = 2", ONE_BY_ONE, rest, &sends);
    let o = observe(&source, 30.0);
    assert_eq!(c(&o, "redelivered"), 0.0);
    near(c(&o, "consumed") * 30.0, 8.0, 1e-9);
    // One is done by then, and four of the others belong to one of them.
    assert_eq!((lag_at(&source, 3.1), lag_at(&source, 6.1)), (7.0, 1.0));
    assert_eq!(lag_at(&source, 7.1), 0.0);
}

#[test]
fn who_comes_in_the_middle_of_a_cooperative_rebalance_makes_a_third_round_and_nobody_waits_for_more_than_its_own()
 {
    // Two replicas work all the time and come to their polls at whole and at half seconds. The third is back at 10.2 s: it is given what
    // was taken from the second at 11 s when that one polls again, at 11.5 s. The fourth is back at 11.2 s: what is taken from the
    // first at 11.5 s is its own at 12 s.
    let rest = "[[timeline]]\nat = \"100ms\"\noutage = \"worker\"\nreplica = 2\nfor = \"10100ms\"\n\
                [[timeline]]\nat = \"100ms\"\noutage = \"worker\"\nreplica = 3\nfor = \"11100ms\"";
    let mut sends = vec![(1.0, 0); 20];
    sends.extend([(1.5, 1); 20]);
    sends.extend([(11.3, 2), (11.3, 3)]);
    let o = observe(&group(4, "replicas = 4", ONE_BY_ONE, rest, &sends), 30.0);
    let waited = |p: u32| c(&o, &format!("lag_partition_{p}_mean")) * 30.0;
    near(waited(3), 12.5 - 11.3, 1e-6);
    near(waited(2), 13.0 - 11.3, 1e-6);
    // Those at 0.1 s, one after the other, took no time.
    assert_eq!(c(&o, "rebalances"), 3.0);
    near(c(&o, "rebalance_time"), 1.8, 1e-6);
    assert_eq!(c(&o, "redelivered"), 0.0);
}

#[test]
fn a_static_member_that_is_back_takes_its_partitions_in_turn_and_waits_where_nothing_is_left() {
    let rest = "[[timeline]]\nat = \"5s\"\nrestart = \"worker\"";
    let consumer = format!(
        "static-membership = true\non-stop = \"crash\"\nmax-poll-records = 1\nmax-partition-fetch = \"1KiB\"\n{SECOND}"
    );
    let source = |sends: &[(f64, usize)]| group(2, "start-up-time = \"2s\"", &consumer, rest, sends);
    // Three of each partition while it is away, and one more of the second: one of each in turn from 7 s on.
    let mut sends = vec![(6.0, 0); 3];
    sends.extend([(6.0, 1); 3]);
    sends.push((7.5, 1));
    let o = observe(&source(&sends), 30.0);
    near(c(&o, "lag_partition_0_mean") * 30.0, 2.0 + 4.0 + 6.0, 1e-6);
    near(c(&o, "lag_partition_1_mean") * 30.0, 3.0 + 5.0 + 7.0 + 6.5, 1e-6);
    // It had done all there was: what comes later is read.
    let late = source(&[(1.0, 0), (10.0, 0), (10.5, 1)]);
    assert_eq!((lag_at(&late, 10.9), lag_at(&late, 12.1)), (2.0, 0.0));
}
