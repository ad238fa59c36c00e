//! The settings of the live schemas.

use canary_postgres::live::DatabaseUrl;

use crate::environment::Environment;
use crate::settings::layers::Layers;
use crate::settings::values::Given as _;
use crate::settings::{DatabaseSettings, Key, ShadowPlace, UrlSource};

/// Where an address is that may be in a file or in a variable; the file comes first.
fn source(layers: &Layers, environment: &Environment, file: Key, variable: Key) -> Option<(Key, UrlSource)> {
    if let Some(path) = layers.path(file) {
        return Some((file, UrlSource::File(environment.directory.join(path))));
    }
    let name = layers.text(variable)?;
    let url = Box::new(DatabaseUrl::parse(environment.text(&name).unwrap_or("")));
    Some((variable, UrlSource::Variable { name, url }))
}

/// Where shadow runs are made.
pub(super) fn shadow(layers: &Layers, environment: &Environment) -> ShadowPlace {
    let place = layers.text(Key::MigrationsShadow).given();
    let named =
        || source(layers, environment, Key::MigrationsShadowUrlFile, Key::MigrationsShadowUrlVariable);
    match place.as_str() {
        "off" => ShadowPlace::Off,
        "local" => ShadowPlace::Local,
        "server" => {
            // A contradiction's rule has refused a server without an address.
            named().map_or(ShadowPlace::Off, |(key, url)| ShadowPlace::Server { key, url })
        }
        address => {
            let url = Box::new(DatabaseUrl::parse(address));
            let name = Key::MigrationsShadow.setting().variable.to_owned();
            ShadowPlace::Server { key: Key::MigrationsShadow, url: UrlSource::Variable { name, url } }
        }
    }
}

pub(super) fn build(layers: &Layers, environment: &Environment, nodes: usize) -> DatabaseSettings {
    let path = |key| layers.path(key).map(|path| environment.directory.join(path));
    let url = source(layers, environment, Key::DatabaseUrlFile, Key::DatabaseUrlVariable);
    DatabaseSettings {
        url: url.map(|(_, url)| url),
        role: layers.text(Key::DatabaseRole),
        schemas: layers.text(Key::DatabaseSchemas).given(),
        routing_query: layers.text(Key::DatabaseRoutingQuery),
        routing_file: path(Key::DatabaseRoutingFile),
        search_path: layers
            .text(Key::DatabaseSearchPath)
            .given()
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        contract: path(Key::DatabaseContract).given(),
        contract_named: layers.is_written(Key::DatabaseContract),
        connections: usize::try_from(layers.count(Key::DatabaseConnections).given()).unwrap_or(1),
        statement_timeout: layers.time(Key::DatabaseStatementTimeout).given(),
        lock_timeout: layers.time(Key::DatabaseLockTimeout).given(),
        limit: layers.time(Key::DatabaseLimit).given(),
        instances: layers.count(Key::DatabaseInstances).unwrap_or(nodes as u64),
        pool: layers.count(Key::DatabasePool),
        reserve: layers.count(Key::DatabaseReserve).given(),
        load_requests: u32::try_from(layers.count(Key::DatabaseLoadRequests).given()).unwrap_or(u32::MAX),
        load_rate: u32::try_from(layers.count(Key::DatabaseLoadRate).given()).unwrap_or(u32::MAX),
        p99: layers.time(Key::DatabaseP99),
        acquire_p99: layers.time(Key::DatabaseAcquireP99),
        pool_utilisation: layers.count(Key::DatabasePoolUtilisation).and_then(|n| u32::try_from(n).ok()),
    }
}
