//! Addresses: of HTTP servers, and of HAProxy's admin socket.

use std::fmt;
use std::path::PathBuf;

use canary_core::fleet::{HttpPath, NodeId, RemotePath};

use super::kind::Reason;

/// A way to HAProxy's admin socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HaproxyAddress {
    /// A Unix socket of this host.
    Unix(PathBuf),
    /// A TCP address.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket inside an instance, reached by a command there.
    Instance {
        /// The instance.
        name: NodeId,
        /// The socket.
        socket: RemotePath,
    },
}

impl fmt::Display for HaproxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Instance { name, socket } => write!(f, "instance:{name}:{socket}"),
        }
    }
}

/// Reads `unix:/path`, `tcp:host:port` or `instance:name:/path`.
pub(super) fn haproxy(text: &str) -> Result<HaproxyAddress, Reason> {
    let remedy = "write unix:/path, tcp:host:port or instance:name:/path";
    let refuse = |why: String| Err(Reason::new(why, remedy));
    match text.split_once(':') {
        Some(("unix", path)) if path.starts_with('/') && !path.contains(char::is_control) => {
            Ok(HaproxyAddress::Unix(PathBuf::from(path)))
        }
        Some(("unix", _)) => refuse("the socket's path is not absolute".to_owned()),
        Some(("tcp", address)) => {
            let (host, port) = host_and_port(address)?;
            let Some(port) = port else { return refuse("the port is missing".to_owned()) };
            Ok(HaproxyAddress::Tcp { host: host.to_owned(), port })
        }
        Some(("instance", place)) => {
            let Some((name, socket)) = place.split_once(':') else {
                return refuse("the socket's path is missing".to_owned());
            };
            let name = NodeId::new(name).map_err(|error| Reason::new(error.to_string(), remedy))?;
            let socket = RemotePath::new(socket).map_err(|error| Reason::new(error.to_string(), remedy))?;
            Ok(HaproxyAddress::Instance { name, socket })
        }
        _ => refuse("it does not start with unix:, tcp: or instance:".to_owned()),
    }
}

/// Checks an address and takes a slash off its end.
pub(super) fn url(text: &str, secure: bool) -> Result<String, Reason> {
    let remedy = if secure {
        "write an address such as https://10.0.0.1:8443"
    } else {
        "write an address such as http://prom.lxd:9090"
    };
    let refuse = |why: &str| Err(Reason::new(why, remedy));
    let rest = match (text.strip_prefix("https://"), text.strip_prefix("http://"), secure) {
        (Some(rest), _, _) | (None, Some(rest), false) => rest,
        (None, Some(_), true) => return refuse("it is not encrypted; this one must start with https://"),
        (None, None, true) => return refuse("it does not start with https://"),
        (None, None, false) => return refuse("it does not start with http:// or https://"),
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if rest.contains('@') {
        let remedy = "take the name and password out; for Prometheus, write a token's file to prometheus.bearer_token_file";
        return Err(Reason::new("it carries a password, which would end in logs", remedy));
    }
    host_and_port(authority).map_err(|reason| Reason::new(reason.why, remedy))?;
    if path.contains('?') {
        return refuse("it has a query");
    }
    if !path.is_empty() {
        HttpPath::new(path).map_err(|error| Reason::new(error.why, remedy))?;
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_and_port(text: &str) -> Result<(&str, Option<u16>), Reason> {
    let remedy = "write host:port";
    let refuse = |why: String| Err(Reason::new(why, remedy));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return refuse(format!("{host:?} is not an IPv6 address"));
            }
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or(rest)) };
            (host, port)
        }
        None => {
            let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if host.is_empty() {
                return refuse("the host is missing".to_owned());
            }
            if let Some(bad) = host.chars().find(|c| !plain(*c)) {
                return refuse(format!("{bad:?} is not allowed in a host's name"));
            }
            (host, port)
        }
    };
    match port.map(str::parse::<u16>) {
        None => Ok((host, None)),
        Some(Ok(port)) if port > 0 => Ok((host, Some(port))),
        Some(_) => refuse(format!("{:?} is not a port from 1 to 65535", port.unwrap_or_default())),
    }
}

/// The text with a name and password in an address hidden.
pub(super) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    match rest.rfind('@') {
        Some(at) => format!("{scheme}://***{}", &rest[at..]),
        None => text.to_owned(),
    }
}
