//! One decision on one screen: what was decided, why, the worst with what was promised and what was judged by, and what it rests on.

use canary_core::journal::{Decided, Decision, Record};
use canary_report::words::ppm;
use canary_seal::{Kept, KeptKind};
use canary_tenants::policy::{ObjectiveKind, Policy, Unit};
use canary_tenants::replay::Policies;
use canary_tenants::round::{Round, decide_round};
use clap::ArgMatches;
use serde_json::json;

use super::{chosen, observed, painted, records};
use crate::commands::Context;
use crate::decisions::evidence;
use crate::error::CommandError;
use crate::render::{line, table};

/// Explains the last decision of those that are named, or the last of all.
pub(super) fn explain(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let (log, records) = records(cx)?;
    let found = chosen(&log, matches, &records)?;
    // proof: what is chosen is never empty.
    let Some((record, decided)) = found.last() else { return Ok(0) };
    let kept = log.kept();
    let again = again(&kept, decided);
    if cx.screen.json() {
        let reasons = again.as_ref().map(|again| reasons(&again.round)).unwrap_or_default();
        let reasons: Vec<_> =
            reasons.iter().map(|(why, way_out)| json!({ "why": why, "way_out": way_out })).collect();
        cx.screen.line(line(
            "explanation",
            json!({
                "seq": record.seq, "time": record.time, "hash": record.hash, "decision": decided, "reasons": reasons,
                "probes_by": again.as_ref().ok().and_then(|again| again.probes_by.as_ref()), "problem": again.as_ref().err(),
            }),
        ));
        return Ok(0);
    }
    let before =
        decided.supersedes.and_then(|seq| super::decisions(&records).find(|(record, _)| record.seq == seq));
    let mut lines = head(cx, record, decided);
    lines.extend(because(decided, again.as_ref()));
    lines.extend(worst(decided, again.as_ref().ok().map(|again| &again.policy)));
    lines.extend(asked(decided, again.as_ref().ok()));
    lines.extend(rests_on(record, decided, &kept, before.map(|(_, decided)| decided.ruling.decision)));
    cx.screen.lines(lines);
    Ok(0)
}

/// A decision made once more.
pub(super) struct Again {
    /// What it was decided by.
    pub(super) policy: Policy,
    /// What it came to.
    pub(super) round: Round,
    /// Where tenants' own endpoints were asked from; nothing where none were, or where that was not recorded yet.
    pub(super) probes_by: Option<String>,
}

/// The round once more, for its reasons in words; or why it cannot be had.
pub(super) fn again(kept: &Kept, decided: &Decided) -> Result<Again, String> {
    let evidence = evidence(kept, decided).map_err(|error| crate::error::chain(&error))?;
    let text = kept.read(KeptKind::PolicyFile, decided.policy_file_sha256);
    let text = String::from_utf8(text.map_err(|error| crate::error::chain(&error))?);
    let text = text.map_err(|error| format!("the policy's file: {error}"))?;
    let mut policies = Policies::default();
    let policy = policies.at(&text, evidence.at)?;
    let round = decide_round(policy, &evidence);
    Ok(Again { policy: policy.clone(), round, probes_by: evidence.probes_by })
}

fn reasons(round: &Round) -> Vec<(String, String)> {
    let told =
        |reason: &canary_tenants::decide::Reason| (reason.told(&round.decided, round.rule), reason.way_out());
    round.decided.reasons.iter().map(told).collect()
}

fn head(cx: &Context<'_>, record: &Record, decided: &Decided) -> Vec<String> {
    let ruling = &decided.ruling;
    let mut first = format!("decision {}: {}", record.seq, painted(cx, ruling.decision));
    first.extend(ruling.version.iter().map(|version| format!(" {version}")));
    first.extend(ruling.percentage.map(|share| format!(" at {share} %")));
    first.push_str(&format!(", {}, by {}", record.time, decided.actor));
    first.extend(decided.reason.iter().map(|reason| format!(", because: {reason}")));
    let known = ruling.score_ppm.map_or_else(|| "nobody's is known".to_owned(), ppm);
    vec![
        first,
        format!(
            "  score     {known}; {} to {} with what is unknown; {} is needed",
            ppm(ruling.lo_ppm),
            ppm(ruling.hi_ppm),
            ppm(ruling.threshold_ppm)
        ),
        format!("  tenants   {}", canary_report::sentences::tenants(decided)),
    ]
}

fn because(decided: &Decided, again: Result<&Again, &String>) -> Vec<String> {
    match again {
        Ok(again) => {
            let mut lines = Vec::new();
            for (why, way_out) in reasons(&again.round) {
                lines.push(format!("  because   {why}"));
                lines.push(format!("            what would change it: {way_out}"));
            }
            lines
        }
        Err(why) => vec![
            format!("  because   {}", decided.ruling.reasons.join(", ")),
            format!("  note      it cannot be decided again: {why}"),
        ],
    }
}

/// The worst results as a table: both limits, and how many events each rests on.
fn worst(decided: &Decided, policy: Option<&Policy>) -> Vec<String> {
    let ruling = &decided.ruling;
    if ruling.worst.is_empty() {
        return vec!["  worst     every promise to every tenant is kept, as far as is known".to_owned()];
    }
    let header =
        ["TENANT", "OBJECTIVE", "OBSERVED", "PROMISED", "JUDGED BY", "EVENTS", "SAMPLES", "DATA", "SOURCE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for worst in &ruling.worst {
        let kind = policy.and_then(|policy| policy.file.objectives.get(&worst.objective));
        let kind = kind.map(|objective| &objective.kind);
        let show = |amount: u64| kind.map_or(Unit::Count, ObjectiveKind::unit).show(amount);
        rows.push(vec![
            worst.tenant.clone(),
            worst.objective.clone(),
            observed(kind, worst.observed, worst.limit_adj, show),
            show(worst.limit),
            show(worst.limit_adj),
            worst.n.to_string(),
            ppm(worst.coverage_ppm),
            worst.code.clone(),
            worst.source.clone(),
        ]);
    }
    let mut lines = vec!["  worst".to_owned()];
    lines.extend(table::aligned(&rows).into_iter().map(|row| format!("    {row}")));
    lines
}

/// Whom it was asked of, and what they said beside it.
fn asked(decided: &Decided, again: Option<&Again>) -> Vec<String> {
    let ruling = &decided.ruling;
    let gaps: Vec<_> = ruling.gaps.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let mut lines = vec![format!("  samples   {}", gaps.join(", "))];
    for source in &ruling.sources {
        lines.push(format!("  source    {}: {} queries in {} ms", source.name, source.queries, source.ms));
        lines.extend(source.warnings.iter().map(|warning| format!("            warning: {warning}")));
    }
    let by = again.and_then(|again| again.probes_by.as_ref());
    lines.extend(by.map(|by| format!("  probes    by {by}")));
    lines
}

fn rests_on(record: &Record, decided: &Decided, kept: &Kept, before: Option<Decision>) -> Vec<String> {
    let commit =
        decided.policy_commit.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let policy = kept.path(KeptKind::PolicyFile, decided.policy_file_sha256);
    let mut lines = vec![format!("  policy    {}{commit}", policy.display())];
    lines.push(format!("  evidence  {}", kept.path(KeptKind::Evidence, decided.evidence_sha256).display()));
    lines.extend(decided.rollout.as_ref().map(|rollout| format!("  rollout   {rollout}")));
    if let (Some(seq), Some(decision)) = (decided.supersedes, before) {
        lines.push(format!("  replaces  decision {seq} ({decision})"));
    }
    lines.push(format!("  round     {}", decided.execution));
    lines.push(format!("  record    {}, hash {}", record.seq, record.hash));
    lines
}
