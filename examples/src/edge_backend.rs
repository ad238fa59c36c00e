//! A whole third-party backend in one file: `LoadBalancer` and `SliSource` over the admin port of [`crate::edge`].
//!
//! It is laid out as the traits' contracts ask, from the wire up:
//!
//! 1. `EdgeBackend::ask`: one command, one answer, one deadline; every failure says whether it can have had an effect;
//! 2. the parser: an answer is understood completely or it is an error;
//! 3. the traits: what is asked for, what is read back.
//!
//! Names cannot carry a command: `NodeId` has no blanks and no line feeds in it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Number;
use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{
    AdminState, BackendError, CallOutcome, ErrorKind, ExecutedQuery, HealthCheck, HealthReport,
    LbCapabilities, LoadBalancer, Operational, PoolState, Reading, Sample, Server, SliFacts, SliKind,
    SliQuery, SliSource, Subject, Weight,
};
use canary_http::{ConfigError, HttpClient, Method, StatusCode, excerpt, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const BACKEND: &str = "edge";
/// How long connecting may take, and after it an exchange: no call takes longer than three times this.
const DEADLINE: Duration = Duration::from_secs(2);
/// The shortest useful delay before a call is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// The longest answer that is read, in bytes.
const ANSWER: u64 = 1024 * 1024;
/// The one metric the balancer has: a counter of requests, by status.
const METRIC: &str = "edge_requests_total";

/// One pool of one edge balancer. Every call but [`LoadBalancer::check_through`], which has the check's own deadline,
/// returns within eight seconds.
#[derive(Debug)]
pub struct EdgeBackend {
    pool: PoolName,
    admin: SocketAddr,
    clients: HttpClient,
}

impl EdgeBackend {
    /// The pool behind that admin port; `url` is where clients come in. Nothing is sent yet.
    ///
    /// # Errors
    /// When `url` cannot be used.
    pub fn new(pool: PoolName, admin: SocketAddr, url: &str) -> Result<Self, ConfigError> {
        Ok(Self { pool, admin, clients: HttpClient::builder(BACKEND).base_url(url).build()? })
    }

    /// Sends one command and gives the lines of its answer.
    ///
    /// # Errors
    /// Not applied: nobody listens (`Unreachable`, `TimedOut`), or the balancer says no (`NotFound`, `Refused`).
    /// Unknown: the command was sent, and no whole answer came back (`TimedOut`, `Protocol`). All but a no may be tried
    /// again: every command leaves the same state however often it is sent.
    async fn ask(&self, command: &str) -> Result<Vec<String>, BackendError> {
        let failed =
            |kind, text: &str| BackendError::new(kind, BACKEND, command, text).with("admin", self.admin);
        let nothing_sent = |error: BackendError| error.outcome_is(CallOutcome::NotApplied).transient(AGAIN);
        let mut stream = match timeout(DEADLINE, TcpStream::connect(self.admin)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(nothing_sent(failed(ErrorKind::Unreachable, "").caused_by(error)));
            }
            Err(_) => return Err(nothing_sent(failed(ErrorKind::TimedOut, "no connection within 2s"))),
        };
        let mut answer = Vec::new();
        let exchange = async {
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            stream.take(ANSWER).read_to_end(&mut answer).await
        };
        match timeout(DEADLINE, exchange).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let text = "the connection broke off";
                return Err(failed(ErrorKind::Protocol, text).transient(AGAIN).caused_by(error));
            }
            Err(_) => return Err(failed(ErrorKind::TimedOut, "no answer within 2s").transient(AGAIN)),
        }
        let text = String::from_utf8_lossy(&answer);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // Without its last line an answer was cut off, and what is missing could be anything.
        if !text.ends_with('\n') || lines.pop().as_deref() != Some("end") {
            let text = format!("the answer has no end: {:?}", excerpt(&answer));
            return Err(failed(ErrorKind::Protocol, &text).transient(AGAIN));
        }
        let refusal = lines.first().and_then(|line| line.strip_prefix("error "));
        match refusal.map(|words| words.split_once(' ').unwrap_or((words, ""))) {
            None => Ok(lines),
            Some(("not-found", words)) => {
                Err(failed(ErrorKind::NotFound, words).outcome_is(CallOutcome::NotApplied))
            }
            Some((_, words)) => Err(failed(ErrorKind::Refused, words).outcome_is(CallOutcome::NotApplied)),
        }
    }

    /// Sends a command that only reads: whatever goes wrong, nothing was changed.
    async fn read(&self, command: &str) -> Result<Vec<String>, BackendError> {
        self.ask(command).await.map_err(|error| error.outcome_is(CallOutcome::NotApplied))
    }

    /// Sends a command that changes something, which is answered with nothing.
    async fn change(&self, command: &str) -> Result<(), BackendError> {
        match self.ask(command).await?.as_slice() {
            [] => Ok(()),
            [line, ..] => Err(not_understood(command, line)),
        }
    }

    /// The pool with the first line's name, epoch, and a server a line.
    fn parse(&self, lines: &[String]) -> Result<PoolState, BackendError> {
        let not_applied = |error: BackendError| error.outcome_is(CallOutcome::NotApplied);
        let Some((first, rest)) = lines.split_first() else {
            return Err(not_applied(not_understood("pool", "")));
        };
        let ["pool", name, "epoch", epoch] = words(first)[..] else {
            return Err(not_applied(not_understood("pool", first)));
        };
        if name != self.pool.as_str() {
            let text = format!("there is no such pool; there is {name}");
            let error = BackendError::new(ErrorKind::NotFound, BACKEND, "pool", text);
            return Err(not_applied(error).with("pool", &self.pool));
        }
        let server = |line: &String| server(line).ok_or_else(|| not_applied(not_understood("pool", line)));
        Ok(PoolState {
            pool: self.pool.clone(),
            epoch: epoch.to_owned(),
            algorithm: Some("roundrobin".to_owned()),
            sticky: None,
            servers: rest.iter().map(server).collect::<Result<_, _>>()?,
        })
    }

    /// Counts the requests of a window: all, and those answered 5xx, and since when the balancer counts.
    async fn count(&self, query: &SliQuery) -> Result<Counted, BackendError> {
        let has = |metric: &str, label: &str| metric == METRIC && label == "status";
        match &query.kind {
            SliKind::ErrorRatio { metric, status_label } if has(metric.as_str(), status_label.as_str()) => {}
            _ => {
                let text = format!("the one thing to ask for is the error ratio of {METRIC} by status");
                let error = BackendError::new(ErrorKind::Unsupported, BACKEND, "sample", text);
                return Err(error.outcome_is(CallOutcome::NotApplied).with("sli", &query.name));
            }
        }
        let nodes = match &query.subject {
            Subject::Nodes(nodes) => nodes.clone(),
            Subject::Pool => self.servers().await?.servers.into_iter().map(|server| server.node).collect(),
        };
        let to = query.at.as_millis();
        let from = to.saturating_sub(u64::try_from(query.window.as_millis()).unwrap_or(u64::MAX));
        let command = nodes.iter().fold(format!("window {from} {to}"), |line, node| format!("{line} {node}"));
        let lines = match self.read(&command).await {
            Ok(lines) => lines,
            // A server that is not there has no series.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let answer = error.message().to_owned();
                return Ok(Counted { command, answer, requests: 0, errors: 0, partial: false, series: 0 });
            }
            Err(error) => return Err(error),
        };
        let numbers = match lines.as_slice() {
            [line] => counts(line),
            _ => None,
        };
        let (requests, errors, since) = numbers
            .ok_or_else(|| not_understood(&command, &lines.join(" ")).outcome_is(CallOutcome::NotApplied))?;
        let (partial, series) = (since > from, nodes.len() as u64);
        Ok(Counted { command, answer: lines.concat(), requests, errors, partial, series })
    }
}

/// What the balancer counted in a window.
struct Counted {
    command: String,
    answer: String,
    requests: u64,
    errors: u64,
    /// The balancer does not count for as long as the window is.
    partial: bool,
    series: u64,
}

fn not_understood(command: &str, line: &str) -> BackendError {
    let text = format!("not the expected answer: {:?}", excerpt(line.as_bytes()));
    BackendError::new(ErrorKind::Protocol, BACKEND, command, text)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// `server NAME ADDRESS ADMIN FOUND WEIGHT CONFIGURED SESSIONS SERVED`
fn server(line: &str) -> Option<Server> {
    let ["server", name, address, admin, found, weight, configured, sessions, served] = words(line)[..]
    else {
        return None;
    };
    Some(Server {
        node: NodeId::new(name).ok()?,
        address: Some(address.to_owned()),
        admin: [AdminState::Ready, AdminState::Drain, AdminState::Maint]
            .into_iter()
            .find(|state| state.to_string() == admin)?,
        operational: match found {
            "up" => Operational::Up,
            "down" => Operational::Down,
            _ => return None,
        },
        checked: true,
        weight: Weight::new(weight.parse().ok()?).ok()?,
        configured_weight: Weight::new(configured.parse().ok()?).ok()?,
        backup: false,
        sessions: sessions.parse().ok()?,
        // The balancer has no queue: a request that no server can take is answered 503.
        queued: 0,
        served: served.parse().ok()?,
    })
}

/// `requests N errors M since MS`
fn counts(line: &str) -> Option<(u64, u64, u64)> {
    let ["requests", requests, "errors", errors, "since", since] = words(line)[..] else { return None };
    Some((requests.parse().ok()?, errors.parse().ok()?, since.parse().ok()?))
}

impl fmt::Display for EdgeBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "edge {} ({})", self.pool, self.admin)
    }
}

#[async_trait]
impl LoadBalancer for EdgeBackend {
    fn capabilities(&self) -> LbCapabilities {
        LbCapabilities { weights: true, close_sessions: false, check_through: true }
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        self.parse(&self.read("pool").await?)
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        self.change(&format!("admin {node} {state}")).await?;
        // Acknowledged: what goes wrong from here on is the reading alone.
        self.servers().await.map_err(|error| error.outcome_is(CallOutcome::Applied))
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        self.change(&format!("weight {node} {}", weight.value())).await
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        let text = "this balancer cannot close sessions";
        let error = BackendError::new(ErrorKind::Unsupported, BACKEND, "close sessions", text);
        Err(error.outcome_is(CallOutcome::NotApplied).with("server", node))
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let request = self
            .clients
            .request(Method::GET, check.path.as_str())
            .header(header::CONNECTION, "close")
            .timeout(check.attempt_timeout);
        let via = format!("{} from here", self.clients);
        let report = |status: Option<StatusCode>, detail: String| HealthReport {
            healthy: status == Some(StatusCode::OK),
            status: status.map(|status| status.as_u16()),
            detail: excerpt(detail.as_bytes()),
            via,
        };
        match self.clients.send("check through the balancer", request).await {
            Ok(reply) => Ok(report(Some(reply.status), format!("{}: {}", reply.status, reply.excerpt()))),
            Err(error) if error.kind() == ErrorKind::Other => Err(error),
            // A connection that is refused, or no answer in time, is what was asked for: a report.
            Err(error) => Ok(report(None, error.chain())),
        }
    }
}

#[async_trait]
impl SliSource for EdgeBackend {
    fn by_node(&self) -> bool {
        true
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let mut samples = Vec::with_capacity(queries.len());
        for query in queries {
            samples.push(self.count(query).await.map(sample));
        }
        samples
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        let series = self.count(query).await?.series;
        Ok(SliFacts { series, largest_bound: None, scrape_interval: None })
    }
}

fn sample(counted: Counted) -> Sample {
    let reading = if counted.series == 0 {
        Reading::Absent
    } else if counted.requests == 0 {
        Reading::NoTraffic
    } else {
        // Counts of ten minutes are far below 2^53, where f64 is exact.
        let ratio = counted.errors as f64 / counted.requests as f64;
        Number::new(ratio).map_or(Reading::NotANumber, |value| Reading::Value { value })
    };
    let partial = "the balancer has not counted for as long as the window is";
    Sample {
        reading,
        events: (counted.series > 0).then_some(counted.requests),
        age: None,
        warnings: if counted.partial { vec![partial.to_owned()] } else { Vec::new() },
        queries: vec![ExecutedQuery { query: counted.command, reply: counted.answer }],
    }
}
