use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::summary::{Answer, FailureKind};
use super::target::Target;

const VERSION_HEADER: &str = "x-canary-lab-version";
const NODE_HEADER: &str = "x-canary-lab-node";

/// An idle connection that dies this soon after a request was written on it was being closed when the request left. Later
/// than that, a request in flight was cut, which is a failure.
const IDLE_CLOSE_WINDOW: Duration = Duration::from_millis(200);

/// One client: it keeps its connection as long as the server does.
pub(crate) struct Client {
    target: Arc<Target>,
    live: Option<Live>,
}

struct Live {
    sender: SendRequest<Empty<Bytes>>,
    received: Arc<AtomicU64>,
    /// Whether an earlier request was answered on it.
    used: bool,
    driver: AbortHandle,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// How a request ended, and whether it was sent a second time after an idle close.
pub(crate) struct Exchange {
    pub(crate) result: Result<Answer, FailureKind>,
    pub(crate) retried: bool,
}

impl Client {
    pub(crate) fn new(target: Arc<Target>) -> Self {
        Self { target, live: None }
    }

    /// Sends one GET and reads the whole answer.
    pub(crate) async fn request(&mut self, path: &Uri, timeout: Duration) -> Exchange {
        match tokio::time::timeout(timeout, self.request_or_retry(path)).await {
            Ok(exchange) => exchange,
            Err(_) => {
                // The answer to this request could otherwise be taken for the next one's.
                self.live = None;
                Exchange { result: Err(FailureKind::Timeout), retried: false }
            }
        }
    }

    async fn request_or_retry(&mut self, path: &Uri) -> Exchange {
        let (result, idle_close) = self.attempt(path).await;
        if idle_close {
            let (result, _) = self.attempt(path).await;
            return Exchange { result, retried: true };
        }
        Exchange { result, retried: false }
    }

    /// One try; the flag says that an idle connection was closed under the request and not a byte of an answer came.
    async fn attempt(&mut self, path: &Uri) -> (Result<Answer, FailureKind>, bool) {
        let mut live = match self.live.take().filter(|live| !live.sender.is_closed()) {
            Some(live) => live,
            None => match connect(&self.target).await {
                Ok(live) => live,
                Err(kind) => return (Err(kind), false),
            },
        };
        let before = live.received.load(Ordering::Acquire);
        let started = Instant::now();
        let result = exchange(&mut live.sender, path, &self.target.host).await;
        match result {
            Ok(answer) => {
                live.used = true;
                self.live = Some(live);
                (Ok(answer), false)
            }
            Err(kind) => {
                let cut = matches!(kind, FailureKind::Reset | FailureKind::ClosedEarly);
                let silent = live.received.load(Ordering::Acquire) == before;
                (Err(kind), live.used && cut && silent && started.elapsed() < IDLE_CLOSE_WINDOW)
            }
        }
    }
}

async fn connect(target: &Target) -> Result<Live, FailureKind> {
    let stream = TcpStream::connect(target.address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectRefused,
        _ => FailureKind::Connect(error.to_string()),
    })?;
    // Without it a small request may wait for the acknowledgement of the one before.
    stream.set_nodelay(true).map_err(|error| FailureKind::Connect(error.to_string()))?;
    let received = Arc::new(AtomicU64::new(0));
    let counted = Counted { stream, received: Arc::clone(&received) };
    let (sender, connection) = handshake(TokioIo::new(counted)).await.map_err(|error| classify(&error))?;
    let driver = tokio::spawn(async move {
        // The request in flight sees the same error.
        let _ = connection.await;
    });
    Ok(Live { sender, received, used: false, driver: driver.abort_handle() })
}

async fn exchange(
    sender: &mut SendRequest<Empty<Bytes>>,
    path: &Uri,
    host: &str,
) -> Result<Answer, FailureKind> {
    let request = Request::get(path.clone())
        .header(HOST, host)
        .body(Empty::new())
        .map_err(|error| FailureKind::Protocol(error.to_string()))?;
    sender.ready().await.map_err(|error| classify(&error))?;
    let response: Response<hyper::body::Incoming> =
        sender.send_request(request).await.map_err(|error| classify(&error))?;
    let answer = Answer {
        status: response.status().as_u16(),
        version: header(response.headers(), VERSION_HEADER),
        node: header(response.headers(), NODE_HEADER),
    };
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| classify(&error))?;
    }
    Ok(answer)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn classify(error: &hyper::Error) -> FailureKind {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => FailureKind::Reset,
                io::ErrorKind::UnexpectedEof => FailureKind::ClosedEarly,
                _ => FailureKind::Protocol(io.to_string()),
            };
        }
        source = cause.source();
    }
    if error.is_parse() {
        return FailureKind::Protocol(error.to_string());
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return FailureKind::ClosedEarly;
    }
    FailureKind::Protocol(error.to_string())
}

/// A stream that counts the bytes that came in.
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = buf.filled().len() - before;
        if came > 0 {
            self.received.fetch_add(came as u64, Ordering::Release);
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
