//! From a document to a model: names, then each table, then flows and workloads, then the whole.

mod layout;
mod names;
mod unreachable;

use std::collections::BTreeMap;
use std::path::Path;

use super::compile::{Compiler, FlowPlan};
use super::step::{Step, StepReader};
use super::timeline;
use super::workload_check::{self, WorkloadDraft};
use super::{Entry, Model, RunPlan};
use crate::component::{self, ComponentId, Layout, Names, Plan};
use crate::diagnostic::{Sink, Span, nearest};
use crate::distribution::Law;
use crate::document::{self, Document, Form, Key, Reader, Table, Value, key};

/// Tables that are no components.
const OTHERS: &[&str] = &[
    "flow",
    "workload",
    "objective",
    "timeline",
    "run",
    "title",
    "about",
];

const FLOW_KEYS: &[Key] = &[
    key(
        "at",
        Form::Name,
        None,
        "the service it runs at; its steps may use what is `in` that service",
    ),
    key("steps", Form::Steps, None, "what happens, one after the other"),
];

const RUN_KEYS: &[Key] = &[
    key(
        "duration",
        Form::Duration,
        None,
        "simulated time, warm-up included",
    ),
    key(
        "warm-up",
        Form::Duration,
        None,
        "simulated time that is not measured; without it MSER-5 finds the end of the transient",
    ),
    key("replications", Form::Count, None, "independent runs"),
    key("seed", Form::Count, None, "seed of all draws"),
];

/// The keys of `[flow.*]`.
pub fn flow_keys() -> &'static [Key] {
    FLOW_KEYS
}

/// The keys of `[run]`.
pub fn run_keys() -> &'static [Key] {
    RUN_KEYS
}

/// Reads and checks a model. `folder` is where the files that it names lie.
///
/// Everything that is wrong goes to the sink; a model comes back only if nothing is.
pub fn load(name: &str, source: &str, folder: Option<&Path>, sink: &mut Sink) -> Option<Model> {
    let document = document::parse(source, sink)?;
    from_document(name, document, folder, sink)
}

/// Checks a document, as changed by an experiment.
pub fn from_document(
    name: &str,
    document: Document,
    folder: Option<&Path>,
    sink: &mut Sink,
) -> Option<Model> {
    let mut checker = Checker {
        document: &document,
        sink,
        names: Names::default(),
        tables: Vec::new(),
    };
    checker.names.folder = folder.map(Path::to_path_buf);
    let parts = checker.check()?;
    Some(parts.into_model(name, document))
}

struct Checker<'a> {
    document: &'a Document,
    sink: &'a mut Sink,
    names: Names,
    /// The table of each component, by id.
    tables: Vec<Table>,
}

struct Parts {
    components: Vec<Entry>,
    layout: Layout,
    compiled: super::compile::Compiled,
    flow_plans: Vec<FlowPlan>,
    agent_steps: BTreeMap<ComponentId, Vec<Step>>,
    workloads: Vec<super::workload::WorkloadPlan>,
    timeline: Vec<super::Happening>,
    run: RunPlan,
    objectives: Vec<super::objective::Objective>,
    record_frame: Option<u16>,
    attempt_frame: Option<u16>,
}

impl Parts {
    fn into_model(self, name: &str, document: Document) -> Model {
        let replicas = self.layout.replicas.values().sum();
        Model {
            name: name.to_owned(),
            document,
            components: self.components,
            layout: self.layout,
            program: self.compiled.program,
            sites: self.compiled.sites,
            flows: self.compiled.flows,
            flow_plans: self.flow_plans,
            agent_steps: self.agent_steps,
            workloads: self.workloads,
            agents: self.compiled.agents,
            timeline: self.timeline,
            run: self.run,
            objectives: self.objectives,
            record_frame: self.record_frame,
            attempt_frame: self.attempt_frame,
            replicas,
        }
    }
}

/// A kind's name in words: "connection pool".
pub fn words(kind: &str) -> String {
    kind.replace('-', " ")
}

/// A kind in words: "an external", "a connection pool".
pub fn with_article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {}", if vowel { "an" } else { "a" }, words(kind))
}

impl<'a> Checker<'a> {
    fn check(&mut self) -> Option<Parts> {
        self.top_level();
        self.collect_names();
        if self.sink.has_errors() {
            return None;
        }
        self.recordings();
        let mut components = self.components()?;
        let flows = self.flows(&components);
        let drafts = workload_check::drafts(self.document, &flows, &self.names, self.sink);
        let run = self.run();
        let objectives = super::objective::check(self.document, &flows, self.sink);
        if self.sink.has_errors() {
            return None;
        }
        self.clients(&drafts, &mut components);
        let mut layout = self.layout(&components)?;
        for (i, e) in components.iter_mut().enumerate() {
            e.instances = layout.instances(ComponentId(i as u32));
        }
        let agent_steps = self.agent_steps();
        let (balancers, hosts, heaps) = self.services(&components);
        self.limits(&components, &hosts);
        self.autoscalers(&components, &hosts);
        layout.hosts = hosts.clone();
        layout.capacities = components.iter().map(|e| e.plan.capacity()).collect();
        let record_frame = self.replayed(&drafts, &flows, &agent_steps)?;
        let deadlines = drafts.iter().any(|d| d.plan.timeout.is_some()) as u16;
        let record_frame = record_frame.then_some(deadlines);
        let reserved = deadlines + record_frame.is_some() as u16;
        let repeats = components.iter().any(|e| e.plan.catches());
        let attempt_frame = repeats.then_some(reserved);
        let reserved = reserved + repeats as u16;
        let timeline = timeline::check(self.document, &self.names, &components, self.sink);
        let mut compiler = Compiler::new(
            &components,
            &layout,
            &flows,
            &balancers,
            &hosts,
            &heaps,
            reserved,
            self.sink,
        );
        let workloads: Vec<_> = drafts
            .into_iter()
            .map(|d| d.finish(&mut compiler, &self.names))
            .collect();
        let mut offered = vec![false; flows.len()];
        for w in &workloads {
            for (f, _) in &w.mix {
                offered[*f as usize] = true;
            }
        }
        let compiled = compiler.all(&offered, &agent_steps)?;
        self.unreachable(&components, &flows, &offered, &agent_steps);
        let timeline = timeline?;
        self.fits(&components, &timeline);
        if self.sink.has_errors() {
            return None;
        }
        Some(Parts {
            components,
            layout,
            compiled,
            flow_plans: flows,
            agent_steps,
            workloads,
            timeline,
            run,
            objectives,
            record_frame,
            attempt_frame,
        })
    }

    /// Reads the files of workloads that replay a recording.
    fn recordings(&mut self) {
        let mut unreadable = false;
        let mut read = |table: &Table| {
            let text = |key: &str| table.get(key).and_then(|i| i.as_str());
            let file = text("file").filter(|_| text("executor") == Some("recorded"))?;
            let found = component::Recording::read(&self.names.path(file)).ok();
            unreadable |= found.is_none();
            found
        };
        let list = self.named("workload").iter().map(|(_, _, t)| read(t)).collect();
        self.names.recordings = component::Recordings { list, unreadable };
    }

    /// Whether a step takes recorded values; `None` if it does so for a request of which nothing was recorded.
    fn replayed(
        &mut self,
        drafts: &[WorkloadDraft],
        flows: &[FlowPlan],
        agent_steps: &BTreeMap<ComponentId, Vec<Step>>,
    ) -> Option<bool> {
        let count = self.names.list.len();
        let (mut takes, mut fits) = (false, true);
        let spans: Vec<Span> = self.named("workload").into_iter().map(|w| w.1).collect();
        for (w, draft) in drafts.iter().enumerate() {
            let mut reach = super::reach::Reach::new(count, flows);
            draft.plan.mix.iter().for_each(|(f, _)| reach.flow(*f as usize));
            let missing = reach.laws.iter().find_map(|(law, span)| match law {
                Law::Recorded { column, values } => {
                    takes = true;
                    values
                        .get(w)
                        .is_none_or(|v| v.is_none())
                        .then_some((column, span))
                }
                _ => None,
            });
            if let Some((column, _)) = missing {
                fits = false;
                let name = &draft.plan.name;
                self.sink
                    .error(
                        spans.get(w).cloned().unwrap_or(0..0),
                        "not-recorded",
                        format!("workload `{name}` runs a step that takes `recorded({column})`, and replays no such column"),
                    )
                    .help("give it `executor = \"recorded\"` and a `file` with that column, or a flow of its own");
            }
        }
        for steps in agent_steps.values() {
            let mut reach = super::reach::Reach::new(count, flows);
            reach.steps(steps);
            let found = reach.laws.iter().find_map(|(law, span)| match law {
                Law::Recorded { column, .. } => Some((column, span.clone())),
                _ => None,
            });
            if let Some((column, span)) = found {
                fits = false;
                self.sink.error(
                    span,
                    "not-recorded",
                    format!("a component's own threads run this step: they replay no request, so there is no `recorded({column})`"),
                );
            }
        }
        fits.then_some(takes)
    }

    fn components(&mut self) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut whole = true;
        let list = self.names.list.clone();
        for (i, (kind, name)) in list.iter().enumerate() {
            let table = &self.tables[i];
            let keys = component::kind(kind).map_or(&[][..], |k| k.keys);
            let own_host = *kind == "host" && self.names.get("service", name).is_some() && {
                let service = self.document.get(&format!("service.{}", quoted(name)));
                matches!(
                    service
                        .and_then(|s| s.as_table())
                        .and_then(|t| t.get("host"))
                        .map(|h| &h.value),
                    Some(Value::Table(_))
                )
            };
            let mut reader = Reader::new(format!("{} `{name}`", words(kind)), table, keys, self.sink);
            let plan = Plan::check(kind, &mut reader, &self.names);
            let mut service = None;
            if keys.iter().any(|k| k.name == "in")
                && let Some(at) = reader.name("in")
            {
                match self.names.resolve(&["service"], &at, &mut reader) {
                    Some(id) => service = Some(id),
                    None => whole = false,
                }
            }
            if own_host {
                service = self.names.get("service", name);
            }
            match plan {
                Some(plan) => entries.push(Entry {
                    kind,
                    name: name.clone(),
                    plan,
                    instances: 1,
                    service,
                }),
                None => {
                    whole = false;
                    entries.push(Entry {
                        kind,
                        name: name.clone(),
                        plan: Plan::Service(component::ServicePlan::none()),
                        instances: 1,
                        service,
                    });
                }
            }
        }
        if !whole {
            // Flows and workloads are still looked at, so that everything wrong is shown in one go.
            let flows = self.flows(&entries);
            workload_check::drafts(self.document, &flows, &self.names, self.sink);
            super::objective::check(self.document, &flows, self.sink);
            self.run();
            return None;
        }
        Some(entries)
    }

    fn flows(&mut self, _components: &[Entry]) -> Vec<FlowPlan> {
        let document = self.document;
        let mut flows = Vec::new();
        let Some(Value::Table(t)) = document.root().get("flow").map(|i| &i.value) else {
            return flows;
        };
        let mut sorted: Vec<_> = t.entries.iter().collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let mut calls = Vec::new();
        for e in sorted {
            let Value::Table(table) = &e.item.value else {
                continue;
            };
            let mut reader = Reader::new(format!("flow `{}`", e.key), table, FLOW_KEYS, self.sink);
            let at = reader
                .name("at")
                .and_then(|name| self.names.resolve(&["service"], &name, &mut reader));
            reader.required("steps");
            let mut steps = Vec::new();
            if let Some(item) = table.get("steps") {
                let mut reader = StepReader::new(format!("flow `{}`", e.key), &self.names, self.sink);
                steps = reader.list(item);
                calls.append(&mut reader.calls);
            }
            flows.push(FlowPlan {
                name: e.key.clone(),
                at,
                steps,
                span: e.key_span.clone(),
            });
        }
        for call in calls {
            if !flows.iter().any(|f: &FlowPlan| f.name == call.value) {
                unknown_flow(&call.value, call.span, &flows, self.sink);
            }
        }
        flows
    }

    fn run(&mut self) -> RunPlan {
        let Some(Value::Table(t)) = self.document.root().get("run").map(|i| &i.value) else {
            return RunPlan::default();
        };
        let mut reader = Reader::new("`run`".into(), t, RUN_KEYS, self.sink);
        read_run(&mut reader)
    }

    fn agent_steps(&mut self) -> BTreeMap<ComponentId, Vec<Step>> {
        let mut map = BTreeMap::new();
        for (i, (kind, name)) in self.names.list.iter().enumerate() {
            let has = component::kind(kind).is_some_and(|k| k.keys.iter().any(|k| k.name == "steps"));
            if has && let Some(item) = self.tables[i].get("steps") {
                let what = format!("{} `{name}`", words(kind));
                let steps = StepReader::new(what, &self.names, self.sink).list(item);
                map.insert(ComponentId(i as u32), steps);
            }
        }
        map
    }

    /// A client that is itself the bottleneck is a station of its own.
    fn clients(&mut self, drafts: &[WorkloadDraft], components: &mut [Entry]) {
        for draft in drafts {
            let Some((threads, _)) = &draft.client else {
                continue;
            };
            let name = super::client_name(&draft.plan.name);
            if let Some(id) = self.names.get("station", &name) {
                components[id.0 as usize].plan = Plan::Station(component::StationPlan::servers(*threads));
            }
        }
    }
}

/// Reports a flow that the model does not have.
pub fn unknown_flow(name: &str, span: Span, flows: &[FlowPlan], sink: &mut Sink) {
    let known: Vec<&str> = flows.iter().map(|f| f.name.as_str()).collect();
    let mut d = sink.error(span, "unknown-name", format!("there is no flow called `{name}`"));
    match nearest(name, known.iter().copied()) {
        Some(near) => d.label = format!("did you mean `{near}`?"),
        None => d
            .help
            .push(format!("the model has the flows `{}`", known.join("`, `"))),
    }
}

/// Reads the keys of `[run]`.
pub fn read_run(reader: &mut Reader) -> RunPlan {
    let most = 1u64 << 60;
    let mut nanos = |key: &str| {
        let span = reader.span(key);
        let d = reader.duration(key)?.nanos();
        if d >= most {
            reader.sink().error(
                span,
                "out-of-range",
                format!("`{key}` is longer than 36 years, more than the clock can count"),
            );
            return None;
        }
        Some(d)
    };
    let (duration, warm_up) = (nanos("duration"), nanos("warm-up"));
    if let (Some(d), Some(w)) = (duration, warm_up)
        && w >= d
    {
        let span = reader.span("warm-up");
        reader
            .sink()
            .error(
                span,
                "out-of-range",
                "the warm-up takes the whole run: nothing would be measured",
            )
            .help("`duration` includes the warm-up; make it longer");
    }
    RunPlan {
        duration,
        warm_up,
        replications: reader.count_in("replications", 1..=1_000_000).map(|n| n as u32),
        seed: reader.count("seed"),
    }
}

/// A name as a segment of a dotted path.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
