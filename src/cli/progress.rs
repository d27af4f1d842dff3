//! The progress bar on standard error, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::experiment::Progress;

/// The bar counts thousandths of the work, so that an estimate that changes does not confuse it.
const WHOLE: u64 = 1000;

pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Bar {
        // Draws nothing unless standard error is a terminal.
        let bar = ProgressBar::with_draw_target(Some(WHOLE), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:32} {percent:>3} %  {msg}  {eta} left")
            .map(|s| s.progress_chars("━╸ "));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message("starting");
        bar.enable_steady_tick(Duration::from_millis(250));
        Bar(bar)
    }

    pub fn show(&self, p: Progress) {
        let share = if p.total > 0.0 { p.done / p.total } else { 0.0 };
        self.0.set_position((share * WHOLE as f64) as u64);
        if p.points > 1 {
            self.0
                .set_message(format!("{} of {} points", p.points_done, p.points));
        } else {
            self.0.set_message("simulating");
        }
    }

    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
