//! From settings to live backends. Nothing is connected here but to ask for the nodes' addresses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canary_core::engine::{Backends, Check};
use canary_core::fleet::NodeId;
use canary_core::journal::MemoryJournal;
use canary_core::spec::RolloutSpec;
use canary_core::traits::{Clock, EventSink, Journal, LoadBalancer, SliSource, SystemClock};
use canary_haproxy::codec::SocketLevel;
use canary_haproxy::{HaproxyConfig, HaproxyLoadBalancer, TcpTransport, Transport, UnixTransport};
use canary_incus::{
    Endpoint, IncusClient, IncusConfig, IncusExecTransport, IncusNodeRuntime, ProjectName, ServiceConfig,
};
use canary_postgres::{Force, GateConfig, MigrationFilesGate};
use canary_prom::{MetricsConfig, MetricsSource, PrometheusConfig, PrometheusSource};

use crate::environment::Environment;
use crate::error::{CommandError, chain};
use crate::settings::{HaproxyAddress, IncusEndpoint, Key, Settings, SourceSettings};

/// The backends of one fleet, also as what they are, for `doctor`.
#[derive(Debug)]
pub struct Fleet {
    /// The Incus daemon.
    pub incus: IncusClient,
    /// The balancer.
    pub haproxy: Arc<HaproxyLoadBalancer>,
    /// The nodes.
    pub nodes: Arc<IncusNodeRuntime>,
    /// The metrics store, where numbers come from one.
    pub prometheus: Option<PrometheusSource>,
    source: Option<Arc<dyn SliSource>>,
    /// Why there is no source although something is watched.
    pub source_problem: Option<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Fleet {
    /// Sets the backends up.
    ///
    /// # Errors
    /// What in the settings cannot be used: certificates, token files, addresses.
    pub async fn of(settings: &Settings) -> Result<Self, CommandError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let incus = IncusClient::new(&incus(settings)?).map_err(|e| unusable(settings, Key::IncusUrl, &e))?;
        let haproxy = Arc::new(haproxy(settings, &incus)?);
        let service = ServiceConfig { target: settings.target.clone(), unit: settings.unit.clone() };
        let nodes = Arc::new(IncusNodeRuntime::new(incus.clone(), service));
        let mut fleet =
            Self { incus, haproxy, nodes, prometheus: None, source: None, source_problem: None, clock };
        if settings.spec.watch.is_some() {
            fleet.connect_source(settings).await?;
        }
        Ok(fleet)
    }

    /// What the engine works with.
    #[must_use]
    pub fn backends(&self, journal: Option<Arc<dyn Journal>>, sinks: Vec<Arc<dyn EventSink>>) -> Backends {
        Backends {
            lb: Arc::<HaproxyLoadBalancer>::clone(&self.haproxy),
            nodes: Arc::<IncusNodeRuntime>::clone(&self.nodes),
            sli: self.source.clone(),
            journal: journal.unwrap_or_else(|| Arc::new(MemoryJournal::new(Arc::clone(&self.clock)))),
            sinks,
            clock: Arc::clone(&self.clock),
        }
    }

    /// What HAProxy says of itself; a socket that may not change anything stops a rollout before it begins.
    pub async fn haproxy_checks(&self) -> Vec<Check> {
        let name = "haproxy";
        let description = match self.haproxy.describe().await {
            Ok(description) => description,
            Err(error) => return vec![Check::failed(name, error.chain())],
        };
        let text = description.to_string();
        let mut checks = vec![if description.level < SocketLevel::Admin {
            Check::failed(
                name,
                format!("{text}; the socket must be \"level admin\" in HAProxy's configuration"),
            )
        } else {
            Check::ok(name, text)
        }];
        checks.extend(description.warnings.into_iter().map(|warning| Check::warn(name, warning)));
        checks
    }

    async fn connect_source(&mut self, settings: &Settings) -> Result<(), CommandError> {
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
            SourceSettings::Metrics { port, path } => {
                match self.pages(&settings.spec, *port, path.as_str()).await {
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
        spec: &RolloutSpec,
        port: u16,
        path: &str,
    ) -> Result<Vec<(NodeId, String)>, String> {
        let pool = self.haproxy.servers().await.map_err(|error| error.chain())?;
        let page = |node: &NodeId| {
            let address = pool.server(node).and_then(|server| server.address.as_deref());
            let address = address.ok_or_else(|| format!("pool {} tells no address of {node}", pool.pool))?;
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let host = if host.contains(':') && !host.starts_with('[') {
                format!("[{host}]")
            } else {
                host.to_owned()
            };
            Ok((node.clone(), format!("http://{host}:{port}{path}")))
        };
        spec.nodes().map(page).collect()
    }
}

/// The balancer alone.
///
/// # Errors
/// What in its settings cannot be used.
pub fn balancer(settings: &Settings) -> Result<HaproxyLoadBalancer, CommandError> {
    let incus = IncusClient::new(&incus(settings)?).map_err(|e| unusable(settings, Key::IncusUrl, &e))?;
    haproxy(settings, &incus)
}

fn incus(settings: &Settings) -> Result<IncusConfig, CommandError> {
    let endpoint = match &settings.incus.endpoint {
        IncusEndpoint::Socket(path) => Endpoint::Unix(path.clone()),
        IncusEndpoint::Https { url, client_cert, client_key, server_cert } => Endpoint::Https {
            url: url.clone(),
            client_cert_pem: secret_file(settings, Key::IncusClientCert, client_cert)?,
            client_key_pem: secret_file(settings, Key::IncusClientKey, client_key)?,
            server_cert_pem: secret_file(settings, Key::IncusServerCert, server_cert)?,
        },
    };
    let mut config = IncusConfig::new(endpoint);
    config.project = ProjectName::new(&settings.incus.project)
        .map_err(|error| unusable(settings, Key::IncusProject, &error))?;
    Ok(config)
}

fn haproxy(settings: &Settings, incus: &IncusClient) -> Result<HaproxyLoadBalancer, CommandError> {
    let transport: Box<dyn Transport> = match &settings.haproxy {
        HaproxyAddress::Unix(path) => Box::new(UnixTransport::new(path)),
        HaproxyAddress::Tcp { host, port } if host.contains(':') => {
            Box::new(TcpTransport::new(format!("[{host}]:{port}")))
        }
        HaproxyAddress::Tcp { host, port } => Box::new(TcpTransport::new(format!("{host}:{port}"))),
        HaproxyAddress::Instance { name, socket } => {
            let (name, socket) = (name.clone(), socket.clone());
            Box::new(IncusExecTransport::new(incus.clone(), name, socket, canary_haproxy::DEADLINE))
        }
    };
    let config = HaproxyConfig::new(settings.spec.pool.clone())
        .edge_url(&settings.lb_url)
        .map_err(|error| unusable(settings, Key::HaproxyUrl, &error))?;
    Ok(HaproxyLoadBalancer::new(transport, config))
}

/// The gate over the migration files.
///
/// # Errors
/// When a directory was named that does not exist, or the convention is unknown.
pub fn gate(settings: &Settings, environment: &Environment) -> Result<MigrationFilesGate, CommandError> {
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
    config.base.clone_from(&migrations.base);
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
    Ok(MigrationFilesGate::new(config))
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
fn secret_file(settings: &Settings, key: Key, path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|error| {
        let (name, origin) = (key.setting().key, settings.layers.origin(key));
        CommandError::usage(
            format!("{name} ({origin}): cannot read {}: {error}", path.display()),
            "name a file that exists and that this user may read",
        )
    })
}

fn unusable(settings: &Settings, key: Key, error: &dyn std::error::Error) -> CommandError {
    let (name, origin) = (key.setting().key, settings.layers.origin(key));
    CommandError::usage(format!("{name} ({origin}): {}", chain(error)), "correct the setting")
}
