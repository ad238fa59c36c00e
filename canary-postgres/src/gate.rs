//! The gate over migration files.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::fleet::Revision;
use canary_core::traits::{
    BackendError, CallOutcome, Clock, ErrorKind, MigrationGate, Release, Review, SystemClock,
};

use crate::changes::{Looked, look};
use crate::config::GateConfig;
use crate::git::Git;
use crate::review;
#[cfg(feature = "live")]
use crate::rules::BinaryFacts;

/// Refuses a release whose new migration files break the binary that is running.
///
/// Reads the work tree and asks `git`; changes nothing, fetches nothing, and needs no database. Safe to repeat: the same
/// files give the same review.
#[derive(Debug, Clone)]
pub struct MigrationFilesGate {
    config: GateConfig,
    clock: Arc<dyn Clock>,
}

impl MigrationFilesGate {
    /// A gate over these settings.
    #[must_use]
    pub fn new(config: GateConfig) -> Self {
        Self { config, clock: Arc::new(SystemClock::new()) }
    }

    /// The same, by another clock: grants end by it.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same, with what is known of the binaries that run.
    #[cfg(feature = "live")]
    pub(crate) fn knowing(&self, facts: BinaryFacts) -> Self {
        Self {
            config: GateConfig { facts: Some(facts), ..self.config.clone() },
            clock: Arc::clone(&self.clock),
        }
    }

    /// The instant by which grants end.
    #[cfg(feature = "live")]
    pub(crate) fn now(&self) -> canary_core::time::Timestamp {
        self.clock.now()
    }

    /// Its settings.
    #[must_use]
    pub const fn config(&self) -> &GateConfig {
        &self.config
    }
}

impl fmt::Display for MigrationFilesGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migration files in {} since {}", self.config.dir.display(), self.config.base)
    }
}

#[async_trait]
impl MigrationGate for MigrationFilesGate {
    /// Takes at most 30 s for each of a handful of `git` calls, and time linear in the size of the files.
    async fn review(&self, _release: &Release) -> Result<Review, BackendError> {
        let now = self.clock.now();
        let changes = match look(&self.config).await {
            Looked::Changes(changes) => changes,
            Looked::NothingNew { why, changes } => {
                let baseline = changes.map(|changes| changes.baseline);
                return Ok(review::nothing_new(&self.config, why, baseline, now));
            }
            Looked::Undecided(why) => {
                return Ok(review::undecided(&self.config, "baseline-unusable", why, None, now));
            }
        };
        let config = self.config.clone();
        tokio::task::spawn_blocking(move || review::judge(&config, &changes, now)).await.map_err(|error| {
            BackendError::new(ErrorKind::Other, "migrations", "review", "the judging task ended early")
                .outcome_is(CallOutcome::NotApplied)
                .caused_by(error)
        })
    }

    async fn revision(&self, named: Option<&Revision>) -> Option<Revision> {
        let commit = format!("{}^{{commit}}", named.map_or("HEAD", Revision::as_str));
        let git = Git::at(&self.config.repository);
        let told = git.line(&["rev-parse", "--verify", "--quiet", &commit]).await;
        let found = told.ok().and_then(|commit| Revision::new(commit).ok());
        found.or_else(|| named.cloned())
    }
}
