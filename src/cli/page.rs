//! Sections of a page that a command writes, between markers that name it.

use std::path::Path;

/// Puts the section between its markers; a page without them gets them at its end.
pub fn put(path: &Path, name: &str, section: &str) -> Result<(), String> {
    let old = match std::fs::read_to_string(path) {
        Ok(old) => old,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            "# Validation\n\nReported figures of real systems beside what their models give.\n".to_owned()
        }
        Err(why) => return Err(format!("cannot read the page `{}`: {why}", path.display())),
    };
    std::fs::write(path, placed(&old, name, section))
        .map_err(|why| format!("cannot write the page `{}`: {why}", path.display()))
}

fn placed(old: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (before, after) = match (old.find(&begin), old.find(&end)) {
        (Some(from), Some(to)) if from < to => (&old[..from], &old[to + end.len()..]),
        _ => (old, "\n"),
    };
    let gap = if before.ends_with("\n\n") { "" } else { "\n" };
    format!("{before}{gap}{begin}\n\n{section}\n\n{end}{after}")
}

/// Puts a section that is a table. Rows begin with a subject; those of subjects that have no new rows are kept in
/// their places, so that a part can be made anew.
pub fn put_rows(path: &Path, name: &str, head: &str, rows: &str) -> Result<(), String> {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    put(
        path,
        name,
        &format!("{head}{}", merged(within(&old, name), head, rows)),
    )
}

fn within<'a>(page: &'a str, name: &str) -> &'a str {
    let begin = format!("<!-- {name}: begin -->");
    let from = page.find(&begin).map_or(page.len(), |at| at + begin.len());
    let rest = &page[from..];
    &rest[..rest.find(&format!("<!-- {name}: end -->")).unwrap_or(0)]
}

fn merged(old: &str, head: &str, rows: &str) -> String {
    let subject = |row: &str| row.split('|').nth(1).unwrap_or("").trim().to_owned();
    let made: Vec<String> = rows.lines().map(subject).collect();
    // A heading, this one or that of an earlier time, is no row, nor is a row of other columns.
    let heading = head.lines().find(|line| line.starts_with("| ")).unwrap_or("");
    let cells = |row: &str| row.matches('|').count();
    let kept = old.lines().filter(|line| {
        line.starts_with("| ") && subject(line) != subject(heading) && cells(line) == cells(heading)
    });
    let mut out: Vec<&str> = Vec::new();
    let mut placed: Vec<String> = Vec::new();
    for line in kept {
        let of = subject(line);
        if !made.contains(&of) {
            out.push(line);
        } else if !placed.contains(&of) {
            out.extend(rows.lines().filter(|r| subject(r) == of));
            placed.push(of);
        }
    }
    out.extend(rows.lines().filter(|r| !placed.contains(&subject(r))));
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{merged, placed, within};

    #[test]
    fn rows_of_other_columns_go_with_their_heading() {
        let head = "| system | held | low |\n|---|---:|---:|\n";
        let old = "| system | held |\n|---|---:|\n| a | 1 |\n| b | 3 |\n";
        assert_eq!(merged(old, head, "| a | 1 | 2 |\n"), "| a | 1 | 2 |");
    }

    #[test]
    fn rows_are_replaced_by_subject_and_new_ones_come_last() {
        let head = "| system | held |\n|---|---:|\n";
        let page = "text\n<!-- t: begin -->\n\n| system | held |\n|---|---:|\n| a | 1 |\n| a | 2 |\n| b | 3 |\n\n<!-- t: end -->\n";
        let old = within(page, "t");
        assert_eq!(merged(old, head, "| a | 9 |\n"), "| a | 9 |\n| b | 3 |");
        assert_eq!(
            merged(old, head, "| c | 4 |\n| b | 5 |\n"),
            "| a | 1 |\n| a | 2 |\n| b | 5 |\n| c | 4 |"
        );
        assert_eq!(merged(within(page, "u"), head, "| a | 1 |\n"), "| a | 1 |");
    }

    #[test]
    fn a_section_is_replaced_where_it_stands_and_others_are_left_alone() {
        let old = "# Page\n\n<!-- a: begin -->\n\nold\n\n<!-- a: end -->\n\n<!-- b: begin -->\n\nb\n\n<!-- b: end -->\n";
        let new = placed(old, "a", "new");
        assert_eq!(new, old.replace("old", "new"));
        assert_eq!(placed(&new, "a", "new"), new);
        let added = placed("# Page\n", "c", "text");
        assert_eq!(added, "# Page\n\n<!-- c: begin -->\n\ntext\n\n<!-- c: end -->\n");
    }
}
