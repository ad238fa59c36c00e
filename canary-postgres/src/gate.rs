//! The gate over migration files.

use std::fmt;

use async_trait::async_trait;
use canary_core::fleet::Revision;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, MigrationGate, Release, Review};

use crate::changes::{Looked, look};
use crate::config::GateConfig;
use crate::git::Git;
use crate::review;

/// Refuses a release whose new migration files break the binary that is running.
///
/// Reads the work tree and asks `git`; changes nothing, fetches nothing, and needs no database. Safe to repeat: the same
/// files give the same review.
#[derive(Debug, Clone)]
pub struct MigrationFilesGate {
    config: GateConfig,
}

impl MigrationFilesGate {
    /// A gate over these settings.
    #[must_use]
    pub const fn new(config: GateConfig) -> Self {
        Self { config }
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
        let changes = match look(&self.config).await {
            Looked::Changes(changes) => changes,
            Looked::NothingNew { why, changes } => {
                return Ok(review::nothing_new(why, changes.map(|changes| changes.baseline)));
            }
            Looked::Undecided(why) => return Ok(review::undecided(&self.config, why)),
        };
        let config = self.config.clone();
        tokio::task::spawn_blocking(move || review::judge(&config, &changes)).await.map_err(|error| {
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
