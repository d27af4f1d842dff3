//! A load balancer: sends each call to one replica of a service.
//!
//! ```toml
//! [balancer.edge]
//! to = "order-api"
//! policy = "least-connections"
//! ```
//!
//! A service without a balancer of its own is reached by round robin.
//!
//! A call that its caller has given up is no open connection any more for `least-connections` and `power-of-two`, though the
//! replica may still be at work on it. All callers share one count.
//!
//! With `weights` round robin is smooth, as nginx's: of 5, 1 and 1 it makes a a b a c a a. Fewest connections are then those by weight.
//!
//! A replica that is stopped gets no calls: its connections are refused at once, and the next replica is tried (nginx, whose
//! `proxy_next_upstream` is `error timeout`), or an active health check has seen it. With `max-fails` the balancer learns from
//! its calls too, as nginx does: a replica at which so many have failed is passed over for `fail-timeout`; then one call
//! tries it, and one that does not fail forgets its failures. When nobody is left calls fail at once (`unavailable`; nginx: 502, no
//! live upstreams). A call has failed when its connection was not taken (a thread pool's `rejected` and `connect_timeout` at the
//! service's door), when its replica stopped, and when a time limiter around it passed, at that instant (a workload's
//! `timeout` is the client's own, and says nothing). An answer is no
//! failure, not even an error or a rejection from inside the service, unless `fail-on` names it.
//! Left out: a second try elsewhere of a call that meets a full accept queue or a time-out, and that nginx lowers the weight of who has
//! failed. Each call is balanced by itself: clients that keep a connection to a Kubernetes service (balanced at layer 4) stay with its
//! replica, so that new replicas help them later than shown here.
//! Beside what every component reports: `marked_down` (how often replicas were passed over, a second).

mod health;

use super::contract::*;
use super::faults;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::request::{REFUSED, pack_replica, unpack_replica};
use crate::kernel::{Admission, Context, Effect, Fault, Faults, Outcome, Visit};
use health::Health;

/// As running.
pub struct Balancer {
    policy: Policy,
    first: u32,
    replicas: u32,
    turn: u32,
    /// The replicas that are up, as known when so many had come and gone.
    alive: Vec<u32>,
    known: u64,
    health: Health,
    fail_on: Faults,
    /// Calls under way, by frame, whose callers have given up: their failures were counted then.
    overdue: Vec<u32>,
    /// Weight of each replica, and how far it is ahead of its turn; empty if all are equal.
    weights: Vec<(u32, i64)>,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub to: ComponentId,
    pub policy: Policy,
    max_fails: u32,
    /// Nanoseconds.
    fail_timeout: u64,
    /// Answers that count as failures.
    fail_on: Faults,
    /// One for each replica; empty if all are equal.
    pub weights: Vec<u32>,
}

impl Plan {
    /// The share of the calls that go to the replica with the largest weight, where nothing else decides.
    pub fn heaviest(&self) -> Option<f64> {
        let all: u64 = self.weights.iter().map(|w| u64::from(*w)).sum();
        let most = self.weights.iter().max().filter(|_| all > 0)?;
        let plain = self.policy == Policy::RoundRobin && self.max_fails == 0;
        plain.then(|| f64::from(*most) / all as f64)
    }
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

/// Operation: the caller's time limit has passed.
pub const CALL_TIMED_OUT: u8 = 1;
/// Tells a balancer that the caller of this call has gone, which says nothing of the replica.
pub const CALLER_LEFT: u8 = 2;

// A call's word has the replica below; above it where the caller runs, and whether nobody awaits the answer any more.
const HOME_BITS: u32 = 31;
const GIVEN_UP: u64 = 1 << 63;

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
        key(
            "weights",
            Form::List,
            None,
            "a whole number for each replica, for `round-robin` and `least-connections` (nginx `weight`, 1)",
        ),
        key(
            "max-fails",
            Form::Count,
            Some("0"),
            "failed calls after which a replica is passed over; 0 for never (nginx `max_fails`, 1)",
        ),
        key(
            "fail-timeout",
            Form::Duration,
            Some("\"10s\""),
            "how long it is passed over (nginx `fail_timeout`, 10 s)",
        ),
        key(
            "fail-on",
            Form::List,
            None,
            "names of faults from inside the service that count as failed calls, as answers do that `proxy_next_upstream` names; without it none (nginx: none)",
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
        let weights = weights(reader, policy);
        let max_fails = reader.count_in("max-fails", 0..=u32::MAX as u64);
        let fail_timeout = reader.duration("fail-timeout");
        let fail_on = faults::read(reader, "fail-on", Faults::NONE);
        let to = names.resolve(&["service"], &to?, reader)?;
        Some(Plan {
            to,
            policy,
            max_fails: max_fails? as u32,
            fail_timeout: fail_timeout?.nanos(),
            fail_on: fail_on?,
            weights: weights?,
        })
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        Balancer {
            policy: plan.policy,
            first: build.layout.first_replica.get(&plan.to).copied().unwrap_or(0),
            replicas: build.layout.service_replicas(plan.to),
            turn: 0,
            alive: Vec::new(),
            known: u64::MAX,
            health: Health::new(
                plan.max_fails,
                plan.fail_timeout,
                build.layout.service_replicas(plan.to),
            ),
            fail_on: plan.fail_on,
            overdue: Vec::new(),
            weights: plan.weights.iter().map(|w| (*w, 0)).collect(),
        }
    }

    #[inline]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let Some(replica) = self.choose(visit, cx) else {
            return Admission::Reject(Fault::Unavailable);
        };
        let chosen = &mut cx.replicas[(self.first + replica) as usize];
        chosen.in_flight += 1;
        chosen.awaited += 1;
        let r = &mut cx.requests[visit.slot];
        r.flags &= !REFUSED;
        let home = std::mem::replace(&mut r.home, self.first + replica);
        *cx.word(visit) = pack_replica(home, HOME_BITS) << 32 | u64::from(replica);
        Admission::Proceed
    }

    #[inline]
    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        let word = *cx.word(visit);
        let replica = &mut cx.replicas[(self.first + word as u32) as usize];
        replica.in_flight -= 1;
        replica.awaited -= u32::from(word & GIVEN_UP == 0);
        replica.answered += 1;
        if replica.in_flight == 0 && replica.is_draining() {
            cx.leave_effect(Effect::Drained(self.first + word as u32));
        }
        let r = &mut cx.requests[visit.slot];
        let refused = r.flags & REFUSED != 0;
        r.flags &= !REFUSED;
        cx.come_home(visit.slot, unpack_replica(word >> 32, HOME_BITS));
        if self.health.watches() {
            self.judge(visit.frame, word as u32, outcome, refused, cx);
        }
    }

    /// A time limit around a call has passed, or its caller has left; the call itself may go on.
    fn op(&mut self, op: u8, visit: Visit, cx: &mut Context) -> Admission {
        let word = cx.word(visit);
        if *word & GIVEN_UP == 0 {
            *word |= GIVEN_UP;
            let replica = *word as u32;
            cx.replicas[(self.first + replica) as usize].awaited -= 1;
        }
        if op == CALL_TIMED_OUT && self.health.watches() && !self.overdue.contains(&visit.frame) {
            let replica = *cx.word(visit) as u32;
            self.overdue.push(visit.frame);
            self.health.ended(replica, true, cx.nanos());
        }
        Admission::Proceed
    }

    fn reset(&mut self, _: crate::quantity::SimTime) {
        self.health.marked_down = 0;
    }

    fn observe(&self, cx: &Context, since: crate::quantity::SimTime, out: &mut Readings) {
        if self.health.watches() {
            let span = (cx.now() - since).as_secs_f64().max(1e-9);
            let marked = self.health.marked_down as f64 / span;
            out.add("marked_down", Unit::PerSecond, Combine::Sum, marked);
        }
    }
}

impl Balancer {
    /// What a call that is over says of its replica.
    #[inline(never)]
    fn judge(&mut self, frame: u32, replica: u32, outcome: Outcome, refused: bool, cx: &Context) {
        if let Some(i) = self.overdue.iter().position(|f| *f == frame) {
            self.overdue.swap_remove(i);
            return;
        }
        let failed = match outcome {
            Outcome::Failed(fault) => {
                refused || !cx.replicas[(self.first + replica) as usize].up || self.fail_on.contains(fault)
            }
            Outcome::Done | Outcome::Cancelled => false,
        };
        self.health.ended(replica, failed, cx.nanos());
    }

    /// Looks who is up, if that may have changed.
    #[inline]
    fn look(&mut self, cx: &Context) {
        if self.known == cx.health {
            return;
        }
        self.known = cx.health;
        self.alive.clear();
        let (first, n) = (self.first, self.replicas);
        self.alive
            .extend((0..n).filter(|r| cx.replicas[(first + r) as usize].up));
    }

    #[inline]
    fn choose(&mut self, visit: Visit, cx: &Context) -> Option<u32> {
        let n = self.replicas;
        if n == 1 {
            return cx.replicas[self.first as usize].up.then_some(0);
        }
        self.look(cx);
        let alive = self.health.pass_over(&self.alive, cx.nanos());
        let load = |r: u32| cx.replicas[(self.first + r) as usize].awaited;
        // The replicas that are up, from the one whose turn it is.
        let next = if alive.len() == n as usize {
            self.turn as usize
        } else {
            alive.partition_point(|r| *r < self.turn)
        };
        let found = match self.policy {
            Policy::RoundRobin if !self.weights.is_empty() => smooth(&mut self.weights, alive)?,
            Policy::LeastConnections if !self.weights.is_empty() => {
                let (before, from) = alive.split_at(next);
                // The smaller of a / v and b / w, in whole numbers.
                let lighter = |a: u32, b: u32| {
                    let (v, w) = (self.weights[a as usize].0, self.weights[b as usize].0);
                    let (a, b) = (
                        u64::from(load(a)) * u64::from(w),
                        u64::from(load(b)) * u64::from(v),
                    );
                    b < a
                };
                let in_turn = from.iter().chain(before).copied();
                let found = in_turn.reduce(|a, b| if lighter(a, b) { b } else { a })?;
                self.turn = (found + 1) % n;
                found
            }
            Policy::RoundRobin => {
                let found = *alive.get(next).or(alive.first())?;
                self.turn = (found + 1) % n;
                found
            }
            Policy::LeastConnections => {
                let (before, from) = alive.split_at(next);
                let mut best: Option<(u32, u32)> = None;
                for r in from.iter().chain(before) {
                    let here = load(*r);
                    if best.is_none_or(|(_, least)| here < least) {
                        best = Some((*r, here));
                    }
                    // Nobody has less to do.
                    if here == 0 {
                        break;
                    }
                }
                let found = best?.0;
                self.turn = (found + 1) % n;
                found
            }
            Policy::Random | Policy::PowerOfTwo => {
                if alive.is_empty() {
                    return None;
                }
                let mut draws = cx.site_draws(visit);
                let pick = |u: f64, m: usize| ((u * m as f64) as usize).min(m - 1);
                let a = pick(draws.unit(), alive.len());
                if self.policy == Policy::Random || alive.len() == 1 {
                    alive[a]
                } else {
                    // A second one among the others.
                    let b = pick(draws.unit(), alive.len() - 1);
                    let (a, b) = (alive[a], alive[if b >= a { b + 1 } else { b }]);
                    if load(b) < load(a) { b } else { a }
                }
            }
        };
        self.health.chosen(found, cx.nanos());
        Some(found)
    }
}

/// nginx's smooth weighted round robin: everybody gains its weight, who is furthest ahead is chosen and pays the sum.
fn smooth(weights: &mut [(u32, i64)], alive: &[u32]) -> Option<u32> {
    let mut total = 0;
    let mut best: Option<u32> = None;
    for r in alive {
        let (weight, ahead) = &mut weights[*r as usize];
        *ahead += i64::from(*weight);
        total += i64::from(*weight);
        let ahead = *ahead;
        if best.is_none_or(|b| ahead > weights[b as usize].1) {
            best = Some(*r);
        }
    }
    weights[best? as usize].1 -= total;
    best
}

/// The weights; empty if there are none.
fn weights(reader: &mut Reader, policy: Policy) -> Option<Vec<u32>> {
    if !reader.has("weights") {
        return Some(Vec::new());
    }
    if !matches!(policy, Policy::RoundRobin | Policy::LeastConnections) {
        let (span, what) = (reader.key_span("weights"), reader.what().to_owned());
        reader
            .sink()
            .error(
                span,
                "does-not-apply",
                format!("{what} draws its replicas evenly and has no `weights`"),
            )
            .help("write policy = \"round-robin\" or \"least-connections\", or leave the weights out");
        return None;
    }
    let mut list = Vec::new();
    for item in reader.list("weights")? {
        let weight = item.count("a weight", reader.sink())?;
        if !(1..=1_000_000).contains(&weight) {
            reader
                .sink()
                .error(
                    item.span.clone(),
                    "out-of-range",
                    format!("a weight of {weight}; it must lie between 1 and 1000000"),
                )
                .help("weights count against one another: 3 gets three times as many calls as 1");
            return None;
        }
        list.push(weight as u32);
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Replica, Site};
    use crate::quantity::SimTime;
    use crate::random::{purpose_key, request_key};

    fn context(replicas: usize) -> Context {
        let site = Site {
            purpose: purpose_key(1, 0, "route"),
            sampler: None,
            recorded: None,
            keys: None,
            note: 0,
            by_request: false,
        };
        let mut cx = Context::new(SimTime::from_nanos(u64::MAX >> 1), 1, Box::new([site]), None);
        cx.requests.take();
        cx.replicas = vec![Replica::default(); replicas];
        cx
    }

    fn balancer(policy: Policy, replicas: u32) -> Balancer {
        Balancer {
            policy,
            first: 0,
            replicas,
            turn: 0,
            alive: Vec::new(),
            known: u64::MAX,
            health: Health::new(0, 0, replicas),
            fail_on: Faults::NONE,
            overdue: Vec::new(),
            weights: Vec::new(),
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
                cx.replicas[r as usize].awaited += 1;
                r
            })
            .collect()
    }

    #[test]
    fn round_robin_takes_turns_and_skips_who_is_down() {
        let (mut cx, mut b) = (context(3), balancer(Policy::RoundRobin, 3));
        assert_eq!(choices(&mut b, &mut cx, 5), [0, 1, 2, 0, 1]);
        cx.replicas[2].up = false;
        cx.health += 1;
        assert_eq!(choices(&mut b, &mut cx, 4), [0, 1, 0, 1]);
    }

    #[test]
    fn weights_interleave_smoothly_and_weigh_connections() {
        let (mut cx, mut b) = (context(3), balancer(Policy::RoundRobin, 3));
        b.weights = vec![(5, 0), (1, 0), (1, 0)];
        assert_eq!(choices(&mut b, &mut cx, 7), [0, 0, 1, 0, 2, 0, 0]);
        let (mut cx, mut b) = (context(2), balancer(Policy::LeastConnections, 2));
        b.weights = vec![(2, 0), (1, 0)];
        let list = choices(&mut b, &mut cx, 9);
        assert_eq!(list.iter().filter(|r| **r == 0).count(), 6);
    }

    #[test]
    fn the_fewest_connections_win_and_equals_take_turns() {
        let (mut cx, mut b) = (context(3), balancer(Policy::LeastConnections, 3));
        assert_eq!(choices(&mut b, &mut cx, 6), [0, 1, 2, 0, 1, 2]);
        cx.replicas[1].awaited = 0;
        assert_eq!(choices(&mut b, &mut cx, 3), [1, 1, 2]);
    }

    #[test]
    fn of_two_different_replicas_the_one_with_less_to_do_wins() {
        // Two replicas: both are always looked at.
        let (mut cx, mut b) = (context(2), balancer(Policy::PowerOfTwo, 2));
        cx.replicas[0].awaited = 1000;
        assert!(choices(&mut b, &mut cx, 999).iter().all(|r| *r == 1));
        // Of five, the busiest is never chosen, and the others evenly.
        let (mut cx, mut b) = (context(5), balancer(Policy::PowerOfTwo, 5));
        cx.replicas[3].awaited = 1_000_000;
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
        cx.health += 1;
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
