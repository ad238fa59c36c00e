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
enum At {
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
async fn run_doomed(scene: &Scene, records: usize, at: At) -> Option<Result<Report, JournalError>> {
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

#[tokio::test]
async fn a_journal_that_fails_at_any_record_takes_the_node_in_hand_back() {
    let (records, _) = records_of_an_undisturbed_run(Behaviour::Good).await;
    for n in 0..records {
        let scene = Scene::new(Behaviour::Good);
        let report = run_doomed(&scene, n, At::Fail).await.expect("nothing dies here");
        let Ok(report) = report else {
            assert!(
                n == 0 && scene.effects().is_empty(),
                "record {n}: an effect before the rollout was recorded"
            );
            continue;
        };
        let end = report.outcome.as_str();
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
