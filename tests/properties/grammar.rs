//! Random models that are right: services on hosts, pools, stations, flows of all steps, loads of several executors.

use proptest::prelude::*;

/// Components that every random model has, with random sizes.
#[derive(Clone, Debug)]
struct Sizes {
    replicas: u32,
    cores: u32,
    fcfs: bool,
    servers: u32,
    capacity: Option<u32>,
    patience: Option<u32>,
    lcfs: bool,
    pool: u32,
    timeout: u32,
    threads: u32,
    policy: &'static str,
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (
        (1u32..4, 1u32..4, any::<bool>(), 1u32..4),
        (
            prop::option::of(0u32..6),
            prop::option::of(1u32..200),
            any::<bool>(),
        ),
        (1u32..5, 1u32..300, 1u32..6),
        prop::sample::select(vec!["round-robin", "random", "least-connections", "power-of-two"]),
    )
        .prop_map(
            |((replicas, cores, fcfs, servers), (room, patience, lcfs), (pool, timeout, threads), policy)| {
                Sizes {
                    replicas,
                    cores,
                    fcfs,
                    servers,
                    capacity: room.map(|r| servers + r),
                    patience,
                    lcfs,
                    pool,
                    timeout,
                    threads,
                    policy,
                }
            },
        )
}

fn time() -> impl Strategy<Value = String> {
    (1u32..60, 0usize..6).prop_map(|(ms, law)| match law {
        0 => format!("{ms}ms"),
        1 => format!("exp({ms}ms)"),
        2 => format!("uniform(0s, {ms}ms)"),
        3 => format!("lognormal({ms}ms, cv 1.5)"),
        4 => "0s".into(),
        _ => format!("hyperexp({ms}ms, cv 2)"),
    })
}

fn step() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => time().prop_map(|t| format!("{{ cpu = \"{t}\" }}")),
        3 => time().prop_map(|t| format!("{{ delay = \"{t}\" }}")),
        2 => time().prop_map(|t| format!("{{ use = \"desk\", time = \"{t}\" }}")),
        2 => time().prop_map(|t| format!("{{ query = \"store\", time = \"{t}\" }}")),
        1 => (0u32..30).prop_map(|p| format!("{{ fail = \"{p}%\" }}")),
        1 => Just("{ call = \"back\" }".to_owned()),
        1 => Just("{ use = \"card\" }".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        // A guard must have something to guard.
        let some = prop::collection::vec(inner.clone(), 1..4).prop_map(|l| format!("[{}]", l.join(", ")));
        let list = prop::collection::vec(inner, 0..4).prop_map(|l| format!("[{}]", l.join(", ")));
        prop_oneof![
            (prop::sample::select(holders()), some)
                .prop_map(|(who, s)| format!("{{ use = \"{who}\", steps = {s} }}")),
            (1u32..9, list.clone(), list.clone()).prop_map(|(w, a, b)| format!(
                "{{ choose = [{{ weight = {w}, steps = {a} }}, {{ weight = 3, steps = {b} }}] }}"
            )),
            prop::collection::vec(list.clone(), 1..4).prop_map(|l| {
                let branches: Vec<String> = l.into_iter().map(|s| format!("{{ steps = {s} }}")).collect();
                format!("{{ parallel = [{}] }}", branches.join(", "))
            }),
            (0u32..4, list).prop_map(|(n, s)| format!("{{ repeat = {n}, steps = {s} }}")),
        ]
    })
}

/// Kinds that guard the steps inside: name, kind, keys.
const GUARDS: &[(&str, &str, &str)] = &[
    (
        "again",
        "retry",
        "max-attempts = 3\nwait-duration = \"7ms\"\njitter = 0.5",
    ),
    ("hasty", "time-limiter", "timeout-duration = \"20ms\""),
    (
        "patient",
        "time-limiter",
        "timeout-duration = \"30ms\"\ncancel-running = false",
    ),
    (
        "fuse",
        "circuit-breaker",
        "sliding-window-size = 10\nminimum-number-of-calls = 5\nwait-duration-in-open-state = \"2s\"",
    ),
    (
        "hull",
        "bulkhead",
        "max-concurrent-calls = 2\nmax-wait-duration = \"10ms\"",
    ),
    (
        "near",
        "cache",
        "key = \"zipf(50, 1)\"\nmaximum-size = 9\nexpire-after-write = \"3s\"\nsingle-flight = true",
    ),
    (
        "limit",
        "rate-limiter",
        "limit-for-period = 3\nlimit-refresh-period = \"100ms\"\ntimeout-duration = \"150ms\"",
    ),
    ("row", "lock", "key = \"zipf(5, 1)\"\nwait-timeout = \"40ms\""),
];

/// The guards whose kind exists.
fn guards() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    GUARDS.iter().filter(|g| plimsoll::component::kind(g.1).is_some())
}

fn holders() -> Vec<&'static str> {
    ["pool", "local", "threads", "http"]
        .into_iter()
        .chain(guards().map(|g| g.0))
        .collect()
}

fn steps() -> impl Strategy<Value = String> {
    prop::collection::vec(step(), 1..4).prop_map(|l| format!("[{}]", l.join(", ")))
}

fn workload() -> impl Strategy<Value = String> {
    let executor = prop_oneof![
        (1u32..80).prop_map(|r| format!("executor = \"poisson\"\nrate = \"{r}/s\"\n")),
        (1u32..80).prop_map(|r| format!(
            "executor = \"poisson\"\nstages = [{{ target = \"{r}/s\", duration = \"50s\" }}, {{ target = \"0/s\", duration = \"20s\" }}]\n"
        )),
        (time(), 5u32..50).prop_map(|(t, ms)| format!("executor = \"renewal\"\ninterarrival = \"{ms}ms + {t}\"\n")),
        (1u32..60, 1u32..20).prop_map(|(r, v)| format!(
            "executor = \"constant-arrival-rate\"\nrate = \"{r}/s\"\npre-allocated-vus = {v}\nmax-vus = {}\nduration = \"60s\"\ngraceful-stop = \"100ms\"\n",
            v + 5
        )),
        (1u32..60, 1u32..20).prop_map(|(r, v)| format!(
            "executor = \"ramping-arrival-rate\"\npre-allocated-vus = {v}\nthink-time = \"exp(20ms)\"\nstages = [{{ target = \"{r}/s\", duration = \"30s\" }}, {{ target = \"{r}/s\", duration = \"30s\" }}]\n"
        )),
        (1u32..20).prop_map(|v| format!("executor = \"constant-vus\"\nvus = {v}\nduration = \"40s\"\ngraceful-stop = \"10ms\"\n")),
        (1u32..20).prop_map(|v| format!(
            "executor = \"ramping-vus\"\ngraceful-ramp-down = \"20ms\"\nstages = [{{ target = {v}, duration = \"20s\" }}, {{ target = 0, duration = \"20s\" }}, {{ target = {v}, duration = \"5s\" }}]\n"
        )),
        (1u32..10, 1u32..500).prop_map(|(v, n)| format!(
            "executor = \"shared-iterations\"\nvus = {v}\niterations = {n}\nmax-duration = \"30s\"\n"
        )),
        (1u32..10, 1u32..50).prop_map(|(v, n)| format!(
            "executor = \"per-vu-iterations\"\nvus = {v}\niterations = {n}\nmax-duration = \"30s\"\n"
        )),
        (2u32..20).prop_map(|c| format!("executor = \"wrk\"\nconnections = {c}\nclient = {{ threads = 1, time = \"exp(2ms)\" }}\nduration = \"60s\"\n")),
        (1u32..20).prop_map(|u| format!(
            "executor = \"locust\"\nusers = {u}\nspawn-rate = 3\nthink-time = \"uniform(0s, 50ms)\"\n"
        )),
        (1u32..20).prop_map(|u| format!(
            "executor = \"users\"\nusers = {u}\nthink-first = true\nthink-time = \"exp(30ms)\"\n"
        )),
        (1u32..20).prop_map(|u| format!("executor = \"users\"\nusers = {u}\npacing = \"exp(30ms)\"\n")),
    ];
    (executor, prop::option::of(1u32..200), 0usize..3, 0u32..5).prop_map(|(mut text, timeout, mix, start)| {
        if let Some(ms) = timeout {
            text.push_str(&format!("timeout = \"{ms}ms\"\n"));
        }
        if start > 0 {
            text.push_str(&format!("start-time = \"{start}s\"\n"));
        }
        text.push_str(
            [
                "flow = \"main\"\n",
                "flow = \"back\"\n",
                "mix = { main = 0.7, back = 0.3 }\n",
            ][mix],
        );
        text
    })
}

/// Disturbances: none, restarts, pauses, changed sizes.
fn timeline() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        Just("restart = \"app\"\n".to_owned()),
        Just("restart = \"deep\"\n".to_owned()),
        Just("restart = \"app\"\nreplica = 0\n".to_owned()),
        (1u32..3000).prop_map(|ms| format!("pause = \"app\"\nfor = \"{ms}ms\"\n")),
        (1u32..3000).prop_map(|ms| format!("pause = \"deep\"\nfor = \"{ms}ms\"\n")),
        (1u32..3000).prop_map(|ms| format!("outage = \"app\"\nfor = \"{ms}ms\"\n")),
        (1u32..9).prop_map(|n| format!("set = {{ \"connection-pool.pool.maximum-pool-size\" = {n} }}\n")),
    ];
    prop::collection::vec((0u32..60_000, one), 0..6).prop_map(|l| {
        l.into_iter()
            .map(|(at, what)| format!("[[timeline]]\nat = \"{at}ms\"\n{what}"))
            .collect()
    })
}

/// The text of a random model.
pub fn models() -> impl Strategy<Value = String> {
    (
        sizes(),
        steps(),
        prop::collection::vec(workload(), 1..3),
        timeline(),
    )
        .prop_map(|(s, main, loads, timeline)| {
            let mut text = format!(
                r#"
[host.box]
cores = {cores}
discipline = "{host}"

[service.app]
host = "box"
replicas = {replicas}
start-up-time = "700ms"

[service.deep]
host = {{ cores = 1 }}
replicas = 2

[balancer.edge]
to = "app"
policy = "{policy}"

[station.desk]
servers = {servers}
discipline = "{line}"
{capacity}{patience}
[station.threads]
in = "app"
servers = {threads}

[connection-pool.pool]
maximum-pool-size = {pool}
connection-timeout = "{timeout}ms"

[connection-pool.local]
in = "app"
maximum-pool-size = {pool}
connection-timeout = "{timeout}ms"

[database.store]
parallelism = 3

[external.card]
time = "uniform(1ms, 30ms)"
failure-rate = "5%"
concurrency = 3

[thread-pool.http]
in = "app"
max-threads = {threads}
max-connections = 6
accept-count = 2

[flow.main]
at = "app"
steps = {main}

[flow.back]
at = "deep"
steps = [{{ cpu = "exp(3ms)" }}, {{ delay = "uniform(0s, 9ms)" }}]

"#,
                cores = s.cores,
                host = if s.fcfs { "fcfs" } else { "processor-sharing" },
                replicas = s.replicas,
                policy = s.policy,
                servers = s.servers,
                line = if s.lcfs { "lcfs" } else { "fcfs" },
                capacity = s.capacity.map_or(String::new(), |c| format!("capacity = {c}\n")),
                patience = s
                    .patience
                    .map_or(String::new(), |p| format!("patience = \"{p}ms\"\n")),
                threads = s.threads,
                pool = s.pool,
                timeout = s.timeout,
            );
            for (name, kind, keys) in guards() {
                text.push_str(&format!("[{kind}.{name}]\n{keys}\n\n"));
            }
            for (i, load) in loads.iter().enumerate() {
                text.push_str(&format!("[workload.w{i}]\n{load}\n"));
            }
            text.push_str(&timeline);
            text
        })
}
