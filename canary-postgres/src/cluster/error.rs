//! Why there is no throw-away server.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A throw-away server that could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server programs are installed.
    #[error(
        "no PostgreSQL server programs (initdb, postgres){wanted} in {looked}; install the package postgresql (Debian: apt-get install postgresql)"
    )]
    NoPrograms {
        /// ` of major version 15`, or nothing.
        wanted: String,
        /// Where they were looked for.
        looked: String,
    },
    /// The server refuses root, and there is nobody else to run it as.
    #[error("a PostgreSQL server does not run as root, and {why}")]
    NoUser {
        /// What is missing and how to get it.
        why: String,
    },
    /// A path that no socket can have.
    #[error("the socket below {0} would have a path of more than 107 bytes; name a shorter directory")]
    LongPath(PathBuf),
    /// A file or directory.
    #[error("{what} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// A program that ended with an error.
    #[error("{program} ended with {status}: {log}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// How it ended.
        status: String,
        /// Its last words.
        log: String,
    },
    /// Something that took too long.
    #[error("{what} was not done after {} s{log}", after.as_secs())]
    Deadline {
        /// What.
        what: String,
        /// How long was waited.
        after: Duration,
        /// `: ` and the last words, or nothing.
        log: String,
    },
    /// A statement that the server refused.
    #[error("{statement} failed")]
    Statement {
        /// What was asked.
        statement: String,
        /// What came back.
        source: tokio_postgres::Error,
    },
    /// The thread that keeps the server ended early.
    #[error("the thread that keeps the throw-away server ended early")]
    Keeper,
}

impl ClusterError {
    /// An input or output error of a path.
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
