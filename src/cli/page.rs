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

#[cfg(test)]
mod tests {
    use super::placed;

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
