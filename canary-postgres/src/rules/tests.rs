use std::collections::BTreeSet;

use canary_core::traits::{Finding, Severity};

use super::catalog::RULES;
use super::{Baseline, Judge, Place};
use crate::sql::parse::parse;

mod golden;
mod sets;

/// Judges files in order, over older ones.
fn judge(older: &[&str], files: &[&str]) -> Vec<Finding> {
    let mut baseline = Baseline::default();
    for text in older {
        baseline.learn(text, &parse(text));
    }
    let mut judge = Judge::over(baseline);
    for text in files {
        judge.file(Place { file: "m.sql", text, in_transaction: false }, &parse(text));
    }
    judge.into_findings()
}

/// The rules found, in order, warnings with a `~` in front.
fn rules(older: &[&str], files: &[&str]) -> String {
    let shown = |finding: &Finding| match finding.severity {
        Severity::Refuse => finding.rule.clone(),
        Severity::Warn => format!("~{}", finding.rule),
    };
    judge(older, files).iter().map(shown).collect::<Vec<_>>().join(" ")
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
fn every_rule_on_sql_has_a_snippet_that_meets_it() {
    let met: BTreeSet<&str> = golden::SNIPPETS
        .iter()
        .flat_map(|(_, rules)| rules.split(' '))
        .map(|rule| rule.trim_start_matches('~'))
        .collect();
    // These are about files or their runner, or about sets of files; other tests meet them.
    let elsewhere = [
        "edited-migration",
        "deleted-migration",
        "concurrently-in-transaction",
        "drop-default",
        "foreign-marker",
        "out-of-order",
    ];
    let missing: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !met.contains(name) && !elsewhere.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn names_in_the_table_are_unique_and_texts_are_whole() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
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

#[test]
fn concurrently_is_refused_only_inside_a_transaction() {
    let text = "CREATE INDEX CONCURRENTLY i ON t (a);";
    for (in_transaction, expected) in [(true, 1), (false, 0)] {
        let mut judge = Judge::default();
        judge.file(Place { file: "m.sql", text, in_transaction }, &parse(text));
        let found = judge.into_findings();
        assert_eq!(found.iter().filter(|f| f.rule == "concurrently-in-transaction").count(), expected);
    }
}
