//! What the comparison with the baseline will rest on, before it is relied on.

use std::sync::Arc;
use std::time::Duration;

use super::{Check, Preflight};
use crate::analysis::{Foresight, compared, foresee};
use crate::engine::Backends;
use crate::spec::{OddsRules, RolloutSpec, Sli, WatchPolicy};
use crate::traits::{CounterHistory, CounterQuery, SliSource};

/// How long reading the past may take in all; what is not there by then is a remark.
const LIMIT: Duration = Duration::from_secs(30);

impl Backends {
    /// Reads the past of every SLI that is compared, all at the same time.
    pub(super) async fn comparison(
        &self,
        source: &Arc<dyn SliSource>,
        spec: &RolloutSpec,
        watch: &WatchPolicy,
        told: &mut Preflight,
    ) {
        let Some(rules) = &watch.judging.odds else { return };
        let slis: Vec<&Sli> = watch.slis.iter().filter(|sli| compared(sli).is_some()).collect();
        if !source.counts() || slis.is_empty() {
            told.checks.push(impossible(source.as_ref(), watch, slis.is_empty()));
            return;
        }
        if spec.peers.is_empty() {
            let detail = "there is no other node: requests are held against their bounds alone, and trouble that has \
                          nothing to do with the release counts against it";
            told.checks.push(Check::warn("comparison", detail));
            return;
        }
        let asked: Vec<_> = slis.iter().map(|sli| self.past(source, spec, watch, rules, sli)).collect();
        // Every step of the weight is a watch of its own; told is the last, with the whole weight.
        let steps = spec.weights.as_ref().map_or(0, |weights| weights.steps.len());
        let policy = rules.policy(watch.window, u32::try_from(steps + 1).unwrap_or(u32::MAX));
        for (sli, asked) in slis.iter().zip(asked) {
            let name = format!("comparison of {}", sli.name);
            let history = match asked.await {
                Ok(Ok(history)) => history,
                Ok(Err(why)) => {
                    told.checks.push(Check::warn(name, format!("without its noise, red only holds: {why}")));
                    continue;
                }
                Err(error) => {
                    told.checks.push(Check::warn(name, error.to_string()));
                    continue;
                }
            };
            match foresee(sli, slis.len(), &policy, (&spec.canary, &spec.peers), &history) {
                Some(foresight) => {
                    told.checks.push(check(name, &foresight));
                    told.foresight.push(foresight);
                }
                None => {
                    let detail = "canary or peers had no requests in the time before: what can be seen is not known, and red \
                                  only holds";
                    told.checks.push(Check::warn(name, detail));
                }
            }
        }
    }

    /// Begins to read the past of one SLI.
    fn past(
        &self,
        source: &Arc<dyn SliSource>,
        spec: &RolloutSpec,
        watch: &WatchPolicy,
        rules: &OddsRules,
        sli: &Sli,
    ) -> tokio::task::JoinHandle<Result<CounterHistory, String>> {
        let query = CounterQuery {
            name: sli.name.clone(),
            kind: sli.kind.clone(),
            nodes: spec.nodes().cloned().collect(),
            at: self.clock.now(),
        };
        let (source, clock) = (Arc::clone(source), Arc::clone(&self.clock));
        let (covers, step) = (rules.history, rules.step(watch.interval));
        tokio::spawn(async move {
            tokio::select! {
                biased;
                history = source.history(&query, covers, step) => history.map_err(|error| error.chain()),
                () = clock.sleep(LIMIT) => Err(format!("the past was not read within {LIMIT:?}")),
            }
        })
    }
}

/// A comparison that would compare nothing: refused where it is the only judge.
fn impossible(source: &dyn SliSource, watch: &WatchPolicy, nothing: bool) -> Check {
    let why = if nothing {
        "no SLI is compared: expressions have no counters, advisory SLIs decide nothing; name a metric with an upper bound".to_owned()
    } else {
        format!(
            "{source} cannot count the requests of single nodes; name the label that holds the node's name"
        )
    };
    let alone = watch.judging.threshold.is_none() && watch.judging.score.is_none();
    if alone {
        return Check::failed("comparison", format!("{why}, or judge by the bounds (threshold)"));
    }
    Check::warn("comparison", format!("nothing is compared with the baseline: {why}"))
}

fn check(name: String, foresight: &Foresight) -> Check {
    let detail = foresight.to_string();
    if foresight.blind() || foresight.uncalibrated.is_some() {
        return Check::warn(name, detail);
    }
    Check::ok(name, detail)
}
