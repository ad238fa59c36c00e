//! Backends with one fault each: every one fails the case that is there for it.

mod check;
mod source;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, Digest, FileFacts, NodeId, RemotePath};
use canary_core::journal::{Entry, Record};
use canary_core::traits::*;
use canary_testkit::conformance::Suite;
use libtest_mimic::{Failed, Trial};

use crate::fakes::{Twist, balancer_suite, gate_suite, runtime_suite};
use crate::journals::memory_suite;

/// A backend that does one thing wrong.
#[derive(Debug)]
struct Broken<T: ?Sized, W> {
    inner: Arc<T>,
    wrong: W,
    flag: AtomicBool,
    count: AtomicU64,
}

impl<T: ?Sized, W: fmt::Debug> fmt::Display for Broken<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {:?}", self.wrong)
    }
}

fn broken<T: ?Sized, W>(inner: Arc<T>, wrong: W) -> Broken<T, W> {
    Broken { inner, wrong, flag: AtomicBool::new(false), count: AtomicU64::new(0) }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum WrongBalancer {
    AcknowledgesAndDoesNothing,
    EchoesWhatWasAsked,
    SaysReadyIsUp,
    ForgetsTheLastServer,
    CutsSessionsOnDrain,
    CountsNoRequest,
    NeverChangesItsEpoch,
    AcceptsAnyName,
    IgnoresWeights,
    ErrsWhenNobodyAnswers,
    RefusesTheSecondTime,
}

#[async_trait]
impl LoadBalancer for Broken<dyn LoadBalancer, WrongBalancer> {
    fn capabilities(&self) -> LbCapabilities {
        self.inner.capabilities()
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        let mut pool = self.inner.servers().await?;
        match self.wrong {
            WrongBalancer::ForgetsTheLastServer => drop(pool.servers.pop()),
            WrongBalancer::CountsNoRequest => pool.servers.iter_mut().for_each(|s| s.served = 0),
            WrongBalancer::NeverChangesItsEpoch => "0".clone_into(&mut pool.epoch),
            WrongBalancer::SaysReadyIsUp => {
                let ready = pool.servers.iter_mut().filter(|s| s.admin == AdminState::Ready);
                ready.for_each(|s| s.operational = Operational::Up);
            }
            _ => {}
        }
        Ok(pool)
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        match self.wrong {
            WrongBalancer::AcknowledgesAndDoesNothing => {}
            WrongBalancer::EchoesWhatWasAsked => {
                let mut pool = self.inner.servers().await?;
                pool.servers.iter_mut().filter(|s| s.node == *node).for_each(|s| s.admin = state);
                return Ok(pool);
            }
            WrongBalancer::AcceptsAnyName if self.inner.servers().await?.server(node).is_none() => {}
            WrongBalancer::CutsSessionsOnDrain if state == AdminState::Drain => {
                self.inner.set_admin(node, state).await?;
                self.inner.close_sessions(node).await?;
            }
            WrongBalancer::RefusesTheSecondTime => {
                let pool = self.inner.servers().await?;
                if pool.server(node).is_some_and(|s| s.admin == state) {
                    return Err(BackendError::new(ErrorKind::Refused, "broken", "set", "it is so already"));
                }
                self.inner.set_admin(node, state).await?;
            }
            _ => drop(self.inner.set_admin(node, state).await?),
        }
        self.servers().await
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        if self.wrong == WrongBalancer::IgnoresWeights {
            return Ok(());
        }
        self.inner.set_weight(node, weight).await
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        if self.wrong == WrongBalancer::AcknowledgesAndDoesNothing {
            return Ok(());
        }
        self.inner.close_sessions(node).await
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let report = self.inner.check_through(check).await?;
        if self.wrong == WrongBalancer::ErrsWhenNobodyAnswers && !report.healthy {
            return Err(BackendError::new(ErrorKind::Unreachable, "broken", "check", report.detail));
        }
        Ok(report)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum WrongRuntime {
    InstallsInTwoSteps,
    LiesAboutTheDigest,
    ReportsTheWrongDigest,
    AlwaysSaysChanged,
    InstallsWhateverArrives,
    RestartDoesNothing,
    InstallRestarts,
    SaysInPlaceAlways,
    IsAlwaysHealthy,
    ErrsOnARefusedConnection,
    FindsWhatIsNotThere,
    GivesTheWholeLog,
    LeavesAFileBehind,
    CallsAFullDiskOther,
}

#[async_trait]
impl NodeRuntime for Broken<dyn NodeRuntime, WrongRuntime> {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        let mut installed = self.inner.installed(node).await?;
        if self.flag.load(Ordering::SeqCst) {
            installed.current = None;
        }
        Ok(installed)
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        let facts = self.inner.inspect(node, path).await?;
        let half = FileFacts { sha256: Digest::of(b"half"), size: 1 };
        Ok(match self.wrong {
            WrongRuntime::InstallsInTwoSteps if self.flag.load(Ordering::SeqCst) => Some(half),
            WrongRuntime::FindsWhatIsNotThere => facts.or(Some(half)),
            _ => facts,
        })
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        let facts = artifact.facts;
        match self.wrong {
            WrongRuntime::InstallsInTwoSteps => {
                self.flag.store(true, Ordering::SeqCst);
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                let report = self.inner.install(node, artifact).await;
                self.flag.store(false, Ordering::SeqCst);
                report
            }
            WrongRuntime::LiesAboutTheDigest => Ok(InstallReport { changed: true, facts }),
            WrongRuntime::InstallsWhateverArrives => {
                let found = Artifact::read(&artifact.path);
                let found = found
                    .map_err(|e| BackendError::new(ErrorKind::LocalIo, "broken", "install", e.to_string()));
                self.inner.install(node, &found?).await
            }
            _ => {
                let report = self.inner.install(node, artifact).await;
                if self.wrong == WrongRuntime::InstallRestarts {
                    self.inner.restart(node).await?;
                }
                match (report, self.wrong) {
                    (Ok(report), WrongRuntime::AlwaysSaysChanged) => {
                        Ok(InstallReport { changed: true, ..report })
                    }
                    (Ok(report), WrongRuntime::ReportsTheWrongDigest) => {
                        let facts = FileFacts { sha256: Digest::of(b"other"), ..report.facts };
                        Ok(InstallReport { facts, ..report })
                    }
                    (Err(error), WrongRuntime::CallsAFullDiskOther)
                        if error.kind() == ErrorKind::Exhausted =>
                    {
                        Err(BackendError::new(ErrorKind::Other, "broken", "install", "no"))
                    }
                    (report, _) => report,
                }
            }
        }
    }

    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        if self.wrong == WrongRuntime::LeavesAFileBehind {
            std::fs::write(into, b"").ok();
        }
        self.inner.fetch(node, path, into).await
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        if self.wrong == WrongRuntime::RestartDoesNothing {
            return self.service(node).await;
        }
        self.inner.restart(node).await
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        let mut state = self.inner.service(node).await?;
        if matches!(self.wrong, WrongRuntime::SaysInPlaceAlways | WrongRuntime::RestartDoesNothing)
            && state.running == RunningBinary::Replaced
        {
            state.running = RunningBinary::InPlace;
        }
        Ok(state)
    }

    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let mut report = self.inner.check(node, check).await?;
        match self.wrong {
            WrongRuntime::IsAlwaysHealthy => report.healthy = true,
            WrongRuntime::ErrsOnARefusedConnection if report.status.is_none() => {
                return Err(BackendError::new(ErrorKind::Unreachable, "broken", "check", report.detail));
            }
            _ => {}
        }
        Ok(report)
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        let lines = if self.wrong == WrongRuntime::GivesTheWholeLog { 100 } else { lines };
        self.inner.logs(node, lines).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum WrongGate {
    PassesEverything,
    HasOneDigest,
    TakesConfusionForNothingNew,
    RefusesWithoutAFinding,
}

#[async_trait]
impl MigrationGate for Broken<dyn MigrationGate, WrongGate> {
    async fn review(&self, release: &Release) -> Result<Review, BackendError> {
        let mut review = self.inner.review(release).await?;
        match (self.wrong, &review.verdict) {
            (WrongGate::PassesEverything, GateVerdict::Refused) => {
                (review.verdict, review.findings) = (GateVerdict::Pass, Vec::new());
            }
            (WrongGate::HasOneDigest, _) => review.digest = Digest::of(b""),
            (WrongGate::TakesConfusionForNothingNew, GateVerdict::Undecided { why }) => {
                review.verdict = GateVerdict::NothingNew { why: why.clone() };
            }
            (WrongGate::RefusesWithoutAFinding, _) => review.findings.clear(),
            _ => {}
        }
        Ok(review)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum WrongJournal {
    Reorders,
    LosesEveryThird,
    WritesTwice,
    ReturnsAnotherEntry,
}

#[async_trait]
impl Journal for Broken<dyn Journal, WrongJournal> {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        match self.wrong {
            WrongJournal::LosesEveryThird if n % 3 == 2 => {
                let last = self.inner.records().await?.pop();
                let last = last.ok_or_else(|| JournalError::Form("empty".to_owned()))?;
                Ok(Record { entry, ..last })
            }
            WrongJournal::WritesTwice => {
                self.inner.append(entry.clone()).await?;
                self.inner.append(entry).await
            }
            WrongJournal::ReturnsAnotherEntry => {
                let record = self.inner.append(entry).await?;
                Ok(Record { entry: Entry::Genesis { engine: "0".to_owned() }, ..record })
            }
            _ => self.inner.append(entry).await,
        }
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        let mut records = self.inner.records().await?;
        if self.wrong == WrongJournal::Reorders && records.len() > 1 {
            let last = records.len() - 1;
            records.swap(last - 1, last);
        }
        Ok(records)
    }
}

/// Each broken backend, with the suite it must fail and the case that must catch it.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    balancers(&mut trials);
    runtimes(&mut trials);
    source::sources(&mut trials);
    check::checks(&mut trials);
    others(&mut trials);
    trials
}

fn caught(trials: &mut Vec<Trial>, wrong: impl fmt::Debug, case: &'static str, suite: Suite) {
    let suite = suite.only(case).patience(Duration::from_millis(500));
    assert_eq!(suite.names().count(), 1, "no case is called {case}");
    trials.push(Trial::test(format!("mutants::{wrong:?}"), move || match suite.failures().is_empty() {
        false => Ok(()),
        true => Err(Failed::from(format!("{case} did not fail"))),
    }));
}

fn balancers(trials: &mut Vec<Trial>) {
    use WrongBalancer::*;
    for (wrong, case) in [
        (AcknowledgesAndDoesNothing, "a_drained_server_gets_no_new_request"),
        (EchoesWhatWasAsked, "what_set_admin_returns_is_read_back"),
        (SaysReadyIsUp, "a_dead_server_is_not_up_because_it_is_ready"),
        (ForgetsTheLastServer, "the_pool_is_read_whole"),
        (CutsSessionsOnDrain, "a_drain_lets_requests_end"),
        (CountsNoRequest, "requests_are_counted"),
        (NeverChangesItsEpoch, "a_new_process_is_a_new_epoch"),
        (AcceptsAnyName, "an_unknown_server_is_not_found"),
        (IgnoresWeights, "a_weight_is_read_back"),
        (ErrsWhenNobodyAnswers, "a_check_that_nobody_answers_is_a_report"),
        (RefusesTheSecondTime, "asking_twice_is_safe"),
    ] {
        let twist: Twist<dyn LoadBalancer> = Arc::new(move |it| Arc::new(broken(it, wrong)));
        caught(trials, wrong, case, balancer_suite(twist));
    }
}

fn runtimes(trials: &mut Vec<Trial>) {
    use WrongRuntime::*;
    for (wrong, case) in [
        (InstallsInTwoSteps, "a_reader_sees_the_old_or_the_new"),
        (LiesAboutTheDigest, "install_reads_back"),
        (ReportsTheWrongDigest, "install_reads_back"),
        (AlwaysSaysChanged, "installing_again_writes_nothing"),
        (InstallsWhateverArrives, "a_changed_artifact_is_not_installed"),
        (RestartDoesNothing, "a_restart_runs_what_is_in_place"),
        (InstallRestarts, "installing_does_not_restart"),
        (SaysInPlaceAlways, "installing_does_not_restart"),
        (IsAlwaysHealthy, "a_refused_connection_is_a_report"),
        (ErrsOnARefusedConnection, "a_refused_connection_is_a_report"),
        (FindsWhatIsNotThere, "inspect_tells_digest_and_absence"),
        (GivesTheWholeLog, "logs_are_few"),
        (LeavesAFileBehind, "fetching_nothing_is_not_found"),
        (CallsAFullDiskOther, "a_full_disk_is_exhausted"),
    ] {
        let twist: Twist<dyn NodeRuntime> = Arc::new(move |it| Arc::new(broken(it, wrong)));
        caught(trials, wrong, case, runtime_suite(twist));
    }
}

fn others(trials: &mut Vec<Trial>) {
    for (wrong, case) in [
        (WrongGate::PassesEverything, "what_breaks_is_refused_by_place"),
        (WrongGate::HasOneDigest, "the_digest_covers_what_was_judged"),
        (WrongGate::TakesConfusionForNothingNew, "what_cannot_be_told_is_undecided"),
        (WrongGate::RefusesWithoutAFinding, "what_breaks_is_refused_by_place"),
    ] {
        let twist: Twist<dyn MigrationGate> = Arc::new(move |it| Arc::new(broken(it, wrong)));
        caught(trials, wrong, case, gate_suite(twist));
    }
    for (wrong, case) in [
        (WrongJournal::Reorders, "what_was_appended_is_read"),
        (WrongJournal::LosesEveryThird, "what_was_appended_is_read"),
        (WrongJournal::WritesTwice, "what_was_appended_is_read"),
        (WrongJournal::ReturnsAnotherEntry, "append_returns_what_is_recorded"),
    ] {
        let twist: Twist<dyn Journal> = Arc::new(move |it| Arc::new(broken(it, wrong)));
        caught(trials, wrong, case, memory_suite(twist));
    }
}
