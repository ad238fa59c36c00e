//! The decision as a message: one short screen, every foreign word between backticks.

use super::decision::{TenantDecision, interval, score};
use super::sections::{limit, told};
use crate::markdown::code;

/// Makes the message; it ends with a line feed.
pub(super) fn message(decision: &TenantDecision) -> String {
    let mut lines = vec![format!("**{}** {}", decision.verdict.as_str(), code(&decision.subject))];
    lines.push(String::new());
    lines.extend(decision.reasons.iter().map(|why| format!("- why: {}", code(why))));
    lines.push(format!(
        "- score {}, {} is needed; {} tenants, {} in breach, {} not all known of",
        interval(decision.score),
        score(decision.threshold),
        decision.counted,
        decision.breached,
        decision.unknown
    ));
    if !decision.worst.is_empty() {
        lines.push("- the worst:".to_owned());
    }
    for worst in &decision.worst {
        let observed = worst.cell.observed.as_deref().unwrap_or("?");
        lines.push(format!(
            "  - {} {}: {}, {} of {}",
            code(&worst.tenant),
            code(&worst.cell.objective),
            code(&told(&worst.cell)),
            code(observed),
            code(&limit(&worst.cell))
        ));
    }
    lines.extend(decision.facts.iter().map(|(term, value)| format!("- {}: {}", code(term), code(value))));
    if let Some(seal) = &decision.seal {
        lines.push(format!("- record {} of {}, chain hash {}", seal.seq, code(&seal.log), code(&seal.hash)));
    }
    lines.push(String::new());
    lines.join("\n")
}
