//! The suite of [`NodeRuntime`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, Digest, HttpPath, NodeId, RemotePath};
use canary_core::traits::{
    ActiveState, BackendError, ErrorKind, HealthCheck, NodeRuntime, RunningBinary, ServiceState,
};

use super::suite::{Case, Suite, Verdict, case, must, require, until};

/// What a bench can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeSkills {
    /// The service answers [`RuntimeBench::check`] with 200 while it runs.
    pub health: bool,
    /// [`RuntimeBench::stop_service`].
    pub stop_service: bool,
    /// [`RuntimeBench::fill_disk`].
    pub fill_disk: bool,
}

/// A runtime to be tested, with one node whose service runs what [`Self::artifact`] gives for version 1.
///
/// A bench panics when it cannot do its part.
#[async_trait(?Send)]
pub trait RuntimeBench {
    /// The runtime.
    fn runtime(&self) -> Arc<dyn NodeRuntime>;

    /// The node.
    fn node(&self) -> NodeId;

    /// The same program in another version: other bytes, as good. The file lies in a directory of the bench's own.
    fn artifact(&self, version: u32) -> Artifact;

    /// How the node's service is asked for its health.
    fn check(&self) -> HealthCheck;

    /// Ends the service, as an operator would.
    async fn stop_service(&self);

    /// Leaves no room on the node's disk for a second binary.
    async fn fill_disk(&self);

    /// A directory on this host that goes with the bench.
    fn scratch(&self) -> PathBuf;
}

/// The suite of [`NodeRuntime`]: `make` gives a fresh bench for each case.
pub fn node_runtime<F, M>(skills: RuntimeSkills, make: M) -> Suite
where
    F: Future<Output = Box<dyn RuntimeBench>> + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    let mut cases: Vec<Case<dyn RuntimeBench>> = vec![
        case!(installed_tells_what_is_in_place, "installed: reads what is installed"),
        case!(install_reads_back, "install: returns after the digest was read back on the node"),
        case!(
            installing_again_writes_nothing,
            "install: repeating it writes nothing and reports changed: false"
        ),
        case!(installing_back_works, "install: replaces the installed binary"),
        case!(a_reader_sees_the_old_or_the_new, "install: a reader sees the old file or the new one, whole"),
        case!(
            an_installation_broken_off_leaves_a_whole_file,
            "install: the file in place is the old or the new one"
        ),
        case!(
            a_changed_artifact_is_not_installed,
            "install: Mismatch when what arrived is not what was sent"
        ),
        case!(a_missing_artifact_is_an_error, "install: whatever happens, the file in place is whole"),
        case!(installing_does_not_restart, "install: replaces the binary; restart restarts the service"),
        case!(inspect_tells_digest_and_absence, "inspect: None when there is no such file"),
        case!(a_directory_is_not_inspected, "inspect: Refused when the path is not a regular file"),
        case!(fetch_brings_the_file_whole, "fetch: copies a file of the node to this host"),
        case!(
            fetching_nothing_is_not_found,
            "fetch: NotFound when the file does not exist; no file is left here"
        ),
        case!(fetch_into_nowhere_is_local, "fetch: LocalIo when it cannot be written here"),
        case!(a_restart_runs_what_is_in_place, "restart: the service runs the file at the install path"),
        case!(restarting_twice_restarts_twice, "restart: repeating it restarts again"),
        case!(an_unknown_node_is_not_found, "installed, inspect, service, logs: NotFound"),
        case!(logs_are_few, "logs: the last lines, at most as many as asked for"),
    ];
    if skills.health {
        cases.push(case!(a_running_service_is_healthy, "check: healthy when the answer was 200"));
        cases.push(case!(another_status_is_a_report, "check: a bad status is a report with healthy: false"));
        if skills.stop_service {
            cases.push(case!(a_refused_connection_is_a_report, "check: a refused connection is a report"));
        }
    }
    if skills.stop_service {
        cases.push(case!(a_stopped_service_is_told, "service: reads the service's state"));
    }
    if skills.fill_disk {
        cases.push(case!(a_full_disk_is_exhausted, "install: Exhausted when the node's disk is full"));
    }
    Suite::new("node_runtime", make, cases)
}

type Bench<'b> = &'b dyn RuntimeBench;

async fn in_place(bench: Bench<'_>) -> Result<Option<Digest>, String> {
    let installed = must("read what is installed", bench.runtime().installed(&bench.node()).await)?;
    Ok(installed.current.map(|facts| facts.sha256))
}

async fn path(bench: Bench<'_>) -> Result<RemotePath, String> {
    Ok(must("read what is installed", bench.runtime().installed(&bench.node()).await)?.path)
}

async fn install(bench: Bench<'_>, artifact: &Artifact) -> Result<bool, String> {
    let report = must("install", bench.runtime().install(&bench.node(), artifact).await)?;
    let (told, sent) = (report.facts, artifact.facts);
    require!(told == sent, "{sent:?} was installed, {told:?} is reported");
    Ok(report.changed)
}

fn expect<T>(kinds: &[ErrorKind], result: Result<T, BackendError>) -> Verdict {
    match result {
        Err(error) if kinds.contains(&error.kind()) => Ok(()),
        Err(error) => Err(format!("{:?}, expected {kinds:?}: {}", error.kind(), error.chain())),
        Ok(_) => Err(format!("it was done, expected {kinds:?}")),
    }
}

/// The service's state once its process is there and its file can be told, or a while later.
async fn settled(bench: Bench<'_>) -> Result<ServiceState, String> {
    until("the service to run", async || {
        let state = must("read the service", bench.runtime().service(&bench.node()).await)?;
        let there = state.active == ActiveState::Active && state.running != RunningBinary::None;
        if there { Ok(state) } else { Err(format!("{state:?}")) }
    })
    .await
}

async fn installed_tells_what_is_in_place(bench: Bench<'_>) -> Verdict {
    let (found, expected) = (in_place(bench).await?, bench.artifact(1).facts.sha256);
    require!(found == Some(expected), "version 1 is {expected}, in place is {found:?}");
    require!(in_place(bench).await? == found, "a second look differs");
    Ok(())
}

async fn install_reads_back(bench: Bench<'_>) -> Verdict {
    let two = bench.artifact(2);
    require!(install(bench, &two).await?, "another version changed nothing");
    let found = in_place(bench).await?;
    require!(found == Some(two.facts.sha256), "{} was installed, in place is {found:?}", two.facts.sha256);
    Ok(())
}

async fn installing_again_writes_nothing(bench: Bench<'_>) -> Verdict {
    let two = bench.artifact(2);
    install(bench, &two).await?;
    require!(!install(bench, &two).await?, "the same artifact again is reported as a change");
    Ok(())
}

async fn installing_back_works(bench: Bench<'_>) -> Verdict {
    for version in [2, 1, 2] {
        require!(install(bench, &bench.artifact(version)).await?, "version {version} changed nothing");
        let found = in_place(bench).await?;
        require!(found == Some(bench.artifact(version).facts.sha256), "in place is {found:?}");
    }
    Ok(())
}

async fn a_reader_sees_the_old_or_the_new(bench: Bench<'_>) -> Verdict {
    let versions = [bench.artifact(1), bench.artifact(2)];
    let whole = versions.clone().map(|artifact| artifact.facts);
    let (path, done) = (path(bench).await?, AtomicBool::new(false));
    let read = async {
        let mut looks = 0_u32;
        while !done.load(Ordering::SeqCst) || looks == 0 {
            let seen = must("look", bench.runtime().inspect(&bench.node(), &path).await)?;
            require!(
                seen.is_some_and(|facts| whole.contains(&facts)),
                "a reader saw {seen:?}, which is neither"
            );
            looks += 1;
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let write = async {
        let mut result = Ok(true);
        for artifact in versions.iter().rev().cycle().take(6) {
            result = result.and(install(bench, artifact).await);
        }
        done.store(true, Ordering::SeqCst);
        result
    };
    let (read, write) = tokio::join!(read, write);
    write?;
    read
}

async fn an_installation_broken_off_leaves_a_whole_file(bench: Bench<'_>) -> Verdict {
    let versions = [bench.artifact(1), bench.artifact(2)];
    let whole = versions.clone().map(|artifact| Some(artifact.facts.sha256));
    let runtime = bench.runtime();
    for micros in [0, 50, 200, 1000, 5000, 20_000] {
        for artifact in versions.iter().rev() {
            let node = bench.node();
            let call = runtime.install(&node, artifact);
            // Broken off in the middle or not: both are fine.
            let _ = tokio::time::timeout(Duration::from_micros(micros), call).await;
            let seen = in_place(bench).await?;
            require!(whole.contains(&seen), "broken off after {micros} us, in place is {seen:?}");
        }
    }
    install(bench, &versions[1]).await?;
    let seen = in_place(bench).await?;
    require!(seen == whole[1], "installed at last, in place is {seen:?}");
    Ok(())
}

async fn a_changed_artifact_is_not_installed(bench: Bench<'_>) -> Verdict {
    let (before, mut artifact) = (in_place(bench).await?, bench.artifact(2));
    artifact.facts.sha256 = Digest::of(b"what was planned with");
    let result = bench.runtime().install(&bench.node(), &artifact).await;
    expect(&[ErrorKind::Mismatch, ErrorKind::LocalIo], result)?;
    require!(in_place(bench).await? == before, "it was installed all the same");
    Ok(())
}

async fn a_missing_artifact_is_an_error(bench: Bench<'_>) -> Verdict {
    let (before, mut artifact) = (in_place(bench).await?, bench.artifact(2));
    artifact.path = bench.scratch().join("no-such-file");
    let result = bench.runtime().install(&bench.node(), &artifact).await;
    require!(result.is_err(), "a file that does not exist was installed: {result:?}");
    require!(in_place(bench).await? == before, "what is in place changed");
    Ok(())
}

async fn installing_does_not_restart(bench: Bench<'_>) -> Verdict {
    let before = settled(bench).await?;
    install(bench, &bench.artifact(2)).await?;
    let after = settled(bench).await?;
    require!(before.pid == after.pid, "process {:?}, then {:?}", before.pid, after.pid);
    let told = matches!(after.running, RunningBinary::Replaced | RunningBinary::Unknown);
    require!(told, "the old process is said to run {:?}", after.running);
    Ok(())
}

async fn inspect_tells_digest_and_absence(bench: Bench<'_>) -> Verdict {
    let (path, node) = (path(bench).await?, bench.node());
    let facts = must("look", bench.runtime().inspect(&node, &path).await)?;
    require!(facts == Some(bench.artifact(1).facts), "{facts:?}");
    let missing = path.with_suffix(".no-such-file").map_err(|e| e.to_string())?;
    let facts = must("look at nothing", bench.runtime().inspect(&node, &missing).await)?;
    require!(facts.is_none(), "{missing} does not exist: {facts:?}");
    Ok(())
}

async fn a_directory_is_not_inspected(bench: Bench<'_>) -> Verdict {
    let path = path(bench).await?;
    let directory = path.as_str().rsplit_once('/').map_or("/", |(directory, _)| directory);
    let directory = RemotePath::new(directory).map_err(|e| e.to_string())?;
    expect(&[ErrorKind::Refused], bench.runtime().inspect(&bench.node(), &directory).await)
}

async fn fetch_brings_the_file_whole(bench: Bench<'_>) -> Verdict {
    let (path, into) = (path(bench).await?, bench.scratch().join("fetched"));
    for _ in 0..2 {
        let facts = must("fetch", bench.runtime().fetch(&bench.node(), &path, &into).await)?;
        let here = Artifact::read(&into).map_err(|e| e.to_string())?;
        let expected = bench.artifact(1).facts;
        require!(facts == expected && here.facts == expected, "reported {facts:?}, here {:?}", here.facts);
    }
    Ok(())
}

async fn fetching_nothing_is_not_found(bench: Bench<'_>) -> Verdict {
    let missing = path(bench).await?.with_suffix(".no-such-file").map_err(|e| e.to_string())?;
    let into = bench.scratch().join("not-fetched");
    expect(&[ErrorKind::NotFound], bench.runtime().fetch(&bench.node(), &missing, &into).await)?;
    require!(!into.exists(), "something was left at {}", into.display());
    Ok(())
}

async fn fetch_into_nowhere_is_local(bench: Bench<'_>) -> Verdict {
    let (path, into) = (path(bench).await?, bench.scratch().join("no-such-directory/file"));
    expect(&[ErrorKind::LocalIo], bench.runtime().fetch(&bench.node(), &path, &into).await)
}

async fn a_restart_runs_what_is_in_place(bench: Bench<'_>) -> Verdict {
    let before = settled(bench).await?;
    install(bench, &bench.artifact(2)).await?;
    must("restart", bench.runtime().restart(&bench.node()).await)?;
    until("the service to run the file in place", async || {
        let state = settled(bench).await?;
        let told = matches!(state.running, RunningBinary::InPlace | RunningBinary::Unknown);
        if told && state.pid != before.pid { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await
}

async fn restarting_twice_restarts_twice(bench: Bench<'_>) -> Verdict {
    let mut pids = vec![settled(bench).await?.pid];
    for _ in 0..2 {
        must("restart", bench.runtime().restart(&bench.node()).await)?;
        let pid = settled(bench).await?.pid;
        require!(!pids.contains(&pid), "after a restart the process is {pid:?} again, of {pids:?}");
        pids.push(pid);
    }
    Ok(())
}

async fn an_unknown_node_is_not_found(bench: Bench<'_>) -> Verdict {
    let node = NodeId::new("no-such-node").map_err(|e| e.to_string())?;
    let (runtime, path, wanted) = (bench.runtime(), path(bench).await?, [ErrorKind::NotFound]);
    expect(&wanted, runtime.installed(&node).await)?;
    expect(&wanted, runtime.inspect(&node, &path).await)?;
    expect(&wanted, runtime.service(&node).await)?;
    expect(&wanted, runtime.logs(&node, 3).await)?;
    expect(&wanted, runtime.fetch(&node, &path, &bench.scratch().join("nothing")).await)
}

async fn logs_are_few(bench: Bench<'_>) -> Verdict {
    for lines in [1_u16, 20] {
        let found = must("read the log", bench.runtime().logs(&bench.node(), lines).await)?;
        require!(found.len() <= lines.into(), "{} lines where {lines} were asked for", found.len());
    }
    Ok(())
}

async fn healthy(bench: Bench<'_>, check: &HealthCheck, wanted: bool) -> Verdict {
    until("the health check's answer", async || {
        let report = must("check", bench.runtime().check(&bench.node(), check).await)?;
        if report.healthy == wanted { Ok(()) } else { Err(format!("{report:?}")) }
    })
    .await
}

async fn a_running_service_is_healthy(bench: Bench<'_>) -> Verdict {
    healthy(bench, &bench.check(), true).await
}

async fn another_status_is_a_report(bench: Bench<'_>) -> Verdict {
    let mut check = bench.check();
    check.path = HttpPath::new("/no/such/page").map_err(|e| e.to_string())?;
    healthy(bench, &check, false).await
}

async fn a_refused_connection_is_a_report(bench: Bench<'_>) -> Verdict {
    healthy(bench, &bench.check(), true).await?;
    bench.stop_service().await;
    healthy(bench, &bench.check(), false).await
}

async fn a_stopped_service_is_told(bench: Bench<'_>) -> Verdict {
    settled(bench).await?;
    bench.stop_service().await;
    until("the service to be down", async || {
        let state = must("read the service", bench.runtime().service(&bench.node()).await)?;
        let down = matches!(state.active, ActiveState::Inactive | ActiveState::Failed);
        if down && state.pid.is_none() { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await
}

async fn a_full_disk_is_exhausted(bench: Bench<'_>) -> Verdict {
    let before = in_place(bench).await?;
    bench.fill_disk().await;
    let result = bench.runtime().install(&bench.node(), &bench.artifact(2)).await;
    expect(&[ErrorKind::Exhausted], result)?;
    require!(in_place(bench).await? == before, "what is in place changed");
    Ok(())
}
