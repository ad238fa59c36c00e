//! Where the daemon is and what is rolled there, in checked types.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::fleet::{RemotePath, UnitName};

/// How an Incus daemon is reached.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// The daemon's Unix socket, usually `/var/lib/incus/unix.socket`; needs membership in `incus-admin`.
    Unix(PathBuf),
    /// The daemon's HTTPS address with a client certificate that is in its trust list.
    Https {
        /// The address, as in `https://10.0.0.1:8443`.
        url: String,
        /// The client's certificate, PEM.
        client_cert_pem: String,
        /// The client's private key, PEM; never shown.
        client_key_pem: String,
        /// The server's own certificate, PEM: exactly this one is accepted, whatever name or issuer it carries.
        server_cert_pem: String,
    },
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Https { url, .. } => f.write_str(url),
        }
    }
}

/// Says why a project's name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid Incus project name: use 1 to 63 letters, digits, '-', '_' and '.'")]
pub struct ProjectNameError {
    /// The refused value.
    pub value: String,
}

/// The name of an Incus project: 1 to 63 ASCII letters, digits, `-`, `_` and `.`, not starting with `-` or `.`.
///
/// Incus itself refuses `/`, `*`, blanks, quotes and the names `.` and `..` (cmd/incusd/api_project.go); what is left
/// out here beyond that are characters that would need escaping in a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`ProjectNameError`] with the refused value.
    pub fn new(value: impl Into<String>) -> Result<Self, ProjectNameError> {
        let value = value.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=63).contains(&value.len()) && value.chars().all(allowed);
        if fits && !value.starts_with(['-', '.']) { Ok(Self(value)) } else { Err(ProjectNameError { value }) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ProjectName {
    /// Incus' own default project, `default`.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How long calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// One request to the API; 10 s.
    pub call: Duration,
    /// One short script in an instance, before it is ended there; 30 s.
    pub exec: Duration,
    /// `systemctl restart`, before it is no longer waited for; 50 s.
    pub restart: Duration,
    /// Copying a file in or out; 5 min.
    pub transfer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(10),
            exec: Duration::from_secs(30),
            restart: Duration::from_secs(50),
            transfer: Duration::from_secs(300),
        }
    }
}

/// What the API is reached with: endpoint, project and deadlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncusConfig {
    /// How the daemon is reached.
    pub endpoint: Endpoint,
    /// The project the instances are in.
    pub project: ProjectName,
    /// How long calls may take.
    pub timeouts: Timeouts,
}

impl IncusConfig {
    /// A daemon's `default` project with the usual deadlines.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, project: ProjectName::default(), timeouts: Timeouts::default() }
    }
}

/// The service that is rolled: the same path and unit on every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Where the binary lies in each instance.
    pub target: RemotePath,
    /// The systemd unit that runs it.
    pub unit: UnitName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_project_names_are_refused() {
        for bad in ["", "a b", "a/b", "a&x=1", "a?b", "..", ".", "-a", "ä", &"x".repeat(64)] {
            assert!(ProjectName::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(ProjectName::new("prod_eu-1.a").unwrap().as_str(), "prod_eu-1.a");
        assert_eq!(
            ProjectName::new("a b").unwrap_err().to_string(),
            "\"a b\" is not a valid Incus project name: use 1 to 63 letters, digits, '-', '_' and '.'"
        );
    }

    #[test]
    fn keys_are_never_shown() {
        let endpoint = Endpoint::Https {
            url: "https://10.0.0.1:8443".to_owned(),
            client_cert_pem: "CERT".to_owned(),
            client_key_pem: "SECRET".to_owned(),
            server_cert_pem: "PIN".to_owned(),
        };
        let config = IncusConfig::new(endpoint);
        assert!(!format!("{config:?} {}", config.endpoint).contains("SECRET"));
        assert!(format!("{config:?}").contains("https://10.0.0.1:8443"));
    }
}
