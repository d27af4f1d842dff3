//! How often an interval holds the exact value.

use super::systems::System;
use super::{Fallen, repeat};
use crate::experiment::results::{Point, Verdict};
use crate::experiment::{Control, Overrides};
use crate::statistics::interval::{Estimate, clopper_pearson};

/// What the trials of one system showed of one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    pub subject: String,
    pub figure: String,
    pub exact: f64,
    /// Trials in all.
    pub trials: u32,
    /// Trials that gave no interval, or said that the run is too short: verdict undecided, or not converged.
    pub without: u32,
    /// Intervals that hold the exact value; that lie below it; that lie above it.
    pub holds: u32,
    pub below: u32,
    pub above: u32,
    /// Mean over the intervals of the figure and of half their width, both as a share of the exact value.
    pub mean: f64,
    pub half_width: f64,
}

impl Coverage {
    /// The share of intervals that hold the exact value, with the interval of that share itself.
    pub fn share(&self) -> Option<Estimate> {
        let intervals = self.holds + self.below + self.above;
        clopper_pearson(self.holds.into(), intervals.into(), 0.95).ok()
    }

    fn see(&mut self, point: &Point) {
        self.trials += 1;
        let metric = point.metric(&self.subject, &self.figure);
        let interval = metric.and_then(|m| Some((m.mean, m.interval()?)));
        let told = point.settled && point.verdict != Verdict::Undecided;
        let Some((mean, (low, high))) = interval.filter(|_| told) else {
            self.without += 1;
            return;
        };
        match (low <= self.exact, self.exact <= high) {
            (true, true) => self.holds += 1,
            (true, false) => self.below += 1,
            _ => self.above += 1,
        }
        self.mean += mean / self.exact;
        self.half_width += 0.5 * (high - low) / self.exact;
    }
}

/// Runs a system with so many seeds.
///
/// # Errors
/// As [`repeat`].
pub fn cover(system: &System, trials: u32, control: &Control) -> Result<Vec<Coverage>, Fallen> {
    let mut found: Vec<Coverage> = system
        .figures
        .iter()
        .map(|f| Coverage {
            subject: f.subject.clone(),
            figure: f.name.clone(),
            exact: f.exact,
            trials: 0,
            without: 0,
            holds: 0,
            below: 0,
            above: 0,
            mean: 0.0,
            half_width: 0.0,
        })
        .collect();
    let overrides = Overrides {
        duration: system.duration.map(|d| d.as_nanos() as u64),
        ..Overrides::default()
    };
    repeat(
        system.name,
        &system.source,
        &overrides,
        trials.div_ceil(system.one_in),
        control,
        |point| {
            found.iter_mut().for_each(|c| c.see(point));
        },
    )?;
    for c in &mut found {
        // Not a number if there is none.
        let intervals = f64::from(c.trials - c.without);
        c.mean /= intervals;
        c.half_width /= intervals;
    }
    Ok(found)
}
