//! Each fault does to a call what it says, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use canary_core::engine::Backends;
use canary_core::fleet::NodeId;
use canary_core::journal::{Entry, MemoryJournal, RolloutId};
use canary_core::time::Timestamp;
use canary_core::traits::*;

use super::*;
use crate::world::{Behaviour, REQUESTS_METRIC, World, WorldConfig};
use crate::{FakeCheck, VirtualClock};

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// A world behind a script.
fn behind(script: Script) -> (World, Backends, Arc<Script>) {
    let mut config = WorldConfig::new(&["a", "b"]);
    config.load.requests_per_s = 0;
    let world = World::new(config, Arc::new(VirtualClock::new()), b"old", Behaviour::good());
    let journal = Arc::new(MemoryJournal::new(Arc::clone(world.clock()) as _));
    let script = Arc::new(script);
    let faults: Arc<dyn Faults> = Arc::clone(&script) as _;
    let backends = wrap(&world.backends(journal), &faults);
    (world, backends, script)
}

fn admin(world: &World) -> AdminState {
    world.server(&node("a")).unwrap().admin
}

async fn drain(backends: &Backends) -> Result<PoolState, BackendError> {
    backends.lb.set_admin(&node("a"), AdminState::Drain).await
}

fn entry() -> Entry {
    let rollout = RolloutId::new(Timestamp::from_millis(0), 1);
    Entry::Refused { rollout, actor: "anna".to_owned(), reasons: Vec::new() }
}

#[tokio::test]
async fn an_error_has_no_effect() {
    let fault = Fault::Error { kind: ErrorKind::Unreachable, transient: true };
    let (world, backends, _) = behind(Script::new().at_call(0, fault));
    let error = drain(&backends).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied));
    assert!(matches!(error.retry(), Retry::Transient { .. }));
    assert_eq!(admin(&world), AdminState::Ready);
    drain(&backends).await.unwrap();
    assert_eq!(admin(&world), AdminState::Drain);
}

#[tokio::test]
async fn a_lost_reply_has_its_effect_and_says_that_it_does_not_know() {
    let (world, backends, _) = behind(Script::new().at_turns("set_admin", [0], &Fault::ReplyLost));
    let error = drain(&backends).await.unwrap_err();
    assert_eq!(error.outcome(), CallOutcome::Unknown);
    assert_eq!(admin(&world), AdminState::Drain);
}

#[tokio::test]
async fn a_timeout_takes_its_time_whether_it_arrived_or_not() {
    for applied in [false, true] {
        let fault = Fault::Timeout { after: Duration::from_secs(30), applied };
        let (world, backends, _) = behind(Script::new().at_call(0, fault));
        let error = drain(&backends).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TimedOut, CallOutcome::Unknown));
        assert_eq!(world.clock().monotonic(), Duration::from_secs(30));
        assert_eq!(admin(&world) == AdminState::Drain, applied);
    }
}

#[tokio::test]
async fn a_delay_is_only_a_delay() {
    let (world, backends, _) = behind(Script::new().at_call(0, Fault::Delay(Duration::from_secs(7))));
    drain(&backends).await.unwrap();
    assert_eq!((world.clock().monotonic(), admin(&world)), (Duration::from_secs(7), AdminState::Drain));
}

#[tokio::test]
async fn a_stale_read_is_the_one_before() {
    let (_world, backends, _) = behind(Script::new().at_turns("servers", [1], &Fault::Stale));
    let before = backends.lb.servers().await.unwrap();
    drain(&backends).await.unwrap();
    assert_eq!(backends.lb.servers().await.unwrap(), before);
    assert_ne!(backends.lb.servers().await.unwrap(), before);
}

#[tokio::test]
async fn of_a_partial_fleet_some_nodes_are_missing_and_the_pool_cannot_be_read() {
    let fault = Fault::Partial(vec![node("a")]);
    let script = Script::new().at_turns("service", [0, 1], &fault).at_turns("servers", [0], &fault);
    let (_world, backends, _) = behind(script);
    assert_eq!(backends.nodes.service(&node("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    backends.nodes.service(&node("b")).await.unwrap();
    assert_eq!(backends.lb.servers().await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn counters_and_history_are_struck_as_samples_are() {
    let fault = Fault::Error { kind: ErrorKind::Unreachable, transient: true };
    let script = Script::new().at_turns("counters", [1], &fault).at_turns("history", [0], &fault);
    let (world, backends, _) = behind(script);
    let sli = backends.sli.unwrap();
    let (metric, status_label) = (REQUESTS_METRIC.parse().unwrap(), "status".parse().unwrap());
    let (kind, at) = (SliKind::ErrorRatio { metric, status_label }, world.clock().now());
    let query = CounterQuery { name: "errors".to_owned(), kind, nodes: vec![node("a")], at };
    let second = Duration::from_secs(1);
    assert!(sli.counts());
    let queries = [query.clone(), query];
    let answered: Vec<_> = sli.counters(&queries).await.iter().map(Result::is_ok).collect();
    assert_eq!(answered, [true, true]);
    for answer in sli.counters(&queries).await {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied));
    }
    assert_eq!(sli.history(&queries[0], second, second).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(sli.history(&queries[0], second, second).await.unwrap().nodes[0].steps, [Vec::<u64>::new()]);
}

#[tokio::test]
async fn a_check_that_is_struck_has_no_answer_and_is_asked_the_next_time() {
    let script = Script::new().at_turns(
        "release_check",
        [0],
        &Fault::Timeout { after: Duration::from_secs(9), applied: false },
    );
    let world =
        World::new(WorldConfig::new(&["a"]), Arc::new(VirtualClock::new()), b"old", Behaviour::good());
    let mut backends = world.backends(Arc::new(MemoryJournal::new(Arc::clone(world.clock()) as _)));
    let check = Arc::new(FakeCheck::new("schema"));
    backends.checks = vec![check.clone()];
    let faults: Arc<dyn Faults> = Arc::new(script);
    let struck = wrap(&backends, &faults).checks.remove(0);
    let ask = CheckAsk {
        service: "app".parse().unwrap(),
        canary: node("a"),
        stage: CheckStage::Before,
        release: None,
        at: world.clock().now(),
        limit: Duration::from_secs(1),
    };
    assert_eq!(struck.name(), "schema");
    assert_eq!(struck.check(&ask).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!((world.clock().monotonic(), check.asked().len()), (Duration::from_secs(9), 0));
    assert_eq!(struck.check(&ask).await.unwrap().verdict, CheckVerdict::Pass);
    assert_eq!(check.asked(), [ask]);
}

#[tokio::test]
async fn a_death_never_returns_and_a_burial_ends_what_is_left() {
    for (fault, expected) in [(Fault::DieBefore, AdminState::Ready), (Fault::DieAfter, AdminState::Drain)] {
        let (world, backends, script) = behind(Script::new().at_call(0, fault));
        let task =
            tokio::spawn(async move { (drain(&backends).await.is_err(), drain(&backends).await.is_err()) });
        script.deaths.happened().await;
        assert!(!task.is_finished());
        assert_eq!(admin(&world), expected);
        script.deaths.bury();
        assert_eq!(task.await.unwrap(), (true, true), "nothing has an effect after the death");
        assert_eq!(admin(&world), expected);
    }
}

#[tokio::test]
async fn a_journal_fails_before_or_after_the_record() {
    for (fault, records) in [
        (Fault::Error { kind: ErrorKind::Exhausted, transient: false }, 0),
        (Fault::ReplyLost, 1),
        (Fault::Timeout { after: Duration::ZERO, applied: true }, 1),
    ] {
        let (_world, backends, _) = behind(Script::new().at_turns("append", [0], &fault));
        backends.journal.append(entry()).await.unwrap_err();
        assert_eq!(backends.journal.records().await.unwrap().len(), records, "{fault:?}");
    }
}
