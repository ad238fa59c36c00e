//! What stands against a release, as lines for people.

use canary_core::traits::{Finding, GateVerdict, Phase, Review, Severity, SourceLine};
use canary_report::sentences;
use unicode_width::UnicodeWidthChar as _;

use super::paint::Paint;
use super::words;

/// How many columns a tab takes in a line of source that is shown.
const TAB: usize = 4;

/// What a gate found.
#[must_use]
pub fn gate_lines(review: &Review, paint: Paint) -> Vec<String> {
    let text = match &review.verdict {
        // Its findings say why.
        GateVerdict::Undecided { .. } if !review.findings.is_empty() => "undecided".to_owned(),
        verdict => sentences::gate(verdict),
    };
    let verdict = match &review.verdict {
        GateVerdict::Pass => paint.good(&text),
        GateVerdict::NothingNew { .. } => text,
        GateVerdict::Bypassed { .. } => paint.careful(&text),
        GateVerdict::Refused | GateVerdict::Undecided { .. } => paint.bad(&text),
    };
    let mut lines = vec![format!("gate      {verdict}")];
    let bypassed = matches!(review.verdict, GateVerdict::Bypassed { .. });
    let mut before = String::new();
    for finding in &review.findings {
        let place = finding.place();
        finding_lines(finding, place == before, bypassed, paint, &mut lines);
        before = place;
    }
    if let GateVerdict::Bypassed { grants } = &review.verdict {
        for (grant, one) in
            grants.iter().flat_map(|grant| grant.waved_through.iter().map(move |one| (grant, one)))
        {
            lines.push(paint.careful(&format!("  waved through by {}: {}: {one}", grant.actor, grant.rule)));
        }
    }
    lines
}

fn finding_lines(finding: &Finding, seen: bool, bypassed: bool, paint: Paint, lines: &mut Vec<String>) {
    let word = match finding.severity {
        Severity::Refuse => paint.bad("refused"),
        Severity::Warn => paint.careful("warning"),
    };
    let codes = finding.sqlstates.join(", ");
    let codes = if codes.is_empty() { codes } else { format!(" ({codes})") };
    lines.push(format!("  {}: {word}: {}{codes}", finding.place(), finding.rule));
    if finding.source.is_empty() && !finding.statement.is_empty() {
        let statement = finding.statement.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(paint.quiet(&format!("    {statement}")));
    }
    if !seen {
        source_lines(finding, paint, lines);
    }
    lines.push(format!("    {}", finding.reason));
    if !finding.breaks.is_empty() {
        lines.push(format!("    breaks: {}", finding.breaks.join(", ")));
    }
    if finding.steps.is_empty() {
        lines.push(format!("    instead: {}", finding.remedy));
    }
    for (n, step) in finding.steps.iter().enumerate() {
        lines.push(match step.phase {
            Phase::Instead => format!("    instead: {}", step.what),
            phase => format!("    {}. {phase}: {}", n + 1, step.what),
        });
    }
    if finding.severity == Severity::Refuse && !finding.grant.is_empty() && !bypassed {
        lines.push(paint.quiet(&format!("    to let it pass all the same: --allow '{}'", finding.grant)));
    }
}

/// The clause where it stands, underlined.
fn source_lines(finding: &Finding, paint: Paint, lines: &mut Vec<String>) {
    let digits = finding.source.last().map_or(0, |last| last.line.to_string().len());
    for source in &finding.source {
        let (text, from, to) = laid_out(source);
        lines.push(format!("    {:>digits$} | {text}", source.line));
        let marks = format!("    {:digits$} | {}{}", "", " ".repeat(from), "^".repeat((to - from).max(1)));
        lines.push(paint.bad(&marks));
    }
    let shown = finding.source.last().map_or(0, |last| last.line);
    if shown > 0 && finding.end_line > shown {
        let more = usize::try_from(finding.end_line - shown).unwrap_or(usize::MAX);
        lines.push(paint.quiet(&format!("    {:digits$} | … {}", "", words::count(more, "more line"))));
    }
}

/// The line with its tabs as blanks, and the columns of the screen between which the clause stands.
fn laid_out(source: &SourceLine) -> (String, usize, usize) {
    let (mut text, mut column, mut from, mut to) = (String::new(), 0, None, 0);
    for (at, c) in (0_u64..).zip(source.text.chars()) {
        if at == source.from {
            from = Some(column);
        }
        if c == '\t' {
            let blanks = TAB - column % TAB;
            text.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else {
            text.push(c);
            column += c.width().unwrap_or(0);
        }
        if at < source.to {
            to = column;
        }
    }
    let from = from.unwrap_or(column);
    (text, from, to.max(from))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_and_wide_characters_are_underlined_where_they_stand() {
        let line = |text: &str, from, to| SourceLine { line: 1, text: text.to_owned(), from, to };
        for (source, expected) in [
            (line("\tDROP c", 1, 7), ("    DROP c", 4, 10)),
            (line("a\tDROP", 2, 6), ("a   DROP", 4, 8)),
            (line("'表' DROP", 4, 8), ("'表' DROP", 5, 9)),
            (line("e\u{301} DROP", 3, 7), ("e\u{301} DROP", 2, 6)),
            (line("x", 1, 1), ("x", 1, 1)),
        ] {
            let (text, from, to) = laid_out(&source);
            assert_eq!((text.as_str(), from, to), expected);
        }
    }
}
