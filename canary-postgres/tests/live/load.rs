//! Load on real schemas, and the server's limits.

use std::time::Duration;

use canary_postgres::live::{Connection, Session};
use canary_postgres::load::{Load, measure, read_limits};

use crate::{server, service};

fn load(pool: usize, requests: u32) -> Load {
    Load { pool, rate: 500, requests, acquire_timeout: Duration::from_secs(20), seed: 7 }
}

#[tokio::test]
async fn tenants_are_asked_through_the_pool_and_nothing_is_written() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "load", &service::tenants(5)).await;
    let routes = service::routes(&url).await;
    let report = measure(&routes, &service::contract(), &service::how(), &load(4, 300)).await.unwrap();
    assert_eq!((report.answered, report.starved, report.queries), (300, 0, 2), "{report:?}");
    assert!(report.failed.is_empty(), "{report:?}");
    assert!(
        Duration::ZERO < report.p50 && report.p50 <= report.p99 && report.p99 <= report.max,
        "{report:?}"
    );
    assert!(report.utilisation > 0.0 && report.utilisation <= 1.05, "{report:?}");
    let left_out: Vec<_> = report.left_out.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(left_out, ["src/users.rs:30", "src/users.rs:40"]);
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let rows = connection.query("count", "SELECT count(*) FROM t_1.users", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 20);
}

#[tokio::test]
async fn a_tenant_that_fails_is_counted_by_its_line() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "load_broken", &service::tenants(2)).await;
    let routes = service::routes(&url).await;
    server::write(&url, "DROP TABLE t_2.orders").await;
    let report = measure(&routes, &service::contract(), &service::how(), &load(2, 100)).await.unwrap();
    let (why, times) = &report.failed["src/users.rs:20"];
    assert!(why.contains("does not exist") && *times > 0 && report.answered + times == 100, "{report:?}");
}

#[tokio::test]
async fn limits_of_server_database_and_role() {
    let cluster = server::own(25).await;
    let url = canary_postgres::live::DatabaseUrl::parse(&cluster.url("postgres")).unwrap();
    server::write(&url, "CREATE ROLE app_limits CONNECTION LIMIT 7").await;
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let limits = read_limits(&connection, Some("app_limits")).await.unwrap();
    assert_eq!(
        (limits.max, limits.reserved, limits.of_role, limits.of_database, limits.room()),
        (25, 3, Some(7), None, 7)
    );
    let limits = read_limits(&connection, None).await.unwrap();
    assert_eq!((limits.room(), limits.used), (22, 1));
}
