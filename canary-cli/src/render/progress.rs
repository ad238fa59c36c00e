//! The line below all others that shows what is being waited for.

use std::time::Duration;

use canary_core::traits::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::words;

/// A line on a terminal that is redrawn in place; clones share it.
#[derive(Debug, Clone)]
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        let style = ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style.tick_chars("-\\|/ "));
        bar.finish_and_clear();
        Self { bar }
    }

    /// Shows a wait.
    pub fn waiting(&self, progress: &Progress) {
        self.note(&sentence(progress));
    }

    /// Shows a short note.
    pub fn note(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        if self.bar.is_finished() {
            self.bar.reset();
            self.bar.enable_steady_tick(Duration::from_millis(250));
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }

    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
}

/// `backend-api-2: drain, 4.20s of at most 1m 00s: 3 in progress; waiting for no request in progress`.
pub(super) fn sentence(progress: &Progress) -> String {
    format!(
        "{}, {} of at most {}: {}; waiting for {}",
        progress.step,
        words::time(progress.elapsed),
        words::time(progress.limit),
        progress.seen,
        progress.waiting_for
    )
}
