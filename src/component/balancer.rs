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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Line, Replica, Site};
    use crate::quantity::SimTime;
    use crate::random::{purpose_key, request_key};

    fn context(replicas: usize) -> Context {
        let site = Site {
            purpose: purpose_key(1, 0, "route"),
            sampler: None,
            recorded: None,
            keys: None,
            note: 0,
        };
        let mut cx = Context::new(SimTime::from_nanos(u64::MAX >> 1), 1, Box::new([site]), None);
        cx.requests.take();
        cx.replicas = vec![
            Replica {
                up: true,
                frozen: 0,
                in_flight: 0,
                stalled: Line::default(),
                pause: Default::default(),
            };
            replicas
        ];
        cx
    }

    fn balancer(policy: Policy, replicas: u32) -> Balancer {
        Balancer {
            policy,
            first: 0,
            replicas,
            turn: 0,
            no_replica: 0,
        }
    }

    /// The replicas of `n` requests that never end.
    fn choices(b: &mut Balancer, cx: &mut Context, n: u64) -> Vec<u32> {
        (0..n)
            .map(|i| {
                cx.requests[0].key = request_key(5, i);
                let visit = Visit {
                    instance: 0,
                    slot: 0,
                    frame: 0,
                    site: 0,
                    demand: 0,
                };
                let r = b.choose(visit, cx).expect("a replica is up");
                cx.replicas[r as usize].in_flight += 1;
                r
            })
            .collect()
    }

    #[test]
    fn round_robin_takes_turns_and_skips_who_is_down() {
        let (mut cx, mut b) = (context(3), balancer(Policy::RoundRobin, 3));
        assert_eq!(choices(&mut b, &mut cx, 5), [0, 1, 2, 0, 1]);
        cx.replicas[2].up = false;
        assert_eq!(choices(&mut b, &mut cx, 4), [0, 1, 0, 1]);
    }

    #[test]
    fn the_fewest_connections_win_and_equals_take_turns() {
        let (mut cx, mut b) = (context(3), balancer(Policy::LeastConnections, 3));
        assert_eq!(choices(&mut b, &mut cx, 6), [0, 1, 2, 0, 1, 2]);
        cx.replicas[1].in_flight = 0;
        assert_eq!(choices(&mut b, &mut cx, 3), [1, 1, 2]);
    }

    #[test]
    fn of_two_different_replicas_the_one_with_less_to_do_wins() {
        // Two replicas: both are always looked at.
        let (mut cx, mut b) = (context(2), balancer(Policy::PowerOfTwo, 2));
        cx.replicas[0].in_flight = 1000;
        assert!(choices(&mut b, &mut cx, 999).iter().all(|r| *r == 1));
        // Of five, the busiest is never chosen, and the others evenly.
        let (mut cx, mut b) = (context(5), balancer(Policy::PowerOfTwo, 5));
        cx.replicas[3].in_flight = 1_000_000;
        let list = choices(&mut b, &mut cx, 1000);
        let count = |r| list.iter().filter(|c| **c == r).count();
        assert_eq!(count(3), 0);
        assert!([0, 1, 2, 4].iter().all(|r| (240..=260).contains(&count(*r))));
    }

    #[test]
    fn random_choices_are_even_and_nobody_is_chosen_when_all_are_down() {
        let (mut cx, mut b) = (context(4), balancer(Policy::Random, 4));
        let list = choices(&mut b, &mut cx, 4000);
        for r in 0..4 {
            // Four standard deviations.
            let n = list.iter().filter(|c| **c == r).count() as f64;
            assert!((n - 1000.0).abs() < 110.0, "{n}");
        }
        cx.replicas.iter_mut().for_each(|r| r.up = false);
        let visit = Visit {
            instance: 0,
            slot: 0,
            frame: 0,
            site: 0,
            demand: 0,
        };
        assert_eq!(b.choose(visit, &cx), None);
    }
}
