//! Tables that fit: the least important columns give way until the rest has room, and the reader is told.

use crate::output::label::apart;
use comfy_table::{Attribute, Cell, CellAlignment, Color, LineStyle, Table, TableStyle};

/// Columns from this rank on give way last, whatever they say.
pub const KEPT: u8 = 8;
/// Names are not cut below this many characters to keep a figure that nobody asked for.
const LEGIBLE: usize = 20;
/// Most lines of the head of a column of figures.
const HEAD_LINES: usize = 4;

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
    /// Shown under the row when set.
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
        // Names are cut for what must stay, but hardly for figures that may as well go.
        let least = |kept: &[usize]| {
            let may_go = kept
                .iter()
                .any(|at| self.columns[*at].least.is_none() && self.columns[*at].rank < KEPT);
            let legible = if may_go { LEGIBLE.min(width / 3) } else { 0 };
            total(&kept.iter().map(|at| self.least(*at, legible)).collect::<Vec<_>>())
        };
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        let mut dropped = Vec::new();
        while least(&kept) > width && kept.len() > 1 {
            let weakest = (0..kept.len()).min_by_key(|place| (self.weight(kept[*place]), usize::MAX - place));
            let Some(place) = weakest else { break };
            dropped.push(kept.remove(place));
        }
        // Where a wide column left, a narrow one that went before it may have room.
        for at in dropped.iter().rev() {
            let place = kept.partition_point(|other| other < at);
            kept.insert(place, *at);
            // What matters least does not come back while something that says more stays away.
            let first = self.columns[*at].rank > 0
                || dropped
                    .iter()
                    .all(|other| kept.contains(other) || self.weight(*other) <= self.weight(*at));
            if least(&kept) > width || !first {
                kept.remove(place);
            }
        }
        let left_out = dropped.iter().filter(|at| !kept.contains(at));
        let left_out = left_out.map(|at| self.columns[*at].head.clone()).collect();

        let mut widths: Vec<usize> = kept.iter().map(|at| self.width_of(*at)).collect();
        // Heads are broken before names are cut.
        for names in [false, true] {
            let may = |place: &usize| {
                let column = &self.columns[kept[*place]];
                column.least.is_some() == names
            };
            while total(&widths) > width {
                let room = |place: &usize| may(place) && widths[*place] > self.least(kept[*place], 0);
                // The widest gives way first, so that all stay legible.
                let widest = (0..kept.len()).filter(room);
                let Some(place) = widest.max_by_key(|place| (widths[*place], *place)) else {
                    break;
                };
                widths[place] -= 1;
            }
        }
        if total(&widths) > width && kept.len() == 1 {
            widths[0] = width.saturating_sub(1).max(1);
        }
        Fitted {
            lines: self.draw(&kept, &widths, width, colour),
            left_out,
        }
    }

    /// What gives way first has the least: figures that say the same in every row, above all that there is nothing, then
    /// those of the lowest rank.
    fn weight(&self, at: usize) -> (u8, u8) {
        let column = &self.columns[at];
        let texts = || {
            self.rows
                .iter()
                .filter_map(|row| row.cells.get(at))
                .map(|cell| cell.0.as_str())
        };
        let says = if column.least.is_some() || column.rank >= KEPT {
            2
        } else if texts().all(is_nothing) {
            0
        } else if self.rows.len() > 1 && texts().all(|text| Some(text) == texts().next()) {
            1
        } else {
            2
        };
        (says, column.rank)
    }

    /// The width below which a column is of no use: names are cut, heads of figures broken.
    /// Names keep `legible` columns at least.
    fn least(&self, at: usize, legible: usize) -> usize {
        let column = &self.columns[at];
        let natural = self.width_of(at);
        match column.least {
            Some(least) => natural.min(least.max(legible)),
            None => {
                let figures = self.figures_width(at).max(cells(&column.unit));
                let mut widths = figures.max(1)..natural;
                let suffices = |width: &usize| {
                    let lines = broken(&column.head, *width);
                    lines.len() <= HEAD_LINES && lines.iter().all(|line| cells(line) <= *width)
                };
                widths.find(suffices).unwrap_or(natural)
            }
        }
    }

    fn draw(&self, kept: &[usize], widths: &[usize], width: usize, colour: bool) -> Vec<String> {
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
        let texts = |at: usize| -> Vec<String> {
            let text = |row: &Row| row.cells.get(at).map_or(String::new(), |cell| cell.0.clone());
            self.rows.iter().map(text).collect()
        };
        let columns: Vec<Vec<String>> = (0..kept.len())
            .map(|place| apart(&texts(kept[place]), widths[place]))
            .collect();
        let units = kept.iter().any(|at| !self.columns[*at].unit.is_empty());
        let heads: Vec<Vec<String>> = (0..kept.len())
            .map(|place| {
                let column = &self.columns[kept[place]];
                match column.least {
                    None => broken(&column.head, widths[place]),
                    Some(_) => vec![fitted(&column.head, widths[place])],
                }
            })
            .collect();
        let deep = heads.iter().map(Vec::len).max().unwrap_or(1);
        let heads = heads.iter().enumerate().map(|(place, lines)| {
            // A short head stands on the last line, by its figures.
            let mut lines: Vec<String> = lines.iter().map(|line| fitted(line, widths[place])).collect();
            lines.splice(0..0, vec![String::new(); deep - lines.len()]);
            if units {
                lines.push(fitted(&self.columns[kept[place]].unit, widths[place]));
            }
            aligned(Cell::new(lines.join("\n")), place).add_attribute(Attribute::Bold)
        });
        table.set_header(heads);
        // Lines before the first row: the head, perhaps the units, the rule.
        let above = deep + 1 + usize::from(units);
        for (number, row) in self.rows.iter().enumerate() {
            let cells = kept.iter().enumerate().map(|(place, at)| {
                let cell = aligned(Cell::new(&columns[place][number]), place);
                match row.cells.get(*at).map_or(Tint::Plain, |cell| cell.1) {
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
                let parts = wrapped(below, width.max(total(widths)).saturating_sub(3), "");
                let mark = |at: usize| if at == 0 { " └ " } else { "   " };
                lines.extend(
                    parts
                        .iter()
                        .enumerate()
                        .map(|(at, part)| format!("{}{part}", mark(at))),
                );
            }
        }
        lines
    }

    fn width_of(&self, at: usize) -> usize {
        let column = &self.columns[at];
        self.figures_width(at)
            .max(cells(&column.head))
            .max(cells(&column.unit))
    }

    fn figures_width(&self, at: usize) -> usize {
        let texts = self.rows.iter().filter_map(|row| row.cells.get(at));
        texts.map(|(text, _)| cells(text)).max().unwrap_or(0)
    }
}

/// Whether a figure says that there is nothing: no digit but zero. A mark behind it may be a number in brackets.
fn is_nothing(text: &str) -> bool {
    let figure = text.split(" (").next().unwrap_or(text);
    !figure.chars().any(|char| ('1'..='9').contains(&char))
}

/// The head of a column in lines of at most `width` columns, as far as its parts allow it.
fn broken(head: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in head.split_inclusive([' ', '-', '.', '_']) {
        match lines.last_mut() {
            Some(line) if cells(line) + cells(part.trim_end()) <= width => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
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

    fn grid(columns: Vec<Column>, rows: &[&[&str]]) -> Grid {
        let row = |cells: &&[&str]| Row {
            cells: cells
                .iter()
                .map(|text| ((*text).to_owned(), Tint::Plain))
                .collect(),
            below: None,
        };
        Grid {
            columns,
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn what_says_nothing_gives_way_to_what_does() {
        let columns = vec![
            Column::names("component", 9, 8),
            Column::figures("wait p95", "ms", 7),
            Column::figures("rejected", "", 4),
            Column::figures("lag max", "", 3),
        ];
        let rows: [&[&str]; 2] = [
            &["consumer.writer", "0 ± 0 *", "7", "2340 ± 150"],
            &["topic.coupons", "0 ± 0", "7", "–"],
        ];
        let grid = grid(columns, &rows);
        assert_eq!(grid.fit(40, false).left_out, ["wait p95"]);
        assert_eq!(grid.fit(30, false).left_out, ["wait p95", "rejected"]);
    }

    #[test]
    fn a_head_is_broken_and_a_narrow_column_comes_back_before_a_name_is_cut() {
        let columns = vec![
            Column::names("change", 9, 6),
            Column::figures("lag max of consumer.writer", "", 20),
            Column::figures("p50", "ms", 2),
            Column::figures("a head in one long word: unbreakable-by-anybody", "ms", 4),
        ];
        let rows: [&[&str]; 2] = [
            &["first attempt", "2340 ± 150", "1", "1 ± 1"],
            &["final", "0 ± 0", "2", "2 ± 1"],
        ];
        let fitted = grid(columns, &rows).fit(34, false);
        assert_eq!(
            fitted.left_out,
            ["a head in one long word: unbreakable-by-anybody"]
        );
        let text = fitted.lines.join("\n");
        assert!(
            text.contains("first attempt") && text.contains("consumer."),
            "{text}"
        );
        assert!(fitted.lines.iter().all(|line| cells(line) <= 34), "{text}");
    }

    #[test]
    fn names_in_a_column_stay_apart() {
        let columns = vec![Column::names("door", 9, 8)];
        let found = grid(columns, &[&["limit 500/s"], &["limit 100/s"]]).fit(9, false);
        let text = found.lines.join("\n");
        assert!(text.contains("500/s") && text.contains("100/s"), "{text}");
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
