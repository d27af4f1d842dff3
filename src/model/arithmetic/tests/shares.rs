//! What is not spread evenly, what comes at another rate than is written, and what takes time beside the requests.

use super::*;

#[test]
fn lookups_after_a_key_has_expired_miss() {
    let cached = |key: &str, keys: &str, rate: &str| {
        let a = sums(&format!(
            "[cache.c]\nkey = \"{key}\"\n{keys}\n[station.db]\nservers = 9\n\
             [flow.f]\nsteps = [{{ use = \"c\", steps = [{{ use = \"db\", time = \"exp(20ms)\" }}] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}\"\n"
        ));
        let db = a.loads.iter().find(|l| l.subject == "station.db");
        db.map_or(0.0, |l| l.visits_per_second)
    };
    let close =
        |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-6 * wanted, "{found}, {wanted}");
    // Two keys, five lookups a second each: one in six.
    close(
        cached("list(1, 1)", "expire-after-write = \"1s\"", "10/s"),
        10.0 / 6.0,
    );
    close(
        cached("list(1, 1)", "expire-after-access = \"1s\"", "10/s"),
        10.0 * libm::exp(-5.0),
    );
    // Nobody asks twice.
    close(
        cached("uniform(1000000)", "expire-after-write = \"1s\"", "100/s"),
        100.0 / 1.0001,
    );
    // No fewer than for want of room.
    close(
        cached(
            "list(1, 1)",
            "maximum-size = 1\nexpire-after-write = \"1s\"",
            "10/s",
        ),
        5.0,
    );
    assert_eq!(cached("list(1, 1)", "", "10/s"), 0.0);
}

#[test]
fn what_is_taken_for_granted_of_a_cache_is_told() {
    let text = |keys: &str| {
        let m = model(&format!(
            "[cache.c]\nkey = \"uniform(100)\"\n{keys}\n[station.db]\n\
             [flow.f]\nsteps = [{{ use = \"c\", steps = [{{ use = \"db\", time = \"exp(20ms)\" }}] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n"
        ));
        arithmetic(&m).table(&m)
    };
    let all = text("");
    assert!(all.contains("cache.c: counted as all hits"), "{all}");
    let some = text("expire-after-write = \"1s\"");
    assert!(some.contains("cache.c: counted with 50 % of misses"), "{some}");
    assert!(
        some.contains("station.db has the least room, up to about 100/s"),
        "{some}"
    );
}

#[test]
fn the_replica_with_the_largest_weight_is_full_first() {
    let weighted = |keys: &str| {
        let a = sums(&format!(
            "[service.s]\nhost = {{ cores = 1 }}\nreplicas = 2\n[balancer.b]\nto = \"s\"\n{keys}\n\
             [flow.g]\nat = \"s\"\nsteps = [{{ cpu = \"exp(10ms)\" }}]\n[flow.f]\nsteps = [{{ call = \"g\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"140/s\"\nflow = \"f\"\n"
        ));
        let host = load(&a, "host.s").clone();
        (host.capacity, host.sum, a.warnings.len())
    };
    let (capacity, sum, warnings) = weighted("weights = [3, 1]");
    near(capacity, 4.0 / 3.0);
    assert_eq!(
        sum,
        "140/s × 10ms = 1.4 of 1.33 cores: 2 × 1 core, 75 % of the calls go to one"
    );
    assert_eq!(warnings, 1);
    near(weighted("").0, 2.0);
    // With fewest connections nobody knows.
    near(
        weighted("weights = [3, 1]\npolicy = \"least-connections\"").0,
        2.0,
    );
}

#[test]
fn replicas_that_the_timeline_stops_are_told() {
    let m = model(
        "[service.s]\nhost = { cores = 1 }\nreplicas = 2\n[flow.f]\nat = \"s\"\nsteps = [{ cpu = \"exp(10ms)\" }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"140/s\"\n[[timeline]]\nat = \"10s\"\nstop = \"s\"\nreplica = 0\n",
    );
    let text = arithmetic(&m).table(&m);
    assert!(
        text.contains("The timeline stops replicas from 10s on; all of this counts each of them as running."),
        "{text}"
    );
}

#[test]
fn a_producer_has_so_many_requests_on_their_way() {
    let written = |keys: &str| {
        sums(&format!(
            "[topic.t]\nsend = \"async\"\nsend-time = \"10ms\"\nrecord-size = \"1KiB\"\nbatch-size = \"1KiB\"\nlinger = \"0ms\"\n{keys}\n\
             [flow.f]\nsteps = [{{ publish = \"t\" }}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"120/s\"\n"
        ))
    };
    let one = written("max-in-flight = 1\nmax-request-size = \"1KiB\"");
    assert_eq!(load(&one, "topic.t").sum, "120/s × 10ms = 1.2 of 1 request");
    assert!(told(&one, "overload").contains("records wait in the producer"));
    let five = written("max-in-flight = 5\nmax-request-size = \"1KiB\"");
    near(load(&five, "topic.t").utilisation(), 0.24);
    // A request takes a batch of each partition along.
    assert!(written("max-in-flight = 1\npartitions = 3").loads.is_empty());
}

#[test]
fn collections_take_their_share_of_the_time() {
    let heap = |rate: &str, keys: &str| {
        sums(&format!(
            "[host.h]\ncores = 8\n[service.s]\nhost = \"h\"\n[heap.j]\nin = \"s\"\nsize = \"300MB\"\nyoung-size = \"100MB\"\n\
             collector = \"serial\"\nbase-pause = \"60ms\"\n{keys}\n\
             [flow.f]\nat = \"s\"\nsteps = [{{ cpu = \"10ms\", allocates = \"80MB\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"{rate}\"\n"
        ))
    };
    // Each request fills eden, eight tenths of young space.
    let fine = heap("14/s", "retained = \"0%\"");
    assert_eq!(load(&fine, "heap.j").sum, "14/s × 60ms = 0.84 of 1 JVM");
    assert!(fine.warnings.is_empty(), "{:?}", fine.warnings);
    let over = heap("20/s", "retained = \"0%\"");
    near(load(&over, "heap.j").utilisation(), 1.2);
    assert!(told(&over, "overload").contains("collections would take all of the time"));
    // 14/s × 80 MB × 10 ms = 11.2 MB.
    let kept = heap("14/s", "retained = \"100%\"\nlive-set = \"290MB\"");
    let said = told(&kept, "heap-too-small");
    assert!(
        said.contains("has 300 MB: its live set of 290 MB and about 11.2 MB"),
        "{said}"
    );
    let fits = heap("14/s", "retained = \"100%\"\nlive-set = \"280MB\"");
    assert!(fits.warnings.iter().all(|d| d.id != "heap-too-small"));
}

#[test]
fn a_queue_of_virtual_users_ends_with_their_number() {
    let k6 = |time: &str, rate: &str, users: u32| {
        let source = format!(
            "[station.s]\n[flow.f]\nsteps = [{{ use = \"s\", time = \"{time}\" }}]\n[workload.w]\nexecutor = \"constant-arrival-rate\"\n\
             rate = \"{rate}\"\nduration = \"600s\"\npre-allocated-vus = {users}\n"
        );
        let m = model(&source);
        let a = arithmetic(&m);
        let text = a.table(&m);
        (a, text)
    };
    let (a, _) = k6("50ms", "40/s", 10);
    assert!(
        told(&a, "overload").contains(
            "the queue of `s` grows until all of the 10 virtual users are in it, and then iterations are dropped"
        ),
        "{:?}",
        a.warnings
    );
    // Five users send 5 / 10 ms.
    let (a, text) = k6("1ms", "9000/s", 5);
    near(a.streams[0].rate, 5000.0);
    near(a.streams[0].written, 9000.0);
    assert!(
        text.contains("w: 9000/s, of which its virtual users can send 5000/s"),
        "{text}"
    );
    assert!(
        text.contains("it saturates at 1000/s of the 5000/s that can be sent of the 9000/s written"),
        "{text}"
    );
    // One user keeps it busy.
    let (_, text) = k6("500us", "9000/s", 1);
    assert!(
        text.contains(
            "saturates first, at 2000/s at the latest: 1 times what can be sent of the 9000/s written"
        ),
        "{text}"
    );
}

#[test]
fn a_server_has_so_many_connections() {
    let a = sums(
        "[thread-pool.t]\nvirtual-threads = true\nmax-connections = 50\n[flow.f]\nsteps = [{ use = \"t\", time = \"exp(1s)\" }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"60/s\"\n",
    );
    // 50 and the kernel's 101.
    let said = told(&a, "overload");
    assert!(
        said.contains("the queue of `t` grows until 151 are inside, and the rest is turned away"),
        "{said}"
    );
}

#[test]
fn who_goes_last_waits_for_ever() {
    let a = sums(
        "[station.s]\npreemptive = true\n[flow.hi]\nsteps = [{ use = \"s\", time = \"exp(1ms)\" }]\n\
         [flow.lo]\nsteps = [{ use = \"s\", time = \"exp(400ms)\", priority = 1 }]\n\
         [workload.a]\nexecutor = \"poisson\"\nrate = \"900/s\"\nflow = \"hi\"\n\
         [workload.b]\nexecutor = \"poisson\"\nrate = \"0.5/s\"\nflow = \"lo\"\n",
    );
    let said = told(&a, "overload");
    assert!(
        said.contains(
            "1.1 of capacity 1: the queue of `s` grows without bound, that of the largest `priority` first"
        ),
        "{said}"
    );
}
