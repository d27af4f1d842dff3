//! What a pool reports, under the names of Micrometer where it has them.

use super::super::contract::*;
use super::ThreadPool;
use crate::kernel::Context;
use crate::metric::Gauge;
use crate::quantity::SimTime;

impl ThreadPool {
    pub(super) fn read(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let now = cx.now();
        let span = (now - since).nanos().max(1) as f64;
        let per_second = |n: u64| n as f64 * 1e9 / span;
        let mean = |g: &Gauge| g.area(now) as f64 / span;
        out.add("threads_current", Unit::Count, Combine::Sum, self.started as f64);
        out.add(
            "executor_queue_mean",
            Unit::Count,
            Combine::Sum,
            mean(&self.queued),
        );
        out.add(
            "executor_queue_max",
            Unit::Count,
            Combine::Max,
            self.queued.max() as f64,
        );
        let Some(front) = &self.front else {
            return out.add(
                "caller_runs",
                Unit::PerSecond,
                Combine::Sum,
                per_second(self.caller_runs),
            );
        };
        // Whoever is inside has a connection, except those in the kernel's hands.
        let inside = mean(&cx.meters[self.instance as usize].present);
        let idle = mean(&front.idle(cx.now()));
        let open = inside - mean(&front.in_backlog) - mean(&front.unconnected) + idle;
        out.add("connections_open_mean", Unit::Count, Combine::Sum, open);
        out.add(
            "connections_open_max",
            Unit::Count,
            Combine::Max,
            front.open_max as f64,
        );
        out.add("connections_idle_mean", Unit::Count, Combine::Sum, idle);
        out.add("backlog_mean", Unit::Count, Combine::Sum, mean(&front.in_backlog));
        out.add(
            "backlog_max",
            Unit::Count,
            Combine::Max,
            front.in_backlog.max() as f64,
        );
        if let Some(reading_on) = &self.reading_on {
            out.add(
                "read_on",
                Unit::PerSecond,
                Combine::Sum,
                per_second(reading_on.found),
            );
        }
        out.add(
            "syns_dropped",
            Unit::PerSecond,
            Combine::Sum,
            per_second(front.syns_dropped),
        );
        out.add(
            "acks_dropped",
            Unit::PerSecond,
            Combine::Sum,
            per_second(front.acks_dropped),
        );
        out.add(
            "connect_timeouts",
            Unit::PerSecond,
            Combine::Sum,
            per_second(front.connect_timeouts),
        );
        out.add("resets", Unit::PerSecond, Combine::Sum, per_second(front.resets));
    }
}
