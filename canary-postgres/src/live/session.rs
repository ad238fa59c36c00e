//! What every connection is set to before its first statement.

use std::time::Duration;

/// How a connection behaves; the defaults read only, and wait for nothing long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whether the server refuses to write on this connection (`default_transaction_read_only`).
    pub read_only: bool,
    /// The longest one statement may run on the server.
    pub statement_timeout: Duration,
    /// The longest wait for one lock.
    pub lock_timeout: Duration,
    /// The longest an open transaction may sit idle before the server ends it.
    pub idle_in_transaction: Duration,
    /// The longest wait for a connection, its handshake and its settings.
    pub connect_timeout: Duration,
    /// The longest wait for any one call, the server's own limits included; the statement is then cancelled.
    pub call_timeout: Duration,
    /// The role to act as after connecting; as who connects when not set.
    pub role: Option<String>,
    /// The schemas that names without one are looked up in, as names, not as SQL.
    pub search_path: Vec<String>,
    /// How the connection calls itself in `pg_stat_activity`.
    pub application_name: String,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            read_only: true,
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(40),
            role: None,
            search_path: vec!["pg_catalog".to_owned()],
            application_name: "canary".to_owned(),
        }
    }
}
