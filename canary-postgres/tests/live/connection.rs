//! Connections: what they refuse, what they give up on, what they say.

use std::time::Duration;

use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, CheckStage, ErrorKind};
use canary_postgres::checks::{SchemaCheckConfig, check_all};
use canary_postgres::describe::Gravity;
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::{Routing, SchemaPattern};

use crate::server;

async fn one(connection: &Connection, sql: &str) -> String {
    connection.query("ask", sql, &[]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn a_session_reads_only_and_waits_for_nothing_long() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "session", "CREATE TABLE t (x int); CREATE ROLE app_session;").await;
    let session = Session { role: Some("app_session".to_owned()), ..Session::default() };
    let connection = Connection::open(&url, &session).await.unwrap();
    for (setting, value) in [
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "30s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "30s"),
        ("application_name", "canary"),
        ("search_path", "pg_catalog"),
        ("role", "app_session"),
    ] {
        assert_eq!(
            one(&connection, &format!("SELECT current_setting('{setting}')")).await,
            value,
            "{setting}"
        );
    }
    let refused = connection.query("write", "CREATE TABLE public.u (x int)", &[]).await.unwrap_err();
    assert_eq!((refused.sqlstate(), refused.kind()), (Some("25006"), ErrorKind::Refused), "{refused}");
    assert!(!connection.is_broken());
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_on_the_server() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "slow", "").await;
    let short = Session { call_timeout: Duration::from_millis(300), ..Session::default() };
    let connection = Connection::open(&url, &short).await.unwrap();
    let late = connection.query("sleep", "SELECT pg_sleep(20)::text /* given up */", &[]).await.unwrap_err();
    assert_eq!((late.kind(), late.sqlstate()), (ErrorKind::TimedOut, None), "{late}");
    assert!(connection.is_broken());
    let other = Connection::open(&url, &Session::default()).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let sleeping = "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%given ' || 'up%'";
        if one(&other, sleeping).await == "0" {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the statement goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let limited = Session { statement_timeout: Duration::from_millis(50), ..Session::default() };
    let connection = Connection::open(&url, &limited).await.unwrap();
    let late = connection.query("sleep", "SELECT pg_sleep(20)::text", &[]).await.unwrap_err();
    assert_eq!((late.kind(), late.sqlstate()), (ErrorKind::TimedOut, Some("57014")), "{late}");
    assert!(!connection.is_broken());
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_the_password() {
    let cluster = server::own(5).await;
    let url = DatabaseUrl::parse(&cluster.url("postgres")).unwrap();
    server::write(&url, "CREATE ROLE app LOGIN PASSWORD 'right-one'").await;
    // The server's own file, which it reads again: passwords from now on.
    let rules = std::path::Path::new(cluster.socket_directory());
    let rules =
        [rules.join("data/pg_hba.conf"), rules.join("pg_hba.conf")].into_iter().find(|p| p.exists()).unwrap();
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("local all app scram-sha-256\n{text}")).unwrap();
    server::write(&url, "SELECT pg_reload_conf()").await;

    let with = |password: &str, name: &str| {
        DatabaseUrl::parse(&cluster.url(name).replace("postgres@", &format!("app:{password}@"))).unwrap()
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let refused = loop {
        match Connection::open(&with("hunter2", "postgres"), &Session::default()).await {
            Err(refused) => break refused,
            Ok(_) => assert!(tokio::time::Instant::now() < deadline, "the rules are not in force"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((refused.sqlstate(), refused.kind()), (Some("28P01"), ErrorKind::Unauthorised), "{refused}");
    let shown = format!("{refused:?}");
    let said = format!("{shown} {}", BackendError::from(refused).chain());
    assert!(!said.contains("hunter2"), "{said}");
    assert!(Connection::open(&with("right-one", "postgres"), &Session::default()).await.is_ok());
    let missing = Connection::open(&with("right-one", "nowhere"), &Session::default()).await.unwrap_err();
    assert_eq!((missing.sqlstate(), missing.kind()), (Some("3D000"), ErrorKind::NotFound), "{missing}");

    // What the check of live schemas says of it: what to mend, and never the password.
    for (url, code, remedy) in [
        (with("hunter2", "postgres"), "28P01", "user and password in the address"),
        (with("right-one", "nowhere"), "3D000", "the right database"),
    ] {
        let config = SchemaCheckConfig::new(url, Routing::Schemas(SchemaPattern::parse("t_%").unwrap()));
        let report = check_all(&config, CheckStage::Before, Timestamp::from_millis(0)).await;
        let said = format!("{report:?} {}", report.recommendation());
        assert!(said.contains(code) && report.findings[0].remedy.contains(remedy), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(report.gravest(), Some(Gravity::Undecided));
    }
}

#[tokio::test]
async fn required_encryption_is_never_left_out() {
    // A server that takes connections and says that it has no TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(b"N").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        rest
    });
    let url =
        DatabaseUrl::parse(&format!("postgres://app:hunter2@127.0.0.1:{port}/d?sslmode=require")).unwrap();
    let refused = Connection::open(&url, &Session::default()).await.unwrap_err();
    assert!(BackendError::from(refused).chain().contains("does not support TLS"));
    assert_eq!(server.await.unwrap(), Vec::<u8>::new(), "nothing was said in plain text");
}
