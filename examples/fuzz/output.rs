//! Results in every form in which they are written.

use std::path::Path;

use plimsoll::experiment::results::Results;
use plimsoll::output::{ManifestInput, csv, json, manifest, pictures, plot, report, terminal};

/// Writes them to nowhere, with pictures of points if asked to; an error is a form that cannot be written or read back.
pub fn written(results: &Results, points: bool) -> Result<(), String> {
    let told = |what: &str, why: std::io::Error| format!("{what}: {why}");
    let _ = terminal(results, 80, points);
    let mut text = Vec::new();
    json::write(results, &mut text).map_err(|why| told("results.json", why))?;
    let back = json::read(text.as_slice()).map_err(|why| told("results.json", why))?;
    let mut again = Vec::new();
    json::write(&back, &mut again).map_err(|why| told("results.json", why))?;
    if text != again {
        return Err("results.json reads back as something else".to_owned());
    }
    csv::metrics(results, &mut std::io::sink()).map_err(|why| told("metrics.csv", why))?;
    csv::series(results, &mut std::io::sink()).map_err(|why| told("series.csv", why))?;
    let mut drawn = Vec::new();
    for picture in pictures::pictures(results) {
        let svg = plot::svg(&picture).map_err(|why| told("a picture", why))?;
        if points && drawn.is_empty() {
            plot::png(&picture, Path::new(&std::env::temp_dir())).map_err(|why| told("a picture", why))?;
        }
        drawn.push((picture, svg));
    }
    let input = ManifestInput {
        version: "0".to_owned(),
        command_line: Vec::new(),
        inputs: Vec::new(),
    };
    let _ = report::page(results, &drawn, &input);
    manifest::write(results, &input, &[], &mut std::io::sink()).map_err(|why| told("manifest.json", why))
}
