//! Why a shadow run could not be made.

use std::time::Duration;

use crate::cluster::ClusterError;
use crate::live::Failure;

/// A shadow run that could not be made; says nothing about the migrations.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// No throw-away server.
    #[error("the throw-away server: {0}")]
    Cluster(#[from] ClusterError),
    /// A server that did not answer, or refused what a shadow run needs.
    #[error(transparent)]
    Server(#[from] Failure),
    /// The shadow server is the live one.
    #[error(
        "the shadow server {0} is the live server, on which nothing is ever changed; name another one, or none for a throw-away server"
    )]
    Live(String),
    /// Nobody can tell whether it is: the live one does not answer.
    #[error("whether the shadow server is the live server {live} cannot be told")]
    Unknown {
        /// The live database that was asked.
        live: String,
        /// What came back.
        source: Failure,
    },
    /// A role that the shadow server does not have.
    #[error("the role {0} is not there on the shadow server")]
    NoRole(String),
    /// A migration that the server refused.
    #[error("{file}:{line}: {message}{}", sqlstate.as_ref().map_or_else(String::new, |code| format!(" ({code})")))]
    Migration {
        /// Its file.
        file: String,
        /// The line of the statement.
        line: u64,
        /// The server's words.
        message: String,
        /// Its code, where it was asked.
        sqlstate: Option<String>,
    },
    /// The migrations make nothing in the schema that is to be hashed.
    #[error("after all migrations the schema {0} is empty: they make their tables elsewhere, or none at all")]
    Empty(String),
    /// It took too long.
    #[error("the shadow run was not done after {} s", .0.as_secs())]
    Deadline(Duration),
    /// The schema could not be read from the live server.
    #[error("pg_dump of {database}: {why}")]
    Dump {
        /// Of what.
        database: String,
        /// What came back.
        why: String,
    },
}
