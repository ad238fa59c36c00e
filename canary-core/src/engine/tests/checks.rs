//! Checks of one's own: asked before a rollout, and at every probe of the watch.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::analysis::{HoldKind, ThresholdOptions, Verdict};
use crate::engine::CheckStatus;
use crate::fleet::{Provenance, Revision};
use crate::journal::{Released, rollouts};
use crate::spec::ProgressiveWeights;
use crate::traits::{
    CheckAsk, CheckFinding, CheckReport, CheckStage, CheckVerdict, MigrationGate, Release, ReleaseCheck,
    Review, Severity,
};

/// Answers as told, one answer a probe, and passes when there is nothing more to say.
#[derive(Debug)]
struct Told {
    answers: Mutex<VecDeque<Result<CheckVerdict, BackendError>>>,
    asked: Mutex<Vec<CheckAsk>>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what it was told")
    }
}

fn drifted(severity: Severity, shard: usize) -> CheckFinding {
    CheckFinding {
        severity,
        subject: format!("shard-{shard}"),
        text: "users.created_at is bigint".to_owned(),
        remedy: "migrate the shard".to_owned(),
    }
}

#[async_trait]
impl ReleaseCheck for Told {
    fn name(&self) -> &str {
        "schema"
    }

    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        self.asked.lock().unwrap().push(ask.clone());
        let verdict = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(CheckVerdict::Pass))?;
        let mut findings = vec![drifted(Severity::Warn, 0)];
        if verdict == CheckVerdict::Fail {
            findings.extend((1..=25).map(|shard| drifted(Severity::Refuse, shard)));
        }
        let summary = "26 shards".to_owned();
        Ok(CheckReport { check: "schema".to_owned(), verdict, summary, findings, more: 0 })
    }
}

/// A rollout with one check, which answers so.
fn told(answers: impl IntoIterator<Item = Result<CheckVerdict, BackendError>>) -> (Scene, Arc<Told>) {
    let mut scene = Scene::new(Behaviour::Good);
    let asked = Mutex::new(Vec::new());
    let check = Arc::new(Told { answers: Mutex::new(answers.into_iter().collect()), asked });
    scene.backends.checks = vec![check.clone()];
    (scene, check)
}

fn unknown() -> CheckVerdict {
    CheckVerdict::Unknown { why: "the database is away".to_owned() }
}

#[tokio::test]
async fn a_check_is_asked_before_a_rollout_and_at_every_probe() {
    let (scene, check) = told([]);
    let seen = scene.backends.preflight(&scene.spec).await;
    assert_eq!(seen.reports.len(), 1);
    scene.backends.record_checks(&order(), &seen.reports).await.unwrap();
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let asked = check.asked.lock().unwrap().clone();
    assert_eq!((asked[0].stage, &asked[0].release), (CheckStage::Before, &None));
    let entries = scene.entries().await;
    assert!(
        matches!(&entries[0], Entry::Checked { reports, .. } if *reports == seen.reports),
        "{:?}",
        entries[0]
    );
    let probes: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Observed { observation, .. } => Some(observation),
            _ => None,
        })
        .collect();
    assert_eq!(probes.len(), asked.len() - 1);
    for (probe, ask) in probes.iter().zip(&asked[1..]) {
        assert_eq!((ask.stage, ask.at, ask.canary.clone()), (CheckStage::Watch, probe.at, node("a")));
        assert_eq!(ask.limit, scene.spec.watch.as_ref().unwrap().interval);
        let release = ask.release.as_ref().unwrap();
        assert_eq!((&release.rollout, release.share_ppm), (&order().rollout, None));
        assert_eq!(release.artifact, Digest::of(NEW));
        assert_eq!(probe.checks[0].verdict, CheckVerdict::Pass);
    }
}

#[tokio::test]
async fn a_check_is_told_which_share_the_canary_was_planned_to_have() {
    let (mut scene, check) = told([]);
    let steps = ["1%", "25%"].iter().map(|step| step.parse().unwrap()).collect();
    scene.spec.weights = Some(ProgressiveWeights { steps, window: Some(Duration::from_secs(90)) });
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let asked = check.asked.lock().unwrap().clone();
    let mut shares: Vec<_> = asked.iter().map(|ask| ask.release.as_ref().unwrap().share_ppm).collect();
    shares.dedup();
    // Weight 1 beside two servers of 100, then 25; of the whole weight the plan says nothing.
    assert_eq!(shares, [Some(4_975), Some(111_111), None]);
}

#[tokio::test]
async fn a_check_that_fails_or_cannot_answer_stops_a_rollout_before_it_begins() {
    type Row = (Result<CheckVerdict, BackendError>, &'static str, usize);
    let table: [Row; 3] = [
        (Ok(CheckVerdict::Fail), "26 shards", 20),
        (Ok(unknown()), "undecided: the database is away", 1),
        (Err(refused()), "undecided: world: a call: refused: no", 1),
    ];
    for (answer, detail, failed) in table {
        let (scene, _) = told([answer]);
        let seen = scene.backends.preflight(&scene.spec).await;
        let rows: Vec<_> = seen.checks.iter().filter(|check| check.name == "check schema").collect();
        assert_eq!((rows[0].status, rows[0].detail.as_str()), (CheckStatus::Failed, detail));
        let stop = rows.iter().filter(|row| row.status == CheckStatus::Failed).count();
        // Of 26 findings the twenty gravest are listed: none of them is the warning.
        assert_eq!(stop, if failed == 20 { 21 } else { failed }, "{rows:?}");
    }
}

/// Never answers, or panics.
#[derive(Debug)]
struct Broken {
    panics: bool,
    dropped: Arc<AtomicBool>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something broken")
    }
}

/// Tells when the call it lives in is dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl ReleaseCheck for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    async fn check(&self, _ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        let _guard = Guard(Arc::clone(&self.dropped));
        assert!(!self.panics, "as told");
        std::future::pending().await
    }
}

#[async_trait]
impl MigrationGate for Broken {
    async fn review(&self, _release: &Release) -> Result<Review, BackendError> {
        let _guard = Guard(Arc::clone(&self.dropped));
        std::future::pending().await
    }
}

fn broken(panics: bool) -> Arc<Broken> {
    Arc::new(Broken { panics, dropped: Arc::new(AtomicBool::new(false)) })
}

#[tokio::test(start_paused = true)]
async fn a_check_that_never_answers_is_cut_off_and_costs_its_own_answer_alone() {
    let (mut scene, told) = told([]);
    let (never, panics) = (broken(false), broken(true));
    scene.backends.checks = vec![never.clone(), told.clone(), panics];
    let begun = tokio::time::Instant::now();
    let seen = scene.backends.preflight(&scene.spec).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(62), "by the paused clock: the limit and the grace");
    let reports: Vec<_> = seen.reports.iter().map(|report| report.to_string()).collect();
    assert_eq!(reports[0], "broken: no answer within 1m; it was cut off");
    assert_eq!(reports[1], "schema: 26 shards");
    assert!(reports[2].starts_with("broken: the check ended early: task"), "{reports:?}");
    let unknown = |report: &CheckReport| matches!(report.verdict, CheckVerdict::Unknown { .. });
    assert_eq!(seen.reports.iter().map(unknown).collect::<Vec<_>>(), [true, false, true]);
    tokio::task::yield_now().await;
    assert!(never.dropped.load(Ordering::SeqCst), "the call goes on after it was cut off");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_never_answers_in_the_watch_holds_it() {
    let mut scene = Scene::new(Behaviour::Good);
    scene.backends.checks = vec![broken(false)];
    let report = scene.run().await;
    let Outcome::Inconclusive { why: reason, .. } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert!(reason.contains("it was cut off"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_never_answers_is_cut_off_and_recorded_as_undecided() {
    let scene = Scene::new(Behaviour::Good);
    let gate = broken(false);
    let release = Release::new(scene.spec.service.clone(), Digest::of(b"new"));
    let review = scene.backends.review(gate.as_ref(), &release, &order()).await.unwrap();
    let why = "something broken: no answer within 30m; it was cut off".to_owned();
    assert_eq!(review, Review::undecided(why));
    assert!(review.permit().is_none() && gate.dropped.load(Ordering::SeqCst));
    assert!(
        matches!(&scene.entries().await[..], [Entry::GateReviewed { review: kept, .. }] if *kept == review)
    );
}

#[tokio::test]
async fn a_check_that_fails_in_the_watch_is_red() {
    let (scene, _) = told([Ok(CheckVerdict::Pass), Ok(CheckVerdict::Fail)]);
    let report = scene.run().await;
    let Outcome::RolledBack { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(
        reason, "a: watch: check schema: shard-1: users.created_at is bigint (and 25 more)",
        "one warning of 26 is cut off with the other five"
    );
    assert_eq!(scene.installed("a"), Digest::of(OLD));
}

#[tokio::test]
async fn patience_with_bounds_is_patience_with_checks() {
    let (mut scene, _) = told([Ok(CheckVerdict::Fail), Ok(CheckVerdict::Pass), Ok(CheckVerdict::Fail)]);
    let judging = &mut scene.spec.watch.as_mut().unwrap().judging;
    judging.threshold =
        Some(ThresholdOptions { consecutive: NonZeroU32::new(2), ..ThresholdOptions::default() });
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
}

#[tokio::test]
async fn a_check_fails_a_canary_that_is_judged_by_comparison_alone() {
    let (mut scene, _) = super::judges::compared(1000, 1000, true);
    let answers = Mutex::new([Ok(CheckVerdict::Fail)].into());
    scene.backends.checks = vec![Arc::new(Told { answers, asked: Mutex::new(Vec::new()) })];
    assert!(matches!(scene.run().await.outcome, Outcome::RolledBack { .. }));
}

#[tokio::test]
async fn a_check_that_cannot_answer_in_the_watch_holds_it() {
    let (scene, _) = told([Ok(unknown()), Err(refused())]);
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let state = super::judges::state(&scene).await;
    assert!(state.held_for[&HoldKind::Check] > Duration::ZERO);
    let (scene, _) = told(std::iter::repeat_n((), 500).map(|()| Ok(unknown())));
    let report = scene.run().await;
    assert!(matches!(report.outcome, Outcome::Inconclusive { .. }), "{:?}", report.outcome);
    let reason = report.outcome.to_string();
    assert!(reason.contains("check schema: the database is away"), "{reason}");
    let state = super::judges::state(&scene).await;
    assert_eq!(state.latest.unwrap().0, Verdict::Hold);
}

#[tokio::test]
async fn the_journal_knows_the_revision_of_what_runs() {
    let mut scene = Scene::new(Behaviour::Good);
    let revision = Revision::new("4f2a9c1").unwrap();
    scene.spec.from = Provenance { revision: Some(revision.clone()), phase: None };
    scene.run().await;
    let records = scene.backends.journal.records().await.unwrap();
    let released = Released::of(&rollouts(&records));
    let running = released.running.unwrap();
    assert_eq!((running.artifact, running.revision), (Digest::of(NEW), revision));
    assert_eq!(running.rollout, order().rollout);
    let mut scene = Scene::new(Behaviour::Errors);
    scene.spec.from.revision = Some(Revision::new("4f2a9c2").unwrap());
    scene.run().await;
    let records = scene.backends.journal.records().await.unwrap();
    let released = Released::of(&rollouts(&records));
    assert_eq!(released.running, None, "a release that was rolled back does not run");
    assert_eq!(released.revisions.len(), 1, "but its revision is known");
}
