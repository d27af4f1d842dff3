//! What the sums find that is probably not meant.

use std::collections::BTreeSet;

use super::sums::Sums;
use super::text::{rate, seconds, significant};
use super::walk::Crowd;
use super::{Calculation, Groups, Load, Stream};
use crate::component::{ComponentId, counted};
use crate::diagnostic::Severity;
use crate::document::Value;
use crate::model::Change;
use crate::model::check::{quoted, words};
use crate::model::workload::{Arrivals, WorkloadPlan};

impl Calculation<'_> {
    fn called(&self, id: ComponentId) -> String {
        let entry = &self.model.components[id.0 as usize];
        format!("{} `{}`", words(entry.kind), entry.name)
    }

    fn place(&self, id: ComponentId, key: &str) -> Option<crate::diagnostic::Span> {
        let entry = &self.model.components[id.0 as usize];
        self.span(&[entry.kind, &entry.name, key])
    }

    /// Components of which open workloads ask more than there is.
    pub fn overloaded(&mut self, loads: &[Load], open: &Sums) {
        let peaks = |w: &WorkloadPlan| match &w.arrivals {
            Arrivals::Poisson(p) | Arrivals::Paced { rate: p, .. } => super::changes(p),
            _ => w.duration.is_some(),
        };
        let passes = self.model.workloads.iter().any(|w| !w.is_closed() && peaks(w));
        let so = if passes {
            "while the load is at its peak"
        } else {
            "without bound"
        };
        for load in loads {
            let i = load.component.0 as usize;
            let need = self.need(i, open);
            if need < load.capacity * (1.0 - 1e-9) || self.found.cancelled.contains(&load.component) {
                continue;
            }
            let facts = &self.facts[i];
            let name = self.model.components[i].name.clone();
            let senders = self.senders(i);
            let limited = self.found.limited.contains(&load.component);
            let full = facts.bounded && facts.places > load.capacity;
            let end = match (facts.patience, facts.bounded || facts.rate.is_some()) {
                (_, _) if facts.feed.is_some() => format!("the lag of `{name}` grows {so}"),
                (_, _) if facts.link.is_some() => {
                    "records wait in the producer until `delivery-timeout` or `max-block` ends that"
                        .to_owned()
                }
                (_, _) if self.collected(i).is_some() => "collections would take all of the time".to_owned(),
                (None, _) if senders.is_some_and(|s| s <= facts.places) && !limited => format!(
                    "the queue of `{name}` grows until all of the {} virtual users are in it, and then iterations are dropped",
                    significant(senders.unwrap_or_default())
                ),
                (Some((p, _)), _) if p.nanos() == 0 => "the rest is turned away".to_owned(),
                (Some((p, key)), _) => format!("whoever waits longer than `{key}` of {p} fails"),
                (None, bounded) if limited && (!bounded || facts.places > 10.0 * load.capacity) => {
                    format!("the queue of `{name}` grows until the time limit around it ends the waits")
                }
                (None, true) if full => format!(
                    "the queue of `{name}` grows until {} are inside, and the rest is turned away",
                    significant(facts.places)
                ),
                (None, true) => "the rest is turned away".to_owned(),
                (None, false) if self.found.ranked.contains(&load.component) => {
                    format!("the queue of `{name}` grows {so}, that of the largest `priority` first")
                }
                (None, false) if facts.unit == "cores" => format!("work on `{name}` piles up {so}"),
                (None, false) => format!("the queue of `{name}` grows {so}"),
            };
            let text = format!(
                "offered load {} of capacity {}: {end}",
                significant(need),
                significant(load.capacity)
            );
            let span = self.place(load.component, "");
            let kind = self.called(load.component);
            let sum = load.sum.clone();
            self.warn("overload", text, span)
                .notes
                .push(format!("{kind}: {sum}"));
        }
    }

    /// How many virtual users send all that comes to a component, if there is a limit to their number.
    fn senders(&self, i: usize) -> Option<f64> {
        let all = self.model.workloads.iter().zip(&self.comes);
        let here = all.filter(|(w, visited)| !w.is_closed() && visited[i]);
        let all: Option<f64> = here.map(|(w, _)| w.users.map(|u| f64::from(u.max))).sum();
        all.filter(|all| *all > 0.0)
    }

    /// Whether the timeline changes what was counted with.
    fn changes_later(&self) -> bool {
        let mut all = self.model.timeline.iter();
        all.any(|h| matches!(h.what, Change::Adopt { .. }))
    }

    /// A throughput that the objective wants and the workloads cannot give.
    pub fn wished(&mut self) {
        if self.changes_later() {
            return;
        }
        let wishes: Vec<(f64, String, String)> = self
            .model
            .objectives
            .iter()
            .filter(|o| o.figure == "throughput" && !o.below)
            .map(|o| (o.bound, o.subject.clone(), o.text.clone()))
            .collect();
        for (wish, subject, text) in wishes {
            let flow = subject.strip_prefix("flow.");
            let share = |stream: &Stream| {
                let w = self.model.workloads.iter().find(|w| w.name == stream.name);
                w.map_or(0.0, |w| match flow {
                    None => 1.0,
                    Some(f) => {
                        let of = |m: &&(u16, f64)| self.model.flows[m.0 as usize].name == f;
                        let share = w.mix.iter().find(of).map_or(0.0, |m| m.1);
                        // Those of other flows may fail, and leave more to this one.
                        let closed = stream.users.is_some() || w.users.is_some();
                        if stream.fails && closed && share > 0.0 {
                            1.0
                        } else {
                            share
                        }
                    }
                })
            };
            let reached: f64 = self.streams.iter().map(|s| s.most * share(s)).sum();
            if reached * (1.0 + 1e-9) >= wish {
                continue;
            }
            let notes: Vec<String> = self.streams.iter().filter(|s| share(s) > 0.0).map(|s| match &s.users {
                None => format!("workload `{}` offers {}", s.name, rate(s.most)),
                Some(u) if u.by_number <= s.most => format!(
                    "workload `{}`: a population of {} with think time {} sends at most {} / ({} + {}) = {}",
                    s.name, significant(u.number), seconds(u.think), significant(u.number),
                    seconds(u.sure), seconds(u.think), rate(u.by_number)),
                Some(u) => match u.by_capacity {
                    Some((id, most)) => format!("workload `{}`: {} carries at most {}", s.name, self.called(id), rate(most)),
                    None => format!("workload `{}` reaches at most {}", s.name, rate(s.most)),
                },
            }).collect();
            let span = match flow {
                Some(f) => self.span(&["objective", f, "throughput"]),
                None => self.span(&["objective", "throughput"]),
            };
            let text = format!("`{text}` cannot be reached: at most {} come", rate(reached));
            self.warn("out-of-reach", text, span).notes = notes;
        }
    }

    /// Response times that the objective wants of users who are answered no faster than their number and the capacity
    /// allow: N / X - Z (Little's law over a user's whole cycle).
    pub fn hurried(&mut self) {
        let [
            Stream {
                name,
                most,
                fails: false,
                users: Some(users),
                ..
            },
        ] = self.streams.as_slice()
        else {
            return;
        };
        // Who fails, may do so at once, and the answers to the others come the sooner for it.
        if users.paced || *most <= 0.0 || !users.steady || self.changes_later() {
            return;
        }
        let least = users.number / most - users.think;
        let sum = format!(
            "workload `{name}`: {} users / {} - {} = {}",
            significant(users.number),
            rate(*most),
            seconds(users.think),
            seconds(least)
        );
        let flows = self.model.workloads.first().map_or(0, |w| w.mix.len());
        let wishes: Vec<(f64, String, String, f64)> = self
            .model
            .objectives
            .iter()
            .filter(|o| o.below && (flows == 1 || o.subject == "system"))
            .filter_map(|o| {
                let share = match o.figure.strip_prefix("response_time_")? {
                    "mean" | "max" => 1.0,
                    "p50" => 0.5,
                    "p90" => 0.9,
                    "p95" => 0.95,
                    "p99" => 0.99,
                    _ => 0.999,
                };
                Some((o.bound, o.subject.clone(), o.text.clone(), share))
            })
            .collect();
        for (wish, subject, text, share) in wishes {
            if wish >= least {
                continue;
            }
            let tail = (least - share * wish) / (1.0 - share);
            let end = match share {
                1.0 => String::new(),
                _ => format!(
                    ", and then the slowest {} % would take {} on average",
                    significant(100.0 * (1.0 - share)),
                    seconds(tail)
                ),
            };
            let term = text.split(' ').next().unwrap_or_default();
            let span = match subject.strip_prefix("flow.") {
                Some(f)
                    if self
                        .model
                        .document
                        .get(&format!("objective.{}", quoted(f)))
                        .is_some() =>
                {
                    self.span(&["objective", f, term])
                }
                _ => self.span(&["objective", term]),
            };
            let text = format!(
                "`{text}` is out of reach: the mean is at least {}{end}",
                seconds(least)
            );
            self.warn("out-of-reach", text, span).notes.push(sum.clone());
        }
    }

    /// Pools that add up to more than their server accepts.
    pub fn pools(&mut self) {
        let mut groups: Groups<ComponentId, (u64, f64, String)> = Groups::new();
        for (i, entry) in self.model.components.iter().enumerate() {
            let path = [entry.kind, entry.name.as_str(), "to"];
            let to = self.span(&path[..2]).and_then(|_| {
                let path: Vec<String> = path.iter().map(|p| super::quoted(p)).collect();
                self.model.document.get(&path.join("."))
            });
            let Some(Value::String(server)) = to.map(|t| &t.value) else {
                continue;
            };
            let Some(server) = self.find("database", server) else {
                continue;
            };
            let (Some(size), Some(_)) = (entry.plan.capacity(), self.model.components[server].plan.seats())
            else {
                continue;
            };
            let instances = self.model.layout.instances(ComponentId(i as u32)) as u64;
            let group = groups.entry(ComponentId(server as u32)).or_default();
            group.push((instances, size, entry.name.clone()));
        }
        for (server, pools) in groups {
            let seats = self.model.components[server.0 as usize]
                .plan
                .seats()
                .unwrap_or(u64::MAX) as f64;
            let all: f64 = pools.iter().map(|p| p.0 as f64 * p.1).sum();
            if all <= seats {
                continue;
            }
            let terms: Vec<String> = pools
                .iter()
                .map(|p| match p.0 {
                    1 => format!("{} (`{}`)", significant(p.1), p.2),
                    n => format!("{n} × {} (`{}`)", significant(p.1), p.2),
                })
                .collect();
            let count: u64 = pools.iter().map(|p| p.0).sum();
            let text = format!(
                "the pools of {} may open {} connections, and it accepts {}",
                self.called(server),
                significant(all),
                significant(seats)
            );
            let span = self.place(server, "max-connections");
            let d = self.warn("too-many-connections", text, span);
            d.notes
                .push(format!("{} = {}", terms.join(" + "), significant(all)));
            let alike = pools.iter().all(|p| p.1 == pools[0].1);
            let fewer = match alike {
                true => format!(
                    "{} each fit",
                    counted(&format!("{}", (seats / count as f64) as u64), "connections")
                ),
                false => "make the pools smaller".to_owned(),
            };
            d.help.push(format!(
                "{fewer}, or set `max-connections` to at least {}",
                significant(all)
            ));
        }
    }

    /// A permit that is held while another one of the same component is wanted.
    pub fn nested(&mut self) {
        let nested = std::mem::take(&mut self.found.nested);
        for (id, n) in nested {
            let facts = &self.facts[id.0 as usize];
            let what = self.called(id);
            if facts.hottest.is_some() {
                let text = format!("{what} is taken again by a request that holds a key of it");
                let d = self.warn("deadlock", text, Some(n.span));
                d.help.push(
                    "requests that take two keys in opposite orders wait for each other: take one at a time"
                        .into(),
                );
                continue;
            }
            let Some(size) = self.model.components[id.0 as usize].plan.capacity() else {
                continue;
            };
            let crowd: f64 = n.crowds.values().sum();
            let safe = crowd * (n.depth - 1) as f64 + 1.0;
            if size >= safe {
                continue;
            }
            let unit = facts.unit;
            let end = match facts.patience {
                Some((p, key)) => format!("until `{key}` of {p} is over"),
                None => "for ever".to_owned(),
            };
            let text = format!(
                "a request may hold {} {unit} of {what} at once: with {} of them, requests that hold one and want another can wait for each other {end}",
                n.depth,
                significant(size)
            );
            let by: Vec<String> = n
                .crowds
                .keys()
                .map(|c| match c {
                    Crowd::Component(c) => self.called(ComponentId(*c)),
                    Crowd::Source(s) => match self.model.workloads.get(*s as usize) {
                        Some(w) => format!("workload `{}`", w.name),
                        None => self.called(ComponentId(*s - self.model.workloads.len() as u32)),
                    },
                })
                .collect();
            let help = if crowd.is_finite() {
                format!(
                    "the smallest size that cannot: {} × ({} - 1) + 1 = {}, for the {} that {} lets in",
                    significant(crowd),
                    n.depth,
                    significant(safe),
                    significant(crowd),
                    by.join(" and ")
                )
            } else {
                "no size is safe, because nothing limits how many requests hold one; take what is needed at once, or give the inner step a pool of its own".to_owned()
            };
            self.warn("deadlock", text, Some(n.span)).help.push(help);
        }
    }

    /// Components acquired in one order here and in the other there.
    pub fn order(&mut self) {
        let order = std::mem::take(&mut self.found.order);
        let mut told = BTreeSet::new();
        for (&(a, b), span) in &order {
            if a < b
                && let Some(other) = order.get(&(b, a))
                && told.insert((a, b))
            {
                let text = format!(
                    "{} is acquired by requests that hold {}, and the other way round elsewhere: they can wait for each other",
                    self.called(b),
                    self.called(a)
                );
                let place = format!("the other order stands at byte {}", other.start);
                let line = self
                    .model
                    .document
                    .source
                    .get(..other.start)
                    .map(|s| s.matches('\n').count() + 1);
                let place = line.map_or(place, |l| format!("the other order stands in line {l}"));
                let d = self.warn("deadlock", text, Some(span.clone()));
                d.notes.push(place);
                d.help.push("acquire them in the same order everywhere".into());
            }
        }
    }

    /// Waits and limits that outlast the ones around them.
    pub fn inversions(&mut self) {
        for i in std::mem::take(&mut self.found.inversions) {
            let what = self.called(i.component);
            let (inner, outer) = (seconds(i.seconds), seconds(i.outer.seconds));
            if i.held {
                let text = format!(
                    "{what} may take {inner} (`{}`) while {} is held, where others give up after {outer}",
                    i.key, i.outer.who
                );
                let d = self.warn("inverted-timeouts", text, Some(i.span));
                d.severity = Severity::Note;
            } else {
                let text = format!(
                    "{what} may take {inner} (`{}`), and {} leaves after {outer}: work goes on after its caller left",
                    i.key, i.outer.who
                );
                self.warn("inverted-timeouts", text, Some(i.span))
                    .help
                    .push(format!(
                        "make `{}` shorter than {outer}, or the outer limit longer",
                        i.key
                    ));
            }
        }
    }
}
