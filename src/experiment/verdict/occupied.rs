//! How busy a component is: the share of what it has that is taken, by what is scarcest of it.

use super::mean;
use crate::component::Plan;
use crate::experiment::results::Metric;
use crate::model::Entry;

/// Stretches, keys, threads or replicas that differ by less are about as busy.
pub const SAME: f64 = 0.02;

/// How much of a component is taken.
pub struct Occupied {
    /// What of it, in a word or two.
    pub what: &'static str,
    pub share: f64,
    /// It is not what one thinks of first.
    pub special: bool,
}

/// How much of a component is taken in the measured time; `None` for one without a capacity.
pub fn occupied(entry: &Entry, metrics: &[Metric]) -> Option<Occupied> {
    let subject = entry.subject();
    let of = |name| mean(metrics, &subject, name);
    let mut best = of("utilisation").map(|share| Occupied {
        what: noun(entry),
        share,
        special: false,
    });
    // Of many keys, threads or replicas the hottest holds up who comes for it.
    let hottest = [
        (of("hottest_key_utilisation"), "held"),
        (of("busiest_thread_utilisation"), "busiest thread"),
        (of("busiest_replica_utilisation"), in_one_replica(entry)),
        (connections(entry, &of), "connections"),
        (permits(entry, &of), "permits"),
        (of("paused_share"), "paused"),
    ];
    for (share, what) in hottest {
        if let Some(share) = share
            && best.as_ref().is_none_or(|all| share > all.share + SAME)
        {
            best = Some(Occupied {
                what,
                share,
                special: true,
            });
        }
    }
    best
}

/// What a component is busy with, in a word.
fn noun(entry: &Entry) -> &'static str {
    match entry.kind {
        "host" => "cpu",
        "service" => "cpu-limit",
        "station" if entry.is_client() => "threads",
        "thread-pool" | "consumer" => "threads",
        "connection-pool" => "connections",
        "station" => "servers",
        "database" => "statements",
        "lock" => "held",
        _ => "busy",
    }
}

/// The same where one replica has more of it than the others.
fn in_one_replica(entry: &Entry) -> &'static str {
    match entry.kind {
        "host" => "cpu of one replica",
        "service" => "cpu-limit of one replica",
        "thread-pool" | "consumer" => "threads of one replica",
        "connection-pool" => "connections of one replica",
        _ => "in one replica",
    }
}

/// Connections that lie in pools or are kept open are no burden before somebody finds none.
fn connections(entry: &Entry, of: &impl Fn(&'static str) -> Option<f64>) -> Option<f64> {
    if of("connections_refused").is_some_and(|refused| refused > 0.0) {
        return of("connections_utilisation");
    }
    let Plan::ThreadPool(pool) = &entry.plan else {
        return None;
    };
    let all = pool.max_connections()? as f64 * f64::from(entry.instances);
    (of("backlog_mean")? > 0.0).then_some(of("connections_open_mean")? / all)
}

/// Calls that a limiter lets through, of those that it may.
fn permits(entry: &Entry, of: &impl Fn(&'static str) -> Option<f64>) -> Option<f64> {
    let Plan::RateLimiter(_) = &entry.plan else {
        return None;
    };
    let rate = entry.plan.facts().rate? * f64::from(entry.instances);
    Some((of("arrivals")? - of("rejected")? - of("timed_out")?) / rate)
}
