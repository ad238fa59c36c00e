//! A gate's findings as workflow commands of GitHub Actions, which show them beside the lines of a pull request.

use canary_core::traits::{Finding, GateVerdict, Review, Severity};

/// One command a finding; an undecided review, and a bypass, are told too.
#[must_use]
pub fn annotations(review: &Review) -> Vec<String> {
    let mut lines: Vec<String> = review.findings.iter().map(|finding| annotation(finding, review)).collect();
    match &review.verdict {
        GateVerdict::Undecided { why } if review.findings.is_empty() => {
            lines.push(format!("::error title=gate::{}", message(why)));
        }
        GateVerdict::Bypassed { grants } => lines.extend(grants.iter().map(|grant| {
            let file = grant.file.as_deref().unwrap_or("every file");
            let text = format!("{} in {file} waved through by {}: {}", grant.rule, grant.actor, grant.reason);
            format!("::warning title=gate bypassed::{}", message(&text))
        })),
        _ => {}
    }
    lines
}

fn annotation(finding: &Finding, review: &Review) -> String {
    let bypassed = matches!(review.verdict, GateVerdict::Bypassed { .. });
    let command = match finding.severity {
        Severity::Refuse if !bypassed => "error",
        _ => "warning",
    };
    let mut properties = vec![format!("file={}", property(&finding.file))];
    for (name, value) in [
        ("line", finding.line),
        ("endLine", finding.end_line),
        ("col", finding.column),
        // The column after the last character is the last one plus one.
        ("endColumn", finding.end_column.saturating_sub(1).max(u64::from(finding.end_column > 0))),
    ] {
        // Columns of a clause over several lines are not shown, and confuse where they are given.
        let several = finding.end_line > finding.line && matches!(name, "col" | "endColumn");
        if value > 0 && !several {
            properties.push(format!("{name}={value}"));
        }
    }
    properties.push(format!("title={}", property(&finding.rule)));
    let text = super::scanning::text(finding);
    format!("::{command} {}::{}", properties.join(","), message(&text))
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
