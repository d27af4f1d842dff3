use super::text::significant;
use super::*;
use crate::diagnostic::{Severity, Sink, render};

mod bounds;
mod closed;
mod shares;
mod tries;

pub fn model(source: &str) -> Model {
    let mut sink = Sink::default();
    let model = crate::model::load("m", source, None, &mut sink);
    model.unwrap_or_else(|| panic!("{}", render(sink.diagnostics(), "m", source, false)))
}

pub fn sums(source: &str) -> Arithmetic {
    arithmetic(&model(source))
}

pub fn load<'a>(a: &'a Arithmetic, subject: &str) -> &'a Load {
    a.loads
        .iter()
        .find(|l| l.subject == subject)
        .unwrap_or_else(|| panic!("{subject} in {:?}", a.loads))
}

pub fn near(found: f64, wanted: f64) {
    assert!(
        (found - wanted).abs() <= 1e-9 * wanted.abs(),
        "{found}, not {wanted}"
    );
}

pub fn told(a: &Arithmetic, id: &str) -> String {
    let d = a.warnings.iter().find(|d| d.id == id);
    let d = d.unwrap_or_else(|| panic!("no {id} in {:?}", a.warnings));
    format!("{}\n{}\n{}", d.message, d.notes.join("\n"), d.help.join("\n"))
}

const TIER: &str = r#"
[host.box]
cores = 4
[thread-pool.http]
max-threads = 200
[connection-pool.db]
maximum-pool-size = 20
connection-timeout = "5s"
[flow.request]
steps = [{ use = "http", steps = [
  { use = "db", steps = [{ delay = "lognormal(200ms, cv 0.5)" }, { cpu = "exp(2ms)", on = "box" }] },
] }]
"#;

const POISSON: &str = "[workload.users]\nexecutor = \"poisson\"\nrate = \"90/s\"\n";

#[test]
fn a_pool_is_asked_for_rate_times_time_held() {
    let a = sums(&format!("{TIER}{POISSON}"));
    let pool = load(&a, "connection-pool.db");
    near(pool.load, 90.0 * 0.202);
    near(pool.utilisation(), 0.909);
    assert_eq!(pool.sum, "90/s × 202ms = 18.2 of 20 connections");
    near(load(&a, "thread-pool.http").load, 18.18);
    near(load(&a, "host.box").load, 0.18);
    near(a.streams[0].response, 0.202);
    assert_eq!(a.loads[0].subject, "connection-pool.db");
    assert!(a.warnings.is_empty(), "{:?}", a.warnings);
}

#[test]
fn the_table_names_what_saturates_first() {
    let m = model(&format!("{TIER}{POISSON}"));
    let table = arithmetic(&m).table(&m);
    let wanted = "\
What arithmetic says; waiting is not counted, so times held are lower bounds

users: 90/s; a request takes 202ms without waiting

connection-pool.db  90/s × 202ms = 18.2 of 20 connections    91 %
thread-pool.http    90/s × 202ms = 18.2 of 200 threads        9.1 %
host.box            90/s × 2ms = 0.18 of 4 cores              4.5 %

connection-pool.db saturates first, at 99/s at the latest: 1.1 times this load.
";
    assert_eq!(table.replace("   ", "  ").lines().count(), wanted.lines().count());
    for line in wanted.lines() {
        let squeezed = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&table).contains(&squeezed(line)), "{line}\n{table}");
    }
}

#[test]
fn an_open_workload_above_capacity_is_warned_of() {
    let a = sums(
        "[station.desk]\n[flow.f]\nsteps = [{ use = \"desk\", time = \"exp(13ms)\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"",
    );
    let text = told(&a, "overload");
    assert!(
        text.contains("offered load 1.3 of capacity 1: the queue of `desk` grows without bound"),
        "{text}"
    );
    assert!(text.contains("100/s × 13ms = 1.3 of 1 server"), "{text}");
    assert!(a.warnings[0].span.is_some());
}

#[test]
fn users_reach_what_their_number_and_the_bottleneck_allow() {
    let closed = "[workload.users]\nexecutor = \"users\"\nusers = 400\nthink-time = \"exp(1s)\"\n";
    let a = sums(&format!("{TIER}{closed}"));
    let users = a.streams[0].users.as_ref().unwrap();
    near(users.by_number, 400.0 / 1.202);
    near(users.by_capacity.unwrap().1, 20.0 / 0.202);
    near(a.streams[0].rate, 20.0 / 0.202);
    near(load(&a, "connection-pool.db").utilisation(), 1.0);
    assert!(a.warnings.is_empty(), "{:?}", a.warnings);
}

#[test]
fn a_population_that_cannot_reach_the_wished_rate_is_told_so() {
    let closed =
        "[workload.users]\nexecutor = \"locust\"\nusers = 500\nthink-time = \"uniform(100ms, 500ms)\"\n";
    let wish = "[objective]\nthroughput = \"> 2000/s\"\n";
    let flow = "[host.box]\ncores = 100\n[flow.f]\nsteps = [{ cpu = \"50ms\", on = \"box\" }]\n";
    let a = sums(&format!("{flow}{closed}{wish}"));
    let text = told(&a, "out-of-reach");
    assert!(text.contains("500 / (50ms + 300ms) = 1429/s"), "{text}");
    let a = sums(&format!("{flow}{closed}[objective]\nthroughput = \"> 1400/s\"\n"));
    assert!(a.warnings.is_empty(), "{:?}", a.warnings);
}

#[test]
fn choices_repeats_failures_and_calls_count_with_their_shares() {
    let a = sums(
        r#"
[host.box]
cores = 10
[service.api]
host = "box"
replicas = 2
[station.s]
servers = 10
[flow.inner]
at = "api"
steps = [{ cpu = "10ms" }]
[flow.outer]
steps = [
  { choose = [{ weight = 1, steps = [{ use = "s", time = "100ms" }] }, { weight = 3, steps = [] }] },
  { fail = 0.5 },
  { repeat = 3, steps = [{ call = "inner" }] },
  { parallel = [{ steps = [{ delay = "40ms" }] }, { steps = [{ delay = "70ms" }] }] },
]
[workload.w]
executor = "poisson"
rate = "8/s"
flow = "outer"
"#,
    );
    near(load(&a, "station.s").load, 8.0 * 0.25 * 0.1);
    // Half of them get there, three times each.
    near(load(&a, "host.box").visits_per_second, 12.0);
    near(load(&a, "host.box").load, 0.12);
    near(a.streams[0].response, 0.025 + 0.5 * (0.03 + 0.07));
}

#[test]
fn a_failing_loop_runs_only_the_rounds_it_comes_to() {
    let a = sums(
        "[station.s]\nservers = 9\n[flow.f]\nsteps = [{ repeat = 3, steps = [{ use = \"s\", time = \"1s\" }, { fail = 0.5 }] }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"",
    );
    near(load(&a, "station.s").load, 1.75);
}

const POOLS: &str = r#"
[service.api]
replicas = 3
[database.mysql]
[connection-pool.db]
in = "api"
to = "mysql"
maximum-pool-size = 100
[flow.f]
at = "api"
steps = [{ use = "db", steps = [{ query = "mysql", time = "20ms" }] }]
[workload.w]
executor = "poisson"
rate = "30/s"
"#;

#[test]
fn pools_that_add_up_to_more_than_the_server_accepts() {
    let a = sums(POOLS);
    let text = told(&a, "too-many-connections");
    assert!(
        text.contains("may open 300 connections, and it accepts 151"),
        "{text}"
    );
    assert!(text.contains("3 × 100 (`db`) = 300"), "{text}");
    assert!(text.contains("50 connections each fit"), "{text}");
    assert_eq!(
        load(&a, "connection-pool.db").sum,
        "30/s × 20ms = 0.6 of 3 × 100 connections"
    );
    let fits = sums(&POOLS.replace("size = 100", "size = 50"));
    assert!(fits.warnings.is_empty(), "{:?}", fits.warnings);
}

const NESTED: &str = r#"
[thread-pool.http]
max-threads = 8
[connection-pool.db]
maximum-pool-size = 8
[flow.audit]
steps = [{ use = "db", steps = [{ delay = "1ms" }] }]
[flow.f]
steps = [{ use = "http", steps = [{ use = "db", steps = [{ call = "audit" }] }] }]
[workload.w]
executor = "poisson"
rate = "30/s"
flow = "f"
"#;

#[test]
fn a_pool_held_while_it_is_acquired_again_can_deadlock() {
    let text = told(&sums(NESTED), "deadlock");
    assert!(
        text.contains("may hold 2 connections of connection pool `db`"),
        "{text}"
    );
    assert!(
        text.contains("8 × (2 - 1) + 1 = 9, for the 8 that thread pool `http` lets in"),
        "{text}"
    );
    let safe = sums(&NESTED.replace("pool-size = 8", "pool-size = 9"));
    assert!(safe.warnings.is_empty(), "{:?}", safe.warnings);
    let open = NESTED.replace(
        "[{ use = \"http\", steps = [{ use = \"db\", steps = [{ call = \"audit\" }] }] }]",
        "[{ use = \"db\", steps = [{ call = \"audit\" }] }]",
    );
    assert!(told(&sums(&open), "deadlock").contains("no size is safe"));
}

#[test]
fn two_orders_of_acquisition_can_deadlock() {
    let source = r#"
[connection-pool.a]
[connection-pool.b]
[flow.f]
steps = [{ choose = [
  { steps = [{ use = "a", steps = [{ use = "b", steps = [{ delay = "1ms" }] }] }] },
  { steps = [{ use = "b", steps = [{ use = "a", steps = [{ delay = "1ms" }] }] }] },
] }]
[workload.w]
executor = "poisson"
rate = "30/s"
"#;
    let text = told(&sums(source), "deadlock");
    assert!(text.contains("the other order stands in line"), "{text}");
}

#[test]
fn a_caller_who_leaves_first_is_an_inversion() {
    let a = sums(&format!("{TIER}{POISSON}timeout = \"3s\"\n"));
    let text = told(&a, "inverted-timeouts");
    assert!(text.contains("connection pool `db` may take 5s (`connection-timeout`), and the caller, workload `users` leaves after 3s"), "{text}");
    let a = sums(&format!("{TIER}{POISSON}timeout = \"6s\"\n"));
    assert!(a.warnings.is_empty(), "{:?}", a.warnings);
    let a = sums(&format!("{TIER}{POISSON}timeout = \"100ms\"\n"));
    assert!(told(&a, "too-short").contains("a request takes 202ms on average"));
}

#[test]
fn too_few_virtual_users_drop_iterations() {
    let vus = "[workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"90/s\"\npre-allocated-vus = 10\n";
    let a = sums(&format!("{TIER}{vus}"));
    let text = told(&a, "too-few-users");
    assert!(
        text.contains("90/s × 202ms = 18.2 virtual users, and has at most 10"),
        "{text}"
    );
    near(a.streams[0].rate, 10.0 / 0.202);
}

#[test]
fn a_client_with_work_of_its_own_is_a_component() {
    let client =
        "[workload.w]\nexecutor = \"users\"\nusers = 50\nclient = { threads = 1, time = \"12ms\" }\n";
    let a = sums(&format!("{TIER}{client}"));
    near(a.streams[0].rate, 1.0 / 0.012);
    assert_eq!(a.loads[0].subject, "client.w");
}

#[test]
fn an_infinite_mean_breaks_nothing() {
    let m = model(
        "[station.s]\n[flow.f]\nsteps = [{ use = \"s\", time = \"pareto(1ms, alpha 0.9)\" }, { delay = \"0s\" }]\n[workload.w]\nexecutor = \"users\"\nusers = 5",
    );
    let a = arithmetic(&m);
    assert!(a.table(&m).contains("infinite"), "{}", a.table(&m));
}

#[test]
fn figures_have_three_significant_digits() {
    for (x, wanted) in [
        (0.0, "0"),
        (0.00123456, "0.00123"),
        (0.202, "0.202"),
        (1.0, "1"),
        (18.18, "18.2"),
        (333.33, "333"),
        (12345.6, "12346"),
    ] {
        assert_eq!(significant(x), wanted);
    }
    assert_eq!(text::percent(0.909), "91 %");
    assert_eq!(text::percent(0.0045), "0.5 %");
}

#[test]
fn warnings_are_never_errors() {
    for d in sums(NESTED).warnings.iter().chain(&sums(POOLS).warnings) {
        assert_ne!(d.severity, Severity::Error);
    }
}

#[test]
fn caches_retries_and_limiters_change_what_comes_through() {
    let source = |guard: &str, inner: &str| {
        format!(
            "{guard}\n[station.s]\nservers = 100\n[flow.f]\nsteps = [{{ use = \"g\", steps = [{inner}] }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n"
        )
    };
    let serve = "{ use = \"s\", time = \"100ms\" }";
    let given = sums(&source("[cache.g]\nhit-ratio = \"90%\"", serve));
    near(load(&given, "station.s").visits_per_second, 100.0 * (1.0 - 0.9));
    near(given.streams[0].response, 0.1 * (1.0 - 0.9));
    let real = sums(&source(
        "[cache.g]\nkey = \"list(1, 4, 3, 2)\"\nmaximum-size = 2",
        serve,
    ));
    near(
        load(&real, "station.s").visits_per_second,
        100.0 * (1.0 - 7.0 / 10.0),
    );
    let failing = format!("{serve}, {{ fail = 0.5 }}");
    let retried = sums(&source("[retry.g]\nmax-attempts = 3", &failing));
    near(load(&retried, "station.s").visits_per_second, 175.0);
    let limited = sums(&source(
        "[rate-limiter.g]\nlimit-for-period = 50\nlimit-refresh-period = \"1s\"\ntimeout-duration = \"0s\"",
        serve,
    ));
    assert_eq!(load(&limited, "rate-limiter.g").sum, "100/s of 50/s");
    assert!(told(&limited, "overload").contains("the rest is turned away"));
}

#[test]
fn a_time_limiter_shorter_than_a_wait_inside_it_is_an_inversion() {
    let source = TIER.replace(
        "{ use = \"http\", steps = [",
        "{ use = \"http\", steps = [{ use = \"limit\", steps = [",
    );
    let source = source.replace("] },\n] }]", "] },\n] }] }]");
    let limiter = "[time-limiter.limit]\ntimeout-duration = \"1s\"\n";
    let text = told(&sums(&format!("{source}{limiter}{POISSON}")), "inverted-timeouts");
    assert!(text.contains("time limiter `limit` leaves after 1s"), "{text}");
}

#[test]
fn a_hot_key_has_one_holder() {
    let a = sums(
        "[lock.row]\nkey = \"list(3, 1)\"\n[flow.f]\nsteps = [{ use = \"row\", steps = [{ delay = \"50ms\" }] }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"32/s\"",
    );
    near(load(&a, "lock.row").utilisation(), 32.0 * 0.75 * 0.05);
    assert_eq!(
        load(&a, "lock.row").sum,
        "32/s × 75 % × 50ms = 1.2 of 1 holder of the hottest key"
    );
    assert!(told(&a, "overload").contains("the queue of `row` grows without bound"));
}

#[test]
fn an_external_takes_its_own_time_unless_the_step_says_otherwise() {
    let external = "[external.card]\ntime = \"uniform(50ms, 150ms)\"\nfailure-rate = \"20%\"\nconcurrency = 50\n[station.after]\n[flow.f]\nsteps = [{ use = \"card\" }, { use = \"after\", time = \"1ms\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"";
    let a = sums(external);
    near(load(&a, "external.card").load, 1.0);
    near(load(&a, "station.after").visits_per_second, 8.0);
    let stepped = external.replace("{ use = \"card\" }", "{ use = \"card\", time = \"10ms\" }");
    near(load(&sums(&stepped), "external.card").load, 0.1);
}

const STREAM: &str = r#"
[topic.events]
partitions = 2
[consumer.settle]
topic = "events"
concurrency = 3
max-poll-records = 50
[station.db]
servers = 10
[flow.f]
steps = [{ publish = "events" }]
[workload.w]
executor = "poisson"
rate = "60/s"
"#;

fn stream(keys: &str) -> Arithmetic {
    sums(&STREAM.replace("concurrency = 3\n", &format!("concurrency = 3\n{keys}\n")))
}

#[test]
fn more_threads_than_partitions_do_not_help_a_consumer() {
    let a = stream("steps = [{ use = \"db\", time = \"50ms\" }]");
    let group = load(&a, "consumer.settle");
    assert_eq!(group.sum, "60/s × 50ms = 3 of 2 threads");
    near(load(&a, "station.db").load, 3.0);
    assert!(told(&a, "overload").contains("the lag of `settle` grows without bound"));
}

#[test]
fn a_batch_shares_what_it_does_once() {
    let a = stream(
        "batch = true\nsteps = [{ use = \"db\", time = \"100ms\" }, { each = [{ use = \"db\", time = \"3ms\" }] }]",
    );
    near(load(&a, "consumer.settle").load, 60.0 * (0.1 / 50.0 + 0.003));
    near(
        load(&a, "station.db").visits_per_second,
        60.0 * (1.0 + 1.0 / 50.0),
    );
    // One thread more than partitions.
    assert!(
        a.warnings.iter().all(|d| d.id == "idle-threads"),
        "{:?}",
        a.warnings
    );
}

#[test]
fn threads_that_find_no_partition_are_told() {
    let text = told(&stream("steps = [{ delay = \"1ms\" }]"), "idle-threads");
    assert!(
        text.contains("`settle` has 3 threads, and its topic 2 partitions"),
        "{text}"
    );
}

#[test]
fn a_full_poll_that_takes_longer_than_the_poll_interval_is_told() {
    // Fifty records a poll.
    let slow = "max-poll-interval = \"4s\"\nsteps = [{ delay = \"100ms\" }]";
    let text = told(&stream(slow), "slow-poll");
    assert!(text.contains("needs 50 × 100ms = 5s for a full poll"), "{text}");
    let quick = stream(&slow.replace("4s", "6s"));
    assert!(quick.warnings.iter().all(|d| d.id != "slow-poll"));
    // A batch is one go.
    let batch = stream(&format!("batch = true\n{slow}"));
    assert!(batch.warnings.iter().all(|d| d.id != "slow-poll"));
}

#[test]
fn a_poller_that_waits_carries_a_batch_each_interval() {
    let source = r#"
[topic.payments]
[outbox.rows]
poll-interval = "900ms"
batch = 100
publishes = "payments"
steps = [{ delay = "100ms" }]
[consumer.ledger]
topic = "payments"
steps = [{ delay = "5ms" }]
[flow.f]
steps = [{ publish = "rows" }]
[workload.w]
executor = "poisson"
rate = "120/s"
"#;
    let a = sums(source);
    // A hundred rows a second at most.
    near(load(&a, "outbox.rows").load, 1.2);
    near(load(&a, "consumer.ledger").load, 0.6);
    assert!(told(&a, "overload").contains("the lag of `rows` grows without bound"));
}

#[test]
fn users_who_are_answered_no_faster_than_capacity_allows_make_response_times_out_of_reach() {
    let model = |objective: &str| {
        format!(
            "[station.desk]\n[flow.visit]\nsteps = [{{ use = \"desk\", time = \"exp(4ms)\" }}]\n\
             [workload.w]\nexecutor = \"users\"\nusers = 500\nthink-time = \"uniform(100ms, 500ms)\"\n\
             [objective]\n{objective}\n"
        )
    };
    // 500 / 250/s - 0.3 s = 1.7 s.
    let a = sums(&model("mean = \"< 100ms\""));
    let said = told(&a, "out-of-reach");
    assert!(
        said.contains("`mean < 100ms` is out of reach: the mean is at least 1.7s"),
        "{said}"
    );
    assert!(said.contains("500 users / 250/s - 300ms = 1.7s"), "{said}");
    // The slowest hundredth: (1.7 - 0.99 x 0.16) / 0.01.
    let said = told(&sums(&model("p99 = \"< 160ms\"")), "out-of-reach");
    assert!(said.contains("the slowest 1 % would take 2m 34"), "{said}");
    for within in ["mean = \"< 1.8s\"", "p99 = \"< 2s\""] {
        let a = sums(&model(within));
        assert!(a.warnings.iter().all(|d| d.id != "out-of-reach"), "{within}");
    }
}

#[test]
fn a_send_that_is_waited_for_holds_what_its_caller_holds() {
    let model = |default: &str, step: &str| {
        format!(
            "[connection-pool.redis]\nmaximum-pool-size = 10\n[topic.t]\nsend-time = \"75ms\"\n{default}\n\
             [flow.issue]\nsteps = [{{ use = \"redis\", steps = [{{ publish = \"t\"{step} }}] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n"
        )
    };
    let response = |default: &str, step: &str| sums(&model(default, step)).streams[0].response;
    near(response("send = \"sync\"", ""), 0.075);
    near(
        load(&sums(&model("send = \"sync\"", "")), "connection-pool.redis").load,
        7.5,
    );
    near(response("", ", send = \"sync\""), 0.075);
    assert_eq!(response("send = \"sync\"", ", send = \"async\""), 0.0);
    assert_eq!(response("", ""), 0.0);
}

#[test]
fn hyper_threads_carry_more_than_their_cores() {
    let a = sums(
        "[host.vm]\ncores = 2\nhyper-thread-gain = 0.25\n[flow.f]\nsteps = [{ cpu = \"exp(5ms)\", on = \"vm\" }]\n\
         [workload.w]\nexecutor = \"users\"\nusers = 20\n",
    );
    near(a.streams[0].rate, 500.0);
    assert!(
        load(&a, "host.vm").sum.ends_with("of 2.5 cores"),
        "{}",
        load(&a, "host.vm").sum
    );
}
