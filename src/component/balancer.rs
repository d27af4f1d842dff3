//! A load balancer: sends each call to one replica of a service.
//!
//! ```toml
//! [balancer.edge]
//! to = "order-api"
//! policy = "least-connections"
//! ```
//!
//! A service without a balancer of its own is reached by round robin.

use super::contract::*;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};

/// As running.
pub struct Balancer {
    policy: Policy,
    first: u32,
    replicas: u32,
    turn: u32,
    no_replica: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub to: ComponentId,
    pub policy: Policy,
}

/// How a replica is chosen.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// One after the other (nginx's default with equal weights).
    RoundRobin,
    Random,
    /// The fewest requests in flight; among equals the next in turn (nginx `least_conn`, HAProxy `leastconn`).
    LeastConnections,
    /// Two different replicas at random, the one with fewer requests in flight (Mitzenmacher 2001).
    PowerOfTwo,
}

const POLICIES: &[&str] = &["round-robin", "random", "least-connections", "power-of-two"];

impl Component for Balancer {
    const KIND: &'static str = "balancer";
    const ABOUT: &'static str = "sends each call to one replica of a service";
    const KEYS: &'static [Key] = &[
        key(
            "to",
            Form::Name,
            None,
            "the service whose replicas it chooses from",
        ),
        key(
            "policy",
            Form::Choice(POLICIES),
            Some("\"round-robin\""),
            "how it chooses (nginx's default is round robin)",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let to = reader.required_name("to");
        let policy = match reader.choice("policy")? {
            "random" => Policy::Random,
            "least-connections" => Policy::LeastConnections,
            "power-of-two" => Policy::PowerOfTwo,
            _ => Policy::RoundRobin,
        };
        let to = names.resolve(&["service"], &to?, reader)?;
        Some(Plan { to, policy })
    }

    fn accepts(_: &Plan, _: Usage) -> Result<(), String> {
        Err("a balancer is reached by calling its service".into())
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        Balancer {
            policy: plan.policy,
            first: build.layout.first_replica.get(&plan.to).copied().unwrap_or(0),
            replicas: build.layout.service_replicas(plan.to),
            turn: 0,
            no_replica: 0,
        }
    }

    #[inline]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let Some(replica) = self.choose(visit, cx) else {
            self.no_replica += 1;
            return Admission::Reject(Fault::Unavailable);
        };
        cx.replicas[(self.first + replica) as usize].in_flight += 1;
        let home = std::mem::replace(&mut cx.requests[visit.slot].home, self.first + replica);
        *cx.word(visit) = (home as u64) << 32 | replica as u64;
        Admission::Proceed
    }

    #[inline]
    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        let word = *cx.word(visit);
        cx.replicas[(self.first + word as u32) as usize].in_flight -= 1;
        cx.requests[visit.slot].home = (word >> 32) as u32;
    }

    fn reset(&mut self, _: crate::quantity::SimTime) {
        self.no_replica = 0;
    }
}

impl Balancer {
    #[inline]
    fn choose(&mut self, visit: Visit, cx: &Context) -> Option<u32> {
        let up = |r: u32| cx.replicas[(self.first + r) as usize].up;
        let load = |r: u32| cx.replicas[(self.first + r) as usize].in_flight;
        let n = self.replicas;
        if n == 1 {
            return up(0).then_some(0);
        }
        match self.policy {
            Policy::RoundRobin => {
                let found = (0..n).map(|i| (self.turn + i) % n).find(|r| up(*r))?;
                self.turn = (found + 1) % n;
                Some(found)
            }
            Policy::LeastConnections => {
                let found = (0..n)
                    .map(|i| (self.turn + i) % n)
                    .filter(|r| up(*r))
                    .min_by_key(|r| load(*r))?;
                self.turn = (found + 1) % n;
                Some(found)
            }
            Policy::Random | Policy::PowerOfTwo => {
                let alive = (0..n).filter(|r| up(*r)).count() as u32;
                if alive == 0 {
                    return None;
                }
                let nth = |k: u32| {
                    if alive == n {
                        Some(k)
                    } else {
                        (0..n).filter(|r| up(*r)).nth(k as usize)
                    }
                };
                let mut draws = cx.site_draws(visit);
                let pick = |u: f64, m: u32| ((u * m as f64) as u32).min(m - 1);
                let a = pick(draws.unit(), alive);
                if self.policy == Policy::Random || alive == 1 {
                    return nth(a);
                }
                // A second one among the others.
                let b = pick(draws.unit(), alive - 1);
                let (a, b) = (nth(a)?, nth(if b >= a { b + 1 } else { b })?);
                Some(if load(b) < load(a) { b } else { a })
            }
        }
    }
}
