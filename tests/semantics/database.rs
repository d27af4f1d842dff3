use super::*;

fn queries(database: &str, step: &str, count: u32) -> String {
    format!(
        r#"
[database.db]
{database}
[flow.f]
steps = [{step}]
[workload.w]
executor = "constant-arrival-rate"
rate = "1000/s"
pre-allocated-vus = 1000
duration = "{}us"
flow = "f"
"#,
        1000 * count - 500
    )
}

const SLOW: &str = r#"{ query = "db", time = "1s" }"#;

#[test]
fn beyond_max_connections_a_direct_query_is_refused_at_once() {
    let o = observe(&queries("max-connections = 3", SLOW, 5), 10.0);
    assert_eq!(figure(&o, "flow.f", "failures_too_many_connections"), 0.2);
    assert_eq!(figure(&o, "flow.f", "failure_time_max"), 0.0);
    assert_eq!(figure(&o, "database.db", "connections_max"), 3.0);
    assert_eq!(figure(&o, "database.db", "connections_refused"), 0.2);
}

#[test]
fn mysql_accepts_151_connections_and_postgresql_keeps_3_of_100_for_superusers() {
    let o = observe(&queries("", SLOW, 200), 10.0);
    assert_eq!(figure(&o, "database.db", "connections_max"), 151.0);
    let o = observe(&queries("product = \"postgresql\"", SLOW, 200), 10.0);
    assert_eq!(figure(&o, "database.db", "connections_max"), 97.0);
}

#[test]
fn a_query_inside_a_pool_takes_no_connection_of_its_own() {
    let pool = r#"
parallelism = 100
max-connections = 4
[connection-pool.p]
to = "db"
maximum-pool-size = 4
"#;
    let both = r#"{ use = "p", steps = [{ parallel = [{ steps = [{ query = "db", time = "1s" }] }, { steps = [{ query = "db", time = "1s" }] }] }] }"#;
    let o = observe(&queries(pool, both, 4), 10.0);
    assert_eq!(figure(&o, "flow.f", "throughput"), 0.4);
    assert_eq!(figure(&o, "database.db", "connections_max"), 4.0);
    assert_eq!(figure(&o, "database.db", "busy_mean"), 0.8);
}

#[test]
fn no_more_statements_than_parallelism_run_at_once() {
    let o = observe(&queries("parallelism = 2", SLOW, 6), 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 2.997, 3e-3);
    assert_eq!(figure(&o, "database.db", "in_queue_max"), 4.0);
}

#[test]
fn statements_share_the_servers_own_cores() {
    // Four statements of 1 s of work on two cores, all at once: 2 s each.
    let source = queries("cores = 2", r#"{ query = "db", cpu = "1s" }"#, 4);
    let o = observe(&source, 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 2.0, 4e-3);
    near(figure(&o, "host.db", "utilisation"), 0.2, 1e-6);
}

#[test]
fn a_database_has_cores_of_its_own_or_a_host() {
    let said = refusal(&queries("cores = 2\nhost = \"h\"\n[host.h]\ncores = 1", SLOW, 1));
    assert!(said.contains("has cores of its own and a host"), "{said}");
    let said = refusal(&queries("", r#"{ query = "db", cpu = "1s" }"#, 1));
    assert!(said.contains("cores = 4"), "{said}");
}
