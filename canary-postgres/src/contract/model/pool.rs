//! The connection pools of a service.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Place;

/// One pool that the sources build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// Where the builder stands.
    pub place: Place,
    /// Whose pool it is.
    pub library: PoolLibrary,
    /// The most connections it opens.
    pub max_connections: Setting,
    /// How long a caller waits for a connection, in milliseconds.
    pub acquire_timeout_ms: Setting,
    /// After how long an idle connection is closed, in milliseconds.
    pub idle_timeout_ms: Setting,
    /// How old a connection becomes, in milliseconds: so long do stale plans live.
    pub max_lifetime_ms: Setting,
}

impl PoolSettings {
    /// The pool on one line: `sqlx::PgPool with 32-connection limit, 5s acquire timeout`.
    #[must_use]
    pub fn described(&self) -> String {
        let limit = match &self.max_connections {
            Setting::Known { value: Limit::AtMost(most), .. } => format!("{most}-connection limit"),
            other => format!("connection limit {}", other.described(false)),
        };
        let wait = match &self.acquire_timeout_ms {
            Setting::Known { value: Limit::AtMost(wait), .. } => format!("{} acquire timeout", span(*wait)),
            other => format!("acquire timeout {}", other.described(true)),
        };
        format!("{} with {limit}, {wait}", self.library)
    }
}

/// Milliseconds as a person says them.
fn span(milliseconds: u64) -> String {
    match milliseconds {
        ms if ms % 60_000 == 0 && ms > 0 => format!("{}min", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// A pool's library; decides what holds where the sources say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolLibrary {
    /// sqlx' `PgPool`.
    Sqlx,
    /// deadpool.
    Deadpool,
    /// bb8.
    Bb8,
    /// r2d2.
    R2d2,
}

impl fmt::Display for PoolLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlx => "sqlx::PgPool",
            Self::Deadpool => "deadpool",
            Self::Bb8 => "bb8",
            Self::R2d2 => "r2d2",
        })
    }
}

/// A number, or that there is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// At most this.
    AtMost(u64),
    /// None: it waits, or lives, for ever.
    Unlimited,
}

impl Limit {
    /// The number, when there is one.
    #[must_use]
    pub const fn number(self) -> Option<u64> {
        match self {
            Self::AtMost(number) => Some(number),
            Self::Unlimited => None,
        }
    }
}

/// What is known of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Setting {
    /// The sources say it.
    Known {
        /// The value.
        value: Limit,
        /// Where it is said.
        place: Place,
    },
    /// The sources say nothing: the library's own.
    Default {
        /// The value.
        value: Limit,
    },
    /// It is read from the environment: what it is shows only where the service runs.
    FromEnvironment {
        /// The variable.
        name: String,
        /// What holds when the variable is not set, where the sources say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<u64>,
        /// Where it is read.
        place: Place,
    },
    /// It is computed.
    Unknown {
        /// What stands there.
        why: String,
        /// Where.
        place: Place,
    },
}

impl Setting {
    /// The setting for a person; times are in milliseconds.
    #[must_use]
    pub fn described(&self, time: bool) -> String {
        let shown = |value: Limit| match value {
            Limit::AtMost(number) if time => span(number),
            Limit::AtMost(number) => number.to_string(),
            Limit::Unlimited => "none".to_owned(),
        };
        match self {
            Self::Known { value, .. } => shown(*value),
            Self::Default { value } => format!("{} (the library's default)", shown(*value)),
            Self::FromEnvironment { name, otherwise, .. } => match otherwise {
                Some(otherwise) => format!("from ${name}, else {}", shown(Limit::AtMost(*otherwise))),
                None => format!("from ${name}"),
            },
            Self::Unknown { why, .. } => format!("unknown ({why})"),
        }
    }

    /// The value that the sources decide: theirs or the library's.
    #[must_use]
    pub const fn value(&self) -> Option<Limit> {
        match self {
            Self::Known { value, .. } | Self::Default { value } => Some(*value),
            Self::FromEnvironment { .. } | Self::Unknown { .. } => None,
        }
    }
}
