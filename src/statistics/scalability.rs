//! The Universal Scalability Law: X(N) = g N / (1 + s (N - 1) + k N (N - 1)).
//!
//! Gunther, N. J. (2007), *Guerrilla Capacity Planning*, Springer, chapters 4 to 6 (equation 4.31, p. 57).

use serde::{Deserialize, Serialize};

use super::{Refusal, not_negative, positive};

/// The law's three parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scalability {
    /// Throughput at N = 1, per second.
    pub rate: f64,
    /// Contention s: the share of work that is done one at a time.
    pub contention: f64,
    /// Coherency k: the cost of each pair that must agree.
    pub coherency: f64,
}

impl Scalability {
    /// Refuses a rate that is not positive and negative coefficients.
    pub fn new(rate: f64, contention: f64, coherency: f64) -> Result<Scalability, Refusal> {
        Ok(Scalability {
            rate: positive(rate, "the rate at one")?,
            contention: not_negative(contention, "the contention")?,
            coherency: not_negative(coherency, "the coherency")?,
        })
    }

    /// Throughput at concurrency `n`, per second. The law is one of whole numbers from 1 on: below 1 throughput is in
    /// proportion, and `n` below zero counts as zero.
    pub fn throughput(&self, n: f64) -> f64 {
        if n < 1.0 {
            return self.rate * n.max(0.0);
        }
        let slowdown = 1.0 + self.contention * (n - 1.0) + self.coherency * n * (n - 1.0);
        self.rate * n / slowdown
    }

    /// Concurrency with the highest throughput, at least 1; `None` if throughput never falls.
    pub fn peak(&self) -> Option<f64> {
        if self.contention > 1.0 {
            // One alone does more than any number together.
            return Some(1.0);
        }
        (self.coherency > 0.0).then(|| ((1.0 - self.contention) / self.coherency).sqrt().max(1.0))
    }

    /// Throughput that is never exceeded, per second; `None` if it grows without bound.
    pub fn ceiling(&self) -> Option<f64> {
        match self.peak() {
            Some(peak) => Some(self.throughput(peak)),
            None if self.contention > 0.0 => Some(self.rate / self.contention),
            None => None,
        }
    }
}

/// A fit and how far to trust it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalabilityFit {
    pub law: Scalability,
    /// Largest relative error of throughput among the points fitted.
    pub worst_relative_error: f64,
    /// What limits the fit, if anything.
    pub notes: Vec<String>,
}

/// Fits points `(N, X)` by least squares on N/X, which is linear in N - 1 and N (N - 1).
///
/// A coefficient that would come out negative is set to zero and the rest fitted again. Refuses
/// fewer than three distinct N, N below 1 and X that is not positive.
pub fn fit(points: &[(f64, f64)]) -> Result<ScalabilityFit, Refusal> {
    for &(n, x) in points {
        positive(x, "a throughput")?;
        if !n.is_finite() || n < 1.0 {
            return Err(Refusal::Domain {
                parameter: "a concurrency",
                must: "at least 1",
                found: n,
            });
        }
    }
    let mut distinct: Vec<f64> = points.iter().map(|point| point.0).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() < 3 {
        return Err(Refusal::TooFew {
            needed: 3,
            found: distinct.len(),
        });
    }
    let mut notes = Vec::new();
    let chosen = best_subset(points).ok_or(Refusal::NotConverged {
        what: "the least-squares fit",
    })?;
    let [base, linear, quadratic] = chosen;
    let law = Scalability::new(1.0 / base, linear / base, quadratic / base)?;
    if linear == 0.0 {
        notes.push("contention came out at or below zero and was set to zero".into());
    }
    if quadratic == 0.0 {
        notes.push("coherency came out at or below zero and was set to zero".into());
    }
    if distinct.len() < 6 {
        notes.push(format!(
            "{} distinct levels; six or more are advised",
            distinct.len()
        ));
    }
    let highest = distinct[distinct.len() - 1];
    match law.peak() {
        Some(peak) if peak <= highest => {}
        Some(peak) => notes.push(format!(
            "the peak at {peak:.0} lies beyond the highest level measured, {highest}"
        )),
        None => notes.push("no peak: the data do not show throughput falling".into()),
    }
    let worst_relative_error = points
        .iter()
        .map(|&(n, x)| (law.throughput(n) / x - 1.0).abs())
        .fold(0.0, f64::max);
    Ok(ScalabilityFit {
        law,
        worst_relative_error,
        notes,
    })
}

/// Least squares over the subsets of the two slopes; the best one whose coefficients are allowed.
fn best_subset(points: &[(f64, f64)]) -> Option<[f64; 3]> {
    let mut best: Option<(f64, [f64; 3])> = None;
    for (with_linear, with_quadratic) in [(true, true), (true, false), (false, true), (false, false)] {
        let Some(solution) = least_squares(points, with_linear, with_quadratic) else {
            continue;
        };
        if solution[0] <= 0.0 || solution[1] < 0.0 || solution[2] < 0.0 {
            continue;
        }
        let squares: f64 = points
            .iter()
            .map(|&(n, x)| {
                let fitted = solution[0] + solution[1] * (n - 1.0) + solution[2] * n * (n - 1.0);
                (n / x - fitted) * (n / x - fitted)
            })
            .sum();
        if best.is_none_or(|(least, _)| squares < least) {
            best = Some((squares, solution));
        }
    }
    best.map(|(_, solution)| solution)
}

/// Orthogonalises the columns (modified Gram–Schmidt), which keeps digits that the normal
/// equations would square away.
fn least_squares(points: &[(f64, f64)], with_linear: bool, with_quadratic: bool) -> Option<[f64; 3]> {
    let mut columns: Vec<(usize, Vec<f64>)> = vec![(0, vec![1.0; points.len()])];
    if with_linear {
        columns.push((1, points.iter().map(|p| p.0 - 1.0).collect()));
    }
    if with_quadratic {
        columns.push((2, points.iter().map(|p| p.0 * (p.0 - 1.0)).collect()));
    }
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    let mut target: Vec<f64> = points.iter().map(|p| p.0 / p.1).collect();
    let size = columns.len();
    let mut upper = vec![vec![0.0; size]; size];
    let mut right = vec![0.0; size];
    for i in 0..size {
        let pivot = columns[i].1.clone();
        let length = dot(&pivot, &pivot);
        if length <= 0.0 || !length.is_finite() {
            return None;
        }
        upper[i][i] = 1.0;
        for j in i + 1..size {
            let share = dot(&pivot, &columns[j].1) / length;
            upper[i][j] = share;
            for (value, p) in columns[j].1.iter_mut().zip(&pivot) {
                *value -= share * p;
            }
        }
        right[i] = dot(&pivot, &target) / length;
        for (value, p) in target.iter_mut().zip(&pivot) {
            *value -= right[i] * p;
        }
    }
    let mut solution = [0.0; 3];
    let mut solved = vec![0.0; size];
    for i in (0..size).rev() {
        solved[i] = right[i] - (i + 1..size).map(|j| upper[i][j] * solved[j]).sum::<f64>();
        solution[columns[i].0] = solved[i];
    }
    solution.iter().all(|v| v.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn the_law_gives_the_worked_values() {
        let law = Scalability::new(1.0, 0.03, 0.0005).unwrap();
        assert!((law.peak().unwrap() - 44.0).abs() < 0.05);
        for (n, x) in [
            (8.0, 6.462),
            (16.0, 10.191),
            (32.0, 13.190),
            (64.0, 13.045),
            (128.0, 9.893),
        ] {
            assert!((law.throughput(n) - x).abs() < 6e-4, "N = {n}");
        }
        let law = Scalability::new(1.0, 0.02, 0.0001).unwrap();
        assert!((law.peak().unwrap() - 99.0).abs() < 0.06);
        for (n, x) in [
            (8.0, 6.983),
            (16.0, 12.085),
            (32.0, 18.613),
            (64.0, 24.031),
            (128.0, 24.779),
        ] {
            assert!((law.throughput(n) - x).abs() < 6e-4, "N = {n}");
        }
    }

    #[test]
    fn a_fit_recovers_the_law_behind_its_points() {
        let law = Scalability::new(995.0, 0.0267, 0.000769).unwrap();
        let points: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 48.0, 64.0]
            .map(|n| (n, law.throughput(n)))
            .to_vec();
        let found = fit(&points).unwrap();
        assert_close(found.law.rate, law.rate, 1e-9);
        assert_close(found.law.contention, law.contention, 1e-8);
        assert_close(found.law.coherency, law.coherency, 1e-8);
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        assert!(found.worst_relative_error < 1e-9);
    }

    #[test]
    fn super_linear_points_are_not_fitted_with_negative_costs() {
        let points = [(1.0, 10.0), (2.0, 21.0), (4.0, 45.0), (8.0, 95.0)];
        let found = fit(&points).unwrap();
        assert!(found.law.contention >= 0.0 && found.law.coherency >= 0.0);
        assert!(!found.notes.is_empty());
    }

    #[test]
    fn of_two_laws_that_are_allowed_the_one_nearer_to_the_points_is_taken() {
        // N/X = 1 - 0.05 (N - 1) + 0.01 N (N - 1): without the forbidden gain a curve is much nearer than a line.
        let of = |n: f64| (n, n / (1.0 - 0.05 * (n - 1.0) + 0.01 * n * (n - 1.0)));
        let found = fit(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0].map(of)).unwrap();
        assert_eq!(found.law.contention, 0.0);
        assert!((0.008..0.015).contains(&found.law.coherency), "{found:?}");
        assert_eq!(
            found.notes,
            ["contention came out at or below zero and was set to zero"]
        );
    }

    #[test]
    fn notes_tell_of_few_levels_and_of_a_peak_nobody_measured() {
        let law = Scalability::new(100.0, 0.02, 0.0001).unwrap();
        let notes = |levels: &[f64]| {
            let points: Vec<(f64, f64)> = levels.iter().map(|&n| (n, law.throughput(n))).collect();
            fit(&points).unwrap().notes
        };
        assert_eq!(
            notes(&[1.0, 20.0, 40.0, 80.0, 120.0, 160.0]),
            Vec::<String>::new()
        );
        assert_eq!(
            notes(&[1.0, 20.0, 40.0, 80.0, 160.0]),
            ["5 distinct levels; six or more are advised"]
        );
        assert_eq!(notes(&[1.0, 80.0, 160.0]).len(), 1);
        assert_eq!(
            notes(&[1.0, 10.0, 20.0, 30.0, 40.0, 64.0]),
            ["the peak at 99 lies beyond the highest level measured, 64"]
        );
    }

    #[test]
    fn without_coherency_throughput_has_a_ceiling_and_no_peak() {
        let law = Scalability::new(100.0, 0.05, 0.0).unwrap();
        assert_eq!(law.peak(), None);
        assert_close(law.ceiling().unwrap(), 2000.0, 1e-12);
        assert_eq!(Scalability::new(1.0, 0.0, 0.0).unwrap().ceiling(), None);
    }

    #[test]
    fn nothing_exceeds_the_ceiling_however_large_the_costs() {
        for (contention, coherency) in [(1.0, 0.0), (3.0, 0.0), (3.0, 0.2), (0.2, 9.0), (0.0, 0.01)] {
            let law = Scalability::new(10.0, contention, coherency).unwrap();
            let most = law.ceiling().unwrap();
            for n in [0.0, 0.3, 0.7, 1.0, 1.5, 2.0, 9.0, 10.0, 11.0, 500.0] {
                let x = law.throughput(n);
                assert!(
                    (0.0..=most * (1.0 + 1e-12)).contains(&x),
                    "{law:?} {n}: {x} {most}"
                );
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(fit(&[(1.0, 1.0), (2.0, 2.0), (2.0, 2.1)]).is_err());
        assert!(fit(&[(0.5, 1.0), (2.0, 2.0), (3.0, 2.1)]).is_err());
        assert!(fit(&[(1.0, 0.0), (2.0, 2.0), (3.0, 2.1)]).is_err());
        assert!(Scalability::new(1.0, -0.1, 0.0).is_err());
    }

    #[test]
    fn one_that_does_all_the_work_in_turn_never_does_less() {
        let law = Scalability::new(5.0, 1.0, 0.0).unwrap();
        assert_eq!((law.peak(), law.ceiling()), (None, Some(5.0)));
        assert_eq!(law.throughput(7.0), 5.0);
        assert_eq!(Scalability::new(5.0, 1.5, 0.0).unwrap().peak(), Some(1.0));
    }
}
