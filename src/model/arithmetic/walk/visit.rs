//! What a visit of a component and a demand for cores add up to.

use super::super::super::step::Step;
use super::super::sums::Passage;
use super::{Limit, Walk, times};
use crate::component::{ComponentId, Plan};
use crate::diagnostic::Span;

impl Walk<'_> {
    /// A visit, for its own time (and what is sure of it) or the component's, while steps run; it stands at this place, and may ask for what another visit
    /// asks for too.
    pub(super) fn visit(
        &mut self,
        id: ComponentId,
        own: Option<(f64, f64)>,
        steps: &[Step],
        weight: f64,
        (span, shared): (&Span, bool),
    ) -> Passage {
        let facts = &self.facts[id.0 as usize];
        self.seen(id);
        self.waits(id, span);
        let holds = self.model.components[id.0 as usize].plan.capacity().is_some() || facts.hottest.is_some();
        // Who holds a lock has it already.
        let again = facts.hottest.is_none()
            && self.model.components[id.0 as usize].kind == "lock"
            && self.held.contains(&id);
        if holds && !again {
            self.acquires(id, span);
        }
        if holds && !steps.is_empty() {
            self.held.push(id);
        }
        let before = self.sums.clone();
        let apart = self.apart;
        let limit = facts.deadline.map(|(d, _)| d.as_secs_f64());
        let ends = limit.is_some_and(|l| l < self.around.horizon);
        if let Some(seconds) = limit {
            let who = self.subject(id);
            self.limits.push(Limit { who, seconds });
            self.deadlines += 1;
            self.apart += u32::from(ends);
        }
        let (first, longer, longest) = facts.waits;
        let wait = |n: i32| (first * libm::pow(longer, f64::from(n))).min(longest);
        let mut inside = self.tries(steps, weight * facts.inside, facts.attempts, wait);
        if let Some(seconds) = limit {
            self.limits.pop();
            self.deadlines -= 1;
            self.apart = apart;
            let cut = self.until(steps, seconds);
            inside.time = cut.map_or(inside.time.min(seconds), |c| c.mean);
            if ends {
                inside.sure = match cut {
                    // Others' failures end it sooner.
                    Some(cut) if !inside.fails => cut.mean,
                    _ => 0.0,
                };
                (inside.done, inside.spent) = (inside.sure, inside.sure);
                inside.fails = true;
            }
        }
        if holds && !steps.is_empty() {
            self.held.pop();
        }
        if facts.inside < 1.0 && (inside.fails || facts.unsure || shared) {
            // Who is completed, may be one of those who had no need of it.
            let none = vec![0.0; 2 * before.visits.len()];
            self.sums.set_sure(&before, &none);
            (inside.sure, inside.done, inside.spent) = (0.0, 0.0, 0.0);
        }
        let (own_time, own_sure) = own.unwrap_or((facts.time, facts.time));
        let (own_time, own_sure) = (own_time / facts.speed, own_sure / facts.speed);
        let time = own_time + times(facts.inside, inside.time);
        let whole = !self.ends_statements(id);
        let own_whole = if whole { own_sure } else { 0.0 };
        let sure = own_whole + times(facts.inside, inside.sure);
        // Who has got it keeps it to the end, answered or not.
        let done = own_whole + times(facts.inside, inside.done);
        if !again {
            let i = id.0 as usize;
            self.sums.visits[i] += weight;
            self.sums.busy[i] += times(weight, time);
            if self.is_sure(id) {
                self.sums.sure_visits[i] += weight;
                self.sums.sure_busy[i] += times(weight, done);
            }
        }
        let fails = self.may_fail(id);
        let until = if own.is_none() { facts.until } else { f64::INFINITY };
        Passage {
            time: time.min(until),
            passes: (1.0 - facts.failure) * (1.0 - facts.inside * (1.0 - inside.passes)),
            after: inside.after.map(|a| times(facts.inside, a)),
            sure: sure.min(until),
            done: done.min(until),
            spent: match fails {
                true => 0.0,
                false => own_sure + times(facts.inside, inside.spent),
            },
            fails: (facts.inside > 0.0 && inside.fails) || fails,
            never: facts.inside * inside.never,
        }
    }

    /// Whether a visit may fail because of others or of its own length.
    fn may_fail(&self, id: ComponentId) -> bool {
        let facts = &self.facts[id.0 as usize];
        let entry = &self.model.components[id.0 as usize];
        let around = &self.around;
        let waits = entry.plan.capacity().is_none_or(|c| around.everybody > c);
        let impatient = facts
            .patience
            .is_some_and(|(p, _)| p.as_secs_f64() < around.horizon);
        let served_too = matches!(entry.kind, "external" | "database");
        (impatient && (waits || served_too))
            || around.everybody > facts.places
            || facts.rate.is_some()
            || matches!(entry.kind, "circuit-breaker" | "topic")
            || entry.plan.seats().is_some_and(|s| around.everybody > s as f64)
            || facts.deadlocks
    }

    /// Whether what is served here may be cut short by a limit of the server's own.
    fn ends_statements(&self, id: ComponentId) -> bool {
        let patience = self.facts[id.0 as usize].patience;
        self.model.components[id.0 as usize].kind == "database"
            && patience.is_some_and(|(p, _)| p.as_secs_f64() < self.around.horizon)
    }

    /// Whether what a completed request does here was done in full for all who began it, and before its answer.
    fn is_sure(&self, id: ComponentId) -> bool {
        self.apart == 0 && (!self.around.orphans || self.facts[id.0 as usize].to_the_end)
    }

    /// Notes what may cut a visit short.
    fn seen(&mut self, id: ComponentId) {
        if self.cancels > 0 {
            self.findings.cancelled.insert(id);
        }
        if self.deadlines > 0 {
            self.findings.limited.insert(id);
        }
        if self.branches > 0 {
            self.findings.branched.insert(id);
        }
    }

    /// A demand for cores, and what is sure of it; the seconds of both.
    pub(super) fn compute(
        &mut self,
        host: Option<ComponentId>,
        own: bool,
        (demand, sure): (f64, f64),
        weight: f64,
    ) -> (f64, f64) {
        let Some(host) = host else { return (demand, sure) };
        self.seen(host);
        let speed = self.facts[host.0 as usize].speed;
        let (time, sure) = (demand / speed, sure / speed);
        let service = self.services.last().copied().filter(|_| own);
        for id in [Some(host), service].into_iter().flatten() {
            let i = id.0 as usize;
            self.sums.visits[i] += weight;
            self.sums.busy[i] += times(weight, time);
            if self.is_sure(id) {
                self.sums.sure_visits[i] += weight;
                self.sums.sure_busy[i] += times(weight, sure);
            }
        }
        (time, sure)
    }

    /// The host of the service where the walk stands.
    pub(super) fn host(&self) -> Option<ComponentId> {
        let service = &self.model.components[self.services.last()?.0 as usize];
        match &service.plan {
            Plan::Service(p) if p.own_cores => self.host_called(&service.name),
            Plan::Service(p) => p.host,
            _ => None,
        }
    }

    pub(super) fn host_of_database(&self, database: ComponentId) -> Option<ComponentId> {
        let entry = &self.model.components[database.0 as usize];
        match &entry.plan {
            Plan::Database(p) if p.own_cores => self.host_called(&entry.name),
            Plan::Database(p) => p.host,
            _ => None,
        }
    }

    fn host_called(&self, name: &str) -> Option<ComponentId> {
        let mut all = self.model.components.iter();
        let own = all.position(|c| c.kind == "host" && c.name == name)?;
        Some(ComponentId(own as u32))
    }

    pub(super) fn subject(&self, id: ComponentId) -> String {
        let entry = &self.model.components[id.0 as usize];
        format!(
            "{} `{}`",
            super::super::super::check::words(entry.kind),
            entry.name
        )
    }
}
