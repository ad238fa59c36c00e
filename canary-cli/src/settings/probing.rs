//! Where tenants' own endpoints are asked from.

use std::path::{Path, PathBuf};

use super::layers::Layers;
use super::table::Key;
use super::values::Given as _;
use crate::environment::Environment;

/// Where probes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbePlace {
    /// In this process.
    InProcess,
    /// In containers of a Docker Engine, one a batch.
    Docker,
    /// In pods of a Kubernetes, one a batch.
    Kubernetes,
}

/// Where tenants' own endpoints are asked from, and what is needed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbingSettings {
    /// Where probes run.
    pub place: ProbePlace,
    /// The static program that containers run.
    pub program: PathBuf,
    /// An image that has it instead.
    pub image: Option<String>,
    /// The network of containers.
    pub network: String,
    /// The file with root certificates for containers.
    pub roots: PathBuf,
    /// Whether somebody named that file: then it must be there.
    pub roots_named: bool,
    /// The Docker Engine.
    pub docker_host: String,
    /// The namespace of pods.
    pub namespace: String,
    /// Their service account.
    pub service_account: Option<String>,
    /// The context of the kubeconfig.
    pub context: Option<String>,
    /// Whose pods they are: this host and its state directory.
    pub owner: String,
}

pub(super) fn build(layers: &Layers, environment: &Environment, state_dir: &Path) -> ProbingSettings {
    let path = |key| environment.directory.join(layers.path(key).given());
    ProbingSettings {
        place: match layers.text(Key::ProbesRunner).given().as_str() {
            "docker" => ProbePlace::Docker,
            "kubernetes" => ProbePlace::Kubernetes,
            _ => ProbePlace::InProcess,
        },
        program: path(Key::ProbesProgram),
        image: layers.text(Key::ProbesImage),
        network: layers.text(Key::ProbesNetwork).given(),
        roots: path(Key::ProbesRoots),
        roots_named: layers.is_written(Key::ProbesRoots),
        docker_host: layers.text(Key::ProbesDockerHost).given(),
        namespace: layers.text(Key::ProbesNamespace).given(),
        service_account: layers.text(Key::ProbesAccount),
        context: layers.text(Key::ProbesContext),
        owner: format!("{}:{}", environment.host, state_dir.display()),
    }
}
