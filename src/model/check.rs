//! From a document to a model: names, then each table, then flows and workloads, then the whole.

use std::collections::BTreeMap;
use std::path::Path;

use super::compile::{Compiler, FlowPlan};
use super::step::{Step, StepReader};
use super::timeline;
use super::workload_check::{self, WorkloadDraft};
use super::{Entry, Model, RunPlan};
use crate::component::{self, ComponentId, KINDS, Layout, Names, Plan};
use crate::diagnostic::{Sink, Span, nearest};
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
            replicas,
        }
    }
}

/// A kind's name in words: "connection pool".
pub fn words(kind: &str) -> String {
    kind.replace('-', " ")
}

impl<'a> Checker<'a> {
    fn check(&mut self) -> Option<Parts> {
        self.top_level();
        self.collect_names();
        if self.sink.has_errors() {
            return None;
        }
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
        layout.hosts = hosts.clone();
        layout.capacities = components.iter().map(|e| e.plan.capacity()).collect();
        let reserved = drafts.iter().any(|d| d.plan.timeout.is_some()) as u16;
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
        })
    }

    fn top_level(&mut self) {
        for e in &self.document.root().entries {
            let known = OTHERS.contains(&e.key.as_str()) || component::kind(&e.key).is_some();
            if !known {
                let all = KINDS.iter().map(|k| k.name).chain(OTHERS.iter().copied());
                let near = nearest(&e.key, all.clone());
                let mut d = self.sink.error(
                    e.key_span.clone(),
                    "unknown-kind",
                    format!("there is no kind `{}`", e.key),
                );
                if let Some(near) = near {
                    d.label = format!("did you mean `{near}`?");
                }
                let mut list: Vec<&str> = all.filter(|k| !matches!(*k, "title" | "about")).collect();
                list.sort_unstable();
                d.help.push(format!(
                    "a table header begins with one of `{}`",
                    list.join("`, `")
                ));
                continue;
            }
            self.number(e);
            match (&e.item.value, e.key.as_str()) {
                (Value::String(_), "title" | "about") | (Value::Table(_), "run" | "objective") => {}
                (Value::Array(_), "timeline") => {}
                (Value::Table(t), key) if !matches!(key, "title" | "about" | "timeline") => {
                    for inner in &t.entries {
                        if !matches!(inner.item.value, Value::Table(_)) {
                            self.sink
                                .error(
                                    inner.key_span.clone(),
                                    "no-name",
                                    format!(
                                        "`{}` stands where the name of a {} is expected",
                                        inner.key,
                                        words(&e.key)
                                    ),
                                )
                                .help(format!("write [{}.NAME] above its keys", e.key));
                        }
                    }
                }
                _ => {
                    self.sink
                        .error(
                            e.item.span.clone(),
                            "wrong-type",
                            format!("`{}` is not written like that", e.key),
                        )
                        .help(match e.key.as_str() {
                            "timeline" => "write [[timeline]] above each entry".to_owned(),
                            "title" | "about" => format!("write {} = \"...\"", e.key),
                            "run" | "objective" => format!("write [{}] above its keys", e.key),
                            kind => format!("write [{kind}.NAME] above its keys"),
                        });
                }
            }
        }
    }

    /// Refuses what nobody writes by hand, before it is looked at piece by piece.
    fn number(&mut self, entry: &document::Entry) {
        let (most, number, what, beyond) = match (&entry.item.value, entry.key.as_str()) {
            (Value::Table(t), key) if !matches!(key, "run" | "objective") => {
                let beyond = t.entries.get(MOST_NAMED).map(|e| e.key_span.clone());
                (MOST_NAMED, t.entries.len(), words(key) + "s", beyond)
            }
            (Value::Array(list), "timeline") => {
                let beyond = list.get(MOST_HAPPENINGS).map(|i| i.span.clone());
                (
                    MOST_HAPPENINGS,
                    list.len(),
                    "entries of the timeline".to_owned(),
                    beyond,
                )
            }
            (Value::String(text), key) => {
                if text.len() > LONGEST_TEXT {
                    self.sink
                        .error(
                            entry.item.span.clone(),
                            "too-long",
                            format!("`{key}` has {} bytes, more than {LONGEST_TEXT}", text.len()),
                        )
                        .help("it is printed with every result; keep the long text in a comment");
                }
                return;
            }
            _ => return,
        };
        if let Some(span) = beyond {
            self.sink
                .error(
                    span,
                    "too-many",
                    format!("the model has {number} {what}, more than {most}"),
                )
                .help("model one of those that are alike, with the load of all");
        }
    }

    fn named(&self, kind: &str) -> Vec<(&'a str, Span, &'a Table)> {
        let document: &'a Document = self.document;
        let Some(Value::Table(t)) = document.root().get(kind).map(|i| &i.value) else {
            return Vec::new();
        };
        let mut list: Vec<_> = t
            .entries
            .iter()
            .filter_map(|e| match &e.item.value {
                Value::Table(t) => Some((e.key.as_str(), e.key_span.clone(), t)),
                _ => None,
            })
            .collect();
        list.sort_by(|a, b| a.0.cmp(b.0));
        list
    }

    /// Names in the order of kinds, then alphabetically: nothing depends on the order of the file.
    fn collect_names(&mut self) {
        let mut list: Vec<(usize, String, Table)> = Vec::new();
        for (rank, kind) in KINDS.iter().enumerate() {
            for (name, span, table) in self.named(kind.name) {
                if name.is_empty() || name.len() > 200 {
                    self.sink
                        .error(span, "bad-name", "a name has one to 200 characters");
                    continue;
                }
                list.push((rank, name.to_owned(), table.clone()));
            }
        }
        let rank = |kind: &str| KINDS.iter().position(|k| k.name == kind).unwrap_or(0);
        let balanced: Vec<String> = self
            .named("balancer")
            .iter()
            .filter_map(|(_, _, t)| t.get("to").and_then(|i| i.as_str()).map(str::to_owned))
            .collect();
        for (name, span, table) in self.named("service") {
            if !balanced.iter().any(|b| b == name) {
                let text = document::Item {
                    value: Value::String(name.to_owned()),
                    span: span.clone(),
                };
                let entry = document::Entry {
                    key: "to".into(),
                    key_span: span.clone(),
                    item: text,
                };
                list.push((
                    rank("balancer"),
                    name.to_owned(),
                    Table {
                        entries: vec![entry],
                        span: span.clone(),
                    },
                ));
            }
            if let Some(document::Item {
                value: Value::Table(host),
                ..
            }) = table.get("host")
            {
                list.push((rank("host"), name.to_owned(), host.clone()));
            }
        }
        for (name, _, table) in self.named("database") {
            if let Some(cores) = table.entries.iter().find(|e| e.key == "cores") {
                let host = Table {
                    entries: vec![cores.clone()],
                    span: table.span.clone(),
                };
                list.push((rank("host"), name.to_owned(), host));
            }
        }
        for (name, span, table) in self.named("workload") {
            if table.get("client").is_some() {
                list.push((
                    rank("station"),
                    format!("client of {name}"),
                    Table {
                        entries: Vec::new(),
                        span,
                    },
                ));
            }
        }
        list.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for pair in list.windows(2) {
            if (pair[0].0, &pair[0].1) == (pair[1].0, &pair[1].1) {
                self.sink
                    .error(
                        pair[1].2.span.clone(),
                        "ambiguous-name",
                        format!(
                            "there are two {}s called `{}`",
                            words(KINDS[pair[0].0].name),
                            pair[0].1
                        ),
                    )
                    .help("a service's own host and balancer bear the service's name, a database's own cores the database's; rename the other one");
            }
        }
        for (rank, name, table) in list {
            self.names.list.push((KINDS[rank].name, name));
            self.tables.push(table);
        }
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
        for e in sorted {
            let Value::Table(table) = &e.item.value else {
                continue;
            };
            let mut reader = Reader::new(format!("flow `{}`", e.key), table, FLOW_KEYS, self.sink);
            let at = reader
                .name("at")
                .and_then(|name| self.names.resolve(&["service"], &name, &mut reader));
            reader.required("steps");
            let steps = match table.get("steps") {
                Some(item) => StepReader::new(format!("flow `{}`", e.key), &self.names, self.sink).list(item),
                None => Vec::new(),
            };
            flows.push(FlowPlan {
                name: e.key.clone(),
                at,
                steps,
                span: e.key_span.clone(),
            });
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
            let name = format!("client of {}", draft.plan.name);
            if let Some(id) = self.names.get("station", &name) {
                components[id.0 as usize].plan = Plan::Station(component::StationPlan::servers(*threads));
            }
        }
    }

    fn layout(&mut self, components: &[Entry]) -> Option<Layout> {
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
    fn services(
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

    /// Parts that nothing reaches are named in a warning.
    fn unreachable(
        &mut self,
        components: &[Entry],
        flows: &[FlowPlan],
        offered: &[bool],
        agents: &BTreeMap<ComponentId, Vec<Step>>,
    ) {
        let mut reach = super::reach::Reach::new(components.len(), flows);
        for (i, o) in offered.iter().enumerate() {
            if *o {
                reach.flow(i);
            }
        }
        for steps in agents.values() {
            reach.steps(steps);
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

/// Components of one kind, flows, workloads.
const MOST_NAMED: usize = 2_000;
/// Entries of the timeline.
const MOST_HAPPENINGS: usize = 20_000;
/// Bytes of `title` and `about`.
const LONGEST_TEXT: usize = 10_000;
/// Instances of all components together.
const MOST_INSTANCES: u64 = 8_000_000;

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
