//! The checked model: every unit explicit, every name resolved, the flows compiled.

pub mod arithmetic;
pub mod check;
pub mod compile;
pub mod objective;
mod reach;
pub mod step;
pub mod timeline;
pub mod workload;
pub mod workload_check;

pub use check::{from_document, load};

use std::collections::BTreeMap;

use crate::component::{ComponentId, Layout, Plan, SitePlan};
use crate::distribution::Law;
use crate::document::Document;
use crate::program::Program;

/// A component with its plan.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: &'static str,
    pub name: String,
    pub plan: Plan,
    pub instances: u32,
    /// The service it is placed in.
    pub service: Option<ComponentId>,
}

impl Entry {
    /// `kind.name`, as the results call it.
    pub fn subject(&self) -> String {
        match self.name.strip_prefix(CLIENT) {
            Some(workload) => format!("client.{workload}"),
            None => format!("{}.{}", self.kind, self.name),
        }
    }

    /// Whether it is the client of a workload rather than a component of the model.
    pub fn is_client(&self) -> bool {
        self.name.starts_with(CLIENT)
    }
}

const CLIENT: &str = "client of ";

/// The name of the station that a workload's client is.
pub fn client_name(workload: &str) -> String {
    format!("{CLIENT}{workload}")
}

/// A flow that workloads choose from.
#[derive(Clone, Debug)]
pub struct Flow {
    pub name: String,
    /// Its first instruction.
    pub entry: u32,
    /// Whether a workload's mix names it.
    pub offered: bool,
}

/// Threads that a component runs by itself.
#[derive(Clone, Debug)]
pub struct Agent {
    pub component: ComponentId,
    /// First instruction of their endless program.
    pub entry: u32,
    /// Threads in each instance.
    pub count: u32,
    /// The frame that notes the replica they run in.
    pub frame: u16,
}

/// Something that happens to the system during the run.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Nanoseconds from the start.
    pub at: u64,
    pub what: Change,
    /// As the results tell it.
    pub text: String,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Change {
    /// A component's table is changed.
    Adopt { component: ComponentId, plan: Box<Plan> },
    /// Replicas of a service stop: all, or the one with this number.
    Stop {
        service: ComponentId,
        replica: Option<u32>,
        /// When they are back, nanoseconds; `u64::MAX` for not by themselves.
        until: u64,
        /// They are being started: one that was stopped for good will be back as well.
        restarts: bool,
    },
    /// They are back, unless another outage keeps them down.
    Start {
        service: ComponentId,
        replica: Option<u32>,
        /// Whatever else is under way.
        asked: bool,
    },
    /// They are paused.
    Freeze {
        service: ComponentId,
        replica: Option<u32>,
        /// Nanoseconds.
        until: u64,
    },
    /// The pause ends.
    Thaw {
        service: ComponentId,
        replica: Option<u32>,
    },
}

/// How long and how often to run, as the model or the experiment says.
#[derive(Clone, Debug, Default)]
pub struct RunPlan {
    /// Nanoseconds of simulated time, warm-up included.
    pub duration: Option<u64>,
    /// Nanoseconds; `None` for the end of the transient as MSER-5 finds it.
    pub warm_up: Option<u64>,
    pub replications: Option<u32>,
    pub seed: Option<u64>,
}

impl Model {
    /// What the model takes in memory, about: what a grid of many points multiplies.
    pub fn bytes(&self) -> usize {
        let program = self.program.code.len() * 64;
        let sites: usize = self
            .sites
            .iter()
            .map(|s| 256 + s.purpose.len() + s.law.as_ref().map_or(0, law))
            .sum();
        let arrivals: usize = self.workloads.iter().map(|w| arrivals(&w.arrivals)).sum();
        let instances = self.layout.owner.len() * 4;
        8 * self.document.source.len() + program + sites + arrivals + instances + 1024 * self.components.len()
    }
}

fn arrivals(arrivals: &workload::Arrivals) -> usize {
    match arrivals {
        workload::Arrivals::Recorded(times) => 8 * times.len(),
        workload::Arrivals::Renewal(gaps) => law(gaps),
        _ => 0,
    }
}

fn law(of: &Law) -> usize {
    match of {
        Law::Empirical { values, weights } => 8 * (values.len() + weights.as_ref().map_or(0, |w| w.len())),
        Law::Mixture { parts } => parts.iter().map(|(_, part)| 64 + law(part)).sum(),
        Law::Shifted { law: inner, .. } | Law::Ceiling { law: inner, .. } => law(inner),
        _ => 0,
    }
}

/// A model that can be run.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: String,
    pub document: Document,
    /// By id.
    pub components: Vec<Entry>,
    pub layout: Layout,
    pub program: Program,
    pub sites: Vec<SitePlan>,
    pub flows: Vec<Flow>,
    /// The flows before they were compiled, by the same numbers.
    pub flow_plans: Vec<compile::FlowPlan>,
    /// The steps of components' own threads, before they were compiled.
    pub agent_steps: BTreeMap<ComponentId, Vec<step::Step>>,
    pub workloads: Vec<workload::WorkloadPlan>,
    pub agents: Vec<Agent>,
    pub timeline: Vec<Happening>,
    pub run: RunPlan,
    pub objectives: Vec<objective::Objective>,
    /// The frame that notes which record a request replays, if a step takes recorded values.
    pub record_frame: Option<u16>,
    /// The frame that notes what attempts and deliveries add to a request's key, if anything is tried again.
    pub attempt_frame: Option<u16>,
    /// Number of replicas of all services.
    pub replicas: u32,
}
