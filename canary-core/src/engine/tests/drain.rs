//! Draining: what is acknowledged and what is so, and others that fail meanwhile.

use std::collections::BTreeMap;

use super::*;

/// Rolls out while `meanwhile` is called at every wait, with its number.
async fn waiting(scene: &Scene, meanwhile: impl Fn(&World, u32) + Send + Sync + 'static) -> Report {
    let plan = scene.plan().await;
    let (world, waits) = (scene.world.clone(), Mutex::new(0));
    let mut backends = scene.backends.clone();
    backends.sinks.push(Arc::new(OnWait(Box::new(move || {
        let mut waits = waits.lock().unwrap();
        *waits += 1;
        meanwhile(&world, *waits);
    }))));
    roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap()
}

fn up(world: &World, others: [&str; 2], up: bool) {
    others.iter().for_each(|name| world.state().nodes.get_mut(&node(name)).unwrap().up = up);
}

/// How the canary's drain ended.
async fn drained(scene: &Scene) -> (bool, BTreeMap<String, String>) {
    scene.done(&Step::forward(&node("a"), Action::Drain)).await
}

#[tokio::test]
async fn others_that_fail_while_a_node_is_drained_have_it_put_back_until_they_are_up_again() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let report = waiting(&scene, |world, wait| match wait {
        2 => {
            up(world, ["b", "c"], false);
            world.fail("check", 1, transient);
        }
        9 => up(world, ["b", "c"], true),
        12 => world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0,
        _ => {}
    })
    .await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.effects()[..3], ["a drain", "a ready", "a drain"]);
    assert_eq!(drained(&scene).await.1.get("put_back").map(String::as_str), Some("1"));
}

#[tokio::test]
async fn a_node_on_its_way_back_into_rotation_is_not_taken_for_drained() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().lag_ms = 300;
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let report = waiting(&scene, |world, wait| {
        let asked = world.state().effects.len();
        let drained = world.state().nodes[&node("a")].admin == AdminState::Drain;
        up(world, ["b", "c"], asked != 1 || !drained || wait > 100);
        if asked == 2 {
            // The requests end while the return takes its time.
            up(world, ["b", "c"], !drained);
            world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0;
        }
    })
    .await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let again = rolled("a", Digest::of(NEW));
    assert_eq!(scene.effects()[..4], ["a drain", "a ready", again[0].as_str(), again[1].as_str()]);
}

#[tokio::test]
async fn a_node_that_somebody_else_took_out_stays_out_whoever_fails() {
    let scene = Scene::new(Behaviour::Good);
    {
        let mut state = scene.world.state();
        let canary = state.nodes.get_mut(&node("a")).unwrap();
        (canary.admin, canary.stuck_sessions) = (AdminState::Drain, 1);
    }
    let report = waiting(&scene, |world, wait| match wait {
        2 => up(world, ["b", "c"], false),
        6 => {
            up(world, ["b", "c"], true);
            world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0;
        }
        _ => {}
    })
    .await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.effects()[..3], rolled("a", Digest::of(NEW))[1..]);
}

#[tokio::test]
async fn requests_have_their_whole_time_after_every_drain() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.drain.timeout = Duration::from_secs(1);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let since = Mutex::new(None);
    let report = waiting(&scene, move |world, wait| {
        let now = world.state().now_ms;
        match wait {
            2 => up(world, ["b", "c"], false),
            _ if now > 5000 => up(world, ["b", "c"], true),
            _ => {}
        }
        if world.state().effects.len() == 3 {
            let since = *since.lock().unwrap().get_or_insert(now);
            world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = u64::from(now < since + 300);
        }
    })
    .await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.effects()[..3], ["a drain", "a ready", "a drain"]);
}

#[tokio::test]
async fn a_return_that_takes_effect_late_has_a_time_of_its_own() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.drain.timeout = Duration::from_secs(10);
    scene.world.state().lag_ms = 900;
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let since = Mutex::new(None);
    let report = waiting(&scene, move |world, _| {
        let now = world.state().now_ms;
        let asked = world.state().effects.len();
        let ready = world.state().nodes[&node("a")].admin == AdminState::Ready;
        let since = *since.lock().unwrap().get_or_insert(now);
        match asked {
            // Almost all of the requests' time is over.
            1 if now >= since + 9000 => up(world, ["b", "c"], false),
            2 if ready => up(world, ["b", "c"], true),
            3 => world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0,
            _ => {}
        }
    })
    .await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.effects()[..3], ["a drain", "a ready", "a drain"]);
}

#[tokio::test]
async fn others_that_fail_again_and_again_end_the_drain_with_the_node_in_rotation() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let report = waiting(&scene, |world, _| {
        let drained = world.state().nodes[&node("a")].admin == AdminState::Drain;
        up(world, ["b", "c"], !drained);
    })
    .await;
    let Outcome::RolledBack { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    let why =
        "a: drain: others of the pool failed 4 times while a was being drained; 0 serve besides it, 1 must";
    assert_eq!(reason, why);
    assert_eq!(scene.admin("a"), AdminState::Ready);
    let new = Digest::of(NEW).short();
    assert!(!scene.effects().iter().any(|effect| effect.contains(&new)), "{:?}", scene.effects());
}

#[tokio::test]
async fn a_node_that_is_not_healthy_is_not_put_back_for_others() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let report = waiting(&scene, |world, wait| match wait {
        2 => {
            up(world, ["b", "c"], false);
            world.binary(OLD, Behaviour::Unhealthy);
        }
        6 => {
            up(world, ["b", "c"], true);
            world.binary(OLD, Behaviour::Good);
            world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 0;
        }
        _ => {}
    })
    .await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.effects()[..2], rolled("a", Digest::of(NEW))[..2]);
}

#[tokio::test]
async fn states_that_take_effect_late_are_waited_for_in_every_step() {
    let scene = Scene::new(Behaviour::Errors);
    scene.world.state().lag_ms = 700;
    let report = scene.run().await;
    let reason = "a: watch: error_ratio 0.2 (bound < 0.005)".to_owned();
    assert_eq!(report.outcome, Outcome::RolledBack { reason });
    let (new, old) = (Digest::of(NEW), Digest::of(OLD));
    assert_eq!(scene.effects(), [rolled("a", new), rolled("a", old)].concat());
    assert_eq!(scene.admin("a"), AdminState::Ready);
}

#[tokio::test]
async fn a_drain_that_takes_effect_after_it_was_given_up_does_not_leave_the_node_out() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().lag_ms = 3000;
    let asked_in_vain = Mutex::new(false);
    let report = waiting(&scene, move |world, _| {
        let drains = world.state().effects == ["a drain"];
        if drains && !std::mem::replace(&mut asked_in_vain.lock().unwrap(), true) {
            world.fail("servers", 1, refused);
        }
    })
    .await;
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    assert_eq!(scene.effects(), ["a drain", "a ready"]);
    scene.world.state().now_ms += 10_000;
    scene.backends.lb.servers().await.unwrap();
    assert_eq!(scene.admin("a"), AdminState::Ready);
}

#[tokio::test]
async fn a_node_that_was_out_already_is_asked_for_once_and_not_changed() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().admin = AdminState::Drain;
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let (changed, facts) = drained(&scene).await;
    assert!(!changed, "it was out before");
    assert_eq!(facts.get("drain_asked").map(String::as_str), Some("1"));
    let scene = Scene::new(Behaviour::Good);
    scene.run().await;
    assert!(drained(&scene).await.0);
}

#[tokio::test]
async fn as_many_others_as_the_spec_says_must_serve() {
    for (down, needed, drains) in [(1, 1, true), (1, 2, false), (0, 2, true)] {
        let mut scene = Scene::new(Behaviour::Good);
        scene.spec.min_available = needed;
        let plan = scene.plan().await;
        if down == 1 {
            up(&scene.world, ["c", "c"], false);
        }
        let control = Control::default();
        let report = roll_out(&scene.backends, plan, permit(), order(), &control).await.unwrap();
        let effects = scene.effects();
        let rolled = effects.starts_with(&rolled("a", Digest::of(NEW)));
        assert_eq!(rolled, drains, "{down} down, {needed} needed: {report:?}, {effects:?}");
        assert_eq!(effects.is_empty(), !drains, "{effects:?}");
    }
}

#[tokio::test]
async fn a_node_that_serves_nobody_is_drained_whoever_serves_and_not_put_back_before_its_time() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    up(&scene.world, ["b", "c"], false);
    up(&scene.world, ["a", "a"], false);
    roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(scene.effects()[..4], rolled("a", Digest::of(NEW)));
}
