//! How long steps last that a limit of time ends.

use super::super::super::step::{Step, What, replies};
use super::Walk;
use crate::component::ComponentId;
use crate::distribution::Law;

/// Cells of the grid on which laws are added.
const CELLS: usize = 1000;

/// A law of demand, and the speed at which it is worked off.
pub struct Part {
    law: Law,
    speed: f64,
}

/// What a limit makes of a sum of times: its mean, and the share that lasts longer.
#[derive(Copy, Clone, Debug)]
pub struct Cut {
    pub mean: f64,
    pub beyond: f64,
}

impl Walk<'_> {
    /// The time of steps without waiting, ended after `limit` seconds at the latest; `None` where more happens in them than
    /// times that add up.
    pub(super) fn until(&self, steps: &[Step], limit: f64) -> Option<Cut> {
        let mut parts = Vec::new();
        self.parts(steps, true, &mut parts)?;
        Some(cut(&parts, limit))
    }

    fn parts(&self, steps: &[Step], mut ends: bool, out: &mut Vec<Part>) -> Option<()> {
        for (i, step) in steps.iter().enumerate() {
            let last = ends && i + 1 == steps.len();
            match &step.what {
                What::Delay(law) => out.push(part(law, 1.0)),
                What::Cpu { time, on, .. } => {
                    let host = on.or_else(|| self.host());
                    out.push(part(time, self.speed_of(host)));
                }
                What::Query { database, time, cpu } => {
                    if self.facts[database.0 as usize].patience.is_some() {
                        return None;
                    }
                    out.extend(time.iter().map(|law| part(law, 1.0)));
                    let host = self.host_of_database(*database);
                    out.extend(cpu.iter().map(|law| part(law, self.speed_of(host))));
                }
                What::Use {
                    component,
                    time,
                    steps,
                    ..
                } => {
                    let f = &self.facts[component.0 as usize];
                    let plain = f.inside == 1.0 && f.attempts == 1.0 && f.deadline.is_none();
                    // After one of its failures nothing more comes.
                    if !plain || f.until.is_finite() || (f.failure > 0.0 && !last) {
                        return None;
                    }
                    match time.as_ref().or(f.law.as_ref()) {
                        Some(law) => out.push(part(law, f.speed)),
                        None if f.time == 0.0 => {}
                        None => return None,
                    }
                    self.parts(steps, last, out)?;
                }
                What::Call { flow } => {
                    let called = self.model.flow_plans.iter().find(|f| f.name == flow.value)?;
                    // Where its cores are, is not known from here.
                    if replies(&called.steps) || computes(&called.steps) {
                        return None;
                    }
                    self.parts(&called.steps, last, out)?;
                }
                What::Fail { .. } if last => {}
                _ => return None,
            }
            ends = last || ends;
        }
        Some(())
    }

    fn speed_of(&self, host: Option<ComponentId>) -> f64 {
        host.map_or(1.0, |h| self.facts[h.0 as usize].speed)
    }
}

fn computes(steps: &[Step]) -> bool {
    steps.iter().any(|s| match &s.what {
        What::Cpu { on, .. } => on.is_none(),
        What::Use { steps, .. } => computes(steps),
        What::Call { .. } => true,
        _ => false,
    })
}

fn part(law: &Law, speed: f64) -> Part {
    Part {
        law: law.clone(),
        speed,
    }
}

/// The sum of independent times, ended after `limit`.
fn cut(parts: &[Part], limit: f64) -> Cut {
    let fixed = |p: &&Part| matches!(p.law, Law::Constant { .. });
    let base: f64 = parts
        .iter()
        .filter(fixed)
        .map(|p| p.law.mean().unwrap_or(0.0) / p.speed)
        .sum();
    let random: Vec<&Part> = parts.iter().filter(|p| !fixed(p)).collect();
    let left = limit - base;
    if left <= 0.0 {
        return Cut {
            mean: limit,
            beyond: if left < 0.0 { 1.0 } else { 0.0 },
        };
    }
    let of = |p: &Part, t: f64| p.law.cdf(t * p.speed);
    match random.as_slice() {
        [] => Cut {
            mean: base,
            beyond: 0.0,
        },
        [one] => Cut {
            mean: base + one.law.mean_until(left * one.speed) / one.speed,
            beyond: 1.0 - of(one, left),
        },
        _ => {
            let h = left / CELLS as f64;
            // Shares by the number of whole cells; what lies beyond the limit is left out.
            let mut sum = vec![1.0];
            for p in &random {
                let cell = |j: usize| of(p, h * (j + 1) as f64) - of(p, h * j as f64);
                // What is zero belongs to the first cell.
                let cells: Vec<f64> = (0..CELLS)
                    .map(|j| if j == 0 { of(p, h) } else { cell(j) })
                    .collect();
                let mut next = vec![0.0; CELLS];
                for (i, a) in sum.iter().enumerate().filter(|(_, a)| **a > 0.0) {
                    for (to, b) in next[i..].iter_mut().zip(&cells) {
                        *to += a * b;
                    }
                }
                sum = next;
            }
            let middle = 0.5 * random.len() as f64;
            let within: f64 = sum.iter().sum();
            let inside = sum.iter().enumerate();
            let time: f64 = inside
                .map(|(i, share)| share * (h * (i as f64 + middle)).min(left))
                .sum();
            let beyond = (1.0 - within).max(0.0);
            Cut {
                mean: base + time + beyond * left,
                beyond,
            }
        }
    }
}
