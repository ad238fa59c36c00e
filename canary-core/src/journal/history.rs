//! What a rollout's records add up to: the only thing that decisions are made from.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Entry, NodeReport, Record, Request, RolloutId, StepResult, Wish};
use crate::analysis::WatchState;
use crate::engine::{FailureClass, Outcome};
use crate::fleet::{Digest, Revision};
use crate::plan::{Action, Direction, Plan, Step};
use crate::time::Timestamp;
use crate::traits::AdminState;

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepStatus {
    /// Begun; whether it had its effect only the fleet can tell.
    Started,
    /// What it promises is true.
    Done {
        /// False when it was true before.
        changed: bool,
    },
    /// It is not.
    Failed {
        /// What kind of failure.
        class: FailureClass,
        /// What was being done, what came back.
        message: String,
    },
}

/// A fold over one rollout's records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    steps: BTreeMap<Step, StepStatus>,
    /// The step that was begun last, until it ends.
    under_way: Option<Step>,
    facts: BTreeMap<Step, BTreeMap<String, String>>,
    /// When the first step began.
    begun: Option<Timestamp>,
    watch: Option<WatchState>,
    /// The probes of the pause that was begun last.
    pause: Option<WatchState>,
    /// Which stage's watch that is.
    watched_stage: u32,
    /// A granted wish to end: `Stop` or `Abort`.
    end: Option<Wish>,
    paused: Option<Request>,
    answered: BTreeSet<String>,
    finished: Option<Outcome>,
    journal_lost: Option<String>,
}

impl History {
    /// Takes an entry into account.
    pub fn apply(&mut self, time: Timestamp, entry: &Entry) {
        match entry {
            Entry::StepStarted { step, .. } => {
                self.steps.insert(step.clone(), StepStatus::Started);
                self.under_way = Some(step.clone());
                self.begun.get_or_insert(time);
                match step.action {
                    Action::Watch if self.watch.is_none() || self.watched_stage != step.stage => {
                        self.watch = Some(WatchState::new(time));
                        self.watched_stage = step.stage;
                    }
                    Action::Pause => self.pause = Some(WatchState::new(time)),
                    _ => {}
                }
            }
            Entry::Calibrated { comparison, .. } => {
                if let Some(watch) = &mut self.watch {
                    watch.comparison = Some((**comparison).clone());
                    watch.polls.clear();
                }
            }
            Entry::Observed { step, observation, .. } => {
                let of_step = if step.action == Action::Watch { &mut self.watch } else { &mut self.pause };
                of_step.get_or_insert_with(|| WatchState::new(observation.at)).observe(observation);
            }
            Entry::StepFinished { step, result, facts, .. } => {
                let status = match result {
                    StepResult::Done { changed } => StepStatus::Done { changed: *changed },
                    StepResult::Failed { class, message } => {
                        StepStatus::Failed { class: *class, message: message.clone() }
                    }
                };
                self.under_way = self.under_way.take().filter(|begun| begun != step);
                self.steps.insert(step.clone(), status);
                self.facts.insert(step.clone(), facts.clone());
            }
            Entry::Asked { request, refused, .. } => self.asked(request, refused.is_none()),
            Entry::Resumed { nodes, .. } => {
                self.finished = None;
                nodes.iter().for_each(|node| self.found(node));
                self.end = self.end.filter(|wish| *wish == Wish::Abort);
                self.prove_again();
            }
            Entry::Finished { outcome, .. } => self.finished = Some(outcome.clone()),
            Entry::Genesis { .. }
            | Entry::Opened { .. }
            | Entry::Recovered { .. }
            | Entry::SigningKey { .. }
            | Entry::GateReviewed { .. }
            | Entry::Checked { .. }
            | Entry::Refused { .. }
            | Entry::Started { .. }
            | Entry::Retried { .. }
            | Entry::Decided(_)
            | Entry::Heartbeat { .. } => {}
        }
    }

    fn asked(&mut self, request: &Request, granted: bool) {
        self.answered.extend(request.id.clone());
        if !granted {
            return;
        }
        match request.wish {
            Wish::Pause => self.paused = Some(request.clone()),
            Wish::Promote => self.paused = None,
            Wish::Stop | Wish::Abort => self.end = Some(request.wish),
        }
    }

    /// A node that does not have what its installation left there, or is out of rotation although it was put back, was
    /// changed by another hand, or by an engine that could no longer write: nothing that was done to it counts, and a
    /// canary is watched anew. What cannot be read is taken for what the journal says.
    fn found(&mut self, report: &NodeReport) {
        let of_node = |step: &&Step| step.node.as_ref() == Some(&report.node);
        let mut of_node = self.steps.keys().filter(of_node);
        let back = of_node.any(|step| step.direction == Direction::Back);
        let direction = if back { Direction::Back } else { Direction::Forward };
        let install = Step { node: Some(report.node.clone()), action: Action::Install, direction, stage: 0 };
        let another = |digest: Digest| self.fact(&install, "digest") != Some(&digest.to_string());
        let replaced = self.done(&install) && report.installed.is_some_and(another);
        let out = report.admin.is_some_and(|admin| admin != AdminState::Ready);
        let taken_out = out && self.done(&install.sibling(Action::Enable));
        if !replaced && !taken_out {
            return;
        }
        for (step, status) in &mut self.steps {
            let counts = matches!(status, StepStatus::Done { .. });
            if counts && step.node == install.node && step.direction == direction {
                *status = StepStatus::Started;
                self.watch = self.watch.take().filter(|_| step.action != Action::Watch);
            }
        }
    }

    fn done(&self, step: &Step) -> bool {
        matches!(self.steps.get(step), Some(StepStatus::Done { .. }))
    }

    /// What was true of a node in hand is proven once more: while no engine lived, the balancer may have restarted with
    /// its configured states, the service may have failed, or a person may have put the node back.
    fn prove_again(&mut self) {
        let stale: Vec<_> = self.steps.keys().filter(|step| self.may_be_stale(step)).cloned().collect();
        self.steps.extend(stale.into_iter().map(|step| (step, StepStatus::Started)));
    }

    /// Whether `step` was done on a node that is neither back in rotation nor on another way by now.
    fn may_be_stale(&self, step: &Step) -> bool {
        let proves = matches!(step.action, Action::Drain | Action::CheckHealth);
        let going_back = |other: &Step| {
            other.node == step.node
                && (other.direction, step.direction) == (Direction::Back, Direction::Forward)
        };
        proves
            && self.done(step)
            && !self.done(&step.sibling(Action::Enable))
            && !self.steps.keys().any(going_back)
    }

    /// Notes that records can no longer be written.
    pub fn lose_journal(&mut self, why: String) {
        self.journal_lost.get_or_insert(why);
    }

    /// How far a step is; `None` when it was never begun.
    #[must_use]
    pub fn status(&self, step: &Step) -> Option<&StepStatus> {
        self.steps.get(step)
    }

    /// The step that was begun last and has not ended: it runs, or nobody lived to see its end, or somebody cut it short.
    #[must_use]
    pub const fn under_way(&self) -> Option<&Step> {
        self.under_way.as_ref()
    }

    /// A fact that a finished step left.
    #[must_use]
    pub fn fact(&self, step: &Step, name: &str) -> Option<&str> {
        self.facts.get(step)?.get(name).map(String::as_str)
    }

    /// Where the watch stands, once it began; that of the stage that was begun last.
    #[must_use]
    pub const fn watch(&self) -> Option<&WatchState> {
        self.watch.as_ref()
    }

    /// Which part of its weight the canary has in that watch: the stage's number, 0 for the whole.
    #[must_use]
    pub const fn watched_stage(&self) -> u32 {
        self.watched_stage
    }

    /// The probes of the pause that was begun last.
    #[must_use]
    pub const fn paused_watch(&self) -> Option<&WatchState> {
        self.pause.as_ref()
    }

    /// When the first step began: nothing was touched before.
    #[must_use]
    pub const fn begun(&self) -> Option<Timestamp> {
        self.begun
    }

    /// How the rollout shall end before its time, if somebody asked for that: [`Wish::Stop`] or [`Wish::Abort`].
    #[must_use]
    pub const fn end(&self) -> Option<Wish> {
        self.end
    }

    /// Who paused the rollout, until it is promoted.
    #[must_use]
    pub const fn paused(&self) -> Option<&Request> {
        self.paused.as_ref()
    }

    /// Whether a request of that id was answered.
    #[must_use]
    pub fn answered(&self, id: &str) -> bool {
        self.answered.contains(id)
    }

    /// How the rollout ended, if it did.
    #[must_use]
    pub const fn finished(&self) -> Option<&Outcome> {
        self.finished.as_ref()
    }

    /// Why records can no longer be written, if so.
    #[must_use]
    pub fn journal_lost(&self) -> Option<&str> {
        self.journal_lost.as_deref()
    }
}

/// One rollout as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutView {
    /// Its id.
    pub id: RolloutId,
    /// Who started it.
    pub actor: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When.
    pub started: Timestamp,
    /// When its last record was written.
    pub last: Timestamp,
    /// Its plan.
    pub plan: Plan,
    /// What its records add up to.
    pub history: History,
}

impl RolloutView {
    /// Whether it neither ended nor was stopped for good: it can be resumed.
    #[must_use]
    pub fn unfinished(&self) -> bool {
        matches!(self.history.finished(), None | Some(Outcome::Interrupted { .. }))
    }
}

/// What completed rollouts brought, as far as their records say: the revision that is running, and the revision of each binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// What the last completed rollout or rollback left running, where the revision of its binary is known.
    pub running: Option<RunningRelease>,
    /// The revision that each binary was built from.
    pub revisions: BTreeMap<Digest, Revision>,
}

/// What a completed rollout left running everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningRelease {
    /// The rollout.
    pub rollout: RolloutId,
    /// The binary.
    pub artifact: Digest,
    /// The revision it was built from.
    pub revision: Revision,
}

impl Released {
    /// Folds every rollout of a journal, oldest first. A rollback takes back what the release before it brought: what runs is then
    /// known by its digest.
    #[must_use]
    pub fn of(rollouts: &[RolloutView]) -> Self {
        let mut released = Self::default();
        for view in rollouts {
            let digest = view.plan.artifact.facts.sha256;
            if let Some(revision) = &view.plan.spec.from.revision {
                released.revisions.insert(digest, revision.clone());
            }
            if matches!(view.history.finished(), Some(Outcome::Completed { .. })) {
                let revision = released.revisions.get(&digest).cloned();
                released.running = revision.map(|revision| RunningRelease {
                    rollout: view.id.clone(),
                    artifact: digest,
                    revision,
                });
            }
        }
        released
    }
}

/// All rollouts of a journal that were started, oldest first.
#[must_use]
pub fn rollouts(records: &[Record]) -> Vec<RolloutView> {
    let mut views: Vec<RolloutView> = Vec::new();
    for record in records {
        if let Entry::Started { rollout, actor, reason, plan, .. } = &record.entry {
            views.push(RolloutView {
                id: rollout.clone(),
                actor: actor.clone(),
                reason: reason.clone(),
                started: record.time,
                last: record.time,
                plan: (**plan).clone(),
                history: History::default(),
            });
        }
        let view = record.entry.rollout().and_then(|id| views.iter_mut().rev().find(|view| view.id == *id));
        if let Some(view) = view {
            view.history.apply(record.time, &record.entry);
            view.last = record.time;
        }
    }
    views
}
