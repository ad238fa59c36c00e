//! The nodes' raw counters, as the world's metrics store has them.

use std::time::Duration;

use canary_core::analysis::Number;
use canary_core::fleet::NodeId;
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, CounterHistory, CounterQuery, CounterSeries, Counters, ErrorKind, ExecutedQuery,
    NodeGrowth, SliKind,
};

use super::metrics::{known, no_expressions};
use super::traffic::{BOUNDS_S, Tally};
use super::{State, unchanged};
use crate::clock::{VirtualClock, whole_ms};

/// How far back an instant query finds a sample (Prometheus's `--query.lookback-delta`).
const LOOK_BACK_MS: u64 = 300_000;

impl State {
    /// The newest scrape up to a moment whose samples can be asked for by now; milliseconds since the clock's start.
    fn scraped(&self, at: Timestamp) -> Option<u64> {
        let scrapes = &self.config.scrapes;
        let at = at.as_millis().checked_sub(VirtualClock::start().as_millis())?;
        let newest = at.min(self.now_ms.checked_sub(scrapes.delay_ms)?);
        Some(newest / scrapes.interval_ms * scrapes.interval_ms)
    }

    /// What a node's last scrape up to that one held, and when it was; nothing once it is too old to be found.
    fn found(&self, node: &NodeId, scraped_ms: u64) -> Option<(u64, Tally)> {
        let at_ms = self.config.scrapes.last_before(scraped_ms, node)?;
        let recent = scraped_ms - at_ms <= LOOK_BACK_MS;
        recent.then(|| Some((at_ms, self.tally(node, at_ms)?))).flatten()
    }

    fn tally(&self, node: &NodeId, scraped_ms: u64) -> Option<Tally> {
        let index = self.nodes.iter().position(|other| other.name == *node)?;
        self.spread.tally(index, scraped_ms, self.config.load.requests_per_s)
    }

    pub(super) fn counters(&self, query: &CounterQuery) -> Result<Counters, BackendError> {
        if matches!(query.kind, SliKind::Expression { .. }) {
            return Err(no_expressions());
        }
        let scraped = self.scraped(query.at).filter(|_| known(&query.kind));
        let mut nodes = query.nodes.clone();
        nodes.sort();
        nodes.dedup();
        let mut series = Vec::new();
        for (node, (at_ms, tally)) in
            nodes.iter().filter_map(|node| Some((node, self.found(node, scraped?)?)))
        {
            let at = VirtualClock::start().plus(Duration::from_millis(at_ms));
            for (name, values) in shown(&query.kind, &tally) {
                series.push(CounterSeries { node: node.clone(), series: name, at, values });
            }
        }
        let age = series.iter().map(|one| one.at).max().map(|newest| query.at.since(newest));
        let queries = executed(query, format!("{} series", series.len()));
        Ok(Counters {
            bounds: bounds(&query.kind, !series.is_empty()),
            series,
            age,
            warnings: Vec::new(),
            queries,
        })
    }

    pub(super) fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        if matches!(query.kind, SliKind::Expression { .. }) {
            return Err(no_expressions());
        }
        let steps = whole_ms(covers).checked_div(whole_ms(step)).unwrap_or(0);
        if steps == 0 {
            return Err(unchanged(ErrorKind::Refused, "history", "not one whole step"));
        }
        // Oldest first: the instant is the last step's end.
        let end = |step_ends: u64| {
            let back = (steps - step_ends) * whole_ms(step);
            let at = query.at.as_millis().checked_sub(back).map(Timestamp::from_millis)?;
            self.scraped(at).filter(|_| known(&query.kind))
        };
        let nodes: Vec<_> = query
            .nodes
            .iter()
            .map(|node| {
                let held: Vec<_> = (0..=steps).map(|step| Some(self.found(node, end(step)?)?.1)).collect();
                let steps = held.windows(2).map(|pair| grown(&query.kind, &pair[0], &pair[1])).collect();
                NodeGrowth { node: node.clone(), steps }
            })
            .collect();
        let some = nodes.iter().any(|node| node.steps.iter().any(|step| !step.is_empty()));
        let queries = executed(query, format!("{steps} steps of {} nodes", nodes.len()));
        Ok(CounterHistory { step, bounds: bounds(&query.kind, some), nodes, warnings: Vec::new(), queries })
    }
}

fn executed(query: &CounterQuery, reply: String) -> Vec<ExecutedQuery> {
    vec![ExecutedQuery { query: query.name.clone(), reply }]
}

fn bounds(kind: &SliKind, any: bool) -> Vec<Number> {
    let histogram = any && matches!(kind, SliKind::Quantile { .. });
    BOUNDS_S.into_iter().filter(|_| histogram).filter_map(Number::new).collect()
}

/// A node's series; as in reality, there is one of failed requests only once a request failed.
fn shown(kind: &SliKind, tally: &Tally) -> Vec<(String, Vec<u64>)> {
    let SliKind::ErrorRatio { status_label, .. } = kind else {
        return vec![("{}".to_owned(), tally.buckets())];
    };
    let (good, errors) = tally.answered();
    let mut all = vec![(format!("{{{status_label}=\"200\"}}"), vec![good, good])];
    if errors > 0 {
        all.push((format!("{{{status_label}=\"500\"}}"), vec![0, errors]));
    }
    all
}

/// What a node's counters grew by between two scrapes: all they hold, where its process began in between.
fn grown(kind: &SliKind, before: &Option<Tally>, after: &Option<Tally>) -> Vec<u64> {
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let held = |tally: &Tally| match kind {
        SliKind::Quantile { .. } => tally.buckets(),
        _ => {
            let (good, errors) = tally.answered();
            vec![good, good + errors]
        }
    };
    let (now, same) = (held(after), before.started_ms == after.started_ms);
    if same { now.iter().zip(held(before)).map(|(now, then)| now - then).collect() } else { now }
}
