//! What the migrations make of an empty schema, as the hashes that a tenant's schema has after each of them.

use super::Shadow;
use super::apply::{Broken, Runner, Stop};
use super::base::BASE;
use super::error::ShadowError;
use super::locks::Relations;
use super::migration::Migration;
use super::server::{Limits, Server};
use crate::drift::{read_hashes, read_lines};
use crate::live::quote_identifier;

/// What stands for the tenant's own schema in a search path.
const OWN: &str = "{schema}";

/// The hashes of a schema while its migrations run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigratedSchema {
    /// The major version of the server that they are of.
    pub major: u32,
    /// The hash after each migration, without anybody's grants.
    pub after: Vec<String>,
    /// What was taken for granted, in words.
    pub notes: Vec<String>,
}

/// Starts the server, replays, and ends it whatever came of that.
pub(super) async fn replay(
    shadow: &Shadow,
    migrations: &[Migration],
    schema: &str,
) -> Result<MigratedSchema, ShadowError> {
    let own = |name: &String| if name == OWN { schema.to_owned() } else { name.clone() };
    let limits = Limits {
        statement: shadow.statement_timeout,
        lock: shadow.lock_timeout,
        search_path: shadow.search_path.iter().map(own).collect(),
    };
    let mut notes = Vec::new();
    let server = Server::start(&shadow.server, limits, &mut notes).await?;
    let migrated = until_it_runs(&server, migrations, schema, notes).await;
    let ended = server.end().await;
    let migrated = migrated?;
    ended?;
    Ok(migrated)
}

/// Again and again, while all that lacks is a role: roles are the server's, and migrations seldom make them.
async fn until_it_runs(
    server: &Server,
    migrations: &[Migration],
    schema: &str,
    mut notes: Vec<String>,
) -> Result<MigratedSchema, ShadowError> {
    let mut roles = Vec::new();
    loop {
        server.forget_roles(&roles).await?;
        match once(server, migrations, schema).await {
            Ok(after) => return Ok(MigratedSchema { major: server.major().await?, after, notes }),
            Err(Stop::Lost(error)) => return Err(error),
            Err(Stop::Broken(broken)) => match server.lacks(&broken, &roles).await? {
                Some(role) => {
                    notes.push(format!("the role {role} is taken to be there: {} names it", broken.file));
                    roles.push(role);
                }
                None => return Err(refused(broken)),
            },
        }
    }
}

async fn once(server: &Server, migrations: &[Migration], schema: &str) -> Result<Vec<String>, Stop> {
    server.create(BASE, None).await?;
    if schema != "public" {
        let plain = server.open_plain(BASE).await?;
        plain.batch("make the schema", &format!("CREATE SCHEMA {}", quote_identifier(schema))).await?;
    }
    let connection = server.open(BASE, None).await?;
    // A connection of its own: a migration may change what the other one's session is like.
    let reader = server.open_plain(BASE).await?;
    let nobody = Relations::new();
    let runner = Runner { connection: &connection, relations: &nobody, database: (server, BASE) };
    let schemas = [schema.to_owned()];
    let mut after = Vec::new();
    for migration in migrations {
        runner.run(migration).await?;
        let read = read_hashes(&reader, &schemas, None).await?;
        after.push(read.hashes.get(schema).cloned().unwrap_or_default());
    }
    if read_lines(&reader, schema, None).await?.is_empty() {
        return Err(Stop::Lost(ShadowError::Empty(schema.to_owned())));
    }
    Ok(after)
}

fn refused(broken: Broken) -> ShadowError {
    let Broken { file, line, sqlstate, message, .. } = broken;
    ShadowError::Migration { file, line, message, sqlstate }
}
