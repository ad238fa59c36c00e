use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Latencies;

/// Failures beyond this many are counted and not kept one by one.
pub const MAX_FAILURES: usize = 10_000;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// A whole answer with a status of 500 or above.
    Status(u16),
    /// Nobody listened.
    ConnectRefused,
    /// No connection for another reason.
    Connect(String),
    /// The connection was reset before the whole answer was there.
    Reset,
    /// The connection was closed before the whole answer was there.
    ClosedEarly,
    /// No whole answer in time.
    Timeout,
    /// What came was not HTTP.
    Protocol(String),
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::ConnectRefused => f.write_str("connection refused"),
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Reset => f.write_str("connection reset"),
            Self::ClosedEarly => f.write_str("closed before the whole answer"),
            Self::Timeout => f.write_str("timed out"),
            Self::Protocol(error) => write!(f, "not HTTP: {error}"),
        }
    }
}

/// One failed request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// When it failed, since the load's start.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// How long it had been under way.
    #[serde(rename = "took_ms", serialize_with = "millis")]
    pub took: Duration,
    /// Its path and query.
    pub path: String,
    /// Why it failed.
    #[serde(flatten)]
    pub kind: FailureKind,
    /// The release that answered; `None` when the balancer did, or nobody.
    pub version: Option<String>,
    /// The node that answered; `None` when the balancer did, or nobody.
    pub node: Option<String>,
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// Answers by status.
pub type ByStatus = BTreeMap<u16, u64>;

/// What clients saw.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// How long the load has run.
    #[serde(rename = "elapsed_ms", serialize_with = "millis")]
    pub elapsed: Duration,
    /// Requests that were sent and have ended; a retry is no request of its own.
    pub sent: u64,
    /// Requests with a whole answer below 500.
    pub ok: u64,
    /// Requests that failed: `sent - ok`.
    pub failed_total: u64,
    /// Whole answers by status.
    pub by_status: ByStatus,
    /// Whole answers by release and status; answers without the header are under `""`.
    pub by_version: BTreeMap<String, ByStatus>,
    /// Whole answers by node and status; answers without the header are under `""`.
    pub by_node: BTreeMap<String, ByStatus>,
    /// The first [`MAX_FAILURES`] failures, in order.
    pub failed: Vec<Failure>,
    /// Requests written on an idle connection just as the server closed it: not one byte came back, and the
    /// request was sent once more on a new connection (RFC 9112 section 9.3.1). They are no failures.
    pub retried_idle_close: u64,
    /// Requests of the asked rate that were never sent, because answers were too slow for the number of connections.
    pub skipped: u64,
    /// Times to a whole answer.
    pub latency: Latencies,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: Option<String>,
    pub(crate) node: Option<String>,
}

impl Summary {
    /// The failures that this release did not answer itself: cut connections, the balancer's own errors, other releases.
    pub fn failed_not_by<'a>(&'a self, version: &'a str) -> impl Iterator<Item = &'a Failure> {
        self.failed.iter().filter(move |failure| failure.version.as_deref() != Some(version))
    }

    /// Whole answers of this node.
    pub fn answers_of_node(&self, node: &str) -> u64 {
        self.by_node.get(node).map_or(0, |statuses| statuses.values().sum())
    }

    /// Whole answers of this release.
    pub fn answers_of_version(&self, version: &str) -> u64 {
        self.by_version.get(version).map_or(0, |statuses| statuses.values().sum())
    }

    pub(crate) fn add(
        &mut self,
        at: Duration,
        took: Duration,
        path: &str,
        result: Result<Answer, FailureKind>,
    ) {
        self.sent += 1;
        let (kind, answer) = match result {
            Ok(answer) => {
                self.latency.record(took);
                *self.by_status.entry(answer.status).or_default() += 1;
                count(&mut self.by_version, answer.version.as_deref(), answer.status);
                count(&mut self.by_node, answer.node.as_deref(), answer.status);
                if answer.status < 500 {
                    self.ok += 1;
                    return;
                }
                (FailureKind::Status(answer.status), Some(answer))
            }
            Err(kind) => (kind, None),
        };
        self.failed_total += 1;
        if self.failed.len() < MAX_FAILURES {
            let (version, node) = answer.map_or((None, None), |answer| (answer.version, answer.node));
            self.failed.push(Failure { at, took, path: path.to_owned(), kind, version, node });
        }
    }
}

/// No allocation for a key that is there: this runs once a request.
fn count(by_key: &mut BTreeMap<String, ByStatus>, key: Option<&str>, status: u16) {
    let key = key.unwrap_or_default();
    if let Some(statuses) = by_key.get_mut(key) {
        *statuses.entry(status).or_default() += 1;
    } else {
        by_key.entry(key.to_owned()).or_default().insert(status, 1);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        writeln!(
            f,
            "{} requests in {seconds:.1} s ({:.0} a second): {} ok, {} failed, {} sent again after an idle close, {} never sent",
            self.sent,
            self.sent as f64 / seconds.max(1e-9),
            self.ok,
            self.failed_total,
            self.retried_idle_close,
            self.skipped,
        )?;
        let ms = |share| self.latency.quantile(share).as_secs_f64() * 1e3;
        let longest = self.latency.longest().as_secs_f64() * 1e3;
        writeln!(
            f,
            "latency in ms: p50 {:.1}, p95 {:.1}, p99 {:.1}, max {longest:.1}",
            ms(0.5),
            ms(0.95),
            ms(0.99)
        )?;
        for (title, map) in [("release", &self.by_version), ("node", &self.by_node)] {
            for (key, statuses) in map {
                let name = if key.is_empty() { "(the balancer itself)" } else { key };
                let list: Vec<_> =
                    statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
                writeln!(f, "{title} {name}: {}", list.join(", "))?;
            }
        }
        for failure in self.failed.iter().take(10) {
            let by = failure.node.as_deref().unwrap_or("-");
            writeln!(
                f,
                "failed at {:.3} s after {:.3} s: {} by {by}: {}",
                failure.at.as_secs_f64(),
                failure.took.as_secs_f64(),
                failure.path,
                failure.kind
            )?;
        }
        if self.failed_total > 10 {
            writeln!(f, "... and {} more failures", self.failed_total - 10)?;
        }
        Ok(())
    }
}
