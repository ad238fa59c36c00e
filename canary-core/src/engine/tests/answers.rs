//! What requests mean, decided without a rollout.

use std::collections::BTreeMap;

use super::*;
use crate::engine::answer::{Answer, Effect, answer, effect};
use crate::journal::StepResult;
use crate::plan::{Direction, Purpose};

fn tell(history: &mut History, entry: Entry) {
    history.apply(Timestamp::from_millis(0), &entry);
}

fn ends(history: &mut History, step: &Step, result: StepResult) {
    let (rollout, step, facts) = (order().rollout, step.clone(), BTreeMap::new());
    tell(history, Entry::StepStarted { rollout: rollout.clone(), step: step.clone() });
    tell(history, Entry::StepFinished { rollout, step, result, facts, logs: Vec::new() });
}

fn failed() -> StepResult {
    StepResult::Failed { class: FailureClass::Backend, message: "no".to_owned() }
}

fn asked(plan: &Plan, history: &History, wish: Wish) -> Answer {
    answer(plan, history, &Request::new(wish, "ada"))
}

#[tokio::test]
async fn a_rollback_can_be_stopped_and_paused_but_not_aborted() {
    let scene = Scene::new(Behaviour::Good);
    let mut plan = scene.plan().await;
    plan.purpose = Purpose::RollBack;
    let mut history = History::default();
    let why = Answer::Refused("what runs is a rollback: there is nothing to go back to".to_owned());
    assert_eq!(asked(&plan, &history, Wish::Abort), why);
    // It has no way back of its own to be on.
    ends(&mut history, &plan.steps[1], failed());
    assert_eq!(asked(&plan, &history, Wish::Abort), why);
    assert_eq!(asked(&plan, &history, Wish::Stop), Answer::Granted);
    assert_eq!(asked(&plan, &history, Wish::Pause), Answer::Granted);
}

#[tokio::test]
async fn a_rollout_that_has_ended_is_not_on_its_way_back() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let mut history = History::default();
    ends(&mut history, &plan.steps[1], failed());
    let going = Answer::Refused("it is going back already, and finishes that".to_owned());
    assert_eq!(asked(&plan, &history, Wish::Stop), going);
    let outcome = Outcome::RolledBack { reason: "no".to_owned() };
    tell(&mut history, Entry::Finished { rollout: order().rollout, outcome, nodes: Vec::new() });
    assert_eq!(asked(&plan, &history, Wish::Stop), Answer::Granted);
}

#[tokio::test]
async fn the_watch_is_promoted_once_it_has_begun() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let watch = Step::forward(&node("a"), Action::Watch);
    let mut history = History::default();
    for step in plan.steps.iter().take_while(|step| **step != watch) {
        ends(&mut history, step, StepResult::Done { changed: true });
    }
    let why = "nothing waits for it: it can end a pause or the watch; it is at a: watch".to_owned();
    assert_eq!(asked(&plan, &history, Wish::Promote), Answer::Refused(why));
    tell(&mut history, Entry::StepStarted { rollout: order().rollout, step: watch });
    assert_eq!(asked(&plan, &history, Wish::Promote), Answer::Granted);
}

#[test]
fn a_granted_wish_ends_the_step_under_way_only_where_that_is_safe() {
    use Action::{Drain, Install, Pause, Watch};
    use Direction::{Back, Forward};
    let table = [
        ((Drain, Forward), Wish::Abort, Effect::Cut),
        ((Watch, Forward), Wish::Abort, Effect::Cut),
        ((Drain, Forward), Wish::Stop, Effect::Later),
        ((Install, Forward), Wish::Stop, Effect::Later),
        ((Watch, Forward), Wish::Stop, Effect::Cut),
        ((Pause, Forward), Wish::Stop, Effect::Cut),
        ((Install, Forward), Wish::Promote, Effect::Later),
        ((Watch, Forward), Wish::Promote, Effect::Done),
        ((Pause, Forward), Wish::Promote, Effect::Done),
        ((Watch, Forward), Wish::Pause, Effect::Later),
        ((Drain, Back), Wish::Abort, Effect::Later),
        ((Drain, Back), Wish::Stop, Effect::Later),
    ];
    for ((action, direction), wish, expected) in table {
        let step = Step { node: Some(node("a")), action, direction, stage: 0 };
        assert_eq!(effect(&step, wish, false), expected, "{step}, {wish:?}");
    }
    let step = |action| Step::forward(&node("a"), action);
    assert_eq!(effect(&step(Watch), Wish::Promote, true), Effect::Later, "it lifts the pause");
    assert_eq!(effect(&step(Pause), Wish::Promote, true), Effect::Done);
}
