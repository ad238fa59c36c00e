//! Commands in instances, whose result is known even after the daemon has forgotten the operation.
//!
//! A finished operation can be asked for during five seconds only, and a restarted daemon knows none of the operations
//! before. The recorded output stays, under a name made of the operation's id (cmd/incusd/instance_exec.go). So every
//! command runs under a constant wrapper that writes, as the output's last line, a random run id and how the command
//! ended: the output alone then tells the result.

use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{BackendError, ErrorKind, Retry};
use tokio::time::{Instant, sleep};

use crate::api::{ExecRequest, OperationId, Progress};
use crate::client::{IncusClient, Stream};
use crate::error::{quote, refused, unchanged, unknown};
use crate::scripts::{self, Script};

/// How long one request waits for an operation at most; proxies cut longer ones.
const SLICE: Duration = Duration::from_secs(25);

/// What a command may take beyond its deadline to be ended, recorded and reported.
const GRACE: Duration = Duration::from_secs(5);

/// Between two looks at something that cannot be waited for.
const PAUSE: Duration = Duration::from_millis(100);

/// When a command's recorded output is removed: not while the next commands are likely to be under way.
const FORGET_AFTER: Duration = Duration::from_secs(2);

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit status; 127 when it was not found, 128 and the signal when it was killed.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl ExecOutput {
    /// Standard output as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl IncusClient {
    /// Runs a command in an instance as root, in `/`, with the C locale and no input, and returns what it left.
    ///
    /// `command` is an argument vector; no shell interprets it. The instance needs `sh` and `timeout`. The command is
    /// ended there (TERM, two seconds later KILL) when `limit`, rounded up to seconds, has passed. Its recorded output
    /// is removed in the background; where that fails, or the program ends first, Incus' own expiry of logs does it.
    ///
    /// # Errors
    /// `NotFound`, not applied, when the instance does not exist or does not run; `TimedOut`, unknown, when the command
    /// did not end in time; unknown too when it cannot be learnt how it ended. Any exit status is a success.
    pub async fn exec(
        &self,
        node: &NodeId,
        operation: &str,
        command: &[&str],
        limit: Duration,
    ) -> Result<ExecOutput, BackendError> {
        let run = run_id(operation)?;
        let seconds = whole_seconds(limit).to_string();
        let mut argv = vec!["sh", "-c", scripts::RUN.0, "canary", &run, &seconds];
        argv.extend_from_slice(command);
        let began = Instant::now();
        let id = self.start(node, operation, &ExecRequest::recorded(argv)).await?;
        let result = self.finish(node, operation, &id, &run, began + limit + GRACE).await;
        self.forget_later(node, operation, id);
        let output = result?;
        if matches!(output.code, 124 | 137) && began.elapsed() >= limit {
            let text = format!("not done within {seconds} s and ended in the instance");
            return Err(unknown(ErrorKind::TimedOut, operation, text).with("node", node));
        }
        Ok(output)
    }

    /// Removes the recorded output while the caller goes on: each removal costs the daemon some 8 ms. A leftover of some
    /// bytes is not worth failing a command for that is done.
    fn forget_later(&self, node: &NodeId, operation: &str, id: OperationId) {
        let (client, node, operation) = (self.clone(), node.clone(), operation.to_owned());
        tokio::spawn(async move {
            sleep(FORGET_AFTER).await;
            let _ = tokio::join!(
                client.forget(&node, &operation, &id, Stream::Stdout),
                client.forget(&node, &operation, &id, Stream::Stderr)
            );
        });
    }

    /// Runs one of the constant scripts.
    pub(crate) async fn script(
        &self,
        node: &NodeId,
        operation: &str,
        script: Script,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<ExecOutput, BackendError> {
        let mut command = vec!["sh", "-c", script.0, "canary"];
        command.extend_from_slice(arguments);
        self.exec(node, operation, &command, limit).await
    }

    /// Waits for an operation and reads its result.
    async fn finish(
        &self,
        node: &NodeId,
        operation: &str,
        id: &OperationId,
        run: &str,
        deadline: Instant,
    ) -> Result<ExecOutput, BackendError> {
        let forgotten = self.wait(node, operation, id, deadline).await?;
        loop {
            let (stdout, stderr) = tokio::join!(
                self.recorded(node, operation, id, Stream::Stdout),
                self.recorded(node, operation, id, Stream::Stderr)
            );
            if let Some((stdout, code)) = stdout.as_ref().ok().and_then(|all| ending(all, run)) {
                return Ok(ExecOutput { code, stdout: stdout.to_vec(), stderr: stderr? });
            }
            // After a restart of the daemon the command may still be at it.
            let again = forgotten || stdout.as_ref().is_err_and(is_transient);
            if !again || Instant::now() >= deadline {
                stdout?;
                let text = "the recorded output does not tell how the command ended";
                return Err(unknown(ErrorKind::Protocol, operation, text).with("node", node));
            }
            sleep(PAUSE).await;
        }
    }

    /// Returns when the operation has succeeded (`false`) or is not known to the daemon (`true`).
    async fn wait(
        &self,
        node: &NodeId,
        operation: &str,
        id: &OperationId,
        deadline: Instant,
    ) -> Result<bool, BackendError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = "the command neither ended nor was ended in time";
                return Err(unknown(ErrorKind::TimedOut, operation, text).with("node", node));
            }
            match self.wait_once(operation, id, left.min(SLICE)).await {
                Ok(Ok(state)) => match state.progress() {
                    Progress::Running => {}
                    Progress::Done => return Ok(false),
                    Progress::Failed(words) => return Err(failed(node, operation, &words)),
                },
                Ok(Err(fault)) if fault.code == 404 => return Ok(true),
                // An operation that failed is answered with its error (doc/rest-api.yaml, operation_wait_get).
                Ok(Err(fault)) if fault.code == 400 => return Err(failed(node, operation, &fault.message)),
                Ok(Err(fault)) if fault.code < 500 => {
                    return Err(refused(&fault, operation, Some(node), self.project()));
                }
                Ok(Err(_)) => sleep(PAUSE).await,
                // Waiting changes nothing, so a daemon that went away is asked again until the deadline.
                Err(error) if is_transient(&error) => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// A command that the daemon could not run.
fn failed(node: &NodeId, operation: &str, words: &str) -> BackendError {
    let error = unknown(ErrorKind::Other, operation, quote(words)).with("node", node);
    if words == "Command not found" || words == "Command not executable" {
        let text = "there is no POSIX shell in the instance";
        return unknown(ErrorKind::Unsupported, operation, text)
            .outcome_is(canary_core::traits::CallOutcome::NotApplied)
            .with("node", node);
    }
    error
}

fn is_transient(error: &BackendError) -> bool {
    matches!(error.retry(), Retry::Transient { .. })
}

/// A random run id, so that nothing a command prints can be taken for the wrapper's last line.
pub(crate) fn run_id(operation: &str) -> Result<String, BackendError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        unchanged(ErrorKind::Exhausted, operation, "no random numbers").caused_by(error.to_string())
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Seconds, rounded up, at least one.
pub(crate) fn whole_seconds(limit: Duration) -> u64 {
    (limit.as_secs() + u64::from(limit.subsec_nanos() > 0)).max(1)
}

/// Splits the wrapper's last line off: what the command printed, and its exit status. Pure.
fn ending<'a>(recorded: &'a [u8], run: &str) -> Option<(&'a [u8], i32)> {
    let recorded = recorded.strip_suffix(b"\n")?;
    let at = recorded.iter().rposition(|byte| *byte == b'\n')?;
    let last = std::str::from_utf8(&recorded[at + 1..]).ok()?;
    let code = last.strip_prefix(run)?.strip_prefix(' ')?.parse().ok()?;
    Some((&recorded[..at], code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_the_end() {
        type Ending = Option<(&'static [u8], i32)>;
        let cases: [(&[u8], Ending); 9] = [
            (b"\nabc 0\n", Some((b"", 0))),
            (b"hi\n\nabc 3\n", Some((b"hi\n", 3))),
            (b"no line feed\nabc 124\n", Some((b"no line feed", 124))),
            (b"\nabc 0\n\nabc 7\n", Some((b"\nabc 0\n", 7))),
            (b"\xff\x00\nabc 0\n", Some((b"\xff\x00", 0))),
            (b"", None),
            (b"hi\n\nabc 3", None),
            (b"hi\n\nabd 3\n", None),
            (b"abc 3\n", None),
        ];
        for (recorded, expected) in cases {
            assert_eq!(ending(recorded, "abc"), expected, "{:?}", String::from_utf8_lossy(recorded));
        }
    }

    #[test]
    fn deadlines_are_rounded_up() {
        let seconds = |ms| whole_seconds(Duration::from_millis(ms));
        assert_eq!([seconds(0), seconds(1), seconds(1000), seconds(1001)], [1, 1, 1, 2]);
    }

    #[test]
    fn run_ids_differ() {
        let (a, b) = (run_id("x").unwrap(), run_id("x").unwrap());
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
    }
}
