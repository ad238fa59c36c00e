use std::time::Duration;

use serde::Serialize;

const PER_OCTAVE: f64 = 16.0;
const BUCKETS: usize = 32 * 16;

/// Times to a whole answer, in buckets that each span 4.4 % from one microsecond on.
#[derive(Debug, Clone)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, longest: Duration::ZERO }
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, took: Duration) {
        let micros = took.as_secs_f64() * 1e6;
        // A float to integer cast saturates, so times below a microsecond are in the first bucket.
        let index = (micros.log2() * PER_OCTAVE).ceil() as usize;
        self.buckets[index.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.longest = self.longest.max(took);
    }

    /// The time within which this share (0 to 1) of the answers came, up to 4.4 % too long; zero when there was none.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let upper = Duration::from_secs_f64((index as f64 / PER_OCTAVE).exp2() / 1e6);
                return upper.min(self.longest);
            }
        }
        self.longest
    }

    /// The longest time of all.
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

impl Serialize for Latencies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(4))?;
        for (name, share) in [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)] {
            map.serialize_entry(name, &(self.quantile(share).as_secs_f64() * 1e3))?;
        }
        map.serialize_entry("max_ms", &(self.longest.as_secs_f64() * 1e3))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let mut latencies = Latencies::default();
        for micros in 1..=10_000 {
            latencies.record(Duration::from_micros(micros));
        }
        for (share, truth) in [(0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = latencies.quantile(share).as_secs_f64() * 1e6;
            assert!(found >= truth - 0.5 && found <= truth * 1.045, "{share}: {found} for {truth}");
        }
        assert_eq!(latencies.longest(), Duration::from_millis(10));
    }

    #[test]
    fn extremes_do_not_leave_the_buckets() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
        latencies.record(Duration::ZERO);
        latencies.record(Duration::from_secs(1_000_000));
        assert_eq!(latencies.longest(), Duration::from_secs(1_000_000));
    }
}
