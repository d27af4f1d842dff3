//! Where things go inside a panel: values to points on the page, and texts where they cover nothing.

use crate::output::scale::Span;

/// A panel's frame on the page, in points, with its axes.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub across: Span,
    /// In the unit shown.
    pub up: Span,
    /// The unit shown, in the unit of the values.
    pub factor: f64,
}

/// A rectangle on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    /// The place of a value; `None` for what lies outside the frame or nowhere.
    pub fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let (x, y) = (self.across.place(x), self.up.place(y / self.factor));
        let inside = |place: f64| (-0.001..=1.001).contains(&place);
        let place = (
            self.left + x * (self.right - self.left),
            self.bottom - y * (self.bottom - self.top),
        );
        (inside(x) && inside(y)).then_some(place)
    }

    /// The height of a value, at the frame's edge if it lies beyond.
    pub fn clamped(&self, y: f64) -> f64 {
        let place = self.up.place(y / self.factor);
        let place = if place.is_nan() {
            0.0
        } else {
            place.clamp(0.0, 1.0)
        };
        self.bottom - place * (self.bottom - self.top)
    }
}

impl Area {
    fn contains(&self, (x, y): (f64, f64), room: f64) -> bool {
        x > self.left - room && x < self.right + room && y > self.top - room && y < self.bottom + room
    }

    /// The place on the edge from which an arrow points at `point`.
    pub fn near(&self, point: (f64, f64)) -> (f64, f64) {
        let x = point.0.clamp(self.left + 6.0, self.right - 6.0);
        (x, if self.top > point.1 { self.top } else { self.bottom })
    }

    fn touches(&self, other: &Area) -> bool {
        let apart = self.right + 4.0 < other.left || other.right + 4.0 < self.left;
        !(apart || self.bottom + 4.0 < other.top || other.bottom + 4.0 < self.top)
    }
}

/// Steps in which places for a text are tried.
const STEP: f64 = 8.0;
/// The least distance of a text's middle from what it points at, upwards or downwards.
const CLEAR: f64 = 24.0;

/// The nearest place to `point` for a text of `size` over none of `lines` and none of `taken`; `None` when the frame has
/// no such room.
pub fn beside(
    point: (f64, f64),
    size: (f64, f64),
    frame: &Frame,
    lines: &[Vec<(f64, f64)>],
    taken: &[Area],
) -> Option<Area> {
    let half = size.0 / 2.0;
    let least = frame.left + 4.0 + half;
    let most = (frame.right - 4.0 - half).max(least);
    let steps = |room: f64| (room / STEP).ceil() as i32;
    let mut places: Vec<(f64, Area)> = Vec::new();
    for down in -steps(point.1 - frame.top)..=steps(frame.bottom - point.1) {
        let down = f64::from(down) * STEP;
        if down.abs() < CLEAR {
            continue;
        }
        let y = point.1 + down;
        for right in -steps(point.0 - frame.left)..=steps(frame.right - point.0) {
            let x = (point.0 + f64::from(right) * STEP).clamp(least, most);
            let area = Area {
                left: x - half,
                right: x + half,
                top: y - size.1 / 2.0,
                bottom: y + size.1 / 2.0,
            };
            let outside =
                area.top < frame.top + 2.0 || area.bottom > frame.bottom - 2.0 || area.right > frame.right;
            let arrow = [point, area.near(point)];
            let in_the_way = |other: &Area| other.touches(&area) || covered(&arrow, other) > 0;
            if outside || taken.iter().any(in_the_way) {
                continue;
            }
            // Far aside counts less than far up or down, where other lines are.
            places.push(((y - point.1).abs() + (x - point.0).abs() * 0.3, area));
        }
    }
    places.sort_by(|one, other| one.0.total_cmp(&other.0));
    let free = |area: &Area| lines.iter().all(|line| covered(line, area) == 0);
    places.into_iter().map(|(_, area)| area).find(free)
}

/// How much of a line runs under an area, sampled every few points.
fn covered(line: &[(f64, f64)], area: &Area) -> usize {
    let segment = |pair: &[(f64, f64)]| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let steps = ((x1 - x0).abs().max((y1 - y0).abs()) / 6.0).ceil().max(1.0);
        let at = |step: f64| (x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps);
        (0..steps as usize)
            .filter(|step| area.contains(at(*step as f64), 4.0))
            .count()
    };
    let ends = line.iter().filter(|end| area.contains(**end, 6.0)).count();
    ends * 3 + line.windows(2).map(segment).sum::<usize>()
}

/// Moves heights apart until neighbours are `gap` from each other, within `top..=bottom` while there
/// is room; the order of heights is kept.
pub fn spaced(mut wanted: Vec<(usize, f64)>, gap: f64, top: f64, bottom: f64) -> Vec<(usize, f64)> {
    wanted.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut least = top;
    for (_, height) in &mut wanted {
        *height = height.max(least);
        least = *height + gap;
    }
    let mut most = bottom;
    for (_, height) in wanted.iter_mut().rev() {
        *height = height.min(most);
        most = *height - gap;
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let unit = Span {
            from: 0.0,
            to: 1.0,
            logarithmic: false,
        };
        Frame {
            left: 0.0,
            right: 400.0,
            top: 0.0,
            bottom: 300.0,
            across: unit,
            up: unit,
            factor: 1.0,
        }
    }

    #[test]
    fn a_note_avoids_the_line_and_other_notes() {
        let flat = vec![vec![(0.0, 150.0), (400.0, 150.0)]];
        let one = beside((200.0, 150.0), (120.0, 20.0), &frame(), &flat, &[]).unwrap();
        let other = beside((200.0, 150.0), (120.0, 20.0), &frame(), &flat, &[one]).unwrap();
        assert_eq!(covered(&flat[0], &one) + covered(&flat[0], &other), 0);
        assert!(!one.touches(&other));
    }

    #[test]
    fn a_note_covers_no_line_or_is_left_out() {
        // A line through the point to the right, one above it, and an interval of another beside it.
        let lines = vec![
            vec![(50.0, 260.0), (400.0, 250.0)],
            vec![(0.0, 200.0), (400.0, 20.0)],
            vec![(120.0, 100.0), (120.0, 300.0)],
        ];
        let found = beside((50.0, 260.0), (150.0, 20.0), &frame(), &lines, &[]).unwrap();
        assert!(lines.iter().all(|line| covered(line, &found) == 0), "{found:?}");
        let full: Vec<Vec<(f64, f64)>> = (0..30)
            .map(|i| vec![(0.0, 10.0 * f64::from(i)), (400.0, 10.0 * f64::from(i))])
            .collect();
        assert_eq!(beside((50.0, 260.0), (150.0, 20.0), &frame(), &full, &[]), None);
    }

    #[test]
    fn an_arrow_runs_through_no_note() {
        let point = (100.0, 290.0);
        let one = beside(point, (150.0, 20.0), &frame(), &[], &[]).unwrap();
        let other = beside(point, (150.0, 20.0), &frame(), &[], &[one]).unwrap();
        assert_eq!(covered(&[point, other.near(point)], &one), 0, "{one:?} {other:?}");
    }

    #[test]
    fn labels_keep_their_order_and_distance() {
        let placed = spaced(vec![(0, 290.0), (1, 288.0), (2, 10.0)], 16.0, 0.0, 296.0);
        assert_eq!(placed.iter().map(|label| label.0).collect::<Vec<_>>(), [2, 1, 0]);
        assert!(placed.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 16.0));
        assert!(placed.iter().all(|label| label.1 <= 296.0));
    }
}
