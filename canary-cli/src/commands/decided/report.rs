//! `report --decisions`: one decision as a page with the map of tenants × objectives.

use canary_core::journal::{Decided, Record, RolloutId, WorstResult};
use canary_report::tenants::{Cell, Seal, Tenant, TenantDecision, Worst};
use canary_report::words::ppm;
use canary_seal::Kept;
use canary_tenants::decide::ObjectiveResult;
use canary_tenants::gap::{Breach, score};
use canary_tenants::policy::{ONE, Policy, Unit};
use canary_tenants::round::Round;
use clap::ArgMatches;

use super::explain::{Again, again};
use super::{chosen, records};
use crate::commands::{Context, report};
use crate::decisions::DecisionLog;
use crate::error::CommandError;

/// Writes the page or the message of one decision: the last of those that are named, or the last of all.
pub(crate) fn report(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let (log, records) = records(cx)?;
    let found = chosen(&log, matches, &records)?;
    // proof: what is chosen is never empty.
    let Some((record, decided)) = found.last() else { return Ok(0) };
    let page = told(&log.kept(), record, decided);
    let made = report::Made {
        id: decided.execution.clone(),
        headline: page.headline(),
        html: &|| page.html(),
        markdown: &|| page.markdown(),
    };
    report::deliver(cx, matches, &made)
}

/// The last decision of a rollout's watch, where the log of decisions can be read and has one.
pub(crate) fn of_rollout(cx: &Context<'_>, rollout: &RolloutId) -> Option<TenantDecision> {
    let log = DecisionLog::of(&cx.settings);
    // A report tells what is there; whether the log is whole, `log verify --decisions` says.
    let records = log.read().ok()?.records;
    let mut decisions = super::decisions(&records);
    let (record, decided) = decisions.rfind(|(_, decided)| decided.rollout.as_ref() == Some(rollout))?;
    Some(told(&log.kept(), record, decided))
}

fn told(kept: &Kept, record: &Record, decided: &Decided) -> TenantDecision {
    let ruling = &decided.ruling;
    let again = again(kept, decided);
    let round = again.as_ref().ok();
    let reasons = match round {
        Some(Again { round, .. }) => {
            round.decided.reasons.iter().map(|reason| reason.told(&round.decided, round.rule)).collect()
        }
        None => ruling.reasons.clone(),
    };
    let percentage = ruling.percentage.map(|share| format!(" at {share} %")).unwrap_or_default();
    TenantDecision {
        verdict: ruling.decision,
        subject: format!("{}{percentage}", ruling.version.as_deref().unwrap_or("the release")),
        at: record.time,
        facts: facts(decided, again.as_ref()),
        reasons,
        score: (ruling.lo_ppm, ruling.hi_ppm),
        threshold: ruling.threshold_ppm,
        counted: ruling.tenants,
        breached: ruling.breached,
        unknown: ruling.unknown,
        gaps: ruling.gaps.clone().into_iter().collect(),
        sources: ruling.sources.clone(),
        worst: ruling.worst.iter().map(|worst| self::worst(worst, round)).collect(),
        tenants: round.map(|again| tenants(&again.policy, &again.round)),
        seal: Some(Seal { log: record.log.clone(), seq: record.seq, hash: record.hash.to_string() }),
    }
}

fn facts(decided: &Decided, again: Result<&Again, &String>) -> Vec<(String, String)> {
    let ruling = &decided.ruling;
    let commit = decided.policy_commit.as_ref().map(|commit| format!(", commit {commit}"));
    let facts = [
        ("Known score", ruling.score_ppm.map(ppm)),
        ("By", Some(decided.actor.clone())),
        ("Because", decided.reason.clone()),
        ("Round", Some(decided.execution.clone())),
        ("Rollout", decided.rollout.as_ref().map(ToString::to_string)),
        ("Binary", decided.artifact.map(|digest| digest.short())),
        ("Probes by", again.ok().and_then(|again| again.probes_by.clone())),
        ("Policy", Some(format!("{}{}", ruling.policy_sha256.short(), commit.unwrap_or_default()))),
        ("Evidence", Some(decided.evidence_sha256.short())),
        ("Replaces", decided.supersedes.map(|seq| format!("decision {seq}"))),
        ("Not decided again", again.err().cloned()),
    ];
    facts.into_iter().filter_map(|(term, value)| Some((term.to_owned(), value?))).collect()
}

fn tenants(policy: &Policy, round: &Round) -> Vec<Tenant> {
    let one = |tenant: &canary_tenants::decide::TenantResult| Tenant {
        name: tenant.name.clone(),
        veto: tenant.veto,
        results: tenant.results.iter().map(|result| cell(policy, result)).collect(),
    };
    round.tenants.iter().map(one).collect()
}

fn unit(policy: &Policy, objective: &str) -> Unit {
    policy.file.objectives.get(objective).map_or(Unit::Count, |objective| objective.kind.unit())
}

fn cell(policy: &Policy, result: &ObjectiveResult) -> Cell {
    let (judged, unit) = (&result.judged, unit(policy, &result.objective));
    Cell {
        objective: result.objective.clone(),
        source: result.source.clone(),
        breach: judged.breach == Breach::Proven,
        score: judged.score,
        code: judged.code.to_string(),
        observed: judged.observed.map(|amount| unit.show(amount)),
        limit: unit.show(judged.limit),
        adjusted: (judged.limit_adj != judged.limit).then(|| unit.show(judged.limit_adj)),
        events: judged.events,
    }
}

/// A result as the round has it; as the record alone tells it, where there is no round.
fn worst(worst: &WorstResult, again: Option<&Again>) -> Worst {
    let found = again.and_then(|Again { policy, round, .. }| {
        let tenant = round.tenants.iter().find(|tenant| tenant.name == worst.tenant)?;
        let same =
            |result: &&ObjectiveResult| result.objective == worst.objective && result.source == worst.source;
        Some(cell(policy, tenant.results.iter().find(same)?))
    });
    Worst { tenant: worst.tenant.clone(), cell: found.unwrap_or_else(|| recorded(worst)) }
}

fn recorded(worst: &WorstResult) -> Cell {
    let show = |amount| Unit::Count.show(amount);
    // What is among the worst is not all kept: where its value is within the limit, it is not known well enough.
    let exact = |seen: u64| (score(seen, worst.limit_adj), score(seen, worst.limit_adj));
    Cell {
        objective: worst.objective.clone(),
        source: worst.source.clone(),
        breach: worst.low.is_some_and(|low| low > worst.limit_adj),
        score: worst.observed.filter(|seen| *seen > worst.limit_adj).map_or((0, ONE), exact),
        code: worst.code.clone(),
        observed: worst.observed.map(show),
        limit: show(worst.limit),
        adjusted: (worst.limit_adj != worst.limit).then(|| show(worst.limit_adj)),
        events: worst.n,
    }
}
