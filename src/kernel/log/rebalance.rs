//! Who of a group reads which partition: assignment, and how it changes hands when members come and go.
//!
//! By the **eager** protocol the group stands still from the moment a member comes or goes until every living member has
//! come to its next poll; then all partitions are dealt out anew. By the **cooperative** one (KIP-429) members keep what they have
//! and go on; each joins at its next poll, and when the last one has, partitions of those who are gone are dealt out at once, while
//! one that must move is first taken from its owner. Then all join once more, so that the old owner has committed what it had in hand
//! before the new one begins.
//!
//! A crashed member counts until its session ends: nobody can join for it, so a rebalance that begins before waits for that. A
//! process that is paused joins when it goes on.

use super::{Assignment, Log};
use crate::kernel::Replica;
use crate::kernel::request::Requests;
use crate::kernel::{Context, NONE};
use std::ops::Range;

impl Log {
    /// Deals all partitions out among the living members; everybody reads on from what is committed.
    pub(super) fn assign(&mut self, group: u32) {
        let g = &mut self.groups[group as usize];
        g.assigned = true;
        for m in &mut g.members {
            m.ready.clear();
            m.taken = 0;
            m.available = 0;
            m.forget_fetch();
            m.joined = false;
        }
        let alive: Vec<u32> = (0..g.members.len() as u32)
            .filter(|m| g.members[*m as usize].alive)
            .collect();
        let (partitions, c) = (self.partitions.len(), alive.len());
        for p in 0..partitions {
            g.owner[p] = match (c, g.assignment) {
                (0, _) => NONE,
                (_, Assignment::RoundRobin | Assignment::CooperativeSticky) => alive[p % c],
                (_, Assignment::Range) => {
                    let (each, more) = (partitions / c, partitions % c);
                    let longer = (each + 1) * more;
                    alive[if p < longer {
                        p / (each + 1)
                    } else {
                        more + (p - longer) / each
                    }]
                }
            };
            g.position[p] = g.committed[p];
            g.queued[p] = g.owner[p] != NONE && g.committed[p] < self.partitions[p].end;
            if g.queued[p] {
                let m = &mut g.members[g.owner[p] as usize];
                m.ready.push_back(p as u32);
                m.available += self.partitions[p].end - g.committed[p];
            }
        }
    }
}

impl Log {
    /// One round of the cooperative protocol, in which everybody has joined; says whether another one must follow,
    /// because partitions were taken from their owners.
    fn assign_cooperatively(&mut self, group: u32) -> bool {
        let g = &mut self.groups[group as usize];
        let mut owned: Vec<Vec<u32>> = vec![Vec::new(); g.members.len()];
        let mut free = Vec::new();
        for (p, owner) in g.owner.iter_mut().enumerate() {
            match g.members.get(*owner as usize) {
                Some(m) if m.alive => owned[*owner as usize].push(p as u32),
                _ => {
                    *owner = NONE;
                    g.queued[p] = false;
                    free.push(p as u32);
                }
            }
        }
        for m in g.members.iter_mut().filter(|m| !m.alive) {
            m.ready.clear();
            (m.taken, m.available) = (0, 0);
            m.forget_fetch();
        }
        let mut alive: Vec<u32> = (0..g.members.len() as u32)
            .filter(|m| g.members[*m as usize].alive)
            .collect();
        if alive.is_empty() {
            return false;
        }
        // Those who have most keep one more where shares cannot be equal.
        alive.sort_by_key(|m| (usize::MAX - owned[*m as usize].len(), *m));
        let (each, mut more) = (g.owner.len() / alive.len(), g.owner.len() % alive.len());
        let mut revoked = false;
        let mut wants = Vec::new();
        for m in alive {
            let extra = usize::from(more > 0);
            more -= extra;
            let mine = &owned[m as usize];
            let share = each + extra;
            for p in mine.iter().skip(share) {
                revoked = true;
                let i = *p as usize;
                g.owner[i] = NONE;
                g.queued[i] = false;
                let m = &mut g.members[m as usize];
                m.ready.retain(|r| r != p);
                m.available -= self.partitions[i].end - g.position[i];
                m.buffered = m.buffered.min(m.available);
            }
            wants.push((m, share.saturating_sub(mine.len())));
        }
        // What nobody has goes out in turn; what was taken just now waits for the next round.
        let mut free = free.into_iter();
        while wants.iter().any(|w| w.1 > 0) {
            for (m, n) in wants.iter_mut().filter(|w| w.1 > 0) {
                let Some(p) = free.next() else {
                    return revoked;
                };
                *n -= 1;
                let i = p as usize;
                g.owner[i] = *m;
                g.position[i] = g.committed[i];
                g.queued[i] = g.committed[i] < self.partitions[i].end;
                if g.queued[i] {
                    let m = &mut g.members[*m as usize];
                    m.ready.push_back(p);
                    m.available += self.partitions[i].end - g.committed[i];
                }
            }
        }
        revoked
    }
}

impl Context {
    /// Deals the partitions of a group out at the start of the run, once all its members are there.
    pub fn first_assignment(&mut self, log: u32, group: u32) {
        let log = &mut self.logs[log as usize];
        if !log.groups[group as usize].assigned {
            log.assign(group);
        }
    }

    /// Members that are not there at the start of the run; to be called before [`Context::first_assignment`].
    pub fn leave_out(&mut self, log: u32, group: u32, members: Range<u32>) {
        let g = &mut self.logs[log as usize].groups[group as usize];
        members.for_each(|m| g.members[m as usize].alive = false);
    }

    /// A member waits in its poll until so many records are there. If the group rebalances it joins there.
    pub fn wait_in_poll(&mut self, log: u32, group: u32, member: u32, slot: u32, wants: u64) {
        let g = &mut self.logs[log as usize].groups[group as usize];
        g.members[member as usize].waiting = slot;
        g.members[member as usize].wants = wants;
        if g.rebalancing.is_some() && runs(&self.requests, &self.replicas, slot) {
            g.members[member as usize].joined = true;
        }
    }

    /// A member's poll is cut short; the request that waited in it, if one did.
    pub fn leave_poll(&mut self, log: u32, group: u32, member: u32) -> u32 {
        let m = &mut self.logs[log as usize].groups[group as usize].members[member as usize];
        std::mem::replace(&mut m.waiting, NONE)
    }

    /// A process goes on after a pause: those who wait in their polls join a rebalance that has begun meanwhile.
    pub fn join_late(&mut self, log: u32, group: u32, members: Range<u32>) {
        let g = &mut self.logs[log as usize].groups[group as usize];
        if g.rebalancing.is_none() {
            return;
        }
        for m in members {
            let m = &mut g.members[m as usize];
            m.joined |= m.waiting != NONE;
        }
        self.finish_rebalance(log, group);
    }

    /// A member that waits in its poll looks again what is there.
    pub fn look_again(&mut self, log: u32, group: u32, member: u32) {
        let m = &mut self.logs[log as usize].groups[group as usize].members[member as usize];
        let slot = std::mem::replace(&mut m.waiting, NONE);
        if slot != NONE {
            self.again(slot);
        }
    }

    /// Members leave: partitions are dealt out anew when each living one has come to its next poll.
    pub fn depart(&mut self, log: u32, group: u32, members: Range<u32>) {
        self.rebalance(log, group, members, false);
    }

    /// Members come, likewise. Says whether they are the first of an empty group, which then waits for more until
    /// [`Context::gathered`].
    #[must_use]
    pub fn join(&mut self, log: u32, group: u32, members: Range<u32>) -> bool {
        self.rebalance(log, group, members, true)
    }

    fn rebalance(&mut self, log: u32, group: u32, members: Range<u32>, alive: bool) -> bool {
        let now = self.nanos();
        let g = &mut self.logs[log as usize].groups[group as usize];
        if !alive && members.clone().all(|m| !g.members[m as usize].alive) {
            return false;
        }
        let first = alive && g.ghosts == 0 && g.members.iter().all(|m| !m.alive);
        g.newcomers |= alive && g.gathering;
        if first {
            g.ghosts += 1;
            g.gathering = true;
        }
        for m in members {
            let m = &mut g.members[m as usize];
            m.alive = alive;
            m.joined = false;
            if !alive {
                m.waiting = NONE;
            }
        }
        if g.rebalancing.is_none() {
            g.rebalancing = Some(now);
            g.rebalances += 1;
        }
        for m in &mut g.members {
            // Who waits in its poll joins at once.
            m.joined |= runs(&self.requests, &self.replicas, m.waiting);
        }
        self.finish_rebalance(log, group);
        first
    }

    /// Whether members have come since the last look to a group that waits for more.
    pub fn newcomers(&mut self, log: u32, group: u32) -> bool {
        std::mem::take(&mut self.logs[log as usize].groups[group as usize].newcomers)
    }

    /// A group that was empty waits for no more members.
    pub fn gathered(&mut self, log: u32, group: u32) {
        self.logs[log as usize].groups[group as usize].gathering = false;
        self.forget_ghost(log, group);
    }

    /// Members whose process is new take none of what the old one owned. If the group still counts the old ones, it does so until
    /// [`Context::forget_ghost`].
    #[must_use]
    pub fn replace(&mut self, log: u32, group: u32, members: Range<u32>, ghost: bool) -> bool {
        let g = &mut self.logs[log as usize].groups[group as usize];
        g.ghosts += u32::from(ghost);
        for (owner, queued) in g.owner.iter_mut().zip(&mut g.queued) {
            if members.contains(owner) {
                (*owner, *queued) = (NONE, false);
            }
        }
        for m in members.clone() {
            let m = &mut g.members[m as usize];
            m.ready.clear();
            (m.taken, m.available) = (0, 0);
            m.forget_fetch();
        }
        self.join(log, group, members)
    }

    /// The session of members that were replaced has ended.
    pub fn forget_ghost(&mut self, log: u32, group: u32) {
        self.logs[log as usize].groups[group as usize].ghosts -= 1;
        self.finish_rebalance(log, group);
    }

    /// Members that the group knows by name are back: they read on from what they have committed.
    pub fn resume(&mut self, log: u32, group: u32, members: Range<u32>) {
        let l = &mut self.logs[log as usize];
        let g = &mut l.groups[group as usize];
        for m in members.clone() {
            let m = &mut g.members[m as usize];
            m.ready.clear();
            (m.taken, m.available, m.joined) = (0, 0, false);
            m.forget_fetch();
        }
        for (p, owner) in g.owner.iter().enumerate().filter(|(_, o)| members.contains(o)) {
            let left = l.partitions[p].end - g.committed[p];
            g.position[p] = g.committed[p];
            g.queued[p] = left > 0;
            if left > 0 {
                let m = &mut g.members[*owner as usize];
                m.ready.push_back(p as u32);
                m.available += left;
            }
        }
    }

    /// Deals partitions out if everybody has joined; by the eager protocol the rebalance is over then.
    pub fn finish_rebalance(&mut self, log: u32, group: u32) {
        let now = self.nanos();
        let l = &mut self.logs[log as usize];
        let mut dealt = false;
        loop {
            let g = &mut l.groups[group as usize];
            let Some(since) = g.rebalancing else { break };
            if g.ghosts > 0 || g.members.iter().any(|m| m.alive && !m.joined) {
                break;
            }
            dealt = true;
            let again = match g.assignment {
                Assignment::CooperativeSticky => l.assign_cooperatively(group),
                _ => {
                    l.assign(group);
                    false
                }
            };
            let g = &mut l.groups[group as usize];
            if !again {
                g.rebalancing = None;
                g.rebalance_time += now - since;
            }
            for m in &mut g.members {
                // Who waits in its poll has nothing in hand and joins the next round at once.
                m.joined = again && runs(&self.requests, &self.replicas, m.waiting);
            }
        }
        if !dealt {
            return;
        }
        // Who was given something goes on, also while others have yet to join another round.
        for m in &mut l.groups[group as usize].members {
            if m.waiting != NONE && m.available > 0 {
                let slot = std::mem::replace(&mut m.waiting, NONE);
                crate::kernel::context::try_again(&mut self.requests, &mut self.effects, slot);
            }
        }
    }
}

/// Whether a request waits, and its process is not paused.
fn runs(requests: &Requests, replicas: &[Replica], slot: u32) -> bool {
    if slot == NONE {
        return false;
    }
    let home = requests[slot].home;
    home == NONE || replicas[home as usize].frozen == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(log: &Log, member: u32) -> Vec<usize> {
        let owner = &log.groups[0].owner;
        (0..owner.len()).filter(|p| owner[*p] == member).collect()
    }

    #[test]
    fn cooperation_keeps_shares_even_and_moves_no_more_than_it_must() {
        let mut log = Log::new(0, 7, 1024);
        let g = log.group(9, Assignment::CooperativeSticky) as usize;
        for _ in 0..3 {
            log.groups[g].add_member();
        }
        log.assign(0);
        assert_eq!(owned(&log, 0), [0, 3, 6]);
        // One goes: what it had is dealt out at once, and nobody else loses anything.
        log.groups[g].members[1].alive = false;
        assert!(!log.assign_cooperatively(0));
        assert_eq!(owned(&log, 0), [0, 1, 3, 6]);
        assert_eq!(owned(&log, 2), [2, 4, 5]);
        // It is back: two partitions are taken in one round and given in the next.
        log.groups[g].members[1].alive = true;
        assert!(log.assign_cooperatively(0));
        assert_eq!(
            (owned(&log, 0).len(), owned(&log, 1).len(), owned(&log, 2).len()),
            (3, 0, 2)
        );
        assert!(!log.assign_cooperatively(0));
        assert_eq!(
            (owned(&log, 0).len(), owned(&log, 1).len(), owned(&log, 2).len()),
            (3, 2, 2)
        );
        assert_eq!(owned(&log, 1), [5, 6]);
    }

    /// One round among two of three members, the first two, who have this.
    fn round(owner: [u32; 6]) -> (Vec<u32>, bool, Log) {
        let mut log = Log::new(0, 6, 1024);
        let group = log.group(9, Assignment::CooperativeSticky);
        for _ in 0..3 {
            log.groups[group as usize].add_member();
        }
        log.groups[0].members[2].alive = false;
        log.groups[0].owner = owner.to_vec();
        let again = log.assign_cooperatively(group);
        (log.groups[0].owner.clone(), again, log)
    }

    #[test]
    fn what_nobody_has_goes_out_in_turn_until_each_has_its_share() {
        let (owner, again, log) = round([1, 1, NONE, NONE, NONE, NONE]);
        assert_eq!((owner, again), (vec![1, 1, 1, 0, 0, 0], false));
        // There is nothing in them to be read.
        assert_eq!(log.groups[0].queued, [false; 6]);
        assert!(log.groups[0].members.iter().all(|m| m.ready.is_empty()));
        // What belonged to one that is gone is free at once.
        assert_eq!(round([2, 2, 2, 0, 0, 0]).0, [1, 1, 1, 0, 0, 0]);
    }
}
