//! The pre-flight's check-list, whole.

use super::*;
use crate::engine::{Check, CheckStatus};
use crate::traits::{ActiveState, RunningBinary, ServiceState};

/// The checks that are not as they should be, or all of them.
async fn checks(scene: &Scene, all: bool) -> Vec<String> {
    let shown = |check: Check| format!("{:?} {}: {}", check.status, check.name, check.detail);
    let checks = scene.backends.preflight(&scene.spec).await.checks.into_iter();
    let checks: Vec<_> = checks.filter(|check| all || check.status != CheckStatus::Ok).map(shown).collect();
    assert_eq!(scene.effects(), [""; 0], "it changes nothing");
    checks
}

#[tokio::test]
async fn everything_is_looked_at() {
    let scene = Scene::new(Behaviour::Good);
    let old = Digest::of(OLD).short();
    let mut expected = vec!["Ok balancer: world: 3 of 3 servers ready and up".to_owned()];
    expected.extend(NODES.map(|name| format!("Ok server {name}: ready, up, weight 100")));
    expected.push("Ok through the balancer: 200 (world)".to_owned());
    for name in NODES {
        expected.push(format!("Ok node {name}: {old} at /opt/app/app, service active (running)"));
        expected.push(format!("Ok health of {name}: 200 (world)"));
    }
    expected.push("Ok SLI error_ratio: 1 series, world".to_owned());
    assert_eq!(checks(&scene, true).await, expected);
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.watch = None;
    scene.world.state().cannot_send = true;
    expected.retain(|check| !check.contains("through the balancer") && !check.contains("SLI"));
    assert_eq!(checks(&scene, true).await, expected);
}

#[tokio::test]
async fn what_stops_a_rollout_is_told_from_what_is_worth_a_look() {
    type Change = fn(&mut Scene);
    let service =
        |active, running| ServiceState { active, detail: "odd".to_owned(), pid: None, restarts: 0, running };
    let old = Digest::of(OLD).short();
    let dead = format!("Warn node a: {old} at /opt/app/app, service inactive (odd)");
    let replaced = format!(
        "Warn node a: {old} at /opt/app/app, service active (odd); the process still runs a binary that was replaced since"
    );
    let table: [(Change, Vec<&str>); 11] = [
        (
            |scene| scene.world.state().nodes.get_mut(&node("b")).unwrap().admin = AdminState::Drain,
            vec!["Warn server b: drain, up, weight 100"],
        ),
        (
            |scene| scene.world.state().nodes.values_mut().for_each(|node| node.up = false),
            vec![
                "Failed balancer: world: 0 of 3 servers ready and up",
                "Warn server a: ready, down, weight 100",
                "Warn server b: ready, down, weight 100",
                "Warn server c: ready, down, weight 100",
            ],
        ),
        (
            |scene| scene.world.state().no_server = Some(node("c")),
            vec!["Failed server c: not in pool api_pool"],
        ),
        (|scene| scene.world.state().answers_badly = true, vec!["Failed through the balancer: 502 (world)"]),
        (
            |scene| scene.world.fail("check_through", 1, refused),
            vec!["Failed through the balancer: world: a call: refused: no"],
        ),
        (
            |scene| scene.world.fail("servers", 1, refused),
            vec!["Failed balancer: world: a call: refused: no"],
        ),
        (
            |scene| _ = scene.world.binary(OLD, Behaviour::Unhealthy),
            vec![
                "Warn health of a: 500 (world)",
                "Warn health of b: 500 (world)",
                "Warn health of c: 500 (world)",
            ],
        ),
        (
            |scene| scene.world.fail("check", 1, refused),
            vec!["Failed health of a: world: a call: refused: no"],
        ),
        (
            |scene| scene.world.fail("installed", 1, refused),
            vec!["Failed node a: world: a call: refused: no"],
        ),
        (
            |scene| scene.backends.sli = None,
            vec!["Failed metrics: SLIs are watched, but no source is configured"],
        ),
        (
            |scene| scene.spec.watch.as_mut().unwrap().subject = WatchSubject::Canary,
            vec![
                "Failed metrics: the canary alone is to be judged, but the source has no label that tells nodes apart",
            ],
        ),
    ];
    for (change, expected) in table {
        let mut scene = Scene::new(Behaviour::Good);
        change(&mut scene);
        assert_eq!(checks(&scene, false).await, expected);
    }
    for (service, expected) in [
        (service(ActiveState::Inactive, RunningBinary::None), dead),
        (service(ActiveState::Active, RunningBinary::Replaced), replaced),
    ] {
        let scene = Scene::new(Behaviour::Good);
        scene.world.state().services.push_back(service);
        assert_eq!(checks(&scene, false).await, [expected]);
    }
}
