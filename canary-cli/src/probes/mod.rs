//! The tenants' own endpoints, asked from wherever the settings say.

mod place;
#[cfg(feature = "kubernetes")]
mod pods;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use canary_tenants::policy::{ObjectiveKind, Policy, PolicyFile};
use canary_tenants::probe::{ProbeProgress, ProbeResult, ProbeRound, ProbeRunner};

use crate::error::CommandError;
use crate::settings::ProbingSettings;

/// The largest file of root certificates that is read.
const LARGEST: u64 = 4 * 1024 * 1024;
/// What a runner may take beyond a round's deadline, to clear up behind it, before it is given up.
const CLEARING: Duration = Duration::from_secs(30);

/// What asks the endpoints of a policy's tenants.
#[derive(Debug)]
pub(crate) struct Probes {
    /// The contents of `ca_file`s, by objective.
    roots: BTreeMap<String, String>,
    runner: Arc<dyn ProbeRunner>,
}

impl Probes {
    /// Reads the root certificates that a policy names; they lie in `directory`, which is the policy's. Connects to nothing.
    ///
    /// # Errors
    /// A file that cannot be read, with its objective's place in the policy: asking without it would trust others. A runner that cannot be had.
    pub(crate) fn of(
        file: &PolicyFile,
        directory: &Path,
        settings: &ProbingSettings,
    ) -> Result<Self, CommandError> {
        let mut roots = BTreeMap::new();
        for (name, objective) in &file.objectives {
            let ObjectiveKind::Probe(probe) = &objective.kind else { continue };
            let Some(named) = &probe.ca_file else { continue };
            let pem = certificates(&directory.join(named)).map_err(|why| {
                let message = format!("{}:{}: ca_file of objective {name}: {why}", file.file, objective.at);
                CommandError::usage(message, "name a file of certificates (PEM) beside the policy")
            })?;
            roots.insert(name.clone(), pem);
        }
        Ok(Self { roots, runner: place::runner(settings)? })
    }

    /// What is asked of every tenant that is not exempt; nothing where no objective is a probe. `id` is the round's name.
    pub(crate) fn round(&self, policy: &Policy, id: &str) -> ProbeRound {
        ProbeRound::of(policy, id, &self.roots)
    }

    /// Asks, within the round's deadline.
    pub(crate) async fn ask(&self, round: &ProbeRound, progress: &dyn ProbeProgress) -> Vec<ProbeResult> {
        if round.is_empty() {
            return Vec::new();
        }
        let limit = round.deadline.saturating_add(CLEARING);
        let asked = tokio::time::timeout(limit, self.runner.run(round, progress)).await;
        asked.unwrap_or_else(|_| {
            round.complete(Vec::new(), &format!("{} was not done within {} s", self.runner, limit.as_secs()))
        })
    }

    /// Who asks, in words.
    pub(crate) fn by(&self) -> String {
        self.runner.to_string()
    }
}

fn certificates(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
