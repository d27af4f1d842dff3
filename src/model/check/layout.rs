//! Where each part stands: its instances, and what belongs to which service.

use std::collections::BTreeMap;

use super::Checker;
use crate::component::{ComponentId, Layout, Plan};
use crate::model::Entry;

/// Instances of all components together.
const MOST_INSTANCES: u64 = 1_500_000;

impl Checker<'_> {
    pub(super) fn layout(&mut self, components: &[Entry]) -> Option<Layout> {
        let mut layout = Layout {
            names: self.names.list.clone(),
            ..Layout::default()
        };
        let mut first = 0u32;
        for (i, e) in components.iter().enumerate() {
            if let Plan::Service(plan) = &e.plan {
                let id = ComponentId(i as u32);
                layout.replicas.insert(id, plan.replicas);
                layout.first_replica.insert(id, first);
                first = first.saturating_add(plan.replicas);
            }
            if let Plan::Balancer(plan) = &e.plan {
                if let Plan::Service(service) = &components[plan.to.0 as usize].plan
                    && !plan.weights.is_empty()
                    && plan.weights.len() != service.replicas as usize
                {
                    let span = self.tables[i].get("weights").map_or(0..0, |w| w.span.clone());
                    self.sink
                        .error(
                            span,
                            "out-of-range",
                            format!(
                                "{} weights for {} replicas of `{}`",
                                plan.weights.len(),
                                service.replicas,
                                components[plan.to.0 as usize].name
                            ),
                        )
                        .help("give one for each replica");
                    return None;
                }
                layout.balances.insert(ComponentId(i as u32), plan.to);
            }
        }
        let mut base = 0u64;
        for (i, e) in components.iter().enumerate() {
            let id = ComponentId(i as u32);
            layout.bases.push(base as u32);
            let n = match e.service {
                Some(s) => {
                    layout.placed_in.insert(id, s);
                    layout.service_replicas(s)
                }
                None => 1,
            };
            if e.plan.seats().is_some() {
                let seat = layout.seats.len() as u32;
                layout.seats.insert(id, seat);
            }
            base += n as u64;
            if base > MOST_INSTANCES {
                self.sink
                    .error(0..0, "too-many-instances", format!("the model has more than {MOST_INSTANCES} instances of components"))
                    .help("replicas multiply everything that is `in` their service; model one replica and its share of the load");
                return None;
            }
            layout.owner.extend(std::iter::repeat_n(id, n as usize));
        }
        layout.bases.push(base as u32);
        Some(layout)
    }

    #[allow(clippy::type_complexity)]
    pub(super) fn services(
        &self,
        components: &[Entry],
    ) -> (
        BTreeMap<ComponentId, ComponentId>,
        BTreeMap<ComponentId, ComponentId>,
        BTreeMap<ComponentId, ComponentId>,
    ) {
        let (mut balancers, mut hosts, mut heaps) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (i, e) in components.iter().enumerate() {
            let id = ComponentId(i as u32);
            match &e.plan {
                Plan::Balancer(p) => {
                    balancers.entry(p.to).or_insert(id);
                }
                Plan::Service(p) => {
                    if let Some(host) = p.host {
                        hosts.insert(id, host);
                    } else if p.own_cores
                        && let Some(host) = self.names.get("host", &e.name)
                    {
                        hosts.insert(id, host);
                    }
                }
                _ if e.kind == "heap" => {
                    if let Some(service) = e.service {
                        heaps.entry(service).or_insert(id);
                    }
                }
                _ => {}
            }
        }
        (balancers, hosts, heaps)
    }
}
