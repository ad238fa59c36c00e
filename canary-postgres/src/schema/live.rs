//! One live schema for each kind that there is among the tenants' schemas.

use std::collections::BTreeMap;

use crate::drift::{Expected, read_hashes, survey};
use crate::live::{Connection, DatabaseUrl, Failure, Session};
use crate::routing::{Routes, Routing, read_routes};
use crate::shadow::{BaseSchema, Dump};
use crate::words;

/// What a tenant's own schema is called in a search path.
const OWN: &str = "{schema}";

/// The tenants' live schemas, of which shadow runs start from one of each kind. They are read and never changed.
#[derive(Debug, Clone)]
pub struct LiveSchemas {
    /// The database that is asked first; tenants may be in others of the same server.
    pub url: DatabaseUrl,
    /// How connections behave; its role is the application's.
    pub session: Session,
    /// Where the tenants are.
    pub routing: Routing,
    /// The schemas that the service's connections look names up in; `{schema}` is the tenant's own.
    pub search_path: Vec<String>,
    /// The most connections.
    pub connections: usize,
    /// The most kinds of schemas that are tried, those of the most shards first; what is left is in doubt.
    pub most: usize,
}

impl LiveSchemas {
    /// The most kinds of schemas when nobody says otherwise.
    pub const MOST: usize = 16;
}

/// Where shadow runs start.
#[derive(Debug, Default)]
pub(super) struct Bases {
    pub(super) bases: Vec<BaseSchema>,
    /// What could not be looked at.
    pub(super) doubts: Vec<String>,
    /// What was looked at.
    pub(super) evidence: String,
}

/// Shards whose schemas are equal, and the shared schemas beside them too.
type Kinds = Vec<Vec<usize>>;

impl LiveSchemas {
    /// Reads the routing table, hashes every schema, and dumps one of each kind.
    pub(super) async fn bases(&self) -> Bases {
        let mut bases = Bases::default();
        match self.read(&mut bases).await {
            Ok(()) => {}
            Err(why) => bases.doubts.push(format!("the tenants' schemas cannot be read: {why}")),
        }
        bases
    }

    async fn read(&self, bases: &mut Bases) -> Result<(), String> {
        let connection =
            Connection::open(&self.url, &self.session).await.map_err(|error| super::chain(&error))?;
        let routes = read_routes(&self.routing, &connection, &self.url).await;
        let routes = routes.map_err(|error| super::chain(&error))?;
        drop(connection);
        let role = self.session.role.as_deref();
        let seen = survey(&routes, &self.session, role, &Expected::default(), self.connections).await;
        let names = |shards: &[usize]| some(&routes, shards);
        if !seen.missing.is_empty() {
            bases.doubts.push(format!("there is no schema of {}", names(&seen.missing)));
        }
        if !seen.moving.is_empty() {
            bases.doubts.push(format!("somebody is changing the schema of {}", names(&seen.moving)));
        }
        for (shard, who) in &seen.locked {
            bases.doubts.push(format!("the schema of {} cannot be read: {who}", names(&[*shard])));
        }
        for (database, failure) in &seen.failed {
            bases.doubts.push(format!("the schemas in {database} cannot be read: {}", super::chain(failure)));
        }
        let shared = self.shared(&routes).await.map_err(|failure| super::chain(&failure))?;
        let kinds = kinds(&routes, &seen.hashes, &shared);
        bases.evidence = format!(
            "shadow: {} in {}, {}",
            words::count(seen.hashes.len(), "shard"),
            words::count(routes.databases.len(), "database"),
            words::count(kinds.len(), "distinct schema")
        );
        for shards in kinds.iter().take(self.most) {
            match self.dump(&routes, shards).await {
                Ok(dump) => bases.bases.push(BaseSchema::Dump(dump)),
                Err(why) => bases.doubts.push(format!("the schema of {}: {why}", names(shards))),
            }
        }
        let left: Vec<usize> = kinds.iter().skip(self.most).flatten().copied().collect();
        if !left.is_empty() {
            bases.doubts.push(format!(
                "{} more distinct schemas than the {} that are tried are not looked at, those of {}",
                kinds.len() - self.most,
                self.most,
                names(&left)
            ));
        }
        Ok(())
    }

    /// The schemas that all tenants of a database share.
    fn beside(&self) -> Vec<String> {
        self.search_path.iter().filter(|name| *name != OWN).cloned().collect()
    }

    /// What they hash to, database by database.
    async fn shared(&self, routes: &Routes) -> Result<Vec<BTreeMap<String, String>>, Failure> {
        let (beside, role) = (self.beside(), self.session.role.as_deref());
        let mut shared = Vec::new();
        for database in &routes.databases {
            let connection = Connection::open(&database.url, &self.session).await?;
            let read = read_hashes(&connection, &beside, role).await?;
            // What is not known to be alike is not: its databases' tenants are kinds of their own.
            let locked =
                read.locked.into_keys().map(|schema| (schema, format!("locked in {}", database.url)));
            shared.push(read.hashes.into_iter().chain(locked).collect());
        }
        Ok(shared)
    }

    async fn dump(&self, routes: &Routes, shards: &[usize]) -> Result<Dump, String> {
        let shard = &routes.shards[shards[0]];
        let own = |name: &String| if name == OWN { shard.schema.clone() } else { name.clone() };
        let search_path: Vec<String> = self.search_path.iter().map(own).collect();
        let mut schemas = vec![shard.schema.clone()];
        schemas.extend(self.beside());
        schemas.dedup();
        let url = &routes.databases[shard.database].url;
        let programs =
            tokio::task::spawn_blocking(Dump::programs).await.map_err(|error| error.to_string())?;
        let dump = Dump::of(&programs, url, &schemas).await.map_err(|error| super::chain(&error))?;
        Ok(Dump {
            of: format!("{}, that of {}", shard.name, count(shards.len())),
            search_path,
            tenant_schema: Some(shard.schema.clone()),
            shards: shards.iter().map(|shard| routes.shards[*shard].name.clone()).collect(),
            ..dump
        })
    }
}

fn count(shards: usize) -> String {
    if shards == 1 { "this shard alone".to_owned() } else { format!("{shards} shards") }
}

/// The kinds of schemas, that of the most shards first.
fn kinds(routes: &Routes, hashes: &BTreeMap<usize, String>, shared: &[BTreeMap<String, String>]) -> Kinds {
    let mut kinds: BTreeMap<(&str, &BTreeMap<String, String>), Vec<usize>> = BTreeMap::new();
    for (shard, hash) in hashes {
        let beside = &shared[routes.shards[*shard].database];
        kinds.entry((hash, beside)).or_default().push(*shard);
    }
    let mut kinds: Kinds = kinds.into_values().collect();
    kinds.sort_by_key(|shards| (std::cmp::Reverse(shards.len()), shards[0]));
    kinds
}

/// Shards by their names, the first few.
fn some(routes: &Routes, shards: &[usize]) -> String {
    let names: Vec<&str> = shards.iter().map(|shard| routes.shards[*shard].name.as_str()).collect();
    words::few(&names)
}
