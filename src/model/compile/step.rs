//! One step of a flow becomes instructions.

use std::collections::BTreeMap;

use super::{Compiler, Here};
use crate::component::{self, ComponentId, EACH_BEGIN, EACH_DONE, EACH_NEXT, Plan, Usage};
use crate::diagnostic::{Span, nearest};
use crate::distribution::Law;
use crate::document::{Item, Spanned};
use crate::model::step::{self, Step, What};
use crate::program::{Assembler, Instr};

impl Compiler<'_> {
    /// `outer` names the steps inside a scope, `here` the step itself.
    pub(super) fn step(&mut self, step: &Step, outer: &Here, here: &Here) {
        let span = &step.span;
        match &step.what {
            What::Use {
                component,
                time,
                options,
                steps,
            } => self.use_component(*component, time, options, steps, outer, here, span),
            What::Cpu { time, allocates, on } => self.cpu(time, allocates, *on, here, span),
            What::Query { database, time, cpu } => self.query(*database, time, cpu, here, span),
            What::Delay(law) => {
                let site = self.site(here.path.clone(), Some(law.clone()));
                self.asm.hold(site, component::describe(law));
            }
            What::Call { flow } => self.call(flow, here),
            What::Publish { to, options } => self.publish(*to, options, here, span),
            What::Choose { branches, by_request } => {
                let site = self.site(here.path.clone(), None);
                self.sites[site as usize].by_request = *by_request;
                let weights: Vec<f64> = branches.iter().map(|b| b.0).collect();
                let bodies: Vec<(usize, &Vec<Step>)> = branches.iter().map(|b| &b.1).enumerate().collect();
                let mut asm = std::mem::replace(&mut self.asm, Assembler::new(0));
                asm.choose(&weights, site, bodies, |asm, (i, steps)| {
                    self.branch(asm, i, steps, here)
                });
                self.asm = asm;
            }
            What::Try { steps, instead, on } => {
                let mut inner = here.clone();
                inner.path = format!("{}/else", here.path);
                let mut asm = std::mem::replace(&mut self.asm, Assembler::new(0));
                let bodies = ((steps, outer), (instead, &inner));
                asm.attempt(*on, bodies, |asm, (steps, here)| self.write(asm, steps, here));
                self.asm = asm;
            }
            What::Parallel {
                branches,
                quorum,
                cancels,
            } => {
                let bodies: Vec<(usize, &Vec<Step>)> = branches.iter().enumerate().collect();
                let mut inner = here.clone();
                (inner.reply, inner.batch, inner.transaction) = (None, None, None);
                let mut asm = std::mem::replace(&mut self.asm, Assembler::new(0));
                asm.parallel(*quorum, *cancels, bodies, |asm, (i, steps)| {
                    self.branch(asm, i, steps, &inner)
                });
                self.asm = asm;
            }
            What::Repeat { times, steps } => {
                let site = self.site(here.path.clone(), Some(times.clone()));
                self.sites[site as usize].by_request = true;
                let mut asm = std::mem::replace(&mut self.asm, Assembler::new(0));
                asm.repeat(site, |asm| self.write(asm, steps, outer), "repeat");
                self.asm = asm;
            }
            What::Each(steps) => self.each(steps, here, span),
            What::Reply => match here.reply {
                Some(child) => self.asm.reply(child),
                None => {
                    self.sink
                        .error(
                            span.clone(),
                            "not-here",
                            "`reply` stands where no caller waits for this flow alone",
                        )
                        .help("it belongs into the steps of a flow, outside the branches of `parallel`");
                }
            },
            What::Fail { share, by_request } => {
                let site = self.site(here.path.clone(), share.clone());
                self.sites[site as usize].by_request = *by_request;
                self.asm.emit(
                    Instr::Fail {
                        fault: step::FAIL as u8,
                        site,
                    },
                    "fail",
                );
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn use_component(
        &mut self,
        component: ComponentId,
        time: &Option<Law>,
        options: &BTreeMap<String, Item>,
        steps: &[Step],
        outer: &Here,
        here: &Here,
        span: &Span,
    ) {
        let entry = &self.components[component.0 as usize];
        let usage = if steps.is_empty() {
            Usage::Serve
        } else {
            Usage::Hold
        };
        if let Err(why) = entry.plan.accepts(usage) {
            self.sink
                .error(span.clone(), "wrong-use", format!("`{}`: {why}", entry.name));
            return;
        }
        let plan = entry.plan.clone();
        plan.check_step(options, self.sink);
        let has_steps = !steps.is_empty();
        let Some(u) = self.use_step(component, time.clone(), options.clone(), has_steps, here, span) else {
            return;
        };
        let mut inside = outer.clone();
        if matches!(plan, Plan::TimeLimiter(_)) {
            // A thread of its own.
            (inside.batch, inside.transaction) = (None, None);
        }
        match &plan {
            Plan::ConnectionPool(pool) => inside.pools.push(pool.to),
            Plan::ThreadPool(pool) => inside.served |= pool.is_server(),
            _ => {}
        }
        let begins = matches!(plan, Plan::ConnectionPool(_));
        self.lowered(|me, lowering| {
            plan.lower(&u, lowering, &mut |l| {
                if begins {
                    inside.transaction = Some(l.asm.depth() - 1);
                }
                me.steps_in(steps, &inside, l)
            })
        });
    }

    fn cpu(
        &mut self,
        time: &Law,
        allocates: &Option<Law>,
        on: Option<ComponentId>,
        here: &Here,
        span: &Span,
    ) {
        if let Some(law) = allocates {
            self.allocate(law, here, span);
        }
        let host = match on {
            Some(host) => Some(host),
            None => here.services.last().and_then(|(s, _)| self.hosts.get(s)).copied(),
        };
        let Some(host) = host else {
            let at = here
                .services
                .last()
                .map(|(s, _)| self.components[s.0 as usize].name.clone());
            let mut d = self
                .sink
                .error(span.clone(), "no-host", "no host for this `cpu` step");
            d.help.push(match at {
                Some(service) => format!(
                    "give service `{service}` a host: `host = \"name\"`, or name one here: `on = \"name\"`"
                ),
                None => {
                    "name the host here: `on = \"name\"`, or give the flow a service: `at = \"name\"`".into()
                }
            });
            return;
        };
        self.serve(host, Some(time.clone()), here, span);
    }

    fn query(
        &mut self,
        database: ComponentId,
        time: &Option<Law>,
        cpu: &Option<Law>,
        here: &Here,
        span: &Span,
    ) {
        let plan = self.components[database.0 as usize].plan.clone();
        let Some(u) = self.use_step(database, time.clone(), BTreeMap::new(), cpu.is_some(), here, span)
        else {
            return;
        };
        let host = match &plan {
            Plan::Database(p) if p.own_cores => {
                let name = &self.components[database.0 as usize].name;
                let own = self
                    .components
                    .iter()
                    .position(|c| c.kind == "host" && c.name == *name);
                own.map(|i| ComponentId(i as u32))
            }
            Plan::Database(p) => p.host,
            _ => None,
        };
        // A query outside any pool that may lead there brings a connection of its own.
        let direct = !here.pools.iter().any(|to| to.is_none_or(|to| to == database));
        if cpu.is_some() && host.is_none() {
            let name = self.components[database.0 as usize].name.clone();
            self.sink
                .error(
                    span.clone(),
                    "no-host",
                    format!("database `{name}` has no host for a `cpu` demand"),
                )
                .help("give it cores of its own, `cores = 4`, or a host: `host = \"name\"`");
            return;
        }
        self.lowered(|me, lowering| {
            component::lower_query(&u, direct, lowering, &mut |l| {
                if let (Some(law), Some(host)) = (cpu, host) {
                    let mut inner = here.clone();
                    inner.path = format!("{}/cpu", here.path);
                    std::mem::swap(&mut me.asm, l.asm);
                    std::mem::swap(&mut me.sites, l.sites);
                    me.serve(host, Some(law.clone()), &inner, span);
                    std::mem::swap(&mut me.asm, l.asm);
                    std::mem::swap(&mut me.sites, l.sites);
                }
            });
        });
    }

    fn call(&mut self, flow: &Spanned<String>, here: &Here) {
        let Some(index) = self.flows.iter().position(|f| f.name == flow.value) else {
            let near = nearest(&flow.value, self.flows.iter().map(|f| f.name.as_str()));
            let mut d = self.sink.error(
                flow.span.clone(),
                "unknown-name",
                format!("there is no flow called `{}`", flow.value),
            );
            match near {
                Some(near) => d.label = format!("did you mean `{near}`?"),
                None => {
                    let known: Vec<&str> = self.flows.iter().map(|f| f.name.as_str()).collect();
                    d.help
                        .push(format!("the model has the flows `{}`", known.join("`, `")));
                }
            }
            return;
        };
        if here.flows.contains(&index) {
            let way: Vec<&str> = here
                .flows
                .iter()
                .chain([&index])
                .map(|f| self.flows[*f].name.as_str())
                .collect();
            self.sink
                .error(
                    flow.span.clone(),
                    "call-cycle",
                    format!("flows call each other in a circle: {}", way.join(" → ")),
                )
                .help("a request would never end; end the circle, or use `repeat`");
            return;
        }
        self.flow(index, here);
    }

    fn publish(&mut self, to: ComponentId, options: &BTreeMap<String, Item>, here: &Here, span: &Span) {
        let plan = self.components[to.0 as usize].plan.clone();
        plan.check_step(options, self.sink);
        if self.sink.has_errors() {
            return;
        }
        let Some(u) = self.use_step(to, None, options.clone(), false, here, span) else {
            return;
        };
        self.lowered(|_, lowering| plan.lower(&u, lowering, &mut |_| {}));
    }

    fn each(&mut self, steps: &[Step], here: &Here, span: &Span) {
        let Some((place, frame)) = here.batch else {
            self.sink
                .error(
                    span.clone(),
                    "not-here",
                    "`each` stands where there is nothing to go through",
                )
                .help(
                    "it belongs into the steps of an outbox, or of a consumer with `batch = true`; branches of `parallel` and time limiters may stand inside it, not around it",
                );
            return;
        };
        self.asm
            .op(place.base, place.sel, frame, EACH_BEGIN, "from the first one");
        let next = self
            .asm
            .op(place.base, place.sel, frame, EACH_NEXT, "the next one");
        let top = self.asm.here() - 1;
        let mut inner = here.clone();
        inner.batch = None;
        inner.path = format!("{}/each", here.path);
        self.steps(steps, &inner);
        self.asm
            .op(place.base, place.sel, frame, EACH_DONE, "done with it");
        self.asm.jump_to(top, "on to the next");
        self.asm.land(next);
    }
    fn branch(&mut self, asm: &mut Assembler, index: usize, steps: &[Step], here: &Here) {
        let mut inner = here.clone();
        inner.path = format!("{}/{}", here.path, (b'a' + (index % 26) as u8) as char);
        if index >= 26 {
            inner.path = format!("{}/{index}", here.path);
        }
        std::mem::swap(&mut self.asm, asm);
        self.steps_with_memory(steps, &inner);
        std::mem::swap(&mut self.asm, asm);
    }

    /// Writes steps with an assembler that was lent out.
    fn write(&mut self, asm: &mut Assembler, steps: &[Step], here: &Here) {
        std::mem::swap(&mut self.asm, asm);
        self.steps(steps, here);
        std::mem::swap(&mut self.asm, asm);
    }

    fn serve(&mut self, id: ComponentId, time: Option<Law>, here: &Here, span: &Span) {
        let plan = self.components[id.0 as usize].plan.clone();
        let Some(u) = self.use_step(id, time, BTreeMap::new(), false, here, span) else {
            return;
        };
        self.lowered(|_, lowering| plan.lower(&u, lowering, &mut |_| {}));
    }
}
