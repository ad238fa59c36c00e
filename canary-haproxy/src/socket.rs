//! Transports over sockets that this host can open itself.

use std::fmt;
use std::io::{self, ErrorKind as Io};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::error::{RETRY_AFTER, failed};
use crate::{Command, Transport};

/// How long one command may take, connection and reply together, unless said otherwise.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The longest reply that is read, unless said otherwise: 8 MiB, some ten thousand servers.
pub const MAX_REPLY: usize = 8 * 1024 * 1024;

/// What a socket transport allows a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    deadline: Duration,
    max_reply: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: DEADLINE, max_reply: MAX_REPLY }
    }
}

/// Reaches HAProxy over the Unix socket of a `stats socket` line.
#[derive(Debug, Clone)]
pub struct UnixTransport {
    path: PathBuf,
    limits: Limits,
}

impl UnixTransport {
    /// A transport to that socket; nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), limits: Limits::default() }
    }

    /// Sets how long one command may take.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// Sets the longest reply that is read, in bytes.
    #[must_use]
    pub const fn max_reply(mut self, bytes: usize) -> Self {
        self.limits.max_reply = bytes;
        self
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix socket {}", self.path.display())
    }
}

#[async_trait]
impl Transport for UnixTransport {
    async fn send(&self, commands: &[Command]) -> Result<Vec<String>, BackendError> {
        send_each(commands, self.limits, &self.path.display(), || UnixStream::connect(&self.path)).await
    }
}

/// Reaches HAProxy over TCP (`stats socket ipv4@10.0.0.1:9999 level admin`).
///
/// The Runtime API over TCP is neither encrypted nor authenticated: whoever reaches the port controls the balancer.
#[derive(Debug, Clone)]
pub struct TcpTransport {
    address: String,
    limits: Limits,
}

impl TcpTransport {
    /// A transport to `host:port`; nothing is resolved or opened yet.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), limits: Limits::default() }
    }

    /// Sets how long one command may take.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// Sets the longest reply that is read, in bytes.
    #[must_use]
    pub const fn max_reply(mut self, bytes: usize) -> Self {
        self.limits.max_reply = bytes;
        self
    }

    /// The address, `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp socket {}", self.address)
    }
}

#[async_trait]
impl Transport for TcpTransport {
    async fn send(&self, commands: &[Command]) -> Result<Vec<String>, BackendError> {
        send_each(commands, self.limits, &self.address, || TcpStream::connect(&self.address)).await
    }
}

/// Sends every command on a connection of its own, within a deadline of its own.
async fn send_each<S, F>(
    commands: &[Command],
    limits: Limits,
    socket: &(dyn fmt::Display + Send + Sync),
    connect: impl Fn() -> F + Send + Sync,
) -> Result<Vec<String>, BackendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    F: Future<Output = io::Result<S>> + Send,
{
    let mut replies = Vec::with_capacity(commands.len());
    let mut changed = false;
    for command in commands {
        let reply = send_one(command, limits, &connect).await.map_err(|error| {
            let error = error.with("socket", socket);
            if changed { error.outcome_is(CallOutcome::Unknown) } else { error }
        })?;
        changed |= command.changes();
        replies.push(reply);
    }
    Ok(replies)
}

async fn send_one<S, F>(
    command: &Command,
    limits: Limits,
    connect: &(impl Fn() -> F + Send + Sync),
) -> Result<String, BackendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    F: Future<Output = io::Result<S>> + Send,
{
    let started = tokio::time::Instant::now();
    let mut stream = match timeout(limits.deadline, connect()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(not_connected(command, error)),
        Err(_) => {
            let text = format!("no connection within {:?}", limits.deadline);
            return Err(failed(ErrorKind::TimedOut, command, text)
                .outcome_is(CallOutcome::NotApplied)
                .transient(RETRY_AFTER));
        }
    };
    let left = limits.deadline.saturating_sub(started.elapsed());
    match timeout(left, exchange(&mut stream, command, limits.max_reply)).await {
        Ok(reply) => reply,
        Err(_) => {
            let text = format!("no complete reply within {:?}", limits.deadline);
            Err(failed(ErrorKind::TimedOut, command, text).transient(RETRY_AFTER))
        }
    }
}

/// Writes the command and reads to the end of the connection: HAProxy closes after the reply.
async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    command: &Command,
    max_reply: usize,
) -> Result<String, BackendError> {
    let cut = |error: io::Error| {
        failed(ErrorKind::Unreachable, command, "the connection broke")
            .caused_by(error)
            .transient(RETRY_AFTER)
    };
    stream.write_all(format!("{command}\n").as_bytes()).await.map_err(cut)?;
    let mut reply = Vec::new();
    let limit = u64::try_from(max_reply).unwrap_or(u64::MAX).saturating_add(1);
    stream.take(limit).read_to_end(&mut reply).await.map_err(cut)?;
    if reply.len() > max_reply {
        let text = format!("the reply is longer than {max_reply} bytes");
        return Err(failed(ErrorKind::Protocol, command, text));
    }
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

fn not_connected(command: &Command, error: io::Error) -> BackendError {
    let failure = match error.kind() {
        Io::PermissionDenied => failed(ErrorKind::Unauthorised, command, "the socket may not be opened"),
        Io::NotFound => {
            failed(ErrorKind::Unreachable, command, "there is no such socket").transient(RETRY_AFTER)
        }
        Io::InvalidInput => failed(ErrorKind::Other, command, "the socket's address is not usable"),
        _ => failed(ErrorKind::Unreachable, command, "no connection").transient(RETRY_AFTER),
    };
    failure.outcome_is(CallOutcome::NotApplied).caused_by(error)
}
