//! The journal's role: keep every record, in order, before the effect it announces.

use std::fmt::{Debug, Display};

use async_trait::async_trait;

use crate::journal::{Entry, Record};

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process has it open.
    #[error("{path} is in use by {holder}")]
    Locked {
        /// The journal.
        path: String,
        /// Who: pid, host and since when, as far as the journal tells.
        holder: String,
    },
    /// Another process has taken the right to write since.
    #[error("{path}: {why}")]
    Fenced {
        /// The lease.
        path: String,
        /// Who, and with which token.
        why: String,
    },
    /// The operating system said no.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried (`append to`).
        action: &'static str,
        /// The file.
        path: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what was written.
    #[error("{path}, line {line}: {why}")]
    Damaged {
        /// The journal.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The journal is not the one whose head was signed.
    #[error("{path}: {why}")]
    Head {
        /// The journal.
        path: String,
        /// What does not hold.
        why: String,
    },
    /// The journal is not the one that is known from elsewhere.
    #[error("{path}: {why}")]
    Anchor {
        /// The journal.
        path: String,
        /// What does not hold.
        why: String,
        /// What knows it otherwise.
        by: String,
    },
    /// The record cannot be written in the journal's form.
    #[error("a record cannot be written: {0}")]
    Form(String),
}

/// An ordered, durable sequence of records.
#[async_trait]
pub trait Journal: Display + Debug + Send + Sync + 'static {
    /// Appends an entry and returns it as recorded once it is durable.
    ///
    /// One that is dropped before it returns is recorded before every later one, or not at all.
    ///
    /// # Errors
    /// When it is not certain to be durable. The journal then refuses further entries until it is opened anew.
    async fn append(&self, entry: Entry) -> Result<Record, JournalError>;

    /// All records so far, oldest first.
    ///
    /// # Errors
    /// When they cannot be read or the chain does not hold.
    async fn records(&self) -> Result<Vec<Record>, JournalError>;
}
