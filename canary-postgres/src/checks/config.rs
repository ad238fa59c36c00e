//! What is checked, and with what limits.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::{Budgets, Contract};
use crate::describe::Describe;
use crate::drift::Expected;
use crate::live::{DatabaseUrl, Session};
use crate::routing::Routing;

/// The settings of [`check_all`](super::check_all).
#[derive(Debug, Clone)]
pub struct SchemaCheckConfig {
    /// The database that is asked first; tenants may be in others of the same server.
    pub url: DatabaseUrl,
    /// How connections behave; its role is the application's.
    pub session: Session,
    /// The most connections for everything but the load.
    pub connections: usize,
    /// Where the tenants are.
    pub routing: Routing,
    /// The schemas that the service's connections look names up in; `{schema}` is the tenant's own.
    pub search_path: Vec<String>,
    /// What the service's sources say; without it only schemas and isolation are checked.
    pub contract: Option<Arc<Contract>>,
    /// What queries and pool may take.
    pub budgets: Budgets,
    /// The size of the service's pool, when its sources do not decide it.
    pub pool: Option<u64>,
    /// Requests a second of the load.
    pub rate: u32,
    /// How many requests; none with 0. A watch's probe sends a tenth.
    pub requests: u32,
    /// Instances of the service that serve.
    pub instances: u64,
    /// Instances of the release that run beside them for a while.
    pub canaries: u64,
    /// Connections left for people and other services.
    pub reserve: u64,
    /// The schema hashes that are expected.
    pub expected: Expected,
    /// How long everything may take.
    pub limit: Duration,
}

impl SchemaCheckConfig {
    /// The defaults for a database and its tenants.
    #[must_use]
    pub fn new(url: DatabaseUrl, routing: Routing) -> Self {
        Self {
            url,
            session: Session::default(),
            connections: 8,
            routing,
            search_path: vec!["{schema}".to_owned(), "public".to_owned()],
            contract: None,
            budgets: Budgets::default(),
            pool: None,
            rate: 200,
            requests: 1000,
            instances: 2,
            canaries: 1,
            reserve: 5,
            expected: Expected::default(),
            limit: Duration::from_secs(60),
        }
    }

    pub(super) fn describe(&self) -> Describe {
        Describe {
            session: self.session.clone(),
            search_path: self.search_path.clone(),
            connections: self.connections,
        }
    }

    pub(super) fn role(&self) -> Option<&str> {
        self.session.role.as_deref()
    }
}
