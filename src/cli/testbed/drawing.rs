//! The errors of all rows as a picture: a column a row, a dot a figure.

use std::fmt::Write;

use super::{Line, METRICS, Row};

const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const COLUMN: f64 = 19.0;
const HEIGHT: f64 = 320.0;
/// Errors beyond are drawn at the edge, per cent.
const MOST: f64 = 50.0;
const COLOURS: [&str; 5] = ["#333333", "#0072b2", "#009e73", "#e69f00", "#d55e00"];

/// An SVG file.
pub fn svg(rows: &[Row], lines: &[Line]) -> String {
    let width = LEFT + COLUMN * rows.len() as f64 + 20.0;
    let total = TOP + HEIGHT + 70.0;
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" \
         font-family=\"DejaVu Sans, sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"16\">Error of the prediction, % of what was measured; hollow: beyond its tolerance; grey: not judged</text>\n"
    );
    let y = |error: f64| TOP + HEIGHT * (0.5 - error.clamp(-MOST, MOST) / (2.0 * MOST));
    for step in [-50, -25, -10, 0, 10, 25, 50] {
        let at = y(f64::from(step));
        let grey = if step == 0 { "#555" } else { "#ddd" };
        let _ = writeln!(
            s,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"{grey}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{step:+}</text>",
            width - 20.0,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for (i, row) in rows.iter().enumerate() {
        let x = LEFT + COLUMN * (i as f64 + 0.5);
        let foot = TOP + HEIGHT + 10.0;
        let _ = writeln!(
            s,
            "<text transform=\"translate({:.1} {foot:.1}) rotate(-90)\" text-anchor=\"end\">{}</text>",
            x + 4.0,
            row.name
        );
    }
    for line in lines
        .iter()
        .filter(|l| l.metric < COLOURS.len() && l.error().is_finite())
    {
        let shift = (line.metric as f64 - 2.0) * 2.6;
        let x = LEFT + COLUMN * (line.row as f64 + 0.5) + shift;
        let (fill, stroke) = match line.ok() {
            Some(true) => (COLOURS[line.metric], COLOURS[line.metric]),
            Some(false) => ("white", COLOURS[line.metric]),
            None => ("#cccccc", "#cccccc"),
        };
        let _ = writeln!(
            s,
            "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
            y(line.error())
        );
    }
    for (i, colour) in COLOURS.iter().enumerate() {
        let x = LEFT + 100.0 * i as f64;
        let _ = writeln!(
            s,
            "<circle cx=\"{x:.1}\" cy=\"28\" r=\"3\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"32\">{}</text>",
            x + 8.0,
            METRICS[i].0
        );
    }
    s.push_str("</svg>\n");
    s
}
