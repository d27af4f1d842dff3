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

/// One place; flows `long` (5 s), `short` (400 ms) and `middle` (1 s) ask the same server.
fn timed(keys: &str, rest: &str, list: &[(f64, &str)]) -> Observations {
    let flow = |name: &str, time: &str| {
        format!("[flow.{name}]\nat = \"api\"\nsteps = [{{ query = \"db\", time = \"{time}\" }}]\n")
    };
    let flows = flow("long", "5s") + &flow("short", "400ms") + &flow("middle", "1s");
    observe(
        &format!(
            "[service.api]\n[database.db]\n{keys}\n{flows}{rest}\n{}",
            requests(list)
        ),
        20.0,
    )
}

#[test]
fn a_statement_is_cancelled_when_its_time_is_over_its_wait_included() {
    let calls = [(0.0, "long"), (0.5, "short"), (0.6, "middle")];
    let o = timed("parallelism = 1\nstatement-timeout = \"2s\"", "", &calls);
    // Cancelled at 2 s; the next one runs until 2.4 s, the third from then on, until 2.6 s.
    near(figure(&o, "flow.long", "failure_time_mean"), 2.0, 1e-9);
    near(figure(&o, "flow.short", "response_time_max"), 1.9, 1e-9);
    near(figure(&o, "flow.middle", "failure_time_mean"), 2.0, 1e-9);
    near(figure(&o, "flow.middle", "failures_timed_out") * 20.0, 1.0, 1e-9);
    near(figure(&o, "database.db", "statement_timeouts") * 20.0, 2.0, 1e-9);
    near(figure(&o, "database.db", "busy_mean") * 20.0, 2.6, 1e-9);
}

#[test]
fn a_statement_that_has_not_begun_is_cancelled_too() {
    // The first one came when there was no such time.
    let set = "[[timeline]]\nat = \"1s\"\nset = { \"database.db.statement-timeout\" = \"500ms\" }";
    let o = timed(
        "parallelism = 1",
        set,
        &[(0.0, "long"), (2.0, "short"), (2.1, "short"), (5.2, "short")],
    );
    near(figure(&o, "flow.long", "response_time_max"), 5.0, 1e-9);
    near(figure(&o, "flow.short", "failure_time_mean"), 0.5, 1e-9);
    near(figure(&o, "flow.short", "failures_timed_out") * 20.0, 2.0, 1e-9);
    near(figure(&o, "flow.short", "response_time_max"), 0.4, 1e-9);
    near(figure(&o, "database.db", "timed_out") * 20.0, 2.0, 1e-9);
}

#[test]
fn a_cancelled_statement_gives_its_own_connection_back() {
    let keys = "max-connections = 1\nstatement-timeout = \"1s\"";
    let o = timed(keys, "", &[(0.0, "long"), (0.9, "short"), (1.1, "short")]);
    near(
        figure(&o, "flow.short", "failures_too_many_connections") * 20.0,
        1.0,
        1e-9,
    );
    near(figure(&o, "flow.short", "throughput") * 20.0, 1.0, 1e-9);
    near(figure(&o, "database.db", "connections_mean") * 20.0, 1.4, 1e-9);
}

#[test]
fn a_paused_process_hears_later_that_its_statement_was_cancelled() {
    let pause = "[[timeline]]\nat = \"500ms\"\npause = \"api\"\nfor = \"3s\"";
    let o = timed("statement-timeout = \"1s\"", pause, &[(0.0, "long")]);
    near(figure(&o, "flow.long", "failure_time_mean"), 3.5, 1e-9);
    near(figure(&o, "database.db", "busy_mean") * 20.0, 1.0, 1e-9);
}

#[test]
fn statements_that_end_in_time_are_forgotten() {
    let text = "[database.db]\nparallelism = 4\nstatement-timeout = \"1h\"\n[flow.f]\nsteps = [{ query = \"db\", time = \"exp(10ms)\" }]\n\
                [workload.w]\nexecutor = \"poisson\"\nrate = \"200/s\"\nflow = \"f\"\n";
    let with = observe(text, 60.0);
    let without = observe(&text.replace("statement-timeout = \"1h\"\n", ""), 60.0);
    assert_eq!(
        figure(&with, "flow.f", "response_time_mean"),
        figure(&without, "flow.f", "response_time_mean")
    );
    assert_eq!(figure(&with, "database.db", "statement_timeouts"), 0.0);
}

#[test]
fn statements_that_were_cancelled_in_the_warm_up_are_not_counted() {
    let text =
        "[database.db]\nstatement-timeout = \"1s\"\n[flow.f]\nsteps = [{ query = \"db\", time = \"5s\" }]\n"
            .to_owned()
            + &requests(&[(0.0, "f"), (1.0, "f"), (6.0, "f")]);
    let o = observe_after(&text, 5.0, 15.0, 1);
    near(figure(&o, "database.db", "statement_timeouts") * 10.0, 1.0, 1e-9);
}

#[test]
fn a_statement_in_the_place_of_one_that_has_ended_has_the_whole_of_its_time() {
    let o = timed(
        "statement-timeout = \"1s\"",
        "",
        &[(0.0, "short"), (0.8, "short")],
    );
    near(figure(&o, "flow.short", "response_time_max"), 0.4, 1e-9);
    near(figure(&o, "flow.short", "throughput") * 20.0, 2.0, 1e-9);
}
