//! The list of kinds. A new kind is one file, its `mod` line and its name in the list below.

mod contract;

mod alarm;
pub mod autoscaler;
mod balancer;
mod bulkhead;
mod cache;
mod cache_store;
mod circuit_breaker;
mod connection_adder;
mod connection_pool;
mod connector;
mod cpu_limit;
mod consumer;
mod database;
mod external;
mod facts;
pub mod faults;
mod first_come;
mod hand_off;
mod heap;
mod host;
mod load_average;
mod lock;
mod outbox;
mod outsiders;
mod permits;
mod processor_sharing;
mod producer;
mod rate_limiter;
mod recording;
mod retry;
mod round_robin;
mod service;
mod statement_timer;
mod station;
mod tcp_timer;
mod thread_pool;
mod time_limiter;
mod topic;
mod waiting;

pub use contract::{
    Build, Combine, Component, ComponentId, EACH_BEGIN, EACH_DONE, EACH_NEXT, Layout, Lowering, Names, Place,
    Reading, Readings, SitePlan, Unit, Usage, UseStep, describe, read_law, read_step_law, single,
};

pub use balancer::{CALL_TIMED_OUT, CALLER_LEFT};
pub use database::{caller, lower_query};
pub use facts::{Facts, Feed, counted};
pub use recording::{Recording, Recordings};
pub use service::Plan as ServicePlan;
pub use station::Plan as StationPlan;

use std::collections::BTreeMap;

use crate::diagnostic::Sink;
use crate::document::{Item, Key, Reader};
use crate::kernel::{Admission, Caught, Context, Fault, Outcome, Visit};
use crate::quantity::SimTime;

/// A kind of component, as the checker and the documentation see it.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub about: &'static str,
    pub keys: &'static [Key],
    pub step_keys: &'static [Key],
    /// The keys that the timeline may set.
    pub settable: &'static [&'static str],
    pub freezes: bool,
    pub probes: &'static [(&'static str, Unit, Combine)],
}

macro_rules! components {
    ($($module:ident :: $kind:ident),* $(,)?) => {
        /// A component as checked.
        #[derive(Clone, Debug)]
        pub enum Plan { $($kind(<$module::$kind as Component>::Plan)),* }

        /// An instance of a component as running.
        // A tag of its own: one that the compiler hides in a field costs several instructions a visit.
        #[repr(u8)]
        pub enum Instance { $($kind($module::$kind)),* }

        /// All kinds, in the order that decides the components' numbers.
        pub static KINDS: &[Kind] = &[$(Kind {
            name: <$module::$kind as Component>::KIND,
            about: <$module::$kind as Component>::ABOUT,
            keys: <$module::$kind as Component>::KEYS,
            step_keys: <$module::$kind as Component>::STEP_KEYS,
            settable: <$module::$kind as Component>::SETTABLE,
            freezes: <$module::$kind as Component>::FREEZES,
            probes: <$module::$kind as Component>::PROBES,
        }),*];

        impl Plan {
            /// Checks a table of the given kind.
            pub fn check(kind: &str, reader: &mut Reader, names: &Names) -> Option<Plan> {
                match kind {
                    $(<$module::$kind as Component>::KIND =>
                        <$module::$kind as Component>::check(reader, names).map(Plan::$kind),)*
                    _ => None,
                }
            }

            pub fn kind(&self) -> &'static str {
                match self { $(Plan::$kind(_) => <$module::$kind as Component>::KIND),* }
            }

            pub fn accepts(&self, usage: Usage) -> Result<(), String> {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::accepts(p, usage)),* }
            }

            pub fn seats(&self) -> Option<u64> {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::seats(p)),* }
            }

            pub fn check_step(&self, options: &BTreeMap<String, Item>, sink: &mut Sink) {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::check_step(p, options, sink)),* }
            }

            pub fn catches(&self) -> bool {
                match self { $(Plan::$kind(_) => <$module::$kind as Component>::CATCHES),* }
            }

            pub fn batches(&self) -> bool {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::batches(p)),* }
            }

            pub fn keeps(&self) -> u64 {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::keeps(p)),* }
            }

            pub fn capacity(&self) -> Option<f64> {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::capacity(p)),* }
            }

            pub fn facts(&self) -> Facts {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::facts(p)),* }
            }

            pub fn lower(&self, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::lower(p, step, lowering, body)),* }
            }

            pub fn agents(&self, me: Place, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) -> Option<u32> {
                match self { $(Plan::$kind(p) => <$module::$kind as Component>::agents(p, me, lowering, body)),* }
            }

            pub fn build(&self, build: &mut Build) -> Instance {
                match self { $(Plan::$kind(p) => Instance::$kind(<$module::$kind as Component>::build(p, build))),* }
            }
        }

        impl Instance {
            pub fn start(&mut self, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.start(cx)),* }
            }
            pub fn absent(&mut self, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.absent(cx)),* }
            }
            #[inline(always)]
            pub fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
                match self { $(Instance::$kind(c) => c.enter(visit, cx)),* }
            }
            #[inline(always)]
            pub fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.leave(visit, outcome, cx)),* }
            }
            pub fn op(&mut self, op: u8, visit: Visit, cx: &mut Context) -> Admission {
                match self { $(Instance::$kind(c) => c.op(op, visit, cx)),* }
            }
            pub fn closing(&mut self, cx: &mut Context) -> bool {
                match self { $(Instance::$kind(c) => c.closing(cx)),* }
            }
            pub fn stopped(&mut self, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.stopped(cx)),* }
            }
            pub fn started(&mut self, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.started(cx)),* }
            }
            pub fn load(&mut self, threads: i32, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.load(threads, cx)),* }
            }
            pub fn wake(&mut self, tag: u32, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.wake(tag, cx)),* }
            }
            pub fn cancel(&mut self, visit: Visit, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.cancel(visit, cx)),* }
            }
            pub fn caught(&mut self, visit: Visit, fault: Fault, cx: &mut Context) -> Caught {
                match self { $(Instance::$kind(c) => c.caught(visit, fault, cx)),* }
            }
            pub fn freeze(&mut self, replica: u32, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.freeze(replica, cx)),* }
            }
            pub fn ended(&mut self, replica: u32, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.ended(replica, cx)),* }
            }
            pub fn thaw(&mut self, replica: u32, cx: &mut Context) {
                match self { $(Instance::$kind(c) => c.thaw(replica, cx)),* }
            }
            /// Takes over a changed table; the kinds are the same by construction.
            pub fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
                match (self, plan) {
                    $((Instance::$kind(c), Plan::$kind(p)) => c.adopt(p, cx),)*
                    #[allow(unreachable_patterns)]
                    _ => {}
                }
            }
            pub fn hears(&self) -> bool {
                match self { $(Instance::$kind(_) => <$module::$kind as Component>::HEARS),* }
            }
            pub fn busy(&self, now: SimTime, cx: &Context) -> Option<f64> {
                match self { $(Instance::$kind(c) => c.busy(now, cx)),* }
            }
            pub fn reset(&mut self, now: SimTime) {
                match self { $(Instance::$kind(c) => c.reset(now)),* }
            }
            pub fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
                match self { $(Instance::$kind(c) => c.probe(cx, out)),* }
            }
            pub fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
                match self { $(Instance::$kind(c) => c.observe(cx, since, out)),* }
            }
        }
    };
}

components! {
    host::Host,
    service::Service,
    balancer::Balancer,
    station::Station,
    thread_pool::ThreadPool,
    connection_pool::ConnectionPool,
    database::Database,
    lock::Lock,
    external::External,
    time_limiter::TimeLimiter,
    retry::Retry,
    circuit_breaker::CircuitBreaker,
    rate_limiter::RateLimiter,
    bulkhead::Bulkhead,
    cache::Cache,
    topic::Topic,
    consumer::Consumer,
    outbox::Outbox,
    heap::Heap,
    autoscaler::Autoscaler,
}

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_timeline_may_set_is_a_key() {
        for kind in KINDS {
            for key in kind.settable {
                assert!(
                    kind.keys.iter().any(|k| k.name == *key),
                    "{} has no `{key}`",
                    kind.name
                );
            }
        }
    }
}
