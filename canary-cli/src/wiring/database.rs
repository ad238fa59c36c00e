//! From settings to the check of live schemas.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::traits::{BackendError, CheckAsk, CheckReport, ReleaseCheck};
use canary_postgres::LiveSchemas;
use canary_postgres::checks::{SchemaCheckConfig, SchemaChecks};
use canary_postgres::contract::Contract;
use canary_postgres::live::{DatabaseUrl, Session};
use canary_postgres::routing::{Routing, SchemaPattern};
use canary_postgres::shadow::{NamedServer, ShadowServer};

use super::unusable;
use crate::error::{CommandError, ErrorKind, chain};
use crate::settings::{DatabaseSettings, Key, Settings, ShadowPlace, UrlSource};

/// What is checked on live schemas; `None` when no database is named.
///
/// # Errors
/// An address, a pattern or a contract that cannot be used.
pub(crate) fn schema_checks(settings: &Settings) -> Result<Option<SchemaCheckConfig>, CommandError> {
    let database = &settings.database;
    let Some(url) = live_database(settings)? else { return Ok(None) };
    let mut config = SchemaCheckConfig::new(url, routing(settings)?);
    config.session = session(database);
    config.connections = database.connections;
    config.search_path.clone_from(&database.search_path);
    config.contract = contract(settings)?.map(Arc::new);
    if let Some(contract) = &config.contract {
        config.budgets = contract.budgets;
    }
    budgets(database, &mut config);
    config.pool = database.pool;
    (config.rate, config.requests) = (database.load_rate, database.load_requests);
    (config.instances, config.reserve) = (database.instances, database.reserve);
    config.limit = database.limit;
    Ok(Some(config))
}

/// Where the live schemas are; `None` when no database is named.
fn live_database(settings: &Settings) -> Result<Option<DatabaseUrl>, CommandError> {
    let Some(source) = &settings.database.url else { return Ok(None) };
    let key = match source {
        UrlSource::File(_) => Key::DatabaseUrlFile,
        UrlSource::Variable { .. } => Key::DatabaseUrlVariable,
    };
    source.read().map(Some).map_err(|error| unusable(settings, key, &error))
}

fn session(database: &DatabaseSettings) -> Session {
    Session {
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        // Longer than the server takes to give up by itself.
        call_timeout: database.statement_timeout + Duration::from_secs(10),
        role: database.role.clone(),
        ..Session::default()
    }
}

/// Where shadow runs are made; `None` where there are none. A named server is never one that the live schemas are on.
pub(super) fn shadow_server(settings: &Settings) -> Result<Option<ShadowServer>, CommandError> {
    let (key, source) = match &settings.migrations.shadow {
        ShadowPlace::Off => return Ok(None),
        ShadowPlace::Local => return Ok(Some(ShadowServer::default())),
        ShadowPlace::Server { key, url } => (*key, url),
    };
    let url = source.read().map_err(|error| unusable(settings, key, &error))?;
    let live = live_database(settings)?.into_iter().collect();
    Ok(Some(ShadowServer::Named(Box::new(NamedServer { url, live }))))
}

/// The live schemas that shadow runs start from; `None` when no database is named.
pub(super) fn live_schemas(settings: &Settings) -> Result<Option<LiveSchemas>, CommandError> {
    let database = &settings.database;
    let Some(url) = live_database(settings)? else { return Ok(None) };
    Ok(Some(LiveSchemas {
        url,
        session: session(database),
        routing: routing(settings)?,
        search_path: database.search_path.clone(),
        connections: database.connections,
        most: LiveSchemas::MOST,
    }))
}

fn routing(settings: &Settings) -> Result<Routing, CommandError> {
    let database = &settings.database;
    match (&database.routing_query, &database.routing_file) {
        (Some(_), Some(_)) => Err(CommandError::usage(
            "database.routing_query and database.routing_file both name the routing table",
            "leave one of them away",
        )),
        (Some(query), None) => Ok(Routing::Query(query.clone())),
        (None, Some(file)) => Ok(Routing::File(file.clone())),
        (None, None) => {
            let pattern = SchemaPattern::parse(&database.schemas);
            Ok(Routing::Schemas(pattern.map_err(|error| unusable(settings, Key::DatabaseSchemas, &error))?))
        }
    }
}

fn contract(settings: &Settings) -> Result<Option<Contract>, CommandError> {
    let path = &settings.database.contract;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !settings.database.contract_named => {
            return Ok(None);
        }
        Err(error) => {
            return Err(CommandError::usage(
                format!("database.contract: cannot read {}: {error}", path.display()),
                "write it with `canary-cli contract lock`, and commit it",
            ));
        }
    };
    Contract::from_lock(&text).map(Some).map_err(|error| {
        let message = format!("{}: {}", path.display(), chain(&error));
        CommandError::new(ErrorKind::Refused, message, "write it anew with `canary-cli contract lock`")
    })
}

fn budgets(database: &DatabaseSettings, config: &mut SchemaCheckConfig) {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if let Some(p99) = database.p99 {
        config.budgets.p99_ms = milliseconds(p99);
    }
    if let Some(p99) = database.acquire_p99 {
        config.budgets.acquire_p99_ms = milliseconds(p99);
    }
    if let Some(percent) = database.pool_utilisation {
        config.budgets.pool_utilisation_percent = percent;
    }
}

/// The engine's checks. What cannot be set up refuses a rollout, and no way back: it is a check that knows nothing.
pub(super) fn release_checks(settings: &Settings) -> Vec<Arc<dyn ReleaseCheck>> {
    match schema_checks(settings) {
        Ok(None) => Vec::new(),
        Ok(Some(config)) => vec![Arc::new(SchemaChecks::new(config))],
        Err(error) => {
            let why = error.problems.into_iter().next().map(|problem| problem.message).unwrap_or_default();
            vec![Arc::new(Unusable { name: "schema", about: "live schemas", why })]
        }
    }
}

/// A check that could not be set up.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) why: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.about)
    }
}

#[async_trait]
impl ReleaseCheck for Unusable {
    fn name(&self) -> &str {
        self.name
    }

    async fn check(&self, _: &CheckAsk) -> Result<CheckReport, BackendError> {
        Ok(CheckReport::unknown(self.name(), &self.why))
    }
}
