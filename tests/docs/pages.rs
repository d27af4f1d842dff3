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

/// The figures of every kind, from models that have all of them.
pub fn figures() -> String {
    use plimsoll::experiment::replicate::dry_run;
    use plimsoll::experiment::{Overrides, load_model, load_model_text};
    let none = Overrides::default();
    let mut known = Vec::new();
    for file in ["tests/laws/all-kinds.toml", "models/flash-sale.toml"] {
        let path = root().join(file);
        let experiment = load_model(&path, &none).experiment.expect(file);
        known.extend(dry_run(&experiment.points[0], path.parent()));
    }
    let client = "[station.s]\n[flow.f]\nsteps = [{ use = \"s\", time = \"1ms\" }]\n[workload.w]\n\
        executor = \"constant-vus\"\nvus = 1\nflow = \"f\"\nclient = { threads = 1, time = \"1ms\" }\n";
    let client = load_model_text(&root().join("client.toml"), client, &none).experiment;
    known.extend(dry_run(&client.expect("a client").points[0], None));
    let others = ["system", "flow", "workload", "client"].into_iter();
    let groups: Vec<&str> = others.chain(KINDS.iter().map(|k| k.name)).collect();
    let names = |group: &str| {
        let mut names: Vec<String> = Vec::new();
        for figure in &known {
            let of = figure.subject.split('.').next().unwrap_or_default();
            if of == group && !figure.name.starts_with("failures_") {
                let name = family(&figure.name, &known);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    };
    // What every kind has is told once.
    let usual: Vec<String> = names("balancer");
    let list = |names: Vec<&String>| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let mut out = format!(
        "| subject | figures |\n| --- | --- |\n| every component | {} |\n",
        list(usual.iter().collect())
    );
    for group in groups {
        let own = names(group);
        assert!(!own.is_empty(), "no model has a {group}");
        let whole = usual.iter().all(|name| own.contains(name));
        let rest: Vec<&String> = own
            .iter()
            .filter(|name| !(whole && usual.contains(name)))
            .collect();
        if rest.is_empty() {
            continue;
        }
        let subject = match group {
            "system" => "`system`".to_owned(),
            group => format!("`{group}.NAME`"),
        };
        let more = if whole { "also " } else { "" };
        let _ = writeln!(out, "| {subject} | {more}{} |", list(rest));
    }
    out
}

/// `waiting_time_*` for a mean, a longest and percentiles; `_N` for the number of a partition.
fn family(name: &str, known: &[plimsoll::experiment::replicate::Known]) -> String {
    let ends = ["_mean", "_p50", "_p90", "_p95", "_p99", "_p99_9", "_max"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end));
    if let Some(stem) = stem
        && known.iter().any(|k| k.name.strip_suffix("_p50") == Some(stem))
    {
        return format!("{stem}_*");
    }
    let Some((before, after)) = name.split_once("_partition_") else {
        return name.to_owned();
    };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    match name.ends_with("partition_max") {
        true => name.to_owned(),
        false => format!("{before}_partition_N{after}"),
    }
}

/// What objectives call the figures.
pub fn objectives() -> String {
    use plimsoll::model::objective;
    let mut out = String::from("| key of an objective | figure |\n| --- | --- |\n");
    for key in objective::KEYS {
        let _ = writeln!(out, "| `{}` | `{}` |", key.name, objective::figure(key.name));
    }
    out
}
