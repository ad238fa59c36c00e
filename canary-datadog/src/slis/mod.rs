//! A rollout's SLIs by metric queries: two requests a probe, whatever the number of SLIs.

mod config;
mod item;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, Sample, SliFacts, SliQuery, SliSource};
use canary_http::ConfigError;

use crate::client::{Client, Trouble};
use crate::query::{self, Query, Timeseries};
pub use config::DatadogSlisConfig;
use config::Unaskable;
use item::{Found, Item};

/// How far back the newest points of a series that is gone are looked for.
const HORIZON: Duration = Duration::from_secs(3600);
/// The interval that is asked for, in milliseconds; the server enlarges it as it likes.
const INTERVAL: u64 = 20_000;
/// How far back series count as being there.
const NOW: Duration = Duration::from_secs(300);

/// Why a source cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlisError {
    /// Metric queries need both keys.
    #[error("there is no application key, which metric queries need")]
    NoAppKey,
    /// A metric's tags are by a version, of which a rollout's SLIs know nothing.
    #[error("the metric behind {name}: {why}")]
    Metric {
        /// The SLI's metric.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The client cannot be set up.
    #[error(transparent)]
    Client(#[from] ConfigError),
}

/// Reads a rollout's SLIs from a Datadog.
///
/// An error ratio is two counts, a quantile the percentile of a distribution and its count. A null is no data and no points are no
/// data; points that come late make a reading smaller, not wrong: both sides of a ratio lack them. It has no raw counters, so nodes
/// are not compared by odds.
#[derive(Debug)]
pub struct DatadogSlis {
    client: Client,
    config: DatadogSlisConfig,
}

impl DatadogSlis {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SlisError`], without secrets.
    pub fn new(config: DatadogSlisConfig) -> Result<Self, SlisError> {
        if !config.keys.can_query() {
            return Err(SlisError::NoAppKey);
        }
        for (name, selector) in &config.metrics {
            if let Err(error) = selector.at(None) {
                return Err(SlisError::Metric { name: name.clone(), why: error.to_string() });
            }
        }
        let client = Client::new(&config.site, config.keys.clone(), config.timeout)?;
        Ok(Self { client, config })
    }

    /// The numbers and the points of all items of one instant and window.
    async fn ask(&self, items: &[&Item], window: Duration, at: u64) -> Result<Answers, Trouble> {
        let until = Instant::now() + self.config.timeout;
        let numbers: Vec<Query> = items.iter().flat_map(|item| item.numbers.clone()).collect();
        let points: Vec<Query> = items.iter().map(|item| item.points.clone()).collect();
        let body = query::scalar(&numbers, before(at, window), at);
        let scalar = async {
            let answer = self.client.ask("/api/v2/query/scalar", &body, until, &mut Vec::new()).await?;
            let read = query::numbers(&answer, numbers.len()).map_err(Trouble::Down)?;
            Ok::<_, Trouble>((read, query::doubts(&answer)))
        };
        let series = self.series(&points, at, HORIZON.max(window), until, "");
        let ((numbers, mut warnings), (series, doubts)) = tokio::try_join!(scalar, series)?;
        warnings.extend(doubts);
        Ok(Answers { numbers, series, warnings })
    }

    async fn series(
        &self,
        points: &[Query],
        at: u64,
        back: Duration,
        until: Instant,
        tag: &str,
    ) -> Result<(Timeseries, Vec<String>), Trouble> {
        let body = query::timeseries(points, before(at, back), at, INTERVAL);
        let answer = self.client.ask("/api/v2/query/timeseries", &body, until, &mut Vec::new()).await?;
        Ok((query::series(&answer, tag, INTERVAL).map_err(Trouble::Down)?, query::doubts(&answer)))
    }

    /// Samples of one instant and window.
    async fn together(&self, queries: &[&SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let items: Vec<_> = queries.iter().map(|query| Item::of(&self.config, query)).collect();
        let sound: Vec<&Item> = items.iter().flatten().collect();
        let (Some(first), false) = (queries.first(), sound.is_empty()) else {
            return items
                .into_iter()
                .map(|item| Err(unaskable(&item.err().unwrap_or(Unaskable::NoNodes))))
                .collect();
        };
        let (window, at) = (first.window, first.at.as_millis());
        let answers = self.ask(&sound, window, at).await;
        let (mut number, mut query) = (0, 0);
        let sample = |item: &Result<Item, Unaskable>| {
            let item = item.as_ref().map_err(unaskable)?;
            let answers = answers.as_ref().map_err(troubled)?;
            let cells = number..number + item.numbers.len();
            let found = Found {
                numbers: answers.numbers.get(cells.clone()).unwrap_or_default(),
                series: &answers.series,
                query,
                at,
                warnings: answers.warnings.clone(),
            };
            (number, query) = (cells.end, query + 1);
            Ok(item.sample(found, window, self.config.stale_after))
        };
        items.iter().map(sample).collect()
    }
}

/// What two requests brought.
struct Answers {
    numbers: Vec<Option<f64>>,
    series: Timeseries,
    warnings: Vec<String>,
}

fn before(at: u64, time: Duration) -> u64 {
    at.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn error(kind: ErrorKind, why: &str) -> BackendError {
    BackendError::new(kind, "datadog", "query", why).outcome_is(CallOutcome::NotApplied)
}

fn unaskable(why: &Unaskable) -> BackendError {
    let kind = if *why == Unaskable::NoNodes { ErrorKind::Refused } else { ErrorKind::Unsupported };
    error(kind, &why.to_string())
}

fn troubled(trouble: &Trouble) -> BackendError {
    match trouble {
        Trouble::Down(why) => error(ErrorKind::Unreachable, why).transient(Duration::from_secs(1)),
        Trouble::Unauthorised(why) => error(ErrorKind::Unauthorised, why),
        Trouble::Refused(why) => error(ErrorKind::Refused, why),
    }
}

#[async_trait]
impl SliSource for DatadogSlis {
    fn by_node(&self) -> bool {
        self.config.node_tag.is_some()
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let mut groups: BTreeMap<(Timestamp, Duration), Vec<usize>> = BTreeMap::new();
        for (at, query) in queries.iter().enumerate() {
            groups.entry((query.at, query.window)).or_default().push(at);
        }
        let mut answers: Vec<_> =
            queries.iter().map(|_| Err(error(ErrorKind::Other, "a query was not answered"))).collect();
        for places in groups.into_values() {
            let group: Vec<_> = places.iter().map(|at| &queries[*at]).collect();
            for (at, answer) in places.iter().zip(self.together(&group).await) {
                answers[*at] = answer;
            }
        }
        answers
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        let item = Item::of(&self.config, query).map_err(|why| unaskable(&why))?;
        let tag = self.config.node_tag.as_ref().map_or("", |tag| tag.as_str());
        let mut points = item.points;
        if !tag.is_empty() {
            // The grouping stands right behind the tags.
            points.text = points.text.replacen('}', &format!("}} by {{{tag}}}"), 1);
        }
        let until = Instant::now() + self.config.timeout;
        let (at, back) = (query.at.as_millis(), NOW.max(query.window));
        let series = self.series(&[points], at, back, until, tag).await;
        let (series, _) = series.map_err(|trouble| troubled(&trouble))?;
        let there = series.points.iter().filter(|points| points.there.contains(&true)).count();
        Ok(SliFacts { series: there as u64, largest_bound: None, scrape_interval: None })
    }
}

impl fmt::Display for DatadogSlis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Datadog at {}", self.config.site)
    }
}
