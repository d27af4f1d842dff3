//! Paths, arguments, and small files as somebody might write them.

use crate::mutate::{AMOUNTS, Dice};

pub fn path(dice: &mut Dice) -> String {
    const PARTS: &[&str] = &[
        "service",
        "api",
        "order-api",
        "replicas",
        "station",
        "server",
        "servers",
        "flow",
        "visit",
        "main",
        "steps",
        "steps[0]",
        "steps[1]",
        "[0]",
        "[-1]",
        "[18446744073709551616]",
        "workload",
        "customers",
        "shoppers",
        "rate",
        "\"a.b\"",
        "\"",
        "",
        "é",
        "time",
        "steps[0].steps[0]",
        "run",
        "duration",
        "host",
        "cores",
        "timeline",
        "timeline[0]",
        "connection-pool",
        "maximum-pool-size",
        "arrivals",
        "users",
        "vus",
        "database",
        "objective",
    ];
    let parts: Vec<&str> = (0..1 + dice.below(4)).map(|_| dice.pick(PARTS)).collect();
    parts.join(dice.pick(&[".", ".", ".", "..", "", " . "]))
}

pub fn arguments(dice: &mut Dice) -> Vec<String> {
    const WORDS: &[&str] = &[
        "run",
        "sweep",
        "check",
        "bench",
        "validate",
        "help",
        "models/shop.toml",
        "experiments/scale-out.toml",
        "--duration",
        "--warm-up",
        "--replications",
        "--seed",
        "--set",
        "--out",
        "--threads",
        "--coin",
        "--profile",
        "--max-events",
        "--max-memory",
        "--max-wall",
        "--listing",
        "--customers",
        "--rounds",
        "--json",
        "--help",
        "--version",
        "-h",
        "-V",
        "--",
        "-",
        "--no",
        "m3",
        "events",
        "diverge",
        "coverage",
        "theory",
        "verdicts",
        "--every",
        "--from",
        "--to",
        "--replication",
        "--windows",
        "--experiments",
        "--only",
        "models/textbook/mmc.toml",
        "experiments/stress.toml",
        "tests/refusal/cut-off.log",
        "station.desk.servers=3",
        "service.api.replicas=[]",
        "workload.arrivals.rate=1e9/s",
        "a.b=1",
        "a=",
        "=",
        "a.b=exp(2ms)",
        "a.b=[1",
        "testbed",
        "\u{0}",
        "é=é",
        "/dev/null",
    ];
    let mut list = vec!["plimsoll".to_owned()];
    for _ in 0..dice.below(8) {
        let word = if dice.below(3) == 0 {
            dice.pick(AMOUNTS)
        } else {
            dice.pick(WORDS)
        };
        let glued = word.starts_with("--") && dice.below(4) == 0;
        list.push(if glued {
            format!("{word}={}", dice.pick(AMOUNTS))
        } else {
            word.to_owned()
        });
    }
    list
}

/// A finished point as a sweep keeps it.
pub const STORED: &str = r#"{"replications":2,"warm_up":0,"transient_lasts":false,"converged":true,"figures":[{"subject":"system",
"name":"throughput","unit":"per-second","values":[4607182418800017408,9221120237041090560]}],"times":[1,2],"columns":[],
"inside":[[0],[1]],"events":5,"peak_requests":1,"peak_bytes":64,"cut":0,"cut_by":null,"shortest":0,"simulated":0,"visits":[["station.a",3]]}"#;

/// A trail as `events` writes it.
pub const TRAIL: &str = "event,time_ns,rank,number,what,digest\n4096,1000,0,4100,request 3 at instruction 2: enter,00000000000000aa\n\
    8192,2000,1,8200,timer 0 of station.a,00000000000000bb\n,,,,figure system throughput,3ff0000000000000\n\
    9000,,,,the end,00000000000000cc\n";

/// Measurements as the testbed's rows name them.
pub const MEASURED: &str = "# a run a line\nrow,repeat,arrival_seed,service_seed,throughput,mean_ms,p50_ms,p95_ms,p99_ms,failed,claimed\n\
    E1.1,1,,,99.2,50.1,50.0,51,52,0,\nE1.1,2,7,8,99.1,50.2,50.0,51,52,0.01,0.5\n";

/// Models that read a data file in each of the ways there are.
pub const READERS: &[&str] = &[
    "[flow.f]\nsteps = [{ delay = \"1ms\" }]\n[workload.w]\nexecutor = \"recorded\"\nfile = \"x.csv\"\nflow = \"f\"\n",
    "[station.s]\nservers = 1\n[flow.f]\nsteps = [{ use = \"s\", time = \"1ms + recorded(service_ms, 1ms)\" }]\n\
     [workload.w]\nexecutor = \"recorded\"\nfile = \"x.csv\"\ntime-column = \"sent_ms\"\ntime-unit = \"1ms\"\n",
    "[flow.f]\nsteps = [{ delay = \"ceil(1ms, recorded(service_draw_ms, 1ms))\" }]\n[workload.w]\nexecutor = \"recorded\"\n\
     file = \"x.csv\"\ntime-column = \"intended_us\"\ntime-unit = \"1us\"\ntimeout = \"2s\"\n",
    "[flow.f]\nsteps = [{ delay = \"empirical(x.csv)\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n",
    "[flow.f]\nsteps = [{ delay = \"1ms\" }]\n[workload.w]\nexecutor = \"users\"\nusers = 3\nthink-time = \"mix(0.5: empirical(x.csv), 0.5: 1s)\"\n",
    "[service.s]\nhost = { cores = 1 }\n[heap.jvm]\nin = \"s\"\npauses = { log = \"x.csv\" }\n[flow.f]\nat = \"s\"\n\
     steps = [{ cpu = \"1ms\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n",
    "[service.s]\nhost = { cores = 1 }\n[heap.jvm]\nin = \"s\"\npauses = { log = \"x.csv\", last = \"2s\" }\n[flow.f]\nat = \"s\"\n\
     steps = [{ cpu = \"1ms\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n",
    "[service.s]\nhost = { cores = 1 }\n[heap.jvm]\nin = \"s\"\npauses = { log = \"x.csv\", trigger = \"allocation\" }\n[flow.f]\n\
     at = \"s\"\nsteps = [{ cpu = \"1ms\", allocates = \"20MiB\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n",
];
