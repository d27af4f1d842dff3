//! The output as a whole, on made-up results and on results that nobody would wish for.

mod choices;
mod fixture;

use std::path::Path;

use crate::experiment::results::*;
use crate::output::{InputFile, ManifestInput, csv, json, pictures, plot, table, terminal, write_all};

use fixture::*;

fn manifest() -> ManifestInput {
    ManifestInput {
        version: "0.1.0".into(),
        command_line: ["plimsoll", "sweep", "experiments/scale-out.toml"]
            .map(str::to_owned)
            .into(),
        inputs: vec![InputFile::of("models/checkout.toml", b"[host.vps]\ncores = 6\n")],
    }
}

/// Whatever comes, the terminal text keeps to its width and the pictures can be drawn.
fn survives(results: &Results) {
    for width in [20, 80, 120, 300] {
        for colour in [false, true] {
            let text = terminal(results, width, colour);
            assert!(!text.is_empty());
            let least = width.clamp(40, 160);
            for line in text.lines().filter(|_| !colour) {
                assert!(
                    table::cells(line) <= least,
                    "{} > {least}: {line}",
                    table::cells(line)
                );
            }
            assert!(colour || !text.contains('\u{1b}'));
        }
    }
    for picture in pictures::pictures(results) {
        plot::svg(&picture).unwrap();
    }
}

/// As [`survives`], and every file is written too.
fn survives_on_disk(results: &Results) {
    survives(results);
    let folder = tempfile::tempdir().unwrap();
    let paths = write_all(results, folder.path(), &manifest()).unwrap();
    assert!(paths.iter().all(|path| path.metadata().unwrap().len() > 0));
    let listed = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(listed, paths.len(), "no scratch file stays behind");
}

#[test]
fn a_sweep_on_80_columns() {
    insta::assert_snapshot!(terminal(&scale_out(), 80, false));
}

#[test]
fn a_sweep_on_120_columns() {
    insta::assert_snapshot!(terminal(&scale_out(), 120, false));
}

#[test]
fn a_run_on_80_columns() {
    insta::assert_snapshot!(terminal(&run(), 80, false));
}

#[test]
fn a_run_on_120_columns() {
    insta::assert_snapshot!(terminal(&run(), 120, false));
}

#[test]
fn two_axes_on_100_columns() {
    insta::assert_snapshot!(terminal(&two_axes(), 100, false));
}

#[test]
fn names_along_the_axis_are_bars() {
    insta::assert_snapshot!(terminal(&named_axis(), 80, false));
}

#[test]
fn a_single_replication_says_why_it_has_no_interval() {
    let mut results = scale_out();
    results.replications = 1;
    for metric in results.points.iter_mut().flat_map(|point| &mut point.metrics) {
        (metric.low, metric.high, metric.replications) = (None, None, 1);
    }
    let text = terminal(&results, 80, false);
    assert!(
        text.contains("583 *") && text.contains("* no interval: one replication"),
        "{text}"
    );
}

#[test]
fn an_incomplete_sweep_says_so_first() {
    let mut results = scale_out();
    results.complete = false;
    results.points.pop();
    let text = terminal(&results, 80, false);
    assert!(
        text.contains("Incomplete: the experiment was stopped; 2 of 3 points are finished."),
        "{text}"
    );
    survives_on_disk(&results);
}

#[test]
fn five_hundred_points_are_thinned_around_the_change() {
    let results = many(500);
    let text = terminal(&results, 80, false);
    assert!(text.lines().count() < 110, "{}", text.lines().count());
    for shown in ["450/s", "451/s", "500/s"] {
        assert!(
            text.lines().any(|line| line.trim_start().starts_with(shown)),
            "{shown} in {text}"
        );
    }
    survives_on_disk(&results);
}

#[test]
fn nothing_finished_is_no_failure() {
    for kind in [Kind::Run, Kind::Sweep] {
        let mut results = empty(kind);
        survives_on_disk(&results);
        results.complete = false;
        results.axes = scale_out().axes;
        survives_on_disk(&results);
    }
}

#[test]
fn one_point_of_a_sweep_is_enough() {
    let mut results = scale_out();
    results.points.truncate(1);
    results.axes[0].values.truncate(1);
    survives_on_disk(&results);
    results.axes.clear();
    results.points[0].coordinates.clear();
    survives_on_disk(&results);
}

#[test]
fn figures_that_are_missing_or_absurd_are_survived() {
    for value in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        5e-324,
        -0.0,
        0.0,
        1e-12,
        1e15,
    ] {
        let mut results = two_axes();
        for metric in results
            .points
            .iter_mut()
            .flat_map(|point| &mut point.metrics)
            .step_by(3)
        {
            (metric.mean, metric.low, metric.high) = (value, Some(value), Some(value * 2.0));
        }
        survives(&results);
        let mut results = run();
        for value_at in results.points[0]
            .series
            .columns
            .iter_mut()
            .flat_map(|column| &mut column.values)
            .step_by(7)
        {
            *value_at = value;
        }
        survives(&results);
    }
    for value in [f64::NAN, f64::MAX] {
        let mut results = run();
        for metric in &mut results.points[0].metrics {
            metric.mean = value;
        }
        survives_on_disk(&results);
    }
}

#[test]
fn inconsistent_coordinates_are_survived() {
    let mut results = two_axes();
    results.points[0].coordinates = vec![];
    results.points[1].coordinates = vec![99, 99, 99];
    results.curve = Some(CurveSpec {
        x: 9,
        metrics: vec![("no".into(), "such".into())],
        group: Some(9),
    });
    results.points[2].series = Series {
        times_s: vec![1.0, 2.0],
        columns: vec![],
    };
    results.axes[0].values[3].number = Some(f64::NAN);
    survives_on_disk(&results);
}

#[test]
fn long_and_hostile_names_are_survived() {
    let long = "注文-order-service-with-a-name-that-nobody-would-give-".repeat(5);
    let hostile = "</text></svg><script>alert(1)</script>&\"'\u{1b}[31m\u{0}\n";
    for name in [long.as_str(), hostile, ""] {
        for mut results in [two_axes(), named_axis(), run()] {
            results.title = name.into();
            results.about = Some(name.into());
            for axis in &mut results.axes {
                axis.label = name.into();
                axis.unit = name.into();
                for value in &mut axis.values {
                    value.label = name.into();
                }
            }
            for point in &mut results.points {
                point.verdict_reason = name.into();
                point.bottleneck = Some(name.into());
                point.notes = vec![name.into()];
                for metric in &mut point.metrics {
                    if metric.subject != SYSTEM {
                        metric.subject = format!("{name}{}", metric.subject);
                    }
                    metric.note = Some(name.into());
                }
            }
            survives(&results);
            let folder = tempfile::tempdir().unwrap();
            write_all(&results, folder.path(), &manifest()).unwrap();
            let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
            assert!(!page.contains("<script"), "escaped");
            assert!(!page.contains('\u{1b}') && !page.contains('\u{0}'));
        }
    }
}

#[test]
fn metrics_csv_is_tidy_and_reads_back() {
    let results = two_axes();
    let mut bytes = Vec::new();
    csv::metrics(&results, &mut bytes).unwrap();
    let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
    let heads = reader.headers().unwrap().clone();
    assert_eq!(
        &heads.iter().collect::<Vec<_>>()[..6],
        ["point", "arrival rate", "pool", "subject", "metric", "unit"]
    );
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let wanted: usize = results.points.iter().map(|point| point.metrics.len()).sum();
    assert_eq!(rows.len(), wanted);
    let all = results
        .points
        .iter()
        .flat_map(|point| point.metrics.iter().map(move |metric| (point, metric)));
    for (row, (point, metric)) in rows.iter().zip(all) {
        assert_eq!(row[0].parse::<usize>().unwrap(), point.index);
        assert_eq!(
            row[1].parse::<f64>().unwrap(),
            results.axes[0].values[point.coordinates[0]].number.unwrap()
        );
        assert_eq!(
            (&row[3], &row[4]),
            (metric.subject.as_str(), metric.name.as_str())
        );
        assert_eq!(row[6].parse::<f64>().unwrap().to_bits(), metric.mean.to_bits());
        assert_eq!(row[7].parse::<f64>().ok(), metric.low);
    }
}

#[test]
fn series_csv_leaves_gaps_empty() {
    let results = run();
    let mut bytes = Vec::new();
    csv::series(&results, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 1 + 7 * 120);
    assert!(
        text.lines()
            .any(|line| line == "0,20,system,response_time_p95,s,"),
        "{text}"
    );
}

#[test]
fn axis_labels_that_clash_with_columns_go_by_their_path() {
    let mut results = two_axes();
    results.axes[0].label = "mean".into();
    results.axes[1].label = "point".into();
    let mut bytes = Vec::new();
    csv::metrics(&results, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("point,workload.shoppers.rate,connection-pool.orders-db.maximum-pool-size,subject,")
    );
}

/// Equal but for the last bit of a number, which the JSON reader may round the other way.
fn alike(one: &serde_json::Value, other: &serde_json::Value) {
    use serde_json::Value::{Array, Number, Object};
    match (one, other) {
        (Number(a), Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= a.abs() * f64::EPSILON, "{a} {b}");
        }
        (Array(a), Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| alike(a, b));
        }
        (Object(a), Object(b)) => {
            assert!(a.keys().eq(b.keys()));
            a.values().zip(b.values()).for_each(|(a, b)| alike(a, b));
        }
        _ => assert_eq!(one, other),
    }
}

#[test]
fn results_json_reads_back() {
    for results in [scale_out(), run(), two_axes(), named_axis(), empty(Kind::Sweep)] {
        let mut bytes = Vec::new();
        json::write(&results, &mut bytes).unwrap();
        let mut again = Vec::new();
        json::write(&json::read(bytes.as_slice()).unwrap(), &mut again).unwrap();
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        alike(&value(&bytes), &value(&again));
    }
    let error = json::read("{}".as_bytes()).unwrap_err();
    assert!(error.to_string().contains("schema"), "{error}");
}

#[test]
fn results_of_another_schema_are_refused() {
    let mut results = run();
    results.schema = SCHEMA + 1;
    let mut bytes = Vec::new();
    json::write(&results, &mut bytes).unwrap();
    let error = json::read(bytes.as_slice()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the results have schema 2, this version reads schema 1"
    );
}

#[test]
fn the_folder_is_the_same_twice_and_the_manifest_lists_it() {
    let contents = |folder: &Path| -> Vec<(String, Vec<u8>)> {
        let paths = write_all(&scale_out(), folder, &manifest()).unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        paths
            .iter()
            .map(|path| (name(path), std::fs::read(path).unwrap()))
            .collect()
    };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = contents(one.path());
    assert!(files == contents(other.path()));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "results.json",
            "metrics.csv",
            "series.csv",
            "curve.svg",
            "curve.png",
            "latency.svg",
            "latency.png",
            "utilisation.svg",
            "utilisation.png",
            "report.html",
            "manifest.json",
        ]
    );
    let (_, listing) = files.last().unwrap();
    let listing: serde_json::Value = serde_json::from_slice(listing).unwrap();
    for (at, (name, bytes)) in files[..files.len() - 1].iter().enumerate() {
        assert_eq!(listing["files"][at]["name"], **name);
        assert_eq!(
            listing["files"][at]["blake3"],
            *blake3::hash(bytes).to_hex().as_str()
        );
    }
}

#[test]
fn pictures_of_an_earlier_run_do_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    write_all(&scale_out(), folder.path(), &manifest()).unwrap();
    write_all(&run(), folder.path(), &manifest()).unwrap();
    assert!(!folder.path().join("curve.svg").exists());
    assert!(folder.path().join("series.png").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("metrics.csv")).unwrap();
    let error = write_all(&scale_out(), folder.path(), &manifest()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot write the table of figures to `") && text.contains("metrics.csv`: "),
        "{text}"
    );
    let error = write_all(&scale_out(), &folder.path().join("results.json"), &manifest()).unwrap_err();
    assert!(error.to_string().starts_with("cannot make the folder"), "{error}");
}

#[test]
fn pictures_name_the_bottleneck_and_have_text_in_them() {
    let picture = pictures::curve(&scale_out());
    let svg = plot::svg(&picture).unwrap();
    for text in [
        "Three instances on one host",
        "host.vps cpu 97 %",
        "throughput, /s",
        "replicas",
        "opacity=\"0.18\"",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let png = plot::png(&picture, folder.path()).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{}", png.len());
    // Without text, the picture compresses to a good deal less.
    let mut mute = picture.clone();
    (mute.title, mute.caption) = (String::new(), String::new());
    assert!(plot::png(&mute, folder.path()).unwrap().len() + 2000 < png.len());
}
