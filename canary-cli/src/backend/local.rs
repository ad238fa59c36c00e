//! Processes of this host behind a balancer, both held by `canary-cli serve`.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::engine::Check;
use canary_core::fleet::NodeId;
use canary_core::traits::ErrorKind;
use canary_local::{HolderFacts, LocalClient, LocalClientConfig};

use super::{Connected, FleetBackend, SelfCheck, SelfReport};
use crate::error::{CommandError, ErrorKind as CommandErrorKind, chain};
use crate::settings::Settings;

/// Its name in `fleet.backend`.
pub(crate) const NAME: &str = "local";

/// The kind.
#[derive(Debug)]
pub(super) struct Local;

#[async_trait]
impl FleetBackend for Local {
    fn name(&self) -> &'static str {
        NAME
    }

    fn nodes(&self, settings: &Settings) -> Option<Vec<NodeId>> {
        Some(settings.local.nodes.iter().map(|(node, _)| node.clone()).collect())
    }

    async fn connect(&self, settings: &Settings) -> Result<Connected, CommandError> {
        let local = &settings.local;
        let config = LocalClientConfig { socket: local.socket.clone(), stop_timeout: local.stop_timeout };
        let client = LocalClient::new(config)
            .map_err(|error| CommandError::new(CommandErrorKind::Refused, chain(&error), ""))?;
        let client = Arc::new(client);
        let addresses = local.nodes.iter().map(|(node, address)| (node.clone(), address.to_string()));
        let holder = Holder {
            client: Arc::clone(&client),
            file: settings.layers.file.clone(),
            pool: settings.spec.pool.to_string(),
            nodes: settings.spec.nodes().cloned().collect(),
        };
        Ok(Connected {
            addresses: Some(addresses.collect()),
            doctor: Arc::new(holder),
            ..Connected::new(Arc::<LocalClient>::clone(&client), client)
        })
    }
}

/// The process that holds the fleet.
#[derive(Debug)]
struct Holder {
    client: Arc<LocalClient>,
    file: Option<PathBuf>,
    pool: String,
    nodes: Vec<NodeId>,
}

#[async_trait]
impl SelfCheck for Holder {
    async fn look(&self) -> SelfReport {
        const CHECK: &str = "holder";
        let facts = match self.client.about().await {
            Ok(facts) => facts,
            Err(error) if error.kind() == ErrorKind::Unreachable => {
                let socket = self.client.socket().display();
                let text = format!("nobody listens at {socket}: start the fleet with `{}`", self.command());
                return SelfReport::unreachable(Check::failed(CHECK, text));
            }
            Err(error) => return SelfReport::unreachable(Check::failed(CHECK, error.chain())),
        };
        let HolderFacts { version, pid, pool, url, .. } = &facts;
        let text = format!("canary-local {version}, process {pid}, pool {pool} at {url}");
        SelfReport::new(vec![match self.contradiction(&facts) {
            None => Check::ok(CHECK, text),
            Some(why) => Check::failed(CHECK, format!("{text}; {why}: restart it with the settings of now")),
        }])
    }
}

impl Holder {
    /// What the holder was started with and the settings do not say any more.
    fn contradiction(&self, facts: &HolderFacts) -> Option<String> {
        if facts.pool.as_str() != self.pool {
            return Some(format!("the settings name the pool {}", self.pool));
        }
        let missing = self.nodes.iter().find(|node| !facts.nodes.contains(node))?;
        Some(format!("it has no node {missing}"))
    }

    /// What starts it, with the file that was read now.
    fn command(&self) -> String {
        match &self.file {
            Some(file) if file.as_os_str() != "canary.toml" => {
                format!("canary-cli serve -f {}", file.display())
            }
            _ => "canary-cli serve".to_owned(),
        }
    }
}
