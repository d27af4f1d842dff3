//! Heaps: how often they are collected, and what has to fit into them. And what is taken for granted of caches.

use super::text::{bytes, rate, significant};
use super::{Calculation, Demand};
use crate::component::{ComponentId, Plan};

impl Calculation<'_> {
    /// Of a heap whose collections stop the process: bytes between two of them at most, and how long one takes at least.
    pub fn collected(&self, i: usize) -> Option<(f64, f64)> {
        match &self.model.components[i].plan {
            Plan::Heap(plan) => plan.collected(),
            _ => None,
        }
    }

    /// What requests keep in a heap while they are under way is about rate × bytes × time (Little).
    pub fn crowded(&mut self, demands: &[Demand]) {
        for (i, entry) in self.model.components.iter().enumerate() {
            let (Plan::Heap(plan), Some(service)) = (&entry.plan, entry.service) else {
                continue;
            };
            let Some((size, live, retained)) = plan.sizes() else {
                continue;
            };
            let instances = f64::from(self.model.layout.instances(ComponentId(i as u32)));
            let mut kept = 0.0;
            for (w, demand) in self.model.workloads.iter().zip(demands) {
                let stream = self.streams.iter().find(|s| s.name == w.name);
                let each = demand.sums.bytes[service.0 as usize] * retained * demand.response;
                if each > 0.0 {
                    kept += stream.map_or(0.0, |s| s.rate) * each / instances;
                }
            }
            if kept <= 0.0 || live + kept <= size {
                continue;
            }
            let text = format!(
                "heap `{}` has {}: its live set of {} and about {} that requests under way keep do not fit",
                entry.name,
                bytes(size),
                bytes(live),
                bytes(kept)
            );
            let span = self.span(&[entry.kind, &entry.name, "size"]);
            self.warn("heap-too-small", text, span).notes.push(
                "rate × bytes that a request allocates × share `retained` × its time without waiting".into(),
            );
        }
    }

    /// Whether there are caches whose misses depend on the rate of lookups.
    pub fn bends(&self) -> bool {
        let mut all = self.model.components.iter().zip(&self.total.visits);
        all.any(|(entry, visits)| matches!(&entry.plan, Plan::Cache(p) if p.expires() && *visits > 0.0))
    }

    /// What is taken for granted and changes what is said.
    pub fn assumed(&self) -> Vec<String> {
        let mut list = Vec::new();
        for (i, entry) in self.model.components.iter().enumerate() {
            let Plan::Cache(plan) = &entry.plan else { continue };
            if self.total.visits[i] <= 0.0 {
                continue;
            }
            if plan.keeps_all() {
                list.push(format!(
                    "{}: counted as all hits, as it will be once each key has been asked for.",
                    entry.subject()
                ));
            } else if plan.expires() {
                list.push(format!(
                    "{}: counted with {} % of misses, as at {} of independent lookups.",
                    entry.subject(),
                    significant(100.0 * self.facts[i].inside),
                    rate(self.total.visits[i])
                ));
            }
        }
        list
    }
}
