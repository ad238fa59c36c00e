//! A bench over [`LocalBalancer`] with two real servers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{HttpPath, NodeId, PoolName};
use canary_core::traits::{LbCapabilities, LoadBalancer};
use canary_local::{CheckConfig, LocalBalancer, LocalBalancerConfig, ServerConfig};
use canary_testkit::conformance::{BalancerBench, BalancerSkills, Suite, load_balancer};
use canary_testkit::{TestServer, ask};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::support::{node, until};

struct Bench {
    balancer: Arc<LocalBalancer>,
    servers: [TestServer; 2],
    held: Mutex<JoinSet<()>>,
}

impl Bench {
    async fn start() -> Self {
        let servers = [TestServer::start("n1").await, TestServer::start("n2").await];
        let configs = [("n1", &servers[0]), ("n2", &servers[1])];
        let configs = configs.map(|(name, server)| ServerConfig::new(node(name), server.address));
        let mut config = LocalBalancerConfig::new(PoolName::new("pool").unwrap(), configs.to_vec());
        let mut checks = CheckConfig::new(HttpPath::new("/check").unwrap());
        checks.interval = Duration::from_millis(20);
        config.checks = Some(checks);
        let balancer = Arc::new(LocalBalancer::start(config).await.unwrap());
        until("both servers to be up", async || {
            balancer.servers().await.unwrap().servers.iter().all(|server| server.serving()).then_some(())
        })
        .await;
        Self { balancer, servers, held: Mutex::default() }
    }

    fn server(&self, name: &NodeId) -> &TestServer {
        &self.servers[usize::from(*name == node("n2"))]
    }
}

#[async_trait(?Send)]
impl BalancerBench for Bench {
    fn balancer(&self) -> Arc<dyn LoadBalancer> {
        Arc::clone(&self.balancer) as _
    }

    fn path(&self) -> HttpPath {
        HttpPath::new("/").unwrap()
    }

    async fn request(&self) -> Option<NodeId> {
        ask(self.balancer.address(), "/").await.ok().and_then(|name| NodeId::new(name).ok())
    }

    async fn hold(&self) {
        let address = self.balancer.address();
        for _ in 0..4 {
            // The balancer may cut it.
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
        self.server(node).ail(true);
    }

    async fn start_server(&self, node: &NodeId) {
        self.server(node).ail(false);
    }

    async fn restart(&self) {
        unreachable!("it lives and dies with this program")
    }
}

pub(crate) fn suite() -> Suite {
    let capabilities = LbCapabilities { weights: true, close_sessions: true, check_through: true };
    let skills = BalancerSkills { hold: true, stop_servers: true, restart: false };
    load_balancer(capabilities, skills, || async { Box::new(Bench::start().await) as Box<dyn BalancerBench> })
}
