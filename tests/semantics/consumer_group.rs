//! What a consumer group does with failures and pauses.

use super::consumer::{lag_at, records};
use super::*;

#[test]
fn a_batch_that_fails_is_tried_again_as_often_as_a_record_and_then_given_up_whole() {
    let failing = |retries: &str| {
        let source = records(
            &format!(
                "batch = true\n{retries}\nretry-interval = \"100ms\"\nsteps = [{{ delay = \"10ms\" }}, {{ fail = 1.0 }}]"
            ),
            &[0.0],
        );
        let o = observe(&source, 10.0);
        near(figure(&o, "consumer.c", "skipped") * 10.0, 1.0, 1e-9);
        (source, figure(&o, "consumer.c", "retried") * 10.0)
    };
    let (source, retried) = failing("retries = 2");
    near(retried, 2.0, 1e-9);
    assert_eq!((lag_at(&source, 0.229), lag_at(&source, 0.231)), (1.0, 0.0));
    near(failing("retries = 0").1, 0.0, 1e-9);
    near(failing("").1, 9.0, 1e-9);
}

#[test]
fn a_member_that_is_paused_in_its_poll_joins_a_rebalance_when_it_goes_on() {
    // The other one comes back at 13 s, and the rebalance waits for the pause to end at 20 s.
    let source = "[service.worker]\nreplicas = 2\n[topic.events]\nlinger = \"0s\"\npartitions = 2\n[consumer.c]\nin = \"worker\"\n\
                  topic = \"events\"\nsteps = [{ delay = \"10ms\" }]\n[flow.send]\nsteps = [{ publish = \"events\" }]\n\
                  [[timeline]]\nat = \"10s\"\npause = \"worker\"\nreplica = 1\nfor = \"10s\"\n\
                  [[timeline]]\nat = \"12s\"\noutage = \"worker\"\nreplica = 0\nfor = \"1s\"\n"
        .to_owned()
        + &requests(&[(14.0, "send"), (14.0, "send"), (30.0, "send")]);
    assert_eq!(lag_at(&source, 19.9), 2.0);
    assert_eq!(lag_at(&source, 20.1), 0.0);
    assert_eq!(lag_at(&source, 30.1), 0.0);
    near(
        figure(&observe(&source, 40.0), "consumer.c", "rebalance_time"),
        8.0,
        0.1,
    );
}

#[test]
fn a_record_that_fails_is_tried_as_often_as_is_set_by_then() {
    let set = |what: &str| {
        let consumer = "retries = 9\nretry-interval = \"1s\"\nsteps = [{ fail = 1.0 }]";
        records(consumer, &[0.0]) + &format!("[[timeline]]\nat = \"2500ms\"\nset = {{ {what} }}\n")
    };
    let fewer = set("\"consumer.c.retries\" = 1");
    assert_eq!((lag_at(&fewer, 2.9), lag_at(&fewer, 3.1)), (1.0, 0.0));
    // Seven more tries after the one at 3 s.
    let sooner = set("\"consumer.c.retry-interval\" = \"100ms\"");
    assert_eq!((lag_at(&sooner, 3.55), lag_at(&sooner, 3.65)), (1.0, 0.0));
}

#[test]
fn a_static_member_that_is_back_reads_on_from_what_it_has_committed() {
    // One record is in hand when the process ends at 5 s, the other one comes while it is away.
    let source = "[service.s]\nstart-up-time = \"2s\"\n[topic.events]\nlinger = \"0s\"\n[consumer.c]\nin = \"s\"\n\
                  topic = \"events\"\nstatic-membership = true\non-stop = \"crash\"\nsteps = [{ delay = \"1s\" }]\n\
                  [flow.send]\nsteps = [{ publish = \"events\" }]\n[[timeline]]\nat = \"5s\"\nrestart = \"s\"\n"
        .to_owned()
        + &requests(&[(4.5, "send"), (6.0, "send")]);
    assert_eq!((lag_at(&source, 6.9), lag_at(&source, 8.9)), (2.0, 2.0));
    assert_eq!(lag_at(&source, 9.1), 0.0);
    let o = observe(&source, 20.0);
    assert_eq!(figure(&o, "consumer.c", "rebalances"), 0.0);
    near(figure(&o, "consumer.c", "redelivered") * 20.0, 1.0, 1e-9);
}
