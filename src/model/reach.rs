//! Which components and flows a workload can reach.

use super::compile::FlowPlan;
use super::step::{Step, What};
use crate::component::ComponentId;
use crate::diagnostic::Span;
use crate::distribution::Law;

pub struct Reach<'a> {
    all: &'a [FlowPlan],
    pub flows: Vec<bool>,
    pub components: Vec<bool>,
    /// Laws of the steps, with their places.
    pub laws: Vec<(&'a Law, Span)>,
}

impl<'a> Reach<'a> {
    pub fn new(components: usize, all: &'a [FlowPlan]) -> Self {
        Reach {
            all,
            flows: vec![false; all.len()],
            components: vec![false; components],
            laws: Vec::new(),
        }
    }

    pub fn flow(&mut self, index: usize) {
        if std::mem::replace(&mut self.flows[index], true) {
            return;
        }
        self.steps(&self.all[index].steps);
    }

    fn component(&mut self, id: ComponentId) {
        self.components[id.0 as usize] = true;
    }

    pub fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            let laws: [Option<&Law>; 2] = match &step.what {
                What::Use { time, .. } => [time.as_ref(), None],
                What::Cpu { time, allocates, .. } => [Some(time), allocates.as_ref()],
                What::Query { time, cpu, .. } => [time.as_ref(), cpu.as_ref()],
                What::Delay(law) | What::Repeat { times: law, .. } => [Some(law), None],
                What::Fail { share, .. } => [share.as_ref(), None],
                _ => [None, None],
            };
            let laws = laws.into_iter().flatten();
            self.laws.extend(laws.map(|law| (law, step.span.clone())));
            match &step.what {
                What::Use { component, steps, .. } => {
                    self.component(*component);
                    self.steps(steps);
                }
                What::Cpu { on: Some(host), .. } => self.component(*host),
                What::Query { database, .. } => self.component(*database),
                What::Publish { to, .. } => self.component(*to),
                What::Call { flow } => {
                    if let Some(i) = self.all.iter().position(|f| f.name == flow.value) {
                        self.flow(i);
                    }
                }
                What::Choose { branches, .. } => branches.iter().for_each(|b| self.steps(&b.1)),
                What::Try { steps, instead, .. } => {
                    self.steps(steps);
                    self.steps(instead);
                }
                What::Parallel { branches, .. } => branches.iter().for_each(|b| self.steps(b)),
                What::Repeat { steps, .. } | What::Each(steps) => self.steps(steps),
                What::Cpu { .. } | What::Delay(_) | What::Fail { .. } | What::Reply => {}
            }
        }
    }
}
