//! One try: connect or go on with a connection that stands, ask, read, each within the one deadline.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use canary_tenants::probe::{Endpoint, ProbeCheck, ProbeTarget, Try, TryEnd};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::answer::{Answer, judge};
use crate::line::{Line, Lines, Way};
use crate::resolve::{Resolve, addresses};
use crate::trust::{Trust, meaning};

/// What every try of a round needs.
#[derive(Debug)]
pub(crate) struct Cx<'r> {
    pub(crate) names: &'r dyn Resolve,
    pub(crate) trust: &'r Trust,
    pub(crate) lines: Lines,
}

/// Why there is no answer.
pub(crate) struct Failed(pub(crate) TryEnd, pub(crate) String);

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

/// Asks once, within `limit`; `again` where an earlier try of the tenant was not good.
pub(crate) async fn attempt(
    cx: &Cx<'_>,
    check: &ProbeCheck,
    target: &ProbeTarget,
    limit: Duration,
    again: bool,
) -> Try {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let begun = Instant::now();
    let stage = Stage::default();
    let asked = timeout(limit, ask(cx, check, target, &stage, limit / 2, again)).await;
    let (status, end, error, took_us) = match asked.unwrap_or_else(|_| Err(stage.out_of_time())) {
        Ok(answer) => {
            let (end, why) = judge(&answer, check, target.limit_us);
            (Some(answer.status), end, why, answer.took)
        }
        Err(Failed(end, why)) => {
            (None, end, Some(why), u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX))
        }
    };
    Try { at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), end, error, status, took_us }
}

/// An answer counts over whatever connection. That there is none counts over one of the try's own alone: it may be the connection
/// that ended, or that nobody listens to any more. `patience` is for how long another one is not opened beside it.
async fn ask(
    cx: &Cx<'_>,
    check: &ProbeCheck,
    target: &ProbeTarget,
    stage: &Stage,
    patience: Duration,
    again: bool,
) -> Result<Answer, Failed> {
    let endpoint: Endpoint =
        target.url.parse().map_err(|why| Failed(TryEnd::Failed, format!("its URL cannot be used: {why}")))?;
    let tls = match endpoint.https {
        true => Some(cx.trust.config(&check.ca_pem).map_err(|why| Failed(TryEnd::Failed, why))?),
        false => None,
    };
    let asking =
        Asking { cx, way: Way::new(&endpoint, &target.addresses, tls), endpoint, check, target, stage };
    let kept = if again { None } else { cx.lines.take(&asking.way) };
    let Some(line) = kept else { return asking.anew().await };
    let mut over = pin!(asking.over(line, Instant::now()));
    let answered = tokio::select! {
        biased;
        answered = &mut over => Some(answered),
        () = sleep(patience) => None,
    };
    match answered {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(_)) => asking.anew().await,
        None => tokio::select! {
            biased;
            Ok(answer) = &mut over => Ok(answer),
            answered = asking.anew() => answered,
        },
    }
}

/// One tenant's request.
struct Asking<'r> {
    cx: &'r Cx<'r>,
    way: Way,
    endpoint: Endpoint,
    check: &'r ProbeCheck,
    target: &'r ProbeTarget,
    stage: &'r Stage,
}

impl Asking<'_> {
    /// Over a connection of its own.
    async fn anew(&self) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let found = addresses(&self.endpoint, &self.target.addresses, self.cx.names).await;
        let found = found.map_err(|why| Failed(TryEnd::Unresolved, why.to_string()))?;
        self.stage.is(Stage::CONNECTING);
        let stream = connect(&found).await?;
        self.stage.is(Stage::CONNECTED);
        let line = match &self.way.tls {
            None => Line::over(stream).await?,
            Some(config) => {
                let host = &self.endpoint.host;
                let name = ServerName::try_from(host.clone())
                    .map_err(|why| Failed(TryEnd::Failed, format!("{host:?} is no name for TLS: {why}")))?;
                let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
                Line::over(stream.map_err(|why| Failed(meaning(&why), format!("TLS: {why}")))?).await?
            }
        };
        self.over(line, begun).await
    }

    async fn over(&self, line: Line, begun: Instant) -> Result<Answer, Failed> {
        let (answer, line) = line.ask(&self.endpoint, !self.check.body.is_empty(), begun).await?;
        if let Some(line) = line {
            self.cx.lines.keep(self.way.clone(), line);
        }
        Ok(answer)
    }
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

/// An error with its causes.
pub(crate) fn told(error: &dyn Error) -> String {
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
