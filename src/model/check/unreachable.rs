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
        // So is what a consumer puts aside.
        let aside: Vec<&str> = self
            .tables
            .iter()
            .zip(components)
            .filter(|(_, e)| e.kind == "consumer")
            .filter_map(|(table, _)| table.get("dead-letter")?.as_str())
            .collect();
        for (i, e) in components.iter().enumerate() {
            if e.kind == "topic" && aside.contains(&e.name.as_str()) {
                reach.components[i] = true;
            }
        }
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
                "service" | "balancer" | "host" | "heap" | "consumer" | "outbox" | "autoscaler"
            );
            if !passive && !reach.components[i] && !e.is_client() {
                self.sink.warning(
                    self.tables[i].span.clone(),
                    "unreachable",
                    format!("no step uses {} `{}`", words(e.kind), e.name),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Sink;
    use crate::model;

    #[test]
    fn a_topic_for_what_is_put_aside_is_used() {
        let told = |dead: &str| {
            let text = format!(
                "[topic.events]\n[topic.dead]\n[consumer.c]\ntopic = \"events\"\n{dead}steps = [{{ delay = \"1ms\" }}]\n\
                 [flow.f]\nsteps = [{{ publish = \"events\" }}]\n\
                 [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n"
            );
            let mut sink = Sink::default();
            assert!(model::load("m", &text, None, &mut sink).is_some());
            let found: Vec<String> = sink.diagnostics().iter().map(|d| d.message.clone()).collect();
            found
        };
        assert_eq!(told(""), ["no step uses topic `dead`"]);
        assert!(told("dead-letter = \"dead\"\n").is_empty());
    }
}
