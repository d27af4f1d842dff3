//! What a picture shows, apart from how it is drawn: panels of lines over one axis, as data that the
//! text sketch, the SVG and the PNG all draw from.

use crate::experiment::results::Unit;

/// Panels that share the axis along the bottom.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The file's name without its extension.
    pub file: &'static str,
    pub title: String,
    /// What the marks and bands mean, and what was left out.
    pub caption: String,
    pub x: XAxis,
    pub panels: Vec<Panel>,
}

/// The axis along the bottom.
#[derive(Clone, Debug)]
pub struct XAxis {
    pub label: String,
    pub unit: String,
    /// Logarithmic when the numbers span decades.
    pub logarithmic: bool,
    /// Names of the places 0, 1, 2 … when the values are not numbers.
    pub categories: Option<Vec<String>>,
    /// The places at which there are points, when few enough to label each.
    pub stops: Vec<(f64, String)>,
}

/// One frame with lines of one unit.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    pub unit: Unit,
    pub logarithmic: bool,
    pub lines: Vec<Line>,
    pub notes: Vec<Note>,
}

/// One line: marks in the order of x.
#[derive(Clone, Debug)]
pub struct Line {
    pub label: String,
    pub marks: Vec<Mark>,
    /// False for categories, between which there is nothing.
    pub connected: bool,
}

/// One value with its interval; `y` may be NaN, which interrupts the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    pub x: f64,
    pub y: f64,
    pub interval: Option<(f64, f64)>,
}

/// A text that points at a mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// The line that the mark stands on.
    pub line: usize,
    pub x: f64,
    pub y: f64,
    pub text: String,
}

impl XAxis {
    /// The label with its unit, unless every stop already carries one.
    pub fn heading(&self) -> String {
        let bare = |(_, label): &(f64, String)| label.ends_with(|char: char| char.is_ascii_digit());
        if self.unit.is_empty() || (!self.stops.is_empty() && !self.stops.iter().any(bare)) {
            self.label.clone()
        } else {
            format!("{}, {}", self.label, self.unit)
        }
    }
}

impl Picture {
    /// False when no panel holds a finite value.
    pub fn shows_something(&self) -> bool {
        self.panels.iter().any(Panel::shows_something)
    }
}

impl Panel {
    /// False when no line holds a finite value.
    pub fn shows_something(&self) -> bool {
        self.lines
            .iter()
            .any(|line| line.marks.iter().any(|mark| mark.y.is_finite()))
    }

    /// The least and largest finite value, intervals included.
    pub fn range(&self) -> Option<(f64, f64)> {
        let marks = self.lines.iter().flat_map(|line| &line.marks);
        let values = marks.flat_map(|mark| {
            let (low, high) = mark.interval.unwrap_or((mark.y, mark.y));
            [mark.y, low, high]
        });
        values
            .filter(|value| value.is_finite())
            .fold(None, |range, value| match range {
                Some((least, most)) => Some((f64::min(least, value), f64::max(most, value))),
                None => Some((value, value)),
            })
    }
}
