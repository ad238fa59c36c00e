use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::leftovers::runs_in;
use super::{Cluster, ClusterConfig, ClusterError, remove_leftovers};

fn config(parent: &Path) -> ClusterConfig {
    ClusterConfig { parent: parent.to_owned(), ..ClusterConfig::default() }
}

/// A short parent that the server's user can pass through.
fn parent() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::Builder::new().prefix("cpg").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    parent
}

fn entries(parent: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect()
}

async fn number(cluster: &Cluster, database: &str, query: &str) -> i64 {
    let (client, connection) = cluster.params(database).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(query, &[]).await.unwrap().get(0)
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < until, "{what} did not come about in 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn serves_copies_databases_and_leaves_nothing() {
    let parent = parent();
    let mut config = config(parent.path());
    config.max_connections = 17;
    let cluster = Cluster::start(config).await.unwrap();
    let pid = cluster.pid();
    let directory = cluster.socket_directory().to_owned();
    assert!(runs_in(pid, &directory));
    assert!(cluster.major() >= 15, "{}", cluster.major());
    let setting = "select current_setting('max_connections')::bigint";
    assert_eq!(number(&cluster, "postgres", setting).await, 17);
    cluster.create_database("a \"b\"").await.unwrap();
    {
        let (client, connection) = cluster.params("a \"b\"").connect(NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute("create table t (x bigint); insert into t values (5)").await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
    }
    cluster.copy_database("a \"b\"", "copy").await.unwrap();
    assert_eq!(number(&cluster, "copy", "select x from t").await, 5);
    let taken = cluster.create_database("copy").await.unwrap_err();
    let ClusterError::Statement { source, .. } = &taken else { panic!("{taken}") };
    assert_eq!(source.code().unwrap().code(), "42P04");
    cluster.drop_database("copy").await.unwrap();
    cluster.drop_database("copy").await.unwrap();
    cluster.stop().await.unwrap();
    assert!(!runs_in(pid, &directory));
    assert_eq!(entries(parent.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_socket_that_only_its_owner_reaches() {
    use std::os::unix::fs::MetadataExt as _;
    let parent = parent();
    let cluster = Cluster::start(config(parent.path())).await.unwrap();
    let mode = std::fs::metadata(cluster.socket_directory()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    let tcp = "select count(*) from pg_settings where name = 'listen_addresses' and setting = ''";
    assert_eq!(number(&cluster, "postgres", tcp).await, 1);
    drop(cluster);
    assert_eq!(entries(parent.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn says_what_is_missing_and_leaves_nothing() {
    let parent = parent();
    let none = ClusterConfig { programs: Some(parent.path().to_owned()), ..config(parent.path()) };
    let error = Cluster::start(none).await.unwrap_err().to_string();
    assert!(error.contains("apt-get install postgresql"), "{error}");
    let old = ClusterConfig { major: Some(7), ..config(parent.path()) };
    let error = Cluster::start(old).await.unwrap_err().to_string();
    assert!(error.contains("of major version 7"), "{error}");
    let long =
        ClusterConfig { parent: PathBuf::from(format!("/{}", "x".repeat(90))), ..ClusterConfig::default() };
    let error = Cluster::start(long).await.unwrap_err();
    assert!(matches!(error, ClusterError::LongPath(_)), "{error}");
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let error =
        Cluster::start(ClusterConfig { settings, ..config(parent.path()) }).await.unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
    assert_eq!(entries(parent.path()), Vec::<PathBuf>::new());
}

/// Run by the test below in a process of its own, which is then killed.
#[tokio::test]
#[ignore = "a part of the next test"]
async fn holder() {
    let parent = std::env::var("CLUSTER_TEST_PARENT").unwrap();
    let cluster = Cluster::start(config(Path::new(&parent))).await.unwrap();
    println!("\nserver {} {}", cluster.pid(), cluster.socket_directory().display());
    std::future::pending::<()>().await;
}

#[test]
fn what_a_killed_process_leaves_is_removed_by_the_next() {
    let parent = parent();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::tests::holder", "--ignored", "--nocapture"])
        .env("CLUSTER_TEST_PARENT", parent.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.starts_with("server ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let (pid, directory) = (words[1].parse::<u32>().unwrap(), PathBuf::from(words[2]));
    assert!(runs_in(pid, &directory));
    assert_eq!(remove_leftovers(parent.path()), [], "its owner lives");
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_for("the end of the server whose owner was killed", || !runs_in(pid, &directory));
    assert!(directory.exists());
    let left = remove_leftovers(parent.path());
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].directory.as_path(), left[0].failed.as_deref()), (directory.as_path(), None));
    assert_eq!(entries(parent.path()), Vec::<PathBuf>::new());
}
