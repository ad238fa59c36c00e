//! What records say, in one sentence each: for pages and for terminals.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::engine::{AfterHold, Outcome};
use canary_core::journal::{Beat, Decided, Request, Wish};
use canary_core::plan::{Action, Purpose};
use canary_core::traits::GateVerdict;

use crate::words;

/// What a step that is done did, by its facts.
#[must_use]
pub fn done(action: Action, changed: bool, facts: &BTreeMap<String, String>) -> String {
    let fact = |name: &str| facts.get(name).map_or("?", String::as_str);
    let number = |name: &str| facts.get(name).and_then(|text| text.parse::<u64>().ok());
    match (action, changed) {
        (Action::Stage, true) => "release and way back are in the store".to_owned(),
        (Action::Stage, false) => "release and way back were in the store".to_owned(),
        (Action::Drain, true) => match facts.get("others_serving") {
            Some(others) => format!("out of rotation and idle, {others} other(s) serving"),
            None => "out of rotation and idle".to_owned(),
        },
        (Action::Drain, false) => "was out of rotation, idle".to_owned(),
        (Action::Install, true) => {
            let size = number("bytes").map(words::bytes).unwrap_or_default();
            format!("{} in place, {size}", short(fact("digest")))
        }
        (Action::Install, false) => format!("{} was in place", short(fact("digest"))),
        (Action::Restart, true) => format!("runs it, pid {}", fact("pid")),
        (Action::Restart, false) => format!("was running it, pid {}", fact("pid")),
        (Action::CheckHealth, _) => format!("healthy ({})", fact("via")),
        (Action::Weigh, true) => {
            format!(
                "weight {} of {}, was {}",
                fact("weight"),
                fact("configured_weight"),
                fact("weight_before")
            )
        }
        (Action::Weigh, false) => format!("had weight {} of {}", fact("weight"), fact("configured_weight")),
        (Action::Enable, true) => format!("ready and up, weight {}", fact("weight")),
        (Action::Enable, false) => format!("was ready and up, weight {}", fact("weight")),
        (Action::ProveTraffic, _) => {
            format!("{} request(s) served since, 200 through the balancer", fact("served"))
        }
        (Action::Watch | Action::Pause, _) if facts.contains_key("promoted_by") => {
            format!("ended by {}", fact("promoted_by"))
        }
        (Action::Pause, _) => "ended".to_owned(),
        (Action::Watch, _) => {
            let millis = |name| number(name).map(Duration::from_millis).map(words::time).unwrap_or_default();
            format!(
                "green: {} probes over {}, held {}",
                fact("probes"),
                millis("watched_ms"),
                millis("held_ms")
            )
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// What somebody asked for and what came of it.
#[must_use]
pub fn asked(request: &Request, refused: Option<&str>) -> String {
    let Request { wish, actor, reason, .. } = request;
    let because = reason.as_ref().map(|reason| format!(" (because: {reason})")).unwrap_or_default();
    if let Some(why) = refused {
        return format!("{actor} asked to {}{because}: refused, {why}", wish.as_str());
    }
    let text = match wish {
        Wish::Pause => "pausing before the next node",
        Wish::Promote => "promoted",
        Wish::Stop => "stopping at the next safe point",
        Wish::Abort => "going back",
    };
    format!("{text}, as {actor} asked{because}")
}

/// What a gate said, without its findings.
#[must_use]
pub fn gate(verdict: &GateVerdict) -> String {
    match verdict {
        GateVerdict::Pass => "pass".to_owned(),
        GateVerdict::NothingNew { why } => format!("nothing new: {why}"),
        GateVerdict::Bypassed { grants } => {
            let by: Vec<_> =
                grants.iter().map(|g| format!("{} by {}: {}", g.rule, g.actor, g.reason)).collect();
            format!("bypassed: {}", by.join("; "))
        }
        GateVerdict::Refused => "refused".to_owned(),
        GateVerdict::Undecided { why } => format!("undecided: {why}"),
    }
}

/// What an outcome means for the fleet; its reason is told beside it.
#[must_use]
pub const fn meaning(outcome: &Outcome, purpose: Option<Purpose>) -> &'static str {
    match (outcome, purpose) {
        (Outcome::Completed { changed: false }, _) => {
            "Nothing had to be changed: every node had the binary and was serving."
        }
        (Outcome::Completed { .. }, Some(Purpose::RollBack)) => {
            "Every node has the previous binary back and is serving."
        }
        (Outcome::Completed { .. }, _) => "Every node runs the release and is serving.",
        (Outcome::Refused { .. }, _) => "It did not begin: nothing was changed.",
        (Outcome::RolledBack { .. }, _) => {
            "The previous binary is back on every node where it had been replaced, and proven to serve."
        }
        (Outcome::Halted { .. }, _) => {
            "It stopped after the canary had proven the release; nothing more was changed, nothing was taken back."
        }
        (Outcome::Inconclusive { then: AfterHold::Kept, .. }, _) => {
            "There was no verdict; the canary was left as it is."
        }
        (Outcome::Inconclusive { then: AfterHold::RolledBack, .. }, _) => {
            "There was no verdict; the canary got the previous binary back."
        }
        (Outcome::Stuck { .. }, _) => "It could go neither forward nor back: a person is needed.",
        (Outcome::Interrupted { .. }, _) => "It was stopped at a safe point and can be resumed or aborted.",
    }
}

/// Why it ended so; nothing for an end that needs no reason.
#[must_use]
pub fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Completed { .. } => None,
        Outcome::Refused { reasons } => Some(reasons.join("; ")),
        Outcome::RolledBack { reason } | Outcome::Halted { reason } | Outcome::Stuck { reason } => {
            Some(reason.clone())
        }
        Outcome::Inconclusive { why, .. } => Some(why.clone()),
        Outcome::Interrupted { at } => Some(format!("before {at}")),
    }
}

/// A decision about a release, with its numbers.
#[must_use]
pub fn decided(decided: &Decided) -> String {
    let ruling = &decided.ruling;
    let mut text = ruling.decision.to_string();
    text.extend(ruling.version.iter().map(|version| format!(" {version}")));
    text.push_str(": score ");
    text.push_str(&score(decided));
    text.push_str(&format!(", {} is needed; {}", words::ppm(ruling.threshold_ppm), tenants(decided)));
    text
}

/// The score: one number where all is known, else what it is at least and at most.
#[must_use]
pub fn score(decided: &Decided) -> String {
    let ruling = &decided.ruling;
    if ruling.lo_ppm == ruling.hi_ppm {
        words::ppm(ruling.lo_ppm)
    } else {
        format!("{} to {}", words::ppm(ruling.lo_ppm), words::ppm(ruling.hi_ppm))
    }
}

/// `187 tenants, 1 in breach, 3 unknown`.
#[must_use]
pub fn tenants(decided: &Decided) -> String {
    let ruling = &decided.ruling;
    let all = words::count(usize::try_from(ruling.tenants).unwrap_or(usize::MAX), "tenant");
    format!("{all}, {} in breach, {} unknown", ruling.breached, ruling.unknown)
}

/// A sign of life.
#[must_use]
pub fn beat(beat: Beat, decisions: u64) -> String {
    let so_far = words::count(usize::try_from(decisions).unwrap_or(usize::MAX), "decision");
    match beat {
        Beat::Began => "rounds begin".to_owned(),
        Beat::Alive => format!("rounds go on: {so_far} so far, none within the hour"),
        Beat::Ended => format!("no more rounds: {so_far} in all"),
    }
}
