//! Confidence intervals: replications, pairs, rare losses, ratios, and quantiles of one run.

use serde::{Deserialize, Serialize};

use super::leaning::leaning_interval;
use super::special::{beta_quantile, binomial_cdf, normal_quantile, student_quantile};
use super::{Refusal, all_finite, mean, probability, variance};

/// A figure with its confidence interval, or with the reason why it has none.
///
/// The unit is that of the observations. `low` and `high` need not lie symmetrically about the
/// mean; `half_width` is half of their distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub mean: f64,
    pub half_width: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Confidence level of the interval, for example 0.95.
    pub level: f64,
    /// Independent observations behind the figure: replications, batches, or trials.
    pub n: usize,
    /// What a reader must know about the interval, or why there is none.
    pub note: Option<String>,
}

impl Estimate {
    /// A figure with the interval `low` to `high`.
    pub fn with_interval(mean: f64, low: f64, high: f64, level: f64, n: usize) -> Estimate {
        Estimate {
            mean,
            half_width: Some(0.5 * (high - low)),
            low: Some(low),
            high: Some(high),
            level,
            n,
            note: None,
        }
    }

    /// A figure without an interval, and why.
    pub fn without_interval(mean: f64, level: f64, n: usize, why: impl Into<String>) -> Estimate {
        Estimate {
            mean,
            half_width: None,
            low: None,
            high: None,
            level,
            n,
            note: Some(why.into()),
        }
    }

    /// The same figure with a remark; an earlier remark stays in front.
    pub fn noted(mut self, remark: impl Into<String>) -> Estimate {
        let remark = remark.into();
        self.note = Some(match self.note.take() {
            Some(earlier) => format!("{earlier}; {remark}"),
            None => remark,
        });
        self
    }

    /// Distance of the farther limit from the figure; `None` without interval.
    pub fn reach(&self) -> Option<f64> {
        Some((self.mean - self.low?).max(self.high? - self.mean))
    }

    /// Whether zero lies outside the interval; `None` without interval. For a difference this is
    /// the test at false-alarm rate 1 - level.
    pub fn excludes_zero(&self) -> Option<bool> {
        Some(self.low? > 0.0 || self.high? < 0.0)
    }

    /// Whether `value` lies inside the interval; `None` without interval.
    pub fn contains(&self, value: f64) -> Option<bool> {
        Some(self.low? <= value && value <= self.high?)
    }

    fn clamped(mut self, floor: f64, ceiling: f64) -> Estimate {
        if let (Some(low), Some(high)) = (self.low, self.high) {
            let (low, high) = (low.clamp(floor, ceiling), high.clamp(floor, ceiling));
            self.low = Some(low);
            self.high = Some(high);
            self.half_width = Some(0.5 * (high - low));
        }
        self
    }
}

/// Mean of independent observations with Student's t interval (Law, *Simulation Modeling and
/// Analysis*, 4th ed., section 4.5).
///
/// Refuses an empty sample, values that are not finite, and a level outside (0, 1). One observation
/// gives a figure without interval.
pub fn mean_interval(values: &[f64], level: f64) -> Result<Estimate, Refusal> {
    mean_interval_by(student(values.len(), level)?, values, level)
}

/// Student's t for so many observations; zero below two, which have no interval. Finding it costs more than all that
/// is done with it, so whoever forms many intervals of one size finds it once.
pub(super) fn student(observations: usize, level: f64) -> Result<f64, Refusal> {
    probability(level, "the confidence level")?;
    match observations {
        0 | 1 => Ok(0.0),
        n => student_quantile(0.5 * (1.0 + level), (n - 1) as f64),
    }
}

/// [`mean_interval`] with the [`student`] of its size and level.
pub(super) fn mean_interval_by(t: f64, values: &[f64], level: f64) -> Result<Estimate, Refusal> {
    all_finite(values, "an observation")?;
    if values.is_empty() {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    let centre = mean(values);
    if !centre.is_finite() {
        return Err(Refusal::Domain {
            parameter: "the sum of observations",
            must: "finite",
            found: centre,
        });
    }
    let n = values.len();
    if n == 1 {
        let why = "one observation shows no variation, so there is no interval";
        return Ok(Estimate::without_interval(centre, level, n, why));
    }
    let half_width = t * (variance(values) / n as f64).sqrt();
    Ok(Estimate::with_interval(
        centre,
        centre - half_width,
        centre + half_width,
        level,
        n,
    ))
}

/// Mean of `changed - base`, observation by observation: the comparison to use when both samples
/// saw the same random numbers (Law, section 10.2.1, the paired-t interval).
///
/// Refuses samples of different length.
pub fn paired_difference(base: &[f64], changed: &[f64], level: f64) -> Result<Estimate, Refusal> {
    if base.len() != changed.len() {
        return Err(Refusal::TooFew {
            needed: base.len().max(changed.len()),
            found: base.len().min(changed.len()),
        });
    }
    let differences: Vec<f64> = base.iter().zip(changed).map(|(b, c)| c - b).collect();
    mean_interval(&differences, level)
}

/// Share `hits / trials` of independent trials with Wilson's score interval (Wilson 1927, *JASA*
/// 22, pp. 209–212). Close to its nominal level for most shares; may fall short of it for rare ones.
pub fn wilson(hits: u64, trials: u64, level: f64) -> Result<Estimate, Refusal> {
    check_share(hits, trials, level)?;
    let n = trials as f64;
    let share = hits as f64 / n;
    let z = normal_quantile(0.5 * (1.0 + level))?;
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let reach = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let low = if hits == 0 { 0.0 } else { centre - reach };
    let high = if hits == trials { 1.0 } else { centre + reach };
    Ok(Estimate::with_interval(share, low, high, level, count(trials)).clamped(0.0, 1.0))
}

/// Share `hits / trials` of independent trials with the exact interval (Clopper & Pearson 1934,
/// *Biometrika* 26, pp. 404–413). Never falls short of its level; the choice for rare losses.
pub fn clopper_pearson(hits: u64, trials: u64, level: f64) -> Result<Estimate, Refusal> {
    check_share(hits, trials, level)?;
    let miss = 0.5 * (1.0 - level);
    let (k, n) = (hits as f64, trials as f64);
    let low = if hits == 0 {
        0.0
    } else {
        beta_quantile(miss, k, n - k + 1.0)?
    };
    let high = if hits == trials {
        1.0
    } else {
        beta_quantile(1.0 - miss, k + 1.0, n - k)?
    };
    Ok(Estimate::with_interval(k / n, low, high, level, count(trials)))
}

fn check_share(hits: u64, trials: u64, level: f64) -> Result<(), Refusal> {
    probability(level, "the confidence level")?;
    if trials == 0 {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    if hits > trials {
        return Err(Refusal::Domain {
            parameter: "the hits",
            must: "at most the trials",
            found: hits as f64,
        });
    }
    Ok(())
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Ratio of sums over replications, `sum of numerators / sum of denominators`, with a jackknife
/// interval (Law, section 9.5.3, on ratios; Miller 1974, *Biometrika* 61, pp. 1–15), wider on the side to which the
/// pseudo-values lean.
///
/// A mean of per-replication ratios would be biased when the denominators vary; the jackknife
/// removes the bias of order 1/n and needs no independence within a replication.
/// The figure reported is the plain ratio; only the interval rests on the pseudo-values.
pub fn ratio_interval(pairs: &[(f64, f64)], level: f64) -> Result<Estimate, Refusal> {
    probability(level, "the confidence level")?;
    for &(numerator, denominator) in pairs {
        all_finite(&[numerator], "a numerator")?;
        super::not_negative(denominator, "a denominator")?;
    }
    let n = pairs.len();
    let top: f64 = pairs.iter().map(|pair| pair.0).sum();
    let bottom: f64 = pairs.iter().map(|pair| pair.1).sum();
    super::positive(bottom, "the sum of denominators")?;
    let ratio = top / bottom;
    if n == 1 {
        let why = "one replication shows no variation, so there is no interval";
        return Ok(Estimate::without_interval(ratio, level, n, why));
    }
    let mut pseudo = Vec::with_capacity(n);
    for &(numerator, denominator) in pairs {
        let rest = bottom - denominator;
        if rest <= 0.0 {
            let why = "all trials fell into one replication, so there is no interval";
            return Ok(Estimate::without_interval(ratio, level, n, why));
        }
        let left_out = (top - numerator) / rest;
        pseudo.push(n as f64 * ratio - (n - 1) as f64 * left_out);
    }
    let interval = leaning_interval(&pseudo, level)?;
    Ok(Estimate::with_interval(
        ratio,
        interval.low.map_or(ratio, |low| low.min(ratio)),
        interval.high.map_or(ratio, |high| high.max(ratio)),
        level,
        n,
    ))
}

/// Share of lost requests over replications of `(lost, offered)` counts.
///
/// Losses cluster in time, so trials inside a replication are not independent: the interval is the
/// jackknife's over replications. Where no replication lost anything, or all lost everything, that
/// interval has no width; the exact binomial one stands in, with a note that it takes trials for
/// independent.
pub fn loss_interval(replications: &[(u64, u64)], level: f64) -> Result<Estimate, Refusal> {
    let mut lost = 0u64;
    let mut offered = 0u64;
    for &(part, whole) in replications {
        if part > whole {
            check_share(part, whole, level)?;
        }
        lost = lost.saturating_add(part);
        offered = offered.saturating_add(whole);
    }
    let exact = clopper_pearson(lost, offered, level)?;
    let extreme = lost == 0 || lost == offered;
    if extreme || replications.len() == 1 {
        let why = if lost == 0 {
            "no loss was seen: the upper limit is the exact binomial one and takes requests for independent"
        } else if lost == offered {
            "all was lost: the lower limit is the exact binomial one and takes requests for independent"
        } else {
            "one replication: the interval is the exact binomial one and takes requests for independent"
        };
        let mut estimate = exact.noted(why);
        estimate.n = replications.len();
        return Ok(estimate);
    }
    let pairs: Vec<(f64, f64)> = replications
        .iter()
        .map(|&(part, whole)| (part as f64, whole as f64))
        .collect();
    Ok(ratio_interval(&pairs, level)?.clamped(0.0, 1.0))
}

/// Ranks (from 1) of the order statistics that enclose the `p`-quantile of `n` independent
/// observations with at least the given confidence; `None` if the sample is too small on either
/// side (David & Nagaraja, *Order Statistics*, 3rd ed., section 7.1).
pub fn quantile_ranks(n: u64, p: f64, level: f64) -> Result<Option<(u64, u64)>, Refusal> {
    probability(level, "the confidence level")?;
    probability(p, "the quantile's probability")?;
    if n == 0 {
        return Ok(None);
    }
    let miss = 0.5 * (1.0 - level);
    // P(X_(l) > q) = P(fewer than l observations at or below q) = F(l - 1): the largest l that
    // keeps it within the miss; likewise the smallest u with 1 - F(u - 1) within it.
    if binomial_cdf(0, n, p)? > miss {
        return Ok(None);
    }
    let low = first(1, n, |l| Ok(binomial_cdf(l, n, p)? > miss))?;
    if binomial_cdf(n - 1, n, p)? < 1.0 - miss {
        return Ok(None);
    }
    let high = first(1, n, |u| Ok(binomial_cdf(u - 1, n, p)? >= 1.0 - miss))?;
    Ok(Some((low, high)))
}

/// The smallest whole number in `low..=high` for which a monotone condition holds; `high` if none.
fn first(mut low: u64, mut high: u64, holds: impl Fn(u64) -> Result<bool, Refusal>) -> Result<u64, Refusal> {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// A quantile of one run from its sorted observations, with the order-statistics interval.
///
/// The figure is the smallest observation with at least `p` of all at or below it. Response times
/// of neighbouring requests depend on one another, which makes the true interval wider: the note
/// says so, and [`quantile_interval`](super::leaning::quantile_interval) is the better choice where replications exist.
/// Refuses values that are unsorted or not finite.
pub fn quantile_in_run(sorted: &[f64], p: f64, level: f64) -> Result<Estimate, Refusal> {
    all_finite(sorted, "an observation")?;
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] > pair[1]) {
        return Err(Refusal::Domain {
            parameter: "the observations",
            must: "sorted",
            found: pair[1],
        });
    }
    let n = sorted.len();
    let ranks = quantile_ranks(n as u64, p, level)?;
    if n == 0 {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    // The subtraction keeps a product such as 0.07 * 100 from rounding up past its whole number.
    let rank = ((p * n as f64 - 1e-9).ceil() as usize).clamp(1, n);
    let figure = sorted[rank - 1];
    Ok(match ranks {
        Some((low, high)) => Estimate::with_interval(
            figure,
            sorted[low as usize - 1],
            sorted[high as usize - 1],
            level,
            n,
        )
        .noted("one run: the interval takes neighbouring observations for independent"),
        None => Estimate::without_interval(
            figure,
            level,
            n,
            "too few observations beyond the quantile for an interval",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{TestRandom, assert_close};
    use super::*;

    #[test]
    fn the_t_interval_of_one_to_ten() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = mean_interval(&values, 0.95).unwrap();
        assert_eq!((found.mean, found.n), (5.5, 10));
        // 2.262157 × 3.027650 / √10
        assert_close(found.half_width.unwrap(), 2.165_850, 1e-6);
        assert_eq!(found.contains(7.0), Some(true));
        assert_eq!(found.excludes_zero(), Some(true));
    }

    #[test]
    fn common_random_numbers_make_a_small_difference_visible() {
        let mut random = TestRandom(5);
        let base: Vec<f64> = (0..20).map(|_| random.exponential(100.0)).collect();
        let changed: Vec<f64> = base.iter().map(|b| b + 1.0 + 0.1 * random.normal()).collect();
        let paired = paired_difference(&base, &changed, 0.95).unwrap();
        assert_eq!(paired.excludes_zero(), Some(true));
        assert!(paired.half_width.unwrap() < 0.1);
        assert!(mean_interval(&base, 0.95).unwrap().half_width.unwrap() > 10.0);
        assert!(paired_difference(&base, &changed[1..], 0.95).is_err());
    }

    #[test]
    fn shares_agree_with_the_published_comparison() {
        // Newcombe 1998, Statistics in Medicine 17, table I, methods 3 and 5.
        for (hits, trials, score, exact) in [
            (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
            (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
            (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
            (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
        ] {
            for (found, (low, high)) in [
                (wilson(hits, trials, 0.95).unwrap(), score),
                (clopper_pearson(hits, trials, 0.95).unwrap(), exact),
            ] {
                assert!((found.low.unwrap() - low).abs() < 6e-5, "{found:?}");
                assert!((found.high.unwrap() - high).abs() < 6e-5, "{found:?}");
            }
        }
        assert_eq!(wilson(20, 20, 0.95).unwrap().high, Some(1.0));
        assert!(wilson(3, 2, 0.95).is_err() && clopper_pearson(0, 0, 0.95).is_err());
    }

    #[test]
    fn clustered_losses_get_a_wider_interval_than_independent_ones() {
        let replications = [(0, 1000), (90, 1000), (3, 1000), (0, 1000), (60, 1000), (1, 1000)];
        let clustered = loss_interval(&replications, 0.95).unwrap();
        let naive = clopper_pearson(154, 6000, 0.95).unwrap();
        assert_close(clustered.mean, 154.0 / 6000.0, 1e-12);
        assert!(clustered.half_width.unwrap() > 3.0 * naive.half_width.unwrap());
        assert_eq!(clustered.low, Some(0.0));
    }

    #[test]
    fn no_loss_seen_still_has_an_upper_limit() {
        let found = loss_interval(&[(0, 500), (0, 500)], 0.95).unwrap();
        assert_eq!((found.mean, found.low, found.n), (0.0, Some(0.0), 2));
        // 1 - 0.025^(1/1000)
        assert_close(found.high.unwrap(), 0.003_682_08, 1e-5);
        assert!(found.note.is_some());
        assert!(loss_interval(&[(3, 2), (0, 5)], 0.95).is_err());
        assert!(loss_interval(&[(1, 0), (0, 5)], 0.95).is_err());
        assert!(loss_interval(&[], 0.95).is_err());
    }

    #[test]
    fn the_jackknife_covers_a_ratio_with_varying_denominators() {
        let covered = (0..400)
            .filter(|&seed| {
                let mut random = TestRandom(seed);
                let pairs: Vec<(f64, f64)> = (0..20)
                    .map(|_| {
                        let size = 50.0 + random.exponential(50.0);
                        (0.3 * size + 3.0 * random.normal(), size)
                    })
                    .collect();
                ratio_interval(&pairs, 0.95).unwrap().contains(0.3) == Some(true)
            })
            .count();
        // 95 % of 400 is 380 with standard deviation 4.4.
        assert!((363..=395).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn ranks_of_the_median_agree_with_binomial_tables() {
        // F(39) = 0.0176, F(40) = 0.0284, F(60) = 0.9824: n = 100, 95 %: the 40th and the 61st value.
        assert_eq!(quantile_ranks(100, 0.5, 0.95).unwrap(), Some((40, 61)));
        assert_eq!(quantile_ranks(10, 0.99, 0.95).unwrap(), None);
        let (low, high) = quantile_ranks(1_000_000, 0.99, 0.95).unwrap().unwrap();
        // Normal approximation: 990000 ± 1.96 × 99.5
        assert!(low.abs_diff(989_805) <= 3 && high.abs_diff(990_196) <= 3);
    }

    #[test]
    fn a_quantile_in_a_run_is_an_observation() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = quantile_in_run(&sorted, 0.5, 0.95).unwrap();
        assert_eq!(
            (found.mean, found.low, found.high),
            (50.0, Some(40.0), Some(61.0))
        );
        assert_eq!(quantile_in_run(&sorted, 0.07, 0.95).unwrap().mean, 7.0);
        let few = quantile_in_run(&sorted[..10], 0.99, 0.95).unwrap();
        assert_eq!((few.mean, few.half_width), (10.0, None));
        assert!(quantile_in_run(&[2.0, 1.0], 0.5, 0.95).is_err());
        assert!(quantile_in_run(&[], 0.5, 0.95).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(mean_interval(&[], 0.95).is_err());
        assert!(mean_interval(&[1.0, f64::INFINITY], 0.95).is_err());
        assert!(mean_interval(&[1.0, 2.0], 1.0).is_err());
        assert!(mean_interval(&[f64::MAX, f64::MAX], 0.95).is_err());
        assert!(ratio_interval(&[(1.0, 0.0)], 0.95).is_err());
        assert!(ratio_interval(&[(1.0, -1.0), (1.0, 5.0)], 0.95).is_err());
    }
}
