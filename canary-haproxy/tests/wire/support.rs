//! A real HAProxy on temporary sockets, with real HTTP servers behind it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{LoadBalancer, PoolState};
use canary_haproxy::{HaproxyConfig, HaproxyLoadBalancer, UnixTransport};
pub(crate) use canary_testkit::TestServer as Backend;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn pool() -> PoolName {
    PoolName::new("api_pool").unwrap()
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Repeats `probe` until it gives a value; fails the test after [`PATIENCE`].
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A running HAProxy; killed when dropped.
pub(crate) struct Haproxy {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) edge: SocketAddr,
    pub(crate) control: SocketAddr,
    binary: PathBuf,
    child: Child,
}

impl Haproxy {
    /// Starts HAProxy with those backend sections; `None`, said on standard output, when it is not installed. In CI
    /// that fails the test.
    pub(crate) async fn start(backends: &str) -> Option<Self> {
        let Some(binary) = binary("haproxy") else {
            assert!(std::env::var_os("CI").is_none(), "haproxy is not installed");
            println!("skipped: haproxy is not installed");
            return None;
        };
        // Another process can take a free port before HAProxy does.
        for _ in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let (edge, control) = free_ports().await;
            write_config(dir.path(), edge, control, backends);
            let child = spawn(&binary, dir.path(), &[]);
            let mut this = Self { dir, edge, control, binary: binary.clone(), child };
            if this.answers().await {
                return Some(this);
            }
        }
        panic!("HAProxy does not start; is its configuration right?\n{backends}");
    }

    /// The path of a stats socket: `admin`, `operator` or `user`.
    pub(crate) fn socket(&self, level: &str) -> PathBuf {
        self.dir.path().join(format!("{level}.sock"))
    }

    pub(crate) fn balancer(&self) -> HaproxyLoadBalancer {
        self.balancer_at("admin")
    }

    pub(crate) fn balancer_at(&self, level: &str) -> HaproxyLoadBalancer {
        let config = HaproxyConfig::new(pool()).edge_url(&format!("http://{}", self.edge)).unwrap();
        HaproxyLoadBalancer::new(Box::new(UnixTransport::new(self.socket(level))), config)
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again with the same configuration.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        until("HAProxy to come back", async || {
            self.child = spawn(&self.binary, self.dir.path(), &[]);
            self.answers().await.then_some(())
        })
        .await;
    }

    /// Starts a second process that takes over the sockets and asks the first to finish, as a reload does.
    pub(crate) async fn reload(&mut self) {
        let old = self.child.id().unwrap().to_string();
        let socket = self.socket("admin");
        let new = spawn(&self.binary, self.dir.path(), &["-x", socket.to_str().unwrap(), "-sf", &old]);
        let mut old = std::mem::replace(&mut self.child, new);
        timeout(PATIENCE, old.wait()).await.expect("the old process goes away").unwrap();
        assert!(self.answers().await, "the new process does not answer");
    }

    /// Waits until the stats socket answers; false when the process ended instead.
    async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.balancer().describe().await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("HAProxy runs but does not answer for {PATIENCE:?}");
    }

    /// One request through the balancer on a connection of its own: the node's name, or the status line.
    pub(crate) async fn request(&self, path: &str) -> Result<String, String> {
        timeout(PATIENCE, canary_testkit::ask(self.edge, path)).await.unwrap()
    }

    /// Waits until the pool is as `wanted` says.
    pub(crate) async fn pool_where(
        &self,
        what: &str,
        wanted: impl Fn(&PoolState) -> bool + Send + Sync,
    ) -> PoolState {
        let balancer = self.balancer();
        until(what, async || balancer.servers().await.ok().filter(|pool| wanted(pool))).await
    }

    /// Waits until all servers take requests.
    pub(crate) async fn all_serving(&self) -> PoolState {
        self.pool_where("all servers to serve", |pool| pool.servers.iter().all(|server| server.serving()))
            .await
    }
}

/// Two servers in `api_pool`, checked.
pub(crate) async fn two_nodes() -> Option<(Haproxy, Backend, Backend)> {
    let (one, two) = (Backend::start("n1").await, Backend::start("n2").await);
    let haproxy = Haproxy::start(&two_node_pool(&one, &two)).await?;
    haproxy.all_serving().await;
    Some((haproxy, one, two))
}

pub(crate) fn two_node_pool(one: &Backend, two: &Backend) -> String {
    format!(
        "backend api_pool\n  balance roundrobin\n  option httpchk GET /check\n  \
         default-server check inter 50ms rise 1 fall 1 weight 100\n  server n1 {}\n  server n2 {}\n",
        one.address, two.address
    )
}

/// The program of that name in `PATH` or where system daemons lie.
pub(crate) fn binary(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

async fn free_ports() -> (SocketAddr, SocketAddr) {
    let (a, b) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    (a.local_addr().unwrap(), b.local_addr().unwrap())
}

fn write_config(dir: &Path, edge: SocketAddr, control: SocketAddr, backends: &str) {
    let text = format!(
        "global\n  stats socket {0}/admin.sock mode 600 level admin expose-fd listeners\n  \
         stats socket {0}/operator.sock mode 600 level operator\n  \
         stats socket {0}/user.sock mode 600 level user\n  \
         stats socket ipv4@{control} level admin\n\
         defaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n\
         frontend edge\n  bind {edge}\n  default_backend api_pool\n{backends}\n",
        dir.display()
    );
    std::fs::write(dir.join("haproxy.cfg"), text).unwrap();
}

fn spawn(binary: &Path, dir: &Path, more: &[&str]) -> Child {
    Command::new(binary)
        .arg("-db")
        .arg("-f")
        .arg(dir.join("haproxy.cfg"))
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until two balancers read the very same pool, operational states too: a health check may end between two reads.
pub(crate) async fn read_alike(what: &str, one: &HaproxyLoadBalancer, other: &HaproxyLoadBalancer) {
    until(what, async || (one.servers().await.unwrap() == other.servers().await.unwrap()).then_some(()))
        .await;
}
