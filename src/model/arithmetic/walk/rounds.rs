//! Steps that run several times.

use super::super::super::step::Step;
use super::super::sums::Passage;
use super::{About, Walk, mean_of, times};
use crate::distribution::Law;

/// Waits between two tries that are added up, at most.
const MOST_WAITS: i32 = 1000;
/// Rounds of a drawn number that are added up one by one, at most.
const MOST_ROUNDS: u32 = 100_000;

impl Walk<'_> {
    /// As often as a law says, or until a round fails.
    pub(super) fn repeat(&mut self, law: &Law, steps: &[Step], weight: f64) -> Passage {
        // Where others' work decides which round is the last, only those are sure that everybody has.
        let least = libm::round(law.quantile(1e-12));
        self.rounds(
            steps,
            weight,
            |once| {
                let n = rounds_begun(law, once.passes);
                (n, if once.fails { n.min(least) } else { n })
            },
            |once| match once.passes < 1.0 {
                true => 1.0 - (1.0 - once.passes) * rounds_begun(law, once.passes),
                false => 1.0,
            },
        )
    }

    /// Steps that run several times: how often, and how often surely, and which share comes through all of it, of what one
    /// round is.
    fn rounds(
        &mut self,
        steps: &[Step],
        weight: f64,
        rounds: impl FnOnce(&Passage) -> (f64, f64),
        passes: impl FnOnce(&Passage) -> f64,
    ) -> Passage {
        let before = self.sums.clone();
        let once = self.steps(steps, weight);
        let (n, sure) = rounds(&once);
        // The caller is answered in the first round.
        let sure = if once.after.is_some() { sure.min(1.0) } else { sure };
        self.sums.scale_since(&before, n);
        if n > 0.0 && sure != n {
            self.sums.scale_sure_since(&before, sure / n);
        }
        Passage {
            time: times(n, once.time),
            passes: passes(&once),
            after: once.after.map(|a| a + times((n - 1.0).max(0.0), once.time)),
            sure: times(sure, once.sure),
            done: times(sure, once.done),
            spent: times(sure.min(1.0), once.spent),
            ..once
        }
    }

    /// Steps that are tried again when they fail, `most` times at most, `wait` seconds after the first failure and so on.
    ///
    /// Requests that fail by what they are about do so each time: they are walked apart from the others.
    pub fn tries(&mut self, steps: &[Step], weight: f64, most: f64, wait: impl Fn(i32) -> f64) -> Passage {
        let start = self.sums.clone();
        let once = self.all_tries(steps, weight, most, &wait);
        let bad = once.never;
        if bad <= 0.0 || most <= 1.0 || self.about != About::Mixed {
            return once;
        }
        self.sums = start;
        self.about = About::Good;
        let good = self.all_tries(steps, weight * (1.0 - bad), most, &wait);
        self.about = About::Bad(bad);
        let before = self.sums.clone();
        let never = self.all_tries(steps, weight * bad, most, &wait);
        if once.fails {
            // Nobody knows how often they come as far.
            let width = 2 * before.visits.len();
            self.sums.set_sure(&before, &vec![0.0; width]);
        }
        self.about = About::Mixed;
        let sum = |a: f64, b: f64| times(1.0 - bad, a) + times(bad, b);
        Passage {
            time: sum(good.time, never.time),
            passes: sum(good.passes, never.passes),
            after: good.after.map(|a| times(1.0 - bad, a)),
            sure: sum(good.sure, if once.fails { 0.0 } else { never.sure }),
            done: sum(good.done, if once.fails { 0.0 } else { never.done }),
            spent: once.spent,
            fails: once.fails,
            never: bad,
        }
    }

    fn all_tries(&mut self, steps: &[Step], weight: f64, most: f64, wait: &impl Fn(i32) -> f64) -> Passage {
        let mut fails = 0.0;
        let mut whole = self.rounds(
            steps,
            weight,
            |once| {
                fails = 1.0 - once.passes;
                let n = geometric(fails, most);
                (n, n)
            },
            |once| 1.0 - libm::pow(1.0 - once.passes, most),
        );
        let (mut share, mut n) = (fails, 0);
        // What comes after so many failures in a row is too rare to count, or goes on as it is.
        while share > 1e-9 && f64::from(n + 1) < most && n < MOST_WAITS {
            whole.time += times(share, wait(n));
            (share, n) = (share * fails, n + 1);
        }
        whole
    }

    /// A failure that is drawn.
    pub(super) fn fail(&self, share: f64, by_request: bool) -> Passage {
        let passes = match self.about {
            About::Good if by_request => 1.0,
            // With one such step in the way that is all of them.
            About::Bad(all) if by_request => (1.0 - share / all).max(0.0),
            _ => 1.0 - share,
        };
        Passage {
            passes,
            never: if by_request { 1.0 - passes } else { 0.0 },
            ..Passage::lasting(0.0)
        }
    }
}

/// Mean number of rounds that begin, of a drawn number (rounded to a whole one), if each comes to its end with probability
/// `p`: of those that a law lists one by one, else the sum of p^k × P(more than k rounds).
fn rounds_begun(law: &Law, p: f64) -> f64 {
    let of = |value: f64| geometric(p, libm::round(value));
    let all = |values: &mut dyn Iterator<Item = (f64, f64)>| {
        let (sum, total) = values.fold((0.0, 0.0), |(sum, total), (w, x)| (sum + w * x, total + w));
        if total > 0.0 { sum / total } else { 0.0 }
    };
    match law {
        _ if p >= 1.0 => mean_of(law),
        Law::Constant { value } => of(*value),
        Law::Empirical { values, weights } => {
            let weight = |i: usize| weights.as_ref().map_or(1.0, |w| w[i]);
            all(&mut values.iter().enumerate().map(|(i, v)| (weight(i), of(*v))))
        }
        Law::Recorded { values, .. } => {
            let values = values.iter().flatten().flat_map(|c| c.iter());
            all(&mut values.map(|v| (1.0, of(*v))))
        }
        Law::Mixture { parts } => all(&mut parts.iter().map(|(w, law)| (*w, rounds_begun(law, p)))),
        law => {
            let (mut sum, mut share) = (0.0, 1.0);
            for k in 0..MOST_ROUNDS {
                let more = share * (1.0 - law.cdf(f64::from(k) + 0.5));
                sum += more;
                share *= p;
                if share < 1e-12 || more <= 0.0 {
                    break;
                }
            }
            sum
        }
    }
}

/// 1 + p + p² + … , `n` terms, also for a mean number of terms that is no whole number.
fn geometric(p: f64, n: f64) -> f64 {
    if p >= 1.0 {
        n
    } else {
        (1.0 - libm::pow(p, n)) / (1.0 - p)
    }
}
