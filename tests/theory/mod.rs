//! Simulated figures against theory: the exact value must lie in the interval that the runs themselves give.
//!
//! Each figure is averaged over replications and gets Student's t interval at 99.9 %. A true figure thus misses once
//! in a thousand seeds; with about a hundred figures here, a seed at which everything passes is met nine times out of
//! ten, and the seed is fixed, so a miss is a finding: the bound is not moved. Quantiles may differ by the
//! histogram's bucket of 1/128 besides.

mod closed;
mod disciplines;
mod dispatch;
mod failures;
mod layered;
mod pauses;
mod stations;
mod trials;

use plimsoll::engine::observe::Observations;
use plimsoll::statistics::interval::mean_interval;

use crate::support::figure;

const LEVEL: f64 = 0.999;
const REPLICATIONS: u64 = 10;

/// The text of a model that `plimsoll validate theory` runs.
fn tried(name: &str) -> String {
    let cases = plimsoll::experiment::trials::textbook::cases().unwrap();
    let case = cases.into_iter().find(|c| c.name == name);
    case.unwrap_or_else(|| panic!("no case `{name}`")).source
}

/// Holds figures against exact values; all misses are told at once.
struct Judge<'a> {
    runs: &'a [Observations],
    misses: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(runs: &'a [Observations]) -> Self {
        Judge {
            runs,
            misses: Vec::new(),
        }
    }

    #[track_caller]
    fn figure(&mut self, subject: &str, name: &str, exact: f64) -> &mut Self {
        let values: Vec<f64> = self.runs.iter().map(|o| figure(o, subject, name)).collect();
        let slack = if name.contains("_p") { exact / 128.0 } else { 0.0 };
        self.values(&format!("{subject} {name}"), &values, exact, slack)
    }

    #[track_caller]
    fn values(&mut self, what: &str, values: &[f64], exact: f64, slack: f64) -> &mut Self {
        let e = mean_interval(values, LEVEL).expect("the figures are finite");
        let (low, high) = (
            e.low.expect("several replications") - slack,
            e.high.expect("several replications") + slack,
        );
        let half = 0.5 * (high - low);
        // An interval so wide that it would let everything pass proves nothing.
        if half > 0.15 * exact.abs() {
            self.misses
                .push(format!("{what}: the interval is too wide, {exact} ± {half}"));
        }
        if !(low <= exact && exact <= high) {
            self.misses.push(format!(
                "{what}: exact {exact}, simulated {} in {low} .. {high}",
                e.mean
            ));
        }
        self
    }
}

impl Drop for Judge<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.misses.is_empty(), "{}", self.misses.join("\n"));
        }
    }
}
