use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::{Fault, MAX_MILLIS, Metrics, Trailer};

/// The response header that names the release that answered.
pub const VERSION_HEADER: &str = "x-canary-lab-version";
/// The response header that names the node that answered.
pub const NODE_HEADER: &str = "x-canary-lab-node";

/// One release of the service on one node: what it answers and what it counts.
#[derive(Debug)]
pub struct App {
    trailer: Trailer,
    node: String,
    metrics: Metrics,
    /// Requests that faults at a rate may hit, so far.
    turn: AtomicU64,
}

struct Answer {
    status: StatusCode,
    body: String,
}

impl App {
    /// A release as its trailer describes it, on the node of this name.
    pub fn new(trailer: Trailer, node: impl Into<String>) -> Self {
        Self { trailer, node: node.into(), metrics: Metrics::default(), turn: AtomicU64::new(0) }
    }

    /// Answers one request and counts it; `/metrics` itself is not counted.
    ///
    /// # Errors
    /// None: what goes wrong is a status.
    pub async fn answer<B>(&self, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        let started = Instant::now();
        let (path, query) = (request.uri().path(), request.uri().query());
        let answer = match path {
            "/metrics" => {
                return Ok(self.response(Answer { status: StatusCode::OK, body: self.metrics.render() }));
            }
            "/api/v1/health" => self.health(),
            "/" => self.work(Duration::ZERO).await,
            "/work" => match requested_time(query) {
                Some(time) => self.work(time).await,
                None => Answer {
                    status: StatusCode::BAD_REQUEST,
                    body: format!("/work takes ms=0 to ms={MAX_MILLIS}\n"),
                },
            },
            // What every node answers while something is away that all of them need.
            "/fail" => Answer {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                body: "what all nodes need is away\n".to_owned(),
            },
            _ => Answer { status: StatusCode::NOT_FOUND, body: "not found\n".to_owned() },
        };
        self.metrics.observe(answer.status.as_u16(), started.elapsed());
        Ok(self.response(answer))
    }

    fn health(&self) -> Answer {
        if self.trailer.faults.contains(&Fault::Health) {
            return Answer { status: StatusCode::INTERNAL_SERVER_ERROR, body: "unhealthy\n".to_owned() };
        }
        Answer { status: StatusCode::OK, body: "ok\n".to_owned() }
    }

    async fn work(&self, mut time: Duration) -> Answer {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut status = StatusCode::OK;
        for fault in &self.trailer.faults {
            match *fault {
                Fault::Errors { rate_ppm } if hit(turn, rate_ppm) => {
                    status = StatusCode::INTERNAL_SERVER_ERROR;
                }
                Fault::Latency { rate_ppm, ms } if hit(turn, rate_ppm) => time += Duration::from_millis(ms),
                Fault::LongRequests { ms } => time = time.max(Duration::from_millis(ms)),
                _ => {}
            }
        }
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        Answer { status, body: format!("{} on {}\n", self.trailer.version, self.node) }
    }

    fn response(&self, answer: Answer) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
        for (name, value) in [(VERSION_HEADER, &self.trailer.version), (NODE_HEADER, &self.node)] {
            // A host name that is no header value goes without the header; the body still says it.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// Whether a fault at this rate hits this turn: evenly spread, exact over a million turns.
fn hit(turn: u64, rate_ppm: u32) -> bool {
    let before = u128::from(turn) * u128::from(rate_ppm) / 1_000_000;
    let after = (u128::from(turn) + 1) * u128::from(rate_ppm) / 1_000_000;
    after > before
}

fn requested_time(query: Option<&str>) -> Option<Duration> {
    let Some(query) = query else { return Some(Duration::ZERO) };
    let ms: u64 = query.strip_prefix("ms=")?.parse().ok()?;
    (ms <= MAX_MILLIS).then(|| Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_exact_and_evenly_spread() {
        for (rate, expected) in [(0, 0), (1, 1), (50_000, 50_000), (999_999, 999_999), (1_000_000, 1_000_000)]
        {
            assert_eq!((0..1_000_000).filter(|turn| hit(*turn, rate)).count(), expected, "rate {rate}");
        }
        let hits: Vec<u64> = (0..60).filter(|turn| hit(*turn, 50_000)).collect();
        assert_eq!(hits, [19, 39, 59]);
    }

    #[test]
    fn the_time_asked_for_is_bounded() {
        let cases = [
            (None, Some(0)),
            (Some("ms=0"), Some(0)),
            (Some("ms=120000"), Some(120_000)),
            (Some("ms=120001"), None),
            (Some("ms=-1"), None),
            (Some("ms="), None),
            (Some("seconds=1"), None),
        ];
        for (query, expected) in cases {
            assert_eq!(requested_time(query), expected.map(Duration::from_millis), "{query:?}");
        }
    }
}
