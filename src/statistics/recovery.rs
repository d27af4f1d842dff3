//! Is a system after a disturbance what it was before?
//!
//! Every replication is its own control: the number inside and the throughput at the end of the run against those
//! before the disturbance, as a difference in each replication and Student's t over replications. "Recovered" has to be
//! shown, as an equivalence test shows it (Schuirmann 1987, *J. Pharmacokinet. Biopharm.* 15, pp. 657–680): the
//! differences must lie significantly within a margin. "Not recovered" has to be shown too; between them lies undecided.

use super::interval::mean_interval;
use super::{Refusal, mean, positive, probability};

/// Error rate of "recovered" for a system at the margin, and of "not recovered" for one within it, per test.
pub const FALSE_ALARM: f64 = 0.01;
/// As many times as many inside as before count as recovered.
pub const INSIDE_MARGIN: f64 = 1.5;
/// This share of the throughput before counts as recovered.
pub const THROUGHPUT_MARGIN: f64 = 0.9;
/// Share of the time after the disturbance, at its end, that is looked at.
const LAST: f64 = 0.25;
/// Fewest windows before the disturbance and at the end.
const FEWEST_WINDOWS: usize = 3;

/// What one replication saw, window by window from the start of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// Number inside, averaged over each window.
    pub inside: Vec<f64>,
    /// Requests completed a second in each window.
    pub throughput: Vec<f64>,
}

/// What the replications show.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    pub state: State,
    /// Means over replications before the disturbance and at the end of the run.
    pub inside: (f64, f64),
    pub throughput: (f64, f64),
    /// Seconds from the end of the disturbance to the first window in which the mean over replications of number inside
    /// and throughput is within the margins.
    pub after: Option<f64>,
}

/// Whether it is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Recovered,
    NotRecovered,
    Undecided,
}

/// Judges replications of a run with windows of `window` seconds, which was disturbed from `from` to `to` seconds.
///
/// Before the disturbance counts the second half of the time up to it, at the end the last quarter of the time after it.
/// `None` if there are fewer than three windows for either, or no replication.
///
/// # Errors
/// A width or an error rate out of range, or a value that is not finite.
pub fn recovery(
    replications: &[Watched],
    window: f64,
    (from, to): (f64, f64),
    false_alarm: f64,
) -> Result<Option<Recovery>, Refusal> {
    positive(window, "the window")?;
    probability(2.0 * false_alarm, "twice the error rate")?;
    let length = replications
        .iter()
        .map(|r| r.inside.len().min(r.throughput.len()))
        .min()
        .unwrap_or(0);
    let end = length as f64 * window;
    // Whole windows only; the small share keeps a window that ends there from being lost to rounding.
    let first_of = |t: f64| (t / window - 1e-6).ceil().max(0.0) as usize;
    let last_of = |t: f64| ((t / window + 1e-6).floor().max(0.0) as usize).min(length);
    let (before, late) = (
        first_of(0.5 * from)..last_of(from),
        first_of(end - LAST * (end - to).max(0.0))..length,
    );
    if before.len() < FEWEST_WINDOWS || late.len() < FEWEST_WINDOWS {
        return Ok(None);
    }
    let pairs = |series: fn(&Watched) -> &Vec<f64>| -> Vec<(f64, f64)> {
        replications
            .iter()
            .map(|r| (mean(&series(r)[before.clone()]), mean(&series(r)[late.clone()])))
            .collect()
    };
    let (inside, throughput) = (pairs(|w| &w.inside), pairs(|w| &w.throughput));
    let excess: Vec<f64> = inside.iter().map(|(b, a)| a - INSIDE_MARGIN * b).collect();
    let want: Vec<f64> = throughput
        .iter()
        .map(|(b, a)| THROUGHPUT_MARGIN * b - a)
        .collect();
    let level = 1.0 - 2.0 * false_alarm;
    let limits = [mean_interval(&excess, level)?, mean_interval(&want, level)?];
    // A single replication has no interval: nothing is shown.
    let state = if limits.iter().any(|l| l.low.is_some_and(|low| low > 0.0)) {
        State::NotRecovered
    } else if limits.iter().all(|l| l.high.is_some_and(|high| high <= 0.0)) {
        State::Recovered
    } else {
        State::Undecided
    };
    let halves = |pairs: &[(f64, f64)]| {
        let (before, late): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        (mean(&before), mean(&late))
    };
    let (inside, throughput) = (halves(&inside), halves(&throughput));
    let over = |series: fn(&Watched) -> &Vec<f64>, i: usize| {
        replications.iter().map(|r| series(r)[i]).sum::<f64>() / replications.len() as f64
    };
    let back = (first_of(to)..length).find(|&i| {
        over(|w| &w.inside, i) <= INSIDE_MARGIN * inside.0
            && over(|w| &w.throughput, i) >= THROUGHPUT_MARGIN * throughput.0
    });
    Ok(Some(Recovery {
        state,
        inside,
        throughput,
        after: back.map(|i| ((i + 1) as f64 * window - to).max(0.0)),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::TestRandom;
    use super::*;

    /// Ten replications of 100 windows, disturbed in windows 30 to 39; `late` is what is inside from window 60 on.
    fn seen(noise: f64, late: f64, late_throughput: f64, seed: u64) -> Vec<Watched> {
        let mut random = TestRandom(seed);
        (0..10)
            .map(|_| {
                let mut value = |i: usize, after: f64, before: f64| {
                    let centre = if i < 30 { before } else { after };
                    centre * (1.0 + noise * random.normal())
                };
                let inside = |i: usize| if (30..60).contains(&i) { 9.0 * 4.0 } else { late };
                Watched {
                    inside: (0..100).map(|i| value(i, inside(i), 4.0)).collect(),
                    throughput: (0..100).map(|i| value(i, late_throughput, 10.0)).collect(),
                }
            })
            .collect()
    }

    fn state(seen: &[Watched]) -> State {
        recovery(seen, 2.0, (60.0, 80.0), FALSE_ALARM)
            .unwrap()
            .unwrap()
            .state
    }

    #[test]
    fn what_is_as_before_has_recovered_and_what_is_not_has_not() {
        let found = recovery(&seen(0.2, 4.0, 10.0, 1), 2.0, (60.0, 80.0), FALSE_ALARM)
            .unwrap()
            .unwrap();
        assert_eq!(found.state, State::Recovered);
        // Many inside until window 60, which begins at 120 s: 40 s after the disturbance, and it ends 2 s later.
        assert_eq!(found.after, Some(42.0));
        assert!((found.inside.0 - 4.0).abs() < 0.2, "{found:?}");
        assert_eq!(state(&seen(0.2, 8.0, 10.0, 2)), State::NotRecovered);
        // Few inside are no recovery where hardly anything is completed: a storm of retries that all fail.
        assert_eq!(state(&seen(0.2, 4.0, 1.0, 3)), State::NotRecovered);
        assert_eq!(state(&seen(0.0, 4.0, 10.0, 4)), State::Recovered);
    }

    #[test]
    fn at_the_margin_each_side_is_told_in_one_run_of_a_hundred() {
        let states: Vec<State> = (0..1000).map(|i| state(&seen(0.2, 6.0, 10.0, 100 + i))).collect();
        let count = |s: State| states.iter().filter(|x| **x == s).count();
        // 1 % of 1,000, within three deviations.
        assert!(count(State::Recovered) <= 20, "{}", count(State::Recovered));
        assert!(count(State::NotRecovered) <= 20, "{}", count(State::NotRecovered));
        assert!(count(State::Undecided) >= 960);
    }

    #[test]
    fn too_little_before_or_after_tells_nothing() {
        let all = seen(0.2, 4.0, 10.0, 5);
        assert_eq!(recovery(&all, 2.0, (8.0, 80.0), FALSE_ALARM), Ok(None));
        assert_eq!(recovery(&all, 2.0, (60.0, 190.0), FALSE_ALARM), Ok(None));
        assert_eq!(recovery(&[], 2.0, (60.0, 80.0), FALSE_ALARM), Ok(None));
        assert!(recovery(&all, 0.0, (60.0, 80.0), FALSE_ALARM).is_err());
        assert_eq!(state(&all[..1]), State::Undecided);
    }

    /// Two replications, alike, window by window.
    fn alike(windows: usize, inside: impl Fn(usize) -> f64, throughput: f64) -> Vec<Watched> {
        let one = Watched {
            inside: (0..windows).map(inside).collect(),
            throughput: vec![throughput; windows],
        };
        vec![one.clone(), one]
    }

    #[test]
    fn windows_that_end_at_the_limits_of_a_time_belong_to_it() {
        // Before: windows 5 to 9. At the end: the last quarter of twelve, three windows.
        let judge =
            |from: f64| recovery(&alike(22, |i| i as f64, 1.0), 1.0, (from, 10.0), FALSE_ALARM).unwrap();
        assert_eq!(judge(10.0).unwrap().inside, (7.0, 20.0));
        // Three windows before are enough.
        assert_eq!(judge(6.0).unwrap().inside.0, 4.0);
        assert_eq!(judge(4.0), None);
        assert_eq!(
            recovery(&alike(26, |i| i as f64, 1.0), 1.0, (10.0, 10.0), FALSE_ALARM)
                .unwrap()
                .unwrap()
                .inside
                .1,
            23.5
        );
        assert_eq!(
            recovery(&alike(18, |i| i as f64, 1.0), 1.0, (10.0, 10.0), FALSE_ALARM),
            Ok(None)
        );
    }

    #[test]
    fn margins_are_shares_of_what_was_before() {
        let judge = |late: f64| {
            let inside = move |i: usize| match i {
                0..20 => 100.0,
                20..30 => 1000.0,
                30..40 => 160.0,
                _ => late,
            };
            recovery(&alike(80, inside, 10.0), 1.0, (20.0, 30.0), FALSE_ALARM)
                .unwrap()
                .unwrap()
        };
        assert_eq!(
            (judge(140.0).state, judge(140.0).after),
            (State::Recovered, Some(11.0))
        );
        assert_eq!(
            (judge(155.0).state, judge(155.0).after),
            (State::NotRecovered, None)
        );
        // Few inside are not enough while less than nine tenths are completed.
        let mut slow = alike(80, |_| 100.0, 10.0);
        slow.iter_mut().for_each(|w| w.throughput[20..40].fill(8.9));
        let found = recovery(&slow, 1.0, (20.0, 30.0), FALSE_ALARM).unwrap().unwrap();
        assert_eq!((found.state, found.after), (State::Recovered, Some(11.0)));
        // Nobody inside before and nobody after.
        let nobody = alike(80, |_| 0.0, 10.0);
        let found = recovery(&nobody, 1.0, (20.0, 30.0), FALSE_ALARM)
            .unwrap()
            .unwrap();
        assert_eq!(found.state, State::Recovered);
    }
}
