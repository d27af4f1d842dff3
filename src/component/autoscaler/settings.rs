//! What can be set of an autoscaler.

use super::MOST;
use super::decision::Rules;
use crate::component::contract::*;
use crate::distribution::{Law, LawUnit};
use crate::document::{Form, Key, Reader, key};

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub of: ComponentId,
    pub min: u32,
    pub initially: u32,
    /// Percent of the request.
    pub cpu: Option<u64>,
    /// Cores that a replica requests.
    pub cpu_request: Option<f64>,
    /// Thousandths of a call a second.
    pub(super) requests: Option<u64>,
    /// Records each, of this consumer.
    pub(super) lag: Option<(u64, ComponentId)>,
    pub(super) tolerance: f64,
    pub(super) sync_period: u64,
    pub(super) metric_period: u64,
    pub(super) provisioning: Option<Law>,
    pub(super) rules: Option<(Rules, Rules)>,
    pub(super) window: u64,
}

impl Plan {
    /// Replicas that a load asks for: of so many cores where a replica requests so many, and so many calls a second.
    pub fn wants(&self, cores: Option<f64>, limit: Option<f64>, calls: f64) -> Option<f64> {
        let request = self.cpu_request.or(limit);
        let by_cpu = self.cpu.zip(request).zip(cores);
        let by_cpu = by_cpu.map(|((percent, request), cores)| cores / (request * percent as f64 / 100.0));
        let by_calls = self.requests.map(|each| calls / (each as f64 / 1e3));
        let goals = [by_cpu, by_calls].into_iter().flatten();
        goals.reduce(f64::max).map(|n| libm::ceil(n - 1e-9))
    }
}

const BEHAVIOR: &[&str] = &[
    "scale-up-stabilization",
    "scale-up-pods",
    "scale-up-percent",
    "scale-up-period",
    "scale-down-pods",
    "scale-down-percent",
    "scale-down-period",
];

pub const KEYS: &[Key] = &[
    key(
        "of",
        Form::Name,
        None,
        "the service; its `replicas` are the most there can be",
    ),
    key("min", Form::Count, Some("1"), "the fewest (`minReplicas`, 1)"),
    key(
        "initially",
        Form::Count,
        None,
        "how many there are at the beginning; without it `min`",
    ),
    key(
        "cpu",
        Form::Share,
        None,
        "utilisation of `cpu-request` that is aimed at (`averageUtilization`; 80 % where no goal is given)",
    ),
    key(
        "cpu-request",
        Form::Number,
        None,
        "cores that a replica requests (`resources.requests.cpu`); without it the service's `cpu-limit`, as Kubernetes takes it",
    ),
    key(
        "requests",
        Form::Rate,
        None,
        "calls answered by each replica that are aimed at (a `Pods` metric's `averageValue`)",
    ),
    key(
        "lag",
        Form::Count,
        None,
        "records not committed that are aimed at for each replica (KEDA `lagThreshold`); it needs a `consumer`",
    ),
    key(
        "consumer",
        Form::Name,
        None,
        "the consumer group whose lag counts",
    ),
    key(
        "tolerance",
        Form::Share,
        Some("\"10%\""),
        "ratios so close to 1 change nothing (`--horizontal-pod-autoscaler-tolerance`, 0.1)",
    ),
    key(
        "sync-period",
        Form::Duration,
        Some("\"15s\""),
        "between two decisions (`--horizontal-pod-autoscaler-sync-period`, 15 s)",
    ),
    key(
        "metric-period",
        Form::Duration,
        Some("\"15s\""),
        "between two looks at the counters (metrics-server `--metric-resolution`, 15 s)",
    ),
    key(
        "provisioning",
        Form::Law,
        Some("\"0s\""),
        "from a decision until a new process starts: a place, the image, maybe a node; its `start-up-time` follows",
    ),
    key(
        "scale-down-stabilization",
        Form::Duration,
        Some("\"300s\""),
        "over so long the largest recommendation counts (`--horizontal-pod-autoscaler-downscale-stabilization`, 5 min)",
    ),
    key(
        "scale-up-stabilization",
        Form::Duration,
        Some("\"0s\""),
        "over so long the smallest recommendation counts on the way up (0)",
    ),
    key(
        "scale-up-pods",
        Form::Count,
        Some("4"),
        "most replicas added in a period (4); of pods and percent the larger counts",
    ),
    key(
        "scale-up-percent",
        Form::Share,
        Some("\"100%\""),
        "most that is added in a period, as a share (100 %)",
    ),
    key(
        "scale-up-period",
        Form::Duration,
        Some("\"15s\""),
        "that period (15 s)",
    ),
    key(
        "scale-down-pods",
        Form::Count,
        None,
        "most replicas removed in a period; of pods and percent the larger counts",
    ),
    key(
        "scale-down-percent",
        Form::Share,
        Some("\"100%\""),
        "most that is removed in a period, as a share (100 %)",
    ),
    key(
        "scale-down-period",
        Form::Duration,
        Some("\"15s\""),
        "that period (15 s)",
    ),
];

pub fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let of = reader.required_name("of");
    let min = reader.count_in("min", 1..=u64::from(MOST));
    let initially = match reader.has("initially") {
        true => reader.count_in("initially", 1..=u64::from(MOST)),
        false => min,
    };
    let goals = goals(reader, names);
    let tolerance = reader.share("tolerance");
    let (sync, metric) = (
        reader.positive_duration("sync-period"),
        reader.positive_duration("metric-period"),
    );
    let provisioning = match reader.law("provisioning") {
        Some(text) => read_law(&text, LawUnit::Duration, "`provisioning`", names, reader.sink()),
        None => None,
    };
    let window = reader.duration("scale-down-stabilization");
    let rules = rules(reader, window?.nanos());
    let of = names.resolve(&["service"], &of?, reader)?;
    let (cpu, requests, lag) = goals?;
    let cpu_request = match reader.has("cpu-request") {
        true => Some(reader.number_in("cpu-request", 0.001..=1e6)?),
        false => None,
    };
    if cpu_request.is_some() && cpu.is_none() {
        let span = reader.key_span("cpu-request");
        reader
            .sink()
            .warning(
                span,
                "no-effect",
                "`cpu-request` has no effect without a goal for `cpu`",
            )
            .help("say how much of it is aimed at, as `cpu = \"80%\"`");
    }
    let (min, initially) = (min? as u32, initially? as u32);
    if initially < min {
        let span = reader.span("initially");
        reader
            .sink()
            .error(
                span,
                "out-of-range",
                format!("`initially` is less than `min`, {min}"),
            )
            .help("begin with at least `min`");
        return None;
    }
    Some(Plan {
        of,
        min,
        initially,
        cpu,
        cpu_request,
        requests,
        lag,
        tolerance: tolerance?.0,
        sync_period: sync?.nanos(),
        metric_period: metric?.nanos(),
        provisioning,
        rules: rules?,
        window: window?.nanos(),
    })
}

type Goals = (Option<u64>, Option<u64>, Option<(u64, ComponentId)>);

fn goals(reader: &mut Reader, names: &Names) -> Option<Goals> {
    let none = !["cpu", "requests", "lag"].iter().any(|key| reader.has(key));
    let cpu = match reader.has("cpu") {
        true => Some(libm::round(reader.share("cpu")?.0 * 100.0) as u64),
        // What Kubernetes aims at where nothing is said.
        false => none.then_some(80),
    };
    if cpu == Some(0) {
        let span = reader.span("cpu");
        reader
            .sink()
            .error(
                span,
                "out-of-range",
                "`cpu` is less than one percent: no number of replicas reaches it",
            )
            .help("write what is aimed at, as `cpu = \"80%\"`");
        return None;
    }
    let requests = match reader.has("requests") {
        true => Some(reader.positive_rate("requests")?.per_second),
        false => None,
    };
    if requests.is_some_and(|r| r < 0.001) {
        let span = reader.span("requests");
        reader
            .sink()
            .error(
                span,
                "out-of-range",
                "`requests` is less than a thousandth a second, the least that is counted",
            )
            .help("write a rate, as `requests = \"200/s\"`");
        return None;
    }
    if reader.has("lag") != reader.has("consumer") {
        let (given, other) = match reader.has("lag") {
            true => ("lag", "consumer"),
            false => ("consumer", "lag"),
        };
        let span = reader.key_span(given);
        reader
            .sink()
            .error(span, "missing-key", format!("`{given}` needs `{other}`"))
            .help("write both, as `lag = 1000` and `consumer = \"orders\"`");
        return None;
    }
    let lag = match reader.has("lag") {
        true => {
            let each = reader.count_in("lag", 1..=1 << 40);
            let consumer = reader.required_name("consumer")?;
            Some((each?, names.resolve(&["consumer"], &consumer, reader)?))
        }
        false => None,
    };
    Some((cpu, requests.map(|r| libm::round(r * 1e3) as u64), lag))
}

/// `None` if something was wrong; no rules without any key that makes a `behavior`.
fn rules(reader: &mut Reader, window: u64) -> Option<Option<(Rules, Rules)>> {
    let given = BEHAVIOR.iter().any(|key| reader.has(key));
    let percent = |reader: &mut Reader, key: &str| reader.share(key).map(|s| libm::round(s.0 * 100.0) as u32);
    let up = Rules {
        window: reader.duration("scale-up-stabilization")?.nanos(),
        pods: Some(reader.count_in("scale-up-pods", 0..=u64::from(MOST))? as u32),
        percent: Some(percent(reader, "scale-up-percent")?),
        period: reader.positive_duration("scale-up-period")?.nanos(),
    };
    let down = Rules {
        window,
        pods: match reader.has("scale-down-pods") {
            true => Some(reader.count_in("scale-down-pods", 0..=u64::from(MOST))? as u32),
            false => None,
        },
        percent: Some(percent(reader, "scale-down-percent")?),
        period: reader.positive_duration("scale-down-period")?.nanos(),
    };
    Some(given.then_some((up, down)))
}
