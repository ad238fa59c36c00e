//! Restarts: what a runtime says of the process, and what need not be started again.

use std::collections::BTreeMap;

use super::*;
use crate::traits::{ActiveState, RunningBinary, ServiceState};

fn seen(active: ActiveState, running: RunningBinary, pid: u32) -> ServiceState {
    ServiceState { active, detail: "seen".to_owned(), pid: Some(pid), restarts: 0, running }
}

fn restart(name: &str) -> Step {
    Step::forward(&node(name), Action::Restart)
}

/// Rolls out; the looks at the canary's service from its restart on see `looks`, then what is so.
async fn restarted(looks: Vec<ServiceState>) -> (Scene, Report) {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let (world, looks) = (scene.world.clone(), Mutex::new(looks));
    let sink = On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::StepStarted { step, .. } if *step == restart("a")) {
            world.state().services.extend(looks.lock().unwrap().drain(..));
        }
    })));
    let mut backends = scene.backends.clone();
    backends.sinks.push(Arc::new(sink));
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    (scene, report)
}

#[tokio::test]
async fn a_service_counts_as_restarted_once_it_is_active_on_the_file_in_place() {
    let looks = vec![
        seen(ActiveState::Activating, RunningBinary::None, 7),
        seen(ActiveState::Activating, RunningBinary::InPlace, 8),
        seen(ActiveState::Active, RunningBinary::Unknown, 9),
        seen(ActiveState::Active, RunningBinary::InPlace, 10),
    ];
    let (scene, report) = restarted(looks).await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let (changed, facts) = scene.done(&restart("a")).await;
    let expected = [("automatic_restarts", "0"), ("pid", "10")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!((changed, facts), (true, BTreeMap::from(expected)));
}

#[tokio::test]
async fn a_runtime_that_cannot_tell_what_runs_is_believed_after_a_second() {
    let looks = vec![seen(ActiveState::Active, RunningBinary::Unknown, 9); 100];
    let (scene, report) = restarted(looks).await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let spans: Vec<_> = scene.backends.journal.records().await.unwrap();
    let at = |wanted: &dyn Fn(&Entry) -> bool| spans.iter().find(|r| wanted(&r.entry)).unwrap().time;
    let begun = at(&|e| matches!(e, Entry::StepStarted { step, .. } if *step == restart("a")));
    let ended = at(&|e| matches!(e, Entry::StepFinished { step, .. } if *step == restart("a")));
    let took = ended.since(begun);
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn services_that_do_not_come_up_are_named_by_what_they_do() {
    let table = [
        (
            vec![seen(ActiveState::Active, RunningBinary::Replaced, 9)],
            "a: restart: the service still runs a replaced binary",
        ),
        (vec![seen(ActiveState::Failed, RunningBinary::None, 9)], "a: restart: the service failed (seen)"),
        (
            vec![
                seen(ActiveState::Activating, RunningBinary::None, 9),
                ServiceState { restarts: 2, ..seen(ActiveState::Activating, RunningBinary::None, 9) },
                ServiceState { restarts: 3, ..seen(ActiveState::Activating, RunningBinary::None, 9) },
            ],
            "a: restart: the service crashes: 3 automatic restarts, now activating (seen)",
        ),
    ];
    for (looks, why) in table {
        let (_, report) = restarted(looks).await;
        assert_eq!(report.outcome, Outcome::RolledBack { reason: why.to_owned() });
    }
}

#[tokio::test]
async fn a_node_that_somebody_else_has_replaced_and_restarted_is_not_restarted_again() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let new = Digest::of(NEW);
    for (name, running) in [("b", new), ("c", Digest::of(OLD))] {
        let mut state = scene.world.state();
        let found = state.nodes.get_mut(&node(name)).unwrap();
        (found.installed, found.running) = (new, running);
    }
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let peers = ["b drain", "b ready", "c drain", "c restart", "c ready"];
    assert_eq!(scene.effects()[4..], peers);
    assert!(!scene.done(&restart("b")).await.0);
    assert_eq!(scene.done(&restart("b")).await.1["pid"], "1");
    assert!(scene.done(&restart("c")).await.0);
}
