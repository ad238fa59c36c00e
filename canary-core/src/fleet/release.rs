//! What is known of a release beside its binary: the sources it was built from, and its part in a change of the schema.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Revision;

/// A release's part in a change of the schema that takes several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleasePhase {
    /// Adds what the next releases will use; takes nothing away.
    Expand,
    /// Goes over to what was added: backfills, writes and reads the new.
    Migrate,
    /// Takes away what no running binary names any more.
    Contract,
}

impl ReleasePhase {
    /// Every phase, in their order.
    pub const ALL: [Self; 3] = [Self::Expand, Self::Migrate, Self::Contract];

    /// The phase as one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Migrate => "migrate",
            Self::Contract => "contract",
        }
    }
}

impl fmt::Display for ReleasePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Says that a word is no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a phase; use expand, migrate or contract")]
pub struct ReleasePhaseError(String);

impl FromStr for ReleasePhase {
    type Err = ReleasePhaseError;

    fn from_str(value: &str) -> Result<Self, ReleasePhaseError> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == value)
            .ok_or_else(|| ReleasePhaseError(value.to_owned()))
    }
}

/// Where a release comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The revision of the sources that the binary was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Its part in a change of the schema, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ReleasePhase>,
}

impl Provenance {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
