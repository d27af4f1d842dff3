//! A producer's buffer: which batches wait, what is lost there, who is let in.

use super::*;

/// One send a flow, by the number of its record; two records fill a batch, and one request is under way at a time.
fn sends(topic: &str, at: &[f64], rest: &str) -> Observations {
    let names: Vec<String> = (0..at.len()).map(|i| format!("s{i}")).collect();
    let mut text = format!(
        "[topic.events]\nsend = \"sync\"\nbatch-size = \"2KiB\"\nmax-in-flight = 1\n{topic}\n{rest}\n"
    );
    for name in &names {
        text += &format!("[flow.{name}]\nsteps = [{{ publish = \"events\" }}]\n");
    }
    let list: Vec<(f64, &str)> = at.iter().copied().zip(names.iter().map(String::as_str)).collect();
    observe(&(text + &requests(&list)), 30.0)
}

fn took(o: &Observations, record: usize) -> f64 {
    figure(o, &format!("flow.s{record}"), "response_time_max")
}

#[test]
fn of_a_partition_one_batch_goes_with_a_request() {
    // The second and third record fill the batch that goes at 1 s; the fourth is alone behind it.
    let o = sends("linger = \"0s\"\nsend-time = \"1s\"", &[0.0, 0.1, 0.2, 0.3], "");
    near(took(&o, 2), 1.8, 1e-9);
    near(took(&o, 3), 2.7, 1e-9);
    assert_eq!(figure(&o, "topic.events", "batches_per_request"), 1.0);
}

#[test]
fn a_full_batch_that_stayed_behind_goes_without_lingering() {
    let at = [0.0, 0.0, 0.1, 0.2, 0.3, 0.4];
    let o = sends("linger = \"10s\"\nsend-time = \"1s\"", &at, "");
    near(took(&o, 3), 1.8, 1e-9);
    near(took(&o, 5), 2.6, 1e-9);
}

#[test]
fn the_memory_of_what_is_answered_during_a_pause_is_free_after_it() {
    let o = observe(
        &("[service.s]\n[topic.events]\nlinger = \"0s\"\nsend-time = \"1s\"\n\
           [flow.send]\nat = \"s\"\nsteps = [{ publish = \"events\" }]\n\
           [[timeline]]\nat = \"500ms\"\npause = \"s\"\nfor = \"5s\"\n"
            .to_owned()
            + &requests(&[(0.0, "send")])),
        10.0,
    );
    near(
        figure(&o, "topic.events", "buffer_used_mean") * 10.0,
        16384.0 * 5.5,
        1e-3,
    );
}

/// Sending takes 5 s unless it begins after 1 s; a batch is lost after 4 s.
const SLOW: &str = "send-time = \"5s\"\ndelivery-timeout = \"4s\"";
const FASTER: &str = "[[timeline]]\nat = \"1s\"\nset = { \"topic.events.send-time\" = \"10ms\" }";

#[test]
fn what_stood_behind_a_lost_batch_is_first_of_its_partition() {
    // The first is lost at 4 s and answered at 5 s; the full batch of the next two is lost at 4.1 s, and the one behind it is sent at 5 s.
    let o = sends(&format!("linger = \"0s\"\n{SLOW}"), &[0.0, 0.1, 0.2, 2.0], FASTER);
    near(took(&o, 3), 3.01, 1e-9);
    near(figure(&o, "topic.events", "records_lost") * 30.0, 3.0, 1e-9);
    near(figure(&o, "flow.s2", "failure_time_max"), 3.9, 1e-9);
}

#[test]
fn after_a_full_batch_was_lost_the_next_one_lingers_as_ever() {
    let o = sends(
        &format!("linger = \"1s\"\n{SLOW}"),
        &[0.0, 0.0, 0.1, 0.2, 6.0],
        FASTER,
    );
    near(figure(&o, "topic.events", "records_lost") * 30.0, 4.0, 1e-9);
    near(took(&o, 4), 1.01, 1e-9);
}

#[test]
fn memory_of_lost_batches_goes_to_those_who_wait_for_it() {
    // Room for two batches. The one on its way is lost at 4 s, the one in the buffer at 4.1 s; who waits comes in as there is room:
    // two at 4 s, in one batch, the third at 4.1 s.
    let at = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5];
    let o = sends(
        &format!("linger = \"0s\"\nbuffer-memory = \"4KiB\"\n{SLOW}"),
        &at,
        FASTER,
    );
    near(figure(&o, "topic.events", "records_lost") * 30.0, 3.0, 1e-9);
    assert_eq!(figure(&o, "topic.events", "buffer_used_max"), 4096.0);
    // Full, they go at 5 s; the third goes when they are acknowledged.
    near(took(&o, 3), 4.71, 1e-9);
    near(took(&o, 4), 4.61, 1e-9);
    near(took(&o, 5), 4.52, 1e-9);
    near(
        figure(&o, "topic.events", "in_queue_mean") * 30.0,
        3.7 + 3.6 + 3.6,
        1e-9,
    );
    // Whose time is over before that fails, and the other two share a batch.
    let o = sends(
        &format!("linger = \"0s\"\nbuffer-memory = \"4KiB\"\nmax-block = \"3650ms\"\n{SLOW}"),
        &at,
        FASTER,
    );
    near(figure(&o, "topic.events", "buffer_exhausted") * 30.0, 1.0, 1e-9);
    near(figure(&o, "flow.s3", "failure_time_max"), 3.65, 1e-9);
    near(took(&o, 4), 4.61, 1e-9);
    near(took(&o, 5), 4.51, 1e-9);
}

#[test]
fn each_replica_has_a_producer_of_its_own() {
    // Calls go to the replicas in turn. The second one stands still when the third call comes to the first one.
    let source = "[service.s]\nreplicas = 2\n[balancer.b]\nto = \"s\"\n[topic.events]\nlinger = \"100ms\"\n\
                  [consumer.c]\ntopic = \"events\"\nsteps = [{ delay = \"1ms\" }]\n\
                  [flow.send]\nat = \"s\"\nsteps = [{ publish = \"events\" }]\n\
                  [[timeline]]\nat = \"2500ms\"\npause = \"s\"\nreplica = 1\nfor = \"20s\"\n"
        .to_owned()
        + &requests(&[(0.0, "send"), (1.0, "send"), (3.0, "send")]);
    let o = observe(&source, 10.0);
    near(figure(&o, "consumer.c", "consumed") * 10.0, 3.0, 1e-9);
    near(figure(&o, "consumer.c", "end_to_end_max"), 0.101, 1e-9);
}

#[test]
fn the_producer_of_a_restarted_process_chooses_its_partitions_anew() {
    let source = "[service.s]\n[topic.events]\npartitions = 64\nlinger = \"0s\"\n\
                  [flow.send]\nat = \"s\"\nsteps = [{ publish = \"events\" }]\n\
                  [[timeline]]\nat = \"2s\"\nrestart = \"s\"\n[[timeline]]\nat = \"4s\"\nrestart = \"s\"\n"
        .to_owned()
        + &requests(&[(1.0, "send"), (3.0, "send"), (5.0, "send")]);
    let o = observe(&source, 10.0);
    let chosen = (0..64)
        .filter(|p| figure(&o, "topic.events", &format!("produced_partition_{p}")) > 0.0)
        .count();
    assert!(chosen > 1, "all went to one of 64 partitions");
}

#[test]
fn a_batch_with_no_room_for_a_like_record_lingers_until_that_record_comes() {
    // 1.5 of 2 KiB: the second record does not fit, closes the first one's batch at 0.3 s, and lingers for its own second.
    let o = sends(
        "record-size = \"1536B\"\nlinger = \"1s\"\nsend-time = \"0s\"",
        &[0.0, 0.3],
        "",
    );
    near(took(&o, 0), 0.3, 1e-9);
    near(took(&o, 1), 1.0, 1e-9);
    let alone = sends(
        "record-size = \"1536B\"\nlinger = \"1s\"\nsend-time = \"0s\"",
        &[0.0],
        "",
    );
    near(took(&alone, 0), 1.0, 1e-9);
}

#[test]
fn who_finds_room_in_an_open_batch_does_not_wait_for_memory() {
    // One batch on its way and one open: the third record waits for memory, and the fourth, of the open batch's partition, for nothing.
    let sent = |name: &str, key: &str| {
        format!("[flow.{name}]\nsteps = [{{ publish = \"events\", key = \"list({key})\" }}]\n")
    };
    let o = observe(
        &("[topic.events]\npartitions = 2\nlinger = \"0s\"\nbuffer-memory = \"32KiB\"\nmax-in-flight = 1\nsend-time = \"10s\"\n"
            .to_owned()
            + &sent("one", "1")
            + &sent("other", "0, 1")
            + &sent("late", "1")
            + &requests(&[(0.0, "one"), (1.0, "one"), (2.0, "other"), (3.0, "late")])),
        30.0,
    );
    near(figure(&o, "flow.other", "response_time_max"), 8.0, 1e-9);
    near(figure(&o, "flow.late", "response_time_max"), 0.0, 1e-9);
}
