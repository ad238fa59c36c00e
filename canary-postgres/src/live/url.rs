//! Where a database is, and how to get in; a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A database's address with the credentials for it: `postgres://user:password@host:5432/name?sslmode=verify-full`.
///
/// `Debug` and `Display` show host, port, database and user, and nothing else; the text it was read from is not kept.
/// `sslmode` is that of libpq: `prefer` (the default) takes TLS when the server has it, `require` insists on it, `verify-ca` and
/// `verify-full` also hold the certificate against `sslrootcert` (else the platform's roots) and the host's name. Over a Unix
/// socket (`postgres:///name?host=/run/postgresql`) there is no TLS.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: Config,
    tls: TlsMode,
}

/// How much TLS is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// None.
    Off,
    /// When the server has it, whoever it is.
    Prefer,
    /// Always; the certificate is held against the file when there is one.
    Require(Option<PathBuf>),
    /// Always, with a certificate that the file's roots (the platform's without one) signed for this host.
    Verify(Option<PathBuf>),
}

impl TlsMode {
    /// As libpq's `sslmode` and `sslrootcert` say it, for its programs.
    pub(crate) fn libpq(&self) -> (&'static str, Option<&Path>) {
        match self {
            Self::Off => ("disable", None),
            Self::Prefer => ("prefer", None),
            Self::Require(root) => ("require", root.as_deref()),
            Self::Verify(root) => ("verify-full", root.as_deref()),
        }
    }
}

/// Why a text is no database address. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the database's address {0}")]
pub struct BadDatabaseUrl(String);

impl DatabaseUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, without its text.
    pub fn parse(text: &str) -> Result<Self, BadDatabaseUrl> {
        let bad = |why: &str| BadDatabaseUrl(why.to_owned());
        let text = text.trim();
        if text.is_empty() {
            return Err(bad("is empty"));
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(bad("does not start with postgres:// or postgresql://"));
        }
        let past = text.find('@').map_or(0, |at| at + 1);
        let cut = text[past..].find('?').map_or(text.len(), |at| past + at);
        let (base, query) = (&text[..cut], text.get(cut + 1..).unwrap_or(""));
        if text[past..cut].contains('@') {
            return Err(bad("has two `@`; one in a password is written %40"));
        }
        let mut kept = Vec::new();
        let mut mode = "prefer".to_owned();
        let mut root = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| bad("has a parameter without a value after its `?`"))?;
            match key {
                "sslmode" | "ssl-mode" => value.clone_into(&mut mode),
                "sslrootcert" | "ssl-root-cert" => root = Some(PathBuf::from(decoded(value))),
                // What the service's own pool reads from the same address.
                "statement-cache-capacity" | "application_name" => {}
                "sslcert" | "sslkey" | "ssl-client-cert" | "ssl-client-key" => {
                    return Err(bad("asks for a client certificate, which is not supported"));
                }
                _ => kept.push(pair),
            }
        }
        let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let mut config = rest.parse::<Config>().map_err(|_| {
            bad("cannot be read; characters with a meaning in URLs (@ : / ? # %) must be percent-encoded in user and password")
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad("names no host; for a Unix socket: postgres:///name?host=/run/postgresql"));
        }
        let tls = tls_mode(&mode, root).ok_or_else(|| {
            bad("has an unknown sslmode; there are disable, prefer, require, verify-ca and verify-full")
        })?;
        let sockets = config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_)));
        let tls = if sockets { TlsMode::Off } else { tls };
        config.ssl_mode(match tls {
            TlsMode::Off => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require(_) | TlsMode::Verify(_) => SslMode::Require,
        });
        Ok(Self { config, tls })
    }

    /// Reads an address from a file that holds nothing else.
    ///
    /// # Errors
    /// As [`Self::parse`], and when the file cannot be read or is larger than an address can be (16 KiB).
    pub fn read(path: &Path) -> Result<Self, BadDatabaseUrl> {
        use std::io::Read as _;
        let unreadable =
            |why: std::io::Error| BadDatabaseUrl(format!("cannot be read from {}: {why}", path.display()));
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(16 * 1024 + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() > 16 * 1024 {
            return Err(BadDatabaseUrl(format!("in {} is longer than 16 KiB", path.display())));
        }
        Self::parse(&text)
            .map_err(|BadDatabaseUrl(why)| BadDatabaseUrl(format!("in {} {why}", path.display())))
    }

    /// The same server and credentials, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// The database's name; the user's when none is said.
    #[must_use]
    pub fn database(&self) -> &str {
        self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or("")
    }

    /// Whether a password is part of it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Every host, address or directory of sockets it names, each with its port.
    pub(crate) fn addresses(&self) -> Vec<(String, u16)> {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.to_ascii_lowercase(),
            Host::Unix(path) => path.display().to_string(),
        });
        let numbers = self.config.get_hostaddrs().iter().map(ToString::to_string);
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
        let named: Vec<_> = hosts.enumerate().map(|(at, host)| (host, port(at))).collect();
        named.into_iter().chain(numbers.enumerate().map(|(at, host)| (host, port(at)))).collect()
    }

    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    pub(crate) const fn tls(&self) -> &TlsMode {
        &self.tls
    }
}

fn tls_mode(mode: &str, root: Option<PathBuf>) -> Option<TlsMode> {
    Some(match mode {
        "disable" => TlsMode::Off,
        "allow" | "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require(root),
        "verify-ca" | "verify-full" => TlsMode::Verify(root),
        _ => return None,
    })
}

/// A URL's value without its percent-encoding; what is not one stays.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self.config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let name = self.database();
        match self.config.get_user() {
            Some(user) => write!(f, "{user}@{host}:{port}/{name}"),
            None => write!(f, "{host}:{port}/{name}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_where_it_goes_and_no_secret() {
        let cases = [
            ("postgres://app:s3cr%40t@db.lxd:6432/shop", "app@db.lxd:6432/shop", TlsMode::Prefer),
            ("postgresql://app@db.lxd/shop?sslmode=disable", "app@db.lxd:5432/shop", TlsMode::Off),
            (
                "postgres:///shop?host=/run/postgresql&user=app&sslmode=require",
                "app@/run/postgresql:5432/shop",
                TlsMode::Off,
            ),
            (
                "postgres://app:x@db/shop?sslmode=verify-full&sslrootcert=/etc/a%20b.pem&statement-cache-capacity=0\n",
                "app@db:5432/shop",
                TlsMode::Verify(Some("/etc/a b.pem".into())),
            ),
            ("postgres://app:x@db/shop?sslmode=require", "app@db:5432/shop", TlsMode::Require(None)),
        ];
        for (text, shown, tls) in cases {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!((url.to_string(), url.tls), (shown.to_owned(), tls));
        }
    }

    #[test]
    fn names_every_address() {
        let of = |text: &str| {
            let url = DatabaseUrl::parse(text).unwrap();
            let each: Vec<_> = url.addresses().iter().map(|(host, port)| format!("{host} {port}")).collect();
            (each.join(", "), url.has_password())
        };
        assert_eq!(of("postgres://u:p@A.lxd,b:6000/d"), ("a.lxd 5432, b 6000".to_owned(), true));
        assert_eq!(of("postgres:///d?host=/run/pg&port=6543&user=u"), ("/run/pg 6543".to_owned(), false));
        assert_eq!(of("postgres://u@db/d?hostaddr=10.0.0.1"), ("db 5432, 10.0.0.1 5432".to_owned(), false));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        let cases = [
            ("", "is empty"),
            ("mysql://u:hunter2@h/d", "does not start with"),
            ("postgres://u:x@h/d?hunter2", "without a value"),
            ("postgres://u:x@h/d?hunter2=1", "cannot be read"),
            ("postgres://u:x@hunter2@h/d", "two `@`"),
            ("postgres://u:hunter2@h:port/d", "cannot be read"),
            ("postgres://u:hunter2@h/d?sslmode=yes", "unknown sslmode"),
            ("postgres://u:hunter2@h/d?sslcert=x", "client certificate"),
            ("postgres:///d", "names no host"),
        ];
        for (text, why) in cases {
            let said = DatabaseUrl::parse(text).unwrap_err().to_string();
            assert!(
                said.contains(why) && !said.contains("hunter2") && !said.contains("ter2"),
                "{text}: {said}"
            );
        }
    }
}
