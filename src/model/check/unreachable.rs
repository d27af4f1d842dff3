//! Parts that nothing reaches.

use std::collections::BTreeMap;

use super::{Checker, words};
use crate::component::ComponentId;
use crate::model::Entry;
use crate::model::compile::FlowPlan;
use crate::model::reach::Reach;
use crate::model::step::Step;

impl Checker<'_> {
    /// Parts that nothing reaches are named in a warning.
    pub(super) fn unreachable(
        &mut self,
        components: &[Entry],
        flows: &[FlowPlan],
        offered: &[bool],
        agents: &BTreeMap<ComponentId, Vec<Step>>,
    ) {
        let mut reach = Reach::new(components.len(), flows);
        for (i, o) in offered.iter().enumerate() {
            if *o {
                reach.flow(i);
            }
        }
        for steps in agents.values() {
            reach.steps(steps);
        }
        // What a component's own threads send on, as an outbox its rows, is sent to a topic that is used.
        let fed = components.iter().filter_map(|e| e.plan.facts().feed?.to);
        fed.for_each(|to| reach.components[to.0 as usize] = true);
        for (i, f) in flows.iter().enumerate() {
            if !reach.flows[i] {
                self.sink
                    .warning(
                        f.span.clone(),
                        "unreachable",
                        format!("no workload and no call reaches flow `{}`", f.name),
                    )
                    .help(format!(
                        "name it in a workload's mix, or in a step `call = \"{}\"`",
                        f.name
                    ));
            }
        }
        for (i, e) in components.iter().enumerate() {
            let passive = matches!(
                e.kind,
                "service" | "balancer" | "host" | "heap" | "consumer" | "outbox"
            );
            if !passive && !reach.components[i] && !e.name.starts_with("client of ") {
                self.sink.warning(
                    self.tables[i].span.clone(),
                    "unreachable",
                    format!("no step uses {} `{}`", words(e.kind), e.name),
                );
            }
        }
    }
}
