//! Whom a passed time limit speaks against: the replicas whose answers were awaited.

use super::Engine;
use crate::kernel::{NONE, Visit};
use crate::program::ScopeKind;

impl Engine<'_> {
    /// A time limit over the scope with the frame `until` has passed, or over all of the request if there is none: the
    /// balancers of the outermost calls inside are told, in the words of `op`. Calls inside those were made by others, who still wait.
    pub(super) fn blame(&mut self, slot: u32, until: u32, op: u8) {
        let scope = self.scope_at[self.cx.requests[slot].pc as usize];
        let (mut call, mut fork): (Option<Visit>, Option<u16>) = (None, None);
        for s in self.around(scope) {
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
                        break;
                    }
                    if self.is_balancer(comp) {
                        call = Some(visit);
                    }
                }
                ScopeKind::Fork { frame, .. } => fork = Some(frame),
                ScopeKind::Loop { .. } | ScopeKind::Child { .. } | ScopeKind::Try { .. } => {}
            }
        }
        if let Some(visit) = call {
            self.components[visit.instance as usize].op(op, visit, &mut self.cx);
        } else if let Some(frame) = fork {
            let mut child = self.first_child(slot, frame);
            while child != NONE {
                self.blame(child, NONE, op);
                child = self.next_child(child, frame);
            }
        }
    }
}
