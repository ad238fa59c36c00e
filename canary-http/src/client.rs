//! The client: requests to one server, answers with a meaning.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use canary_core::traits::BackendError;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::builder::{Builder, shown};
use crate::failure::Call;
use crate::reply::Reply;

/// Where a client connects to, as messages show it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) base: String,
    pub(crate) socket: Option<PathBuf>,
    /// Whether paths are secrets, too.
    pub(crate) hide_path: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => f.write_str(&self.base),
        }
    }
}

/// A client of one server; cheap to clone, connections are shared.
///
/// Shows itself (`Display`) as the server's URL without credentials, or as `unix:` and the socket's path.
#[derive(Clone)]
pub struct HttpClient {
    backend: &'static str,
    http: reqwest::Client,
    base: Url,
    place: Place,
    max_body: usize,
}

/// A successful download.
#[derive(Debug)]
pub struct Download {
    /// The answer; its body is empty when the status was a success, and the server's words when not.
    pub reply: Reply,
    /// How many bytes were written; zero when the status was not a success.
    pub bytes: u64,
}

impl HttpClient {
    /// Starts the setup of a client whose errors name `backend` (`incus`, `prometheus`).
    #[must_use]
    pub fn builder(backend: &'static str) -> Builder {
        Builder::new(backend)
    }

    pub(crate) const fn new(
        backend: &'static str,
        http: reqwest::Client,
        base: Url,
        place: Place,
        max_body: usize,
    ) -> Self {
        Self { backend, http, base, place, max_body }
    }

    /// A request for `path_and_query`, appended to the base URL; goes out by [`Self::send`] or its siblings.
    ///
    /// The path must be percent-encoded where names from outside are in it. It cannot lead to another host. An empty
    /// one asks for the base URL itself.
    pub fn request(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        if path_and_query.is_empty() {
            return self.http.request(method, self.base.clone());
        }
        let base = self.base.as_str().trim_end_matches('/');
        self.http.request(method, format!("{base}/{}", path_and_query.trim_start_matches('/')))
    }

    /// Sends a request and takes in the whole answer. Any status is a [`Reply`].
    ///
    /// # Errors
    /// `Unreachable`, not applied, transient: no connection. `TimedOut`, unknown, transient: no whole answer within
    /// the deadline. `Protocol`, unknown: the connection or body broke off (transient), or the body is longer than
    /// the limit. `Unauthorised` or `Refused`, permanent: TLS. `Other`, not applied: not a valid request.
    pub async fn send(&self, operation: &str, request: RequestBuilder) -> Result<Reply, BackendError> {
        self.open(operation, request).await?.into_reply().await
    }

    /// Sends a request and returns when the answer's head is there; the body is read chunk by chunk.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn open(&self, operation: &str, request: RequestBuilder) -> Result<Incoming, BackendError> {
        let call = Call { backend: self.backend, operation, url: &self.place.to_string() };
        let request = request.build().map_err(|error| call.failed(error))?;
        let url = match &self.place.socket {
            _ if self.place.hide_path => self.place.to_string(),
            Some(path) => format!("unix:{}{}", path.display(), request.url().path()),
            None => shown(request.url()),
        };
        let call = Call { url: &url, ..call };
        let response = self.http.execute(request).await.map_err(|error| call.failed(error))?;
        Ok(Incoming {
            status: response.status(),
            headers: response.headers().clone(),
            response,
            backend: self.backend,
            operation: operation.to_owned(),
            url,
            max_body: self.max_body,
        })
    }

    /// Sends a request and writes the answer's body to `destination`, at most `max` bytes, if the status is a
    /// success; else the body is in the reply and nothing is written.
    ///
    /// # Errors
    /// As [`Self::send`]; also `LocalIo` or `Exhausted` when `destination` cannot be written. What was written before
    /// an error is incomplete.
    pub async fn download<W>(
        &self,
        operation: &str,
        request: RequestBuilder,
        destination: &mut W,
        max: u64,
    ) -> Result<Download, BackendError>
    where
        W: AsyncWrite + Unpin + Send,
    {
        let mut incoming = self.open(operation, request).await?;
        if !incoming.status.is_success() {
            return Ok(Download { reply: incoming.into_reply().await?, bytes: 0 });
        }
        let mut bytes = 0_u64;
        while let Some(chunk) = incoming.chunk().await? {
            bytes += chunk.len() as u64;
            if bytes > max {
                return Err(incoming.call().too_long(max));
            }
            destination.write_all(&chunk).await.map_err(|error| incoming.call().not_written(error))?;
        }
        destination.flush().await.map_err(|error| incoming.call().not_written(error))?;
        Ok(Download { reply: incoming.reply(Vec::new()), bytes })
    }
}

impl fmt::Display for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("backend", &self.backend)
            .field("place", &self.place)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Incoming {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: Response,
    backend: &'static str,
    operation: String,
    url: String,
    max_body: usize,
}

impl Incoming {
    /// The body's next piece; `None` after the last.
    ///
    /// # Errors
    /// `TimedOut` or `Protocol`, as [`HttpClient::send`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BackendError> {
        match self.response.chunk().await {
            Ok(chunk) => Ok(chunk),
            Err(error) => Err(self.call().failed(error)),
        }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// `TimedOut` or `Protocol`, as [`HttpClient::send`].
    pub async fn into_reply(mut self) -> Result<Reply, BackendError> {
        let limit = self.max_body;
        let announced = self.response.content_length().unwrap_or_default();
        if announced > limit as u64 {
            return Err(self.call().too_long(limit as u64));
        }
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Err(self.call().too_long(limit as u64));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(self.reply(body))
    }

    fn call(&self) -> Call<'_> {
        Call { backend: self.backend, operation: &self.operation, url: &self.url }
    }

    fn reply(self, body: Vec<u8>) -> Reply {
        Reply { status: self.status, headers: self.headers, body, backend: self.backend, url: self.url }
    }
}
