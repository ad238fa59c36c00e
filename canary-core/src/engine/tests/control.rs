//! Pause, promote, stop and abort, asked for at every kind of moment.

use super::*;
use crate::journal::{StepStatus, rollouts};

/// Asks for something when a record fits.
struct Asks {
    control: Control,
    backends: Backends,
}

impl Scene {
    /// Each request is made once, when its record is written.
    fn asking(&self, requests: Vec<(Hear, Wish)>) -> Asks {
        let control = Control::default();
        let asks = control.clone();
        let mut left = requests;
        let sink = Arc::new(On(Mutex::new(Box::new(move |entry: &Entry| {
            if left.first().is_some_and(|(hear, _)| hear(entry)) {
                asks.ask(Request::new(left.remove(0).1, "ada"));
            }
        }))));
        let mut backends = self.backends.clone();
        backends.sinks.push(sink);
        Asks { control, backends }
    }

    async fn roll(&self, asks: &Asks) -> Report {
        let plan = self.plan().await;
        roll_out(&asks.backends, plan, permit(), order(), &asks.control).await.unwrap()
    }

    /// What was asked, and why it was refused.
    async fn answers(&self) -> Vec<(Wish, Option<String>)> {
        let entries = self.entries().await.into_iter();
        let answer = |entry| match entry {
            Entry::Asked { request, refused, .. } => Some((request.wish, refused)),
            _ => None,
        };
        entries.filter_map(answer).collect()
    }
}

type Hear = fn(&Entry) -> bool;

fn begins(entry: &Entry, name: Option<&str>, action: Action) -> bool {
    let step = Step { node: name.map(node), action, direction: Direction::Forward, stage: 0 };
    matches!(entry, Entry::StepStarted { step: begun, .. } if *begun == step)
}

#[tokio::test]
async fn a_planned_pause_waits_watched_until_it_is_promoted() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.pause.after = vec![node("a"), node("c")];
    let third_probe_of_the_pause: Hear = |entry| {
        let Entry::Observed { step, observation, .. } = entry else { return false };
        step.action == Action::Pause && observation.at > Timestamp::from_millis(1_700_000_360_000)
    };
    let asks = scene.asking(vec![(third_probe_of_the_pause, Wish::Promote)]);
    assert_eq!(scene.roll(&asks).await.outcome, Outcome::Completed { changed: true });
    let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    let pause = |name| Step::forward(&node(name), Action::Pause);
    assert_eq!(view.history.status(&pause("a")), Some(&StepStatus::Done { changed: false }));
    assert_eq!(view.history.fact(&pause("a"), "promoted_by"), Some("ada"));
    assert_eq!(view.history.status(&pause("c")), None, "nothing follows the last node");
    assert_eq!(view.history.watch().unwrap().probes, 10, "the pause's probes are not the window's");
}

#[tokio::test]
async fn a_release_that_turns_bad_in_a_pause_is_rolled_back() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.pause.after = vec![node("a")];
    let world = scene.world.clone();
    let sink = Arc::new(On(Mutex::new(Box::new(move |entry: &Entry| {
        if begins(entry, Some("a"), Action::Pause) {
            world.binary(NEW, Behaviour::Errors);
        }
    }))));
    scene.backends.sinks.push(sink);
    let report = scene.run().await;
    let reason = "a: pause: error_ratio 0.2 (bound < 0.005)".to_owned();
    assert_eq!(report.outcome, Outcome::RolledBack { reason });
    assert_eq!(scene.installed("a"), Digest::of(OLD));
}

#[tokio::test]
async fn a_pause_that_nobody_ends_is_inconclusive() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.pause.after = vec![node("a")];
    scene.spec.pause.limit = Duration::from_secs(120);
    let report = scene.run().await;
    let why = "nobody promoted it within 2m".to_owned();
    assert_eq!(report.outcome, Outcome::Inconclusive { why, then: AfterHold::Kept });
    assert_eq!((scene.installed("a"), scene.admin("a")), (Digest::of(NEW), AdminState::Ready));
}

#[tokio::test]
async fn a_pause_asked_for_in_a_step_begins_before_the_next_node_and_is_lifted() {
    let scene = Scene::new(Behaviour::Good);
    let installs: Hear = |entry| begins(entry, Some("b"), Action::Install);
    let pauses: Hear = |entry| begins(entry, Some("b"), Action::Pause);
    let drains: Hear = |entry| begins(entry, Some("c"), Action::Drain);
    let asks = scene.asking(vec![
        (installs, Wish::Pause),
        (pauses, Wish::Pause),
        (|entry| matches!(entry, Entry::Asked { refused: Some(_), .. }), Wish::Promote),
        (drains, Wish::Promote),
        (|entry| matches!(entry, Entry::Asked { refused: Some(_), .. }), Wish::Pause),
    ]);
    assert_eq!(scene.roll(&asks).await.outcome, Outcome::Completed { changed: true });
    let refused = |text: &str| Some(text.to_owned());
    assert_eq!(
        scene.answers().await,
        [
            (Wish::Pause, None),
            (Wish::Pause, refused("ada paused it already")),
            (Wish::Promote, None),
            (
                Wish::Promote,
                refused("nothing waits for it: it can end a pause or the watch; it is at c: drain")
            ),
            (Wish::Pause, refused("nothing is left to pause before: the last node is being worked on")),
        ]
    );
}

#[tokio::test]
async fn a_pause_before_anything_was_changed_is_not_watched() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().metrics_down = true;
    let started: Hear = |entry| matches!(entry, Entry::Started { .. });
    let paused: Hear = |entry| begins(entry, None, Action::Pause);
    let asks = scene.asking(vec![(started, Wish::Pause), (paused, Wish::Abort)]);
    let report = scene.roll(&asks).await;
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    assert_eq!(scene.effects(), [""; 0]);
}

#[tokio::test]
async fn promoting_ends_the_watch_but_lifts_a_pause_first() {
    let scene = Scene::new(Behaviour::Good);
    let watches: Hear = |entry| begins(entry, Some("a"), Action::Watch);
    let granted: Hear = |entry| matches!(entry, Entry::Asked { refused: None, .. });
    let asks = scene.asking(vec![
        (watches, Wish::Pause),
        (granted, Wish::Promote),
        (|entry| matches!(entry, Entry::Observed { .. }), Wish::Promote),
    ]);
    assert_eq!(scene.roll(&asks).await.outcome, Outcome::Completed { changed: true });
    let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    assert_eq!(view.history.watch().unwrap().probes, 1, "the second promotion ended the watch");
    assert_eq!(view.history.status(&Step::forward(&node("a"), Action::Pause)), None);
}

#[tokio::test]
async fn who_is_interrupted_in_a_pause_is_paused_again_after_resuming() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.pause.after = vec![node("a")];
    let pauses: Hear = |entry| begins(entry, Some("a"), Action::Pause);
    let asks = scene.asking(vec![(pauses, Wish::Stop)]);
    assert_eq!(scene.roll(&asks).await.outcome, Outcome::Interrupted { at: "a: pause".to_owned() });
    let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    let asks = scene.asking(vec![(pauses, Wish::Promote)]);
    let report = resume(&asks.backends, view, "ben".to_owned(), &asks.control).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
}

#[tokio::test]
async fn a_way_back_is_not_stopped_paused_or_promoted() {
    let scene = Scene::new(Behaviour::Unhealthy);
    let back: Hear =
        |entry| matches!(entry, Entry::StepStarted { step, .. } if step.direction == Direction::Back);
    let answered: Hear = |entry| matches!(entry, Entry::Asked { .. });
    let asks = scene.asking(vec![
        (back, Wish::Stop),
        (answered, Wish::Pause),
        (answered, Wish::Promote),
        (answered, Wish::Abort),
    ]);
    assert!(matches!(scene.roll(&asks).await.outcome, Outcome::RolledBack { .. }));
    let answers = scene.answers().await;
    assert_eq!(answers.len(), 4);
    let why = Some("it is going back already, and finishes that".to_owned());
    assert!(answers.iter().all(|(_, refused)| *refused == why), "{answers:?}");
}

#[tokio::test]
async fn the_same_request_is_answered_once_whoever_reads_it_again() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let control = Control::default();
    let request = Request { id: Some("one".to_owned()), ..Request::new(Wish::Stop, "ada") };
    control.ask(request.clone());
    let report = roll_out(&scene.backends, plan, permit(), order(), &control).await.unwrap();
    assert!(matches!(report.outcome, Outcome::Interrupted { .. }));
    let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    control.ask(request);
    let report = resume(&scene.backends, view, "ben".to_owned(), &control).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(scene.answers().await, [(Wish::Stop, None)]);
}
