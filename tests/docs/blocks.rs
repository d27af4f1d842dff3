//! Every TOML block of the documents is read, every command's file exists and is fine.

use plimsoll::diagnostic::{Sink, render};
use plimsoll::document::{self, Table, Value};
use plimsoll::experiment::{self, Overrides};

use crate::support::{files, root};

/// Tables that examples may name without showing them.
const BANK: &[(&str, &str, &str)] = &[
    ("host", "vps", "cores = 6"),
    ("host", "db-box", "cores = 8"),
    ("service", "order-api", "host = \"vps\"\nreplicas = 2"),
    ("database", "mysql", "host = \"db-box\""),
    (
        "connection-pool",
        "orders-db",
        "in = \"order-api\"\nto = \"mysql\"",
    ),
    ("topic", "order-events", "partitions = 3"),
];

/// The blocks of a language in a page, with the line that each begins in.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim() == format!("```{language}") => open = Some((i + 2, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => out.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    out
}

fn table<'a>(root: &'a Table, name: &str) -> Option<&'a Table> {
    root.get(name).and_then(|i| i.as_table())
}

/// A block about one thing, with what it needs around it to be a model.
fn whole(block: &str) -> String {
    let mut sink = Sink::default();
    let Some(parsed) = document::parse(block, &mut sink) else {
        return block.to_owned();
    };
    let top = parsed.root();
    let mut text = block.to_owned();
    for (kind, name, body) in BANK {
        let exists = plimsoll::component::kind(kind).is_some();
        if exists && table(top, kind).is_none_or(|t| t.get(name).is_none()) {
            text.push_str(&format!("\n[{kind}.{name}]\n{body}\n"));
        }
    }
    let known = |name: &str| table(top, "flow").is_some_and(|t| t.get(name).is_some());
    let mut wanted: Vec<String> = Vec::new();
    if let Some(workloads) = table(top, "workload") {
        for w in workloads.entries.iter().filter_map(|e| e.item.as_table()) {
            wanted.extend(w.get("flow").and_then(|f| f.as_str()).map(str::to_owned));
            let mix = w.get("mix").and_then(|m| m.as_table());
            wanted.extend(mix.iter().flat_map(|m| m.keys()).map(str::to_owned));
        }
        if wanted.is_empty() && table(top, "flow").is_none() {
            wanted.push("any".into());
        }
    } else {
        let first = table(top, "flow").and_then(|t| t.keys().next());
        let first = first.unwrap_or("any").to_owned();
        text.push_str(&format!(
            "\n[workload.someone]\nexecutor = \"poisson\"\nrate = \"1/s\"\nflow = \"{first}\"\n"
        ));
        wanted.push(first);
    }
    wanted.sort();
    wanted.dedup();
    for name in wanted.iter().filter(|n| !known(n)) {
        text.push_str(&format!(
            "\n[flow.\"{name}\"]\nat = \"order-api\"\nsteps = [{{ delay = \"1ms\" }}]\n"
        ));
    }
    text
}

fn is_experiment(block: &str) -> bool {
    let parsed = document::parse(block, &mut Sink::default());
    parsed.is_some_and(|d| {
        let names = |k: &str| matches!(d.root().get(k).map(|i| &i.value), Some(Value::String(_)));
        let lists = |k: &str| matches!(d.root().get(k).map(|i| &i.value), Some(Value::Array(_)));
        names("model") || lists("vary") || lists("expect") || d.root().get("plot").is_some()
    })
}

fn check_experiment(block: &str, place: &str) {
    let models = format!("\"{}/", root().join("models").display());
    let mut text = block.replace("\"../models/", &models);
    if !text.contains("model = ") {
        text = format!("model = {models}textbook/mmc.toml\"\n{text}");
    }
    let folder = tempfile::tempdir().expect("making a folder");
    let path = folder.path().join("block.toml");
    std::fs::write(&path, &text).expect("writing the block");
    let loaded = experiment::load(&path, &Overrides::default());
    let said: String = loaded
        .sheets
        .iter()
        .map(|s| render(&s.diagnostics, &s.path, &s.source, false))
        .collect();
    assert!(loaded.experiment.is_some(), "{place}:\n{said}");
}

#[test]
fn every_toml_block_is_read() {
    let mut count = 0;
    let mut pages = files("docs", "md");
    pages.push(root().join("README.md"));
    for path in pages {
        let text = std::fs::read_to_string(&path).expect("reading a page");
        for (line, block) in blocks(&text, "toml") {
            let place = format!("{}:{line}", path.display());
            count += 1;
            if is_experiment(&block) {
                check_experiment(&block, &place);
                continue;
            }
            let source = whole(&block);
            let mut sink = Sink::default();
            let folder = root().join("models");
            let model = plimsoll::model::load("block", &source, Some(&folder), &mut sink);
            let said = render(sink.diagnostics(), &place, &source, false);
            assert!(model.is_some(), "{place}:\n{said}");
        }
    }
    assert!(count > 15, "only {count} blocks were found");
}

/// Commands of the README by way of their files: each is checked as `plimsoll check` does it.
#[test]
fn every_file_in_a_command_is_fine() {
    let mut pages = files("docs", "md");
    pages.push(root().join("README.md"));
    for path in pages {
        let text = std::fs::read_to_string(&path).expect("reading a page");
        for (line, block) in blocks(&text, "sh") {
            for word in block.split_whitespace().filter(|w| w.ends_with(".toml")) {
                let file = root().join(word);
                if !(word.starts_with("models/") || word.starts_with("experiments/")) {
                    continue;
                }
                let place = format!("{}:{line}: {word}", path.display());
                assert!(file.exists(), "{place} does not exist");
                let said = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"))
                    .env_remove("COLUMNS")
                    .args(["check", word])
                    .current_dir(root())
                    .output()
                    .expect("starting plimsoll");
                assert!(
                    said.status.success(),
                    "{place}:\n{}",
                    String::from_utf8_lossy(&said.stderr)
                );
            }
        }
    }
}
