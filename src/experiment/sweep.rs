//! The grid on all threads. Work is handed out in grid order and gathered in the order of replications, so the
//! results do not depend on who finished first.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::collect::{Collected, Collector};
use super::finish::{Done, Finished, finish, key, summary};
use super::replicate::{PILOTS, Pilot, pilot, replicate, transient};
use super::{Experiment, PointPlan, WarmUp};
use crate::engine::Stopped;
use crate::engine::observe::Observations;
use crate::statistics::{Precision, relative_precision};

/// How finished points outlive the process.
pub trait Store: Sync {
    /// What an earlier run stored for a point with this key.
    fn load(&self, key: &str) -> Option<Collected>;
    /// Stores a finished point.
    fn save(&self, key: &str, collected: &Collected);
}

/// A store that keeps nothing.
pub struct Forget;

impl Store for Forget {
    fn load(&self, _: &str) -> Option<Collected> {
        None
    }
    fn save(&self, _: &str, _: &Collected) {}
}

/// How the work is done, none of which reaches the results.
pub struct Control<'a> {
    /// Threads; zero for one a core.
    pub threads: usize,
    /// Once true, nothing new is begun.
    pub stop: &'a AtomicBool,
    /// Wall-clock time after which nothing new is begun and what runs is given up.
    pub wall: Option<Duration>,
    pub store: &'a dyn Store,
    /// Told after each replication.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Work done and work in all, in events as far as they are known.
    pub done: f64,
    pub total: f64,
    pub points_done: usize,
    pub points: usize,
}

/// Why there are no results.
#[derive(Debug)]
pub enum Failure {
    /// An identity that must hold does not.
    Bug(String),
    /// The threads could not be started.
    Threads(String),
}

/// A point under way.
struct Slot {
    stage: Stage,
    pilots: Vec<Pilot>,
    collector: Collector,
    /// Replications handed out, and how many there shall be.
    next: u32,
    target: u32,
    /// Replications that came before those in front of them.
    waiting: BTreeMap<u32, Observations>,
    /// The replication that the wall clock ended, with its number.
    cut_short: Option<(u32, Observations)>,
    finished: Option<Finished>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next pilot can be handed out.
    Pilot,
    /// A pilot runs.
    Piloting,
    Running,
    Done,
}

enum Job {
    Pilot { point: usize, number: u32 },
    Replicate { point: usize, number: u32, warm_up: u64 },
}

struct State {
    slots: Vec<Slot>,
    /// All points before this one are done.
    first: usize,
    running: usize,
    broken: Option<String>,
    cut: bool,
}

struct Shared<'a> {
    experiment: &'a Experiment,
    control: &'a Control<'a>,
    kept: Vec<(String, String)>,
    deadline: Option<Instant>,
    state: Mutex<State>,
    news: Condvar,
}

/// Carries out an experiment.
///
/// # Errors
/// When the threads cannot be started, or when a run breaks an identity that only a bug can break.
pub fn carry_out(experiment: &Experiment, control: &Control) -> Result<Done, Failure> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for figure in experiment.expectations.iter().filter_map(|e| e.compared()) {
        if !kept.contains(figure) {
            kept.push(figure.clone());
        }
    }
    let mut resumed = 0;
    let slots = experiment
        .points
        .iter()
        .map(|plan| {
            let mut slot = Slot::new(plan);
            if let Some(collected) = control.store.load(&key(plan)) {
                resumed += 1;
                slot.stage = Stage::Done;
                slot.finished = Some(finish(plan, collected, &kept));
            }
            slot
        })
        .collect();
    let shared = Shared {
        experiment,
        control,
        kept,
        deadline: control.wall.map(|w| Instant::now() + w),
        state: Mutex::new(State {
            slots,
            first: 0,
            running: 0,
            broken: None,
            cut: false,
        }),
        news: Condvar::new(),
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(control.threads)
        .build()
        .map_err(|why| Failure::Threads(why.to_string()))?;
    pool.broadcast(|_| shared.work());
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(broken) = state.broken {
        return Err(Failure::Bug(broken));
    }
    let mut slots = state.slots;
    let whole = slots.iter().any(|s| s.finished.is_some()) || slots.is_empty();
    if !whole && let Some(at) = slots.iter().position(Slot::has_something) {
        // Nothing is finished: what there is of the first point is better than nothing, and says what it is.
        let plan = &experiment.points[at];
        let collected = slots[at].so_far(plan.settings.confidence);
        slots[at].finished = Some(finish(plan, collected, &shared.kept));
    }
    let finished = slots.into_iter().filter_map(|s| s.finished).collect();
    Ok(summary(experiment, finished, whole, resumed))
}

fn collector(plan: &PointPlan, warm_up: u64, transient_lasts: bool) -> Collector {
    Collector::new(warm_up, transient_lasts, plan.changes_by_plan())
}

impl Slot {
    fn new(plan: &PointPlan) -> Slot {
        let warm_up = match plan.settings.warm_up {
            WarmUp::Told(nanos) => Some(nanos),
            WarmUp::Nothing => Some(0),
            WarmUp::Find => None,
        };
        Slot {
            stage: if warm_up.is_some() {
                Stage::Running
            } else {
                Stage::Pilot
            },
            pilots: Vec::new(),
            collector: collector(plan, warm_up.unwrap_or(0), false),
            next: 0,
            target: plan.settings.replications,
            waiting: BTreeMap::new(),
            cut_short: None,
            finished: None,
        }
    }
}

impl Slot {
    fn has_something(&self) -> bool {
        self.collector.replications() > 0 || self.cut_short.is_some()
    }

    /// The replications that were finished, or as far as the first one came.
    fn so_far(&mut self, confidence: f64) -> Collected {
        let mut collector = std::mem::take(&mut self.collector);
        if collector.replications() == 0
            && let Some((_, seen)) = self.cut_short.take()
        {
            collector.add(seen);
        }
        collector.finish(true, confidence)
    }
}

impl Shared<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one thread does until nothing is left.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let over = self.deadline.is_some_and(|d| Instant::now() >= d);
            if self.control.stop.load(Ordering::Relaxed) || over || state.broken.is_some() || state.cut {
                return;
            }
            let Some(job) = state.take() else {
                if state.running == 0 {
                    return;
                }
                // A stop does not ring, hence the short sleep.
                let nap = Duration::from_millis(50);
                state = self
                    .news
                    .wait_timeout(state, nap)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            };
            state.running += 1;
            drop(state);
            // A thread that panicked would leave the others waiting for ever.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.run(&job)))
                .unwrap_or_else(|_| Err(self.name_of(&job) + " panicked"));
            state = self.lock();
            state.running -= 1;
            match outcome {
                Err(broken) => state.broken = Some(broken),
                Ok(None) => state.cut = true,
                Ok(Some(Ran::CutShort(seen))) => {
                    state.cut = true;
                    if let Job::Replicate { point, number, .. } = job {
                        state.slots[point].cut_short.get_or_insert((number, *seen));
                    }
                }
                Ok(Some(Ran::Pilot(pilot))) => self.piloted(&mut state, &job, pilot),
                Ok(Some(Ran::Seen(seen))) => state = self.replicated(state, &job, *seen),
            }
            self.news.notify_all();
        }
    }

    fn run(&self, job: &Job) -> Result<Option<Ran>, String> {
        let wall = self.deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let points = &self.experiment.points;
        let outcome = match *job {
            Job::Pilot { point, number } => {
                let ran = pilot(&points[point], number, wall);
                ran.map(|p| (!p.cut).then_some(Ran::Pilot(p)))
            }
            Job::Replicate {
                point,
                number,
                warm_up,
            } => {
                let ran = replicate(&points[point], number, warm_up, wall);
                ran.map(|o| {
                    let cut = o.stopped == Some(Stopped::Wall);
                    let o = Box::new(o);
                    Some(if cut { Ran::CutShort(o) } else { Ran::Seen(o) })
                })
            }
        };
        outcome.map_err(|broken| format!("{}: {}", self.name_of(job), broken.0))
    }

    /// What it takes to run the job again.
    fn name_of(&self, job: &Job) -> String {
        let (point, number) = match job {
            Job::Pilot { point, number } => (*point, format!("pilot {number}")),
            Job::Replicate { point, number, .. } => (*point, format!("replication {number}")),
        };
        let plan = &self.experiment.points[point];
        let place = if plan.label.is_empty() {
            String::new()
        } else {
            format!(" at {}", plan.label)
        };
        format!("{number}{place} with seed {}", plan.settings.seed)
    }

    fn piloted(&self, state: &mut State, job: &Job, pilot: Pilot) {
        let Job::Pilot { point, .. } = *job else { return };
        let plan = &self.experiment.points[point];
        let slot = &mut state.slots[point];
        slot.pilots.push(pilot);
        let found = transient(&slot.pilots, plan);
        if found.is_none() && (slot.pilots.len() as u32) < PILOTS {
            slot.stage = Stage::Pilot;
            return;
        }
        // Without an end of the transient a tenth is cut off and the verdict says so.
        let warm_up = found.unwrap_or(plan.settings.duration / 10);
        slot.collector = collector(plan, warm_up, found.is_none());
        slot.stage = Stage::Running;
    }

    fn replicated<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        job: &Job,
        seen: Observations,
    ) -> MutexGuard<'s, State> {
        let Job::Replicate { point, number, .. } = *job else {
            return state;
        };
        let plan = &self.experiment.points[point];
        let slot = &mut state.slots[point];
        slot.waiting.insert(number, seen);
        while let Some(seen) = slot.waiting.remove(&slot.collector.replications()) {
            slot.collector.add(seen);
        }
        let complete = slot.collector.replications() == slot.target;
        if complete {
            match more(plan, &slot.collector) {
                More::To(target) => slot.target = target,
                More::Nothing { converged } => {
                    slot.stage = Stage::Done;
                    let collector = std::mem::take(&mut slot.collector);
                    slot.pilots = Vec::new();
                    state.running += 1;
                    drop(state);
                    let collected = collector.finish(converged, plan.settings.confidence);
                    self.control.store.save(&key(plan), &collected);
                    let finished = finish(plan, collected, &self.kept);
                    state = self.lock();
                    state.running -= 1;
                    state.slots[point].finished = Some(finished);
                }
            }
        }
        let progress = state.progress();
        drop(state);
        (self.control.progress)(progress);
        self.lock()
    }
}

enum Ran {
    Pilot(Pilot),
    Seen(Box<Observations>),
    /// A replication that the wall clock ended.
    CutShort(Box<Observations>),
}

impl State {
    /// The next piece of work in grid order.
    fn take(&mut self) -> Option<Job> {
        while self.slots.get(self.first).is_some_and(|s| s.stage == Stage::Done) {
            self.first += 1;
        }
        for point in self.first..self.slots.len() {
            let slot = &mut self.slots[point];
            match slot.stage {
                Stage::Pilot => {
                    slot.stage = Stage::Piloting;
                    let number = slot.pilots.len() as u32;
                    return Some(Job::Pilot { point, number });
                }
                Stage::Running if slot.next < slot.target => {
                    let number = slot.next;
                    slot.next += 1;
                    let warm_up = slot.collector.warm_up();
                    return Some(Job::Replicate {
                        point,
                        number,
                        warm_up,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// Work done and to do, a point whose events are unknown counted like the mean of the others.
    fn progress(&self) -> Progress {
        let mut known = (0.0, 0u32);
        let each: Vec<(f64, u32, u32, bool)> = self
            .slots
            .iter()
            .map(|s| {
                let (events, n) = match &s.finished {
                    Some(f) => (f.events as f64, s.target),
                    None => (s.collector.events() as f64, s.collector.replications()),
                };
                let finished = s.stage == Stage::Done;
                let per = if n > 0 { events / f64::from(n) } else { 0.0 };
                if n > 0 {
                    known = (known.0 + per, known.1 + 1);
                }
                (per, if finished { s.target } else { n }, s.target, finished)
            })
            .collect();
        let usual = if known.1 > 0 {
            known.0 / f64::from(known.1)
        } else {
            1.0
        };
        let mut out = Progress {
            done: 0.0,
            total: 0.0,
            points_done: 0,
            points: each.len(),
        };
        for (per, n, target, finished) in each {
            let per = if per > 0.0 { per } else { usual };
            out.done += per * f64::from(n);
            out.total += per * f64::from(target.max(n));
            out.points_done += usize::from(finished);
        }
        out
    }
}

enum More {
    To(u32),
    Nothing { converged: bool },
}

/// Whether the wished precision needs more replications, from the figures alone.
fn more(plan: &PointPlan, collector: &Collector) -> More {
    let Some(goal) = &plan.settings.precision else {
        return More::Nothing { converged: true };
    };
    let n = collector.replications();
    let answer = collector
        .estimate(&goal.subject, &goal.name, goal.confidence)
        .and_then(|e| relative_precision(&e, goal.within));
    match answer {
        Ok(Precision::Converged) => More::Nothing { converged: true },
        _ if n >= goal.max_replications => More::Nothing { converged: false },
        Ok(Precision::NotConverged {
            needed_replications, ..
        }) => {
            // The forecast is rough: never more than doubled, never less than a quarter more.
            let least = n + n.div_ceil(4);
            let wished = needed_replications.map_or(2 * n, |k| k.min(2 * n as usize) as u32);
            More::To(wished.max(least).min(goal.max_replications))
        }
        Err(_) => More::To((2 * n).max(2).min(goal.max_replications)),
    }
}
