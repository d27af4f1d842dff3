//! The section of the page.

use super::{CLASS_NAMES, Line, METRICS, Row, class};

/// The section as text.
pub fn page(rows: &[Row], lines: &[Line]) -> String {
    let mut text = String::from(
        "## A real stack\n\nTomcat, HikariCP and PostgreSQL, measured row by row; the models in \
         `models/testbed` say which of their numbers are given, default or fitted. Measured: the mean of the \
         repeats; predicted: the mean of as long runs with other seeds. Where runs were predicted one by one, with \
         their own arrivals and draws (E1b open, E2 from 190/s, E3, E7) or their own collector's log (E8), the errors of the \
         single runs stand in brackets. Made by `plimsoll validate testbed`.\n\n\
         ![errors of all rows](testbed.svg)\n\n| rows | figures judged | within tolerance |\n|---|---:|---:|\n",
    );
    let judged = |name: &str| {
        let of = lines
            .iter()
            .filter(|l| name.is_empty() || rows[l.row].class == name);
        let verdicts: Vec<bool> = of.filter_map(Line::ok).collect();
        (verdicts.len(), verdicts.iter().filter(|v| **v).count())
    };
    for name in CLASS_NAMES {
        let (n, ok) = judged(name);
        if n > 0 {
            text.push_str(&format!("| {} | {n} | {ok} |\n", class(name).title));
        }
    }
    let (n, ok) = judged("");
    text.push_str(&format!("| **all** | {n} | {ok} |\n\n"));
    text.push_str(
        "| row | configuration | figure | measured | repeats, SD | predicted | error | at most | |\n\
         |---|---|---|---:|---:|---:|---:|---:|---|\n",
    );
    for line in lines {
        text.push_str(&told(&rows[line.row], line));
    }
    text
}

fn told(row: &Row, line: &Line) -> String {
    let (name, unit) = METRICS[line.metric];
    let spread = line.spread.map_or("–".to_owned(), |s| format!("{s:.1} %"));
    let most = line.most.map_or(String::new(), |m| format!("{m:.0} %"));
    let verdict = match line.ok() {
        Some(true) => "ok",
        Some(false) => "**miss**",
        None => "",
    };
    let (error, most) = match line.stalls {
        Some((measured, predicted)) => {
            let word = |s: bool| if s { "stalls" } else { "runs" };
            (word(predicted).to_owned(), word(measured).to_owned())
        }
        None => {
            let runs: Vec<String> = line.runs.iter().map(|e| format!("{e:+.0}")).collect();
            let single = match runs.is_empty() {
                true => String::new(),
                false => format!(" ({})", runs.join(", ")),
            };
            (format!("{:+.1} %{single}", line.error()), most)
        }
    };
    format!(
        "| {} | `{}` | {name} | {} {unit} | {}, {spread} | {} {unit} | {error} | {most} | {verdict} |\n",
        row.name,
        row.what,
        short(line.measured),
        line.repeats,
        short(line.predicted),
    )
}

/// Four digits that count.
fn short(value: f64) -> String {
    let before = if value.abs() >= 1.0 {
        value.abs().log10().floor() as usize + 1
    } else {
        1
    };
    format!("{value:.*}", 4usize.saturating_sub(before))
}
