//! What checks of one's own found, as lines for people.

use canary_core::traits::{CheckReport, CheckVerdict, Severity};

use super::paint::Paint;

/// A check's answer, and each of its findings with what to do.
#[must_use]
pub(super) fn check_lines(report: &CheckReport, paint: Paint) -> Vec<String> {
    let verdict = match &report.verdict {
        CheckVerdict::Pass => paint.good(&report.summary),
        CheckVerdict::Fail => paint.bad(&report.summary),
        CheckVerdict::Unknown { why } => paint.careful(&format!("undecided: {why}")),
    };
    let mut lines = vec![format!("check     {}: {verdict}", report.check)];
    for finding in &report.findings {
        let word = match finding.severity {
            Severity::Refuse => paint.bad("refused"),
            Severity::Warn => paint.careful("warning"),
        };
        lines.push(format!("  {word}: {finding}"));
        lines.push(format!("    instead: {}", finding.remedy));
    }
    if report.more > 0 {
        lines.push(paint.quiet(&format!("  and {} more", report.more)));
    }
    lines
}
