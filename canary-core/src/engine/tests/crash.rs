//! The engine dies at every record it writes, before and after; the journal fails at every record.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::journal::{Record, rollouts};

/// What happens at the chosen record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The engine dies before it is written.
    DieBefore,
    /// The engine dies right after it is written.
    DieAfter,
    /// It cannot be written, nor can any later one.
    Fail,
}

/// A journal with a bad day.
#[derive(Debug)]
struct Doomed {
    inner: Arc<dyn Journal>,
    left: AtomicUsize,
    at: At,
    died: Arc<Notify>,
}

impl fmt::Display for Doomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("doomed journal")
    }
}

#[async_trait]
impl Journal for Doomed {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            return self.inner.append(entry).await;
        }
        if self.at == At::Fail {
            return Err(JournalError::Form("no space".to_owned()));
        }
        if self.at == At::DieAfter {
            self.inner.append(entry).await?;
        }
        self.died.notify_one();
        std::future::pending().await
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.records().await
    }
}

/// Runs until the doomed record; `None` when the engine died there.
pub(super) async fn run_doomed(
    scene: &Scene,
    records: usize,
    at: At,
) -> Option<Result<Report, JournalError>> {
    let plan = scene.plan().await;
    let died = Arc::new(Notify::new());
    let mut backends = scene.backends.clone();
    backends.journal = Arc::new(Doomed {
        inner: Arc::clone(&scene.backends.journal),
        left: AtomicUsize::new(records),
        at,
        died: Arc::clone(&died),
    });
    let control = Control::default();
    tokio::select! {
        report = roll_out(&backends, plan, permit(), order(), &control) => Some(report),
        () = died.notified() => None,
    }
}

async fn records_of_an_undisturbed_run(behaviour: Behaviour) -> (usize, Outcome) {
    let scene = Scene::new(behaviour);
    let outcome = scene.run().await.outcome;
    (scene.backends.journal.records().await.unwrap().len(), outcome)
}

fn assert_same_end(scene: &Scene, outcome: &Outcome, expected: &Outcome, case: &str) {
    assert_eq!(outcome.as_str(), expected.as_str(), "{case}");
    let digest =
        if matches!(expected, Outcome::Completed { .. }) { Digest::of(NEW) } else { Digest::of(OLD) };
    for name in NODES {
        assert_eq!((scene.installed(name), scene.admin(name)), (digest, AdminState::Ready), "{case}: {name}");
    }
}

#[tokio::test]
async fn killed_at_any_record_and_resumed_it_ends_as_if_undisturbed() {
    for behaviour in [Behaviour::Good, Behaviour::Unhealthy, Behaviour::Errors] {
        let (records, expected) = records_of_an_undisturbed_run(behaviour).await;
        for at in [At::DieBefore, At::DieAfter] {
            for n in 0..records {
                let case = format!("{behaviour:?}, {at:?} record {n}");
                let scene = Scene::new(behaviour);
                assert!(run_doomed(&scene, n, at).await.is_none(), "{case}: it did not die");
                let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop();
                let Some(view) = view else {
                    assert!(scene.effects().is_empty(), "{case}: an effect before the rollout was recorded");
                    continue;
                };
                let outcome = if view.unfinished() {
                    resume(&scene.backends, view, "ben".to_owned(), &Control::default())
                        .await
                        .unwrap()
                        .outcome
                } else {
                    view.history.finished().unwrap().clone()
                };
                assert_same_end(&scene, &outcome, &expected, &case);
            }
        }
    }
}

/// Runs until the record after which the engine dies, changes the world, resumes.
async fn resumed_after(
    scene: &Scene,
    last: impl Fn(&Entry) -> bool,
    meanwhile: impl FnOnce(&World),
) -> (Report, Vec<Step>) {
    let undisturbed = Scene::new(Behaviour::Good);
    undisturbed.run().await;
    let n = undisturbed.entries().await.iter().position(last).unwrap();
    assert!(run_doomed(scene, n, At::DieAfter).await.is_none());
    meanwhile(&scene.world);
    let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    let report = resume(&scene.backends, view, "ben".to_owned(), &Control::default()).await.unwrap();
    let since = scene.entries().await.into_iter().skip_while(|entry| !matches!(entry, Entry::Resumed { .. }));
    let begun = since.filter_map(|entry| match entry {
        Entry::StepStarted { step, .. } => Some(step),
        _ => None,
    });
    (report, begun.collect())
}

fn finishes(entry: &Entry, action: Action) -> bool {
    matches!(entry, Entry::StepFinished { step, .. } if *step == Step::forward(&node("a"), action))
}

#[tokio::test]
async fn what_was_proven_of_a_node_in_hand_before_a_death_is_proven_again() {
    let scene = Scene::new(Behaviour::Good);
    let restarts = |world: &World| world.state().balancer_restarts = true;
    let (report, begun) = resumed_after(&scene, |e| finishes(e, Action::CheckHealth), restarts).await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let again = [Action::Drain, Action::CheckHealth, Action::Enable].map(|a| Step::forward(&node("a"), a));
    assert_eq!(begun[..3], again, "neither installed nor restarted a second time");
    let effects = scene.effects().iter().filter(|effect| *effect == "a drain").count();
    assert_eq!(effects, 2, "the balancer had put it back");

    let scene = Scene::new(Behaviour::Good);
    let fails = |world: &World| {
        world.binary(NEW, Behaviour::Unhealthy);
    };
    let (report, _) = resumed_after(&scene, |e| finishes(e, Action::CheckHealth), fails).await;
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    let effects = scene.effects();
    let (ready, back) =
        (effects.iter().position(|e| e == "a ready"), format!("a install {}", Digest::of(OLD).short()));
    assert!(ready > effects.iter().position(|e| *e == back), "enabled before the way back: {effects:?}");
}

#[tokio::test]
async fn a_node_that_is_back_in_rotation_is_not_taken_out_again_after_a_death() {
    let scene = Scene::new(Behaviour::Good);
    let (report, begun) = resumed_after(&scene, |e| finishes(e, Action::Enable), |_| {}).await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(begun[0], Step::forward(&node("a"), Action::ProveTraffic));
}

#[tokio::test]
async fn what_was_taken_back_without_a_record_is_done_again_before_any_peer_gets_the_release() {
    let undisturbed = Scene::new(Behaviour::Good);
    undisturbed.run().await;
    let observed = |entry: &Entry| matches!(entry, Entry::Observed { .. });
    let n = undisturbed.entries().await.iter().position(observed).unwrap();
    let scene = Scene::new(Behaviour::Good);
    let report = run_doomed(&scene, n, At::Fail).await.expect("nothing dies here").unwrap();
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    assert_eq!(scene.installed("a"), Digest::of(OLD), "taken back, and no record says so");
    let done = scene.effects().len();
    let view = rollouts(&scene.backends.journal.records().await.unwrap()).pop().unwrap();
    assert!(view.history.watch().is_some() && view.unfinished());
    let report = resume(&scene.backends, view, "ben".to_owned(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let canary = [
        "drain".to_owned(),
        format!("install {}", Digest::of(NEW).short()),
        "restart".to_owned(),
        "ready".to_owned(),
    ];
    assert_eq!(scene.effects()[done..][..4], canary.map(|effect| format!("a {effect}")));
    let entries = scene.entries().await;
    let resumed = entries.iter().position(|e| matches!(e, Entry::Resumed { .. })).unwrap();
    let watched = entries[resumed..].iter().filter(|entry| observed(entry)).count();
    assert_eq!(watched, 10, "the whole window once more: what was seen before was another binary's");
}

#[tokio::test]
async fn a_node_that_a_person_took_out_meanwhile_is_put_back_before_it_goes_on() {
    let scene = Scene::new(Behaviour::Good);
    let person = |world: &World| world.state().nodes.get_mut(&node("a")).unwrap().admin = AdminState::Drain;
    let (report, begun) = resumed_after(&scene, |e| finishes(e, Action::Watch), person).await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    assert_eq!(begun[0], Step::forward(&node("a"), Action::Drain));
    let first_peer = begun.iter().position(|step| step.node == Some(node("b"))).unwrap();
    assert!(begun[..first_peer].contains(&Step::forward(&node("a"), Action::Watch)), "{begun:?}");
}

#[tokio::test]
async fn the_step_under_way_is_the_one_begun_last() {
    let scene = Scene::new(Behaviour::Unhealthy);
    scene.run().await;
    let records = scene.backends.journal.records().await.unwrap();
    let begins = |(_, record): &(usize, &Record)| matches!(record.entry, Entry::StepStarted { .. });
    for (n, record) in records.iter().enumerate().filter(begins) {
        let view = rollouts(&records[..=n]).pop().unwrap();
        let Entry::StepStarted { step, .. } = &record.entry else { continue };
        assert_eq!(view.history.under_way(), Some(step));
    }
    assert_eq!(rollouts(&records).pop().unwrap().history.under_way(), None);
}

#[tokio::test]
async fn a_journal_that_fails_at_any_record_takes_the_node_in_hand_back() {
    let (records, _) = records_of_an_undisturbed_run(Behaviour::Good).await;
    for n in 0..records {
        let scene = Scene::new(Behaviour::Good);
        // Tried again, also where nobody can write that down.
        scene.world.fail("check_through", 1, transient);
        let report = run_doomed(&scene, n, At::Fail).await.expect("nothing dies here");
        let Ok(report) = report else {
            assert!(
                n == 0 && scene.effects().is_empty(),
                "record {n}: an effect before the rollout was recorded"
            );
            continue;
        };
        let (end, whole) = (report.outcome.as_str(), report.outcome.to_string());
        let why = "a record cannot be written: no space";
        assert!(end == "completed" || whole.contains(why), "record {n}: {whole}");
        assert!(["refused", "rolled back", "halted", "completed"].contains(&end), "record {n}: {end}");
        assert!(n + 2 >= records || end != "completed", "record {n}: it went on without a journal");
        for name in NODES {
            assert_eq!(scene.admin(name), AdminState::Ready, "record {n}: {name} was left out of rotation");
        }
    }
}

#[tokio::test]
async fn no_effect_comes_before_its_intent() {
    let (records, _) = records_of_an_undisturbed_run(Behaviour::Errors).await;
    for n in 0..records {
        let scene = Scene::new(Behaviour::Errors);
        run_doomed(&scene, n, At::DieBefore).await;
        let begun: Vec<String> = scene
            .entries()
            .await
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::StepStarted { step, .. } => Some((step.node?, step.action, step.direction)),
                _ => None,
            })
            .filter_map(|(node, action, direction)| match (action, direction) {
                (Action::Drain, _) => Some(format!("{node} drain")),
                (Action::Install, Direction::Forward) => {
                    Some(format!("{node} install {}", Digest::of(NEW).short()))
                }
                (Action::Install, Direction::Back) => {
                    Some(format!("{node} install {}", Digest::of(OLD).short()))
                }
                (Action::Restart, _) => Some(format!("{node} restart")),
                (Action::Enable, _) => Some(format!("{node} ready")),
                _ => None,
            })
            .collect();
        let effects = scene.effects();
        assert!(begun.starts_with(&effects), "record {n}: effects {effects:?} with intents {begun:?}");
    }
}
