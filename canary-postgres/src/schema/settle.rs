//! The verdict over what was read and what was seen.

use canary_core::fleet::Digest;
use canary_core::time::Timestamp;
use canary_core::traits::{Finding, GateVerdict as Verdict, Review, Severity};

use super::stops;
use crate::config::GateConfig;
use crate::grants;

/// Rules whose refusals a proof lifts: they take away what some binary may name, and lock nothing for long.
const LIFTED: [&str; 8] = [
    "drop-column",
    "drop-table",
    "drop-view",
    "drop-routine",
    "drop-sequence",
    "drop-type",
    "drop-constraint",
    "drop-default",
];

/// Turns refusals that a clean shadow run with full coverage has proven empty into warnings.
pub(super) fn lift(review: &mut Review) {
    for finding in &mut review.findings {
        if stops(finding) && LIFTED.contains(&finding.rule.as_str()) {
            finding.severity = Severity::Warn;
            finding.reason = format!("{} (proven: no running binary's contract needs it)", finding.reason);
            finding.grant = String::new();
        }
    }
}

/// What stands for something that could not be looked at.
const DOUBT: &str = "shadow-undecided";

/// Decides over everything that was found, and over what could not be looked at, with the grants that were given.
pub(super) fn settle(config: &GateConfig, review: &mut Review, doubts: &[String], now: Timestamp) {
    let mut findings = std::mem::take(&mut review.findings);
    // Whether a grant has a use is decided anew: it may be for what only the shadow run found.
    findings.retain(|finding| finding.rule != "grant-unusable");
    let dir = config.dir.display().to_string();
    findings.extend(doubts.iter().map(|doubt| Finding {
        rule: DOUBT.to_owned(),
        severity: Severity::Refuse,
        file: dir.clone(),
        reason: doubt.clone(),
        remedy: "see to it that it can be looked at; or grant it with a reason".to_owned(),
        ..Finding::default()
    }));
    for finding in findings.iter_mut().filter(|finding| stops(finding) && finding.grant.is_empty()) {
        finding.grant = grants::target(&finding.rule, &finding.file, &review.digest).to_string();
    }
    let verdict = grants::settle(&mut findings, &config.allow, config.force.as_ref(), now);
    let known = findings.iter().any(|finding| stops(finding) && finding.rule != DOUBT);
    review.verdict = match verdict {
        Verdict::Refused if !known => Verdict::Undecided { why: doubts.join("; ") },
        other => other,
    };
    review.findings = findings;
    review.digest = digest(review);
}

/// Over what the files gate judged, and over what else was found.
fn digest(review: &Review) -> Digest {
    let mut canonical = format!("canary-schema 1\n{}\n", review.digest);
    for finding in &review.findings {
        canonical.push_str(&format!(
            "{} {} {} {} {}\n",
            finding.rule,
            finding.severity == Severity::Refuse,
            finding.file.len(),
            finding.file,
            finding.line
        ));
    }
    Digest::of(canonical.as_bytes())
}
