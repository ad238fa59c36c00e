//! A throw-away PostgreSQL server: its own data directory, a Unix socket that only its owner reaches, gone when dropped.
//!
//! ```text
//!  Cluster ── keeper thread ──┬─ <parent>/canary-pg-<random>.lock   held for as long as this process lives
//!                             ├─ <parent>/canary-pg-<random>/       data, socket, log; mode 0700
//!                             └─ postgres                            child of the thread; told to end when the thread dies
//! ```
//!
//! What holds after a `kill -9` of this process: the kernel ends the server (`setpriv --pdeathsig`, Linux), its directory stays
//! behind, and the next [`Cluster::start`] below the same parent removes it, with whatever server should still run in it.
//! Without `setpriv` the server itself stays until then.

mod config;
mod error;
mod keeper;
mod leftovers;
mod programs;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

pub use config::ClusterConfig;
pub use error::ClusterError;
pub use leftovers::{Leftover, remove_leftovers};

use crate::live::quote_identifier;
use keeper::Keeper;
pub(crate) use programs::Programs;

/// The superuser of every throw-away server.
const SUPERUSER: &str = "postgres";

/// The longest one administrative statement may take: `CREATE DATABASE … TEMPLATE` waits 5 s for others to leave.
const STATEMENT: Duration = Duration::from_secs(30);

/// A running throw-away PostgreSQL server.
///
/// Dropping it stops the server and removes its directory, and blocks for as long as that takes (some 50 ms, 10 s at most);
/// [`Cluster::stop`] does the same without blocking and says what went wrong.
#[derive(Debug)]
pub struct Cluster {
    keeper: Keeper,
}

impl Cluster {
    /// Makes a data directory and starts a server in it; takes some 1.2 s.
    ///
    /// As root the server runs as the system's user `postgres`, since it refuses root; otherwise as oneself.
    ///
    /// # Errors
    /// No server programs, no user to run them as, a directory that cannot be made, a server that does not come up in time.
    /// Nothing is left behind.
    pub async fn start(config: ClusterConfig) -> Result<Self, ClusterError> {
        let (told, started) = tokio::sync::oneshot::channel();
        let keeper = Keeper::spawn(config, told)?;
        let keeper =
            started.await.map_err(|_| ClusterError::Keeper)?.map(|running| keeper.holding(running))?;
        Ok(Self { keeper })
    }

    /// The directory of its Unix socket.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        &self.keeper.running().directory
    }

    /// The port, which only names the socket: it listens on no network.
    #[must_use]
    pub const fn port(&self) -> u16 {
        keeper::PORT
    }

    /// The superuser's name; no password is asked for on the socket.
    #[must_use]
    pub const fn user(&self) -> &'static str {
        SUPERUSER
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.keeper.running().pid
    }

    /// The server's major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.keeper.running().programs.major
    }

    /// What processes that were killed had left behind below the same parent, and was found at its start.
    #[must_use]
    pub fn leftovers(&self) -> &[Leftover] {
        &self.keeper.running().leftovers
    }

    /// Where its programs are (`psql`, `pg_dump`).
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.keeper.running().programs.directory
    }

    /// How to reach one of its databases, for tokio-postgres.
    #[must_use]
    pub fn params(&self, database: &str) -> tokio_postgres::Config {
        let mut params = tokio_postgres::Config::new();
        params
            .host_path(self.socket_directory())
            .port(self.port())
            .user(SUPERUSER)
            .dbname(database)
            .connect_timeout(Duration::from_secs(10));
        params
    }

    /// How to reach one of its databases, as a URL for other clients (`psql`, sqlx).
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket = percent(&self.socket_directory().display().to_string());
        format!("postgresql://{SUPERUSER}@/{}?host={socket}&port={}", percent(database), self.port())
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// What the server answered: the name is taken (42P04), the disk is full.
    pub async fn create_database(&self, name: &str) -> Result<(), ClusterError> {
        self.administer(&format!("CREATE DATABASE {}", quote_identifier(name))).await
    }

    /// Makes a copy of a database, which nobody may be connected to.
    ///
    /// # Errors
    /// What the server answered: the name is taken (42P04), the template is in use (55006).
    pub async fn copy_database(&self, template: &str, name: &str) -> Result<(), ClusterError> {
        self.administer(&format!(
            "CREATE DATABASE {} TEMPLATE {}",
            quote_identifier(name),
            quote_identifier(template)
        ))
        .await
    }

    /// Removes a database, with whoever is connected to it; one that is not there is fine.
    ///
    /// # Errors
    /// What the server answered.
    pub async fn drop_database(&self, name: &str) -> Result<(), ClusterError> {
        self.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(name))).await
    }

    async fn administer(&self, statement: &str) -> Result<(), ClusterError> {
        let failed = |source| ClusterError::Statement { statement: statement.to_owned(), source };
        let work = async {
            let (client, connection) =
                self.params("postgres").connect(tokio_postgres::NoTls).await.map_err(failed)?;
            let driver = tokio::spawn(connection);
            let done = client.batch_execute(statement).await.map_err(failed);
            driver.abort();
            done
        };
        tokio::time::timeout(STATEMENT, work).await.unwrap_or_else(|_| {
            Err(ClusterError::Deadline { what: statement.to_owned(), after: STATEMENT, log: String::new() })
        })
    }

    /// Stops the server and removes its directory.
    ///
    /// # Errors
    /// What is still there, and why.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        self.keeper.stop().await
    }
}

/// Everything but unreserved characters as `%XX`.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
