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
mod choices;
mod database;
mod fallback;
mod file;
pub mod flags;
mod kind;
mod layers;
mod origin;
mod probing;
mod raw;
pub mod reference;
pub mod schema;
mod setting;
pub(crate) mod suggest;
mod table;
mod template;
mod values;
mod variables;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canary_core::fleet::{HttpPath, MetricName, NodeId, RemotePath, UnitName};
use canary_core::spec::RolloutSpec;
use canary_local::OnStop;
use canary_postgres::Allowance;
use clap::ArgMatches;

pub use address::HaproxyAddress;
pub use choices::CONVENTIONS;
pub use database::{DatabaseSettings, UrlSource};
pub(crate) use kind::assignment;
pub use kind::{Assignments, Kind, Reason, Value};
pub(crate) use layers::NamedNodes;
pub use layers::{Layers, Resolved};
pub use origin::Origin;
pub(crate) use origin::position;
pub use probing::{ProbePlace, ProbingSettings};
pub use table::{Fallback, Key, SETTINGS, Setting};
pub(crate) use template::{found_as_json, template};

use crate::backend::{FleetBackend, OwnSettings, Registry};
use crate::environment::{Environment, Variables};
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
    /// What the fleet is made of.
    pub backend: Arc<dyn FleetBackend>,
    /// The settings of a kind of fleet that is not canary's own.
    pub own: OwnSettings,
    /// The settings of a fleet of processes.
    pub local: LocalSettings,
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
    /// The live schemas to check.
    pub database: DatabaseSettings,
    /// What tenants were promised.
    pub tenants: TenantsSettings,
    /// The migrations to judge.
    pub migrations: MigrationSettings,
    /// The directory of the journals.
    pub state_dir: PathBuf,
    /// The key that signs the journal's head.
    pub signing_key_file: PathBuf,
    /// Where the journals' heads are kept as well.
    pub head_copies: Option<PathBuf>,
    /// How many rollouts' binaries stay in the artifact store.
    pub keep_rollouts: usize,
    /// Who is responsible.
    pub actor: String,
    /// Why the change is made.
    pub reason: Option<String>,
    /// Whom to tell.
    pub notify: NotifySettings,
    /// What the engine shows of itself.
    pub telemetry: TelemetrySettings,
    /// Every setting with its origin.
    pub layers: Layers,
}

/// What tenants were promised, and where it is recorded how that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantsSettings {
    /// The policy; without it no watch decides by tenants.
    pub policy: Option<PathBuf>,
    /// The release, as the metrics name it.
    pub version: Option<String>,
    /// The record of decisions.
    pub decision_log: PathBuf,
    /// This host's name, for the record.
    pub host: String,
    /// What the policy may name: variables with a Datadog's keys.
    pub variables: Variables,
    /// Where their own endpoints are asked from.
    pub probing: ProbingSettings,
}

/// A fleet of processes of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSettings {
    /// The nodes with their processes' addresses.
    pub nodes: Vec<(NodeId, SocketAddr)>,
    /// Where clients come in.
    pub listen: SocketAddr,
    /// The binary of nodes that have none yet.
    pub first: Option<PathBuf>,
    /// The arguments of each process.
    pub args: Vec<String>,
    /// The environment of each process.
    pub env: Assignments,
    /// The file with more of it.
    pub env_file: Option<PathBuf>,
    /// The directory of the nodes.
    pub dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The time between two health checks.
    pub check_interval: Duration,
    /// How long a process may take to end.
    pub stop_timeout: Duration,
    /// How long requests in progress may take at the end.
    pub close_timeout: Duration,
    /// What becomes of the processes then.
    pub on_stop: OnStop,
}

/// What the engine shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// The file its metrics are written to.
    pub textfile: Option<PathBuf>,
    /// Where its metrics are served.
    pub listen: Option<SocketAddr>,
    /// What is logged; `off` for nothing.
    pub log: String,
    /// The collector that gets spans.
    pub otlp_endpoint: Option<String>,
}

/// Whom to tell of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// The webhook's address.
    pub webhook_url: Option<String>,
    /// The file with its signing secrets.
    pub webhook_secret_file: Option<PathBuf>,
    /// The file with the address of a Slack-compatible webhook.
    pub slack_url_file: Option<PathBuf>,
    /// The address of a receiver of `CDEvents`.
    pub cdevents_url: Option<String>,
    /// The file with its bearer token.
    pub cdevents_token_file: Option<PathBuf>,
    /// Datadog's site.
    pub datadog_site: Option<String>,
    /// The file with its API key.
    pub datadog_key_file: Option<PathBuf>,
    /// The address of an Alertmanager.
    pub alertmanager_url: Option<String>,
    /// The file with its bearer token.
    pub alertmanager_token_file: Option<PathBuf>,
    /// `all`, `problems` or `ends`.
    pub on: String,
    /// The environment's name.
    pub environment: String,
    /// When a hold is told.
    pub hold_after: Duration,
    /// How long to wait at the end.
    pub flush_timeout: Duration,
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
        /// The port, where it is the same on all nodes; otherwise that of each node's address.
        port: Option<u16>,
        /// The path.
        path: HttpPath,
    },
    /// A Datadog account.
    Datadog(DatadogSettings),
}

/// The Datadog account that the watch asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatadogSettings {
    /// Its site.
    pub site: String,
    /// The file with its keys.
    pub key_file: Option<PathBuf>,
    /// Where they are otherwise.
    pub variables: Variables,
    /// The tag that names the node.
    pub node_tag: Option<MetricName>,
    /// The metrics behind names of indicators, and the settings that say so.
    pub metrics: Vec<(MetricName, Key, String)>,
    /// The unit of latencies: `ns`, `us`, `ms` or `s`.
    pub latency_unit: String,
}

/// Where migrations are run on a copy of the schema.
#[derive(Debug, Clone)]
pub enum ShadowPlace {
    /// Nowhere.
    Off,
    /// In a throw-away server.
    Local,
    /// On a server that is there already.
    Server {
        /// The setting that says where.
        key: Key,
        /// Its address.
        url: UrlSource,
    },
}

/// The migrations to judge.
#[derive(Debug, Clone)]
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
    /// Whether changes that only lock are warned of, not refused.
    pub locks_only_warn: bool,
    /// The longest that judging them may take.
    pub limit: Duration,
    /// Grants for single refusals; of the command line alone.
    pub allow: Vec<Allowance>,
    /// Where they are run on a copy of the schema.
    pub shadow: ShadowPlace,
    /// Whether that is a copy of the live schemas where a database is named.
    pub shadow_of_live: bool,
    /// The role that the service connects as.
    pub shadow_role: Option<String>,
    /// Whether a clean shadow run lifts refusals of drops.
    pub accepts_proof: bool,
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
        registry: &Registry,
    ) -> Result<Self, CommandError> {
        let (layers, problems) = layers::layer(named, matches, environment, registry);
        Self::checked(layers, problems, environment, registry)
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
        registry: &Registry,
    ) -> Result<(Self, NamedNodes), CommandError> {
        let (mut layers, problems) = layers::layer(named, matches, environment, registry);
        let nodes = layers.take_nodes();
        Ok((Self::checked(layers, problems, environment, registry)?, nodes))
    }

    fn checked(
        mut layers: Layers,
        mut problems: Vec<Problem>,
        environment: &Environment,
        registry: &Registry,
    ) -> Result<Self, CommandError> {
        problems.extend(check::contradictions(&layers, registry));
        if !problems.is_empty() {
            return Err(CommandError::settings(problems));
        }
        layers.warnings.extend(check::idle(&layers));
        let settings = build::build(layers, environment, registry);
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
