//! A process that stands still now and then.

use plimsoll::random::{Draws, purpose_key};
use plimsoll::statistics::queueing::mg1_pauses;

use super::{Judge, REPLICATIONS};
use crate::support::{figure, model, options, run};

/// Pauses of constant length with exponential times of running between them, other ones in each replication.
fn text(replication: u64, every: f64, pause: f64, seconds: f64) -> String {
    let mut text = String::from(
        r#"
        [host.machine]
        [service.app]
        host = "machine"
        [flow.request]
        at = "app"
        steps = [{ cpu = "exp(2ms)" }]
        [workload.arrivals]
        executor = "poisson"
        rate = "250/s"
        "#,
    );
    let mut draws = Draws::new(purpose_key(1, replication, "pauses"), 0);
    let mut at = 0.0;
    loop {
        at += -libm::log(1.0 - draws.unit()) * every;
        if at + pause > seconds {
            return text;
        }
        let (at_ns, for_ns) = ((at * 1e9) as u64, (pause * 1e9) as u64);
        text.push_str(&format!(
            "[[timeline]]\nat = \"{at_ns}ns\"\npause = \"app\"\nfor = \"{for_ns}ns\"\n"
        ));
        at += pause;
    }
}

#[test]
fn pauses_of_a_process_agree_with_a_server_that_breaks_down() {
    // With exponential service the number in system does not depend on the discipline, so the formula for first come
    // first served gives the mean under processor sharing too.
    let (every, pause, seconds) = (0.4, 0.05, 440.0);
    let exact = mg1_pauses(250.0, 0.002, 1.0, 1.0 / every, pause, 0.0).unwrap();
    let runs: Vec<_> = (0..REPLICATIONS)
        .map(|r| {
            run(
                &model(&text(r, every, pause, seconds)),
                &options(r, seconds, 20.0),
            )
        })
        .collect();
    let values: Vec<f64> = runs
        .iter()
        .map(|o| figure(o, "flow.request", "response_time_mean"))
        .collect();
    Judge::new(&runs)
        .values("response time", &values, exact.response_time, 0.0)
        .figure("flow.request", "inside_mean", exact.number_in_system)
        .figure("flow.request", "throughput", 250.0);
}

#[test]
fn a_pause_stops_its_own_process_and_nothing_else() {
    let text = r#"
        [host.machine]
        cores = 2
        [service.app]
        host = "machine"
        [service.other]
        host = "machine"
        [flow.a]
        at = "app"
        steps = [{ cpu = "10ms" }]
        [flow.b]
        at = "other"
        steps = [{ cpu = "10ms" }]
        [workload.a]
        executor = "constant-arrival-rate"
        rate = "10/s"
        pre-allocated-vus = 100
        flow = "a"
        [workload.b]
        executor = "constant-arrival-rate"
        rate = "10/s"
        pre-allocated-vus = 100
        flow = "b"
        [[timeline]]
        at = "1005ms"
        pause = "app"
        for = "1s"
    "#;
    // Until the pause ends the other process has the cores to itself.
    let paused = run(&model(text), &options(0, 2.0, 0.0));
    assert_eq!(figure(&paused, "flow.b", "response_time_max"), 0.010);
    assert_eq!(figure(&paused, "flow.a", "throughput"), 5.0);
    // The request of 1.0 s had half of its work done before the pause and shares two cores with the ten that came
    // meanwhile after it: twelve jobs at first, the other process's among them.
    let whole = run(&model(text), &options(0, 4.0, 0.0));
    let longest = figure(&whole, "flow.a", "response_time_max");
    assert!((1.035..1.045).contains(&longest), "{longest}");
    assert_eq!(figure(&whole, "flow.a", "throughput"), 10.0);
}
