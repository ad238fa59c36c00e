//! What stands against a release, as lines for people.

use canary_core::traits::{GateVerdict, Review, Severity};
use canary_report::sentences;

use super::paint::Paint;

/// What a gate found.
#[must_use]
pub fn gate_lines(review: &Review, paint: Paint) -> Vec<String> {
    let text = sentences::gate(&review.verdict);
    let verdict = match &review.verdict {
        GateVerdict::Pass => paint.good(&text),
        GateVerdict::NothingNew { .. } => text,
        GateVerdict::Bypassed { .. } => paint.careful(&text),
        GateVerdict::Refused | GateVerdict::Undecided { .. } => paint.bad(&text),
    };
    let mut lines = vec![format!("gate      {verdict}")];
    for finding in &review.findings {
        let place = match (finding.line, finding.column) {
            (0, _) => finding.file.clone(),
            (line, 0) => format!("{}:{line}", finding.file),
            (line, column) => format!("{}:{line}:{column}", finding.file),
        };
        let word = match finding.severity {
            Severity::Refuse => paint.bad("refused"),
            Severity::Warn => paint.careful("warning"),
        };
        lines.push(format!("  {place}: {word}: {}: {}", finding.rule, finding.reason));
        if !finding.statement.is_empty() {
            lines.push(paint.quiet(&format!(
                "    {}",
                finding.statement.split_whitespace().collect::<Vec<_>>().join(" ")
            )));
        }
        lines.push(format!("    instead: {}", finding.remedy));
    }
    lines
}

/// Everything that stood against a rollout.
#[must_use]
pub fn refused_lines(reasons: &[String], paint: Paint) -> Vec<String> {
    let mut lines = vec![String::new(), paint.bad("refused: nothing was changed")];
    lines.extend(reasons.iter().map(|reason| format!("  - {reason}")));
    lines.push(
        "next: remove what stands against it and run again; `canary-cli doctor` looks at everything"
            .to_owned(),
    );
    lines
}
