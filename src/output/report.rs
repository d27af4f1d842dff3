//! `report.html`: one page that can be sent to somebody, without scripts and without other files.
//!
//! It answers in the order in which people ask: the verdict, the picture, why, the figures, how made.

use std::fmt::Write;

use plotters::style::RGBColor;

use crate::experiment::results::{Kind, Point, Results, Verdict, Weight};
use crate::output::chart::Picture;
use crate::output::manifest::ManifestInput;
use crate::output::plot;
use crate::output::reading;
use crate::output::summary::{self, Bottleneck, Footnotes};
use crate::output::table::{Grid, Tint};

/// Points whose components are listed one by one.
const DETAILED: usize = 24;
/// Points whose verdict is explained.
const REASONS: usize = 40;

/// The page. `pictures` come with their SVG, the most important first.
pub fn page(results: &Results, pictures: &[(Picture, String)], manifest: &ManifestInput) -> String {
    let mut html = String::new();
    let title = if results.title.is_empty() {
        &results.name
    } else {
        &results.title
    };
    push(
        &mut html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    );
    push(
        &mut html,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    );
    push(&mut html, &format!("<title>{}</title>\n<style>\n", escape(title)));
    push(&mut html, include_str!("report.css"));
    push(&mut html, &dark_pictures());
    push(&mut html, "</style>\n</head>\n<body>\n<main>\n");
    head(&mut html, title, results);
    let mut pictures = pictures.iter();
    if let Some((picture, svg)) = pictures.next() {
        figure(&mut html, picture, svg);
    }
    why(&mut html, results);
    match (results.kind, results.points.as_slice()) {
        (_, []) => {}
        (Kind::Run, [point]) => run(&mut html, point),
        _ => sweep(&mut html, results),
    }
    for (picture, svg) in pictures {
        figure(&mut html, picture, svg);
    }
    theory(&mut html, results);
    findings(&mut html, results);
    made(&mut html, results, manifest);
    push(&mut html, "</main>\n</body>\n</html>\n");
    html
}

fn head(html: &mut String, title: &str, results: &Results) {
    push(html, &format!("<h1>{}</h1>\n", escape(title)));
    let kind = match results.kind {
        Kind::Run => "Run".to_owned(),
        Kind::Sweep => format!("Sweep of {}", reading::count(results.points.len(), "point")),
    };
    let replications = reading::count(results.replications as usize, "replication");
    let confidence = results.confidence * 100.0;
    push(
        html,
        &format!("<p class=\"meta\">{kind} · {replications} · {confidence} % intervals</p>\n"),
    );
    if let Some(about) = &results.about {
        push(html, &format!("<p>{}</p>\n", escape(about)));
    }
    let class = worst(results);
    push(
        html,
        &format!("<section class=\"verdict {class}\" aria-label=\"verdict\">\n"),
    );
    for line in reading::headline(results) {
        push(html, &format!("<p>{}</p>\n", escape(&line)));
    }
    push(html, "</section>\n");
}

/// What gives way at each point and why the verdict is what it is.
fn why(html: &mut String, results: &Results) {
    if results.points.is_empty() {
        return;
    }
    push(html, "<h2>Why</h2>\n");
    if let (Kind::Run, [point]) = (results.kind, results.points.as_slice()) {
        let bottleneck = point.bottleneck.as_deref().unwrap_or("none found");
        push(
            html,
            &format!(
                "<p>Bottleneck: <strong>{}</strong>. {}</p>\n",
                escape(bottleneck),
                escape(&reading::standing_alone(&point.verdict_reason))
            ),
        );
        remarks(html, point);
        judgements(html, point);
        return;
    }
    push(
        html,
        "<div class=\"wide\"><table>\n<tr><th>point</th><th>verdict</th><th>gives way first</th></tr>\n",
    );
    let shown = reading::telling(results, REASONS);
    // What holds for all points is said once, below.
    let common =
        |note: &String| results.points.len() > 1 && results.points.iter().all(|p| p.notes.contains(note));
    for point in &shown {
        let mut reason = escape(&reading::standing_alone(&point.verdict_reason));
        for note in point.notes.iter().filter(|note| !common(note)) {
            let _ = write!(reason, " {}", escape(&reading::sentence(note)));
        }
        let row = format!(
            "<tr class=\"above\"><td>{}</td><td class=\"{}\">{}</td><td>{}</td></tr>\n\
             <tr><td colspan=\"3\" class=\"text\"><p>{reason}</p></td></tr>\n",
            escape(&reading::point_name(results, point)),
            class(summary::verdict_tint(point.verdict)),
            reading::verdict_label(point.verdict),
            escape(point.bottleneck.as_deref().unwrap_or("–")),
        );
        push(html, &row);
    }
    push(html, "</table></div>\n");
    for note in results.points[0].notes.iter().filter(|note| common(note)) {
        push(
            html,
            &format!("<p>At all points: {}</p>\n", escape(&reading::sentence(note))),
        );
    }
    if shown.len() < results.points.len() {
        let all = reading::count(results.points.len(), "point");
        push(
            html,
            &format!(
                "<p class=\"meta\">{} of {all}, changes of verdict among them.</p>\n",
                shown.len()
            ),
        );
    }
}

fn run(html: &mut String, point: &Point) {
    for (title, grid) in [
        ("Flows", summary::flows as fn(&Point, &mut Footnotes) -> Grid),
        ("Components", summary::components),
    ] {
        let mut notes = Footnotes::default();
        let grid = grid(point, &mut notes);
        if !grid.rows.is_empty() {
            push(html, &format!("<h2>{title}</h2>\n"));
            table(html, &grid, &notes);
        }
    }
}

fn sweep(html: &mut String, results: &Results) {
    push(html, "<h2>Figures</h2>\n");
    let all: Vec<&Point> = results.points.iter().collect();
    let mut notes = Footnotes::default();
    let grid = summary::points(results, &all, Bottleneck::Elsewhere, &mut notes);
    table(html, &grid, &notes);
    push(html, "<h2>Flows and components</h2>\n");
    let shown = reading::spread(results.points.len(), DETAILED);
    if shown.len() < results.points.len() {
        push(
            html,
            &format!(
                "<p class=\"meta\">{} of {} points, spread evenly; the rest is in metrics.csv.</p>\n",
                shown.len(),
                results.points.len()
            ),
        );
    }
    for at in shown {
        let point = &results.points[at];
        let bottleneck = point
            .bottleneck
            .as_ref()
            .map(|bottleneck| format!(", {}", escape(bottleneck)));
        push(
            html,
            &format!(
                "<details><summary>{}: {}{}</summary>\n",
                escape(&reading::point_name(results, point)),
                reading::verdict_label(point.verdict),
                bottleneck.unwrap_or_default(),
            ),
        );
        judgements(html, point);
        for grid in [summary::flows, summary::components] {
            let mut notes = Footnotes::default();
            let grid = grid(point, &mut notes);
            if !grid.rows.is_empty() {
                table(html, &grid, &notes);
            }
        }
        push(html, "</details>\n");
    }
}

fn remarks(html: &mut String, point: &Point) {
    for note in &point.notes {
        push(html, &format!("<p>{}</p>\n", escape(note)));
    }
    if !point.converged {
        push(
            html,
            "<p class=\"doubtful\">The precision asked for was not reached.</p>\n",
        );
    }
}

fn judgements(html: &mut String, point: &Point) {
    if point.objective.is_empty() {
        return;
    }
    push(
        html,
        "<h3>Objective</h3>\n<div class=\"wide\"><table>\n<tr><th>asked</th><th>answer</th><th>observed</th></tr>\n",
    );
    for term in &point.objective {
        let (word, tint) = summary::met(term.met);
        let row = format!(
            "<tr><td>{}</td><td class=\"{}\">{word}</td><td class=\"text\">{}</td></tr>\n",
            escape(&term.text),
            class(tint),
            escape(&term.detail)
        );
        push(html, &row);
    }
    push(html, "</table></div>\n");
}

fn theory(html: &mut String, results: &Results) {
    let grid = summary::theory(results);
    if !grid.rows.is_empty() {
        push(html, "<h2>Simulation beside theory</h2>\n");
        push(
            html,
            "<p class=\"meta\">Where a closed form applies, its value should lie inside the interval at about the stated confidence.</p>\n",
        );
        table(html, &grid, &Footnotes::default());
    }
}

fn findings(html: &mut String, results: &Results) {
    if results.findings.is_empty() {
        return;
    }
    push(html, "<h2>Findings</h2>\n");
    let mut findings: Vec<_> = results.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    for finding in findings {
        let (word, tint) = match finding.weight {
            Weight::Note => ("Note", Tint::Plain),
            Weight::Warning => ("Warning", Tint::Doubtful),
            Weight::Serious => ("Serious", Tint::Bad),
        };
        push(
            html,
            &format!(
                "<p><span class=\"weight {}\">{word}.</span> {}</p>\n",
                class(tint),
                escape(&finding.text)
            ),
        );
    }
}

fn made(html: &mut String, results: &Results, manifest: &ManifestInput) {
    push(html, "<h2>How it was made</h2>\n<dl>\n");
    let mut item = |term: &str, text: String| push(html, &format!("<dt>{term}</dt><dd>{text}</dd>\n"));
    item("plimsoll", escape(&manifest.version));
    if !manifest.command_line.is_empty() {
        item(
            "command",
            format!("<code>{}</code>", escape(&manifest.command_line.join(" "))),
        );
    }
    item("seed", results.seed.to_string());
    item("replications", results.replications.to_string());
    let events: u64 = results
        .points
        .iter()
        .fold(0, |sum, point| sum.saturating_add(point.events));
    item("events", events.to_string());
    if let Some(times) = times(results) {
        item("simulated time", times);
    }
    for axis in &results.axes {
        let values: Vec<&str> = axis.values.iter().map(|value| value.label.as_str()).collect();
        let shown = if values.len() > 24 {
            format!("{} values", values.len())
        } else {
            escape(&values.join(", "))
        };
        item("varied", format!("<code>{}</code>: {shown}", escape(&axis.path)));
    }
    for input in &manifest.inputs {
        item(
            "input",
            format!(
                "{}<br><code>blake3 {}</code>",
                escape(&input.path),
                escape(&input.blake3)
            ),
        );
    }
    push(
        html,
        "</dl>\n<p class=\"meta\">Beside this page: metrics.csv, series.csv and results.json hold every figure; ",
    );
    push(
        html,
        "manifest.json the hash of every file. The same version, seed and inputs give the same bytes.</p>\n",
    );
}

/// Warm-up and observed time, as a range over the points.
fn times(results: &Results) -> Option<String> {
    let range = |of: fn(&Point) -> f64| {
        let values = || results.points.iter().map(of).filter(|value| value.is_finite());
        let least = values().reduce(f64::min)?;
        let most = values().reduce(f64::max)?;
        let text = crate::output::figure::significant;
        Some(if least == most {
            format!("{} s", text(least))
        } else {
            format!("{} to {} s", text(least), text(most))
        })
    };
    let (warm_up, observed) = (range(|point| point.warm_up_s)?, range(|point| point.duration_s)?);
    Some(format!(
        "{observed} observed after {warm_up} of warm-up, in each replication"
    ))
}

fn figure(html: &mut String, picture: &Picture, svg: &str) {
    push(
        html,
        &format!("<figure id=\"{}\">\n{svg}</figure>\n", picture.file),
    );
}

fn table(html: &mut String, grid: &Grid, notes: &Footnotes) {
    push(html, "<div class=\"wide\"><table>\n<tr>");
    for column in &grid.columns {
        let right = if column.right { " class=\"right\"" } else { "" };
        let head = format!("{} {}", column.head, column.unit);
        push(html, &format!("<th{right}>{}</th>", escape(head.trim())));
    }
    push(html, "</tr>\n");
    for row in &grid.rows {
        push(html, "<tr>");
        for (column, (text, tint)) in grid.columns.iter().zip(&row.cells) {
            let right = if column.right { "right" } else { "" };
            let classes = format!("{right} {}", class(*tint));
            let attribute = if classes.trim().is_empty() {
                String::new()
            } else {
                format!(" class=\"{}\"", classes.trim())
            };
            push(html, &format!("<td{attribute}>{}</td>", escape(text)));
        }
        push(html, "</tr>\n");
    }
    push(html, "</table></div>\n");
    for note in notes.all() {
        push(html, &format!("<p class=\"notes\">{}</p>\n", escape(&note)));
    }
}

/// The pictures' colours on a dark page. Style rules win over the attributes that the pictures carry.
fn dark_pictures() -> String {
    let lighter = |colour: RGBColor| match colour {
        plot::PAPER => "#14171a",
        plot::INK => "#e6e8ea",
        plot::GREY => "#9aa4ae",
        plot::RULE => "#30363d",
        RGBColor(0x00, 0x72, 0xB2) => "#4ba3dc",
        RGBColor(0xD5, 0x5E, 0x00) => "#f08038",
        RGBColor(0x00, 0x9E, 0x73) => "#35c49a",
        RGBColor(0xCC, 0x79, 0xA7) => "#dd94bd",
        RGBColor(0x59, 0x59, 0x59) => "#b9b9b9",
        _ => "",
    };
    let mut css = String::from("@media screen and (prefers-color-scheme: dark) {\n");
    let colours = [plot::PAPER, plot::INK, plot::GREY, plot::RULE]
        .into_iter()
        .chain(plot::SET);
    for colour in colours {
        let light = lighter(colour);
        if !light.is_empty() {
            let RGBColor(red, green, blue) = colour;
            for attribute in ["fill", "stroke"] {
                let _ = writeln!(
                    css,
                    "  svg [{attribute}=\"#{red:02X}{green:02X}{blue:02X}\"] {{ {attribute}: {light}; }}"
                );
            }
        }
    }
    css.push_str("}\n");
    css
}

fn worst(results: &Results) -> &'static str {
    let any = |verdict: Verdict| results.points.iter().any(|point| point.verdict == verdict);
    match () {
        () if any(Verdict::Overloaded) || any(Verdict::Failing) => "bad",
        () if any(Verdict::NearCritical) || any(Verdict::Undecided) || !results.complete => "doubtful",
        () if results.points.is_empty() => "",
        () => "good",
    }
}

fn class(tint: Tint) -> &'static str {
    match tint {
        Tint::Plain => "",
        Tint::Good => "good",
        Tint::Doubtful => "doubtful",
        Tint::Bad => "bad",
    }
}

fn push(html: &mut String, text: &str) {
    html.push_str(text);
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in reading::clean(text).chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
