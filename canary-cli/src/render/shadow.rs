//! What a shadow run saw, as lines for people.

use canary_core::traits::Severity;
use canary_postgres::shadow::{Level, ShadowReport, Trace};

use super::paint::Paint;

const LEVELS: [Level; 5] =
    [Level::Prepare, Level::Describe, Level::OldConnection, Level::Explain, Level::Catalog];

/// What a shadow run saw: where, how many queries on which level, what each statement locks and does.
#[must_use]
pub fn shadow_lines(report: &ShadowReport, paint: Paint) -> Vec<String> {
    let word = if !report.doubts.is_empty() {
        paint.careful("in doubt")
    } else if report.clean() {
        paint.good("clean")
    } else {
        paint.bad("breaks")
    };
    let mut lines = vec![format!("shadow    {word}: {}, from {}", report.server, report.base)];
    match report.queries {
        Some(queries) => {
            let role = report.role.as_deref().unwrap_or("the owner of the tables");
            lines.push(format!("  queries   {} of {queries} judged, as {role}", report.judged));
            if report.doubts.is_empty() {
                lines.push(format!("  levels    {}", levels(report)));
            }
        }
        None => lines.push("  queries   none: no contract of the running binary is known".to_owned()),
    }
    if let Some(way) = &report.way_back {
        lines.push(match way.reason() {
            None => format!("  rollback  {}: the old binary works on the new schema", paint.good("open")),
            Some(reason) => format!("  rollback  {} because {reason}", paint.bad("no longer safe")),
        });
    }
    if let Some(way) = &report.starts_on_old {
        let reason = way.reason();
        lines.push(match reason {
            None => "  new       works before the migrations have run, too".to_owned(),
            Some(reason) => format!("  new       needs the migrations first: {reason}"),
        });
    }
    lines.extend(report.traces.iter().map(|trace| traced(trace, paint)));
    lines.extend(report.doubts.iter().map(|doubt| format!("  {}  {doubt}", paint.careful("in doubt"))));
    lines.extend(report.notes.iter().map(|note| paint.quiet(&format!("  {note}"))));
    lines
}

fn levels(report: &ShadowReport) -> String {
    let count = |level: Level| {
        let refusing = report.breakages.iter().filter(|b| b.level == level && b.severity == Severity::Refuse);
        refusing.flat_map(|breakage| &breakage.queries).collect::<std::collections::BTreeSet<_>>().len()
    };
    let shown = |level: Level| match count(level) {
        0 => format!("{level} ok"),
        broken => format!("{level} {broken} broken"),
    };
    LEVELS.map(shown).join(", ")
}

fn traced(trace: &Trace, paint: Paint) -> String {
    let locks: Vec<String> = trace
        .locks
        .iter()
        .map(|lock| format!("{} on {} (blocks {})", lock.mode, lock.table, lock.mode.blocks()))
        .collect();
    let locks = match (trace.locks_seen, locks.is_empty()) {
        (false, _) => "runs outside of transactions, not every lock was seen".to_owned(),
        (true, true) => "no lock more".to_owned(),
        (true, false) => locks.join(", "),
    };
    let statement = paint.quiet(&trace.statement);
    format!("  {}:{}  {}; {locks}  {statement}", trace.file, trace.line, trace.work())
}
