//! What is known of one tenant.

use crate::gap::{Breach, Judged};
use crate::policy::ONE;

/// One objective of a tenant at one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectiveResult {
    /// The objective.
    pub objective: String,
    /// The source.
    pub source: String,
    /// What is known.
    pub judged: Judged,
}

/// A tenant that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantResult {
    /// Its name.
    pub name: String,
    /// How much it counts, from 1.
    pub weight: u64,
    /// Whether its certain breach, two rounds in a row, takes a release back alone.
    pub veto: bool,
    /// Whether the round before had a certain breach of it, too.
    pub breached_before: bool,
    /// Whether it spends its error budget too fast in the short window and in the long one, both certain.
    pub burning: bool,
    /// Its results; empty when nothing at all is known.
    pub results: Vec<ObjectiveResult>,
}

impl TenantResult {
    /// The least and the most score: that of its worst objective, in ppm.
    #[must_use]
    pub fn score(&self) -> (u64, u64) {
        if self.results.is_empty() {
            return (0, ONE);
        }
        self.results.iter().fold((ONE, ONE), |(low, high), result| {
            (low.min(result.judged.score.0), high.min(result.judged.score.1))
        })
    }

    /// Whether one of its promises is certainly broken.
    #[must_use]
    pub fn breached(&self) -> bool {
        self.results.iter().any(|result| result.judged.breach == Breach::Proven)
    }

    /// Whether that is certain among all promises that have a veto.
    #[must_use]
    pub fn certain(&self) -> bool {
        self.results.iter().any(|result| result.judged.certain)
    }

    /// Whether something of it is not known, even where its worst objective is.
    #[must_use]
    pub fn unknown(&self) -> bool {
        self.results.is_empty()
            || self.results.iter().any(|result| result.judged.score.0 < result.judged.score.1)
    }
}
