//! The balancer against a real HAProxy.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Backend, Haproxy, PATIENCE, node, pool, read_alike, two_nodes, until};
use canary_core::fleet::{HttpPath, PoolName};
use canary_core::traits::{
    AdminState, CallOutcome, ErrorKind, HealthCheck, LoadBalancer, Operational, Retry, Server, Weight,
};
use canary_haproxy::codec::SocketLevel;
use canary_haproxy::{Command, HaproxyConfig, HaproxyLoadBalancer, TcpTransport, Transport, UnixTransport};

fn health(path: &str, attempt_timeout: Duration) -> HealthCheck {
    HealthCheck { port: 80, path: HttpPath::new(path).unwrap(), attempt_timeout }
}

fn weight(value: u16) -> Weight {
    Weight::new(value).unwrap()
}

#[tokio::test]
async fn the_pool_is_read_whole() {
    let Some((haproxy, one, two)) = two_nodes().await else { return };
    let pool = haproxy.balancer().servers().await.unwrap();
    let server = |name, backend: &Backend| Server {
        node: node(name),
        address: Some(backend.address.to_string()),
        admin: AdminState::Ready,
        operational: Operational::Up,
        checked: true,
        weight: weight(100),
        configured_weight: weight(100),
        backup: false,
        sessions: 0,
        queued: 0,
        served: 0,
    };
    assert_eq!(pool.servers, [server("n1", &one), server("n2", &two)]);
    assert_eq!(pool.algorithm.as_deref(), Some("roundrobin"));
    let (pid, start) = pool.epoch.split_once('@').unwrap();
    assert!(pid.parse::<u32>().is_ok() && start.parse::<u64>().is_ok(), "{}", pool.epoch);
    let names: Vec<String> =
        haproxy.balancer().connections().await.unwrap().into_iter().map(|c| c.server).collect();
    assert_eq!(names, ["n1", "n2"]);
}

#[tokio::test]
async fn a_drained_server_gets_no_new_requests_until_it_is_ready() {
    let Some((haproxy, one, two)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    for _ in 0..2 {
        balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap();
    }
    let pool = balancer.servers().await.unwrap();
    assert_eq!(pool.server(&node("n1")).unwrap().admin, AdminState::Drain);
    assert_eq!(pool.serving_besides(&node("n2")), 0);
    let before = one.requests();
    for _ in 0..20 {
        assert_eq!(haproxy.request("/").await.unwrap(), "n2");
    }
    assert_eq!((one.requests(), two.requests()), (before, 20));

    for _ in 0..2 {
        balancer.set_admin(&node("n1"), AdminState::Ready).await.unwrap();
    }
    let served = balancer.servers().await.unwrap().server(&node("n1")).unwrap().served;
    until("a request to reach n1", async || (haproxy.request("/").await.ok()? == "n1").then_some(())).await;
    assert_eq!(balancer.servers().await.unwrap().server(&node("n1")).unwrap().served, served + 1);
}

#[tokio::test]
async fn maintenance_stops_traffic_and_checks() {
    let Some((haproxy, _one, two)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    balancer.set_admin(&node("n1"), AdminState::Maint).await.unwrap();
    let server = balancer.servers().await.unwrap().server(&node("n1")).unwrap().clone();
    assert_eq!(
        (server.admin, server.operational, server.serving()),
        (AdminState::Maint, Operational::Down, false)
    );
    for _ in 0..4 {
        haproxy.request("/").await.unwrap();
    }
    assert_eq!(two.requests(), 4);
    balancer.set_admin(&node("n1"), AdminState::Ready).await.unwrap();
    haproxy.all_serving().await;
}

#[tokio::test]
async fn weights_are_absolute_and_zero_serves_nothing() {
    let Some((haproxy, one, _two)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    for value in [256, 1, 0] {
        balancer.set_weight(&node("n1"), weight(value)).await.unwrap();
        let server = balancer.servers().await.unwrap().server(&node("n1")).unwrap().clone();
        assert_eq!((server.weight, server.configured_weight), (weight(value), weight(100)));
        assert_eq!((server.admin, server.serving()), (AdminState::Ready, value > 0));
    }
    for _ in 0..6 {
        haproxy.request("/").await.unwrap();
    }
    assert_eq!(one.requests(), 0);
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_closing_sessions_cuts_them() {
    let Some((haproxy, one, _two)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    balancer.set_admin(&node("n2"), AdminState::Drain).await.unwrap();

    let finish = async {
        until("the request to be held", async || (one.held() == 1).then_some(())).await;
        balancer.set_admin(&node("n2"), AdminState::Ready).await.unwrap();
        balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap();
        assert_eq!(balancer.servers().await.unwrap().server(&node("n1")).unwrap().sessions, 1);
        one.release();
    };
    let (reply, ()) = tokio::join!(haproxy.request("/hold"), finish);
    assert_eq!(reply.unwrap(), "n1");
    haproxy.pool_where("n1 to be idle", |pool| pool.server(&node("n1")).unwrap().sessions == 0).await;

    balancer.set_admin(&node("n1"), AdminState::Ready).await.unwrap();
    balancer.set_admin(&node("n2"), AdminState::Drain).await.unwrap();
    let cut = async {
        until("the request to be held", async || (one.held() == 2).then_some(())).await;
        balancer.close_sessions(&node("n1")).await.unwrap();
        haproxy.pool_where("n1 to be idle", |pool| pool.server(&node("n1")).unwrap().sessions == 0).await;
    };
    let (reply, ()) = tokio::join!(haproxy.request("/hold"), cut);
    assert!(reply.is_err(), "{reply:?}");
    balancer.close_sessions(&node("n1")).await.unwrap();
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_nothing_is_applied() {
    let Some((haproxy, ..)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    let ghost = node("n9");
    for error in [
        balancer.set_admin(&ghost, AdminState::Drain).await.unwrap_err(),
        balancer.set_weight(&ghost, weight(1)).await.unwrap_err(),
        balancer.close_sessions(&ghost).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::NotFound, CallOutcome::NotApplied),
            "{error}"
        );
        assert!(error.to_string().contains("api_pool/n9"), "{error}");
    }
    let other = HaproxyConfig::new(PoolName::new("api_poll").unwrap());
    let other = HaproxyLoadBalancer::new(Box::new(UnixTransport::new(haproxy.socket("admin"))), other);
    assert_eq!(
        other.servers().await.unwrap_err().to_string(),
        "haproxy: show servers state api_poll: not found: there is no such pool; there are api_pool (pool=api_poll)"
    );
    let error = other.set_admin(&node("n1"), AdminState::Drain).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_socket_below_admin_reads_but_does_not_write() {
    let Some((haproxy, ..)) = two_nodes().await else { return };
    for (name, level) in [("operator", SocketLevel::Operator), ("user", SocketLevel::User)] {
        let balancer = haproxy.balancer_at(name);
        assert_eq!(balancer.servers().await.unwrap().servers.len(), 2);
        let error = balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Unauthorised, CallOutcome::NotApplied),
            "{error}"
        );
        let description = balancer.describe().await.unwrap();
        assert_eq!(description.level, level);
        assert!(description.warnings[0].contains("level admin"), "{:?}", description.warnings);
    }
    let pool = haproxy.balancer().servers().await.unwrap();
    assert_eq!(pool.server(&node("n1")).unwrap().admin, AdminState::Ready);
    let description = haproxy.balancer().describe().await.unwrap();
    assert_eq!((description.level, description.warnings), (SocketLevel::Admin, vec![]));
}

#[tokio::test]
async fn a_dead_balancer_is_unreachable_and_a_new_process_is_a_new_epoch() {
    let Some((mut haproxy, ..)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap();
    let first = balancer.servers().await.unwrap().epoch;
    assert_eq!(balancer.servers().await.unwrap().epoch, first);

    haproxy.kill().await;
    let error = balancer.set_admin(&node("n1"), AdminState::Ready).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied), "{error}");
    assert!(matches!(error.retry(), Retry::Transient { .. }), "{error}");
    let report = balancer.check_through(&health("/", Duration::from_secs(5))).await.unwrap();
    assert_eq!((report.healthy, report.status), (false, None), "{report:?}");

    haproxy.restart().await;
    let pool = balancer.servers().await.unwrap();
    assert_ne!(pool.epoch, first);
    assert_eq!(pool.server(&node("n1")).unwrap().admin, AdminState::Ready, "runtime state is lost");
}

#[tokio::test]
async fn a_reload_is_a_new_epoch_on_the_same_socket() {
    let Some((mut haproxy, ..)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    let first = balancer.servers().await.unwrap().epoch;
    haproxy.reload().await;
    assert_ne!(balancer.servers().await.unwrap().epoch, first);
    balancer.set_admin(&node("n2"), AdminState::Drain).await.unwrap();
    assert_eq!(balancer.servers().await.unwrap().server(&node("n2")).unwrap().admin, AdminState::Drain);
}

#[tokio::test]
async fn reads_during_reloads_are_whole_or_transient_errors() {
    let Some((mut haproxy, ..)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    let (seen, done) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
    let (epochs, stop) = (seen.clone(), done.clone());
    let reader = tokio::spawn(async move {
        while !stop.load(Ordering::SeqCst) {
            match balancer.servers().await {
                Ok(pool) => {
                    assert_eq!(pool.servers.len(), 2);
                    epochs.lock().unwrap().insert(pool.epoch);
                }
                Err(error) => assert!(matches!(error.retry(), Retry::Transient { .. }), "{error}"),
            }
        }
    });
    for epochs in 1..=4 {
        until("the reader to see the process", async || (seen.lock().unwrap().len() == epochs).then_some(()))
            .await;
        if epochs < 4 {
            haproxy.reload().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
}

#[tokio::test]
async fn a_server_disabled_by_configuration_comes_back_with_ready() {
    let one = Backend::start("n1").await;
    let section = format!("backend api_pool\n  server n1 {} disabled\n", one.address);
    let Some(haproxy) = Haproxy::start(&section).await else { return };
    let balancer = haproxy.balancer();
    let admin = async || balancer.servers().await.unwrap().server(&node("n1")).unwrap().admin;
    assert_eq!(admin().await, AdminState::Maint);
    balancer.set_admin(&node("n1"), AdminState::Ready).await.unwrap();
    assert_eq!(admin().await, AdminState::Ready);
    assert_eq!(haproxy.request("/").await.unwrap(), "n1");
    balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap();
    assert_eq!(admin().await, AdminState::Drain);
    let warnings = balancer.describe().await.unwrap().warnings;
    assert_eq!(warnings, ["n1 has no active health check: it counts as up as soon as it is ready"]);
}

#[tokio::test]
async fn inherited_states_count() {
    let one = Backend::start("n1").await;
    let section = format!(
        "backend api_pool\n  server n1 {0} track other/n1\nbackend other\n  server n1 {0} check inter 50ms rise 1\n",
        one.address
    );
    let Some(haproxy) = Haproxy::start(&section).await else { return };
    let tracked = haproxy.all_serving().await;
    assert!(tracked.servers[0].checked, "it follows a checked server");
    let transport = Box::new(UnixTransport::new(haproxy.socket("admin")));
    let other = HaproxyLoadBalancer::new(transport, HaproxyConfig::new(PoolName::new("other").unwrap()));
    for state in [AdminState::Drain, AdminState::Maint, AdminState::Ready] {
        other.set_admin(&node("n1"), state).await.unwrap();
        assert_eq!(haproxy.balancer().servers().await.unwrap().servers[0].admin, state);
    }
}

#[tokio::test]
async fn a_frontend_of_the_same_name_does_not_hide_the_pool() {
    let one = Backend::start("n1").await;
    let section = format!(
        "frontend api_pool\n  default_backend api_pool\n\
         backend api_pool\n  server n1 {} check inter 50ms rise 1\n",
        one.address
    );
    let Some(haproxy) = Haproxy::start(&section).await else { return };
    let pool = haproxy.all_serving().await;
    assert_eq!((pool.servers.len(), pool.algorithm.as_deref()), (1, Some("roundrobin")));
}

#[tokio::test]
async fn a_static_algorithm_refuses_weights_and_persistence_is_seen() {
    let one = Backend::start("n1").await;
    let section = format!(
        "backend api_pool\n  balance static-rr\n  cookie SRV insert\n  server n1 {} cookie one check\n",
        one.address
    );
    let Some(haproxy) = Haproxy::start(&section).await else { return };
    let balancer = haproxy.balancer();
    let error = balancer.set_weight(&node("n1"), weight(5)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, CallOutcome::NotApplied), "{error}");
    assert!(error.message().contains("static LB algorithm"), "{error}");
    let pool = balancer.servers().await.unwrap();
    assert_eq!(
        (pool.algorithm.as_deref(), pool.sticky.as_deref()),
        (Some("static-rr"), Some("cookie \"SRV\""))
    );
    let description = balancer.describe().await.unwrap();
    assert_eq!(description.warnings.len(), 2, "{:?}", description.warnings);
    assert!(description.warnings[0].contains("\"SRV\""), "{:?}", description.warnings);
    assert!(description.warnings[1].contains("static-rr"), "{:?}", description.warnings);
}

#[tokio::test]
async fn a_stick_table_binds_clients_when_it_keeps_servers() {
    let one = Backend::start("n1").await;
    let table = "stick-table type ip size 1k expire 1m";
    for (rule, sticky) in
        [("stick on src", Some("stick table (by ip)")), ("http-request track-sc0 src", None)]
    {
        let store = if sticky.is_none() { " store http_req_rate(10s)" } else { "" };
        let section =
            format!("backend api_pool\n  {table}{store}\n  {rule}\n  server n1 {} check\n", one.address);
        let Some(haproxy) = Haproxy::start(&section).await else { return };
        let balancer = haproxy.balancer();
        for _ in 0..2 {
            assert_eq!(balancer.servers().await.unwrap().sticky.as_deref(), sticky, "{rule}");
        }
        let warned = balancer.describe().await.unwrap().warnings;
        assert_eq!(
            warned.iter().any(|warning| warning.contains("stick table")),
            sticky.is_some(),
            "{warned:?}"
        );
    }
}

#[tokio::test]
async fn a_pool_without_servers_is_empty() {
    let Some(haproxy) = Haproxy::start("backend api_pool\n").await else { return };
    assert_eq!(haproxy.balancer().servers().await.unwrap().servers, []);
}

#[tokio::test]
async fn tcp_does_what_the_unix_socket_does() {
    let Some((haproxy, ..)) = two_nodes().await else { return };
    let transport = Box::new(TcpTransport::new(haproxy.control.to_string()));
    let balancer = HaproxyLoadBalancer::new(transport, HaproxyConfig::new(pool()));
    balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap();
    read_alike("TCP and the Unix socket to say the same", &balancer, &haproxy.balancer()).await;
    let text = balancer.to_string();
    assert_eq!(text, format!("haproxy api_pool (tcp socket {})", haproxy.control));
    let error = balancer.check_through(&health("/", Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!balancer.capabilities().check_through && haproxy.balancer().capabilities().check_through);
}

#[tokio::test]
async fn checks_through_the_balancer_are_balanced_and_report_failures() {
    let Some((haproxy, one, two)) = two_nodes().await else { return };
    let balancer = haproxy.balancer();
    let connections = async || {
        let stat = Command::show_stat(&PoolName::new("edge").unwrap());
        let reply = UnixTransport::new(haproxy.socket("admin")).send(&[stat]).await.unwrap().remove(0);
        let row = reply.lines().find(|line| line.starts_with("edge,FRONTEND,")).unwrap();
        row.split(',').nth(7).unwrap().parse::<u64>().unwrap()
    };
    let (before, connected) = (one.requests() + two.requests(), connections().await);
    for _ in 0..10 {
        let report = balancer.check_through(&health("/api/v1/health", PATIENCE)).await.unwrap();
        assert_eq!((report.healthy, report.status, report.detail.as_str()), (true, Some(200), "200 OK"));
    }
    assert_eq!(
        (one.requests() + two.requests() - before, one.requests() > 0, two.requests() > 0),
        (10, true, true)
    );

    assert_eq!(connections().await, connected + 10, "each probe has a connection of its own");

    let report = balancer.check_through(&health("/hold", Duration::from_millis(50))).await.unwrap();
    assert_eq!((report.healthy, report.status), (false, None), "{report:?}");
    assert!(report.detail.contains("timed out"), "{report:?}");

    for name in ["n1", "n2"] {
        balancer.set_admin(&node(name), AdminState::Maint).await.unwrap();
    }
    let report = balancer.check_through(&health("/", PATIENCE)).await.unwrap();
    assert_eq!((report.healthy, report.status), (false, Some(503)), "{report:?}");
    assert!(report.detail.starts_with("503") && report.detail.chars().count() <= 200, "{report:?}");
    assert_eq!(report.via, format!("http://{} from here", haproxy.edge));
}
