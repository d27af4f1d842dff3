//! Where each part stands: its instances, and what belongs to which service.

use std::collections::BTreeMap;

use super::Checker;
use crate::component::{ComponentId, Layout, Plan, autoscaler};
use crate::model::{Change, Entry, Happening};

/// Instances of all components together.
const MOST_INSTANCES: u64 = 1_500_000;

/// Bytes that all instances keep from the start, or once the timeline has changed them: 2 GiB.
const MOST_KEPT: u64 = 2 << 30;

/// Bytes of any instance, its meters and its share of its replica.
const INSTANCE: u64 = 1 << 10;

/// Bytes of a group for each partition.
const OFFSETS: u64 = 32;

impl Checker<'_> {
    /// Refuses what would take the machine's memory without any load.
    pub(super) fn fits(&mut self, components: &[Entry], timeline: &[Happening]) {
        let mut kept: Vec<u64> = components.iter().map(|e| e.plan.keeps()).collect();
        for happening in timeline {
            if let Change::Adopt { component, plan } = &happening.what {
                let k = &mut kept[component.0 as usize];
                *k = plan.keeps().max(*k);
            }
        }
        // A group keeps its offsets, an owner and a mark for each partition of its topic.
        for (k, entry) in kept.iter_mut().zip(components) {
            if let Plan::Consumer(group) = &entry.plan {
                let topic = &components[group.topic().0 as usize].plan;
                let offsets = topic.facts().partitions.unwrap_or(0) * OFFSETS;
                *k = k.saturating_add(offsets / u64::from(entry.instances.max(1)));
            }
        }
        let of =
            |(e, each): (&Entry, u64)| u64::from(e.instances).saturating_mul(each.saturating_add(INSTANCE));
        let all: Vec<u64> = components.iter().zip(kept).map(of).collect();
        let sum = all.iter().fold(0, |sum: u64, k| sum.saturating_add(*k));
        if sum <= MOST_KEPT {
            return;
        }
        let most = (0..all.len()).max_by_key(|i| all[*i]).unwrap_or(0);
        let entry = &components[most];
        let message = format!(
            "what the components hold from the start takes more than {} GiB, most of it `{}` in {} instances",
            MOST_KEPT >> 30,
            entry.name,
            entry.instances
        );
        self.sink
            .error(self.tables[most].span.clone(), "too-many-instances", message)
            .help("write fewer connections, keys of a warm cache, partitions, threads or calls of a window, or fewer replicas");
    }

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

    /// Limits of CPU time need a host whose threads share its cores.
    pub(super) fn limits(&mut self, components: &[Entry], hosts: &BTreeMap<ComponentId, ComponentId>) {
        for (i, e) in components.iter().enumerate() {
            if !matches!(&e.plan, Plan::Service(p) if p.limit.is_some()) {
                continue;
            }
            let host = hosts
                .get(&ComponentId(i as u32))
                .map(|h| &components[h.0 as usize]);
            let why = match host.map(|h| &h.plan) {
                None => "has no `host`",
                Some(Plan::Host(p)) if !p.shares() => "has a host whose threads do not share its cores",
                _ => continue,
            };
            let path = format!("service.{}.cpu-limit", super::quoted(&e.name));
            let span = self.document.get(&path).map_or(0..0, |item| item.span.clone());
            self.sink
                .error(
                    span,
                    "does-not-apply",
                    format!("service `{}` has a `cpu-limit` and {why}", e.name),
                )
                .help("put it on a host with processor sharing, as `host = { cores = 2 }`");
        }
    }

    /// What an autoscaler needs of its service.
    pub(super) fn autoscalers(&mut self, components: &[Entry], hosts: &BTreeMap<ComponentId, ComponentId>) {
        let mut seen: BTreeMap<ComponentId, &str> = BTreeMap::new();
        for e in components {
            let Plan::Autoscaler(plan) = &e.plan else { continue };
            let of = &components[plan.of.0 as usize];
            let Plan::Service(service) = &of.plan else {
                continue;
            };
            let host = hosts.get(&plan.of).map(|h| &components[h.0 as usize].plan);
            let (key, problem, help) = if let Some(other) = seen.insert(plan.of, &e.name) {
                let problem = format!("`{}` has an autoscaler already, `{other}`", of.name);
                (
                    "of",
                    problem,
                    "give one autoscaler both goals; the one that asks for more counts",
                )
            } else if service.replicas > autoscaler::MOST {
                let problem = format!(
                    "an autoscaler handles up to {} replicas; `{}` has {}",
                    autoscaler::MOST,
                    of.name,
                    service.replicas
                );
                ("of", problem, "lower the service's `replicas`")
            } else if plan.initially > service.replicas {
                let key = if plan.min > service.replicas {
                    "min"
                } else {
                    "initially"
                };
                let problem = format!(
                    "`{key}` is more than the {} `replicas` of `{}`, which are the most there can be",
                    service.replicas, of.name
                );
                (
                    key,
                    problem,
                    "raise the service's `replicas` to what Kubernetes calls `maxReplicas`",
                )
            } else if plan.cpu.is_some() && host.is_none() {
                let problem = format!("the CPU of `{}` is not known: it has no `host`", of.name);
                (
                    "cpu",
                    problem,
                    "put it on one, as `host = { cores = 2 }`, or aim at `requests`",
                )
            } else if plan.cpu.is_some() && !matches!(host, Some(Plan::Host(h)) if h.shares()) {
                let problem = format!(
                    "the CPU time of each replica of `{}` is not counted on a host whose threads do not share its cores",
                    of.name
                );
                (
                    "cpu",
                    problem,
                    "use a host with processor sharing, or aim at `requests`",
                )
            } else if plan.cpu.is_some() && plan.cpu_request.is_none() && service.limit.is_none() {
                let problem = format!("what a replica of `{}` requests is not known", of.name);
                (
                    "cpu",
                    problem,
                    "add `cpu-request = 0.5`, in cores; Kubernetes cannot judge CPU without it either",
                )
            } else {
                continue;
            };
            let path = format!("autoscaler.{}", super::quoted(&e.name));
            let item = self
                .document
                .get(&format!("{path}.{key}"))
                .or_else(|| self.document.get(&format!("{path}.of")));
            let span = item.map_or(0..0, |item| item.span.clone());
            self.sink.error(span, "does-not-apply", problem).help(help);
        }
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
