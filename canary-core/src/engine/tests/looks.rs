//! Looks at the fleet, and waits: how often, how long, and what is told of them.

use super::*;

#[tokio::test]
async fn a_look_is_tried_three_times_where_later_may_help() {
    for (failures, seen) in [(2, true), (3, false)] {
        let scene = Scene::new(Behaviour::Good);
        scene.world.fail("installed", failures, transient);
        let observed = scene.backends.observe([node("a")].iter()).await;
        assert_eq!(observed.is_ok(), seen, "{observed:?}");
        assert_eq!(scene.world.state().now_ms, 600, "two pauses");
    }
    let scene = Scene::new(Behaviour::Good);
    scene.world.fail("servers", 1, refused);
    assert_eq!(scene.backends.observe([].iter()).await.unwrap_err(), ["world: a call: refused: no"]);
    assert_eq!(scene.world.state().now_ms, 0, "what is refused stays so");
}

#[tokio::test]
async fn what_was_refused_is_recorded() {
    let scene = Scene::new(Behaviour::Good);
    let reasons = vec!["no way back".to_owned()];
    scene.backends.refuse(&order(), reasons.clone()).await.unwrap();
    let Order { rollout, actor, .. } = order();
    assert_eq!(scene.entries().await.pop(), Some(Entry::Refused { rollout, actor, reasons }));
}

#[tokio::test]
async fn everything_that_cannot_be_seen_is_told_at_once() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.fail("installed", 1, refused);
    let problems = scene.backends.observe(scene.spec.nodes()).await.unwrap_err();
    assert_eq!(problems, ["a: world: a call: refused: no"]);
    scene.world.fail("installed", 1, refused);
    scene.world.fail("servers", 1, refused);
    let problems = scene.backends.observe(scene.spec.nodes()).await.unwrap_err();
    assert_eq!(problems, ["world: a call: refused: no", "a: world: a call: refused: no"]);
}

/// When each wait for a condition was told of, in milliseconds since its begin.
#[derive(Clone, Debug, Default)]
struct Waits(Arc<Mutex<Vec<u128>>>);

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("test")
    }
}

impl EventSink for Waits {
    fn emit(&self, event: &Event<'_>) {
        if let Event::Waiting(progress) = event {
            self.0.lock().unwrap().push(progress.elapsed.as_millis());
        }
    }
}

#[tokio::test]
async fn a_wait_looks_at_growing_intervals_and_ends_with_its_limit() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.drain.timeout = Duration::from_millis(2500);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().stuck_sessions = 1;
    let waits = Waits::default();
    scene.backends.sinks.push(Arc::new(waits.clone()));
    let report = scene.run().await;
    assert!(report.outcome.to_string().contains("waited 2s 500ms"), "{}", report.outcome);
    let begin = [0, 20, 50, 95, 162, 263, 414];
    assert_eq!(waits.0.lock().unwrap()[..7], begin);
    let records = scene.backends.journal.records().await.unwrap();
    let drain = Step::forward(&node("a"), Action::Drain);
    let at = |wanted: &dyn Fn(&Entry) -> bool| records.iter().find(|r| wanted(&r.entry)).unwrap().time;
    let begun = at(&|e| matches!(e, Entry::StepStarted { step, .. } if *step == drain));
    let ended = at(&|e| matches!(e, Entry::StepFinished { step, .. } if *step == drain));
    assert_eq!(ended.since(begun), Duration::from_millis(2500));
}
