//! Which node goes back first when a resumed rollout does an earlier one again.

use std::collections::BTreeMap;

use super::*;
use crate::journal::{NodeReport, Request, StepResult};
use crate::plan::Step;

/// All three nodes have the release, but `b` was found with the old binary and is drained again.
async fn again(scene: &mut Scene) -> (Plan, History) {
    scene.spec.roll_back_peers = true;
    let plan = scene.plan().await;
    let mut history = History::default();
    let mut tell = |entry: Entry| history.apply(Timestamp::from_millis(0), &entry);
    let rollout = order().rollout;
    for step in &plan.steps {
        let facts = BTreeMap::from([("digest".to_owned(), Digest::of(NEW).to_string())]);
        let result = StepResult::Done { changed: true };
        tell(Entry::StepStarted { rollout: rollout.clone(), step: step.clone() });
        tell(Entry::StepFinished {
            rollout: rollout.clone(),
            step: step.clone(),
            result,
            facts,
            logs: Vec::new(),
        });
    }
    let found = NodeReport {
        node: node("b"),
        installed: Some(Digest::of(OLD)),
        service: None,
        admin: Some(AdminState::Ready),
        operational: None,
        problems: Vec::new(),
    };
    tell(Entry::Resumed { rollout: rollout.clone(), actor: "ben".to_owned(), nodes: vec![found] });
    let drain = Step::forward(&node("b"), Action::Drain);
    assert_eq!(next(&plan, &history), Next::Do(drain.clone()));
    history.apply(Timestamp::from_millis(0), &Entry::StepStarted { rollout, step: drain });
    (plan, history)
}

fn back(name: &str) -> Next {
    Next::Do(Step::back(&node(name), Action::Drain))
}

#[tokio::test]
async fn the_node_whose_step_failed() {
    let mut scene = Scene::new(Behaviour::Good);
    let (plan, mut history) = again(&mut scene).await;
    let entry = Entry::StepFinished {
        rollout: order().rollout,
        step: Step::forward(&node("b"), Action::Drain),
        result: StepResult::Failed { class: FailureClass::TimedOut, message: "still busy".to_owned() },
        facts: BTreeMap::new(),
        logs: Vec::new(),
    };
    history.apply(Timestamp::from_millis(0), &entry);
    assert_eq!(next(&plan, &history), back("b"));
}

#[tokio::test]
async fn the_node_that_is_out_between_two_steps() {
    let mut scene = Scene::new(Behaviour::Good);
    let (plan, mut history) = again(&mut scene).await;
    let mut tell = |entry: Entry| history.apply(Timestamp::from_millis(0), &entry);
    tell(Entry::StepFinished {
        rollout: order().rollout,
        step: Step::forward(&node("b"), Action::Drain),
        result: StepResult::Done { changed: true },
        facts: BTreeMap::new(),
        logs: Vec::new(),
    });
    let request = Request::new(Wish::Abort, "ben");
    tell(Entry::Asked { rollout: order().rollout, request, refused: None });
    assert_eq!(history.under_way(), None);
    assert_eq!(next(&plan, &history), back("b"));
}

#[tokio::test]
async fn the_node_that_is_on_its_way_back() {
    let mut scene = Scene::new(Behaviour::Good);
    let (plan, mut history) = again(&mut scene).await;
    let mut tell = |entry: Entry| history.apply(Timestamp::from_millis(0), &entry);
    let (rollout, drain) = (order().rollout, Step::back(&node("b"), Action::Drain));
    let request = Request::new(Wish::Abort, "ben");
    tell(Entry::Asked { rollout: rollout.clone(), request, refused: None });
    tell(Entry::StepStarted { rollout: rollout.clone(), step: drain.clone() });
    tell(Entry::StepFinished {
        rollout,
        step: drain,
        result: StepResult::Done { changed: true },
        facts: BTreeMap::new(),
        logs: Vec::new(),
    });
    // No step is under way now, as after a death between two steps.
    assert_eq!(history.under_way(), None);
    assert_eq!(next(&plan, &history), Next::Do(Step::back(&node("b"), Action::Install)));
}

#[tokio::test]
async fn the_node_whose_step_was_broken_off() {
    let mut scene = Scene::new(Behaviour::Good);
    let (plan, mut history) = again(&mut scene).await;
    let request = Request::new(Wish::Abort, "ben");
    let entry = Entry::Asked { rollout: order().rollout, request, refused: None };
    history.apply(Timestamp::from_millis(0), &entry);
    assert_eq!(next(&plan, &history), back("b"));
}
