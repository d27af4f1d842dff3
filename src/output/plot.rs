//! Draws a picture as SVG or PNG. The layout is computed here in points of a page 880 wide; `plotters`
//! carries lines, areas and text to either format.
//!
//! SVG names a generic font and leaves it to the reader; PNG uses the font in `font/`, so that it
//! looks the same where no fonts are installed.

mod panel;

use panel::panel_on;
use std::io;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::experiment::results::Unit;
use crate::output::chart::{Panel, Picture};
use crate::output::figure::{self, Scale};
use crate::output::pen::{Pen, cut, failed, fonts, measure};
use crate::output::place::Frame;
use crate::output::reading;
use crate::output::scale::Span;

const WIDTH: f64 = 880.0;
const EDGE: f64 = 24.0;
/// Room for the names of lines at the most.
const NAMES: f64 = 300.0;
/// More marks than this are drawn as a line alone.
const MARKED: usize = 40;

/// The colours. `report` maps each to its counterpart on a dark page, so no two roles share one.
pub const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
pub const GREY: RGBColor = RGBColor(0x65, 0x6D, 0x76);
pub const RULE: RGBColor = RGBColor(0xE2, 0xE5, 0xE9);
/// Okabe and Ito's set for colour-blind readers, "Color universal design" (2008), without its yellow, which is too
/// faint on white. Marks differ in shape as well.
pub const SET: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x59, 0x59, 0x59),
];

/// The picture as an SVG document.
///
/// # Errors
/// None that a picture can cause; whatever the drawing library reports is passed on.
pub fn svg(picture: &Picture) -> io::Result<String> {
    // The library places by whole numbers, so the page is drawn ten times as large and shown at size.
    const FINE: f64 = 10.0;
    fonts();
    let height = height(picture);
    let size = ((WIDTH * FINE) as u32, (height * FINE) as u32);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        // An em is the nominal size over 1.24 and the anchor lies 0.76 em above the baseline.
        let pen = Pen {
            area: &area,
            fine: FINE,
            nominal: 1.24,
            rise: 0.76,
        };
        draw(picture, &pen)?;
        area.present().map_err(failed)?;
    }
    let large = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    let title = escape(&format!("{}. {}", picture.title, picture.caption));
    let small = format!("<svg width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\"");
    Ok(text.replacen(&large, &small, 1))
}

/// The picture as PNG, at two pixels a point. `folder` takes a scratch file that is gone afterwards.
///
/// # Errors
/// When the scratch file cannot be written.
pub fn png(picture: &Picture, folder: &Path) -> io::Result<Vec<u8>> {
    // Thick lines and areas are drawn without smoothing; drawing twice as large and averaging adds it.
    const SHOWN: usize = 2;
    const FINE: usize = 2 * SHOWN;
    fonts();
    let height = height(picture) as usize;
    let (wide, high) = (WIDTH as usize * FINE, height * FINE);
    let mut large = vec![0_u8; wide * high * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut large, (wide as u32, high as u32));
        let area = backend.into_drawing_area();
        // An em is the nominal size over ascent plus descent, and the baseline half of that below the anchor.
        let pen = Pen {
            area: &area,
            fine: FINE as f64,
            nominal: 1.164,
            rise: 0.582,
        };
        draw(picture, &pen)?;
        area.present().map_err(failed)?;
    }
    let (wide, high) = (wide / 2, high / 2);
    let mut small = vec![0_u8; wide * high * 3];
    for (at, value) in small.iter_mut().enumerate() {
        let (row, rest) = (at / (wide * 3), at % (wide * 3));
        let (column, channel) = (rest / 3, rest % 3);
        let pixel = |down: usize, right: usize| {
            u16::from(large[((row * 2 + down) * wide * 2 + column * 2 + right) * 3 + channel])
        };
        *value = ((pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1) + 2) / 4) as u8;
    }
    let scratch = tempfile::Builder::new()
        .prefix(".plimsoll-")
        .suffix(".png")
        .tempfile_in(folder)?;
    {
        let mut backend = BitMapBackend::new(scratch.path(), (wide as u32, high as u32));
        backend
            .blit_bitmap((0, 0), (wide as u32, high as u32), &small)
            .map_err(failed)?;
        backend.present().map_err(failed)?;
    }
    std::fs::read(scratch.path())
}

fn escape(text: &str) -> String {
    reading::clean(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn panel_height(panels: usize) -> f64 {
    match panels {
        0 | 1 => 340.0,
        2 => 220.0,
        _ => 165.0,
    }
}

fn height(picture: &Picture) -> f64 {
    let panels = picture.panels.len().max(1);
    74.0 + panels as f64 * (panel_height(panels) + below(picture)) + 38.0
}

/// Room below a panel for the labels of its axis, which are in two lines where they are names.
fn below(picture: &Picture) -> f64 {
    if picture.x.categories.is_some() {
        74.0
    } else {
        60.0
    }
}

fn draw<DB: DrawingBackend>(picture: &Picture, pen: &Pen<DB>) -> io::Result<()> {
    pen.area.fill(&PAPER).map_err(failed)?;
    let room = WIDTH - 2.0 * EDGE;
    let title = reading::clean(&picture.title);
    // A long title is set smaller before it is cut.
    let sizes = [17.0, 15.0, 13.0, 11.5];
    let size = sizes
        .into_iter()
        .find(|size| measure(&title, *size, true) <= room);
    let size = size.unwrap_or(11.5);
    pen.text(
        (EDGE, 36.0),
        &cut(&title, size, true, room),
        size,
        true,
        INK,
        HPos::Left,
    )?;
    pen.text(
        (EDGE, 57.0),
        &cut(&picture.caption, 12.0, false, room),
        12.0,
        false,
        GREY,
        HPos::Left,
    )?;

    let vertical: Vec<(Span, Scale)> = picture.panels.iter().map(upward).collect();
    let labels = vertical
        .iter()
        .flat_map(|(span, _)| span.ticks(5))
        .map(figure::significant);
    let left = EDGE
        + 8.0
        + labels
            .map(|label| measure(&label, 12.0, false))
            .fold(0.0, f64::max);
    let names = picture
        .panels
        .iter()
        .filter(|panel| panel.lines.len() > 1)
        .flat_map(|panel| &panel.lines);
    let named = names
        .map(|line| measure(&line.label, 12.0, false))
        .fold(0.0, f64::max)
        .min(NAMES);
    let right = WIDTH - EDGE - if named > 0.0 { named + 26.0 } else { 0.0 };

    let across = sideways(picture);
    let high = panel_height(picture.panels.len());
    let mut top = 74.0;
    for (panel, (span, scale)) in picture.panels.iter().zip(&vertical) {
        let unit = if scale.suffix.is_empty() {
            String::new()
        } else {
            format!(", {}", scale.suffix)
        };
        let log = if span.logarithmic { ", logarithmic" } else { "" };
        let title = cut(&format!("{}{unit}{log}", panel.title), 13.0, true, room);
        pen.text((EDGE, top + 16.0), &title, 13.0, true, INK, HPos::Left)?;
        let frame = Frame {
            left,
            right,
            top: top + 28.0,
            bottom: top + 28.0 + high,
            across,
            up: *span,
            factor: scale.factor,
        };
        panel_on(pen, panel, &picture.x, &frame)?;
        top += high + below(picture);
    }
    let label = picture.x.heading();
    let label = cut(&label, 13.0, true, right - left);
    pen.text(
        ((left + right) / 2.0, top + 14.0),
        &label,
        13.0,
        true,
        INK,
        HPos::Center,
    )
}

/// The vertical axis of a panel in the unit shown.
fn upward(panel: &Panel) -> (Span, Scale) {
    let (least, most) = panel.range().unwrap_or((0.0, 1.0));
    let scale = figure::scale(panel.unit, least.abs().max(most.abs()));
    let positive = panel
        .lines
        .iter()
        .flat_map(|line| &line.marks)
        .flat_map(|mark| [mark.y, mark.interval.map_or(f64::NAN, |(low, _)| low)]);
    let positive = positive
        .filter(|value| *value > 0.0)
        .fold(f64::INFINITY, f64::min);
    let least = if panel.logarithmic && least <= 0.0 {
        positive
    } else {
        least
    };
    let means = panel.lines.iter().flat_map(|line| &line.marks).map(|mark| mark.y);
    let busiest = means.filter(|mean| mean.is_finite()).fold(0.0, f64::max);
    if panel.unit == Unit::Share && (0.4..1.005).contains(&busiest) {
        // A whole is a whole; an interval that reaches beyond it ends at the edge.
        let whole = Span {
            from: least.min(0.0) / scale.factor,
            to: 1.0 / scale.factor,
            logarithmic: false,
        };
        return (whole, scale);
    }
    let span = Span::holding(least / scale.factor, most / scale.factor, panel.logarithmic, true);
    (span.rounded(5), scale)
}

/// The axis along the bottom, with some room at either end.
fn sideways(picture: &Picture) -> Span {
    if let Some(names) = &picture.x.categories {
        return Span {
            from: -0.5,
            to: names.len().max(1) as f64 - 0.5,
            logarithmic: false,
        };
    }
    let marks = picture
        .panels
        .iter()
        .flat_map(|panel| &panel.lines)
        .flat_map(|line| &line.marks);
    let places = || marks.clone().map(|mark| mark.x).filter(|x| x.is_finite());
    let least = places().fold(f64::INFINITY, f64::min);
    let most = places().fold(f64::NEG_INFINITY, f64::max);
    if least > most {
        return Span {
            from: 0.0,
            to: 1.0,
            logarithmic: false,
        };
    }
    let span = Span::holding(least, most, picture.x.logarithmic, false);
    if span.logarithmic {
        return span.rounded(1);
    }
    let room = (span.to / 2.0 - span.from / 2.0) * if picture.x.stops.is_empty() { 0.02 } else { 0.08 };
    Span {
        from: span.from - room,
        to: span.to + room,
        ..span
    }
}
