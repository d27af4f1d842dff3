//! Random models: nothing is lost, nothing is negative, nothing panics or hangs.

mod grammar;

use plimsoll::diagnostic::{Sink, render};
use plimsoll::engine::{self, Budget, Options};
use plimsoll::model;
use proptest::prelude::*;

use crate::support::shipped;

fn options(seed: u64) -> Options {
    Options {
        seed,
        replication: 0,
        duration: 120_000_000_000,
        warm_up: 20_000_000_000,
        windows: 10,
        coin: seed % 2 == 1,
        budget: Budget {
            events: 400_000,
            memory: 1 << 28,
            wall: Some(std::time::Duration::from_secs(20)),
        },
    }
}

/// The same cases in every run; `SEED=7 TIMES=20 cargo test properties` tries others, and more.
fn config(cases: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u32>().ok());
    ProptestConfig {
        cases: cases * number("TIMES").unwrap_or(1),
        failure_persistence: None,
        max_shrink_iters: 300,
        rng_seed: proptest::test_runner::RngSeed::Fixed(number("SEED").unwrap_or(1).into()),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn requests_are_conserved_and_figures_are_sane(text in grammar::models(), seed in 0u64..1000) {
        let mut sink = Sink::default();
        let model = model::load("random", &text, None, &mut sink);
        let Some(model) = model else {
            return Err(TestCaseError::fail(format!(
                "the grammar wrote a wrong model:\n{}\n{text}",
                render(sink.diagnostics(), "random.toml", &text, false)
            )));
        };
        let o = match engine::run(&model, &options(seed)) {
            Ok(o) => o,
            Err(e) => return Err(TestCaseError::fail(format!("{}\n{text}", e.0))),
        };
        // A rate limiter lends permits of later periods: it may have fewer than none.
        for f in &o.figures {
            prop_assert!(
                f.value.is_nan()
                    || f.value.is_finite() && (f.value >= 0.0 || f.name.starts_with("available_permissions")),
                "{} {} = {}\n{text}", f.subject, f.name, f.value
            );
            // A pool made smaller may have more permits out than it has.
            if f.name == "utilisation" && !text.contains("set =") {
                prop_assert!(f.value <= 1.0 + 1e-9, "{} is {} busy\n{text}", f.subject, f.value);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn mutated_models_never_panic(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, mutation()), 1..6),
    ) {
        let all = shipped();
        let (name, text, folder) = &all[which.index(all.len())];
        let mut bytes = text.clone().into_bytes();
        for (at, length, put) in cuts {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, put.bytes());
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut sink = Sink::default();
        let model = model::load(name, &text, Some(folder), &mut sink);
        // Drawing the messages must not panic either.
        let _ = render(sink.diagnostics(), name, &text, true);
        prop_assert_eq!(model.is_none(), sink.has_errors());
        if let Some(model) = model {
            let mut short = options(1);
            short.duration = 2_000_000_000;
            short.warm_up = 0;
            short.budget.events = 20_000;
            let ran = engine::run(&model, &short);
            prop_assert!(ran.is_ok(), "{}\n{}", ran.err().map(|e| e.0).unwrap_or_default(), text);
        }
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}", ) {
        let mut sink = Sink::default();
        let _ = model::load("random", &text, None, &mut sink);
        let _ = render(sink.diagnostics(), "random", &text, false);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let mut sink = Sink::default();
        let _ = model::load("random", &text, None, &mut sink);
        let _ = render(sink.diagnostics(), "random", &text, false);
    }
}

/// What a careless hand might type.
fn mutation() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            "0",
            "-1",
            "1e308",
            "99999999999999999999",
            "nan",
            "\"",
            "[",
            "]",
            "{ }",
            "=",
            "\n",
            ".",
            "\"0s\"",
            "\"1e300s\"",
            "\"exp(0s)\"",
            "steps",
            "use",
            "[[timeline]]\n",
            "é",
            "0/s",
            "ms",
            "[]",
            "true",
            "#",
            ",",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9\"=.\\[\\]{} -]{0,6}",
    ]
}

/// Calls of calls multiply: refused, not written out.
#[test]
fn a_model_that_grows_without_end_is_refused() {
    let mut text = String::from("[workload.users]\nexecutor = \"poisson\"\nrate = \"1/s\"\nflow = \"f0\"\n");
    for i in 0..30 {
        let call = format!("{{ call = \"f{}\" }}", i + 1);
        text.push_str(&format!("[flow.f{i}]\nsteps = [{}]\n", vec![call; 10].join(", ")));
    }
    text.push_str("[flow.f30]\nsteps = [{ delay = \"1ms\" }]\n");
    let mut sink = Sink::default();
    assert!(model::load("long", &text, None, &mut sink).is_none());
    assert!(sink.diagnostics().iter().any(|d| d.id == "too-long"));
}

/// Models in which time stands still: each ends, with what it has.
#[test]
fn models_that_make_no_headway_end() {
    let stuck = [
        // A user whose calls take no time.
        "[flow.f]\nsteps = [{ fail = \"100%\" }]\n[workload.w]\nexecutor = \"users\"\nusers = 3\n",
        "[flow.f]\nsteps = []\n[workload.w]\nexecutor = \"constant-vus\"\nvus = 3\n",
        // A loop without end that takes no time.
        "[flow.f]\nsteps = [{ repeat = \"1e18\", steps = [] }]\n[workload.w]\nexecutor = \"users\"\nusers = 1\n",
        "[flow.f]\nsteps = [{ repeat = \"1e18\", steps = [{ repeat = \"1e18\", steps = [{ delay = \"0s\" }] }] }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n",
        // Everything is down.
        "[service.s]\n[flow.f]\nat = \"s\"\nsteps = [{ delay = \"1ms\" }]\n[workload.w]\nexecutor = \"users\"\nusers = 3\n[[timeline]]\nat = \"1s\"\nstop = \"s\"\n",
    ];
    for text in stuck {
        let model = crate::support::model(text);
        let mut o = options(0);
        o.budget.events = 3_000_000;
        let begun = std::time::Instant::now();
        engine::run(&model, &o).unwrap_or_else(|e| panic!("{}\n{text}", e.0));
        assert!(begun.elapsed().as_secs() < 20, "{text}");
    }
}
