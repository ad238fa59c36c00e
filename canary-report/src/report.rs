//! A rollout as its records tell it.

use std::time::Duration;

use canary_core::engine::Outcome;
use canary_core::fleet::Digest;
use canary_core::journal::{ComparedAccount, Entry, NodeReport, Record, RolloutId};
use canary_core::plan::{Action, Direction, Plan};
use canary_core::time::Timestamp;
use canary_core::traits::Review;

use crate::evidence::Evidence;
use crate::tenants::TenantDecision;
use crate::timeline::{Row, Timeline};
use crate::track::{Track, Tracks};
use crate::{html, markdown, sentences};

/// One rollout, as the records of a journal tell it; nothing else is asked.
///
/// One that still runs, was cut short or was refused has a report, too, and says so.
#[derive(Debug)]
pub struct Report<'a> {
    pub(crate) rollout: &'a RolloutId,
    pub(crate) service: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) plan: Option<&'a Plan>,
    pub(crate) review: Option<&'a Review>,
    pub(crate) outcome: Option<Outcome>,
    /// What is where at the end; empty before.
    pub(crate) nodes: &'a [NodeReport],
    pub(crate) began: Timestamp,
    pub(crate) last: &'a Record,
    /// The version of the engine that wrote the last records.
    pub(crate) engine: Option<&'a str>,
    pub(crate) at_work: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) tracks: Vec<Track>,
    /// The comparison with the baseline, where there was one.
    pub(crate) compared: Option<ComparedAccount>,
    pub(crate) evidence: Evidence<'a>,
    /// When the way back began.
    pub(crate) back: Option<Timestamp>,
    /// The last decision by tenants.
    pub(crate) tenants: Option<&'a TenantDecision>,
}

impl<'a> Report<'a> {
    /// The rollout of that id; `None` when no record is about it.
    ///
    /// Takes a whole journal: the engine's version stands in records that are about no rollout.
    #[must_use]
    pub fn of(records: &'a [Record], rollout: &'a RolloutId) -> Option<Self> {
        let mut engine = None;
        let mut report: Option<(Self, Fold)> = None;
        for record in records {
            if let Entry::Genesis { engine: version } | Entry::Opened { engine: version, .. } = &record.entry
            {
                engine = Some(version.as_str());
            }
            if record.entry.rollout() != Some(rollout) {
                continue;
            }
            let (report, fold) =
                report.get_or_insert_with(|| (Self::begin(rollout, record), Fold::default()));
            report.engine = engine;
            report.take(record, fold);
        }
        let (mut report, fold) = report?;
        report.rows = fold.timeline.rows();
        report.tracks = fold.tracks.all;
        let own = records.iter().filter(|record| record.entry.rollout() == Some(rollout));
        report.compared = ComparedAccount::of(own);
        Some(report)
    }

    fn begin(rollout: &'a RolloutId, first: &'a Record) -> Self {
        Self {
            rollout,
            service: None,
            actor: None,
            reason: None,
            plan: None,
            review: None,
            outcome: None,
            nodes: &[],
            began: first.time,
            last: first,
            engine: None,
            at_work: false,
            rows: Vec::new(),
            tracks: Vec::new(),
            compared: None,
            evidence: Evidence::default(),
            back: None,
            tenants: None,
        }
    }

    fn take(&mut self, record: &'a Record, fold: &mut Fold) {
        fold.timeline.take(record);
        self.last = record;
        match &record.entry {
            Entry::GateReviewed { actor, review, .. } => {
                self.review = Some(review);
                self.actor = Some(actor);
            }
            Entry::Checked { actor, .. } => self.actor = Some(actor),
            Entry::Refused { actor, reasons, .. } => {
                self.actor = Some(actor);
                self.outcome = Some(Outcome::Refused { reasons: reasons.clone() });
            }
            Entry::Started { actor, reason, plan, .. } => {
                self.actor = Some(actor);
                self.reason = reason.as_deref();
                self.service = Some(plan.spec.service.as_str());
                self.began = record.time;
                fold.tracks = Tracks::planned(plan.spec.watch.as_ref().map_or(&[], |watch| &watch.slis));
                self.plan = Some(plan);
            }
            Entry::Resumed { .. } => {
                self.outcome = None;
                self.nodes = &[];
            }
            Entry::StepStarted { step, .. } => {
                if matches!(step.action, Action::Watch | Action::Pause) {
                    fold.tracks.part(record.time);
                }
                if step.direction == Direction::Back {
                    self.back.get_or_insert(record.time);
                }
            }
            Entry::Observed { observation, .. } => {
                fold.tracks.observe(observation);
                self.evidence.observe(observation);
            }
            Entry::Finished { outcome, nodes, .. } => {
                self.outcome = Some(outcome.clone());
                self.nodes = nodes;
            }
            Entry::Genesis { .. }
            | Entry::Opened { .. }
            | Entry::Recovered { .. }
            | Entry::SigningKey { .. }
            | Entry::Retried { .. }
            | Entry::Calibrated { .. }
            | Entry::StepFinished { .. }
            | Entry::Asked { .. }
            | Entry::Decided(_)
            | Entry::Heartbeat { .. } => {}
        }
    }

    /// The same of a service that the records need not name: those of a refused rollout do not.
    #[must_use]
    pub fn of_service(mut self, service: &'a str) -> Self {
        self.service.get_or_insert(service);
        self
    }

    /// The same when it is known whether an engine is at work on it.
    #[must_use]
    pub const fn at_work(mut self, at_work: bool) -> Self {
        self.at_work = at_work;
        self
    }

    /// The same with the last decision by tenants that its watch rests on; what recorded it is not the rollout's journal.
    #[must_use]
    pub const fn with_tenants(mut self, decision: Option<&'a TenantDecision>) -> Self {
        self.tenants = decision;
        self
    }

    /// The rollout's id.
    #[must_use]
    pub const fn rollout(&self) -> &RolloutId {
        self.rollout
    }

    /// How it ended and why, in one line; foreign words in it are as they were recorded.
    #[must_use]
    pub fn headline(&self) -> String {
        match (self.state(), self.why()) {
            (state, Some(why)) => format!("{state}: {why}"),
            (state, None) => state.to_owned(),
        }
    }

    /// One HTML document that needs nothing else: no script, no font, no picture, no network.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// A short message for a chat or a ticket.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::message(self)
    }

    /// How it ended, in a word or two.
    pub(crate) fn state(&self) -> &'static str {
        match &self.outcome {
            Some(outcome) => outcome.as_str(),
            None if self.at_work => "in progress",
            None => "not finished",
        }
    }

    pub(crate) fn why(&self) -> Option<String> {
        self.outcome.as_ref().and_then(sentences::reason)
    }

    /// What that means for the fleet.
    pub(crate) fn meaning(&self) -> &'static str {
        match &self.outcome {
            Some(outcome) => sentences::meaning(outcome, self.plan.map(|plan| plan.purpose)),
            None if self.at_work => "An engine is at work on it; this is what was recorded so far.",
            None => "Its end is not recorded, and this report knows of nobody at work on it.",
        }
    }

    /// From its begin to its last record.
    pub(crate) fn took(&self) -> Duration {
        self.last.time.since(self.began)
    }

    /// The binaries that it found, each once, in the nodes' order.
    pub(crate) fn before(&self) -> Vec<Digest> {
        let mut found = Vec::new();
        for digest in self.plan.iter().flat_map(|plan| &plan.nodes).filter_map(|planned| planned.before) {
            if !found.contains(&digest) {
                found.push(digest);
            }
        }
        found
    }
}

/// What is complete only at the end.
#[derive(Debug, Default)]
struct Fold {
    timeline: Timeline,
    tracks: Tracks,
}
