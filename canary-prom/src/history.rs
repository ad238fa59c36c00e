//! Past scrapes of one node, and what its counters gained between two of them. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use canary_core::time::Timestamp;

use crate::exposition::MetricSample;

/// The series every client library exposes and a restart changes.
pub(crate) const START_TIME: &str = "process_start_time_seconds";

/// Scrapes kept of a node at most, whatever the windows.
const KEEP: usize = 4096;

/// A series of one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SeriesId {
    pub(crate) metric: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// One scrape: the series of the metrics that were asked about by then.
#[derive(Debug)]
pub(crate) struct Scraped {
    at: Timestamp,
    metrics: Arc<BTreeSet<String>>,
    series: HashMap<SeriesId, f64>,
    /// The times that the page itself gives samples, of which most give none.
    times: HashMap<SeriesId, Timestamp>,
    started: Option<f64>,
    /// The newest time the page itself gives a sample.
    newest: Option<Timestamp>,
}

impl Scraped {
    /// A scrape at `at` that kept `metrics`; the same series twice is refused by name.
    pub(crate) fn new(
        at: Timestamp,
        metrics: Arc<BTreeSet<String>>,
        samples: Vec<MetricSample>,
    ) -> Result<Self, String> {
        let (series, times) = (HashMap::new(), HashMap::new());
        let mut scraped = Self { at, metrics, series, times, started: None, newest: None };
        for sample in samples {
            let time = sample.timestamp_ms.and_then(|ms| u64::try_from(ms).ok()).map(Timestamp::from_millis);
            if sample.name == START_TIME {
                scraped.started = Some(sample.value);
            } else {
                scraped.newest = scraped.newest.max(time);
            }
            let id = SeriesId { metric: sample.name, labels: sample.labels.into_iter().collect() };
            if let Some(time) = time {
                scraped.times.insert(id.clone(), time);
            }
            if let Some(old) = scraped.series.insert(id.clone(), sample.value) {
                return Err(format!(
                    "series {}{:?} is there twice ({old} and {})",
                    id.metric, id.labels, sample.value
                ));
            }
        }
        Ok(scraped)
    }

    /// The series of one metric.
    pub(crate) fn of<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = (&'a SeriesId, f64)> {
        self.series.iter().filter(move |(id, _)| id.metric == metric).map(|(id, value)| (id, *value))
    }

    /// Whether this is the scrape of an instant, and kept all of these metrics.
    pub(crate) fn is_of(&self, at: Timestamp, metrics: &BTreeSet<String>) -> bool {
        self.at == at && metrics.is_subset(&self.metrics)
    }

    /// When a sample is of: the scrape's time, unless the page gives it an earlier one.
    pub(crate) fn time(&self, series: &SeriesId) -> Timestamp {
        self.times.get(series).copied().map_or(self.at, |time| time.min(self.at))
    }

    /// How old the newest sample was at the scrape: nothing, unless the page gives times.
    pub(crate) fn age(&self) -> Duration {
        self.newest.map_or(Duration::ZERO, |newest| self.at.since(newest))
    }
}

/// What a metric's counters gained on one node.
#[derive(Debug, PartialEq)]
pub(crate) enum Gain {
    /// The metric is not on the page.
    Absent,
    /// The metric is there, but no earlier scrape lies within the window.
    NoEarlier,
    /// The gains by labels, and the time between the two scrapes.
    Over(Duration, Vec<(BTreeMap<String, String>, f64)>),
}

/// The scrapes of one node, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    scrapes: VecDeque<Scraped>,
}

impl History {
    /// Adds a scrape; one not later than the last replaces what it does not follow.
    pub(crate) fn add(&mut self, scrape: Scraped, keep: Duration) {
        while self.scrapes.back().is_some_and(|last| last.at >= scrape.at) {
            self.scrapes.pop_back();
        }
        let now = scrape.at;
        self.scrapes.push_back(scrape);
        while self.scrapes.len() > KEEP || self.scrapes.front().is_some_and(|old| now.since(old.at) > keep) {
            self.scrapes.pop_front();
        }
    }

    /// The last scrape.
    pub(crate) fn last(&self) -> Option<&Scraped> {
        self.scrapes.back()
    }

    /// The distances between scrapes.
    pub(crate) fn distances(&self) -> Vec<Duration> {
        self.scrapes.iter().zip(self.scrapes.iter().skip(1)).map(|(a, b)| b.at.since(a.at)).collect()
    }

    /// What the counters of `metric` gained from the scrape nearest to a window ago up to the last.
    ///
    /// Every scrape between counts, so that a counter that was reset (its value fell, or the process's start time
    /// changed) is counted from zero at each. A series that appears between two scrapes started at zero. Scrapes older
    /// than one and a half windows are not used: they would judge a past that was not asked about.
    pub(crate) fn gain(&self, metric: &str, window: Duration) -> Gain {
        let Some(last) = self.last().filter(|last| last.of(metric).next().is_some()) else {
            return Gain::Absent;
        };
        let age = |scrape: &Scraped| last.at.since(scrape.at);
        let first = self
            .scrapes
            .iter()
            .enumerate()
            .take(self.scrapes.len() - 1)
            .filter(|(_, s)| s.metrics.contains(metric) && age(s) <= window + window / 2)
            .min_by_key(|(_, s)| age(s).abs_diff(window));
        let Some((first, base)) = first else { return Gain::NoEarlier };
        let mut gains: HashMap<&SeriesId, f64> = HashMap::new();
        for (before, after) in self.scrapes.range(first..).zip(self.scrapes.range(first + 1..)) {
            let restarted = matches!((before.started, after.started), (Some(a), Some(b)) if a != b);
            for (id, value) in after.of(metric) {
                let old = before.series.get(id).copied().filter(|old| !restarted && *old <= value);
                *gains.entry(id).or_default() += value - old.unwrap_or(0.0);
            }
        }
        let gains = gains.into_iter().map(|(id, gain)| (id.labels.clone(), gain)).collect();
        Gain::Over(age(base), gains)
    }
}

#[cfg(test)]
mod tests;
