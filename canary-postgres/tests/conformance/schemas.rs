//! The suite of release checks, on live schemas and a contract.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use canary_core::traits::ReleaseCheck;
use canary_postgres::checks::{SchemaCheckConfig, SchemaChecks};
use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::contract::Sources;
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::{Routing, SchemaPattern};
use canary_testkit::conformance::{CheckBench, CheckSkills, Suite, release_check};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

/// The server of all cases, started by the first.
pub(crate) type Server = Arc<OnceCell<Cluster>>;

const SOURCE: &str = r#"
#[derive(sqlx::FromRow)]
struct User { id: i64, created_at: chrono::DateTime<chrono::Utc> }
async fn users(pool: &sqlx::PgPool) -> sqlx::Result<Vec<User>> {
    sqlx::query_as::<_, User>("SELECT id, created_at FROM users ORDER BY id").fetch_all(pool).await
}
"#;

/// A database with three tenants.
struct Bench {
    config: SchemaCheckConfig,
    database: DatabaseUrl,
    /// What takes connections and never says a word.
    silent: std::sync::Mutex<Option<TcpListener>>,
}

impl Bench {
    async fn new(server: &Server) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = || async { Cluster::start(ClusterConfig::default()).await.unwrap() };
        let cluster = server.get_or_init(start).await;
        let name = format!("case_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.create_database(&name).await.unwrap();
        let database = DatabaseUrl::parse(&cluster.url(&name)).unwrap();
        let sources = tempfile::tempdir().unwrap();
        std::fs::write(sources.path().join("users.rs"), SOURCE).unwrap();
        let pattern = SchemaPattern::parse(r"t\_%").unwrap();
        let mut config = SchemaCheckConfig::new(database.clone(), Routing::Schemas(pattern));
        config.contract = Some(Arc::new(Sources::new(sources.path()).extract().unwrap()));
        (config.pool, config.requests) = (Some(2), 0);
        let bench = Self { config, database, silent: std::sync::Mutex::default() };
        let tenant = |n| {
            format!(
                "CREATE SCHEMA t_{n}; CREATE TABLE t_{n}.users (id bigint PRIMARY KEY, created_at timestamptz NOT NULL);"
            )
        };
        bench.write(&(1..=3).map(tenant).collect::<String>()).await;
        bench
    }

    async fn write(&self, sql: &str) {
        let session = Session { read_only: false, ..Session::default() };
        let connection = Connection::open(&self.database, &session).await.unwrap();
        connection.batch("change the tenants", sql).await.unwrap();
    }
}

#[async_trait(?Send)]
impl CheckBench for Bench {
    fn check(&self) -> Arc<dyn ReleaseCheck> {
        let mut config = self.config.clone();
        if let Some(silent) = self.silent.lock().unwrap().as_ref() {
            let address = silent.local_addr().unwrap();
            config.url =
                DatabaseUrl::parse(&format!("postgres://app@{address}/gone?sslmode=disable")).unwrap();
        }
        Arc::new(SchemaChecks::new(config))
    }

    async fn spoil(&self) {
        self.write("ALTER TABLE t_3.users ALTER created_at TYPE bigint USING 1").await;
    }

    async fn mend(&self) {
        self.write("ALTER TABLE t_3.users ALTER created_at TYPE timestamptz USING now()").await;
    }

    async fn warn(&self) {
        self.write("CREATE INDEX ON t_2.users (created_at)").await;
    }

    async fn take_away(&self) {
        let name = self.database.database();
        let other = self.database.with_database("postgres");
        let session = Session { read_only: false, ..Session::default() };
        let connection = Connection::open(&other, &session).await.unwrap();
        connection.batch("drop", &format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    async fn silence(&self) {
        *self.silent.lock().unwrap() = Some(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
}

/// The suite, on databases of the server's.
pub(crate) fn suite(server: &Server) -> Suite {
    let server = Arc::clone(server);
    let skills = CheckSkills { warn: true, take_away: true, silence: true };
    release_check(skills, move || {
        let server = Arc::clone(&server);
        async move { Box::new(Bench::new(&server).await) as Box<dyn CheckBench> }
    })
}
