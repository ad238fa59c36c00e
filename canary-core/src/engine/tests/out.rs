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
