//! A test suite for the service's own repository, written from its contract.

mod names;

use std::fmt::Write as _;

use super::model::{Binding, Contract, Driver, Field, Query, RowKind, RustType, SourceKind};
use super::types::TypeTable;

/// What of the suite is the same for every service, by driver.
const SQLX: &str = include_str!("sqlx.txt");
const TOKIO_POSTGRES: &str = include_str!("tokio_postgres.txt");
const TESTS: &str = include_str!("tests.txt");

/// How a suite is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Suite {
    /// The query that gives the schema of every tenant, one a row.
    pub tenants: String,
    /// A module of the suite's own directory whose `database_url()` says where the database is; without one it is
    /// `DATABASE_URL`.
    pub fixture: Option<String>,
}

impl Default for Suite {
    /// The schema that a new connection has, of the database in `DATABASE_URL`.
    fn default() -> Self {
        Self { tenants: "SELECT current_schema()::text".to_owned(), fixture: None }
    }
}

/// Why no suite can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// No query of the contract can be prepared.
    #[error("the contract has no query that a server can prepare")]
    Nothing,
    /// The suite would have to be written for a driver that it cannot use.
    #[error("the service speaks through {0} alone, for which no suite is written")]
    Driver(Driver),
    /// The name is none of a Rust module.
    #[error("{0:?} is no name of a module")]
    Fixture(String),
}

/// A query in the suite: its name and what is read of it.
struct Case<'a> {
    name: String,
    query: &'a Query,
    reads: Vec<Read>,
    rows: Vec<&'a str>,
}

/// A column and the types that decode into what reads it.
#[derive(PartialEq, Eq)]
struct Read {
    column: String,
    rust: String,
    types: Vec<String>,
    optional: bool,
}

impl Contract {
    /// Writes the suite: one test a query, one a row struct, one for the budget. Equal contracts give equal bytes.
    ///
    /// # Errors
    ///
    /// There is nothing to test, or no driver that the suite can use.
    pub fn generate(&self, suite: &Suite) -> Result<String, GenerateError> {
        let driver =
            match (self.drivers.contains(&Driver::Sqlx), self.drivers.contains(&Driver::TokioPostgres)) {
                (true, _) => Driver::Sqlx,
                (_, true) => Driver::TokioPostgres,
                _ => {
                    return Err(self
                        .drivers
                        .first()
                        .map_or(GenerateError::Nothing, |only| GenerateError::Driver(*only)));
                }
            };
        if let Some(fixture) =
            suite.fixture.as_ref().filter(|name| syn::parse_str::<syn::Ident>(name).is_err())
        {
            return Err(GenerateError::Fixture(fixture.clone()));
        }
        let cases = self.cases();
        if cases.is_empty() {
            return Err(GenerateError::Nothing);
        }
        let mut out = self.head(suite, driver);
        for case in &cases {
            write_case(&mut out, case, driver);
        }
        write_list(&mut out, &cases);
        for case in &cases {
            let _ = write!(
                out,
                "\n#[tokio::test]\nasync fn {}() {{\n    every_tenant_answers(&{}).await;\n}}\n",
                case.name,
                case.name.to_uppercase()
            );
        }
        self.write_rows(&mut out, &cases);
        out.push_str(TESTS);
        out.push_str(match driver {
            Driver::TokioPostgres => TOKIO_POSTGRES,
            _ => SQLX,
        });
        out.push_str("\n}\n");
        Ok(out)
    }

    fn head(&self, suite: &Suite, driver: Driver) -> String {
        let mut out = format!(
            "//! What {} asks of every tenant's schema, as tests. Written by `canary-cli contract generate` from\n\
             //! sql-contract.lock; not to be edited, but written anew when that file changes.\n//!\n\
             //! The database is only read. A test that fails names the tenant, the query and the column.\n\n",
            self.service.replace(char::is_control, " ")
        );
        let (outside, inside) = suite.fixture.as_ref().map_or_else(Default::default, |name| {
            (format!("mod {name};\n\n"), format!("use super::{name};\n"))
        });
        // Formatters and linters have rules of the repository's own: the suite is the same in every one.
        let _ = write!(
            out,
            "{outside}#[rustfmt::skip]\n#[allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, \
             reason = \"written by a program\")]\nmod sql_contract {{\n\n{inside}"
        );
        if driver == Driver::Sqlx {
            out.push_str("use std::str::FromStr as _;\n");
        }
        out.push_str("use std::time::{Duration, Instant};\n\n");
        let url = match &suite.fixture {
            Some(name) => format!("    {name}::database_url().await\n"),
            None => "    std::env::var(\"DATABASE_URL\").expect(\"DATABASE_URL must name the database to test\")\n".to_owned(),
        };
        let _ = write!(
            out,
            "/// Gives the schema of every tenant, one a row.\nconst TENANTS: &str = {:?};\n\n\
             /// The budget: the 99th percentile of a read.\nconst P99: Duration = Duration::from_millis({});\n\n\
             /// What orders the tenants while reads are timed.\nconst SEED: u64 = {};\n\n\
             /// Where the database is.\nasync fn database_url() -> String {{\n{url}}}\n",
            suite.tenants, self.budgets.p99_ms, self.seed
        );
        out
    }

    fn cases(&self) -> Vec<Case<'_>> {
        let mut names = names::Names::default();
        let queries = self.queries.iter().filter(|query| query.preparable());
        let cases = queries.map(|query| {
            let mut reads: Vec<Read> = Vec::new();
            let mut rows = Vec::new();
            for used in &query.uses {
                for read in self.reads(used.kind, &used.binding) {
                    if !reads.contains(&read) {
                        reads.push(read);
                    }
                }
                if let Binding::Row(name) = &used.binding
                    && !rows.contains(&name.as_str())
                {
                    rows.push(name.as_str());
                }
            }
            Case { name: names.of(&query.text), query, reads, rows }
        });
        cases.collect()
    }

    /// What a use reads, as far as the tables know it.
    fn reads(&self, kind: SourceKind, binding: &Binding) -> Vec<Read> {
        let driver = if kind == SourceKind::TokioPostgres { Driver::TokioPostgres } else { Driver::Sqlx };
        let table = TypeTable::new(driver, self);
        let plain = |column: String, rust: &RustType| Read {
            column,
            rust: rust.to_string(),
            types: table.decoded(rust),
            optional: false,
        };
        let field = |at: usize, field: &Field, kind: RowKind| {
            let column = match kind {
                RowKind::Queryable => at.to_string(),
                RowKind::Macro => field.name.clone(),
                _ => field.column.clone(),
            };
            let mut read = plain(column, &field.rust_type);
            read.optional = field.default;
            if field.json {
                read.types = vec!["json".to_owned(), "jsonb".to_owned()];
            }
            read
        };
        match binding {
            Binding::Scalar(rust) => vec![plain("0".to_owned(), rust)],
            Binding::Tuple(parts) => {
                parts.iter().enumerate().map(|(at, rust)| plain(at.to_string(), rust)).collect()
            }
            Binding::Reads(reads) => reads
                .iter()
                .filter_map(|read| Some(plain(read.column.clone(), read.rust_type.as_ref()?)))
                .collect(),
            Binding::Row(name) => match self.row(name) {
                Some(row) if row.kind != RowKind::Table => {
                    row.fields.iter().enumerate().map(|(at, own)| field(at, own, row.kind)).collect()
                }
                _ => Vec::new(),
            },
            Binding::None | Binding::Record => Vec::new(),
        }
    }

    /// One test a row struct: its queries are described alike for every tenant.
    fn write_rows(&self, out: &mut String, cases: &[Case<'_>]) {
        for row in &self.rows {
            let own: Vec<_> = cases.iter().filter(|case| case.rows.contains(&row.name.as_str())).collect();
            if own.is_empty() {
                continue;
            }
            let list: Vec<_> = own.iter().map(|case| format!("&{}", case.name.to_uppercase())).collect();
            let name = names::snake(row.name.rsplit('#').next().unwrap_or(&row.name));
            let _ = write!(
                out,
                "\n/// {}: the columns of `{}`.\n#[tokio::test]\nasync fn rows_of_{name}_are_alike_for_every_tenant() {{\n    \
                 every_tenant_is_alike(&[{}]).await;\n}}\n",
                row.place,
                row.name,
                list.join(", ")
            );
        }
    }
}

fn write_case(out: &mut String, case: &Case<'_>, driver: Driver) {
    let read = case.rows.first().map_or_else(String::new, |row| format!(", read into `{row}`"));
    let _ = write!(
        out,
        "\n/// {}{read}.\nconst {}: Query = Query {{\n    place: {:?},\n    text: {:?},\n    parameters: {},\n    reads: &[",
        case.query.place(),
        case.name.to_uppercase(),
        case.query.place(),
        case.query.text,
        parameters(&case.query.text)
    );
    for read in &case.reads {
        let types: Vec<String> = read.types.iter().map(|pg| format!("{:?}", shown(pg, driver))).collect();
        let _ = write!(
            out,
            "\n        Read {{ column: {:?}, rust: {:?}, types: &[{}], optional: {} }},",
            read.column,
            read.rust,
            types.join(", "),
            read.optional
        );
    }
    out.push_str(if case.reads.is_empty() { "],\n};\n" } else { "\n    ],\n};\n" });
}

fn write_list(out: &mut String, cases: &[Case<'_>]) {
    out.push_str("\n/// Every query that reads alone, for the budget.\nconst TIMED: &[&Query] = &[");
    for case in cases.iter().filter(|case| only_reads(&case.query.text)) {
        let _ = write!(out, "\n    &{},", case.name.to_uppercase());
    }
    out.push_str("\n];\n");
}

/// A type by the name that the driver shows, in lower case.
fn shown(pg: &str, driver: Driver) -> String {
    if driver == Driver::TokioPostgres {
        return pg.to_owned();
    }
    let (element, list) = pg.strip_prefix('_').map_or((pg, ""), |element| (element, "[]"));
    // sqlx shows the manual's names for these two (`PgType::display_name`).
    let element = match element {
        "bpchar" => "char",
        "char" => "\"char\"",
        other => other,
    };
    format!("{element}{list}")
}

/// The highest `$n` outside of quotes.
fn parameters(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut most) = (0, 0);
    while at < bytes.len() {
        let next = crate::sql::lex::past_quoted(bytes, at).min(bytes.len());
        if next == at && bytes[at] == b'$' {
            let digits: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
            most = most.max(digits.parse().unwrap_or(0));
        }
        at = next.max(at + 1);
    }
    most
}

/// Whether a text is a plain `SELECT`, without locks on rows.
fn only_reads(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.starts_with("select")
        && ![" for update", " for share", " for no key", " for key", " into ", "set_config("]
            .iter()
            .any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests;
