//! What proves that a node is back, what a step says it changed, what a pause shows.

use std::collections::BTreeMap;

use super::*;

fn step(name: &str, action: Action) -> Step {
    Step::forward(&node(name), action)
}

impl Scene {
    /// The record that ends a step: whether it changed anything, and the facts it left.
    pub(super) async fn done(&self, step: &Step) -> (bool, BTreeMap<String, String>) {
        let mut ends = self.entries().await.into_iter().filter_map(|entry| match entry {
            Entry::StepFinished { step: ended, result: StepResult::Done { changed }, facts, .. }
                if ended == *step =>
            {
                Some((changed, facts))
            }
            _ => None,
        });
        ends.next().unwrap_or_else(|| panic!("{step} was not done"))
    }
}

/// Rolls out in a world that is changed once the canary is enabled.
async fn enabled(scene: &Scene, change: impl Fn(&World) + Send + 'static) -> Report {
    let plan = scene.plan().await;
    let world = scene.world.clone();
    let sink = On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::StepFinished { step: ended, .. } if *ended == step("a", Action::Enable)) {
            change(&world);
        }
    })));
    let mut backends = scene.backends.clone();
    backends.sinks.push(Arc::new(sink));
    roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap()
}

fn served(scene: &Scene, requests: u64) {
    scene.world.state().nodes.values_mut().for_each(|node| node.served = requests);
}

#[tokio::test]
async fn a_node_is_proven_by_its_first_request_since_it_was_put_back() {
    let scene = Scene::new(Behaviour::Good);
    served(&scene, 50);
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let (changed, facts) = scene.done(&step("a", Action::ProveTraffic)).await;
    let expected = [("requests_through", "1"), ("served", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!((changed, facts), (false, BTreeMap::from(expected)));
}

#[tokio::test]
async fn requests_that_a_restarted_balancer_counted_from_zero_are_counted_whole() {
    let scene = Scene::new(Behaviour::Good);
    served(&scene, 1);
    let report = enabled(&scene, |world| world.state().balancer_restarts = true).await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let (_, facts) = scene.done(&step("a", Action::ProveTraffic)).await;
    // The first request went to the process that is gone.
    assert_eq!((facts["served"].as_str(), facts["requests_through"].as_str()), ("1", "2"));
}

#[tokio::test]
async fn a_node_without_requests_is_not_proven() {
    let hint = " (the pool had no traffic; name the balancer's URL to send it some)";
    for (cannot_send, waits_for, hint) in [
        (false, "its first request, and 200 through the balancer", ", through the balancer: 200"),
        (true, "its first request", hint),
    ] {
        let scene = Scene::new(Behaviour::Good);
        served(&scene, 50);
        (scene.world.state().quiet, scene.world.state().cannot_send) = (true, cannot_send);
        let report = scene.run().await;
        let reason = report.outcome.to_string();
        let expected = format!("waited 1m for {waits_for}; seen last: 0 requests served, ready and up{hint}");
        assert!(reason.contains(&expected), "{reason}\nnot {expected}");
    }
}

#[tokio::test]
async fn a_node_that_was_sent_requests_but_went_down_is_not_proven() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().cannot_send = true;
    let report = enabled(&scene, |world| {
        let mut state = world.state();
        let canary = state.nodes.get_mut(&node("a")).unwrap();
        (canary.served, canary.up) = (9, false);
    })
    .await;
    let reason = report.outcome.to_string();
    // What it went back through says that the pool had no traffic; this did not.
    assert!(reason.contains("seen last: 9 requests served, ready and down; then"), "{reason}");
}

#[tokio::test]
async fn a_pool_that_answers_badly_proves_nothing() {
    let scene = Scene::new(Behaviour::Good);
    let report = enabled(&scene, |world| world.state().answers_badly = true).await;
    let reason = report.outcome.to_string();
    assert!(reason.contains("ready and up, through the balancer: 502"), "{reason}");
}

#[tokio::test]
async fn what_is_so_already_is_not_called_a_change() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.watch = None;
    scene.run().await;
    let stage = Step::stage();
    assert!(scene.done(&stage).await.0, "copied into the store");
    // Once more with a new store: one node was taken out, and comes back before it is its turn.
    scene.backends.journal = Arc::new(MemoryJournal::new(Arc::new(scene.world.clone())));
    scene.world.state().nodes.get_mut(&node("b")).unwrap().admin = AdminState::Drain;
    let snapshot = scene.backends.observe(scene.spec.nodes()).await.unwrap();
    let facts = Artifact::read(scene.store().join(Digest::of(OLD).to_string())).unwrap().facts;
    let path = scene.store().join(Digest::of(OLD).to_string());
    let back = Some(WayBack { origin: Origin::Host { path }, facts });
    let store = scene.dir.path().join("another");
    let plan = plan::roll_out(scene.spec.clone(), scene.artifact(), back, store, &snapshot).unwrap();
    scene.world.state().nodes.get_mut(&node("b")).unwrap().admin = AdminState::Ready;
    let effects = scene.effects().len();
    let report = roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: false });
    assert_eq!(scene.effects().len(), effects);
    assert!(scene.done(&stage).await.0, "a copy in the store is no change of the fleet");
    assert!(!scene.done(&step("a", Action::Enable)).await.0);
}

#[tokio::test]
async fn a_node_that_was_out_is_changed_by_being_put_back() {
    let scene = Scene::new(Behaviour::Good);
    scene.run().await;
    let mut again = Scene::new(Behaviour::Good);
    again.world = scene.world.clone();
    again.backends.lb = Arc::new(scene.world.clone());
    again.backends.nodes = Arc::new(scene.world.clone());
    again.spec.watch = None;
    again.world.state().nodes.get_mut(&node("b")).unwrap().admin = AdminState::Drain;
    let path = scene.store().join(Digest::of(OLD).to_string());
    let facts = Artifact::read(&path).unwrap().facts;
    let back = Some(WayBack { origin: Origin::Host { path }, facts });
    let snapshot = again.backends.observe(again.spec.nodes()).await.unwrap();
    let plan = plan::roll_out(again.spec.clone(), again.artifact(), back, scene.store(), &snapshot).unwrap();
    let report = roll_out(&again.backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert!(again.done(&step("b", Action::Enable)).await.0);
    assert!(!again.done(&Step::stage()).await.0, "both artifacts lay in the store");
}

/// Everything that was shown of waits, in order.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("test")
    }
}

impl EventSink for Shown {
    fn emit(&self, event: &Event<'_>) {
        if let Event::Waiting(progress) = event {
            self.0.lock().unwrap().push(format!("{}: {}", progress.step, progress.seen));
        }
    }
}

#[tokio::test]
async fn a_pause_says_who_asked_for_it_and_what_the_slis_say_once_an_interval() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.pause.after = vec![node("a")];
    scene.spec.pause.limit = Duration::from_secs(100);
    let shown = Shown::default();
    scene.backends.sinks.push(Arc::new(shown.clone()));
    scene.run().await;
    let observed = |e: &&Entry| matches!(e, Entry::Observed { step, .. } if step.action == Action::Pause);
    assert_eq!(scene.entries().await.iter().filter(observed).count(), 4, "at 0, 30, 60 and 90 s");
    let pauses = |shown: &Shown| {
        let mut seen = shown.0.lock().unwrap().clone();
        seen.retain(|line| line.starts_with("a: pause"));
        seen.dedup();
        seen
    };
    assert_eq!(pauses(&shown), ["a: pause: paused as planned; green: error_ratio 0 (bound < 0.005)"]);

    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.pause.limit = Duration::from_secs(10);
    let (shown, control) = (Shown::default(), Control::default());
    let (world, asks) = (scene.world.clone(), control.clone());
    let sink = On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::StepStarted { step: begun, .. } if *begun == step("a", Action::Watch)) {
            asks.ask(Request::new(Wish::Pause, "ada"));
        }
        if matches!(entry, Entry::StepFinished { step: ended, .. } if *ended == step("a", Action::Watch)) {
            world.state().metrics_down = true;
        }
    })));
    scene.backends.sinks.extend([Arc::new(shown.clone()) as _, Arc::new(sink) as _]);
    let plan = scene.plan().await;
    roll_out(&scene.backends, plan, permit(), order(), &control).await.unwrap();
    let why = "hold: error_ratio held: source down: metrics: query: unreachable: connection refused";
    assert_eq!(pauses(&shown), [format!("a: pause: paused by ada; {why}")]);
}
