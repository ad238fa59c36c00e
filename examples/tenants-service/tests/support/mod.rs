//! A database with eight shards, on a server of the test's own.

#![expect(clippy::expect_used, reason = "a test without its server fails")]

mod seed;

use canary_postgres::cluster::{Cluster, ClusterConfig};
use tokio::sync::OnceCell;

pub(crate) use seed::seed;

/// The server of all tests of a program; it ends with the program.
static SERVER: OnceCell<Cluster> = OnceCell::const_new();

/// The shards as the migrations make them.
pub(crate) async fn database_url() -> String {
    let server = SERVER
        .get_or_init(|| async {
            let server = Cluster::start(ClusterConfig::default())
                .await
                .expect("a server (apt-get install postgresql-15)");
            server.create_database("tenants").await.expect("a database");
            seed(&url(&server, "tenants"), false).await.expect("the shards");
            server
        })
        .await;
    url(server, "tenants")
}

/// The address of a database as sqlx takes it.
pub(crate) fn url(server: &Cluster, database: &str) -> String {
    let socket = server.socket_directory().display();
    format!("postgresql:///{database}?host={socket}&port={}&user={}", server.port(), server.user())
}
