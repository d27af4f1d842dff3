//! The pages that are made from the code, and every TOML block and command in the documents.

mod blocks;
mod pages;

use crate::support::{root, same_as_file};

/// Puts `content` between the markers of the section `name`.
fn with_section(text: &str, name: &str, content: &str) -> String {
    let begin = format!("<!-- made from the code: {name}; UPDATE=1 cargo test remakes it -->\n");
    let end = format!("<!-- end of {name} -->");
    let (Some(a), Some(b)) = (text.find(&begin), text.find(&end)) else {
        panic!("the page has no section `{name}`: it begins with\n{begin}and ends with\n{end}");
    };
    format!("{}{begin}\n{}\n{}", &text[..a], content.trim(), &text[b..])
}

fn page(path: &str, sections: &[(&str, String)]) {
    let path = root().join(path);
    let mut text = std::fs::read_to_string(&path).expect("reading the page");
    for (name, content) in sections {
        text = with_section(&text, name, content);
    }
    same_as_file(&path, &text);
}

#[test]
fn the_page_of_models_is_made_from_the_code() {
    page(
        "docs/models.md",
        &[
            ("quantities", pages::quantities()),
            ("laws", pages::laws()),
            ("verbs", pages::verbs()),
            ("flow", pages::keys(plimsoll::model::check::flow_keys())),
            ("kinds", pages::kinds()),
            ("workload", pages::workload()),
            ("timeline", pages::keys(plimsoll::model::timeline::KEYS)),
            ("objective", pages::keys(plimsoll::model::objective::KEYS)),
            ("run", pages::keys(plimsoll::model::check::run_keys())),
        ],
    );
}

#[test]
fn the_page_of_experiments_is_made_from_the_code() {
    use plimsoll::experiment::{axis, expectation, read};
    page(
        "docs/experiments.md",
        &[
            ("experiment", pages::keys(read::KEYS)),
            ("vary", pages::keys(axis::KEYS)),
            ("alternatives", pages::keys(axis::ALTERNATIVE_KEYS)),
            ("run", pages::keys(read::RUN_KEYS)),
            ("precision", pages::keys(read::PRECISION_KEYS)),
            ("plot", pages::keys(read::PLOT_KEYS)),
            ("expect", pages::keys(expectation::KEYS)),
        ],
    );
}

#[test]
fn the_names_of_figures_are_made_from_the_code() {
    page(
        "docs/output.md",
        &[("figures", pages::figures()), ("objectives", pages::objectives())],
    );
}

#[test]
fn every_declared_default_is_of_its_form() {
    let kinds = plimsoll::component::KINDS;
    for key in kinds.iter().flat_map(|k| k.keys.iter().chain(k.step_keys)) {
        assert_eq!(key.check(), Ok(()), "{}", key.name);
    }
    for key in plimsoll::model::workload_check::KEYS {
        assert_eq!(key.check(), Ok(()), "{}", key.name);
    }
}
