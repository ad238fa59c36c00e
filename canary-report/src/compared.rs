//! The comparison with the baseline in words: for pages, messages and terminals.

use canary_core::analysis::odds::{Against, ArmCounts, Distrust, OddsSli, OddsTable, OddsVerdict, Table};
use canary_core::analysis::{Comparison, Number};
use canary_core::journal::ComparedAccount;

use crate::words;

/// The heads of [`rows`].
pub const HEADS: [&str; 8] =
    ["what counts", "canary", "baseline", "odds", "accepted", "noise", "worse before", "learnt from"];

/// What it came to.
#[must_use]
pub const fn verdict(account: &ComparedAccount) -> &'static str {
    match (&account.last.verdict, &account.closing) {
        (OddsVerdict::Red, _) => "red: worse than the baseline",
        (OddsVerdict::Green, _) => "proven not to be much worse than the baseline, before the window's end",
        (OddsVerdict::Hold(Distrust::Uncalibrated), _) => {
            "looks worse than the baseline, but without a history of their noise that only holds"
        }
        (OddsVerdict::Hold(Distrust::NoisierThanHistory), _) => {
            "looks worse than the baseline, but the nodes are noisier than they were, and that only holds"
        }
        (_, OddsVerdict::Green) => "proven not to be much worse than the baseline",
        _ => "neither worse nor proven good",
    }
}

/// How sure it is: `evidence 12 % of what red takes, most in p95 (slower than 0.25 s); p at any look 0.31`.
#[must_use]
pub fn evidence(account: &ComparedAccount) -> String {
    let evidence = &account.last.evidence;
    let most = evidence.bound.map_or_else(String::new, |bound| format!(" (slower than {bound} s)"));
    format!(
        "evidence {:.0} % of what red takes, most in {}{most}; p at any look {}",
        (100.0 * evidence.part()).floor(),
        evidence.sli,
        probability(evidence.p_value())
    )
}

/// What it was fixed to before its first poll.
#[must_use]
pub fn fixed(comparison: &Comparison) -> String {
    let nodes: Vec<_> = comparison.baseline.iter().map(|node| node.as_str()).collect();
    let against = match nodes.as_slice() {
        [] => "no other node, so against its bounds alone: trouble of all nodes counts against the release"
            .to_owned(),
        nodes => format!("against {}", nodes.join(", ")),
    };
    let percent = number(100.0 * comparison.policy.alpha);
    format!("{against}; at most {percent} % false rollbacks, however often it is looked at")
}

/// A row for each SLI, for latency one for each bound: canary beside baseline, and what is held against what.
#[must_use]
pub fn rows(account: &ComparedAccount) -> Vec<[String; 8]> {
    let slis = account.fixed.slis.iter().zip(&account.seen);
    let row = |sli: &OddsSli, table: &OddsTable, seen: Table| {
        let what = match table.bound {
            None => format!("{} failed", sli.name),
            Some(bound) => format!("{} slower than {bound} s", sli.name),
        };
        let compared = sli.against == Against::Baseline;
        let unknown = || "–".to_owned();
        let learnt = table.calibration.as_ref().filter(|_| compared);
        [
            what,
            arm(seen.canary),
            if compared { arm(seen.baseline) } else { unknown() },
            odds(seen).filter(|_| compared).map_or_else(unknown, times),
            match table.absolute.filter(|_| !compared) {
                Some(share) => format!("{} %", number(100.0 * share)),
                None => times(sli.margin),
            },
            learnt.map_or_else(unknown, |learnt| times(learnt.phi)),
            learnt.map_or_else(unknown, |learnt| times(learnt.ln_offset.exp())),
            learnt.map_or_else(unknown, |learnt| words::time(learnt.history)),
        ]
    };
    slis.flat_map(|(sli, seen)| sli.tables.iter().zip(seen).map(move |(table, seen)| row(sli, table, *seen)))
        .collect()
}

/// `90 of 4500 (2 %)`.
fn arm(counts: ArmCounts) -> String {
    format!("{} of {} ({} %)", counts.events, counts.requests, number(100.0 * counts.ratio()))
}

/// The odds ratio that was seen; `None` where one side has none.
fn odds(table: Table) -> Option<f64> {
    let of = |arm: ArmCounts| arm.ratio() / (1.0 - arm.ratio());
    let ratio = of(table.canary) / of(table.baseline);
    (ratio.is_finite()).then_some(ratio)
}

fn times(ratio: f64) -> String {
    format!("{}×", number(ratio))
}

/// Three digits or so.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 4,
    };
    let rounded = format!("{value:.digits$}").parse().ok().and_then(Number::new);
    rounded.map_or_else(|| "–".to_owned(), words::number)
}

pub(crate) fn probability(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { number(p) }
}
