//! What records say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Beat, Decided};
use crate::analysis::{Comparison, Observation};
use crate::engine::{FailureClass, Outcome};
use crate::fleet::{Digest, NodeId};
use crate::plan::{Plan, Step};
use crate::time::{Timestamp, millis};
use crate::traits::{ActiveState, AdminState, CheckReport, ExecutedQuery, Operational, Review};

/// Identifies a rollout: when it began, and eight random hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(Arc<str>);

impl RolloutId {
    /// A new id for a rollout that begins at `time`; `random` makes it unique.
    #[must_use]
    pub fn new(time: Timestamp, random: u32) -> Self {
        let compact: String =
            time.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).take(15).collect();
        Self(format!("{compact}Z-{random:08x}").into())
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a person may want of a running rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Begin no further node until it is promoted; the SLIs stay watched.
    Pause,
    /// Go on from a pause; without one, end the watch as it stands.
    Promote,
    /// Stop at the next point where no node is drained or half-installed.
    Stop,
    /// Go back at once.
    Abort,
}

impl Wish {
    /// The wish as a command.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Stop => "stop",
            Self::Abort => "abort",
        }
    }
}

/// Somebody's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Names a request that came from another program; asked twice, it is answered once.
    pub id: Option<String>,
    /// What is wanted.
    pub wish: Wish,
    /// Who wants it, in their own words.
    pub actor: String,
    /// Why, in their own words.
    pub reason: Option<String>,
    /// The user that a request from another program was left by, as the system knows it.
    pub uid: Option<u32>,
}

impl Request {
    /// A wish of somebody in this program.
    #[must_use]
    pub fn new(wish: Wish, actor: impl Into<String>) -> Self {
        Self { id: None, wish, actor: actor.into(), reason: None, uid: None }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StepResult {
    /// What the step promises is true.
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

/// What is where when a rollout ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// The installed binary; `None` when there is none or it could not be read.
    pub installed: Option<Digest>,
    /// The service's state, where it could be read.
    pub service: Option<ActiveState>,
    /// The balancer's admin state, where it could be read.
    pub admin: Option<AdminState>,
    /// The balancer's operational state, where it could be read.
    pub operational: Option<Operational>,
    /// Why something could not be read; empty when all could.
    pub problems: Vec<String>,
}

/// A change of keys, which both keys signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The key before.
    pub from: String,
    /// Its signature.
    pub by_old: String,
    /// The new key's signature.
    pub by_new: String,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The first record of a journal.
    Genesis {
        /// The version of the engine that wrote it.
        engine: String,
    },
    /// A writer took the journal's lock.
    Opened {
        /// Its process.
        pid: u64,
        /// Its host.
        host: String,
        /// Who started it.
        actor: String,
        /// The version of the engine.
        engine: String,
        /// Its fencing token: grows with every writer. 0 in journals from before there was one.
        #[serde(default)]
        token: u64,
    },
    /// A last line without its end was found and moved aside.
    Recovered {
        /// How many bytes.
        bytes: u64,
        /// Where they are now.
        moved_to: String,
    },
    /// The head is signed with this key from here on.
    SigningKey {
        /// The public key: the algorithm, a colon, base64.
        key: String,
        /// How the key before gave way to it; absent for the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handover: Option<Handover>,
    },
    /// The gate answered.
    GateReviewed {
        /// The rollout it was asked for.
        rollout: RolloutId,
        /// Who asked.
        actor: String,
        /// Its answer.
        review: Review,
    },
    /// Checks of one's own answered, before anything was changed.
    Checked {
        /// The rollout they were asked for.
        rollout: RolloutId,
        /// Who asked.
        actor: String,
        /// Their answers.
        reports: Vec<CheckReport>,
    },
    /// A rollout was refused before anything was changed.
    Refused {
        /// The rollout.
        rollout: RolloutId,
        /// Who asked for it.
        actor: String,
        /// Everything that stood against it.
        reasons: Vec<String>,
    },
    /// A rollout begins.
    Started {
        /// The rollout.
        rollout: RolloutId,
        /// Who started it.
        actor: String,
        /// Why, in their words.
        reason: Option<String>,
        /// The gate's review that permits it; `None` for a rollback, which needs none.
        permit: Option<Digest>,
        /// The whole plan.
        plan: Box<Plan>,
    },
    /// An interrupted rollout goes on.
    Resumed {
        /// The rollout.
        rollout: RolloutId,
        /// Who resumed it.
        actor: String,
        /// What was found where. Empty in journals from before it was looked at.
        #[serde(default)]
        nodes: Vec<NodeReport>,
    },
    /// A step begins: written before its first effect.
    StepStarted {
        /// The rollout.
        rollout: RolloutId,
        /// The step.
        step: Step,
    },
    /// A call failed and is tried again.
    Retried {
        /// The rollout.
        rollout: RolloutId,
        /// The step.
        step: Step,
        /// The error, whole.
        error: String,
        /// Which try failed, from 1.
        attempt: u64,
        /// The delay before the next.
        #[serde(rename = "delay_ms", with = "millis")]
        delay: Duration,
    },
    /// The comparison with the baseline is fixed, before its first poll.
    Calibrated {
        /// The rollout.
        rollout: RolloutId,
        /// The step.
        step: Step,
        /// What it is fixed to.
        comparison: Box<Comparison>,
        /// What was asked of the past and answered.
        queries: Vec<ExecutedQuery>,
    },
    /// A probe of the watch.
    Observed {
        /// The rollout.
        rollout: RolloutId,
        /// The step.
        step: Step,
        /// What was seen and what it means.
        observation: Observation,
    },
    /// A step ended.
    StepFinished {
        /// The rollout.
        rollout: RolloutId,
        /// The step.
        step: Step,
        /// How.
        result: StepResult,
        /// What was seen, by name.
        facts: BTreeMap<String, String>,
        /// The service's last log lines, when the step failed on its account.
        logs: Vec<String>,
    },
    /// A person asked for something while the rollout ran.
    Asked {
        /// The rollout.
        rollout: RolloutId,
        /// Who, what and why.
        request: Request,
        /// Why it was not granted; `None` when it was.
        refused: Option<String>,
    },
    /// A rollout ends.
    Finished {
        /// The rollout.
        rollout: RolloutId,
        /// How.
        outcome: Outcome,
        /// What is where.
        nodes: Vec<NodeReport>,
    },
    /// It was decided about a release by what its tenants were promised.
    Decided(Box<Decided>),
    /// Nothing was decided, and that is as it should be: a silence that is told from one that somebody made.
    Heartbeat {
        /// The rollout whose watch decides.
        rollout: RolloutId,
        /// Who started it.
        actor: String,
        /// Which sign of life.
        beat: Beat,
        /// How many decisions were recorded for it so far.
        decisions: u64,
    },
}

impl Entry {
    /// The rollout a record is about, if it is about one.
    #[must_use]
    pub fn rollout(&self) -> Option<&RolloutId> {
        match self {
            Self::Genesis { .. } | Self::Opened { .. } | Self::Recovered { .. } | Self::SigningKey { .. } => {
                None
            }
            Self::GateReviewed { rollout, .. }
            | Self::Checked { rollout, .. }
            | Self::Refused { rollout, .. }
            | Self::Started { rollout, .. }
            | Self::Resumed { rollout, .. }
            | Self::StepStarted { rollout, .. }
            | Self::Retried { rollout, .. }
            | Self::Calibrated { rollout, .. }
            | Self::Observed { rollout, .. }
            | Self::StepFinished { rollout, .. }
            | Self::Asked { rollout, .. }
            | Self::Finished { rollout, .. }
            | Self::Heartbeat { rollout, .. } => Some(rollout),
            Self::Decided(decided) => decided.rollout.as_ref(),
        }
    }

    /// Whether the head is signed anew at once after it: what somebody decided, and what the rest is judged by. What lies between is signed with
    /// the next of these, or when the journal is closed.
    #[must_use]
    pub const fn settles(&self) -> bool {
        match self {
            Self::StepStarted { .. }
            | Self::Retried { .. }
            | Self::Observed { .. }
            | Self::StepFinished { .. } => false,
            Self::Genesis { .. }
            | Self::Opened { .. }
            | Self::Recovered { .. }
            | Self::SigningKey { .. }
            | Self::GateReviewed { .. }
            | Self::Checked { .. }
            | Self::Refused { .. }
            | Self::Started { .. }
            | Self::Resumed { .. }
            | Self::Calibrated { .. }
            | Self::Asked { .. }
            | Self::Finished { .. }
            | Self::Decided(_)
            | Self::Heartbeat { .. } => true,
        }
    }
}
