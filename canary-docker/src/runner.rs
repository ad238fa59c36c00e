//! A round in containers: a window over batches, a container each.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use canary_probe::{SystemNames, resolve_round};
use canary_tenants::probe::{Breaker, ProbeProgress, ProbeResult, ProbeRound, ProbeRunner};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::container::Containers;
use crate::engine::{connect, is_address};
use crate::image;
use crate::orphans::{clear, sweep};
use crate::settings::{DockerError, DockerSettings};

/// What all names of a round may take to resolve.
const NAMES: Duration = Duration::from_secs(10);

/// Probes from containers of a Docker Engine.
#[derive(Debug)]
pub struct DockerProbes {
    settings: DockerSettings,
}

impl DockerProbes {
    /// A runner; connects to nothing yet.
    ///
    /// # Errors
    /// [`DockerError`]: the engine's address is none.
    pub fn new(settings: DockerSettings) -> Result<Self, DockerError> {
        if !is_address(&settings.host) {
            return Err(DockerError::Host(settings.host));
        }
        Ok(Self { settings })
    }

    /// The engine in the version of its API that it has, without what dead runs left, and with the image.
    async fn ready(&self) -> Result<(Docker, String), String> {
        let docker = connect(&self.settings.host).await?;
        sweep(&docker).await.map_err(|why| format!("removing what a dead run left: {why}"))?;
        let image = image::ensure(&docker, &self.settings.image).await?;
        Ok((docker, image))
    }

    /// The round as containers get it: names resolved, for they resolve none, and roots, for they have none.
    async fn prepared(&self, round: &ProbeRound) -> ProbeRound {
        let mut round = round.clone();
        resolve_round(&mut round, &SystemNames, NAMES).await;
        for batch in round.batches.iter_mut().filter(|batch| batch.group.starts_with("https:")) {
            if batch.check.ca_pem.is_none() {
                batch.check.ca_pem.clone_from(&self.settings.roots);
            }
        }
        round
    }

    async fn window(
        &self,
        containers: &Containers<'_>,
        round: &ProbeRound,
        progress: &dyn ProbeProgress,
        deadline: Instant,
    ) -> Vec<ProbeResult> {
        let size = round.batches.iter().map(|batch| batch.in_flight).max().unwrap_or(1).max(1);
        let most = (round.in_flight / size).clamp(1, self.settings.containers.max(1));
        let mut breaker = Breaker::default();
        let mut results = Vec::with_capacity(round.len());
        let mut waiting = round.batches.iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < most as usize {
                let Some(batch) = waiting.next() else { break };
                if let Some(why) = breaker.open(&batch.group) {
                    results.extend(batch.all_unknown(&why));
                    continue;
                }
                breaker.start(batch);
                progress.started(batch);
                running.push(async move { (batch, containers.run(batch).await) });
            }
            let Ok(Some((batch, found))) = timeout_at(deadline, running.next()).await else { break };
            for result in found {
                breaker.heard(batch, &result);
                progress.done(&result);
                results.push(result);
            }
        }
        results
    }
}

impl fmt::Display for DockerProbes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "containers of the Docker Engine at {}", self.settings.host)
    }
}

#[async_trait]
impl ProbeRunner for DockerProbes {
    async fn run(&self, round: &ProbeRound, progress: &dyn ProbeProgress) -> Vec<ProbeResult> {
        let deadline = Instant::now() + round.deadline;
        let late = format!("the round's deadline of {} s has passed", round.deadline.as_secs());
        let (docker, image) = match timeout_at(deadline, self.ready()).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(why)) => return round.complete(Vec::new(), &why),
            Err(_) => return round.complete(Vec::new(), &late),
        };
        let prepared = self.prepared(round).await;
        let containers =
            Containers { docker: &docker, settings: &self.settings, image: &image, deadline: round.deadline };
        let results = self.window(&containers, &prepared, progress, deadline).await;
        // A deadline leaves containers behind. What cannot be removed now is removed at the next start.
        let _ = clear(&docker, &round.id).await;
        round.complete(results, &late)
    }
}
