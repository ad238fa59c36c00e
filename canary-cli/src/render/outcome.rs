//! How a rollout ended and what is where, as lines for people.

use canary_core::engine::{AfterHold, Outcome};
use canary_core::journal::NodeReport;
use canary_core::plan::Plan;
use canary_report::words::meaning;

use super::paint::Paint;
use super::table;

/// How a rollout ended, what is where, and what to do next.
#[must_use]
pub fn outcome_lines(
    outcome: &Outcome,
    nodes: &[NodeReport],
    plan: Option<&Plan>,
    paint: Paint,
) -> Vec<String> {
    let text = outcome.to_string();
    let text = match outcome {
        Outcome::Completed { .. } => paint.good(&text),
        Outcome::Stuck { .. } | Outcome::Refused { .. } => paint.bad(&text),
        _ => paint.careful(&text),
    };
    let mut lines = vec![String::new(), text];
    lines.extend(node_lines(nodes, plan));
    if let Some(next) = next_command(outcome) {
        lines.push(format!("next: {next}"));
    }
    lines
}

/// A table of what is where.
#[must_use]
pub fn node_lines(nodes: &[NodeReport], plan: Option<&Plan>) -> Vec<String> {
    let mut rows = Vec::new();
    for node in nodes {
        let known = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
        let binary = node.installed.map(|digest| format!("{}{}", digest.short(), meaning(digest, plan)));
        let balancer =
            node.admin.zip(node.operational).map(|(admin, operational)| format!("{admin}, {operational}"));
        rows.push(vec![
            format!("  {}", node.node),
            known(binary),
            format!("service {}", known(node.service.map(|service| service.to_string()))),
            format!("balancer {}", known(balancer)),
        ]);
    }
    let mut lines = table::aligned(&rows);
    for node in nodes {
        lines.extend(node.problems.iter().map(|problem| format!("  {}: {problem}", node.node)));
    }
    lines
}

fn next_command(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Completed { .. } => None,
        Outcome::Refused { .. } => {
            Some("remove what stands against it and run again; `canary-cli doctor` looks at everything")
        }
        Outcome::RolledBack { .. } => {
            Some("`canary-cli log explain` has the evidence; ship a corrected binary")
        }
        Outcome::Halted { .. } => Some(
            "remove the cause and run the same command again, or take everything back with `canary-cli rollback`",
        ),
        Outcome::Inconclusive { then: AfterHold::Kept, .. } => Some(
            "bring the numbers back and run the same command again, or take it back with `canary-cli rollback`",
        ),
        Outcome::Inconclusive { then: AfterHold::RolledBack, .. } => {
            Some("bring the numbers back and run the same command again")
        }
        Outcome::Stuck { .. } => Some(
            "a person is needed: the lines above say what is where; `canary-cli log show` has the evidence",
        ),
        Outcome::Interrupted { .. } => Some("`canary-cli resume` goes on, `canary-cli abort` goes back"),
    }
}
