//! Collections that overlap: cycles beside the application that run out of memory or are overtaken, stalls, pauses from a log.

use super::*;

/// A JVM on four cores; each flow allocates so much with hardly any work and goes on for some time.
fn jvm(keys: &str, flows: &[(&str, &str, &str)], calls: &[(f64, &str)]) -> String {
    let mut text = format!(
        "[host.box]\ncores = 4\n[service.api]\nhost = \"box\"\n[time-limiter.t]\ntimeout-duration = \"300ms\"\n\
         [heap.jvm]\nin = \"api\"\n{keys}\n"
    );
    for (name, bytes, time) in flows {
        text += &format!(
            "[flow.{name}]\nat = \"api\"\nsteps = [{{ cpu = \"1us\", allocates = \"{bytes}\" }}, {{ delay = \"{time}\" }}]\n"
        );
    }
    text + &requests(calls)
}

fn heap(o: &Observations, name: &str) -> f64 {
    figure(o, "heap.jvm", name)
}

/// 100 MB of which 10 MB live for ever; one worker marks 10 MB a second.
const BESIDE: &str =
    "collector = \"zgc\"\nsize = \"100MB\"\nlive-set = \"10MB\"\nconc-gc-threads = 1\nmark-speed = \"10MB\"";

#[test]
fn who_waits_for_what_another_takes_at_the_end_of_a_cycle_runs_out_of_memory() {
    // The first cycle begins with the first request, lasts 3 s and frees nothing: what came meanwhile stays. 40 MB are all
    // that does not live; the second cycle, which marks 60 MB until 9 s, frees them. The last one finds nothing left then.
    let flows = [
        ("first", "20MB", "100s"),
        ("second", "30MB", "100s"),
        ("garbage", "25MB", "1ms"),
        ("third", "40MB", "100s"),
        ("last", "20MB", "1s"),
    ];
    let calls = [
        (0.0, "first"),
        (0.5, "second"),
        (1.0, "garbage"),
        (2.0, "third"),
        (2.5, "last"),
    ];
    let o = observe(&jvm(BESIDE, &flows, &calls), 20.0);
    assert_eq!(heap(&o, "concurrent_cycles"), 2.0);
    assert_eq!(heap(&o, "allocation_stalls"), 2.0);
    near(heap(&o, "allocation_stall_mean"), 7.0, 1e-6);
    assert_eq!(heap(&o, "out_of_memory"), 1.0);
    near(
        figure(&o, "flow.last", "failures_out_of_memory") * 20.0,
        1.0,
        1e-9,
    );
    near(figure(&o, "flow.last", "failure_time_max"), 6.5, 0.001);
    assert_eq!(heap(&o, "live_end"), 100e6);
}

#[test]
fn who_leaves_a_stall_leaves_those_behind_it_in_line() {
    let mut text = jvm(
        &format!("{BESIDE}\nretained = \"0%\""),
        &[("fill", "80MB", "1ms"), ("stay", "20MB", "1ms")],
        &[(0.0, "fill"), (0.2, "quit"), (0.3, "stay")],
    );
    text += "[flow.quit]\nat = \"api\"\nsteps = [{ use = \"t\", steps = [{ cpu = \"1us\", allocates = \"20MB\" }] }]\n";
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.quit", "failure_time_max"), 0.3, 1e-9);
    // The cycle ends at 1 s.
    near(figure(&o, "flow.stay", "response_time_max"), 0.701, 0.001);
    near(heap(&o, "allocation_stall_mean"), 0.7, 0.001);
}

#[test]
fn the_workers_of_a_cycle_take_cores_until_it_ends() {
    let keys = BESIDE.replace("threads = 1", "threads = 2") + "\nretained = \"0%\"";
    let o = observe(&jvm(&keys, &[("f", "1MB", "1ms")], &[(0.0, "f")]), 10.0);
    // Two workers mark 10 MB in half a second.
    near(figure(&o, "host.box", "busy_mean") * 10.0, 1.0, 1e-4);
    near(figure(&o, "host.box", "runnable_mean") * 10.0, 1.0, 1e-4);
}

#[test]
fn a_full_collection_ends_the_marking_that_is_under_way() {
    let keys = "collector = \"g1\"\nsize = \"100MB\"\nlive-set = \"50MB\"\nyoung-size = \"20MB\"\ngc-threads = 1\n\
                conc-gc-threads = 1\nmark-speed = \"1MB\"\nretained = \"0%\"";
    let o = observe(
        &jvm(keys, &[("f", "25MB", "1ms")], &[(1.0, "f"), (2.0, "f")]),
        10.0,
    );
    // Each is more than young space holds: a young and a full collection, after which marking begins, anew at 2 s. It has one core for
    // the last 9 s, and the pauses of twice 2 ms and 50 MB have one.
    assert_eq!(
        (heap(&o, "full_collections"), heap(&o, "concurrent_cycles")),
        (2.0, 2.0)
    );
    near(
        figure(&o, "host.box", "busy_mean") * 10.0,
        9.0 + 2.0 * 0.054,
        1e-4,
    );
}

#[test]
fn what_a_young_collection_promotes_counts_though_a_full_one_follows() {
    let keys = "collector = \"parallel\"\nsize = \"900MB\"";
    let flows = [("keep", "100MB", "100s"), ("more", "300MB", "1ms")];
    let o = observe(&jvm(keys, &flows, &[(0.0, "keep"), (1.0, "more")]), 10.0);
    // Survivor space has room for 30 MB, eden for 240 MB.
    assert_eq!(
        (heap(&o, "young_collections"), heap(&o, "full_collections")),
        (1.0, 1.0)
    );
    assert_eq!(heap(&o, "promoted"), 100e6);
}

#[test]
fn pauses_of_cycles_that_a_logs_collections_began_come_each_at_its_time() {
    let log = "\
[1.000s][gc] GC(0) Pause Young (Concurrent Start) 10M->0M(100M) 4.000ms
[1.100s][gc] GC(1) Pause Remark 1M->1M(100M) 2.000ms
[1.200s][gc] GC(1) Pause Cleanup 1M->1M(100M) 3.000ms
[2.000s][gc] GC(2) Pause Young (Concurrent Start) 10M->0M(100M) 4.000ms
[2.100s][gc] GC(3) Pause Remark 1M->1M(100M) 2.000ms
[2.200s][gc] GC(3) Pause Cleanup 1M->1M(100M) 3.000ms
";
    let file = std::env::temp_dir().join("plimsoll-cycle-pauses.log");
    std::fs::write(&file, log).expect("writing a temporary file");
    let keys = format!(
        "pauses = {{ log = {:?}, trigger = \"allocation\" }}",
        file.display().to_string()
    );
    let pauses = |calls: &[(f64, &str)]| {
        let o = observe(&jvm(&keys, &[("f", "10MiB", "1ms")], calls), 1.0);
        (heap(&o, "pauses").round(), figure(&o, "heap.jvm", "paused_share"))
    };
    let (number, share) = pauses(&[(0.0, "f")]);
    assert_eq!(number, 3.0);
    near(share, 0.009, 1e-9);
    // The second one's remark begins as the first one's cleanup does, at 201 ms: they are one pause. Its own collection overlaps
    // the first one's remark, from 99 to 103 and from 102 to 104 ms.
    let (number, share) = pauses(&[(0.0, "f"), (0.099, "f")]);
    assert_eq!(number, 5.0);
    near(share, 0.018 - 0.001, 1e-9);
    // Who allocates as much as the whole log pays for all of it at once.
    let text = jvm(&keys, &[("f", "40MiB", "1ms")], &[(0.0, "f")]);
    near(
        figure(&observe(&text, 1.0), "heap.jvm", "paused_share"),
        2.0 * 0.018,
        1e-9,
    );
}

#[test]
fn a_container_may_be_as_large_as_its_heap_and_no_smaller() {
    let keys = |memory: &str| {
        jvm(
            &format!("size = \"512MiB\"\nmemory = \"{memory}\""),
            &[("f", "1MB", "1ms")],
            &[(0.0, "f")],
        )
    };
    observe(&keys("512MiB"), 1.0);
    assert!(refusal(&keys("511MiB")).contains("`memory` has no room for the heap"));
}

#[test]
fn given_pauses_are_no_closer_than_a_microsecond_and_name_both_their_laws() {
    let keys = |every: &str| {
        let pauses = format!("pauses = {{ every = \"{every}\", lasts = \"10ns\" }}");
        jvm(&pauses, &[("f", "1MB", "1ms")], &[(0.0, "f")])
    };
    observe(&keys("1us"), 0.001);
    for near in ["999ns", "0s"] {
        assert!(
            refusal(&keys(near)).contains("less than a microsecond apart"),
            "{near}"
        );
    }
    for (has, lacks) in [("every", "lasts"), ("lasts", "every")] {
        let said = refusal(&jvm(
            &format!("pauses = {{ {has} = \"1s\" }}"),
            &[("f", "1MB", "1ms")],
            &[(0.0, "f")],
        ));
        assert!(said.contains(&format!("has no `{lacks}`")), "{said}");
    }
}
