//! The comparison of a watch with its baseline: fixed once from the past, then counted poll by poll.

use std::time::Duration;

use crate::analysis::odds::{CounterMemory, OddsWatch};
use crate::analysis::{Compared, Comparison, HoldReason, WatchState, calibrated, compared, tables};
use crate::engine::cx::{Failure, StepCx};
use crate::fleet::NodeId;
use crate::journal::Entry;
use crate::spec::{OddsRules, Sli, WatchPolicy};
use crate::time::Timestamp;
use crate::traits::{BackendError, CounterHistory, CounterQuery, Counters, ErrorKind, Retry, SliSource};

/// What a comparison under way knows. Its counters are its own: an engine that takes over first learns where they stand.
pub(super) struct Comparing<'a> {
    policy: &'a WatchPolicy,
    rules: &'a OddsRules,
    source: &'a dyn SliSource,
    canary: &'a NodeId,
    baseline: Vec<NodeId>,
    slis: Vec<&'a Sli>,
    memories: Vec<CounterMemory>,
    /// When the counters were read last.
    counted: Option<Timestamp>,
    watch: Option<(Comparison, OddsWatch)>,
}

/// What a poll adds to a probe.
type Poll = (Option<Compared>, Vec<HoldReason>);

impl<'a> Comparing<'a> {
    /// The watch's comparison, as far as the journal has it; `None` when none is wanted or nothing can be counted.
    pub(super) fn of(
        cx: &StepCx<'a>,
        policy: &'a WatchPolicy,
        source: &'a dyn SliSource,
        state: &WatchState,
    ) -> Option<Self> {
        let rules = policy.judging.odds.as_ref().filter(|_| source.counts())?;
        let slis: Vec<_> = policy.slis.iter().filter(|sli| compared(sli).is_some()).collect();
        let memories = vec![CounterMemory::default(); slis.len()];
        let baseline = super::probe::baseline(cx);
        let watch = state.comparison.clone().zip(state.odds());
        let canary = &cx.plan.spec.canary;
        (!slis.is_empty()).then_some(Self {
            policy,
            rules,
            source,
            canary,
            baseline,
            slis,
            memories,
            counted: None,
            watch,
        })
    }

    /// Counts what came since the last poll. Nothing is counted before the warm-up is over.
    pub(super) async fn poll(
        &mut self,
        cx: &StepCx<'_>,
        at: Timestamp,
        state: &WatchState,
    ) -> Result<Poll, Failure> {
        if at < state.started.plus(self.rules.warm_up) {
            return Ok((None, Vec::new()));
        }
        let counters = self.counters(at).await;
        if self.watch.is_none() {
            match self.fix(cx, at, &counters).await? {
                Ok(()) => {}
                Err(error) => return Ok((None, vec![HoldReason::SourceDown { error }])),
            }
        }
        let Some((comparison, watch)) = &mut self.watch else { return Ok((None, Vec::new())) };
        let mut holds = Vec::new();
        let mut counted = Vec::with_capacity(comparison.slis.len());
        for ((sli, memory), counters) in comparison.slis.iter().zip(&mut self.memories).zip(counters) {
            let tables = counters.and_then(|counters| tables(sli, memory, &counters, self.canary));
            counted.push(tables.unwrap_or_else(|error| {
                holds.push(HoldReason::SourceDown { error });
                Vec::new()
            }));
        }
        // The first reading only learns where the counters stand.
        let elapsed = self.counted.replace(at).map_or(Duration::ZERO, |before| at.since(before));
        let poll = Compared::poll(watch, counted, elapsed);
        holds.extend(poll.distrust());
        Ok((Some(poll), holds))
    }

    /// The counters as they stand; an error in words for each SLI that has none.
    async fn counters(&self, at: Timestamp) -> Vec<Result<Counters, String>> {
        let queries: Vec<_> = self.slis.iter().map(|sli| self.query(sli, at)).collect();
        let mut answers = self.source.counters(&queries).await.into_iter();
        let answer = |sli: &&Sli| match answers.next() {
            Some(answer) => answer.map_err(|e| format!("{}: {}", sli.name, e.chain())),
            None => Err(format!("{}: the source gave no answer", sli.name)),
        };
        self.slis.iter().map(answer).collect()
    }

    fn query(&self, sli: &Sli, at: Timestamp) -> CounterQuery {
        let nodes = std::iter::once(self.canary).chain(&self.baseline).cloned().collect();
        CounterQuery { name: sli.name.clone(), kind: sli.kind.clone(), nodes, at }
    }

    /// Fixes the comparison by the time before the rollout, and records what it is fixed to. An error that may pass leaves
    /// it for the next poll.
    async fn fix(
        &mut self,
        cx: &StepCx<'_>,
        at: Timestamp,
        counters: &[Result<Counters, String>],
    ) -> Result<Result<(), String>, Failure> {
        let before = cx.history().begun().unwrap_or(at);
        let mut comparison = Comparison {
            policy: self.rules.policy(self.policy.window, cx.plan.watches()),
            slis: Vec::with_capacity(self.slis.len()),
            baseline: self.baseline.clone(),
            remarks: Vec::new(),
        };
        let mut queries = Vec::new();
        for (sli, counters) in self.slis.iter().zip(counters) {
            let history = match self.history(sli, before).await {
                Ok(history) => history,
                Err(error) => return Ok(Err(error)),
            };
            let bounds = match (&history, counters) {
                (Ok(history), _) if !history.bounds.is_empty() => history.bounds.clone(),
                (_, Ok(counters)) => counters.bounds.clone(),
                (_, Err(error)) => return Ok(Err(error.clone())),
            };
            let past = history.as_ref().map_err(Clone::clone);
            let (fixed, remark) = calibrated(sli, self.canary, &self.baseline, &bounds, past);
            comparison.slis.push(fixed);
            comparison.remarks.extend(remark);
            queries.extend(history.into_iter().flat_map(|history| history.queries));
        }
        let rollout = cx.recorder.rollout.clone();
        let entry = Entry::Calibrated {
            rollout,
            step: cx.step.clone(),
            comparison: Box::new(comparison.clone()),
            queries,
        };
        cx.record(entry).await?;
        let watch = comparison.begin();
        self.watch = Some((comparison, watch));
        Ok(Ok(()))
    }

    /// The time before the rollout. The outer error may pass; the inner one is why there is no history at all.
    async fn history(&self, sli: &Sli, before: Timestamp) -> Result<Result<CounterHistory, String>, String> {
        if self.baseline.is_empty() {
            return Ok(Err("there is no other node".to_owned()));
        }
        let query = self.query(sli, before);
        let step = self.rules.step(self.policy.interval);
        match self.source.history(&query, self.rules.history, step).await {
            Ok(history) => Ok(Ok(history)),
            Err(error) if may_pass(&error) => Err(format!("{}: {}", sli.name, error.chain())),
            Err(error) => Ok(Err(error.chain())),
        }
    }
}

/// Whether asking again at the next probe may help.
fn may_pass(error: &BackendError) -> bool {
    let away = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Unreachable);
    away || matches!(error.retry(), Retry::Transient { .. })
}
