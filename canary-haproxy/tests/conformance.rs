//! The conformance suite on a real HAProxy.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench fails its case")]

#[expect(dead_code, reason = "the wire tests use all of it")]
#[path = "wire/support.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::fleet::{HttpPath, NodeId};
use canary_core::traits::{LbCapabilities, LoadBalancer};
use canary_testkit::conformance::{self, BalancerBench, BalancerSkills, load_balancer};
use support::{Backend, Haproxy, node, two_nodes, until};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

struct Bench {
    haproxy: Arc<Mutex<Haproxy>>,
    balancer: Arc<dyn LoadBalancer>,
    servers: [Backend; 2],
    held: Mutex<JoinSet<()>>,
}

impl Bench {
    async fn start() -> Self {
        let (haproxy, one, two) = two_nodes().await.expect("main has looked for it");
        let balancer = Arc::new(haproxy.balancer());
        let haproxy = Arc::new(Mutex::new(haproxy));
        Self { haproxy, balancer, servers: [one, two], held: Mutex::default() }
    }

    fn server(&self, name: &NodeId) -> &Backend {
        &self.servers[usize::from(*name == node("n2"))]
    }
}

#[async_trait(?Send)]
impl BalancerBench for Bench {
    fn balancer(&self) -> Arc<dyn LoadBalancer> {
        Arc::clone(&self.balancer)
    }

    fn path(&self) -> HttpPath {
        HttpPath::new("/").unwrap()
    }

    async fn request(&self) -> Option<NodeId> {
        let answer = self.haproxy.lock().await.request("/").await;
        answer.ok().and_then(|name| NodeId::new(name).ok())
    }

    async fn hold(&self) {
        let edge = self.haproxy.lock().await.edge;
        for _ in 0..4 {
            // The balancer may cut it.
            self.held.lock().await.spawn(async move { drop(canary_testkit::ask(edge, "/hold").await) });
        }
        until("both servers to hold requests", async || {
            self.servers.iter().all(|server| server.held() >= 2).then_some(())
        })
        .await;
    }

    async fn release(&self) {
        self.servers.iter().for_each(Backend::release);
    }

    async fn stop_server(&self, node: &NodeId) {
        self.server(node).ail(true);
    }

    async fn start_server(&self, node: &NodeId) {
        self.server(node).ail(false);
    }

    async fn restart(&self) {
        self.haproxy.lock().await.restart().await;
    }
}

fn main() -> ExitCode {
    if support::binary("haproxy").is_none() {
        let in_ci = std::env::var_os("CI").is_some();
        return conformance::main(conformance::skipped("haproxy", "haproxy is not installed", in_ci));
    }
    let capabilities = LbCapabilities { weights: true, close_sessions: true, check_through: true };
    let skills = BalancerSkills { hold: true, stop_servers: true, restart: true };
    let suite = load_balancer(capabilities, skills, || async {
        Box::new(Bench::start().await) as Box<dyn BalancerBench>
    });
    conformance::main(suite.trials("haproxy::"))
}
