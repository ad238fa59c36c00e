//! The canary's way to its whole weight.

use super::*;
use crate::analysis::{Number as Rate, Verdict};
use crate::journal::rollouts;
use crate::plan::Step;
use crate::spec::ProgressiveWeights;

fn growing(steps: &[&str]) -> ProgressiveWeights {
    let steps = steps.iter().map(|step| step.parse().unwrap()).collect();
    ProgressiveWeights { steps, window: Some(Duration::from_secs(90)) }
}

fn scene(behaviour: Behaviour) -> Scene {
    let mut scene = Scene::new(behaviour);
    scene.spec.weights = Some(growing(&["1%", "25%"]));
    scene
}

fn weight(scene: &Scene, name: &str) -> u16 {
    scene.world.state().nodes[&node(name)].weight
}

/// What is done to the canary until it has its whole weight.
fn grown(digest: Digest) -> Vec<String> {
    let install = format!("a install {}", digest.short());
    let steps = ["a drain", &install, "a restart", "a weight 1", "a ready"];
    let ramp = ["a weight 25 while it serves", "a weight 100 while it serves"];
    steps.iter().chain(&ramp).map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_canary_grows_to_its_whole_weight_before_any_peer_is_touched() {
    let scene = scene(Behaviour::Good);
    let plan = scene.plan().await;
    assert_eq!(plan.watches(), 3);
    let report = scene.run().await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let new = Digest::of(NEW);
    assert_eq!(scene.effects(), [grown(new), rolled("b", new).to_vec(), rolled("c", new).to_vec()].concat());
    let entries = scene.entries().await;
    let probes = |stage: u32| {
        let of = |e: &&Entry| matches!(e, Entry::Observed { step, .. } if step.stage == stage);
        entries.iter().filter(of).count()
    };
    assert_eq!([probes(1), probes(2), probes(0)], [3, 3, 10], "90 s each, then the whole window");
    let weights: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::StepFinished { step, facts, .. } if step.action == Action::Weigh => {
                Some((step.stage, facts["weight_before"].as_str(), facts["weight"].as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(weights, [(1, "100", "1"), (2, "1", "25"), (0, "25", "100")]);
}

#[tokio::test]
async fn a_red_stage_gives_the_weight_back_before_the_node_serves() {
    let scene = scene(Behaviour::Errors);
    let report = scene.run().await;
    let reason = "a: step 1: watch: error_ratio 0.2 (bound < 0.005)".to_owned();
    assert_eq!(report.outcome, Outcome::RolledBack { reason });
    let old = format!("a install {}", Digest::of(OLD).short());
    let back = ["a drain", &old, "a restart", "a weight 100", "a ready"].map(str::to_owned);
    assert_eq!(scene.effects(), [&grown(Digest::of(NEW))[..5], &back].concat());
}

#[tokio::test]
async fn what_no_weight_was_given_gets_none_back() {
    let scene = scene(Behaviour::Unhealthy);
    let report = scene.run().await;
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{:?}", report.outcome);
    assert!(!scene.effects().iter().any(|effect| effect.contains("weight")), "{:?}", scene.effects());
}

#[tokio::test]
async fn killed_at_any_record_the_weight_ends_where_it_belongs() {
    for behaviour in [Behaviour::Good, Behaviour::Errors] {
        let undisturbed = scene(behaviour);
        let expected = undisturbed.run().await.outcome;
        let records = undisturbed.entries().await.len();
        for (n, restarts) in (0..records).flat_map(|n| [(n, false), (n, true)]) {
            for at in [crash::At::DieBefore, crash::At::DieAfter] {
                let case = format!("{behaviour:?}, {at:?} record {n}, balancer restarts: {restarts}");
                let scene = scene(behaviour);
                assert!(crash::run_doomed(&scene, n, at).await.is_none(), "{case}: it did not die");
                scene.world.state().balancer_restarts = restarts;
                let records = scene.backends.journal.records().await.unwrap();
                let Some(view) = rollouts(&records).pop() else { continue };
                if view.unfinished() {
                    let again = resume(&scene.backends, view, "ben".to_owned(), &Control::default()).await;
                    assert_eq!(again.unwrap().outcome.as_str(), expected.as_str(), "{case}");
                }
                for name in NODES {
                    assert_eq!(weight(&scene, name), 100, "{case}: {name}");
                }
                let whole = |pair: &[String]| {
                    pair[0].ends_with("weight 100") && pair[1] == "a ready" && behaviour == Behaviour::Good
                };
                assert!(!scene.effects().windows(2).any(whole), "{case}: put back at its whole weight");
            }
        }
    }
}

#[tokio::test]
async fn a_weight_that_a_restart_of_the_balancer_lost_is_set_again() {
    let scene = scene(Behaviour::Good);
    let (world, sinks) = (scene.world.clone(), Arc::new(Restarts::default()));
    *sinks.world.lock().unwrap() = Some(world);
    let mut backends = scene.backends.clone();
    backends.sinks = vec![Arc::clone(&sinks) as _];
    let plan = scene.plan().await;
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let again = scene.effects().iter().filter(|effect| *effect == "a weight 1 while it serves").count();
    assert_eq!(again, 1, "{:?}", scene.effects());
    let told = scene.entries().await.into_iter().any(|entry| {
        matches!(entry, Entry::StepFinished { facts, .. } if facts.get("weight_set_again").is_some_and(|w| w == "1"))
    });
    assert!(told);
}

/// Restarts the balancer after the first probe of the first stage.
#[derive(Debug, Default)]
struct Restarts {
    world: std::sync::Mutex<Option<World>>,
    /// Does not answer the first look after that instead.
    away: Option<World>,
    struck: std::sync::Mutex<bool>,
}

impl std::fmt::Display for Restarts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("restarts the balancer")
    }
}

impl crate::traits::EventSink for Restarts {
    fn emit(&self, event: &crate::traits::Event<'_>) {
        let crate::traits::Event::Recorded(record) = event else { return };
        let Entry::Observed { step, .. } = &record.entry else { return };
        if let Some(world) = self.away.as_ref().filter(|_| step.stage == 1)
            && !std::mem::replace(&mut *self.struck.lock().unwrap(), true)
        {
            world.fail("servers", 1, transient);
        }
        if step.stage == 1
            && let Some(world) = self.world.lock().unwrap().take()
        {
            world.state().balancer_restarts = true;
        }
    }
}

#[tokio::test]
async fn a_rollback_by_order_gives_back_what_a_killed_engine_left() {
    let scene = scene(Behaviour::Good);
    let undisturbed = self::scene(Behaviour::Good);
    undisturbed.run().await;
    let entries = undisturbed.entries().await;
    let n =
        entries.iter().position(|e| matches!(e, Entry::Observed { step, .. } if step.stage == 2)).unwrap();
    assert!(crash::run_doomed(&scene, n, crash::At::DieBefore).await.is_none());
    assert_eq!(weight(&scene, "a"), 25);
    let checks = scene.backends.preflight(&scene.spec).await;
    let found = checks.checks.iter().find(|check| check.name == "server a").unwrap();
    assert_eq!(
        (found.status, found.detail.as_str()),
        (
            CheckStatus::Warn,
            "ready, up, weight 25 in force, 100 is configured: left by a rollout that did not end, or set by hand"
        )
    );
    let snapshot = scene.backends.observe(scene.spec.nodes()).await.unwrap();
    let old = Artifact { path: scene.store().join(Digest::of(OLD).to_string()), ..undisturbed.artifact() };
    let old = Artifact {
        facts: crate::fleet::FileFacts { sha256: Digest::of(OLD), size: OLD.len() as u64 },
        ..old
    };
    let plan = plan::roll_back(scene.spec.clone(), old, scene.store(), &snapshot).unwrap();
    let effects = scene.effects().len();
    let report = super::super::roll_back(&scene.backends, plan, order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let install = format!("a install {}", Digest::of(OLD).short());
    assert_eq!(scene.effects()[effects..], ["a drain", &install, "a restart", "a weight 100", "a ready"]);
}

#[tokio::test]
async fn a_balancer_that_does_not_keep_a_weight_takes_the_canary_back_unserved() {
    let scene = scene(Behaviour::Good);
    scene.world.fail("set_weight", 1, refused);
    let report = scene.run().await;
    assert!(
        matches!(&report.outcome, Outcome::RolledBack { reason } if reason.starts_with("a: step 1: weigh: "))
    );
    assert!(!scene.effects()[..3].contains(&"a ready".to_owned()));
    assert_eq!(weight(&scene, "a"), 100);
    // One that cannot be reached for a while is asked again.
    let scene = self::scene(Behaviour::Good);
    scene.world.fail("set_weight", 3, transient);
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
}

#[tokio::test]
async fn a_pause_between_two_stages_keeps_the_weight_and_does_not_stand_for_the_planned_one() {
    let mut scene = scene(Behaviour::Good);
    scene.spec.pause.after = vec![node("a")];
    scene.spec.pause.limit = Duration::from_secs(100);
    let plan = scene.plan().await;
    let mut history = History::default();
    let pause = |stage| Step::forward(&node("a"), Action::Pause).at_stage(stage);
    let done = |history: &mut History, step: &Step| {
        let rollout = order().rollout;
        let at = Timestamp::from_millis(1);
        history.apply(at, &Entry::StepStarted { rollout: rollout.clone(), step: step.clone() });
        let result = StepResult::Done { changed: true };
        let (facts, logs) = (Default::default(), Vec::new());
        history.apply(at, &Entry::StepFinished { rollout, step: step.clone(), result, facts, logs });
    };
    let ask = |history: &mut History, wish| {
        let (rollout, request) = (order().rollout, Request::new(wish, "anna"));
        history.apply(Timestamp::from_millis(1), &Entry::Asked { rollout, request, refused: None });
    };
    let until = |history: &mut History, end: &Step| {
        while let Next::Do(step) = next(&plan, history) {
            if step == *end {
                return;
            }
            done(history, &step);
        }
        panic!("{end} never comes");
    };
    until(&mut history, &Step::forward(&node("a"), Action::Watch).at_stage(1));
    ask(&mut history, Wish::Pause);
    until(&mut history, &pause(1));
    assert_eq!(plan.stage_at(&pause(1)), Some(1));
    // A stop is heeded there, too: nobody is drained.
    let mut stopped = history.clone();
    ask(&mut stopped, Wish::Stop);
    assert_eq!(
        next(&plan, &stopped),
        Next::Finish(Outcome::Interrupted { at: "a: step 2: weigh".to_owned() })
    );
    done(&mut history, &pause(1));
    ask(&mut history, Wish::Promote);
    assert_eq!(next(&plan, &history), Next::Do(Step::forward(&node("a"), Action::Weigh).at_stage(2)));
    until(&mut history, &pause(0));
    // A canary that is done once more is paused where it is, not where it was.
    let mut again = history.clone();
    let found = NodeReport {
        node: node("a"),
        installed: Some(Digest::of(OLD)),
        service: None,
        admin: None,
        operational: None,
        problems: Vec::new(),
    };
    let (rollout, actor) = (order().rollout, "ben".to_owned());
    again.apply(Timestamp::from_millis(2), &Entry::Resumed { rollout, actor, nodes: vec![found] });
    until(&mut again, &Step::forward(&node("a"), Action::Watch).at_stage(1));
    ask(&mut again, Wish::Pause);
    done(&mut again, &Step::forward(&node("a"), Action::Watch).at_stage(1));
    assert_eq!(next(&plan, &again), Next::Do(pause(1)));
    // One that nobody promotes ends as any other.
    let rollout = order().rollout;
    let result = StepResult::Failed { class: FailureClass::Inconclusive, message: "nobody".to_owned() };
    let (facts, logs) = (Default::default(), Vec::new());
    let step = pause(2);
    history.apply(Timestamp::from_millis(2), &Entry::StepFinished { rollout, step, result, facts, logs });
    assert!(matches!(next(&plan, &history), Next::Finish(Outcome::Inconclusive { .. })));
}

#[tokio::test]
async fn a_canary_that_serves_the_release_already_keeps_its_weight() {
    let scene = scene(Behaviour::Good);
    let undisturbed = Scene::new(Behaviour::Good);
    undisturbed.run().await;
    let new = Digest::of(NEW);
    {
        let mut state = scene.world.state();
        let a = state.nodes.get_mut(&node("a")).unwrap();
        (a.installed, a.running) = (new, new);
    }
    let plan = scene.plan().await;
    assert_eq!((plan.watches(), plan.weights.as_ref()), (1, None));
    assert_eq!(plan.warnings, ["a serves the release already: its weight steps are left out"]);
}

#[tokio::test]
async fn the_pools_traffic_is_asked_of_the_metrics_and_else_of_the_balancer() {
    let mut scene = scene(Behaviour::Good);
    assert_eq!(scene.backends.rate(&scene.spec).await, Rate::new(100.0 / 60.0), "100 in a window of 60 s");
    scene.spec.watch = None;
    assert_eq!(scene.backends.rate(&scene.spec).await, None, "nothing came in two seconds");
}

#[tokio::test]
async fn a_canary_that_gets_less_than_its_share_is_not_judged() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.world.state().shunned = Some(node("a"));
    let report = scene.run().await;
    let Outcome::Inconclusive { why, then: AfterHold::Kept } = &report.outcome else { panic!("{report:?}") };
    let share = "the canary got 0% of 2000 requests, its weight stands for 33.33% (within 20.88%)";
    assert!(why.ends_with(&format!("last: {share}")), "{why}");
    let greens = scene.entries().await.into_iter().filter(
        |entry| matches!(entry, Entry::Observed { observation, .. } if observation.verdict != Verdict::Hold),
    );
    assert_eq!(greens.count(), 0, "the metrics were fine all the time");
    // What is bad is bad with any share.
    scene = Scene::new(Behaviour::Errors);
    scene.world.state().shunned = Some(node("a"));
    assert!(matches!(scene.run().await.outcome, Outcome::RolledBack { .. }));
}

#[tokio::test]
async fn a_stage_whose_weight_cannot_be_seen_is_not_judged() {
    let scene = scene(Behaviour::Good);
    let plan = scene.plan().await;
    let away = Arc::new(Restarts { away: Some(scene.world.clone()), ..Restarts::default() });
    let mut backends = scene.backends.clone();
    backends.sinks = vec![away as _];
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let held = scene.entries().await.into_iter().filter_map(|entry| match entry {
        Entry::Observed { step, observation, .. } if observation.verdict == Verdict::Hold => {
            Some((step.stage, observation.reason()))
        }
        _ => None,
    });
    let said = "the canary's weight cannot be seen: world: a call: unreachable: away".to_owned();
    assert_eq!(held.collect::<Vec<_>>(), [(1, said)], "one look failed, and the next did not");
}
