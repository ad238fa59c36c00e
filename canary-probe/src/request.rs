//! One try: connect, ask, read, each within the one deadline.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use canary_tenants::probe::{Endpoint, MAX_BODY, ProbeCheck, ProbeTarget, Try, TryEnd};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::answer::{Answer, judge};
use crate::resolve::{Resolve, addresses};
use crate::trust::{Trust, meaning};

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1024;

/// What every try needs.
#[derive(Debug)]
pub(crate) struct Cx {
    pub(crate) names: Arc<dyn Resolve>,
    pub(crate) trust: Trust,
}

/// Why there is no answer.
struct Failed(TryEnd, String);

/// How far a try got, so that what was slow is known when time runs out.
#[derive(Default)]
struct Stage(AtomicU8);

impl Stage {
    const CONNECTING: u8 = 1;
    const CONNECTED: u8 = 2;

    fn is(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    fn out_of_time(&self) -> Failed {
        match self.0.load(Ordering::Relaxed) {
            Self::CONNECTED => Failed(TryEnd::TimedOut, TryEnd::TimedOut.to_string()),
            Self::CONNECTING => Failed(TryEnd::Unreachable, TryEnd::Unreachable.to_string()),
            _ => Failed(TryEnd::Unresolved, "the name was not resolved in time".to_owned()),
        }
    }
}

/// Asks once, within `limit`.
pub(crate) async fn attempt(cx: &Cx, check: &ProbeCheck, target: &ProbeTarget, limit: Duration) -> Try {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let begun = Instant::now();
    let took = || u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let stage = Stage::default();
    let asked =
        timeout(limit, ask(cx, check, target, &stage)).await.unwrap_or_else(|_| Err(stage.out_of_time()));
    let took_us = took();
    let (status, end, error) = match asked {
        Ok((status, body)) => {
            let answer = Answer { status, body, took: took_us };
            let (end, why) = judge(&answer, check, target.limit_us);
            (Some(status), end, why)
        }
        Err(Failed(end, why)) => (None, end, Some(why)),
    };
    Try { at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), end, error, status, took_us }
}

type Asked = Result<(u16, Option<Vec<u8>>), Failed>;

async fn ask(cx: &Cx, check: &ProbeCheck, target: &ProbeTarget, stage: &Stage) -> Asked {
    let endpoint: Endpoint =
        target.url.parse().map_err(|why| Failed(TryEnd::Failed, format!("its URL cannot be used: {why}")))?;
    let found = addresses(&endpoint, &target.addresses, cx.names.as_ref()).await;
    let found = found.map_err(|why| Failed(TryEnd::Unresolved, why.to_string()))?;
    stage.is(Stage::CONNECTING);
    let stream = connect(&found).await?;
    stage.is(Stage::CONNECTED);
    if !endpoint.https {
        return exchange(stream, &endpoint, !check.body.is_empty()).await;
    }
    let config = cx.trust.config(check.ca_pem.as_ref()).map_err(|why| Failed(TryEnd::Failed, why))?;
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|why| Failed(TryEnd::Failed, format!("{:?} is no name for TLS: {why}", endpoint.host)))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let stream = stream.map_err(|why| Failed(meaning(&why), format!("TLS: {why}")))?;
    exchange(stream, &endpoint, !check.body.is_empty()).await
}

/// Connects to the first address that takes it.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failed> {
    let mut failed = Failed(TryEnd::Unresolved, TryEnd::Unresolved.to_string());
    let mut all_refused = true;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // One small request: waiting for more to send would only cost time. Where it cannot be set, it costs that.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(why) => {
                all_refused &= why.kind() == io::ErrorKind::ConnectionRefused;
                let end = if all_refused { TryEnd::Refused } else { unreachable(&why) };
                failed = Failed(end, format!("{address}: {why}"));
            }
        }
    }
    Err(failed)
}

/// Whether the network failed or this process.
fn unreachable(why: &io::Error) -> TryEnd {
    match why.kind() {
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset => TryEnd::Unreachable,
        _ => TryEnd::Failed,
    }
}

/// One request over a connection of its own, which is closed after it: whether the service takes connections is asked, too.
async fn exchange<S>(stream: S, endpoint: &Endpoint, whole: bool) -> Asked
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let broken = |why: hyper::Error| Failed(TryEnd::Broken, told(&why));
    let request = Request::get(&endpoint.path)
        .header(HOST, endpoint.authority())
        .header(USER_AGENT, concat!("canary-probe/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|why| Failed(TryEnd::Failed, format!("its URL cannot be used: {why}")))?;
    let made = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = made.map_err(broken)?;
    let answer = async move {
        let mut response = sender.send_request(request).await.map_err(broken)?;
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
        Ok((response.status().as_u16(), (!long || !whole).then_some(body)))
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answered = &mut answer => answered,
        // What it received before it ended is still there to be read, and its error is the answer's.
        _ = &mut connection => answer.await,
    }
}

/// An error with its causes.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
