//! What a group reports of its lag.

use super::super::contract::*;
use crate::kernel::log::Log;
use crate::metric::Gauge;
use crate::quantity::SimTime;

/// Lag of a group: log end offset less committed offset, as Kafka's tools show it.
pub fn lag_readings(log: &Log, group: u32, now: SimTime, out: &mut Readings) {
    let g = &log.groups[group as usize];
    let mean = |gauge: &Gauge| gauge.mean(now).unwrap_or(f64::NAN);
    out.add("lag_mean", Unit::Count, Combine::Sum, mean(&g.lag));
    out.add("lag_max", Unit::Count, Combine::Sum, g.lag.max() as f64);
    out.add("lag_end", Unit::Count, Combine::Sum, g.lag.value() as f64);
    // Topics of many partitions do not keep each one's.
    let longest = g.lags.iter().map(|lag| lag.max() as f64).reduce(f64::max);
    out.add(
        "lag_partition_max",
        Unit::Count,
        Combine::Sum,
        longest.unwrap_or(f64::NAN),
    );
    out.add(
        "client_lag_end",
        Unit::Count,
        Combine::Sum,
        log.client_lag(group) as f64,
    );
    out.add(
        "time_lag_end",
        Unit::Seconds,
        Combine::Sum,
        log.time_lag(group, now.nanos()) as f64 * 1e-9,
    );
    out.add("rebalances", Unit::Count, Combine::Sum, g.rebalances as f64);
    out.add(
        "rebalance_time",
        Unit::Seconds,
        Combine::Sum,
        g.rebalance_time as f64 * 1e-9,
    );
    for (p, lag) in g.lags.iter().enumerate() {
        out.add(
            format!("lag_partition_{p}_mean"),
            Unit::Count,
            Combine::Sum,
            mean(lag),
        );
        out.add(
            format!("lag_partition_{p}_max"),
            Unit::Count,
            Combine::Sum,
            lag.max() as f64,
        );
    }
}
