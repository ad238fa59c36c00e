use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use canary_core::fleet::Artifact;
use canary_core::plan::Action;
use canary_lab_e2e::{Cli, Journal, Lab};
use tokio::process::Command;

/// Who rolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The program.
    Canary,
    /// `lab/bench/runbook.sh`.
    Script,
    /// `lab/bench/play.yml`.
    Ansible,
}

/// One roll of all nodes.
#[derive(Debug)]
pub(crate) struct Roll {
    /// From the start of the program to its end.
    pub(crate) took: Duration,
    /// What the journal says of each node; empty for those that keep none.
    pub(crate) nodes: Vec<NodeTimes>,
    /// Requests sent meanwhile.
    pub(crate) sent: u64,
    /// How many of them failed.
    pub(crate) failed: u64,
}

/// One node's roll by the journal's times.
#[derive(Debug)]
pub(crate) struct NodeTimes {
    /// From the start of its first step to the end of its last.
    pub(crate) total: Duration,
    /// Each step by itself.
    pub(crate) steps: BTreeMap<Action, Duration>,
}

impl NodeTimes {
    /// What nobody can do without: the drain, the restart and the health check themselves.
    pub(crate) fn inherent(&self) -> Duration {
        [Action::Drain, Action::Restart, Action::CheckHealth]
            .iter()
            .filter_map(|action| self.steps.get(action))
            .sum()
    }

    /// All the rest.
    pub(crate) fn overhead(&self) -> Duration {
        self.total.saturating_sub(self.inherent())
    }
}

impl Contender {
    pub(crate) const fn all() -> [Self; 3] {
        [Self::Canary, Self::Script, Self::Ansible]
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary-cli run",
            Self::Script => "shell script",
            Self::Ansible => "Ansible play",
        }
    }

    /// Why it cannot take part, if so.
    pub(crate) fn missing(self) -> Option<&'static str> {
        if self != Self::Ansible {
            return None;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there =
            std::env::split_paths(&path).any(|directory| directory.join("ansible-playbook").is_file());
        (!there).then_some("not installed (no ansible-playbook in PATH)")
    }

    /// Rolls every node of the lab, the last one first as the runbook does.
    pub(crate) async fn roll(self, lab: &Lab, release: &Artifact, state: &Path) -> anyhow::Result<Roll> {
        let order: Vec<_> = lab.nodes().iter().rev().cloned().collect();
        match self {
            Self::Canary => canary(lab, release, state, &order).await,
            Self::Script => command(lab, Command::new(bench_file(lab, "runbook.sh")?), release, &order).await,
            Self::Ansible => {
                let play = play(bench_file(lab, "play.yml")?, state, &order)?;
                command(lab, play, release, &order).await
            }
        }
    }
}

/// The play over `incus exec`: its connection plugin calls `lxc`, whose command line `incus` understands.
fn play(file: PathBuf, state: &Path, order: &[String]) -> anyhow::Result<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let incus =
        std::env::split_paths(&path).map(|directory| directory.join("incus")).find(|path| path.is_file());
    std::fs::create_dir_all(state)?;
    let lxc = state.join("lxc");
    if !lxc.is_symlink() {
        std::os::unix::fs::symlink(incus.context("no incus in PATH")?, lxc)?;
    }
    let path = std::env::join_paths(std::iter::once(state.to_owned()).chain(std::env::split_paths(&path)))?;
    let mut play = Command::new("ansible-playbook");
    play.arg("-i").arg(order.iter().map(|node| format!("{node},")).collect::<String>()).arg(file);
    play.env("PATH", path).env("ANSIBLE_LOCALHOST_WARNING", "false").env("HOME", state);
    Ok(play)
}

fn bench_file(lab: &Lab, name: &str) -> anyhow::Result<PathBuf> {
    let directory = Path::new(lab.variable("CANARY_LAB_SCRIPT")).parent().context("the lab's directory")?;
    Ok(directory.join("bench").join(name))
}

async fn canary(lab: &Lab, release: &Artifact, state: &Path, order: &[String]) -> anyhow::Result<Roll> {
    let mut cli = Cli::new(state.parent().context("a directory")?)?
        .path("CANARY_STATE_DIR", state)
        .path("ARTIFACT", &release.path)
        .set("CANARY_NODE", &order[0])
        .set("PEER_NODES", order[1..].join(" "))
        .set("SLI_WINDOW", 0);
    for name in ["LB_URL", "PROM_URL", "INCUS_SOCKET", "HAPROXY_INSTANCE", "HAPROXY_SOCKET"] {
        cli = cli.set(name, lab.variable(name));
    }
    let started = Instant::now();
    cli.run("run").await?.expect(0)?;
    let took = started.elapsed();
    let times = Journal::read(state)?.times();
    let nodes = order.iter().map(|node| {
        let own: Vec<_> = times
            .iter()
            .filter(|time| time.step.node.as_ref().is_some_and(|name| name.as_str() == node))
            .collect();
        let (from, to) = (own.iter().map(|time| time.from).min(), own.iter().map(|time| time.to).max());
        let (from, to) = from.zip(to).with_context(|| format!("the journal has no steps of {node}"))?;
        let steps = own.iter().map(|time| (time.step.action, time.took())).collect();
        Ok(NodeTimes { total: Duration::from_millis(to - from), steps })
    });
    Ok(Roll { took, nodes: nodes.collect::<anyhow::Result<_>>()?, sent: 0, failed: 0 })
}

async fn command(
    lab: &Lab,
    mut command: Command,
    release: &Artifact,
    order: &[String],
) -> anyhow::Result<Roll> {
    let settings = Path::new(lab.variable("CANARY_LAB_DIR")).join("incus-client");
    command
        .env("ARTIFACT", &release.path)
        .env("NODES", order.join(" "))
        .env("LB_URL", lab.variable("LB_URL"))
        .env("INCUS_CONF", settings)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let started = Instant::now();
    let done = tokio::time::timeout(Duration::from_secs(300), command.output()).await??;
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{:?}: {}\n{said}", command.as_std().get_program(), done.status);
    Ok(Roll { took, nodes: Vec::new(), sent: 0, failed: 0 })
}
