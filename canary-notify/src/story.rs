//! From events to notices: a fold, without a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::Verdict;
use canary_core::engine::{FailureClass, Outcome};
use canary_core::journal::{Anchor, Decided, Decision, Entry, Record, RolloutId, StepResult};
use canary_core::plan::{Direction, Plan, Purpose};
use canary_core::time::Timestamp;
use canary_core::traits::{GateVerdict, Progress, Review, Severity};

use crate::config::About;
use crate::decision;
use crate::notice::{Kind, Notice};

/// How many lines of detail a notice has at most.
const DETAILS: usize = 20;

/// What was told so far of the rollout at hand, and what is known of it.
#[derive(Debug, Clone)]
pub struct Story {
    about: About,
    hold_after: Duration,
    rollout: Option<RolloutId>,
    actor: Option<String>,
    reason: Option<String>,
    plan: Option<Plan>,
    /// The step that is being done.
    step: Option<String>,
    /// Since when the watch is without data.
    held_since: Option<Timestamp>,
    hold_told: bool,
    red_told: bool,
    back_told: bool,
    /// The step whose wait was told.
    wait_told: Option<String>,
    journal_lost: Option<String>,
    ended: bool,
    unrecorded: u64,
    /// What was decided last about each rollout: its watch decides at every probe.
    decided: BTreeMap<RolloutId, Decision>,
    /// Whether this process had a part in it.
    live: bool,
}

impl Story {
    /// A story in which nothing has happened yet; holds and waits are told once they last `hold_after`.
    #[must_use]
    pub const fn new(about: About, hold_after: Duration) -> Self {
        Self {
            about,
            hold_after,
            rollout: None,
            actor: None,
            reason: None,
            plan: None,
            step: None,
            held_since: None,
            hold_told: false,
            red_told: false,
            back_told: false,
            wait_told: None,
            journal_lost: None,
            ended: false,
            unrecorded: 0,
            decided: BTreeMap::new(),
            live: false,
        }
    }

    /// Says that a rollout was asked for, before its first record.
    pub fn begin(&mut self, rollout: RolloutId, actor: String, reason: Option<String>) {
        self.turn_to(&rollout);
        self.live = true;
        self.ended = false;
        self.actor = Some(actor);
        self.reason = reason;
    }

    /// What was recorded so far is of earlier processes: it is known, and not this one's to end.
    pub fn was_before(&mut self) {
        self.live = false;
    }

    /// The rollout at hand, if it has not ended and this process had a part in it.
    #[must_use]
    pub const fn open(&self) -> Option<&RolloutId> {
        match &self.rollout {
            Some(rollout) if self.live && !self.ended => Some(rollout),
            _ => None,
        }
    }

    /// A record was written.
    pub fn recorded(&mut self, record: &Record) -> Option<Notice> {
        if let Entry::Decided(decided) = &record.entry {
            return self.changed(decided).then(|| decision::notice(&self.about, record, decided));
        }
        let id = record.entry.rollout().map(|rollout| format!("{rollout}-{}", record.seq));
        let notice = self.take(record.time, &record.entry, id?)?;
        Some(Notice { anchor: Some(Anchor::from(record)), ..notice })
    }

    /// A record could not be written. The first is told for itself, unless it is the end.
    pub fn unrecorded(&mut self, now: Timestamp, entry: &Entry, why: &str) -> Option<Notice> {
        let first = self.journal_lost.is_none();
        self.journal_lost.get_or_insert_with(|| why.to_owned());
        self.unrecorded += 1;
        let id = format!("{}-u{}", entry.rollout()?, self.unrecorded);
        let told = self.take(now, entry, id.clone()).map(|notice| Notice { recorded: false, ..notice });
        match told {
            Some(mut notice) if notice.kind == Kind::Ended => {
                notice.details.push(format!("the journal does not have this: {why}"));
                Some(notice)
            }
            _ if first => {
                let summary = format!("the journal cannot be written: {why}");
                Some(Notice { recorded: false, ..self.notice(id, now, Kind::JournalLost, summary) })
            }
            other => other,
        }
    }

    /// A wait goes on.
    pub fn waiting(&mut self, now: Timestamp, progress: &Progress) -> Option<Notice> {
        // The watch waits by its nature; its holds are told by its probes.
        let watches = progress.step.ends_with(canary_core::plan::Action::Watch.as_str());
        let told = self.wait_told.as_ref() == Some(&progress.step);
        if watches || told || progress.elapsed < self.hold_after {
            return None;
        }
        self.wait_told = Some(progress.step.clone());
        let summary = format!(
            "{} waits since {} for {} (at most {}); seen last: {}",
            progress.step,
            rounded(progress.elapsed),
            progress.waiting_for,
            rounded(progress.limit),
            progress.seen
        );
        let id = format!("{}-w{}", self.rollout.as_ref()?, now.as_millis());
        Some(self.notice(id, now, Kind::Waiting, summary))
    }

    /// The command ends without the engine's last word: an error before the start, or a signal that ended all at once.
    ///
    /// `None` when no rollout is at hand or its end was told.
    pub fn abandoned(&mut self, now: Timestamp, outcome: Outcome, summary: String) -> Option<Notice> {
        let id = format!("{}-end{}", self.open()?, now.as_millis());
        self.ended = true;
        let mut notice = self.notice(id, now, Kind::Ended, summary);
        notice.recorded = false;
        notice.details.extend(self.step.as_ref().map(|step| format!("the step in hand: {step}")));
        notice.outcome = Some(outcome);
        Some(notice)
    }

    /// A notice that says what it is for, and that nothing happened.
    #[must_use]
    pub fn test(&self, now: Timestamp) -> Notice {
        let summary = "a test: nothing happened, notifications arrive here".to_owned();
        self.notice(format!("test-{}", now.as_millis()), now, Kind::Test, summary)
    }

    fn turn_to(&mut self, rollout: &RolloutId) {
        if self.rollout.as_ref() != Some(rollout) {
            let journal_lost = self.journal_lost.take();
            let (unrecorded, decided) = (self.unrecorded, std::mem::take(&mut self.decided));
            *self =
                Self { journal_lost, unrecorded, decided, ..Self::new(self.about.clone(), self.hold_after) };
            self.rollout = Some(rollout.clone());
        }
    }

    /// Whether a decision is worth telling: of the probes of one watch, those that decide otherwise than the one before.
    fn changed(&mut self, decided: &Decided) -> bool {
        let now = decided.ruling.decision;
        let before = decided.rollout.as_ref().and_then(|rollout| self.decided.insert(rollout.clone(), now));
        before != Some(now)
    }

    fn take(&mut self, time: Timestamp, entry: &Entry, id: String) -> Option<Notice> {
        self.turn_to(entry.rollout()?);
        self.live = true;
        let (kind, summary, details) = match entry {
            Entry::GateReviewed { actor, review, .. } => {
                self.actor = Some(actor.clone());
                reviewed(review)?
            }
            Entry::Refused { actor, reasons, .. } => {
                self.actor = Some(actor.clone());
                let outcome = Outcome::Refused { reasons: reasons.clone() };
                return Some(self.end(id, time, &outcome, &[]));
            }
            Entry::Started { actor, reason, plan, .. } => {
                self.actor = Some(actor.clone());
                self.reason.clone_from(reason);
                self.plan = Some((**plan).clone());
                (Kind::Started, self.began(plan), plan.warnings.clone())
            }
            Entry::Resumed { actor, .. } => {
                self.ended = false;
                (Kind::Resumed, format!("resumed by {actor}"), Vec::new())
            }
            Entry::StepStarted { step, .. } => {
                self.step = Some(step.to_string());
                if step.direction == Direction::Forward || std::mem::replace(&mut self.back_told, true) {
                    return None;
                }
                (Kind::GoingBack, format!("going back, beginning with {step}"), Vec::new())
            }
            Entry::Observed { observation, .. } => {
                return self.observed(id, time, observation.verdict, &observation.reason());
            }
            Entry::StepFinished { result, logs, .. } => {
                self.step = None;
                match result {
                    StepResult::Failed { class: FailureClass::Inconclusive, message } => {
                        (Kind::HoldExpired, message.clone(), logs.clone())
                    }
                    _ => return None,
                }
            }
            Entry::Asked { request, refused, .. } => {
                let mut summary = format!("{} asked: {}", request.actor, request.wish.as_str());
                summary.extend(request.reason.iter().map(|reason| format!(", because: {reason}")));
                summary.extend(refused.iter().map(|why| format!("; not granted: {why}")));
                (Kind::Asked, summary, Vec::new())
            }
            Entry::Finished { outcome, nodes, .. } => return Some(self.end(id, time, outcome, nodes)),
            _ => return None,
        };
        let mut notice = self.notice(id, time, kind, summary);
        notice.details = cut(details);
        Some(notice)
    }

    /// A probe: the first red is told, and a hold once it lasts long enough.
    fn observed(&mut self, id: String, time: Timestamp, verdict: Verdict, reason: &str) -> Option<Notice> {
        match verdict {
            Verdict::Green => {
                self.held_since = None;
                self.hold_told = false;
                None
            }
            Verdict::Red => {
                self.held_since = None;
                let told = std::mem::replace(&mut self.red_told, true);
                (!told)
                    .then(|| self.notice(id, time, Kind::CanaryRed, format!("the canary is bad: {reason}")))
            }
            Verdict::Hold => {
                let since = *self.held_since.get_or_insert(time);
                let held = time.since(since);
                if self.hold_told || held < self.hold_after {
                    return None;
                }
                self.hold_told = true;
                let mut summary = format!("the watch is without data since {}: {reason}", rounded(held));
                if let Some(watch) = self.plan.as_ref().and_then(|plan| plan.spec.watch.as_ref()) {
                    summary.push_str(&format!("; allowed in all: {}", rounded(watch.hold_budget)));
                }
                Some(self.notice(id, time, Kind::Holding, summary))
            }
        }
    }

    fn end(
        &mut self,
        id: String,
        time: Timestamp,
        outcome: &Outcome,
        nodes: &[canary_core::journal::NodeReport],
    ) -> Notice {
        self.ended = true;
        self.step = None;
        let mut notice = self.notice(id, time, Kind::Ended, outcome.to_string());
        if let Outcome::Refused { reasons } = outcome {
            notice.summary = "refused; nothing was changed".to_owned();
            notice.details = cut(reasons.clone());
        }
        notice.outcome = Some(outcome.clone());
        notice.nodes = nodes.to_vec();
        notice
    }

    fn began(&self, plan: &Plan) -> String {
        let what = match plan.purpose {
            Purpose::RollOut => "rollout",
            Purpose::RollBack => "rollback",
        };
        let actor = self.actor.as_deref().unwrap_or("somebody");
        let nodes = plan.nodes.len();
        let digest = plan.artifact.facts.sha256.short();
        format!("{actor} started the {what} of {digest} to {nodes} node{}", if nodes == 1 { "" } else { "s" })
    }

    fn notice(&self, id: String, time: Timestamp, kind: Kind, summary: String) -> Notice {
        let plan = self.plan.as_ref();
        Notice {
            id,
            kind,
            time,
            rollout: self.rollout.clone(),
            service: self.about.service.clone(),
            pool: self.about.pool.clone(),
            environment: self.about.environment.clone(),
            host: self.about.host.clone(),
            purpose: plan.map(|plan| plan.purpose),
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            canary: plan.map(|plan| plan.spec.canary.clone()),
            artifact: plan.map(|plan| plan.artifact.facts.sha256),
            previous: plan.and_then(previous),
            summary,
            details: Vec::new(),
            outcome: None,
            nodes: Vec::new(),
            decision: None,
            anchor: None,
            recorded: true,
            late: false,
        }
    }
}

/// What runs again when the rollout is taken back; for a rollback, what it takes away is not one binary.
fn previous(plan: &Plan) -> Option<canary_core::fleet::Digest> {
    plan.way_back.as_ref().map(|back| back.facts.sha256)
}

/// What a review is worth telling: not that all is well.
fn reviewed(review: &Review) -> Option<(Kind, String, Vec<String>)> {
    let findings = |severity: Option<Severity>| {
        let found = review.findings.iter().filter(|f| severity.is_none_or(|s| f.severity == s));
        found.map(|f| format!("{}:{} {}: {}", f.file, f.line, f.rule, f.reason)).collect::<Vec<_>>()
    };
    match &review.verdict {
        GateVerdict::Pass | GateVerdict::NothingNew { .. } => None,
        GateVerdict::Refused => Some((
            Kind::GateRefused,
            "the gate refused the migrations".to_owned(),
            findings(Some(Severity::Refuse)),
        )),
        GateVerdict::Undecided { why } => {
            Some((Kind::GateUndecided, format!("the gate could not decide: {why}"), Vec::new()))
        }
        GateVerdict::Bypassed { grants } => {
            let who: Vec<_> =
                grants.iter().map(|g| format!("{} by {}: {}", g.rule, g.actor, g.reason)).collect();
            let summary = format!("the gate's refusal was waved through ({})", who.join("; "));
            Some((Kind::GateForced, summary, findings(None)))
        }
    }
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let left = lines.len().saturating_sub(DETAILS);
    lines.truncate(DETAILS);
    if left > 0 {
        lines.push(format!("and {left} more"));
    }
    lines
}

/// `5m 30s`: whole seconds.
fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let words: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests;
