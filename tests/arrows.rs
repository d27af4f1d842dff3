//! The rooms of `src` and who uses whom: no arrow may point the wrong way. Draws the picture of `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::support::{files, root, same_as_file, update};

/// Each room may use those further down. Rooms of one line may not use one another.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["output"],
    &["experiment"],
    &["engine"],
    &["model"],
    &["component"],
    &["program"],
    &["kernel"],
    &["document", "distribution", "metric"],
    &["quantity", "random", "statistics", "diagnostic"],
];

/// Arrows on the lowest floors that are meant: who, whom, why.
const NEIGHBOURS: &[(&str, &str, &str)] = &[];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|f| f.contains(&room))
}

/// The rooms that a file names after `crate::`, groups in braces included.
fn named(code: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in code.split("crate::").skip(1) {
        let names: Vec<&str> = match line.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or("").split(',').collect(),
            None => vec![line],
        };
        for name in names {
            let room: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if floor(&room).is_some() {
                out.insert(room);
            }
        }
    }
    out
}

/// Code without comments and unit tests.
fn code(text: &str) -> String {
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or("")
        .lines()
        .map(|l| l.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

fn arrows() -> BTreeMap<(String, String), Vec<String>> {
    let mut out: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for path in files("src", "rs") {
        let name = path
            .strip_prefix(root())
            .expect("below the root")
            .to_string_lossy()
            .replace('\\', "/");
        let room = name["src/".len()..]
            .split(['/', '.'])
            .next()
            .unwrap_or("")
            .to_owned();
        if floor(&room).is_none() || name.contains("/tests/") || name.ends_with("/tests.rs") {
            assert!(
                floor(&room).is_some() || ["main", "lib"].contains(&room.as_str()),
                "{name}: the room `{room}` has no floor"
            );
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("reading a source file");
        for other in named(&code(&text)) {
            if other != room {
                out.entry((room.clone(), other)).or_default().push(name.clone());
            }
        }
    }
    out
}

#[test]
fn no_arrow_points_the_wrong_way() {
    let mut wrong = Vec::new();
    for ((from, to), places) in arrows() {
        let fine = floor(&from) < floor(&to) || NEIGHBOURS.iter().any(|n| n.0 == from && n.1 == to);
        if !fine {
            wrong.push(format!("{from} uses {to}: {}", places.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const BEGIN: &str = "<!-- drawn by tests/arrows.rs; UPDATE=1 cargo test redraws it -->";
const END: &str = "<!-- end of the drawing -->";

#[test]
fn the_drawing_of_the_rooms_is_the_truth() {
    let mut drawing = String::from("```text\n");
    let all = arrows();
    for rooms in FLOORS {
        for room in *rooms {
            let uses: Vec<&str> = all
                .keys()
                .filter(|(from, _)| from == room)
                .map(|(_, to)| to.as_str())
                .collect();
            let mut uses = uses;
            uses.sort_by_key(|r| (floor(r), *r));
            let list = if uses.is_empty() {
                "-".to_owned()
            } else {
                uses.join(" ")
            };
            let _ = writeln!(drawing, "{room:>12} -> {list}");
        }
    }
    drawing.push_str("```\n");
    let path = root().join("docs/architecture.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let whole = match (text.find(BEGIN), text.find(END)) {
        (Some(a), Some(b)) if a < b => {
            format!("{}{BEGIN}\n{drawing}{}", &text[..a], &text[b..])
        }
        _ if update() => format!("{text}\n## Who uses whom\n\n{BEGIN}\n{drawing}{END}\n"),
        _ => panic!("docs/architecture.md has no drawing; UPDATE=1 cargo test adds it"),
    };
    same_as_file(&path, &whole);
}
