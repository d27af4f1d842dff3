//! A thread pool.
//!
//! ```toml
//! [thread-pool.http]
//! in = "order-api"
//! max-threads = 200
//! ```

use super::contract::*;
use super::permits::Permits;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};

/// As running.
pub struct ThreadPool {
    threads: Permits,
    queue: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    max_threads: u64,
    queue: u64,
}

impl Component for ThreadPool {
    const KIND: &'static str = "thread-pool";
    const ABOUT: &'static str = "threads that are held while a request runs";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "max-threads",
            Form::Count,
            Some("200"),
            "most threads (Tomcat `maxThreads`, 200)",
        ),
        key(
            "max-queue-capacity",
            Form::Count,
            Some("2147483647"),
            "places in the executor's queue (Tomcat `maxQueueSize`, unbounded)",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let max_threads = reader.count_in("max-threads", 1..=u32::MAX as u64);
        let queue = reader.count("max-queue-capacity");
        Some(Plan {
            max_threads: max_threads?,
            queue: queue?,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.max_threads as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "threads",
            // Tomcat's default is as good as none.
            bounded: plan.queue < i32::MAX as u64,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(0);
        ThreadPool {
            threads: Permits::new(plan.max_threads, u64::MAX, Fault::Rejected, build.instance, timer),
            queue: plan.queue,
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.threads.taken >= self.threads.limit && self.threads.line.len() as u64 >= self.queue {
            return Admission::Reject(Fault::Rejected);
        }
        self.threads.acquire(visit, cx)
    }

    #[inline(always)]
    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        self.threads.release(cx);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.threads.cancel(visit, cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.queue = plan.queue;
        self.threads.resize(plan.max_threads, cx);
    }
}
