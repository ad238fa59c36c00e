//! The settings: one table, four layers, checked types.
//!
//! ```text
//! flags ─┐
//! variables ─┼─► Layers (value + origin) ─► Settings (spec, connections, files)
//! file ─┤
//! defaults ─┘
//! ```

mod address;
mod build;
mod check;
mod file;
pub mod flags;
mod kind;
mod layers;
mod origin;
mod raw;
pub mod reference;
pub mod schema;
pub(crate) mod suggest;
mod table;
mod template;
mod values;
mod variables;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use canary_core::fleet::{HttpPath, MetricName, RemotePath, UnitName};
use canary_core::spec::RolloutSpec;
use clap::ArgMatches;

pub use address::HaproxyAddress;
pub use kind::{Kind, Reason, Value};
pub(crate) use layers::NamedNodes;
pub use layers::{Layers, Resolved};
pub use origin::Origin;
pub use table::{CONVENTIONS, Fallback, Key, SETTINGS, Setting};
pub(crate) use template::template;

use crate::environment::Environment;
use crate::error::{CommandError, Problem};

/// Everything that was asked for, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The rollout itself.
    pub spec: RolloutSpec,
    /// The new binary's path, where one was named.
    pub artifact: Option<PathBuf>,
    /// The last known good binary's path: on this host, or in the instances.
    pub rollback_binary: Option<PathBuf>,
    /// Where the binary lies in each instance.
    pub target: RemotePath,
    /// The unit that runs it.
    pub unit: UnitName,
    /// The way to HAProxy's admin socket.
    pub haproxy: HaproxyAddress,
    /// Where clients reach the pool.
    pub lb_url: String,
    /// The way to the Incus daemon.
    pub incus: IncusSettings,
    /// Where numbers come from.
    pub source: SourceSettings,
    /// The migrations to judge.
    pub migrations: MigrationSettings,
    /// The directory of the journals.
    pub state_dir: PathBuf,
    /// Who is responsible.
    pub actor: String,
    /// Why the change is made.
    pub reason: Option<String>,
    /// Every setting with its origin.
    pub layers: Layers,
}

/// The way to the Incus daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncusSettings {
    /// Socket or HTTPS.
    pub endpoint: IncusEndpoint,
    /// The project of the instances.
    pub project: String,
}

/// How the daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncusEndpoint {
    /// Through its Unix socket.
    Socket(PathBuf),
    /// Over HTTPS, with certificates from files.
    Https {
        /// The address.
        url: String,
        /// The client's certificate.
        client_cert: PathBuf,
        /// The client's key.
        client_key: PathBuf,
        /// The daemon's own certificate.
        server_cert: PathBuf,
    },
}

/// Where numbers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSettings {
    /// A Prometheus server.
    Prometheus {
        /// Its address.
        url: String,
        /// The label that names the node.
        node_label: Option<MetricName>,
        /// The file with the bearer token.
        bearer_token_file: Option<PathBuf>,
    },
    /// The nodes' own metrics pages.
    Metrics {
        /// The port.
        port: u16,
        /// The path.
        path: HttpPath,
    },
}

/// The migrations to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSettings {
    /// The directory.
    pub dir: PathBuf,
    /// Whether somebody named the directory; only then is a missing one a mistake.
    pub dir_named: bool,
    /// New is what this git reference does not have.
    pub base: String,
    /// The convention of the files, one of [`CONVENTIONS`].
    pub convention: String,
    /// Whether refused migrations are let pass.
    pub force: bool,
}

impl Settings {
    /// Reads all layers and checks them.
    ///
    /// # Errors
    /// Every problem of every layer at once, as a usage error.
    pub fn read(
        named: Option<&Path>,
        matches: Option<&ArgMatches>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let (layers, problems) = layers::layer(named, matches, environment);
        Self::checked(layers, problems, environment)
    }

    /// Reads all layers where the nodes are still to be found: those that were named come apart, and the
    /// settings have no peers.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub(crate) fn read_apart_from_nodes(
        named: Option<&Path>,
        matches: Option<&ArgMatches>,
        environment: &Environment,
    ) -> Result<(Self, NamedNodes), CommandError> {
        let (mut layers, problems) = layers::layer(named, matches, environment);
        let nodes = layers.take_nodes();
        Ok((Self::checked(layers, problems, environment)?, nodes))
    }

    fn checked(
        layers: Layers,
        mut problems: Vec<Problem>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        problems.extend(check::contradictions(&layers));
        if !problems.is_empty() {
            return Err(CommandError::settings(problems));
        }
        let settings = build::build(layers, environment);
        let left = settings.spec.problems();
        if left.is_empty() {
            return Ok(settings);
        }
        let problem = |message: String| {
            Problem::new(message, "`canary-cli doctor --settings` shows where each value comes from")
        };
        Err(CommandError::settings(left.into_iter().map(problem).collect()))
    }
}
