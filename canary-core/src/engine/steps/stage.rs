//! Stage: both artifacts lie in the store under their digests, so that nobody can change them under way.

use std::path::{Path, PathBuf};

use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::fleet::{Artifact, Digest};
use crate::plan::{Direction, Origin};

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let mut changed = false;
    if let Some(stored) = cx.plan.stored(Direction::Forward) {
        changed |= from_host(cx.plan.artifact.path.clone(), stored).await?;
    }
    let (Some(back), Some(stored)) = (&cx.plan.way_back, cx.plan.stored(Direction::Back)) else {
        return Ok(changed);
    };
    cx.fact("way_back", format!("{} ({})", back.origin, back.facts.sha256.short()));
    match &back.origin {
        Origin::Host { path } => changed |= from_host(path.clone(), stored).await?,
        Origin::Instance { node, path } => {
            if !verified(stored.clone()).await {
                create_store(&cx.plan.store).await?;
                let facts = cx.call(|| cx.backends.nodes.fetch(node, path, &stored.path)).await?;
                expect(&back.origin.to_string(), back.facts.sha256, facts.sha256)?;
                changed = true;
            }
        }
    }
    Ok(changed)
}

fn artifact_failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Artifact, error.to_string())
}

fn expect(what: &str, expected: Digest, found: Digest) -> Result<(), Failure> {
    if expected == found {
        return Ok(());
    }
    let message = format!("{what} changed since the plan was made: digest {found}, expected {expected}");
    Err(artifact_failure(message))
}

async fn create_store(store: &Path) -> Result<(), Failure> {
    let failed = |e| artifact_failure(format!("cannot create the artifact store {}: {e}", store.display()));
    tokio::fs::create_dir_all(store).await.map_err(failed)
}

/// Up to this size a file is read at once: handing it to another thread takes longer.
const SMALL: u64 = 64 * 1024;

/// Whether the store has the artifact, whole.
async fn verified(stored: Artifact) -> bool {
    if stored.facts.size <= SMALL {
        return stored.verify().is_ok();
    }
    tokio::task::spawn_blocking(move || stored.verify().is_ok()).await.unwrap_or(false)
}

/// Copies a file of this host into the store, through a temporary name.
async fn from_host(source: PathBuf, stored: Artifact) -> Result<bool, Failure> {
    if verified(stored.clone()).await {
        return Ok(false);
    }
    if let Some(store) = stored.path.parent() {
        create_store(store).await?;
    }
    tokio::task::spawn_blocking(move || copy(&source, &stored)).await.map_err(artifact_failure)??;
    Ok(true)
}

fn copy(source: &Path, stored: &Artifact) -> Result<(), Failure> {
    let partial = stored.path.with_extension("partial");
    let failed = |e: std::io::Error| {
        artifact_failure(format!("cannot copy {} to {}: {e}", source.display(), partial.display()))
    };
    std::fs::copy(source, &partial).map_err(failed)?;
    std::fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
    let found = Artifact::read(&partial).map_err(artifact_failure)?.facts.sha256;
    if let Err(failure) = expect(&source.display().to_string(), stored.facts.sha256, found) {
        // The copy is useless; that it cannot be removed changes nothing about the failure.
        let _ = std::fs::remove_file(&partial);
        return Err(failure);
    }
    std::fs::rename(&partial, &stored.path).map_err(failed)
}
