//! One probe of every SLI, for the watch and for a pause.

use std::time::Duration;

use crate::analysis::{JudgedSli, Number, WatchState, Whose, judge};
use crate::engine::cx::StepCx;
use crate::fleet::NodeId;
use crate::plan::{Action, Step};
use crate::spec::{CommonFault, Sli, WatchPolicy, WatchSubject};
use crate::time::Timestamp;
use crate::traits::{BackendError, Reading, Sample, SliKind, SliQuery, SliSource, Subject};

/// Asks every SLI about one instant and holds the answers against their bounds.
///
/// A source that cannot be asked is a reason to hold, not a failed step; the probe's own spacing is the retry.
pub(super) async fn slis(
    cx: &StepCx<'_>,
    policy: &WatchPolicy,
    source: &dyn SliSource,
    at: Timestamp,
    window: Duration,
    state: &WatchState,
) -> Vec<JudgedSli> {
    let ask =
        |sli: &Sli, subject| SliQuery { name: sli.name.clone(), kind: sli.kind.clone(), subject, window, at };
    let canary = &cx.plan.spec.canary;
    let mut queries: Vec<SliQuery> =
        policy.slis.iter().map(|sli| ask(sli, subject(policy.subject_of(sli), canary))).collect();
    let beside = beside(cx, policy, source);
    queries.extend(beside.iter().map(|(sli, _, subject)| ask(&policy.slis[*sli], subject.clone())));
    let mut answers = source.sample(&queries).await.into_iter();
    let missing = || Err("the source gave no answer".to_owned());
    let mut judged: Vec<JudgedSli> = Vec::with_capacity(policy.slis.len());
    let filling = window < policy.rate_window;
    for sli in &policy.slis {
        let answer = answers.next().map_or_else(missing, |answer| answer.map_err(|e| e.chain()));
        judged.push(judge(sli, answer, filling));
    }
    for ((sli, whose, _), answer) in beside.into_iter().zip(answers) {
        let Some(value) = told(answer) else { continue };
        judged[sli].beside.insert(whose, value);
        if whose == Whose::Baseline && policy.judging.common_fault == CommonFault::Hold {
            let much_worse = policy.slis[sli].judging.much_worse(&policy.slis[sli].kind);
            let confirmed = state.unconfirmed.contains(&judged[sli].sli);
            judged[sli].share_fault(value, much_worse, confirmed);
        }
    }
    judged
}

pub(super) fn subject(subject: WatchSubject, canary: &NodeId) -> Subject {
    match subject {
        WatchSubject::Pool => Subject::Pool,
        WatchSubject::Canary => Subject::Nodes(vec![canary.clone()]),
    }
}

/// The plan's baseline, without nodes that were begun: a canary may be watched anew after them.
pub(super) fn baseline(cx: &StepCx<'_>) -> Vec<NodeId> {
    let history = cx.history();
    let old = |node: &NodeId| history.status(&Step::forward(node, Action::Install)).is_none();
    cx.plan.baseline().into_iter().filter(old).collect()
}

/// What is told beside each SLI: the baseline's value beside the canary's, the canary's beside the pool's.
fn beside(cx: &StepCx<'_>, policy: &WatchPolicy, source: &dyn SliSource) -> Vec<(usize, Whose, Subject)> {
    if !policy.judging.side_by_side || !source.by_node() {
        return Vec::new();
    }
    let baseline = baseline(cx);
    let other = |(at, sli): (usize, &Sli)| match policy.subject_of(sli) {
        // An operator's expression need not name nodes at all.
        WatchSubject::Pool if matches!(sli.kind, SliKind::Expression { .. }) => None,
        WatchSubject::Pool => Some((at, Whose::Canary, Subject::Nodes(vec![cx.plan.spec.canary.clone()]))),
        WatchSubject::Canary if baseline.is_empty() => None,
        WatchSubject::Canary => Some((at, Whose::Baseline, Subject::Nodes(baseline.clone()))),
    };
    policy.slis.iter().enumerate().filter_map(other).collect()
}

fn told(answer: Result<Sample, BackendError>) -> Option<Number> {
    match answer.ok()?.reading {
        Reading::Value { value } => Some(value),
        Reading::AtLeast { at_least } => Some(at_least),
        _ => None,
    }
}
