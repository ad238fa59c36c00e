//! The conformance suites on the example's backend, over the real balancer.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails its case")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{HttpPath, NodeId};
use canary_core::traits::{
    Clock as _, LbCapabilities, LoadBalancer, SliKind, SliQuery, SliSource, Subject, SystemClock,
};
use canary_examples::edge::Edge;
use canary_examples::edge_backend::EdgeBackend;
use canary_testkit::conformance::{
    self, BalancerBench, BalancerSkills, Expected, Known, SliBench, SliSkills, load_balancer, sli_source,
};
use canary_testkit::{TestServer, ask};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

const DEADLINE: Duration = Duration::from_secs(30);

async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, look).await.expect(what)
}

/// The port of a server, which can be closed and opened again.
struct Door {
    address: SocketAddr,
    open: Mutex<Option<JoinHandle<()>>>,
}

impl Door {
    async fn open(address: SocketAddr, server: SocketAddr) -> Self {
        let listener = until("a free port", async || TcpListener::bind(address).await.ok()).await;
        let address = listener.local_addr().unwrap();
        let open = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut outer, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut inner) = TcpStream::connect(server).await {
                        // Whoever goes first ends it.
                        let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, open: Mutex::new(Some(open)) }
    }

    async fn close(&self) {
        if let Some(open) = self.open.lock().await.take() {
            open.abort();
            // Its end is what closes the port.
            let _ = open.await;
        }
    }
}

struct Bench {
    edge: Mutex<Option<Edge>>,
    address: SocketAddr,
    backend: Arc<EdgeBackend>,
    servers: [TestServer; 2],
    doors: [Door; 2],
    held: Mutex<JoinSet<()>>,
}

impl Bench {
    async fn start() -> Self {
        let servers = [TestServer::start("n1").await, TestServer::start("n2").await];
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let doors = [Door::open(any, servers[0].address).await, Door::open(any, servers[1].address).await];
        let edge = Edge::start("pool", &pool(&doors)).await.unwrap();
        let backend = EdgeBackend::new("pool".parse().unwrap(), edge.admin(), &edge.url()).unwrap();
        let (address, backend, held) = (edge.address(), Arc::new(backend), Mutex::default());
        let bench = Self { edge: Mutex::new(Some(edge)), address, backend, servers, doors, held };
        bench.all_up().await;
        bench
    }

    async fn all_up(&self) {
        until("both servers to be up", async || {
            self.backend.servers().await.unwrap().servers.iter().all(|s| s.serving()).then_some(())
        })
        .await;
    }

    fn of(&self, name: &NodeId) -> usize {
        usize::from(name.as_str() == "n2")
    }
}

fn pool(doors: &[Door; 2]) -> [(String, SocketAddr); 2] {
    [("n1".to_owned(), doors[0].address), ("n2".to_owned(), doors[1].address)]
}

#[async_trait(?Send)]
impl BalancerBench for Bench {
    fn balancer(&self) -> Arc<dyn LoadBalancer> {
        Arc::clone(&self.backend) as _
    }

    fn path(&self) -> HttpPath {
        HttpPath::new("/").unwrap()
    }

    async fn request(&self) -> Option<NodeId> {
        ask(self.address, "/").await.ok().and_then(|name| NodeId::new(name).ok())
    }

    async fn hold(&self) {
        let address = self.address;
        for _ in 0..4 {
            self.held.lock().await.spawn(async move { drop(ask(address, "/hold").await) });
        }
        until("both servers to hold requests", async || {
            self.servers.iter().all(|server| server.held() >= 2).then_some(())
        })
        .await;
    }

    async fn release(&self) {
        self.servers.iter().for_each(TestServer::release);
    }

    async fn stop_server(&self, node: &NodeId) {
        self.doors[self.of(node)].close().await;
    }

    async fn start_server(&self, node: &NodeId) {
        let (door, server) = (&self.doors[self.of(node)], &self.servers[self.of(node)]);
        let again = Door::open(door.address, server.address).await;
        *door.open.lock().await = again.open.lock().await.take();
    }

    async fn restart(&self) {
        let mut edge = self.edge.lock().await;
        let (clients, admin) = edge.take().map(|old| (old.address(), old.admin())).unwrap();
        let servers = pool(&self.doors);
        let again = async || Edge::start_on("pool", &servers, clients, admin).await.ok();
        *edge = Some(until("the old ports to be free", again).await);
        drop(edge);
        self.all_up().await;
    }
}

#[async_trait(?Send)]
impl SliBench for Bench {
    fn source(&self) -> Arc<dyn SliSource> {
        Arc::clone(&self.backend) as _
    }

    fn known(&self) -> Vec<Known> {
        let of = |node: &str| Subject::Nodes(vec![node.parse().unwrap()]);
        let known = |name: &str, subject, seconds, expected| {
            let kind = SliKind::ErrorRatio {
                metric: "edge_requests_total".parse().unwrap(),
                status_label: "status".parse().unwrap(),
            };
            let at = SystemClock::new().now().plus(Duration::from_secs(seconds));
            let window = Duration::from_secs(60);
            Known { query: SliQuery { name: name.to_owned(), kind, subject, window, at }, expected }
        };
        vec![
            known("all good", Subject::Pool, 1, Expected::Value { value: 0.0, tolerance: 0.0 }),
            known("one of two", of("n1"), 1, Expected::Value { value: 0.0, tolerance: 0.0 }),
            // Nobody has asked for anything in a window that has not begun.
            known("idle", of("n2"), 100, Expected::NoTraffic),
            known("not there", of("n9"), 1, Expected::Absent),
        ]
    }

    async fn take_away(&self) {
        *self.edge.lock().await = None;
        until("the admin port to be closed", async || self.backend.servers().await.err()).await;
    }
}

fn main() -> ExitCode {
    let capabilities = LbCapabilities { weights: true, close_sessions: false, check_through: true };
    let skills = BalancerSkills { hold: true, stop_servers: true, restart: true };
    let balancer = load_balancer(capabilities, skills, || async {
        Box::new(Bench::start().await) as Box<dyn BalancerBench>
    });
    let source = sli_source(SliSkills { take_away: true, counters: false, history: false }, || async {
        let bench = Bench::start().await;
        for _ in 0..4 {
            assert!(bench.request().await.is_some());
        }
        Box::new(bench) as Box<dyn SliBench>
    });
    let suites = [balancer, source];
    conformance::main(suites.into_iter().flat_map(|suite| suite.trials("edge::")).collect())
}
