//! A migration file as its runner sends it to the server.

use std::ops::Range;

use crate::convention::{Transaction, Up};
use crate::sql::parse::parse;
use crate::sql::position::Lines;

/// A migration file, cut as its runner cuts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its name, as findings show it.
    pub file: String,
    /// What is sent, in order.
    pub pieces: Vec<Piece>,
}

/// Statements that become true together, or one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How they are sent.
    pub mode: Mode,
    /// The statements, in order.
    pub statements: Vec<Statement>,
}

/// How the statements of a piece are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In one transaction: the runner's, or the one that a query of several statements is (PostgreSQL manual, 55.2.2.1).
    Together,
    /// Each for itself.
    Alone,
    /// With the transactions that the text itself begins and ends.
    AsWritten,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its text.
    pub sql: String,
}

impl Migration {
    /// A file as its tool reads it; `name` is what findings call it.
    #[must_use]
    pub fn of(name: &str, up: &Up) -> Self {
        let mut migration = Self { file: name.to_owned(), pieces: Vec::new() };
        for part in &up.parts {
            migration.push(&up.text, part.transaction == Transaction::Around, &up.queries(part));
        }
        migration
    }

    /// Adds a part of the file, with a transaction of its own or none.
    fn push(&mut self, text: &str, transaction: bool, queries: &[Range<usize>]) {
        let lines = Lines::of(text);
        let script = parse(text);
        let statement = |start: usize, end: usize| Statement {
            line: lines.at(text, start).0,
            sql: text[start..end].to_owned(),
        };
        let mut units: Vec<Vec<Statement>> = Vec::new();
        for query in queries {
            let inside: Vec<Statement> = script
                .within(query)
                .iter()
                .filter(|found| found.span.end <= query.end)
                .map(|found| statement(found.span.start, found.span.end))
                .collect();
            // What does not parse goes to the server as it is: it decides.
            let unread = !script.errors.is_empty() || inside.is_empty();
            units.push(if unread { whole(text, query, &lines) } else { inside });
        }
        if transaction {
            let statements: Vec<Statement> = units.into_iter().flatten().collect();
            let mode =
                if statements.iter().any(Statement::controls) { Mode::AsWritten } else { Mode::Together };
            self.pieces.push(Piece {
                mode,
                statements: if mode == Mode::AsWritten { begun(statements) } else { statements },
            });
            return;
        }
        let controls = units.iter().flatten().any(Statement::controls);
        for statements in units {
            let mode = match statements.len() {
                _ if controls => Mode::AsWritten,
                1 => Mode::Alone,
                _ => Mode::Together,
            };
            self.pieces.push(Piece { mode, statements });
        }
    }
}

/// The runner's own transaction around statements that end it themselves, as it would be written out.
fn begun(statements: Vec<Statement>) -> Vec<Statement> {
    let line = statements.first().map_or(1, |first| first.line);
    let last = statements.last().map_or(1, |last| last.line);
    let mut all = vec![Statement { line, sql: "BEGIN".to_owned() }];
    all.extend(statements);
    all.push(Statement { line: last, sql: "COMMIT".to_owned() });
    all
}

fn whole(text: &str, query: &Range<usize>, lines: &Lines) -> Vec<Statement> {
    let body = text.get(query.clone()).unwrap_or_default();
    let start = query.start + (body.len() - body.trim_start().len());
    if body.trim().is_empty() {
        return Vec::new();
    }
    vec![Statement { line: lines.at(text, start).0, sql: body.trim().to_owned() }]
}

impl Statement {
    /// Whether it begins or ends a transaction.
    fn controls(&self) -> bool {
        const WORDS: [&str; 8] =
            ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];
        let word = self.sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        WORDS.iter().any(|control| word.eq_ignore_ascii_case(control))
    }

    /// The text on one line, cut to a readable length.
    pub(crate) fn shown(&self) -> String {
        let line = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= 160 {
            return line;
        }
        line.chars().take(159).chain(['…']).collect()
    }

    /// Whether it says, anywhere in it, what changes more of a server than the database it runs in: roles, other databases,
    /// tablespaces, settings. Text that only looks like it counts as well.
    pub(crate) fn is_of_the_server(&self) -> bool {
        let words: Vec<String> = self
            .sql
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let of = |at: usize| words.get(at).map_or("", String::as_str);
        (0..words.len()).any(|at| match (of(at), of(at + 1)) {
            ("create" | "alter" | "drop", "user") => of(at + 2) != "mapping",
            ("create" | "alter" | "drop", "role" | "group" | "database" | "tablespace" | "system") => true,
            ("drop" | "reassign", "owned") => true,
            // Of a role to a role: what is granted on an object says ON.
            ("grant" | "revoke", _) => at == 0 && !words.iter().any(|word| word == "on"),
            _ => false,
        })
    }

    /// Whether it makes an extension.
    pub(crate) fn makes_extension(&self) -> bool {
        let mut words = self.sql.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("create"))
            && words.next().is_some_and(|word| word.eq_ignore_ascii_case("extension"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_the_servers_from_what_is_the_databases() {
        let server = |sql: &str| Statement { line: 1, sql: sql.to_owned() }.is_of_the_server();
        for yes in [
            "CREATE ROLE app LOGIN",
            "alter user app SET search_path = x",
            "DROP DATABASE shop",
            "ALTER SYSTEM SET work_mem = '1GB'",
            "DO $$ BEGIN EXECUTE 'CREATE ROLE app'; END $$",
            "GRANT admin TO app",
            "REASSIGN OWNED BY a TO b",
        ] {
            assert!(server(yes), "{yes}");
        }
        for no in [
            "CREATE TABLE users (id int)",
            "GRANT SELECT ON users TO app",
            "CREATE USER MAPPING FOR app SERVER s",
            "ALTER TABLE orders DROP COLUMN role",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app",
        ] {
            assert!(!server(no), "{no}");
        }
    }
}
