//! How a client is set up, and what is refused before anything is sent.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Url, redirect};

use crate::client::{HttpClient, Place};
use crate::tls::{self, Tls};

/// Says which setting of a client cannot be used and why; never shows a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The base URL is not an http or https URL with a host.
    #[error("{url:?} is not a usable URL: {why}")]
    Url {
        /// The URL without its user and password.
        url: String,
        /// The rule it breaks.
        why: String,
    },
    /// Neither a base URL nor a Unix socket was given.
    #[error("neither a URL nor a Unix socket was given")]
    NoTarget,
    /// A certificate or key cannot be read.
    #[error("{what} is not usable: {why}")]
    Certificate {
        /// Which one.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Certificates were given for a URL that does not use TLS.
    #[error("a pinned or client certificate was given, but {url:?} does not use TLS; use https://")]
    TlsWithoutHttps {
        /// The URL without its user and password.
        url: String,
    },
    /// A header's name or value holds characters that HTTP does not allow.
    #[error("the header {name:?} has a name or value that HTTP does not allow")]
    Header {
        /// The header's name.
        name: String,
    },
    /// The client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sets up an [`HttpClient`].
pub struct Builder {
    backend: &'static str,
    base_url: Option<String>,
    unix_socket: Option<PathBuf>,
    timeout: Duration,
    connect_timeout: Duration,
    max_body: usize,
    tls: Tls,
    headers: Vec<(String, String)>,
    redirects: bool,
    hide_path: bool,
}

impl Builder {
    /// Starts with the defaults each method names.
    pub(crate) fn new(backend: &'static str) -> Self {
        Self {
            backend,
            base_url: None,
            unix_socket: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            max_body: 16 * 1024 * 1024,
            tls: Tls::default(),
            headers: Vec::new(),
            redirects: false,
            hide_path: false,
        }
    }

    /// Sets the URL that every request's path is appended to: `http` or `https`, a host, optionally a path.
    ///
    /// `user:password@` becomes basic authentication and is never shown. Default with a Unix socket:
    /// `http://localhost`.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        self.base_url = Some(url.to_owned());
        self
    }

    /// Connects to this Unix socket, whatever host the base URL names.
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix_socket = Some(path.into());
        self
    }

    /// Sets the deadline of a whole request, from connecting to the body's last byte; default 10 s.
    ///
    /// A single request can have its own by [`reqwest::RequestBuilder::timeout`].
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the deadline of connecting, TLS included; default 3 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how many bytes of a body are taken into memory at most; default 16 MiB.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets whom to trust and who we are; default: the platform's roots, no client certificate.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sends `Authorization: Bearer …` with every request; the token is never shown.
    #[must_use]
    pub fn bearer_token(self, token: &str) -> Self {
        self.secret_header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Sends a header with every request; its value is never shown.
    #[must_use]
    pub fn secret_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Shows the scheme, the host and the port alone: for servers whose paths hold a token (incoming webhooks).
    ///
    /// The base URL must then be given without a path; the path comes with each request.
    #[must_use]
    pub const fn hide_path(mut self) -> Self {
        self.hide_path = true;
        self
    }

    /// Follows up to five redirects; default: a redirect is a reply like any other.
    #[must_use]
    pub const fn redirects(mut self, follow: bool) -> Self {
        self.redirects = follow;
        self
    }

    /// Checks every setting and makes the client; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn build(self) -> Result<HttpClient, ConfigError> {
        let base = self.checked_url()?;
        if base.scheme() == "http" && self.tls.has_certificates() {
            return Err(ConfigError::TlsWithoutHttps { url: shown(&base) });
        }
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout)
            .redirect(if self.redirects { redirect::Policy::limited(5) } else { redirect::Policy::none() })
            .default_headers(self.checked_headers()?)
            .user_agent(concat!("canary/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .tls_backend_preconfigured(tls::client_config(
                &self.tls,
                base.scheme() == "https" || self.redirects,
            )?);
        if let Some(path) = &self.unix_socket {
            http = http.unix_socket(path.as_path());
        }
        let http = http.build().map_err(|e| ConfigError::Client(Box::new(e.without_url())))?;
        let place = Place { base: shown(&base), socket: self.unix_socket, hide_path: self.hide_path };
        Ok(HttpClient::new(self.backend, http, base, place, self.max_body))
    }

    fn checked_url(&self) -> Result<Url, ConfigError> {
        let text = match (&self.base_url, &self.unix_socket) {
            (Some(url), _) => url.trim(),
            (None, Some(_)) => "http://localhost",
            (None, None) => return Err(ConfigError::NoTarget),
        };
        let refuse = |why: String| Err(ConfigError::Url { url: without_credentials(text), why });
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refuse(error.to_string()),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("it must start with http:// or https://".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("it must not have a query or a fragment".to_owned());
        }
        Ok(url)
    }

    fn checked_headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let refuse = || ConfigError::Header { name: name.clone() };
            let key: HeaderName = name.parse().map_err(|_| refuse())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| refuse())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("backend", &self.backend)
            .field("base_url", &self.base_url.as_deref().map(without_credentials))
            .field("unix_socket", &self.unix_socket)
            .field("timeout", &self.timeout)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// The URL without user, password and query, as it may stand in a message.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
}

/// What may be shown of a text that should have been a URL and may hold a password.
fn without_credentials(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        (None, Some((_, rest))) => format!("…@{rest}"),
        (_, None) => text.to_owned(),
    }
}
