//! Steps of a flow as checked, before they are compiled.

mod branching;
mod look_up;

use std::collections::BTreeMap;

use super::check::with_article;
use crate::component::{ComponentId, Names};
use crate::diagnostic::{Sink, Span};
use crate::distribution::{Law, LawUnit};
use crate::document::{Entry, Item, STEPS, Spanned, Table, Value};
use crate::kernel::{Fault, Faults};

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    pub what: What,
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum What {
    /// Use a component while the inner steps run.
    Use {
        component: ComponentId,
        time: Option<Law>,
        options: BTreeMap<String, Item>,
        steps: Vec<Step>,
    },
    /// Compute on the service's host.
    Cpu {
        time: Law,
        allocates: Option<Law>,
        on: Option<ComponentId>,
    },
    /// Run a statement at a database: a time there, a demand on its host's cores, or both.
    Query {
        database: ComponentId,
        time: Option<Law>,
        cpu: Option<Law>,
    },
    /// Wait without holding anything of the model's.
    Delay(Law),
    /// Run another flow, at its service.
    Call { flow: Spanned<String> },
    /// Hand a message over.
    Publish {
        to: ComponentId,
        options: BTreeMap<String, Item>,
    },
    /// One of several, by weight: anew in every attempt, or the same for the same request.
    Choose {
        branches: Vec<(f64, Vec<Step>)>,
        by_request: bool,
    },
    /// All at once; go on when `quorum` of them are done, or all if it is zero. Those that are not needed any more are
    /// cancelled, or go on by themselves.
    Parallel {
        branches: Vec<Vec<Step>>,
        quorum: u32,
        cancels: bool,
    },
    /// Steps, and others instead if they fail with one of these faults.
    Try {
        steps: Vec<Step>,
        instead: Vec<Step>,
        on: Faults,
    },
    /// Several times, one after the other.
    Repeat { times: Law, steps: Vec<Step> },
    /// For each of the things that an agent's thread has in hand, one after the other.
    Each(Vec<Step>),
    /// End with an error, with this probability: anew in every attempt, or the same for the same request.
    Fail { share: Option<Law>, by_request: bool },
    /// Answer the flow's caller, which goes on.
    Reply,
}

/// Whether these steps of a flow answer its caller before their end.
pub fn replies(steps: &[Step]) -> bool {
    steps.iter().any(|s| match &s.what {
        What::Reply => true,
        What::Use { steps, .. } | What::Repeat { steps, .. } => replies(steps),
        What::Choose { branches, .. } => branches.iter().any(|b| replies(&b.1)),
        What::Try { steps, instead, .. } => replies(steps) || replies(instead),
        _ => false,
    })
}

/// The words that begin a step, and the keys that may stand beside them.
pub const VERBS: &[(&str, &[&str], &str)] = &[
    (
        "use",
        &["steps", "time"],
        "hold a component, or be served by it for `time`, while `steps` run; with its kind, as in `retry.psp`, where another has the same name",
    ),
    (
        "cpu",
        &["allocates", "on"],
        "compute for this long on the service's host, allocating that many bytes",
    ),
    ("query", &["time", "cpu"], "run a statement at a database"),
    ("delay", &[], "wait this long"),
    ("call", &[], "run another flow at its service"),
    ("publish", &[], "hand a message to a topic or an outbox"),
    (
        "choose",
        &["by"],
        "one of `[{ weight = 0.3, steps = [..] }, ..]`; in a later attempt or delivery again, or `by = \"request\"` the same",
    ),
    (
        "parallel",
        &["join", "rest"],
        "all of `[{ steps = [..] }, ..]` at once; on when `join` of them are done (all), the `rest` going on by itself (`\"finish\"`) or being cut off (`\"cancel\"`)",
    ),
    (
        "try",
        &["else", "on"],
        "run these steps; if one fails, go on with those of `else` (a fallback), which may be none; `on` lists the faults for which that is done (all)",
    ),
    ("repeat", &["steps"], "run `steps` this many times"),
    (
        "each",
        &[],
        "run these steps for every record of a batch, or every row of an outbox",
    ),
    (
        "fail",
        &["by"],
        "end with an error, with this probability; `by = \"request\"` as above",
    ),
    (
        "reply",
        &[],
        "`true`: answer the caller of this flow, which goes on while the steps behind run (the second phase of layered queueing networks)",
    ),
];

/// Reads a list of steps.
pub struct StepReader<'a> {
    pub names: &'a Names,
    pub sink: &'a mut Sink,
    pub what: String,
    /// The flows that are called, those of steps that are left out among them.
    pub calls: Vec<Spanned<String>>,
    depth: u32,
}

/// Scopes deeper than this are refused: nobody means them, and each costs memory in every request.
const DEEPEST: u32 = 32;

/// Branches of one `parallel`.
const MOST_BRANCHES: usize = 1_000;

impl<'a> StepReader<'a> {
    pub fn new(what: impl Into<String>, names: &'a Names, sink: &'a mut Sink) -> Self {
        StepReader {
            names,
            sink,
            what: what.into(),
            calls: Vec::new(),
            depth: 0,
        }
    }

    /// All steps of a list; those that are wrong are reported and left out.
    pub fn list(&mut self, item: &Item) -> Vec<Step> {
        let what = format!("`steps` of {}", self.what);
        let help = format!("write a list of steps: {STEPS}");
        let Some(items) = item.list_as(&what, &help, self.sink) else {
            return Vec::new();
        };
        if self.depth >= DEEPEST {
            self.sink.error(
                item.span.clone(),
                "too-deep",
                format!("{} has scopes more than {DEEPEST} deep", self.what),
            );
            return Vec::new();
        }
        self.depth += 1;
        let steps = items.iter().filter_map(|i| self.step(i)).collect();
        self.depth -= 1;
        steps
    }

    fn step(&mut self, item: &Item) -> Option<Step> {
        let what = format!("a step of {}", self.what);
        let table = item.table(&what, self.sink)?;
        let verbs: Vec<&Entry> = table
            .entries
            .iter()
            .filter(|e| VERBS.iter().any(|v| v.0 == e.key) && !is_option(table, e))
            .collect();
        let verb = match verbs.as_slice() {
            [one] => *one,
            [] => {
                self.no_verb(table, item);
                return None;
            }
            [_, second, ..] => {
                self.sink
                    .error(
                        second.key_span.clone(),
                        "two-verbs",
                        format!(
                            "a step of {} has both `{}` and `{}`",
                            self.what, verbs[0].key, second.key
                        ),
                    )
                    .help("write two steps, one after the other");
                return None;
            }
        };
        let step = self.verb(verb, table, &item.span)?;
        Some(Step {
            what: step,
            span: item.span.clone(),
        })
    }

    fn verb(&mut self, verb: &Entry, table: &Table, span: &Span) -> Option<What> {
        let allowed = VERBS.iter().find(|v| v.0 == verb.key).map_or(&[][..], |v| v.1);
        match verb.key.as_str() {
            "use" => self.use_step(verb, table),
            "cpu" => {
                self.only(table, "cpu", allowed, &[]);
                let time = self.law(&verb.item, LawUnit::Duration);
                let allocates = self.optional_law(table, "allocates", LawUnit::Bytes);
                let on = match table.get("on") {
                    Some(i) => Some(self.component(i, &["host"])?),
                    None => None,
                };
                Some(What::Cpu {
                    time: time?,
                    allocates: allocates?,
                    on,
                })
            }
            "query" => {
                self.only(table, "query", allowed, &[]);
                let database = self.component(&verb.item, &["database"]);
                let time = self.optional_law(table, "time", LawUnit::Duration);
                let cpu = self.optional_law(table, "cpu", LawUnit::Duration);
                let (time, cpu) = (time?, cpu?);
                if time.is_none() && cpu.is_none() {
                    self.sink
                        .error(span.clone(), "missing-key", format!("a query of {} takes no time", self.what))
                        .help("add `time = \"exp(20ms)\"`, or `cpu = \"2ms\"` for a demand on the database's host");
                    return None;
                }
                Some(What::Query {
                    database: database?,
                    time,
                    cpu,
                })
            }
            "delay" => {
                self.only(table, "delay", allowed, &[]);
                self.law(&verb.item, LawUnit::Duration).map(What::Delay)
            }
            "call" => {
                self.only(table, "call", allowed, &[]);
                let flow = verb.item.text("the flow that is called", self.sink)?;
                let flow = Spanned {
                    value: flow,
                    span: verb.item.span.clone(),
                };
                self.calls.push(flow.clone());
                Some(What::Call { flow })
            }
            "publish" => {
                let to = self.component(&verb.item, &["topic", "outbox"])?;
                let options = self.options(table, "publish", allowed, to);
                Some(What::Publish { to, options })
            }
            "choose" => self.choose(verb, table, allowed),
            "parallel" => self.parallel(verb, table, allowed),
            "try" => self.attempt(verb, table, allowed),
            "repeat" => {
                self.only(table, "repeat", allowed, &[]);
                let times = match &verb.item.value {
                    Value::Integer(n) if *n < 0 => {
                        self.sink
                            .error(
                                verb.item.span.clone(),
                                "out-of-range",
                                format!("a loop of {} cannot run {n} times", self.what),
                            )
                            .help("write how often, as in `repeat = 3`, or a law of numbers, as in `repeat = \"uniform(1, 5)\"`");
                        return None;
                    }
                    Value::Integer(n) => Some(Law::Constant { value: *n as f64 }),
                    _ => self.law(&verb.item, LawUnit::Number),
                };
                let steps = self.inner(table, span)?;
                Some(What::Repeat { times: times?, steps })
            }
            "each" => {
                self.only(table, "each", allowed, &[]);
                Some(What::Each(self.list(&verb.item)))
            }
            "reply" => {
                self.only(table, "reply", allowed, &[]);
                if verb.item.value != Value::Boolean(true) {
                    self.sink
                        .error(
                            verb.item.span.clone(),
                            "wrong-type",
                            format!("a `reply` of {} that does not say `true`", self.what),
                        )
                        .help("write `{ reply = true }`, or leave the step out");
                    return None;
                }
                Some(What::Reply)
            }
            _ => {
                self.only(table, "fail", allowed, &[]);
                let share = verb.item.share("`fail`", self.sink)?;
                let by_request = self.by_request(table)?;
                Some(What::Fail {
                    by_request,
                    share: Some(Law::Constant { value: share.0 }),
                })
            }
        }
    }

    fn use_step(&mut self, verb: &Entry, table: &Table) -> Option<What> {
        let name = verb.item.text("what a step uses", self.sink)?;
        let mut holders: Vec<(&'static str, ComponentId)> = self
            .names
            .list
            .iter()
            .enumerate()
            .filter(|(_, (k, n))| *n == name && usable(k))
            .map(|(i, (k, _))| (*k, ComponentId(i as u32)))
            .collect();
        if holders.is_empty()
            && let Some((kind, name)) = name.split_once('.')
            && let Some(id) = self.names.get(kind, name).filter(|_| usable(kind))
        {
            holders.push((self.names.list[id.0 as usize].0, id));
        }
        let component = match holders.as_slice() {
            [(_, id)] => Some(*id),
            [] => {
                self.unknown(&verb.item, &name);
                None
            }
            [(a, _), (b, _), ..] => {
                let (one, other) = (with_article(a), with_article(b));
                self.sink
                    .error(
                        verb.item.span.clone(),
                        "ambiguous-name",
                        format!("`{name}` is the name of {one} and of {other}"),
                    )
                    .help(format!("write `use = \"{a}.{name}\"` or `use = \"{b}.{name}\"`"));
                None
            }
        };
        let Some(component) = component else {
            // What is wrong inside is told in the same go.
            self.optional_law(table, "time", LawUnit::Duration);
            if let Some(item) = table.get("steps") {
                self.list(item);
            }
            return None;
        };
        let options = self.options(table, "use", &["steps", "time"], component);
        let time = self.optional_law(table, "time", LawUnit::Duration);
        let steps = match table.get("steps") {
            Some(item) => self.list(item),
            None => Vec::new(),
        };
        Some(What::Use {
            component,
            time: time?,
            options,
            steps,
        })
    }

    fn inner(&mut self, table: &Table, span: &Span) -> Option<Vec<Step>> {
        match table.get("steps") {
            Some(item) => Some(self.list(item)),
            None => {
                self.sink
                    .error(
                        span.clone(),
                        "missing-key",
                        format!("a step of {} has no `steps`", self.what),
                    )
                    .help("add `steps = [..]`");
                None
            }
        }
    }
}

/// Whether a step `use` may name a component of this kind.
fn usable(kind: &str) -> bool {
    !matches!(
        kind,
        "service" | "balancer" | "host" | "database" | "topic" | "consumer" | "heap"
    )
}

/// `cpu` beside `query` is an option, not a verb.
fn is_option(table: &Table, entry: &Entry) -> bool {
    VERBS
        .iter()
        .any(|v| v.0 != entry.key && table.get(v.0).is_some() && v.1.contains(&entry.key.as_str()))
}

/// The fault that a step `fail` raises.
pub const FAIL: Fault = Fault::Failed;
