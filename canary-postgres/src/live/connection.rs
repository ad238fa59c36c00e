//! One connection.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use canary_core::traits::ErrorKind;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Client, Row, Statement};

use super::quote_identifier;
use super::tls::Tls;
use super::{DatabaseUrl, Failure, Session};

/// The longest wait for the server to take a cancellation.
const CANCEL: Duration = Duration::from_secs(2);

/// A connection with its [`Session`] in force.
///
/// Calls take `&self` and are pipelined: those that wait at the same time go out in the order they were first polled. A call that
/// is given up on is cancelled on the server, and the connection is then broken. Dropping it ends the session.
pub struct Connection {
    client: Client,
    cancel: CancelToken,
    tls: Tls,
    driver: AbortHandle,
    broken: AtomicBool,
    address: String,
    call_timeout: Duration,
}

impl Connection {
    /// Connects and sets the session.
    ///
    /// # Errors
    /// When there is no server, it lets nobody in, or does not take the settings; never with the address's password.
    pub async fn open(url: &DatabaseUrl, session: &Session) -> Result<Self, Failure> {
        let address = url.to_string();
        let mut config = url.config();
        config.application_name(&session.application_name).connect_timeout(session.connect_timeout);
        let tls =
            Tls::new(url.tls()).map_err(|why| Failure::of(ErrorKind::LocalIo, "connect", &address, why))?;
        let connecting = async {
            let (client, driver) = config
                .connect(tls.clone())
                .await
                .map_err(|error| Failure::from_driver("connect", &address, error))?;
            // Ends with the client, or with the connection.
            let driver = tokio::spawn(async move {
                // Whoever waits for an answer is told by its own call.
                let _ = driver.await;
            });
            let cancel = client.cancel_token();
            let connection = Self {
                client,
                cancel,
                tls,
                driver: driver.abort_handle(),
                broken: AtomicBool::new(false),
                address: address.clone(),
                call_timeout: session.call_timeout,
            };
            connection.set_up(session).await?;
            Ok(connection)
        };
        timeout(session.connect_timeout, connecting).await.unwrap_or_else(|_| {
            let waited = format!("no answer within {:?}", session.connect_timeout);
            Err(Failure::of(ErrorKind::TimedOut, "connect", &address, waited))
        })
    }

    async fn set_up(&self, session: &Session) -> Result<(), Failure> {
        if let Some(role) = &session.role {
            self.set("role", role).await?;
        }
        let settings = [
            ("default_transaction_read_only", if session.read_only { "on" } else { "off" }.to_owned()),
            ("statement_timeout", milliseconds(session.statement_timeout)),
            ("lock_timeout", milliseconds(session.lock_timeout)),
            ("idle_in_transaction_session_timeout", milliseconds(session.idle_in_transaction)),
        ];
        for (name, value) in &settings {
            self.set(name, value).await?;
        }
        self.set_search_path(&session.search_path).await
    }

    async fn set(&self, name: &str, value: &str) -> Result<(), Failure> {
        self.query("set the session", "SELECT pg_catalog.set_config($1, $2, false)", &[&name, &value])
            .await?;
        Ok(())
    }

    /// Looks names without a schema up in these schemas from now on.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn set_search_path(&self, schemas: &[String]) -> Result<(), Failure> {
        let path: Vec<_> = schemas.iter().map(|name| quote_identifier(name)).collect();
        // One message, where a function with parameters takes three: it is asked for every tenant.
        let path = if path.is_empty() { "''".to_owned() } else { path.join(", ") };
        self.batch("set the session", &format!("SET search_path TO {path}")).await
    }

    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// When the server refuses, does not answer in time (the statement is cancelled), or is gone.
    pub async fn query(
        &self,
        operation: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        self.bounded(operation, self.client.query(sql, parameters)).await
    }

    /// Runs a prepared statement and returns its rows.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn run(
        &self,
        operation: &str,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        self.bounded(operation, self.client.query(statement, parameters)).await
    }

    /// Runs statements that need no rows, as one simple query.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn batch(&self, operation: &str, sql: &str) -> Result<(), Failure> {
        self.bounded(operation, self.client.batch_execute(sql)).await
    }

    /// Prepares a statement; the server describes its parameters and columns.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn prepare(&self, operation: &str, sql: &str) -> Result<Statement, Failure> {
        self.bounded(operation, self.client.prepare(sql)).await
    }

    /// Forgets the types that were looked up, which others may have changed since.
    pub fn forget_types(&self) {
        self.client.clear_type_cache();
    }

    /// Whether no more calls can succeed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.client.is_closed()
    }

    /// The database, as [`DatabaseUrl`] shows it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn bounded<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T, Failure> {
        let guard = Unanswered { broken: &self.broken, armed: true };
        let answer = timeout(self.call_timeout, call).await;
        guard.answered();
        match answer {
            Ok(answer) => answer.map_err(|error| {
                let failure = Failure::from_driver(operation, &self.address, error);
                if failure.ends_connection() {
                    self.broken.store(true, Ordering::Relaxed);
                }
                failure
            }),
            Err(_) => {
                self.broken.store(true, Ordering::Relaxed);
                self.cancel().await;
                self.driver.abort();
                let waited = format!("no answer within {:?}", self.call_timeout);
                Err(Failure::of(ErrorKind::TimedOut, operation, &self.address, waited))
            }
        }
    }

    /// Asks the server to stop what it does on this connection; it may not hear it.
    async fn cancel(&self) {
        // A server that cannot be asked ends the statement by its own statement_timeout.
        let _ = timeout(CANCEL, self.cancel.cancel_query(self.tls.clone())).await;
    }
}

/// Marks the connection when its caller stops waiting in the middle of a call.
struct Unanswered<'a> {
    broken: &'a AtomicBool,
    armed: bool,
}

impl Unanswered<'_> {
    fn answered(mut self) {
        self.armed = false;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("broken", &self.is_broken())
            .finish()
    }
}

fn milliseconds(duration: Duration) -> String {
    // 0 would mean no limit at all.
    duration.as_millis().clamp(1, i32::MAX as u128).to_string()
}
