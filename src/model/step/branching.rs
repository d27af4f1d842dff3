//! Steps that go several ways: choices, branches at once, fallbacks.

use super::{MOST_BRANCHES, Step, StepReader, What};
use crate::component::faults;
use crate::document::{Entry, Item, Table, Value};
use crate::kernel::Faults;

impl StepReader<'_> {
    pub(super) fn choose(&mut self, verb: &Entry, table: &Table, allowed: &[&str]) -> Option<What> {
        self.only(table, "choose", allowed, &[]);
        let by_request = self.by_request(table)?;
        let branches = self.weighted(&verb.item)?;
        Some(What::Choose { branches, by_request })
    }

    pub(super) fn parallel(&mut self, verb: &Entry, table: &Table, allowed: &[&str]) -> Option<What> {
        self.only(table, "parallel", allowed, &[]);
        let help = "write a list of branches: [{ steps = [..] }, { steps = [..] }]";
        let items = verb.item.list_as("`parallel`", help, self.sink)?;
        let quorum = self.quorum(table, items.len());
        let cancels = self.rest(table);
        let mut branches = Vec::new();
        for i in items {
            let t = i.table("a branch of `parallel`", self.sink)?;
            self.only(t, "a branch of `parallel`", &["steps"], &[]);
            branches.push(self.inner(t, &i.span)?);
        }
        if branches.is_empty() {
            self.sink
                .error(verb.item.span.clone(), "empty-list", "`parallel` has no branches");
            return None;
        }
        if branches.len() > MOST_BRANCHES {
            self.sink
                .error(
                    verb.item.span.clone(),
                    "too-many",
                    format!(
                        "`parallel` has {} branches, more than {MOST_BRANCHES}",
                        branches.len()
                    ),
                )
                .help("each branch is a request of its own: repeat fewer of them");
            return None;
        }
        Some(What::Parallel {
            branches,
            quorum: quorum?,
            cancels: cancels?,
        })
    }

    pub(super) fn attempt(&mut self, verb: &Entry, table: &Table, allowed: &[&str]) -> Option<What> {
        self.only(table, "try", allowed, &[]);
        let on = match table.get("on") {
            Some(item) => {
                let items = item.list("`on` of `try`", self.sink)?;
                faults::named(
                    items,
                    &format!("a fault in `on` of a step of {}", self.what),
                    self.sink,
                )?
            }
            None => Faults::ALL,
        };
        let steps = self.list(&verb.item);
        let Some(instead) = table.get("else") else {
            self.sink
                .error(
                    verb.key_span.clone(),
                    "missing-key",
                    format!("a `try` of {} does not say what is done instead", self.what),
                )
                .help("add `else = [..]`; `else = []` goes on as if nothing had failed");
            return None;
        };
        let instead = self.list(instead);
        Some(What::Try { steps, instead, on })
    }

    /// How many branches must be done; zero for all.
    fn quorum(&mut self, table: &Table, branches: usize) -> Option<u32> {
        let Some(item) = table.get("join") else {
            return Some(0);
        };
        let join = item.count("`join`", self.sink)?;
        if join == 0 || join > branches as u64 {
            self.sink
                .error(
                    item.span.clone(),
                    "out-of-range",
                    format!(
                        "a step of {} goes on when {join} of {branches} branches are done",
                        self.what
                    ),
                )
                .help(format!(
                    "`join` lies between 1 and {branches}; without it all must be done"
                ));
            return None;
        }
        Some(join as u32)
    }

    /// Whether branches beyond those that must be done are cancelled.
    fn rest(&mut self, table: &Table) -> Option<bool> {
        let Some(item) = table.get("rest") else {
            return Some(false);
        };
        match item.as_str() {
            _ if table.get("join").is_none() => {
                self.sink
                    .error(
                        item.span.clone(),
                        "does-not-apply",
                        format!(
                            "a step of {} has a `rest` and no `join`: all branches must be done",
                            self.what
                        ),
                    )
                    .help("say with `join` how many are enough");
                None
            }
            _ => self.either(
                table,
                "rest",
                ["finish", "cancel"],
                "\"finish\" lets the other branches go on by themselves, \"cancel\" ends them",
            ),
        }
    }

    /// Whether a choice is the request's own, the same in every attempt.
    pub(super) fn by_request(&mut self, table: &Table) -> Option<bool> {
        let help = "\"attempt\" chooses again when the request is tried again, \"request\" chooses the same";
        self.either(table, "by", ["attempt", "request"], help)
    }

    /// Whether a key of a step says the second of two words; the first is what it is without the key.
    fn either(&mut self, table: &Table, key: &str, words: [&str; 2], help: &str) -> Option<bool> {
        let Some(item) = table.get(key) else {
            return Some(false);
        };
        let said = item
            .as_str()
            .and_then(|text| words.iter().position(|word| *word == text));
        if said.is_none() {
            let [first, second] = words;
            self.sink
                .error(
                    item.span.clone(),
                    "bad-choice",
                    format!(
                        "`{key}` of a step of {} is neither \"{first}\" nor \"{second}\"",
                        self.what
                    ),
                )
                .help(help);
        }
        said.map(|at| at == 1)
    }

    fn weighted(&mut self, item: &Item) -> Option<Vec<(f64, Vec<Step>)>> {
        let help =
            "write a list of branches: [{ weight = 0.3, steps = [..] }, { weight = 0.7, steps = [..] }]";
        let items = item.list_as("`choose`", help, self.sink)?;
        let mut branches = Vec::new();
        for i in items {
            let t = i.table("a branch of `choose`", self.sink)?;
            self.only(t, "a branch of `choose`", &["steps", "weight"], &[]);
            let weight = match t.get("weight") {
                Some(w) => match &w.value {
                    Value::String(_) => w.share("`weight`", self.sink)?.0,
                    _ => w.number("`weight`", self.sink)?,
                },
                None => 1.0,
            };
            if !(weight.is_finite() && weight >= 0.0) {
                let span = t.get("weight").map_or(&i.span, |w| &w.span).clone();
                self.sink
                    .error(
                        span,
                        "out-of-range",
                        format!("a weight of {weight}; it must be zero or more"),
                    )
                    .help("weights count against one another: 1 and 3 are a quarter and three quarters");
                return None;
            }
            let steps = match t.get("steps") {
                Some(s) => self.list(s),
                None => Vec::new(),
            };
            branches.push((weight, steps));
        }
        if branches.iter().map(|b| b.0).sum::<f64>() <= 0.0 {
            self.sink
                .error(
                    item.span.clone(),
                    "no-weight",
                    "`choose` has no branch with a weight above zero",
                )
                .help("write [{ weight = 0.3, steps = [..] }, { weight = 0.7, steps = [..] }]");
            return None;
        }
        Some(branches)
    }
}
