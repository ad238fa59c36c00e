//! What can be said of series before they are relied on.

use std::time::Duration;

use canary_core::analysis::Number;
use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, SliFacts};

use crate::api::{Point, QueryData};
use crate::client::PrometheusClient;
use crate::evidence::value_of;
use crate::promql::{self, Selector};
use crate::refusal;

/// How far back the spacing of samples is looked at.
const LOOK: Duration = Duration::from_secs(600);

/// Counts a selector's series, finds its largest finite bucket, and measures how far its samples are apart.
pub(crate) async fn describe(
    client: &PrometheusClient,
    selector: &Selector,
    at: Timestamp,
) -> Result<SliFacts, BackendError> {
    let by_bound = format!("count by (le) ({selector})");
    let longest = format!("topk(1, count_over_time({selector}[{}]))", promql::duration(LOOK));
    let (counted, longest) = tokio::join!(client.query(&by_bound, at), client.query(&longest, at));
    let QueryData::Vector(counted) = counted?.data else { return Err(refusal::broken("no vector came")) };
    let mut series = 0.0;
    let mut largest: Option<f64> = None;
    for element in &counted {
        series += value_of(element)?;
        let bound = element.metric.get("le").and_then(|le| le.parse::<f64>().ok()).filter(|b| b.is_finite());
        largest = largest.into_iter().chain(bound).reduce(f64::max);
    }
    let QueryData::Vector(longest) = longest?.data else { return Err(refusal::broken("no vector came")) };
    let scrape_interval = match longest.first() {
        Some(one) => spacing(client, selector, &one.metric, at).await?,
        None => None,
    };
    let series = crate::reading::events(series).unwrap_or_default();
    Ok(SliFacts { series, largest_bound: largest.and_then(Number::new), scrape_interval })
}

/// The median distance of one series' raw samples; unknown with fewer than three.
async fn spacing(
    client: &PrometheusClient,
    selector: &Selector,
    labels: &std::collections::BTreeMap<String, String>,
    at: Timestamp,
) -> Result<Option<Duration>, BackendError> {
    // count_over_time drops the metric's name: the series is found by the selector's own and all its labels.
    let one = selector.narrowed(labels);
    let answer = client.query(&format!("{one}[{}]", promql::duration(LOOK)), at).await?;
    let QueryData::Matrix(raw) = answer.data else { return Err(refusal::wrong_type(&answer.data)) };
    Ok(raw.first().and_then(|series| median_distance(&series.values)))
}

fn median_distance(points: &[Point]) -> Option<Duration> {
    let mut distances: Vec<f64> = points.windows(2).map(|pair| pair[1].time - pair[0].time).collect();
    if distances.len() < 2 {
        return None;
    }
    distances.sort_by(f64::total_cmp);
    Duration::try_from_secs_f64(distances[distances.len() / 2]).ok().filter(|d| !d.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_is_the_median_and_never_guessed() {
        let at = |times: &[f64]| times.iter().map(|&time| Point { time, value: 1.0 }).collect::<Vec<_>>();
        assert_eq!(median_distance(&at(&[0.0, 15.0, 30.0, 90.0, 105.0])), Some(Duration::from_secs(15)));
        assert_eq!(median_distance(&at(&[0.0, 15.0])), None);
        assert_eq!(median_distance(&at(&[1.0, 1.0, 1.0])), None);
        assert_eq!(median_distance(&[]), None);
    }
}
