//! How a long round over tenants goes: in place on a terminal, a line now and then elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use canary_tenants::probe::{ProbeBatch, ProbeProgress, ProbeResult, Verdict};
use canary_tenants::source::{Asked, SourceProgress, SourceReply};
use serde_json::json;

use super::json::line;
use super::screen::Screen;
use crate::rounds::RoundListener;

/// How long a round may take before lines tell of it: what is done by then tells itself.
const QUIET: Duration = Duration::from_secs(5);
/// From one line to the next.
const STEP: Duration = Duration::from_secs(10);
/// From one change of a terminal's view to the next.
const SHOWN: Duration = Duration::from_millis(100);

/// Counts what sources answer and what becomes of probes, and shows the counts.
#[derive(Debug)]
pub struct RoundProgress {
    screen: Screen,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    /// Sources: all, and those that are done; what they were asked, and how many tenants they told of.
    sources: usize,
    answered: usize,
    queries: usize,
    tenants: usize,
    /// Results of probes: all there will be, and those that are under way or there.
    of: usize,
    begun: usize,
    done: usize,
    unhealthy: usize,
    unknown: usize,
    /// When is told next.
    next: Instant,
}

impl RoundProgress {
    /// Of a round that begins now.
    #[must_use]
    pub fn new(screen: Screen) -> Self {
        Self::beginning(screen, Instant::now())
    }

    fn beginning(screen: Screen, now: Instant) -> Self {
        let next = if screen.live() { now } else { now + QUIET };
        let counts = Counts {
            sources: 0,
            answered: 0,
            queries: 0,
            tenants: 0,
            of: 0,
            begun: 0,
            done: 0,
            unhealthy: 0,
            unknown: 0,
            next,
        };
        Self { screen, counts: Mutex::new(counts) }
    }

    fn count(&self, now: Instant, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts);
        // The last one is not left out: the view stays as it is until something else is shown.
        let last = counts.whole() && self.screen.live();
        if now < counts.next && !last {
            return;
        }
        counts.next = now + if self.screen.live() { SHOWN } else { STEP };
        if self.screen.live() {
            self.screen.progress(&counts.told());
        } else if self.screen.json() {
            self.screen.line(line("progress", counts.fields()));
        } else {
            self.screen.line(counts.told());
        }
    }
}

impl Counts {
    const fn whole(&self) -> bool {
        self.answered == self.sources && self.done == self.of
    }

    /// `3 of 5 source(s), 42 queries; probed 80 of 187, 3 unhealthy, 2 unknown`: what fits on a narrow terminal.
    fn told(&self) -> String {
        let mut parts = Vec::new();
        if self.sources > 0 {
            let mut text =
                format!("{} of {} source(s), {} queries", self.answered, self.sources, self.queries);
            if self.of == 0 {
                text.push_str(&format!(", {} tenant(s)", self.tenants));
            }
            parts.push(text);
        }
        if self.of > 0 {
            let mut text = format!("probed {} of {}", self.done, self.of);
            let waiting = if self.sources == 0 { self.begun.saturating_sub(self.done) } else { 0 };
            for (count, word) in
                [(self.unhealthy, "unhealthy"), (self.unknown, "unknown"), (waiting, "under way")]
            {
                if count > 0 {
                    text.push_str(&format!(", {count} {word}"));
                }
            }
            parts.push(text);
        }
        parts.join("; ")
    }

    fn fields(&self) -> serde_json::Value {
        let Self { sources, answered, queries, tenants, of, begun, done, unhealthy, unknown, .. } = self;
        let mut fields = json!({
            "of": of, "begun": begun, "probed": done, "unhealthy": unhealthy, "unknown": unknown,
        });
        if *sources > 0 {
            fields["sources"] =
                json!({ "of": sources, "answered": answered, "queries": queries, "tenants": tenants });
        }
        fields
    }

    fn take(&mut self, result: &ProbeResult) {
        self.done += 1;
        match result.verdict {
            Verdict::Healthy => {}
            Verdict::Unhealthy { .. } => self.unhealthy += 1,
            Verdict::Unknown { .. } => self.unknown += 1,
        }
    }
}

impl RoundListener for RoundProgress {
    fn begun(&self, sources: usize, probes: usize) {
        self.count(Instant::now(), |counts| (counts.sources, counts.of) = (sources, probes));
    }

    fn answered(&self, reply: &SourceReply) {
        self.count(Instant::now(), |counts| {
            counts.answered += 1;
            counts.tenants += reply.found.len();
        });
    }
}

impl SourceProgress for RoundProgress {
    fn asked(&self, _: &Asked) {
        self.count(Instant::now(), |counts| counts.queries += 1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::testing::Captured;

    /// What a round of 187 tenants at two sources says, one result every 100 ms.
    fn told(format: Format) -> String {
        let captured = Captured::default();
        let screen = Screen::new(captured.clone(), format, None, false);
        let began = Instant::now();
        let progress = RoundProgress::beginning(screen, began);
        progress.count(began, |counts| (counts.sources, counts.of) = (2, 187));
        for number in 0..187_u32 {
            let verdict = match number {
                40 | 90 => Verdict::Unhealthy { why: String::new() },
                120 => Verdict::Unknown { why: String::new() },
                _ => Verdict::Healthy,
            };
            let result = ProbeResult { verdict, ..ProbeResult::unknown("health", "acme", "") };
            let now = began + Duration::from_millis(100) * number;
            if number % 20 == 0 {
                progress.count(now, |counts| {
                    counts.begun += 20.min(187 - number as usize);
                    counts.queries += 3;
                });
            }
            if number == 100 {
                progress.count(now, |counts| (counts.answered, counts.tenants) = (1, 187));
            }
            progress.count(now, |counts| counts.take(&result));
        }
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_long_round_tells_now_and_then_and_a_short_one_nothing() {
        assert_eq!(
            told(Format::Plain),
            "0 of 2 source(s), 9 queries; probed 51 of 187, 1 unhealthy\n\
             1 of 2 source(s), 24 queries; probed 151 of 187, 2 unhealthy, 1 unknown\n"
        );
        let json = told(Format::Json);
        let events: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2, "{json}");
        assert_eq!((&events[1]["probed"], &events[1]["unhealthy"]), (&json!(151), &json!(2)), "{json}");
        let sources = json!({ "of": 2, "answered": 1, "queries": 24, "tenants": 187 });
        assert_eq!((&events[1]["event"], &events[1]["sources"]), (&json!("progress"), &sources), "{json}");
    }
}
