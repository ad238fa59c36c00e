//! One process: started here or found again, watched through its pidfd, never mistaken for another.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::proc::Identity;

/// How long the system may take to remove a process that was killed.
const KILLED: Duration = Duration::from_secs(5);

/// A process that leads a process group of its own.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) identity: Identity,
    /// Readable once it has ended (`pidfd_open(2)`).
    exit: Arc<AsyncFd<OwnedFd>>,
    /// Present when it was started here: then it stays known to the system until it is waited for, and so does its number.
    child: Option<Child>,
}

impl Process {
    /// Starts a process in a group of its own.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        let watched = watch(child.id());
        let identity = Identity::of_own_child(child.id());
        match (watched, identity) {
            (Ok(exit), Some(identity)) => Ok(Self { identity, exit, child: Some(child) }),
            (watched, _) => {
                // Nobody would look after it.
                let _ = child.kill();
                let _ = child.wait();
                Err(watched.err().unwrap_or_else(|| io::Error::other("the process cannot be seen in /proc")))
            }
        }
    }

    /// Finds a process again that an earlier program started; `None` when it does not run any more.
    pub(crate) fn adopt(identity: &Identity) -> Option<Self> {
        // First the descriptor, then the look: what is checked is what the descriptor stands for.
        let exit = watch(identity.pid).ok()?;
        identity.runs().then(|| Self { identity: identity.clone(), exit, child: None })
    }

    /// A handle that tells of the process's end.
    pub(crate) fn exit(&self) -> Exit {
        Exit(Arc::clone(&self.exit))
    }

    /// Sends a signal to the whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        // An own child keeps its number until it is waited for; another's is looked at again right before.
        let known = self.child.is_some() || self.identity.runs();
        if known && let Some(group) = i32::try_from(self.identity.pid).ok().and_then(Pid::from_raw) {
            // Failing means that all of it has ended already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Says how it ended and gives its number back; kills what is left of its group.
    pub(crate) fn reap(mut self) -> String {
        self.signal(Signal::KILL);
        let Some(child) = &mut self.child else { return "ended".to_owned() };
        child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Kills the group at once and waits until its leader is gone, without a runtime.
    pub(crate) fn destroy(mut self) {
        self.signal(Signal::KILL);
        let begun = Instant::now();
        while begun.elapsed() < KILLED {
            let gone = match &mut self.child {
                Some(child) => child.try_wait().map_or(true, |status| status.is_some()),
                None => !self.identity.runs(),
            };
            if gone {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn watch(pid: u32) -> io::Result<Arc<AsyncFd<OwnedFd>>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("not a process number"))?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    #[expect(
        deprecated,
        reason = "the successor is unsafe for types whose descriptor may change; an OwnedFd's cannot"
    )]
    let watched = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
    Ok(Arc::new(watched))
}

/// Tells of a process's end.
#[derive(Debug, Clone)]
pub(crate) struct Exit(Arc<AsyncFd<OwnedFd>>);

impl Exit {
    /// Returns when the process has ended.
    pub(crate) async fn ended(&self) {
        // An error means that the runtime goes down: nothing can be watched any more.
        if self.0.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
