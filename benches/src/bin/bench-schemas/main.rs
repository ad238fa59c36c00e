//! Many tenants in a throw-away server: one pass over all schemas beside a query a tenant, and every query of a contract described on all.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::contract::Contract;
use canary_postgres::describe::{Describe, describe};
use canary_postgres::drift::{Expected, read_hashes, survey};
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::{Routing, SchemaPattern, read_routes};
use serde_json::json;

const TABLES: usize = 20;
const QUERIES: usize = 200;
const CONNECTIONS: usize = 8;

#[tokio::main]
async fn main() -> Result<()> {
    let tenants: usize =
        std::env::args().nth(1).map_or(Ok(1000), |n| n.parse()).context("TENANTS is a number")?;
    let cluster =
        Cluster::start(ClusterConfig::default()).await.context("PostgreSQL's programs are needed")?;
    cluster.create_database("bench").await?;
    let url = DatabaseUrl::parse(&cluster.url("bench"))?;
    let session = Session {
        statement_timeout: Duration::from_secs(600),
        call_timeout: Duration::from_secs(600),
        ..Session::default()
    };
    println!("PostgreSQL {}, {tenants} tenants of {TABLES} tables; making them", cluster.major());
    fill(&url, &session, tenants).await?;

    let connection = Connection::open(&url, &session).await?;
    let routing = Routing::Schemas(SchemaPattern::parse("t\\_%")?);
    let routes = read_routes(&routing, &connection, &url).await?;
    ensure!(routes.shards.len() == tenants, "there are {} tenants", routes.shards.len());

    let began = Instant::now();
    let found = survey(&routes, &session, None, &Expected::default(), CONNECTIONS).await;
    let ours = began.elapsed();
    ensure!(found.groups.len() == 2 && found.drifts.len() == 1, "one tenant differs: {found:?}");
    println!(
        "hash and group, one pass            {:>8.2} s  ({})",
        ours.as_secs_f64(),
        found.drifts[0].1[0].text
    );

    let began = Instant::now();
    for shard in &routes.shards {
        read_hashes(&connection, std::slice::from_ref(&shard.schema), None).await?;
    }
    let naive = began.elapsed();
    println!(
        "the same hashes, a query a tenant   {:>8.2} s  ({:.1} times as long)",
        naive.as_secs_f64(),
        naive.as_secs_f64() / ours.as_secs_f64()
    );

    let contract = Arc::new(contract()?);
    let how = Describe {
        session: session.clone(),
        search_path: vec!["{schema}".to_owned()],
        connections: CONNECTIONS,
    };
    let memory = Memory::watch(connection);
    let began = Instant::now();
    let described = describe(&routes, &contract, &how, None).await;
    let took = began.elapsed();
    ensure!(described.statements == tenants * QUERIES && described.failed.is_empty(), "{described:?}");
    println!(
        "{QUERIES} queries described on each       {:>8.2} s  on {CONNECTIONS} connections, {} mismatch(es); largest backend {:.1} MB",
        took.as_secs_f64(),
        described.violations.len(),
        memory.largest() as f64 / 1024.0
    );
    cluster.stop().await?;
    Ok(())
}

/// Makes the tenants, the last one with another column type.
async fn fill(url: &DatabaseUrl, session: &Session, tenants: usize) -> Result<()> {
    let writing = Session { read_only: false, ..session.clone() };
    let connection = Connection::open(url, &writing).await?;
    for tenant in 0..tenants {
        let schema = format!("t_{tenant:05}");
        let mut sql = format!("BEGIN; CREATE SCHEMA {schema}; SET LOCAL search_path = {schema};");
        for table in 0..TABLES {
            let at = if tenant + 1 == tenants && table == 7 { "bigint" } else { "timestamptz DEFAULT now()" };
            write!(
                sql,
                "CREATE TABLE things_{table} (id bigserial PRIMARY KEY, name text NOT NULL, note text, amount numeric(10,2) DEFAULT 0, \
                 created_at {at}, CHECK (amount >= 0)); CREATE INDEX ON things_{table} (name);"
            )?;
        }
        sql.push_str("COMMIT");
        connection.batch("make a tenant", &sql).await?;
    }
    Ok(connection
        .batch("analyze", "ANALYZE pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_constraint")
        .await?)
}

/// A service with ten queries a table.
fn contract() -> Result<Contract> {
    let query = |i: usize| {
        let table = i % TABLES;
        let text = format!(
            "SELECT id, name, note, amount, created_at FROM things_{table} WHERE id = $1 AND name <> $2 ORDER BY created_at LIMIT {}",
            i / TABLES + 1
        );
        json!({"hash": format!("{i:03}"), "text": text, "uses": [{"place": {"file": "src/things.rs", "line": i + 1},
            "kind": "sqlx-function", "binding": {"row": "Thing"}}]})
    };
    let field = |name: &str, rust: &str, nullable: bool| json!({"name": name, "column": name, "rust_type": {"name": rust, "nullable": nullable}});
    let budgets = json!({"p99_ms": 50, "acquire_p99_ms": 10, "pool_utilisation_percent": 80});
    Ok(serde_json::from_value(json!({
        "format": 1, "tool": "bench", "service": "things", "drivers": ["sqlx"], "enums": [], "pools": [], "budgets": budgets, "seed": 1,
        "queries": (0..QUERIES).map(query).collect::<Vec<_>>(),
        "rows": [{"name": "Thing", "place": {"file": "src/things.rs", "line": 1}, "kind": "from-row", "fields": [
            field("id", "i64", false), field("name", "String", false), field("note", "String", true),
            field("amount", "Decimal", true), field("created_at", "DateTime<Utc>", true)]}],
        "coverage": {"files": 1, "known": QUERIES},
    }))?)
}

/// The largest backend while something runs: anonymous memory, in KiB, as the kernel counts it.
struct Memory {
    largest: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Memory {
    fn watch(connection: Connection) -> Self {
        let memory = Self { largest: Arc::default(), stop: Arc::default() };
        let (largest, stop) = (Arc::clone(&memory.largest), Arc::clone(&memory.stop));
        tokio::spawn(async move {
            let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'canary' AND pid <> pg_backend_pid()";
            while !stop.load(Ordering::Relaxed) {
                let Ok(rows) = connection.query("look at backends", sql, &[]).await else { return };
                for row in rows {
                    largest.fetch_max(anonymous(row.get(0)), Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        memory
    }

    fn largest(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn anonymous(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
