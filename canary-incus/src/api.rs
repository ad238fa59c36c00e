//! The wire format of the Incus REST API, as far as it is used here (doc/rest-api.md, doc/rest-api.yaml); pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the daemon says it could not or would not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The HTTP status, also in the body as `error_code`.
    pub(crate) code: u16,
    /// The daemon's words.
    pub(crate) message: String,
}

/// A well-formed answer: what was asked for, or a fault.
pub(crate) type Answer<T> = Result<T, Fault>;

/// The answer is not one of the Incus API; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of the Incus API: {0}")]
pub(crate) struct NotApi(pub(crate) String);

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_code: u16,
    #[serde(default)]
    metadata: Value,
}

/// Reads an answer's `metadata` as `T`.
///
/// # Errors
/// [`NotApi`] when the body is not the documented envelope (a proxy's HTML, a truncated body) or holds something else.
pub(crate) fn decode<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<Answer<T>, NotApi> {
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|error| NotApi(format!("status {status}, {error}")))?;
    match envelope.kind.as_str() {
        "error" => {
            let code = if envelope.error_code == 0 { status } else { envelope.error_code };
            Ok(Err(Fault { code, message: envelope.error }))
        }
        "sync" | "async" => serde_json::from_value(envelope.metadata)
            .map(Ok)
            .map_err(|error| NotApi(format!("status {status}, metadata: {error}"))),
        other => Err(NotApi(format!("status {status}, type {other:?}"))),
    }
}

/// The id of a background operation: hex digits and `-`, so that it can stand in a URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct OperationId(String);

impl OperationId {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OperationId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=64).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            Ok(Self(text))
        } else {
            Err("an operation id is made of hex digits and '-'".to_owned())
        }
    }
}

/// A background operation. One that failed is answered as a fault of the wait, not as this.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Operation {
    /// Its id.
    pub(crate) id: OperationId,
    status_code: u16,
    #[serde(default)]
    err: String,
}

/// How far an operation is (doc/rest-api.md, "List of current status codes").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Still at it.
    Running,
    /// Done.
    Done,
    /// Failed or cancelled, with the daemon's words.
    Failed(String),
}

impl Operation {
    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        match self.status_code {
            200 => Progress::Done,
            400.. => Progress::Failed(if self.err.is_empty() {
                format!("operation ended with status {}", self.status_code)
            } else {
                self.err.clone()
            }),
            _ => Progress::Running,
        }
    }
}

/// The body of `POST /1.0/instances/NAME/exec`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ExecRequest<'a> {
    command: Vec<&'a str>,
    environment: BTreeMap<&'static str, &'static str>,
    cwd: &'static str,
    user: u32,
    group: u32,
    record_output: bool,
    wait_for_websocket: bool,
    interactive: bool,
}

impl<'a> ExecRequest<'a> {
    /// Runs `command` as root in `/` with the C locale, its output recorded in files of the daemon.
    pub(crate) fn recorded(command: Vec<&'a str>) -> Self {
        Self {
            command,
            environment: BTreeMap::from([("LC_ALL", "C")]),
            cwd: "/",
            user: 0,
            group: 0,
            record_output: true,
            wait_for_websocket: false,
            interactive: false,
        }
    }
}

/// The part of `GET /1.0` that is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Server {
    /// `trusted` or `untrusted`: an unknown client may ask this, and only this.
    #[serde(default)]
    pub(crate) auth: String,
    /// The daemon's description of itself; missing for untrusted clients.
    #[serde(default)]
    pub(crate) environment: Environment,
}

/// The daemon's description of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Environment {
    #[serde(default)]
    pub(crate) server: String,
    #[serde(default)]
    pub(crate) server_version: String,
    #[serde(default)]
    pub(crate) server_name: String,
}

/// The part of `GET /1.0/instances/NAME/state` that is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct InstanceState {
    /// `Running`, `Stopped`, `Frozen`, `Ready`, …
    pub(crate) status: String,
    /// By interface; null when the instance does not run.
    #[serde(default)]
    network: Option<BTreeMap<String, Interface>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Interface {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Address {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    address: String,
}

impl InstanceState {
    /// Whether commands can be run in it (`Ready` is `Running` that said so itself; doc/dev-incus.md).
    pub(crate) fn runs(&self) -> bool {
        matches!(self.status.as_str(), "Running" | "Ready")
    }

    /// The first global address, IPv4 before IPv6, in the order of the interfaces' names.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        let all = || {
            let interfaces = self.network.iter().flat_map(BTreeMap::values);
            let global = interfaces.flat_map(|i| &i.addresses).filter(|a| a.scope == "global");
            global.filter_map(|a| a.address.parse::<IpAddr>().ok())
        };
        all().find(IpAddr::is_ipv4).or_else(|| all().next())
    }
}

/// Percent-encodes a value for a URL's query (RFC 3986, section 2.3: all but the unreserved characters).
pub(crate) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // proof: writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
