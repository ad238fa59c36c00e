//! What workspace asks of every tenant's schema, as tests. Written by `canary-cli contract generate` from
//! sql-contract.lock; not to be edited, but written anew when that file changes.
//!
//! The database is only read. A test that fails names the tenant, the query and the column.

mod support;

#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, reason = "written by a program")]
mod sql_contract {

use super::support;
use std::time::{Duration, Instant};

/// Gives the schema of every tenant, one a row.
const TENANTS: &str = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\\_%' ORDER BY 1";

/// The budget: the 99th percentile of a read.
const P99: Duration = Duration::from_millis(5000);

/// What orders the tenants while reads are timed.
const SEED: u64 = 1;

/// Where the database is.
async fn database_url() -> String {
    support::database_url().await
}

/// users.rs:28.
const INSERT_USERS: Query = Query {
    place: "users.rs:28",
    text: "INSERT INTO users (email) VALUES ($1) RETURNING id",
    parameters: 1,
    reads: &[],
};

/// users.rs:21.
const SELECT_USERS: Query = Query {
    place: "users.rs:21",
    text: "SELECT count(*) FROM users",
    parameters: 0,
    reads: &[],
};

/// users.rs:15, read into `User`.
const SELECT_USERS_BY_ID: Query = Query {
    place: "users.rs:15",
    text: "SELECT id, email, nick FROM users WHERE id = $1",
    parameters: 1,
    reads: &[
        Read { column: "id", rust: "i64", types: &["int8"], optional: false },
        Read { column: "email", rust: "String", types: &["text", "varchar", "bpchar", "name", "citext", "unknown", "ltree", "lquery", "ltxtquery"], optional: false },
        Read { column: "nick", rust: "Option<String>", types: &["text", "varchar", "bpchar", "name", "citext", "unknown", "ltree", "lquery", "ltxtquery"], optional: false },
    ],
};

/// Every query that reads alone, for the budget.
const TIMED: &[&Query] = &[
    &SELECT_USERS,
    &SELECT_USERS_BY_ID,
];

#[tokio::test]
async fn insert_users() {
    every_tenant_answers(&INSERT_USERS).await;
}

#[tokio::test]
async fn select_users() {
    every_tenant_answers(&SELECT_USERS).await;
}

#[tokio::test]
async fn select_users_by_id() {
    every_tenant_answers(&SELECT_USERS_BY_ID).await;
}

/// users.rs:7: the columns of `User`.
#[tokio::test]
async fn rows_of_user_are_alike_for_every_tenant() {
    every_tenant_is_alike(&[&SELECT_USERS_BY_ID]).await;
}

#[tokio::test]
async fn p99_of_reads_is_within_its_budget() {
    let mut connection = connect().await;
    let mut tenants = tenants(&mut connection).await;
    shuffle(&mut tenants, SEED);
    let rounds = (1000 / (tenants.len() * TIMED.len()).max(1)).clamp(1, 100);
    let mut times = Vec::new();
    for tenant in &tenants {
        switch(&mut connection, tenant).await;
        for query in TIMED {
            let nulls = vec!["NULL"; query.parameters].join(", ");
            let execute = if nulls.is_empty() { "EXECUTE timed".to_owned() } else { format!("EXECUTE timed({nulls})") };
            run(&mut connection, &format!("PREPARE timed AS {}", query.text), tenant, query).await;
            for _ in 0..rounds {
                let start = Instant::now();
                run(&mut connection, &execute, tenant, query).await;
                times.push(start.elapsed());
            }
            run(&mut connection, "DEALLOCATE timed", tenant, query).await;
        }
    }
    times.sort();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    assert!(p99 <= P99, "p99 of {} reads is {p99:?}, the budget is {P99:?}", times.len());
}

/// A query of the service.
struct Query {
    place: &'static str,
    text: &'static str,
    parameters: usize,
    reads: &'static [Read],
}

/// What the service reads of a result.
struct Read {
    /// The column's name, or its number from 0.
    column: &'static str,
    /// The Rust type that it becomes.
    rust: &'static str,
    /// The types that decode into that one; none where its own code decides.
    types: &'static [&'static str],
    /// Whether it may be missing.
    optional: bool,
}

/// Prepares a query for every tenant and holds its columns against what reads them.
async fn every_tenant_answers(query: &Query) {
    let mut connection = connect().await;
    let mut wrong = Vec::new();
    for tenant in tenants(&mut connection).await {
        switch(&mut connection, &tenant).await;
        let columns = match describe(&mut connection, query).await {
            Ok(columns) => columns,
            Err(error) => {
                wrong.push(format!("{tenant}: does not prepare: {error}"));
                continue;
            }
        };
        for read in query.reads {
            let number = read.column.parse::<usize>().ok();
            let found = columns.iter().enumerate().find(|(at, (name, _))| Some(*at) == number || name == read.column);
            match found {
                None if read.optional => {}
                None => wrong.push(format!("{tenant}: there is no column {}", read.column)),
                Some((_, (_, found))) if read.types.is_empty() || read.types.contains(&found.as_str()) => {}
                Some((_, (_, found))) => wrong.push(format!(
                    "{tenant}: column {} is {found}, {} decodes {}",
                    read.column,
                    read.rust,
                    read.types.join(" or ")
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {}\n  {}", query.place, query.text, wrong.join("\n  "));
}

/// Holds what every tenant's server describes against what the first one's does.
async fn every_tenant_is_alike(queries: &[&Query]) {
    let mut connection = connect().await;
    let tenants = tenants(&mut connection).await;
    let mut wrong = Vec::new();
    for query in queries {
        let mut first = None;
        for tenant in &tenants {
            switch(&mut connection, tenant).await;
            let found = describe(&mut connection, query).await;
            match &first {
                None => first = Some(found),
                Some(first) if *first != found => {
                    wrong.push(format!("{}: {tenant} has {found:?}, {} has {first:?}", query.place, tenants[0]));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same order for the same seed (SplitMix64).
fn shuffle(tenants: &mut [String], seed: u64) {
    let mut state = seed;
    for at in (1..tenants.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let pick = (mixed ^ (mixed >> 31)) % (at as u64 + 1);
        tenants.swap(at, usize::try_from(pick).expect("less than the number of tenants"));
    }
}

/// A type's name without its schema and quotes, in lower case.
fn plain(name: &str) -> String {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let unquoted = if bare == "\"CHAR\"" { bare } else { bare.trim_matches('"') };
    unquoted.to_lowercase()
}

/// A connection that only reads.
async fn connect() -> tokio_postgres::Client {
    let url = database_url().await;
    let mut config: tokio_postgres::Config = url.parse().expect("the database's address");
    config.options("-c default_transaction_read_only=on -c statement_timeout=5s -c lock_timeout=1s");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("a connection to the database");
    tokio::spawn(connection);
    client
}

async fn tenants(client: &mut tokio_postgres::Client) -> Vec<String> {
    let rows = client.query(TENANTS, &[]).await.expect("the schemas of the tenants");
    assert!(!rows.is_empty(), "no tenant: {TENANTS}");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Makes names resolve in a tenant's schema.
async fn switch(client: &mut tokio_postgres::Client, tenant: &str) {
    let set = "SELECT set_config('search_path', quote_ident($1), false)";
    client.execute(set, &[&tenant]).await.expect("the tenant's search_path");
}

/// The columns' names and types as the server describes them.
async fn describe(client: &mut tokio_postgres::Client, query: &Query) -> Result<Vec<(String, String)>, String> {
    let statement = client.prepare(query.text).await.map_err(|error| error.to_string())?;
    let of = |column: &tokio_postgres::Column| (column.name().to_owned(), plain(column.type_().name()));
    Ok(statement.columns().iter().map(of).collect())
}

async fn run(client: &mut tokio_postgres::Client, text: &str, tenant: &str, query: &Query) {
    let done = client.batch_execute(text).await;
    done.unwrap_or_else(|error| panic!("{}: {tenant}: {error}", query.place));
}

}
