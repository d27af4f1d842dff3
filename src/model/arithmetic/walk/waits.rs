//! Which waits and limits lie within which, and what is held while something else is acquired.

use std::collections::BTreeMap;

use super::{Crowd, Inversion, Limit, Nested, Walk};
use crate::component::ComponentId;
use crate::diagnostic::Span;

impl Walk<'_> {
    /// Notes limits that are shorter than what the component may wait.
    pub(super) fn waits(&mut self, id: ComponentId, span: &Span) {
        let facts = &self.facts[id.0 as usize];
        let own = [facts.patience, facts.deadline];
        for (length, key) in own.into_iter().flatten() {
            let seconds = length.as_secs_f64();
            let shortest = self.limits.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
            if let Some(outer) = shortest.filter(|l| l.seconds < seconds) {
                let outer = outer.clone();
                self.inverted(id, key, seconds, outer, false, span);
            }
            // Those who queue for what is held meanwhile.
            let impatient = self.held.iter().filter(|h| **h != id).filter_map(|h| {
                let (p, _) = self.facts[h.0 as usize].patience?;
                Some((p.as_secs_f64(), *h))
            });
            let first = impatient.min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((patience, holder)) = first.filter(|f| f.0 < seconds && f.0 > 0.0) {
                let outer = Limit {
                    who: self.subject(holder),
                    seconds: patience,
                };
                self.inverted(id, key, seconds, outer, true, span);
            }
        }
    }

    fn inverted(
        &mut self,
        component: ComponentId,
        key: &'static str,
        seconds: f64,
        outer: Limit,
        held: bool,
        span: &Span,
    ) {
        let all = &mut self.findings.inversions;
        let known = |i: &Inversion| i.component == component && i.key == key && i.outer.who == outer.who;
        if !all.iter().any(known) {
            all.push(Inversion {
                component,
                key,
                seconds,
                outer,
                held,
                span: span.clone(),
            });
        }
    }

    /// Notes what is held while this is acquired.
    pub(super) fn acquires(&mut self, id: ComponentId, span: &Span) {
        for held in &self.held {
            if *held != id {
                let order = &mut self.findings.order;
                order.entry((*held, id)).or_insert_with(|| span.clone());
            }
        }
        let Some(first) = self.held.iter().position(|h| *h == id) else {
            return;
        };
        let depth = self.held.iter().filter(|h| **h == id).count() as u32 + 1;
        let outside = self.held[..first].iter().filter_map(|h| {
            let capacity = self.model.components[h.0 as usize].plan.capacity()?;
            Some((capacity, Crowd::Component(h.0)))
        });
        let all = outside.chain([(self.population, Crowd::Source(self.source))]);
        let (size, crowd) = all
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or((f64::INFINITY, Crowd::Source(self.source)));
        let nested = self.findings.nested.entry(id).or_insert_with(|| Nested {
            depth,
            crowds: BTreeMap::new(),
            span: span.clone(),
        });
        nested.depth = nested.depth.max(depth);
        nested.crowds.insert(crowd, size);
    }
}
