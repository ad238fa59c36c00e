//! What a runner is given and gives back, as JSON: integers and text alone.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::round::{BACKOFF_BASE, BACKOFF_CAP, SPREAD};

/// The name of the form of batches; another form has another name.
pub const SCHEMA: &str = "probe/v1";
/// The most bytes of a body that are read: what says whether a service is well is short.
pub const MAX_BODY: u64 = 64 * 1024;

/// Tenants that are asked the same in one go; the unit of dispatch, and what one container gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeBatch {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which round it belongs to: the execution's id.
    pub round: String,
    /// Which batch of the round it is, from 0.
    pub index: u32,
    /// The objective that is probed.
    pub objective: String,
    /// What fails together, for the breaker: scheme, host and port.
    pub group: String,
    /// What is asked, and when an answer is good.
    pub check: ProbeCheck,
    /// How many tenants of this batch are asked at once at most, from 1.
    pub in_flight: u32,
    /// Who is asked; each name once.
    pub targets: Vec<ProbeTarget>,
}

/// What is asked, and when an answer is good. Times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeCheck {
    /// The statuses that are good; at least one.
    pub expect: Vec<u16>,
    /// What the body, as JSON, must have; empty: it is not looked at.
    pub body: Vec<BodyMatch>,
    /// The deadline of one try, from resolving the name to the body's last byte.
    pub timeout_us: u64,
    /// How often a tenant is tried at most, from 1.
    pub tries: u32,
    /// The deadline of all tries of a tenant together, pauses included.
    pub budget_us: u64,
    /// The pause before the second try; it doubles for each further one.
    pub base_us: u64,
    /// The longest pause.
    pub cap_us: u64,
    /// First tries are put off by the SHA-256 of the tenant's name modulo this.
    pub spread_us: u64,
    /// The root certificates (PEM) that are trusted instead of the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

impl Default for ProbeCheck {
    /// Status 200, three tries of nine seconds within thirty.
    fn default() -> Self {
        Self {
            expect: vec![200],
            body: Vec::new(),
            timeout_us: 9_000_000,
            tries: 3,
            budget_us: 30_000_000,
            base_us: BACKOFF_BASE,
            cap_us: BACKOFF_CAP,
            spread_us: SPREAD,
            ca_pem: None,
        }
    }
}

/// One value that a body must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyMatch {
    /// Where: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What: text, an integer, a boolean or null.
    pub value: Value,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeTarget {
    /// Its name.
    pub tenant: String,
    /// Its URL, the name in it escaped.
    pub url: String,
    /// The longest good answer, in microseconds.
    pub limit_us: u64,
    /// Where the host is, where the runner is not to resolve its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<std::net::IpAddr>,
}

// The fields of results and tries stand in the order of the journal's form: evidence holds them as they are.

/// What is known of one tenant after its tries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The objective.
    pub objective: String,
    /// The tenant.
    pub tenant: String,
    /// Every try, in order; empty where there was none.
    pub tries: Vec<Try>,
    /// What that means.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What the tries of a tenant mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It answered as it must.
    Healthy,
    /// It certainly did not.
    Unhealthy {
        /// What was wrong.
        why: String,
    },
    /// It could not be asked.
    Unknown {
        /// What stood in the way.
        why: String,
    },
}

impl Verdict {
    /// As records have it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// What was wrong.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Healthy => None,
            Self::Unhealthy { why } | Self::Unknown { why } => Some(why),
        }
    }

    /// What tries mean together: one good one is enough, and one that proves the service bad outweighs those that could not ask.
    #[must_use]
    pub fn of(tries: &[Try]) -> Self {
        let last = |meaning: Meaning| tries.iter().rev().find(|try_| try_.end.meaning() == meaning);
        if last(Meaning::Healthy).is_some() {
            return Self::Healthy;
        }
        match (last(Meaning::Unhealthy), tries.last()) {
            (Some(bad), _) => Self::Unhealthy { why: bad.told() },
            (None, Some(open)) => Self::Unknown { why: open.told() },
            (None, None) => Self::Unknown { why: "it was not tried".to_owned() },
        }
    }
}

/// One request and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// When it began, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// How it ended.
    pub end: TryEnd,
    /// What was wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

impl Try {
    fn told(&self) -> String {
        self.error.clone().unwrap_or_else(|| self.end.to_string())
    }
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryEnd {
    /// All was as it must be.
    Good,
    /// Another status, a redirect among them: none is followed.
    Status,
    /// The body is not JSON, not what it must be, or longer than [`MAX_BODY`].
    Body,
    /// Good, and too slow.
    Slow,
    /// Connected, and no whole answer in time.
    TimedOut,
    /// Nothing listens there.
    Refused,
    /// The connection broke off, or what came was not HTTP.
    Broken,
    /// The certificate has expired or is for another name.
    Certificate,
    /// TLS failed otherwise: an unknown root, no TLS at all.
    Tls,
    /// No connection in time, or no way there.
    Unreachable,
    /// The name has no address.
    Unresolved,
    /// It could not be made: the URL, the certificates, the process's own limits.
    Failed,
}

/// What a try's end says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It is well.
    Healthy,
    /// It is not.
    Unhealthy,
    /// Nothing: what is in between failed.
    Unknown,
}

impl TryEnd {
    /// What it says about the service.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::Good => Meaning::Healthy,
            Self::Status
            | Self::Body
            | Self::Slow
            | Self::TimedOut
            | Self::Refused
            | Self::Broken
            | Self::Certificate => Meaning::Unhealthy,
            Self::Tls | Self::Unreachable | Self::Unresolved | Self::Failed => Meaning::Unknown,
        }
    }

    /// Whether nothing at all was heard in time: what many tenants of a group at once make an outage of the group.
    #[must_use]
    pub const fn silent(self) -> bool {
        matches!(self, Self::TimedOut | Self::Unreachable)
    }
}

impl fmt::Display for TryEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Status => "another status",
            Self::Body => "another body",
            Self::Slow => "too slow",
            Self::TimedOut => "no whole answer in time",
            Self::Refused => "the connection was refused",
            Self::Broken => "the connection broke off",
            Self::Certificate => "the certificate does not hold",
            Self::Tls => "TLS failed",
            Self::Unreachable => "no connection in time",
            Self::Unresolved => "the name has no address",
            Self::Failed => "it could not be tried",
        })
    }
}

/// How many are what: the last line of a batch's results, which proves that all lines before it are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// All.
    pub count: u64,
    /// Those that are well.
    pub healthy: u64,
    /// Those that are certainly not.
    pub unhealthy: u64,
    /// Those that could not be asked.
    pub unknown: u64,
}

impl Tally {
    /// Counts.
    #[must_use]
    pub fn of<'r>(results: impl IntoIterator<Item = &'r ProbeResult>) -> Self {
        let mut tally = Self::default();
        for result in results {
            tally.count += 1;
            match result.verdict {
                Verdict::Healthy => tally.healthy += 1,
                Verdict::Unhealthy { .. } => tally.unhealthy += 1,
                Verdict::Unknown { .. } => tally.unknown += 1,
            }
        }
        tally
    }
}

impl ProbeResult {
    /// A result without a try.
    #[must_use]
    pub fn unknown(objective: &str, tenant: &str, why: impl Into<String>) -> Self {
        Self {
            objective: objective.to_owned(),
            tenant: tenant.to_owned(),
            verdict: Verdict::Unknown { why: why.into() },
            tries: Vec::new(),
        }
    }
}

impl ProbeBatch {
    /// The result of every tenant of it when none could be asked, for one reason.
    #[must_use]
    pub fn all_unknown(&self, why: &str) -> Vec<ProbeResult> {
        self.targets.iter().map(|target| ProbeResult::unknown(&self.objective, &target.tenant, why)).collect()
    }
}
