//! What the replications of one point saw, gathered in the order of their numbers.

use serde::{Deserialize, Serialize};

use super::results::Unit;
use crate::component;
use crate::engine::Stopped;
use crate::engine::observe::{Figure, Observations, PERCENTILES, Times, percentile};
use crate::metric::Packed;
use crate::statistics::Refusal;
use crate::statistics::batch::into_batches;
use crate::statistics::interval::Estimate;
use crate::statistics::leaning::{leaning_interval, quantile_interval};
use crate::statistics::trend::STRETCHES;

/// Everything that is kept of a point's replications. Floats are kept as their bits, so that what is read back
/// from a file is what was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Collected {
    pub replications: u32,
    /// Nanoseconds cut off.
    pub warm_up: u64,
    /// MSER-5 was asked and found no end of the transient.
    pub transient_lasts: bool,
    /// The precision asked for was reached, if one was.
    pub converged: bool,
    pub figures: Vec<Values>,
    pub times: Bits,
    pub columns: Vec<Column>,
    /// Number inside, averaged over stretches of the measured time; one list a replication.
    pub inside: Vec<Bits>,
    /// Number inside and requests completed a second, window by window from the start; one pair a replication, kept
    /// where load or system change by plan.
    #[serde(default)]
    pub windows: Vec<(Bits, Bits)>,
    pub events: u64,
    /// The most over replications.
    pub peak_requests: usize,
    pub peak_bytes: usize,
    /// Replications that a limit cut short.
    pub cut: u32,
    pub cut_by: Option<Cut>,
    /// Seconds simulated by the shortest replication, and by all.
    pub shortest: Bit,
    pub simulated: Bit,
    /// Visits of each component, in the order of the model.
    pub visits: Vec<(String, u64)>,
}

/// Why replications were cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    Events,
    Memory,
    /// Real time; never kept for a later run.
    Wall,
}

/// One figure, replication by replication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Values {
    pub subject: String,
    pub name: String,
    pub unit: Unit,
    pub values: Bits,
    /// Of a percentile, that of all replications' times together.
    #[serde(default)]
    pub pooled: Option<Pooled>,
}

/// A percentile of all replications' times together with its interval, if it has one, and why if it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pooled {
    pub quantile: Bit,
    pub limits: Option<(Bit, Bit)>,
    pub note: Option<String>,
}

/// One figure over time, the mean over replications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub subject: String,
    pub name: String,
    pub unit: Unit,
    pub values: Bits,
}

/// A float that is written as its bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bit(pub f64);

/// Floats that are written as their bits.
#[derive(Clone, Debug, Default)]
pub struct Bits(pub Vec<f64>);

impl PartialEq for Bit {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        let bits = |b: &Self| b.0.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        bits(self) == bits(other)
    }
}

impl Serialize for Bit {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(self.0.to_bits())
    }
}

impl<'de> Deserialize<'de> for Bit {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        u64::deserialize(d).map(|bits| Bit(f64::from_bits(bits)))
    }
}

impl Serialize for Bits {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|v| v.to_bits()))
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bits: Vec<u64> = Vec::deserialize(d)?;
        Ok(Bits(bits.into_iter().map(f64::from_bits).collect()))
    }
}

/// A component's unit as the results have it.
pub fn unit(unit: component::Unit) -> Unit {
    match unit {
        component::Unit::Seconds => Unit::Seconds,
        component::Unit::PerSecond => Unit::PerSecond,
        component::Unit::Count => Unit::Count,
        component::Unit::Share => Unit::Share,
        component::Unit::Bytes => Unit::Bytes,
    }
}

impl Values {
    /// The values of the replications that observed it.
    pub fn observed(&self) -> Vec<f64> {
        self.values.0.iter().copied().filter(|v| v.is_finite()).collect()
    }
}

/// Gathers replications, which must come in the order of their numbers.
#[derive(Debug, Default)]
pub struct Collector {
    out: Collected,
    /// The times of all replications together.
    samples: Vec<Times>,
    /// The times of each replication, for each of the samples.
    parts: Vec<Vec<Packed>>,
    /// Whether the windows of each replication are kept.
    watching: bool,
    /// Sums and counts behind the columns of the series.
    sums: Vec<(Vec<f64>, Vec<u32>)>,
}

impl Collector {
    /// `watching` keeps the windows of each replication.
    pub fn new(warm_up: u64, transient_lasts: bool, watching: bool) -> Collector {
        Collector {
            out: Collected {
                warm_up,
                transient_lasts,
                converged: true,
                ..Collected::default()
            },
            samples: Vec::new(),
            parts: Vec::new(),
            watching,
            sums: Vec::new(),
        }
    }

    /// How many have come.
    pub fn replications(&self) -> u32 {
        self.out.replications
    }

    /// Nanoseconds cut off.
    pub fn warm_up(&self) -> u64 {
        self.out.warm_up
    }

    /// Events of those that have come.
    pub fn events(&self) -> u64 {
        self.out.events
    }

    /// A figure so far, with its interval.
    pub fn estimate(&self, subject: &str, name: &str, level: f64) -> Result<Estimate, Refusal> {
        let figure = self
            .out
            .figures
            .iter()
            .find(|f| f.subject == subject && f.name == name);
        let values = figure.map_or(Vec::new(), Values::observed);
        let pooled = self.samples.iter().enumerate().find_map(|(i, t)| {
            let of = |end: &str| t.subject == subject && format!("{}_{end}", t.what) == name;
            let (_, p) = PERCENTILES.into_iter().find(|(end, _)| of(end))?;
            self.pooled(i, p, level)
        });
        pooled.unwrap_or_else(|| leaning_interval(&values, level))
    }

    /// Takes the next replication.
    pub fn add(&mut self, seen: Observations) {
        let out = &mut self.out;
        let before = out.replications as usize;
        out.replications += 1;
        out.events += seen.events;
        out.peak_requests = out.peak_requests.max(seen.peak_requests);
        out.peak_bytes = out.peak_bytes.max(seen.request_bytes);
        out.simulated.0 += seen.simulated;
        out.shortest.0 = if before == 0 {
            seen.simulated
        } else {
            out.shortest.0.min(seen.simulated)
        };
        let cut_by = match seen.stopped {
            Some(Stopped::Events) => Some(Cut::Events),
            Some(Stopped::Memory) => Some(Cut::Memory),
            Some(Stopped::Wall) => Some(Cut::Wall),
            None => None,
        };
        if cut_by.is_some() {
            out.cut += 1;
            out.cut_by = out.cut_by.or(cut_by);
        }
        if out.visits.is_empty() {
            out.visits = seen.visits;
        } else {
            for (sum, (_, n)) in out.visits.iter_mut().zip(seen.visits) {
                sum.1 += n;
            }
        }
        let width = seen.times.first().copied().unwrap_or(1.0);
        let skipped = (out.warm_up as f64 * 1e-9 / width).ceil() as usize;
        let measured = seen
            .inside
            .get(skipped.min(seen.inside.len())..)
            .unwrap_or_default();
        let stretches = if measured.len() > STRETCHES {
            into_batches(measured, STRETCHES)
        } else {
            measured.to_vec()
        };
        out.inside.push(Bits(stretches));
        if self.watching {
            out.windows.push((Bits(seen.inside), Bits(seen.completed)));
        }
        self.figures(seen.figures, before);
        self.pool(seen.samples);
        self.series(seen.times, seen.columns);
    }

    fn figures(&mut self, figures: Vec<Figure>, before: usize) {
        let list = &mut self.out.figures;
        // Most often the list is that of the first replication, in the same order.
        let mut at = 0;
        for figure in figures {
            let same = |f: &Values| f.subject == figure.subject && f.name == figure.name;
            let found = match list.get(at) {
                Some(f) if same(f) => Some(at),
                _ => list.iter().position(same),
            };
            let place = match found {
                Some(place) => place,
                None => {
                    let mut values = vec![absent(&figure.name); before];
                    values.reserve(1);
                    list.insert(
                        at,
                        Values {
                            subject: figure.subject,
                            name: figure.name,
                            unit: unit(figure.unit),
                            values: Bits(values),
                            pooled: None,
                        },
                    );
                    at
                }
            };
            list[place].values.0.push(figure.value);
            at = place + 1;
        }
        for figure in list.iter_mut().filter(|f| f.values.0.len() <= before) {
            figure.values.0.push(absent(&figure.name));
        }
    }

    fn pool(&mut self, samples: Vec<Times>) {
        for (at, times) in samples.into_iter().enumerate() {
            let same = |t: &Times| t.subject == times.subject && t.what == times.what;
            let found = match self.samples.get(at) {
                Some(t) if same(t) => Some(at),
                _ => self.samples.iter().position(same),
            };
            let part = times.histogram.packed();
            let place = match found {
                Some(place) => {
                    self.samples[place].histogram.merge(&times.histogram);
                    place
                }
                None => {
                    self.samples.push(times);
                    self.parts.push(Vec::new());
                    self.samples.len() - 1
                }
            };
            // A replication in which nobody was there has no times.
            let before = self.out.replications as usize - 1;
            self.parts[place].resize(before, Packed::default());
            self.parts[place].push(part);
        }
    }

    /// The percentile of a sample's times together.
    fn pooled(&self, sample: usize, p: f64, level: f64) -> Option<Result<Estimate, Refusal>> {
        let times = &self.samples[sample].histogram;
        percentile(times, p)?;
        let parts = &self.parts[sample];
        // A bucket is wider than times that are all alike, and takes some of them to lie above the greatest: none does.
        let greatest = times.max().map_or(f64::INFINITY, |max| max as f64 - 0.5);
        let counts = |value: f64| -> Vec<(f64, f64)> {
            let above = |part: &Packed| match value * 1e9 {
                nanos if nanos >= greatest => 0.0,
                nanos => part.above(nanos),
            };
            let count = |part: &Packed| (part.count() as f64, above(part));
            let mut counts: Vec<(f64, f64)> = parts.iter().map(count).collect();
            // The last replications may have had none.
            counts.resize(self.out.replications as usize, (0.0, 0.0));
            counts
        };
        let value = |share: f64| times.quantile(1.0 - share).map_or(f64::NAN, |v| v * 1e-9);
        Some(quantile_interval(1.0 - p, value, counts, level))
    }

    fn series(&mut self, times: Vec<f64>, columns: Vec<crate::engine::observe::Column>) {
        if times.len() > self.out.times.0.len() {
            self.out.times = Bits(times);
        }
        if self.sums.is_empty() {
            self.sums = vec![(Vec::new(), Vec::new()); columns.len()];
            self.out.columns = columns
                .iter()
                .map(|c| Column {
                    subject: c.subject.clone(),
                    name: c.name.clone(),
                    unit: unit(c.unit),
                    values: Bits::default(),
                })
                .collect();
        }
        for ((sums, counts), column) in self.sums.iter_mut().zip(columns) {
            // A breaker shows a rate of -1, as the real one does, while it has none: nothing to take a mean of.
            let rate_of_breaker =
                column.subject.starts_with("circuit-breaker.") && column.name.ends_with("_rate");
            let seen = |v: f64| v.is_finite() && !(rate_of_breaker && v < 0.0);
            if column.values.len() > sums.len() {
                sums.resize(column.values.len(), 0.0);
                counts.resize(column.values.len(), 0);
            }
            for (i, v) in column.values.into_iter().enumerate().filter(|(_, v)| seen(*v)) {
                sums[i] += v;
                counts[i] += 1;
            }
        }
    }

    /// All that was gathered, percentiles with intervals of this level.
    pub fn finish(mut self, converged: bool, level: f64) -> Collected {
        for (column, (sums, counts)) in self.out.columns.iter_mut().zip(&self.sums) {
            let mean = |(sum, n): (&f64, &u32)| if *n > 0 { sum / f64::from(*n) } else { f64::NAN };
            column.values = Bits(sums.iter().zip(counts).map(mean).collect());
        }
        for i in 0..self.samples.len() {
            for (end, p) in PERCENTILES {
                let pooled = match self.pooled(i, p, level) {
                    Some(Ok(found)) => Pooled {
                        quantile: Bit(found.mean),
                        limits: found.low.zip(found.high).map(|(low, high)| (Bit(low), Bit(high))),
                        note: found.note,
                    },
                    _ => continue,
                };
                let Times { subject, what, .. } = &self.samples[i];
                let name = format!("{what}_{end}");
                let list = &mut self.out.figures;
                if let Some(f) = list.iter_mut().find(|f| f.subject == *subject && f.name == name) {
                    f.pooled = Some(pooled);
                }
            }
        }
        self.out.converged = converged;
        self.out
    }
}

/// A rate or count that a replication does not list did not happen in it; anything else was not observed.
fn absent(name: &str) -> f64 {
    let counted = name.starts_with("failures_") || ["failed", "cancelled", "wasted"].contains(&name);
    if counted { 0.0 } else { f64::NAN }
}

#[cfg(test)]
mod tests;
