//! HAProxy in front of systemd services in Incus instances: the runbook's fleet.

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::engine::Check;
use canary_haproxy::codec::SocketLevel;
use canary_haproxy::{HaproxyConfig, HaproxyLoadBalancer, TcpTransport, Transport, UnixTransport};
use canary_incus::{
    Endpoint, IncusClient, IncusConfig, IncusExecTransport, IncusNodeRuntime, ProjectName, ServiceConfig,
};

use super::{Connected, FleetBackend, SelfCheck, SelfReport};
use crate::error::CommandError;
use crate::settings::{HaproxyAddress, IncusEndpoint, Key, Settings};
use crate::wiring::{secret_file, unusable};

/// Its name in `fleet.backend`.
pub(crate) const NAME: &str = "haproxy-incus";

/// The kind.
#[derive(Debug)]
pub(super) struct HaproxyIncus;

#[async_trait]
impl FleetBackend for HaproxyIncus {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn connect(&self, settings: &Settings) -> Result<Connected, CommandError> {
        let incus = IncusClient::new(&incus(settings)?).map_err(|e| unusable(settings, Key::IncusUrl, &e))?;
        let haproxy = Arc::new(haproxy(settings, &incus)?);
        let service = ServiceConfig { target: settings.target.clone(), unit: settings.unit.clone() };
        let nodes = Arc::new(IncusNodeRuntime::new(incus.clone(), service));
        let lb = Arc::<HaproxyLoadBalancer>::clone(&haproxy);
        Ok(Connected { doctor: Arc::new(Servers { incus, haproxy }), ..Connected::new(lb, nodes) })
    }
}

/// The two servers that the fleet is reached through.
#[derive(Debug)]
struct Servers {
    incus: IncusClient,
    haproxy: Arc<HaproxyLoadBalancer>,
}

#[async_trait]
impl SelfCheck for Servers {
    async fn look(&self) -> SelfReport {
        let (incus, haproxy) = tokio::join!(self.incus.server(), self.haproxy_checks());
        let mut checks = vec![match incus {
            Ok(info) => Check::ok("incus", format!("{} {} on {}", info.program, info.version, info.name)),
            Err(error) => Check::failed("incus", error.chain()),
        }];
        checks.extend(haproxy);
        SelfReport::new(checks)
    }
}

impl Servers {
    /// What HAProxy says of itself; a socket that may not change anything stops a rollout before it begins.
    async fn haproxy_checks(&self) -> Vec<Check> {
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
