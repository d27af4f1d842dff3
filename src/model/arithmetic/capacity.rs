//! How much there is of each component, and how much of it is asked for.

use super::sums::Sums;
use super::text::{rate, seconds, significant};
use super::{Calculation, Load};
use crate::component::{ComponentId, Plan};

impl Calculation<'_> {
    /// What there is of a component in all its instances; of a keyed lock, the one holder of its hottest key.
    pub fn capacity(&self, i: usize) -> Option<f64> {
        let facts = &self.facts[i];
        let instances = self.instances(i);
        if facts.hottest.is_some() || self.collected(i).is_some() {
            return Some(instances);
        }
        if let Some((requests, _)) = facts.link {
            return Some(requests * self.producers(i)?);
        }
        if let Some(feed) = &facts.feed {
            let threads = feed.threads as f64 * instances;
            let topic = feed.from.map(|f| &self.facts[f.0 as usize]);
            let Some(topic) = topic else { return Some(threads) };
            let places = topic.partitions.map_or(f64::INFINITY, |p| p as f64);
            // The thread with the fullest partition is at work all the time while others are not.
            return Some(threads.min(places).min(1.0 / topic.fullest));
        }
        if let Some(rate) = facts.rate {
            return Some(rate * instances);
        }
        let each = self.model.components[i].plan.capacity()?;
        Some(each * facts.boost * instances * (1.0 - self.paused(i)))
    }

    /// How many instances could be busy at once: fewer than there are where one of them has more than its part.
    fn instances(&self, i: usize) -> f64 {
        let all = f64::from(self.model.layout.instances(ComponentId(i as u32)));
        match self.heaviest(i) {
            Some(share) if all > 1.0 => all.min(1.0 / share),
            _ => all,
        }
    }

    /// The share of the calls that go to one replica of the service in which a component is, where weights say so.
    fn heaviest(&self, i: usize) -> Option<f64> {
        let layout = &self.model.layout;
        let service = layout.placed_in.get(&ComponentId(i as u32))?;
        let mut balancers = layout.balances.iter().filter(|(_, to)| *to == service);
        let (Some((balancer, _)), None) = (balancers.next(), balancers.next()) else {
            return None;
        };
        match &self.model.components[balancer.0 as usize].plan {
            Plan::Balancer(plan) if self.model.timeline.is_empty() => plan.heaviest(),
            _ => None,
        }
    }

    /// How many producers write to a topic, if all of them are of one service.
    fn producers(&self, i: usize) -> Option<f64> {
        let places = self.found.publishers.get(&ComponentId(i as u32))?;
        let mut places = places.iter();
        match (places.next(), places.next()) {
            (Some(None), None) => Some(1.0),
            (Some(Some(service)), None) => Some(f64::from(self.model.layout.service_replicas(*service))),
            _ => None,
        }
    }

    /// The share of time in which what serves in a component stands still, because its process has pauses that are given.
    fn paused(&self, i: usize) -> f64 {
        let entry = &self.model.components[i];
        if !matches!(entry.kind, "host" | "station") || entry.service.is_none() {
            return 0.0;
        }
        let heaps = self
            .model
            .components
            .iter()
            .filter(|e| e.service == entry.service);
        let shares = heaps.filter_map(|e| match &e.plan {
            Plan::Heap(plan) => plan.paused_share(),
            _ => None,
        });
        shares.fold(0.0, f64::max).min(1.0)
    }

    /// What of that is asked for.
    pub fn need(&self, i: usize, sums: &Sums) -> f64 {
        let facts = &self.facts[i];
        let (visits, held) = self.visits(i, sums);
        match (facts.hottest, facts.rate) {
            (Some(share), _) => share * sums.busy[i],
            (None, Some(_)) if facts.feed.is_none() => visits,
            _ if held == 0.0 => 0.0,
            _ => visits * held,
        }
    }

    /// What a completed request has certainly asked for.
    pub fn sure_need(&self, i: usize, sums: &Sums) -> f64 {
        let facts = &self.facts[i];
        match (facts.hottest, facts.rate) {
            _ if facts.link.is_some() || facts.feed.is_some() => 0.0,
            (Some(share), _) => share * sums.sure_busy[i],
            (None, Some(_)) => sums.sure_visits[i],
            _ => sums.sure_busy[i],
        }
    }

    /// Visits, or a heap's collections, and mean seconds of one.
    fn visits(&self, i: usize, sums: &Sums) -> (f64, f64) {
        if let Some((bytes, pause)) = self.collected(i) {
            let service = self.model.components[i].service;
            let allocated = service.map_or(0.0, |s| sums.bytes[s.0 as usize]);
            return (allocated / bytes, pause);
        }
        let visits = sums.visits[i];
        match self.facts[i].link {
            Some((_, answer)) => (visits, answer),
            None if visits > 0.0 => (visits, sums.busy[i] / visits),
            None => (0.0, 0.0),
        }
    }

    /// The replicas that autoscalers will come to.
    pub fn scaling(&self, loads: &[Load]) -> Vec<String> {
        let layout = &self.model.layout;
        let autoscalers = self.model.components.iter().filter_map(|e| match &e.plan {
            Plan::Autoscaler(plan) => Some((e, plan)),
            _ => None,
        });
        let told = autoscalers.filter_map(|(entry, plan)| {
            // On a host that others share its own part is not known here.
            let own = layout
                .hosts
                .get(&plan.of)
                .filter(|h| layout.placed_in.contains_key(h));
            let cores = own
                .and_then(|host| loads.iter().find(|l| l.component == *host))
                .map(|l| l.load);
            let balancers = layout.balances.iter().filter(|(_, service)| **service == plan.of);
            let calls: f64 = balancers.map(|(b, _)| self.total.visits[b.0 as usize]).sum();
            let limit = layout.cpu_limit(plan.of);
            let wanted = plan.wants(cores, limit, calls)?;
            let most = f64::from(layout.service_replicas(plan.of));
            let wanted_text =
                crate::component::counted(&significant(wanted.max(f64::from(plan.min))), "replicas");
            Some(match wanted > most {
                true => format!(
                    "{} would want {wanted_text} at this load and may have {}.",
                    entry.subject(),
                    significant(most)
                ),
                false => format!(
                    "{} comes to about {wanted_text} of at most {} at this load; the sums count all of them.",
                    entry.subject(),
                    significant(most)
                ),
            })
        });
        told.collect()
    }

    pub fn loads(&self) -> Vec<Load> {
        let mut list = Vec::new();
        for (i, entry) in self.model.components.iter().enumerate() {
            let Some(capacity) = self.capacity(i) else {
                continue;
            };
            let (visits, held) = self.visits(i, &self.total);
            let load = self.need(i, &self.total);
            if visits <= 0.0 || load <= 0.0 {
                continue;
            }
            let id = ComponentId(i as u32);
            let sum = self.sum(i, visits, held, load, capacity);
            list.push(Load {
                component: id,
                subject: entry.subject(),
                visits_per_second: visits,
                held,
                load,
                capacity,
                sum,
                at_most: self.closed[i],
                cancelled: self.found.cancelled.contains(&id) || self.found.limited.contains(&id),
            });
        }
        list.sort_by(|a, b| b.utilisation().total_cmp(&a.utilisation()));
        list
    }

    fn sum(&self, i: usize, visits: f64, held: f64, load: f64, capacity: f64) -> String {
        let facts = &self.facts[i];
        let instances = self.model.layout.instances(ComponentId(i as u32));
        let (visits, time, total) = (rate(visits), seconds(held), significant(load));
        if facts.rate.is_some() && facts.feed.is_none() {
            return format!("{visits} of {}", rate(capacity));
        }
        if let Some(share) = facts.hottest {
            let share = significant(100.0 * share);
            return format!("{visits} × {share} % × {time} = {total} of 1 holder of the hottest key");
        }
        let share = self.heaviest(i).filter(|s| s * f64::from(instances) > 1.0 + 1e-9);
        if let Some(share) = share {
            let each = capacity * share;
            let one = crate::component::counted(&significant(each), facts.unit);
            let all = crate::component::counted(&significant(capacity), facts.unit);
            let part = significant(100.0 * share);
            return format!(
                "{visits} × {time} = {total} of {all}: {instances} × {one}, {part} % of the calls go to one"
            );
        }
        let each = capacity / instances as f64;
        let there = match &facts.feed {
            None if instances > 1 && facts.link.is_none() => {
                let one = crate::component::counted(&significant(each), facts.unit);
                format!("{instances} × {one}")
            }
            _ => crate::component::counted(&significant(capacity), facts.unit),
        };
        format!("{visits} × {time} = {total} of {there}")
    }
}
