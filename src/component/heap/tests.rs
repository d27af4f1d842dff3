use super::memory::Shape;
use super::settings::Draft;
use super::*;

fn draft(collector: Option<Collector>) -> Draft {
    Draft {
        memory: None,
        collector,
        threads: None,
        concurrent: None,
        shape: Shape {
            collector: Collector::G1,
            size: 4 << 30,
            young: None,
            live_set: 0,
            retained: 1.0,
            threads: 1,
            concurrent: 1,
            base_pause: 0,
            short_pause: 0,
            copy: 1e9,
            mark: 1e9,
            full: 1e9,
            pause_goal: 0,
            ihop: 0.45,
            tenuring: 15,
        },
    }
}

#[test]
fn a_virtual_machine_chooses_its_collector_and_its_workers_by_the_number_of_cpus() {
    for (cpus, threads, concurrent) in [
        (2.0, 2, 1),
        (2.5, 3, 1),
        (8.0, 8, 2),
        (9.0, 8, 2),
        (16.0, 13, 3),
        (72.0, 48, 12),
    ] {
        let shape = draft(None).shape(cpus);
        assert_eq!(shape.collector, Collector::G1, "{cpus}");
        assert_eq!((shape.threads, shape.concurrent), (threads, concurrent), "{cpus}");
    }
    let small = draft(None).shape(1.0);
    assert_eq!((small.collector, small.threads), (Collector::Serial, 1));
    // A quarter of the CPUs.
    let beside = draft(Some(Collector::Zgc)).shape(16.0);
    assert_eq!((beside.threads, beside.concurrent), (13, 4));
    assert_eq!(
        draft(Some(Collector::Parallel)).shape(1.0).collector,
        Collector::Parallel
    );
    let told = Draft {
        threads: Some(5),
        concurrent: Some(3),
        ..draft(Some(Collector::G1))
    };
    let told = told.shape(16.0);
    assert_eq!((told.threads, told.concurrent), (5, 3));
}

#[test]
fn the_last_part_of_a_list_of_pauses_ends_with_its_last_pause() {
    let parse = |text: &str, last: Option<u64>| pauses::parse(text, last).expect("a list of pauses");
    let text = "start,length\n\n# two of them\n0,1\n10,5\n";
    assert_eq!(
        parse(text, None),
        [(0, 1_000_000_000), (10_000_000_000, 5_000_000_000)]
    );
    // It ends at 15 s.
    assert_eq!(parse(text, Some(6_000_000_000)), [(1_000_000_000, 5_000_000_000)]);
    assert_eq!(parse(text, Some(15_000_000_000)).len(), 2);
}
