//! The instruction `match`: how a request runs until it waits, and how its scopes are closed when it fails.

use super::{Engine, MOST_SPINS, Stopped};
use crate::component::Instance;
use crate::kernel::request::{FAILING, INTERRUPTED, RETURNED, State, round_key};
use crate::kernel::unchecked::{at, at_mut};
use crate::kernel::{Admission, Caught, Fault, Frame, NONE, Outcome, Visit};
use crate::program::{Instr, NO_FRAME, ScopeKind};

impl Engine<'_> {
    #[inline(always)]
    fn instance(&mut self, slot: u32, comp: u32, sel: u16) -> u32 {
        if sel == NO_FRAME {
            comp
        } else {
            let f = self.cx.requests.frame_index(slot, sel);
            comp + self.cx.requests.frame(f).word as u32
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, slot: u32, comp: u32, sel: u16, frame: u16, site: u32) -> Visit {
        let instance = self.instance(slot, comp, sel);
        Visit {
            instance,
            slot,
            frame: self.cx.requests.frame_index(slot, frame),
            site,
            demand: 0,
        }
    }

    /// Runs a request until it waits, holds or ends.
    ///
    /// The program counter stays in a register; the request's record has it whenever somebody else may look.
    #[inline]
    pub(super) fn execute(&mut self, slot: u32) {
        let mut pc = self.cx.requests[slot].pc;
        loop {
            match *at(self.code, pc) {
                Instr::Enter {
                    frame,
                    sel,
                    comp,
                    site,
                } => {
                    let mut visit = self.visit(slot, comp, sel, frame, site);
                    visit.demand = self.cx.sample_site(site, slot);
                    let now = self.cx.now();
                    *self.cx.requests.frame(visit.frame) = Frame {
                        start: now.nanos(),
                        word: 0,
                    };
                    let i = visit.instance;
                    let m = at_mut(&mut self.cx.meters, i);
                    m.arrivals += 1;
                    m.present.enter(now);
                    self.cx.requests[slot].pc = pc;
                    match at_mut(&mut self.components, i).enter(visit, &mut self.cx) {
                        Admission::Proceed => {
                            at_mut(&mut self.cx.meters, i).unwaited += 1;
                            pc += 1;
                            if self.cx.is_frozen(slot) && !self.knocks(pc) {
                                self.cx.requests[slot].pc = pc;
                                return self.stall(slot);
                            }
                        }
                        Admission::Serve(demand) => {
                            at_mut(&mut self.cx.meters, i).unwaited += 1;
                            pc += 1;
                            if demand > 0 {
                                return self.cx.hold_at(slot, pc, demand);
                            }
                        }
                        Admission::Wait => {
                            let r = &mut self.cx.requests[slot];
                            // It may have been let in already, by what its coming set off.
                            if r.pc == pc {
                                r.state = State::Waiting;
                            }
                            return;
                        }
                        Admission::Skip => unreachable!("only an operation skips"),
                        Admission::Reject(fault) => {
                            let m = at_mut(&mut self.cx.meters, i);
                            m.rejected += 1;
                            m.present.leave(now);
                            if !self.raise(slot, fault, self.scope_at[pc as usize]) {
                                return;
                            }
                            pc = self.cx.requests[slot].pc;
                        }
                    }
                }
                Instr::Leave { frame, sel, comp } => {
                    let visit = self.visit(slot, comp, sel, frame, NONE);
                    pc += 1;
                    self.close_visit(visit, Outcome::Done);
                    if self.cx.requests[slot].flags & (INTERRUPTED | RETURNED) != 0 {
                        self.cx.requests[slot].pc = pc;
                        if self.sleeps(slot) {
                            return self.stall(slot);
                        }
                        // Code that only returns does not look whether it was interrupted.
                        let returns = matches!(at(self.code, pc), Instr::Leave { .. });
                        if !returns && self.heeds(slot) {
                            return;
                        }
                    }
                }
                Instr::Hold { site } => {
                    let after = self.cx.sample_site(site, slot);
                    return self.cx.hold_at(slot, pc + 1, after);
                }
                Instr::Op {
                    op,
                    frame,
                    sel,
                    comp,
                    jump,
                } => {
                    self.cx.requests[slot].pc = pc;
                    match self.operate(slot, pc, op, frame, sel, comp, jump) {
                        Some(next) => pc = next,
                        None => return,
                    }
                }
                Instr::Branch { table, site } => {
                    let u = self.cx.draws_at(site, slot).unit();
                    let t = &self.tables[table as usize];
                    let i = t
                        .cumulative
                        .iter()
                        .position(|c| u < *c)
                        .unwrap_or(t.targets.len() - 1);
                    pc = t.targets[i];
                }
                Instr::Jump { pc: to } => {
                    if to <= pc && self.spins() {
                        return self.cx.hold_at(slot, pc, 0);
                    }
                    pc = to;
                }
                Instr::Repeat { frame, site, exit } => {
                    let rounds = self.draw_rounds(site, slot);
                    if rounds == 0 {
                        pc = exit;
                    } else {
                        let f = self.cx.requests.frame_index(slot, frame);
                        *self.cx.requests.frame(f) = Frame {
                            start: rounds,
                            word: 0,
                        };
                        pc += 1;
                    }
                }
                Instr::Again { frame, body } => {
                    let f = self.cx.requests.frame_index(slot, frame);
                    let Frame {
                        start: rounds,
                        word: done,
                    } = *self.cx.requests.frame(f);
                    let level = self.loops_around(self.scope_at[pc as usize]);
                    let more = done + 1 < rounds;
                    if more && self.spins() {
                        return self.cx.hold_at(slot, pc, 0);
                    }
                    let r = &mut self.cx.requests[slot];
                    r.key ^= round_key(level, done);
                    if more {
                        r.key ^= round_key(level, done + 1);
                        pc = body;
                        self.cx.requests.frame(f).word = done + 1;
                    } else {
                        pc += 1;
                    }
                }
                Instr::Fork { frame, table } => return self.fork(slot, pc, frame, table),
                Instr::Join { frame } => return self.join(slot, frame, None),
                Instr::Reply { frame } => {
                    self.reply(slot, frame);
                    pc += 1;
                }
                Instr::Fail { fault, site } => {
                    let share = self.draw_share(site, slot);
                    if self.cx.draws_at(site, slot).unit() < share {
                        self.cx.requests[slot].pc = pc;
                        if !self.raise(slot, Fault::from_index(fault), self.scope_at[pc as usize]) {
                            return;
                        }
                        pc = self.cx.requests[slot].pc;
                    } else {
                        pc += 1;
                    }
                }
                Instr::Begin => {
                    if !self.begin(slot) {
                        return;
                    }
                    pc = self.cx.requests[slot].pc;
                }
                Instr::Rest => return self.rest(slot),
                Instr::End => {
                    if !self.finish(slot, None) {
                        return;
                    }
                    pc = self.cx.requests[slot].pc;
                }
            }
        }
    }

    /// An operation of a component's own; where the request goes on, if it does.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn operate(
        &mut self,
        slot: u32,
        pc: u32,
        op: u8,
        frame: u16,
        sel: u16,
        comp: u32,
        jump: u32,
    ) -> Option<u32> {
        // An operation that draws keeps its site where others keep their jump.
        let visit = self.visit(slot, comp, sel, frame, jump);
        let next = match self.components[visit.instance as usize].op(op, visit, &mut self.cx) {
            Admission::Proceed => pc + 1,
            Admission::Serve(d) => {
                self.cx.hold_at(slot, pc + 1, d);
                return None;
            }
            Admission::Skip => jump,
            Admission::Wait => {
                let r = &mut self.cx.requests[slot];
                if r.pc == pc {
                    r.state = State::Waiting;
                }
                return None;
            }
            Admission::Reject(fault) => {
                if !self.raise(slot, fault, self.scope_at[pc as usize]) {
                    return None;
                }
                self.cx.requests[slot].pc
            }
        };
        if self.cx.is_frozen(slot) {
            self.cx.requests[slot].pc = next;
            if self.stands_still(slot) {
                return None;
            }
        }
        Some(next)
    }

    fn draw_share(&self, site: u32, slot: u32) -> f64 {
        let s = &self.cx.sites[site as usize];
        match &s.sampler {
            Some(sampler) => {
                let key = self.cx.requests[slot].key;
                self.cx
                    .sample_number(sampler, &mut crate::random::Draws::new(s.purpose, !key))
            }
            None => self.cx.recorded(site, slot).unwrap_or(1.0),
        }
    }

    fn draw_rounds(&self, site: u32, slot: u32) -> u64 {
        let s = &self.cx.sites[site as usize];
        match &s.sampler {
            Some(sampler) => {
                let mut draws = self.cx.draws_at(site, slot);
                libm::round(self.cx.sample_number(sampler, &mut draws)).max(0.0) as u64
            }
            None => self.cx.recorded(site, slot).map_or(1, |n| libm::round(n) as u64),
        }
    }

    /// Whether what comes next is a server's connector: a paused process does not hear a request that comes from
    /// outside, but its kernel does.
    #[cold]
    fn knocks(&self, mut pc: u32) -> bool {
        while let Instr::Enter { comp, .. } = self.code[pc as usize] {
            match &self.components[comp as usize] {
                Instance::ThreadPool(_) => return true,
                // The heap of the process is entered with the process itself.
                Instance::Heap(_) => pc += 1,
                _ => return false,
            }
        }
        false
    }

    /// Whether a request stands still because its process is paused. The end of a service outside of it goes on: the server is free
    /// then, and the process hears of it later.
    #[inline(always)]
    pub(super) fn stands_still(&mut self, slot: u32) -> bool {
        self.cx.is_frozen(slot) && self.stops(slot)
    }

    #[cold]
    #[inline(never)]
    fn stops(&mut self, slot: u32) -> bool {
        let goes_on = self.is_served_outside(slot);
        match goes_on {
            true => self.cx.requests[slot].flags |= RETURNED,
            false => self.stall(slot),
        }
        !goes_on
    }

    /// Whether what comes next is the end of a service outside of the request's process.
    fn is_served_outside(&self, slot: u32) -> bool {
        let pc = self.cx.requests[slot].pc;
        let (Instr::Leave { comp, .. } | Instr::Op { comp, .. }) = self.code[pc as usize] else {
            return false;
        };
        // Who comes from steps of its own has held the server itself.
        match self.code[pc.saturating_sub(1) as usize] {
            Instr::Enter { comp: before, .. } | Instr::Op { comp: before, .. } if before == comp => {}
            _ => return false,
        }
        let layout = &self.model.layout;
        match self.components[comp as usize] {
            Instance::External(_) => true,
            Instance::Station(_) => !layout.placed_in.contains_key(&layout.owner[comp as usize]),
            _ => false,
        }
    }

    /// The request's process is paused: it goes on when the pause ends.
    pub(super) fn stall(&mut self, slot: u32) {
        let home = self.cx.requests[slot].home as usize;
        self.cx.requests[slot].state = State::Stalled;
        let mut line = self.cx.replicas[home].stalled;
        line.push_back(&mut self.cx.requests, slot);
        self.cx.replicas[home].stalled = line;
    }

    #[inline(always)]
    fn close_visit(&mut self, visit: Visit, outcome: Outcome) {
        let now = self.cx.now();
        let start = self.cx.requests.frame(visit.frame).start;
        let m = at_mut(&mut self.cx.meters, visit.instance);
        m.present.leave(now);
        match outcome {
            Outcome::Done => m.completed += 1,
            Outcome::Failed(_) => m.failed += 1,
            Outcome::Cancelled => m.cancelled += 1,
        }
        let t = m.times;
        at_mut(&mut self.cx.times, t).visit.record(now.nanos() - start);
        at_mut(&mut self.components, visit.instance).leave(visit, outcome, &mut self.cx);
    }

    /// Raises a fault in a request: its scopes are closed from `scope` outwards until one catches it.
    /// Says whether the request runs on.
    pub(super) fn raise(&mut self, slot: u32, fault: Fault, mut scope: u32) -> bool {
        loop {
            if scope == NONE {
                return self.finish(slot, Some(fault));
            }
            let s = self.scopes[scope as usize];
            match s.kind {
                ScopeKind::Visit {
                    comp,
                    frame,
                    sel,
                    site,
                    body,
                    end,
                    catches,
                } => {
                    let visit = self.visit(slot, comp, sel, frame, site);
                    if catches && !self.is_over(slot, s.parent) {
                        match self.components[visit.instance as usize].caught(visit, fault, &mut self.cx) {
                            Caught::Propagate => {}
                            Caught::Again(after) => {
                                self.cx.requests[slot].pc = body;
                                self.cx.hold(slot, after);
                                return false;
                            }
                            Caught::Absorb => {
                                self.cx.requests[slot].pc = end;
                                self.close_visit(visit, Outcome::Done);
                                return true;
                            }
                            Caught::GiveUp => {
                                self.cx.requests[slot].pc = end;
                                self.close_visit(visit, Outcome::Failed(fault));
                                return true;
                            }
                        }
                    }
                    self.close_visit(visit, Outcome::Failed(fault));
                    if self.cx.requests[slot].flags & RETURNED != 0 && self.sleeps(slot) {
                        // It stands before the visit, where the scope around it is open.
                        self.cx.requests[slot].pc = body - 1;
                        self.fail_later(slot, fault);
                        return false;
                    }
                }
                ScopeKind::Loop { frame, .. } => self.leave_loop(slot, frame, scope),
                ScopeKind::Fork { frame, cancels, .. } => self.leave_children(slot, frame, cancels),
                ScopeKind::Try { on, target } => {
                    if on.contains(fault) && !self.is_over(slot, s.parent) {
                        self.cx.requests[slot].pc = target;
                        return true;
                    }
                }
                ScopeKind::Child { frame } => {
                    self.join(slot, frame, Some(fault));
                    return false;
                }
            }
            scope = s.parent;
        }
    }

    /// Whether a request has come back from a call into a process that is paused, which notices it later.
    #[cold]
    #[inline(never)]
    fn sleeps(&mut self, slot: u32) -> bool {
        let r = &mut self.cx.requests[slot];
        let returned = r.flags & RETURNED != 0;
        r.flags &= !RETURNED;
        returned && self.cx.is_frozen(slot)
    }

    /// The fault is raised when the pause of the request's process is over.
    pub(super) fn fail_later(&mut self, slot: u32, fault: Fault) {
        let r = &mut self.cx.requests[slot];
        r.flags |= FAILING;
        r.fault = fault as u8;
        self.stall(slot);
    }

    fn leave_loop(&mut self, slot: u32, frame: u16, scope: u32) {
        let f = self.cx.requests.frame_index(slot, frame);
        let done = self.cx.requests.frame(f).word;
        let level = self.loops_around(scope);
        self.cx.requests[slot].key ^= round_key(level, done);
    }

    /// How many loops are open around and in this scope; it keeps the rounds of nested loops apart.
    fn loops_around(&self, scope: u32) -> u32 {
        let loops = self
            .around(scope)
            .filter(|s| matches!(s.kind, ScopeKind::Loop { .. }));
        loops.count() as u32
    }

    /// A jump backwards: says whether there were so many at one instant that the model makes no headway, and stops
    /// the run in that case.
    pub(super) fn spins(&mut self) -> bool {
        let now = self.cx.nanos();
        if self.spun.0 != now {
            self.spun = (now, 0);
        }
        self.spun.1 += 1;
        if self.spun.1 < MOST_SPINS {
            return false;
        }
        self.stop(Stopped::Events);
        true
    }

    /// Closes a request's scopes from where it is up to and including the one with `until`, without asking anybody;
    /// `until` of `NONE` closes all. Returns the scope around the last one closed.
    pub(super) fn unwind(&mut self, slot: u32, until: u32) -> u32 {
        let pc = self.cx.requests[slot].pc;
        let mut scope = self.scope_at[pc as usize];
        self.detach_from_wait(slot, pc);
        while scope != NONE {
            let s = self.scopes[scope as usize];
            match s.kind {
                ScopeKind::Visit {
                    comp,
                    frame,
                    sel,
                    site,
                    ..
                } => {
                    let visit = self.visit(slot, comp, sel, frame, site);
                    if visit.frame == until {
                        return scope;
                    }
                    self.close_visit(visit, Outcome::Cancelled);
                }
                ScopeKind::Loop { frame, .. } => self.leave_loop(slot, frame, scope),
                ScopeKind::Fork { frame, cancels, .. } => self.leave_children(slot, frame, cancels),
                ScopeKind::Child { .. } | ScopeKind::Try { .. } => {}
            }
            scope = s.parent;
        }
        NONE
    }

    /// A visit ends before its scope was opened: its time counts, its bucket is for the caller to choose.
    pub(super) fn leave_waiting(&mut self, visit: Visit) -> &mut crate::kernel::Meter {
        let now = self.cx.now();
        let start = self.cx.requests.frame(visit.frame).start;
        let m = &mut self.cx.meters[visit.instance as usize];
        m.present.leave(now);
        self.cx.times[m.times as usize].visit.record(now.nanos() - start);
        m
    }

    /// Takes a request out of whatever it waits in; its scopes stay open.
    pub(super) fn detach_from_wait(&mut self, slot: u32, pc: u32) {
        match self.cx.requests[slot].state {
            State::Waiting => {
                if let Instr::Enter {
                    frame,
                    sel,
                    comp,
                    site,
                } = self.code[pc as usize]
                {
                    let visit = self.visit(slot, comp, sel, frame, site);
                    // One that was refused at this instant stands in no line any more.
                    if self.cx.requests[slot].flags & FAILING == 0 {
                        self.components[visit.instance as usize].cancel(visit, &mut self.cx);
                    }
                    self.leave_waiting(visit).cancelled += 1;
                } else if let Instr::Op { frame, sel, comp, .. } = self.code[pc as usize] {
                    let visit = self.visit(slot, comp, sel, frame, NONE);
                    self.components[visit.instance as usize].cancel(visit, &mut self.cx);
                }
            }
            State::Stalled => {
                let home = self.cx.requests[slot].home as usize;
                let mut line = self.cx.replicas[home].stalled;
                line.remove(&mut self.cx.requests, slot);
                self.cx.replicas[home].stalled = line;
            }
            State::Holding | State::Joining | State::Ready | State::Free => {}
        }
        let r = &mut self.cx.requests[slot];
        r.ticket = 0;
        r.flags &= !FAILING;
        r.state = State::Ready;
    }
}
