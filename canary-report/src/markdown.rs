//! The report as a message: one short screen, every foreign word between backticks.

use std::fmt::Write as _;

use canary_core::journal::ComparedAccount;
use canary_core::plan::Purpose;

use crate::compared::{rows, verdict};
use crate::report::Report;
use crate::sentences;
use crate::text::{cut, one_line, plain};
use crate::track::Track;
use crate::words;

/// Nodes that are listed one by one at most.
const NODES: usize = 6;
/// Characters of a foreign text at most.
const LONGEST: usize = 300;

/// Makes the message; it ends with a line feed.
pub(crate) fn message(report: &Report<'_>) -> String {
    let mut lines = Vec::new();
    let service = report.service.map_or_else(|| "a rollout".to_owned(), code);
    let exit = report.outcome.as_ref().map(|outcome| format!(" (exit code {})", outcome.exit_code()));
    lines.push(format!("**{service}: {}**{}", report.state(), exit.unwrap_or_default()));
    lines.push(report.meaning().to_owned());
    lines.push(String::new());
    lines.extend(report.why().map(|why| format!("- why: {}", code(&why))));
    lines.push(head(report));
    lines.extend(report.reason.map(|reason| format!("- because: {}", code(reason))));
    lines.extend(report.review.map(|review| format!("- gate: {}", code(&sentences::gate(&review.verdict)))));
    lines.extend(report.tracks.iter().map(track));
    lines.extend(report.compared.iter().flat_map(compared));
    lines.extend(nodes(report));
    lines.push(format!(
        "- rollout {}, record {}, chain hash `{}`",
        code(&report.rollout.to_string()),
        report.last.seq,
        report.last.hash
    ));
    lines.push(String::new());
    lines.join("\n")
}

/// Foreign text as code, which no reader of Markdown looks into.
pub(crate) fn code(text: &str) -> String {
    let text = cut(&one_line(&plain(text)), LONGEST).replace('`', "'");
    if text.is_empty() { "-".to_owned() } else { format!("`{text}`") }
}

fn head(report: &Report<'_>) -> String {
    let mut text = String::from("- ");
    if let Some(plan) = report.plan {
        let before: Vec<_> = report.before().iter().map(|digest| format!("`{}`", digest.short())).collect();
        let what = match plan.purpose {
            Purpose::RollOut => "release",
            Purpose::RollBack => "rollback to",
        };
        // proof: writing to a String cannot fail.
        let _ = write!(text, "{what} `{}`", plan.artifact.facts.sha256.short());
        if !before.is_empty() {
            let _ = write!(text, " in place of {}", before.join(", "));
        }
        text.push_str(", ");
    }
    let by = report.actor.map(|actor| format!("by {}, ", code(actor))).unwrap_or_default();
    let _ = write!(text, "{by}{}, after {}", report.began, words::time(report.took()));
    text
}

/// `- p95: 0.81 red at 14:32:10 (bound < 0.5); probes: 3 green, 1 red, 2 held`.
fn track(track: &Track) -> String {
    let (green, red, held) = track.counts();
    let reading = match track.decisive().and_then(|point| Some((point, point.judged()?))) {
        None => "no reading".to_owned(),
        Some((point, value)) if point.red() => {
            format!("{} red at {}", words::number(value), words::clock(point.at))
        }
        Some((_, value)) => format!("{} at the end", words::number(value)),
    };
    let counts: Vec<_> = [(green, "green"), (red, "red"), (held, "held")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    format!("- {}: {reading} (bound {}); probes: {counts}", code(&track.name), track.bound)
}

/// What the comparison came to, and the table with most of the evidence.
fn compared(compared: &ComparedAccount) -> Vec<String> {
    let leading = &compared.last.evidence;
    let named = |row: &&[String; 8]| {
        let bound = leading.bound.map_or_else(|| " failed".to_owned(), |b| format!(" slower than {b} s"));
        row[0] == format!("{}{bound}", leading.sli)
    };
    let all = rows(compared);
    let row = all.iter().find(named);
    let beside = row.map(|row| format!("- {}: canary {}, baseline {}", code(&row[0]), row[1], row[2]));
    let verdict = verdict(compared);
    let percent = (100.0 * leading.part()).floor();
    let p = crate::compared::probability(leading.p_value());
    let first = format!("- comparison: {verdict}; evidence {percent} % of what red takes, p at any look {p}");
    std::iter::once(first).chain(beside).collect()
}

fn nodes(report: &Report<'_>) -> Vec<String> {
    // What could not be read, and what has another binary than most, is what people ask for first.
    let mut nodes: Vec<_> = report.nodes.iter().collect();
    nodes.sort_by_key(|node| node.problems.is_empty());
    let left = nodes.len().saturating_sub(NODES);
    let mut lines: Vec<_> = nodes
        .into_iter()
        .take(NODES)
        .map(|node| {
            let binary = node.installed.map_or_else(
                || "unknown binary".to_owned(),
                |digest| format!("`{}`{}", digest.short(), words::meaning(digest, report.plan)),
            );
            let state = node.admin.zip(node.operational);
            let state = state.map_or_else(|| "?".to_owned(), |(admin, up)| format!("{admin}, {up}"));
            let service = node.service.map_or_else(|| "?".to_owned(), |service| service.to_string());
            let problems = node.problems.iter().map(|problem| format!("; {}", code(problem)));
            format!(
                "- {}: {binary}, service {service}, balancer {state}{}",
                code(node.node.as_str()),
                problems.collect::<String>()
            )
        })
        .collect();
    lines.extend((left > 0).then(|| format!("- and {left} more")));
    lines
}
