//! From settings to live backends. Nothing is connected here but to ask for the nodes' addresses.

mod database;
mod datadog;
mod tenants;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canary_core::engine::Backends;
use canary_core::fleet::NodeId;
use canary_core::journal::{MemoryJournal, RunningRelease};
use canary_core::traits::{Clock, EventSink, Journal, ReleaseCheck, SliSource, SystemClock};
use canary_postgres::shadow::Shadow;
use canary_postgres::{Base, ContractStore, Force, GateConfig, Locks, MigrationFilesGate, SchemaGate};
use canary_prom::{MetricsConfig, MetricsSource, PrometheusConfig, PrometheusSource};

use crate::announcing::Bell;
use crate::backend::{Connected, SelfReport};
use crate::environment::Environment;
use crate::error::{CommandError, chain};
use crate::settings::{Key, Settings, SourceSettings};

pub(crate) use database::schema_checks;

/// The backends of one fleet, of whatever kind.
#[derive(Debug)]
pub struct Fleet {
    connected: Connected,
    /// The metrics store, where numbers come from one.
    pub prometheus: Option<PrometheusSource>,
    source: Option<Arc<dyn SliSource>>,
    checks: Vec<Arc<dyn ReleaseCheck>>,
    /// Why there is no source although something is watched.
    pub source_problem: Option<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Rings at every decision by tenants.
    pub(crate) bell: Bell,
}

impl Fleet {
    /// Sets the backends up.
    ///
    /// # Errors
    /// What in the settings cannot be used: certificates, token files, addresses.
    pub async fn of(settings: &Settings) -> Result<Self, CommandError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let connected = settings.backend.connect(settings).await?;
        let mut checks = database::release_checks(settings);
        let bell = Bell::default();
        checks.extend(tenants::release_check(settings, &bell));
        let mut fleet =
            Self { connected, prometheus: None, source: None, checks, source_problem: None, clock, bell };
        if settings.spec.watch.is_some() {
            fleet.connect_source(settings).await?;
        }
        Ok(fleet)
    }

    /// What the engine works with.
    #[must_use]
    pub fn backends(&self, journal: Option<Arc<dyn Journal>>, sinks: Vec<Arc<dyn EventSink>>) -> Backends {
        Backends {
            lb: Arc::clone(&self.connected.lb),
            nodes: Arc::clone(&self.connected.nodes),
            sli: self.source.clone(),
            checks: self.checks.clone(),
            journal: journal.unwrap_or_else(|| Arc::new(MemoryJournal::new(Arc::clone(&self.clock)))),
            sinks,
            clock: Arc::clone(&self.clock),
        }
    }

    /// What the fleet says of itself.
    pub async fn look(&self) -> SelfReport {
        self.connected.doctor.look().await
    }

    async fn connect_source(&mut self, settings: &Settings) -> Result<(), CommandError> {
        if let (Some(own), false) = (&self.connected.sli, settings.layers.is_written(Key::WatchSource)) {
            self.source = Some(Arc::clone(own));
            return Ok(());
        }
        match &settings.source {
            SourceSettings::Prometheus { url, node_label, bearer_token_file } => {
                let mut config = PrometheusConfig::new(url);
                config.node_label.clone_from(node_label);
                config.bearer_token =
                    bearer_token_file.as_deref().map(|path| token(settings, path)).transpose()?;
                let source =
                    PrometheusSource::new(config).map_err(|e| unusable(settings, Key::PrometheusUrl, &e))?;
                self.prometheus = Some(source.clone());
                self.source = Some(Arc::new(source));
            }
            SourceSettings::Datadog(named) => {
                self.source = Some(Arc::new(datadog::slis(settings, named)?));
            }
            SourceSettings::Metrics { port, path } => {
                match self.pages(settings, *port, path.as_str()).await {
                    Ok(pages) => {
                        let source = MetricsSource::new(&MetricsConfig::new(pages))
                            .map_err(|e| unusable(settings, Key::MetricsPath, &e))?;
                        self.source = Some(Arc::new(source));
                    }
                    Err(why) => self.source_problem = Some(why),
                }
            }
        }
        Ok(())
    }

    /// The nodes' metrics pages, at the addresses that the balancer sends requests to.
    async fn pages(
        &self,
        settings: &Settings,
        port: Option<u16>,
        path: &str,
    ) -> Result<Vec<(NodeId, String)>, String> {
        let addresses = match &self.connected.addresses {
            Some(addresses) => addresses.clone(),
            None => {
                let pool = self.connected.lb.servers().await.map_err(|error| error.chain())?;
                let told = |node: &NodeId| {
                    let address = pool.server(node).and_then(|server| server.address.clone());
                    let address =
                        address.ok_or_else(|| format!("pool {} tells no address of {node}", pool.pool))?;
                    Ok((node.clone(), address))
                };
                settings.spec.nodes().map(told).collect::<Result<_, String>>()?
            }
        };
        let page = |(node, address): (NodeId, String)| {
            (
                node,
                format!(
                    "http://{}{path}",
                    port.map_or_else(|| address.clone(), |port| at_port(&address, port))
                ),
            )
        };
        Ok(addresses.into_iter().map(page).collect())
    }
}

/// The same host at another port.
fn at_port(address: &str, port: u16) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.contains(':') && !host.starts_with('[');
    if bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The gate over the migration files: what is new since `running`, unless a base was named.
///
/// # Errors
/// When a directory was named that does not exist, or the convention is unknown.
pub fn gate(
    settings: &Settings,
    environment: &Environment,
    running: Option<&RunningRelease>,
) -> Result<SchemaGate, CommandError> {
    let mut config = gate_config(settings, environment)?;
    // What somebody has named is what they mean.
    if let Some(running) = running.filter(|_| !settings.layers.is_written(Key::MigrationsBase)) {
        config.base = running_base(running);
    }
    schema(settings, config)
}

/// The gate before a rollback: what came since the binary that is to come back. Those migrations have run: what only locks is over.
///
/// # Errors
/// As [`gate`].
pub fn gate_back(
    settings: &Settings,
    environment: &Environment,
    since: &RunningRelease,
) -> Result<SchemaGate, CommandError> {
    let mut config = gate_config(settings, environment)?;
    config.base = running_base(since);
    config.locks = Locks::Warn;
    schema(settings, config)
}

fn running_base(running: &RunningRelease) -> Base {
    Base::Running { revision: running.revision.to_string(), rollout: running.rollout.to_string() }
}

/// How the migrations are read.
///
/// # Errors
/// As [`gate`].
pub(crate) fn gate_config(
    settings: &Settings,
    environment: &Environment,
) -> Result<GateConfig, CommandError> {
    let migrations = &settings.migrations;
    if migrations.dir_named && !migrations.dir.exists() {
        let place = settings.layers.origin(Key::MigrationsDir);
        return Err(CommandError::usage(
            format!("migrations.dir ({place}): there is no directory {}", migrations.dir.display()),
            "name the directory of the migrations, or leave the setting away if there are none",
        ));
    }
    let dir = migrations
        .dir
        .strip_prefix(&environment.directory)
        .map_or_else(|_| migrations.dir.clone(), PathBuf::from);
    let mut config = GateConfig::new(&environment.directory, dir);
    config.base = migrations.base.as_str().into();
    if migrations.convention != "auto" {
        let convention = migrations.convention.parse();
        config.convention = Some(convention.map_err(|e| unusable(settings, Key::MigrationsConvention, &e))?);
    }
    config.force = migrations.force.then(|| {
        let origin = settings.layers.origin(Key::ForceMigrate);
        let reason =
            settings.reason.clone().unwrap_or_else(|| format!("no reason given; forced by {origin}"));
        Force { actor: settings.actor.clone(), reason }
    });
    config.allow.clone_from(&migrations.allow);
    if migrations.locks_only_warn {
        config.locks = Locks::Warn;
    }
    Ok(config)
}

fn schema(settings: &Settings, config: GateConfig) -> Result<SchemaGate, CommandError> {
    let migrations = &settings.migrations;
    let mut gate =
        SchemaGate::new(MigrationFilesGate::new(config), contracts(settings)).within(migrations.limit);
    if let Some(shadow) = shadow(settings)? {
        gate = gate.with_shadow(shadow);
        if let (true, Some(live)) = (migrations.shadow_of_live, database::live_schemas(settings)?) {
            gate = gate.with_live(live);
        }
    }
    if migrations.accepts_proof {
        gate = gate.accepting_proof();
    }
    Ok(gate)
}

/// How shadow runs are made; `None` where they are off.
///
/// # Errors
/// An address that cannot be read.
pub(crate) fn shadow(settings: &Settings) -> Result<Option<Shadow>, CommandError> {
    let role = settings.migrations.shadow_role.clone();
    let server = database::shadow_server(settings)?;
    Ok(server.map(|server| Shadow { server, role, ..Shadow::default() }))
}

/// What the binaries that were released ask of the database.
#[must_use]
pub fn contracts(settings: &Settings) -> ContractStore {
    ContractStore::at(settings.state_dir.join(settings.spec.service.as_str()).join("contracts"))
}

/// Reads the Prometheus token.
fn token(settings: &Settings, path: &Path) -> Result<String, CommandError> {
    let text = secret_file(settings, Key::BearerTokenFile, path)?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(CommandError::usage(
            format!(
                "{} ({}): the file holds no token",
                path.display(),
                settings.layers.origin(Key::BearerTokenFile)
            ),
            "write the token alone into the file",
        ));
    }
    Ok(token.to_owned())
}

/// Reads a file whose text is never shown.
pub(crate) fn secret_file(settings: &Settings, key: Key, path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|error| {
        let (name, origin) = (key.setting().key, settings.layers.origin(key));
        CommandError::usage(
            format!("{name} ({origin}): cannot read {}: {error}", path.display()),
            "name a file that exists and that this user may read",
        )
    })
}

/// A setting whose value cannot be used, with its origin.
pub(crate) fn unusable(settings: &Settings, key: Key, error: &dyn std::error::Error) -> CommandError {
    let (name, origin) = (key.setting().key, settings.layers.origin(key));
    CommandError::usage(format!("{name} ({origin}): {}", chain(error)), "correct the setting")
}
