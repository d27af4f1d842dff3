//! Finite Markov chains in continuous time, built from a rule and solved.
//!
//! For systems without a formula: write the transitions of one state, and the chain is explored from
//! a start, solved for its steady state or followed over time.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::{Refusal, not_negative};

/// States up to which the steady state is found by elimination rather than iteration.
const DIRECT: usize = 400;
/// Sweeps of Gauss–Seidel before giving up.
const MOST_SWEEPS: usize = 100_000;
/// Transitions looked at before giving up: some seconds.
const MOST_WORK: usize = 2_000_000_000;

/// A chain whose states are all those that can be reached from the start.
#[derive(Clone, Debug)]
pub struct Chain<S> {
    states: Vec<S>,
    /// Sum of rates out of each state.
    leaving: Vec<f64>,
    /// For each state, where it is entered from and at which rate.
    entering: Vec<Vec<(usize, f64)>>,
}

impl<S: Ord + Clone> Chain<S> {
    /// Explores breadth first from `start`. The rule pushes each successor with its rate per second;
    /// successors equal to the state itself and rates of zero are left out.
    ///
    /// Refuses more than `most_states` states, and rates that are negative or not finite.
    pub fn explore(
        start: S,
        most_states: usize,
        mut rule: impl FnMut(&S, &mut Vec<(S, f64)>),
    ) -> Result<Chain<S>, Refusal> {
        let mut index = BTreeMap::from([(start.clone(), 0usize)]);
        let mut states = vec![start];
        let mut leaving = Vec::new();
        let mut entering: Vec<Vec<(usize, f64)>> = vec![Vec::new()];
        let mut successors = Vec::new();
        let mut at = 0;
        while at < states.len() {
            successors.clear();
            rule(&states[at], &mut successors);
            let mut out = 0.0;
            for (next, rate) in successors.drain(..) {
                not_negative(rate, "a transition rate")?;
                if rate == 0.0 || next == states[at] {
                    continue;
                }
                let to = match index.get(&next) {
                    Some(&known) => known,
                    None => {
                        if states.len() >= most_states {
                            return Err(Refusal::TooLarge {
                                what: "states",
                                limit: most_states,
                            });
                        }
                        index.insert(next.clone(), states.len());
                        states.push(next);
                        entering.push(Vec::new());
                        states.len() - 1
                    }
                };
                entering[to].push((at, rate));
                out += rate;
            }
            leaving.push(out);
            at += 1;
        }
        Ok(Chain {
            states,
            leaving,
            entering,
        })
    }

    /// The states, the start first.
    pub fn states(&self) -> &[S] {
        &self.states
    }

    /// The steady state.
    ///
    /// Small chains by the elimination of Grassmann, Taksar & Heyman 1985 (*Operations Research* 33,
    /// pp. 1107–1116), which subtracts nothing and so keeps its digits; larger ones by Gauss–Seidel
    /// sweeps (Stewart, *Introduction to the Numerical Solution of Markov Chains*, 1994, chapter 3).
    /// Refuses a chain that cannot return to its start, for its steady state may not be unique.
    pub fn stationary(&self) -> Result<Stationary<'_, S>, Refusal> {
        self.check_return()?;
        let probabilities = if self.states.len() <= DIRECT {
            self.eliminate()
        } else {
            self.iterate()?
        };
        Ok(Stationary {
            states: &self.states,
            probabilities,
        })
    }

    fn check_return(&self) -> Result<(), Refusal> {
        let mut reached = vec![false; self.states.len()];
        reached[0] = true;
        let mut pending = VecDeque::from([0usize]);
        let mut count = 1;
        while let Some(at) = pending.pop_front() {
            for &(from, _) in &self.entering[at] {
                if !reached[from] {
                    reached[from] = true;
                    count += 1;
                    pending.push_back(from);
                }
            }
        }
        if count == self.states.len() {
            Ok(())
        } else {
            Err(Refusal::Domain {
                parameter: "the number of states that lead back to the start",
                must: "all of them",
                found: count as f64,
            })
        }
    }

    fn eliminate(&self) -> Vec<f64> {
        let n = self.states.len();
        let mut rates = vec![vec![0.0; n]; n];
        for (to, sources) in self.entering.iter().enumerate() {
            for &(from, rate) in sources {
                rates[from][to] += rate;
            }
        }
        for last in (1..n).rev() {
            let (upper, rest) = rates.split_at_mut(last);
            let row = &rest[0];
            let out: f64 = row[..last].iter().sum();
            for from in upper.iter_mut() {
                if from[last] == 0.0 {
                    continue;
                }
                from[last] /= out;
                let share = from[last];
                for (rate, onward) in from[..last].iter_mut().zip(&row[..last]) {
                    *rate += share * onward;
                }
            }
        }
        let mut weights = vec![1.0; n];
        let mut total = 1.0;
        for to in 1..n {
            weights[to] = (0..to).map(|from| weights[from] * rates[from][to]).sum();
            total += weights[to];
            if total > 1e200 {
                for weight in &mut weights[..=to] {
                    *weight *= 1e-200;
                }
                total *= 1e-200;
            }
        }
        for weight in &mut weights {
            *weight /= total;
        }
        weights
    }

    /// Number of transitions, at least one.
    fn transitions(&self) -> usize {
        self.entering.iter().map(Vec::len).sum::<usize>().max(1)
    }

    fn iterate(&self) -> Result<Vec<f64>, Refusal> {
        let n = self.states.len();
        let mut weights = vec![1.0 / n as f64; n];
        for _ in 0..MOST_SWEEPS.min(MOST_WORK / (2 * self.transitions())) {
            let mut change = 0.0;
            let mut total = 0.0;
            // Once up and once down: mass then crosses the whole chain in one sweep.
            for at in (0..n).chain((0..n).rev()) {
                let inflow: f64 = self.entering[at]
                    .iter()
                    .map(|&(from, rate)| weights[from] * rate)
                    .sum();
                let new = inflow / self.leaving[at];
                change += (new - weights[at]).abs();
                total += new;
                weights[at] = new;
            }
            let sum: f64 = weights.iter().sum();
            for weight in &mut weights {
                *weight /= sum;
            }
            if change < 1e-13 * total {
                return Ok(weights);
            }
        }
        Err(Refusal::NotConverged {
            what: "the steady state of the chain",
        })
    }

    /// State probabilities `time` seconds after the start, by uniformisation (Jensen 1953; Stewart,
    /// chapter 8). Refuses more expected jumps than can be followed in some seconds.
    pub fn after(&self, time: f64) -> Result<Stationary<'_, S>, Refusal> {
        not_negative(time, "the time")?;
        let n = self.states.len();
        let fastest = self.leaving.iter().copied().fold(0.0, f64::max);
        let events = fastest * time;
        let limit = (MOST_WORK / self.transitions()).min(1_000_000);
        if events > limit as f64 {
            return Err(Refusal::TooLarge {
                what: "expected jumps",
                limit,
            });
        }
        let mut present = vec![0.0; n];
        present[0] = 1.0;
        let mut result = vec![0.0; n];
        let mut covered = 0.0;
        let last = (events + 12.0 * events.sqrt() + 60.0) as u32;
        for k in 0..=last {
            let k = f64::from(k);
            let share = if events == 0.0 {
                if k == 0.0 { 1.0 } else { 0.0 }
            } else {
                libm::exp(k * libm::log(events) - events - libm::lgamma(k + 1.0))
            };
            covered += share;
            for (sum, p) in result.iter_mut().zip(&present) {
                *sum += share * p;
            }
            if events == 0.0 {
                break;
            }
            present = (0..n)
                .map(|at| {
                    let inflow: f64 = self.entering[at]
                        .iter()
                        .map(|&(from, rate)| present[from] * rate)
                        .sum();
                    present[at] * (1.0 - self.leaving[at] / fastest) + inflow / fastest
                })
                .collect();
        }
        for p in &mut result {
            *p /= covered;
        }
        Ok(Stationary {
            states: &self.states,
            probabilities: result,
        })
    }
}

/// Probabilities of a chain's states, in the steady state or at a moment.
#[derive(Clone, Debug)]
pub struct Stationary<'a, S> {
    states: &'a [S],
    probabilities: Vec<f64>,
}

impl<S> Stationary<'_, S> {
    /// States with their probabilities.
    pub fn iter(&self) -> impl Iterator<Item = (&S, f64)> {
        self.states.iter().zip(self.probabilities.iter().copied())
    }

    /// Mean of a function of the state.
    pub fn mean(&self, value: impl Fn(&S) -> f64) -> f64 {
        self.iter().map(|(state, p)| p * value(state)).sum()
    }

    /// Probability that the state satisfies a condition.
    pub fn probability(&self, holds: impl Fn(&S) -> bool) -> f64 {
        self.iter()
            .filter(|(state, _)| holds(state))
            .map(|(_, p)| p)
            .sum()
    }
}

/// Stationary probabilities of a birth–death chain on 0..=last; `birth(n)` is the rate from n to
/// n + 1, `death(n)` from n to n - 1. A birth rate of zero ends the chain there.
///
/// Refuses a death rate of zero where the chain can get, and negative rates.
pub fn birth_death(
    last: usize,
    birth: impl Fn(usize) -> f64,
    death: impl Fn(usize) -> f64,
) -> Result<Vec<f64>, Refusal> {
    let mut weights = vec![1.0];
    let mut total = 1.0f64;
    // Weights scaled down to nothing are passed over, or scaling would take quadratic time.
    let mut alive = 0;
    for n in 1..=last {
        let up = not_negative(birth(n - 1), "a birth rate")?;
        if up == 0.0 {
            break;
        }
        let weight = weights[n - 1] * (up / super::positive(death(n), "a death rate")?);
        weights.push(weight);
        total += weight;
        if total > 1e200 {
            for weight in &mut weights[alive..] {
                *weight *= 1e-200;
            }
            while weights[alive] == 0.0 {
                alive += 1;
            }
            total *= 1e-200;
        }
    }
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    weights.resize(last + 1, 0.0);
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    fn bounded_queue(room: u32, rho: f64) -> Chain<u32> {
        Chain::explore(0u32, 10_000, |&n, to| {
            if n < room {
                to.push((n + 1, rho));
            }
            if n > 0 {
                to.push((n - 1, 1.0));
            }
        })
        .unwrap()
    }

    #[test]
    fn elimination_and_iteration_agree_with_the_closed_form() {
        let chain = bounded_queue(60, 0.9);
        let formula = birth_death(60, |_| 0.9, |_| 1.0).unwrap();
        let direct = chain.eliminate();
        let swept = chain.iterate().unwrap();
        for n in 0..=60 {
            assert_close(direct[n], formula[n], 1e-12);
            assert_close(swept[n], formula[n], 1e-8);
        }
    }

    #[test]
    fn a_large_chain_is_swept() {
        let chain = bounded_queue(2000, 0.95);
        assert_eq!(chain.states().len(), 2001);
        let solved = chain.stationary().unwrap();
        assert_close(solved.mean(|&n| f64::from(n)), 19.0, 1e-6);
        assert_close(solved.probability(|&n| n == 0), 0.05, 1e-6);
    }

    #[test]
    fn a_switch_approaches_its_steady_state_exponentially() {
        let chain = Chain::explore(false, 10, |&on, to| {
            to.push((!on, if on { 3.0 } else { 1.0 }));
        })
        .unwrap();
        for time in [0.0, 0.1, 0.7, 20.0] {
            let exact = 0.25 * (1.0 - libm::exp(-4.0 * time));
            let found = chain.after(time).unwrap().probability(|&on| on);
            assert!((found - exact).abs() < 1e-12, "{time}: {found} {exact}");
        }
        assert!(chain.after(1e9).is_err());
    }

    #[test]
    fn what_is_counted_at_a_steady_rate_is_a_poisson_number() {
        let chain = Chain::explore(0u32, 2000, |&n, to| {
            if n < 1500 {
                to.push((n + 1, 100.0));
            }
        })
        .unwrap();
        let found = chain.after(5.0).unwrap();
        let mean = found.mean(|&n| f64::from(n));
        assert_close(mean, 500.0, 1e-9);
        assert_close(
            found.mean(|&n| (f64::from(n) - 500.0) * (f64::from(n) - 500.0)),
            500.0,
            1e-7,
        );
        let middle = libm::exp(500.0 * libm::log(500.0) - 500.0 - libm::lgamma(501.0));
        assert_close(found.probability(|&n| n == 500), middle, 1e-9);
    }

    #[test]
    fn weights_beyond_all_floats_are_scaled() {
        // Each state is 1e10 times as likely as the one below it: 1e600 in all.
        let direct = bounded_queue(60, 1e10).eliminate();
        let formula = birth_death(60, |_| 1e10, |_| 1.0).unwrap();
        for found in [direct, formula] {
            for (below, exact) in [1.0 - 1e-10, 1e-10, 1e-20, 1e-30].into_iter().enumerate() {
                assert_close(found[60 - below], exact, 1e-9);
            }
            assert_eq!(found[0], 0.0);
        }
    }

    #[test]
    fn a_rate_of_zero_leads_nowhere() {
        let chain = Chain::explore(0u32, 10, |&n, to| {
            to.push((n + 1, if n == 0 { 2.0 } else { 0.0 }));
            to.push((0, 3.0));
        })
        .unwrap();
        assert_eq!(chain.states(), [0, 1]);
        assert_close(chain.stationary().unwrap().probability(|&n| n == 1), 0.4, 1e-12);
    }

    #[test]
    fn chains_without_a_way_back_are_refused() {
        let trap = Chain::explore(0u32, 10, |&n, to| {
            if n < 3 {
                to.push((n + 1, 1.0));
            }
        })
        .unwrap();
        assert!(trap.stationary().is_err());
        assert!(Chain::explore(0u64, 100, |&n, to| to.push((n + 1, 1.0))).is_err());
        assert!(Chain::explore(0u64, 100, |_, to| to.push((1, -1.0))).is_err());
        assert!(birth_death(3, |_| 1.0, |_| 0.0).is_err());
        let alone = Chain::explore((), 10, |_, _| {}).unwrap();
        assert_eq!(alone.stationary().unwrap().probability(|_| true), 1.0);
    }
}
