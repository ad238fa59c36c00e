//! Why a rollout went as it did, on one screen.

mod judged;

use std::time::Duration;

use canary_core::analysis::{Number, Observation, SliVerdict, Verdict, round};
use canary_core::engine::{FailureClass, Outcome};
use canary_core::journal::{Account, AskedFor, SliAccount, WatchAccount, Wish};
use canary_core::plan::{Plan, Purpose};
use canary_core::spec::{WatchPolicy, WatchSubject};
use canary_core::traits::GateVerdict;

use super::outcome::node_lines;
use super::paint::Paint;
use super::{table, words};

/// How many lines of a failed service's log are shown.
const LOG_LINES: usize = 8;

/// The lines: outcome, why, the numbers, the evidence, what is where.
#[must_use]
pub fn explain_lines(account: &Account, paint: Paint) -> Vec<String> {
    let mut lines = head(account, paint);
    lines.push(String::new());
    lines.extend(labelled("why", &why(account)));
    lines.extend(labelled("people", &people(account)));
    lines.extend(labelled("gate", &gate(account)));
    lines.extend(labelled("checks", &account.checks.iter().map(ToString::to_string).collect::<Vec<_>>()));
    lines.extend(labelled("trouble", &trouble(account)));
    if let Some(watch) = &account.watch {
        lines.extend(watched(watch, account.plan.as_deref(), paint));
    }
    if let Some(failed) = account.failed.as_ref().filter(|failed| !failed.logs.is_empty()) {
        lines.push(String::new());
        lines.push("the service's last words".to_owned());
        let from = failed.logs.len().saturating_sub(LOG_LINES);
        lines.extend(failed.logs[from..].iter().map(|line| format!("  {}", paint.quiet(line))));
    }
    if !account.nodes.is_empty() {
        lines.push(String::new());
        lines.push("at its end".to_owned());
        lines.extend(node_lines(&account.nodes, account.plan.as_deref()));
    }
    let (first, last) = account.records;
    lines.push(String::new());
    let end = format!("records {first} to {last} of the journal, the last one's hash {}", account.hash);
    lines.push(paint.quiet(&end));
    lines
}

fn head(account: &Account, paint: Paint) -> Vec<String> {
    let what = account.plan.as_ref().map_or_else(String::new, |plan| {
        let order = if plan.purpose == Purpose::RollBack { "back to " } else { "" };
        format!(" of {}, {order}{}", plan.spec.service, plan.artifact.facts.sha256.short())
    });
    let mut lines =
        vec![format!("rollout {}{what}, by {} at {}", account.rollout, account.actor, account.started)];
    lines.extend(account.reason.as_ref().map(|reason| format!("  because: {reason}")));
    let took = words::time(account.last.since(account.started));
    lines.push(match &account.outcome {
        Some(outcome @ Outcome::Completed { .. }) => {
            format!("{} after {took}", paint.good(outcome.as_str()))
        }
        Some(outcome @ (Outcome::Stuck { .. } | Outcome::Refused { .. })) => {
            format!("{} after {took}", paint.bad(outcome.as_str()))
        }
        Some(outcome) => format!("{} after {took}", paint.careful(outcome.as_str())),
        None => format!("{}; last record after {took}", paint.careful("not ended")),
    });
    lines
}

/// A label in its column, then one line each.
fn labelled(label: &str, all: &[String]) -> Vec<String> {
    let at = |index| if index == 0 { label } else { "" };
    all.iter().enumerate().map(|(index, line)| format!("{:<8} {line}", at(index))).collect()
}

fn why(account: &Account) -> Vec<String> {
    match (&account.outcome, &account.failed) {
        (Some(Outcome::Refused { reasons }), _) => reasons.clone(),
        (Some(Outcome::Completed { changed }), _) => completed(account, *changed),
        (outcome, Some(failed)) => {
            let mut lines =
                vec![format!("{} at {}: {}", failed.step, words::clock(failed.at), failed.message)];
            if failed.class == FailureClass::Red {
                let decisive = account.watch.as_ref().and_then(|watch| watch.decisive.as_ref());
                let policy = account.plan.as_ref().and_then(|plan| plan.spec.watch.as_ref());
                lines.push(judged::rule(decisive, policy));
            }
            // What became of the way back.
            lines.extend(
                outcome.as_ref().filter(|o| matches!(o, Outcome::Stuck { .. })).map(ToString::to_string),
            );
            lines
        }
        (Some(outcome), None) => vec![outcome.to_string()],
        (None, None) => vec!["`canary-cli status` says how far it is, and how it goes on".to_owned()],
    }
}

fn completed(account: &Account, changed: bool) -> Vec<String> {
    let mut lines = Vec::new();
    match &account.watch {
        _ if !changed => lines.push("nothing had to be changed".to_owned()),
        Some(watch) => lines.push(judged::passed(watch)),
        None => lines.push("no watch was planned; every node is healthy and serves".to_owned()),
    }
    let promoted = |asked: &&AskedFor| asked.request.wish == Wish::Promote && asked.refused.is_none();
    lines.extend(
        account.asked.iter().find(promoted).map(|asked| format!("promoted by {}", asked.request.actor)),
    );
    lines
}

fn people(account: &Account) -> Vec<String> {
    let asked = account.asked.iter().map(|asked| {
        let (request, at) = (&asked.request, words::clock(asked.at));
        let because = request.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let refused = asked.refused.as_ref().map_or_else(String::new, |why| format!(" (not granted: {why})"));
        format!("{at} {} asked for {}{because}{refused}", request.actor, request.wish.as_str())
    });
    asked.chain(account.resumed.iter().map(|actor| format!("{actor} resumed it"))).collect()
}

fn gate(account: &Account) -> Vec<String> {
    let Some(review) = &account.gate else { return Vec::new() };
    match &review.verdict {
        GateVerdict::Bypassed { grants } => grants
            .iter()
            .map(|grant| format!("{} waved through by {}: {}", grant.rule, grant.actor, grant.reason))
            .collect(),
        GateVerdict::NothingNew { why } | GateVerdict::Undecided { why } => {
            vec![format!("{}: {why}", review.verdict)]
        }
        verdict => {
            vec![format!("{verdict}, {}", words::count(review.findings.len(), "finding"))]
        }
    }
}

fn trouble(account: &Account) -> Vec<String> {
    let retried = usize::try_from(account.retried).unwrap_or(usize::MAX);
    (retried > 0).then(|| format!("{} tried again", words::count(retried, "call"))).into_iter().collect()
}

fn watched(watch: &WatchAccount, plan: Option<&Plan>, paint: Paint) -> Vec<String> {
    let policy = plan.and_then(|plan| plan.spec.watch.as_ref());
    let steps = plan.and_then(|plan| Some((plan.weights.as_ref()?.count(), plan.watch(1)?.window)));
    let whole =
        |policy: &WatchPolicy| policy.window + steps.map_or(Duration::ZERO, |(steps, each)| each * steps);
    let of = policy.map_or_else(String::new, |policy| format!(" of {}", words::exact(whole(policy))));
    let mut told = vec![format!("{}{of} with data, {} probes", words::time(watch.watched), watch.probes)];
    told.extend(watch.holds.iter().map(|hold| {
        let probes = words::count(usize::try_from(hold.probes).unwrap_or(usize::MAX), "probe");
        format!("held {} by {} ({probes})", words::time(hold.lasted), hold.why)
    }));
    let served = watch.slis.iter().filter_map(|sli| Some((sli.requests?, sli.failed?))).max();
    told.extend(served.map(|(requests, failed)| {
        format!("about {failed} of {requests} requests failed in what was looked at")
    }));
    let mut lines = labelled("watched", &told);
    lines.push(String::new());
    lines.extend(table::aligned(&slis(watch, paint)));
    if let Some(compared) = &watch.compared {
        lines.push(String::new());
        lines.extend(judged::compared(compared, paint));
    }
    if let Some(decisive) = &watch.decisive {
        lines.push(String::new());
        lines.extend(evidence(decisive, plan, paint));
    }
    lines
}

fn slis(watch: &WatchAccount, paint: Paint) -> Vec<Vec<String>> {
    let head = ["  SLI", "last", "worst", "bound", "requests", "probes"].map(|cell| paint.quiet(cell));
    let number = |number: Option<Number>| number.map_or_else(|| "-".to_owned(), round);
    let row = |sli: &SliAccount| {
        vec![
            format!("  {}", sli.sli),
            number(sli.last),
            number(sli.worst),
            sli.bound.to_string(),
            sli.requests.map_or_else(|| "-".to_owned(), |requests| requests.to_string()),
            counts(sli, paint),
        ]
    };
    std::iter::once(head.to_vec()).chain(watch.slis.iter().map(row)).collect()
}

fn counts(sli: &SliAccount, paint: Paint) -> String {
    let some = |count: u64, word: &str| (count > 0).then(|| format!("{count} {word}"));
    let all = [
        some(sli.green, "green").map(|text| paint.good(&text)),
        some(sli.red, "red").map(|text| paint.bad(&text)),
        some(sli.held, "held").map(|text| paint.careful(&text)),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The queries of the probe that decided; of a red one only what was red.
fn evidence(decisive: &Observation, plan: Option<&Plan>, paint: Paint) -> Vec<String> {
    let subject = plan
        .and_then(|plan| plan.spec.watch.as_ref().map(|watch| (watch, &plan.spec.canary)))
        .map_or_else(String::new, |(watch, canary)| match watch.subject {
            WatchSubject::Pool => " of the whole pool".to_owned(),
            WatchSubject::Canary => format!(" of {canary} alone"),
        });
    let red = decisive.verdict == Verdict::Red;
    let which = if red { "decided by" } else { "looked at last:" };
    let (at, over) = (decisive.at, words::exact(decisive.window));
    let mut lines = vec![format!("{which} the numbers{subject} as of {at}, over the {over} before")];
    let some = decisive.slis.iter().any(|judged| judged.verdict == SliVerdict::Red);
    for judged in decisive.slis.iter().filter(|judged| !(red && some) || judged.verdict == SliVerdict::Red) {
        for executed in &judged.queries {
            lines.push(format!("  {}", executed.query));
            lines.push(format!("    = {}", paint.quiet(&executed.reply)));
        }
    }
    lines
}

#[cfg(test)]
mod tests;
