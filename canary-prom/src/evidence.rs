//! What was asked and answered, kept with every sample; and how answers are taken apart.

use std::time::Duration;

use canary_core::traits::{BackendError, ExecutedQuery, Reading, Sample};

use crate::api::{Element, QueryData};
use crate::client::Answer;
use crate::{reading, refusal};

/// What [`ExecutedQuery::reply`] says when a rate needs another scrape.
pub(crate) const TOO_FEW: &str = "series present, fewer than two samples in the window";

/// What is gathered while one query is answered.
#[derive(Default)]
pub(crate) struct Evidence {
    warnings: Vec<String>,
    queries: Vec<ExecutedQuery>,
}

impl Evidence {
    pub(crate) fn note(&mut self, query: &str, reply: &str, answer: &Answer) {
        self.warned(answer);
        self.tell(query.to_owned(), reply);
    }

    /// Keeps an answer's warnings.
    pub(crate) fn warned(&mut self, answer: &Answer) {
        for warning in &answer.warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
    }

    /// Keeps what was asked, perhaps in several requests, and answered.
    pub(crate) fn tell(&mut self, query: String, reply: &str) {
        self.queries.push(ExecutedQuery { query, reply: reading::evidence(reply) });
    }

    /// The warnings and the queries.
    pub(crate) fn parts(self) -> (Vec<String>, Vec<ExecutedQuery>) {
        (self.warnings, self.queries)
    }

    /// Marks the query whose rate has nothing to go by.
    pub(crate) fn too_few(&mut self) {
        if let Some(first) = self.queries.first_mut() {
            first.reply = TOO_FEW.to_owned();
        }
    }

    pub(crate) fn sample(self, reading: Reading, events: Option<u64>, age: Option<Duration>) -> Sample {
        Sample { reading, events, age, warnings: self.warnings, queries: self.queries }
    }
}

/// The elements of an answer that must be a vector.
pub(crate) fn vector_of(answer: &Answer) -> Result<&[Element], BackendError> {
    match &answer.data {
        QueryData::Vector(elements) => Ok(elements),
        other => Err(refusal::wrong_type(other)),
    }
}

pub(crate) fn into_vector(answer: Answer) -> Result<Vec<Element>, BackendError> {
    match answer.data {
        QueryData::Vector(elements) => Ok(elements),
        other => Err(refusal::wrong_type(&other)),
    }
}

/// The value of an element; native histograms have none.
pub(crate) fn value_of(element: &Element) -> Result<f64, BackendError> {
    element.value.map(|point| point.value).ok_or_else(refusal::native_histogram)
}

/// The upper bound of a bucket.
pub(crate) fn bound_of(element: &Element) -> Result<f64, BackendError> {
    let le = element.metric.get("le").map_or("", String::as_str);
    le.parse().map_err(|_| refusal::no_bound(le))
}

pub(crate) fn value_text(elements: &[Element]) -> String {
    let shown = |e: &Element| e.value.map_or_else(|| "histogram".to_owned(), |point| point.value.to_string());
    match elements {
        [] => "no series".to_owned(),
        [one] => shown(one),
        several => {
            let first: Vec<_> =
                several.iter().take(5).map(|e| format!("{:?} {}", e.metric, shown(e))).collect();
            format!("{} series: {}", several.len(), first.join("; "))
        }
    }
}

pub(crate) fn bucket_text(elements: &[Element]) -> String {
    if elements.is_empty() {
        return "no series".to_owned();
    }
    let mut all: Vec<_> = elements.iter().filter_map(|e| Some((bound_of(e).ok()?, e.value?.value))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let shown: Vec<_> = all.iter().map(|(bound, rate)| format!("{bound}={rate}")).collect();
    format!("{} buckets: {}", elements.len(), shown.join(" "))
}
