//! Where output goes: lines to standard output, progress below them on a terminal.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::paint::Paint;
use super::progress::Bar;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person at a terminal: colours, and a line that shows what is being waited for.
    Human,
    /// For logs: plain lines.
    Plain,
    /// For programs: one JSON object a line.
    Json,
}

/// Takes all output of one command; clones share it.
#[derive(Clone)]
pub struct Screen {
    out: Arc<Mutex<dyn Write + Send>>,
    bar: Option<Bar>,
    /// How output is written.
    pub format: Format,
    /// The colours.
    pub paint: Paint,
}

impl Screen {
    /// A screen that writes to `out`; `terminal` says whether a person watches, `colours` whether they want any.
    pub fn new(out: impl Write + Send + 'static, format: Format, terminal: bool, colours: bool) -> Self {
        let format = if format == Format::Human && !terminal { Format::Plain } else { format };
        let human = format == Format::Human;
        Self {
            out: Arc::new(Mutex::new(out)),
            bar: human.then(Bar::new),
            format,
            paint: Paint { on: human && colours },
        }
    }

    /// Writes a line. A reader that went away stops nothing: the rollout goes on.
    pub fn line(&self, text: impl AsRef<str>) {
        let write = || {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Writes lines.
    pub fn lines<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) {
        for line in lines {
            self.line(line);
        }
    }

    /// The line that shows what is being waited for, on a terminal.
    #[must_use]
    pub const fn bar(&self) -> Option<&Bar> {
        self.bar.as_ref()
    }

    /// Whether output is for programs.
    #[must_use]
    pub fn json(&self) -> bool {
        self.format == Format::Json
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("format", &self.format).finish_non_exhaustive()
    }
}
