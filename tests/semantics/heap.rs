use super::*;

fn model(heap: &str, rest: &str) -> String {
    format!(
        r#"
[host.box]
cores = 4
[service.api]
host = "box"
{heap}
[flow.get]
at = "api"
steps = [{{ cpu = "1ms", allocates = "1MB" }}, {{ delay = "50ms" }}]
[workload.w]
executor = "constant-arrival-rate"
rate = "100/s"
pre-allocated-vus = 10000
duration = "1h"
flow = "get"
{rest}
"#
    )
}

fn heap(keys: &str) -> String {
    model(&format!("[heap.jvm]\nin = \"api\"\n{keys}\n"), "")
}

const PARALLEL: &str = "collector = \"parallel\"\nsize = \"900MB\"\nlive-set = \"100MB\"";

#[test]
fn young_collections_come_as_often_as_eden_fills() {
    // Eden is 0.8 × 300 MB; 100 MB/s fill it every 2.4 s.
    let o = observe(&heap(PARALLEL), 240.0);
    near(figure(&o, "heap.jvm", "young_collections"), 100.0, 2.0);
    near(figure(&o, "heap.jvm", "allocation_rate"), 100e6, 1e6);
    assert_eq!(figure(&o, "heap.jvm", "full_collections"), 0.0);
    // Some five requests in flight keep 1 MB each: 2 ms + 5 MB / 2 GB/s.
    near(figure(&o, "heap.jvm", "pause_mean"), 0.0047, 0.0010);
    near(figure(&o, "heap.jvm", "paused_share"), 0.0047 / 2.4, 0.0006);
}

#[test]
fn slower_answers_keep_more_alive_so_pauses_and_promotion_grow_with_the_load_in_flight() {
    let calm = observe(&heap(PARALLEL), 240.0);
    let slow = observe(
        &heap(PARALLEL).replace("delay = \"50ms\"", "delay = \"800ms\""),
        240.0,
    );
    assert!(figure(&slow, "heap.jvm", "pause_mean") > 5.0 * figure(&calm, "heap.jvm", "pause_mean"));
    assert_eq!(figure(&calm, "heap.jvm", "promoted"), 0.0);
    // 80 MB survive, 30 MB find survivor space.
    assert!(figure(&slow, "heap.jvm", "promoted") > 4e9);
    assert!(figure(&slow, "heap.jvm", "full_collections") >= 5.0);
    // What lives is 100 MB and 80 in flight: a good 180 ms at 1 GB/s.
    near(figure(&slow, "heap.jvm", "pause_max"), 0.182, 0.03);
}

#[test]
fn a_pause_stops_this_jvm_and_nothing_else() {
    let pauses = "[heap.jvm]\nin = \"api\"\npauses = { every = \"1s\", lasts = \"100ms\" }\n";
    let other = r#"
[service.other]
host = "box"
[flow.other]
at = "other"
steps = [{ cpu = "1ms" }]
[workload.v]
executor = "constant-arrival-rate"
rate = "100/s"
pre-allocated-vus = 100
duration = "1h"
flow = "other"
"#;
    let o = observe(&model(pauses, other), 100.0);
    near(figure(&o, "heap.jvm", "paused_share"), 0.1, 0.002);
    // At its end some ten requests share the four cores for their millisecond.
    near(figure(&o, "flow.get", "response_time_max"), 0.1525, 0.002);
    assert!(figure(&o, "flow.other", "response_time_max") < 0.0035);
    // A tenth of the requests come into a pause and wait for half of it; 5 % would have ended in its first half.
    near(
        figure(&o, "flow.get", "response_time_mean"),
        0.051 + 0.1 * 0.05 + 0.051 * 0.075,
        0.002,
    );
}

#[test]
fn a_pause_of_no_length_changes_nothing() {
    let without = observe(&model("", "").replace(", allocates = \"1MB\"", ""), 50.0);
    let with = observe(
        &model(
            "[heap.jvm]\nin = \"api\"\npauses = { every = \"exp(10ms)\", lasts = \"0s\" }\n",
            "",
        )
        .replace(", allocates = \"1MB\"", ""),
        50.0,
    );
    let rest = |o: &Observations| -> String {
        let kept = o.figures.iter().filter(|f| !f.subject.starts_with("heap."));
        kept.map(|f| format!("{} {} {:016x}\n", f.subject, f.name, f.value.to_bits()))
            .collect()
    };
    assert_eq!(rest(&without), rest(&with));
    assert!(figure(&with, "heap.jvm", "pauses") > 90.0);
    // Nor does a collector whose pauses take no time.
    let free = PARALLEL.to_owned() + "\nbase-pause = \"0s\"\nretained = 0.0\n";
    let with = observe(&heap(&free), 50.0);
    assert!(figure(&with, "heap.jvm", "young_collections") > 10.0);
    assert_eq!(rest(&without), rest(&with));
}

#[test]
fn workers_of_a_pause_take_cores_of_the_host() {
    let keys = format!("{PARALLEL}\nbase-pause = \"240ms\"");
    let o = observe(&heap(&keys), 240.0);
    // Four workers for 240 of 2,640 ms or less, beside 0.1 cores of work.
    near(figure(&o, "host.box", "busy_mean"), 4.0 * 0.24 / 2.4 + 0.1, 0.06);
}

#[test]
fn serial_collections_have_one_worker() {
    let slow = heap(PARALLEL).replace("delay = \"50ms\"", "delay = \"250ms\"");
    let parallel = observe(&slow, 60.0);
    let serial = observe(&slow.replace("parallel", "serial"), 60.0);
    let copying = |o: &Observations| figure(o, "heap.jvm", "pause_mean") - 0.002;
    near(copying(&serial) / copying(&parallel), 4.0, 0.2);
}

#[test]
fn a_heap_that_is_too_small_for_what_lives_runs_out_of_memory() {
    let keys = "collector = \"parallel\"\nsize = \"110MB\"\nlive-set = \"100MB\"\nyoung-size = \"8MB\"";
    let o = observe(&heap(keys).replace("delay = \"50ms\"", "delay = \"5s\""), 20.0);
    assert!(figure(&o, "heap.jvm", "out_of_memory") > 0.0);
    assert!(figure(&o, "flow.get", "failures_out_of_memory") > 0.0);
}

#[test]
fn g1_marks_beside_the_application_and_needs_no_full_collection() {
    let keys = "collector = \"g1\"\nsize = \"900MB\"\nlive-set = \"100MB\"\ntenuring-threshold = 1\nretained = \"10%\"";
    let source = heap(keys)
        .replace("delay = \"50ms\"", "delay = \"60s\"")
        .replace("100/s", "20/s");
    let o = observe(&source, 1500.0);
    // 2 MB/s are kept for a minute, over two collections half a minute apart.
    assert!(figure(&o, "heap.jvm", "promoted") > 5e8);
    assert!(figure(&o, "heap.jvm", "concurrent_cycles") >= 2.0);
    assert_eq!(figure(&o, "heap.jvm", "full_collections"), 0.0);
    assert!(figure(&o, "heap.jvm", "occupancy_max") <= 1.0);
}

#[test]
fn zgc_pauses_are_short_and_its_danger_is_the_allocation_stall() {
    let keys = "collector = \"zgc\"\nsize = \"900MB\"\nlive-set = \"100MB\"";
    let calm = observe(&heap(keys), 60.0);
    assert!(figure(&calm, "heap.jvm", "concurrent_cycles") > 2.0);
    assert!(figure(&calm, "heap.jvm", "pause_max") < 0.001);
    assert_eq!(figure(&calm, "heap.jvm", "allocation_stalls"), 0.0);
    // A burst: nothing for a while, then more than the free memory within one cycle.
    let slow = format!("{keys}\nmark-speed = \"50MB\"");
    let burst = heap(&slow).replace("rate = \"100/s\"", "rate = \"10/s\"")
        + r#"
[workload.burst]
executor = "constant-arrival-rate"
rate = "1000/s"
pre-allocated-vus = 100000
start-time = "30s"
duration = "5s"
flow = "get"
"#;
    let o = observe(&burst, 60.0);
    assert!(figure(&o, "heap.jvm", "allocation_stalls") > 100.0);
    assert!(figure(&o, "flow.get", "response_time_max") > 0.5);
    assert!(figure(&o, "heap.jvm", "pause_max") < 0.001);
}

#[test]
fn measured_pauses_happen_when_they_were_measured() {
    let folder = std::env::temp_dir().join("plimsoll-measured-pauses.csv");
    std::fs::write(&folder, "start,length\n10,0.5\n20,1.5\n").expect("writing a temporary file");
    let keys = format!("pauses = {{ log = {:?} }}", folder.display().to_string());
    let o = observe(&heap(&keys), 100.0);
    near(figure(&o, "heap.jvm", "paused_share"), 0.02, 1e-9);
    near(figure(&o, "flow.get", "response_time_max"), 1.551, 0.06);
    let said = refusal(&heap("pauses = { log = \"no-such-file.csv\" }"));
    assert!(said.contains("reading no-such-file.csv"), "{said}");
}

/// A log whose collections lie 10, 20 and 10 MiB of allocation apart, with a remark after the second one.
const LOG: &str = "\
[1.0s][gc] GC(0) Pause Young (Allocation Failure) 30M->10M(100M) 1000.000ms
[9.000s][gc] GC(1) Pause Young (Allocation Failure) 20M->10M(100M) 4.000ms
[9.100s][gc] GC(2) Pause Young (Concurrent Start) 30M->5M(100M) 8.000ms
[9.130s][gc] GC(3) Pause Remark 6M->6M(100M) 2.000ms
[9.500s][gc] GC(4) Pause Young (Mixed) 15M->5M(100M) 6.000ms
[9.501s][safepoint] Safepoint \"G1\", Total: 6500000 ns
";

#[test]
fn a_logs_collections_are_triggered_and_paid_by_who_allocates() {
    let file = std::env::temp_dir().join("plimsoll-allocation.log");
    std::fs::write(&file, LOG).expect("writing a temporary file");
    let keys = |trigger: &str| {
        let name = file.display().to_string();
        format!("pauses = {{ log = {name:?}, last = \"700ms\", trigger = {trigger:?} }}")
    };
    // 100 requests of 1 MiB a second: rounds of 40 requests, in which three pay 4, 8 and 6.5 ms for themselves, and
    // nobody is on the core or wakes up while the remark of 2 ms is on but those whose delay ends in it.
    let source = heap(&keys("allocation")).replace("1MB", "1MiB");
    let o = observe(&source, 400.0);
    near(figure(&o, "heap.jvm", "pauses") * o.simulated, 4.0 * 1000.0, 4.0);
    near(figure(&o, "heap.jvm", "paused_share"), 0.0205 / 0.4, 1e-4);
    near(figure(&o, "heap.jvm", "pause_max"), 0.008, 1e-9);
    near(figure(&o, "flow.get", "response_time_max"), 0.059, 0.0005);
    // Twice the bytes a request, twice as many pauses.
    let o = observe(&source.replace("1MiB", "2MiB"), 400.0);
    near(figure(&o, "heap.jvm", "pauses") * o.simulated, 8.0 * 1000.0, 8.0);
    // A request of more than a round pays all of it at once.
    let o = observe(&source.replace("1MiB", "80MiB").replace("100/s", "1/s"), 10.5);
    near(
        figure(&o, "flow.get", "response_time_mean"),
        0.051 + 2.0 * 0.0185,
        0.005,
    );
    // By time each of them happens once.
    let o = observe(&heap(&keys("time")), 10.0);
    assert_eq!((figure(&o, "heap.jvm", "pauses") * o.simulated).round(), 4.0);
}

#[test]
fn a_restart_empties_the_heap() {
    let restart = "[[timeline]]\nat = \"30s\"\nrestart = \"api\"\n";
    let source = heap(PARALLEL).replace("1MB", "100kB") + restart;
    // 10 MB/s for 30 s, then from the start again: eden of 240 MB fills once before and once after.
    let o = observe(&source, 50.0);
    assert_eq!(figure(&o, "heap.jvm", "young_collections"), 1.0);
    assert!(figure(&o, "flow.get", "failures_killed") > 0.0);
}

#[test]
fn consumers_allocate_in_the_heap_of_their_service() {
    let source = r#"
[host.box]
cores = 4
[service.worker]
host = "box"
[heap.jvm]
in = "worker"
collector = "parallel"
size = "900MB"
[topic.events]
linger = "0s"
[consumer.c]
topic = "events"
in = "worker"
steps = [{ cpu = "1ms", allocates = "1MB" }]
[flow.send]
steps = [{ publish = "events" }]
[workload.w]
executor = "constant-arrival-rate"
rate = "100/s"
pre-allocated-vus = 100
duration = "1h"
flow = "send"
"#;
    let o = observe(source, 100.0);
    near(figure(&o, "heap.jvm", "allocation_rate"), 100e6, 2e6);
    assert!(figure(&o, "heap.jvm", "young_collections") > 30.0);
}

#[test]
fn wrong_heaps_are_refused_with_the_reason() {
    let said = refusal(&heap("size = \"1GB\"\nlive-set = \"2GB\""));
    assert!(said.contains("fills the whole heap"), "{said}");
    let said = refusal(&heap(""));
    assert!(said.contains("neither `size` nor `pauses`"), "{said}");
    let said = refusal(&heap("pauses = { every = \"1s\" }"));
    assert!(said.contains("no `lasts`"), "{said}");
}

#[test]
fn a_jvm_without_a_collector_takes_the_serial_one_on_a_small_machine() {
    let all = |keys: &str| {
        let o = observe(&heap(&format!("size = \"512MiB\"\n{keys}")), 60.0);
        ["young_collections", "pause_mean", "pause_max"].map(|name| figure(&o, "heap.jvm", name))
    };
    let (serial, g1) = (all("collector = \"serial\""), all("collector = \"g1\""));
    assert_ne!(serial, g1);
    assert_eq!(all("memory = \"1791MiB\""), serial);
    assert_eq!(all("memory = \"1792MiB\""), g1);
    assert_eq!(all(""), g1);
    let one_core = heap("size = \"4GiB\"\nmemory = \"8GiB\"").replace("cores = 4", "cores = 1");
    let named = heap("size = \"4GiB\"\ncollector = \"serial\"").replace("cores = 4", "cores = 1");
    assert_eq!(
        figure(&observe(&one_core, 60.0), "heap.jvm", "pause_mean"),
        figure(&observe(&named, 60.0), "heap.jvm", "pause_mean")
    );
}

#[test]
fn a_small_heap_without_a_collector_is_asked_about() {
    let asked = |keys: &str| {
        let (source, mut sink) = (heap(keys), plimsoll::diagnostic::Sink::default());
        assert!(plimsoll::model::load("test", &source, None, &mut sink).is_some());
        plimsoll::diagnostic::render(sink.diagnostics(), "test", &source, false)
            .contains("names no collector")
    };
    assert!(asked("size = \"512MiB\""));
    for told in [
        "size = \"1792MiB\"",
        "size = \"512MiB\"\ncollector = \"g1\"",
        "size = \"512MiB\"\nmemory = \"1GiB\"",
    ] {
        assert!(!asked(told), "{told}");
    }
}

#[test]
fn given_pauses_draw_each_its_own_length_and_distance() {
    let o = observe(
        &heap("pauses = { every = \"1s\", lasts = \"exp(10ms)\" }").replace("100/s", "1/s"),
        2000.0,
    );
    near(figure(&o, "heap.jvm", "pauses") * 2000.0, 2000.0, 1.0);
    near(figure(&o, "heap.jvm", "pause_mean"), 0.010, 0.001);
    near(figure(&o, "heap.jvm", "pause_p90"), 0.023, 0.003);
    assert!(figure(&o, "heap.jvm", "pause_max") > 0.05);
    let o = observe(
        &heap("pauses = { every = \"exp(1s)\", lasts = \"10ms\" }").replace("100/s", "1/s"),
        2000.0,
    );
    near(figure(&o, "heap.jvm", "pauses") * 2000.0, 2000.0, 180.0);
}

/// 100 MB of which 10 MB live for ever, marked in a second by one worker.
const BESIDE: &str = "collector = \"zgc\"\nsize = \"100MB\"\nlive-set = \"10MB\"\nretained = \"0%\"\n\
                      conc-gc-threads = 1\nmark-speed = \"10MB\"";

#[test]
fn a_collector_beside_the_application_begins_when_memory_lasts_for_two_cycles() {
    let o = observe(&heap(BESIDE).replace("100/s", "20/s"), 250.0);
    // At 20 MB/s it begins with 60 MB used and leaves 30 MB: 1.5 s apart from its second.
    near(figure(&o, "heap.jvm", "concurrent_cycles"), 100.0, 2.0);
    near(figure(&o, "heap.jvm", "pauses") * 250.0, 200.0, 4.0);
    assert_eq!(figure(&o, "heap.jvm", "pause_max"), 0.0001);
    near(figure(&o, "heap.jvm", "occupancy_max"), 0.8, 0.02);
    assert_eq!(figure(&o, "heap.jvm", "allocation_stalls"), 0.0);
    // One worker for a second of 2.5, and 20 requests of 1 ms a second.
    near(figure(&o, "host.box", "busy_mean"), 0.4 + 0.02, 0.01);
}

#[test]
fn who_allocates_faster_than_memory_is_freed_is_stalled() {
    let o = observe(&heap(BESIDE), 200.0);
    // Each cycle of a second frees 90 MB, and those who wait take all of it at once.
    near(figure(&o, "flow.get", "throughput"), 90.0, 2.0);
    near(figure(&o, "heap.jvm", "concurrent_cycles"), 200.0, 4.0);
    assert!(figure(&o, "heap.jvm", "allocation_stalls") > 17_000.0);
    // Ten more wait with every second.
    near(figure(&o, "heap.jvm", "allocation_stall_mean"), 10.0, 2.0);
    assert_eq!(figure(&o, "heap.jvm", "out_of_memory"), 0.0);
    // What never fits is refused.
    let o = observe(&heap(BESIDE).replace("1MB\"", "95MB\""), 10.0);
    near(figure(&o, "flow.get", "failures_out_of_memory"), 100.0, 1.0);
    near(figure(&o, "heap.jvm", "out_of_memory"), 1000.0, 2.0);
}

#[test]
fn what_does_not_fit_after_a_young_collection_brings_a_full_one() {
    let source = heap(PARALLEL).replace("allocates = \"1MB\"", "allocates = \"300MB\"");
    let o = observe(&source.replace("100/s", "1/s"), 0.9);
    // Eden holds 240 MB. Two times 2 ms, and 100 MB that live at 1 GB/s.
    assert_eq!(figure(&o, "heap.jvm", "young_collections"), 1.0);
    assert_eq!(figure(&o, "heap.jvm", "full_collections"), 1.0);
    near(figure(&o, "heap.jvm", "full_collections_rate"), 1.0 / 0.9, 1e-9);
    near(figure(&o, "heap.jvm", "pause_max"), 0.104, 1e-9);
    assert_eq!(figure(&o, "heap.jvm", "out_of_memory"), 0.0);
}

#[test]
fn who_gives_up_in_a_stall_leaves_the_line() {
    let limited = heap(BESIDE).replace(
        "steps = [{ cpu = \"1ms\", allocates = \"1MB\" }, { delay = \"50ms\" }]",
        "steps = [{ use = \"t\", steps = [{ cpu = \"1ms\", allocates = \"1MB\" }] }]",
    );
    let o = observe(
        &format!("{limited}\n[time-limiter.t]\ntimeout-duration = \"300ms\"\n"),
        100.0,
    );
    assert!(figure(&o, "heap.jvm", "allocation_stall_mean") < 0.3);
    assert!(figure(&o, "flow.get", "failures_timed_out") > 1.0);
    near(
        figure(&o, "flow.get", "throughput") + figure(&o, "flow.get", "failures"),
        100.0,
        1.0,
    );
}

#[test]
fn what_is_allocated_in_a_branch_under_a_limit_of_time_or_by_a_flow_that_is_called_counts() {
    let allocate = r#"{ cpu = "1ms", allocates = "1MB" }"#;
    let figures = |steps: &str| {
        let plain = format!("steps = [{allocate}, {{ delay = \"50ms\" }}]");
        let text = heap(PARALLEL).replace(&plain, &format!("steps = [{steps}]"));
        let more = format!("[time-limiter.t]\n[flow.inner]\nsteps = [{allocate}]\n");
        let o = observe(&format!("{text}\n{more}"), 100.0);
        (
            figure(&o, "heap.jvm", "allocated"),
            figure(&o, "heap.jvm", "young_collections"),
        )
    };
    for steps in [
        allocate,
        r#"{ call = "inner" }"#,
        &format!("{{ parallel = [{{ steps = [{allocate}] }}, {{ steps = [] }}] }}"),
        &format!("{{ use = \"t\", steps = [{allocate}] }}"),
        r#"{ use = "t", steps = [{ parallel = [{ steps = [{ call = "inner" }] }] }] }"#,
        &format!(
            "{{ parallel = [{{ steps = [{{ use = \"t\", steps = [{{ repeat = 1, steps = [{allocate}] }}] }}] }}] }}"
        ),
    ] {
        let (allocated, collections) = figures(steps);
        near(allocated, 10_001e6, 1e6);
        near(collections, 41.0, 1.0);
    }
}

#[test]
fn a_branch_frees_its_memory_when_it_ends() {
    // A branch of a second and one that ends at once, ten times a second: ten megabytes of the first live.
    let steps = "steps = [{ parallel = [{ steps = [{ cpu = \"1ms\", allocates = \"1MB\" }, { delay = \"1s\" }] }, \
                 { steps = [{ cpu = \"1ms\", allocates = \"1MB\" }] }] }]";
    let text = heap(PARALLEL)
        .replace(
            "steps = [{ cpu = \"1ms\", allocates = \"1MB\" }, { delay = \"50ms\" }]",
            steps,
        )
        .replace("100/s", "10/s");
    let o = observe(&text, 100.0);
    near(figure(&o, "heap.jvm", "live_end"), 111e6, 2e6);
}

#[test]
fn a_process_that_stops_gives_up_the_cores_of_its_collector() {
    // One cycle begins with the first request, another one at 2.5 s with 60 MB used; each would take a second.
    let stop = "[[timeline]]\nat = \"3s\"\nstop = \"api\"\n";
    let text = heap(BESIDE).replace("100/s", "20/s");
    let o = observe(&format!("{text}{stop}"), 10.0);
    near(
        figure(&o, "host.box", "busy_mean") * 10.0,
        1.0 + 0.5 + 60.0 * 0.001,
        0.06,
    );
}
