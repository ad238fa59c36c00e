//! Where the engine is, and what containers get.

use std::path::PathBuf;

/// Where an engine listens unless it is said.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// How probes run in containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerSettings {
    /// `unix:///path` or `tcp://host:port`.
    pub host: String,
    /// What containers run.
    pub image: ProbeImage,
    /// The network mode of containers, as the engine has it: `host`, `bridge`, a network's name.
    pub network: String,
    /// How many containers run at once at most; more than four for each of the engine's processors only makes each slower.
    pub containers: u32,
    /// The most memory of a container, in bytes.
    pub memory: i64,
    /// The root certificates (PEM) for those probes over TLS that bring none; containers have no platform's.
    pub roots: Option<String>,
}

/// What containers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeImage {
    /// An image that the engine has, with the program as its entry point.
    Named(String),
    /// This static program; an image of this one file is made where the engine has none of these bytes.
    Program(PathBuf),
}

impl DockerSettings {
    /// An engine at its usual place, the network of its host.
    #[must_use]
    pub fn new(image: ProbeImage) -> Self {
        Self {
            host: SOCKET.to_owned(),
            image,
            network: "host".to_owned(),
            containers: 8,
            memory: 128 * 1024 * 1024,
            roots: None,
        }
    }
}

/// Says why containers cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The engine's address is none.
    #[error("{0:?} is no address of a Docker Engine: it must begin with unix:// or tcp://")]
    Host(String),
}
