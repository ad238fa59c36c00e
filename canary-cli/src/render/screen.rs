//! Where output goes: lines to standard output, on a terminal with a view of the rollout below them.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use canary_core::journal::{Entry, Record};
use canary_core::time::Timestamp;
use canary_core::traits::{PoolState, Progress};

use super::live::Live;
use super::paint::Paint;
use super::terminal::Terminal;
use super::view::View;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person at a terminal: colours, and a view of the rollout that is redrawn in place.
    Human,
    /// For logs: plain lines.
    Plain,
    /// For programs: one JSON object a line.
    Json,
}

/// Takes all output of one command; clones share it.
#[derive(Debug, Clone)]
pub struct Screen {
    out: Out,
    /// How output is written.
    pub format: Format,
    /// The colours.
    pub paint: Paint,
}

#[derive(Clone)]
enum Out {
    Lines(Arc<Mutex<dyn Write + Send>>),
    Live(Live),
}

impl Screen {
    /// A screen that writes to `out`; `terminal` is there when a person watches, `colours` says whether they want any.
    pub fn new(
        out: impl Write + Send + 'static,
        format: Format,
        terminal: Option<Terminal>,
        colours: bool,
    ) -> Self {
        match (format, terminal) {
            (Format::Human, Some(terminal)) => {
                let paint = Paint { on: colours };
                Self { out: Out::Live(Live::new(out, terminal, paint)), format, paint }
            }
            (format, _) => {
                let format = if format == Format::Json { format } else { Format::Plain };
                Self { out: Out::Lines(Arc::new(Mutex::new(out))), format, paint: Paint { on: false } }
            }
        }
    }

    /// Writes a line. A reader that went away stops nothing: the rollout goes on.
    pub fn line(&self, text: impl AsRef<str>) {
        self.lines([text]);
    }

    /// Writes lines.
    pub fn lines<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) {
        let lines: Vec<String> = lines.into_iter().map(|line| line.as_ref().to_owned()).collect();
        match &self.out {
            Out::Live(live) => live.update(&lines, |_| {}),
            Out::Lines(out) => {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                for line in lines {
                    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
                }
            }
        }
    }

    /// Whether output is for programs.
    #[must_use]
    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether a view is redrawn below the lines.
    #[must_use]
    pub const fn live(&self) -> bool {
        matches!(self.out, Out::Live(_))
    }

    /// Whether there is a rollout in the view now.
    #[must_use]
    pub fn viewing(&self) -> bool {
        matches!(&self.out, Out::Live(live) if live.viewing())
    }

    /// On a terminal, says below the lines what is going on before there is a rollout, and for how long.
    pub fn note(&self, text: &str) {
        if let Out::Live(live) = &self.out {
            live.note(Some(text));
        }
    }

    /// On a terminal, says how far what is going on has come; during a rollout below its view.
    pub fn progress(&self, text: &str) {
        match &self.out {
            Out::Live(live) if live.viewing() => live.beside(text.to_owned()),
            Out::Live(live) => live.progress(text),
            Out::Lines(_) => {}
        }
    }

    /// On a terminal, says below the view of a rollout what else goes on.
    pub fn beside(&self, text: String) {
        if let Out::Live(live) = &self.out {
            live.beside(text);
        }
    }

    /// Takes the view away, for the last words of a command.
    pub fn close(&self) {
        if let Out::Live(live) = &self.out {
            live.close();
        }
    }

    /// Shows a view of the rollout that these records tell of, if it is under way.
    pub(super) fn begin(&self, records: &[Record]) {
        self.change(&[], |view| *view = View::of(records));
    }

    /// Writes the lines of an entry, and takes it into the view.
    pub(super) fn entry(&self, lines: &[String], time: Timestamp, entry: &Entry) {
        match &self.out {
            Out::Live(live) => live.update(lines, |view| View::fold(view, time, entry)),
            Out::Lines(_) => self.lines(lines),
        }
    }

    /// Takes a wait into the view.
    pub(super) fn waiting(&self, progress: &Progress) {
        self.change(&[], |view| {
            if let Some(view) = view {
                view.waiting(progress);
            }
        });
    }

    /// Takes what the balancer says into the view; `None` when it cannot be asked.
    pub fn pool(&self, pool: Option<&PoolState>) {
        self.change(&[], |view| {
            if let Some(view) = view {
                view.look(pool);
            }
        });
    }

    fn change(&self, lines: &[String], change: impl FnOnce(&mut Option<View>)) {
        if let Out::Live(live) = &self.out {
            live.update(lines, change);
        }
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines(_) => "Lines",
            Self::Live(_) => "Live",
        })
    }
}
