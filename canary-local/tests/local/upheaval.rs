//! Load without a pause while servers are drained, restarted and killed.

use std::time::Duration;

use canary_core::fleet::{NodeId, ServiceName};
use canary_core::traits::{AdminState, LoadBalancer as _, NodeRuntime as _};
use canary_demo::load::{Load, LoadOptions};
use canary_demo::service::Fault;
use canary_local::{Sandbox, SandboxConfig};

use crate::support::{DEADLINE, release, sandbox, signal, until};

const ROUNDS: usize = 50;
const REQUESTS: u64 = 100_000;

async fn until_serving(fleet: &Sandbox, node: &NodeId) {
    until("the server to serve", async || {
        let state = fleet.balancer().servers().await.unwrap();
        state.server(node).unwrap().serving().then_some(())
    })
    .await;
}

/// What a rollout does to a node, without the new binary.
async fn drain_and_restart(fleet: &Sandbox, node: &NodeId) {
    fleet.balancer().set_admin(node, AdminState::Drain).await.unwrap();
    until("an empty server", async || {
        let state = fleet.balancer().servers().await.unwrap();
        (state.server(node).unwrap().sessions == 0).then_some(())
    })
    .await;
    fleet.nodes().restart(node).await.unwrap();
    let check = fleet.spec().health.check;
    until("health", async || fleet.nodes().check(node, &check).await.unwrap().healthy.then_some(())).await;
    fleet.balancer().set_admin(node, AdminState::Ready).await.unwrap();
    until_serving(fleet, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_drains_and_restarts_lose_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = sandbox(dir.path()).await;
    let paths = ["/", "/work?ms=1", "/work?ms=5", "/"].map(str::to_owned).to_vec();
    let options = LoadOptions { connections: 16, rate_per_second: None, paths, ..LoadOptions::default() };
    let load = Load::start(&fleet.url(), options).await.unwrap();
    for round in 0..ROUNDS {
        let node = &fleet.names()[round % fleet.names().len()];
        drain_and_restart(&fleet, node).await;
    }
    load.wait_for(|summary| summary.sent >= REQUESTS, 5 * DEADLINE).await.unwrap();
    let summary = load.stop().await;
    let totals = fleet.balancer().totals();
    assert_eq!((summary.failed_total, totals.own_answers), (0, 0), "{summary}");
    assert!(summary.sent >= REQUESTS && summary.retried_idle_close == 0, "{summary}");
    let pool = fleet.balancer().servers().await.unwrap();
    assert_eq!(pool.servers.iter().map(|server| server.sessions).sum::<u64>(), 0);
    assert!(pool.servers.iter().map(|server| server.served).sum::<u64>() >= summary.sent);
    fleet.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_costs_at_most_what_it_had_in_hand() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = sandbox(dir.path()).await;
    let connections = 4;
    let options = LoadOptions { connections, rate_per_second: Some(300), ..LoadOptions::default() };
    let load = Load::start(&fleet.url(), options).await.unwrap();
    load.wait_for(|summary| summary.ok > 50, DEADLINE).await.unwrap();
    let node = &fleet.names()[1];
    let pid = fleet.nodes().service(node).await.unwrap().pid.unwrap();
    signal("KILL", pid);
    until("another process", async || {
        let state = fleet.nodes().service(node).await.unwrap();
        (state.restarts == 1 && state.pid.is_some_and(|new| new != pid)).then_some(())
    })
    .await;
    until_serving(&fleet, node).await;
    let seen = load.snapshot().ok;
    load.wait_for(|summary| summary.ok > seen + 50, DEADLINE).await.unwrap();
    let summary = load.stop().await;
    assert!(summary.failed_total <= connections as u64, "{summary}");
    fleet.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_a_long_request() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = sandbox(dir.path()).await;
    let paths = vec!["/work?ms=700".to_owned()];
    let options = LoadOptions { connections: 6, rate_per_second: None, paths, ..LoadOptions::default() };
    let load = Load::start(&fleet.url(), options).await.unwrap();
    let node = &fleet.names()[0];
    until("requests in progress", async || {
        let state = fleet.balancer().servers().await.unwrap();
        (state.server(node).unwrap().sessions > 0).then_some(())
    })
    .await;
    drain_and_restart(&fleet, node).await;
    let summary = load.stop().await;
    assert_eq!(summary.failed_total, 0, "{summary}");
    assert!(summary.ok > 0);
}

#[tokio::test]
async fn a_dropped_sandbox_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = sandbox(dir.path()).await;
    let mut pids = Vec::new();
    for node in fleet.names() {
        pids.push(fleet.nodes().service(node).await.unwrap().pid.unwrap());
    }
    let (path, nodes, balancer) = (fleet.dir().to_owned(), fleet.nodes().clone(), fleet.balancer().clone());
    drop(fleet);
    for pid in pids {
        assert_eq!(crate::support::group(pid), [0_u32; 0]);
    }
    assert!(!path.exists());
    until("the port to close", async || {
        tokio::net::TcpStream::connect(balancer.address()).await.is_err().then_some(())
    })
    .await;
    assert!(tokio::time::timeout(Duration::from_secs(20), nodes.shutdown()).await.is_ok());
}

#[tokio::test]
async fn a_fleet_that_cannot_come_up_says_why_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let crashing = release(dir.path(), "v1", &[Fault::Crash]);
    let config =
        SandboxConfig::new(ServiceName::new("bad").unwrap(), crashing.path, &["{address}", "{node}"]);
    let error = Sandbox::start(config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad-1 cannot run: failed (start-limit-hit, exit status: 1); its log ends: Error: release v1 crashes at start"
    );
    let missing = SandboxConfig::new(ServiceName::new("bad").unwrap(), dir.path().join("none"), &[]);
    let error = Sandbox::start(missing).await.unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
}
