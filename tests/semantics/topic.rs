use super::*;

fn model(topic: &str, rest: &str) -> String {
    format!(
        r#"
[topic.events]
{topic}
[flow.send]
steps = [{{ publish = "events" }}]
{rest}
"#
    )
}

fn constant(rate: &str) -> String {
    format!(
        "[workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"{rate}\"\npre-allocated-vus = 100000\nduration = \"1h\"\nflow = \"send\"\n"
    )
}

#[test]
fn an_asynchronous_send_returns_at_once_and_the_record_is_there_after_linger_and_send_time() {
    let source = model(
        "partitions = 1\nlinger = \"5ms\"\nsend-time = \"20ms\"",
        &(constant("10/s") + "[consumer.c]\ntopic = \"events\"\nsteps = [{ delay = \"0s\" }]\n"),
    );
    let o = observe(&source, 60.0);
    assert_eq!(figure(&o, "flow.send", "response_time_max"), 0.0);
    near(figure(&o, "consumer.c", "end_to_end_mean"), 0.025, 1e-6);
    near(figure(&o, "topic.events", "produced"), 10.0, 0.1);
}

#[test]
fn a_synchronous_caller_waits_for_the_acknowledgement() {
    let source = model(
        "send = \"sync\"\nlinger = \"0s\"\nsend-time = \"50ms\"",
        &constant("10/s"),
    );
    let o = observe(&source, 60.0);
    near(figure(&o, "flow.send", "response_time_mean"), 0.050, 1e-6);
    // Without linger and without a broker's time there is nothing to wait for.
    let o = observe(
        &model("send = \"sync\"\nlinger = \"0s\"", &constant("10/s")),
        60.0,
    );
    assert_eq!(figure(&o, "flow.send", "response_time_max"), 0.0);
    near(figure(&o, "flow.send", "throughput"), 10.0, 0.1);
}

#[test]
fn a_full_batch_does_not_wait_for_linger() {
    // 16 records fill a batch: at 1,600/s it is full after 10 ms, long before it has lingered a second.
    let o = observe(
        &model("linger = \"1s\"\nsend = \"sync\"", &constant("1600/s")),
        20.0,
    );
    near(figure(&o, "topic.events", "records_per_batch"), 16.0, 0.01);
    assert!(figure(&o, "flow.send", "response_time_max") < 0.0101);
}

#[test]
fn batches_grow_while_all_requests_in_flight_are_unanswered() {
    // One request in 100 ms can be under way: 100/s gather into ten a request.
    let topic = "linger = \"0s\"\nsend-time = \"100ms\"\nmax-in-flight = 1";
    let o = observe(&model(topic, &constant("100/s")), 60.0);
    near(figure(&o, "topic.events", "records_per_batch"), 10.0, 0.1);
}

#[test]
fn a_caller_waits_for_buffer_memory_and_fails_after_max_block() {
    // 5 batches of 16 records each 10 s can leave: 8/s. The buffer of 64 KiB holds four.
    let topic = "linger = \"0s\"\nsend-time = \"10s\"\nmax-in-flight = 1\nbuffer-memory = \"64KiB\"\nmax-block = \"2s\"";
    let o = observe(&model(topic, &constant("100/s")), 100.0);
    assert!(figure(&o, "flow.send", "failures_timed_out") > 50.0);
    near(figure(&o, "flow.send", "failure_time_mean"), 2.0, 1e-9);
    assert_eq!(figure(&o, "topic.events", "buffer_used_max"), 65536.0);
    assert!(figure(&o, "topic.events", "buffer_exhausted") > 50.0);
}

#[test]
fn a_batch_that_is_not_acknowledged_within_the_delivery_timeout_is_lost() {
    let topic = "linger = \"0s\"\nsend = \"sync\"\nsend-time = \"3s\"\ndelivery-timeout = \"2s\"";
    let o = observe(&model(topic, &constant("1/s")), 100.0);
    assert_eq!(figure(&o, "topic.events", "produced"), 0.0);
    near(figure(&o, "topic.events", "records_lost"), 1.0, 0.05);
    assert!(figure(&o, "flow.send", "failures_timed_out") > 0.9);
}

#[test]
fn the_caller_of_a_batch_on_its_way_fails_at_the_delivery_timeout() {
    let topic = "linger = \"0s\"\nsend = \"sync\"\nsend-time = \"10s\"\ndelivery-timeout = \"2s\"";
    let o = observe(&model(topic, &requests(&[(0.0, "send"), (1.0, "send")])), 30.0);
    near(figure(&o, "flow.send", "failures_timed_out") * 30.0, 2.0, 1e-9);
    near(figure(&o, "flow.send", "failure_time_mean"), 2.0, 1e-9);
    near(figure(&o, "topic.events", "records_lost") * 30.0, 2.0, 1e-9);
    assert_eq!(figure(&o, "topic.events", "produced"), 0.0);
    // Its memory is free again at once.
    assert_eq!(figure(&o, "topic.events", "buffer_used_max"), 2.0 * 16384.0);
    // An acknowledgement at that very instant is in time.
    let o = observe(
        &model(&topic.replace("\"10s\"", "\"2s\""), &requests(&[(0.0, "send")])),
        30.0,
    );
    near(figure(&o, "topic.events", "produced") * 30.0, 1.0, 1e-9);
}

#[test]
fn a_request_takes_the_oldest_batch_of_every_partition_along() {
    // Key 0 goes to partition 2 at 0 ms, key 1 to partition 0 at 5 ms; the first has lingered at 10 ms and takes both along.
    let source = r#"
[topic.events]
partitions = 3
send = "sync"
send-time = "4ms"
linger = "10ms"
[flow.first]
steps = [{ publish = "events", key = "list(1)" }]
[flow.second]
steps = [{ publish = "events", key = "list(0, 1)" }]
"#
    .to_owned()
        + &requests(&[(0.0, "first"), (0.005, "second")]);
    let o = observe(&source, 1.0);
    near(figure(&o, "flow.first", "response_time_max"), 0.014, 1e-9);
    near(figure(&o, "flow.second", "response_time_max"), 0.009, 1e-9);
    assert_eq!(figure(&o, "topic.events", "batches_per_request"), 2.0);
    // If only one fits, the other one waits for its own linger.
    let small = source.replace("partitions = 3", "partitions = 3\nmax-request-size = \"1KiB\"");
    let o = observe(&small, 1.0);
    near(figure(&o, "flow.second", "response_time_max"), 0.014, 1e-9);
}

#[test]
fn a_request_has_room_for_batches_of_so_many_bytes_or_for_one_larger_one() {
    // Three records of 1 KiB to each of two partitions.
    let per_request = |limit: &str| {
        let source = format!(
            "[topic.events]\npartitions = 3\nsend = \"sync\"\nsend-time = \"4ms\"\nlinger = \"10ms\"\n\
             record-size = \"1KiB\"\nmax-request-size = \"{limit}\"\n\
             [flow.first]\nsteps = [{{ publish = \"events\", key = \"list(1)\" }}]\n\
             [flow.second]\nsteps = [{{ publish = \"events\", key = \"list(0, 1)\" }}]\n{}",
            requests(&[(0.0, "first"); 3]) + &requests(&[(0.0, "second"); 3]).replace("w0", "v0")
        );
        let o = observe(&source, 1.0);
        assert_eq!(figure(&o, "topic.events", "produced"), 6.0);
        figure(&o, "topic.events", "batches_per_request")
    };
    assert_eq!(per_request("6KiB"), 2.0);
    assert_eq!(per_request("5KiB"), 1.0);
    assert_eq!(per_request("2KiB"), 1.0);
}

#[test]
fn memory_that_is_free_at_the_end_of_max_block_goes_to_the_caller() {
    let topic = "linger = \"0s\"\nsend-time = \"1s\"\nbuffer-memory = \"16KiB\"\nmax-block = \"1s\"";
    let both = requests(&[(0.0, "send"), (0.0, "send")]);
    // The second one is sent when the first is acknowledged.
    let o = observe(&model(topic, &both), 10.0);
    assert_eq!(figure(&o, "topic.events", "buffer_exhausted"), 0.0);
    near(figure(&o, "topic.events", "produced") * 10.0, 2.0, 1e-9);
    let o = observe(
        &model(&topic.replace("block = \"1s", "block = \"999ms"), &both),
        10.0,
    );
    near(figure(&o, "topic.events", "buffer_exhausted") * 10.0, 1.0, 1e-9);
}

fn in_a_service(topic: &str, at: &[(f64, &str)], timeline: &str) -> String {
    format!(
        "[service.s]\nstart-up-time = \"1s\"\n[topic.events]\n{topic}\n\
         [consumer.c]\ntopic = \"events\"\nsteps = [{{ delay = \"1ms\" }}]\n\
         [flow.send]\nat = \"s\"\nsteps = [{{ publish = \"events\" }}]\n[[timeline]]\n{timeline}\n"
    ) + &requests(at)
}

#[test]
fn a_paused_process_sends_nothing_and_what_is_on_its_way_arrives() {
    let pause = "at = \"500ms\"\npause = \"s\"\nfor = \"5s\"";
    let lingering = in_a_service("linger = \"1s\"\nsend-time = \"4ms\"", &[(0.0, "send")], pause);
    let o = observe(&lingering, 20.0);
    near(figure(&o, "consumer.c", "end_to_end_max"), 5.505, 1e-9);
    let sent = in_a_service(
        "linger = \"0s\"\nsend-time = \"1s\"\nsend = \"sync\"",
        &[(0.0, "send")],
        pause,
    );
    let o = observe(&sent, 20.0);
    near(figure(&o, "consumer.c", "end_to_end_max"), 1.001, 1e-9);
    near(figure(&o, "flow.send", "response_time_max"), 5.5, 1e-9);
}

#[test]
fn a_process_that_stops_sends_what_it_has_or_loses_it_and_its_successor_begins_empty() {
    let restart = "at = \"5s\"\nrestart = \"s\"";
    let topic = "linger = \"3s\"";
    let o = observe(&in_a_service(topic, &[(4.0, "send")], restart), 20.0);
    near(figure(&o, "consumer.c", "end_to_end_max"), 1.001, 1e-9);
    let o = observe(
        &in_a_service(
            &format!("{topic}\non-stop = \"crash\""),
            &[(4.0, "send")],
            restart,
        ),
        20.0,
    );
    assert_eq!(figure(&o, "topic.events", "produced"), 0.0);
    near(figure(&o, "topic.events", "records_lost") * 20.0, 1.0, 1e-9);
    // The old process's only batch is on its way until 101 s; the new one has a buffer of its own.
    let full = "linger = \"0s\"\nsend-time = \"100s\"\nbuffer-memory = \"16KiB\"";
    let o = observe(
        &in_a_service(full, &[(1.0, "send"), (7.0, "send")], restart),
        90.0,
    );
    assert_eq!(figure(&o, "flow.send", "response_time_max"), 0.0);
    assert_eq!(figure(&o, "topic.events", "buffer_exhausted"), 0.0);
    let o = observe(
        &in_a_service(full, &[(1.0, "send"), (7.0, "send")], restart),
        110.0,
    );
    near(figure(&o, "topic.events", "produced") * 110.0, 2.0, 1e-9);
}

#[test]
fn a_key_always_goes_to_its_partition_by_kafkas_hash() {
    // Key 0 goes to partition 2 of 3, keys 1 to 0, as murmur2 of "0" and "1" says.
    let o = observe(
        &model(
            "partitions = 3\nkey = \"list(3, 1)\"\nlinger = \"0s\"",
            &constant("1000/s"),
        ),
        100.0,
    );
    near(figure(&o, "topic.events", "produced_partition_2"), 750.0, 10.0);
    near(figure(&o, "topic.events", "produced_partition_0"), 250.0, 10.0);
    assert_eq!(figure(&o, "topic.events", "produced_partition_1"), 0.0);
}

#[test]
fn records_without_a_key_stick_to_a_partition_for_a_batch_and_are_even_in_the_long_run() {
    let o = observe(
        &model("partitions = 4\nlinger = \"0s\"", &constant("1000/s")),
        200.0,
    );
    for p in 0..4 {
        near(
            figure(&o, "topic.events", &format!("produced_partition_{p}")),
            250.0,
            20.0,
        );
    }
    // Within a batch all stick: one batch a sixteen records, though there are four partitions.
    let o = observe(
        &model("partitions = 4\nlinger = \"10s\"", &constant("1000/s")),
        200.0,
    );
    near(figure(&o, "topic.events", "records_per_batch"), 16.0, 0.01);
}

#[test]
fn a_step_may_have_a_key_and_a_way_to_send_of_its_own() {
    let source = format!(
        r#"
[topic.events]
partitions = 3
linger = "0s"
send-time = "10ms"
[flow.send]
steps = [{{ publish = "events", key = "list(1)", send = "sync" }}]
{}"#,
        constant("100/s")
    );
    let o = observe(&source, 10.0);
    near(figure(&o, "flow.send", "response_time_mean"), 0.010, 1e-6);
    near(figure(&o, "topic.events", "produced_partition_2"), 100.0, 1.5);
}

#[test]
fn a_million_partitions_are_carried() {
    let o = observe(
        &model(
            "partitions = 1000000\nkey = \"uniform(10M)\"\nlinger = \"0s\"",
            &(constant("1000/s")
                + "[consumer.c]\ntopic = \"events\"\nconcurrency = 4\nsteps = [{ delay = \"1ms\" }]\n"),
        ),
        10.0,
    );
    near(figure(&o, "consumer.c", "consumed"), 1000.0, 2.0);
}

#[test]
fn wrong_topics_are_refused_with_the_reason() {
    let said = refusal(&model("record-size = \"2MiB\"", &constant("1/s")));
    assert!(said.contains("`max-request-size` only 1048576"), "{said}");
    let said = refusal(&model(
        "linger = \"5ms\"\ndelivery-timeout = \"3ms\"",
        &constant("1/s"),
    ));
    assert!(said.contains("which Kafka refuses"), "{said}");
    let just = "linger = \"5ms\"\ndelivery-timeout = \"5ms\"";
    observe(&model(just, &constant("1/s")), 1.0);
    let said = refusal(&model("key = \"zip(10, 1)\"", &constant("1/s")));
    assert!(said.contains("did you mean `zipf`"), "{said}");
}

#[test]
fn a_batch_that_grows_too_old_before_it_is_sent_is_lost_with_its_memory_and_its_callers() {
    let topic =
        "linger = \"0s\"\nsend = \"sync\"\nsend-time = \"3s\"\nmax-in-flight = 1\ndelivery-timeout = \"2s\"";
    // The first and the last would be acknowledged too late, after 3 s; the others wait, in one batch, until they are too old.
    let o = observe(
        &model(
            topic,
            &requests(&[(0.0, "send"), (0.5, "send"), (0.6, "send"), (4.0, "send")]),
        ),
        20.0,
    );
    assert_eq!(figure(&o, "topic.events", "records_lost") * 20.0, 4.0);
    near(figure(&o, "flow.send", "failures_timed_out") * 20.0, 4.0, 1e-9);
    near(
        figure(&o, "flow.send", "failure_time_mean"),
        (2.0 + 2.0 + 1.9 + 2.0) / 4.0,
        1e-6,
    );
    assert_eq!(figure(&o, "topic.events", "produced"), 0.0);
    // A batch takes 16 KiB until it is answered or lost.
    let batch = 16384.0;
    assert_eq!(figure(&o, "topic.events", "buffer_used_max"), 2.0 * batch);
    near(
        figure(&o, "topic.events", "buffer_used_mean") * 20.0,
        batch * (2.0 + 2.0 + 2.0),
        1.0,
    );
}

#[test]
fn the_record_of_a_caller_that_gives_up_is_sent_unless_it_still_waited_for_memory() {
    let text = |list: &[(f64, &str)]| {
        "[time-limiter.t]\ntimeout-duration = \"500ms\"\n\
         [topic.events]\nlinger = \"0s\"\nsend = \"sync\"\nsend-time = \"9s\"\nbuffer-memory = \"16KiB\"\n\
         [flow.stay]\nsteps = [{ publish = \"events\" }]\n\
         [flow.quit]\nsteps = [{ use = \"t\", steps = [{ publish = \"events\" }] }]\n"
            .to_owned()
            + &requests(list)
    };
    let o = observe(&text(&[(0.0, "quit"), (0.1, "stay")]), 30.0);
    near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
    near(figure(&o, "topic.events", "produced") * 30.0, 2.0, 1e-9);
    near(figure(&o, "flow.stay", "response_time_max"), 17.9, 1e-9);
    // The second one leaves the line before the third.
    let o = observe(&text(&[(0.0, "stay"), (0.1, "quit"), (0.2, "stay")]), 30.0);
    near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
    near(figure(&o, "topic.events", "produced") * 30.0, 2.0, 1e-9);
    near(figure(&o, "flow.stay", "response_time_max"), 17.8, 1e-9);
    assert_eq!(figure(&o, "topic.events", "buffer_exhausted"), 0.0);
}
