//! The raw counters of a Prometheus.

use std::time::Duration;

use canary_core::fleet::{MetricName, NodeId};
use canary_core::traits::{BackendError, CounterHistory, CounterQuery, Counters, SliKind};

use super::Inner;
use crate::api::{QueryData, Series};
use crate::counters::{self, RawSeries};
use crate::promql::{self, Selector};
use crate::{growth, refusal};

impl Inner {
    /// The label that names nodes, and the series whose counters a query is about.
    fn counted(&self, query: &CounterQuery) -> Result<(&MetricName, Selector), BackendError> {
        let suffix = if matches!(query.kind, SliKind::Quantile { .. }) { "_bucket" } else { "" };
        self.of_nodes(counters::metric(&query.kind)?, suffix, &query.nodes)
    }

    pub(super) async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        let (label, selector) = self.counted(query)?;
        growth::history(&self.client, &selector, label, query, (covers, step)).await
    }

    /// Raw samples, with their own times, from the last [`PrometheusConfig::stale_after`].
    ///
    /// A series that ended within that time is still there, since staleness markers end instant queries only; its sample's
    /// time does not move any more, so that nothing more is counted from it.
    pub(super) async fn counters(&self, query: &CounterQuery) -> Result<Counters, BackendError> {
        let (label, selector) = self.counted(query)?;
        let back = self.config.stale_after.max(Duration::from_secs(1));
        let text = format!("{selector}[{}]", promql::duration(back));
        let answer = self.client.query(&text, query.at).await?;
        let QueryData::Matrix(found) = answer.data else { return Err(refusal::wrong_type(&answer.data)) };
        let raw = found.into_iter().map(|series| raw(series, label, &query.nodes));
        let counted = counters::assemble(&query.kind, raw.collect::<Result<_, _>>()?);
        let counted = counted.map_err(|why| refusal::not_counters(&query.kind, why))?;
        Ok(Counters { warnings: answer.warnings, ..counters::answer(query, counted, text) })
    }
}

/// A series of the store as one of a node; what follows the node's name in its label tells apart what runs there.
fn raw(series: Series, label: &MetricName, nodes: &[NodeId]) -> Result<RawSeries, BackendError> {
    let Series { metric: mut labels, values } = series;
    if values.is_empty() {
        return Err(refusal::native_histogram());
    }
    labels.remove("__name__");
    let value = labels.remove(label.as_str()).unwrap_or_default();
    let (node, rest) = promql::node_of(&value, nodes).ok_or_else(|| refusal::no_such_node(label, &value))?;
    if !rest.is_empty() {
        labels.insert(label.to_string(), rest.to_owned());
    }
    let samples = values.iter().map(|point| (point.timestamp(), point.value)).collect();
    Ok(RawSeries { node: node.clone(), labels, samples })
}
