//! The live schemas to check.

use std::path::PathBuf;
use std::time::Duration;

use canary_postgres::live::{BadDatabaseUrl, DatabaseUrl};

/// Where the database's address, a secret, is.
#[derive(Debug, Clone)]
pub enum UrlSource {
    /// In a file that holds nothing else.
    File(PathBuf),
    /// In an environment variable.
    Variable {
        /// Its name.
        name: String,
        /// What it holds.
        url: Box<Result<DatabaseUrl, BadDatabaseUrl>>,
    },
}

impl UrlSource {
    /// The address.
    ///
    /// # Errors
    /// What is wrong with it, without its text.
    pub fn read(&self) -> Result<DatabaseUrl, BadDatabaseUrl> {
        match self {
            Self::File(path) => DatabaseUrl::read(path),
            Self::Variable { url, .. } => url.as_ref().clone(),
        }
    }
}

/// The live schemas to check.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// The database that is asked first; without it nothing is checked.
    pub url: Option<UrlSource>,
    /// The service's role.
    pub role: Option<String>,
    /// The pattern of the tenants' schemas.
    pub schemas: String,
    /// The query for the routing table.
    pub routing_query: Option<String>,
    /// The file with the routing table.
    pub routing_file: Option<PathBuf>,
    /// The schemas in which names are looked up.
    pub search_path: Vec<String>,
    /// The contract's lock file.
    pub contract: PathBuf,
    /// Whether somebody named it; only then is a missing one a mistake.
    pub contract_named: bool,
    /// The most connections.
    pub connections: usize,
    /// The longest statement.
    pub statement_timeout: Duration,
    /// The longest wait for a lock.
    pub lock_timeout: Duration,
    /// The longest that everything may take.
    pub limit: Duration,
    /// Instances that serve.
    pub instances: u64,
    /// The connections of one instance.
    pub pool: Option<u64>,
    /// Connections that are left.
    pub reserve: u64,
    /// Requests of the load.
    pub load_requests: u32,
    /// Requests of the load a second.
    pub load_rate: u32,
    /// The budget of the latency.
    pub p99: Option<Duration>,
    /// The budget of the wait for a connection.
    pub acquire_p99: Option<Duration>,
    /// The budget of the pool's use, in percent.
    pub pool_utilisation: Option<u32>,
}
