//! The summary on the terminal: the answer first, then the figures, then the picture, then remarks.

use crate::experiment::results::{Kind, Point, Results, Verdict, Weight};
use crate::output::pictures;
use crate::output::reading;
use crate::output::sketch::sketch;
use crate::output::summary::{self, Bottleneck, Footnotes};
use crate::output::table::{Fitted, Grid, Tint, fitted, padded, wrapped};

/// Rows of a sweep's table before the rest is left to the files.
const ROWS: usize = 40;
/// No line is wider than this, however wide the terminal.
const WIDEST: usize = 160;
/// Below this width nothing is legible; lines are then longer than the terminal.
const NARROWEST: usize = 40;

/// The summary of results in lines of at most `width` columns, with ANSI colours when `colour` is set.
pub fn terminal(results: &Results, width: usize, colour: bool) -> String {
    let mut page = Page {
        lines: Vec::new(),
        width: width.clamp(NARROWEST, WIDEST),
        colour,
    };
    page.heading(results);
    match (results.kind, results.points.as_slice()) {
        (_, []) => {}
        (Kind::Run, [point]) => page.run(results, point),
        _ => page.sweep(results),
    }
    page.remarks(results);
    let mut text = page.lines.join("\n");
    text.push('\n');
    text
}

struct Page {
    lines: Vec<String>,
    width: usize,
    colour: bool,
}

impl Page {
    fn heading(&mut self, results: &Results) {
        let title = if results.title.is_empty() {
            &results.name
        } else {
            &results.title
        };
        for line in wrapped(&reading::clean(title), self.width, "") {
            let line = self.painted(&line, "1");
            self.lines.push(line);
        }
        let kind = match results.kind {
            Kind::Run => "run".to_owned(),
            Kind::Sweep => format!("sweep of {}", reading::count(results.points.len(), "point")),
        };
        let replications = reading::count(results.replications as usize, "replication");
        let meta = format!(
            "{kind} · {replications} · seed {} · {} % intervals",
            results.seed,
            results.confidence * 100.0
        );
        self.lines.push(fitted(&meta, self.width));
        self.blank();
        for (at, line) in reading::headline(results).iter().enumerate() {
            let tint = if at == 0 { worst(results) } else { Tint::Plain };
            for part in wrapped(line, self.width, "  ") {
                let part = self.tinted(&part, tint);
                self.lines.push(part);
            }
        }
    }

    fn sweep(&mut self, results: &Results) {
        let shown = reading::telling(results, ROWS);
        let mut notes = Footnotes::default();
        let mut grid = summary::points(results, &shown, Bottleneck::Column, &mut notes);
        if !grid.fit(self.width, false).left_out.is_empty() {
            notes = Footnotes::default();
            grid = summary::points(results, &shown, Bottleneck::Below, &mut notes);
        }
        self.blank();
        self.grid(&grid, &notes);
        if shown.len() < results.points.len() {
            let note = format!(
                "{} of {} points shown, changes of verdict among them; all are in metrics.csv.",
                shown.len(),
                results.points.len()
            );
            self.paragraph(&note);
        }
        let picture = pictures::curve(results);
        for panel in picture.panels.iter().take(1) {
            self.drawing(sketch(panel, &picture.x, self.width.min(100), 11));
        }
        self.theory(results);
    }

    fn run(&mut self, results: &Results, point: &Point) {
        for note in reading::notes(point) {
            self.paragraph(&reading::clean(note));
        }
        if !point.objective.is_empty() {
            self.blank();
            let longest = point
                .objective
                .iter()
                .map(|term| term.text.chars().count())
                .max()
                .unwrap_or(0);
            for term in &point.objective {
                let (word, tint) = summary::met(term.met);
                let word = self.tinted(&padded(word, 9), tint);
                let text = padded(&reading::clean(&term.text), longest.min(30));
                let rest = fitted(
                    &format!("{text}  {}", reading::clean(&term.detail)),
                    self.width - 11,
                );
                self.lines.push(format!("{word}  {}", rest.trim_end()));
            }
        }
        for grid in [summary::flows, summary::components] {
            let mut notes = Footnotes::default();
            let grid = grid(point, &mut notes);
            if !grid.rows.is_empty() {
                self.blank();
                self.grid(&grid, &notes);
            }
        }
        self.theory(results);
        let picture = pictures::over_time(results, point);
        let shown = picture
            .panels
            .iter()
            .enumerate()
            .filter(|(i, panel)| *i < 2 || panel.title == pictures::REPLICAS);
        for (_, panel) in shown {
            self.drawing(sketch(panel, &picture.x, self.width.min(100), 7));
        }
        if !point.converged {
            self.blank();
            self.paragraph("The precision asked for was not reached.");
        }
    }

    fn theory(&mut self, results: &Results) {
        let mut grid = summary::theory(results);
        let rows = grid.rows.len();
        if rows > 0 {
            grid.rows.truncate(ROWS / 2);
            self.blank();
            self.grid(&grid, &Footnotes::default());
            if rows > grid.rows.len() {
                self.paragraph(&format!("{} more in metrics.csv.", rows - grid.rows.len()));
            }
        }
    }

    fn remarks(&mut self, results: &Results) {
        let mut findings: Vec<_> = results.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        if !findings.is_empty() {
            self.blank();
        }
        for finding in findings {
            let (word, tint) = match finding.weight {
                Weight::Note => ("note", Tint::Plain),
                Weight::Warning => ("warning", Tint::Doubtful),
                Weight::Serious => ("serious", Tint::Bad),
            };
            let text = format!("{word}: {}", reading::clean(&finding.text));
            for (at, line) in wrapped(&text, self.width, "  ").into_iter().enumerate() {
                let painted = match line.strip_prefix(word).filter(|_| at == 0) {
                    Some(rest) => format!("{}{rest}", self.tinted(word, tint)),
                    None => line,
                };
                self.lines.push(painted);
            }
        }
    }

    fn grid(&mut self, grid: &Grid, notes: &Footnotes) {
        let Fitted { lines, left_out } = grid.fit(self.width, self.colour);
        let notes = notes.lines(&lines);
        self.lines.extend(lines);
        for note in notes {
            self.paragraph(&note);
        }
        if !left_out.is_empty() {
            self.paragraph(&format!("No room for {}; see metrics.csv.", left_out.join(", ")));
        }
    }

    fn drawing(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.blank();
            self.lines.extend(lines);
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.lines.extend(wrapped(text, self.width, "  "));
    }

    fn blank(&mut self) {
        self.lines.push(String::new());
    }

    fn tinted(&self, text: &str, tint: Tint) -> String {
        match tint {
            Tint::Plain => text.to_owned(),
            Tint::Good => self.painted(text, "32"),
            Tint::Doubtful => self.painted(text, "33"),
            Tint::Bad => self.painted(text, "31"),
        }
    }

    fn painted(&self, text: &str, code: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

fn worst(results: &Results) -> Tint {
    let verdicts = || results.points.iter().map(|point| point.verdict);
    let any = |verdict: Verdict| verdicts().any(|found| found == verdict);
    if any(Verdict::Overloaded) || any(Verdict::Failing) {
        Tint::Bad
    } else if any(Verdict::NearCritical) || any(Verdict::Undecided) {
        Tint::Doubtful
    } else if results.points.is_empty() {
        Tint::Plain
    } else {
        Tint::Good
    }
}
