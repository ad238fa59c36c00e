//! The suite of [`SliSource`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::NodeId;
use canary_core::traits::{CallOutcome, CounterQuery, Reading, Sample, SliQuery, SliSource};

use super::counters;
use super::suite::{Case, Suite, Verdict, case, must, require, until};

/// What a bench can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliSkills {
    /// [`SliBench::take_away`].
    pub take_away: bool,
    /// The source counts: [`SliBench::counted`] and [`SliBench::showed`].
    pub counters: bool,
    /// The source keeps a past, [`SliBench::step`] by step.
    pub history: bool,
}

/// What a query must read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// A number within `tolerance`.
    Value {
        /// The number.
        value: f64,
        /// How far it may be off.
        tolerance: f64,
    },
    /// A quantile in the last, open bucket above this bound.
    AtLeast(f64),
    /// No request in the window.
    NoTraffic,
    /// No series.
    Absent,
    /// Too old.
    Stale,
    /// Not a number.
    NotANumber,
    /// Plus or minus infinity.
    Infinite,
    /// Several series.
    SeveralSeries,
}

/// A query with what it must read.
#[derive(Debug, Clone)]
pub struct Known {
    /// The query; its name is unique.
    pub query: SliQuery,
    /// What it must read, now or soon.
    pub expected: Expected,
}

/// A store to be tested, with series that are known.
///
/// A bench panics when it cannot do its part.
#[async_trait(?Send)]
pub trait SliBench {
    /// The source.
    fn source(&self) -> Arc<dyn SliSource>;

    /// Queries about now with what they must read: at least a value and an absent series.
    fn known(&self) -> Vec<Known>;

    /// Makes the store unreachable.
    async fn take_away(&self);

    /// Queries about now for counters, one of several nodes among them. Every node takes requests at every scrape, and
    /// no process of theirs begins anew.
    fn counted(&self) -> Vec<CounterQuery> {
        Vec::new()
    }

    /// Whether the node ever showed exactly these counts to the query of that name, added up over its series in their
    /// layout.
    fn showed(&self, _query: &str, _node: &NodeId, _sums: &[u64]) -> bool {
        false
    }

    /// The length of a history's step, in which every node is scraped at least once; default 1 s.
    fn step(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// The suite of [`SliSource`]: `make` gives a fresh bench for each case.
pub fn sli_source<F, M>(skills: SliSkills, make: M) -> Suite
where
    F: Future<Output = Box<dyn SliBench>> + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    let mut cases: Vec<Case<dyn SliBench>> = vec![
        case!(every_state_is_told_apart, "sample: missing or unusable data is a Reading, not an error"),
        case!(answers_come_in_order, "sample: answers all queries, in order"),
        case!(no_queries_no_answers, "sample: one result a query"),
        case!(answers_carry_evidence, "Sample::queries: what was asked and answered, at most 500 characters"),
        case!(sampling_changes_nothing, "sample: as of the instant each names; changes nothing"),
        case!(described_series_are_there, "describe: how many series match now"),
    ];
    if skills.take_away {
        cases.push(case!(
            a_store_that_is_away_is_an_error,
            "sample: an error means that the store could not be asked"
        ));
    }
    cases.extend(counters::cases(skills));
    Suite::new("sli_source", make, cases)
}

type Bench<'b> = &'b dyn SliBench;

fn fits(expected: Expected, reading: &Reading) -> bool {
    match (expected, reading) {
        (Expected::Value { value, tolerance }, Reading::Value { value: found }) => {
            (found.value() - value).abs() <= tolerance
        }
        (Expected::AtLeast(bound), Reading::AtLeast { at_least }) => {
            (at_least.value() - bound).abs() < f64::EPSILON
        }
        (Expected::NoTraffic, Reading::NoTraffic)
        | (Expected::Absent, Reading::Absent)
        | (Expected::Stale, Reading::Stale)
        | (Expected::NotANumber, Reading::NotANumber)
        | (Expected::Infinite, Reading::Infinite)
        | (Expected::SeveralSeries, Reading::SeveralSeries { .. }) => true,
        _ => false,
    }
}

async fn sample(bench: Bench<'_>, queries: &[SliQuery]) -> Result<Vec<Sample>, String> {
    let answers = bench.source().sample(queries).await;
    require!(answers.len() == queries.len(), "{} answers to {} queries", answers.len(), queries.len());
    answers.into_iter().map(|answer| must("sample", answer)).collect()
}

/// All known queries and their samples, once every one reads what it must.
async fn all(bench: Bench<'_>) -> Result<Vec<(Known, Sample)>, String> {
    until("every query to read what it must", async || {
        let known = bench.known();
        let queries: Vec<_> = known.iter().map(|known| known.query.clone()).collect();
        let samples = sample(bench, &queries).await?;
        for (known, sample) in known.iter().zip(&samples) {
            let (query, expected) = (&known.query.name, known.expected);
            require!(fits(expected, &sample.reading), "{query}: {:?}, expected {expected:?}", sample.reading);
        }
        Ok(known.into_iter().zip(samples).collect())
    })
    .await
}

async fn every_state_is_told_apart(bench: Bench<'_>) -> Verdict {
    let known = all(bench).await?;
    let has = |wanted: fn(&Expected) -> bool| known.iter().any(|(known, _)| wanted(&known.expected));
    require!(has(|e| matches!(e, Expected::Value { .. })), "the bench knows no query with a value");
    require!(has(|e| *e == Expected::Absent), "the bench knows no absent series");
    Ok(())
}

async fn answers_come_in_order(bench: Bench<'_>) -> Verdict {
    let mut known: Vec<Known> = all(bench).await?.into_iter().map(|(known, _)| known).collect();
    known.reverse();
    let queries: Vec<_> = known.iter().map(|known| known.query.clone()).collect();
    for (known, sample) in known.iter().zip(sample(bench, &queries).await?) {
        let ok = fits(known.expected, &sample.reading);
        require!(ok, "asked the other way round, {} reads {:?}", known.query.name, sample.reading);
    }
    Ok(())
}

async fn no_queries_no_answers(bench: Bench<'_>) -> Verdict {
    sample(bench, &[]).await.map(|_| ())
}

async fn answers_carry_evidence(bench: Bench<'_>) -> Verdict {
    for (known, sample) in all(bench).await? {
        require!(!sample.queries.is_empty(), "{}: nothing is said of what was asked", known.query.name);
        for executed in &sample.queries {
            let length = executed.reply.chars().count();
            require!(length <= 500, "{}: a reply of {length} characters", known.query.name);
        }
        if let Expected::NoTraffic = known.expected {
            require!(sample.events.unwrap_or(0) == 0, "{}: {:?} events", known.query.name, sample.events);
        }
    }
    Ok(())
}

async fn sampling_changes_nothing(bench: Bench<'_>) -> Verdict {
    let queries: Vec<_> = all(bench).await?.into_iter().map(|(known, _)| known.query).collect();
    let (first, second) = (sample(bench, &queries).await?, sample(bench, &queries).await?);
    for ((query, one), two) in queries.iter().zip(first).zip(second) {
        let same = std::mem::discriminant(&one.reading) == std::mem::discriminant(&two.reading);
        require!(same, "{}: {:?}, then {:?}", query.name, one.reading, two.reading);
    }
    Ok(())
}

async fn described_series_are_there(bench: Bench<'_>) -> Verdict {
    for (known, _) in all(bench).await? {
        let facts = must("describe", bench.source().describe(&known.query).await)?;
        match known.expected {
            Expected::Value { .. } | Expected::AtLeast(_) => {
                require!(facts.series > 0, "{}: no series", known.query.name);
            }
            Expected::Absent => {
                require!(facts.series == 0, "{}: {} series", known.query.name, facts.series);
            }
            _ => {}
        }
    }
    Ok(())
}

async fn a_store_that_is_away_is_an_error(bench: Bench<'_>) -> Verdict {
    all(bench).await?;
    bench.take_away().await;
    // A source may remember what it read for an instant: these are of a later one.
    let queries: Vec<_> = bench.known().into_iter().map(|known| known.query).collect();
    let answers = bench.source().sample(&queries).await;
    require!(answers.len() == queries.len(), "{} answers to {} queries", answers.len(), queries.len());
    for (query, answer) in queries.iter().zip(answers) {
        match answer {
            Ok(sample) => return Err(format!("{}: {:?}", query.name, sample.reading)),
            Err(error) => require!(
                error.outcome() != CallOutcome::Applied,
                "{}: a read is said to have been applied",
                query.name
            ),
        }
    }
    Ok(())
}
