use super::*;

/// Two replicas, of which the first stands still from 5 s to 35 s and resets connections meanwhile.
fn model(balancer: &str) -> String {
    format!(
        r#"
[service.app]
replicas = 2
[balancer.edge]
to = "app"
{balancer}
[thread-pool.http]
in = "app"
accept-count = 0
abort-on-overflow = true
[flow.f]
at = "app"
steps = [{{ use = "http", steps = [{{ delay = "1ms" }}] }}]
[workload.w]
executor = "constant-arrival-rate"
rate = "10/s"
pre-allocated-vus = 1000
flow = "f"
[[timeline]]
at = "5s"
pause = "app"
replica = 0
for = "30s"
"#
    )
}

fn failures(balancer: &str) -> f64 {
    let o = observe(&model(balancer), 50.0);
    figure(&o, "flow.f", "failures") * 50.0
}

#[test]
fn a_replica_whose_calls_fail_is_passed_over_for_fail_timeout_and_then_tried_by_one() {
    // Every second call, but for one that waits in the accept queue.
    near(failures(""), 149.0, 1.5);
    // One failure in ten seconds.
    near(failures("max-fails = 1"), 3.0, 1e-6);
    // Two until it is marked; then again one in ten seconds.
    near(failures("max-fails = 2"), 4.0, 1.0 + 1e-6);
    near(failures("max-fails = 1\nfail-timeout = \"1min\""), 1.0, 1e-6);
}

#[test]
fn when_every_replica_is_passed_over_calls_fail_at_once() {
    let text = model("max-fails = 1").replace("replica = 0\n", "");
    let o = observe(&text, 30.0);
    assert!(figure(&o, "flow.f", "failures_unavailable") > 5.0);
}

#[test]
fn of_replicas_with_as_few_connections_the_next_in_turn_is_taken() {
    for more in ["", "weights = [1, 1]\n", "weights = [3, 3]\n"] {
        let text = format!(
            "[service.app]\nreplicas = 2\n[balancer.edge]\nto = \"app\"\npolicy = \"least-connections\"\n{more}\
             [flow.f]\nat = \"app\"\nsteps = [{{ delay = \"1ms\" }}]\n\
             [[timeline]]\nat = \"500ms\"\npause = \"app\"\nreplica = 1\nfor = \"100s\"\n{}",
            requests(&[(0.0, "f"), (1.0, "f"), (2.0, "f"), (3.0, "f")])
        );
        // The second goes to the other replica, which stands still; it has one connection from then on.
        let o = observe(&text, 10.0);
        near(figure(&o, "flow.f", "throughput"), 0.3, 1e-9);
    }
}
