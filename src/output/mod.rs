//! What an experiment found, written down: a summary for the terminal and a folder of files.
//!
//! Everything here is presentation. It takes a finished [`Results`] and computes no figure of its own.
//! [`reading`] asks the questions all forms share, [`figure`] writes numbers with their intervals,
//! [`summary`] says which figures stand in which table and [`pictures`] which lines in which [`chart`].
//! [`terminal`](terminal()), [`csv`], [`json`], [`plot`], [`report`] and [`manifest`] are the forms.

pub mod chart;
pub mod csv;
pub mod explain;
pub mod figure;
pub mod file;
pub mod json;
mod label;
pub mod manifest;
mod pen;
pub mod pictures;
mod place;
pub mod plot;
pub mod reading;
pub mod report;
mod scale;
mod sketch;
pub mod summary;
pub mod table;
pub mod terminal;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::file::OutputError;
pub use self::manifest::{InputFile, ManifestInput};
pub use self::terminal::terminal;

use rayon::prelude::*;

use crate::experiment::results::Results;

/// The pictures that may be in a folder; those that these results do not have are removed.
const PICTURES: [&str; 4] = ["curve", "latency", "utilisation", "series"];

/// Writes every file of the results into `folder`, which is made if need be, and returns their paths,
/// the manifest last. A file is complete or absent; pictures of an earlier run that this one lacks go.
///
/// # Errors
/// When the folder or a file cannot be written; the error names it.
pub fn write_all(
    results: &Results,
    folder: &Path,
    manifest: &ManifestInput,
) -> Result<Vec<PathBuf>, OutputError> {
    std::fs::create_dir_all(folder).map_err(|source| OutputError::new("make the folder", folder, source))?;
    let mut files = vec![
        file::write(folder, "results.json", "the results", |out| {
            json::write(results, out)
        })?,
        file::write(folder, "metrics.csv", "the table of figures", |out| {
            csv::metrics(results, out)
        })?,
        file::write(folder, "series.csv", "the figures over time", |out| {
            csv::series(results, out)
        })?,
    ];
    let pictures = pictures::pictures(results);
    let drawings: Vec<_> = pictures
        .par_iter()
        .map(|picture| plot::png(picture, folder))
        .collect();
    let mut drawn = Vec::new();
    for (picture, png) in pictures.into_iter().zip(drawings) {
        let drawing = plot::svg(&picture);
        let name = format!("{}.svg", picture.file);
        let svg = drawing.map_err(|source| OutputError::new("draw", &folder.join(&name), source))?;
        files.push(file::write(folder, &name, "the picture", |out| {
            out.write_all(svg.as_bytes())
        })?);
        let name = format!("{}.png", picture.file);
        let png = png.map_err(|source| OutputError::new("draw", &folder.join(&name), source))?;
        files.push(file::write(folder, &name, "the picture", |out| {
            out.write_all(&png)
        })?);
        drawn.push((picture, svg));
    }
    let page = report::page(results, &drawn, manifest);
    files.push(file::write(folder, "report.html", "the report", |out| {
        out.write_all(page.as_bytes())
    })?);
    files.push(file::write(folder, "manifest.json", "the manifest", |out| {
        manifest::write(results, manifest, &files, out)
    })?);
    for name in PICTURES
        .iter()
        .filter(|name| drawn.iter().all(|(picture, _)| picture.file != **name))
    {
        for path in ["svg", "png"].map(|kind| folder.join(format!("{name}.{kind}"))) {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(OutputError::new("remove the outdated picture", &path, source));
                }
                _ => {}
            }
        }
    }
    Ok(files.into_iter().map(|file| folder.join(file.name)).collect())
}
