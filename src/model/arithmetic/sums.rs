//! What a way through steps adds up to.

/// Visits and server-seconds of each component, by id.
#[derive(Clone, Debug)]
pub struct Sums {
    pub visits: Vec<f64>,
    pub busy: Vec<f64>,
    /// What of it a completed request has certainly had done before its answer, whatever is rejected, cut short or given
    /// up for others. It bounds what is completed: so much is done for whoever gets as far, and each completed one got there.
    pub sure_visits: Vec<f64>,
    pub sure_busy: Vec<f64>,
    /// Bytes allocated, by service.
    pub bytes: Vec<f64>,
}

impl Sums {
    pub fn none(components: usize) -> Self {
        let none = || vec![0.0; components];
        Sums {
            visits: none(),
            busy: none(),
            sure_visits: none(),
            sure_busy: none(),
            bytes: none(),
        }
    }

    fn pairs<'a>(&'a mut self, other: &'a Sums) -> [(&'a mut Vec<f64>, &'a Vec<f64>); 5] {
        [
            (&mut self.visits, &other.visits),
            (&mut self.busy, &other.busy),
            (&mut self.sure_visits, &other.sure_visits),
            (&mut self.sure_busy, &other.sure_busy),
            (&mut self.bytes, &other.bytes),
        ]
    }

    /// What was added since `before` counts `factor` times.
    pub fn scale_since(&mut self, before: &Sums, factor: f64) {
        for (now, was) in self.pairs(before) {
            for (now, was) in now.iter_mut().zip(was) {
                if now != was {
                    *now = was + (*now - was) * factor;
                }
            }
        }
    }

    /// What is sure of what was added since `before` counts `factor` times.
    pub fn scale_sure_since(&mut self, before: &Sums, factor: f64) {
        let [_, _, visits, busy, _] = self.pairs(before);
        for (now, was) in [visits, busy] {
            for (now, was) in now.iter_mut().zip(was) {
                if now != was {
                    *now = was + (*now - was) * factor;
                }
            }
        }
    }

    /// What is sure of what was added since `before`: visits, then server-seconds.
    pub fn sure_since(&self, before: &Sums) -> Vec<f64> {
        let visits = self.sure_visits.iter().zip(&before.sure_visits);
        let busy = self.sure_busy.iter().zip(&before.sure_busy);
        visits.chain(busy).map(|(now, was)| now - was).collect()
    }

    /// So much is sure beside what was before.
    pub fn set_sure(&mut self, before: &Sums, more: &[f64]) {
        let (visits, busy) = more.split_at(self.visits.len());
        for (i, more) in visits.iter().enumerate() {
            self.sure_visits[i] = before.sure_visits[i] + more;
        }
        for (i, more) in busy.iter().enumerate() {
            self.sure_busy[i] = before.sure_busy[i] + more;
        }
    }

    /// Adds `rate` times the other.
    pub fn add(&mut self, other: &Sums, rate: f64) {
        for (now, more) in self.pairs(other) {
            for (now, more) in now.iter_mut().zip(more) {
                if *more > 0.0 {
                    *now += rate * more;
                }
            }
        }
    }
}

/// The mean time of steps, in seconds, and the share of requests that come out of them without a failure.
#[derive(Copy, Clone, Debug)]
pub struct Passage {
    pub time: f64,
    pub passes: f64,
    /// What of `time` comes after the answer to the caller of the flow, if it is answered before the end.
    pub after: Option<f64>,
    /// Mean seconds that pass at least before the answer to the caller, as [`Sums::sure_busy`] counts.
    pub sure: f64,
    /// The same until their end, which is later if the caller is answered before.
    pub done: f64,
    /// Mean seconds that pass at least for whoever enters, even if it fails.
    pub spent: f64,
    /// Whether a request may fail in it because of others or of its own time, which no law of the model tells.
    pub fails: bool,
    /// Share of requests that fail in it each time that they try, because what they are about decides.
    pub never: f64,
}

impl Passage {
    /// A time that passes, and nothing else.
    pub fn lasting(time: f64) -> Passage {
        Passage {
            time,
            passes: 1.0,
            after: None,
            sure: time,
            done: time,
            spent: time,
            fails: false,
            never: 0.0,
        }
    }
}

/// One of several ways: its share, what passes in it, and what is sure of its sums.
pub struct Way {
    pub share: f64,
    pub part: Passage,
    pub sure: Vec<f64>,
}

/// The least of the ways for a completed request, who has gone one of them to its end: of the time, and of the sums. Which of
/// them is gone, is not by their shares if requests fail on one of them.
pub fn least(ways: &[Way], passes: f64) -> (f64, Vec<f64>) {
    let mut least: Option<(f64, Vec<f64>)> = None;
    for way in ways.iter().filter(|w| w.part.passes > 0.0) {
        let each = |x: f64, share: f64| {
            let per_request = if share > 0.0 { x / share } else { 0.0 };
            per_request / way.part.passes * passes
        };
        let time = each(way.part.sure, 1.0);
        let sums = way.sure.iter().map(|x| each(*x, way.share));
        least = Some(match least {
            None => (time, sums.collect()),
            Some((before, list)) => {
                let list = list.iter().zip(sums).map(|(a, b)| a.min(b)).collect();
                (before.min(time), list)
            }
        });
    }
    least.unwrap_or_else(|| (0.0, vec![0.0; ways.first().map_or(0, |w| w.sure.len())]))
}
