//! The suite of [`LoadBalancer`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{HttpPath, NodeId};
use canary_core::traits::{
    AdminState, ErrorKind, HealthCheck, LbCapabilities, LoadBalancer, PoolState, Server, Weight,
};

use super::suite::{Case, Suite, Verdict, case, must, require, until};

/// What a bench can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalancerSkills {
    /// [`BalancerBench::hold`] and [`BalancerBench::release`].
    pub hold: bool,
    /// [`BalancerBench::stop_server`] and [`BalancerBench::start_server`], with health checks that notice.
    pub stop_servers: bool,
    /// [`BalancerBench::restart`].
    pub restart: bool,
}

/// A balancer to be tested: a pool of at least two servers, all ready, up, of one weight, without other clients.
///
/// Each method stands for something that cannot be done through the trait; those of a missing skill are never called.
/// A bench panics when it cannot do its part.
#[async_trait(?Send)]
pub trait BalancerBench {
    /// The balancer.
    fn balancer(&self) -> Arc<dyn LoadBalancer>;

    /// What a check through the balancer asks for; healthy servers answer 200.
    fn path(&self) -> HttpPath;

    /// Sends one request as a client, on a connection of its own: the node that answered, or nothing.
    async fn request(&self) -> Option<NodeId>;

    /// Begins requests that stay in progress until [`Self::release`], at least one on every ready server; returns when
    /// they have arrived.
    async fn hold(&self);

    /// Lets the held requests end.
    async fn release(&self);

    /// Makes a server fail its health checks and refuse requests.
    async fn stop_server(&self, node: &NodeId);

    /// Makes it well again.
    async fn start_server(&self, node: &NodeId);

    /// Replaces the balancer's process by a new one with the same configuration.
    async fn restart(&self);
}

/// The suite of [`LoadBalancer`]: `make` gives a fresh bench for each case.
pub fn load_balancer<F, M>(capabilities: LbCapabilities, skills: BalancerSkills, make: M) -> Suite
where
    F: Future<Output = Box<dyn BalancerBench>> + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    let mut cases: Vec<Case<dyn BalancerBench>> = vec![
        case!(the_pool_is_read_whole, "servers: all servers, from one moment"),
        case!(reading_changes_nothing, "reads report what is"),
        case!(a_drained_server_gets_no_new_request, "AdminState::Drain: takes no new requests"),
        case!(maintenance_stops_requests, "AdminState::Maint: takes no requests"),
        case!(
            what_set_admin_returns_is_read_back,
            "set_admin: reads the pool right after it was acknowledged"
        ),
        case!(asking_twice_is_safe, "set_admin: repeating it is safe"),
        case!(other_servers_stay_as_they_are, "set_admin: asks for an admin state of one server"),
        case!(requests_are_counted, "served: requests sent to it since the counters' epoch"),
        case!(an_unknown_server_is_not_found, "set_admin: NotFound when the server does not exist"),
    ];
    if capabilities.weights {
        cases
            .push(case!(a_weight_is_read_back, "set_weight: sets the absolute weight; repeating it is safe"));
        cases.push(case!(weight_zero_takes_no_request, "Weight 0: the balancer sends it no new requests"));
    } else {
        cases.push(case!(
            weights_are_unsupported,
            "set_weight: Unsupported where capabilities().weights is false"
        ));
    }
    if capabilities.check_through {
        cases.push(case!(a_check_goes_through, "check_through: sends one request through the balancer"));
        cases
            .push(case!(a_check_that_nobody_answers_is_a_report, "check_through: an HTTP error is a report"));
    } else {
        cases.push(case!(checks_are_unsupported, "check_through: Unsupported"));
    }
    if skills.hold {
        cases.push(case!(sessions_are_counted_and_end, "sessions: requests in progress"));
        cases.push(case!(
            a_drain_lets_requests_end,
            "AdminState::Drain: no new requests; those in progress go on"
        ));
        if capabilities.close_sessions {
            cases.push(case!(
                closed_sessions_are_gone,
                "close_sessions: ends all sessions in progress on a server"
            ));
        }
    }
    if !capabilities.close_sessions {
        cases.push(case!(closing_is_unsupported, "close_sessions: Unsupported where capabilities() says so"));
    }
    if skills.stop_servers {
        cases.push(case!(
            a_dead_server_is_found_down,
            "operational: what the balancer finds by its health checks"
        ));
        cases.push(case!(
            a_dead_server_is_not_up_because_it_is_ready,
            "reads report what is, not what was asked for"
        ));
    }
    if skills.restart {
        cases.push(case!(a_new_process_is_a_new_epoch, "epoch: another value means that counters restarted"));
    }
    let wanted = capabilities;
    Suite::new("load_balancer", move || checked(wanted, make()), cases)
}

/// The bench, once its balancer can do what was said.
async fn checked(
    capabilities: LbCapabilities,
    made: impl Future<Output = Box<dyn BalancerBench>>,
) -> Box<dyn BalancerBench> {
    let bench = made.await;
    assert_eq!(bench.balancer().capabilities(), capabilities, "the suite was made for other capabilities");
    bench
}

async fn pool(bench: &dyn BalancerBench) -> Result<PoolState, String> {
    must("read the pool", bench.balancer().servers().await)
}

fn server<'p>(pool: &'p PoolState, node: &NodeId) -> Result<&'p Server, String> {
    pool.server(node).ok_or_else(|| format!("the pool has no {node}"))
}

/// The first two servers' names.
async fn two(bench: &dyn BalancerBench) -> Result<(NodeId, NodeId), String> {
    match pool(bench).await?.servers.as_slice() {
        [one, two, ..] => Ok((one.node.clone(), two.node.clone())),
        other => Err(format!("the bench has {} server(s); two are needed", other.len())),
    }
}

async fn set(bench: &dyn BalancerBench, node: &NodeId, state: AdminState) -> Result<PoolState, String> {
    must(&format!("set {node} {state}"), bench.balancer().set_admin(node, state).await)
}

/// Sends requests until one server's turn must have come, and gives how often `node` answered.
async fn answered_by(bench: &dyn BalancerBench, node: &NodeId) -> usize {
    let mut count = 0;
    for _ in 0..12 {
        count += usize::from(bench.request().await.as_ref() == Some(node));
    }
    count
}

async fn serving_again(bench: &dyn BalancerBench, node: &NodeId) -> Verdict {
    until("the server to take requests", async || {
        let server = server(&pool(bench).await?, node)?.clone();
        if server.serving() { Ok(()) } else { Err(format!("{}, {}", server.admin, server.operational)) }
    })
    .await
}

fn unknown() -> Result<NodeId, String> {
    NodeId::new("no-such-server").map_err(|e| e.to_string())
}

fn check(bench: &dyn BalancerBench) -> HealthCheck {
    HealthCheck { port: 80, path: bench.path(), attempt_timeout: Duration::from_secs(5) }
}

async fn the_pool_is_read_whole(bench: &dyn BalancerBench) -> Verdict {
    let pool = pool(bench).await?;
    require!(!pool.epoch.is_empty(), "the epoch is empty");
    require!(pool.servers.len() >= 2, "{} servers", pool.servers.len());
    for one in &pool.servers {
        require!(one.serving(), "{} does not take requests: {one:?}", one.node);
        let twins = pool.servers.iter().filter(|other| other.node == one.node).count();
        require!(twins == 1, "{} is listed {twins} times", one.node);
        require!(one.sessions == 0 && one.queued == 0, "{} has requests in progress: {one:?}", one.node);
    }
    Ok(())
}

async fn reading_changes_nothing(bench: &dyn BalancerBench) -> Verdict {
    let (first, second) = (pool(bench).await?, pool(bench).await?);
    require!(first == second, "two reads in a row differ: {first:?}, then {second:?}");
    Ok(())
}

async fn a_drained_server_gets_no_new_request(bench: &dyn BalancerBench) -> Verdict {
    let (one, two) = two(bench).await?;
    set(bench, &one, AdminState::Drain).await?;
    let served = server(&pool(bench).await?, &one)?.served;
    let (drained, other) = (answered_by(bench, &one).await, answered_by(bench, &two).await);
    require!(drained == 0 && other > 0, "{one}, drained, answered {drained} requests, {two} {other}");
    let after = server(&pool(bench).await?, &one)?.served;
    require!(after == served, "the balancer counts {served}, then {after} requests to a drained server");
    set(bench, &one, AdminState::Ready).await?;
    serving_again(bench, &one).await?;
    require!(answered_by(bench, &one).await > 0, "{one}, ready again, answers nothing");
    Ok(())
}

async fn maintenance_stops_requests(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    let back = set(bench, &one, AdminState::Maint).await?;
    require!(!server(&back, &one)?.serving(), "{one} is said to take requests in maintenance");
    require!(answered_by(bench, &one).await == 0, "{one} answers in maintenance");
    set(bench, &one, AdminState::Ready).await?;
    serving_again(bench, &one).await
}

async fn what_set_admin_returns_is_read_back(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    for state in [AdminState::Drain, AdminState::Maint, AdminState::Ready] {
        let (back, read) = (set(bench, &one, state).await?, pool(bench).await?);
        let (back, read) = (server(&back, &one)?.admin, server(&read, &one)?.admin);
        require!(back == state && read == state, "asked for {state}: set_admin says {back}, servers {read}");
    }
    Ok(())
}

async fn asking_twice_is_safe(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    for state in [AdminState::Drain, AdminState::Ready] {
        set(bench, &one, state).await?;
        let again = set(bench, &one, state).await?;
        require!(server(&again, &one)?.admin == state, "{state} twice is {}", server(&again, &one)?.admin);
    }
    Ok(())
}

async fn other_servers_stay_as_they_are(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    let before = pool(bench).await?;
    let after = set(bench, &one, AdminState::Drain).await?;
    for other in before.servers.iter().filter(|server| server.node != one) {
        let now = server(&after, &other.node)?;
        let same = (now.admin, now.weight) == (other.admin, other.weight);
        require!(same, "{} changed with {one}: {now:?}", other.node);
    }
    Ok(())
}

async fn requests_are_counted(bench: &dyn BalancerBench) -> Verdict {
    let before: u64 = pool(bench).await?.servers.iter().map(|server| server.served).sum();
    for i in 0..6 {
        require!(bench.request().await.is_some(), "request {i} was not answered");
    }
    until("six requests to be counted", async || {
        let now: u64 = pool(bench).await?.servers.iter().map(|server| server.served).sum();
        if now == before + 6 { Ok(()) } else { Err(format!("{before}, then {now}")) }
    })
    .await
}

async fn an_unknown_server_is_not_found(bench: &dyn BalancerBench) -> Verdict {
    match bench.balancer().set_admin(&unknown()?, AdminState::Drain).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{:?}: {}", error.kind(), error.chain())),
        Ok(_) => Err("it was acknowledged".to_owned()),
    }
}

async fn a_weight_is_read_back(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    let configured = server(&pool(bench).await?, &one)?.configured_weight;
    let half = Weight::new((configured.value() / 2).max(1))?;
    for weight in [half, half, configured] {
        must("set the weight", bench.balancer().set_weight(&one, weight).await)?;
        let now = server(&pool(bench).await?, &one)?.clone();
        require!(now.weight == weight, "set to {}, read back {}", weight.value(), now.weight.value());
        require!(now.configured_weight == configured, "the configured weight changed with it");
    }
    Ok(())
}

async fn weight_zero_takes_no_request(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    must("set the weight", bench.balancer().set_weight(&one, Weight::new(0)?).await)?;
    require!(!server(&pool(bench).await?, &one)?.serving(), "{one} is said to take requests");
    require!(answered_by(bench, &one).await == 0, "{one} answers with weight 0");
    Ok(())
}

async fn weights_are_unsupported(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    unsupported(bench.balancer().set_weight(&one, Weight::new(1)?).await)
}

async fn closing_is_unsupported(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    unsupported(bench.balancer().close_sessions(&one).await)
}

async fn checks_are_unsupported(bench: &dyn BalancerBench) -> Verdict {
    unsupported(bench.balancer().check_through(&check(bench)).await)
}

fn unsupported<T>(result: Result<T, canary_core::traits::BackendError>) -> Verdict {
    match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(error) => Err(format!("{:?}: {}", error.kind(), error.chain())),
        Ok(_) => Err("it was done".to_owned()),
    }
}

async fn a_check_goes_through(bench: &dyn BalancerBench) -> Verdict {
    let served = |pool: &PoolState| pool.servers.iter().map(|server| server.served).sum::<u64>();
    let before = served(&pool(bench).await?);
    let report = must("check", bench.balancer().check_through(&check(bench)).await)?;
    require!(report.healthy && report.status == Some(200), "{report:?}");
    until("the check to be counted", async || match served(&pool(bench).await?) - before {
        1 => Ok(()),
        other => Err(format!("{other} requests")),
    })
    .await
}

async fn a_check_that_nobody_answers_is_a_report(bench: &dyn BalancerBench) -> Verdict {
    for server in pool(bench).await?.servers {
        set(bench, &server.node, AdminState::Maint).await?;
    }
    let report = must("check", bench.balancer().check_through(&check(bench)).await)?;
    require!(!report.healthy, "no server is ready, and the report says {report:?}");
    Ok(())
}

async fn sessions_are_counted_and_end(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    bench.hold().await;
    let sessions = server(&pool(bench).await?, &one)?.sessions;
    require!(sessions > 0, "requests are in progress, and {one} has no sessions");
    bench.release().await;
    idle(bench, &one).await
}

async fn idle(bench: &dyn BalancerBench, node: &NodeId) -> Verdict {
    until("no session", async || match server(&pool(bench).await?, node)?.sessions {
        0 => Ok(()),
        sessions => Err(format!("{sessions} sessions")),
    })
    .await
}

async fn a_drain_lets_requests_end(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    bench.hold().await;
    let after = set(bench, &one, AdminState::Drain).await?;
    let sessions = server(&after, &one)?.sessions;
    require!(sessions > 0, "the drain cut {one}'s sessions");
    bench.release().await;
    idle(bench, &one).await
}

async fn closed_sessions_are_gone(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    bench.hold().await;
    set(bench, &one, AdminState::Drain).await?;
    for _ in 0..2 {
        must("close the sessions", bench.balancer().close_sessions(&one).await)?;
    }
    idle(bench, &one).await?;
    bench.release().await;
    Ok(())
}

async fn found(bench: &dyn BalancerBench, node: &NodeId, up: bool) -> Verdict {
    until("the health checks to notice", async || {
        let server = server(&pool(bench).await?, node)?.clone();
        if server.serving() == up { Ok(()) } else { Err(format!("{}, {}", server.admin, server.operational)) }
    })
    .await
}

async fn a_dead_server_is_found_down(bench: &dyn BalancerBench) -> Verdict {
    let (one, two) = two(bench).await?;
    bench.stop_server(&one).await;
    found(bench, &one, false).await?;
    let now = pool(bench).await?;
    require!(server(&now, &one)?.admin == AdminState::Ready, "the admin state changed by itself");
    require!(now.serving_besides(&two) + 2 <= now.servers.len(), "it still counts as serving: {now:?}");
    require!(answered_by(bench, &one).await == 0, "a dead server answered");
    bench.start_server(&one).await;
    found(bench, &one, true).await
}

async fn a_dead_server_is_not_up_because_it_is_ready(bench: &dyn BalancerBench) -> Verdict {
    let (one, _) = two(bench).await?;
    set(bench, &one, AdminState::Drain).await?;
    bench.stop_server(&one).await;
    until("the health checks to notice", async || {
        use canary_core::traits::Operational;
        match server(&pool(bench).await?, &one)?.operational {
            Operational::Down => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await?;
    let back = set(bench, &one, AdminState::Ready).await?;
    require!(!server(&back, &one)?.serving(), "{one} is dead, and said to take requests");
    bench.start_server(&one).await;
    found(bench, &one, true).await
}

async fn a_new_process_is_a_new_epoch(bench: &dyn BalancerBench) -> Verdict {
    let before = pool(bench).await?.epoch;
    bench.restart().await;
    let after = pool(bench).await?.epoch;
    require!(before != after, "the epoch is {before} before and after");
    Ok(())
}
