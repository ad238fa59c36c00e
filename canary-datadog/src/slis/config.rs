//! Which of Datadog's metrics an SLI is, and how they are asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::fleet::{MetricName, NodeId};
use canary_core::traits::Subject;
use canary_tenants::policy::TagSelector;

use crate::keys::Keys;
use crate::site::Site;

/// The settings of a [`crate::DatadogSlis`].
#[derive(Debug, Clone)]
pub struct DatadogSlisConfig {
    /// The account's site.
    pub site: Site,
    /// Its keys, the application key too.
    pub keys: Keys,
    /// The tag that holds a node's name, in small letters as Datadog keeps it; without it only the pool can be judged.
    pub node_tag: Option<MetricName>,
    /// The metrics behind the names that a rollout's SLIs have, with the tags their series must have: `http.requests{service:api}`.
    /// A name that is not here is a metric of that name with any tags.
    pub metrics: BTreeMap<String, TagSelector>,
    /// What one unit of a distribution is of the unit that bounds are in: 0.001 for a distribution in milliseconds and bounds in
    /// seconds; default 1.
    pub latency_unit: f64,
    /// How long the requests of one sample may take, waits for a limit of requests included; default 10 s.
    pub timeout: Duration,
    /// A reading whose newest points are older than this is stale; default 2 min.
    pub stale_after: Duration,
}

impl DatadogSlisConfig {
    /// The defaults.
    #[must_use]
    pub const fn new(site: Site, keys: Keys) -> Self {
        Self {
            site,
            keys,
            node_tag: None,
            metrics: BTreeMap::new(),
            latency_unit: 1.0,
            timeout: Duration::from_secs(10),
            stale_after: Duration::from_secs(120),
        }
    }

    /// A metric with the tags of its series that are of `subject`, and where it is said of these statuses.
    pub(super) fn selector(
        &self,
        metric: &MetricName,
        status: Option<&MetricName>,
        subject: &Subject,
    ) -> Result<String, Unaskable> {
        let named = self.metrics.get(metric.as_str()).cloned();
        let selector = match named {
            Some(selector) => selector,
            None => metric.as_str().parse().map_err(|_| Unaskable::Metric(metric.to_string()))?,
        };
        let mut tags: Vec<String> = selector
            .filters
            .iter()
            .map(|filter| format!("{}{}:{}", if filter.not { "!" } else { "" }, filter.key, filter.value))
            .collect();
        tags.extend(status.map(|label| format!("{label}:5*")));
        let mut between = ",";
        if let Subject::Nodes(nodes) = subject {
            let tag = self.node_tag.as_ref().ok_or(Unaskable::NoNodeTag)?;
            let names: Vec<_> =
                nodes.iter().map(|node: &NodeId| node.as_str().to_ascii_lowercase()).collect();
            match names.as_slice() {
                [] => return Err(Unaskable::NoNodes),
                [one] => tags.push(format!("{tag}:{one}")),
                several => {
                    // `IN` is a word of the operators that are words; the signs `,` and `!` are not mixed with those.
                    for text in &mut tags {
                        if let Some(rest) = text.strip_prefix('!') {
                            *text = format!("NOT {rest}");
                        }
                    }
                    between = " AND ";
                    tags.push(format!("{tag} IN ({})", several.join(",")));
                }
            }
        }
        let tags = if tags.is_empty() { "*".to_owned() } else { tags.join(between) };
        Ok(format!("{}{{{tags}}}", selector.metric))
    }
}

/// Why a question cannot be put to a Datadog.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Unaskable {
    #[error("{0} is no name of a Datadog metric")]
    Metric(String),
    #[error("single nodes cannot be asked for: no tag is configured that holds a node's name")]
    NoNodeTag,
    #[error("the query names no nodes")]
    NoNodes,
    #[error("a PromQL expression cannot be asked of a Datadog")]
    Expression,
    #[error("the quantile {0} has more than two digits of a percent")]
    Quantile(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DatadogSlisConfig {
        let (site, keys) = (Site::parse("datadoghq.eu").unwrap(), Keys::new("0123456789", None).unwrap());
        let metrics = [("requests".to_owned(), "http.requests{env:prod,!job:probe}".parse().unwrap())];
        let node_tag = Some("host".parse().unwrap());
        DatadogSlisConfig { node_tag, metrics: metrics.into(), ..DatadogSlisConfig::new(site, keys) }
    }

    fn nodes(names: &[&str]) -> Subject {
        Subject::Nodes(names.iter().map(|name| NodeId::new(*name).unwrap()).collect())
    }

    #[test]
    fn whom_it_is_about_is_a_tag_and_signs_and_words_are_not_mixed() {
        let (requests, own, status) =
            ("requests".parse().unwrap(), "own_total".parse().unwrap(), "status".parse().unwrap());
        let config = config();
        let text = |metric, status, subject: &Subject| config.selector(metric, status, subject).unwrap();
        assert_eq!(text(&requests, None, &Subject::Pool), "http.requests{env:prod,!job:probe}");
        assert_eq!(
            text(&requests, Some(&status), &nodes(&["Api-1"])),
            "http.requests{env:prod,!job:probe,status:5*,host:api-1}"
        );
        assert_eq!(
            text(&requests, Some(&status), &nodes(&["api-1", "api-2"])),
            "http.requests{env:prod AND NOT job:probe AND status:5* AND host IN (api-1,api-2)}"
        );
        assert_eq!(text(&own, None, &Subject::Pool), "own_total{*}");
        assert_eq!(config.selector(&own, None, &nodes(&[])), Err(Unaskable::NoNodes));
        assert!(config.selector(&"job:p95".parse().unwrap(), None, &Subject::Pool).is_err());
        let pool_alone = DatadogSlisConfig { node_tag: None, ..config };
        assert_eq!(pool_alone.selector(&own, None, &nodes(&["a"])), Err(Unaskable::NoNodeTag));
    }
}
