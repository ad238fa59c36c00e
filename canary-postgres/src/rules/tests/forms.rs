//! The forms of statements that a migration may be written in: each is understood, and what is on no list is refused by
//! name, not for want of a parser.

use std::collections::BTreeSet;

use super::{judge, rules};

/// Understood, and on no list of what a migration may do.
const ON_NO_LIST: &[&str] = &[
    "ALTER EXTENSION",
    "ALTER TABLE",
    "ALTER SYSTEM",
    "ALTER STATISTICS",
    "CHECKPOINT",
    "CREATE CAST",
    "CREATE EVENT",
    "CREATE OPERATOR",
    "CREATE PUBLICATION",
    "CREATE SERVER",
    "CREATE SUBSCRIPTION",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    "EXPLAIN (ANALYZE,",
    "IMPORT FOREIGN",
    "REASSIGN OWNED",
    "ROLLBACK",
    "ROLLBACK TO",
    "SECURITY LABEL",
];

#[test]
fn every_form_is_understood() {
    let forms: Vec<&str> = include_str!("forms.sql").lines().collect();
    assert!(forms.len() >= 149, "{}", forms.len());
    let refused: Vec<&&str> =
        forms.iter().filter(|sql| judge(&[], &[sql]).iter().any(|f| f.rule == "unparsed-sql")).collect();
    assert_eq!(refused, Vec::<&&str>::new());
    let unknown: BTreeSet<String> = forms
        .iter()
        .filter(|sql| rules(&[], &[sql]).contains("unknown-statement"))
        .map(|sql| sql.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .map(|title| title.trim_end_matches(';').to_owned())
        .collect();
    assert_eq!(unknown, ON_NO_LIST.iter().map(|title| (*title).to_owned()).collect());
}

#[test]
fn what_the_server_would_reject_is_not_understood() {
    let broken = include_str!("broken.sql");
    assert_eq!(broken.lines().count(), 24);
    for sql in broken.lines() {
        assert!(rules(&[], &[sql]).contains("unparsed-sql"), "{sql}: {}", rules(&[], &[sql]));
    }
}
