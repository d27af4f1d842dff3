//! One panel of a picture: its axes, bands, lines, marks, names and notes.

use std::io;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{GREY, INK, MARKED, NAMES, PAPER, RULE, SET};
use crate::output::chart::{Line, Mark, Note, Panel, XAxis};
use crate::output::figure;
use crate::output::label::apart_by;
use crate::output::pen::{Pen, cut, measure};
use crate::output::place::{Frame, beside, spaced};

pub(super) fn panel_on<DB: DrawingBackend>(
    pen: &Pen<DB>,
    panel: &Panel,
    x: &XAxis,
    frame: &Frame,
) -> io::Result<()> {
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
    for (value, lines) in bottom_labels(x, frame) {
        let at = frame.left + frame.across.place(value) * (frame.right - frame.left);
        pen.line(&[(at, frame.bottom), (at, frame.bottom + 5.0)], GREY, 1.0)?;
        let half = lines
            .iter()
            .map(|line| measure(line, 12.0, false))
            .fold(0.0, f64::max)
            / 2.0;
        if at - half > free {
            for (line, below) in lines.iter().zip([19.0, 33.0]) {
                pen.text((at, frame.bottom + below), line, 12.0, false, GREY, HPos::Center)?;
            }
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

/// Where along the bottom which label stands, in one line or two.
fn bottom_labels(x: &XAxis, frame: &Frame) -> Vec<(f64, Vec<String>)> {
    if let Some(names) = &x.categories {
        let room = (frame.right - frame.left) / names.len().max(1) as f64 - 6.0;
        let room = room.max(48.0);
        let labels = apart_by(names, |label| in_two(label, room).is_some());
        let lines = labels
            .into_iter()
            .map(|label| in_two(&label, room).unwrap_or(vec![label]));
        return lines.enumerate().map(|(at, lines)| (at as f64, lines)).collect();
    }
    if !x.stops.is_empty() {
        let mut stops = x.stops.clone();
        stops.sort_by(|one, other| one.0.total_cmp(&other.0));
        stops.retain(|(value, _)| (0.0..=1.0).contains(&frame.across.place(*value)));
        return stops
            .into_iter()
            .map(|(value, label)| (value, vec![label]))
            .collect();
    }
    let ticks = frame.across.ticks(8).into_iter();
    ticks
        .map(|tick| (tick, vec![figure::significant(tick)]))
        .collect()
}

/// A label in one line, or broken at the space that leaves the shortest two, if these have room.
fn in_two(label: &str, room: f64) -> Option<Vec<String>> {
    let wide = |text: &str| measure(text, 12.0, false);
    if wide(label) <= room {
        return Some(vec![label.to_owned()]);
    }
    let halves = label
        .match_indices(' ')
        .map(|(at, _)| (&label[..at], &label[at + 1..]));
    let longer = |(one, other): &(&str, &str)| wide(one).max(wide(other));
    let (one, other) = halves.min_by(|a, b| longer(a).total_cmp(&longer(b)))?;
    (longer(&(one, other)) <= room).then(|| vec![one.to_owned(), other.to_owned()])
}

/// By how much the marks of a line stand aside, so that those of different lines over the same name do not hide one
/// another.
fn aside(line: &Line, at: usize, of: usize) -> f64 {
    if line.connected || of < 2 {
        return 0.0;
    }
    (at as f64 - (of - 1) as f64 / 2.0) * 0.6 / of as f64
}

fn shifted(line: &Line, at: usize, of: usize) -> Line {
    let mut line = line.clone();
    let aside = aside(&line, at, of);
    for mark in &mut line.marks {
        mark.x += aside;
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

/// What of a line a text must not cover: the line itself, its marks and their intervals.
fn obstacles(line: &Line, frame: &Frame) -> Vec<Vec<(f64, f64)>> {
    let mut all = Vec::new();
    for stretch in stretches(line, frame) {
        let marks = stretch.iter().map(|(mark, (x, y))| {
            let (low, high) = mark
                .interval
                .filter(|_| line.marks.len() <= MARKED)
                .map_or((*y, *y), |(low, high)| (frame.clamped(low), frame.clamped(high)));
            vec![(*x, low), (*x, *y), (*x, high)]
        });
        all.extend(marks);
        if line.connected {
            all.push(stretch.iter().map(|(_, place)| *place).collect());
        }
    }
    all
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
    let labels: Vec<String> = panel.lines.iter().map(|line| line.label.clone()).collect();
    let labels = apart_by(&labels, |label| measure(label, 12.0, false) <= NAMES);
    for (at, y) in spaced(wanted, 16.0, frame.top + 6.0, frame.bottom - 4.0) {
        let x = frame.right + 12.0;
        marker(pen, (x, y), at, 3.5)?;
        pen.text((x + 10.0, y + 4.3), &labels[at], 12.0, false, INK, HPos::Left)?;
    }
    Ok(())
}

/// Where the mark stands that a note is about.
fn pointed_at(panel: &Panel, note: &Note, frame: &Frame) -> Option<(f64, f64)> {
    let line = panel.lines.get(note.line)?;
    frame.place(note.x + aside(line, note.line, panel.lines.len()), note.y)
}

fn notes_on<DB: DrawingBackend>(pen: &Pen<DB>, panel: &Panel, frame: &Frame) -> io::Result<()> {
    let mut taken = Vec::new();
    let of = panel.lines.len();
    let mut drawn: Vec<Vec<(f64, f64)>> = panel
        .lines
        .iter()
        .enumerate()
        .flat_map(|(at, line)| obstacles(&shifted(line, at, of), frame))
        .collect();
    for note in &panel.notes {
        let Some(place) = pointed_at(panel, note, frame) else {
            continue;
        };
        let text = cut(&note.text, 12.0, false, (frame.right - frame.left) * 0.6);
        let size = (measure(&text, 12.0, false) + 12.0, 20.0);
        let Some(area) = beside(place, size, frame, &drawn, &taken) else {
            continue;
        };
        let near = area.near(place);
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
        drawn.push(vec![place, near]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::results::Unit;
    use crate::output::scale::Span;

    #[test]
    fn a_note_points_at_its_mark_where_marks_stand_side_by_side() {
        let line = |y: f64| Line {
            label: String::new(),
            marks: vec![Mark {
                x: 0.0,
                y,
                interval: None,
            }],
            connected: false,
        };
        let note = |line: usize, y: f64| Note {
            line,
            x: 0.0,
            y,
            text: String::new(),
        };
        let panel = Panel {
            title: String::new(),
            unit: Unit::Count,
            logarithmic: false,
            lines: vec![line(0.2), line(0.4), line(0.6)],
            notes: vec![note(0, 0.2), note(1, 0.4), note(2, 0.6)],
        };
        let span = |from, to| Span {
            from,
            to,
            logarithmic: false,
        };
        let frame = Frame {
            left: 0.0,
            right: 300.0,
            top: 0.0,
            bottom: 100.0,
            across: span(-0.5, 1.5),
            up: span(0.0, 1.0),
            factor: 1.0,
        };
        for note in &panel.notes {
            let drawn = shifted(&panel.lines[note.line], note.line, 3);
            let mark = frame.place(drawn.marks[0].x, drawn.marks[0].y);
            assert_eq!(pointed_at(&panel, note, &frame), mark);
        }
        let apart = |at: usize| pointed_at(&panel, &panel.notes[at], &frame).unwrap().0;
        assert!(apart(0) < apart(1) && apart(1) < apart(2));
    }
}
