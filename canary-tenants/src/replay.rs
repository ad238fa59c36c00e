//! Decides a recorded decision once more, from its evidence: by the policy it was made by, or by another.

use std::collections::BTreeMap;

use canary_core::fleet::Digest;
use canary_core::journal::{Ruling, canonical};
use canary_core::time::Timestamp;

use crate::evidence::Evidence;
use crate::policy::{Policy, PolicyFile, Unit, read};
use crate::round::decide_round;

/// Milliseconds of a day: what holds by a policy changes with the day alone.
const DAY: u64 = 86_400_000;

/// Policies by the digest of their files, each read once and laid out once a day.
#[derive(Debug, Default)]
pub struct Policies {
    files: BTreeMap<Digest, PolicyFile>,
    /// With its digest, which takes longer to make than a decision of a few hundred tenants.
    at: BTreeMap<(Digest, u64), (Policy, Digest)>,
}

impl Policies {
    /// The policy of a file's text as it holds at `at`.
    ///
    /// # Errors
    /// The text is no policy to this version, and why.
    pub fn at(&mut self, text: &str, at: Timestamp) -> Result<&Policy, String> {
        self.laid_out(text, at).map(|(policy, _)| policy)
    }

    /// Decides by the policy of a file's text, and holds the bytes against those that were recorded.
    ///
    /// # Errors
    /// What is not as it was recorded, in words.
    pub fn held(&mut self, text: &str, evidence: &Evidence, recorded: &Ruling) -> Result<(), String> {
        let (policy, digest) = self.laid_out(text, evidence.at)?;
        if *digest != recorded.policy_sha256 {
            return Err(format!(
                "the policy's file comes to the policy {digest}, decided was by {}",
                recorded.policy_sha256
            ));
        }
        let (computed, recorded) = (bytes(&ruling(policy, evidence))?, bytes(recorded)?);
        if computed == recorded {
            return Ok(());
        }
        Err(format!("it comes out otherwise\n  recorded: {recorded}\n  computed: {computed}"))
    }

    fn laid_out(&mut self, text: &str, at: Timestamp) -> Result<&(Policy, Digest), String> {
        let digest = Digest::of(text.as_bytes());
        let day = (digest, at.as_millis() / DAY);
        if !self.at.contains_key(&day) {
            let file = match self.files.get(&digest) {
                Some(file) => file.clone(),
                None => {
                    let file = read(text, "the recorded policy").map_err(|error| {
                        let first = error.problems.first().map(ToString::to_string).unwrap_or_default();
                        format!("this version cannot read it: {first}")
                    })?;
                    self.files.insert(digest, file.clone());
                    file
                }
            };
            let policy = file.at(at);
            let digest = policy.digest();
            self.at.insert(day, (policy, digest));
        }
        // proof: it was put there above, if it was not there before.
        self.at.get(&day).ok_or_else(|| "it is gone".to_owned())
    }
}

/// A setting of the decision that is supposed to be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppose {
    /// `rollback_threshold`, in ppm.
    RollbackThreshold(u64),
    /// `max_breached_tenants`.
    MaxBreachedTenants(u64),
}

impl std::str::FromStr for Suppose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write it as SETTING=VALUE")?;
        let wrong = |unit: Unit| format!("{value:?} is no value of {name}: {}", unit.example());
        match name.trim() {
            "rollback_threshold" => match Unit::Ppm.parse(value.trim()) {
                Ok(threshold) if threshold <= crate::policy::ONE => Ok(Self::RollbackThreshold(threshold)),
                _ => Err(wrong(Unit::Ppm)),
            },
            "max_breached_tenants" => {
                let value = Unit::Count.parse(value.trim());
                value.map(Self::MaxBreachedTenants).map_err(|_| wrong(Unit::Count))
            }
            other => Err(format!(
                "{other:?} is none of rollback_threshold and max_breached_tenants; for others give a whole policy"
            )),
        }
    }
}

impl Suppose {
    /// The policy with that setting.
    #[must_use]
    pub fn of(self, policy: &Policy) -> Policy {
        let mut other = policy.clone();
        match self {
            Self::RollbackThreshold(threshold) => other.file.decision.rollback_threshold = threshold,
            Self::MaxBreachedTenants(most) => other.file.decision.max_breached_tenants = most,
        }
        other
    }
}

/// What the evidence comes to by `policy`.
#[must_use]
pub fn ruling(policy: &Policy, evidence: &Evidence) -> Ruling {
    decide_round(policy, evidence).record
}

/// As the journal has it.
fn bytes(ruling: &Ruling) -> Result<String, String> {
    let value = serde_json::to_value(ruling).map_err(|error| error.to_string())?;
    let mut text = String::new();
    canonical(&value, &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
