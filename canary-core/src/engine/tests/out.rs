//! A balancer that restarts while a drained node is worked on.

use super::*;

/// A rollout in which an operation takes long and the balancer forgets all drains meanwhile; `meanwhile` is called at every wait.
async fn forgotten_during(
    operation: &'static str,
    meanwhile: impl Fn(&World) + Send + Sync + 'static,
) -> Scene {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().long = Some(operation);
    let plan = scene.plan().await;
    let world = scene.world.clone();
    let mut backends = scene.backends.clone();
    backends.sinks.push(Arc::new(OnWait(Box::new(move || meanwhile(&world)))));
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.world.state().long, None, "it happened");
    scene
}

fn drained_again(entries: &[Entry], action: Action) -> Option<String> {
    entries.iter().find_map(|entry| match entry {
        Entry::StepFinished { step, facts, .. } if step.action == action => {
            facts.get("drained_again").cloned()
        }
        _ => None,
    })
}

#[tokio::test]
async fn a_drain_lost_during_a_long_installation_is_asked_for_again_before_the_restart() {
    // The world itself refuses to restart a node that serves, or has a request in progress.
    let scene = forgotten_during("install", |world| {
        let mut state = world.state();
        if state.effects.iter().filter(|effect| *effect == "a drain").count() == 2 {
            state.nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0;
        }
    })
    .await;
    let [drain, install, restart, ready] = rolled("a", Digest::of(NEW));
    assert_eq!(scene.effects()[..5], [drain.clone(), install, drain, restart, ready]);
    assert_eq!(drained_again(&scene.entries().await, Action::Install).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_drain_lost_while_the_service_comes_up_is_asked_for_again() {
    let scene = forgotten_during("check", |_| {}).await;
    let [drain, install, restart, ready] = rolled("a", Digest::of(NEW));
    assert_eq!(scene.effects()[..5], [drain.clone(), install, restart, drain, ready]);
    assert_eq!(drained_again(&scene.entries().await, Action::CheckHealth).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_balancer_that_does_not_answer_keeps_no_service_from_coming_up() {
    let asked = Mutex::new(false);
    let scene = forgotten_during("check", move |world| {
        let restarted = world.state().effects.last().is_some_and(|effect| effect == "a restart");
        if restarted && !std::mem::replace(&mut asked.lock().unwrap(), true) {
            world.fail("servers", 1, refused);
        }
    })
    .await;
    assert_eq!(drained_again(&scene.entries().await, Action::CheckHealth), None);
}

/// Rolls a canary back that fails its health; what happens while `direction`'s installation takes long is `meanwhile`'s.
async fn during_install(direction: Direction, meanwhile: fn(&World)) -> (Scene, Report) {
    let scene = Scene::new(Behaviour::Unhealthy);
    let install = Step { direction, ..Step::forward(&node("a"), Action::Install) };
    let (plan, world) = (scene.plan().await, scene.world.clone());
    let sink = On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::StepStarted { step, .. } if *step == install) {
            world.state().slow = Some("install");
            meanwhile(&world);
        }
    })));
    let mut backends = scene.backends.clone();
    backends.sinks.push(Arc::new(sink));
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    (scene, report)
}

async fn unread_after(direction: Direction) -> (Scene, Report) {
    during_install(direction, |world| world.fail("servers", 1, refused)).await
}

#[tokio::test]
async fn a_drain_that_is_refused_once_on_the_way_back_is_asked_for_again() {
    // The world itself refuses to restart a node that serves.
    let (scene, report) = during_install(Direction::Back, |world| {
        world.state().balancer_restarts = true;
        world.fail("set_admin", 1, refused);
    })
    .await;
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{}", report.outcome);
    let drains = scene.effects().iter().filter(|effect| *effect == "a drain").count();
    assert_eq!((scene.installed("a"), drains), (Digest::of(OLD), 2), "{:?}", scene.effects());
}

#[tokio::test]
async fn a_server_that_a_reply_leaves_out_is_looked_for_again() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    scene.world.state().left_out = [node("a"), node("a")].into();
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
}

#[tokio::test]
async fn a_balancer_that_cannot_be_read_stops_the_way_forward_but_not_the_way_back() {
    let (_, report) = unread_after(Direction::Forward).await;
    let reason = report.outcome.to_string();
    assert!(reason.contains("a: install: world: a call: refused: no"), "{reason}");
    let (scene, report) = unread_after(Direction::Back).await;
    let reason = report.outcome.to_string();
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{reason}");
    assert!(reason.contains("a: check-health"), "{reason}");
    assert_eq!((scene.installed("a"), scene.admin("a")), (Digest::of(OLD), AdminState::Ready));
}

#[tokio::test]
async fn a_node_that_the_rollout_did_not_drain_is_not_taken_out_while_its_health_is_awaited() {
    let scene = Scene::new(Behaviour::Good);
    // The canary has the release and takes requests: it is only proven.
    {
        let mut state = scene.world.state();
        let canary = state.nodes.get_mut(&node("a")).unwrap();
        (canary.installed, canary.running) = (Digest::of(NEW), Digest::of(NEW));
    }
    let snapshot = scene.backends.observe(scene.spec.nodes()).await.unwrap();
    let back = WayBack {
        origin: Origin::Instance { node: node("b"), path: path() },
        facts: snapshot.nodes[&node("b")].installed.current.unwrap(),
    };
    let plan =
        plan::roll_out(scene.spec.clone(), scene.artifact(), Some(back), scene.store(), &snapshot).unwrap();
    scene.world.binary(NEW, Behaviour::Unhealthy);
    let (world, waits) = (scene.world.clone(), Mutex::new(0));
    let mut backends = scene.backends.clone();
    backends.sinks.push(Arc::new(OnWait(Box::new(move || {
        let mut waits = waits.lock().unwrap();
        *waits += 1;
        if *waits == 20 {
            world.binary(NEW, Behaviour::Good);
        }
    }))));
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert!(!scene.effects().iter().any(|effect| effect.starts_with("a ")), "{:?}", scene.effects());
}
