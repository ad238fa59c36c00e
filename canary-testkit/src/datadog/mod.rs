//! A server on loopback that speaks the documented parts of the Datadog API which canary uses: Events v2 and v1, and metric
//! queries v2 (scalar and timeseries). It holds series and answers from them, and it is strict: what the documentation
//! refuses (keys, limits, unknown fields, old events), it refuses.

mod events;
mod http;
mod metrics;
mod queries;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use metrics::{Series, SeriesKind};

/// The API key that the server takes.
pub const API_KEY: &str = "0123456789abcdef0123456789abcdef";
/// The application key that it takes.
pub const APP_KEY: &str = "fedcba9876543210fedcba9876543210fedcba98";

/// A request that came, and what it was answered.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The path, with its query.
    pub path: String,
    /// The body as JSON; null when it is none.
    pub request: Value,
    /// The status; 0 when it was not answered.
    pub status: u16,
    /// The answer.
    pub reply: Value,
}

impl Exchange {
    /// The value of a tag of the event that was sent.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<String> {
        let tags =
            self.request["data"]["attributes"]["tags"].as_array().or_else(|| self.request["tags"].as_array());
        let mut tags = tags.into_iter().flatten().filter_map(|tag| tag.as_str()?.split_once(':'));
        tags.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    }
}

/// What the server does other than well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whim {
    /// Answers the next request with this status.
    Status(u16),
    /// Answers the next request with 429, and takes the next ones after so many seconds (`X-RateLimit-Reset`).
    RateLimit {
        /// The header's value.
        reset: u64,
    },
    /// Takes the next request in, and never answers it.
    Silence,
    /// Says `errors` beside the data of the next answer.
    Partly(String),
    /// Gives the first row of the next scalar answer twice.
    Twice,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) series: Vec<Series>,
    pub(super) whims: VecDeque<Whim>,
    pub(super) exchanges: Vec<Exchange>,
    /// Timeseries have no smaller interval than this, whatever is asked for.
    pub(super) least_interval: u64,
    /// Points younger than this, at the time asked about, are not there yet.
    pub(super) late: u64,
    /// Whether the events API v2 is there.
    pub(super) no_events_v2: bool,
    pub(super) limited_until: Option<Instant>,
    /// Whether it answers 503 to everything.
    pub(super) away: bool,
}

/// The server; it ends with the process.
#[derive(Debug, Clone)]
pub struct DatadogServer {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl DatadogServer {
    /// Listens on `port` of loopback; 0 for a free one.
    ///
    /// # Errors
    /// When it is not free.
    pub fn start(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || drop(http::serve(stream, &shared)));
            }
        });
        Ok(Self { address, state })
    }

    /// Its address, to be used as the site.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has these series from now on.
    pub fn add(&self, series: impl IntoIterator<Item = Series>) {
        self.state().series.extend(series);
    }

    /// Forgets all series.
    pub fn clear(&self) {
        self.state().series.clear();
    }

    /// Does this next, after what it was told before.
    pub fn next(&self, whim: Whim) {
        self.state().whims.push_back(whim);
    }

    /// Enlarges smaller intervals of timeseries to this many milliseconds.
    pub fn least_interval(&self, ms: u64) {
        self.state().least_interval = ms;
    }

    /// Has no points yet of the last so many milliseconds before the end that is asked about.
    pub fn late(&self, ms: u64) {
        self.state().late = ms;
    }

    /// Answers 503 to everything from now on, or again as it should.
    pub fn away(&self, away: bool) {
        self.state().away = away;
    }

    /// Has no Events v2.
    pub fn without_events_v2(&self) {
        self.state().no_events_v2 = true;
    }

    /// All requests and answers so far.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state().exchanges.clone()
    }

    /// The events that it took, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let all = self.exchanges().into_iter();
        let taken = all.filter(|one| one.status == 202 && one.path.contains("/events"));
        taken.map(|one| one.request).collect()
    }

    /// Waits until `done` holds of it, at most 30 s; whether it did.
    #[must_use]
    pub fn wait_until(&self, done: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + Duration::from_secs(30);
        while !done(self) {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}
