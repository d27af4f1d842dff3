//! Wrong models and what is said about them: each `NAME.toml` has its `NAME.stderr` beside it.

use std::collections::BTreeSet;

use plimsoll::diagnostic::{Severity, Sink, render};
use plimsoll::model;

use crate::support::{files, root, same_as_file};

fn refusals() -> Vec<(String, String)> {
    files("tests/refusal", "toml")
        .into_iter()
        .map(|p| {
            let text = std::fs::read_to_string(&p).expect("reading a wrong model");
            (
                p.file_stem().expect("a name").to_string_lossy().into_owned(),
                text,
            )
        })
        .collect()
}

fn told(name: &str, text: &str) -> (Sink, bool) {
    let mut sink = Sink::default();
    let loaded = model::load(name, text, Some(&root().join("tests/refusal")), &mut sink);
    (sink, loaded.is_some())
}

#[test]
fn every_wrong_model_is_told_what_is_wrong() {
    let all = refusals();
    assert!(all.len() >= 60, "only {} wrong models", all.len());
    let mut problems = Vec::new();
    for (name, text) in all {
        let (sink, loaded) = told(&name, &text);
        let errors = sink.diagnostics().iter().any(|d| d.severity == Severity::Error);
        assert_eq!(
            loaded, !errors,
            "{name}: a model comes back exactly if nothing is wrong"
        );
        let path = root().join("tests/refusal").join(format!("{name}.stderr"));
        // Messages about files name them as the system spells them.
        let shown = render(sink.diagnostics(), &format!("{name}.toml"), &text, false)
            .replace(&format!("{}/", root().display()), "");
        if shown.is_empty() {
            problems.push(format!("{name}: nothing is said"));
        }
        let outcome = std::panic::catch_unwind(|| same_as_file(&path, &shown));
        if outcome.is_err() {
            problems.push(name);
        }
    }
    assert!(problems.is_empty(), "these differ: {}", problems.join(", "));
}

#[test]
fn several_errors_are_told_in_one_go() {
    let (name, text) = refusals()
        .into_iter()
        .find(|r| r.0 == "several")
        .expect("tests/refusal/several.toml");
    let (sink, _) = told(&name, &text);
    let errors = sink
        .diagnostics()
        .iter()
        .filter(|d| d.severity == Severity::Error);
    assert!(errors.count() >= 5);
}

#[test]
fn every_problem_has_a_place() {
    // What the model lacks as a whole has none.
    let nowhere = ["no-workload", "too-many-instances", "too-long"];
    for (name, text) in refusals() {
        let (sink, _) = told(&name, &text);
        for d in sink.diagnostics() {
            assert!(
                d.span
                    .as_ref()
                    // Where something is missing, there is nothing to underline.
                    .is_some_and(|s| (s.start < s.end || d.id == "syntax") && s.end <= text.len())
                    || nowhere.contains(&d.id),
                "{name}: `{}` has no place",
                d.id
            );
        }
    }
}

/// Identifiers that no model can meet, with the reason.
const UNREACHABLE: &[(&str, &str)] = &[
    (
        "too-long",
        "a million instructions: tests/properties has the model",
    ),
    ("too-many", "thousands of tables: tests/hostile has the models"),
    ("too-large", "a text of megabytes: tests/hostile has the model"),
    (
        "after-the-end",
        "an experiment knows how long it runs: tests/experiments has the models",
    ),
];

#[test]
fn every_identifier_has_a_wrong_model() {
    let mut met = BTreeSet::new();
    for (name, text) in refusals() {
        let (sink, _) = told(&name, &text);
        met.extend(sink.diagnostics().iter().map(|d| d.id));
    }
    let mut missing = BTreeSet::new();
    for folder in ["src/model", "src/component", "src/document"] {
        for path in files(folder, "rs") {
            let text = std::fs::read_to_string(&path).expect("reading a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for id in identifiers(code) {
                if !met.contains(id.as_str()) && !UNREACHABLE.iter().any(|u| u.0 == id) {
                    missing.insert(format!(
                        "{id} ({})",
                        path.file_name().expect("a file").to_string_lossy()
                    ));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no wrong model in tests/refusal shows\n{}",
        missing.into_iter().collect::<Vec<_>>().join("\n")
    );
}

/// Second arguments of `.error(` and `.warning(`, first ones of `Diagnostic::error(`, where they are plain text.
fn identifiers(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (call, which) in [
        (".error(", 1),
        (".warning(", 1),
        ("Diagnostic::error(", 0),
        ("Diagnostic::warning(", 0),
    ] {
        for rest in code.split(call).skip(1) {
            if let Some(id) = argument(rest, which)
                && let Some(id) = id.trim().strip_prefix('"').and_then(|s| s.strip_suffix('"'))
                && id.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            {
                out.push(id.to_owned());
            }
        }
    }
    out
}

/// An argument of a call whose opening parenthesis was just read.
fn argument(text: &str, which: usize) -> Option<&str> {
    let (mut depth, mut n, mut start, mut quoted) = (0, 0, 0, false);
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => return (n == which).then(|| &text[start..i]),
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                if n == which {
                    return Some(&text[start..i]);
                }
                n += 1;
                start = i + 1;
            }
            _ => {}
        }
        before = c;
    }
    None
}
