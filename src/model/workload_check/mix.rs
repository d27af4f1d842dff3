//! Which flows a workload asks for, and in which shares.

use crate::diagnostic::Sink;
use crate::document::{Item, Reader, Value};

use super::super::check::unknown_flow;
use super::super::compile::FlowPlan;

pub(super) fn mix(reader: &mut Reader, flows: &[FlowPlan]) -> Option<Vec<(u16, f64)>> {
    let known: Vec<&str> = flows.iter().map(|f| f.name.as_str()).collect();
    let find = |name: &str, item: &Item, sink: &mut Sink| -> Option<u16> {
        if let Some(i) = known.iter().position(|n| *n == name) {
            return Some(i as u16);
        }
        unknown_flow(name, item.span.clone(), flows, sink);
        None
    };
    match (reader.item("flow"), reader.item("mix")) {
        (Some(item), None) => {
            let name = reader.text("flow")?;
            Some(vec![(find(&name, item, reader.sink())?, 1.0)])
        }
        (None, Some(_)) => {
            let table = reader.table("mix")?;
            let mut list = Vec::new();
            for e in &table.entries {
                let weight = match &e.item.value {
                    Value::String(_) => e.item.share("a share of the mix", reader.sink()).map(|s| s.0),
                    _ => e.item.number("a share of the mix", reader.sink()),
                };
                let flow = find(&e.key, &e.item, reader.sink());
                let weight = weight?;
                if !(weight.is_finite() && weight >= 0.0) {
                    reader.sink().error(
                        e.item.span.clone(),
                        "out-of-range",
                        format!("a share of {weight}; it must be zero or more"),
                    );
                    return None;
                }
                list.push((flow?, weight));
            }
            let total: f64 = list.iter().map(|m| m.1).sum();
            if total <= 0.0 {
                let span = reader.span("mix");
                reader
                    .sink()
                    .error(span, "no-weight", "the mix has no flow with a share above zero");
                return None;
            }
            // Flows with no share stand first, where no draw finds them: an experiment may give them one.
            list.sort_by_key(|m| (m.1 > 0.0, m.0));
            for m in &mut list {
                m.1 /= total;
            }
            Some(list)
        }
        (Some(_), Some(_)) => {
            let span = reader.key_span("mix");
            reader
                .sink()
                .error(span, "two-verbs", "a workload has either a `flow` or a `mix`");
            None
        }
        (None, None) if flows.len() == 1 => Some(vec![(0, 1.0)]),
        (None, None) => {
            let (span, what) = (reader.table_span(), reader.what().to_owned());
            reader
                .sink()
                .error(
                    span,
                    "missing-key",
                    format!("{what} has neither `flow` nor `mix`"),
                )
                .help(match known.is_empty() {
                    true => "the model has no flow; add [flow.NAME] with its `steps`".to_owned(),
                    false => format!("the model has the flows `{}`", known.join("`, `")),
                });
            None
        }
    }
}
