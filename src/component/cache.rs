//! A cache: on a hit the steps inside are skipped, on a miss they run and load the value.
//!
//! ```toml
//! [cache.product]
//! in = "order-api"              # one in every replica; without `in` there is one for all
//! key = "zipf(10000, 0.9)"
//! maximum-size = 1000
//! expire-after-write = "10m"
//! single-flight = true          # others wait for a load of the same key
//! ```
//!
//! `{ use = "product", steps = [{ query = "db", time = "20ms" }] }` looks a key up, and loads and stores it on a miss.
//! Instead of real contents a `hit-ratio` may be given. Two caches that are asked for the same thing, as one in the
//! process and one behind it, name it in their steps: `keyed-by = "product id"`.

mod expected;

use std::collections::BTreeMap;

use super::cache_store::{Limits, Policy, Store};
use super::contract::*;
use crate::distribution::{Law, LawUnit, Popularity, PopularitySampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Line, Outcome, Visit};
use crate::quantity::SimTime;

/// As running. A visit's word holds what became of it and its key.
pub struct Cache {
    contents: Contents,
    single_flight: bool,
    /// Keys being loaded, and who waits for each.
    flights: BTreeMap<u64, Line>,
    instance: u32,
    hits: u64,
    misses: u64,
    loads: u64,
    failed_loads: u64,
    waited: u64,
    evictions_before: u64,
    expirations_before: u64,
    /// What the contents took before the run: those bytes are not counted as come.
    bytes_at_first: usize,
}

enum Contents {
    /// A hit is drawn.
    Given(f64),
    Real {
        keys: PopularitySampler,
        store: Store,
    },
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The share of hits, where it is given.
    hit_ratio: f64,
    keys: Option<Popularity>,
    limits: Limits,
    single_flight: bool,
    warm: bool,
    hit_time: Option<Law>,
}

const POLICIES: &[&str] = &["lru", "fifo"];
/// The state of a visit stands above its key.
const KEY: u64 = (1 << 62) - 1;
const HIT: u64 = 1 << 62;
const LOADS: u64 = 2 << 62;
const WAITS: u64 = 3 << 62;
/// No list of weights is longer.
const LONGEST_LIST: u64 = 1 << 20;
/// More keys than this are not put into a cache before the run.
const WARMEST: u64 = 50_000_000;

impl Component for Cache {
    const KIND: &'static str = "cache";
    const ABOUT: &'static str = "skips the steps inside on a hit";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "hit-ratio",
            Form::Share,
            None,
            "share of hits, drawn for each visit; instead of `key`",
        ),
        key(
            "key",
            Form::Text,
            None,
            "how often each key is asked for: `zipf(10000, 0.9)`, `uniform(n)`, `list(3, 2, 1)`",
        ),
        key(
            "policy",
            Form::Choice(POLICIES),
            Some("\"lru\""),
            "which key makes room: least recently used, or first in first out",
        ),
        key(
            "maximum-size",
            Form::Count,
            None,
            "most keys present (Caffeine `maximumSize`: none unless set)",
        ),
        key(
            "expire-after-write",
            Form::Duration,
            None,
            "a key is gone this long after it was stored (Caffeine `expireAfterWrite`, Redis TTL: none unless set)",
        ),
        key(
            "expire-after-access",
            Form::Duration,
            None,
            "a key is gone this long after its last use (Caffeine `expireAfterAccess`: none unless set)",
        ),
        key(
            "single-flight",
            Form::Boolean,
            Some("false"),
            "one load of a key at a time, others wait for it (Caffeine `get(key, loader)`; Spring `@Cacheable`: `sync`, false)",
        ),
        key(
            "warm",
            Form::Boolean,
            Some("false"),
            "starts with its most popular keys present; after a restart it is empty",
        ),
        key("hit-time", Form::Law, None, "how long a hit takes"),
    ];
    const STEP_KEYS: &'static [Key] = &[key(
        "keyed-by",
        Form::Text,
        None,
        "what is asked for: steps with the same words ask for the same key",
    )];
    const SETTABLE: &'static [&'static str] = &[
        "hit-ratio",
        "key",
        "maximum-size",
        "expire-after-write",
        "expire-after-access",
        "single-flight",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let hit_time = match reader.has("hit-time") {
            true => {
                let text = reader.law("hit-time")?;
                let what = format!("`hit-time` of {}", reader.what());
                Some(read_law(&text, LawUnit::Duration, &what, names, reader.sink())?)
            }
            false => None,
        };
        let single_flight = reader.boolean("single-flight");
        let warm = reader.boolean("warm");
        let lru = reader.choice("policy").map(|p| p == "lru");
        let mut plan = Plan {
            hit_ratio: 0.0,
            keys: None,
            limits: Limits {
                policy: Policy::Lru,
                size: u64::MAX,
                after_write: u64::MAX,
                after_access: u64::MAX,
            },
            single_flight: single_flight?,
            warm: warm?,
            hit_time,
        };
        match (reader.has("hit-ratio"), reader.has("key")) {
            (true, false) => {
                for name in [
                    "policy",
                    "maximum-size",
                    "expire-after-write",
                    "expire-after-access",
                    "single-flight",
                    "warm",
                ] {
                    if reader.has(name) {
                        let (span, what) = (reader.key_span(name), reader.what().to_owned());
                        reader
                            .sink()
                            .error(
                                span,
                                "no-contents",
                                format!("{what}: `{name}` needs real contents, and its hit ratio is given"),
                            )
                            .help("give it a `key`, as \"zipf(10000, 0.9)\", instead of `hit-ratio`");
                        return None;
                    }
                }
                plan.hit_ratio = reader.share("hit-ratio")?.0;
                Some(plan)
            }
            (false, true) => {
                if !lru? {
                    plan.limits.policy = Policy::Fifo;
                }
                let text = reader.text("key")?;
                match Popularity::parse(&text) {
                    Ok(keys) => plan.keys = Some(keys),
                    Err(why) => {
                        let span = reader.span("key");
                        reader.sink().error(span, "bad-popularity", why);
                        return None;
                    }
                }
                if reader.has("maximum-size") {
                    plan.limits.size = reader.count("maximum-size")?;
                }
                for (name, limit) in [
                    ("expire-after-write", &mut plan.limits.after_write),
                    ("expire-after-access", &mut plan.limits.after_access),
                ] {
                    if reader.has(name) {
                        *limit = reader.duration(name)?.nanos();
                    }
                }
                let most = plan.keys.as_ref().map_or(0, |k| k.len()).min(plan.limits.size);
                if plan.warm && most > WARMEST {
                    let (span, what) = (reader.span("warm"), reader.what().to_owned());
                    reader
                        .sink()
                        .error(
                            span,
                            "out-of-range",
                            format!("{what} would start with {most} keys; at most {WARMEST}"),
                        )
                        .help("give it a smaller `maximum-size`, or start it cold");
                    return None;
                }
                Some(plan)
            }
            (both, _) => {
                let (span, what) = match both {
                    true => (reader.key_span("hit-ratio"), "both `hit-ratio` and `key`"),
                    false => (reader.table_span(), "neither `hit-ratio` nor `key`"),
                };
                let message = format!("{} has {what}", reader.what());
                reader.sink().error(span, "hit-ratio-or-key", message).help(
                    "give the share of hits, `hit-ratio = \"90%\"`, or the popularity of keys, `key = \"zipf(10000, 0.9)\"`",
                );
                None
            }
        }
    }

    /// Without a rate of lookups everything has expired before it is asked for again.
    fn facts(plan: &Plan) -> Facts {
        Facts {
            // Who comes while a key is loaded waits for that, or its key is there when it comes.
            unsure: plan.single_flight || plan.expires(),
            ..plan.facts_at(0.0)
        }
    }

    fn lower(plan: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        let purpose = match step.options.get("keyed-by").and_then(|i| i.as_str()) {
            Some(what) => format!("key of {what}"),
            None => format!("{}/enter", step.path),
        };
        let site = lowering.site(purpose, None);
        let Place { base, sel } = step.place;
        let frame = lowering.asm.enter(base, sel, site, false, step.name.clone());
        let miss = lowering.asm.op(base, sel, frame, 0, "on a miss");
        if let Some(law) = &plan.hit_time {
            let site = lowering.site(format!("{}/hit", step.path), Some(law.clone()));
            lowering.asm.hold(site, describe(law));
        }
        let hit = lowering.asm.jump("a hit");
        lowering.asm.land(miss);
        if let Some(law) = &step.time {
            let site = lowering.site(step.path.clone(), Some(law.clone()));
            lowering.asm.hold(site, describe(law));
        }
        body(lowering);
        lowering.asm.land(hit);
        lowering.asm.leave(step.name.clone());
    }

    fn keeps(plan: &Plan) -> u64 {
        match &plan.keys {
            Some(keys) if plan.warm => keys.len().min(plan.limits.size) * 64,
            _ => 0,
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let contents = match &plan.keys {
            None => Contents::Given(plan.hit_ratio),
            Some(keys) => Contents::Real {
                keys: keys.sampler(),
                store: match plan.warm {
                    true => warm(keys, plan.limits),
                    false => Store::new(plan.limits),
                },
            },
        };
        Cache {
            bytes_at_first: match &contents {
                Contents::Real { store, .. } => store.bytes(),
                Contents::Given(_) => 0,
            },
            contents,
            single_flight: plan.single_flight,
            flights: BTreeMap::new(),
            instance: build.instance,
            hits: 0,
            misses: 0,
            loads: 0,
            failed_loads: 0,
            waited: 0,
            evictions_before: 0,
            expirations_before: 0,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let (hit, key) = match &mut self.contents {
            Contents::Given(ratio) => (cx.site_draws(visit).unit() < *ratio, 0),
            Contents::Real { keys, store } => {
                let key = keys.sample(&mut cx.identity_at(visit.site, visit.slot));
                (store.get(key, cx.nanos()), key)
            }
        };
        if hit {
            self.hits += 1;
            *cx.word(visit) = HIT | key;
            return Admission::Proceed;
        }
        if self.single_flight {
            if let Some(line) = self.flights.get_mut(&key) {
                self.waited += 1;
                *cx.word(visit) = WAITS | key;
                cx.begin_wait(visit);
                line.push_back(&mut cx.requests, visit.slot);
                return Admission::Wait;
            }
            self.flights.insert(key, Line::default());
        }
        self.misses += 1;
        *cx.word(visit) = LOADS | key;
        Admission::Proceed
    }

    /// Behind the look-up: a miss goes to the steps that load.
    fn op(&mut self, _: u8, visit: Visit, cx: &mut Context) -> Admission {
        match *cx.word(visit) & !KEY {
            LOADS => Admission::Skip,
            _ => Admission::Proceed,
        }
    }

    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        let word = *cx.word(visit);
        if word & !KEY != LOADS {
            return;
        }
        let key = word & KEY;
        let loaded = outcome == Outcome::Done;
        match loaded {
            true => self.loads += 1,
            false => self.failed_loads += 1,
        }
        if let (true, Contents::Real { store, .. }) = (loaded, &mut self.contents) {
            let before = store.bytes();
            store.put(key, cx.nanos());
            cx.contents += store.bytes() - before;
        }
        if self.flights.is_empty() {
            return;
        }
        let Some(mut line) = self.flights.remove(&key) else {
            return;
        };
        while let Some(slot) = line.pop_front(&mut cx.requests) {
            // After a failure the next one tries to load, as failures are not kept.
            let state = if loaded { HIT } else { LOADS };
            *cx.waiting_word(slot) = state | key;
            cx.admit(self.instance, slot);
            match loaded {
                true => self.hits += 1,
                false => {
                    self.misses += 1;
                    self.flights.insert(key, line);
                    return;
                }
            }
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        let key = *cx.word(visit) & KEY;
        if let Some(line) = self.flights.get_mut(&key) {
            line.remove(&mut cx.requests, visit.slot);
        }
        cx.abandon(visit.instance, visit.slot);
    }

    /// A process that comes back has an empty cache.
    fn stopped(&mut self, cx: &mut Context) {
        if let Contents::Real { store, .. } = &mut self.contents {
            cx.contents = cx
                .contents
                .saturating_sub(store.bytes().saturating_sub(self.bytes_at_first));
            self.bytes_at_first = 0;
            store.forget();
        }
    }

    /// What is present stays, as far as the new limits allow.
    fn adopt(&mut self, plan: &Plan, _: &mut Context) {
        match (&mut self.contents, &plan.keys) {
            (Contents::Real { keys, store }, Some(new)) => {
                *keys = new.sampler();
                store.limit(plan.limits);
            }
            (contents, Some(new)) => {
                *contents = Contents::Real {
                    keys: new.sampler(),
                    store: Store::new(plan.limits),
                };
            }
            (contents, None) => *contents = Contents::Given(plan.hit_ratio),
        }
        // Loads under way keep their lines.
        self.single_flight = plan.single_flight;
    }

    fn reset(&mut self, _: SimTime) {
        (self.hits, self.misses, self.waited) = (0, 0, 0);
        (self.loads, self.failed_loads) = (0, 0);
        if let Contents::Real { store, .. } = &self.contents {
            (self.evictions_before, self.expirations_before) = (store.evictions, store.expirations);
        }
    }

    fn observe(&self, _: &Context, _: SimTime, out: &mut Readings) {
        let all = self.hits + self.misses;
        out.ratio("hit_ratio", Unit::Share, self.hits as f64, all as f64);
        let mut put = |name: &str, n: u64| out.add(name, Unit::Count, Combine::Sum, n as f64);
        put("hits", self.hits);
        put("misses", self.misses);
        put("loads", self.loads);
        put("failed_loads", self.failed_loads);
        put("waited_for_load", self.waited);
        if let Contents::Real { store, .. } = &self.contents {
            put("size", store.len() as u64);
            // A change during the run may have begun new contents.
            put("evictions", store.evictions.saturating_sub(self.evictions_before));
            put(
                "expirations",
                store.expirations.saturating_sub(self.expirations_before),
            );
        }
    }
}

/// The most popular keys, the most popular one used last, all written at time zero.
fn warm(keys: &Popularity, limits: Limits) -> Store {
    let mut store = Store::new(limits);
    let mut order: Vec<u64> = (0..keys.len().min(WARMEST)).collect();
    // All laws but a list have their keys in the order of popularity.
    if keys.len() <= LONGEST_LIST {
        let shares: Vec<f64> = order.iter().map(|k| keys.probability(*k)).collect();
        order.sort_by(|a, b| shares[*b as usize].total_cmp(&shares[*a as usize]));
    }
    let most = limits.size.min(order.len() as u64) as usize;
    for key in order[..most].iter().rev() {
        store.put(*key, 0);
    }
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_cache_holds_the_most_popular_keys() {
        let limits = Limits {
            policy: Policy::Lru,
            size: 2,
            after_write: u64::MAX,
            after_access: u64::MAX,
        };
        let keys = Popularity::list(vec![1.0, 5.0, 3.0, 4.0]).expect("a popularity");
        let mut store = warm(&keys, limits);
        assert!(store.get(1, 0) && store.get(3, 0));
        assert!(!store.get(0, 0) && !store.get(2, 0));
    }
}
