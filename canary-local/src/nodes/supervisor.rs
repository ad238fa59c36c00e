//! The supervisor of one node: owns its process, starts it again when it ends by itself.

use std::collections::VecDeque;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canary_core::traits::{ActiveState, RunningBinary, ServiceState};
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::config::{LocalNodesConfig, NodeConfig, RestartPolicy};
use super::layout::{Layout, Saved};
use super::proc::Identity;
use super::process::{Exit, Process};
use super::{log, proc};

/// How long a process that was killed may take to disappear.
const KILLED: Duration = Duration::from_secs(10);
/// For how long a file that another program holds open for writing is tried again (`ETXTBSY`): a fork anywhere in this
/// program inherits the descriptor of a binary that is being installed, until its own exec.
const BUSY: Duration = Duration::from_secs(2);

/// How the service stands; shared between its supervisor and those who ask.
#[derive(Debug)]
pub(crate) struct Slot {
    process: Option<Process>,
    active: ActiveState,
    detail: String,
    restarts: u64,
    /// No process may be started any more.
    closing: bool,
}

/// A shared [`Slot`].
#[derive(Debug, Clone)]
pub(crate) struct SharedSlot(Arc<Mutex<Slot>>);

impl SharedSlot {
    /// Nothing runs, or what ran before and still does.
    pub(crate) fn open(layout: &Layout) -> Self {
        let saved = layout.saved();
        let noted = saved.and_then(|saved| Some((Process::adopt(&saved.process)?, saved.restarts)));
        let found = noted.or_else(|| {
            let process = Process::adopt(&Identity::stray(&layout.dir, &layout.target)?)?;
            // Not being able to note it now is no worse than before.
            let _ = layout.save(&Saved { process: process.identity.clone(), restarts: 0 });
            Some((process, 0))
        });
        let mut slot = Slot {
            process: None,
            active: ActiveState::Inactive,
            detail: "dead".to_owned(),
            restarts: 0,
            closing: false,
        };
        if let Some((process, restarts)) = found {
            slot = Slot { process: Some(process), restarts, ..slot };
            slot.say(ActiveState::Active, "running");
        }
        Self(Arc::new(Mutex::new(slot)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Slot> {
        // Every change is whole, so a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The state as a service manager would tell it.
    pub(crate) fn state(&self, layout: &Layout) -> ServiceState {
        let pid = self.process.as_ref().map(|process| process.identity.pid);
        ServiceState {
            active: self.active,
            detail: self.detail.clone(),
            pid,
            restarts: self.restarts,
            running: pid.map_or(RunningBinary::None, |pid| proc::running(pid, &layout.target)),
        }
    }

    /// Lets nothing be started any more, and gives the process away.
    pub(crate) fn close(&mut self) -> Option<Process> {
        self.closing = true;
        self.say(ActiveState::Inactive, "dead");
        self.process.take()
    }

    fn say(&mut self, active: ActiveState, detail: impl Into<String>) {
        self.active = active;
        self.detail = detail.into();
    }
}

/// What a supervisor is asked for; answered when it is done.
#[derive(Debug)]
pub(crate) enum Order {
    /// End the process, if there is one, and start it.
    Restart(oneshot::Sender<Result<ServiceState, io::Error>>),
    /// Start it unless it runs.
    Start(oneshot::Sender<Result<ServiceState, io::Error>>),
    /// End the process and leave it so.
    Stop(oneshot::Sender<()>),
}

/// Looks after one node's process until nobody can give orders any more.
pub(crate) struct Supervisor {
    pub(crate) slot: SharedSlot,
    pub(crate) layout: Layout,
    pub(crate) node: NodeConfig,
    pub(crate) config: Arc<LocalNodesConfig>,
    /// When to start again, after an end that nobody asked for.
    due: Option<Instant>,
    /// The latest starts, for the limit.
    starts: VecDeque<Instant>,
}

impl Supervisor {
    pub(crate) const fn new(
        slot: SharedSlot,
        layout: Layout,
        node: NodeConfig,
        config: Arc<LocalNodesConfig>,
    ) -> Self {
        Self { slot, layout, node, config, due: None, starts: VecDeque::new() }
    }

    /// Carries orders out and starts the process again when it ends.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let exit = self.exit();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                () = ended(exit) => self.ended(),
                () = until(self.due) => self.start_again().await,
            }
        }
    }

    fn exit(&self) -> Option<Exit> {
        self.slot.lock().process.as_ref().map(Process::exit)
    }

    async fn obey(&mut self, order: Order) {
        // Whoever asked may have stopped waiting; the order is carried out all the same.
        match order {
            Order::Restart(done) => {
                self.stop().await;
                let _ = done.send(self.start_by_hand().await);
            }
            Order::Start(done) => {
                let runs = self.slot.lock().process.is_some();
                let result = if runs { Ok(self.state()) } else { self.start_by_hand().await };
                let _ = done.send(result);
            }
            Order::Stop(done) => {
                self.stop().await;
                let _ = done.send(());
            }
        }
    }

    fn state(&self) -> ServiceState {
        self.slot.lock().state(&self.layout)
    }

    async fn start_by_hand(&mut self) -> Result<ServiceState, io::Error> {
        self.starts.clear();
        self.slot.lock().restarts = 0;
        let started = self.start().await;
        if let Err(error) = &started {
            self.slot.lock().say(ActiveState::Failed, format!("cannot be started: {error}"));
        }
        started.map(|()| self.state())
    }

    /// Ends the process: SIGTERM to its group, time to end, SIGKILL.
    async fn stop(&mut self) {
        self.due = None;
        let Some(exit) = self.exit() else {
            self.slot.lock().say(ActiveState::Inactive, "dead");
            return;
        };
        self.signal(Signal::TERM, "stop-sigterm");
        if tokio::time::timeout(self.config.stop_timeout, exit.ended()).await.is_err() {
            self.signal(Signal::KILL, "stop-sigkill");
            // A process that cannot even be killed is in the system's hands; waiting longer helps nobody.
            let _ = tokio::time::timeout(KILLED, exit.ended()).await;
        }
        let mut slot = self.slot.lock();
        if let Some(process) = slot.process.take() {
            process.reap();
        }
        slot.say(ActiveState::Inactive, "dead");
        self.layout.forget();
    }

    fn signal(&self, signal: Signal, detail: &str) {
        let mut slot = self.slot.lock();
        slot.say(ActiveState::Deactivating, detail);
        if let Some(process) = &slot.process {
            process.signal(signal);
        }
    }

    /// The process ended and nobody asked for it.
    fn ended(&mut self) {
        let mut slot = self.slot.lock();
        let Some(process) = slot.process.take() else { return };
        let how = process.reap();
        self.layout.forget();
        slot.say(ActiveState::Activating, format!("auto-restart, {how}"));
        self.due = Some(Instant::now() + self.config.restart.delay);
    }

    async fn start_again(&mut self) {
        self.due = None;
        if too_often(&mut self.starts, Instant::now(), &self.config.restart) {
            let mut slot = self.slot.lock();
            let how = slot.detail.trim_start_matches("auto-restart, ").to_owned();
            slot.say(ActiveState::Failed, format!("start-limit-hit, {how}"));
            return;
        }
        self.slot.lock().restarts += 1;
        if let Err(error) = self.start().await {
            self.slot
                .lock()
                .say(ActiveState::Activating, format!("auto-restart, cannot be started: {error}"));
            self.due = Some(Instant::now() + self.config.restart.delay);
        }
    }

    async fn start(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match self.start_once() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && begun.elapsed() < BUSY => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                result => {
                    self.starts.push_back(Instant::now());
                    return result;
                }
            }
        }
    }

    fn start_once(&self) -> io::Result<()> {
        let log = log::open(&self.layout.log)?;
        let mut command = Command::new(&self.layout.target);
        command
            .args(self.config.args_of(&self.node))
            .env_clear()
            .envs(self.config.env_of(&self.node))
            .current_dir(&self.layout.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // Held over the start: whoever closes the slot finds either no process yet, and none will come, or this one.
        let mut slot = self.slot.lock();
        if slot.closing {
            return Err(io::Error::other("the runtime is shut down"));
        }
        let process = Process::spawn(&mut command)?;
        let saved = Saved { process: process.identity.clone(), restarts: slot.restarts };
        if let Err(error) = self.layout.save(&saved) {
            // A process that a later runtime could not find again must not go on.
            process.reap();
            return Err(error);
        }
        slot.process = Some(process);
        slot.say(ActiveState::Active, "running");
        Ok(())
    }
}

async fn ended(exit: Option<Exit>) {
    match exit {
        Some(exit) => exit.ended().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Whether the limit of starts is reached; forgets those that are long ago.
fn too_often(starts: &mut VecDeque<Instant>, now: Instant, policy: &RestartPolicy) -> bool {
    while starts.front().is_some_and(|start| now.saturating_duration_since(*start) > policy.interval) {
        starts.pop_front();
    }
    starts.len() >= policy.burst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_starts_within_the_interval_count() {
        let policy =
            RestartPolicy { burst: 3, interval: Duration::from_secs(10), ..RestartPolicy::default() };
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let mut starts = VecDeque::from([at(0), at(5), at(9)]);
        assert!(too_often(&mut starts, at(10), &policy));
        assert!(!too_often(&mut starts, at(11), &policy));
        assert_eq!(starts, [at(5), at(9)]);
    }
}
