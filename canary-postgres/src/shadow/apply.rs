//! Runs migrations as their runner would, and watches each statement.

use super::error::ShadowError;
use super::locks::{LockMode, Relations, Seen, Trace, named};
use super::migration::{Migration, Mode, Piece, Statement};
use super::outside;
use super::server::Server;
use crate::live::{Connection, Failure};

/// A statement that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) statement: String,
    /// Absent when the server was not asked.
    pub(super) sqlstate: Option<String>,
    pub(super) message: String,
    /// The server lacks an extension: this says nothing about the one in production.
    pub(super) lacks_extension: bool,
}

impl Broken {
    /// Whether what it makes is there already.
    pub(super) fn finds_itself(&self) -> bool {
        const DUPLICATES: [&str; 5] = ["42P07", "42701", "42710", "42723", "42P06"];
        self.sqlstate.as_ref().is_some_and(|code| DUPLICATES.contains(&code.as_str()))
    }
}

/// Why applying stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server refused a statement.
    Broken(Broken),
    /// The server could not be asked.
    Lost(ShadowError),
}

impl<E: Into<ShadowError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Lost(error.into())
    }
}

/// Runs migrations on a connection.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    pub(super) connection: &'a Connection,
    /// The relations to watch; none where nobody wants to know.
    pub(super) relations: &'a Relations,
    /// Where the connection leads: the server, and the database by its name in the run.
    pub(super) database: (&'a Server, &'a str),
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
        if !self.database.0.throw_away()
            && let Some(statement) = piece.statements.iter().find(|statement| statement.is_of_the_server())
        {
            return Err(Stop::Broken(Broken {
                file: file.to_owned(),
                line: statement.line,
                statement: statement.shown(),
                sqlstate: None,
                message: "it changes more of a server than the database it runs in, and the shadow server is a named one; a \
                          throw-away server (local) runs it"
                    .to_owned(),
                lacks_extension: false,
            }));
        }
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
                    self.trace(file, statement, &before, traces).await?;
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
            self.trace(file, statement, &before, traces).await?;
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
                self.trace(file, statement, &before, traces).await?;
                self.commit(file, Some(statement)).await
            }
            Err(Stop::Broken(broken)) if broken.sqlstate.as_deref() == Some("25001") => {
                self.outside(file, statement, traces).await
            }
            Err(stop) => Err(stop),
        }
    }

    /// A statement that the server runs in no transaction.
    async fn outside(&self, file: &str, statement: &Statement, traces: &mut Vec<Trace>) -> Result<(), Stop> {
        if self.relations.is_empty() {
            return self.send(file, statement).await;
        }
        let before = self.look().await?;
        let seen = outside::run(self.connection, self.database, self.relations, &statement.sql).await?;
        self.answered(file, statement, seen.answer).await?;
        let (_, _, rewritten) = self.look().await?.since(&before, self.relations);
        // A server that does not count: whatever is locked for long is taken to be read as a whole.
        let strong = seen.locks.iter().filter(|(_, mode)| **mode >= LockMode::ShareUpdateExclusive);
        let scanned = match &seen.scans {
            Some(scans) => scans.keys().copied().collect::<Vec<_>>(),
            None => strong.map(|(oid, _)| *oid).collect(),
        };
        let (file, line, statement) = (file.to_owned(), statement.line, statement.shown());
        traces.push(Trace {
            file,
            line,
            statement,
            locks: named(&seen.locks, self.relations),
            locks_seen: seen.seen,
            scanned: scanned.iter().filter_map(|oid| self.relations.get(oid).cloned()).collect(),
            rewritten,
        });
        Ok(())
    }

    /// Constraints that were deferred are checked here.
    async fn commit(&self, file: &str, last: Option<&Statement>) -> Result<(), Stop> {
        let commit = |line| Statement { line, sql: "COMMIT".to_owned() };
        self.send(file, &commit(last.map_or(1, |statement| statement.line))).await
    }

    async fn send(&self, file: &str, statement: &Statement) -> Result<(), Stop> {
        let answer = self.connection.batch("run a migration's statement", &statement.sql).await;
        self.answered(file, statement, answer).await
    }

    async fn answered(
        &self,
        file: &str,
        statement: &Statement,
        answer: Result<(), Failure>,
    ) -> Result<(), Stop> {
        let Err(failure) = answer else { return Ok(()) };
        let Some(sqlstate) = failure.sqlstate().map(str::to_owned) else { return Err(failure.into()) };
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
        traces: &mut Vec<Trace>,
    ) -> Result<(), Stop> {
        if self.relations.is_empty() {
            return Ok(());
        }
        let (locks, scanned, rewritten) = self.look().await?.since(before, self.relations);
        let (file, line, statement) = (file.to_owned(), statement.line, statement.shown());
        traces.push(Trace { file, line, statement, locks, locks_seen: true, scanned, rewritten });
        Ok(())
    }
}
