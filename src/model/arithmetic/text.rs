//! The sums as text.

use super::{Arithmetic, Stream};
use crate::model::{Change, Happening, Model};
use crate::quantity::SimDuration;

/// Three significant digits.
pub fn significant(x: f64) -> String {
    if !x.is_finite() {
        return "infinitely many".into();
    }
    if x == 0.0 {
        return "0".into();
    }
    let before = if x.abs() >= 1.0 {
        (x.abs() as u64).to_string().len() as i32
    } else {
        0
    };
    let mut decimals = (3 - before).max(0) as usize;
    let mut small = x.abs();
    while before == 0 && small < 0.1 && decimals < 12 {
        small *= 10.0;
        decimals += 1;
    }
    let text = format!("{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

pub fn rate(per_second: f64) -> String {
    format!("{}/s", significant(per_second))
}

pub fn seconds(s: f64) -> String {
    if s.is_finite() {
        format!("{:.3}", SimDuration::from_secs_f64(s))
    } else {
        "an infinite time".into()
    }
}

/// Bytes in the largest unit that leaves a number above one.
pub fn bytes(b: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut scaled = b;
    for unit in units {
        if scaled < 1000.0 {
            return format!("{} {unit}", significant(scaled));
        }
        scaled /= 1000.0;
    }
    format!("{} PB", significant(scaled))
}

pub fn percent(share: f64) -> String {
    let p = 100.0 * share;
    if p >= 10.0 || p == 0.0 {
        format!("{p:.0} %")
    } else {
        format!("{} %", significant((p * 10.0).round().max(1.0) / 10.0))
    }
}

impl Stream {
    fn told(&self, model: &Model) -> String {
        let least = if self.at_least { "at least " } else { "" };
        let mut took = format!(
            "a request takes {least}{} without waiting",
            seconds(self.response)
        );
        let Some(users) = &self.users else {
            let staged = model.workloads.iter().find(|w| w.name == self.name);
            let peak = staged.is_some_and(|w| match &w.arrivals {
                super::Arrivals::Poisson(p) | super::Arrivals::Paced { rate: p, .. } => super::changes(p),
                _ => false,
            });
            let peak = if peak { " at the peak" } else { "" };
            let fewer = match self.rate < self.written {
                true => format!(", of which its virtual users can send {}", rate(self.rate)),
                false => String::new(),
            };
            return format!("{}: {}{peak}{fewer}; {took}", self.name, rate(self.written));
        };
        if users.sure < self.response * (1.0 - 1e-9) {
            took.push_str(&format!(
                ", and at least {} until it is answered or given up",
                seconds(users.sure)
            ));
        }
        let cycle = match (users.paced, users.think) {
            (_, 0.0) => seconds(users.sure),
            (true, think) => format!("max({}, {})", seconds(users.sure), seconds(think)),
            (false, think) => format!("({} + {})", seconds(users.sure), seconds(think)),
        };
        let number = significant(users.number);
        let mut text = format!("{}: {number} users; {took}", self.name);
        if users.by_number.is_finite() {
            let most = rate(users.by_number);
            text.push_str(&format!("\n  at most {most} by their number: {number} / {cycle}"));
        }
        let subject = |id: crate::component::ComponentId| model.components[id.0 as usize].subject();
        if let Some((id, most)) = users.by_capacity {
            text.push_str(&format!("\n  at most {} by {}", rate(most), subject(id)));
            let knee = match users.paced {
                true => most * users.sure.max(users.think),
                false => most * (users.sure + users.think),
            };
            if let Some((places, held)) = users.kept {
                let places = significant(places);
                let held = seconds(held);
                text.push_str(&format!(
                    ", whose connections users keep while they think: {places} / {held}"
                ));
            } else if knee.is_finite() && most > 0.0 && users.about.is_none() {
                let users = crate::component::counted(&significant(knee.ceil()), "users");
                text.push_str(&format!(", for which {users} are needed at least"));
            }
        }
        if let Some((id, most)) = users.about {
            text.push_str(&format!(
                "\n  about {}, or more, by {}: not all that is counted there has to be done for each answer",
                rate(most),
                subject(id)
            ));
        }
        text
    }
}

/// That the timeline changes what was counted with.
fn later(model: &Model) -> Vec<String> {
    let sets = |h: &&Happening| matches!(h.what, Change::Adopt { .. }) && h.at > 0;
    let stops = |h: &&Happening| matches!(h.what, Change::Stop { .. });
    let first = |which: &dyn Fn(&&Happening) -> bool| {
        let found = model.timeline.iter().filter(which).map(|h| h.at).min()?;
        Some(seconds(found as f64 * 1e-9))
    };
    let set =
        first(&sets).map(|at| format!("The timeline sets keys from {at} on; all of this is before then."));
    let stop = first(&stops).map(|at| {
        format!("The timeline stops replicas from {at} on; all of this counts each of them as running.")
    });
    set.into_iter().chain(stop).collect()
}

impl Arithmetic {
    /// The sums as a table for people.
    pub fn table(&self, model: &Model) -> String {
        let mut out =
            String::from("What arithmetic says; waiting is not counted, so times held are lower bounds\n\n");
        for stream in &self.streams {
            out.push_str(&stream.told(model));
            out.push('\n');
        }
        if self.loads.is_empty() {
            for line in self.assumed.iter().cloned().chain(later(model)) {
                out.push_str(&format!("\n{line}\n"));
            }
            return out;
        }
        out.push('\n');
        let name = |s: &str| s.chars().count();
        let wide = self.loads.iter().map(|l| name(&l.subject)).max().unwrap_or(0);
        let sums = self.loads.iter().map(|l| name(&l.sum)).max().unwrap_or(0);
        for load in &self.loads {
            let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(name(text)));
            let used = percent(load.utilisation());
            out.push_str(&format!(
                "{}{}  {}{}  {}{used}\n",
                load.subject,
                pad(&load.subject, wide),
                load.sum,
                pad(&load.sum, sums),
                pad(&used, 6),
            ));
        }
        let last = self.last_line().into_iter();
        let last = last
            .chain(self.scaling.iter().cloned())
            .chain(self.assumed.iter().cloned())
            .chain(later(model));
        for line in last {
            out.push('\n');
            out.push_str(&line);
            out.push('\n');
        }
        out
    }

    /// The sums in one line: what limits the users of a closed workload, or what saturates first.
    pub fn headline(&self, model: &Model) -> String {
        let limits = self.streams.iter().filter_map(|s| {
            let users = s.users.as_ref()?;
            let subject = |id: crate::component::ComponentId| model.components[id.0 as usize].subject();
            Some(match (users.about, users.by_capacity) {
                (Some((id, most)), _) => {
                    format!("{}: about {} or more by {}", s.name, rate(most), subject(id))
                }
                (None, Some((id, most))) => format!("{}: at most {} by {}", s.name, rate(most), subject(id)),
                (None, None) => return None,
            })
        });
        let limits: Vec<String> = limits.collect();
        match limits.is_empty() {
            true => self
                .last_line()
                .unwrap_or_else(|| "nothing is limited".to_owned()),
            false => limits.join("; "),
        }
    }

    /// What saturates first, and when.
    fn last_line(&self) -> Option<String> {
        let first = self.loads.first()?;
        let ratio = 1.0 / first.utilisation();
        if self.streams.iter().any(|s| s.users.is_some()) {
            return Some(format!("The least room is at {}.", first.subject));
        }
        let total: f64 = self.streams.iter().map(|s| s.rate).sum();
        let written: f64 = self.streams.iter().map(|s| s.written).sum();
        let load = match total < written {
            true => format!("what can be sent of the {} written", rate(written)),
            false => "this load".to_owned(),
        };
        if self.bends {
            return Some(format!(
                "{} has the least room, up to about {}: with more lookups a second fewer of them miss.",
                first.subject,
                rate(total * ratio)
            ));
        }
        if first.cancelled {
            return Some(format!(
                "{} has the least room, up to {} or more: what is cut short takes less than counted here.",
                first.subject,
                rate(total * ratio)
            ));
        }
        Some(if ratio >= 1.0 {
            format!(
                "{} saturates first, at {} at the latest: {} times {load}.",
                first.subject,
                rate(total * ratio),
                significant(ratio)
            )
        } else {
            let offered = match total < written {
                true => format!(
                    "{} that can be sent of the {} written",
                    rate(total),
                    rate(written)
                ),
                false => format!("{} offered", rate(total)),
            };
            format!(
                "{} is asked for more than it has: it saturates at {} of the {offered}.",
                first.subject,
                rate(total * ratio),
            )
        })
    }
}
