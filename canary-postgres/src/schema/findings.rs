//! What a shadow run saw, in the gate's words.

use canary_core::traits::Finding;

use crate::shadow::{Breakage, Level, ShadowReport, Trace};

/// A breakage as a finding.
pub(super) fn of(breakage: &Breakage) -> Finding {
    let (file, line) = breakage.place.clone().unwrap_or_else(|| place(breakage));
    let queries = match breakage.queries.as_slice() {
        [] => String::new(),
        [one] => format!("{one}: "),
        [first, more @ ..] => format!("{first} and {} more: ", more.len()),
    };
    let code = breakage.sqlstate.as_ref().map_or_else(String::new, |code| format!(", {code}"));
    Finding {
        rule: breakage.rule.clone(),
        severity: breakage.severity,
        file,
        line,
        reason: format!("{queries}{} (shadow, {}{code})", breakage.what, breakage.level),
        remedy: remedy(breakage).to_owned(),
        object: breakage.table.clone(),
        sqlstates: breakage.sqlstate.iter().cloned().collect(),
        breaks: breakage.queries.clone(),
        ..Finding::default()
    }
}

/// Where its first query stands.
fn place(breakage: &Breakage) -> (String, u64) {
    let first = breakage.queries.first().map(String::as_str).unwrap_or_default();
    let split = first.rsplit_once(':').and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?)));
    split.unwrap_or_else(|| (first.to_owned(), 0))
}

const fn remedy(breakage: &Breakage) -> &'static str {
    match breakage.level {
        Level::Apply => "mend the migration: it fails like this in production too",
        Level::OldConnection => {
            "expand: release a binary that lists its columns instead of *; then migrate. Or close the pool's connections \
             (max_lifetime, a restart) as part of the same deploy"
        }
        Level::Prepare | Level::Describe | Level::Explain => {
            "expand: keep the old form beside the new one; switch: release a binary that uses the new one, on every node; \
             contract: take the old one away in a later release"
        }
        Level::Catalog => {
            "switch: release a binary that keeps to the new restriction first; contract: add the restriction in a later release"
        }
    }
}

/// What a report adds to a review's evidence.
pub(super) fn evidence(report: &ShadowReport) -> Vec<String> {
    let mut lines = vec![format!("shadow: {} from {}", report.server, report.base)];
    if let Some(queries) = report.queries {
        let complete =
            if report.complete { "every query of the binary" } else { "not every query of the binary" };
        let role = report.role.as_ref().map_or_else(
            || "as the owner of the tables (no role is set: privileges are not looked at)".to_owned(),
            |role| format!("as {role}"),
        );
        lines.push(format!(
            "shadow: {} of {queries} queries judged on four levels, {role}; {complete}",
            report.judged
        ));
    }
    if report.starts_on_old.as_ref().is_some_and(|way| !way.safe) {
        lines.push("shadow: the new binary does not work before the migrations have run".to_owned());
    }
    match &report.way_back {
        Some(way) if way.safe => {
            lines.push("shadow: the way back stays open: the old binary works on the new schema".to_owned());
        }
        Some(way) => {
            let reason = way.reason().unwrap_or_default();
            lines.push(format!("shadow: rollback is no longer safe because {reason}"));
        }
        None => {}
    }
    lines.extend(report.traces.iter().map(|trace| format!("shadow: {}", traced(trace))));
    lines.extend(report.notes.iter().map(|note| format!("shadow: {note}")));
    lines
}

/// What a statement did, on one line.
fn traced(trace: &Trace) -> String {
    let locks: Vec<String> =
        trace.locks.iter().map(|lock| format!("{} on {}", lock.mode, lock.table)).collect();
    let locks = match (trace.locks_seen, locks.is_empty()) {
        (false, _) => "runs outside of transactions, locks not seen".to_owned(),
        (true, true) => "no lock more".to_owned(),
        (true, false) => locks.join(", "),
    };
    format!("{}:{}: {}; {locks}", trace.file, trace.line, trace.work())
}
