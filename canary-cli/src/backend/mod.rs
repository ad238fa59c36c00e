//! What a fleet can be made of: the kinds that `fleet.backend` can name, and how each becomes live backends.
//!
//! ```text
//! fleet.backend = "NAME" ─► Registry ─► FleetBackend ─► connect(settings) ─► Connected { lb, nodes, … } ─► Fleet
//! ```

pub(crate) mod haproxy_incus;
pub(crate) mod local;
mod own;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::engine::Check;
use canary_core::fleet::NodeId;
use canary_core::traits::{LoadBalancer, NodeRuntime, SliSource};

pub(crate) use own::File;
pub use own::OwnSettings;

use crate::error::CommandError;
use crate::settings::Settings;

/// A kind of fleet.
///
/// A program adds its own with [`crate::Cli::with_backend`]; the settings of such a kind stand in the file's table
/// `[backend.NAME]`, read by [`OwnSettings::read`].
#[async_trait]
pub trait FleetBackend: Debug + Send + Sync + 'static {
    /// Its name in `fleet.backend`: letters, digits, `-` and `_`.
    fn name(&self) -> &'static str;

    /// The nodes, where the settings themselves say which there are, so that `init` need not ask the balancer.
    fn nodes(&self, _settings: &Settings) -> Option<Vec<NodeId>> {
        None
    }

    /// Sets the backends up. What they talk to need not answer yet.
    ///
    /// # Errors
    /// What in the settings cannot be used, with the place it was written at.
    async fn connect(&self, settings: &Settings) -> Result<Connected, CommandError>;
}

/// The backends of one fleet.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The balancer.
    pub lb: Arc<dyn LoadBalancer>,
    /// The nodes.
    pub nodes: Arc<dyn NodeRuntime>,
    /// Where numbers come from, unless `watch.source` is set; without one, what `watch.source` stands for is used.
    pub sli: Option<Arc<dyn SliSource>>,
    /// The nodes' addresses (`127.0.0.1:8081`), for their metrics pages; without them the balancer is asked.
    pub addresses: Option<Vec<(NodeId, String)>>,
    /// What it says of itself.
    pub doctor: Arc<dyn SelfCheck>,
}

impl Connected {
    /// A balancer and nodes; numbers come from where `watch.source` says, and there is nothing to say of itself.
    #[must_use]
    pub fn new(lb: Arc<dyn LoadBalancer>, nodes: Arc<dyn NodeRuntime>) -> Self {
        Self { lb, nodes, sli: None, addresses: None, doctor: Arc::new(NothingToSay) }
    }
}

/// What a fleet says of itself beside the pre-flight of every fleet.
#[async_trait]
pub trait SelfCheck: Debug + Send + Sync + 'static {
    /// Looks, and changes nothing; within some seconds.
    async fn look(&self) -> SelfReport;
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfReport {
    /// The checks; one that failed stops a rollout.
    pub checks: Vec<Check>,
    /// Whether the fleet can be asked at all; if not, nothing else is looked at.
    pub reachable: bool,
}

impl SelfReport {
    /// The checks of a fleet that can be asked.
    #[must_use]
    pub const fn new(checks: Vec<Check>) -> Self {
        Self { checks, reachable: true }
    }

    /// The one check of a fleet that cannot be asked.
    #[must_use]
    pub fn unreachable(check: Check) -> Self {
        Self { checks: vec![check], reachable: false }
    }
}

#[derive(Debug)]
struct NothingToSay;

#[async_trait]
impl SelfCheck for NothingToSay {
    async fn look(&self) -> SelfReport {
        SelfReport::new(Vec::new())
    }
}

/// The kinds of fleets that a program knows.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Canary's own come first.
    kinds: Vec<Arc<dyn FleetBackend>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { kinds: vec![Arc::new(haproxy_incus::HaproxyIncus), Arc::new(local::Local)] }
    }
}

/// How many kinds are canary's own.
const OWN: usize = 2;

impl Registry {
    /// Adds a kind, in the place of an earlier one of the same name.
    pub(crate) fn add(&mut self, backend: Arc<dyn FleetBackend>) {
        match self.kinds.iter_mut().find(|kind| kind.name() == backend.name()) {
            Some(kind) => *kind = backend,
            None => self.kinds.push(backend),
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn FleetBackend>> {
        self.kinds.iter().find(|kind| kind.name() == name)
    }

    /// The names of all kinds.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.iter().map(|kind| kind.name())
    }

    /// The names of the kinds whose settings stand in a table of their own, `[backend.NAME]`.
    pub(crate) fn with_own_settings(&self) -> impl Iterator<Item = &'static str> {
        self.names().skip(OWN)
    }

    /// The kind that holds when nobody names one.
    pub(crate) fn first(&self) -> &Arc<dyn FleetBackend> {
        &self.kinds[0]
    }
}
