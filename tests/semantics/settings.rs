//! What the timeline sets of kinds in which nobody waits for a place.

use super::changes::{NINE, changed, give_up, same};
use super::*;

const HOLD: &str = r#"{ use = "b", steps = [{ delay = "1s" }] }"#;

#[test]
fn a_retry_goes_by_its_new_numbers_from_the_next_failure_on() {
    let retry = "[retry.b]\nmax-attempts = 3\nwait-duration = \"1s\"";
    let step = r#"{ use = "b", steps = [{ fail = 1.0 }] }"#;
    let found = give_up(retry, step, "\"retry.b.max-attempts\" = 2");
    same("attempts", found, [1.1, 1.4, 1.6]);
    // A wait under way is as long as it was.
    let found = give_up(retry, step, "\"retry.b.wait-duration\" = \"100ms\"");
    same("wait", found, [1.2, 1.5, 0.8]);
}

#[test]
fn another_limit_of_time_holds_for_calls_under_way() {
    let limiter = "[time-limiter.b]\ntimeout-duration = \"2s\"";
    let found = give_up(limiter, NINE, "\"time-limiter.b.timeout-duration\" = \"300ms\"");
    same("shorter", found, [0.5, 0.7, 0.9]);
    let found = give_up(limiter, NINE, "\"time-limiter.b.timeout-duration\" = \"3s\"");
    same("longer", found, [3.1, 3.4, 3.6]);
}

#[test]
fn a_lock_of_many_keys_is_met_by_those_who_come_later() {
    let set = "\"lock.b.key\" = \"uniform(1000000)\"";
    let found = changed("[lock.b]\n", HOLD, set, [0.0, 0.1, 0.6]);
    same("more keys", found, [1.0, 1.9, 1.0]);
    let set = "\"lock.b.key\" = \"uniform(1)\"";
    let found = changed(
        "[lock.b]\nkey = \"uniform(1000000)\"\n",
        HOLD,
        set,
        [0.0, 0.1, 0.6, 0.7],
    );
    same("one key", found, [1.0, 1.0, 1.0, 1.9]);
}

#[test]
fn detection_that_is_switched_off_ends_no_deadlock() {
    let off = "\"lock.a.deadlock-detection\" = false, \"lock.b.deadlock-detection\" = false";
    let text =
        |at: &str| super::lock::crossed("") + &format!("[[timeline]]\nat = \"{at}\"\nset = {{ {off} }}\n");
    let o = observe(&text("5ms"), 10.0);
    assert_eq!(
        figure(&o, "flow.ab", "failures") + figure(&o, "flow.ba", "failures"),
        0.0
    );
    assert_eq!(figure(&o, "flow.ab", "throughput"), 0.0);
    let o = observe(&text("20ms"), 10.0);
    assert_eq!(figure(&o, "flow.ba", "failures_deadlock"), 0.1);
}

#[test]
fn a_connection_opened_later_takes_the_new_time_to_connect() {
    let pool = "[connection-pool.b]\nmaximum-pool-size = 1\nconnect-time = \"0s\"\n";
    let more = "\"connection-pool.b.maximum-pool-size\" = 2";
    let found = changed(pool, HOLD, more, [0.0, 0.6]);
    same("at once", found, [1.0, 1.0]);
    let slow = format!("{more}, \"connection-pool.b.connect-time\" = \"200ms\"");
    let found = changed(pool, HOLD, &slow, [0.0, 0.6]);
    same("slow", found, [1.0, 1.2]);
}

#[test]
fn a_cache_has_the_share_of_hits_and_the_keys_that_are_set() {
    let set = "\"cache.b.hit-ratio\" = \"100%\"";
    let found = changed("[cache.b]\nhit-ratio = \"0%\"\n", HOLD, set, [0.0, 0.1, 0.6]);
    same("hits", found, [1.0, 1.0, 0.0]);
    // Of a hundred thousand keys none comes twice; then there is one.
    let set = "\"cache.b.key\" = \"uniform(1)\"";
    let found = changed(
        "[cache.b]\nkey = \"uniform(1000000000)\"\n",
        HOLD,
        set,
        [0.0, 2.0, 4.0],
    );
    same("keys", found, [1.0, 1.0, 0.0]);
    let set = "\"cache.b.single-flight\" = true";
    let found = changed(
        "[cache.b]\nkey = \"uniform(1)\"\n",
        HOLD,
        set,
        [0.0, 0.1, 0.6, 0.7],
    );
    // Nobody is known to load until the next one does; the value is there at 1 s.
    same("one load", found, [1.0, 1.0, 1.0, 0.3]);
}
