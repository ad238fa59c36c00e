//! The dozen endpoints of the Incus REST API that a rollout needs, over `canary-http`.

use std::fmt;
use std::io;
use std::time::Duration;

use canary_core::fleet::{NodeId, RemotePath};
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};
use canary_http::{Body, ConfigError, HttpClient, Incoming, Method, RequestBuilder, Tls, excerpt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{self, Answer, ExecRequest, InstanceState, Operation, OperationId, Server};
use crate::config::{Endpoint, IncusConfig, ProjectName, Timeouts};
use crate::error::{BACKEND, RETRY_AFTER, refused, unchanged, unknown};

/// Recorded output beyond this is refused; scripts print far less.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A client of one daemon and project; cheap to clone.
///
/// Shows itself as `Incus at /var/lib/incus/unix.socket, project default`.
#[derive(Debug, Clone)]
pub struct IncusClient {
    http: HttpClient,
    endpoint: Endpoint,
    project: ProjectName,
    timeouts: Timeouts,
}

/// What the daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The server's program, `incus`.
    pub program: String,
    /// Its version, as in `6.0.4`.
    pub version: String,
    /// The name of the host or cluster member.
    pub name: String,
}

/// One of a command's two recorded streams.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl IncusClient {
    /// Sets a client up; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigError`] when the URL or a certificate cannot be used.
    pub fn new(config: &IncusConfig) -> Result<Self, ConfigError> {
        let builder = HttpClient::builder(BACKEND).timeout(config.timeouts.call).max_body(MAX_BODY);
        let builder = match &config.endpoint {
            Endpoint::Unix(path) => builder.unix_socket(path),
            Endpoint::Https { url, client_cert_pem, client_key_pem, server_cert_pem } => {
                builder.base_url(url).tls(Tls {
                    pinned_server_pem: Some(server_cert_pem.clone().into_bytes()),
                    client_identity_pem: Some((
                        client_cert_pem.clone().into_bytes(),
                        client_key_pem.clone().into_bytes(),
                    )),
                    ..Tls::default()
                })
            }
        };
        Ok(Self {
            http: builder.build()?,
            endpoint: config.endpoint.clone(),
            project: config.project.clone(),
            timeouts: config.timeouts,
        })
    }

    /// The project the instances are in.
    #[must_use]
    pub const fn project(&self) -> &ProjectName {
        &self.project
    }

    /// How long calls may take.
    #[must_use]
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Asks the daemon who it is, and proves that it trusts this client. Changes nothing.
    ///
    /// # Errors
    /// `Unreachable` or `Unauthorised`, each saying what to look at.
    pub async fn server(&self) -> Result<ServerInfo, BackendError> {
        let operation = "ask the server";
        let server: Server = self.get(operation, None, "/1.0").await?;
        if server.auth != "trusted" {
            let text = "the server does not trust this client: add its certificate with `incus config trust`";
            return Err(unchanged(ErrorKind::Unauthorised, operation, text).with("server", &self.endpoint));
        }
        Ok(ServerInfo {
            program: server.environment.server,
            version: server.environment.server_version,
            name: server.environment.server_name,
        })
    }

    /// Whether an instance of that name exists in the project, running or not. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when the project does not exist; as [`Self::server`].
    pub async fn exists(&self, node: &NodeId) -> Result<bool, BackendError> {
        let path = format!("/1.0/instances/{node}?project={}", self.project);
        let operation = "look up the instance";
        match self.call::<Value>(operation, self.request(Method::GET, &path)).await? {
            Ok(_) => Ok(true),
            Err(fault) if fault.code == 404 && fault.message != "Project not found" => Ok(false),
            Err(fault) => Err(refused(&fault, operation, Some(node), &self.project)),
        }
    }

    /// The instance's status and addresses.
    pub(crate) async fn state(&self, node: &NodeId) -> Result<InstanceState, BackendError> {
        let path = format!("/1.0/instances/{node}/state?project={}", self.project);
        self.get("read the instance's state", Some(node), &path).await
    }

    /// Starts a command.
    pub(crate) async fn start(
        &self,
        node: &NodeId,
        operation: &str,
        exec: &ExecRequest<'_>,
    ) -> Result<OperationId, BackendError> {
        let path = format!("/1.0/instances/{node}/exec?project={}", self.project);
        let request = self.request(Method::POST, &path).json(exec);
        let started: Operation = self.require(operation, Some(node), request).await?;
        Ok(started.id)
    }

    /// Waits for an operation, at most `slice`; it may still run afterwards.
    pub(crate) async fn wait_once(
        &self,
        operation: &str,
        id: &OperationId,
        slice: Duration,
    ) -> Result<Answer<Operation>, BackendError> {
        let seconds = crate::exec::whole_seconds(slice);
        let path = format!("/1.0/operations/{}/wait?timeout={seconds}&project={}", id.as_str(), self.project);
        let deadline = Duration::from_secs(seconds) + self.timeouts.call;
        self.call(operation, self.request(Method::GET, &path).timeout(deadline)).await
    }

    /// Reads a command's recorded output.
    pub(crate) async fn recorded(
        &self,
        node: &NodeId,
        operation: &str,
        id: &OperationId,
        stream: Stream,
    ) -> Result<Vec<u8>, BackendError> {
        let request = self.request(Method::GET, &self.recorded_path(node, id, stream));
        let reply = self.http.send(operation, request).await.map_err(|error| self.explained(error))?;
        if reply.status.is_success() {
            return Ok(reply.body);
        }
        let fault = self.fault(operation, reply.status.as_u16(), &reply.body)?;
        Err(refused(&fault, operation, Some(node), &self.project).outcome_is(CallOutcome::Unknown))
    }

    /// Removes a command's recorded output.
    pub(crate) async fn forget(
        &self,
        node: &NodeId,
        operation: &str,
        id: &OperationId,
        stream: Stream,
    ) -> Result<(), BackendError> {
        let request = self.request(Method::DELETE, &self.recorded_path(node, id, stream));
        self.require::<Value>(operation, Some(node), request).await.map(drop)
    }

    fn recorded_path(&self, node: &NodeId, id: &OperationId, stream: Stream) -> String {
        let (id, stream) = (id.as_str(), stream.as_str());
        format!("/1.0/instances/{node}/logs/exec-output/exec_{id}.{stream}?project={}", self.project)
    }

    /// Writes a file in the instance, owned by root and readable by root only.
    pub(crate) async fn push(
        &self,
        node: &NodeId,
        operation: &str,
        path: &RemotePath,
        body: Body,
    ) -> Result<(), BackendError> {
        let request = self.request(Method::POST, &self.file_path(node, path));
        let request = request
            .header("content-type", "application/octet-stream")
            .header("x-incus-type", "file")
            .header("x-incus-write", "overwrite")
            .header("x-incus-mode", "0600")
            .header("x-incus-uid", "0")
            .header("x-incus-gid", "0")
            .timeout(self.timeouts.transfer)
            .body(body);
        self.require::<Value>(operation, Some(node), request).await.map(drop)
    }

    /// Opens a file of the instance for reading.
    pub(crate) async fn pull(
        &self,
        node: &NodeId,
        operation: &str,
        path: &RemotePath,
    ) -> Result<Incoming, BackendError> {
        let request = self.request(Method::GET, &self.file_path(node, path));
        let request = request.timeout(self.timeouts.transfer);
        let incoming = self.http.open(operation, request).await.map_err(|error| self.explained(error))?;
        if incoming.status.is_success() {
            return Ok(incoming);
        }
        let reply = incoming.into_reply().await?;
        let fault = self.fault(operation, reply.status.as_u16(), &reply.body)?;
        Err(refused(&fault, operation, Some(node), &self.project).with("path", path))
    }

    /// Removes a file of the instance; one that is not there is fine.
    pub(crate) async fn remove_file(
        &self,
        node: &NodeId,
        operation: &str,
        path: &RemotePath,
    ) -> Result<(), BackendError> {
        let request = self.request(Method::DELETE, &self.file_path(node, path));
        match self.call::<Value>(operation, request).await? {
            Ok(_) => Ok(()),
            Err(fault) if fault.code == 404 && !fault.message.ends_with("Instance not found") => Ok(()),
            Err(fault) => Err(refused(&fault, operation, Some(node), &self.project)),
        }
    }

    fn file_path(&self, node: &NodeId, path: &RemotePath) -> String {
        format!("/1.0/instances/{node}/files?path={}&project={}", api::encode(path.as_str()), self.project)
    }

    /// A request; over the Unix socket each has a connection of its own.
    ///
    /// The daemon's Unix listener looks at a new connection's first bytes before it accepts the next one, so that one
    /// silent connection keeps everybody waiting (seen with 6.0.4: every other client hangs until it speaks or closes).
    /// A pool of connections makes silent ones, when it opens a spare and then gets an older one back in time.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, path);
        match self.endpoint {
            Endpoint::Unix(_) => request.header("connection", "close"),
            Endpoint::Https { .. } => request,
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: &str,
        node: Option<&NodeId>,
        path: &str,
    ) -> Result<T, BackendError> {
        let read = self.require(operation, node, self.request(Method::GET, path)).await;
        read.map_err(|error| error.outcome_is(CallOutcome::NotApplied))
    }

    /// Sends a request whose fault is an error.
    async fn require<T: DeserializeOwned>(
        &self,
        operation: &str,
        node: Option<&NodeId>,
        request: RequestBuilder,
    ) -> Result<T, BackendError> {
        let answer = self.call(operation, request).await?;
        answer.map_err(|fault| refused(&fault, operation, node, &self.project))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: RequestBuilder,
    ) -> Result<Answer<T>, BackendError> {
        let reply = self.http.send(operation, request).await.map_err(|error| self.explained(error))?;
        api::decode(reply.status.as_u16(), &reply.body)
            .map_err(|not_api| self.garbage(operation, &reply.body, not_api))
    }

    /// The fault in the answer to a request whose success would not have been JSON.
    fn fault(&self, operation: &str, status: u16, body: &[u8]) -> Result<api::Fault, BackendError> {
        match api::decode::<Value>(status, body) {
            Ok(Err(fault)) => Ok(fault),
            Ok(Ok(_)) => Err(self.garbage(operation, body, api::NotApi(format!("status {status}")))),
            Err(not_api) => Err(self.garbage(operation, body, not_api)),
        }
    }

    fn garbage(&self, operation: &str, body: &[u8], not_api: api::NotApi) -> BackendError {
        let shown = if body.is_empty() { "an empty body".to_owned() } else { excerpt(body) };
        unknown(ErrorKind::Protocol, operation, format!("{not_api}: {shown}")).with("server", &self.endpoint)
    }

    /// Says what to look at when the daemon cannot be reached.
    fn explained(&self, error: BackendError) -> BackendError {
        let Endpoint::Unix(path) = &self.endpoint else { return error };
        if error.kind() != ErrorKind::Unreachable {
            return error;
        }
        let operation = error.operation().to_owned();
        let (kind, text) = match io_kind(&error) {
            Some(io::ErrorKind::PermissionDenied) => (
                ErrorKind::Unauthorised,
                "this user may not open the socket: add the user to the group incus-admin, and log in again",
            ),
            Some(io::ErrorKind::NotFound) => (
                ErrorKind::Unreachable,
                "there is no such socket: Incus is not installed or not started here, or the path is another",
            ),
            Some(io::ErrorKind::ConnectionRefused) => {
                (ErrorKind::Unreachable, "nobody listens on the socket: the Incus daemon is not running")
            }
            _ => return error,
        };
        let explained = unchanged(kind, &operation, text).with("socket", path.display()).caused_by(error);
        if kind == ErrorKind::Unreachable { explained.transient(RETRY_AFTER) } else { explained }
    }
}

impl fmt::Display for IncusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incus at {}, project {}", self.endpoint, self.project)
    }
}

/// The kind of the innermost input/output error in a chain.
fn io_kind(error: &BackendError) -> Option<io::ErrorKind> {
    let mut found = None;
    let mut next = std::error::Error::source(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            found = Some(io.kind());
        }
        next = current.source();
    }
    found
}
