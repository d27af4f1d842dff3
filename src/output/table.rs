//! Tables that fit: the least important columns give way until the rest has room, and the reader is told.

use comfy_table::{Attribute, Cell, CellAlignment, Color, LineStyle, Table, TableStyle};

/// What a cell says besides its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tint {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
}

/// A column and what happens to it when room is short.
#[derive(Clone, Debug)]
pub struct Column {
    pub head: String,
    /// Set below the head; what all figures of the column are in.
    pub unit: String,
    /// The column with the lowest rank is left out first.
    pub rank: u8,
    /// Text may be cut down to this many characters before columns are left out.
    pub least: Option<usize>,
    pub right: bool,
}

/// Rows of text under columns; a row may carry a line below it.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub cells: Vec<(String, Tint)>,
    /// Shown under the row when set, cut to the table's width.
    pub below: Option<String>,
}

/// A table ready to print, and the heads of the columns that had to give way.
pub struct Fitted {
    pub lines: Vec<String>,
    pub left_out: Vec<String>,
}

impl Column {
    /// A column of figures in one unit, which may be empty.
    pub fn figures(head: impl Into<String>, unit: impl Into<String>, rank: u8) -> Column {
        Column {
            head: head.into(),
            unit: unit.into(),
            rank,
            least: None,
            right: true,
        }
    }

    /// A column of names, cut to `least` characters if need be.
    pub fn names(head: impl Into<String>, rank: u8, least: usize) -> Column {
        Column {
            head: head.into(),
            unit: String::new(),
            rank,
            least: Some(least),
            right: false,
        }
    }
}

impl Grid {
    /// The width the whole grid would like.
    pub fn natural_width(&self) -> usize {
        total(
            &(0..self.columns.len())
                .map(|at| self.width_of(at))
                .collect::<Vec<_>>(),
        )
    }

    /// Leaves out columns in which no row has anything to say.
    pub fn without_empty_columns(mut self) -> Grid {
        let said = |at: usize| {
            self.rows.iter().any(|row| {
                row.cells
                    .get(at)
                    .is_some_and(|cell| !cell.0.is_empty() && cell.0 != "–")
            })
        };
        let keep: Vec<bool> = (0..self.columns.len()).map(said).collect();
        for row in &mut self.rows {
            let mut at = 0;
            row.cells.retain(|_| {
                at += 1;
                keep.get(at - 1).copied().unwrap_or(false)
            });
        }
        let mut at = 0;
        self.columns.retain(|_| {
            at += 1;
            keep[at - 1]
        });
        self
    }

    /// Sets the table in `width` columns of characters.
    pub fn fit(&self, width: usize, colour: bool) -> Fitted {
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        let mut widths: Vec<usize> = kept.iter().map(|at| self.width_of(*at)).collect();
        let mut left_out = Vec::new();
        while total(&widths) > width && !kept.is_empty() {
            let excess = total(&widths) - width;
            let slack = |at: usize, width: usize| {
                self.columns[at]
                    .least
                    .map_or(0, |least| width.saturating_sub(least))
            };
            let available: usize = kept
                .iter()
                .zip(&widths)
                .map(|(at, width)| slack(*at, *width))
                .sum();
            if available >= excess {
                let mut excess = excess;
                while excess > 0 {
                    // The widest gives way first, so that names stay legible evenly.
                    let shrinkable = (0..kept.len()).filter(|place| slack(kept[*place], widths[*place]) > 0);
                    let Some(place) = shrinkable.max_by_key(|place| (widths[*place], *place)) else {
                        break;
                    };
                    widths[place] -= 1;
                    excess -= 1;
                }
                break;
            }
            if kept.len() == 1 {
                widths[0] = width.saturating_sub(1).max(1);
                break;
            }
            let weakest =
                (0..kept.len()).min_by_key(|place| (self.columns[kept[*place]].rank, usize::MAX - place));
            let Some(place) = weakest else { break };
            left_out.push(self.columns[kept[place]].head.clone());
            kept.remove(place);
            widths.remove(place);
        }
        Fitted {
            lines: self.draw(&kept, &widths, colour),
            left_out,
        }
    }

    fn draw(&self, kept: &[usize], widths: &[usize], colour: bool) -> Vec<String> {
        let rule = LineStyle::none().fill('─').junction('─');
        let mut table = Table::new();
        table.load_style(TableStyle::new().header_separator(rule).bottom_border(rule));
        if colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        let aligned = |cell: Cell, place: usize| {
            let right = self.columns[kept[place]].right;
            cell.set_alignment(if right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            })
        };
        let cell = |text: &str, place: usize| aligned(Cell::new(fitted(text, widths[place])), place);
        let units = kept.iter().any(|at| !self.columns[*at].unit.is_empty());
        let heads = kept.iter().enumerate().map(|(place, at)| {
            let column = &self.columns[*at];
            let head = fitted(&column.head, widths[place]);
            let head = if units {
                format!("{head}\n{}", fitted(&column.unit, widths[place]))
            } else {
                head
            };
            aligned(Cell::new(head), place).add_attribute(Attribute::Bold)
        });
        table.set_header(heads);
        // Lines before the first row: the head, perhaps the units, the rule.
        let above = 2 + usize::from(units);
        for row in &self.rows {
            let cells = kept.iter().enumerate().map(|(place, at)| {
                let empty = (String::new(), Tint::Plain);
                let (text, tint) = row.cells.get(*at).unwrap_or(&empty);
                let cell = cell(text, place);
                match tint {
                    Tint::Plain => cell,
                    Tint::Good => cell.fg(Color::Green),
                    Tint::Doubtful => cell.fg(Color::Yellow),
                    Tint::Bad => cell.fg(Color::Red),
                }
            });
            table.add_row(cells);
        }
        for column in table.column_iter_mut() {
            column.set_padding((1, 0));
        }
        let drawn: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        let mut lines = Vec::new();
        for (at, line) in drawn.into_iter().enumerate() {
            lines.push(line);
            let row = at.checked_sub(above).and_then(|row| self.rows.get(row));
            if let Some(below) = row.and_then(|row| row.below.as_ref()) {
                lines.push(fitted(&format!(" └ {below}"), total(widths)));
            }
        }
        lines
    }

    fn width_of(&self, at: usize) -> usize {
        let texts = self
            .rows
            .iter()
            .filter_map(|row| row.cells.get(at))
            .map(|(text, _)| cells(text));
        let column = &self.columns[at];
        texts
            .max()
            .unwrap_or(0)
            .max(cells(&column.head))
            .max(cells(&column.unit))
    }
}

/// One space before the first column and two before each other one.
fn total(widths: &[usize]) -> usize {
    widths
        .iter()
        .map(|width| width + 2)
        .sum::<usize>()
        .saturating_sub(1)
}

/// The columns a text takes in a terminal: two for East Asian wide characters, none for combining marks.
pub fn cells(text: &str) -> usize {
    text.chars().map(cell_width).sum()
}

fn cell_width(char: char) -> usize {
    match char as u32 {
        0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE4F => 2,
        0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// The text in at most `width` columns; what is cut from the middle leaves `…`, since the ends of
/// names tell them apart.
pub fn fitted(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    if width < 2 {
        return "…".repeat(width);
    }
    let chars: Vec<char> = text.chars().collect();
    let take = |chars: &mut dyn Iterator<Item = char>, mut room: usize| {
        let mut taken = Vec::new();
        for char in chars {
            let wide = cell_width(char);
            if wide > room {
                break;
            }
            room -= wide;
            taken.push(char);
        }
        taken
    };
    let tail_room = (width - 1) / 2;
    let head = take(&mut chars.iter().copied(), width - 1 - tail_room);
    let mut tail = take(&mut chars.iter().rev().copied(), tail_room);
    tail.reverse();
    head.into_iter().chain(['…']).chain(tail).collect()
}

/// The text filled with spaces to `width` columns.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(cells(text))))
}

/// Breaks running text into lines of at most `width` columns, the second and later indented.
pub fn wrapped(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let used = cells(&line);
        if used > cells(indent) && used + 1 + cells(word) > width {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        } else if used > 0 && line != indent {
            line.push(' ');
        }
        line.push_str(&fitted(word, width.saturating_sub(cells(indent)).max(1)));
    }
    if !line.trim().is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_in_the_middle() {
        assert_eq!(fitted("connection-pool.orders-db", 15), "connect…ders-db");
        assert_eq!(fitted("short", 15), "short");
        assert_eq!(cells(&fitted("注文サービス・データベース", 9)), 9);
        assert_eq!(fitted("abc", 1), "…");
        assert_eq!(fitted("abc", 0), "");
    }

    #[test]
    fn the_weakest_column_gives_way_first() {
        let grid = Grid {
            columns: vec![
                Column::names("component", 9, 8),
                Column::figures("p50", "ms", 1),
                Column::figures("p95", "ms", 2),
            ],
            rows: vec![Row {
                cells: ["connection-pool.orders-db", "12 ± 1", "30 ± 2"]
                    .map(|text| (text.to_owned(), Tint::Plain))
                    .into(),
                below: None,
            }],
        };
        assert!(grid.fit(80, false).left_out.is_empty());
        let narrow = grid.fit(20, false);
        assert_eq!(narrow.left_out, ["p50"]);
        assert!(
            narrow.lines.iter().all(|line| cells(line) <= 20),
            "{:?}",
            narrow.lines
        );
    }

    #[test]
    fn wrapping_keeps_to_the_width() {
        let lines = wrapped(
            "the queue of connection-pool.orders-db grows without bound",
            24,
            "  ",
        );
        assert!(lines.iter().all(|line| cells(line) <= 24), "{lines:?}");
        assert_eq!(lines.concat().split_whitespace().count(), 7);
    }
}
