//! From the rows of all questions to what was found of each tenant.

use std::collections::{BTreeMap, BTreeSet};

use canary_core::time::Timestamp;
use canary_tenants::gap::{Found, GapCode, Measured, OPEN};

use super::asking::LATELY;
use super::number::Number;
use super::questions::{Parts, Question, Values};
use super::rows::Rows;

/// What was found in one measure, by tenant.
pub(super) fn of(
    rows: &BTreeMap<Question, Rows>,
    parts: &Parts,
    expected: u64,
    at: Timestamp,
) -> BTreeMap<String, Found> {
    let all = All { rows, parts, expected, at: at.as_millis().saturating_mul(1000) };
    let base = parts.base.to_string();
    let naming = [parts.samples(), parts.newest(), Question::Samples(base, LATELY)];
    let names: BTreeSet<&String> =
        naming.iter().filter_map(|question| rows.get(question)).flat_map(|rows| rows.values.keys()).collect();
    names.into_iter().map(|name| (name.clone(), all.one(name))).collect()
}

struct All<'a> {
    rows: &'a BTreeMap<Question, Rows>,
    parts: &'a Parts,
    expected: u64,
    /// The instant, in microseconds.
    at: u64,
}

impl All<'_> {
    fn one(&self, name: &str) -> Found {
        let samples = self.value(&self.parts.samples(), name).and_then(Number::amount);
        let newest = self.value(&self.parts.newest(), name).and_then(Number::amount);
        let base = self.parts.base.to_string();
        let before = self.value(&Question::Before(base.clone(), self.parts.window), name).is_some();
        let lately = samples.is_some() || self.value(&Question::Samples(base, LATELY), name).is_some();
        Found {
            // Instant queries look back by themselves: a sample from before the window is none in it.
            age: newest.filter(|_| samples.is_some()).map(|newest| self.at.saturating_sub(newest)),
            // Asked only where samples are missing.
            before: before || samples.is_some_and(|samples| samples >= self.expected),
            expected: self.expected,
            lately,
            measured: if samples.is_some() { self.measured(name) } else { Measured::Nothing },
            samples,
            trouble: self.twice(name).then_some(GapCode::Duplicate),
        }
    }

    fn value(&self, question: &Question, name: &str) -> Option<Number> {
        self.rows.get(question)?.values.get(name).copied()
    }

    fn twice(&self, name: &str) -> bool {
        let twice =
            |question: &Question| self.rows.get(question).is_some_and(|rows| rows.twice.contains(name));
        self.parts.questions().iter().any(twice)
            || matches!(&self.parts.values, Values::Latencies { buckets, .. } if self.same_bound(buckets, name))
    }

    /// Whether two buckets have one bound: `1` and `1.0` are the same.
    fn same_bound(&self, question: &Question, name: &str) -> bool {
        let mut seen = BTreeSet::new();
        let buckets = self.rows.get(question).and_then(|rows| rows.buckets.get(name));
        buckets.into_iter().flatten().any(|(bound, _)| !seen.insert(bound.amount().unwrap_or(OPEN)))
    }

    fn measured(&self, name: &str) -> Measured {
        match &self.parts.values {
            Values::Events { part, total, good } => {
                self.events(self.value(part, name), self.value(total, name), *good)
            }
            Values::Latencies { buckets, q } => self.latencies(buckets, *q, name),
            Values::Gauge(largest) => Measured::Gauge(match self.value(largest, name) {
                Some(Number::Infinite) => Some(OPEN),
                other => other.and_then(Number::amount),
            }),
        }
    }

    fn events(&self, part: Option<Number>, total: Option<Number>, good: bool) -> Measured {
        let Some(total) = total.and_then(Number::amount) else { return Measured::Nothing };
        match (part.map(Number::amount), good) {
            // What is no number says nothing about how many were bad.
            (Some(None), _) => Measured::Nothing,
            (Some(Some(part)), false) => Measured::Events { bad: Some(part), total },
            (None, false) => Measured::Events { bad: None, total },
            (Some(Some(part)), true) => Measured::Events { bad: Some(total.saturating_sub(part)), total },
            // No good ones at all may as well be a series that is not scraped.
            (None, true) => Measured::Nothing,
        }
    }

    fn latencies(&self, question: &Question, q: u64, name: &str) -> Measured {
        let Some(found) = self.rows.get(question).and_then(|rows| rows.buckets.get(name)) else {
            return Measured::Nothing;
        };
        let mut buckets = Vec::with_capacity(found.len());
        for (bound, count) in found {
            let (Some(count), bound) = (count.amount(), bound.amount().unwrap_or(OPEN)) else {
                return Measured::Nothing;
            };
            buckets.push((bound, count));
        }
        buckets.sort_unstable();
        // Without the open bucket it is not known how many there were.
        if buckets.last().is_none_or(|(bound, _)| *bound != OPEN) {
            return Measured::Nothing;
        }
        Measured::Latencies { buckets, q }
    }
}
