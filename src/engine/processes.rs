//! Processes: the replicas of services, how they stop, end and start again, and the threads of components' own in them.

use super::Engine;
use crate::component::{ComponentId, Instance, Layout, caller};
use crate::kernel::request::{AGENT, CHILD, FAILING, State};
use crate::kernel::{Context, Effect, Fault, NONE, Replica, TimerOwner};
use crate::program::{Instr, Scope, ScopeKind};
use crate::quantity::SimTime;

/// A thread of a component's own.
#[derive(Copy, Clone, Debug)]
pub struct Agent {
    slot: u32,
    entry: u32,
    /// The replica it runs in.
    home: u32,
    /// The frame that notes which of its service's replicas that is.
    frame: u16,
    replica: u32,
}

/// A replica that takes nothing in any more, and whose own threads have something to finish.
pub struct Closing {
    replica: u32,
    /// Components that have not finished.
    left: u32,
    /// It is to start again then.
    starts: bool,
}

impl<'m> Engine<'m> {
    pub(super) fn start_agents(&mut self) {
        for agent in &self.model.agents {
            let base = self.model.layout.bases[agent.component.0 as usize];
            let first = self
                .model
                .layout
                .placed_in
                .get(&agent.component)
                .and_then(|s| self.model.layout.first_replica.get(s))
                .copied();
            for replica in 0..self.model.layout.instances(agent.component) {
                for thread in 0..agent.count {
                    let Some(slot) = self.take_slot() else { break };
                    let key = crate::random::child_key(
                        (base as u64) << 32 | replica as u64,
                        thread as u64 | 1 << 40,
                    );
                    let f = self.cx.requests.frame_index(slot, agent.frame);
                    self.cx.requests.frame(f).word = replica as u64;
                    let r = &mut self.cx.requests[slot];
                    r.key = key;
                    r.pc = agent.entry;
                    r.flags = AGENT;
                    r.parent = thread;
                    r.home = first.map_or(NONE, |f| f + replica);
                    r.state = State::Ready;
                    let home = r.home;
                    self.agents.push(Agent {
                        slot,
                        entry: agent.entry,
                        home,
                        frame: agent.frame,
                        replica,
                    });
                    // Parked until its replica comes.
                    match self.cx.replicas.get(home as usize) {
                        Some(r) if !r.exists => self.cx.requests[slot].state = State::Joining,
                        _ => self.cx.leave_effect(Effect::Resume(slot)),
                    }
                }
            }
        }
    }

    pub(super) fn wake_stalled(&mut self, replica: u32) {
        let mut line = self.cx.replicas[replica as usize].stalled;
        while let Some(slot) = line.pop_front(&mut self.cx.requests) {
            let r = &mut self.cx.requests[slot];
            r.state = State::Ready;
            if r.flags & FAILING != 0 {
                let fault = Fault::from_index(r.fault);
                self.cx.fail(slot, fault);
            } else {
                self.cx.leave_effect(Effect::Resume(slot));
            }
        }
        self.cx.replicas[replica as usize].stalled = line;
    }

    /// Takes a replica out of service. What it has in flight fails at once, unless it may end within a grace period.
    pub(super) fn stop_replica(&mut self, replica: u32) {
        let now = self.cx.nanos();
        let r = &mut self.cx.replicas[replica as usize];
        if !std::mem::replace(&mut r.up, false) {
            if let Some(grace) = &mut r.grace {
                grace.starts = false;
            }
            let closing = self.closing.iter_mut().find(|c| c.replica == replica);
            closing.into_iter().for_each(|c| c.starts = false);
            return;
        }
        r.serving.set(false, now);
        self.cx.health += 1;
        match &mut r.grace {
            Some(grace) if r.in_flight > 0 => {
                grace.until = now.saturating_add(grace.period);
                let (timer, at) = (grace.over, grace.until);
                self.cx.arm(timer, at);
            }
            _ => self.end_requests(replica),
        }
    }

    /// A replica that took nothing in any more has nothing in flight, or no more time.
    pub(super) fn drained(&mut self, replica: u32) {
        let r = &mut self.cx.replicas[replica as usize];
        let Some(grace) = r.grace.as_mut().filter(|g| g.until > 0) else {
            return;
        };
        grace.until = 0;
        let starts = std::mem::take(&mut grace.starts);
        let late = self.begin_late(replica);
        self.end_requests(replica);
        if starts && !late {
            self.start_replica(replica);
        }
    }

    /// The new process of a restart begins when the old one has ended, which took until now. Says whether it is to come.
    fn begin_late(&mut self, replica: u32) -> bool {
        let now = self.cx.nanos();
        let r = &mut self.cx.replicas[replica as usize];
        if !r.restarts || !r.exists || r.down_until == u64::MAX {
            return false;
        }
        r.down_until = r.down_until.max(now.saturating_add(r.start_up));
        let (at, timer) = (r.down_until, r.back);
        let timer = timer.unwrap_or_else(|| self.cx.timer(TimerOwner::Replica(replica)));
        self.cx.replicas[replica as usize].back = Some(timer);
        self.cx.arm(timer, at);
        true
    }

    /// The time at which the new process takes requests has come, unless it was put off meanwhile.
    pub(super) fn comes_back(&mut self, replica: u32) {
        if self.cx.replicas[replica as usize].down_until <= self.cx.nanos() {
            self.start_replica(replica);
        }
    }

    /// Another process of a service, which takes requests from now on.
    pub(super) fn add_replica(&mut self, replica: u32) {
        let now = self.cx.nanos();
        let r = &mut self.cx.replicas[replica as usize];
        if !std::mem::replace(&mut r.exists, true) {
            r.there.set(true, now);
            self.count_replica(replica, true);
        }
        self.start_replica(replica);
    }

    /// A process that is not needed any more.
    pub(super) fn remove_replica(&mut self, replica: u32) {
        let now = self.cx.nanos();
        let r = &mut self.cx.replicas[replica as usize];
        if std::mem::replace(&mut r.exists, false) {
            r.there.set(false, now);
            self.count_replica(replica, false);
        }
        self.stop_replica(replica);
    }

    /// The replica in which an instance is placed, if it is in one.
    pub(super) fn replica_of(&self, instance: u32) -> Option<&Replica> {
        let layout = &self.model.layout;
        let component = layout.owner[instance as usize];
        let first = layout.first_replica.get(layout.placed_in.get(&component)?)?;
        let replica = first + instance - layout.bases[component.0 as usize];
        self.cx.replicas.get(replica as usize)
    }

    /// Whether the replica in which an instance is placed exists.
    pub(super) fn exists(&self, instance: u32) -> bool {
        self.replica_of(instance).is_none_or(|r| r.exists)
    }

    /// The share of the measured time in which it existed.
    pub(super) fn share_of_time(&self, instance: u32, now: SimTime) -> f64 {
        self.replica_of(instance).map_or(1.0, |r| {
            let span = now.nanos().saturating_sub(r.cpu.since).max(1);
            r.there.total(now.nanos()) as f64 / span as f64
        })
    }

    /// What the components in a replica can do comes or goes with it.
    pub(super) fn count_replica(&mut self, replica: u32, more: bool) {
        let layout = &self.model.layout;
        let (now, is_of) = (self.cx.nanos(), |service| is_replica_of(layout, service, replica));
        let placed = layout
            .placed_in
            .iter()
            .filter(|(_, s)| is_of(**s))
            .map(|(c, _)| *c);
        let service = layout.first_replica.keys().copied().filter(|s| is_of(*s));
        for component in placed.chain(service) {
            let capacity = &mut self.capacities[component.0 as usize];
            capacity.count(now, more);
            self.recorder.set_capacity(component, now, capacity.now());
        }
    }

    /// Fails everything that runs in a replica.
    fn end_requests(&mut self, replica: u32) {
        // Children after their parents: most of them end with those.
        for children in [false, true] {
            for slot in 0..self.cx.requests.slots() as u32 {
                let r = self.cx.requests[slot];
                let child = r.flags & CHILD != 0;
                if r.state == State::Free || child != children {
                    continue;
                }
                if let Some(call) = self.call_into(slot, replica) {
                    self.expire(slot, call, Fault::Killed);
                } else if child && r.parent == NONE && self.home_of(slot) == replica {
                    // It outlived its caller, but not its process.
                    self.end_child(slot);
                }
            }
        }
        let mut left = 0;
        self.tell_replica(replica, |component, cx| left += u32::from(component.closing(cx)));
        if left == 0 {
            return self.end_replica(replica);
        }
        self.closing.push(Closing {
            replica,
            left,
            starts: false,
        });
    }

    /// The replica in which a request runs, or which waits for its statement at a database; `NONE` for none.
    fn home_of(&mut self, slot: u32) -> u32 {
        let r = self.cx.requests[slot];
        let (code, is_database) = (self.code[r.pc as usize], |engine: &Self, comp: u32| {
            matches!(engine.components[comp as usize], Instance::Database(_))
        });
        let frame = match code {
            Instr::Enter { comp, .. } if r.state == State::Waiting && is_database(self, comp) => {
                Some(r.ticket)
            }
            _ => {
                let scopes = self.around(self.scope_at[r.pc as usize]);
                let mut frames = scopes.filter_map(|s| match s.kind {
                    ScopeKind::Visit { comp, frame, .. } if is_database(self, comp) => Some(frame),
                    _ => None,
                });
                let frame = frames.next();
                frame.map(|f| self.cx.requests.frame_index(slot, f))
            }
        };
        match frame {
            Some(frame) if r.home == NONE => caller(self.cx.requests.frame(frame).word),
            _ => r.home,
        }
    }

    /// A component has finished what it had to in a replica that stops.
    pub(super) fn finished(&mut self, replica: u32) {
        let Some(i) = self.closing.iter().position(|c| c.replica == replica) else {
            return;
        };
        self.closing[i].left -= 1;
        if self.closing[i].left == 0 {
            let starts = self.closing.swap_remove(i).starts;
            let late = self.begin_late(replica);
            self.end_replica(replica);
            if starts && !late {
                self.start_replica(replica);
            }
        }
    }

    /// The process ends, and with it its own threads.
    fn end_replica(&mut self, replica: u32) {
        for i in 0..self.agents.len() {
            let Agent {
                slot, home, entry, ..
            } = self.agents[i];
            if home == replica {
                self.unwind(slot, NONE);
                // Parked: nothing wakes it but the start of its replica.
                let r = &mut self.cx.requests[slot];
                (r.state, r.pc) = (State::Joining, entry);
            }
        }
        self.tell_replica(replica, |component, cx| component.stopped(cx));
        // A pause ends with its process.
        self.cx.end_pause(replica, u64::MAX);
        for i in 0..self.freezers.len() {
            let f = self.freezers[i] as usize;
            self.components[f].ended(replica, &mut self.cx);
        }
    }

    /// Takes a replica into service: its own threads begin anew.
    pub(super) fn start_replica(&mut self, replica: u32) {
        if let Some(c) = self.closing.iter_mut().find(|c| c.replica == replica) {
            c.starts = true;
            return;
        }
        let r = &mut self.cx.replicas[replica as usize];
        if !r.exists {
            return;
        }
        if let Some(grace) = r.grace.as_mut().filter(|g| g.until > 0) {
            grace.starts = true;
            return;
        }
        if std::mem::replace(&mut self.cx.replicas[replica as usize].up, true) {
            return;
        }
        let now = self.cx.nanos();
        self.cx.replicas[replica as usize].serving.set(true, now);
        self.cx.health += 1;
        self.cx.replicas[replica as usize].down_until = 0;
        self.tell_replica(replica, |component, cx| component.started(cx));
        for i in 0..self.agents.len() {
            let a = self.agents[i];
            if a.home == replica {
                let f = self.cx.requests.frame_index(a.slot, a.frame);
                self.cx.requests.frame(f).word = a.replica as u64;
                let r = &mut self.cx.requests[a.slot];
                r.pc = a.entry;
                r.home = a.home;
                r.state = State::Ready;
                self.cx.leave_effect(Effect::Resume(a.slot));
            }
        }
    }

    /// Tells every component that is placed in a replica.
    pub(super) fn tell_replica(&mut self, replica: u32, mut tell: impl FnMut(&mut Instance, &mut Context)) {
        let layout = &self.model.layout;
        for (component, service) in &layout.placed_in {
            if is_replica_of(layout, *service, replica) {
                let instance = layout.bases[component.0 as usize] + replica - layout.first_replica[service];
                tell(&mut self.components[instance as usize], &mut self.cx);
            }
        }
    }

    /// The frame of the outermost call that brought a request into a replica, wherever it is now: what it does
    /// elsewhere it does for that call.
    pub(super) fn call_into(&mut self, slot: u32, replica: u32) -> Option<u32> {
        let pc = self.cx.requests[slot].pc;
        let mut call = None;
        for s in self.around(self.scope_at[pc as usize]) {
            if let ScopeKind::Visit { comp, frame, .. } = s.kind
                && self.is_balancer(comp)
            {
                let f = self.cx.requests.frame_index(slot, frame);
                let word = self.cx.requests.frame(f).word as u32;
                if self.first_replica_of(comp) + word == replica {
                    call = Some(f);
                }
            }
        }
        call
    }

    /// This scope and those around it, innermost first; none for `NONE`.
    pub(super) fn around(&self, scope: u32) -> impl Iterator<Item = Scope> + use<'m> {
        let scopes = self.scopes;
        let at = move |scope: u32| scopes.get(scope as usize).copied();
        std::iter::successors(at(scope), move |s| at(s.parent))
    }

    /// Whether calls into a service pass through this component.
    pub(super) fn is_balancer(&self, comp: u32) -> bool {
        matches!(self.components[comp as usize], Instance::Balancer(_))
    }

    pub(super) fn first_replica_of(&self, balancer: u32) -> u32 {
        let id = self.model.layout.owner[balancer as usize];
        let layout = &self.model.layout;
        layout
            .balances
            .get(&id)
            .and_then(|s| layout.first_replica.get(s))
            .copied()
            .unwrap_or(0)
    }
}

fn is_replica_of(layout: &Layout, service: ComponentId, replica: u32) -> bool {
    let first = layout.first_replica.get(&service).copied();
    first
        .and_then(|first| replica.checked_sub(first))
        .is_some_and(|r| r < layout.service_replicas(service))
}
