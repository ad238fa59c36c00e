use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The upper bounds in seconds, as the usual client libraries have them; `+Inf` follows.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug, Default)]
struct Counts {
    /// One a bound and one for what is above them all; not cumulative.
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
    /// A status appears when it was served first, as with a real client library.
    by_status: BTreeMap<u16, u64>,
}

/// The counts behind `/metrics`: a latency histogram and requests by status.
///
/// One lock holds both, so that no scrape sees a request in one and not in the other.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Counts>);

impl Metrics {
    /// Counts one answered request.
    pub fn observe(&self, status: u16, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        counts.buckets[bucket] += 1;
        counts.sum += took;
        *counts.by_status.entry(status).or_default() += 1;
    }

    /// Renders the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from(
            "# HELP veza_gin_http_request_duration_seconds Time to answer a request.\n\
             # TYPE veza_gin_http_request_duration_seconds histogram\n",
        );
        let mut total = 0;
        for (index, count) in counts.buckets.iter().enumerate() {
            total += count;
            let bound = BOUNDS.get(index).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            // Writing to a String has no failing case.
            let _ = writeln!(text, "veza_gin_http_request_duration_seconds_bucket{{le=\"{bound}\"}} {total}");
        }
        let _ = write!(
            text,
            "veza_gin_http_request_duration_seconds_sum {}\nveza_gin_http_request_duration_seconds_count {total}\n\
             # HELP veza_gin_http_requests_total Requests answered, by status.\n\
             # TYPE veza_gin_http_requests_total counter\n",
            counts.sum.as_secs_f64()
        );
        for (status, count) in &counts.by_status {
            let _ = writeln!(text, "veza_gin_http_requests_total{{status=\"{status}\"}} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_scrape() {
        let metrics = Metrics::default();
        for (status, ms) in [(200, 5), (200, 6), (500, 700), (200, 12_000)] {
            metrics.observe(status, Duration::from_millis(ms));
        }
        let expected = "\
# HELP veza_gin_http_request_duration_seconds Time to answer a request.
# TYPE veza_gin_http_request_duration_seconds histogram
veza_gin_http_request_duration_seconds_bucket{le=\"0.005\"} 1
veza_gin_http_request_duration_seconds_bucket{le=\"0.01\"} 2
veza_gin_http_request_duration_seconds_bucket{le=\"0.025\"} 2
veza_gin_http_request_duration_seconds_bucket{le=\"0.05\"} 2
veza_gin_http_request_duration_seconds_bucket{le=\"0.1\"} 2
veza_gin_http_request_duration_seconds_bucket{le=\"0.25\"} 2
veza_gin_http_request_duration_seconds_bucket{le=\"0.5\"} 2
veza_gin_http_request_duration_seconds_bucket{le=\"1\"} 3
veza_gin_http_request_duration_seconds_bucket{le=\"2.5\"} 3
veza_gin_http_request_duration_seconds_bucket{le=\"5\"} 3
veza_gin_http_request_duration_seconds_bucket{le=\"10\"} 3
veza_gin_http_request_duration_seconds_bucket{le=\"+Inf\"} 4
veza_gin_http_request_duration_seconds_sum 12.711
veza_gin_http_request_duration_seconds_count 4
# HELP veza_gin_http_requests_total Requests answered, by status.
# TYPE veza_gin_http_requests_total counter
veza_gin_http_requests_total{status=\"200\"} 3
veza_gin_http_requests_total{status=\"500\"} 1
";
        assert_eq!(metrics.render(), expected);
    }

    #[test]
    fn a_status_never_served_has_no_series() {
        let text = Metrics::default().render();
        assert!(!text.contains("requests_total{"), "{text}");
    }
}
