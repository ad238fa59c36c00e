//! How a long round over tenants goes: in place on a terminal, a line now and then elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use canary_tenants::probe::{ProbeBatch, ProbeProgress, ProbeResult, Verdict};
use serde_json::json;

use super::json::line;
use super::screen::Screen;

/// How long a round may take before lines tell of it: what is done by then tells itself.
const QUIET: Duration = Duration::from_secs(5);
/// From one line to the next.
const STEP: Duration = Duration::from_secs(10);
/// From one change of a terminal's view to the next.
const SHOWN: Duration = Duration::from_millis(100);

/// Counts the results of a round's probes, and shows the counts.
#[derive(Debug)]
pub struct RoundProgress {
    screen: Screen,
    /// How many results there will be.
    of: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    begun: usize,
    done: usize,
    unhealthy: usize,
    unknown: usize,
    /// When is told next.
    next: Instant,
}

impl RoundProgress {
    /// Of a round that begins now and will have so many results.
    #[must_use]
    pub fn new(screen: Screen, of: usize) -> Self {
        Self::beginning(screen, of, Instant::now())
    }

    fn beginning(screen: Screen, of: usize, now: Instant) -> Self {
        let next = if screen.live() { now } else { now + QUIET };
        let counts = Counts { begun: 0, done: 0, unhealthy: 0, unknown: 0, next };
        Self { screen, of, counts: Mutex::new(counts) }
    }

    fn count(&self, now: Instant, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts);
        // The last one is not left out: the view stays as it is until something else is shown.
        let last = counts.done == self.of && self.screen.live();
        if now < counts.next && !last {
            return;
        }
        counts.next = now + if self.screen.live() { SHOWN } else { STEP };
        if self.screen.live() {
            self.screen.progress(&self.told(&counts));
        } else if self.screen.json() {
            let Counts { begun, done, unhealthy, unknown, .. } = *counts;
            let event = json!({ "of": self.of, "begun": begun, "probed": done, "unhealthy": unhealthy, "unknown": unknown });
            self.screen.line(line("progress", event));
        } else {
            self.screen.line(self.told(&counts));
        }
    }

    /// `probed 80 of 187, 3 unhealthy, 2 unknown`.
    fn told(&self, counts: &Counts) -> String {
        let mut text = format!("probed {} of {}", counts.done, self.of);
        for (count, word) in [(counts.unhealthy, "unhealthy"), (counts.unknown, "unknown")] {
            if count > 0 {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        let waiting = counts.begun.saturating_sub(counts.done);
        if waiting > 0 { format!("{text}; {waiting} under way") } else { text }
    }
}

impl ProbeProgress for RoundProgress {
    fn started(&self, batch: &ProbeBatch) {
        self.count(Instant::now(), |counts| counts.begun += batch.targets.len());
    }

    fn done(&self, result: &ProbeResult) {
        self.count(Instant::now(), |counts| counts.take(result));
    }
}

impl Counts {
    fn take(&mut self, result: &ProbeResult) {
        self.done += 1;
        match result.verdict {
            Verdict::Healthy => {}
            Verdict::Unhealthy { .. } => self.unhealthy += 1,
            Verdict::Unknown { .. } => self.unknown += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::testing::Captured;

    /// What a round of 187 tenants says, one result every 100 ms.
    fn told(format: Format) -> String {
        let captured = Captured::default();
        let screen = Screen::new(captured.clone(), format, None, false);
        let began = Instant::now();
        let progress = RoundProgress::beginning(screen, 187, began);
        for number in 0..187_u32 {
            let verdict = match number {
                40 | 90 => Verdict::Unhealthy { why: String::new() },
                120 => Verdict::Unknown { why: String::new() },
                _ => Verdict::Healthy,
            };
            let result = ProbeResult { verdict, ..ProbeResult::unknown("health", "acme", "") };
            let now = began + Duration::from_millis(100) * number;
            if number % 20 == 0 {
                progress.count(now, |counts| counts.begun += 20.min(187 - number as usize));
            }
            progress.count(now, |counts| counts.take(&result));
        }
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_long_round_tells_now_and_then_and_a_short_one_nothing() {
        let plain = told(Format::Plain);
        assert_eq!(
            plain,
            "probed 51 of 187, 1 unhealthy; 9 under way\nprobed 151 of 187, 2 unhealthy, 1 unknown; 9 under way\n"
        );
        let json = told(Format::Json);
        let events: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2, "{json}");
        assert_eq!((&events[1]["probed"], &events[1]["unhealthy"]), (&json!(151), &json!(2)), "{json}");
        assert_eq!(events[1]["event"], "progress", "{json}");
    }
}
