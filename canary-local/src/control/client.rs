//! The client of a holder: one connection a call, each with a deadline.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use canary_core::traits::{BackendError, CallOutcome, ErrorKind};
use canary_http::{HttpClient, Method, Reply, RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;

use super::{Call, HolderFacts, Refusal, VERSION, VERSION_HEADER};
use crate::LocalError;
use crate::error::{BACKEND, RETRY_AFTER, unchanged};

/// For what is at hand.
pub(super) const LOOK: Duration = Duration::from_secs(10);
/// For reading files through.
pub(super) const READ: Duration = Duration::from_secs(60);
/// For copying files.
pub(super) const COPY: Duration = Duration::from_secs(300);
/// What a restart may take beside the time that a process has to end.
const RESTART: Duration = Duration::from_secs(20);

/// The settings of a [`LocalClient`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalClientConfig {
    /// The holder's control socket.
    pub socket: PathBuf,
    /// The holder's [`crate::LocalNodesConfig::stop_timeout`]: a restart may take so long, and some seconds more.
    pub stop_timeout: Duration,
}

impl LocalClientConfig {
    /// The holder at `socket`, whose processes have 10 s to end.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), stop_timeout: Duration::from_secs(10) }
    }
}

/// A fleet that another process holds ([`crate::Holder`]), over its control socket.
///
/// Plays both roles, [`canary_core::traits::LoadBalancer`] and [`canary_core::traits::NodeRuntime`]. Every call is a
/// connection of its own with a deadline: 10 s for looks and orders to the balancer, 60 s where the holder reads a
/// binary through, 5 min for copies, `stop_timeout` and 20 s for a restart. While no holder listens, a call fails with
/// `Unreachable`, not applied, transient. A connection that breaks off leaves the outcome unknown; every call may be repeated.
#[derive(Clone)]
pub struct LocalClient {
    http: HttpClient,
    socket: PathBuf,
    pub(super) restart: Duration,
}

impl LocalClient {
    /// Sets the client up; connects to nothing.
    ///
    /// # Errors
    /// [`LocalError`] when the HTTP client cannot be set up.
    pub fn new(config: LocalClientConfig) -> Result<Self, LocalError> {
        let http = HttpClient::builder(BACKEND)
            .unix_socket(&config.socket)
            .build()
            .map_err(|error| unchanged(ErrorKind::Other, "set an HTTP client up", "").caused_by(error))?;
        Ok(Self { http, socket: config.socket, restart: config.stop_timeout + RESTART })
    }

    /// The holder's control socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks the holder who it is.
    ///
    /// # Errors
    /// `Unreachable` when no holder listens, `Unauthorised` when this user may not ask, `Unsupported` when it speaks another
    /// version of the protocol.
    pub async fn about(&self) -> Result<HolderFacts, BackendError> {
        self.call("ask the holder", &Call::About, LOOK).await
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        call: &Call,
        deadline: Duration,
    ) -> Result<T, BackendError> {
        let request = self.request(Method::POST, &format!("/v{VERSION}/call"), deadline);
        self.answer(operation, request.json(call)).await?.json(operation)
    }

    pub(super) fn request(&self, method: Method, path: &str, deadline: Duration) -> RequestBuilder {
        // A connection of its own: a holder that has gone is then told at connecting, when nothing was sent yet.
        self.http.request(method, path).header(header::CONNECTION, "close").timeout(deadline)
    }

    /// Sends a request; gives a good answer's reply.
    pub(super) async fn answer(
        &self,
        operation: &str,
        request: RequestBuilder,
    ) -> Result<Reply, BackendError> {
        let reply = self.http.send(operation, request).await.map_err(|error| self.closed(error))?;
        checked(operation, reply)
    }

    /// Tells a socket that this user may not use from one where nobody listens.
    pub(super) fn closed(&self, error: BackendError) -> BackendError {
        if error.kind() != ErrorKind::Unreachable {
            return error;
        }
        let (operation, socket) = (error.operation(), self.socket.display());
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(inner) = cause {
            let io = inner.downcast_ref::<io::Error>().map(io::Error::kind);
            if io == Some(io::ErrorKind::PermissionDenied) {
                let text = format!("{socket} is open to the holder's user and to root alone");
                return unchanged(ErrorKind::Unauthorised, operation, text);
            }
            cause = inner.source();
        }
        let text = format!("no holder listens at {socket}");
        unchanged(ErrorKind::Unreachable, operation, text).transient(RETRY_AFTER)
    }

    pub(super) const fn http(&self) -> &HttpClient {
        &self.http
    }
}

/// Refuses an answer of another version, and turns what failed over there into an error here.
pub(super) fn checked(operation: &str, reply: Reply) -> Result<Reply, BackendError> {
    let version = reply.headers.get(VERSION_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match version {
        Some(version) if version == VERSION.to_string() => {}
        Some(version) => {
            let text = format!(
                "the holder speaks version {version:?} of the control protocol, this program version {VERSION}; \
                 both must be of the same release"
            );
            return Err(reply
                .error(ErrorKind::Unsupported, operation, text)
                .outcome_is(CallOutcome::NotApplied));
        }
        None => {
            let text = format!("what answers there is no holder: {}", reply.excerpt());
            return Err(reply.error(ErrorKind::Protocol, operation, text));
        }
    }
    match reply.status {
        StatusCode::OK => Ok(reply),
        StatusCode::UNPROCESSABLE_ENTITY => Err(reply.json::<Refusal>(operation)?.into_error()),
        _ => Err(reply.error(ErrorKind::Protocol, operation, reply.excerpt())),
    }
}

impl fmt::Display for LocalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "holder at unix:{}", self.socket.display())
    }
}

impl fmt::Debug for LocalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalClient").field("socket", &self.socket).finish_non_exhaustive()
    }
}
