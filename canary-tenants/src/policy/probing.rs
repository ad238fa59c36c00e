//! What a policy says of probes.

use crate::probe::{BodyMatch, UrlTemplate};

/// What is asked of a tenant's own endpoint, and when its answer is good. Times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub url: UrlTemplate,
    /// The statuses that are good, rising; at least one.
    pub expect: Vec<u16>,
    /// What the body, as JSON, must have.
    pub body: Vec<BodyMatch>,
    /// The deadline of one try.
    pub timeout: u64,
    /// How often a tenant is tried at most, from 1.
    pub tries: u64,
    /// The file with the root certificates that are trusted instead of the platform's, relative to the policy's directory.
    pub ca_file: Option<String>,
}

/// How tenants are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probing {
    /// How many tenants are asked at once at most.
    pub max_in_flight: u64,
    /// How many tenants are dispatched together: what one container gets.
    pub batch_size: u64,
    /// The deadline of all tries of a tenant together, in microseconds.
    pub budget: u64,
}

impl Default for Probing {
    fn default() -> Self {
        Self { max_in_flight: 100, batch_size: 20, budget: 30_000_000 }
    }
}
