//! What the words of a step mean: the names, laws and keys in it, and what to say of those that mean nothing.

use std::collections::BTreeMap;

use super::super::check::with_article;
use super::{StepReader, VERBS, usable};
use crate::component::{ComponentId, read_step_law};
use crate::diagnostic::nearest;
use crate::distribution::{Law, LawUnit};
use crate::document::{Item, Key, Spanned, Table, Value};

impl StepReader<'_> {
    pub(super) fn no_verb(&mut self, table: &Table, item: &Item) {
        let words: Vec<&str> = VERBS.iter().map(|v| v.0).collect();
        let near = table
            .entries
            .iter()
            .find_map(|e| nearest(&e.key, words.iter().copied()).map(|n| (e, Some(n))));
        // What beside a verb would be a key is none of the unknown.
        let option = |key: &str| VERBS.iter().any(|v| v.1.contains(&key));
        let unknown = table.entries.iter().find(|e| !option(&e.key)).map(|e| (e, None));
        let mut d = match near.or(unknown) {
            Some((entry, near)) => {
                let key = crate::document::code(&entry.key);
                let mut d = self.sink.error(
                    entry.key_span.clone(),
                    "no-verb",
                    format!("a step of {} cannot begin with {key}", self.what),
                );
                d.label = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "not the beginning of a step".to_owned(),
                };
                d
            }
            None => self.sink.error(
                item.span.clone(),
                "no-verb",
                format!("a step of {} says nothing that is done", self.what),
            ),
        };
        d.help
            .push(format!("a step begins with one of `{}`", words.join("`, `")));
    }

    pub(super) fn unknown(&mut self, item: &Item, name: &str) {
        let all: Vec<&str> = self.names.list.iter().map(|(_, n)| n.as_str()).collect();
        let same = self.names.list.iter().find(|(_, n)| n == name).map(|(k, _)| *k);
        let near = nearest(name, all.iter().copied()).map(str::to_owned).or_else(|| {
            // Written with its kind, of which only the name is wrong.
            let (kind, rest) = name.split_once('.')?;
            let names = self.names.list.iter().filter(|(k, _)| *k == kind && usable(k));
            nearest(rest, names.map(|(_, n)| n.as_str())).map(|near| format!("{kind}.{near}"))
        });
        let mut d = self.sink.error(
            item.span.clone(),
            "unknown-name",
            format!("nothing called `{name}` can be used"),
        );
        match (same, near) {
            (Some("database"), _) => {
                d.help.push(format!(
                    "run a statement at a database: {{ query = \"{name}\", time = \"20ms\" }}"
                ));
            }
            (Some("host"), _) => d.help.push("compute on a host with { cpu = \"2ms\" }".into()),
            (Some("service"), _) => d
                .help
                .push("a service is reached by { call = \"a flow at it\" }".into()),
            (Some("topic" | "outbox"), _) => d
                .help
                .push(format!("hand a message over with {{ publish = \"{name}\" }}")),
            (Some(kind), _) => d.help.push(format!(
                "`{name}` is {}, which a step cannot use",
                with_article(kind)
            )),
            (None, Some(near)) => d.label = format!("did you mean `{near}`?"),
            (None, None) => {
                let usable: Vec<String> = self
                    .names
                    .list
                    .iter()
                    .filter(|(k, _)| usable(k))
                    .map(|(k, n)| format!("{k}.{n}"))
                    .collect();
                if !usable.is_empty() && usable.len() <= 12 {
                    d.help
                        .push(format!("what can be used here is `{}`", usable.join("`, `")));
                }
                d.help.push(format!(
                    "define it, as in [thread-pool.{name}] or [connection-pool.{name}]"
                ));
            }
        }
    }

    pub(super) fn component(&mut self, item: &Item, kinds: &[&'static str]) -> Option<ComponentId> {
        let name = item.text("a name", self.sink)?;
        for kind in kinds {
            if let Some(id) = self.names.get(kind, &name) {
                return Some(id);
            }
        }
        let known: Vec<&str> = self
            .names
            .list
            .iter()
            .filter(|(k, _)| kinds.contains(k))
            .map(|(_, n)| n.as_str())
            .collect();
        let other = self.names.list.iter().find(|(_, n)| *n == name).map(|(k, _)| *k);
        let mut d = self.sink.error(
            item.span.clone(),
            "unknown-name",
            format!("there is no {} called `{name}`", kinds.join(" or ")),
        );
        if let Some(near) = nearest(&name, known.iter().copied()) {
            d.label = format!("did you mean `{near}`?");
        } else if let Some(other) = other {
            d.label = format!("`{name}` is {}", with_article(other));
        }
        d.help.push(match known.is_empty() {
            true => format!("add a table [{}.{name}]", kinds[0]),
            false => format!("the model has `{}`", known.join("`, `")),
        });
        None
    }

    pub(super) fn law(&mut self, item: &Item, unit: LawUnit) -> Option<Law> {
        let text = match &item.value {
            Value::Integer(n) if unit == LawUnit::Number => n.to_string(),
            Value::Float(n) if unit == LawUnit::Number => n.to_string(),
            Value::Integer(_) | Value::Float(_) if unit == LawUnit::Duration => {
                item.law("the time of a step", self.sink)?
            }
            _ => item.text("a law", self.sink)?,
        };
        let text = Spanned {
            value: text,
            span: item.span.clone(),
        };
        let what = crate::document::code(&text.value);
        read_step_law(&text, unit, &what, self.names, self.sink)
    }

    pub(super) fn optional_law(&mut self, table: &Table, key: &str, unit: LawUnit) -> Option<Option<Law>> {
        match table.get(key) {
            Some(item) => self.law(item, unit).map(Some),
            None => Some(None),
        }
    }

    /// Reports keys that the step does not have.
    pub(super) fn only(&mut self, table: &Table, verb: &str, allowed: &[&str], more: &[Key]) {
        for e in &table.entries {
            let known =
                e.key == verb || allowed.contains(&e.key.as_str()) || more.iter().any(|k| k.name == e.key);
            if !known {
                let names = allowed.iter().copied().chain(more.iter().map(|k| k.name));
                let near = nearest(&e.key, names.clone());
                // A branch is named by its step; a step by the word it begins with.
                let branch = verb.starts_with("a branch");
                let message = if branch {
                    format!("{verb} in {} has no key `{}`", self.what, e.key)
                } else {
                    format!(
                        "a step of {} that begins with `{verb}` has no key `{}`",
                        self.what, e.key
                    )
                };
                let mut d = self.sink.error(e.key_span.clone(), "unknown-key", message);
                if let Some(near) = near {
                    d.label = format!("did you mean `{near}`?");
                }
                let list: Vec<&str> = names.collect();
                d.help.push(if branch {
                    format!("its keys are `{}`", list.join("`, `"))
                } else if list.is_empty() {
                    format!("`{verb}` stands alone")
                } else {
                    format!("beside `{verb}` there may be `{}`", list.join("`, `"))
                });
            }
        }
    }

    pub(super) fn options(
        &mut self,
        table: &Table,
        verb: &str,
        allowed: &[&str],
        id: ComponentId,
    ) -> BTreeMap<String, Item> {
        let kind = self.names.list[id.0 as usize].0;
        let keys = crate::component::kind(kind).map_or(&[][..], |k| k.step_keys);
        self.only(table, verb, allowed, keys);
        table
            .entries
            .iter()
            .filter(|e| keys.iter().any(|k| k.name == e.key))
            .map(|e| (e.key.clone(), e.item.clone()))
            .collect()
    }
}
