//! The timeline: what happens to the system during the run.

use super::check::{with_article, words};
use super::{Change, Entry, Happening, Model};
use crate::component::{self, ComponentId, Names, Plan};
use crate::diagnostic::{Severity, Sink, Span, nearest};
use crate::document::{Document, Form, Item, Key, Reader, Value, key};
use crate::quantity::SimDuration;

/// The keys of `[[timeline]]`.
pub const KEYS: &[Key] = &[
    key("at", Form::Duration, None, "when, from the start of the run"),
    key(
        "set",
        Form::Table,
        None,
        "parameters with their new values, by dotted path: `{ \"connection-pool.db.maximum-pool-size\" = 40 }`; a new limit on waiting holds for most of those who wait already, too",
    ),
    key(
        "restart",
        Form::Name,
        None,
        "a service whose replicas stop now and are back after their `start-up-time`, with an empty memory: caches, breakers and limiters begin anew",
    ),
    key(
        "stop",
        Form::Name,
        None,
        "a service whose replicas stop: what they have in flight fails",
    ),
    key(
        "start",
        Form::Name,
        None,
        "a service whose replicas are back at once",
    ),
    key(
        "outage",
        Form::Name,
        None,
        "a service that is stopped for `for`; outages that overlap keep it down until the last one ends",
    ),
    key(
        "pause",
        Form::Name,
        None,
        "a service that stands still for `for`, or until its process ends",
    ),
    key("for", Form::Duration, None, "how long an outage or a pause lasts"),
    key("replica", Form::Count, None, "only this replica, counted from 0"),
];

/// Reads all entries; `None` if one is wrong.
pub fn check(
    document: &Document,
    names: &Names,
    components: &[Entry],
    sink: &mut Sink,
) -> Option<Vec<Happening>> {
    let Some(Value::Array(items)) = document.root().get("timeline").map(|i| &i.value) else {
        return Some(Vec::new());
    };
    let mut list: Vec<(u64, usize, &Item)> = Vec::new();
    let mut whole = true;
    for (i, item) in items.iter().enumerate() {
        let Some(table) = item.table("an entry of the timeline", sink) else {
            whole = false;
            continue;
        };
        let mut reader = Reader::new("an entry of the timeline".into(), table, KEYS, sink);
        match reader.required_duration("at") {
            Some(at) => list.push((at.nanos(), i, item)),
            None => whole = false,
        }
    }
    list.sort_by_key(|(at, i, _)| (*at, *i));
    let mut out = Vec::new();
    // Changes add up: each entry changes the document that the ones before it left.
    let mut changed = document.clone();
    for (at, _, item) in list {
        let Some(table) = item.as_table() else { continue };
        // Unknown keys were told above.
        let mut quiet = Sink::default();
        let mut reader = Reader::new("an entry of the timeline".into(), table, KEYS, &mut quiet);
        let length = reader.duration("for").map(|d| d.nanos());
        let replica = reader.count("replica").map(|r| r as u32);
        whole &= !quiet.has_errors();
        for d in quiet.into_vec() {
            if d.id != "unknown-key" {
                sink.push(d);
            }
        }
        let mut said = false;
        if let Some(set) = table.get("set") {
            said = true;
            whole &= set_values(set, at, &mut changed, names, components, &mut out, sink);
        }
        for verb in ["restart", "stop", "start", "outage", "pause"] {
            let Some(item) = table.get(verb) else { continue };
            said = true;
            if let Some(lasts) = table.get("for")
                && !matches!(verb, "outage" | "pause")
            {
                sink.error(
                    lasts.span.clone(),
                    "does-not-apply",
                    format!("`for` says nothing of `{verb}`"),
                )
                .help("`outage` and `pause` last; a restart takes the service's `start-up-time`");
                whole = false;
                continue;
            }
            let Some(service) = service(item, replica, names, components, sink) else {
                whole = false;
                continue;
            };
            let Plan::Service(plan) = &components[service.0 as usize].plan else {
                continue;
            };
            let name = &components[service.0 as usize].name;
            let mut put = |at: u64, what: Change, text: String| out.push(Happening { at, what, text });
            let stop = |until, restarts| Change::Stop {
                service,
                replica,
                until,
                restarts,
            };
            let start = |asked| Change::Start {
                service,
                replica,
                asked,
            };
            match verb {
                "restart" => {
                    let up = at.saturating_add(plan.start_up.nanos());
                    put(at, stop(up, true), format!("{name} restarts"));
                    put(up, start(false), format!("{name} is back"));
                }
                "stop" => put(at, stop(u64::MAX, false), format!("{name} stops")),
                "start" => put(at, start(true), format!("{name} starts")),
                _ => {
                    let Some(length) = length else {
                        sink.error(
                            item.span.clone(),
                            "missing-key",
                            format!("`{verb}` does not say for how long"),
                        )
                        .help("add `for = \"30s\"`");
                        whole = false;
                        continue;
                    };
                    let end = at.saturating_add(length);
                    if verb == "outage" {
                        put(at, stop(end, false), format!("{name} is out"));
                        put(end, start(false), format!("{name} is back"));
                    } else if length > 0 {
                        // A pause of no length is none.
                        let freeze = Change::Freeze {
                            service,
                            replica,
                            until: end,
                        };
                        put(at, freeze, format!("{name} stands still"));
                        put(end, Change::Thaw { service, replica }, format!("{name} goes on"));
                    }
                }
            }
        }
        if !said {
            sink.error(
                item.span.clone(),
                "no-verb",
                "an entry of the timeline says nothing that happens",
            )
            .help("add `set`, `restart`, `stop`, `start`, `outage` or `pause`");
            whole = false;
        }
    }
    out.sort_by_key(|h| h.at);
    whole.then_some(out)
}

impl Model {
    /// Takes out of the timeline what would begin when a run of so many nanoseconds has ended, and tells of it, and of
    /// workloads that begin only then.
    pub fn ends_after(&mut self, duration: u64, sink: &mut Sink) {
        let end = SimDuration::from_nanos(duration);
        let late = |what: &str, item: Option<&Item>, sink: &mut Sink| {
            let Some((item, at)) = item.and_then(|i| Some((i, SimDuration::parse(i.as_str()?).ok()?))) else {
                return;
            };
            if at.nanos() >= duration {
                let text = format!("{what} {at}, which is after the end of the run ({end})");
                sink.warning(item.span.clone(), "after-the-end", text)
                    .help("make the run longer, or let it happen earlier");
            }
        };
        let root = self.document.root();
        let entries = root.get("timeline").and_then(Item::as_array).unwrap_or_default();
        for entry in entries.iter().filter_map(Item::as_table) {
            late("an entry of the timeline is at", entry.get("at"), sink);
        }
        let workloads = root.get("workload").and_then(Item::as_table);
        for workload in workloads.iter().flat_map(|t| &t.entries) {
            let table = workload.item.as_table();
            let what = format!("workload `{}` starts at", workload.key);
            late(&what, table.and_then(|t| t.get("start-time")), sink);
        }
        // The end of what has begun by then stays.
        let begun = |h: &Happening| h.at < duration;
        let began: Vec<Change> = self
            .timeline
            .iter()
            .filter(|h| begun(h))
            .map(|h| h.what.clone())
            .collect();
        self.timeline.retain(|h| {
            begun(h)
                || began.iter().any(|before| match (before, &h.what) {
                    (
                        Change::Stop {
                            service,
                            replica,
                            until,
                            ..
                        },
                        Change::Start {
                            service: s,
                            replica: r,
                            asked: false,
                        },
                    )
                    | (
                        Change::Freeze {
                            service,
                            replica,
                            until,
                        },
                        Change::Thaw {
                            service: s,
                            replica: r,
                        },
                    ) => service == s && replica == r && *until == h.at,
                    _ => false,
                })
        });
    }
}

fn service(
    item: &Item,
    replica: Option<u32>,
    names: &Names,
    components: &[Entry],
    sink: &mut Sink,
) -> Option<ComponentId> {
    let name = item.text("the name of a service", sink)?;
    let Some(id) = names.get("service", &name) else {
        let known: Vec<&str> = names
            .list
            .iter()
            .filter(|(k, _)| *k == "service")
            .map(|(_, n)| n.as_str())
            .collect();
        let mut d = sink.error(
            item.span.clone(),
            "unknown-name",
            format!("there is no service called `{name}`"),
        );
        if let Some(near) = nearest(&name, known.iter().copied()) {
            d.label = format!("did you mean `{near}`?");
        }
        d.help.push(match known.is_empty() {
            true => "the model has no service; only a process can stop, start or pause".to_owned(),
            false => format!("the model has `{}`", known.join("`, `")),
        });
        return None;
    };
    if let (Some(r), Plan::Service(plan)) = (replica, &components[id.0 as usize].plan)
        && r >= plan.replicas
    {
        sink.error(
            item.span.clone(),
            "out-of-range",
            format!(
                "`{name}` has {} replicas, counted from 0; there is no replica {r}",
                plan.replicas
            ),
        )
        .help("without `replica` all of them are meant");
        return None;
    }
    Some(id)
}

fn set_values(
    set: &Item,
    at: u64,
    changed: &mut Document,
    names: &Names,
    components: &[Entry],
    out: &mut Vec<Happening>,
    sink: &mut Sink,
) -> bool {
    let Some(table) = set.table("`set`", sink) else {
        return false;
    };
    let mut touched: Vec<(ComponentId, Span)> = Vec::new();
    let mut text = Vec::new();
    for e in &table.entries {
        if let Err(why) = changed.set(&e.key, e.item.value.clone()) {
            sink.error(
                e.key_span.clone(),
                "unknown-path",
                format!("`{}` cannot be set: {why}", e.key),
            );
            return false;
        }
        let mut parts = e.key.split('.');
        let (kind, name) = (
            parts.next().unwrap_or(""),
            parts.next().unwrap_or("").trim_matches('"'),
        );
        match names.get(kind, name) {
            // A database's own cores are a host of their own.
            Some(id)
                if !(matches!(kind, "service" | "balancer")
                    || kind == "database" && e.key.ends_with(".cores")) =>
            {
                let key = parts.next().unwrap_or("");
                let settable = component::kind(kind).map_or(&[][..], |k| k.settable);
                let keys = component::kind(kind).map_or(&[][..], |k| k.keys);
                if !keys.iter().any(|k| k.name == key) {
                    let what = words(kind);
                    let mut d = sink.error(
                        e.key_span.clone(),
                        "unknown-key",
                        format!("{what} `{name}` has no key `{key}`"),
                    );
                    d.label = match nearest(key, keys.iter().map(|k| k.name)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "not a key of this table".to_owned(),
                    };
                    return false;
                }
                if !settable.contains(&key) {
                    sink.error(
                        e.key_span.clone(),
                        "not-settable",
                        format!("`{}` cannot change during a run", e.key),
                    )
                    .help(match settable {
                        [] => format!("nothing of {} can; vary it in an experiment", with_article(kind)),
                        some => format!("of {} these can: `{}`", with_article(kind), some.join("`, `")),
                    });
                    return false;
                }
                touched.push((id, e.item.span.clone()));
            }
            _ => {
                sink.error(
                    e.key_span.clone(),
                    "not-settable",
                    format!("`{}` cannot change during a run", e.key),
                )
                .help("what can: the keys of pools, databases, hosts and other components; loads change by their `stages`");
                return false;
            }
        }
        text.push(e.key.clone());
    }
    touched.sort_by_key(|t| t.0);
    touched.dedup_by_key(|t| t.0);
    for (id, span) in touched {
        let entry = &components[id.0 as usize];
        let path = format!("{}.{}", entry.kind, super::check::quoted(&entry.name));
        let Some(table) = changed.get(&path).and_then(|i| i.as_table()) else {
            continue;
        };
        let keys = component::kind(entry.kind).map_or(&[][..], |k| k.keys);
        // The changed table has no text of its own: what is wrong with it is shown where it was changed.
        let mut found = Sink::default();
        let what = format!("{} `{}`", words(entry.kind), entry.name);
        let mut reader = Reader::new(what, table, keys, &mut found);
        let plan = Plan::check(entry.kind, &mut reader, names);
        let wrong = found.has_errors();
        for d in found.into_vec() {
            // Of warnings, those that hold for a change at run time too, and once.
            let new = || !sink.diagnostics().iter().any(|told| told.message == d.message);
            if d.severity == Severity::Error || d.id == "below-least" && new() {
                sink.push(d.at(span.clone()));
            }
        }
        let Some(plan) = plan.filter(|_| !wrong) else {
            return false;
        };
        out.push(Happening {
            at,
            what: Change::Adopt {
                component: id,
                plan: Box::new(plan),
            },
            text: format!("set {}", text.join(", ")),
        });
    }
    true
}
