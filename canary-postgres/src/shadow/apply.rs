//! Runs migrations as their runner would, and watches each statement.

use super::locks::{Relations, Seen, Trace};
use super::migration::{Migration, Mode, Piece, Statement};
use crate::live::{Connection, Failure};

/// A statement that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) statement: String,
    /// Absent when the server did not answer.
    pub(super) sqlstate: Option<String>,
    pub(super) message: String,
    /// The server lacks an extension: this says nothing about the one in production.
    pub(super) lacks_extension: bool,
}

/// Why applying stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server refused a statement.
    Broken(Broken),
    /// The server could not be asked.
    Lost(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Lost(failure)
    }
}

/// Runs migrations on a connection.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    pub(super) connection: &'a Connection,
    /// The relations to watch; none where nobody wants to know.
    pub(super) relations: &'a Relations,
}

impl Runner<'_> {
    /// Runs one file. Stops at the first statement that the server refuses.
    pub(super) async fn run(&self, migration: &Migration) -> Result<Vec<Trace>, Stop> {
        let mut traces = Vec::new();
        for piece in &migration.pieces {
            self.piece(&migration.file, piece, &mut traces).await?;
        }
        Ok(traces)
    }

    async fn piece(&self, file: &str, piece: &Piece, traces: &mut Vec<Trace>) -> Result<(), Stop> {
        match piece.mode {
            Mode::Together => self.together(file, &piece.statements, traces).await,
            Mode::Alone => {
                for statement in &piece.statements {
                    self.alone(file, statement, traces).await?;
                }
                Ok(())
            }
            Mode::AsWritten => {
                for statement in &piece.statements {
                    let before = self.look().await?;
                    self.send(file, statement).await?;
                    self.trace(file, statement, &before, true, traces).await?;
                }
                Ok(())
            }
        }
    }

    async fn together(
        &self,
        file: &str,
        statements: &[Statement],
        traces: &mut Vec<Trace>,
    ) -> Result<(), Stop> {
        self.connection.batch("begin a transaction", "BEGIN").await?;
        let mut last = None;
        for statement in statements {
            let before = self.look().await?;
            self.send(file, statement).await?;
            self.trace(file, statement, &before, true, traces).await?;
            last = Some(statement);
        }
        self.commit(file, last).await
    }

    /// A statement that is its own transaction: in one that is begun for it, so that its locks are still there to be seen;
    /// without when the server says that it cannot be (25001).
    async fn alone(&self, file: &str, statement: &Statement, traces: &mut Vec<Trace>) -> Result<(), Stop> {
        self.connection.batch("begin a transaction", "BEGIN").await?;
        let before = self.look().await?;
        match self.send(file, statement).await {
            Ok(()) => {
                self.trace(file, statement, &before, true, traces).await?;
                self.commit(file, Some(statement)).await
            }
            Err(Stop::Broken(broken)) if broken.sqlstate.as_deref() == Some("25001") => {
                let before = self.look().await?;
                self.send(file, statement).await?;
                self.trace(file, statement, &before, false, traces).await
            }
            Err(stop) => Err(stop),
        }
    }

    /// Constraints that were deferred are checked here.
    async fn commit(&self, file: &str, last: Option<&Statement>) -> Result<(), Stop> {
        let commit = |line| Statement { line, sql: "COMMIT".to_owned() };
        self.send(file, &commit(last.map_or(1, |statement| statement.line))).await
    }

    async fn send(&self, file: &str, statement: &Statement) -> Result<(), Stop> {
        let Err(failure) = self.connection.batch("run a migration's statement", &statement.sql).await else {
            return Ok(());
        };
        let Some(sqlstate) = failure.sqlstate().map(str::to_owned) else { return Err(Stop::Lost(failure)) };
        // The transaction, if any, is over; without one this is a warning.
        self.connection.batch("roll back", "ROLLBACK").await?;
        // 58P01 is a missing control file before PostgreSQL 15, 0A000 "extension is not available" since.
        let lacks_extension = statement.makes_extension() && matches!(sqlstate.as_str(), "0A000" | "58P01");
        Err(Stop::Broken(Broken {
            file: file.to_owned(),
            line: statement.line,
            statement: statement.shown(),
            message: failure.message().to_owned(),
            sqlstate: Some(sqlstate),
            lacks_extension,
        }))
    }

    async fn look(&self) -> Result<Seen, Stop> {
        Ok(Seen::on(self.connection, self.relations).await?)
    }

    async fn trace(
        &self,
        file: &str,
        statement: &Statement,
        before: &Seen,
        locks_seen: bool,
        traces: &mut Vec<Trace>,
    ) -> Result<(), Stop> {
        if self.relations.is_empty() {
            return Ok(());
        }
        let (locks, scanned, rewritten) = self.look().await?.since(before, self.relations);
        let (file, line, statement) = (file.to_owned(), statement.line, statement.shown());
        traces.push(Trace { file, line, statement, locks, locks_seen, scanned, rewritten });
        Ok(())
    }
}
