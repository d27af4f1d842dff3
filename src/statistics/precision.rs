//! Is a figure precise enough, and how many replications would make it so?

use serde::{Deserialize, Serialize};

use super::interval::Estimate;
use super::special::student_quantile;
use super::{Refusal, positive};

/// The answer to "is this figure within 5 % at 95 %?"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    Converged,
    NotConverged {
        reason: String,
        /// Replications that would probably do; `None` if nothing can be said.
        needed_replications: Option<usize>,
    },
}

/// Fewest replications at which [`relative_precision`] will say "converged". Stopping as soon as an
/// interval happens to be short covers less than its level when few replications decide (Law,
/// section 9.4.1).
pub const FEWEST_REPLICATIONS: usize = 5;

/// Whether the interval's farther limit is within `target` (0.05 for 5 %) of the figure. (Law, section 9.4.1, counts
/// the error against the true mean and so asks for target / (1 + target) of the figure.)
///
/// The number of replications needed follows from the present variance; it is a forecast.
/// Refuses a target that is not positive.
pub fn relative_precision(estimate: &Estimate, target: f64) -> Result<Precision, Refusal> {
    positive(target, "the precision")?;
    let not = |reason: String, needed_replications| {
        Ok(Precision::NotConverged {
            reason,
            needed_replications,
        })
    };
    let Some(reach) = estimate.reach() else {
        let why = estimate.note.clone();
        return not(
            why.unwrap_or_else(|| "no interval could be formed".into()),
            (estimate.n < FEWEST_REPLICATIONS).then_some(FEWEST_REPLICATIONS),
        );
    };
    let goal = target * estimate.mean.abs();
    if reach <= goal && estimate.n >= FEWEST_REPLICATIONS {
        return Ok(Precision::Converged);
    }
    if reach <= goal {
        return not(
            format!("{} of at least {FEWEST_REPLICATIONS} replications", estimate.n),
            Some(FEWEST_REPLICATIONS),
        );
    }
    if goal == 0.0 {
        return not("the figure is zero, so no share of it is meaningful".into(), None);
    }
    let reason = format!(
        "the interval reaches {:.1} % of the figure away from it, asked was {:.1} %",
        100.0 * reach / estimate.mean.abs(),
        100.0 * target
    );
    let needed = forecast(estimate, reach / goal)?;
    not(reason, needed)
}

/// Replications at which the half-width shrinks by `factor`, at the present variance.
fn forecast(estimate: &Estimate, factor: f64) -> Result<Option<usize>, Refusal> {
    let n = estimate.n as f64;
    if estimate.n < 2 {
        return Ok(None);
    }
    let p = 0.5 * (1.0 + estimate.level);
    let now = student_quantile(p, n - 1.0)?;
    let mut needed = n * factor * factor;
    // The t quantile shrinks as replications are added; three rounds settle it.
    for _ in 0..3 {
        let then = student_quantile(p, (needed - 1.0).max(1.0))?;
        let shrink = factor * then / now;
        needed = (n * shrink * shrink).max(n + 1.0);
    }
    let needed = needed.ceil().max(FEWEST_REPLICATIONS as f64);
    Ok((needed < 1e9).then_some(needed as usize))
}

#[cfg(test)]
mod tests {
    use super::super::interval::mean_interval;
    use super::*;

    /// Replications said to be needed for 5 % by a figure of one with a half-width at 95 %.
    fn needed(replications: usize, half_width: f64) -> Option<usize> {
        let wide = Estimate::with_interval(1.0, 1.0 - half_width, 1.0 + half_width, 0.95, replications);
        match relative_precision(&wide, 0.05).unwrap() {
            Precision::NotConverged {
                needed_replications, ..
            } => needed_replications,
            Precision::Converged => panic!("{wide:?}"),
        }
    }

    #[test]
    fn precision_says_how_many_replications_are_missing() {
        let values: Vec<f64> = (0..10).map(|i| 100.0 + f64::from(i)).collect();
        let good = mean_interval(&values, 0.95).unwrap();
        assert_eq!(relative_precision(&good, 0.05).unwrap(), Precision::Converged);
        let wide = Estimate::with_interval(100.0, 80.0, 120.0, 0.95, 10);
        match relative_precision(&wide, 0.05).unwrap() {
            // 16 × 10 with t falling from 2.262 to 1.980: 1.980/√123 is the first below 2.262/√10/4.
            Precision::NotConverged {
                needed_replications: Some(n),
                ..
            } => assert_eq!(n, 123),
            other => panic!("{other:?}"),
        }
        // 2.179/√13 is the first below 2.776/√5/2.
        assert_eq!(needed(5, 0.1), Some(13));
        assert!(needed(2, 0.1).is_some());
        assert_eq!(needed(1, 0.1), None);
        // Where no interval could be formed from enough replications, more of them are no promise.
        for (n, expected) in [(4, Some(FEWEST_REPLICATIONS)), (5, None)] {
            let none = Estimate::without_interval(1.0, 0.95, n, "for a reason");
            let Precision::NotConverged {
                needed_replications, ..
            } = relative_precision(&none, 0.05).unwrap()
            else {
                panic!("converged without an interval");
            };
            assert_eq!(needed_replications, expected);
        }
        let one = mean_interval(&[1.0], 0.95).unwrap();
        assert!(matches!(
            relative_precision(&one, 0.05).unwrap(),
            Precision::NotConverged {
                needed_replications: Some(FEWEST_REPLICATIONS),
                ..
            }
        ));
        let zero = Estimate::with_interval(0.0, -1.0, 1.0, 0.95, 10);
        assert!(matches!(
            relative_precision(&zero, 0.05).unwrap(),
            Precision::NotConverged {
                needed_replications: None,
                ..
            }
        ));
    }
}
