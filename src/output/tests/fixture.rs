//! Made-up results with the shape of real ones.

use crate::experiment::results::*;

/// A figure with a half-width; NaN for none.
pub fn metric(subject: &str, name: &str, unit: Unit, mean: f64, half: f64) -> Metric {
    Metric {
        subject: subject.into(),
        name: name.into(),
        unit,
        mean,
        low: half.is_finite().then_some(mean - half),
        high: half.is_finite().then_some(mean + half),
        replications: 5,
        note: half
            .is_nan()
            .then(|| "the largest value seen; it has no interval".into()),
        theory: None,
    }
}

pub fn flow(subject: &str, rate: f64, p50: f64, failures: f64) -> Vec<Metric> {
    use Unit::*;
    vec![
        metric(subject, "offered", PerSecond, 1000.0 * rate / 929.0, 2.0),
        metric(subject, "throughput", PerSecond, rate, rate * 0.007),
        metric(subject, "failure_share", Share, failures, failures * 0.1),
        metric(subject, "response_time_mean", Seconds, p50 * 1.3, p50 * 0.04),
        metric(subject, "response_time_p50", Seconds, p50, p50 * 0.03),
        metric(subject, "response_time_p90", Seconds, p50 * 2.2, p50 * 0.08),
        metric(subject, "response_time_p95", Seconds, p50 * 3.1, p50 * 0.12),
        metric(subject, "response_time_p99", Seconds, p50 * 6.4, p50 * 0.5),
        metric(subject, "response_time_max", Seconds, p50 * 14.0, f64::NAN),
    ]
}

pub fn component(subject: &str, busy: f64, queue: f64, wait: f64, rejected: f64) -> Vec<Metric> {
    use Unit::*;
    vec![
        metric(subject, "utilisation", Share, busy, 0.004),
        metric(subject, "in_queue_mean", Count, queue, queue * 0.06),
        metric(subject, "in_queue_max", Count, queue * 4.0, f64::NAN),
        metric(subject, "waiting_time_p95", Seconds, wait, wait * 0.05),
        metric(
            subject,
            "visit_time_p95",
            Seconds,
            wait + 0.012,
            wait * 0.05 + 0.0002,
        ),
        metric(subject, "rejected", Count, rejected, rejected * 0.08),
        metric(subject, "timed_out", Count, 0.0, 0.0),
    ]
}

pub fn axis(label: &str, path: &str, unit: &str, values: &[(&str, Option<f64>)]) -> Axis {
    let value = |(label, number): &(&str, Option<f64>)| AxisValue {
        label: (*label).into(),
        number: *number,
    };
    Axis {
        label: label.into(),
        path: path.into(),
        unit: unit.into(),
        values: values.iter().map(value).collect(),
    }
}

pub fn point(index: usize, coordinates: &[usize], metrics: Vec<Metric>, verdict: Verdict) -> Point {
    Point {
        index,
        coordinates: coordinates.to_vec(),
        metrics,
        verdict,
        verdict_reason: "the queue of host.vps grew through the whole run".into(),
        bottleneck: None,
        notes: Vec::new(),
        converged: true,
        series: Series::default(),
        objective: Vec::new(),
        events: 1_234_567,
        warm_up_s: 30.0,
        duration_s: 300.0,
        settled: true,
    }
}

pub fn empty(kind: Kind) -> Results {
    Results {
        schema: SCHEMA,
        title: "Three instances on one host".into(),
        name: "scale-out".into(),
        about: Some("Whether two more instances on the same six cores help.".into()),
        kind,
        seed: 42,
        replications: 5,
        confidence: 0.95,
        axes: Vec::new(),
        points: Vec::new(),
        curve: None,
        findings: Vec::new(),
        complete: true,
    }
}

/// One, two and three replicas on one host: more replicas, less throughput.
pub fn scale_out() -> Results {
    let mut results = empty(Kind::Sweep);
    results.axes = vec![axis(
        "replicas",
        "service.order-api.replicas",
        "",
        &[("1", Some(1.0)), ("2", Some(2.0)), ("3", Some(3.0))],
    )];
    let rows = [
        (
            929.0,
            0.0312,
            0.0002,
            Verdict::Stable,
            "connection-pool.orders-db 88 %",
        ),
        (760.0, 0.0954, 0.012, Verdict::NearCritical, "host.vps cpu 97 %"),
        (583.0, 0.4171, 0.083, Verdict::Overloaded, "host.vps cpu 99 %"),
    ];
    for (index, (rate, p50, failures, verdict, bottleneck)) in rows.into_iter().enumerate() {
        let mut metrics = flow(SYSTEM, rate, p50, failures);
        metrics.extend(flow("flow.purchase", rate * 0.6, p50 * 1.1, failures));
        metrics.extend(component(
            "connection-pool.orders-db",
            0.88 - 0.1 * index as f64,
            4.2,
            0.021,
            0.0,
        ));
        metrics.extend(component(
            "host.vps",
            0.84 + 0.07 * index as f64,
            6.0 * index as f64,
            0.04,
            0.0,
        ));
        metrics.extend(component(
            "thread-pool.http",
            0.31 + 0.2 * index as f64,
            0.4,
            0.003,
            120.0 * index as f64,
        ));
        let mut point = point(index, &[index], metrics, verdict);
        point.bottleneck = Some(bottleneck.into());
        point.objective = vec![Judgement {
            text: "p95 < 500ms".into(),
            met: [Some(true), None, Some(false)][index],
            detail: "p95 seen".into(),
        }];
        results.points.push(point);
    }
    results.findings = vec![
        Finding {
            weight: Weight::Note,
            text: "Each replica adds 0.9 cores of idle work to the same host.".into(),
        },
        Finding {
            weight: Weight::Warning,
            text: "replicas 3 against replicas 1: throughput is lower by 346 ± 9 /s (paired, 95 %).".into(),
        },
    ];
    results
}

/// One run, with theory, objective and figures over time.
pub fn run() -> Results {
    let mut results = empty(Kind::Run);
    results.title = "The checkout at its usual load".into();
    results.name = "checkout".into();
    let mut metrics = flow(SYSTEM, 929.0, 0.0312, 0.0002);
    metrics.extend(flow("flow.purchase", 557.0, 0.041, 0.0003));
    metrics.extend(flow("flow.coupon", 279.0, 0.022, 0.0));
    metrics.extend(component("host.vps", 0.912, 3.1, 0.012, 0.0));
    metrics.extend(component("connection-pool.orders-db", 0.88, 4.2, 0.021, 12.0));
    metrics.extend(component("thread-pool.http", 0.31, 0.0, 0.0, 0.0));
    for metric in &mut metrics {
        if (metric.subject.as_str(), metric.name.as_str()) == ("connection-pool.orders-db", "in_queue_mean") {
            metric.theory = Some(Theory {
                value: 4.31,
                formula: "M/M/c, Erlang C".into(),
            });
        }
    }
    let mut point = point(0, &[], metrics, Verdict::NearCritical);
    point.verdict_reason = "host.vps is busy for 91.2 ± 0.4 % of the time.".into();
    point.bottleneck = Some("host.vps cpu 91 %".into());
    point.objective = vec![
        Judgement {
            text: "p95 < 500ms".into(),
            met: Some(true),
            detail: "96.7 ± 3.7 ms".into(),
        },
        Judgement {
            text: "errors < 1%".into(),
            met: None,
            detail: "0.9 ± 0.3 %".into(),
        },
    ];
    let times: Vec<f64> = (1..=120).map(|window| f64::from(window) * 5.0).collect();
    let wave = |base: f64, swing: f64| -> Vec<f64> {
        (1..=120_u32)
            .map(|at| base + swing * (f64::from(at * 37 % 23) / 23.0 - 0.5))
            .collect()
    };
    let column = |subject: &str, name: &str, unit, values| SeriesColumn {
        subject: subject.into(),
        name: name.into(),
        unit,
        values,
    };
    let mut p95 = wave(0.097, 0.03);
    p95[3] = f64::NAN;
    point.series = Series {
        times_s: times,
        columns: vec![
            column(SYSTEM, "throughput", Unit::PerSecond, wave(929.0, 40.0)),
            column(SYSTEM, "offered", Unit::PerSecond, wave(935.0, 60.0)),
            column(SYSTEM, "response_time_p95", Unit::Seconds, p95),
            column(SYSTEM, "response_time_p50", Unit::Seconds, wave(0.031, 0.004)),
            column("host.vps", "utilisation", Unit::Share, wave(0.912, 0.1)),
            column(
                "connection-pool.orders-db",
                "utilisation",
                Unit::Share,
                wave(0.88, 0.15),
            ),
            column(
                "connection-pool.orders-db",
                "in_queue",
                Unit::Count,
                wave(4.2, 6.0),
            ),
        ],
    };
    results.points = vec![point];
    results
}

/// Arrival rate against pool size: two axes, one drawn as lines.
pub fn two_axes() -> Results {
    let mut results = empty(Kind::Sweep);
    results.title = "How large must the pool be?".into();
    let rates = [
        ("200/s", 200.0),
        ("400/s", 400.0),
        ("600/s", 600.0),
        ("800/s", 800.0),
        ("1000/s", 1000.0),
        ("1200/s", 1200.0),
    ];
    let pools = [("10", 10.0), ("20", 20.0), ("40", 40.0)];
    let numbers = |values: &[(&'static str, f64)]| {
        values
            .iter()
            .map(|(label, number)| (*label, Some(*number)))
            .collect::<Vec<_>>()
    };
    results.axes = vec![
        axis("arrival rate", "workload.shoppers.rate", "/s", &numbers(&rates)),
        axis(
            "pool",
            "connection-pool.orders-db.maximum-pool-size",
            "",
            &numbers(&pools),
        ),
    ];
    results.curve = Some(CurveSpec {
        x: 0,
        metrics: vec![
            (SYSTEM.into(), "throughput".into()),
            (SYSTEM.into(), "response_time_p95".into()),
        ],
        group: Some(1),
    });
    for (at, (_, rate)) in rates.iter().enumerate() {
        for (size, (_, pool)) in pools.iter().enumerate() {
            let capacity = 24.0 * pool;
            let carried = rate.min(capacity);
            let room = (1.0 - carried / capacity).max(0.002);
            let mut metrics = flow(SYSTEM, carried, 0.035 / room, (1.0 - carried / rate) * 0.5);
            metrics.extend(component(
                "connection-pool.orders-db",
                carried / capacity,
                0.2 / room,
                0.01 / room,
                0.0,
            ));
            metrics.extend(component("host.vps", carried / 1500.0, 0.1, 0.001, 0.0));
            let verdict = if *rate >= capacity {
                Verdict::Overloaded
            } else if room < 0.2 {
                Verdict::NearCritical
            } else {
                Verdict::Stable
            };
            let mut point = point(results.points.len(), &[at, size], metrics, verdict);
            point.bottleneck = Some(format!(
                "connection-pool.orders-db {:.0} %",
                100.0 * carried / capacity
            ));
            results.points.push(point);
        }
    }
    results
}

/// Collectors instead of numbers along the axis.
pub fn named_axis() -> Results {
    let mut results = scale_out();
    results.title = "Which collector?".into();
    results.axes = vec![axis(
        "collector",
        "runtime.order-api.collector",
        "",
        &[("G1", None), ("ZGC", None), ("Parallel", None)],
    )];
    results
}

/// As many points as a long sweep has.
pub fn many(count: usize) -> Results {
    let mut results = empty(Kind::Sweep);
    let labels: Vec<String> = (1..=count).map(|rate| format!("{rate}/s")).collect();
    let values: Vec<(&str, Option<f64>)> = labels
        .iter()
        .enumerate()
        .map(|(at, label)| (label.as_str(), Some(at as f64 + 1.0)))
        .collect();
    results.axes = vec![axis("rate", "workload.shoppers.rate", "/s", &values)];
    for at in 0..count {
        let load = (at + 1) as f64 / count as f64;
        let verdict = if load > 0.9 {
            Verdict::Overloaded
        } else {
            Verdict::Stable
        };
        let mut metrics = flow(SYSTEM, (at + 1) as f64, 0.01 / (1.02 - load), 0.0);
        metrics.extend(component("host.vps", load, load / (1.02 - load), 0.01, 0.0));
        let mut point = point(at, &[at], metrics, verdict);
        point.bottleneck = Some(format!("host.vps cpu {:.0} %", load * 100.0));
        results.points.push(point);
    }
    results
}
