use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use canary_core::fleet::Artifact;
use canary_demo::load::{Failure, Load, LoadOptions, Summary};
use canary_demo::service::Fault;
use tempfile::TempDir;

use crate::cli::Cli;
use crate::journal::Journal;
use crate::lab::Lab;
use crate::release::Releases;

/// The clients of every trial: 300 requests a second over 16 connections, some of them taking a little.
#[must_use]
pub fn clients() -> LoadOptions {
    let paths = ["/", "/work?ms=5", "/", "/work?ms=20", "/", "/", "/work?ms=60", "/"];
    LoadOptions {
        connections: 16,
        rate_per_second: Some(300),
        paths: paths.map(str::to_owned).to_vec(),
        ..LoadOptions::default()
    }
}

/// One scenario: the lab as new, a directory of its own, and clients from the first step to the last.
#[derive(Debug)]
pub struct Trial {
    name: &'static str,
    /// The lab.
    pub lab: Lab,
    load: Load,
    releases: Releases,
    directory: TempDir,
}

impl Trial {
    /// Resets the lab and starts [`clients`]; `None`, said aloud, where there is no lab.
    ///
    /// # Errors
    /// The lab could not be reset, or is missing although `CI` is set.
    pub async fn begin(name: &'static str) -> anyhow::Result<Option<Self>> {
        Self::begin_with(name, clients()).await
    }

    /// As [`Trial::begin`], with other clients.
    ///
    /// # Errors
    /// As [`Trial::begin`].
    pub async fn begin_with(name: &'static str, clients: LoadOptions) -> anyhow::Result<Option<Self>> {
        let Some(lab) = Lab::acquire().await? else {
            say(&format!("skipped: {name}: no lab (see lab/README.md)"));
            return Ok(None);
        };
        lab.reset().await?;
        let directory = TempDir::new()?;
        let releases = Releases::new(lab.first_binary(), directory.path());
        let load = Load::start(lab.variable("CANARY_LAB_URL"), clients).await?;
        let trial = Self { name, lab, load, releases, directory };
        // Both nodes have answered, so that the metrics have something to say.
        trial.answered(Duration::from_secs(10), |summary, node| summary.answers_of_node(node) >= 20).await?;
        Ok(Some(trial))
    }

    async fn answered(
        &self,
        deadline: Duration,
        mut enough: impl FnMut(&Summary, &str) -> bool,
    ) -> anyhow::Result<()> {
        let nodes = self.lab.nodes();
        self.load.wait_for(|summary| nodes.iter().all(|node| enough(summary, node)), deadline).await?;
        Ok(())
    }

    /// The load, to look at under way.
    #[must_use]
    pub const fn load(&self) -> &Load {
        &self.load
    }

    /// A directory that is removed with the trial.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the program keeps its journal.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Makes a release.
    ///
    /// # Errors
    /// It could not be written.
    pub fn release(&self, version: &str, faults: &[Fault]) -> anyhow::Result<Artifact> {
        self.releases.make(version, faults)
    }

    /// The program with the runbook's variables for this lab: no watch unless [`Cli::set`] says so, health within 10 s.
    ///
    /// # Errors
    /// It is not built.
    pub fn cli(&self) -> anyhow::Result<Cli> {
        let mut cli = Cli::new(self.directory())?
            .path("CANARY_STATE_DIR", &self.state())
            .set("SLI_WINDOW", 0)
            .set("SLI_PROBE_INTERVAL", 1)
            .set("CANARY_RATE_WINDOW", "5s")
            .set("HEALTH_TIMEOUT", 10)
            .set("USER", "on-call");
        for name in ["LB_URL", "PROM_URL", "INCUS_SOCKET", "HAPROXY_INSTANCE", "HAPROXY_SOCKET"] {
            cli = cli.set(name, self.lab.variable(name));
        }
        Ok(cli)
    }

    /// The program with a release to ship.
    ///
    /// # Errors
    /// As [`Trial::cli`].
    pub fn ship(&self, release: &Artifact) -> anyhow::Result<Cli> {
        Ok(self.cli()?.path("ARTIFACT", &release.path))
    }

    /// Reads the trial's journal.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn journal(&self) -> anyhow::Result<Journal> {
        Journal::read(&self.state())
    }

    /// Checks that a node has a release installed and answers with it.
    ///
    /// # Errors
    /// It has another.
    pub async fn expect_on(&self, node: &str, release: &Path) -> anyhow::Result<()> {
        let wanted = Artifact::read(release)?.facts.sha256;
        let found = self.lab.installed(node).await?;
        ensure!(found == wanted, "{node} has {found} installed, expected {} ({wanted})", release.display());
        Ok(())
    }

    /// Checks that every node has a release installed, runs it, and is in rotation.
    ///
    /// # Errors
    /// One has another, or is out.
    pub async fn expect_everywhere(&self, release: &Path) -> anyhow::Result<()> {
        for node in self.lab.nodes() {
            self.expect_on(node, release).await?;
            let server = self.lab.server(node).await?;
            ensure!(server.serving(), "{node} is not serving: {server:?}");
            // A busy daemon has been seen to lose what a command printed.
            let mut exe = String::new();
            for _ in 0..3 {
                let script = "readlink /proc/$(systemctl show -P MainPID veza-backend-api)/exe";
                exe = self.lab.exec(node, script).await?;
                if !exe.is_empty() {
                    break;
                }
            }
            ensure!(exe.trim() == "/opt/veza/backend-api/veza-api", "{node} runs {exe:?}");
        }
        Ok(())
    }

    /// Ends the load and checks that no request failed.
    ///
    /// # Errors
    /// One did.
    pub async fn nothing_lost(self) -> anyhow::Result<Summary> {
        self.lost_only("nothing", |_| false).await
    }

    /// Ends the load and checks that only the bad release itself answered badly; says how often.
    ///
    /// # Errors
    /// A request failed in any other way.
    pub async fn lost_only_to(self, release: &str) -> anyhow::Result<Summary> {
        let what = format!("what release {release} itself answered");
        self.lost_only(&what, |failure| failure.version.as_deref() == Some(release)).await
    }

    /// Ends the load and checks that requests failed only between two moments; says how many.
    ///
    /// # Errors
    /// A request failed at another time.
    pub async fn lost_only_between(self, what: &str, from: Instant, to: Instant) -> anyhow::Result<Summary> {
        self.lost_only_within(what, &[(from, to)]).await
    }

    /// Ends the load and checks that requests failed only within spans of time; says how many.
    ///
    /// # Errors
    /// A request failed at another time.
    pub async fn lost_only_within(self, what: &str, spans: &[(Instant, Instant)]) -> anyhow::Result<Summary> {
        let started = self.load.started();
        let within =
            |failure: &Failure| spans.iter().any(|(from, to)| failure.is_between(started, *from, *to));
        self.lost_only(what, within).await
    }

    async fn lost_only(self, what: &str, allowed: impl Fn(&Failure) -> bool) -> anyhow::Result<Summary> {
        let summary = self.load.stop().await;
        let kept = summary.failed.len() as u64;
        ensure!(kept == summary.failed_total, "{}: too many failures to look at each:\n{summary}", self.name);
        let lost: Vec<_> = summary.failed.iter().filter(|failure| !allowed(failure)).collect();
        if !lost.is_empty() {
            let first: Vec<_> = lost.iter().take(10).map(|failure| format!("{failure:?}")).collect();
            bail!("{}: {} requests failed:\n{}\n{summary}", self.name, lost.len(), first.join("\n"));
        }
        ensure!(summary.ok > 0, "{}: no request was answered", self.name);
        let bad = if summary.failed_total == 0 { String::new() } else { format!(" ({what})") };
        say(&format!(
            "{}: {} requests, {} failed{bad}, {} sent again after an idle close, in {:.1} s",
            self.name,
            summary.sent,
            summary.failed_total,
            summary.retried_idle_close,
            summary.elapsed.as_secs_f64()
        ));
        Ok(summary)
    }

    /// The node that gets a release first, by the runbook's default.
    pub const CANARY: &'static str = "backend-api-2";

    /// The other one.
    pub const PEER: &'static str = "backend-api-1";
}

impl Trial {
    /// Waits until the clients were answered by a release.
    ///
    /// # Errors
    /// They were not within 20 s.
    pub async fn answered_by(&self, version: &str) -> anyhow::Result<()> {
        let seen = |summary: &Summary| summary.answers_of_version(version) > 0;
        self.load.wait_for(seen, Duration::from_secs(20)).await.context("waiting for its answers")?;
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "what the clients saw is a result of the test")]
fn say(line: &str) {
    println!("{line}");
}
