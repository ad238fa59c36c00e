//! What shadow runs saw, in the gate's words.

use std::collections::BTreeSet;

use canary_core::traits::{Finding, Review};

use crate::shadow::{Breakage, Level, ShadowReport, Trace};
use crate::words::few;

/// What stands for a tenant's own schema where several are spoken of.
const OWN: &str = "{schema}";

/// Adds what all runs saw to a review: what several saw once, with the shards it holds for where it does not hold for all.
pub(super) fn tell(reports: &[ShadowReport], review: &mut Review, doubts: &mut Vec<String>) {
    let bases: BTreeSet<&str> = reports.iter().map(|report| report.base.as_str()).collect();
    let mut found: Vec<(Breakage, BTreeSet<&str>, Vec<&str>)> = Vec::new();
    for report in reports {
        let several = bases.len() > 1;
        for breakage in &report.breakages {
            let breakage = if several { anybodys(breakage, report) } else { breakage.clone() };
            let known = found.iter_mut().find(|(known, ..)| {
                known.same_as(&breakage)
                    && (&known.queries, &known.place) == (&breakage.queries, &breakage.place)
            });
            let shards = report.shards.iter().map(String::as_str);
            match known {
                Some((_, of, named)) => {
                    if of.insert(&report.base) {
                        named.extend(shards);
                    }
                }
                None => found.push((breakage, BTreeSet::from([report.base.as_str()]), shards.collect())),
            }
        }
        let lines =
            evidence(report).into_iter().map(|line| if several { general(&line, report) } else { line });
        let new: Vec<String> = lines.filter(|line| !review.evidence.contains(line)).collect();
        review.evidence.extend(new);
        for doubt in &report.doubts {
            let of = if several { format!(" ({})", report.base) } else { String::new() };
            doubts.push(format!("shadow: {doubt}{of}"));
        }
    }
    for (breakage, of, shards) in found {
        let mut finding = self::of(&breakage);
        if of.len() < bases.len() {
            let what =
                format!("; on {} of {} distinct schemas, that of {}", of.len(), bases.len(), few(&shards));
            finding.reason.push_str(&what);
        }
        review.findings.push(finding);
    }
}

/// The same without the name of the one tenant that stood for the others.
fn anybodys(breakage: &Breakage, report: &ShadowReport) -> Breakage {
    Breakage {
        what: general(&breakage.what, report),
        table: breakage.table.as_ref().map(|table| general(table, report)),
        ..breakage.clone()
    }
}

fn general(text: &str, report: &ShadowReport) -> String {
    let Some(schema) = &report.tenant_schema else { return text.to_owned() };
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let name = format!("{schema}.");
    while let Some(at) = rest.find(&name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let inside = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        out.push_str(before);
        if inside {
            out.push_str(&name);
        } else {
            out.push_str(OWN);
            out.push('.');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

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
        (false, _) => "runs outside of transactions, not every lock was seen".to_owned(),
        (true, true) => "no lock more".to_owned(),
        (true, false) => locks.join(", "),
    };
    format!("{}:{}: {}; {locks}", trace.file, trace.line, trace.work())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_name_gives_way_to_what_holds_for_all() {
        let of = |schema: &str, text: &str| {
            general(text, &ShadowReport { tenant_schema: Some(schema.to_owned()), ..ShadowReport::default() })
        };
        assert_eq!(of("t_1", "a lock on t_1.users, t_1.orders"), "a lock on {schema}.users, {schema}.orders");
        assert_eq!(of("a", "the data.x of a.users"), "the data.x of {schema}.users");
        assert_eq!(of("b", "nothing"), "nothing");
    }
}
