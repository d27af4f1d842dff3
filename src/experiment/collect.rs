//! What the replications of one point saw, gathered in the order of their numbers.

use serde::{Deserialize, Serialize};

use super::results::Unit;
use crate::component;
use crate::engine::Stopped;
use crate::engine::observe::{Figure, Observations, PERCENTILES, Times, percentile};
use crate::statistics::Refusal;
use crate::statistics::batch::into_batches;
use crate::statistics::interval::{Estimate, mean_interval, quantile_by_sections};
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
    pub pooled: Option<Bit>,
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

/// A figure from its values in the replications: a percentile by sectioning, anything else as their mean.
pub fn over_replications(values: &[f64], pooled: Option<f64>, level: f64) -> Result<Estimate, Refusal> {
    match pooled.filter(|p| p.is_finite()) {
        Some(pooled) => quantile_by_sections(pooled, values, level),
        None => mean_interval(values, level),
    }
}

/// Gathers replications, which must come in the order of their numbers.
#[derive(Debug, Default)]
pub struct Collector {
    out: Collected,
    /// The times of all replications together.
    samples: Vec<Times>,
    /// Sums and counts behind the columns of the series.
    sums: Vec<(Vec<f64>, Vec<u32>)>,
}

impl Collector {
    pub fn new(warm_up: u64, transient_lasts: bool) -> Collector {
        Collector {
            out: Collected {
                warm_up,
                transient_lasts,
                converged: true,
                ..Collected::default()
            },
            samples: Vec::new(),
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
        let pooled = self.percentiles().find(|p| p.0 == subject && p.1 == name);
        over_replications(&values, pooled.map(|p| p.2), level)
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
            match found {
                Some(place) => self.samples[place].histogram.merge(&times.histogram),
                None => self.samples.push(times),
            }
        }
    }

    /// The percentiles of all times together, as (subject, name, seconds).
    fn percentiles(&self) -> impl Iterator<Item = (&str, String, f64)> {
        self.samples.iter().flat_map(|t| {
            PERCENTILES.into_iter().filter_map(|(end, p)| {
                let value = percentile(&t.histogram, p)?;
                Some((t.subject.as_str(), format!("{}_{end}", t.what), value))
            })
        })
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
            if column.values.len() > sums.len() {
                sums.resize(column.values.len(), 0.0);
                counts.resize(column.values.len(), 0);
            }
            for (i, v) in column
                .values
                .into_iter()
                .enumerate()
                .filter(|(_, v)| v.is_finite())
            {
                sums[i] += v;
                counts[i] += 1;
            }
        }
    }

    /// All that was gathered.
    pub fn finish(mut self, converged: bool) -> Collected {
        for (column, (sums, counts)) in self.out.columns.iter_mut().zip(&self.sums) {
            let mean = |(sum, n): (&f64, &u32)| if *n > 0 { sum / f64::from(*n) } else { f64::NAN };
            column.values = Bits(sums.iter().zip(counts).map(mean).collect());
        }
        let pooled: Vec<(String, String, f64)> = self
            .percentiles()
            .map(|(subject, name, value)| (subject.to_owned(), name, value))
            .collect();
        // Both lists stand in the order of the figures, but for those of the whole system.
        for (subject, name, value) in pooled {
            let list = &mut self.out.figures;
            if let Some(f) = list.iter_mut().find(|f| f.subject == subject && f.name == name) {
                f.pooled = Some(Bit(value));
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
