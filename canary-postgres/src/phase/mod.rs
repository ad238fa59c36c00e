//! Expand, migrate, contract: what a release may do to the schema by the part it has in a change of several releases. Pure.
//!
//! ```text
//!  expand   adds the new form                        the old binary does not notice
//!  migrate  fills it; binaries go over to it         both forms are there
//!  contract takes the old form away                  only once no node runs a binary whose contract names it
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use canary_core::fleet::{Digest, ReleasePhase};
use canary_core::traits::{Finding, RunsWhere, Severity};

use crate::contract::Contract;
use crate::words::few;

/// Rules that take something away from a binary, or ask more of it.
const TAKES_AWAY: [&str; 13] = [
    "alter-column-type",
    "set-not-null",
    "add-column-required",
    "identity-always",
    "move-schema",
    "new-write-restriction",
    "row-security",
    "revoke",
    "rewrite-rule",
    "truncate",
    "replace-view",
    "query-fails",
    "result-changes",
];

/// What each binary asks of the database, by its digest; `None`: it is not known.
pub type Contracts = BTreeMap<Digest, Option<Contract>>;

/// What a phase has against a set of migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhaseReview {
    /// What breaks the order of the phases.
    pub findings: Vec<Finding>,
    /// What could not be told.
    pub doubts: Vec<String>,
}

/// Whether a rule's findings mean that something is taken away.
#[must_use]
pub fn takes_away(rule: &str) -> bool {
    let moves = ["drop-", "rename-"].iter().any(|prefix| rule.starts_with(prefix));
    moves && !rule.starts_with("drop-index") || TAKES_AWAY.contains(&rule)
}

/// Holds what was found in the new migrations against the release's phase.
///
/// A release without a phase has nothing to keep to.
#[must_use]
pub fn review(
    phase: Option<ReleasePhase>,
    found: &[Finding],
    running: &[RunsWhere],
    contracts: &Contracts,
) -> PhaseReview {
    let mut review = PhaseReview::default();
    let away = found.iter().filter(|finding| takes_away(&finding.rule));
    match phase {
        None => {}
        Some(phase @ (ReleasePhase::Expand | ReleasePhase::Migrate)) => {
            review.findings.extend(away.map(|finding| too_early(phase, finding)));
        }
        Some(ReleasePhase::Contract) => {
            let away: Vec<&Finding> = away.collect();
            if !away.is_empty() {
                contract(&away, running, contracts, &mut review);
            }
        }
    }
    review
}

fn too_early(phase: ReleasePhase, finding: &Finding) -> Finding {
    let does = match phase {
        ReleasePhase::Expand => "only adds",
        _ => "only fills and switches over",
    };
    Finding {
        rule: "phase-order".to_owned(),
        severity: Severity::Refuse,
        reason: format!(
            "the release's phase is {phase}, which {does}, and this takes something away ({})",
            finding.rule
        ),
        remedy:
            "leave it to a release of the phase contract, once every node runs a binary that does not need it"
                .to_owned(),
        grant: String::new(),
        steps: Vec::new(),
        ..finding.clone()
    }
}

/// Refused while any node runs a binary that names what goes; undecided where that is not known.
fn contract(away: &[&Finding], running: &[RunsWhere], contracts: &Contracts, review: &mut PhaseReview) {
    if running.is_empty() {
        review.doubts.push(
            "it is not known what the nodes run, so nobody can say that nothing needs what is taken away"
                .to_owned(),
        );
    }
    for node in running.iter().filter(|node| node.artifact.is_none()) {
        review.doubts.push(format!("it is not known what {} runs", node.node));
    }
    for binary in binaries(running) {
        match contracts.get(&binary.digest).and_then(Option::as_ref) {
            None => {
                review.doubts.push(format!("{}, whose SQL contract is not known here", binary.runs("")));
            }
            Some(known) => {
                if !known.coverage.complete() {
                    review.doubts.push(format!(
                        "{}, whose SQL contract does not hold every query: {} computed",
                        binary.runs(""),
                        match known.coverage.computed.len() {
                            1 => "1 is".to_owned(),
                            computed => format!("{computed} are"),
                        }
                    ));
                }
                review
                    .findings
                    .extend(away.iter().filter_map(|finding| still_named(finding, &binary, known)));
            }
        }
    }
}

/// What stands for the digest of the binary that runs where no node is seen: it was built from the baseline's sources.
pub(crate) fn of_the_baseline() -> Digest {
    Digest::of(&[])
}

/// One binary, and the nodes that run it.
struct Binary<'a> {
    digest: Digest,
    nodes: Vec<&'a str>,
}

impl Binary<'_> {
    /// Who runs it, in words; `still` stands before the verb.
    fn runs(&self, still: &str) -> String {
        if self.digest == of_the_baseline() {
            return "no node is seen from here, so what runs is taken to be the baseline's binary".to_owned();
        }
        let verb = if self.nodes.len() == 1 { "runs" } else { "run" };
        format!("{} {still}{verb} {}", few(&self.nodes), short(&self.digest))
    }
}

/// Each binary once, in the order of the nodes.
fn binaries(running: &[RunsWhere]) -> Vec<Binary<'_>> {
    let mut binaries: Vec<Binary<'_>> = Vec::new();
    for RunsWhere { node, artifact, .. } in running {
        let Some(digest) = *artifact else { continue };
        match binaries.iter_mut().find(|binary| binary.digest == digest) {
            Some(binary) => binary.nodes.push(node.as_str()),
            None => binaries.push(Binary { digest, nodes: vec![node.as_str()] }),
        }
    }
    binaries
}

fn still_named(finding: &Finding, binary: &Binary<'_>, known: &Contract) -> Option<Finding> {
    let object = finding.object.as_deref()?;
    let places: Vec<String> = known
        .queries
        .iter()
        .filter(|query| names_object(&query.text, object))
        .map(crate::contract::Query::place)
        .collect();
    let first = places.first()?;
    Some(Finding {
        rule: "phase-order".to_owned(),
        severity: Severity::Refuse,
        reason: format!(
            "{}, which names {object} ({first}{})",
            binary.runs("still "),
            if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() }
        ),
        remedy: "roll a binary that no longer names it out to every node first; then release this".to_owned(),
        breaks: places,
        grant: String::new(),
        steps: Vec::new(),
        ..finding.clone()
    })
}

/// Whether a query may need an object (`table`, `schema.table`, `schema.table.column`): it has its last name as a word; or, for a
/// column, the table's and a `*`, or an INSERT without a list.
fn names_object(text: &str, object: &str) -> bool {
    let parts: Vec<&str> = object.split('.').map(|part| part.trim_matches('"')).collect();
    let Some((last, above)) = parts.split_last() else { return false };
    if has_word(text, last) {
        return true;
    }
    let table = if parts.len() > 2 { above.last() } else { None };
    table.is_some_and(|table| {
        has_word(text, table) && (text.contains('*') || text.to_lowercase().contains("insert"))
    })
}

/// Whether a text has the name as a word of its own, in any case.
pub(crate) fn has_word(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    !name.is_empty()
        && text.match_indices(&name).any(|(at, _)| {
            !text[..at].chars().next_back().is_some_and(part)
                && !text[at + name.len()..].chars().next().is_some_and(part)
        })
}

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(12).collect()
}

/// A contract with these queries, each on a line of its own.
#[cfg(test)]
pub(crate) fn sample(texts: &[&str]) -> Contract {
    use crate::contract::{
        Binding, Budgets, Coverage, Driver, Place, Query, QueryHash, QueryUse, SourceKind,
    };
    let queries = (1..).zip(texts).map(|(line, text)| Query {
        hash: QueryHash::of(text),
        text: (*text).to_owned(),
        parameters: None,
        columns: None,
        overrides: Vec::new(),
        uses: vec![QueryUse {
            place: Place { file: "src/db.rs".to_owned(), line },
            kind: SourceKind::SqlxFunction,
            binding: Binding::None,
        }],
    });
    Contract {
        format: 1,
        tool: "test".to_owned(),
        service: "api".to_owned(),
        revision: None,
        server_major: None,
        drivers: vec![Driver::Sqlx],
        queries: queries.collect(),
        rows: Vec::new(),
        enums: Vec::new(),
        pools: Vec::new(),
        constraints: Vec::new(),
        schema_hashes: Vec::new(),
        budgets: Budgets::default(),
        seed: 1,
        coverage: Coverage { files: 1, known: 1, ..Coverage::default() },
    }
}
