use super::*;

fn reading(o: &Observations, name: &str) -> f64 {
    figure(o, "cache.c", name)
}

/// One key, asked for once a second on average, loaded in no time.
fn one_key(keys: &str, seconds: f64) -> Observations {
    observe(
        &format!(
            "[cache.c]\nkey = \"uniform(1)\"\n{keys}\n[flow.get]\nsteps = [{{ use = \"c\", steps = [] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n"
        ),
        seconds,
    )
}

#[test]
fn expiry_after_writing_gives_the_share_of_hits_of_its_formula() {
    // λT / (1 + λT); 100,000 visits are renewal cycles of two on average: a standard error below 0.002.
    let o = one_key("expire-after-write = \"1s\"", 100_000.0);
    near(reading(&o, "hit_ratio"), 0.5, 0.007);
    let o = one_key("expire-after-write = \"4s\"", 100_000.0);
    near(reading(&o, "hit_ratio"), 0.8, 0.007);
}

#[test]
fn expiry_after_access_gives_the_share_of_hits_of_its_formula() {
    let o = one_key("expire-after-access = \"1s\"", 100_000.0);
    near(reading(&o, "hit_ratio"), 1.0 - (-1.0f64).exp(), 0.007);
}

#[test]
fn an_lru_cache_has_the_hit_ratio_of_the_characteristic_time_approximation() {
    let o = observe(
        "[cache.c]\nkey = \"zipf(10000, 0.8)\"\nmaximum-size = 1000\nwarm = true\n\
         [flow.get]\nsteps = [{ use = \"c\", steps = [] }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"1000/s\"\n",
        300.0,
    );
    near(reading(&o, "hit_ratio"), 0.437, 0.006);
    assert_eq!(reading(&o, "size"), 1000.0);
    near(reading(&o, "evictions"), reading(&o, "misses"), 0.5);
}

#[test]
fn a_given_hit_ratio_is_the_share_of_visits_that_skip_the_steps() {
    let o = observe(
        "[station.db]\nservers = 1000\n[cache.c]\nhit-ratio = \"90%\"\nhit-time = \"1ms\"\n\
         [flow.get]\nsteps = [{ use = \"c\", steps = [{ use = \"db\", time = \"11ms\" }] }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n",
        1000.0,
    );
    near(reading(&o, "hit_ratio"), 0.9, 0.004);
    near(figure(&o, "station.db", "throughput"), 10.0, 0.4);
    near(figure(&o, "flow.get", "response_time_mean"), 0.002, 0.00004);
}

#[test]
fn a_certain_hit_leaves_everything_else_as_it_was() {
    let model = |cache: &str, step: &str| {
        format!(
            "[station.db]\n{cache}\n[flow.get]\nsteps = [{{ use = \"db\", time = \"exp(50ms)\" }}, {step}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"15/s\"\n"
        )
    };
    let without = observe(&model("", ""), 200.0);
    let with = observe(
        &model(
            "[cache.c]\nhit-ratio = 1.0",
            "{ use = \"c\", steps = [{ use = \"db\", time = \"exp(1s)\" }] }",
        ),
        200.0,
    );
    for subject in ["flow.get", "station.db"] {
        for f in without.figures.iter().filter(|f| f.subject == subject) {
            assert_eq!(
                with.figure(subject, &f.name),
                without.figure(subject, &f.name),
                "{}",
                f.name
            );
        }
    }
}

/// Ten callers of one key at once; the load takes 1 s.
fn stampede(keys: &str, load: &str) -> Observations {
    observe(
        &format!(
            "[cache.c]\nkey = \"uniform(1)\"\n{keys}\n[flow.get]\nsteps = [{{ use = \"c\", steps = [{load}] }}]\n\
             [workload.w]\nexecutor = \"per-vu-iterations\"\nvus = 10\n"
        ),
        100.0,
    )
}

#[test]
fn without_single_flight_every_miss_during_a_load_loads_too() {
    let o = stampede("", "{ delay = \"1s\" }");
    assert_eq!((reading(&o, "loads"), reading(&o, "misses")), (10.0, 10.0));
}

#[test]
fn with_single_flight_one_loads_and_the_others_wait() {
    let o = stampede("single-flight = true", "{ delay = \"1s\" }");
    assert_eq!((reading(&o, "loads"), reading(&o, "waited_for_load")), (1.0, 9.0));
    // Who waits finds it there.
    assert_eq!((reading(&o, "misses"), reading(&o, "hits")), (1.0, 9.0));
    near(figure(&o, "flow.get", "response_time_max"), 1.0, 1e-9);
    near(figure(&o, "cache.c", "in_queue_max"), 9.0, 0.0);
}

#[test]
fn after_a_failed_load_the_next_one_waiting_loads() {
    let o = stampede("single-flight = true", "{ delay = \"1s\" }, { fail = \"100%\" }");
    assert_eq!((reading(&o, "loads"), reading(&o, "failed_loads")), (0.0, 10.0));
    assert_eq!((reading(&o, "misses"), reading(&o, "hits")), (10.0, 0.0));
    assert_eq!(reading(&o, "size"), 0.0);
    near(figure(&o, "flow.get", "failure_time_max"), 10.0, 1e-9);
}

#[test]
fn a_waiter_that_leaves_does_not_hold_up_the_others() {
    let o = observe(
        &format!(
            "[cache.c]\nkey = \"uniform(1)\"\nsingle-flight = true\n[time-limiter.limit]\ntimeout-duration = \"500ms\"\n\
             [flow.patient]\nsteps = [{{ use = \"c\", steps = [{{ delay = \"1s\" }}] }}]\n\
             [flow.hasty]\nsteps = [{{ use = \"limit\", steps = [{{ use = \"c\", steps = [{{ delay = \"1s\" }}] }}] }}]\n{}",
            requests(&[(0.0, "patient"), (0.1, "hasty"), (0.2, "patient")])
        ),
        10.0,
    );
    near(figure(&o, "flow.hasty", "failure_time_mean"), 0.5, 1e-9);
    near(figure(&o, "flow.patient", "response_time_mean"), 0.9, 1e-9);
}

#[test]
fn each_replica_has_its_own_contents() {
    let o = observe(
        &format!(
            "[host.box]\n[service.api]\nhost = \"box\"\nreplicas = 2\n[cache.c]\nin = \"api\"\nkey = \"uniform(1)\"\n\
             [flow.get]\nat = \"api\"\nsteps = [{{ use = \"c\", steps = [] }}]\n{}",
            requests(&[(0.0, "get"), (1.0, "get"), (2.0, "get"), (3.0, "get")])
        ),
        10.0,
    );
    assert_eq!((reading(&o, "loads"), reading(&o, "hits")), (2.0, 2.0));
}

#[test]
fn caches_keyed_alike_are_asked_for_the_same_key() {
    let model = |keyed: &str| {
        format!(
            "[cache.near]\nkey = \"uniform(100)\"\n[cache.c]\nkey = \"uniform(100)\"\n[flow.get]\nsteps = [\
             {{ use = \"near\"{keyed}, steps = [{{ use = \"c\"{keyed}, steps = [] }}] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n"
        )
    };
    let o = observe(&model(", keyed-by = \"product\""), 100.0);
    assert_eq!((reading(&o, "hits"), reading(&o, "loads")), (0.0, 100.0));
    let o = observe(&model(""), 100.0);
    assert!(reading(&o, "hits") > 0.0);
}

#[test]
fn a_cache_has_either_a_hit_ratio_or_keys() {
    for (keys, said) in [
        ("", "neither `hit-ratio` nor `key`"),
        (
            "hit-ratio = 0.5\nkey = \"uniform(3)\"",
            "both `hit-ratio` and `key`",
        ),
        ("hit-ratio = 0.5\nmaximum-size = 10", "needs real contents"),
        ("key = \"zipff(3, 1)\"", "did you mean `zipf`?"),
    ] {
        let text = refusal(&format!(
            "[cache.c]\n{keys}\n[flow.get]\nsteps = [{{ use = \"c\", steps = [] }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n"
        ));
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_warm_cache_begins_with_so_many_keys_at_most() {
    let said = refusal(&burst_at(
        "cache",
        "c",
        "key = \"uniform(60000000)\"\nmaximum-size = 60000000\nwarm = true",
        1,
        "1ms",
    ));
    assert!(said.contains("would start with 60000000 keys"), "{said}");
}
