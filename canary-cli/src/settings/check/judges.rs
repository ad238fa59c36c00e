//! What the judges of the watch need of each other.

use canary_core::analysis::Role;
use canary_core::spec::Bound;

use super::{pair, said, sound, watched};
use crate::error::Problem;
use crate::settings::file::{BUILT_IN, Measured, WrittenSli};
use crate::settings::layers::Layers;
use crate::settings::table::Key;
use crate::settings::values::Given as _;

/// What each judge alone reads.
const OF: [(&str, &[Key]); 3] = [
    ("threshold", &[Key::ConsecutiveFailures, Key::MinSamples, Key::FailureBudget, Key::HealAfter]),
    (
        "odds",
        &[
            Key::Alpha,
            Key::Beta,
            Key::WarmUp,
            Key::History,
            Key::Unproven,
            Key::EarlyGreen,
            Key::MinSoak,
            Key::EarlyRequests,
        ],
    ),
    ("score", &[Key::ScorePass, Key::ScoreFail]),
];

/// Settings that somebody wrote and nothing reads, in words.
pub(in crate::settings) fn idle(layers: &Layers) -> Vec<String> {
    if !watched(layers) || !sound(layers, &[Key::Judge]) {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (judge, keys) in OF.into_iter().filter(|(judge, _)| !layers.judges(judge)) {
        let written = keys.iter().filter(|key| layers.is_written(**key));
        let because = said(layers, Key::Judge);
        warnings.extend(
            written
                .map(|key| format!("{} is not used: {judge} does not judge, {because}", said(layers, *key))),
        );
    }
    if layers.judges("threshold")
        && layers.is_written(Key::HealAfter)
        && !layers.is_written(Key::FailureBudget)
    {
        warnings
            .push(format!("{} is not used: there is no watch.failure_budget", said(layers, Key::HealAfter)));
    }
    warnings
}

/// The role of each indicator that is watched.
fn roles(layers: &Layers) -> Vec<Role> {
    let written = |name: &str| layers.slis.iter().find(|sli| sli.name == name);
    let built_in = BUILT_IN.into_iter().filter(|_| layers.flag(Key::BuiltinSlis).given());
    let built_in = built_in.map(|name| written(name).map_or(Role::Weighted(1), |sli| sli.judging.role));
    let own = layers.slis.iter().filter(|sli| sli.own.is_some()).map(|sli| sli.judging.role);
    built_in.chain(own).collect()
}

pub(super) fn something_decides(layers: &Layers) -> Option<Problem> {
    if !watched(layers) || !sound(layers, &[Key::BuiltinSlis]) {
        return None;
    }
    let roles = roles(layers);
    if roles.is_empty() || roles.iter().any(|role| *role != Role::Advisory) {
        return None;
    }
    let first = layers.slis.iter().find(|sli| sli.judging.role == Role::Advisory)?;
    let message = format!("{}: every indicator is advisory, so that none decides", first.origin);
    Some(Problem::new(message, "leave one of them without that role, or set the window to 0 for no watch"))
}

pub(super) fn built_in_ones_are_there(layers: &Layers) -> Option<Problem> {
    if !watched(layers) || !sound(layers, &[Key::BuiltinSlis]) || layers.flag(Key::BuiltinSlis).given() {
        return None;
    }
    let sli = layers.slis.iter().find(|sli| sli.own.is_none())?;
    let off = said(layers, Key::BuiltinSlis);
    let message = format!("{}: the indicator {} is a built-in one, but {off}", sli.origin, sli.name);
    Some(Problem::new(message, "remove the entry, or leave watch.builtin_slis at true"))
}

pub(super) fn scores_are_in_order(layers: &Layers) -> Option<Problem> {
    let keys = [Key::ScoreFail, Key::ScorePass];
    if !sound(layers, &keys) || layers.ratio(keys[0]).given() <= layers.ratio(keys[1]).given() {
        return None;
    }
    let message = format!("{}: what is red would be green, too", pair(layers, keys[0], keys[1]));
    Some(Problem::new(message, "lower watch.score_fail or raise watch.score_pass"))
}

pub(super) fn warm_up_fits(layers: &Layers) -> Option<Problem> {
    let keys = [Key::WarmUp, Key::Window];
    if !watched(layers) || !sound(layers, &[keys[0], keys[1], Key::Judge]) || !layers.judges("odds") {
        return None;
    }
    if layers.time(keys[0]).given() < layers.time(keys[1]).given() {
        return None;
    }
    let message = format!("{}: nothing is left to compare", pair(layers, keys[0], keys[1]));
    Some(Problem::new(message, "shorten watch.warm_up or lengthen the window"))
}

/// An indicator of the operator's own that has counters.
fn counted(sli: &WrittenSli) -> bool {
    let own = |(measured, bound): &(Measured, Bound)| {
        !matches!(measured, Measured::Expression(_)) && matches!(bound, Bound::Below(_))
    };
    sli.judging.role != Role::Advisory && sli.own.as_ref().is_some_and(own)
}

/// The comparison alone needs something to compare.
pub(super) fn something_is_compared(layers: &Layers) -> Option<Problem> {
    let keys = [Key::Judge, Key::BuiltinSlis];
    if !watched(layers) || !sound(layers, &keys) || !layers.judges("odds") {
        return None;
    }
    let advisory =
        |name: &str| layers.slis.iter().any(|sli| sli.name == name && sli.judging.role == Role::Advisory);
    let built_in = layers.flag(Key::BuiltinSlis).given() && BUILT_IN.into_iter().any(|name| !advisory(name));
    if !layers.is_written(Key::Judge) || built_in || layers.slis.iter().any(counted) {
        return None;
    }
    Some(Problem::new(
        format!("{}: there is nothing that can be compared", said(layers, Key::Judge)),
        "leave watch.builtin_slis at true, write an [[sli]] with latency_metric or requests_metric and an upper bound, or \
         remove odds",
    ))
}

/// A comparison is by raw counters, which a Datadog has not.
pub(super) fn counters_are_compared(layers: &Layers) -> Option<Problem> {
    let keys = [Key::Judge, Key::WatchSource];
    if !watched(layers) || !sound(layers, &keys) || !layers.judges("odds") {
        return None;
    }
    (layers.text(keys[1]).given() == "datadog").then(|| {
        let message =
            format!("{}: a Datadog has no raw counters to compare nodes by", pair(layers, keys[0], keys[1]));
        Problem::new(message, "leave odds out: bounds and scores can be judged")
    })
}

/// What all nodes share can only be seen beside the canary's own values.
pub(super) fn common_faults_are_seen(layers: &Layers) -> Option<Problem> {
    let keys = [Key::CommonFault, Key::SideBySide];
    if !watched(layers) || !sound(layers, &keys) {
        return None;
    }
    if layers.text(keys[0]).given() == "red" || layers.flag(keys[1]).given() {
        return None;
    }
    let message = format!("{}: nobody looks at the baseline", pair(layers, keys[0], keys[1]));
    Some(Problem::new(message, "set watch.side_by_side to true, or watch.common_fault to \"red\""))
}
