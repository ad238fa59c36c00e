//! What a metric gained on all nodes of a subject, as a reading.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use canary_core::analysis::{Bucket, Ratio};
use canary_core::fleet::MetricName;
use canary_core::traits::{BackendError, ErrorKind, Reading, SliKind};

use crate::history::{Gain, History};
use crate::reading;
use crate::scrape::error;

/// The gains of one metric, summed over nodes.
#[derive(Debug, Default)]
pub(crate) struct Total {
    gains: Vec<(BTreeMap<String, String>, f64)>,
    /// Nodes whose page has the metric.
    present: usize,
    /// Nodes of those with an earlier scrape to compare with.
    compared: usize,
    covers: Option<Duration>,
    age: Option<Duration>,
}

impl Total {
    /// Adds one node's gain.
    pub(crate) fn add(&mut self, history: &History, metric: &str, window: Duration) {
        match history.gain(metric, window) {
            Gain::Absent => return,
            Gain::NoEarlier => {}
            Gain::Over(covers, gains) => {
                self.compared += 1;
                self.covers = self.covers.max(Some(covers));
                self.gains.extend(gains);
            }
        }
        self.present += 1;
        let age = history.last().map(|last| last.age());
        self.age = self.age.into_iter().chain(age).min();
    }

    /// The age of the newest sample.
    pub(crate) const fn age(&self) -> Option<Duration> {
        self.age
    }

    /// The reading and the events it rests on.
    pub(crate) fn reading(
        &self,
        kind: &SliKind,
        stale_after: Duration,
    ) -> Result<(Reading, Option<u64>), BackendError> {
        if self.present == 0 {
            return Ok((Reading::Absent, None));
        }
        if self.age.is_some_and(|age| age > stale_after) {
            return Ok((Reading::Stale, None));
        }
        if self.compared == 0 {
            return Ok((Reading::NoTraffic, None));
        }
        match kind {
            SliKind::Quantile { metric, quantile } => self.quantile(metric, *quantile),
            SliKind::ErrorRatio { status_label, .. } => Ok(self.error_ratio(status_label.as_str())),
            SliKind::Expression { .. } => Err(error(ErrorKind::Unsupported, "not a counter")),
        }
    }

    fn quantile(&self, metric: &MetricName, q: Ratio) -> Result<(Reading, Option<u64>), BackendError> {
        let mut buckets = Vec::new();
        for (labels, count) in &self.gains {
            let le = labels.get("le").map_or("", String::as_str);
            let bound = le.parse().map_err(|_| {
                error(ErrorKind::Protocol, format!("a bucket of {metric} has le={le:?}, not a number"))
            })?;
            buckets.push(Bucket { bound, count: *count });
        }
        let reading = reading::of_buckets(q, &buckets).map_err(|why| {
            error(ErrorKind::Protocol, format!("{metric} is not a usable histogram")).caused_by(why)
        })?;
        let total = reading::merged(&buckets).last().map(|bucket| bucket.count);
        Ok((reading, total.and_then(reading::events)))
    }

    fn error_ratio(&self, label: &str) -> (Reading, Option<u64>) {
        let (mut errors, mut total) = (0.0, 0.0);
        for (labels, count) in &self.gains {
            total += count;
            if labels.get(label).is_some_and(|status| reading::failed(status)) {
                errors += count;
            }
        }
        (reading::ratio(errors, total), reading::events(total))
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.present, self.covers) {
            (0, _) => return f.write_str("no series"),
            (_, None) => return f.write_str("series present, no earlier scrape within the window"),
            (present, Some(covers)) => {
                write!(f, "{} of {present} nodes compared over {covers:?}:", self.compared)?;
            }
        }
        let mut shown: Vec<_> =
            self.gains.iter().map(|(labels, gain)| format!("{labels:?} +{gain}")).collect();
        shown.sort();
        write!(f, " {}", shown.join("; "))
    }
}
