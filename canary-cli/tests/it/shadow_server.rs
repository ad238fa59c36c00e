//! Shadow runs on a server that was named: never the live one, and nothing is left there.

#![expect(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::site::service::{Service, printed};
use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::live::{Connection, DatabaseUrl, Session};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, age int);\n";

/// A repository with one migration that runs and one that is new.
struct Shadowed(Service);

impl Shadowed {
    fn new(new: &str) -> Self {
        Self(Service::with(("migrations/1_users.sql", USERS), ("migrations/2_new.sql", new)))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(arguments);
        command.env("CANARY_MIGRATIONS_CONVENTION", "sqlx");
        command
    }

    fn gate(&self, arguments: &[&str]) -> (Option<i32>, String) {
        told(&self.command(arguments).output().unwrap())
    }
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), printed(output))
}

/// The databases of shadow runs that a server has, each with whether somebody sleeps in it.
async fn shadows(cluster: &Cluster) -> Vec<(String, bool)> {
    let url = DatabaseUrl::parse(&cluster.url("postgres")).unwrap();
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let text = "SELECT d.datname::text, EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datname = d.datname
                    AND a.query LIKE '%pg_sleep%' AND a.state = 'active')
                  FROM pg_database d WHERE d.datname LIKE 'canary%' ORDER BY 1";
    let rows = connection.query("look", text, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn write(cluster: &Cluster, database: &str, statements: &str) {
    let url = DatabaseUrl::parse(&cluster.url(database)).unwrap();
    let session = Session { read_only: false, search_path: vec!["public".to_owned()], ..Session::default() };
    Connection::open(&url, &session).await.unwrap().batch("prepare", statements).await.unwrap();
}

#[test]
fn a_shadow_run_of_the_sample_service_judges_every_query_of_it() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/tenants-service");
    let text = |path: &str| std::fs::read_to_string(sample.join(path)).unwrap();
    let lock = text("sql-contract.lock");
    let service = Shadowed(Service::with(("sql-contract.lock", &lock), ("sql-contract.lock", &lock)));
    for entry in std::fs::read_dir(sample.join("migrations")).unwrap() {
        let path = format!("migrations/{}", entry.unwrap().file_name().into_string().unwrap());
        service.0.write(&path, &text(&path));
    }
    for arguments in [&["add", "."][..], &["commit", "-q", "-m", "migrations"], &["tag", "-f", "v1"]] {
        service.0.git(arguments);
    }
    let new = "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN nick text;\n";
    service.0.write("migrations/0009_nick.sql", new);
    let (code, told) = service.gate(&["--shadow", "local"]);
    assert_eq!(code, Some(0), "{told}");
    for words in ["shadow    clean: ", "queries   13 of 13 judged", "rollback  open: "] {
        assert!(told.contains(words), "{words} in {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_past_its_limit_is_cut_off_and_leaves_nothing_that_the_next_does_not_clear() {
    let cluster = Cluster::start(ClusterConfig::default()).await.unwrap();
    let service = Shadowed::new("CREATE TABLE fresh (id int);\nSELECT pg_sleep(25);\n");
    let url = cluster.url("postgres");
    let (code, text) = service.gate(&["--shadow", &url, "--migrations-limit", "1s"]);
    assert_eq!(code, Some(22), "{text}");
    for words in ["no answer within 1s, the gate's limit; it was cut off", "give the gate more time"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains("--allow"), "nobody has seen what that would wave through: {text}");
    service.0.write("migrations/2_new.sql", "CREATE TABLE fresh (id int);\n");
    let (code, text) = service.gate(&["--shadow", &url]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(shadows(&cluster).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_left_on_the_server_is_gone_after_the_next() {
    let cluster = Cluster::start(ClusterConfig::default()).await.unwrap();
    let service = Shadowed::new("CREATE TABLE fresh (id int);\nSELECT pg_sleep(25);\n");
    let url = cluster.url("postgres");
    let shadow = ["--shadow", url.as_str()];
    let mut killed = service.command(&shadow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !shadows(&cluster).await.iter().any(|(_, sleeps)| *sleeps) {
        assert!(Instant::now() < until && killed.try_wait().unwrap().is_none(), "it never came to sleep");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left: Vec<_> = shadows(&cluster).await.into_iter().map(|(name, _)| name).collect();
    assert!(left.len() == 2 && left[0].ends_with("_base") && left[1].ends_with("_work"), "{left:?}");

    service.0.write("migrations/2_new.sql", "CREATE TABLE fresh (id int);\n");
    let (code, text) = service.gate(&shadow);
    assert_eq!(code, Some(0), "{text}");
    for name in &left {
        assert!(
            text.contains(&format!("dropped the database {name}, which a killed run had left")),
            "{text}"
        );
    }
    assert_eq!(shadows(&cluster).await, []);
    let (_, again) = service.gate(&shadow);
    assert!(!again.contains("dropped the database"), "{again}");

    // What would change more of the server than a database of its own is not tried there.
    service.0.write("migrations/2_new.sql", "CREATE ROLE app_of_the_migration;\n");
    let (code, text) = service.gate(&shadow);
    assert_eq!(code, Some(22), "{text}");
    assert!(text.contains("it changes more of a server than the database it runs in"), "{text}");
    assert_eq!(shadows(&cluster).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_server_is_no_shadow_server_by_whatever_name_and_its_schema_is_where_runs_start() {
    let live = Cluster::start(ClusterConfig::default()).await.unwrap();
    live.create_database("shop").await.unwrap();
    let tenant = |name: &str, age: &str| {
        format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.users (id int PRIMARY KEY, email text NOT NULL, age {age});"
        )
    };
    let tenants = [tenant("tenant_a", "int"), tenant("tenant_b", "int"), tenant("tenant_c", "text")].concat();
    write(&live, "shop", &tenants).await;
    let service = Shadowed::new(
        "ALTER TABLE users ADD COLUMN older int;\nUPDATE users SET older = age + 1 WHERE older IS NULL;\n",
    );
    service.0.write("database-url", &live.url("shop"));
    let with = |shadow: &str| service.gate(&["--shadow", shadow, "--database-url-file", "database-url"]);

    // By its address; and by another path to its socket, where only the server itself tells.
    let alias = service.0.path().join("alias");
    std::os::unix::fs::symlink(live.socket_directory(), &alias).unwrap();
    let other = format!("postgresql://postgres@/postgres?host={}&port={}", alias.display(), live.port());
    for url in [live.url("postgres"), other] {
        let (code, text) = with(&url);
        assert_eq!(code, Some(22), "{text}");
        assert!(text.contains("is the live server, on which nothing is ever changed"), "{text}");
        assert_eq!(shadows(&live).await, []);
    }

    // On another server, from one live schema of each kind.
    let shadow = Cluster::start(ClusterConfig::default()).await.unwrap();
    let (code, text) = with(&shadow.url("postgres"));
    assert_eq!(code, Some(10), "{text}");
    for words in [
        "migrations/2_new.sql:2: refused: migration-fails (42883)",
        "on 1 of 2 distinct schemas, that of tenant_c",
        "named, from the schema of tenant_a, that of 2 shards",
        "named, from the schema of tenant_c, that of this shard alone",
    ] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    assert_eq!((shadows(&live).await, shadows(&shadow).await), (Vec::new(), Vec::new()));

    // A live server that does not answer: nobody can tell whether it is the one that was named.
    service.0.write("database-url", "postgres://canary:s3cret-word@127.0.0.1:1/shop");
    let (code, text) = with(&shadow.url("postgres"));
    assert_eq!(code, Some(22), "{text}");
    assert!(
        text.contains("whether the shadow server is the live server canary@127.0.0.1:1/shop cannot be told"),
        "{text}"
    );
    assert!(!text.contains("s3cret-word"), "{text}");
}

#[test]
fn a_password_stands_in_a_file_and_nowhere_else() {
    let service = Shadowed::new("CREATE TABLE fresh (id int);\n");
    let (code, text) = service.gate(&["--shadow", "postgres://canary:s3cret-word@db-test/postgres"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("it holds a password") && text.contains("migrations.shadow_url_file"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let (code, text) = service.gate(&["--shadow", "server"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("nothing says which server"), "{text}");
    // No server listens there; what comes back names it without the password.
    service.0.write("shadow-url", "postgres://canary:s3cret-word@127.0.0.1:1/postgres\n");
    let (code, text) = service.gate(&["--shadow", "server", "--shadow-url-file", "shadow-url"]);
    assert_eq!(code, Some(22), "{text}");
    assert!(text.contains("canary@127.0.0.1:1/postgres") && !text.contains("s3cret"), "{text}");
}
