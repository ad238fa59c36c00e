//! Names and labels: valid (RFC 1123) whatever execution they are of.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// What marks every object of this crate.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "canary-probe");
/// Whose an object is: a digest of the owner.
pub(crate) const OWNER: &str = "canary-probe/owner";
/// Of which start of which round it is.
pub(crate) const ROUND: &str = "canary-probe/round";
/// The annotation with the execution's id, as it is.
pub(crate) const EXECUTION: &str = "canary-probe/execution";
/// The annotation with the instant from which nobody waits for it any more, in milliseconds since 1970 (UTC).
pub(crate) const UNTIL: &str = "canary-probe/until";
/// What the Job controller labels pods with.
pub(crate) const POD_JOB: &str = "batch.kubernetes.io/job-name";
/// What it says there of their index.
pub(crate) const POD_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The names of one start of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The Job's; pods are called so, and their indexes behind it stay within 63 bytes.
    pub(crate) job: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Names {
    /// `nonce` tells apart two starts of the same execution.
    pub(crate) fn new(execution: &str, owner: &str, nonce: [u8; 8]) -> Self {
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let round = format!("{}-{nonce}", short(execution));
        let labels = [(MANAGED_BY.0, MANAGED_BY.1.to_owned()), (OWNER, short(owner)), (ROUND, round.clone())];
        Self {
            job: format!("canary-probe-{round}"),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    /// The name of one of the parcels of batches.
    pub(crate) fn parcel(&self, number: usize) -> String {
        format!("{}-{number}", self.job)
    }
}

/// The first 10 digits of a text's digest.
pub(crate) fn short(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}
