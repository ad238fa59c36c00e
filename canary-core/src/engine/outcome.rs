//! How rollouts end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::journal::NodeReport;
use crate::plan::Plan;
use crate::traits::AdminState;

/// What kind of failure a step met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// A backend said no or could not be asked.
    Backend,
    /// A condition did not come true in time.
    TimedOut,
    /// The service is not healthy.
    Unhealthy,
    /// An SLI is outside its bound.
    Red,
    /// The watch went without data for too long.
    Inconclusive,
    /// Too few other servers are serving: nothing was drained.
    Capacity,
    /// A file on the deploying host is missing or changed.
    Artifact,
    /// The record could not be written.
    Journal,
}

/// What happened to the canary after an inconclusive watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterHold {
    /// It stayed as it was.
    Kept,
    /// It got the previous artifact back.
    RolledBack,
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Every node runs the artifact and is serving.
    Completed {
        /// False when that was so before.
        changed: bool,
    },
    /// Something said no; nothing was changed.
    Refused {
        /// Everything that stood against it.
        reasons: Vec<String>,
    },
    /// The previous artifact is back everywhere it was replaced, and proven.
    RolledBack {
        /// Why.
        reason: String,
    },
    /// Stopped after the canary proved the release; nothing was taken back.
    Halted {
        /// Why.
        reason: String,
    },
    /// A hold outlasted its budget.
    Inconclusive {
        /// Why there was no verdict.
        why: String,
        /// What then happened to the canary.
        then: AfterHold,
    },
    /// Neither forward nor back could be proven; a person is needed.
    Stuck {
        /// Why.
        reason: String,
    },
    /// Stopped by a signal; can be resumed.
    Interrupted {
        /// Where.
        at: String,
    },
}

impl Outcome {
    /// The exit code of a program that ran the rollout.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Completed { .. } => 0,
            Self::Refused { .. } => 10,
            Self::RolledBack { .. } => 20,
            Self::Halted { .. } => 21,
            Self::Inconclusive { .. } => 22,
            Self::Stuck { .. } => 30,
            Self::Interrupted { .. } => 130,
        }
    }

    /// The outcome in one word or two.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Refused { .. } => "refused",
            Self::RolledBack { .. } => "rolled back",
            Self::Halted { .. } => "halted",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Stuck { .. } => "stuck",
            Self::Interrupted { .. } => "interrupted",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Completed { changed: true } => Ok(()),
            Self::Completed { changed: false } => f.write_str(": nothing had to be changed"),
            Self::Refused { reasons } => write!(f, ": {}", reasons.join("; ")),
            Self::RolledBack { reason } | Self::Halted { reason } | Self::Stuck { reason } => {
                write!(f, ": {reason}")
            }
            Self::Inconclusive { why, then: AfterHold::Kept } => {
                write!(f, ": {why}; the canary was left as it is")
            }
            Self::Inconclusive { why, then: AfterHold::RolledBack } => {
                write!(f, ": {why}; the canary got the previous artifact back")
            }
            Self::Interrupted { at } => write!(f, " before {at}"),
        }
    }
}

/// Holds an outcome against what was read back: one that the fleet contradicts becomes [`Outcome::Stuck`].
pub(super) fn borne_out(outcome: Outcome, plan: &Plan, nodes: &[NodeReport]) -> Outcome {
    let target = plan.artifact.facts.sha256;
    let contradicts = |node: &NodeReport| match (&outcome, node.installed) {
        (Outcome::Completed { .. }, Some(installed)) => installed != target,
        (Outcome::RolledBack { .. }, Some(installed)) => installed == target,
        _ => false,
    };
    // A way back leaves alone what it did not touch, also a node that somebody had taken out.
    let out = |node: &NodeReport| {
        matches!(outcome, Outcome::Completed { .. })
            && node.admin.is_some_and(|admin| admin != AdminState::Ready)
    };
    let those = |wrong: &dyn Fn(&NodeReport) -> bool, what: &str| {
        let names: Vec<_> = nodes.iter().filter(|node| wrong(node)).map(|node| node.node.as_str()).collect();
        (!names.is_empty()).then(|| format!("{} {what}", names.join(", ")))
    };
    let wrong =
        [those(&contradicts, "does not have the binary that says so"), those(&out, "is out of rotation")];
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    if wrong.is_empty() {
        return outcome;
    }
    Outcome::Stuck { reason: format!("the steps ended {outcome}, but {}", wrong.join("; ")) }
}

#[cfg(test)]
mod tests;
