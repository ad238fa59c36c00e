//! A page for scrapers: `GET /metrics`, nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Dialect, MetricsSink};

/// Connections served at a time; more wait.
const CONNECTIONS: usize = 16;
/// How long a connection may last.
const LONGEST: Duration = Duration::from_secs(30);

/// A server; it ends when dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the metrics at an address; port 0 takes a free one.
///
/// # Errors
/// When the address cannot be listened at.
pub async fn listen(address: SocketAddr, metrics: Arc<MetricsSink>) -> std::io::Result<Listening> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok(Listening { address, task: tokio::spawn(accept(listener, metrics)) })
}

async fn accept(listener: TcpListener, metrics: Arc<MetricsSink>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, mostly: the rollout needs them more.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            // A scraper that goes away or takes too long is nobody's concern here.
            let _ = tokio::time::timeout(LONGEST, serve(stream, metrics)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, metrics: Arc<MetricsSink>) {
    let service = service_fn(move |request| {
        let answer = answer(&request, &metrics);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_buf_size(16 * 1024);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, metrics: &MetricsSink) -> Response<Full<Bytes>> {
    let text = |status, text: &'static str| {
        let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *answer.status_mut() = status;
        answer
    };
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let dialect = if accepts.contains("application/openmetrics-text") {
        Dialect::OpenMetrics
    } else {
        Dialect::Prometheus
    };
    let mut answer = Response::new(Full::new(Bytes::from(metrics.page(dialect))));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(dialect.content_type()));
    answer
}
