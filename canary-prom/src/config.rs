//! How a Prometheus is reached, and what its labels mean.

use std::fmt;
use std::time::Duration;

use canary_core::fleet::MetricName;
use canary_http::{HttpClient, Tls};

/// The settings of a [`crate::PrometheusSource`].
#[derive(Clone)]
pub struct PrometheusConfig {
    /// The server's base URL (`http://prom.lxd:9090`), with a path prefix where it has one; `user:password@` is used
    /// for basic authentication and never shown.
    pub url: String,
    /// The label that holds a node's name, alone or with a port (`instance`); without it only the pool can be judged.
    pub node_label: Option<MetricName>,
    /// Labels that every series must have, with their values (`job` = `api`); not applied to the operator's own
    /// expressions.
    pub matchers: Vec<(MetricName, String)>,
    /// The deadline of one request; default 10 s. A sample takes at most two, one after the other.
    pub timeout: Duration,
    /// A reading whose newest sample is older than this is stale; default 2 min, twice Prometheus's default scrape
    /// interval.
    pub stale_after: Duration,
    /// A bearer token, never shown.
    pub bearer_token: Option<String>,
    /// Whom to trust.
    pub tls: Tls,
}

impl PrometheusConfig {
    /// The defaults, for the server at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            node_label: None,
            matchers: Vec::new(),
            timeout: Duration::from_secs(10),
            stale_after: Duration::from_secs(120),
            bearer_token: None,
            tls: Tls::default(),
        }
    }

    /// The client that these settings describe, once they are checked.
    pub(crate) fn client(&self) -> Result<HttpClient, ConfigError> {
        for label in self.node_label.iter().chain(self.matchers.iter().map(|(label, _)| label)) {
            if label.as_str().contains(':') {
                return Err(ConfigError::Label { label: label.to_string() });
            }
        }
        let mut builder =
            HttpClient::builder("prometheus").base_url(&self.url).timeout(self.timeout).tls(self.tls.clone());
        if let Some(token) = &self.bearer_token {
            builder = builder.bearer_token(token);
        }
        Ok(builder.build()?)
    }
}

impl fmt::Debug for PrometheusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusConfig")
            .field("node_label", &self.node_label)
            .field("matchers", &self.matchers)
            .field("timeout", &self.timeout)
            .field("stale_after", &self.stale_after)
            .finish_non_exhaustive()
    }
}

/// Says which setting of a source cannot be used and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A label's name holds a colon, which only metric names may.
    #[error("{label:?} is not a label name: ':' is only allowed in metric names")]
    Label {
        /// The refused name.
        label: String,
    },
    /// Two entries for one node.
    #[error("node {node} is listed twice")]
    NodeTwice {
        /// The node.
        node: String,
    },
    /// Nothing to read from.
    #[error("no nodes are listed")]
    NoNodes,
    /// The URL, a header or a certificate.
    #[error(transparent)]
    Http(#[from] canary_http::ConfigError),
}
