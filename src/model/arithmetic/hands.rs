//! What components' own threads do.

use super::Calculation;
use super::sums::Sums;
use super::text::{seconds, significant};
use super::walk::Walk;
use crate::component::ComponentId;

/// A component's own threads and what they do for one thing that is left for them.
pub struct Hands {
    pub id: ComponentId,
    pub from: ComponentId,
    pub each: Sums,
}

impl Calculation<'_> {
    /// What components' own threads do, of those that live on what others leave.
    pub fn hands(&mut self) -> Vec<Hands> {
        let mut list = Vec::new();
        for (i, entry) in self.model.components.iter().enumerate() {
            let Some(feed) = &self.facts[i].feed else { continue };
            let id = ComponentId(i as u32);
            let source = (self.model.workloads.len() + i) as u32;
            let crowd = feed.threads as f64;
            let mut walk = Walk::new(self.model, self.facts, &mut self.found, source, crowd);
            walk.batch = feed.batch;
            walk.at(entry.service);
            let (attempts, wait) = feed.attempts;
            let time = match self.model.agent_steps.get(&id) {
                Some(steps) => walk.tries(steps, 1.0 / feed.batch, attempts, |_| wait).time,
                None => 0.0,
            };
            let mut each = walk.sums;
            let go = time + feed.pause;
            if let Some((goes, limit)) = feed.poll
                && go * goes > limit.as_secs_f64()
            {
                let text = format!(
                    "consumer `{}` needs {} × {} = {} for a full poll, and leaves its group after {}: what it has in hand is processed twice",
                    entry.name,
                    significant(goes),
                    seconds(go),
                    seconds(go * goes),
                    seconds(limit.as_secs_f64())
                );
                let span = self.span(&["consumer", &entry.name, "max-poll-records"]);
                let help = "lower `max-poll-records`, or raise `max-poll-interval`";
                self.warn("slow-poll", text, span).help.push(help.into());
            }
            let places = feed.from.and_then(|f| self.facts[f.0 as usize].partitions);
            let threads = feed.threads * u64::from(self.model.layout.instances(id));
            if let Some(places) = places.filter(|p| threads > *p) {
                let text = format!(
                    "consumer `{}` has {threads} threads, and its topic {}: the rest stay idle",
                    entry.name,
                    crate::component::counted(&places.to_string(), "partitions")
                );
                let span = self.span(&["consumer", &entry.name, "concurrency"]);
                self.warn("idle-threads", text, span);
            }
            each.busy[i] += go / feed.batch;
            if feed.from.is_some() {
                each.visits[i] += 1.0;
            }
            if let Some(to) = feed.to {
                each.visits[to.0 as usize] += 1.0;
            }
            list.push(Hands {
                id,
                from: feed.from.unwrap_or(id),
                each,
            });
        }
        list
    }

    /// What is left for components' own threads becomes their work, and what they leave for others in turn.
    pub fn propagate(&mut self, hands: &[Hands], handled: &mut [f64]) {
        for _ in 0..=hands.len() {
            for (h, done) in hands.iter().zip(handled.iter_mut()) {
                let more = self.total.visits[h.from.0 as usize] - *done;
                if more > 0.0 {
                    *done += more;
                    self.total.add(&h.each, more);
                    let from = h.from.0 as usize;
                    self.closed[h.id.0 as usize] |= self.closed[from];
                }
            }
        }
    }
}
