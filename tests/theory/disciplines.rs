//! Stations whose order or speed is not that of a first-come line.

use plimsoll::statistics::closed::{ClosedClass, Kind, Place, closed_classes, closed_network};
use plimsoll::statistics::ctmc::birth_death;
use plimsoll::statistics::queueing::{
    Mmc, PriorityClass, mg1, mg1_pauses, mg1_preemptive_resume, mg1_priority,
};

use super::{Judge, REPLICATIONS};
use crate::support::{book, figure, model, options, replicate, run};

const CLASSES: [PriorityClass; 2] = [
    PriorityClass {
        arrival_rate: 300.0,
        service_time: 0.001,
        cv: 0.0,
    },
    PriorityClass {
        arrival_rate: 100.0,
        service_time: 0.004,
        cv: 1.0,
    },
];

#[test]
fn priorities_that_do_not_interrupt_are_cobhams() {
    let exact = mg1_priority(&CLASSES).unwrap();
    Judge::new(&replicate(&book("priority"), REPLICATIONS))
        .figure("flow.short", "response_time_mean", exact[0].response_time)
        .figure("flow.long", "response_time_mean", exact[1].response_time)
        .figure("station.server", "utilisation", 0.7)
        .figure(
            "station.server",
            "in_queue_mean",
            exact[0].number_waiting + exact[1].number_waiting,
        );
}

#[test]
fn priorities_that_interrupt_and_resume() {
    let exact = mg1_preemptive_resume(&CLASSES).unwrap();
    Judge::new(&replicate(&book("preemptive"), REPLICATIONS))
        .figure("flow.short", "response_time_mean", exact[0])
        .figure("flow.long", "response_time_mean", exact[1])
        .figure("station.server", "utilisation", 0.7);
}

#[test]
fn two_priorities_of_m_m_1_and_of_several_servers() {
    // Of exponential services of one mean the number inside does not ask for the order, and those who interrupt do not
    // see the others: what is left is the second class's.
    for servers in [1u32, 3] {
        let (rate, time) = (250.0 * f64::from(servers), 0.001);
        let alone = Mmc::new(servers, rate, time).unwrap().means();
        let all = Mmc::new(servers, 3.0 * rate, time).unwrap().means();
        let second = (all.number_in_system - alone.number_in_system) / (2.0 * rate);
        let text = format!(
            r#"
            [station.server]
            servers = {servers}
            preemptive = true
            [flow.first]
            steps = [{{ use = "server", time = "exp(1ms)", priority = 3 }}]
            [flow.second]
            steps = [{{ use = "server", time = "exp(1ms)", priority = 7 }}]
            [workload.arrivals]
            executor = "poisson"
            rate = "{}/s"
            mix = {{ first = 1, second = 2 }}
            [run]
            duration = "110s"
            warm-up = "10s"
            "#,
            3.0 * rate
        );
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.first", "response_time_mean", alone.response_time)
            .figure("flow.second", "response_time_mean", second)
            .figure("station.server", "in_system_mean", all.number_in_system);
    }
}

#[test]
fn the_last_to_come_interrupts_and_the_law_does_not_matter() {
    for law in ["lognormal(1ms, cv 2)", "1ms", "exp(1ms)"] {
        let text = book("lcfs-pr").replace("lognormal(1ms, cv 2)", law);
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.request", "response_time_mean", 0.001 / 0.3)
            .figure("station.server", "in_system_mean", 0.7 / 0.3)
            .figure("station.server", "utilisation", 0.7);
    }
}

#[test]
fn an_order_that_does_not_look_at_the_length_leaves_the_mean_wait() {
    let exact = mg1(700.0, 0.001, 2.0).unwrap();
    for order in ["fcfs", "lcfs", "siro"] {
        let text = book("mg1").replace(
            "[station.server]",
            &format!("[station.server]\ndiscipline = \"{order}\""),
        );
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("station.server", "waiting_time_mean", exact.waiting_time)
            .figure("station.server", "in_queue_mean", exact.number_waiting);
    }
}

#[test]
fn waits_spread_more_in_random_order_and_most_when_the_last_goes_first() {
    // M/M/1: second moments of the wait are to one another as 1, 1 / (1 - rho/2) and 1 / (1 - rho) (Kingman 1962,
    // Proceedings of the Cambridge Philosophical Society 58), so the longest of the waits differ as well.
    let longest = |order: &str| {
        let text = book("mm1").replace(
            "[station.server]",
            &format!("[station.server]\ndiscipline = \"{order}\""),
        );
        let runs = replicate(&text, 4);
        runs.iter()
            .map(|o| figure(o, "station.server", "waiting_time_p99"))
            .sum::<f64>()
    };
    let (fcfs, siro, lcfs) = (longest("fcfs"), longest("siro"), longest("lcfs"));
    assert!(fcfs * 1.1 < siro && siro * 1.1 < lcfs, "{fcfs} {siro} {lcfs}");
}

#[test]
fn a_load_dependent_station_is_a_birth_and_death_process() {
    let speeds = [1.0, 1.5, 1.8, 2.0];
    let at = |n: usize| speeds[n.min(4) - 1];
    let present = birth_death(400, |_| 150.0, |n| at(n) / 0.01).unwrap();
    let mean: f64 = present.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
    Judge::new(&replicate(&book("load-dependent"), REPLICATIONS))
        .figure("station.disk", "in_system_mean", mean)
        .figure("station.disk", "utilisation", 1.0 - present[0])
        .figure("flow.request", "response_time_mean", mean / 150.0);
}

#[test]
fn a_load_dependent_station_in_a_closed_network() {
    let speeds = vec![1.0, 1.5, 1.8, 2.0];
    let text = book("load-dependent").replace(
        "executor = \"poisson\"\nrate = \"150/s\"",
        "executor = \"users\"\nusers = 12\nthink-time = \"exp(50ms)\"",
    );
    let disk = Place {
        demand: 0.01,
        kind: Kind::Speeds(speeds),
    };
    let exact = closed_network(&[disk], 0.05, 12).unwrap().pop().unwrap();
    Judge::new(&replicate(&text, REPLICATIONS))
        .figure("flow.request", "throughput", exact.throughput)
        .figure("flow.request", "response_time_mean", exact.response_time)
        .figure("station.disk", "in_system_mean", exact.places[0].number);
}

#[test]
fn nobody_waits_at_an_infinite_server() {
    // M/G/infinity: the number inside has the mean of the offered load, whatever the law.
    let text = book("mg1")
        .replace("lognormal(1ms, cv 2)", "lognormal(20ms, cv 2)")
        .replace(
            "[station.server]\nservers = 1",
            "[station.server]\ndiscipline = \"infinite-server\"",
        );
    Judge::new(&replicate(&text, REPLICATIONS))
        .figure("station.server", "in_system_mean", 14.0)
        .figure("flow.request", "response_time_mean", 0.02);
    let one = run(&model(&text), &options(0, 20.0, 0.0));
    assert_eq!(figure(&one, "station.server", "waiting_time_max"), 0.0);
}

#[test]
fn two_classes_at_one_station() {
    // Open, first come first served: M/G/1 with the mixture of both services.
    let text = r#"
        [station.server]
        [flow.short]
        steps = [{ use = "server", time = "1ms" }]
        [flow.long]
        steps = [{ use = "server", time = "exp(5ms)" }]
        [workload.arrivals]
        executor = "poisson"
        rate = "300/s"
        mix = { short = 2, long = 1 }
        [run]
        duration = "220s"
        warm-up = "20s"
    "#;
    let mean = (2.0 * 0.001 + 0.005) / 3.0;
    let square = (2.0 * 1e-6 + 2.0 * 25e-6) / 3.0;
    let cv = libm::sqrt(square / (mean * mean) - 1.0);
    let exact = mg1(300.0, mean, cv).unwrap();
    Judge::new(&replicate(text, REPLICATIONS))
        .figure("station.server", "waiting_time_mean", exact.waiting_time)
        .figure("flow.short", "response_time_mean", exact.waiting_time + 0.001)
        .figure("flow.long", "response_time_mean", exact.waiting_time + 0.005);
}

#[test]
fn two_classes_in_a_closed_network() {
    // Of different means at one station the product form holds when the last to come interrupts (Baskett, Chandy, Muntz
    // and Palacios 1975).
    let text = r#"
        [station.a]
        discipline = "lcfs-pr"
        [station.b]
        discipline = "lcfs-pr"
        [flow.one]
        steps = [{ use = "a", time = "exp(3ms)" }, { use = "b", time = "lognormal(10ms, cv 2)" }]
        [flow.two]
        steps = [{ use = "a", time = "erlang(3, 9ms)" }, { use = "b", time = "exp(4ms)" }]
        [workload.ones]
        executor = "users"
        users = 5
        think-time = "exp(20ms)"
        flow = "one"
        [workload.twos]
        executor = "users"
        users = 3
        think-time = "exp(5ms)"
        flow = "two"
        [run]
        duration = "220s"
        warm-up = "20s"
    "#;
    let class = |population, think_time, demands: [f64; 2]| ClosedClass {
        population,
        think_time,
        demands: demands.to_vec(),
    };
    let classes = [class(5, 0.02, [0.003, 0.01]), class(3, 0.005, [0.009, 0.004])];
    let exact = closed_classes(&classes, &[false, false]).unwrap();
    Judge::new(&replicate(text, REPLICATIONS))
        .figure("flow.one", "throughput", exact[0].throughput)
        .figure("flow.two", "throughput", exact[1].throughput)
        .figure("flow.one", "response_time_mean", exact[0].response_time)
        .figure("flow.two", "response_time_mean", exact[1].response_time);
}

/// Pauses of constant length with exponential times of running between them.
fn with_pauses(text: &str, service: &str, replication: u64, every: f64, pause: f64, seconds: f64) -> String {
    use plimsoll::random::{Draws, purpose_key};
    let mut text = text.to_owned();
    let mut draws = Draws::new(purpose_key(1, replication, "pauses"), 0);
    let mut at = 0.0;
    loop {
        at += -libm::log(1.0 - draws.unit()) * every;
        if at + pause > seconds {
            return text;
        }
        let (at_ns, for_ns) = ((at * 1e9) as u64, (pause * 1e9) as u64);
        text.push_str(&format!(
            "[[timeline]]\nat = \"{at_ns}ns\"\npause = \"{service}\"\nfor = \"{for_ns}ns\"\n"
        ));
        at += pause;
    }
}

#[test]
fn a_station_in_a_paused_process_is_a_server_that_breaks_down_in_the_middle_of_a_service() {
    let (every, pause, seconds) = (0.4, 0.05, 440.0);
    let text = r#"
        [service.app]
        [station.server]
        in = "app"
        [flow.request]
        at = "app"
        steps = [{ use = "server", time = "lognormal(2ms, cv 2)" }]
        [workload.arrivals]
        executor = "poisson"
        rate = "250/s"
    "#;
    let exact = mg1_pauses(250.0, 0.002, 2.0, 1.0 / every, pause, 0.0).unwrap();
    let runs: Vec<_> = (0..REPLICATIONS)
        .map(|r| {
            let text = with_pauses(text, "app", r, every, pause, seconds);
            run(&model(&text), &options(r, seconds, 20.0))
        })
        .collect();
    Judge::new(&runs)
        .figure("flow.request", "response_time_mean", exact.response_time)
        .figure("flow.request", "inside_mean", exact.number_in_system)
        // What stands still is not at work: the server is busy for its service times alone.
        .figure("station.server", "utilisation", 0.5);
}

#[test]
fn a_pause_puts_off_the_end_of_a_service_by_its_length() {
    let text = |place: &str| {
        format!(
            r#"
            [service.app]
            [station.server]
            servers = 2
            {place}
            [flow.request]
            at = "app"
            steps = [{{ use = "server", time = "100ms" }}]
            [workload.arrivals]
            executor = "shared-iterations"
            start-time = "1s"
            [[timeline]]
            at = "1050ms"
            pause = "app"
            for = "1s"
            "#
        )
    };
    let time = |place| {
        let o = run(&model(&text(place)), &options(0, 10.0, 0.0));
        figure(&o, "flow.request", "response_time_max")
    };
    // Half of the service is left at the pause.
    assert_eq!(time("in = \"app\""), 1.1);
    // Elsewhere it is served on; the caller hears of it when its pause is over.
    assert_eq!(time(""), 1.05);
    // M/M/1 is what it was without pauses, whether its server can be interrupted or not.
    let plain = replicate(&book("mm1"), 2);
    let inside = book("mm1")
        .replace(
            "[station.server]",
            "[service.app]\n[station.server]\nin = \"app\"",
        )
        .replace("[flow.request]", "[flow.request]\nat = \"app\"");
    for (a, b) in plain.iter().zip(&replicate(&inside, 2)) {
        assert_eq!(
            figure(a, "flow.request", "response_time_mean"),
            figure(b, "flow.request", "response_time_mean")
        );
    }
}
