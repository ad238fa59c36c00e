//! A small service's contract.

use std::sync::Arc;
use std::time::Duration;

use canary_postgres::contract::Contract;
use canary_postgres::describe::Describe;
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::{Routes, Routing, SchemaPattern, read_routes};
use serde_json::{Value, json};

/// The tables of one tenant.
pub(crate) fn tenant(schema: &str) -> String {
    format!(
        "CREATE SCHEMA {schema}; SET search_path = {schema};
         CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL, mood mood, nick text, created_at timestamptz NOT NULL DEFAULT now());
         CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users (id), total numeric NOT NULL DEFAULT 0);
         INSERT INTO users (email) SELECT 'u' || i FROM generate_series(1, 20) i;"
    )
}

/// Tenants `t_1` to `t_n`.
pub(crate) fn tenants(n: usize) -> String {
    (1..=n).map(|i| tenant(&format!("t_{i}"))).collect()
}

fn rust(name: &str) -> Value {
    let inner = name.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
    json!({"name": inner.unwrap_or(name), "nullable": inner.is_some()})
}

fn query(line: u32, text: &str, binding: Value) -> Value {
    json!({"hash": format!("{line}"), "text": text,
        "uses": [{"place": {"file": "src/users.rs", "line": line}, "kind": "sqlx-function", "binding": binding}]})
}

/// What the service's sources say.
pub(crate) fn contract() -> Arc<Contract> {
    let field = |name: &str, ty: &str| json!({"name": name, "column": name, "rust_type": rust(ty)});
    let setting = |value: u64| json!({"known": {"value": {"at-most": value}, "place": {"file": "src/main.rs", "line": 9}}});
    let value = json!({
        "format": 1, "tool": "test", "service": "shop", "drivers": ["sqlx"],
        "queries": [
            query(10, "SELECT id, email, mood, nick, created_at FROM users WHERE id = $1", json!({"row": "User"})),
            query(20, "SELECT count(*) FROM orders WHERE total > $1", json!({"scalar": rust("i64")})),
            query(30, "INSERT INTO users (email) VALUES ($1) RETURNING id", json!({"tuple": [rust("i64")]})),
            query(40, "SELECT id FROM users ORDER BY id LIMIT 1 FOR UPDATE", json!({"scalar": rust("i64")})),
        ],
        "rows": [{"name": "User", "place": {"file": "src/users.rs", "line": 3}, "kind": "from-row", "fields": [
            field("id", "i64"), field("email", "String"), field("mood", "Option<Mood>"),
            field("nick", "Option<String>"), field("created_at", "DateTime<Utc>"),
        ]}],
        "enums": [{"name": "Mood", "place": {"file": "src/users.rs", "line": 1}, "driver": "sqlx", "type_name": "mood", "labels": ["sad", "ok"]}],
        "pools": [{"place": {"file": "src/main.rs", "line": 9}, "library": "sqlx", "max_connections": setting(8),
            "acquire_timeout_ms": setting(5000), "idle_timeout_ms": setting(600_000), "max_lifetime_ms": setting(1_800_000)}],
        "budgets": {"p99_ms": 5000, "acquire_p99_ms": 5000, "pool_utilisation_percent": 100}, "seed": 7,
        "coverage": {"files": 2, "known": 4},
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

/// How the tests describe.
pub(crate) fn how() -> Describe {
    Describe {
        session: Session { call_timeout: Duration::from_secs(60), ..Session::default() },
        search_path: vec!["{schema}".to_owned(), "public".to_owned()],
        connections: 4,
    }
}

/// The table of the tenants of a database.
pub(crate) async fn routes(url: &DatabaseUrl) -> Routes {
    let connection = Connection::open(url, &Session::default()).await.unwrap();
    let routing = Routing::Schemas(SchemaPattern::parse(r"t\_%").unwrap());
    read_routes(&routing, &connection, url).await.unwrap()
}
