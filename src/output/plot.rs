//! Draws a picture as SVG or PNG. The layout is computed here in points of a page 880 wide; `plotters`
//! carries lines, areas and text to either format.
//!
//! SVG names a generic font and leaves it to the reader; PNG uses the font in `font/`, so that it
//! looks the same where no fonts are installed.

use std::io;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::experiment::results::Unit;
use crate::output::chart::{Line, Mark, Note, Panel, Picture, XAxis};
use crate::output::figure::{self, Scale};
use crate::output::pen::{Pen, cut, failed, fonts, measure};
use crate::output::place::{Frame, beside, spaced};
use crate::output::reading;
use crate::output::scale::Span;

const WIDTH: f64 = 880.0;
const EDGE: f64 = 24.0;
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
    74.0 + panels as f64 * (panel_height(panels) + 60.0) + 38.0
}

fn draw<DB: DrawingBackend>(picture: &Picture, pen: &Pen<DB>) -> io::Result<()> {
    pen.area.fill(&PAPER).map_err(failed)?;
    let room = WIDTH - 2.0 * EDGE;
    let title = reading::clean(&picture.title);
    pen.text(
        (EDGE, 36.0),
        &cut(&title, 17.0, true, room),
        17.0,
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
        .min(210.0);
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
        top += high + 60.0;
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
    if panel.unit == Unit::Share && (0.4..=1.0).contains(&busiest) {
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

fn panel_on<DB: DrawingBackend>(pen: &Pen<DB>, panel: &Panel, x: &XAxis, frame: &Frame) -> io::Result<()> {
    for tick in frame.up.ticks(5) {
        let y = frame.bottom - frame.up.place(tick) * (frame.bottom - frame.top);
        pen.line(&[(frame.left, y), (frame.right, y)], RULE, 1.0)?;
        pen.text(
            (frame.left - 8.0, y + 4.3),
            &figure::significant(tick),
            12.0,
            false,
            GREY,
            HPos::Right,
        )?;
    }
    pen.line(
        &[(frame.left, frame.bottom), (frame.right, frame.bottom)],
        GREY,
        1.0,
    )?;
    let mut free = f64::NEG_INFINITY;
    for (value, label) in bottom_labels(x, frame) {
        let at = frame.left + frame.across.place(value) * (frame.right - frame.left);
        pen.line(&[(at, frame.bottom), (at, frame.bottom + 5.0)], GREY, 1.0)?;
        let half = measure(&label, 12.0, false) / 2.0;
        if at - half > free {
            pen.text((at, frame.bottom + 19.0), &label, 12.0, false, GREY, HPos::Center)?;
            free = at + half + 6.0;
        }
    }
    for (at, line) in panel.lines.iter().enumerate() {
        band_on(
            pen,
            &shifted(line, at, panel.lines.len()),
            SET[at % SET.len()],
            frame,
        )?;
    }
    for (at, line) in panel.lines.iter().enumerate() {
        line_on(pen, &shifted(line, at, panel.lines.len()), at, frame)?;
    }
    names_on(pen, panel, frame)?;
    notes_on(pen, panel, frame)
}

fn bottom_labels(x: &XAxis, frame: &Frame) -> Vec<(f64, String)> {
    if let Some(names) = &x.categories {
        let room = (frame.right - frame.left) / names.len().max(1) as f64 - 6.0;
        let room = room.max(48.0);
        return names
            .iter()
            .enumerate()
            .map(|(at, name)| (at as f64, cut(name, 12.0, false, room)))
            .collect();
    }
    if !x.stops.is_empty() {
        let mut stops = x.stops.clone();
        stops.sort_by(|one, other| one.0.total_cmp(&other.0));
        stops.retain(|(value, _)| (0.0..=1.0).contains(&frame.across.place(*value)));
        return stops;
    }
    frame
        .across
        .ticks(8)
        .into_iter()
        .map(|tick| (tick, figure::significant(tick)))
        .collect()
}

/// Marks of different lines over the same name stand side by side.
fn shifted(line: &Line, at: usize, of: usize) -> Line {
    let mut line = line.clone();
    if !line.connected && of > 1 {
        let step = 0.6 / of as f64;
        for mark in &mut line.marks {
            mark.x += (at as f64 - (of - 1) as f64 / 2.0) * step;
        }
    }
    line
}

/// Stretches of marks that all have a place.
fn stretches<'a>(line: &'a Line, frame: &Frame) -> Vec<Vec<(&'a Mark, (f64, f64))>> {
    let mut stretches = vec![Vec::new()];
    for mark in &line.marks {
        match frame.place(mark.x, mark.y) {
            Some(place) => stretches.last_mut().expect("starts with one").push((mark, place)),
            None => stretches.push(Vec::new()),
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

fn band_on<DB: DrawingBackend>(
    pen: &Pen<DB>,
    line: &Line,
    colour: RGBColor,
    frame: &Frame,
) -> io::Result<()> {
    if !line.connected {
        return Ok(());
    }
    for stretch in stretches(line, frame) {
        let ends = stretch.iter().map(|(mark, place)| {
            let (low, high) = mark.interval.unwrap_or((mark.y, mark.y));
            (place.0, frame.clamped(low), frame.clamped(high))
        });
        let ends: Vec<(f64, f64, f64)> = ends.collect();
        if ends.len() < 2 || ends.iter().all(|(_, low, high)| (low - high).abs() < 0.5) {
            continue;
        }
        let upper = ends.iter().map(|(x, _, high)| (*x, *high));
        let lower = ends.iter().rev().map(|(x, low, _)| (*x, *low));
        pen.shape(&upper.chain(lower).collect::<Vec<_>>(), colour, 0.18)?;
    }
    Ok(())
}

fn line_on<DB: DrawingBackend>(pen: &Pen<DB>, line: &Line, at: usize, frame: &Frame) -> io::Result<()> {
    let colour = SET[at % SET.len()];
    let marked = line.marks.len() <= MARKED;
    for stretch in stretches(line, frame) {
        let places: Vec<(f64, f64)> = stretch.iter().map(|(_, place)| *place).collect();
        if line.connected && places.len() > 1 {
            pen.line(&places, colour, 2.0)?;
        }
        for (mark, (x, y)) in &stretch {
            if let Some((low, high)) = mark.interval.filter(|_| marked) {
                let (low, high) = (frame.clamped(low), frame.clamped(high));
                pen.line(&[(*x, low), (*x, high)], colour, 1.4)?;
                for end in [low, high] {
                    pen.line(&[(x - 4.0, end), (x + 4.0, end)], colour, 1.4)?;
                }
            }
            if marked || places.len() == 1 {
                marker(pen, (*x, *y), at, 4.0)?;
            }
        }
    }
    Ok(())
}

fn marker<DB: DrawingBackend>(pen: &Pen<DB>, (x, y): (f64, f64), at: usize, r: f64) -> io::Result<()> {
    let colour = SET[at % SET.len()];
    match at % 4 {
        0 => pen.disc((x, y), r, colour),
        1 => pen.shape(
            &[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
            colour,
            1.0,
        ),
        2 => pen.shape(
            &[(x, y - 1.3 * r), (x + 1.2 * r, y + r), (x - 1.2 * r, y + r)],
            colour,
            1.0,
        ),
        _ => pen.shape(
            &[
                (x, y - 1.4 * r),
                (x + 1.4 * r, y),
                (x, y + 1.4 * r),
                (x - 1.4 * r, y),
            ],
            colour,
            1.0,
        ),
    }
}

/// The names of lines beside their ends, pushed apart where they would overlap.
fn names_on<DB: DrawingBackend>(pen: &Pen<DB>, panel: &Panel, frame: &Frame) -> io::Result<()> {
    if panel.lines.len() < 2 {
        return Ok(());
    }
    let end = |line: &Line| {
        line.marks
            .iter()
            .rev()
            .find_map(|mark| frame.place(mark.x, mark.y))
            .map(|place| place.1)
    };
    let wanted: Vec<(usize, f64)> = panel
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, end(line)?)))
        .collect();
    for (at, y) in spaced(wanted, 16.0, frame.top + 6.0, frame.bottom - 4.0) {
        let x = frame.right + 12.0;
        marker(pen, (x, y), at, 3.5)?;
        let name = cut(&panel.lines[at].label, 12.0, false, 210.0);
        pen.text((x + 10.0, y + 4.3), &name, 12.0, false, INK, HPos::Left)?;
    }
    Ok(())
}

fn notes_on<DB: DrawingBackend>(pen: &Pen<DB>, panel: &Panel, frame: &Frame) -> io::Result<()> {
    let mut taken = Vec::new();
    for Note { x, y, text } in &panel.notes {
        let Some(place) = frame.place(*x, *y) else {
            continue;
        };
        let text = cut(text, 12.0, false, (frame.right - frame.left) * 0.6);
        let size = (measure(&text, 12.0, false) + 12.0, 20.0);
        let lines: Vec<Vec<(f64, f64)>> = panel
            .lines
            .iter()
            .flat_map(|line| stretches(line, frame))
            .map(|stretch| stretch.into_iter().map(|(_, place)| place).collect())
            .collect();
        let Some(area) = beside(place, size, frame, &lines, &taken) else {
            continue;
        };
        let near = (
            place.0.clamp(area.left + 6.0, area.right - 6.0),
            if area.top > place.1 { area.top } else { area.bottom },
        );
        pen.line(&[place, near], INK, 1.0)?;
        let corners = [
            (area.left, area.top),
            (area.right, area.top),
            (area.right, area.bottom),
            (area.left, area.bottom),
        ];
        pen.shape(&corners, PAPER, 0.9)?;
        let mut outline = corners.to_vec();
        outline.push(corners[0]);
        pen.line(&outline, INK, 1.0)?;
        pen.text(
            ((area.left + area.right) / 2.0, area.bottom - 6.0),
            &text,
            12.0,
            false,
            INK,
            HPos::Center,
        )?;
        taken.push(area);
    }
    Ok(())
}
