//! How many replicas a Kubernetes HorizontalPodAutoscaler wants: its arithmetic, without a clock of its own.
//!
//! Source: kubernetes `pkg/controller/podautoscaler`, `replica_calculator.go` and `horizontal.go` (1.28 to 1.33). Quantities are
//! whole thousandths, utilisation a whole percentage, as there.

use std::collections::VecDeque;

/// What is known of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Thousandths of a core or of a request a second.
    Measured(u64),
    /// Not ready, or its measurement began before it was.
    Unready,
    /// Ready, and nothing is known of it yet.
    Missing,
}

/// What a replica is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A percentage of what it requests, thousandths of a core.
    Utilisation { percent: u64, request: u64 },
    /// Thousandths.
    Average(u64),
}

impl Goal {
    /// How many times the goal these have.
    fn ratio(&self, values: &[u64]) -> f64 {
        let (sum, n) = (values.iter().sum::<u64>(), values.len().max(1) as u64);
        match *self {
            Goal::Utilisation { percent, request } => {
                (100 * sum / (request * n).max(1)) as f64 / percent as f64
            }
            Goal::Average(goal) => (sum / n) as f64 / goal as f64,
        }
    }

    /// What a replica of which nothing is known has at most.
    fn cautious(&self) -> u64 {
        match *self {
            Goal::Utilisation { percent, request } => request * percent.max(100) / 100,
            Goal::Average(goal) => goal,
        }
    }

    /// How many replicas would meet the goal; `None` where nothing is measured.
    pub fn replicas(&self, samples: &[Sample], current: u32, tolerance: f64) -> Option<u32> {
        let count = |what: Sample| samples.iter().filter(|s| **s == what).count();
        let (unready, missing) = (count(Sample::Unready), count(Sample::Missing));
        let mut values: Vec<u64> = samples
            .iter()
            .filter_map(|s| match s {
                Sample::Measured(value) => Some(*value),
                Sample::Unready | Sample::Missing => None,
            })
            .collect();
        if values.is_empty() {
            return None;
        }
        let first = self.ratio(&values);
        let hot = first > 1.0;
        if missing == 0 && !(hot && unready > 0) {
            return Some(match within(first, tolerance) {
                true => current,
                false => whole(first * values.len() as f64),
            });
        }
        // Whoever is not known is taken for what speaks against a change.
        if hot {
            values.extend(std::iter::repeat_n(0, missing + unready));
        } else if first < 1.0 {
            values.extend(std::iter::repeat_n(self.cautious(), missing));
        }
        let again = self.ratio(&values);
        let turned = first < 1.0 && again > 1.0 || hot && again < 1.0;
        if within(again, tolerance) || turned {
            return Some(current);
        }
        let wanted = whole(again * values.len() as f64);
        let turned = again < 1.0 && wanted > current || again > 1.0 && wanted < current;
        Some(if turned { current } else { wanted })
    }
}

/// Replicas for a sum that they share, as a backlog: so much each.
pub fn replicas_for_sum(sum: u64, each: u64, current: u32, tolerance: f64) -> u32 {
    let ratio = sum as f64 / (each as f64 * f64::from(current.max(1)));
    match within(ratio, tolerance) {
        true => current,
        false => whole(sum as f64 / each as f64),
    }
}

fn within(ratio: f64, tolerance: f64) -> bool {
    (1.0 - tolerance..=1.0 + tolerance).contains(&ratio)
}

fn whole(replicas: f64) -> u32 {
    libm::ceil(replicas).clamp(0.0, f64::from(u32::MAX)) as u32
}

/// How fast the number may change in one direction (`behavior.scaleUp`, `behavior.scaleDown`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Nanoseconds over which the most careful recommendation counts.
    pub window: u64,
    /// At most so many in each period.
    pub pods: Option<u32>,
    /// At most such a percentage in each period.
    pub percent: Option<u32>,
    /// Nanoseconds.
    pub period: u64,
}

/// What keeps the number within bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub min: u32,
    pub max: u32,
    /// Scaling up and down; without a `behavior` the older rule holds.
    pub rules: Option<(Rules, Rules)>,
    /// Nanoseconds over which the largest recommendation counts where no rules are given.
    pub window: u64,
}

/// What was recommended and done lately.
#[derive(Clone, Debug, Default)]
pub struct History {
    recommended: VecDeque<(u64, u32)>,
    added: VecDeque<(u64, u32)>,
    removed: VecDeque<(u64, u32)>,
}

impl History {
    /// So many were there, and recommended, until now.
    pub fn recommend(&mut self, now: u64, replicas: u32) {
        self.recommended.push_back((now, replicas));
    }

    /// What becomes of a recommendation.
    pub fn limit(&mut self, now: u64, current: u32, wanted: u32, bounds: &Bounds) -> u32 {
        self.recommend(now, wanted);
        let Some((up, down)) = bounds.rules else {
            forget(&mut self.recommended, now, bounds.window);
            let most = self.recommended.iter().map(|r| r.1).max().unwrap_or(wanted);
            let fast = current.saturating_mul(2).max(4);
            return most.clamp(bounds.min, bounds.max.min(fast).max(bounds.min));
        };
        let newer = |window: u64| {
            let list = self.recommended.iter();
            list.filter(move |(at, _)| now - at < window).map(|(_, n)| *n)
        };
        let least = newer(up.window).min().unwrap_or(wanted);
        let most = newer(down.window).max().unwrap_or(wanted);
        let wanted = current.max(least).min(most.max(least));
        forget(&mut self.recommended, now, up.window.max(down.window));
        let begun = |period: u64| {
            let of = |list: &VecDeque<(u64, u32)>| -> i64 {
                list.iter()
                    .filter(|(at, _)| now - at < period)
                    .map(|(_, n)| i64::from(*n))
                    .sum()
            };
            (i64::from(current) - of(&self.added) + of(&self.removed)).max(0)
        };
        if wanted > current {
            let from = begun(up.period);
            let by_pods = up.pods.map(|n| from + i64::from(n));
            let by_share = up
                .percent
                .map(|p| (from * (100 + i64::from(p)) + 99).div_euclid(100));
            let most = by_pods.max(by_share).unwrap_or(0).max(i64::from(current));
            wanted.min(bounds.max).min(most.min(i64::from(u32::MAX)) as u32)
        } else {
            let from = begun(down.period);
            let by_pods = down.pods.map(|n| from - i64::from(n));
            let by_share = down.percent.map(|p| from * (100 - i64::from(p)) / 100);
            let least = [by_pods, by_share].into_iter().flatten().min();
            let least = least.unwrap_or(i64::from(current)).clamp(0, i64::from(current)) as u32;
            wanted.max(bounds.min).max(least)
        }
    }

    /// The number was changed.
    pub fn scaled(&mut self, now: u64, from: u32, to: u32, rules: &Option<(Rules, Rules)>) {
        let longest = rules.map_or(0, |(up, down)| up.period.max(down.period));
        forget(&mut self.added, now, longest);
        forget(&mut self.removed, now, longest);
        match to > from {
            true => self.added.push_back((now, to - from)),
            false => self.removed.push_back((now, from - to)),
        }
    }
}

/// What is older than a window counts no more.
fn forget(list: &mut VecDeque<(u64, u32)>, now: u64, window: u64) {
    while list.front().is_some_and(|(at, _)| now - at > window) {
        list.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const HALF_A_CORE: Goal = Goal::Utilisation {
        percent: 60,
        request: 500,
    };
    const DEFAULTS: (Rules, Rules) = (
        Rules {
            window: 0,
            pods: Some(4),
            percent: Some(100),
            period: 15 * S,
        },
        Rules {
            window: 300 * S,
            pods: None,
            percent: Some(100),
            period: 15 * S,
        },
    );

    fn all(n: usize, each: u64) -> Vec<Sample> {
        vec![Sample::Measured(each); n]
    }

    #[test]
    fn utilisation_is_a_whole_percentage_of_requests_within_a_tolerance() {
        for (n, each, wanted) in [(3, 450, 5), (4, 330, 4), (4, 335, 5), (10, 270, 10), (10, 265, 9)] {
            let found = HALF_A_CORE.replicas(&all(n, each), n as u32, 0.1);
            assert_eq!(found, Some(wanted), "{n} at {each}m");
        }
    }

    #[test]
    fn who_is_not_ready_counts_as_idle_on_the_way_up() {
        let goal = Goal::Utilisation {
            percent: 50,
            request: 500,
        };
        let with = |ready: usize| {
            let mut samples = all(ready, 500);
            samples.resize(4, Sample::Unready);
            goal.replicas(&samples, 4, 0.1)
        };
        assert_eq!(with(2), Some(4));
        assert_eq!(with(3), Some(6));
        // On the way down they are left out.
        let mut idle = all(3, 50);
        idle.push(Sample::Unready);
        assert_eq!(goal.replicas(&idle, 4, 0.1), Some(1));
    }

    #[test]
    fn who_is_not_known_counts_as_busy_on_the_way_down() {
        let goal = Goal::Average(100_000);
        let mut samples = all(3, 40_000);
        assert_eq!(goal.replicas(&samples, 3, 0.1), Some(2));
        samples.push(Sample::Missing);
        // 220/s on four of 100/s each.
        assert_eq!(goal.replicas(&samples, 4, 0.1), Some(3));
        assert_eq!(goal.replicas(&[Sample::Missing], 1, 0.1), None);
        let mut hot = all(1, 150_000);
        hot.push(Sample::Missing);
        assert_eq!(goal.replicas(&hot, 2, 0.1), Some(2));
    }

    #[test]
    fn nothing_changes_where_who_is_not_known_may_turn_it() {
        let calls = Goal::Average(100);
        let half = Goal::Utilisation {
            percent: 50,
            request: 500,
        };
        /// Measured, and how many are not ready and not known.
        type Seen<'a> = (&'a [u64], usize, usize);
        // How many there are and are wanted.
        let cases: [(Goal, Seen, u32, u32); 7] = [
            // Three would do for both, which is no reason to go down from six.
            (calls, (&[300], 1, 0), 6, 6),
            (calls, (&[160], 3, 2), 6, 6),
            (calls, (&[70; 4], 2, 1), 1, 1),
            (calls, (&[140; 3], 0, 1), 4, 4),
            (half, (&[380], 0, 0), 4, 2),
            (half, (&[160], 2, 3), 6, 6),
            (half, (&[250], 0, 2), 3, 3),
        ];
        for (goal, (measured, unready, missing), current, wanted) in cases {
            let mut samples: Vec<Sample> = measured.iter().map(|m| Sample::Measured(*m)).collect();
            samples.extend(vec![Sample::Unready; unready]);
            samples.extend(vec![Sample::Missing; missing]);
            assert_eq!(goal.replicas(&samples, current, 0.1), Some(wanted), "{samples:?}");
        }
    }

    #[test]
    fn who_is_not_known_has_its_whole_request_on_the_way_down_or_a_larger_goal() {
        let with = |percent: u64| {
            let mut samples = all(3, 100);
            samples.push(Sample::Missing);
            let goal = Goal::Utilisation {
                percent,
                request: 500,
            };
            goal.replicas(&samples, 5, 0.1)
        };
        // 800m of 2,000m are 40 %, 1,050m are 52 %.
        assert_eq!(with(50), Some(4));
        assert_eq!(with(150), Some(2));
    }

    #[test]
    fn a_backlog_is_shared_out() {
        assert_eq!(replicas_for_sum(1_000, 100, 2, 0.1), 10);
        assert_eq!(replicas_for_sum(215, 100, 2, 0.1), 2);
        assert_eq!(replicas_for_sum(0, 100, 2, 0.1), 0);
    }

    fn climb(rules: Option<(Rules, Rules)>) -> Vec<u32> {
        let bounds = Bounds {
            min: 1,
            max: 100,
            rules,
            window: 300 * S,
        };
        let (mut history, mut current, mut seen) = (History::default(), 1, Vec::new());
        history.recommend(0, 1);
        for step in 1..=4 {
            let now = 15 * S * step;
            let to = history.limit(now, current, 20, &bounds);
            history.scaled(now, current, to, &bounds.rules);
            current = to;
            seen.push(to);
        }
        seen
    }

    #[test]
    fn without_behavior_it_doubles_and_with_it_four_are_added() {
        assert_eq!(climb(None), [4, 8, 16, 20]);
        assert_eq!(climb(Some(DEFAULTS)), [5, 10, 20, 20]);
    }

    #[test]
    fn going_down_waits_for_the_window() {
        for rules in [None, Some(DEFAULTS)] {
            let bounds = Bounds {
                min: 2,
                max: 100,
                rules,
                window: 300 * S,
            };
            let mut history = History::default();
            history.recommend(0, 10);
            let mut at = None;
            for step in 1..=30 {
                let now = 15 * S * step;
                let to = history.limit(now, 10, 3, &bounds);
                if to < 10 {
                    at = Some((now / S, to));
                    break;
                }
            }
            // The recommendation of the beginning counts for 300 s: the older rule's window is closed, behavior's open.
            let when = if rules.is_some() { 300 } else { 315 };
            assert_eq!(at, Some((when, 3)));
        }
    }

    #[test]
    fn a_longer_period_counts_what_it_has_added() {
        let up = Rules {
            window: 0,
            pods: Some(2),
            percent: None,
            period: 60 * S,
        };
        let bounds = Bounds {
            min: 1,
            max: 100,
            rules: Some((up, DEFAULTS.1)),
            window: 300 * S,
        };
        let (mut history, mut current, mut seen) = (History::default(), 1, Vec::new());
        for step in 1..=5 {
            let now = 15 * S * step;
            let to = history.limit(now, current, 20, &bounds);
            if to != current {
                history.scaled(now, current, to, &bounds.rules);
            }
            current = to;
            seen.push(to);
        }
        assert_eq!(seen, [3, 3, 3, 3, 5]);
    }

    #[test]
    fn what_is_left_of_a_period_can_be_used() {
        let rules = |pods: u32| {
            let rules = Rules {
                window: 0,
                pods: Some(pods),
                percent: None,
                period: 60 * S,
            };
            Bounds {
                min: 1,
                max: 100,
                rules: Some((rules, rules)),
                window: 0,
            }
        };
        let walk = |pods: u32, from: u32, wanted: [u32; 2]| {
            let (mut history, mut current, bounds) = (History::default(), from, rules(pods));
            wanted.map(|n| {
                let now = if n == wanted[0] { 15 * S } else { 30 * S };
                let to = history.limit(now, current, n, &bounds);
                history.scaled(now, current, to, &bounds.rules);
                current = to;
                to
            })
        };
        assert_eq!(walk(2, 1, [2, 20]), [2, 3]);
        assert_eq!(walk(3, 10, [8, 1]), [8, 7]);
    }

    #[test]
    fn a_share_is_taken_away_at_a_time() {
        let half = Rules {
            window: 0,
            pods: None,
            percent: Some(50),
            period: 15 * S,
        };
        let bounds = Bounds {
            min: 1,
            max: 100,
            rules: Some((DEFAULTS.0, half)),
            window: 0,
        };
        assert_eq!(History::default().limit(15 * S, 10, 1, &bounds), 5);
    }

    #[test]
    fn a_recommendation_counts_for_the_window_behind_it() {
        let bounds = Bounds {
            min: 1,
            max: 100,
            rules: Some(DEFAULTS),
            window: 0,
        };
        let mut history = History::default();
        history.recommend(200 * S, 10);
        assert_eq!(history.limit(400 * S, 10, 3, &bounds), 10);
        assert_eq!(history.limit(499 * S, 10, 3, &bounds), 10);
        assert_eq!(history.limit(500 * S, 10, 3, &bounds), 3);
    }
}
