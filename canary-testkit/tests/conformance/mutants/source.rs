//! Sources of SLIs with one fault each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::NodeId;
use canary_core::traits::*;
use libtest_mimic::Trial;

use super::{Broken, broken, caught};
use crate::fakes::{Twist, sli_suite};

#[derive(Debug, Clone, Copy, PartialEq)]
enum WrongSource {
    ReadsZeroForAbsent,
    AnswersBackwards,
    GivesNoEvidence,
    DescribesNothing,
    SaysItDoesNotCount,
    Extrapolates,
    CountsEachBucketAlone,
    TakesAllForOneNode,
    CountsWhomNobodyAskedFor,
    TellsTheQuestionsTime,
    KnowsNoAge,
    CountsWhatIsNotThere,
    CountsExpressions,
    Shuffles,
    NamesAllSeriesAlike,
    ForgetsAStep,
    ExtrapolatesThePast,
    InventsAPast,
    LeavesOutTheIdle,
}

#[async_trait]
impl SliSource for Broken<dyn SliSource, WrongSource> {
    fn by_node(&self) -> bool {
        self.inner.by_node()
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let mut answers = self.inner.sample(queries).await;
        match self.wrong {
            WrongSource::AnswersBackwards => answers.reverse(),
            WrongSource::ReadsZeroForAbsent => {
                let zero = Reading::Value { value: canary_core::analysis::Number::new(0.0).unwrap() };
                for sample in answers.iter_mut().flatten().filter(|s| s.reading == Reading::Absent) {
                    sample.reading = zero.clone();
                }
            }
            WrongSource::GivesNoEvidence => answers.iter_mut().flatten().for_each(|s| s.queries.clear()),
            _ => {}
        }
        answers
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        let mut facts = self.inner.describe(query).await?;
        if self.wrong == WrongSource::DescribesNothing {
            facts.series = 0;
        }
        Ok(facts)
    }

    fn counts(&self) -> bool {
        self.wrong != WrongSource::SaysItDoesNotCount && self.inner.counts()
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        let mut answers = self.inner.counters(queries).await;
        let odd = self.count.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        for (answer, query) in answers.iter_mut().zip(queries) {
            match answer {
                Ok(counters) => self.miscount(counters, query, odd),
                Err(_) if self.wrong == WrongSource::CountsExpressions => *answer = Ok(Counters::default()),
                Err(_) => {}
            }
        }
        answers
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        let mut history = self.inner.history(query, covers, step).await?;
        for steps in history.nodes.iter_mut().map(|growth| &mut growth.steps) {
            match self.wrong {
                WrongSource::ForgetsAStep => drop(steps.pop()),
                WrongSource::ExtrapolatesThePast => steps.iter_mut().flatten().for_each(|n| *n += *n / 20),
                WrongSource::InventsAPast => {
                    steps.iter_mut().filter(|step| step.is_empty()).for_each(|step| *step = vec![0, 0]);
                }
                _ => {}
            }
        }
        if self.wrong == WrongSource::LeavesOutTheIdle {
            history.nodes.retain(|growth| growth.steps.iter().any(|step| !step.is_empty()));
        }
        Ok(history)
    }
}

impl Broken<dyn SliSource, WrongSource> {
    /// Makes an answer wrong.
    fn miscount(&self, counters: &mut Counters, query: &CounterQuery, odd: bool) {
        let series = &mut counters.series;
        match self.wrong {
            WrongSource::Extrapolates => {
                series.iter_mut().flat_map(|one| &mut one.values).for_each(|n| *n += *n / 20 + 1);
            }
            WrongSource::CountsEachBucketAlone => {
                for values in series.iter_mut().map(|one| &mut one.values) {
                    for i in (1..values.len()).rev() {
                        values[i] -= values[i - 1];
                    }
                }
            }
            WrongSource::TakesAllForOneNode => {
                series.iter_mut().for_each(|one| one.node = query.nodes[0].clone());
            }
            WrongSource::CountsWhomNobodyAskedFor => {
                let other = series.last().cloned();
                series.extend(other.map(|one| CounterSeries { node: NodeId::new("n9").unwrap(), ..one }));
            }
            WrongSource::TellsTheQuestionsTime => {
                series.iter_mut().for_each(|one| one.at = query.at);
                counters.age = counters.age.map(|_| Duration::ZERO);
            }
            WrongSource::KnowsNoAge => counters.age = None,
            WrongSource::CountsWhatIsNotThere if series.is_empty() => {
                let (node, at) = (query.nodes[0].clone(), query.at);
                series.push(CounterSeries { node, series: "{}".to_owned(), at, values: vec![0, 0] });
            }
            WrongSource::Shuffles if odd => series.reverse(),
            WrongSource::NamesAllSeriesAlike => {
                series.iter_mut().for_each(|one| one.series.clear());
            }
            _ => {}
        }
    }
}

pub(super) fn sources(trials: &mut Vec<Trial>) {
    for (wrong, case) in [
        (WrongSource::ReadsZeroForAbsent, "every_state_is_told_apart"),
        (WrongSource::AnswersBackwards, "answers_come_in_order"),
        (WrongSource::GivesNoEvidence, "answers_carry_evidence"),
        (WrongSource::DescribesNothing, "described_series_are_there"),
        (WrongSource::SaysItDoesNotCount, "counters_are_what_the_nodes_showed"),
        (WrongSource::Extrapolates, "counters_are_what_the_nodes_showed"),
        (WrongSource::CountsEachBucketAlone, "counters_have_one_layout"),
        (WrongSource::TakesAllForOneNode, "counters_are_told_by_node"),
        (WrongSource::CountsWhomNobodyAskedFor, "counters_are_told_by_node"),
        (WrongSource::TellsTheQuestionsTime, "a_samples_time_is_its_own"),
        (WrongSource::KnowsNoAge, "a_samples_time_is_its_own"),
        (WrongSource::CountsWhatIsNotThere, "no_series_are_an_empty_answer"),
        (WrongSource::CountsExpressions, "an_expression_has_no_counters"),
        (WrongSource::Shuffles, "series_stay_in_their_order"),
        (WrongSource::NamesAllSeriesAlike, "series_stay_in_their_order"),
        (WrongSource::ForgetsAStep, "a_history_sums_up_to_what_counters_grew"),
        (WrongSource::ExtrapolatesThePast, "a_history_sums_up_to_what_counters_grew"),
        (WrongSource::InventsAPast, "a_past_that_is_not_kept_is_empty"),
        (WrongSource::LeavesOutTheIdle, "a_past_that_is_not_kept_is_empty"),
    ] {
        let twist: Twist<dyn SliSource> = Arc::new(move |it| Arc::new(broken(it, wrong)));
        caught(trials, wrong, case, sli_suite(twist));
    }
}
