//! Who judged, and the comparison with the baseline, in lines.

use canary_core::analysis::odds::OddsVerdict;
use canary_core::analysis::{Observation, Patience, ThresholdVerdict, Verdict};
use canary_core::journal::{ComparedAccount, WatchAccount};
use canary_core::spec::WatchPolicy;
use canary_report::compared::{HEADS, evidence, fixed, rows, verdict};

use super::labelled;
use crate::render::paint::Paint;
use crate::render::{table, words};

/// By which rule a red probe took the canary back.
pub(super) fn rule(decisive: Option<&Observation>, policy: Option<&WatchPolicy>) -> String {
    let Some(seen) = decisive else { return of_the_bounds() };
    if seen.compared.as_ref().is_some_and(|compared| compared.judgement.verdict == OddsVerdict::Red) {
        let alpha = policy.and_then(|policy| policy.judging.odds.as_ref()).map(|rules| rules.alpha.value());
        let chance = alpha.map_or_else(String::new, |alpha| {
            format!(", which takes a good release back in at most {} % of rollouts", 100.0 * alpha)
        });
        return format!("by the comparison with the baseline{chance}");
    }
    if let Some(score) = seen.score.as_ref().filter(|score| score.verdict == Verdict::Red) {
        return match score.vetoes.as_slice() {
            [] => {
                let all = score.green + score.red + score.held;
                format!("by the score: {} of {all} green", score.green + score.held)
            }
            vetoes => format!("by the score: {} must be green", vetoes.join(" and ")),
        };
    }
    match (&seen.patience, policy.and_then(|policy| policy.judging.threshold.as_ref())) {
        (Some(Patience { said: ThresholdVerdict::Red, .. }), Some(options)) => {
            let row = options.consecutive.map(|needed| format!("{needed} red probes in a row"));
            let spent = options.budget.map(|budget| format!("more than {} red probes", budget.failures));
            let rules: Vec<_> = row.into_iter().chain(spent).collect();
            match rules.as_slice() {
                [] => of_the_bounds(),
                rules => format!("by the rule in force {} take the canary back", rules.join(", or ")),
            }
        }
        _ => of_the_bounds(),
    }
}

fn of_the_bounds() -> String {
    "by the rule in force one probe outside a bound takes the canary back".to_owned()
}

/// What a watch that ended well saw.
pub(super) fn passed(watch: &WatchAccount) -> String {
    let probes = words::count(usize::try_from(watch.probes).unwrap_or(usize::MAX), "probe");
    let outside = watch.slis.iter().map(|sli| sli.red).max().unwrap_or(0);
    let bounds = match outside {
        0 => "none outside a bound".to_owned(),
        some => format!("{some} outside a bound, which decided nothing"),
    };
    let proven =
        watch.compared.as_ref().map_or_else(String::new, |compared| format!("; {}", verdict(compared)));
    format!("{probes} over {} with data, {bounds}{proven}", words::time(watch.watched))
}

/// The comparison: what it came to, how sure, canary beside baseline.
pub(super) fn compared(account: &ComparedAccount, paint: Paint) -> Vec<String> {
    let red = account.last.verdict == OddsVerdict::Red;
    let said = if red { paint.bad(verdict(account)) } else { verdict(account).to_owned() };
    let mut told = vec![said, evidence(account), fixed(&account.fixed)];
    let remark = |remark: &String| paint.careful(&format!("without its noise, red only holds: {remark}"));
    told.extend(account.fixed.remarks.iter().map(remark));
    let mut lines = labelled("compared", &told);
    lines.push(String::new());
    let heads = HEADS.map(|head| paint.quiet(head));
    let all = std::iter::once(heads).chain(rows(account));
    let indented = |row: [String; 8]| {
        let mut row = row.to_vec();
        row[0].insert_str(0, "  ");
        row
    };
    lines.extend(table::aligned(&all.map(indented).collect::<Vec<_>>()));
    lines
}
