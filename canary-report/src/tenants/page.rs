//! The page of one decision.

use canary_core::journal::Decision;

use super::decision::{TenantDecision, interval, score};
use super::sections;
use crate::html::{Html, document};

/// Makes the page.
pub(super) fn page(decision: &TenantDecision) -> String {
    let title = format!("tenants: {} {}", decision.verdict.as_str(), decision.subject);
    document(
        &title,
        |html| head(html, decision),
        |html| sections::tenants(html, decision),
        |html| foot(html, decision),
    )
}

fn head(html: &mut Html, decision: &TenantDecision) {
    let (tone, meaning) = match decision.verdict {
        Decision::Approve => ("state good", "Every promise counts as kept: the release may go on."),
        Decision::Rollback => (
            "state bad",
            "A tenant with a veto, or all tenants together, are worse off than promised: the release is to be taken back.",
        ),
        Decision::Halt => (
            "state careful",
            "Neither that promises are kept nor that they are broken is proven: the release stays where it is.",
        ),
    };
    html.tag("h1", &[], |html| {
        html.text(&format!("{} ", decision.subject));
        html.classed("span", tone, decision.verdict.as_str());
    });
    html.classed("p", "meaning", meaning);
    if !decision.reasons.is_empty() {
        html.classed("p", "why", &decision.reasons.join("; "));
    }
    html.tag("dl", &[], |html| {
        for (term, value) in facts(decision) {
            html.tag("div", &[], |html| {
                html.leaf("dt", &term);
                html.leaf("dd", &value);
            });
        }
    });
}

fn facts(decision: &TenantDecision) -> Vec<(String, String)> {
    let own = |term: &str, value: String| (term.to_owned(), value);
    let mut facts = vec![
        own("Score", format!("{} ({} is needed)", interval(decision.score), score(decision.threshold))),
        own("Tenants", decision.counted.to_string()),
        own("In breach", decision.breached.to_string()),
        own("Not all known of", decision.unknown.to_string()),
        own("Decided", decision.at.to_string()),
    ];
    facts.extend(decision.facts.iter().cloned());
    facts
}

fn foot(html: &mut Html, decision: &TenantDecision) {
    if let Some(seal) = &decision.seal {
        html.tag("p", &[], |html| {
            html.text(&format!("Record {} of the journal {}. Its chain hash is ", seal.seq, seal.log));
            html.leaf("code", &seal.hash);
            html.text(". It holds every record before it, too.");
        });
    }
    html.leaf("p", "All times are UTC. Scores are 1 for what is as promised and 0 from twice the limit; what is unknown is anything between.");
}
