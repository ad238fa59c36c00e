//! From raw counters to what was counted since the last poll.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One series as a source read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesReading<'a> {
    /// The node it is of.
    pub node: &'a str,
    /// The rest of its identity (its other labels), the same on every poll.
    pub series: &'a str,
    /// The sample's own time.
    pub at: Timestamp,
    /// A counter's value; or a histogram's cumulative buckets, ascending, its count last.
    pub values: &'a [u64],
}

/// What was last read of each series of one SLI.
///
/// A counter that is lower than before was reset: it counted its new value since. A histogram is judged on its count,
/// all its buckets follow. A sample whose time did not move adds nothing. A series that appears on a known node was
/// born since the last poll and counts from zero; one of an unknown node only becomes known. Gaps are covered by the
/// next reading.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CounterMemory {
    series: Vec<Last>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    node: String,
    series: String,
    at: Timestamp,
    values: Vec<u64>,
}

impl Last {
    fn is(&self, reading: &SeriesReading<'_>) -> bool {
        self.series == reading.series && self.node == reading.node
    }
}

impl CounterMemory {
    /// Takes the readings of one poll, and hands out how much each of their values grew since the last one, in the order
    /// of the readings.
    ///
    /// Fastest when every poll brings its series in the same order.
    pub fn advance<'a>(
        &mut self,
        readings: impl IntoIterator<Item = SeriesReading<'a>>,
        mut each: impl FnMut(SeriesReading<'a>, &[u64]),
    ) {
        let known = self.series.len();
        let mut places = None;
        let mut nodes: Option<BTreeSet<String>> = None;
        let mut grown = Vec::new();
        for (expected, reading) in readings.into_iter().enumerate() {
            let place = match self.series.get(expected).filter(|last| expected < known && last.is(&reading)) {
                Some(_) => Some(expected),
                None => places
                    .get_or_insert_with(|| self.places())
                    .get(&(reading.node.to_owned(), reading.series.to_owned()))
                    .copied(),
            };
            grown.clear();
            match place.and_then(|place| self.series.get_mut(place)) {
                Some(last) => last.advance(&reading, &mut grown),
                None => {
                    let nodes = nodes
                        .get_or_insert_with(|| self.series.iter().map(|last| last.node.clone()).collect());
                    let born = nodes.contains(reading.node);
                    grown.extend(reading.values.iter().map(|value| if born { *value } else { 0 }));
                    self.series.push(Last {
                        node: reading.node.to_owned(),
                        series: reading.series.to_owned(),
                        at: reading.at,
                        values: reading.values.to_vec(),
                    });
                }
            }
            each(reading, &grown);
        }
    }

    /// Forgets everything: the next poll only learns where the counters stand, as after a warm-up.
    pub fn rebase(&mut self) {
        self.series.clear();
    }

    fn places(&self) -> HashMap<(String, String), usize> {
        let key = |last: &Last| (last.node.clone(), last.series.clone());
        self.series.iter().enumerate().map(|(place, last)| (key(last), place)).collect()
    }
}

impl Last {
    fn advance(&mut self, reading: &SeriesReading<'_>, grown: &mut Vec<u64>) {
        let moved = reading.at > self.at;
        let same_shape = reading.values.len() == self.values.len();
        if !moved || !same_shape {
            grown.resize(reading.values.len(), 0);
        } else if reading.values.last() < self.values.last() {
            grown.extend_from_slice(reading.values);
        } else {
            let pairs = reading.values.iter().zip(&self.values);
            grown.extend(pairs.map(|(now, before)| now.saturating_sub(*before)));
        }
        if moved {
            self.at = reading.at;
            self.values.clear();
            self.values.extend_from_slice(reading.values);
        }
    }
}

/// What the histograms of one arm counted in one poll, added up over its series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArmHistogram {
    cumulative: Vec<u64>,
}

impl ArmHistogram {
    /// Adds the growth of one series: cumulative buckets, its count last.
    pub fn add(&mut self, grown: &[u64]) {
        if self.cumulative.len() < grown.len() {
            self.cumulative.resize(grown.len(), 0);
        }
        for (sum, more) in self.cumulative.iter_mut().zip(grown) {
            *sum = sum.saturating_add(*more);
        }
    }

    /// All requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }

    /// The requests slower than the bucket's bound.
    #[must_use]
    pub fn slower_than(&self, bucket: usize) -> u64 {
        let faster = self.cumulative.get(bucket).copied().unwrap_or_else(|| self.requests());
        self.requests().saturating_sub(faster)
    }
}
