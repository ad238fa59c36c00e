//! Pods of the cluster that the kubeconfig names when a round begins.

use std::fmt;

use async_trait::async_trait;
use canary_kube::{KubeProbes, Settings, SettingsError};
use canary_probe::{SystemNames, resolve_round};
use canary_tenants::probe::{ProbeProgress, ProbeResult, ProbeRound, ProbeRunner};

use crate::error::CommandError;
use crate::settings::ProbingSettings;

/// A cluster that is looked for at each round.
#[derive(Debug)]
pub(super) struct Pods {
    settings: Settings,
    namespace: String,
    context: Option<String>,
}

impl Pods {
    pub(super) fn of(probing: &ProbingSettings) -> Result<Self, CommandError> {
        let wrong = |error: SettingsError| {
            CommandError::usage(
                error.to_string(),
                "name one that the cluster would take; docs/kubernetes-probes.md",
            )
        };
        // A contradiction's rule has refused pods without an image.
        let image = probing.image.as_deref().unwrap_or_default();
        let mut settings = Settings::new(&probing.namespace, image, &probing.owner).map_err(wrong)?;
        if let Some(name) = &probing.service_account {
            settings = settings.with_service_account(name).map_err(wrong)?;
        }
        let (namespace, context) = (probing.namespace.clone(), probing.context.clone());
        Ok(Self { settings, namespace, context })
    }
}

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubernetes namespace {}", self.namespace)
    }
}

#[async_trait]
impl ProbeRunner for Pods {
    async fn run(&self, round: &ProbeRound, progress: &dyn ProbeProgress) -> Vec<ProbeResult> {
        match KubeProbes::connect(self.context.as_deref(), self.settings.clone()).await {
            Ok(cluster) => {
                // Pods resolve no names.
                let mut round = round.clone();
                resolve_round(&mut round, &SystemNames, self.settings.call_limit).await;
                cluster.run(&round, progress).await
            }
            Err(error) => round.complete(Vec::new(), &format!("{self}: {}", error.told())),
        }
    }
}
