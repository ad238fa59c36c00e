use std::collections::BTreeSet;

use canary_core::traits::{Finding, Severity};

use super::catalog;
use super::{BinaryFacts, Judge, Known, KnownQuery, Locks, Place, Reading};
use crate::convention::{Convention, Part, Splitting, Transaction};
use crate::sql::parse::parse;

mod code;
mod examples;
mod forms;
mod golden;
mod manual;
mod running;
mod sets;

use examples::{EXAMPLES, Example, OF_FILES, Run};

/// How files are run when nobody says by what.
const PLAIN: (Transaction, Splitting) = (Transaction::Unknown, Splitting::Statements);

/// Judges files in order, over older ones, each run in one way, for a binary of which this is known.
fn judge_as(
    (transaction, splitting): (Transaction, Splitting),
    facts: Option<BinaryFacts>,
    older: &[&str],
    files: &[&str],
) -> Vec<Finding> {
    let mut known = Known::default();
    for text in older {
        known.learn(text, &parse(text));
    }
    let mut judge = Judge::over(known, Reading::of(facts), Locks::Refuse);
    for text in files {
        let parts = [Part { range: 0..text.len(), transaction, splitting }];
        let place = Place { file: "m.sql", text, convention: Convention::Plain, parts: &parts };
        judge.open(place);
        judge.file(place, &parse(text));
    }
    judge.into_findings()
}

fn judge(older: &[&str], files: &[&str]) -> Vec<Finding> {
    judge_as(PLAIN, None, older, files)
}

/// The rules found, in order, warnings with a `~` in front.
fn rules(older: &[&str], files: &[&str]) -> String {
    shown(&judge(older, files))
}

/// Without `lock-timeout-missing`, which nearly every change of an old table meets and which has tests of its own.
fn shown(findings: &[Finding]) -> String {
    let findings = findings.iter().filter(|finding| finding.rule != "lock-timeout-missing");
    let shown = |finding: &Finding| match finding.severity {
        Severity::Refuse => finding.rule.clone(),
        Severity::Warn => format!("~{}", finding.rule),
    };
    findings.map(shown).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_snippet_gives_exactly_its_rules() {
    let wrong: Vec<String> = golden::SNIPPETS
        .iter()
        .filter_map(|(sql, expected)| {
            let found = rules(&[], &[sql]);
            (found != *expected).then(|| format!("{sql}\n  expected: {expected}\n  found:    {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), golden::SNIPPETS.len(), wrong.join("\n"));
    assert!(golden::SNIPPETS.len() >= 150, "{}", golden::SNIPPETS.len());
}

#[test]
fn names_in_the_table_are_unique_and_texts_are_whole() {
    let names: BTreeSet<&str> = catalog::rules().map(|rule| rule.name).collect();
    assert_eq!(names.len(), catalog::rules().count());
    for rule in catalog::rules() {
        assert!(!rule.breaks.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.name);
    }
}

#[test]
fn a_finding_says_where_what_and_how() {
    let sql = "-- Umlaut: ä\nALTER TABLE users\n  ADD COLUMN nick text,\n  DROP COLUMN email;\n";
    let found = judge(&[], &[sql]);
    let drop = found.iter().find(|f| f.rule == "drop-column").unwrap();
    assert_eq!((drop.line, drop.column, drop.file.as_str()), (4, 3, "m.sql"));
    assert_eq!(drop.statement, "ALTER TABLE users ADD COLUMN nick text, DROP COLUMN email;");
    assert!(
        drop.reason.starts_with("drops column email of users: ") && drop.reason.contains("42703"),
        "{}",
        drop.reason
    );
    assert!(drop.remedy.contains("contract"), "{}", drop.remedy);
}
/// Whether an example's file meets its rule.
fn meets(example: &Example, text: &str) -> bool {
    let how = match example.run {
        Run::Plain => PLAIN,
        Run::Wrapped => (Transaction::Around, Splitting::Statements),
        Run::OneQuery => (Transaction::None, Splitting::Whole),
    };
    let facts = (!example.query.is_empty()).then(|| binary(&[example.query]));
    let older: Vec<&str> = example.older.split("----\n").collect();
    let files: Vec<&str> = text.split("----\n").collect();
    judge_as(how, facts, &older, &files).iter().any(|finding| finding.rule == example.rule)
}

/// A binary that sends these queries and nothing else.
fn binary(queries: &[&str]) -> BinaryFacts {
    let query =
        |(n, text): (usize, &&str)| KnownQuery { text: (*text).to_owned(), place: format!("src/q{n}.rs:1") };
    BinaryFacts {
        complete: true,
        queries: queries.iter().enumerate().map(query).collect(),
        ..BinaryFacts::default()
    }
}

#[test]
fn every_rule_is_met_and_not_met_by_its_neighbour() {
    let mut wrong = Vec::new();
    for example in EXAMPLES {
        if !meets(example, example.met) {
            wrong.push(format!("{}: not met by {}", example.rule, example.met));
        }
        if meets(example, example.not_met) {
            wrong.push(format!("{}: met by {}", example.rule, example.not_met));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let both: BTreeSet<&str> =
        EXAMPLES.iter().map(|example| example.rule).chain(OF_FILES.iter().copied()).collect();
    let all: BTreeSet<&str> = catalog::rules().map(|rule| rule.name).collect();
    assert_eq!(both, all);
}

#[test]
fn every_rule_names_its_steps_and_its_codes() {
    for rule in catalog::rules() {
        assert!(!rule.steps().is_empty(), "{}", rule.name);
    }
    let codes = |name: &str| catalog::rule(name).sqlstates().join(" ");
    assert_eq!(codes("drop-column"), "0A000 42703");
    assert_eq!(codes("trigger-change"), "P0001");
    assert_eq!(codes("unbounded-dml"), "");
    let steps = catalog::rule("alter-column-type").steps();
    let phases: Vec<String> = steps.iter().map(|step| step.phase.to_string()).collect();
    assert_eq!(phases, ["expand", "switch", "contract"]);
}
