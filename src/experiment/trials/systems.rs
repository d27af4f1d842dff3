//! Small systems with exact answers, as somebody would write them who thinks of nothing but the system: no duration,
//! no warm-up, no number of replications, so that the defaults are what is tried.
//!
//! Service takes 20 to 50 ms; the default ten minutes are then ten to twenty thousand requests a replication.

use std::time::Duration;

use crate::experiment::results::SYSTEM;
use crate::statistics::Refusal;
use crate::statistics::closed::{Place, closed_network};
use crate::statistics::queueing::{
    Hyperexponential, Mmc, md1, mg1, mmc_fixed_patience, mmc_fixed_patience_waiting_quantile, mmck,
};

/// A system and what is known of it.
#[derive(Clone, Debug)]
pub struct System {
    pub name: &'static str,
    /// As a table calls it.
    pub title: &'static str,
    /// The model's text.
    pub source: String,
    /// Length of a run, where it is not the default.
    pub duration: Option<Duration>,
    /// Of so many experiments asked for, one is done: long runs are dear.
    pub one_in: u32,
    pub figures: Vec<Known>,
}

/// A figure whose exact value is known.
#[derive(Clone, Debug)]
pub struct Known {
    pub subject: String,
    pub name: String,
    /// In the figure's unit.
    pub exact: f64,
}

fn known(subject: &str, name: &str, exact: f64) -> Known {
    Known {
        subject: subject.to_owned(),
        name: name.to_owned(),
        exact,
    }
}

/// Percentiles that are compared.
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// All systems.
///
/// # Errors
/// Never with the numbers written here; the formulas' refusals are passed on.
pub fn systems() -> Result<Vec<System>, Refusal> {
    Ok(vec![
        many("mm1-50", "M/M/1 at 0.5", 1, 10.0)?,
        many("mm1-80", "M/M/1 at 0.8", 1, 16.0)?,
        many("mm1-95", "M/M/1 at 0.95", 1, 19.0)?,
        System {
            duration: Some(Duration::from_secs(4 * 3600)),
            one_in: 5,
            ..many("mm1-95-long", "M/M/1 at 0.95, 4 h", 1, 19.0)?
        },
        many("mm8", "M/M/8 at 0.8", 8, 16.0)?,
        constant()?,
        hyperexponential()?,
        lognormal()?,
        closed()?,
        patience()?,
        room()?,
        lag()?,
    ])
}

pub(super) fn station(servers: u32, law: &str, rate: f64) -> String {
    format!(
        "[station.server]\nservers = {servers}\n\n\
         [flow.request]\nsteps = [{{ use = \"server\", time = \"{law}\" }}]\n\n\
         [workload.arrivals]\nexecutor = \"poisson\"\nrate = \"{rate}/s\"\n"
    )
}

fn many(name: &'static str, title: &'static str, servers: u32, rate: f64) -> Result<System, Refusal> {
    // As much work for each server whatever their number, so that all systems are as large.
    let service = 0.050 * f64::from(servers);
    let exact = Mmc::new(servers, rate, service)?;
    let mut figures = vec![
        known(SYSTEM, "throughput", rate),
        known(SYSTEM, "response_time_mean", exact.means().response_time),
        known("station.server", "waiting_time_mean", exact.means().waiting_time),
    ];
    for (p, share) in PERCENTILES {
        let value = exact.response_time_quantile(share)?;
        figures.push(known(SYSTEM, &format!("response_time_{p}"), value));
    }
    Ok(System {
        name,
        title,
        source: station(servers, &format!("exp({}ms)", 50 * servers), rate),
        duration: None,
        one_in: 1,
        figures,
    })
}

fn constant() -> Result<System, Refusal> {
    let exact = md1(16.0, 0.050)?;
    Ok(System {
        name: "md1",
        title: "M/D/1 at 0.8",
        source: station(1, "50ms", 16.0),
        duration: None,
        one_in: 1,
        figures: vec![
            known(SYSTEM, "throughput", 16.0),
            known(SYSTEM, "response_time_mean", exact.response_time),
        ],
    })
}

fn hyperexponential() -> Result<System, Refusal> {
    // Each sort of request carries half of the work: `hyperexp(20ms, cv 3)` with its phases written out.
    let rare = 0.5 * (1.0 - 0.8f64.sqrt());
    let phases = [(1.0 - rare, 0.010 / (1.0 - rare)), (rare, 0.010 / rare)];
    let exact = Hyperexponential::new(35.0, phases)?;
    let mut figures = vec![
        known(SYSTEM, "throughput", 35.0),
        known(SYSTEM, "response_time_mean", mg1(35.0, 0.020, 3.0)?.response_time),
    ];
    for (p, share) in PERCENTILES {
        let value = exact.response_time_quantile(share)?;
        figures.push(known(SYSTEM, &format!("response_time_{p}"), value));
    }
    Ok(System {
        name: "mh1",
        title: "M/H2/1, cv 3, at 0.7",
        source: station(1, "hyperexp(20ms, cv 3)", 35.0),
        duration: None,
        one_in: 1,
        figures,
    })
}

fn lognormal() -> Result<System, Refusal> {
    let exact = mg1(35.0, 0.020, 3.0)?;
    Ok(System {
        name: "mg1",
        title: "M/G/1, lognormal, cv 3, at 0.7",
        source: station(1, "lognormal(20ms, cv 3)", 35.0),
        duration: None,
        one_in: 1,
        figures: vec![
            known(SYSTEM, "throughput", 35.0),
            known(SYSTEM, "response_time_mean", exact.response_time),
        ],
    })
}

fn closed() -> Result<System, Refusal> {
    let places = [Place::queue(0.040), Place::servers(0.150, 4)];
    let mut exact = closed_network(&places, 2.0, 50)?;
    let exact = exact.pop().ok_or(Refusal::TooFew { needed: 1, found: 0 })?;
    let source = "[host.machine]\ncores = 1\n\n[service.app]\nhost = \"machine\"\n\n\
        [station.database]\nservers = 4\n\n[flow.request]\nat = \"app\"\n\
        steps = [{ cpu = \"exp(40ms)\" }, { use = \"database\", time = \"exp(150ms)\" }]\n\n\
        [workload.users]\nexecutor = \"users\"\nusers = 50\nthink-time = \"exp(2s)\"\n";
    Ok(System {
        name: "closed",
        title: "closed network, 50 users",
        source: source.to_owned(),
        duration: None,
        one_in: 1,
        figures: vec![
            known(SYSTEM, "throughput", exact.throughput),
            known(SYSTEM, "response_time_mean", exact.response_time),
            known("host.machine", "in_system_mean", exact.places[0].number),
            known("station.database", "in_system_mean", exact.places[1].number),
        ],
    })
}

fn patience() -> Result<System, Refusal> {
    let (servers, rate, service, patience) = (5, 19.0, 0.250, 1.250);
    let exact = mmc_fixed_patience(servers, rate, service, patience)?;
    let source = "[connection-pool.db]\nmaximum-pool-size = 5\nconnection-timeout = \"1250ms\"\n\n\
        [flow.request]\nsteps = [{ use = \"db\", steps = [{ delay = \"exp(250ms)\" }] }]\n\n\
        [workload.arrivals]\nexecutor = \"poisson\"\nrate = \"19/s\"\n";
    let pool = "connection-pool.db";
    let mut figures = vec![
        known(SYSTEM, "throughput", exact.throughput),
        known(SYSTEM, "failure_share", exact.abandoned),
        known(pool, "waiting_time_mean", exact.waiting_time),
    ];
    for (p, share) in PERCENTILES.into_iter().take(2) {
        let value = mmc_fixed_patience_waiting_quantile(servers, rate, service, patience, share)?;
        figures.push(known(pool, &format!("waiting_time_{p}"), value));
    }
    Ok(System {
        name: "patience",
        title: "M/M/5, patience 1.25 s, at 0.95",
        source: source.to_owned(),
        duration: None,
        one_in: 1,
        figures,
    })
}

fn room() -> Result<System, Refusal> {
    let exact = mmck(3, 15, 16.0, 0.150)?;
    Ok(System {
        name: "room",
        title: "M/M/3/15 at 0.8",
        source: station(3, "exp(150ms)", 16.0).replace("servers = 3", "servers = 3\ncapacity = 15"),
        duration: None,
        one_in: 1,
        figures: vec![
            known(SYSTEM, "throughput", exact.means.throughput),
            known(SYSTEM, "failure_share", exact.rejected),
            known(SYSTEM, "response_time_mean", exact.means.response_time),
        ],
    })
}

fn lag() -> Result<System, Refusal> {
    let exact = Mmc::new(1, 16.0, 0.050)?;
    let source = "[topic.events]\npartitions = 1\nlinger = \"0s\"\n\n\
        [consumer.group]\ntopic = \"events\"\nconcurrency = 1\nmax-poll-records = 1\n\
        steps = [{ delay = \"exp(50ms)\" }]\n\n[flow.send]\nsteps = [{ publish = \"events\" }]\n\n\
        [workload.arrivals]\nexecutor = \"poisson\"\nrate = \"16/s\"\n";
    let group = "consumer.group";
    let mut figures = vec![
        known(group, "consumed", 16.0),
        known(group, "lag_mean", exact.means().number_in_system),
    ];
    for (p, share) in PERCENTILES {
        let value = exact.response_time_quantile(share)?;
        figures.push(known(group, &format!("end_to_end_{p}"), value));
    }
    Ok(System {
        name: "lag",
        title: "a partition and its consumer as M/M/1 at 0.8",
        source: source.to_owned(),
        duration: None,
        one_in: 1,
        figures,
    })
}
