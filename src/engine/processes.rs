//! Processes: the replicas of services, how they stop, end and start again, and the threads of components' own in them.

use super::Engine;
use crate::component::Instance;
use crate::kernel::request::{AGENT, CHILD, FAILING, State};
use crate::kernel::{Context, Effect, Fault, NONE};
use crate::program::{Scope, ScopeKind};

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
                    self.agents.push(Agent {
                        slot,
                        entry: agent.entry,
                        home: r.home,
                        frame: agent.frame,
                        replica,
                    });
                    self.cx.leave_effect(Effect::Resume(slot));
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

    /// Fails everything that runs in a replica and takes it out of service.
    pub(super) fn stop_replica(&mut self, replica: u32) {
        if !std::mem::replace(&mut self.cx.replicas[replica as usize].up, false) {
            let closing = self.closing.iter_mut().find(|c| c.replica == replica);
            closing.into_iter().for_each(|c| c.starts = false);
            return;
        }
        self.cx.health += 1;
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
                } else if child && r.parent == NONE && r.home == replica {
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

    /// A component has finished what it had to in a replica that stops.
    pub(super) fn finished(&mut self, replica: u32) {
        let Some(i) = self.closing.iter().position(|c| c.replica == replica) else {
            return;
        };
        self.closing[i].left -= 1;
        if self.closing[i].left == 0 {
            let starts = self.closing.swap_remove(i).starts;
            self.end_replica(replica);
            if starts {
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
        if std::mem::replace(&mut self.cx.replicas[replica as usize].up, true) {
            return;
        }
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
    fn tell_replica(&mut self, replica: u32, mut tell: impl FnMut(&mut Instance, &mut Context)) {
        let layout = &self.model.layout;
        for (component, service) in &layout.placed_in {
            let first = layout.first_replica.get(service).copied().unwrap_or(NONE);
            if replica
                .checked_sub(first)
                .is_some_and(|r| r < layout.service_replicas(*service))
            {
                let instance = layout.bases[component.0 as usize] + replica - first;
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
