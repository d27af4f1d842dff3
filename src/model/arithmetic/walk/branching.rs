//! Ways that part: choices, attempts with something else instead, and branches at once.

use super::super::super::step::Step;
use super::super::sums::{Passage, Sums, Way, least};
use super::{Walk, times};

impl Walk<'_> {
    /// One of several, by share; `go` walks it with its share.
    pub(super) fn alternatives<T>(
        &mut self,
        ways: &[(f64, T)],
        mut go: impl FnMut(&mut Self, &T, f64) -> Passage,
    ) -> Passage {
        let start = self.sums.clone();
        let mut whole = Passage {
            passes: 0.0,
            ..Passage::lasting(0.0)
        };
        let mut gone = Vec::new();
        for (share, way) in ways {
            let (share, before) = (*share, self.sums.clone());
            let part = go(self, way, share);
            whole.time += times(share, part.time);
            whole.sure += times(share, part.sure);
            whole.done += times(share, part.done);
            whole.spent += times(share, part.spent);
            whole.passes += share * part.passes;
            whole.fails |= part.fails;
            whole.never += share * if part.passes > 0.0 { part.never } else { 1.0 };
            if let Some(after) = part.after {
                whole.after = Some(whole.after.unwrap_or(0.0) + times(share, after));
            }
            let sure = self.sums.sure_since(&before);
            gone.push(Way { share, part, sure });
        }
        if whole.fails {
            self.only_least(&start, &gone, &mut whole);
        }
        whole
    }

    /// What is sure of ways of which some may not be gone to their end.
    fn only_least(&mut self, start: &Sums, ways: &[Way], whole: &mut Passage) {
        let (time, sums) = least(ways, whole.passes);
        (whole.sure, whole.done) = (time, time);
        self.sums.set_sure(start, &sums);
    }

    /// Steps, and others if they fail, which `caught` says of what fails by itself: only that is known before a run.
    pub(super) fn attempt(&mut self, steps: &[Step], instead: &[Step], caught: bool, weight: f64) -> Passage {
        let start = self.sums.clone();
        let part = self.steps(steps, weight);
        let first = Way {
            share: 1.0,
            part,
            sure: self.sums.sure_since(&start),
        };
        let share = if caught { 1.0 - part.passes } else { 0.0 };
        let before = self.sums.clone();
        let other = self.steps(instead, weight * share);
        let mut whole = Passage {
            time: part.time + times(share, other.time),
            passes: part.passes + share * other.passes,
            after: part.after,
            sure: part.sure + times(share, other.sure),
            done: part.done + times(share, other.done),
            spent: part.spent,
            fails: part.fails || other.fails,
            never: if caught {
                part.never * (1.0 - other.passes)
            } else {
                part.never
            },
        };
        if part.fails {
            let second = Way {
                share,
                // Who failed had spent some time on that.
                part: Passage {
                    sure: part.spent + other.sure,
                    ..other
                },
                sure: self.sums.sure_since(&before),
            };
            self.only_least(&start, &[first, second], &mut whole);
        }
        whole
    }

    /// All at once, until `quorum` of them are done; all of them, if it is zero.
    pub(super) fn parallel(
        &mut self,
        branches: &[Vec<Step>],
        quorum: usize,
        cancels: bool,
        weight: f64,
    ) -> Passage {
        let start = self.sums.clone();
        let all = quorum == 0 || quorum == branches.len();
        self.findings.races |= !all;
        self.cancels += u32::from(cancels);
        self.branches += 1;
        let (mut longest, mut sure) = (0.0f64, 0.0f64);
        let (mut fails, mut good) = (false, 1.0);
        // Shares of requests by how many of their branches pass.
        let mut passed = vec![1.0];
        for steps in branches {
            let part = self.steps(steps, weight);
            longest = longest.max(part.time);
            sure = sure.max(part.sure);
            fails |= part.fails;
            good *= 1.0 - part.never;
            passed.push(0.0);
            for n in (0..passed.len()).rev() {
                let one_fewer = if n > 0 { passed[n - 1] } else { 0.0 };
                passed[n] = passed[n] * (1.0 - part.passes) + one_fewer * part.passes;
            }
        }
        self.cancels -= u32::from(cancels);
        self.branches -= 1;
        let needed = if quorum == 0 { branches.len() } else { quorum };
        let passes: f64 = passed[needed..].iter().sum();
        // One that fails ends all of them for its caller; of the first ones nobody knows which they are.
        let sure = if all && !fails && passes == 1.0 {
            sure
        } else {
            let width = 2 * start.visits.len();
            self.sums.set_sure(&start, &vec![0.0; width]);
            0.0
        };
        Passage {
            // The mean of the longest is at least the longest of the means; of the first ones nothing is known.
            time: if all { longest } else { 0.0 },
            passes,
            after: None,
            sure,
            done: sure,
            spent: sure,
            fails,
            never: if all { 1.0 - good } else { 0.0 },
        }
    }
}
