//! The checked table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::live::DatabaseUrl;

/// A database that holds tenants.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name; with its server, where that is another than the one asked first.
    pub name: String,
    /// How to get there.
    pub url: DatabaseUrl,
}

/// One schema with the tenants in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// What people call it.
    pub name: String,
    /// Its database, as an index into [`Routes::databases`].
    pub database: usize,
    /// Its schema.
    pub schema: String,
    /// The tenants that are routed there; empty when the table does not say.
    pub tenants: Vec<String>,
}

/// All shards, in the order of the table; there is at least one.
#[derive(Debug, Clone)]
pub struct Routes {
    /// The databases.
    pub databases: Vec<Database>,
    /// The shards.
    pub shards: Vec<Shard>,
}

/// A row of the table as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The shard; the schema's name when not said.
    pub(crate) shard: Option<String>,
    /// The database on the same server; the one asked when not said.
    pub(crate) database: Option<String>,
    /// A file with the address of another server.
    pub(crate) url_file: Option<PathBuf>,
    /// The schema.
    pub(crate) schema: String,
    /// The tenant, or several.
    pub(crate) tenants: Vec<String>,
    /// Where the row stands, for messages (`line 7`, `row 3`).
    pub(crate) place: String,
}

/// Why a table is none to route by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutesError {
    /// It has no rows.
    #[error("it names no shard at all")]
    Empty,
    /// A row has an empty name in it.
    #[error("{0}: an empty name")]
    Nameless(String),
    /// The same name twice, for different places.
    #[error("{place}: {what} `{name}` is there twice")]
    Twice {
        /// The row.
        place: String,
        /// `shard` or `tenant`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The same place under two names.
    #[error("{place}: schema `{schema}` of database `{database}` already belongs to shard `{shard}`")]
    Shared {
        /// The row.
        place: String,
        /// The schema.
        schema: String,
        /// The database.
        database: String,
        /// Whose it is.
        shard: String,
    },
}

impl Routes {
    /// Makes the table of its rows; rows of one shard are the shard's tenants.
    ///
    /// `servers` are the addresses in the files that rows name.
    pub(crate) fn of_rows(
        rows: Vec<Row>,
        url: &DatabaseUrl,
        servers: &BTreeMap<PathBuf, DatabaseUrl>,
    ) -> Result<Self, RoutesError> {
        let mut routes = Self { databases: Vec::new(), shards: Vec::new() };
        let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_schema: BTreeMap<(usize, String), usize> = BTreeMap::new();
        let mut tenants: BTreeMap<String, ()> = BTreeMap::new();
        for row in rows {
            let named = [row.shard.as_deref(), row.database.as_deref(), Some(row.schema.as_str())];
            if named
                .iter()
                .flatten()
                .chain(row.tenants.iter().map(String::as_str).collect::<Vec<_>>().iter())
                .any(|name| name.is_empty())
            {
                return Err(RoutesError::Nameless(row.place));
            }
            for tenant in &row.tenants {
                if tenants.insert(tenant.clone(), ()).is_some() {
                    return Err(RoutesError::Twice {
                        place: row.place,
                        what: "tenant",
                        name: tenant.clone(),
                    });
                }
            }
            let other = row.url_file.as_ref().and_then(|file| servers.get(file));
            let database = routes.database(row.database.as_deref(), other.unwrap_or(url), other.is_some());
            let name = row.shard.unwrap_or_else(|| row.schema.clone());
            let at = by_schema.get(&(database, row.schema.clone())).copied();
            match (by_name.get(&name).copied(), at) {
                // A row with a tenant of its own of a shard that is known.
                (Some(shard), Some(same)) if shard == same && !row.tenants.is_empty() => {
                    routes.shards[shard].tenants.extend(row.tenants);
                }
                (Some(_), _) => {
                    return Err(RoutesError::Twice { place: row.place, what: "shard", name });
                }
                (None, Some(other)) => {
                    return Err(RoutesError::Shared {
                        place: row.place,
                        schema: row.schema,
                        database: routes.databases[database].name.clone(),
                        shard: routes.shards[other].name.clone(),
                    });
                }
                (None, None) => {
                    by_name.insert(name.clone(), routes.shards.len());
                    by_schema.insert((database, row.schema.clone()), routes.shards.len());
                    routes.shards.push(Shard { name, database, schema: row.schema, tenants: row.tenants });
                }
            }
        }
        if routes.shards.is_empty() { Err(RoutesError::Empty) } else { Ok(routes) }
    }

    fn database(&mut self, name: Option<&str>, server: &DatabaseUrl, other: bool) -> usize {
        let url = server.with_database(name.unwrap_or_else(|| server.database()));
        let shown = url.to_string();
        self.databases.iter().position(|known| known.url.to_string() == shown).unwrap_or_else(|| {
            let name = if other { shown } else { url.database().to_owned() };
            self.databases.push(Database { name, url });
            self.databases.len() - 1
        })
    }

    /// The shards of one database, by their index.
    pub(crate) fn in_database(&self, database: usize) -> impl Iterator<Item = (usize, &Shard)> {
        self.shards.iter().enumerate().filter(move |(_, shard)| shard.database == database)
    }

    /// The same table with these shards alone; their indexes are others.
    pub(crate) fn only(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let shards = self.shards.iter().enumerate().filter(|(i, _)| wanted(*i));
        Self { databases: self.databases.clone(), shards: shards.map(|(_, shard)| shard.clone()).collect() }
    }

    /// How many tenants there are; shards where the table names none count as one each.
    #[must_use]
    pub fn tenants(&self) -> usize {
        self.shards.iter().map(|shard| shard.tenants.len().max(1)).sum()
    }
}

#[cfg(test)]
mod tests;
