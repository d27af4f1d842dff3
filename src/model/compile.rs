//! Flows become flat programs: calls are written out in place, scopes get their frames, steps their sites.

mod memory;
mod step;

use std::collections::BTreeMap;

use super::step::{Step, What, replies};
use super::{Agent, Entry, Flow};
use crate::component::{ComponentId, Layout, Lowering, Place, SitePlan, UseStep};
use crate::diagnostic::{Sink, Span};
use crate::distribution::Law;
use crate::program::{Assembler, Instr, NO_FRAME, Program};

/// A flow as checked.
#[derive(Clone, Debug)]
pub struct FlowPlan {
    pub name: String,
    /// The service it runs at.
    pub at: Option<ComponentId>,
    pub steps: Vec<Step>,
    pub span: Span,
}

/// Programs longer than this are refused: calls of calls have multiplied. Steps are counted as well, because some
/// compile to nothing.
const LONGEST: usize = 1_000_000;
/// Bytes of the names of all steps, each of which tells the way to it.
const MOST_NAMES: usize = 64 << 20;
/// Steps within steps, those of called flows included: each level costs stack here and frames in every request.
const DEEPEST: u32 = 64;

/// Where the compiler stands.
#[derive(Clone)]
struct Here {
    /// Services on the way, innermost last, with the frame that notes the replica.
    services: Vec<(ComponentId, u16)>,
    /// Flows on the way, to find cycles of calls.
    flows: Vec<usize>,
    /// The frame of the connection that is held on the way, as far as the same thread goes.
    transaction: Option<u16>,
    /// Threads of a server are held on the way.
    served: bool,
    /// Where the connections lead that are held on the way, in this process.
    pools: Vec<Option<ComponentId>>,
    path: String,
    /// The frame of the flow's own outermost scope, if the flow answers before its end.
    reply: Option<u16>,
    /// The component whose own threads run these steps, where it handles several things at once.
    batch: Option<(Place, u16)>,
}

/// Compiles flows.
pub struct Compiler<'a> {
    pub components: &'a [Entry],
    pub layout: &'a Layout,
    pub flows: &'a [FlowPlan],
    /// The balancer in front of each service.
    pub balancers: &'a BTreeMap<ComponentId, ComponentId>,
    /// The host of each service.
    pub hosts: &'a BTreeMap<ComponentId, ComponentId>,
    /// The heap of each service, if it has one.
    pub heaps: &'a BTreeMap<ComponentId, ComponentId>,
    pub sink: &'a mut Sink,
    asm: Assembler,
    sites: Vec<SitePlan>,
    /// How often each purpose was named so far.
    named: BTreeMap<String, u32>,
    /// Bytes of those names, steps so far, and how deep the present ones lie.
    name_bytes: usize,
    visited: usize,
    depth: u32,
}

/// What compiling gives.
pub struct Compiled {
    pub program: Program,
    pub sites: Vec<SitePlan>,
    pub flows: Vec<Flow>,
    pub agents: Vec<Agent>,
}

impl<'a> Compiler<'a> {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        components: &'a [Entry],
        layout: &'a Layout,
        flows: &'a [FlowPlan],
        balancers: &'a BTreeMap<ComponentId, ComponentId>,
        hosts: &'a BTreeMap<ComponentId, ComponentId>,
        heaps: &'a BTreeMap<ComponentId, ComponentId>,
        reserved: u16,
        sink: &'a mut Sink,
    ) -> Self {
        Compiler {
            components,
            layout,
            flows,
            balancers,
            hosts,
            heaps,
            sink,
            asm: Assembler::new(reserved),
            sites: Vec::new(),
            named: BTreeMap::new(),
            name_bytes: 0,
            visited: 0,
            depth: 0,
        }
    }

    fn is_too_long(&self) -> bool {
        self.asm.here() as usize > LONGEST || self.visited > LONGEST || self.name_bytes > MOST_NAMES
    }

    /// The name that keys a step's draws: what it does, and the how-manieth of its sort it is in its flow.
    /// Scopes around it do not count, so that another step before it or a pool around it moves none of its draws.
    fn purpose(&mut self, here: &Here, step: &Step) -> String {
        let name = |id: &ComponentId| self.components[id.0 as usize].subject();
        let what = match &step.what {
            What::Use { component, .. } => name(component),
            What::Cpu { .. } => "cpu".into(),
            What::Query { database, .. } => name(database),
            What::Delay(_) => "delay".into(),
            What::Call { flow } => format!("call {}", flow.value),
            What::Publish { to, .. } => name(to),
            What::Choose { .. } => "choose".into(),
            What::Parallel { .. } => "parallel".into(),
            What::Try { .. } => "try".into(),
            What::Repeat { .. } => "repeat".into(),
            What::Each(_) => "each".into(),
            What::Fail { .. } => "fail".into(),
            What::Reply => "reply".into(),
        };
        let path = format!("{}/{what}", here.path);
        let n = self.named.entry(path.clone()).or_insert(0);
        *n += 1;
        self.name_bytes += path.len();
        if *n == 1 { path } else { format!("{path} {n}") }
    }

    pub fn site(&mut self, purpose: impl Into<String>, law: Option<Law>) -> u32 {
        self.sites.push(SitePlan {
            purpose: purpose.into(),
            law,
            ..SitePlan::default()
        });
        self.sites.len() as u32 - 1
    }

    /// The program of a workload: an optional client station, then the choice of the flow.
    pub fn workload(&mut self, name: &str, client: Option<(ComponentId, Law)>) -> u32 {
        let entry = self.asm.here();
        if let Some((station, law)) = client {
            let step = UseStep {
                place: Place {
                    base: self.layout.bases[station.0 as usize],
                    sel: NO_FRAME,
                },
                name: super::client_name(name),
                path: format!("workload.{name}/client"),
                time: Some(law),
                options: BTreeMap::new(),
                has_steps: false,
                transaction: None,
                inner: false,
            };
            let mut lowering = Lowering {
                asm: &mut self.asm,
                sites: &mut self.sites,
            };
            self.components[station.0 as usize]
                .plan
                .lower(&step, &mut lowering, &mut |_| {});
        }
        self.asm
            .emit(Instr::Begin, format!("workload {name}: choose a flow"));
        entry
    }

    /// Where a virtual user of an arrival-rate executor rests.
    pub fn rest(&mut self) -> u32 {
        self.asm.emit(Instr::Rest, "the user is free")
    }

    /// Compiles all flows that workloads offer, and all agents; `steps` are those of components.
    pub fn all(
        mut self,
        offered: &[bool],
        agent_steps: &BTreeMap<ComponentId, Vec<Step>>,
    ) -> Option<Compiled> {
        let mut flows = Vec::new();
        for (i, flow) in self.flows.iter().enumerate() {
            let entry = self.asm.here();
            if offered[i] {
                let here = Here {
                    services: Vec::new(),
                    transaction: None,
                    served: false,
                    flows: Vec::new(),
                    pools: Vec::new(),
                    path: format!("flow.{}", flow.name),
                    reply: None,
                    batch: None,
                };
                self.flow(i, &here);
                self.asm.end();
            }
            flows.push(Flow {
                name: flow.name.clone(),
                entry,
                offered: offered[i],
            });
        }
        let mut agents = Vec::new();
        for (id, component) in self.components.iter().enumerate() {
            let id = ComponentId(id as u32);
            let frame = self.asm.reserve_frame();
            let entry = self.asm.here();
            let services = component.service.map(|s| vec![(s, frame)]).unwrap_or_default();
            let base = self.layout.bases[id.0 as usize];
            let sel = if component.service.is_some() {
                frame
            } else {
                NO_FRAME
            };
            let here = Here {
                transaction: None,
                served: false,
                services,
                flows: Vec::new(),
                pools: Vec::new(),
                path: component.subject(),
                reply: None,
                batch: component.plan.batches().then_some((Place { base, sel }, frame)),
            };
            let none = Vec::new();
            let steps = agent_steps.get(&id).unwrap_or(&none);
            let count = self.lowered(|me, lowering| {
                component
                    .plan
                    .agents(Place { base, sel }, lowering, &mut |lowering| {
                        me.in_heap(component.service, steps, &here, lowering)
                    })
            });
            self.asm.release_frame();
            if let Some(count) = count {
                agents.push(Agent {
                    component: id,
                    entry,
                    count,
                    frame,
                });
            }
        }
        if self.is_too_long() {
            self.sink.error(0..0, "too-long", format!("the flows compile to more than {LONGEST} steps or instructions, or their names take more than {} MiB", MOST_NAMES >> 20))
                .help("calls are written out in place: a flow that calls another often, which calls another often, grows quickly");
        }
        if self.sink.has_errors() {
            return None;
        }
        Some(Compiled {
            program: self.asm.program,
            sites: self.sites,
            flows,
            agents,
        })
    }

    /// Lends the assembler to a component, which gives it back for its body.
    fn lowered<T>(&mut self, act: impl FnOnce(&mut Self, &mut Lowering) -> T) -> T {
        let mut asm = std::mem::replace(&mut self.asm, Assembler::new(0));
        let mut sites = std::mem::take(&mut self.sites);
        let result = act(
            self,
            &mut Lowering {
                asm: &mut asm,
                sites: &mut sites,
            },
        );
        self.asm = asm;
        self.sites = sites;
        result
    }

    fn steps_in(&mut self, steps: &[Step], here: &Here, lowering: &mut Lowering) {
        std::mem::swap(&mut self.asm, lowering.asm);
        std::mem::swap(&mut self.sites, lowering.sites);
        self.steps_with_memory(steps, here);
        std::mem::swap(&mut self.asm, lowering.asm);
        std::mem::swap(&mut self.sites, lowering.sites);
    }

    /// The steps of a component's own threads: they run in the JVM of its service, if that has a heap.
    fn in_heap(
        &mut self,
        service: Option<ComponentId>,
        steps: &[Step],
        here: &Here,
        lowering: &mut Lowering,
    ) {
        let heap = service.and_then(|s| self.heaps.get(&s)).copied();
        let Some(heap) = heap else {
            return self.steps_in(steps, here, lowering);
        };
        let plan = self.components[heap.0 as usize].plan.clone();
        if let Some(step) = self.use_step(heap, None, BTreeMap::new(), true, here, &(0..0)) {
            plan.lower(&step, lowering, &mut |l| self.steps_in(steps, here, l));
        }
    }

    fn flow(&mut self, index: usize, here: &Here) {
        let flow = &self.flows[index];
        let mut here = here.clone();
        here.flows.push(index);
        here.batch = None;
        here.reply = None;
        if !replies(&flow.steps) {
            return self.flow_at(index, here);
        }
        // The caller waits for the reply only: the flow runs apart from it.
        here.transaction = None;
        let branch = self.asm.branch_off(true, "until the reply");
        here.reply = Some(branch.child);
        self.flow_at(index, here);
        self.asm.come_back(branch);
    }

    fn flow_at(&mut self, index: usize, mut here: Here) {
        let flow = &self.flows[index];
        let Some(service) = flow.at else {
            return self.steps_with_memory(&flow.steps, &here);
        };
        let Some(balancer) = self.balancers.get(&service).copied() else {
            return;
        };
        let site = self.site(format!("{}/route", here.path), None);
        let name = self.components[balancer.0 as usize].name.clone();
        let base = self.layout.bases[balancer.0 as usize];
        let frame = self
            .asm
            .enter(base, NO_FRAME, site, false, format!("to a replica, by {name}"));
        here.services.push((service, frame));
        here.pools.clear();
        here.transaction = None;
        match self.heaps.get(&service).copied() {
            Some(heap) => {
                let step = self.use_step(heap, None, BTreeMap::new(), true, &here, &flow.span);
                let plan = self.components[heap.0 as usize].plan.clone();
                if let Some(step) = step {
                    self.lowered(|me, lowering| {
                        plan.lower(&step, lowering, &mut |l| me.steps_in(&flow.steps, &here, l));
                    });
                }
            }
            None => self.steps(&flow.steps, &here),
        }
        self.asm.leave("replica");
    }

    fn steps(&mut self, steps: &[Step], here: &Here) {
        if self.depth >= DEEPEST {
            if let Some(step) = steps.first() {
                self.too_deep(step);
            }
            return;
        }
        self.depth += 1;
        for step in steps {
            if self.is_too_long() {
                break;
            }
            self.visited += 1;
            let mut inner = here.clone();
            inner.path = self.purpose(here, step);
            self.step(step, here, &inner);
        }
        self.depth -= 1;
    }

    fn too_deep(&mut self, step: &Step) {
        let known = |d: &crate::diagnostic::Diagnostic| d.id == "too-deep";
        if !self.sink.diagnostics().iter().any(known) {
            self.sink
                .error(
                    step.span.clone(),
                    "too-deep",
                    format!("this step lies more than {DEEPEST} steps and calls deep"),
                )
                .help("write steps one after the other instead of within one another, or leave out calls that do nothing of their own");
        }
    }

    fn place(&mut self, id: ComponentId, here: &Here, span: &Span) -> Option<Place> {
        let entry = &self.components[id.0 as usize];
        let base = self.layout.bases[id.0 as usize];
        let Some(service) = entry.service else {
            return Some(Place { base, sel: NO_FRAME });
        };
        match here.services.iter().rev().find(|(s, _)| *s == service) {
            Some((_, frame)) => Some(Place { base, sel: *frame }),
            None => {
                let name = &self.components[service.0 as usize].name;
                let flow = here
                    .flows
                    .last()
                    .map_or("this component", |f| self.flows[*f].name.as_str());
                self.sink
                    .error(
                        span.clone(),
                        "not-here",
                        format!(
                            "`{}` is in service `{name}`, and `{flow}` does not run there",
                            entry.name
                        ),
                    )
                    .help(format!(
                        "add `at = \"{name}\"` to the flow, or `call` a flow that runs at `{name}`"
                    ));
                None
            }
        }
    }

    fn use_step(
        &mut self,
        id: ComponentId,
        time: Option<Law>,
        options: BTreeMap<String, crate::document::Item>,
        has_steps: bool,
        here: &Here,
        span: &Span,
    ) -> Option<UseStep> {
        let place = self.place(id, here, span)?;
        let name = self.components[id.0 as usize].name.clone();
        Some(UseStep {
            place,
            name,
            path: here.path.clone(),
            time,
            options,
            has_steps,
            transaction: here.transaction,
            inner: here.served || here.services.len() > 1,
        })
    }
}
