//! Who is called what: the names of all parts, those that services and databases bring along included.

use super::{Checker, OTHERS, with_article, words};
use crate::component::{self, KINDS};
use crate::diagnostic::{Span, nearest};
use crate::document::{self, Document, Table, Value};

/// Components of one kind, flows, workloads.
const MOST_NAMED: usize = 2_000;
/// Entries of the timeline.
const MOST_HAPPENINGS: usize = 20_000;
/// Bytes of `title` and `about`.
const LONGEST_TEXT: usize = 10_000;

impl<'a> Checker<'a> {
    pub(super) fn top_level(&mut self) {
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
                                        "`{}` stands where the name of {} is expected",
                                        inner.key,
                                        with_article(&e.key)
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

    pub(super) fn named(&self, kind: &str) -> Vec<(&'a str, Span, &'a Table)> {
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
    pub(super) fn collect_names(&mut self) {
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
                    crate::model::client_name(name),
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
}
