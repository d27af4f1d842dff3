//! Tidy tables: one observation a row, in SI units, empty where nothing was observed.

use std::io::{self, Write};

use crate::experiment::results::{Point, Results, Unit};
use crate::output::reading;

/// `metrics.csv`: one row for each figure of each point.
pub fn metrics(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    const FIXED: [&str; 10] = [
        "subject",
        "metric",
        "unit",
        "mean",
        "low",
        "high",
        "replications",
        "note",
        "theory",
        "formula",
    ];
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(heads(results, &FIXED))?;
    for point in &results.points {
        let place = place(results, point);
        for metric in &point.metrics {
            let mut record = place.clone();
            record.extend([
                metric.subject.clone(),
                metric.name.clone(),
                unit(metric.unit).to_owned(),
                number(Some(metric.mean)),
                number(metric.low),
                number(metric.high),
                metric.replications.to_string(),
                metric.note.clone().unwrap_or_default(),
                number(metric.theory.as_ref().map(|theory| theory.value)),
                metric
                    .theory
                    .as_ref()
                    .map(|theory| theory.formula.clone())
                    .unwrap_or_default(),
            ]);
            writer.write_record(&record)?;
        }
    }
    writer.flush()
}

/// `series.csv`: one row for each figure of each window of each point.
pub fn series(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    const FIXED: [&str; 5] = ["time_s", "subject", "metric", "unit", "value"];
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(heads(results, &FIXED))?;
    for point in &results.points {
        let place = place(results, point);
        for column in &point.series.columns {
            for (time, value) in point.series.times_s.iter().zip(&column.values) {
                let (time, value) = (number(Some(*time)), number(Some(*value)));
                let rest = [&time, &column.subject, &column.name, unit(column.unit), &value];
                writer.write_record(place.iter().map(String::as_str).chain(rest))?;
            }
        }
    }
    writer.flush()
}

/// The unit as written in tables of data.
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::PerSecond => "1/s",
        Unit::Count => "count",
        Unit::Share => "share",
        Unit::Bytes => "B",
        Unit::None => "",
    }
}

/// `point`, the axes, the fixed columns. An axis whose label is taken goes by its path.
fn heads(results: &Results, fixed: &[&str]) -> Vec<String> {
    let mut heads = vec!["point".to_owned()];
    for (at, axis) in results.axes.iter().enumerate() {
        let taken = |name: &str, heads: &[String]| {
            name.is_empty() || fixed.contains(&name) || heads.iter().any(|head| head == name)
        };
        let mut name = axis.label.clone();
        if taken(&name, &heads) {
            name = axis.path.clone();
        }
        if taken(&name, &heads) {
            name = format!("axis_{at}");
        }
        heads.push(name);
    }
    heads.extend(fixed.iter().map(|name| (*name).to_owned()));
    heads
}

/// The point's index and its value on each axis: numbers if all of the axis' values are, else labels.
fn place(results: &Results, point: &Point) -> Vec<String> {
    let mut cells = vec![point.index.to_string()];
    for axis in 0..results.axes.len() {
        cells.push(if reading::is_numeric(results, axis) {
            number(reading::value_number(results, point, axis))
        } else {
            reading::value_label(results, point, axis).to_owned()
        });
    }
    cells
}

/// The shortest digits that read back as the same number; empty for what is not finite.
fn number(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => String::new(),
        Some(value) if value == 0.0 || (1e-6..1e16).contains(&value.abs()) => value.to_string(),
        Some(value) => format!("{value:e}"),
    }
}
