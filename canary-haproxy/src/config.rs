//! What a balancer needs to be told.

use canary_core::fleet::PoolName;
use canary_http::{ConfigError, HttpClient};

/// Which pool, and where its clients come in.
#[derive(Debug, Clone)]
pub struct HaproxyConfig {
    pub(crate) pool: PoolName,
    pub(crate) edge: Option<HttpClient>,
}

impl HaproxyConfig {
    /// The pool (`backend`) by its name in HAProxy's configuration; without an edge, nothing can be checked through
    /// the balancer.
    #[must_use]
    pub const fn new(pool: PoolName) -> Self {
        Self { pool, edge: None }
    }

    /// Sets where clients come in (`http://haproxy.lxd`): checks through the balancer are sent there.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no http or https URL with a host.
    pub fn edge_url(self, url: &str) -> Result<Self, ConfigError> {
        let client = HttpClient::builder("haproxy").base_url(url).build()?;
        Ok(self.edge_client(client))
    }

    /// Sets where clients come in, with a client of its own trust settings.
    #[must_use]
    pub fn edge_client(mut self, client: HttpClient) -> Self {
        self.edge = Some(client);
        self
    }
}
