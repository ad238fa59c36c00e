//! HAProxy's Runtime API through a command in the balancer's container, as the runbook does it by hand.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{NodeId, RemotePath};
use canary_core::traits::{BackendError, CallOutcome};
use canary_haproxy::{Command, Transport, exec};

use crate::client::IncusClient;

/// Carries commands to the socket of the HAProxy that runs in an instance.
///
/// One round trip of the Incus API carries any number of commands. Nothing but a shell and one of the programs that
/// [`canary_haproxy::exec`] names is needed in the instance, and nothing on this side.
#[derive(Debug, Clone)]
pub struct IncusExecTransport {
    client: IncusClient,
    instance: NodeId,
    socket: RemotePath,
    deadline: Duration,
}

impl IncusExecTransport {
    /// A transport to the socket at `socket` in `instance`; `deadline` is for one command, rounded up to seconds.
    #[must_use]
    pub const fn new(client: IncusClient, instance: NodeId, socket: RemotePath, deadline: Duration) -> Self {
        Self { client, instance, socket, deadline }
    }
}

impl fmt::Display for IncusExecTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in instance {} ({})", self.socket, self.instance, self.client)
    }
}

#[async_trait]
impl Transport for IncusExecTransport {
    async fn send(&self, commands: &[Command]) -> Result<Vec<String>, BackendError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let arguments = exec::arguments(&self.socket, self.deadline, commands)?;
        let argv: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        let seconds = Duration::from_secs(crate::exec::whole_seconds(self.deadline));
        let limit = seconds.saturating_mul(count).saturating_add(Duration::from_secs(1));
        let output = match self.client.exec(&self.instance, "ask HAProxy", &argv, limit).await {
            Ok(output) => output,
            // A command that only reads has changed nothing, whatever became of it.
            Err(error) if !commands.iter().any(Command::changes) => {
                return Err(error.outcome_is(CallOutcome::NotApplied));
            }
            Err(error) => return Err(error),
        };
        let finished = exec::Finished { status: output.code, stdout: &output.stdout, stderr: &output.stderr };
        exec::replies(commands, &finished)
    }
}
