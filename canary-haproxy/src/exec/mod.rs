//! The pure half of a transport that runs a script beside HAProxy, as `incus exec` into the balancer's container does.
//!
//! [`arguments`] gives the process to run, [`replies`] reads what it printed. The script needs a POSIX shell and one
//! of `socat`, Perl, Python 3 or an `nc` that knows `-U`, in this order; commands and paths reach it as positional
//! parameters only.

use std::time::Duration;

use canary_core::fleet::RemotePath;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};

use crate::Command;
use crate::error::{BACKEND, RETRY_AFTER, failed, quote};

/// The script, for `/bin/sh -c`.
pub const SCRIPT: &str = include_str!("ask.sh");

/// The script's exit status when there is no such socket.
pub const NO_SOCKET: i32 = 66;

/// The script's exit status when nothing beside HAProxy can talk to a Unix socket.
pub const NO_TOOL: i32 = 69;

/// The script's exit status when a command failed; its record is the last one.
pub const COMMAND_FAILED: i32 = 75;

/// What to say when [`NO_TOOL`] was returned.
const INSTALL: &str = "nothing beside HAProxy can talk to its Unix socket: install socat there (or perl, python3, netcat-openbsd)";

/// What a finished process left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished<'a> {
    /// Its exit status.
    pub status: i32,
    /// All it printed, whole.
    pub stdout: &'a [u8],
    /// Its complaints.
    pub stderr: &'a [u8],
}

/// The process to run: program and arguments, never to be joined into a line.
///
/// `deadline` is for one command and rounded up to whole seconds, at least one. The whole run may take that long for
/// each command, and a second.
///
/// # Errors
/// `Unsupported` when the socket's path has characters to which socat gives a meaning.
pub fn arguments(
    socket: &RemotePath,
    deadline: Duration,
    commands: &[Command],
) -> Result<Vec<String>, BackendError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+=".contains(c);
    if let Some(bad) = socket.as_str().chars().find(|c| !plain(*c)) {
        let text = format!("the socket's path has {bad:?}, which cannot be passed on: {socket}");
        return Err(BackendError::new(ErrorKind::Unsupported, BACKEND, "exec", text)
            .outcome_is(CallOutcome::NotApplied));
    }
    let seconds = deadline.as_secs().saturating_add(u64::from(deadline.subsec_nanos() > 0)).max(1);
    let fixed = ["/bin/sh", "-c", SCRIPT, "canary-haproxy", socket.as_str(), &seconds.to_string()];
    let commands = commands.iter().map(Command::as_str);
    Ok(fixed.into_iter().chain(commands).map(str::to_owned).collect())
}

/// The replies of a finished run of [`arguments`], one for each command, verbatim.
///
/// # Errors
/// As [`Transport::send`](crate::Transport::send): `Unsupported` naming what to install, `Unreachable` when there is
/// no socket or nobody listens on it, `Protocol` when the output is not the script's.
pub fn replies(commands: &[Command], finished: &Finished<'_>) -> Result<Vec<String>, BackendError> {
    let Some(first) = commands.first() else { return Ok(Vec::new()) };
    let nothing_sent = |kind, text: &str| failed(kind, first, text).outcome_is(CallOutcome::NotApplied);
    match finished.status {
        0 | COMMAND_FAILED => {}
        NO_TOOL => return Err(nothing_sent(ErrorKind::Unsupported, INSTALL)),
        NO_SOCKET => {
            let text = "there is no such socket beside HAProxy";
            return Err(nothing_sent(ErrorKind::Unreachable, text).transient(RETRY_AFTER));
        }
        127 => return Err(nothing_sent(ErrorKind::Unsupported, "there is no POSIX shell beside HAProxy")),
        other => return Err(odd(commands, &format!("the script ended with status {other}"), finished)),
    }
    let mut rest = finished.stdout;
    let mut replies = Vec::with_capacity(commands.len());
    for (index, command) in commands.iter().enumerate() {
        let Some((status, reply, after)) = record(rest) else {
            let text = format!("no complete record for \"{command}\"");
            return Err(odd(commands, &text, finished));
        };
        rest = after;
        if status != 0 {
            return Err(refused(&commands[..index], command, finished.stderr));
        }
        replies.push(String::from_utf8_lossy(reply).into_owned());
    }
    if finished.status != 0 || !rest.is_empty() {
        return Err(odd(commands, "there is more output than the commands account for", finished));
    }
    Ok(replies)
}

/// Splits `STATUS LENGTH\nBYTES\n` off; `None` when it is not whole.
fn record(output: &[u8]) -> Option<(i32, &[u8], &[u8])> {
    let end = output.iter().take(32).position(|byte| *byte == b'\n')?;
    let (status, length) = std::str::from_utf8(&output[..end]).ok()?.split_once(' ')?;
    let (status, length) = (status.parse().ok()?, length.parse::<usize>().ok()?);
    let body = &output[end + 1..];
    let (reply, rest) = body.split_at_checked(length)?;
    Some((status, reply, rest.strip_prefix(b"\n")?))
}

/// One command's client ended badly. All clients say `connect(` when, and only when, they could not connect.
fn refused(before: &[Command], command: &Command, stderr: &[u8]) -> BackendError {
    let said = String::from_utf8_lossy(stderr);
    let connected = !said.contains("connect(");
    let denied = said.contains("Permission denied");
    let kind = if denied { ErrorKind::Unauthorised } else { ErrorKind::Unreachable };
    let text = format!("no reply from the socket beside HAProxy: {}", quote(&said));
    let mut error = failed(kind, command, text);
    if !denied {
        error = error.transient(RETRY_AFTER);
    }
    if !connected {
        error = error.outcome_is(CallOutcome::NotApplied);
    }
    if before.iter().any(Command::changes) { error.outcome_is(CallOutcome::Unknown) } else { error }
}

/// The run as a whole cannot be understood: any of the commands may have been carried out.
fn odd(commands: &[Command], what: &str, finished: &Finished<'_>) -> BackendError {
    let changed = commands.iter().any(Command::changes);
    let outcome = if changed { CallOutcome::Unknown } else { CallOutcome::NotApplied };
    let said = if finished.stderr.is_empty() { finished.stdout } else { finished.stderr };
    let text = format!("{what}: {:?}", quote(&String::from_utf8_lossy(said)));
    BackendError::new(ErrorKind::Protocol, BACKEND, "exec", text).outcome_is(outcome)
}

#[cfg(test)]
mod tests;
