//! Systems from the textbooks: the figures that a formula gives, for the page that puts simulated ones beside them.
//!
//! The models are those of `models/textbook`, some of them with other numbers, and a few small ones written here.

use crate::experiment::results::SYSTEM;
use crate::statistics::Refusal;
use crate::statistics::closed::{ClosedClass, Place, closed_classes, closed_network, machine_repairman};
use crate::statistics::queueing::{
    Hyperexponential, Means, Mmc, NestedPools, Source, erlang_b, fork_join_two, join_shortest_queue, md1,
    mg1, mm1k, mmc_fixed_patience, mmc_fixed_patience_waiting_quantile, mmc_processor_sharing, mmck,
    nested_pools, power_of_choices,
};

/// A model and what the formula says of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// As the page's tables refer to it.
    pub name: &'static str,
    /// The system in words.
    pub title: &'static str,
    /// The model's text.
    pub source: String,
    /// Subject, figure, exact value in SI units.
    pub figures: Vec<(&'static str, &'static str, f64)>,
}

/// The text of a model of `models/textbook`.
macro_rules! book {
    ($name:literal) => {
        include_str!(concat!("../../../models/textbook/", $name, ".toml"))
    };
}

/// The text with one part of it replaced, which must be there.
fn with(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        debug_assert!(text.contains(from), "the model has no `{from}`");
        text.replace(from, to)
    })
}

fn case(
    name: &'static str,
    title: &'static str,
    source: impl Into<String>,
    figures: &[(&'static str, &'static str, f64)],
) -> Case {
    Case {
        name,
        title,
        source: source.into(),
        figures: figures.to_vec(),
    }
}

/// All cases, in the order of the page.
///
/// # Errors
/// Never with the numbers written here; the formulas' refusals are passed on.
pub fn cases() -> Result<Vec<Case>, Refusal> {
    let mut all = stations()?;
    all.extend(pools()?);
    all.extend(networks()?);
    Ok(all)
}

const STATION: &str = "station.server";
const POOL: &str = "connection-pool.db";

fn station(means: &Means) -> [(&'static str, &'static str, f64); 3] {
    [
        (SYSTEM, "response_time_mean", means.response_time),
        (STATION, "waiting_time_mean", means.waiting_time),
        (STATION, "in_system_mean", means.number_in_system),
    ]
}

fn stations() -> Result<Vec<Case>, Refusal> {
    let one = Mmc::new(1, 800.0, 0.001)?;
    let four = Mmc::new(4, 850.0, 0.004)?;
    let bounded = mmck(3, 8, 1100.0, 0.003)?;
    let single = mm1k(8, 366.0, 0.003)?;
    // The phases of `hyperexp(1ms, cv 2)`: each carries half of the work.
    let rare = 0.5 * (1.0 - 0.6f64.sqrt());
    let two = Hyperexponential::new(
        700.0,
        [(1.0 - rare, 0.0005 / (1.0 - rare)), (rare, 0.0005 / rare)],
    )?;
    let shared = mmc_processor_sharing(2, 750.0, 0.002)?;
    let quantile = |q: &Mmc, p| q.response_time_quantile(p);
    Ok(vec![
        case(
            "mm1",
            "M/M/1 at 0.8",
            book!("mm1"),
            &[
                (SYSTEM, "throughput", 800.0),
                (SYSTEM, "response_time_mean", one.means().response_time),
                (SYSTEM, "response_time_p50", quantile(&one, 0.5)?),
                (SYSTEM, "response_time_p95", quantile(&one, 0.95)?),
                (SYSTEM, "response_time_p99", quantile(&one, 0.99)?),
                (STATION, "in_system_mean", one.means().number_in_system),
            ],
        ),
        case(
            "erlang-b",
            "ten lines, no places to wait",
            book!("erlang-b"),
            &[
                (SYSTEM, "failure_share", erlang_b(10, 8.0)?),
                ("station.lines", "busy_mean", 8.0 * (1.0 - erlang_b(10, 8.0)?)),
            ],
        ),
        case(
            "mmc",
            "M/M/4 at 0.85",
            book!("mmc"),
            &[
                (STATION, "waiting_time_mean", four.means().waiting_time),
                (STATION, "waiting_time_p95", four.waiting_time_quantile(0.95)?),
                (SYSTEM, "response_time_mean", four.means().response_time),
                (SYSTEM, "response_time_p99", quantile(&four, 0.99)?),
            ],
        ),
        case(
            "mmck",
            "M/M/3/8 at 1.1",
            book!("mmck"),
            &[
                (SYSTEM, "failure_share", bounded.rejected),
                (SYSTEM, "response_time_mean", bounded.means.response_time),
                (STATION, "utilisation", bounded.means.utilisation),
            ],
        ),
        case(
            "mm1k",
            "M/M/1/8 at 1.1",
            with(
                book!("mmck"),
                &[("servers = 3", "servers = 1"), ("1100/s", "366/s")],
            ),
            &[
                (SYSTEM, "failure_share", single.rejected),
                (STATION, "in_system_mean", single.means.number_in_system),
            ],
        ),
        case(
            "mg1",
            "M/G/1, lognormal, cv 2, at 0.7",
            book!("mg1"),
            &station(&mg1(700.0, 0.001, 2.0)?),
        ),
        case(
            "mh1",
            "M/H2/1, cv 2, at 0.7",
            with(book!("mg1"), &[("lognormal(1ms, cv 2)", "hyperexp(1ms, cv 2)")]),
            &[
                (
                    SYSTEM,
                    "response_time_mean",
                    mg1(700.0, 0.001, 2.0)?.response_time,
                ),
                (SYSTEM, "response_time_p50", two.response_time_quantile(0.5)?),
                (SYSTEM, "response_time_p95", two.response_time_quantile(0.95)?),
                (SYSTEM, "response_time_p99", two.response_time_quantile(0.99)?),
            ],
        ),
        case("md1", "M/D/1 at 0.8", book!("md1"), &station(&md1(800.0, 0.001)?)),
        case(
            "ps",
            "M/G/2 with processor sharing at 0.75",
            book!("ps"),
            &[
                (SYSTEM, "response_time_mean", shared.response_time),
                ("host.machine", "in_system_mean", shared.number_in_system),
            ],
        ),
        case(
            "jsq",
            "shortest of three queues at 0.85",
            book!("jsq"),
            &[(
                SYSTEM,
                "response_time_mean",
                join_shortest_queue(3, 850.0, 0.003)?.response_time,
            )],
        ),
        case(
            "two-choices",
            "shorter of two among 600 queues at 0.8",
            with(
                book!("jsq"),
                &[
                    ("least-connections", "power-of-two"),
                    ("replicas = 3", "replicas = 600"),
                    ("850/s", "160000/s"),
                    ("110s", "800ms"),
                    ("10s", "100ms"),
                ],
            ),
            &[(SYSTEM, "response_time_mean", power_of_choices(2, 0.8, 0.003)?)],
        ),
    ])
}

fn pools() -> Result<Vec<Case>, Refusal> {
    let (c, rate, service, patience) = (5, 110.0, 0.05, 0.25);
    let leave = mmc_fixed_patience(c, rate, service, patience)?;
    let median = mmc_fixed_patience_waiting_quantile(c, rate, service, patience, 0.5)?;
    let pools = |source| {
        nested_pools(&NestedPools {
            source,
            outer: 5,
            inner: 2,
            outside: 0.02,
            inside: 0.03,
        })
    };
    let closed = pools(Source::Closed {
        users: 12,
        think_time: 0.05,
    })?;
    let open = pools(Source::Open { rate: 60.0, room: 15 })?;
    let lag = Mmc::new(1, 80.0, 0.010)?;
    Ok(vec![
        case(
            "patience",
            "M/M/5, patience 250 ms, at 1.1",
            book!("patience"),
            &[
                (SYSTEM, "failure_share", leave.abandoned),
                (SYSTEM, "throughput", leave.throughput),
                (POOL, "waiting_time_mean", leave.waiting_time),
                (POOL, "waiting_time_p50", median),
            ],
        ),
        case(
            "nested",
            "a pool held inside a pool, 12 users",
            book!("nested"),
            &[
                (SYSTEM, "throughput", closed.throughput),
                (SYSTEM, "response_time_mean", closed.response_time),
                ("station.threads", "waiting_time_mean", closed.outer_waiting_time),
                (
                    "station.connections",
                    "waiting_time_mean",
                    closed.inner_waiting_time,
                ),
            ],
        ),
        case(
            "nested-open",
            "the same, open, room for 15",
            with(
                book!("nested"),
                &[
                    ("servers = 5", "servers = 5\ncapacity = 15"),
                    ("executor = \"users\"", "executor = \"poisson\"\nrate = \"60/s\""),
                    ("users = 12\n", ""),
                    ("think-time = \"exp(50ms)\"\n", ""),
                ],
            ),
            &[
                (SYSTEM, "failure_share", open.rejected),
                (SYSTEM, "response_time_mean", open.response_time),
            ],
        ),
        case(
            "lag",
            "a partition and its consumer as M/M/1 at 0.8",
            LAG,
            &[
                ("consumer.group", "lag_mean", lag.means().number_in_system),
                ("consumer.group", "end_to_end_mean", lag.means().response_time),
            ],
        ),
    ])
}

const LAG: &str = r#"
[topic.events]
partitions = 1
linger = "0s"
[consumer.group]
topic = "events"
concurrency = 1
max-poll-records = 1
steps = [{ delay = "exp(10ms)" }]
[flow.send]
steps = [{ publish = "events" }]
[workload.arrivals]
executor = "poisson"
rate = "80/s"
[run]
duration = "1100s"
warm-up = "100s"
"#;

fn networks() -> Result<Vec<Case>, Refusal> {
    let none = Refusal::TooFew { needed: 1, found: 0 };
    let places = [Place::queue(0.008), Place::servers(0.030, 4)];
    let network = closed_network(&places, 0.4, 60)?.pop().ok_or(none.clone())?;
    let few = closed_network(&places, 0.4, 10)?.pop().ok_or(none.clone())?;
    let repair = machine_repairman(9, 0.06, 2, 0.02)?;
    let (a, b) = (
        Mmc::new(2, 500.0, 0.003)?.means(),
        Mmc::new(1, 250.0, 0.003)?.means(),
    );
    let class = |population, think_time, demand| ClosedClass {
        population,
        think_time,
        demands: vec![demand],
    };
    let classes = closed_classes(&[class(12, 0.2, 0.008), class(4, 0.1, 0.020)], &[false])?;
    let [light, heavy] = classes.as_slice() else {
        return Err(none);
    };
    Ok(vec![
        case(
            "tandem",
            "M/M/2, then half of them M/M/1",
            TANDEM,
            &[
                ("station.a", "visit_time_mean", a.response_time),
                ("station.b", "visit_time_mean", b.response_time),
                (
                    SYSTEM,
                    "response_time_mean",
                    a.response_time + 0.5 * b.response_time,
                ),
            ],
        ),
        case(
            "fork-join",
            "two halves in parallel, each M/M/1 at 0.8",
            FORK_JOIN,
            &[(SYSTEM, "response_time_mean", fork_join_two(800.0, 0.001)?)],
        ),
        case(
            "closed",
            "closed network, 60 users",
            book!("closed"),
            &[
                (SYSTEM, "throughput", network.throughput),
                (SYSTEM, "response_time_mean", network.response_time),
                ("host.machine", "in_system_mean", network.places[0].number),
                ("station.database", "in_system_mean", network.places[1].number),
            ],
        ),
        case(
            "closed-10",
            "the same, 10 users",
            with(book!("closed"), &[("users = 60", "users = 10")]),
            &[
                (SYSTEM, "throughput", few.throughput),
                (SYSTEM, "response_time_mean", few.response_time),
            ],
        ),
        case(
            "repairmen",
            "nine machines, two repairmen",
            REPAIRMEN,
            &[
                (SYSTEM, "throughput", repair.throughput),
                (SYSTEM, "response_time_mean", repair.response_time),
            ],
        ),
        case(
            "classes",
            "two classes of users, one core shared",
            CLASSES,
            &[
                ("flow.light", "throughput", light.throughput),
                ("flow.light", "response_time_mean", light.response_time),
                ("flow.heavy", "throughput", heavy.throughput),
                ("flow.heavy", "response_time_mean", heavy.response_time),
            ],
        ),
    ])
}

const TANDEM: &str = r#"
[station.a]
servers = 2
[station.b]
servers = 1
[flow.request]
steps = [
  { use = "a", time = "exp(3ms)" },
  { choose = [{ weight = 0.5, steps = [{ use = "b", time = "exp(3ms)" }] }, { weight = 0.5 }] },
]
[workload.arrivals]
executor = "poisson"
rate = "500/s"
[run]
duration = "110s"
warm-up = "10s"
"#;

const FORK_JOIN: &str = r#"
[station.a]
[station.b]
[flow.request]
steps = [{ parallel = [
  { steps = [{ use = "a", time = "exp(1ms)" }] },
  { steps = [{ use = "b", time = "exp(1ms)" }] },
] }]
[workload.arrivals]
executor = "poisson"
rate = "800/s"
[run]
duration = "110s"
warm-up = "10s"
"#;

const REPAIRMEN: &str = r#"
[station.repairers]
servers = 2
[flow.repair]
steps = [{ use = "repairers", time = "exp(20ms)" }]
[workload.machines]
executor = "users"
users = 9
think-time = "exp(60ms)"
think-first = true
[run]
duration = "220s"
warm-up = "20s"
"#;

const CLASSES: &str = r#"
[host.machine]
cores = 1
[service.app]
host = "machine"
[flow.light]
at = "app"
steps = [{ cpu = "exp(8ms)" }]
[flow.heavy]
at = "app"
steps = [{ cpu = "lognormal(20ms, cv 1.5)" }]
[workload.many]
executor = "users"
users = 12
think-time = "exp(200ms)"
flow = "light"
[workload.few]
executor = "users"
users = 4
think-time = "exp(100ms)"
flow = "heavy"
[run]
duration = "440s"
warm-up = "40s"
"#;
