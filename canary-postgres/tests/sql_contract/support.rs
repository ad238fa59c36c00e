//! What the suite beside this file is written from and runs on: a service's sources, and a server with three tenants.

#![expect(clippy::unwrap_used, reason = "a test without its server fails")]

#[path = "service/users.rs"]
mod users;

use std::path::Path;

use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::contract::{Budgets, Driver, Sources, Suite};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// The server of all tests; it ends with the program.
static SERVER: OnceCell<Cluster> = OnceCell::const_new();

/// The tenants' database.
pub(crate) async fn database_url() -> String {
    let server = SERVER
        .get_or_init(|| async {
            let server = Cluster::start(ClusterConfig::default()).await.unwrap();
            server.create_database("tenants").await.unwrap();
            let tenant = |n| {
                format!(
                    "CREATE SCHEMA t_{n}; CREATE TABLE t_{n}.users \
                     (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, nick varchar(40));"
                )
            };
            let sql = (1..=3).map(tenant).collect::<String>();
            connect(&server.url("tenants")).await.batch_execute(&sql).await.unwrap();
            server
        })
        .await;
    server.url("tenants")
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[test]
fn the_suite_is_what_the_sources_give() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql_contract");
    let mut contract = Sources::new(here.join("service")).extract().unwrap();
    assert_eq!(contract.drivers, [Driver::TokioPostgres]);
    assert!(contract.coverage.complete() && contract.coverage.unresolved.is_empty(), "{contract:?}");
    let names: Vec<_> = contract.constraints.iter().map(|matched| matched.name.as_str()).collect();
    assert_eq!(names, ["users_email_key"]);
    // A busy machine is no fault of the suite.
    contract.budgets = Budgets { p99_ms: 5000, ..Budgets::default() };
    let mut suite = Suite::default();
    suite.tenants = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\\_%' ORDER BY 1".to_owned();
    suite.fixture = Some("support".to_owned());
    let text = contract.generate(&suite).unwrap();
    let there = std::fs::read_to_string(here.join("main.rs")).unwrap();
    assert!(text == there, "the generator gives another text:\n{text}");
}

#[tokio::test]
async fn the_service_knows_an_error_by_its_constraint() {
    let client = connect(&database_url().await).await;
    client.batch_execute("SET search_path = t_2").await.unwrap();
    let id = users::sign_up(&client, "ada@example.org").await.unwrap().unwrap();
    assert_eq!(users::sign_up(&client, "ada@example.org").await.unwrap(), None);
    let found = users::find(&client, id).await.unwrap().unwrap();
    assert_eq!(found, users::User { id, email: "ada@example.org".to_owned(), nick: None });
    assert_eq!(users::count(&client).await.unwrap(), 1);
}
