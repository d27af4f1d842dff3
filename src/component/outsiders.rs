//! Processes outside the model that want a core of a host from time to time.

use super::contract::*;
use crate::distribution::{Law, LawUnit, Sampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Context, TimerId};
use crate::random::child_key;

/// As checked: from one to the next, and how long it wants a core.
#[derive(Clone, Debug)]
pub struct OthersPlan {
    every: Law,
    take: Law,
}

/// As running.
pub struct Outsiders {
    /// `None` if there are none.
    laws: Option<[Sampler; 2]>,
    purposes: [u32; 2],
    number: u64,
    /// One comes, one goes.
    timers: [TimerId; 2],
    /// Its coming is in the calendar.
    expected: bool,
}

impl Outsiders {
    pub fn new(plan: &Option<OthersPlan>, timers: [TimerId; 2], build: &mut Build) -> Self {
        Outsiders {
            laws: plan
                .as_ref()
                .map(|plan| [Sampler::new(&plan.every), Sampler::new(&plan.take)]),
            purposes: [build.purpose("others/every"), build.purpose("others/take")],
            number: 0,
            timers,
            expected: false,
        }
    }

    /// Puts the next one into the calendar.
    pub fn expect(&mut self, instance: u32, cx: &mut Context) {
        let Some([every, _]) = &self.laws else { return };
        if std::mem::replace(&mut self.expected, true) {
            return;
        }
        self.number += 1;
        let key = child_key(instance as u64, self.number);
        let after = cx.sample(every, &mut cx.draws_of(self.purposes[0], key)).max(1);
        cx.arm(self.timers[0], cx.nanos().saturating_add(after));
    }

    /// One comes; says for how long it wants a core, in nanoseconds, and has the other timer go off then.
    pub fn come(&mut self, instance: u32, cx: &mut Context) -> Option<u64> {
        self.expected = false;
        let [_, take] = self.laws.as_ref()?;
        let key = child_key(instance as u64, self.number);
        let take = cx.sample(take, &mut cx.draws_of(self.purposes[1], key));
        cx.arm(self.timers[1], cx.nanos().saturating_add(take));
        self.expect(instance, cx);
        Some(take)
    }
}

/// Reads the table `others`; `None` if it is wrong.
pub fn check(reader: &mut Reader, names: &Names) -> Option<Option<OthersPlan>> {
    const KEYS: &[Key] = &[
        key(
            "every",
            Form::Law,
            None,
            "from the start of one to the start of the next",
        ),
        key("take", Form::Law, None, "how long it wants a core"),
    ];
    if !reader.has("others") {
        return Some(None);
    }
    let table = reader.table("others")?;
    let what = format!("the others of {}", reader.what());
    let mut inner = Reader::new(what, table, KEYS, reader.sink());
    if !(inner.required("every") & inner.required("take")) {
        return None;
    }
    let (every, take) = (inner.law("every")?, inner.law("take")?);
    let span = every.span.clone();
    let every = read_law(&every, LawUnit::Duration, "`every`", names, inner.sink());
    let take = read_law(&take, LawUnit::Duration, "`take`", names, inner.sink());
    let (every, take) = (every?, take?);
    if every.mean().is_some_and(|m| m < 1e-6) {
        inner.sink().error(
            span,
            "out-of-range",
            "others less than a microsecond apart leave no time to work",
        );
        return None;
    }
    Some(Some(OthersPlan { every, take }))
}
