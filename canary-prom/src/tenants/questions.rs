//! What is asked, as PromQL: one question for all tenants, never a ratio, so that a missing part is seen as missing.

use canary_tenants::policy::{Matcher, ObjectiveKind, Operator, Part, Selector, VERSION};
use canary_tenants::source::Measure;

use crate::promql::quote_meta;

/// One kind of question; a selector is its text, so that what two objectives need is asked once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Question {
    /// By how much counters grew in a window.
    Growth(String, u64),
    /// By how much each bucket of a histogram grew in a window.
    Buckets(String, u64),
    /// The largest value of a gauge in a window.
    Largest(String, u64),
    /// How many samples the series that has most has in a window.
    Samples(String, u64),
    /// When the newest sample is from, in seconds.
    Newest(String),
    /// Whether there was a sample just before the window.
    Before(String, u64),
}

/// What of a measure is asked for.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// The series by which samples are counted.
    pub(super) base: Selector,
    /// The window, in microseconds.
    pub(super) window: u64,
    pub(super) values: Values,
}

/// The questions that give a measure's value.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Events { part: Question, total: Question, good: bool },
    Latencies { buckets: Question, q: u64 },
    Gauge(Question),
}

impl Parts {
    /// What to ask for a measure of a release; nothing for what is not read from samples.
    ///
    /// # Errors
    /// What the policy's selectors need and is not there.
    pub(super) fn of(measure: &Measure, version: Option<&str>) -> Result<Option<Self>, String> {
        let filled = |selector: &Selector| filled(selector, version);
        let window = measure.window;
        let parts = match &measure.kind {
            ObjectiveKind::Quantile { q, histogram } => {
                let named = |suffix: &str| {
                    let mut selector = histogram.clone();
                    selector.metric.push_str(suffix);
                    filled(&selector)
                };
                let buckets = Question::Buckets(named("_bucket")?.to_string(), window);
                Self { base: named("_count")?, window, values: Values::Latencies { buckets, q: *q } }
            }
            ObjectiveKind::Ratio { part, total } => {
                let (selector, good) = match part {
                    Part::Bad(bad) => (bad, false),
                    Part::Good(good) => (good, true),
                };
                let total = filled(total)?;
                let part = Question::Growth(filled(selector)?.to_string(), window);
                let whole = Question::Growth(total.to_string(), window);
                Self { base: total, window, values: Values::Events { part, total: whole, good } }
            }
            ObjectiveKind::Value { metric } => {
                let metric = filled(metric)?;
                let values = Values::Gauge(Question::Largest(metric.to_string(), window));
                Self { base: metric, window, values }
            }
            // Measured elsewhere, or by its ratio in a window of its own.
            ObjectiveKind::Budget { .. } | ObjectiveKind::Probe(_) => return Ok(None),
        };
        Ok(Some(parts))
    }

    /// All of its questions of the first round.
    pub(super) fn questions(&self) -> Vec<Question> {
        let mut all = match &self.values {
            Values::Events { part, total, .. } => vec![part.clone(), total.clone()],
            Values::Latencies { buckets, .. } => vec![buckets.clone()],
            Values::Gauge(largest) => vec![largest.clone()],
        };
        all.extend([self.samples(), self.newest()]);
        all
    }

    pub(super) fn samples(&self) -> Question {
        Question::Samples(self.base.to_string(), self.window)
    }

    pub(super) fn newest(&self) -> Question {
        Question::Newest(self.base.to_string())
    }
}

impl Question {
    /// The PromQL text, grouped by a label and, where some are named, for those tenants alone.
    pub(super) fn promql(&self, label: &str, tenants: Option<&[&str]>) -> String {
        let with = |selector: &str| narrowed(selector, label, tenants);
        let ms = |window: &u64| format!("{}ms", window / 1000);
        match self {
            Self::Growth(of, window) => format!("sum by ({label}) (increase({}[{}]))", with(of), ms(window)),
            Self::Buckets(of, window) => {
                format!("sum by ({label}, le) (increase({}[{}]))", with(of), ms(window))
            }
            Self::Largest(of, window) => {
                format!("max by ({label}) (max_over_time({}[{}]))", with(of), ms(window))
            }
            Self::Samples(of, window) => {
                format!("max by ({label}) (count_over_time({}[{}]))", with(of), ms(window))
            }
            Self::Newest(of) => format!("max by ({label}) (timestamp({}))", with(of)),
            Self::Before(of, window) => format!("count by ({label}) ({} offset {})", with(of), ms(window)),
        }
    }

    /// By what power of ten its values are multiplied: gauges to ppm, times to microseconds, counts not at all.
    pub(super) const fn places(&self) -> i32 {
        match self {
            Self::Largest(..) | Self::Newest(_) => 6,
            Self::Growth(..) | Self::Buckets(..) | Self::Samples(..) | Self::Before(..) => 0,
        }
    }

    /// Whether it tells which tenants there are, and is asked for all of them even where the others are in sets.
    pub(super) const fn names(&self) -> bool {
        matches!(self, Self::Newest(_))
    }
}

/// The selector's text with one more matcher.
fn narrowed(selector: &str, label: &str, tenants: Option<&[&str]>) -> String {
    let Some(tenants) = tenants else { return selector.to_owned() };
    let all: Vec<String> = tenants.iter().map(|tenant| quote_meta(tenant)).collect();
    let matcher = Matcher { label: label.to_owned(), operator: Operator::Matches, value: all.join("|") };
    let one = Selector { metric: String::new(), matchers: vec![matcher] }.to_string();
    match selector.strip_suffix('}') {
        Some(head) => format!("{head},{}", one.trim_start_matches('{')),
        None => format!("{selector}{one}"),
    }
}

/// The selector with the version where it stands for one.
fn filled(selector: &Selector, version: Option<&str>) -> Result<Selector, String> {
    let mut selector = selector.clone();
    for matcher in selector.matchers.iter_mut().filter(|matcher| matcher.value == VERSION) {
        let version = version
            .ok_or_else(|| format!("{}: {VERSION} stands for a version, and none is named", matcher.label))?;
        matcher.value = match matcher.operator {
            Operator::Matches | Operator::NotMatches => quote_meta(version),
            Operator::Equal | Operator::NotEqual => version.to_owned(),
        };
    }
    Ok(selector)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn measure(kind: ObjectiveKind) -> Measure {
        Measure { name: Arc::from("m"), kind, window: 300_000_000 }
    }

    fn ratio(part: fn(Selector) -> Part) -> Measure {
        let bad = r#"req_total{status=~"5..",version="$canary_version"}"#.parse().unwrap();
        measure(ObjectiveKind::Ratio { part: part(bad), total: "req_total".parse().unwrap() })
    }

    #[test]
    fn one_question_is_for_all_tenants() {
        let parts = Parts::of(&ratio(Part::Bad), Some("v2\"")).unwrap().unwrap();
        let all: Vec<_> = parts.questions().iter().map(|q| q.promql("tenant", None)).collect();
        assert_eq!(
            all,
            [
                r#"sum by (tenant) (increase(req_total{status=~"5..",version="v2\""}[300000ms]))"#,
                "sum by (tenant) (increase(req_total[300000ms]))",
                "max by (tenant) (count_over_time(req_total[300000ms]))",
                "max by (tenant) (timestamp(req_total))",
            ]
        );
        assert!(Parts::of(&ratio(Part::Good), None).unwrap_err().contains("none is named"));
        let histogram = ObjectiveKind::Quantile { q: 950_000, histogram: "h{a='b'}".parse().unwrap() };
        let parts = Parts::of(&measure(histogram), None).unwrap().unwrap();
        assert_eq!(
            parts.questions()[0].promql("tenant", Some(&["a.b", "c\"}"])),
            r#"sum by (tenant, le) (increase(h_bucket{a="b",tenant=~"a[.]b|c\"[}]"}[300000ms]))"#
        );
        let before = Question::Before("up".to_owned(), 1_000_000);
        assert_eq!(before.promql("t", Some(&["x"])), r#"count by (t) (up{t=~"x"} offset 1000ms)"#);
    }
}
