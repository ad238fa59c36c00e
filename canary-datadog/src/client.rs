//! Metric queries: one request a time, its limit of requests honoured, every status given its meaning here.

use std::time::{Duration, Instant};

use canary_core::traits::Retry;
use canary_http::{ConfigError, HttpClient, Method, Reply, header};
use canary_tenants::source::Asked;
use serde_json::Value;

use crate::courier::API_KEY;
use crate::keys::Keys;
use crate::site::Site;

/// The header of the application key.
const APP_KEY: &str = "dd-application-key";
/// How often a request is made again that may pass.
const AGAIN: u32 = 2;
/// The delay before the first repeat; it doubles.
const FIRST: Duration = Duration::from_millis(250);
/// The largest answer.
const LARGEST: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The source does not answer, or not for now.
    Down(String),
    /// The keys do not suffice.
    Unauthorised(String),
    /// It refuses what is asked: no waiting helps.
    Refused(String),
}

/// A client of metric queries.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    keys: Keys,
    timeout: Duration,
}

impl Client {
    pub(crate) fn new(site: &Site, keys: Keys, timeout: Duration) -> Result<Self, ConfigError> {
        let builder = HttpClient::builder("datadog").base_url(site.api()).timeout(timeout).max_body(LARGEST);
        let builder = builder.secret_header(API_KEY, keys.api());
        let http = match keys.app() {
            Some(app) => builder.secret_header(APP_KEY, app).build()?,
            None => builder.build()?,
        };
        Ok(Self { http, keys, timeout })
    }

    /// Asks, again where that can help and the deadline allows it; every try is kept in `asked`.
    pub(crate) async fn ask(
        &self,
        path: &str,
        body: &Value,
        until: Instant,
        asked: &mut Vec<Asked>,
    ) -> Result<Value, Trouble> {
        let text = body.to_string();
        let mut tries = 0;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (kept, answer) = self.once(path, &text, left.min(self.timeout)).await;
            asked.push(kept);
            let (why, after) = match answer {
                Ok(value) => return Ok(value),
                Err(Answer::Final(trouble)) => return Err(trouble),
                Err(Answer::Again { why, after }) => (why, after),
            };
            let delay = after.unwrap_or(FIRST * (1 << tries));
            if delay >= until.saturating_duration_since(Instant::now()) {
                let why = format!("{why}; {} s more would be beyond the deadline", delay.as_secs_f64());
                return Err(Trouble::Down(why));
            }
            if tries == AGAIN {
                return Err(Trouble::Down(why));
            }
            tokio::time::sleep(delay).await;
            tries += 1;
        }
    }

    async fn once(&self, path: &str, text: &str, timeout: Duration) -> (Asked, Result<Value, Answer>) {
        let began = Instant::now();
        let request = self
            .http
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .timeout(timeout)
            .body(text.to_owned());
        let mut kept = Asked { text: format!("POST {path} {text}"), ..Asked::default() };
        let sent = self.http.send("query", request).await;
        kept.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                kept.reply = self.keys.redact(&error.chain());
                let why = kept.reply.clone();
                let answer = match error.retry() {
                    Retry::Transient { .. } => Answer::Again { why, after: None },
                    Retry::Permanent => Answer::Final(Trouble::Down(why)),
                };
                return (kept, Err(answer));
            }
        };
        kept.status = reply.status.as_u16();
        kept.reply = self.keys.redact(&reply.text());
        let answer = self.meaning(&reply);
        (kept, answer)
    }

    fn meaning(&self, reply: &Reply) -> Result<Value, Answer> {
        let told = self.keys.redact(&reply.excerpt());
        let status = reply.status;
        match status.as_u16() {
            200 => serde_json::from_slice(&reply.body).map_err(|error| {
                Answer::Final(Trouble::Down(format!("not the expected JSON ({error}): {told}")))
            }),
            400 | 404 | 413 | 422 => {
                Err(Answer::Final(Trouble::Refused(format!("it answered {status}: {told}"))))
            }
            401 | 403 => Err(Answer::Final(Trouble::Unauthorised(format!(
                "it answered {status}: the API key, the application key, or its scope timeseries_query: {told}"
            )))),
            429 => {
                let named = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok());
                let reset = named("x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
                let (name, limit) = (named("x-ratelimit-name"), named("x-ratelimit-limit"));
                let why = format!(
                    "it answered {status}: the limit {} of {} requests in {} s is reached",
                    name.unwrap_or("without a name"),
                    limit.unwrap_or("?"),
                    named("x-ratelimit-period").unwrap_or("?"),
                );
                Err(Answer::Again { why, after: reset.map(Duration::from_secs) })
            }
            408 | 500..=599 => {
                Err(Answer::Again { why: format!("it answered {status}: {told}"), after: None })
            }
            _ => Err(Answer::Final(Trouble::Down(format!("it answered {status}: {told}")))),
        }
    }
}

/// An answer that is none.
enum Answer {
    Final(Trouble),
    Again { why: String, after: Option<Duration> },
}
