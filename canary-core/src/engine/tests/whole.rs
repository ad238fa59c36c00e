//! Releases from their beginning to their end: good, bad, stopped, and taken back.

use super::*;

#[tokio::test]
async fn a_good_release_reaches_every_node_one_by_one() {
    let scene = Scene::new(Behaviour::Good);
    let report = scene.run().await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let new = Digest::of(NEW);
    assert_eq!(scene.effects(), [rolled("a", new), rolled("b", new), rolled("c", new)].concat());
    let probes = scene.entries().await.iter().filter(|e| matches!(e, Entry::Observed { .. })).count();
    assert_eq!(probes, 10, "a window of 300 s with a probe each 30 s");
}

#[tokio::test]
async fn running_again_after_success_changes_nothing() {
    let scene = Scene::new(Behaviour::Good);
    scene.run().await;
    let effects = scene.effects();
    let snapshot = scene.backends.observe(scene.spec.nodes()).await.unwrap();
    let plan = plan::roll_out(scene.spec.clone(), scene.artifact(), None, scene.store(), &snapshot).unwrap();
    assert!(plan.is_empty() && plan.nodes.iter().all(|n| n.work == Work::Nothing));
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: false });
    assert_eq!(scene.effects(), effects);
}

#[tokio::test]
async fn a_canary_that_fails_its_health_is_rolled_back_with_its_logs_kept() {
    for behaviour in [Behaviour::Unhealthy, Behaviour::Crashes] {
        let scene = Scene::new(behaviour);
        let report = scene.run().await;
        assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
        assert_eq!(scene.installed("a"), Digest::of(OLD));
        assert_eq!(scene.admin("a"), AdminState::Ready);
        let logs = scene.entries().await.into_iter().find_map(|entry| match entry {
            Entry::StepFinished { result: StepResult::Failed { .. }, logs, .. } => Some(logs),
            _ => None,
        });
        assert_eq!(logs.unwrap(), ["the last words"]);
        assert!(!scene.effects().iter().any(|e| e.starts_with('b') || e.starts_with('c')));
    }
}

#[tokio::test]
async fn the_first_red_probe_rolls_the_canary_back() {
    let scene = Scene::new(Behaviour::Errors);
    let report = scene.run().await;
    let reason = "a: watch: error_ratio 0.2 (bound < 0.005)".to_owned();
    assert_eq!(report.outcome, Outcome::RolledBack { reason });
    let (new, old) = (Digest::of(NEW), Digest::of(OLD));
    assert_eq!(scene.effects(), [rolled("a", new), rolled("a", old)].concat());
}

#[tokio::test]
async fn a_failing_peer_halts_and_stays_drained() {
    let scene = Scene::new(Behaviour::Good);
    scene.run_until_peer_install_fails().await;
    assert_eq!(scene.installed("a"), Digest::of(NEW), "the canary keeps the release");
    assert_eq!(scene.admin("b"), AdminState::Drain, "a node that may be half-installed is not put back");
    assert_eq!(scene.admin("c"), AdminState::Ready);
}

#[tokio::test]
async fn rolling_peers_back_is_an_option() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.roll_back_peers = true;
    let report = scene.run_until_peer_install_fails().await;
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    for name in NODES {
        assert_eq!(
            (scene.installed(name), scene.admin(name)),
            (Digest::of(OLD), AdminState::Ready),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_drain_that_never_ends_puts_the_node_back_untouched() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 3;
    let report = scene.run().await;
    let Outcome::RolledBack { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert!(
        reason.contains("waited 1m for no request in progress; seen last: drain, 3 in progress"),
        "{reason}"
    );
    assert_eq!(scene.effects(), ["a drain", "a ready"]);
}

#[tokio::test]
async fn a_drain_that_got_no_answer_is_asked_for_again_only_while_enough_others_serve() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.fail("set_admin", 1, || {
        let error = BackendError::new(ErrorKind::TimedOut, "lb", "set state", "no answer in 50 s");
        error.transient(Duration::ZERO)
    });
    let (world, plan) = (scene.world.clone(), scene.plan().await);
    let sink = Arc::new(On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::Retried { .. }) {
            for name in ["b", "c"] {
                world.state().nodes.get_mut(&node(name)).unwrap().up = false;
            }
        }
    }))));
    let mut backends = scene.backends.clone();
    backends.sinks.push(sink);
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    assert!(
        report.outcome.to_string().contains("1 other server(s) to be ready and up"),
        "{}",
        report.outcome
    );
    assert_eq!(scene.effects(), [""; 0], "nothing was taken out");
}

#[tokio::test]
async fn sessions_are_closed_only_where_the_spec_says_so() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.drain.on_timeout = crate::spec::OnDrainTimeout::CloseSessions;
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 3;
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.effects()[..2], ["a drain", "a close sessions"]);
}

#[tokio::test]
async fn nothing_is_drained_while_too_few_others_serve() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    for name in ["b", "c"] {
        scene.world.state().nodes.get_mut(&node(name)).unwrap().up = false;
    }
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert!(scene.effects().is_empty(), "{:?}", scene.effects());
    let Outcome::RolledBack { reason } = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(reason.contains("1 other server(s) to be ready and up; seen last: 0 serving"), "{reason}");
}

#[tokio::test]
async fn when_the_way_back_fails_too_the_node_stays_out_and_the_outcome_says_stuck() {
    let scene = Scene::new(Behaviour::Unhealthy);
    let plan = scene.plan().await;
    scene.world.binary(OLD, Behaviour::Unhealthy);
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert!(matches!(report.outcome, Outcome::Stuck { .. }), "{:?}", report.outcome);
    assert_eq!(scene.admin("a"), AdminState::Drain);
}

#[tokio::test]
async fn a_metrics_outage_holds_and_then_ends_inconclusive_with_the_canary_kept() {
    let scene = Scene::new(Behaviour::Errors);
    scene.world.state().metrics_down = true;
    let report = scene.run().await;
    let Outcome::Inconclusive { why, then } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(*then, AfterHold::Kept);
    assert!(why.contains("source down: metrics: query: unreachable: connection refused"), "{why}");
    assert_eq!((scene.installed("a"), scene.admin("a")), (Digest::of(NEW), AdminState::Ready));
    let mut scene = Scene::new(Behaviour::Errors);
    scene.spec.watch.as_mut().unwrap().on_inconclusive = OnInconclusive::RollBack;
    scene.world.state().metrics_down = true;
    let report = scene.run().await;
    assert!(matches!(report.outcome, Outcome::Inconclusive { then: AfterHold::RolledBack, .. }));
    assert_eq!(scene.installed("a"), Digest::of(OLD));
}

#[tokio::test]
async fn what_can_succeed_later_is_tried_again_and_recorded() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    scene.world.fail("install", 3, transient);
    scene.world.fail("servers", 2, transient);
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let entries = scene.entries().await.into_iter();
    let retries = entries.filter_map(|entry| match entry {
        Entry::Retried { step, attempt, .. } => Some((step.action, attempt)),
        _ => None,
    });
    let (drain, install) = (Action::Drain, Action::Install);
    assert_eq!(
        retries.collect::<Vec<_>>(),
        [(drain, 1), (drain, 2), (install, 1), (install, 2), (install, 3)]
    );
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    scene.world.fail("install", 1000, transient);
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert!(matches!(report.outcome, Outcome::Stuck { .. }), "{:?}", report.outcome);
}

#[tokio::test]
async fn a_balancer_that_forgets_the_drain_is_told_again() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let plan = scene.plan().await;
    let world = scene.world.clone();
    let waits = Mutex::new(0);
    let sink = Arc::new(OnWait(Box::new(move || {
        let mut waits = waits.lock().unwrap();
        *waits += 1;
        match *waits {
            3 => world.state().balancer_restarts = true,
            6 => world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0,
            _ => {}
        }
    })));
    let mut backends = scene.backends.clone();
    backends.sinks.push(sink);
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(
        scene.effects()[..3],
        ["a drain".to_owned(), "a drain".to_owned(), rolled("a", Digest::of(NEW))[1].clone()]
    );
}

#[tokio::test]
async fn an_order_to_roll_back_reaches_every_node_and_needs_no_metrics() {
    let scene = Scene::new(Behaviour::Errors);
    scene.world.state().metrics_down = true;
    for name in NODES {
        let mut state = scene.world.state();
        let n = state.nodes.get_mut(&node(name)).unwrap();
        (n.installed, n.running) = (Digest::of(NEW), Digest::of(NEW));
    }
    let old = scene.dir.path().join("old");
    std::fs::write(&old, OLD).unwrap();
    let snapshot = scene.backends.observe(scene.spec.nodes()).await.unwrap();
    let artifact = Artifact::read(&old).unwrap();
    let plan = plan::roll_back(scene.spec.clone(), artifact, scene.store(), &snapshot).unwrap();
    let report = roll_back(&scene.backends, plan, order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let old = Digest::of(OLD);
    assert_eq!(scene.effects(), [rolled("a", old), rolled("b", old), rolled("c", old)].concat());
}

#[tokio::test]
async fn a_first_wish_to_stop_ends_at_a_safe_point_and_a_second_goes_back() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let control = Control::default();
    let asks = control.clone();
    let sink = Arc::new(On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::StepStarted { step, .. } if step.action == Action::Drain) {
            asks.ask(Request::new(Wish::Stop, "ada"));
        }
    }))));
    let mut backends = scene.backends.clone();
    backends.sinks.push(sink);
    let report = roll_out(&backends, plan, permit(), order(), &control).await.unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted { at: "a: watch".to_owned() });
    assert_eq!(scene.admin("a"), AdminState::Ready, "the canary was finished before stopping");
    let view = crate::journal::rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    assert!(view.unfinished());
    let back = Control::default();
    back.ask(Request::new(Wish::Abort, "ben"));
    let report = resume(&scene.backends, view, "ben".to_owned(), &back).await.unwrap();
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    assert_eq!(scene.installed("a"), Digest::of(OLD));
}

#[test]
fn a_rollout_can_be_spawned() {
    fn needs_send<T: Send>(_: &T) {}
    let scene = Scene::new(Behaviour::Good);
    needs_send(&scene.run_spawnable());
}
