//! What tenants-service asks of every tenant's schema, as tests. Written by `canary-cli contract generate` from
//! sql-contract.lock; not to be edited, but written anew when that file changes.
//!
//! The database is only read. A test that fails names the tenant, the query and the column.

mod support;

#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, reason = "written by a program")]
mod sql_contract {

use super::support;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

/// Gives the schema of every tenant, one a row.
const TENANTS: &str = "SELECT DISTINCT shard FROM public.routing ORDER BY shard";

/// The budget: the 99th percentile of a read.
const P99: Duration = Duration::from_millis(100);

/// What orders the tenants while reads are timed.
const SEED: u64 = 1;

/// Where the database is.
async fn database_url() -> String {
    support::database_url().await
}

/// src/orders.rs:83.
const DELETE_ORDERS_BY_ID: Query = Query {
    place: "src/orders.rs:83",
    text: "DELETE FROM orders WHERE id = $1",
    parameters: 1,
    reads: &[],
};

/// src/orders.rs:33.
const INSERT_ORDERS: Query = Query {
    place: "src/orders.rs:33",
    text: "INSERT INTO orders (user_id, cents, note) VALUES ($1, $2, $3) RETURNING id",
    parameters: 3,
    reads: &[
        Read { column: "0", rust: "i64", types: &["int8"], optional: false },
    ],
};

/// src/users.rs:107.
const INSERT_USERS: Query = Query {
    place: "src/users.rs:107",
    text: "INSERT INTO users (tenant_id, email) VALUES ($1, $2) ON CONFLICT (tenant_id, email) DO UPDATE SET email = excluded.email RETURNING id",
    parameters: 2,
    reads: &[
        Read { column: "0", rust: "UserId", types: &["int8"], optional: false },
    ],
};

/// src/routing.rs:30.
const SELECT_PUBLIC_ROUTING: Query = Query {
    place: "src/routing.rs:30",
    text: "SELECT DISTINCT shard FROM public.routing ORDER BY shard",
    parameters: 0,
    reads: &[
        Read { column: "0", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
    ],
};

/// src/users.rs:95.
const SELECT_USERS_BY_TENANT_ID: Query = Query {
    place: "src/users.rs:95",
    text: "SELECT count(*) FROM users WHERE tenant_id = $1",
    parameters: 1,
    reads: &[
        Read { column: "0", rust: "i64", types: &["int8"], optional: false },
    ],
};

/// src/orders.rs:52, read into `Order`.
const SELECT_ORDERS_BY_USER_ID: Query = Query {
    place: "src/orders.rs:52",
    text: "SELECT id, cents, note, placed_at FROM orders WHERE user_id = $1 ORDER BY placed_at DESC",
    parameters: 1,
    reads: &[
        Read { column: "id", rust: "i64", types: &["int8"], optional: false },
        Read { column: "cents", rust: "i64", types: &["int8"], optional: false },
        Read { column: "note", rust: "Option<String>", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
        Read { column: "placed_at", rust: "DateTime<Utc>", types: &["timestamptz"], optional: false },
    ],
};

/// src/users.rs:47, read into `User`.
const SELECT_USERS_BY_ID: Query = Query {
    place: "src/users.rs:47",
    text: "SELECT id, email, plan, created_at, email_verified_at FROM users WHERE id = $1",
    parameters: 1,
    reads: &[
        Read { column: "id", rust: "UserId", types: &["int8"], optional: false },
        Read { column: "email", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
        Read { column: "plan", rust: "Plan", types: &["plan"], optional: false },
        Read { column: "created_at", rust: "DateTime<Utc>", types: &["timestamptz"], optional: false },
        Read { column: "email_verified_at", rust: "Option<DateTime<Utc>>", types: &["timestamptz"], optional: false },
    ],
};

/// src/users.rs:66, read into `User`.
const SELECT_USERS_BY_TENANT_ID_AND_EMAIL: Query = Query {
    place: "src/users.rs:66",
    text: "SELECT id, email, plan, created_at, email_verified_at FROM users WHERE tenant_id = $1 AND email = $2",
    parameters: 2,
    reads: &[
        Read { column: "id", rust: "UserId", types: &["int8"], optional: false },
        Read { column: "email", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
        Read { column: "plan", rust: "Plan", types: &["plan"], optional: false },
        Read { column: "created_at", rust: "DateTime<Utc>", types: &["timestamptz"], optional: false },
        Read { column: "email_verified_at", rust: "Option<DateTime<Utc>>", types: &["timestamptz"], optional: false },
    ],
};

/// src/users.rs:79, read into `User`.
const SELECT_USERS_BY_TENANT_ID_2: Query = Query {
    place: "src/users.rs:79",
    text: "SELECT id, email, plan, created_at, email_verified_at FROM users WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
    parameters: 2,
    reads: &[
        Read { column: "id", rust: "UserId", types: &["int8"], optional: false },
        Read { column: "email", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
        Read { column: "plan", rust: "Plan", types: &["plan"], optional: false },
        Read { column: "created_at", rust: "DateTime<Utc>", types: &["timestamptz"], optional: false },
        Read { column: "email_verified_at", rust: "Option<DateTime<Utc>>", types: &["timestamptz"], optional: false },
    ],
};

/// src/routing.rs:17.
const SELECT: Query = Query {
    place: "src/routing.rs:17",
    text: "SELECT set_config('search_path', quote_ident($1), false)",
    parameters: 1,
    reads: &[],
};

/// src/routing.rs:16.
const SELECT_PUBLIC_ROUTING_BY_TENANT_ID: Query = Query {
    place: "src/routing.rs:16",
    text: "SELECT shard FROM public.routing WHERE tenant_id = $1",
    parameters: 1,
    reads: &[
        Read { column: "0", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
    ],
};

/// src/orders.rs:66.
const SELECT_USERS_BY_TENANT_ID_3: Query = Query {
    place: "src/orders.rs:66",
    text: "SELECT u.email, sum(o.cents)::bigint AS spent FROM users u JOIN orders o ON o.user_id = u.id WHERE u.tenant_id = $1 GROUP BY u.email ORDER BY u.email",
    parameters: 1,
    reads: &[
        Read { column: "email", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: false },
        Read { column: "spent", rust: "i64", types: &["int8"], optional: false },
    ],
};

/// src/users.rs:124.
const UPDATE_USERS_BY_ID: Query = Query {
    place: "src/users.rs:124",
    text: "UPDATE users SET email_verified_at = now() WHERE id = $1 AND email_verified_at IS NULL",
    parameters: 1,
    reads: &[],
};

/// Every query that reads alone, for the budget.
const TIMED: &[&Query] = &[
    &SELECT_PUBLIC_ROUTING,
    &SELECT_USERS_BY_TENANT_ID,
    &SELECT_ORDERS_BY_USER_ID,
    &SELECT_USERS_BY_ID,
    &SELECT_USERS_BY_TENANT_ID_AND_EMAIL,
    &SELECT_USERS_BY_TENANT_ID_2,
    &SELECT_PUBLIC_ROUTING_BY_TENANT_ID,
    &SELECT_USERS_BY_TENANT_ID_3,
];

#[tokio::test]
async fn delete_orders_by_id() {
    every_tenant_answers(&DELETE_ORDERS_BY_ID).await;
}

#[tokio::test]
async fn insert_orders() {
    every_tenant_answers(&INSERT_ORDERS).await;
}

#[tokio::test]
async fn insert_users() {
    every_tenant_answers(&INSERT_USERS).await;
}

#[tokio::test]
async fn select_public_routing() {
    every_tenant_answers(&SELECT_PUBLIC_ROUTING).await;
}

#[tokio::test]
async fn select_users_by_tenant_id() {
    every_tenant_answers(&SELECT_USERS_BY_TENANT_ID).await;
}

#[tokio::test]
async fn select_orders_by_user_id() {
    every_tenant_answers(&SELECT_ORDERS_BY_USER_ID).await;
}

#[tokio::test]
async fn select_users_by_id() {
    every_tenant_answers(&SELECT_USERS_BY_ID).await;
}

#[tokio::test]
async fn select_users_by_tenant_id_and_email() {
    every_tenant_answers(&SELECT_USERS_BY_TENANT_ID_AND_EMAIL).await;
}

#[tokio::test]
async fn select_users_by_tenant_id_2() {
    every_tenant_answers(&SELECT_USERS_BY_TENANT_ID_2).await;
}

#[tokio::test]
async fn select() {
    every_tenant_answers(&SELECT).await;
}

#[tokio::test]
async fn select_public_routing_by_tenant_id() {
    every_tenant_answers(&SELECT_PUBLIC_ROUTING_BY_TENANT_ID).await;
}

#[tokio::test]
async fn select_users_by_tenant_id_3() {
    every_tenant_answers(&SELECT_USERS_BY_TENANT_ID_3).await;
}

#[tokio::test]
async fn update_users_by_id() {
    every_tenant_answers(&UPDATE_USERS_BY_ID).await;
}

/// src/orders.rs:10: the columns of `Order`.
#[tokio::test]
async fn rows_of_order_are_alike_for_every_tenant() {
    every_tenant_is_alike(&[&SELECT_ORDERS_BY_USER_ID]).await;
}

/// src/users.rs:25: the columns of `User`.
#[tokio::test]
async fn rows_of_user_are_alike_for_every_tenant() {
    every_tenant_is_alike(&[&SELECT_USERS_BY_ID, &SELECT_USERS_BY_TENANT_ID_AND_EMAIL, &SELECT_USERS_BY_TENANT_ID_2]).await;
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
async fn connect() -> sqlx::PgConnection {
    let url = database_url().await;
    let options = sqlx::postgres::PgConnectOptions::from_str(&url).expect("the database's address").options([
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "5s"),
        ("lock_timeout", "1s"),
    ]);
    <sqlx::PgConnection as sqlx::Connection>::connect_with(&options).await.expect("a connection to the database")
}

async fn tenants(connection: &mut sqlx::PgConnection) -> Vec<String> {
    let tenants: Vec<String> =
        sqlx::query_scalar(TENANTS).fetch_all(connection).await.expect("the schemas of the tenants");
    assert!(!tenants.is_empty(), "no tenant: {TENANTS}");
    tenants
}

/// Makes names resolve in a tenant's schema.
async fn switch(connection: &mut sqlx::PgConnection, tenant: &str) {
    sqlx::query("SELECT set_config('search_path', quote_ident($1), false)")
        .bind(tenant)
        .execute(connection)
        .await
        .expect("the tenant's search_path");
}

/// The columns' names and types as the server describes them.
async fn describe(
    connection: &mut sqlx::PgConnection,
    query: &Query,
) -> Result<Vec<(String, String)>, String> {
    use sqlx::{Column as _, Connection as _, Execute as _, Executor as _, Statement as _, TypeInfo as _};
    // What was prepared for another tenant says nothing of this one.
    connection.clear_cached_statements().await.map_err(|error| error.to_string())?;
    // By way of a query the text has the type that this version of sqlx prepares.
    let text = sqlx::query::<sqlx::Postgres>(query.text).sql();
    let statement = connection.prepare(text).await.map_err(|error| error.to_string())?;
    let of = |column: &sqlx::postgres::PgColumn| {
        // `"name!"` and the like are for sqlx's macros.
        let name = column.name().split([':', '!', '?']).next().unwrap_or_default().trim().to_owned();
        (name, plain(column.type_info().name()))
    };
    Ok(statement.columns().iter().map(of).collect())
}

async fn run(connection: &mut sqlx::PgConnection, text: &str, tenant: &str, query: &Query) {
    // The text is made of the contract's. One that lives as long as the program is what every version of sqlx takes.
    let text: &'static str = text.to_owned().leak();
    let done = sqlx::raw_sql(text).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{}: {tenant}: {error}", query.place));
}

}
