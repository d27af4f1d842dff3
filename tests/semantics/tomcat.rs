//! Tomcat's threads between two requests of a connection, and handshakes under a full accept queue.

use super::*;

/// Four users without think time at a pool of one thread that works 10 ms a request.
fn near_clients(read_on: &str, delay: &str) -> Observations {
    observe(
        &format!(
            "[service.api]\n[thread-pool.tomcat]\nin = \"api\"\nmax-threads = 1\nmax-keep-alive-requests = -1\n{read_on}\n\
             [flow.f]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"10ms\" }}] }}{delay}]\n\
             [workload.w]\nexecutor = \"users\"\nusers = 4\n"
        ),
        100.0,
    )
}

#[test]
fn a_thread_that_reads_on_goes_on_with_the_client_it_has_answered() {
    let behind = near_clients("", "");
    near(figure(&behind, "flow.f", "response_time_p50"), 0.040, 1e-4);
    // Who sends the next request at once keeps the thread for ever.
    let first = near_clients("read-on = \"1ms\"", "");
    near(figure(&first, "flow.f", "response_time_p50"), 0.010, 1e-4);
    near(figure(&first, "thread-pool.tomcat", "read_on"), 100.0, 0.1);
    // Who needs 2 ms for that finds the thread gone, 1 ms later than it could have been.
    let late = near_clients("read-on = \"1ms\"", ", { delay = \"2ms\" }");
    near(figure(&late, "flow.f", "throughput"), 1.0 / 0.011, 0.1);
    near(figure(&late, "flow.f", "response_time_p50"), 0.044, 1e-4);
    assert_eq!(figure(&late, "thread-pool.tomcat", "read_on"), 0.0);
}

#[test]
fn a_share_of_near_clients_overtakes_the_queue() {
    // Found with probability exp(-0.1): the one thread stays with a client for a geometric number of requests.
    let o = near_clients("read-on = \"exp(1ms)\"", ", { delay = \"0.1ms\" }");
    let found = figure(&o, "thread-pool.tomcat", "read_on") / figure(&o, "flow.f", "throughput");
    near(found, 0.905, 0.01);
    // Their mean is as before: four users, and what a thread waits for the next request besides.
    let x = figure(&o, "flow.f", "throughput");
    near(figure(&o, "flow.f", "response_time_mean"), 4.0 / x, 1e-3);
    near(figure(&o, "flow.f", "response_time_p50"), 0.0101, 2e-4);
}

/// Requests at these seconds at a server with one connection, which is taken for so many seconds, and one place before it.
fn handshakes(tick: &str, busy: &str, at: &[f64]) -> Observations {
    let list: Vec<(f64, &str)> = at.iter().map(|t| (*t, "f")).collect();
    let text = format!(
        "[service.api]\n[thread-pool.tomcat]\nin = \"api\"\nmax-threads = 1\nmax-connections = 1\naccept-count = 0\n\
         connections = \"per-request\"\n{tick}\n[flow.first]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"{busy}\" }}] }}]\n\
         [flow.f]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"1ms\" }}] }}]\n{}{}",
        requests(&[(0.0, "first")]).replace("w000", "first"),
        requests(&list)
    );
    observe(&text, 100.0)
}

#[test]
fn without_ticks_a_syn_is_sent_again_on_time() {
    // The second takes the place of the accept queue; the others' SYNs are dropped at 20 and 30 ms.
    let o = handshakes("", "500ms", &[0.01, 0.02, 0.03]);
    assert_eq!(figure(&o, "thread-pool.tomcat", "acks_dropped"), 0.0);
    near(figure(&o, "flow.f", "response_time_max"), 1.001, 1e-6);
}

#[test]
fn syns_of_one_step_are_answered_together_and_the_last_packet_of_some_is_dropped() {
    // SYNs dropped at 5 and 9 ms are both sent again at 1.024 s, the end of a step of eight ticks. One place is free: both are
    // answered, one handshake ends. The other client sends its data 0.2 s later, at the end of a tick: 1.228 s.
    let o = handshakes("tcp-tick = \"4ms\"", "500ms", &[0.001, 0.005, 0.009]);
    near(
        figure(&o, "thread-pool.tomcat", "acks_dropped") * 100.0,
        1.0,
        1e-9,
    );
    near(figure(&o, "flow.f", "response_time_max"), 1.229 - 0.009, 1e-6);
    // In two steps each finds the place free.
    let o = handshakes("tcp-tick = \"4ms\"", "500ms", &[0.001, 0.020, 0.030]);
    assert_eq!(figure(&o, "thread-pool.tomcat", "acks_dropped"), 0.0);
    near(figure(&o, "flow.f", "response_time_max"), 1.057 - 0.030, 1e-6);
}

#[test]
fn who_takes_itself_for_connected_is_served_though_its_user_has_gone() {
    let served = |timeout: &str| {
        let text = format!(
            "[service.api]\n[thread-pool.tomcat]\nin = \"api\"\nmax-threads = 1\nmax-connections = 1\naccept-count = 0\n\
             connections = \"per-request\"\ntcp-tick = \"4ms\"\n\
             [flow.first]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"500ms\" }}] }}]\n\
             [flow.f]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"1ms\" }}] }}]\n{}{}\n",
            requests(&[(0.0, "first")]).replace("w000", "first"),
            requests(&[(0.001, "f"), (0.005, "f"), (0.009, "f")]).replace("1h", timeout)
        );
        figure(&observe(&text, 100.0), "thread-pool.tomcat", "throughput") * 100.0
    };
    // All four; with a patience of 1.1 s the last one is served for nobody.
    near(served("1h"), 4.0, 1e-6);
    near(served("1.1s"), 4.0, 1e-6);
    // A SYN that was not answered is gone with its client: two are left.
    near(served("900ms"), 2.0, 1e-6);
}

/// One connection and one place before it. The first request holds both until 500 ms; two clients are answered at 1.024 s, and the
/// second one's last packet is dropped. The others take 1 s each.
fn half_open(third: &str, more: &[(f64, &str)]) -> Observations {
    let mut list = vec![(0.0, "first"), (0.001, "f"), (0.005, "f"), (0.009, "third")];
    list.extend(more);
    let text = format!(
        "[service.api]\n[thread-pool.tomcat]\nin = \"api\"\nmax-threads = 1\nmax-connections = 1\naccept-count = 0\n\
         connections = \"per-request\"\ntcp-tick = \"4ms\"\n[time-limiter.t]\ntimeout-duration = \"1100ms\"\n\
         [flow.first]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"500ms\" }}] }}]\n\
         [flow.f]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"1ms\" }}] }}]\n\
         [flow.long]\nat = \"api\"\nsteps = [{{ use = \"tomcat\", steps = [{{ delay = \"1s\" }}] }}]\n\
         [flow.third]\nat = \"api\"\nsteps = [{third}]\n{}",
        requests(&list)
    );
    observe(&text, 100.0)
}

#[test]
fn the_first_data_of_a_client_are_sent_again_at_doubling_distances_until_there_is_room() {
    let third = r#"{ use = "tomcat", steps = [{ delay = "1ms" }] }"#;
    // Both places are taken from 1.1 to 2.1 s: its data come in vain at 1.228 and at 1.63 s, and then at 2.43 s.
    let o = half_open(third, &[(1.1, "long"), (1.11, "long")]);
    near(
        figure(&o, "thread-pool.tomcat", "acks_dropped") * 100.0,
        3.0,
        1e-9,
    );
    let took = figure(&o, "flow.third", "response_time_max");
    assert!(took > 2.4 && took < 3.2, "{took}");
}

#[test]
fn a_client_that_gives_up_after_its_handshake_sends_nothing() {
    let third = r#"{ use = "t", steps = [{ use = "tomcat", steps = [{ delay = "1ms" }] }] }"#;
    let o = half_open(third, &[]);
    near(figure(&o, "flow.third", "failure_time_max"), 1.1, 1e-9);
    near(figure(&o, "thread-pool.tomcat", "throughput") * 100.0, 3.0, 1e-9);
    near(figure(&o, "thread-pool.tomcat", "in_queue_max"), 3.0, 1e-9);
}

#[test]
fn the_last_packets_of_several_handshakes_may_be_dropped_at_the_same_instant() {
    // Three SYNs are answered together and two clients send their data again together: one after the other has room.
    let o = handshakes("tcp-tick = \"4ms\"", "500ms", &[0.001, 0.005, 0.006, 0.007]);
    near(figure(&o, "flow.f", "throughput") * 100.0, 4.0, 1e-9);
    assert!(figure(&o, "thread-pool.tomcat", "acks_dropped") * 100.0 > 1.9);
}

#[test]
fn without_ticks_no_syn_is_answered_that_finds_no_room() {
    // Two are sent again at the same instant, and there is one place.
    let o = handshakes("", "500ms", &[0.001, 0.02, 0.02]);
    assert_eq!(figure(&o, "thread-pool.tomcat", "acks_dropped"), 0.0);
    near(
        figure(&o, "thread-pool.tomcat", "syns_dropped") * 100.0,
        3.0,
        1e-9,
    );
    near(figure(&o, "flow.f", "response_time_max"), 3.001, 1e-6);
}

#[test]
fn with_a_full_queue_no_syn_of_a_step_is_answered() {
    // The connection is taken until 1.5 s: both SYNs are dropped again at 1.024 s. When they are sent next there is one place.
    let o = handshakes("tcp-tick = \"4ms\"", "1500ms", &[0.001, 0.005, 0.009]);
    near(
        figure(&o, "thread-pool.tomcat", "acks_dropped") * 100.0,
        1.0,
        1e-9,
    );
    near(
        figure(&o, "thread-pool.tomcat", "syns_dropped") * 100.0,
        4.0,
        1e-9,
    );
}

#[test]
fn threads_that_look_for_the_next_request_give_up_each_at_its_time() {
    let user = |name: &str, start: &str, rounds: u32| {
        format!(
            "[workload.{name}]\nexecutor = \"per-vu-iterations\"\nvus = 1\niterations = {rounds}\nstart-time = \"{start}\"\n\
             think-time = \"7ms\"\nflow = \"f\"\ntimeout = \"1h\"\nmax-duration = \"1h\"\n"
        )
    };
    let text = "[service.api]\n[thread-pool.tomcat]\nin = \"api\"\nmax-threads = 2\nread-on = \"10ms\"\n\
                [flow.f]\nat = \"api\"\nsteps = [{ use = \"tomcat\", steps = [{ delay = \"100ms\" }] }]\n"
        .to_owned()
        + &user("one", "0s", 1)
        + &user("two", "5ms", 2)
        + &user("three", "50ms", 1)
        + &user("four", "51ms", 1);
    let o = observe(&text, 10.0);
    // The first one's thread looks until 110 ms and takes up the third; the second one's finds its next request at 112 ms.
    near(figure(&o, "thread-pool.tomcat", "read_on") * 10.0, 1.0, 1e-9);
    near(figure(&o, "thread-pool.tomcat", "throughput") * 10.0, 5.0, 1e-9);
    near(figure(&o, "thread-pool.tomcat", "waiting_time_max"), 0.169, 0.001);
}
