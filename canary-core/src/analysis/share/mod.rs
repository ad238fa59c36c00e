//! The realised share: whether the canary gets the part of the pool's requests that its weight stands for.
//!
//! From the balancer's own counters of each server, which no metrics store has to scrape first. A share that is off is a reason
//! to hold: what was judged would rest on requests that nobody planned for. It is never a bad canary.

mod memory;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use memory::ShareMemory;

use super::{Number, Ratio, round};
use crate::fleet::NodeId;
use crate::traits::{Operational, PoolState, Weight};

/// How far the share may be off by itself: this part of the expected one.
pub const TOLERANCE: f64 = 0.5;

/// How many standard deviations of a binomial count are chance.
const DEVIATIONS: f64 = 4.0;

/// Something the balancer shows that makes a share differ from the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ShareCause {
    /// The weight in force is not the planned one: cut short by the balancer, or changed by somebody.
    Weight {
        /// The planned one.
        planned: Weight,
        /// The one in force.
        in_force: Weight,
    },
    /// The server is still in its slow start.
    SlowStart,
    /// The algorithm takes no notice of weights, or only some, or binds clients to servers.
    Algorithm {
        /// Its name.
        name: String,
    },
    /// Clients are bound to servers.
    Sticky {
        /// By what (`cookie "SRV"`).
        by: String,
    },
    /// The counters are those of a new process: an old one may still serve, and nobody counts that.
    AnotherProcess,
}

impl fmt::Display for ShareCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight { planned, in_force } => {
                write!(f, "its weight is {}, {} was planned", in_force.value(), planned.value())
            }
            Self::SlowStart => f.write_str("it is in its slow start"),
            Self::Algorithm { name } => write!(f, "balance {name} does not follow weights alone"),
            Self::Sticky { by } => write!(f, "clients are bound to servers by a {by}"),
            Self::AnotherProcess => {
                f.write_str("the balancer's process is another, and an old one may still serve")
            }
        }
    }
}

/// What the counters say of the canary's share between two readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareSeen {
    /// The share its weight stands for.
    pub expected: Ratio,
    /// The share it got.
    pub seen: Ratio,
    /// The pool's requests that this rests on.
    pub requests: u64,
    /// How far `seen` may be from `expected`: the tolerance and chance together.
    pub within: Number,
}

impl ShareSeen {
    /// What `canary` of `requests` comes to; `None` when that is too few to judge by: chance alone could be as large as the
    /// tolerance.
    ///
    /// The standard error of a binomial share is `sqrt(p (1 - p) / n)`. A balancer that takes turns is more even than that.
    #[must_use]
    pub fn of(expected: f64, canary: u64, requests: u64, tolerance: f64) -> Option<Self> {
        if !(expected > 0.0 && expected < 1.0) || requests == 0 {
            return None;
        }
        let chance = DEVIATIONS * (expected * (1.0 - expected) / requests as f64).sqrt();
        let allowed = tolerance * expected;
        if chance > allowed {
            return None;
        }
        Some(Self {
            expected: Ratio::new(expected)?,
            seen: Ratio::new(canary.min(requests) as f64 / requests as f64)?,
            requests,
            within: Number::new(allowed + chance)?,
        })
    }

    /// Whether the share is farther from the expected one than is allowed.
    #[must_use]
    pub fn off(&self) -> bool {
        (self.seen.value() - self.expected.value()).abs() > self.within.value()
    }
}

/// Why a watch does not judge on account of the canary's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ShareHold {
    /// It is not as planned.
    Off {
        /// The numbers.
        share: ShareSeen,
        /// What the balancer shows that explains it; may be nothing.
        causes: Vec<ShareCause>,
    },
    /// A planned weight could not be seen in force: the balancer could not be read, or would not have it.
    Unknown {
        /// The error, whole.
        error: String,
    },
}

impl fmt::Display for ShareHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off { share, causes } => {
                let percent = |value: f64| Number::new(value * 100.0).map(round).unwrap_or_default();
                write!(
                    f,
                    "the canary got {}% of {} requests, its weight stands for {}% (within {}%)",
                    percent(share.seen.value()),
                    share.requests,
                    percent(share.expected.value()),
                    percent(share.within.value())
                )?;
                for (at, cause) in causes.iter().enumerate() {
                    f.write_str(if at == 0 { ": " } else { "; " })?;
                    cause.fmt(f)?;
                }
                Ok(())
            }
            Self::Unknown { error } => write!(f, "the canary's weight cannot be seen: {error}"),
        }
    }
}

/// Whether an algorithm gives servers shares by their weights, as far as its name tells. One that is not told is taken to.
fn follows_weights(algorithm: Option<&str>) -> bool {
    !matches!(
        algorithm,
        Some("first" | "leastconn" | "source" | "uri" | "url_param" | "hdr" | "rdp-cookie" | "hash")
    )
}

/// Everything the balancer shows that can explain a share that is off.
fn causes(
    pool: &PoolState,
    canary: &NodeId,
    planned: Option<Weight>,
    another_process: bool,
) -> Vec<ShareCause> {
    let server = pool.server(canary);
    let in_force = server.map(|server| server.weight);
    let mut causes = Vec::new();
    if let (Some(planned), Some(in_force)) = (planned, in_force)
        && planned != in_force
    {
        causes.push(ShareCause::Weight { planned, in_force });
    }
    if server.is_some_and(|server| server.operational == Operational::Starting) {
        causes.push(ShareCause::SlowStart);
    }
    if let Some(name) = pool.algorithm.as_ref().filter(|name| !follows_weights(Some(name.as_str()))) {
        causes.push(ShareCause::Algorithm { name: name.clone() });
    }
    if let Some(by) = &pool.sticky {
        causes.push(ShareCause::Sticky { by: by.clone() });
    }
    if another_process {
        causes.push(ShareCause::AnotherProcess);
    }
    causes
}
