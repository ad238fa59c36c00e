//! Rules that what is known of the running binary decides.

use canary_core::traits::Finding;

use super::{PLAIN, binary, judge_as, shown};
use crate::rules::{BinaryFacts, RequiredColumn};

fn with(facts: BinaryFacts, sql: &str) -> Vec<Finding> {
    judge_as(PLAIN, Some(facts), &[], &[sql])
}

#[test]
fn queries_decide_what_a_warning_becomes() {
    let conflict = "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING";
    for (query, sql, expected) in [
        ("SELECT * FROM t", "ALTER TABLE t ADD c int", "stale-plan"),
        ("SELECT t.* FROM t", "ALTER TABLE t ADD c int", "stale-plan"),
        ("DELETE FROM t WHERE a = $1 RETURNING *", "ALTER TABLE t ADD c int", "stale-plan"),
        ("SELECT a, count(*), a * 2 FROM t GROUP BY a", "ALTER TABLE t ADD c int", ""),
        ("SELECT a FROM t", "ALTER TABLE t ADD c int", ""),
        ("SELECT u.a FROM t JOIN u ON u.t = t.id", "ALTER TABLE t ADD a int", ""),
        ("SELECT a FROM t JOIN u ON u.t = t.id", "ALTER TABLE t ADD a int", "ambiguous-name"),
        (conflict, "ALTER TABLE t DROP CONSTRAINT k", "drop-constraint"),
        ("SELECT a FROM t", "ALTER TABLE t DROP CONSTRAINT k", "~drop-constraint"),
        (conflict, "ALTER TABLE t ADD CHECK (a > 0) NOT VALID", "~new-write-restriction"),
        ("SELECT a FROM t", "ALTER TABLE t ADD CHECK (a > 0) NOT VALID", ""),
        (
            "DELETE FROM u WHERE a = $1",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID",
            "~new-write-restriction",
        ),
        ("SELECT a FROM u", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID", ""),
        ("SELECT a FROM t", "ALTER TABLE t DROP a", "drop-column"),
    ] {
        assert_eq!(shown(&with(binary(&[query]), sql)), expected, "{query} / {sql}");
    }
    let partly = BinaryFacts { complete: false, ..binary(&["SELECT a FROM t"]) };
    assert_eq!(shown(&with(partly, "ALTER TABLE t ADD c int")), "~stale-plan");
}

#[test]
fn findings_name_the_queries_that_break() {
    let facts = binary(&["SELECT a FROM t", "SELECT b FROM t", "SELECT * FROM t", "SELECT a FROM u"]);
    let found = with(facts, "ALTER TABLE t DROP a");
    let drop = found.iter().find(|f| f.rule == "drop-column").unwrap();
    assert_eq!(drop.breaks, ["src/q0.rs:1", "src/q2.rs:1"]);
    assert_eq!(drop.object.as_deref(), Some("t.a"));
}

#[test]
fn columns_read_without_null_and_names_that_are_matched_refuse() {
    let column = RequiredColumn { table: Some("t".into()), column: "c".into(), place: "User.c".into() };
    let facts = BinaryFacts {
        required_columns: vec![column],
        matched_names: vec![("k".to_owned(), "src/err.rs:3".to_owned())],
        ..binary(&[])
    };
    for (sql, expected) in [
        ("ALTER TABLE t ALTER c DROP NOT NULL", "drop-not-null"),
        ("ALTER TABLE u ALTER c DROP NOT NULL", "~drop-not-null"),
        ("ALTER TABLE t RENAME CONSTRAINT k TO l", "rename-constraint"),
        ("ALTER TABLE t RENAME CONSTRAINT m TO l", "~rename-constraint"),
        ("ALTER INDEX k RENAME TO l", "rename-index"),
        ("ALTER TABLE t DROP CONSTRAINT k", "drop-constraint"),
    ] {
        assert_eq!(shown(&with(facts.clone(), sql)), expected, "{sql}");
    }
}

#[test]
fn a_view_in_the_place_of_a_renamed_table_counts_with_a_clean_shadow_run() {
    let sql = "ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u;";
    let shadow = BinaryFacts { shadow_is_clean: true, ..binary(&["SELECT a FROM t"]) };
    assert_eq!(shown(&with(shadow.clone(), sql)), "~rename-table");
    assert_eq!(shown(&with(shadow, "ALTER TABLE t RENAME TO u; CREATE VIEW v AS SELECT 1;")), "rename-table");
    let found = with(binary(&["SELECT a FROM t"]), sql);
    assert_eq!(shown(&found), "rename-table");
    assert!(found.iter().any(|f| f.reason.contains("a clean shadow run")), "{found:?}");
}
