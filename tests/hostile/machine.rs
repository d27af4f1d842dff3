//! Full disks, folders that cannot be written, files where folders should be.

use crate::experiments::bench_of_commands::Bench;

const QUICK: &str = "[station.desk]\nservers = 2\n[flow.visit]\nsteps = [{ use = \"desk\", time = \"exp(1s)\" }]\n\
    [workload.w]\nexecutor = \"poisson\"\nrate = \"1.2/s\"\nflow = \"visit\"\n\
    [run]\nduration = \"20s\"\nwarm-up = \"0s\"\nreplications = 2\n";

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let bench = Bench::new(&[("quick.toml", QUICK)]);
    for (out, words) in [
        ("quick.toml", "cannot make the folder"),
        ("quick.toml/x", "cannot make the folder"),
    ] {
        let ran = bench.run(&["run", "quick.toml", "--out", out]);
        assert_eq!(ran.code, Some(2), "{out}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains(out),
            "{out}: {}",
            ran.stderr
        );
    }
    assert_eq!(
        std::fs::read_to_string(bench.path("quick.toml")).ok().as_deref(),
        Some(QUICK)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_file_system_is_named() {
    let bench = Bench::new(&[("quick.toml", QUICK)]);
    let ran = bench.run(&["run", "quick.toml", "--out", "/proc/plimsoll"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("/proc/plimsoll"), "{}", ran.stderr);
}

/// No file may grow beyond 512 bytes: what a full disk looks like to a program.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_and_leaves_no_half_file() {
    let bench = Bench::new(&[("quick.toml", QUICK)]);
    bench.run(&["run", "quick.toml", "--out", "here"]).succeeds();
    let before = bench.digest("here/results.json");
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec '{}' run quick.toml --seed 2 --out here",
        env!("CARGO_BIN_EXE_plimsoll")
    );
    let ran = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(bench.path(""))
        .output()
        .expect("running a shell");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(
        told.contains("cannot write the results to `here/results.json`"),
        "{told}"
    );
    assert!(told.contains("cannot keep a finished point"), "{told}");
    assert_eq!(
        bench.digest("here/results.json"),
        before,
        "the earlier results stay whole"
    );
    let half = std::fs::read_dir(bench.path("here"))
        .expect("the folder")
        .flatten()
        .any(|e| e.file_name().to_string_lossy().ends_with(".part"));
    assert!(!half, "something half written stayed behind");
}

#[test]
fn what_a_killed_run_left_half_written_is_removed() {
    let bench = Bench::new(&[("quick.toml", QUICK)]);
    bench.run(&["run", "quick.toml", "--out", "here"]).succeeds();
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(bench.path("here"))
            .expect("the folder")
            .flatten()
            .map(|e| e.file_name())
            .collect();
        names.sort();
        names
    };
    let before = names();
    for name in [".plimsoll-abc.part", ".lock"] {
        std::fs::write(bench.path("here").join(name), "half").expect("writing");
    }
    bench.run(&["run", "quick.toml", "--out", "here"]).succeeds();
    assert_eq!(names(), before);
}

#[test]
fn a_model_that_is_no_text_is_refused() {
    let bench = Bench::new(&[("quick.toml", QUICK)]);
    std::fs::write(bench.path("bytes.toml"), [0xff, 0xfe, 0]).expect("writing");
    for (file, words) in [
        ("bytes.toml", "not UTF-8"),
        (".", "cannot read"),
        ("absent.toml", "cannot read"),
    ] {
        for command in ["run", "sweep", "check"] {
            let ran = bench.run(&[command, file]);
            assert_eq!(ran.code, Some(2), "{command} {file}: {}", ran.stderr);
            assert!(ran.stderr.contains(words), "{command} {file}: {}", ran.stderr);
        }
    }
    #[cfg(target_os = "linux")]
    {
        let ran = bench.run(&["check", "/dev/zero"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("longer than 8 MiB"), "{}", ran.stderr);
        let data = QUICK.replace("exp(1s)", "empirical(/dev/zero)");
        std::fs::write(bench.path("data.toml"), data).expect("writing");
        let ran = bench.run(&["check", "data.toml"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("longer than 128 MiB"), "{}", ran.stderr);
    }
}
