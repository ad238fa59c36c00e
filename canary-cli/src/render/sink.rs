//! Shows a rollout's events as they come.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use canary_core::journal::{Entry, Record};
use canary_core::plan::{Action, Plan};
use canary_core::time::Timestamp;
use canary_core::traits::{Event, EventSink, Progress};
use serde_json::json;

use super::json;
use super::lines::Lines;
use super::screen::{Format, Screen};
use super::words;

/// In logs, a wait is told this often.
const TOLD_EVERY: Duration = Duration::from_secs(15);

/// An [`EventSink`] that writes to a screen.
#[derive(Debug)]
pub struct ScreenSink {
    screen: Screen,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: Lines,
    /// The wait that was told last, and how long it lasted then.
    told: Option<(String, Duration)>,
}

impl ScreenSink {
    /// A sink that writes to `screen`.
    #[must_use]
    pub fn new(screen: Screen) -> Self {
        let lines = Lines::new(screen.paint).calm(screen.live());
        Self { screen, state: Mutex::new(State { lines, told: None }) }
    }

    /// A sink for a rollout that began earlier, with the records so far.
    #[must_use]
    pub fn resuming(screen: Screen, plan: Plan, records: &[Record]) -> Self {
        screen.begin(records);
        let lines = Lines::new(screen.paint).calm(screen.live()).with_plan(plan);
        Self { screen, state: Mutex::new(State { lines, told: None }) }
    }

    fn show(&self, time: Timestamp, entry: &Entry) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = state.lines.of(time, entry);
        self.screen.entry(&lines, time, entry);
    }

    fn waiting(&self, progress: &Progress) {
        if self.screen.live() {
            self.screen.waiting(progress);
            return;
        }
        // A watch tells of itself by its probes.
        if !self.screen.json() && progress.step.ends_with(Action::Watch.as_str()) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{} {}", progress.step, progress.limit.as_millis());
        let due = match &state.told {
            Some((told, at)) if *told == key => progress.elapsed >= *at + TOLD_EVERY,
            _ => progress.elapsed >= Duration::from_secs(1),
        };
        if !due {
            return;
        }
        state.told = Some((key, progress.elapsed));
        drop(state);
        match self.screen.format {
            Format::Json => self.screen.line(json::line(
                "waiting",
                json!({
                    "step": progress.step, "node": progress.node, "waiting_for": progress.waiting_for,
                    "seen": progress.seen, "elapsed_ms": millis(progress.elapsed), "limit_ms": millis(progress.limit),
                }),
            )),
            Format::Human | Format::Plain => self.screen.line(format!("          {}", sentence(progress))),
        }
    }
}

/// `backend-api-2: drain, 4.20s of at most 1m 00s: 3 in progress; waiting for no request in progress`.
fn sentence(progress: &Progress) -> String {
    format!(
        "{}, {} of at most {}: {}; waiting for {}",
        progress.step,
        words::time(progress.elapsed),
        words::time(progress.limit),
        progress.seen,
        progress.waiting_for
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for ScreenSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("screen")
    }
}

impl EventSink for ScreenSink {
    fn emit(&self, event: &Event<'_>) {
        match event {
            Event::Waiting(progress) => self.waiting(progress),
            Event::Recorded(record) if self.screen.json() => self.screen.line(json::record_line(record)),
            Event::Recorded(record) => self.show(record.time, &record.entry),
            Event::Unrecorded { entry, why } if self.screen.json() => {
                // proof: an entry is plain data with text keys.
                let entry = serde_json::to_value(entry).unwrap_or_default();
                self.screen.line(json::line("unrecorded", json!({ "record": entry, "why": why })));
            }
            Event::Unrecorded { entry, why } => {
                self.show(SystemTime::now().into(), entry);
                self.screen.line(self.screen.paint.bad(&format!("          not recorded: {why}")));
            }
        }
    }
}
