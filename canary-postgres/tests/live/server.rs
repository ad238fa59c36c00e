//! One throw-away server for all tests that run at the same time, gone with the last of them.

use std::sync::{Arc, Weak};

use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use tokio::sync::Mutex;

static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// The server that the tests share.
pub(crate) async fn shared() -> Arc<Cluster> {
    let mut shared = SHARED.lock().await;
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(own(100).await);
    *shared = Arc::downgrade(&started);
    started
}

/// A server of one's own, for tests that break it.
pub(crate) async fn own(max_connections: u16) -> Cluster {
    let config = ClusterConfig { max_connections, ..ClusterConfig::default() };
    Cluster::start(config).await.unwrap_or_else(|error| {
        panic!("these tests need PostgreSQL's programs (apt-get install --no-install-recommends postgresql): {error:?}")
    })
}

/// A new database of the shared server, with these statements run in it.
pub(crate) async fn database(cluster: &Cluster, name: &str, statements: &str) -> DatabaseUrl {
    cluster.create_database(name).await.unwrap();
    let url = DatabaseUrl::parse(&cluster.url(name)).unwrap();
    write(&url, statements).await;
    url
}

/// Runs statements that write.
pub(crate) async fn write(url: &DatabaseUrl, statements: &str) {
    let session = Session { read_only: false, search_path: vec!["public".to_owned()], ..Session::default() };
    Connection::open(url, &session).await.unwrap().batch("prepare the test", statements).await.unwrap();
}
