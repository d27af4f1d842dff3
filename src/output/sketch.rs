//! A picture in a few lines of text: braille dots for lines, a mark and its interval for each point,
//! bars when the axis has names instead of numbers.

use crate::output::chart::{Line, Mark, Panel, XAxis};
use crate::output::figure::{self, Scale};
use crate::output::label::apart;
use crate::output::scale::Span;
use crate::output::table::{cells, fitted, padded};

const MARKERS: [char; 7] = ['●', '○', '■', '□', '▲', '△', '◆'];
/// More points than this are drawn as a line without marks.
const MARKED: usize = 30;
/// The length that the longest bar has at least, where there is room for it.
const BAR: usize = 24;

/// Draws a panel `width` columns wide with `rows` rows of plot; empty when there is nothing to draw.
pub fn sketch(panel: &Panel, x: &XAxis, width: usize, rows: usize) -> Vec<String> {
    let Some((least, most)) = panel.range() else {
        return Vec::new();
    };
    let scale = figure::scale(panel.unit, least.abs().max(most.abs()));
    match &x.categories {
        Some(names) => bars(panel, names, scale, width),
        None => curve(panel, x, scale, (least, most), width, rows.max(3)),
    }
}

fn curve(
    panel: &Panel,
    x: &XAxis,
    scale: Scale,
    (least, most): (f64, f64),
    width: usize,
    rows: usize,
) -> Vec<String> {
    let marks = || {
        panel
            .lines
            .iter()
            .flat_map(|line| &line.marks)
            .filter(|mark| mark.x.is_finite())
    };
    let left = marks().map(|mark| mark.x).fold(f64::INFINITY, f64::min);
    let right = marks().map(|mark| mark.x).fold(f64::NEG_INFINITY, f64::max);
    if left > right {
        return Vec::new();
    }
    let across = Span::holding(left, right, x.logarithmic, false);
    let positive = marks()
        .map(|mark| mark.y)
        .filter(|y| *y > 0.0)
        .fold(f64::INFINITY, f64::min);
    let floor = if panel.logarithmic && least <= 0.0 {
        positive
    } else {
        least
    };
    let about = (rows / 3).clamp(2, 4);
    let up = Span::holding(floor / scale.factor, most / scale.factor, panel.logarithmic, true).rounded(about);

    let ticks: Vec<(usize, String)> = up
        .ticks(about)
        .into_iter()
        .filter_map(|tick| Some((row(up.place(tick), rows)?, figure::significant(tick))))
        .collect();
    let margin = ticks.iter().map(|(_, label)| cells(label)).max().unwrap_or(1) + 1;
    let Some(columns) = width.checked_sub(margin + 2).filter(|columns| *columns >= 12) else {
        return Vec::new();
    };
    let mut canvas = Canvas::new(columns, rows);
    for line in &panel.lines {
        canvas.trace(line, across, up, scale);
    }
    for (at, line) in panel.lines.iter().enumerate() {
        let marker = MARKERS[at % MARKERS.len()];
        if line.marks.len() <= MARKED {
            canvas.mark(&line.marks, marker, across, up, scale);
        } else if panel.lines.len() > 1 {
            // Too many to mark each; the last tells the lines apart.
            let last = line.marks.iter().rposition(|mark| mark.y.is_finite());
            let last = last.map(|at| Mark {
                interval: None,
                ..line.marks[at]
            });
            canvas.mark(last.as_slice(), marker, across, up, scale);
        }
    }

    let mut out = vec![fitted(&heading(panel, scale), width)];
    for (at, text) in canvas.rows().into_iter().enumerate() {
        let label = ticks
            .iter()
            .find(|(row, _)| *row == at)
            .map_or("", |(_, label)| label.as_str());
        let edge = if label.is_empty() { '│' } else { '┤' };
        out.push(
            format!("{}{} {edge}{text}", " ".repeat(margin - 1 - cells(label)), label)
                .trim_end()
                .to_owned(),
        );
    }
    let (axis, labels) = bottom(x, across, columns);
    out.push(format!("{}└{axis}", " ".repeat(margin)));
    out.push(
        format!("{}{labels}", " ".repeat(margin + 1))
            .trim_end()
            .to_owned(),
    );
    let name = fitted(&x.heading(), columns);
    out.push(format!(
        "{}{name}",
        " ".repeat(margin + 1 + columns.saturating_sub(cells(&name)))
    ));
    out.extend(legend(panel, width));
    out
}

fn heading(panel: &Panel, scale: Scale) -> String {
    let unit = if scale.suffix.is_empty() {
        String::new()
    } else {
        format!(", {}", scale.suffix)
    };
    let log = if panel.logarithmic { " (logarithmic)" } else { "" };
    format!("{}{unit}{log}", panel.title)
}

fn legend(panel: &Panel, width: usize) -> Vec<String> {
    if panel.lines.len() < 2 {
        return Vec::new();
    }
    let entry = |(at, label): (usize, &String)| format!("{} {label}", MARKERS[at % MARKERS.len()]);
    let labels: Vec<String> = panel.lines.iter().map(|line| line.label.clone()).collect();
    let labels = apart(&labels, width.saturating_sub(4));
    let mut rows: Vec<String> = Vec::new();
    for entry in labels.iter().enumerate().map(entry) {
        match rows.last_mut() {
            Some(row) if cells(row) + 3 + cells(&entry) <= width => {
                row.push_str("   ");
                row.push_str(&entry);
            }
            _ => rows.push(format!("  {entry}")),
        }
    }
    rows
}

/// The ruler below the plot and the labels below the ruler; a label that would touch another is left out.
fn bottom(x: &XAxis, across: Span, columns: usize) -> (String, String) {
    let mut axis = vec!['─'; columns];
    let mut labels = vec![' '; columns];
    let stops = if x.stops.is_empty() {
        across
            .ticks(columns / 12)
            .into_iter()
            .map(|tick| (tick, figure::significant(tick)))
            .collect()
    } else {
        x.stops.clone()
    };
    let mut free = 0;
    for (value, label) in stops {
        let Some(at) = column(across.place(value), columns) else {
            continue;
        };
        axis[at] = '┬';
        let label: Vec<char> = label.chars().collect();
        let from = at
            .saturating_sub(label.len() / 2)
            .min(columns.saturating_sub(label.len()));
        if from >= free && label.len() <= columns {
            labels[from..from + label.len()].copy_from_slice(&label);
            free = from + label.len() + 1;
        }
    }
    (axis.into_iter().collect(), labels.into_iter().collect())
}

fn bars(panel: &Panel, names: &[String], scale: Scale, width: usize) -> Vec<String> {
    struct Bar {
        label: String,
        value: f64,
        text: String,
    }
    let mut bars: Vec<Bar> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        for line in &panel.lines {
            let Some(mark) = line.marks.iter().find(|mark| mark.x == at as f64) else {
                continue;
            };
            let label = if line.label.is_empty() {
                name.clone()
            } else {
                format!("{name}, {}", line.label)
            };
            let value = mark.y / scale.factor;
            let half = mark
                .interval
                .map(|(low, high)| (high - mark.y).max(mark.y - low) / scale.factor);
            bars.push(Bar {
                label,
                value,
                text: figure::interval_text(value, half),
            });
        }
    }
    let kept = crate::output::reading::spread(bars.len(), 24);
    let dropped = bars.len() - kept.len();
    let most = bars
        .iter()
        .map(|bar| bar.value)
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let figures = kept.iter().map(|at| cells(&bars[*at].text)).max().unwrap_or(0);
    // Names are cut only for bars long enough to compare.
    let most_names = width.saturating_sub(figures + 4 + BAR).max(width / 3);
    let labels: Vec<String> = kept.iter().map(|at| bars[*at].label.clone()).collect();
    let labels = apart(&labels, most_names);
    let names = labels.iter().map(|label| cells(label)).max().unwrap_or(0);
    let Some(room) = width.checked_sub(names + figures + 4).filter(|room| *room >= 8) else {
        return Vec::new();
    };
    let mut out = vec![fitted(&heading(panel, scale), width)];
    for (at, label) in kept.into_iter().zip(labels) {
        let bar = &bars[at];
        let share = if most > 0.0 && bar.value.is_finite() {
            (bar.value / most).max(0.0)
        } else {
            0.0
        };
        let eighths = (share * (room * 8) as f64).round() as usize;
        let mut drawn = "█".repeat(eighths / 8);
        if !eighths.is_multiple_of(8) {
            drawn.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
        }
        let label = padded(&label, names);
        let text = " ".repeat(figures - cells(&bar.text)) + &bar.text;
        out.push(format!("{label}  {text} {drawn}").trim_end().to_owned());
    }
    if dropped > 0 {
        out.push(format!("({dropped} more in metrics.csv)"));
    }
    out
}

fn column(place: f64, columns: usize) -> Option<usize> {
    (-0.001..=1.001)
        .contains(&place)
        .then(|| (place.clamp(0.0, 1.0) * (columns - 1) as f64).round() as usize)
}

fn row(place: f64, rows: usize) -> Option<usize> {
    (-0.001..=1.001)
        .contains(&place)
        .then(|| ((1.0 - place.clamp(0.0, 1.0)) * (rows - 1) as f64).round() as usize)
}

/// A grid of characters above a grid of 2 × 4 braille dots a character.
struct Canvas {
    columns: usize,
    rows: usize,
    dots: Vec<u8>,
    chars: Vec<Option<char>>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Canvas {
        Canvas {
            columns,
            rows,
            dots: vec![0; columns * rows],
            chars: vec![None; columns * rows],
        }
    }

    fn dot(&mut self, x: usize, y: usize) {
        // The Braille Patterns block numbers the dots of a cell in columns, the lowest row last.
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let (column, row) = (x / 2, y / 4);
        if column < self.columns && row < self.rows {
            self.dots[row * self.columns + column] |= BITS[x % 2][y % 4];
        }
    }

    fn put(&mut self, column: usize, row: usize, char: char) {
        self.chars[row * self.columns + column] = Some(char);
    }

    fn trace(&mut self, line: &Line, across: Span, up: Span, scale: Scale) {
        let (wide, high) = ((self.columns * 2 - 2) as f64, (self.rows * 4 - 4) as f64);
        // Dots sit in the middle of their cells, where the marks stand.
        let place = |x: f64, y: f64| {
            let (x, y) = (across.place(x), up.place(y / scale.factor));
            let inside = |place: f64| (-0.001..=1.001).contains(&place);
            (inside(x) && inside(y)).then_some((x * wide, (1.0 - y) * high + 1.5))
        };
        let mut last: Option<(f64, f64)> = None;
        for mark in &line.marks {
            let here = place(mark.x, mark.y);
            if let (Some((x0, y0)), Some((x1, y1)), true) = (last, here, line.connected) {
                let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0) as usize;
                for step in 0..=steps {
                    let part = step as f64 / steps as f64;
                    let (x, y) = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part);
                    self.dot(x.round().max(0.0) as usize, y.round().max(0.0) as usize);
                }
            }
            if let Some((x, y)) = here.filter(|_| line.marks.len() > MARKED) {
                self.dot(x.round().max(0.0) as usize, y.round().max(0.0) as usize);
            }
            last = here;
        }
    }

    fn mark(&mut self, marks: &[Mark], marker: char, across: Span, up: Span, scale: Scale) {
        for mark in marks {
            let at = column(across.place(mark.x), self.columns);
            let here = row(up.place(mark.y / scale.factor), self.rows);
            let (Some(at), Some(here)) = (at, here) else {
                continue;
            };
            if let Some((low, high)) = mark.interval {
                let end = |value: f64| {
                    let place = up.place(value / scale.factor);
                    row(
                        if place.is_nan() {
                            0.0
                        } else {
                            place.clamp(0.0, 1.0)
                        },
                        self.rows,
                    )
                };
                if let (Some(top), Some(foot)) = (end(high), end(low)) {
                    for row in top..=foot {
                        let char = if row == here {
                            continue;
                        } else if row == top {
                            '┬'
                        } else if row == foot {
                            '┴'
                        } else {
                            '│'
                        };
                        self.put(at, row, char);
                    }
                }
            }
            self.put(at, here, marker);
        }
    }

    fn rows(&self) -> Vec<String> {
        let cell = |at: usize| match (self.chars[at], self.dots[at]) {
            (Some(char), _) => char,
            (None, 0) => ' ',
            (None, dots) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
        };
        let row = |row: usize| {
            (0..self.columns)
                .map(|column| cell(row * self.columns + column))
                .collect()
        };
        (0..self.rows).map(row).collect()
    }
}
