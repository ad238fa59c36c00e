//! The schema that a shadow run starts from.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::apply::{Broken, Runner, Stop};
use super::error::ShadowError;
use super::locks::Relations;
use super::migration::Migration;
use super::server::Server;
use crate::cluster::{ClusterConfig, Programs};
use crate::live::{Connection, DatabaseUrl, Session, quote_identifier};
use crate::words::count;

/// The database it is made in.
pub(super) const BASE: &str = "base";

/// The longest a dump may take.
const DUMP: Duration = Duration::from_secs(60);

/// The schema that a shadow run starts from.
#[derive(Debug, Clone)]
pub enum BaseSchema {
    /// Nothing: the first release of a service.
    Empty,
    /// The migrations of the revision that runs, replayed.
    Replay {
        /// That revision.
        revision: String,
        /// Its migrations, in the order they run.
        migrations: Vec<Migration>,
    },
    /// The schema of a live database.
    Dump(Dump),
}

impl BaseSchema {
    /// The live schema that it is, if it is one.
    pub(super) const fn dump(&self) -> Option<&Dump> {
        match self {
            Self::Dump(dump) => Some(dump),
            _ => None,
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Empty => "an empty database".to_owned(),
            Self::Replay { revision, migrations } => {
                let short: String = revision.chars().take(12).collect();
                format!("{} of {short} replayed", count(migrations.len(), "migration"))
            }
            Self::Dump(dump) => format!("the schema of {}", dump.of),
        }
    }
}

/// The schema of a live database, as statements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// Of what: database and schemas, for people.
    pub of: String,
    /// The schemas in it.
    pub schemas: Vec<String>,
    /// Where names are looked up; empty: where the shadow's settings say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_path: Vec<String>,
    /// The tenant's own schema among them, where it is one of many alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_schema: Option<String>,
    /// The shards whose schema it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// The extensions of the database, each with its schema; they are no part of a schema's dump.
    pub extensions: Vec<(String, String)>,
    /// The statements.
    pub sql: String,
}

impl Dump {
    /// Reads the schema of a live database with `pg_dump`, which must not be older than the server. Takes ACCESS SHARE locks,
    /// and waits at most 2 s for them.
    ///
    /// # Errors
    /// `pg_dump` is missing, too old, refused, or not done after 60 s; never with the address's password.
    pub async fn of(programs: &Path, url: &DatabaseUrl, schemas: &[String]) -> Result<Self, ShadowError> {
        let connection = Connection::open(url, &Session::default()).await?;
        let text = "SELECT e.extname::text, n.nspname::text FROM pg_catalog.pg_extension e
                      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY 1";
        let rows = connection.query("list the extensions", text, &[]).await?;
        let extensions = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        drop(connection);
        let failed = |why: String| ShadowError::Dump { database: url.to_string(), why };
        let mut command = Command::new(programs.join("pg_dump"));
        command.args([
            "--schema-only",
            "--no-owner",
            "--no-comments",
            "--no-publications",
            "--no-subscriptions",
            "--no-security-labels",
            "--no-tablespaces",
            "--no-password",
            "--lock-wait-timeout=2000",
        ]);
        for schema in schemas {
            command.arg(format!("--schema={}", quote_identifier(schema)));
        }
        environment(&mut command, url);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(DUMP, command.output())
            .await
            .map_err(|_| failed(format!("not done after {} s", DUMP.as_secs())))?
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
            return Err(failed(words.chars().take(600).collect()));
        }
        let text = String::from_utf8(output.stdout).map_err(|_| failed("is not UTF-8".to_owned()))?;
        let of = format!("{url}, {}", schemas.join(", "));
        let sql = server_lines(&text);
        Ok(Self { of, schemas: schemas.to_vec(), extensions, sql, ..Self::default() })
    }
}

impl Dump {
    /// The programs beside those of the newest server that is installed, else whatever is on the PATH.
    pub(crate) fn programs() -> PathBuf {
        Programs::find(&ClusterConfig::default()).map_or_else(|_| PathBuf::new(), |found| found.directory)
    }
}

/// How to get in: in the environment of this child alone, and in no argument, which others could read.
fn environment(command: &mut Command, url: &DatabaseUrl) {
    use tokio_postgres::config::Host;
    let config = url.config();
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => Some(name.clone()),
        Some(Host::Unix(path)) => Some(path.display().to_string()),
        None => config.get_hostaddrs().first().map(ToString::to_string),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let password = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
    let (sslmode, root) = url.tls().libpq();
    let pairs = [
        ("PGHOST", host),
        ("PGPORT", Some(port.to_string())),
        ("PGUSER", config.get_user().map(str::to_owned)),
        ("PGDATABASE", Some(url.database().to_owned())),
        ("PGPASSWORD", password),
        ("PGSSLMODE", Some(sslmode.to_owned())),
        ("PGSSLROOTCERT", root.map(|path| path.display().to_string())),
        ("PGCONNECT_TIMEOUT", Some("5".to_owned())),
        ("PGOPTIONS", Some("-c default_transaction_read_only=on".to_owned())),
        ("PGAPPNAME", Some("canary".to_owned())),
    ];
    for (name, value) in pairs {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// The text without the lines that are psql's (`\restrict`, since 15.14), and without those that make the schemas: they are made
/// before, since extensions may go into them.
fn server_lines(text: &str) -> String {
    let without = ["\\restrict", "\\unrestrict", "\\connect", "CREATE SCHEMA "];
    let ours = |line: &&str| !without.iter().any(|word| line.starts_with(word));
    text.split_inclusive('\n').filter(ours).collect()
}

/// Why there is no base.
#[derive(Debug)]
pub(super) enum NoBase {
    /// The server refused a statement of it.
    Broken(Broken),
    /// The server could not be asked.
    Error(ShadowError),
}

impl<E: Into<ShadowError>> From<E> for NoBase {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Makes the base database, once.
pub(super) async fn make(server: &Server, base: &BaseSchema) -> Result<(), NoBase> {
    server.create(BASE, None).await?;
    match base {
        BaseSchema::Empty => Ok(()),
        BaseSchema::Replay { migrations, .. } => {
            let connection = server.open(BASE, None).await?;
            let nobody = Relations::new();
            let runner = Runner { connection: &connection, relations: &nobody, database: (server, BASE) };
            for migration in migrations {
                match runner.run(migration).await {
                    Ok(_) => {}
                    Err(Stop::Broken(broken)) => return Err(NoBase::Broken(broken)),
                    Err(Stop::Lost(error)) => return Err(NoBase::Error(error)),
                }
            }
            Ok(())
        }
        BaseSchema::Dump(dump) => restore(server, dump).await,
    }
}

async fn restore(server: &Server, dump: &Dump) -> Result<(), NoBase> {
    let connection = server.open_plain(BASE).await?;
    let say = async |statement: &str, extension: bool| match connection
        .batch("restore the schema", statement)
        .await
    {
        Ok(()) => Ok(()),
        Err(failure) => match failure.sqlstate() {
            Some(sqlstate) => Err(NoBase::Broken(Broken {
                file: dump.of.clone(),
                line: 0,
                statement: if extension {
                    statement.to_owned()
                } else {
                    "the restore of its schema".to_owned()
                },
                sqlstate: Some(sqlstate.to_owned()),
                message: failure.message().to_owned(),
                lacks_extension: extension,
            })),
            None => Err(failure.into()),
        },
    };
    // public is as new in the base, with the privileges that a dump takes for granted.
    for schema in dump.schemas.iter().filter(|schema| *schema != "public") {
        let name = quote_identifier(schema);
        say(&format!("DROP SCHEMA IF EXISTS {name} CASCADE"), false).await?;
        say(&format!("CREATE SCHEMA {name}"), false).await?;
    }
    for (extension, schema) in &dump.extensions {
        let (extension, schema) = (quote_identifier(extension), quote_identifier(schema));
        say(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"), false).await?;
        say(&format!("CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA {schema}"), true).await?;
    }
    say(&dump.sql, false).await
}
