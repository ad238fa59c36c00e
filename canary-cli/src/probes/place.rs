//! What runs probes, by the settings.

use std::sync::Arc;

use canary_probe::InProcess;
use canary_tenants::probe::ProbeRunner;

use crate::error::CommandError;
use crate::settings::{ProbePlace, ProbingSettings};

/// The runner that was chosen; nothing is connected to.
///
/// # Errors
/// One that this program was built without, or that the settings cannot be of.
pub(super) fn runner(settings: &ProbingSettings) -> Result<Arc<dyn ProbeRunner>, CommandError> {
    match settings.place {
        ProbePlace::InProcess => Ok(Arc::new(InProcess::default())),
        ProbePlace::Docker => docker(settings),
        ProbePlace::Kubernetes => kubernetes(settings),
    }
}

#[cfg(not(all(feature = "docker", feature = "kubernetes")))]
fn without(what: &str, feature: &str) -> CommandError {
    CommandError::usage(
        format!("probes.runner: this program was built without {what}"),
        format!("build it with `cargo install --path canary-cli --features {feature}`, or probe in-process"),
    )
}

#[cfg(not(feature = "docker"))]
fn docker(_: &ProbingSettings) -> Result<Arc<dyn ProbeRunner>, CommandError> {
    Err(without("Docker", "docker"))
}

#[cfg(feature = "docker")]
fn docker(settings: &ProbingSettings) -> Result<Arc<dyn ProbeRunner>, CommandError> {
    use canary_docker::{DockerProbes, DockerSettings, ProbeImage};

    let image = match &settings.image {
        Some(name) => ProbeImage::Named(name.clone()),
        None if settings.program.is_file() => ProbeImage::Program(settings.program.clone()),
        None => {
            return Err(CommandError::usage(
                format!("there is no program {} for containers to run", settings.program.display()),
                "make it with `scripts/probe` and name it by probes.program, or name an image by probes.image",
            ));
        }
    };
    let roots = match super::certificates(&settings.roots) {
        Ok(pem) => Some(pem),
        Err(why) if settings.roots_named => {
            let hint = "name a file of certificates (PEM)";
            return Err(CommandError::usage(format!("probes.roots: {why}"), hint));
        }
        // Probes over TLS that bring no roots are unknown then, and say so.
        Err(_) => None,
    };
    let docker = DockerSettings {
        host: settings.docker_host.clone(),
        network: settings.network.clone(),
        roots,
        ..DockerSettings::new(image)
    };
    let made = DockerProbes::new(docker).map_err(|error| {
        CommandError::usage(
            format!("probes.docker_host: {error}"),
            "name it as unix:///var/run/docker.sock or tcp://host:port",
        )
    })?;
    Ok(Arc::new(made))
}

#[cfg(not(feature = "kubernetes"))]
fn kubernetes(_: &ProbingSettings) -> Result<Arc<dyn ProbeRunner>, CommandError> {
    Err(without("Kubernetes", "kubernetes"))
}

#[cfg(feature = "kubernetes")]
fn kubernetes(settings: &ProbingSettings) -> Result<Arc<dyn ProbeRunner>, CommandError> {
    super::pods::Pods::of(settings).map(|pods| Arc::new(pods) as Arc<dyn ProbeRunner>)
}
