//! What receivers are told: one thing that happened, with everything a person needs to judge it.

use canary_core::engine::Outcome;
use canary_core::fleet::{Digest, NodeId};
use canary_core::journal::{Anchor, Decided, NodeReport, RolloutId};
use canary_core::plan::Purpose;
use canary_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A rollout began.
    Started,
    /// An interrupted one goes on.
    Resumed,
    /// The gate refused the release.
    GateRefused,
    /// The gate could not answer.
    GateUndecided,
    /// The gate's refusal was waved through.
    GateForced,
    /// A probe found the canary outside a bound.
    CanaryRed,
    /// The watch is without data for longer than the configured time.
    Holding,
    /// The watch was without data for longer than its budget.
    HoldExpired,
    /// A step waits for longer than the configured time.
    Waiting,
    /// The first step back begins.
    GoingBack,
    /// Somebody asked something of the running rollout: to pause, to go on, to stop, to go back.
    Asked,
    /// A check of the tenants approved the release.
    CheckApproved,
    /// It found neither that it is good nor that it is bad.
    CheckHalted,
    /// It found that it is bad.
    CheckRolledBack,
    /// Records can no longer be written.
    JournalLost,
    /// The rollout ended; [`Notice::outcome`] says how.
    Ended,
    /// Somebody tries the notifications out.
    Test,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Started,
        Self::Resumed,
        Self::GateRefused,
        Self::GateUndecided,
        Self::GateForced,
        Self::CanaryRed,
        Self::Holding,
        Self::HoldExpired,
        Self::Waiting,
        Self::GoingBack,
        Self::Asked,
        Self::CheckApproved,
        Self::CheckHalted,
        Self::CheckRolledBack,
        Self::JournalLost,
        Self::Ended,
        Self::Test,
    ];

    /// The type in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "rollout.started",
            Self::Resumed => "rollout.resumed",
            Self::GateRefused => "gate.refused",
            Self::GateUndecided => "gate.undecided",
            Self::GateForced => "gate.forced",
            Self::CanaryRed => "canary.red",
            Self::Holding => "watch.holding",
            Self::HoldExpired => "watch.hold_expired",
            Self::Waiting => "step.waiting",
            Self::GoingBack => "rollout.going_back",
            Self::Asked => "rollout.asked",
            Self::CheckApproved => "canary.health_check.approved",
            Self::CheckHalted => "canary.health_check.halted",
            Self::CheckRolledBack => "canary.health_check.rolled_back",
            Self::JournalLost => "journal.lost",
            Self::Ended => "rollout.ended",
            Self::Test => "test",
        }
    }
}

/// How much it matters; the least important is dropped first when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Importance {
    /// Good to know.
    Info,
    /// Somebody should look.
    Problem,
    /// The rollout's end: the last word on it.
    End,
}

impl Importance {
    /// The word in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Problem => "problem",
            Self::End => "end",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Names it for good: the same when it is sent again, so that receivers can drop repeats. Letters, digits and `-`.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub time: Timestamp,
    /// The rollout; `None` for a test.
    pub rollout: Option<RolloutId>,
    /// The service.
    pub service: String,
    /// The balancer's pool.
    pub pool: String,
    /// The environment, as the operator names it.
    pub environment: String,
    /// The deploying host.
    pub host: String,
    /// A rollout or a rollback, once that is known.
    pub purpose: Option<Purpose>,
    /// Who started it.
    pub actor: Option<String>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The canary, once that is known.
    pub canary: Option<NodeId>,
    /// What every node shall run.
    pub artifact: Option<Digest>,
    /// What runs when the rollout is taken back.
    pub previous: Option<Digest>,
    /// What happened, in one line.
    pub summary: String,
    /// More about it, a line each; not many.
    pub details: Vec<String>,
    /// How it ended, for [`Kind::Ended`].
    pub outcome: Option<Outcome>,
    /// What is where, for [`Kind::Ended`].
    pub nodes: Vec<NodeReport>,
    /// What was decided and by which numbers, for the kinds of checks.
    pub decision: Option<Box<Decided>>,
    /// The record it is about, by number and hash: kept here, it shows later whether the journal was changed.
    pub anchor: Option<Anchor>,
    /// Whether the journal has it.
    pub recorded: bool,
    /// Whether an earlier command should have delivered it.
    pub late: bool,
}

impl Notice {
    /// How much it matters.
    #[must_use]
    pub const fn importance(&self) -> Importance {
        match self.kind {
            Kind::Ended => Importance::End,
            Kind::Started | Kind::Resumed | Kind::Asked | Kind::CheckApproved => Importance::Info,
            _ => Importance::Problem,
        }
    }

    /// Whether all is well: it began, goes on, or ended as it should.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        match self.kind {
            Kind::Ended => matches!(self.outcome, Some(Outcome::Completed { .. })),
            Kind::Started | Kind::Resumed | Kind::Asked | Kind::CheckApproved | Kind::Test => true,
            _ => false,
        }
    }

    /// The number of the record it is about; `None` when no record tells it.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.recorded.then(|| self.id.rsplit_once('-')).flatten().and_then(|(_, seq)| seq.parse().ok())
    }

    /// The outcome as one word: [`Outcome::as_str`] with underscores.
    #[must_use]
    pub fn outcome_word(&self) -> Option<String> {
        self.outcome.as_ref().map(|outcome| outcome.as_str().replace(' ', "_"))
    }
}
