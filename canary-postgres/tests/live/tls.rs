//! TLS with a real server: who is believed, who is not, and that no message holds the password.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use canary_core::traits::{BackendError, ErrorKind, Retry};
use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::live::{Connection, DatabaseUrl, Failure, Session};

use crate::server;

const PASSWORD: &str = "correct-horse";

// Made once with `openssl req -x509 … -days 36500`; the keys protect nothing. The server is db.test to its certificate.
const CERTIFICATE: &[u8] = include_bytes!("data/server.pem");
const KEY: &[u8] = include_bytes!("data/server.key");

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/data").join(name)
}

/// A server that lets the role `app` in over TLS and with its password alone.
async fn start() -> (Cluster, String) {
    // Nobody else listens there: the port is not to be chosen.
    let id = std::process::id();
    let address = format!("127.{}.{}.{}", 77 + id / 65_536 % 100, id / 256 % 256, id % 254 + 1);
    let settings = vec![("listen_addresses".to_owned(), address.clone())];
    let cluster = Cluster::start(ClusterConfig { settings, ..ClusterConfig::default() }).await.unwrap();
    let directory = cluster.socket_directory().join("data");
    let owner = fs::metadata(&directory).unwrap();
    for (name, content) in [("server.crt", CERTIFICATE), ("server.key", KEY)] {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    fs::write(directory.join("pg_hba.conf"), "local all all trust\nhostssl all app all scram-sha-256\n")
        .unwrap();
    let url = DatabaseUrl::parse(&cluster.url("postgres")).unwrap();
    server::write(&url, &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")).await;
    server::write(&url, "ALTER SYSTEM SET ssl = on").await;
    server::write(&url, "SELECT pg_reload_conf()").await;
    (cluster, address)
}

async fn open(address: &str, host: &str, rest: &str) -> Result<Connection, Failure> {
    let text = format!("postgres://app:{PASSWORD}@{host}/postgres?hostaddr={address}&{rest}");
    Connection::open(&DatabaseUrl::parse(&text).unwrap(), &Session::default()).await
}

async fn encrypted(connection: &Connection) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    connection.query("ask", sql, &[]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn the_certificate_decides_who_is_believed() {
    let (cluster, address) = start().await;
    let (ca, other) = (data("ca.pem").display().to_string(), data("other.pem").display().to_string());
    let verified = format!("sslmode=verify-full&sslrootcert={ca}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let connection = loop {
        match open(&address, "db.test", &verified).await {
            Ok(connection) => break connection,
            Err(failure) => assert!(tokio::time::Instant::now() < deadline, "{failure:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(encrypted(&connection).await);
    // Without a root nobody asks who it is; without a mode it is tried first.
    for mode in ["sslmode=require", "sslmode=prefer", "connect_timeout=5"] {
        assert!(encrypted(&open(&address, "elsewhere.test", mode).await.unwrap()).await, "{mode}");
    }
    // What waits too long is cancelled over TLS, too.
    let short = Session { call_timeout: Duration::from_millis(200), ..Session::default() };
    let text = format!("postgres://app:{PASSWORD}@db.test/postgres?hostaddr={address}&{verified}");
    let connection = Connection::open(&DatabaseUrl::parse(&text).unwrap(), &short).await.unwrap();
    let late = connection.query("sleep", "SELECT pg_sleep(20)::text", &[]).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);

    let missing = data("no-such-file.pem").display().to_string();
    for (host, rest, kind, says) in [
        (
            "db.test",
            format!("sslmode=verify-full&sslrootcert={other}"),
            ErrorKind::Unauthorised,
            "UnknownIssuer",
        ),
        ("db.test", format!("sslmode=require&sslrootcert={other}"), ErrorKind::Unauthorised, "UnknownIssuer"),
        ("elsewhere.test", verified.clone(), ErrorKind::Unauthorised, "elsewhere.test"),
        ("db.test", "sslmode=verify-full".to_owned(), ErrorKind::Unauthorised, "certificate"),
        (
            "db.test",
            format!("sslmode=verify-full&sslrootcert={missing}"),
            ErrorKind::LocalIo,
            "no-such-file.pem",
        ),
        ("db.test", "sslmode=disable".to_owned(), ErrorKind::Unauthorised, "no encryption"),
    ] {
        let refused = open(&address, host, &rest).await.unwrap_err();
        let (got, shown) = (refused.kind(), format!("{refused:?}"));
        let error = BackendError::from(refused);
        let said = error.chain();
        assert_eq!(got, kind, "{rest}: {said}");
        assert_eq!(error.retry(), Retry::Permanent, "{rest}: {said}");
        assert!(said.contains(says), "{rest}: {said}");
        assert!(!shown.contains(PASSWORD) && !said.contains(PASSWORD), "{shown} {said}");
    }
    cluster.stop().await.unwrap();
}
