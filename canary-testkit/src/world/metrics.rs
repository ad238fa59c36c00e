//! The world's metrics store.

use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Number;
use canary_core::traits::{
    BackendError, CounterHistory, CounterQuery, Counters, ErrorKind, ExecutedQuery, Reading, Sample,
    SliFacts, SliKind, SliQuery, SliSource, Subject,
};

use super::traffic::{BOUNDS_S, Counted};
use super::{Happening, LATENCY_METRIC, REQUESTS_METRIC, State, World, ms, unchanged};
use crate::clock::VirtualClock;

/// The histogram's largest finite bound, in seconds.
const LARGEST_BOUND_S: f64 = BOUNDS_S[BOUNDS_S.len() - 1];

/// Whether the nodes have the metric that is asked about.
pub(super) fn known(kind: &SliKind) -> bool {
    match kind {
        SliKind::ErrorRatio { metric, .. } => metric.as_str() == REQUESTS_METRIC,
        SliKind::Quantile { metric, .. } => metric.as_str() == LATENCY_METRIC,
        SliKind::Expression { .. } => false,
    }
}

pub(super) fn no_expressions() -> BackendError {
    unchanged(ErrorKind::Unsupported, "query", "expressions are not understood here")
}

impl State {
    /// How many series match a query: one a node.
    fn series(&self, query: &SliQuery) -> usize {
        match &query.subject {
            _ if !known(&query.kind) => 0,
            Subject::Pool => self.nodes.len(),
            Subject::Nodes(nodes) => self.nodes.iter().filter(|node| nodes.contains(&node.name)).count(),
        }
    }

    /// What the store holds for a query: counted between the oldest and the newest sample in its window, with the newest
    /// one's age.
    fn counted(&self, query: &SliQuery, start_of_time: u64) -> Option<(Counted, u64)> {
        if !self.config.scrapes.gaps.is_empty() {
            return self.counted_around_gaps(query, start_of_time);
        }
        let scrapes = &self.config.scrapes;
        let at = query.at.as_millis().saturating_sub(start_of_time);
        let from = at.saturating_sub(u64::try_from(query.window.as_millis()).unwrap_or(u64::MAX));
        let newest = at.checked_sub(scrapes.delay_ms)? / scrapes.interval_ms * scrapes.interval_ms;
        let oldest = from.div_ceil(scrapes.interval_ms) * scrapes.interval_ms;
        // A rate needs two samples.
        if oldest >= newest || self.series(query) == 0 {
            return None;
        }
        let wanted = |i: usize| match &query.subject {
            Subject::Pool => true,
            Subject::Nodes(nodes) => nodes.contains(&self.nodes[i].name),
        };
        let counted = self.spread.counted(oldest, newest, self.config.load.requests_per_s, wanted);
        Some((counted, at - newest))
    }

    /// As [`Self::counted`], node by node: each has its own newest sample. The age is that of the newest of all.
    fn counted_around_gaps(&self, query: &SliQuery, start_of_time: u64) -> Option<(Counted, u64)> {
        let scrapes = &self.config.scrapes;
        let every = scrapes.interval_ms;
        let at = query.at.as_millis().saturating_sub(start_of_time);
        let window = u64::try_from(query.window.as_millis()).unwrap_or(u64::MAX);
        let from = at.saturating_sub(window).div_ceil(every) * every;
        let newest = at.checked_sub(scrapes.delay_ms)? / every * every;
        let (mut all, mut newest_of_all) = (Counted::default(), None);
        for (i, node) in self.nodes.iter().enumerate() {
            let wanted = match &query.subject {
                Subject::Pool => true,
                Subject::Nodes(nodes) => nodes.contains(&node.name),
            };
            let Some(last) = scrapes.last_before(newest, &node.name).filter(|_| wanted) else { continue };
            newest_of_all = newest_of_all.max(Some(last));
            let first = scrapes.first_after(from, &node.name);
            if first < last {
                all.add(
                    self.spread.counted(first, last, self.config.load.requests_per_s, |other| other == i),
                );
            }
        }
        (self.series(query) > 0).then_some((all, at - newest_of_all?))
    }

    fn sample(&self, query: &SliQuery, start_of_time: u64) -> Result<Sample, BackendError> {
        if matches!(query.kind, SliKind::Expression { .. }) {
            return Err(no_expressions());
        }
        let executed = |reply: String| ExecutedQuery { query: query.name.clone(), reply };
        let Some((counted, age)) = self.counted(query, start_of_time) else {
            let queries = vec![executed("no series, or no two samples in the window".to_owned())];
            return Ok(Sample {
                reading: Reading::Absent,
                events: None,
                age: None,
                warnings: Vec::new(),
                queries,
            });
        };
        let reading = if age > self.config.scrapes.stale_ms {
            Reading::Stale
        } else if counted.requests < 1.0 {
            Reading::NoTraffic
        } else {
            match &query.kind {
                SliKind::ErrorRatio { .. } => value(counted.errors / counted.requests),
                SliKind::Quantile { .. } if counted.p95_s > LARGEST_BOUND_S => {
                    match Number::new(LARGEST_BOUND_S) {
                        Some(at_least) => Reading::AtLeast { at_least },
                        None => Reading::NotANumber,
                    }
                }
                SliKind::Quantile { .. } | SliKind::Expression { .. } => value(counted.p95_s),
            }
        };
        let queries = vec![executed(format!("{} requests, {} errors", counted.requests, counted.errors))];
        let events = Some(counted.requests as u64);
        Ok(Sample { reading, events, age: Some(ms(age)), warnings: Vec::new(), queries })
    }
}

fn value(value: f64) -> Reading {
    Number::new(value).map_or(Reading::NotANumber, |value| Reading::Value { value })
}

#[async_trait]
impl SliSource for World {
    fn by_node(&self) -> bool {
        true
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let mut state = self.called();
        let start = VirtualClock::start().as_millis();
        let answers: Vec<_> = queries.iter().map(|query| state.sample(query, start)).collect();
        let has_value =
            |sample: &Sample| matches!(sample.reading, Reading::Value { .. } | Reading::AtLeast { .. });
        let data = answers.iter().all(|answer| answer.as_ref().is_ok_and(has_value));
        state.happened(Happening::Sampled { data });
        answers
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        let state = self.called();
        Ok(SliFacts {
            series: state.series(query) as u64,
            largest_bound: Number::new(LARGEST_BOUND_S),
            scrape_interval: Some(ms(state.config.scrapes.interval_ms)),
        })
    }

    fn counts(&self) -> bool {
        true
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        let state = self.called();
        queries.iter().map(|query| state.counters(query)).collect()
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        self.called().history(query, covers, step)
    }
}
