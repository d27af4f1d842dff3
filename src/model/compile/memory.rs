//! The memory that steps allocate.

use std::collections::{BTreeMap, BTreeSet};

use super::{Compiler, Here};
use crate::component::ComponentId;
use crate::diagnostic::Span;
use crate::distribution::Law;
use crate::model::step::{Step, What};

impl Compiler<'_> {
    /// Steps of which some may run apart from their request, in branches or under a limit of time. What runs apart has memory
    /// of its own, which it frees when it ends.
    pub(super) fn steps_with_memory(&mut self, steps: &[Step], here: &Here) {
        let service = here.services.last().map(|s| s.0);
        let heap = service.and_then(|s| self.heaps.get(&s)).copied();
        let without = |heap: &ComponentId| self.asm.visit_frame(self.layout.bases[heap.0 as usize]).is_none();
        let Some(heap) = heap.filter(|h| without(h) && self.allocates(steps, &mut BTreeSet::new())) else {
            return self.steps(steps, here);
        };
        let plan = self.components[heap.0 as usize].plan.clone();
        let span = steps.first().map_or(0..0, |s| s.span.clone());
        if let Some(step) = self.use_step(heap, None, BTreeMap::new(), true, here, &span) {
            self.lowered(|me, lowering| plan.lower(&step, lowering, &mut |l| me.steps_in(steps, here, l)));
        }
    }

    /// Whether steps allocate in the heap of the service where they stand, branches of theirs aside. Each flow that is called is
    /// looked at once.
    fn allocates<'s>(&'s self, steps: &'s [Step], seen: &mut BTreeSet<&'s str>) -> bool {
        steps.iter().any(|step| match &step.what {
            What::Cpu { allocates, .. } => allocates.is_some(),
            What::Use { steps, .. } | What::Repeat { steps, .. } | What::Each(steps) => {
                self.allocates(steps, seen)
            }
            What::Choose { branches, .. } => branches.iter().any(|b| self.allocates(&b.1, seen)),
            What::Try { steps, instead, .. } => self.allocates(steps, seen) || self.allocates(instead, seen),
            What::Call { flow } if seen.insert(&flow.value) => {
                let called = self.flows.iter().find(|f| f.name == flow.value && f.at.is_none());
                called.is_some_and(|f| self.allocates(&f.steps, seen))
            }
            _ => false,
        })
    }

    pub(super) fn allocate(&mut self, law: &Law, here: &Here, span: &Span) {
        let Some((service, _)) = here.services.last() else {
            self.sink
                .error(span.clone(), "no-heap", "`allocates` outside any service")
                .help("memory belongs to a process: give the flow a service, as in `at = \"NAME\"`");
            return;
        };
        let Some(heap) = self.heaps.get(service).copied() else {
            let name = self.components[service.0 as usize].name.clone();
            self.sink
                .warning(
                    span.clone(),
                    "no-heap",
                    format!("service `{name}` has no heap: what is allocated has no effect"),
                )
                .help(format!("add [heap.jvm] with in = \"{name}\""));
            return;
        };
        let Some(place) = self.place(heap, here, span) else {
            return;
        };
        let Some(frame) = self.asm.visit_frame(place.base) else {
            return;
        };
        let site = self.site(format!("{}/allocates", here.path), Some(law.clone()));
        self.asm.op_at(place.base, place.sel, frame, 0, site, "allocate");
    }
}
