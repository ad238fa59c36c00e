//! A node: a disk with a binary on it, and a service that runs one.

use canary_core::fleet::{Digest, NodeId};
use canary_core::traits::{ActiveState, RunningBinary, ServiceState};

use super::Behaviour;
use crate::clock::whole_ms;

/// Automatic restarts of a crashing service, until the service manager gives up (systemd's `StartLimitBurst`).
const BURST: u64 = 5;
/// The time between them (systemd's `RestartSec`).
const RESTART_EVERY_MS: u64 = 100;

/// One node as it truly is.
#[derive(Debug, Clone)]
pub struct NodeState {
    /// Its name.
    pub name: NodeId,
    /// What lies at the install path.
    pub installed: Option<Digest>,
    /// What lies at `<install path>.previous`.
    pub previous: Option<Digest>,
    /// What the process runs; `None` when nothing runs.
    pub running: Option<Digest>,
    /// Bytes left on its disk.
    pub disk_free: u64,
    /// Spans in which the service does not answer although nobody touched it, in milliseconds since the clock's start.
    pub ailing_ms: Vec<(u64, u64)>,
    pub(super) started_ms: u64,
    pub(super) pid: u32,
    pub(super) behaviour: Behaviour,
}

impl NodeState {
    pub(super) fn new(name: NodeId, digest: Digest, behaviour: Behaviour) -> Self {
        Self {
            name,
            installed: Some(digest),
            previous: None,
            running: Some(digest),
            disk_free: u64::MAX,
            ailing_ms: Vec::new(),
            started_ms: 0,
            pid: 100,
            behaviour,
        }
    }

    /// Starts the service on what is installed.
    pub(super) fn start(&mut self, now_ms: u64, behaviour: Behaviour) {
        self.running = self.installed;
        self.behaviour = behaviour;
        self.started_ms = now_ms;
        self.pid += 1;
    }

    /// Ends the process.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }

    /// From when on the service answers, were it not ailing; `None` when it never will.
    fn ready_ms(&self) -> Option<u64> {
        let comes_up = self.running.is_some() && self.behaviour.healthy && !self.behaviour.crashes;
        comes_up.then(|| self.started_ms + whole_ms(self.behaviour.start_up))
    }

    /// Whether the service answers 200 at that moment.
    #[must_use]
    pub fn healthy_at(&self, ms: u64) -> bool {
        self.ready_ms().is_some_and(|ready| ms >= ready)
            && !self.ailing_ms.iter().any(|(from, to)| (*from..*to).contains(&ms))
    }

    /// The first moment after `ms` at which [`Self::healthy_at`] may change by itself.
    pub(super) fn changes_after(&self, ms: u64) -> u64 {
        let ailing = self.ailing_ms.iter().flat_map(|(from, to)| [*from, *to]);
        ailing.chain(self.ready_ms()).filter(|change| *change > ms).min().unwrap_or(u64::MAX)
    }

    /// What the service manager says.
    pub(super) fn service(&self, now_ms: u64) -> ServiceState {
        let state = |active, detail: &str, pid, restarts, running| ServiceState {
            active,
            detail: detail.to_owned(),
            pid,
            restarts,
            running,
        };
        let Some(running) = self.running else {
            return state(ActiveState::Inactive, "dead", None, 0, RunningBinary::None);
        };
        if self.behaviour.crashes {
            let restarts = ((now_ms - self.started_ms) / RESTART_EVERY_MS).min(BURST);
            return if restarts == BURST {
                state(ActiveState::Failed, "start-limit-hit", None, restarts, RunningBinary::None)
            } else {
                state(ActiveState::Activating, "auto-restart", None, restarts, RunningBinary::None)
            };
        }
        let which =
            if Some(running) == self.installed { RunningBinary::InPlace } else { RunningBinary::Replaced };
        state(ActiveState::Active, "running", Some(self.pid), 0, which)
    }
}
