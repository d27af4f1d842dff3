//! Sections of pages, made from the code.

use std::fmt::Write;

use plimsoll::component::KINDS;
use plimsoll::document::{Form, Key};
use plimsoll::model::{step, workload_check};
use plimsoll::quantity::{Bytes, Money, Quantity, Rate, Share, SimDuration};

use crate::support::root;

/// A table of keys.
pub fn keys(keys: &[Key]) -> String {
    let mut out = String::from("| key | value | default | |\n| --- | --- | --- | --- |\n");
    for k in keys {
        let default = k.default.map(|d| format!("`{d}`")).unwrap_or_default();
        let form = k.form.describe().replace('|', "\\|");
        let about = k.about.replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {form} | {default} | {about} |", k.name);
    }
    out
}

pub fn quantities() -> String {
    let rows: [(&str, &str); 5] = [
        (SimDuration::NAME, SimDuration::HELP),
        (Rate::NAME, Rate::HELP),
        (Bytes::NAME, Bytes::HELP),
        (Share::NAME, Share::HELP),
        (Money::NAME, Money::HELP),
    ];
    let mut out = String::from("| value | |\n| --- | --- |\n");
    for (name, help) in rows {
        let _ = writeln!(out, "| {name} | {help} |");
    }
    out
}

/// The table in the documentation of the function that reads laws.
pub fn laws() -> String {
    let path = root().join("src/distribution/parse.rs");
    let source = std::fs::read_to_string(path).expect("reading the source");
    let lines = source.lines().map(str::trim);
    let table = lines
        .skip_while(|l| !l.starts_with("/// | written"))
        .take_while(|l| l.starts_with("/// |"));
    table.map(|l| format!("{}\n", &l[4..])).collect()
}

pub fn verbs() -> String {
    let mut out = String::from("| step | may also have | |\n| --- | --- | --- |\n");
    for (verb, options, about) in step::VERBS {
        let options: Vec<String> = options.iter().map(|o| format!("`{o}`")).collect();
        let _ = writeln!(out, "| `{verb}` | {} | {about} |", options.join(", "));
    }
    out
}

/// Each kind: the header of its file, its keys, the keys of its steps.
pub fn kinds() -> String {
    let mut out = String::new();
    for kind in KINDS {
        // A kind is a file, or a folder where it has outgrown one.
        let name = kind.name.replace('-', "_");
        let source = [
            format!("src/component/{name}.rs"),
            format!("src/component/{name}/mod.rs"),
        ]
        .iter()
        .find_map(|file| std::fs::read_to_string(root().join(file)).ok())
        .expect("reading the kind's file");
        let _ = writeln!(out, "### {}\n", kind.name);
        for line in source.lines().take_while(|l| l.starts_with("//!")) {
            let _ = writeln!(out, "{}", line["//!".len()..].strip_prefix(' ').unwrap_or(""));
        }
        let _ = write!(out, "\n{}", keys(kind.keys));
        if !kind.step_keys.is_empty() {
            let _ = write!(out, "\nIn a step:\n\n{}", keys(kind.step_keys));
        }
        if !kind.settable.is_empty() {
            let names: Vec<String> = kind.settable.iter().map(|k| format!("`{k}`")).collect();
            let _ = write!(out, "\nThe timeline may set {}.\n", names.join(", "));
        }
        if !kind.probes.is_empty() {
            let names: Vec<String> = kind.probes.iter().map(|p| format!("`{}`", p.0)).collect();
            let _ = write!(
                out,
                "\nMeasured over time, beside what every component has: {}.\n",
                names.join(", ")
            );
        }
        out.push('\n');
    }
    out
}

pub fn workload() -> String {
    let mut out = keys(workload_check::KEYS);
    let tick = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        names.join(", ")
    };
    let _ = writeln!(
        out,
        "\nEvery executor takes {}. Beside them:\n",
        tick(workload_check::ALL_TAKE)
    );
    out.push_str("| executor | takes |\n| --- | --- |\n");
    let executor = workload_check::KEYS.iter().find(|k| k.name == "executor");
    if let Some(Form::Choice(all)) = executor.map(|k| k.form) {
        // Known only so that it can be refused with the reason.
        for name in all.iter().filter(|n| **n != "externally-controlled") {
            let _ = writeln!(out, "| `{name}` | {} |", tick(workload_check::taken(name)));
        }
    }
    let _ = write!(out, "\nA stage:\n\n{}", keys(workload_check::STAGE_KEYS));
    let _ = write!(out, "\nA `client`:\n\n{}", keys(workload_check::CLIENT_KEYS));
    out
}
