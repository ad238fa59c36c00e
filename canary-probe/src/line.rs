//! Connections that outlive a request: opened, asked over, kept for the next one of the same round.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use canary_tenants::probe::{Endpoint, MAX_BODY, TryEnd};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::request::{Failed, told};

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1024;
/// How many are kept unused at most: as many as a wide window has tenants.
const MOST: usize = 1024;
/// How long one is kept unused; servers end theirs after seconds.
const KEPT: Duration = Duration::from_secs(2);

/// Where a line leads, and by whose word it is believed: what two requests must have in common to go over one.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Way {
    pub(crate) fn new(endpoint: &Endpoint, addresses: &[IpAddr], tls: Option<Arc<ClientConfig>>) -> Self {
        Self { host: endpoint.host.clone(), port: endpoint.port, addresses: addresses.to_vec(), tls }
    }

    fn is(&self, other: &Self) -> bool {
        let trust = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        trust && (self.port, &self.host, &self.addresses) == (other.port, &other.host, &other.addresses)
    }
}

/// Lines that nobody uses now, the longest unused first. They end with the round.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<VecDeque<(Way, Line, Instant)>>);

impl Lines {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(Way, Line, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that was used before; whether it still stands shows when it is asked over.
    pub(crate) fn take(&self, way: &Way) -> Option<Line> {
        let mut kept = self.kept();
        let now = Instant::now();
        while kept.front().is_some_and(|(.., since)| now.duration_since(*since) > KEPT) {
            kept.pop_front();
        }
        let at = kept.iter().rposition(|(other, ..)| other.is(way))?;
        kept.remove(at).map(|(_, line, _)| line)
    }

    pub(crate) fn keep(&self, way: Way, line: Line) {
        let mut kept = self.kept();
        kept.push_back((way, line, Instant::now()));
        if kept.len() > MOST {
            kept.pop_front();
        }
    }
}

/// One connection that speaks HTTP. It moves on only while it is asked over.
pub(crate) struct Line {
    sender: SendRequest<Empty<Bytes>>,
    driver: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Line {
    /// Speaks HTTP over a connection that stands.
    pub(crate) async fn over<S>(stream: S) -> Result<Self, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let made = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
        let (sender, driver) = made.map_err(|why| broken(&why))?;
        Ok(Self { sender, driver: Box::pin(driver) })
    }

    /// One request since `begun`; gives the line back where another may follow. `whole` asks for the body.
    pub(crate) async fn ask(
        self,
        endpoint: &Endpoint,
        whole: bool,
        begun: Instant,
    ) -> Result<(Answer, Option<Self>), Failed> {
        let Self { mut sender, mut driver } = self;
        let request = request(endpoint)?;
        let (answered, ended) = {
            let mut answer = pin!(answer(&mut sender, request, whole));
            tokio::select! {
                biased;
                answered = &mut answer => (answered, false),
                // What it received before it ended is still there to be read, and its error is the answer's.
                _ = &mut driver => (answer.await, true),
            }
        };
        let (status, body, again) = answered?;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok((Answer { status, body, took }, (again && !ended).then_some(Self { sender, driver })))
    }
}

fn request(endpoint: &Endpoint) -> Result<Request<Empty<Bytes>>, Failed> {
    Request::get(&endpoint.path)
        .header(HOST, endpoint.authority())
        .header(USER_AGENT, concat!("canary-probe/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .body(Empty::<Bytes>::new())
        .map_err(|why| Failed(TryEnd::Failed, format!("its URL cannot be used: {why}")))
}

/// The status, the body unless it is too long, and whether the line may be asked over again.
async fn answer(
    sender: &mut SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    whole: bool,
) -> Result<(u16, Option<Vec<u8>>, bool), Failed> {
    let broken = |why: hyper::Error| broken(&why);
    sender.ready().await.map_err(broken)?;
    let mut response = sender.send_request(request).await.map_err(broken)?;
    let stays = stays(&response);
    let (mut body, mut long) = (Vec::new(), false);
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(broken)?;
        body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        long = body.len() as u64 > MAX_BODY;
        if long {
            break;
        }
    }
    // What nobody looks at may be of any length.
    Ok((response.status().as_u16(), (!long || !whole).then_some(body), stays && !long))
}

/// Whether the other side leaves the connection open (RFC 9112, section 9.3).
fn stays<B>(response: &Response<B>) -> bool {
    let closes = |value: &hyper::header::HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
    };
    response.version() == Version::HTTP_11 && !response.headers().get_all(CONNECTION).iter().any(closes)
}

fn broken(why: &hyper::Error) -> Failed {
    Failed(TryEnd::Broken, told(why))
}
