//! `--profile`: how fast it ran and which components took the work.

use crate::experiment::Done;

/// The text for standard error. Figures depend on the machine and its mood, so none of them is in the files.
pub fn text(done: &Done, seconds: f64) -> String {
    let mut text = String::from("\nprofile\n");
    if done.resumed > 0 {
        text.push_str("  some points came from an earlier run, so the speed is overstated\n");
    }
    let per_second = |v: f64| if seconds > 0.0 { v / seconds } else { f64::NAN };
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<28} {value}\n"));
    line("real time", format!("{seconds:.2} s"));
    line("events", grouped(done.events));
    line("events a second", grouped(per_second(done.events as f64) as u64));
    line("simulated time", format!("{:.0} s", done.simulated));
    line(
        "simulated seconds a second",
        grouped(per_second(done.simulated) as u64),
    );
    line(
        "requests in flight, at most",
        format!(
            "{} in {} KiB",
            grouped(done.peak.0 as u64),
            grouped(done.peak.1 as u64 / 1024)
        ),
    );
    let all: u64 = done.visits.iter().map(|v| v.1).sum();
    if all > 0 {
        text.push_str("  where the work went, by visits to each component\n");
        let mut visits = done.visits.clone();
        visits.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        for (subject, n) in visits.iter().filter(|v| v.1 > 0) {
            let share = 100.0 * *n as f64 / all as f64;
            text.push_str(&format!("    {share:5.1} %  {subject}\n"));
        }
    }
    text
}

/// `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_by_three() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(n), text);
        }
    }
}
