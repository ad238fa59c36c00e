//! The tenants' own endpoints, asked from this process.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use canary_probe::InProcess;
use canary_tenants::policy::{ObjectiveKind, Policy, PolicyFile};
use canary_tenants::probe::{ProbeResult, ProbeRound, ProbeRunner as _};

use crate::error::CommandError;

/// The largest file of root certificates that is read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What asks the endpoints of a policy's tenants.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    /// The contents of `ca_file`s, by objective.
    roots: BTreeMap<String, String>,
    runner: InProcess,
}

impl Probes {
    /// Reads the root certificates that a policy names; they lie in `directory`, which is the policy's. Connects to nothing.
    ///
    /// # Errors
    /// A file that cannot be read, with its objective's place in the policy: asking without it would trust others.
    pub(crate) fn of(file: &PolicyFile, directory: &Path) -> Result<Self, CommandError> {
        let mut probes = Self::default();
        for (name, objective) in &file.objectives {
            let ObjectiveKind::Probe(probe) = &objective.kind else { continue };
            let Some(roots) = &probe.ca_file else { continue };
            let pem = certificates(&directory.join(roots)).map_err(|why| {
                let message = format!("{}:{}: ca_file of objective {name}: {why}", file.file, objective.at);
                CommandError::usage(message, "name a file of certificates (PEM) beside the policy")
            })?;
            probes.roots.insert(name.clone(), pem);
        }
        Ok(probes)
    }

    /// Asks every tenant that is not exempt, within `limit`; nothing where no objective is a probe. `id` is the round's name.
    pub(crate) async fn ask(&self, policy: &Policy, id: &str, limit: Duration) -> Vec<ProbeResult> {
        let mut round = ProbeRound::of(policy, id, &self.roots);
        round.deadline = round.deadline.min(limit);
        self.runner.run(&round, &()).await
    }
}

fn certificates(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
