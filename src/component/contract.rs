//! What a kind of component is made of, and what it may use while it is checked, compiled and built.

use std::collections::BTreeMap;

pub use super::facts::{Facts, Feed};
use crate::diagnostic::Sink;
use crate::distribution::{Law, LawUnit, Popularity};
use crate::document::{Item, Key, Reader, Spanned};
use crate::kernel::{Admission, Caught, Context, Fault, Outcome, Visit};
use crate::metric::Histogram;
use crate::program::{Assembler, NO_FRAME};
use crate::quantity::{SimDuration, SimTime};
use crate::random::{PurposeKey, purpose_key};

/// A kind of component. One file holds its keys, its checked plan, its running state and its behaviour.
pub trait Component: Sized {
    /// The word in the table header.
    const KIND: &'static str;
    /// One line for the list of kinds.
    const ABOUT: &'static str;
    /// The keys of its table.
    const KEYS: &'static [Key];
    /// The keys a step may have besides `use`, `time` and `steps`.
    const STEP_KEYS: &'static [Key] = &[];
    /// The keys that a running instance takes over when the timeline sets them; none of the others may be set.
    const SETTABLE: &'static [&'static str] = &[];
    /// Whether it is asked when a step inside its scope fails.
    const CATCHES: bool = false;
    /// Whether it must be told when a replica is paused, because it serves that replica's work.
    const FREEZES: bool = false;
    /// Whether a thread that waits here, or is served here, hears an interrupt: a lock of the process or a sleep ends at
    /// once, an answer from another system is read first, and a computation is finished.
    const HEARS: bool = true;
    /// What it shows over time beside the gauges that every component has: name and unit.
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[];
    /// As checked: every unit explicit, ids for names.
    type Plan: Clone + std::fmt::Debug + Send + Sync;

    /// Reads and checks the table. Problems go to the reader's sink.
    fn check(reader: &mut Reader, names: &Names) -> Option<Self::Plan>;

    /// Whether a step may hold it, be served by it, or both; `Err` says why not.
    fn accepts(_plan: &Self::Plan, _usage: Usage) -> Result<(), String> {
        Ok(())
    }

    /// Reads the kind's own keys of a step; problems go to the sink.
    fn check_step(_plan: &Self::Plan, _options: &BTreeMap<String, Item>, _sink: &mut Sink) {}

    /// Whether the steps of its own threads may hold `{ each = [..] }`: they handle several things at once, and
    /// [`EACH_BEGIN`], [`EACH_NEXT`] and [`EACH_DONE`] are operations of the kind.
    fn batches(_plan: &Self::Plan) -> bool {
        false
    }

    /// Places it shares with others, as a database's connections.
    fn seats(_plan: &Self::Plan) -> Option<u64> {
        None
    }

    /// Bytes, about, that one instance keeps from the start or without any event of its own, where they grow with a number
    /// in the plan.
    fn keeps(_plan: &Self::Plan) -> u64 {
        0
    }

    /// Capacity in permits or servers of one instance, where it has one.
    fn capacity(_plan: &Self::Plan) -> Option<f64> {
        None
    }

    /// What arithmetic alone can say about it.
    fn facts(_plan: &Self::Plan) -> Facts {
        Facts::default()
    }

    /// Compiles a step that uses it.
    fn lower(
        _plan: &Self::Plan,
        step: &UseStep,
        lowering: &mut Lowering,
        body: &mut dyn FnMut(&mut Lowering),
    ) {
        lowering.visit(step, Self::CATCHES, body);
    }

    /// Compiles the endless program of the threads that it runs by itself; the number of threads in each instance.
    fn agents(
        _plan: &Self::Plan,
        _me: Place,
        _lowering: &mut Lowering,
        _body: &mut dyn FnMut(&mut Lowering),
    ) -> Option<u32> {
        None
    }

    /// One instance at time zero.
    fn build(plan: &Self::Plan, build: &mut Build) -> Self;

    /// The run begins: first timers.
    fn start(&mut self, _cx: &mut Context) {}

    /// The run begins without the replica in which it would run; it may be [`Component::started`] later.
    fn absent(&mut self, cx: &mut Context) {
        self.start(cx);
    }

    /// A visitor comes.
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission;

    /// An admitted visitor leaves.
    fn leave(&mut self, _visit: Visit, _outcome: Outcome, _cx: &mut Context) {}

    /// An operation compiled by the kind itself.
    fn op(&mut self, _op: u8, _visit: Visit, _cx: &mut Context) -> Admission {
        Admission::Proceed
    }

    /// The replica in which it runs takes nothing in any more: whether threads of its own finish something before it ends. It leaves
    /// [`crate::kernel::Effect::Finished`] once when they have.
    fn closing(&mut self, _cx: &mut Context) -> bool {
        false
    }

    /// The replica in which it runs is stopped; what ran there has been unwound already.
    fn stopped(&mut self, _cx: &mut Context) {}

    /// The replica in which it runs is back.
    fn started(&mut self, _cx: &mut Context) {}

    /// Threads that belong to no request run on it, or have ended if negative. Only hosts are asked.
    fn load(&mut self, _threads: i32, _cx: &mut Context) {}

    /// A timer of its own goes off.
    fn wake(&mut self, _tag: u32, _cx: &mut Context) {}

    /// A visitor in its hands (answered with `Wait`) goes away.
    fn cancel(&mut self, _visit: Visit, _cx: &mut Context) {}

    /// A step inside its scope failed; asked only if it `CATCHES`.
    fn caught(&mut self, _visit: Visit, _fault: Fault, _cx: &mut Context) -> Caught {
        Caught::Propagate
    }

    /// The work of a replica stops. Only asked if it `FREEZES`.
    fn freeze(&mut self, _replica: u32, _cx: &mut Context) {}

    /// The work of a replica goes on. Only asked if it `FREEZES`.
    fn thaw(&mut self, _replica: u32, _cx: &mut Context) {}

    /// A replica has stopped, wherever it itself stands. Only asked if it `FREEZES`.
    fn ended(&mut self, _replica: u32, _cx: &mut Context) {}

    /// Its table was changed by the timeline.
    fn adopt(&mut self, _plan: &Self::Plan, _cx: &mut Context) {}

    /// Servers or permits busy over time since the measurement began, in server-nanoseconds, where that is not
    /// simply those inside less those waiting.
    fn busy(&self, _now: SimTime, _cx: &Context) -> Option<f64> {
        None
    }

    /// The measurement begins: counters of its own go back to zero.
    fn reset(&mut self, _now: SimTime) {}

    /// Values of [`Component::PROBES`] now, in their order.
    fn probe(&self, _cx: &Context, _out: &mut Vec<f64>) {}

    /// What it measured beside what the engine measures for every component.
    fn observe(&self, _cx: &Context, _since: SimTime, _out: &mut Readings) {}
}

/// Operation: the next one of the things that an agent's thread handles at once; `Skip` when there are no more.
pub const EACH_NEXT: u8 = 200;
/// Operation: the next one is the first.
pub const EACH_BEGIN: u8 = 202;
/// Operation: the one at hand is done.
pub const EACH_DONE: u8 = 201;

/// How a step uses a component.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A scope holds it while other steps run.
    Hold,
    /// It serves a demand.
    Serve,
}

/// A step that uses a component, as compiled.
#[derive(Clone, Debug)]
pub struct UseStep {
    /// Where the component stands.
    pub place: Place,
    /// The component's name, for the listing.
    pub name: String,
    /// The step's own path; it names the purpose of its draws.
    pub path: String,
    /// How long it is used, where the step says so.
    pub time: Option<Law>,
    /// The values of the kind's own step keys.
    pub options: BTreeMap<String, Item>,
    /// Whether there are steps inside.
    pub has_steps: bool,
    /// The frame of the visit to a connection pool in whose transaction it stands.
    pub transaction: Option<u16>,
    /// Whether it is another server that comes here, on behalf of who sent the request.
    pub inner: bool,
}

/// Where a component stands in a run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first instance.
    pub base: u32,
    /// The frame that notes which replica's instance to use, or `NO_FRAME` for a component with one instance.
    pub sel: u16,
}

/// A step of the program before the run: the name that keys its draws, and its law.
#[derive(Clone, Debug, Default)]
pub struct SitePlan {
    pub purpose: String,
    pub law: Option<Law>,
    /// Which key is asked for, where the step touches one of many.
    pub keys: Option<Popularity>,
    /// A number of the kind's own.
    pub note: u32,
    /// Whether it draws for what the request is about, the same in every attempt.
    pub by_request: bool,
}

/// What compiling a step may write to.
pub struct Lowering<'a> {
    pub asm: &'a mut Assembler,
    pub sites: &'a mut Vec<SitePlan>,
}

impl Lowering<'_> {
    /// Notes a place where draws are made.
    pub fn site(&mut self, purpose: impl Into<String>, law: Option<Law>) -> u32 {
        self.sites.push(SitePlan {
            purpose: purpose.into(),
            law,
            ..SitePlan::default()
        });
        self.sites.len() as u32 - 1
    }

    /// Holds the component while `body` runs, for `time` if the step names one.
    pub fn visit(&mut self, step: &UseStep, catches: bool, body: &mut dyn FnMut(&mut Lowering)) {
        let site = self.site(format!("{}/enter", step.path), None);
        self.asm
            .enter(step.place.base, step.place.sel, site, catches, step.name.clone());
        if let Some(law) = &step.time {
            let hold = self.site(step.path.clone(), Some(law.clone()));
            self.asm.hold(hold, describe(law));
        }
        body(self);
        self.asm.leave(step.name.clone());
    }

    /// Has the component serve a demand drawn from the step's law, and runs `body` while still inside.
    pub fn serve(&mut self, step: &UseStep, body: &mut dyn FnMut(&mut Lowering)) {
        let site = self.site(step.path.clone(), step.time.clone());
        let what = match &step.time {
            Some(law) => format!("{}: {}", step.name, describe(law)),
            None => step.name.clone(),
        };
        self.asm.enter(step.place.base, step.place.sel, site, false, what);
        body(self);
        self.asm.leave(step.name.clone());
    }
}

/// A law of durations in a few words, for the listing.
pub fn describe(law: &Law) -> String {
    match law {
        Law::Constant { value } => SimDuration::from_secs_f64(*value).to_string(),
        _ => format!(
            "mean {}",
            law.mean()
                .map_or("infinite".into(), |m| SimDuration::from_secs_f64(m).to_string())
        ),
    }
}

/// Number of a component in the order of kinds, then names. It does not depend on the order of the file.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComponentId(pub u32);

/// The names of a model's components, before any of them is checked.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// In the order of their ids: kind, name.
    pub list: Vec<(&'static str, String)>,
    /// The folder of the model's file; files that laws name lie relative to it.
    pub folder: Option<std::path::PathBuf>,
    /// What workloads replay.
    pub recordings: super::Recordings,
    /// Bytes of data files read so far.
    read: std::cell::Cell<u64>,
}

/// Bytes of all data files of a model together.
const MOST_DATA_TOGETHER: u64 = 512 << 20;

impl Names {
    /// The component of this kind and name.
    pub fn get(&self, kind: &str, name: &str) -> Option<ComponentId> {
        self.list
            .iter()
            .position(|(k, n)| *k == kind && n == name)
            .map(|i| ComponentId(i as u32))
    }

    /// Resolves a reference to a component of one of several kinds; an unknown name is reported with the nearest one.
    pub fn resolve(
        &self,
        kinds: &[&'static str],
        name: &Spanned<String>,
        reader: &mut Reader,
    ) -> Option<ComponentId> {
        for kind in kinds {
            if let Some(id) = self.get(kind, &name.value) {
                return Some(id);
            }
        }
        let known: Vec<&str> = self
            .list
            .iter()
            .filter(|(k, _)| kinds.contains(k))
            .map(|(_, n)| n.as_str())
            .collect();
        let what = kinds.join(" or ").replace('-', " ");
        let other = self.list.iter().find(|(_, n)| *n == name.value);
        let mut d = reader.sink().error(
            name.span.clone(),
            "unknown-name",
            format!("there is no {what} called `{}`", name.value),
        );
        d.label = match crate::diagnostic::nearest(&name.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match other {
                Some((kind, _)) => format!("`{}` is a {}", name.value, kind.replace('-', " ")),
                None => "not defined in this model".into(),
            },
        };
        d.help.push(if known.is_empty() {
            format!(
                "the model has no {what}; add a table [{}.{}]",
                kinds[0], name.value
            )
        } else {
            format!(
                "the model has {}",
                known
                    .iter()
                    .map(|n| format!("`{n}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        });
        None
    }
}

/// Reads a law; what is wrong with it is reported at its place.
pub fn read_law(
    text: &Spanned<String>,
    unit: LawUnit,
    what: &str,
    names: &Names,
    sink: &mut crate::diagnostic::Sink,
) -> Option<Law> {
    let law = Law::parse(&text.value, unit, &mut |file| names.load(file));
    told(law, text, what, sink)
}

/// [`read_law`] for a step of a flow, which may take values recorded of its request.
pub fn read_step_law(
    text: &Spanned<String>,
    unit: LawUnit,
    what: &str,
    names: &Names,
    sink: &mut crate::diagnostic::Sink,
) -> Option<Law> {
    let mut recorded = |column: &str, one: f64| names.recordings.column(column, one);
    let law = Law::parse_with(&text.value, unit, &mut |file| names.load(file), &mut recorded);
    told(law, text, what, sink)
}

fn told(
    law: Result<Law, String>,
    text: &Spanned<String>,
    what: &str,
    sink: &mut crate::diagnostic::Sink,
) -> Option<Law> {
    match law {
        Ok(law) => Some(law),
        Err(problem) => {
            sink.error(
                text.span.clone(),
                "bad-law",
                format!("{what} is not a law: {problem}"),
            );
            None
        }
    }
}

impl Names {
    /// Where a file lies that the model names.
    pub fn path(&self, file: &str) -> std::path::PathBuf {
        match &self.folder {
            Some(folder) => folder.join(file),
            None => std::path::PathBuf::from(file),
        }
    }

    /// The numbers in a file that a law names, one a line or the first column of a CSV with a header.
    pub fn load(&self, file: &str) -> Result<Vec<f64>, String> {
        let path = self.path(file);
        let text = crate::document::read_text(&path, crate::document::MOST_DATA)
            .map_err(|e| format!("reading {}: {e}", path.display()))?;
        let read = self.read.get() + text.len() as u64;
        self.read.set(read);
        if read > MOST_DATA_TOGETHER {
            return Err(format!(
                "the model's data files are longer than {} MiB together",
                MOST_DATA_TOGETHER >> 20
            ));
        }
        let mut numbers = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let field = line.split(',').next().unwrap_or("").trim();
            if field.is_empty() || field.starts_with('#') {
                continue;
            }
            match field.parse::<f64>() {
                Ok(v) if v.is_finite() && v >= 0.0 => numbers.push(v),
                _ if i == 0 => {}
                _ => {
                    return Err(format!(
                        "{}, line {}: `{field}` is not a number from zero up",
                        path.display(),
                        i + 1
                    ));
                }
            }
        }
        if numbers.is_empty() {
            Err(format!("{} has no numbers", path.display()))
        } else {
            Ok(numbers)
        }
    }
}

/// Where everything stands, for building.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// First instance of each component, by id; one more entry at the end.
    pub bases: Vec<u32>,
    /// The component of each instance.
    pub owner: Vec<ComponentId>,
    /// The names, by id.
    pub names: Vec<(&'static str, String)>,
    /// First replica of each service in the context's list, by the service's id.
    pub first_replica: BTreeMap<ComponentId, u32>,
    /// Replicas of each service, by its id.
    pub replicas: BTreeMap<ComponentId, u32>,
    /// Number of shared places of a component, by its id.
    pub seats: BTreeMap<ComponentId, u32>,
    /// The service that a balancer sends to, by the balancer's id.
    pub balances: BTreeMap<ComponentId, ComponentId>,
    /// The service a component is placed in, by id.
    pub placed_in: BTreeMap<ComponentId, ComponentId>,
    /// The host of each service, by the service's id.
    pub hosts: BTreeMap<ComponentId, ComponentId>,
    /// Capacity of one instance of each component that has one, by id.
    pub capacities: Vec<Option<f64>>,
}

impl Layout {
    /// How many instances a component has.
    pub fn instances(&self, id: ComponentId) -> u32 {
        self.bases[id.0 as usize + 1] - self.bases[id.0 as usize]
    }

    /// Cores of CPU time that a replica of a service may have, if they are limited.
    pub fn cpu_limit(&self, service: ComponentId) -> Option<f64> {
        let all = self.capacities.get(service.0 as usize).copied().flatten()?;
        Some(all / f64::from(self.service_replicas(service).max(1)))
    }

    /// How many replicas a service has.
    pub fn service_replicas(&self, service: ComponentId) -> u32 {
        self.replicas.get(&service).copied().unwrap_or(0)
    }
}

/// What building an instance may use.
pub struct Build<'a> {
    pub cx: &'a mut Context,
    pub layout: &'a Layout,
    /// The component that is built.
    pub id: ComponentId,
    /// The instance that is built.
    pub instance: u32,
    /// Its number among the component's instances.
    pub replica: u32,
    pub seed: u64,
    pub replication: u64,
}

impl Build<'_> {
    /// A timer of this instance's own.
    pub fn timer(&mut self, tag: u32) -> crate::kernel::TimerId {
        self.cx.timer(crate::kernel::TimerOwner::Component {
            instance: self.instance,
            tag,
        })
    }

    /// This host has a run queue for so many cores.
    pub fn set_run_queue(&mut self, cores: u32) {
        self.cx.set_run_queue(self.instance, cores);
    }

    /// The host on which threads of this instance wake up, with its run queue counted from now on.
    pub fn waking_host(&mut self) -> Option<u32> {
        let host = self.host()?;
        self.cx.count_run_queue(host);
        Some(host)
    }

    /// Names a purpose for draws of the component's own; all its instances share it.
    pub fn purpose(&mut self, name: &str) -> u32 {
        let key = self.key(name);
        self.cx.purpose(key)
    }

    /// The key of a purpose of this component.
    pub fn key(&self, name: &str) -> PurposeKey {
        let (kind, me) = &self.layout.names[self.id.0 as usize];
        purpose_key(self.seed, self.replication, &format!("{kind}.{me}/{name}"))
    }

    /// The replica of the service in which this instance runs, as the context numbers them.
    pub fn home(&self) -> Option<u32> {
        let service = self.layout.placed_in.get(&self.id)?;
        self.layout
            .first_replica
            .get(service)
            .map(|first| first + self.replica)
    }
}

impl Build<'_> {
    /// The first instance of a component.
    pub fn base_of(&self, id: ComponentId) -> u32 {
        self.layout.bases[id.0 as usize]
    }

    /// The host instance on which the replica of this instance runs.
    pub fn host(&self) -> Option<u32> {
        let host = self.layout.hosts.get(self.layout.placed_in.get(&self.id)?)?;
        let own = self.layout.placed_in.contains_key(host);
        Some(self.base_of(*host) + if own { self.replica } else { 0 })
    }

    /// Cores of the host on which the replica of this instance runs.
    fn host_capacity(&self) -> Option<f64> {
        let host = self.layout.hosts.get(self.layout.placed_in.get(&self.id)?)?;
        self.layout.capacities.get(host.0 as usize).copied().flatten()
    }

    /// Processors that a program in the replica of this instance counts: its host's, or its limit rounded up.
    pub fn processors(&self) -> Option<f64> {
        let cores = self.host_capacity()?;
        let service = self.layout.placed_in.get(&self.id)?;
        let limit = self.layout.cpu_limit(*service);
        Some(limit.map_or(cores, |limit| cores.min(libm::ceil(limit))))
    }
}

/// How values of several instances become one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Combine {
    Sum,
    Mean,
    Max,
}

/// The unit of a measured value.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    PerSecond,
    Count,
    Share,
    Bytes,
}

/// A value of one instance.
#[derive(Clone, Debug)]
pub struct Reading {
    pub name: String,
    pub unit: Unit,
    pub combine: Combine,
    pub value: f64,
    /// Of a ratio: what the value is a part of.
    pub of: Option<f64>,
}

/// Values that a component reports beside what every component has.
#[derive(Default)]
pub struct Readings {
    pub list: Vec<Reading>,
    /// Times with the figures' names without their ends: `end_to_end`.
    pub times: Vec<(&'static str, Histogram)>,
}

impl Readings {
    /// Reports a value. NaN stands for "not observed". A mean is one over the measured time.
    pub fn add(&mut self, name: impl Into<String>, unit: Unit, combine: Combine, value: f64) {
        self.list.push(Reading {
            name: name.into(),
            unit,
            combine,
            value,
            of: None,
        });
    }

    /// Reports a part of a whole; those of all instances count together. Nothing of nothing is "not observed".
    pub fn ratio(&mut self, name: impl Into<String>, unit: Unit, part: f64, whole: f64) {
        self.list.push(Reading {
            name: name.into(),
            unit,
            combine: Combine::Mean,
            value: part,
            of: Some(whole),
        });
    }

    /// Reports mean, percentiles and maximum of times in nanoseconds; those of all instances count together.
    pub fn times(&mut self, what: &'static str, times: &Histogram) {
        self.times.push((what, times.clone()));
    }
}

/// The place of a component that is not replicated.
pub const fn single(base: u32) -> Place {
    Place { base, sel: NO_FRAME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_files_together_have_a_limit() {
        let file = std::env::temp_dir().join("plimsoll-data-together.txt");
        std::fs::write(&file, "1\n2\n").expect("writing a temporary file");
        let names = Names::default();
        names.read.set(MOST_DATA_TOGETHER - 8);
        let load = || names.load(&file.display().to_string());
        assert_eq!(load(), Ok(vec![1.0, 2.0]));
        assert_eq!(load(), Ok(vec![1.0, 2.0]));
        assert!(load().is_err_and(|why| why.contains("longer than 512 MiB together")));
    }
}
