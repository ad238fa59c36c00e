//! DO blocks, bodies of routines, and transactions.

use super::{PLAIN, judge, judge_as, rules, shown};
use crate::convention::{Splitting, Transaction};

#[test]
fn do_blocks_are_read_as_they_run() {
    for (body, expected) in [
        ("NULL;", ""),
        ("ALTER TABLE t DROP c;", "drop-column"),
        ("IF true THEN DROP TABLE t; ELSE ALTER TABLE t RENAME TO u; END IF;", "drop-table rename-table"),
        ("EXECUTE 'DROP TABLE t';", "drop-table"),
        ("EXECUTE E'DROP\\ttable t';", "drop-table"),
        ("EXECUTE ('DROP TABLE t');", "drop-table"),
        ("EXECUTE 'DROP TABLE ' || name;", "opaque-sql"),
        ("EXECUTE format('x');", "opaque-sql"),
        ("EXECUTE 'DROP TABEL t';", "opaque-sql"),
        ("FOR r IN EXECUTE 'SELECT wipe()' LOOP NULL; END LOOP;", "opaque-sql"),
        ("FOR r IN SELECT 1 LOOP DROP VIEW v; END LOOP;", "drop-view"),
        ("PERFORM wipe();", "opaque-sql"),
        ("PERFORM now();", ""),
        ("x := wipe(1);", "opaque-sql"),
        ("CALL wipe();", "opaque-sql"),
        ("UPDATE t SET a = 1;", "~unbounded-dml"),
        ("CREATE INDEX CONCURRENTLY i ON t (a);", "concurrently-in-transaction"),
        (
            "BEGIN DROP TABLE t; EXCEPTION WHEN others THEN DROP TABLE u; END;",
            "drop-table ~wide-lock-window drop-table",
        ),
        ("IF EXISTS (SELECT 1 FROM pg_class) THEN CREATE TABLE n (a int); ALTER TABLE n DROP a; END IF;", ""),
    ] {
        let sql = format!("DO $$ DECLARE x int; r record; BEGIN {body} END $$;");
        assert_eq!(rules(&[], &[&sql]), expected, "{body}");
    }
    assert_eq!(rules(&[], &["DO LANGUAGE plpython3u 'x';"]), "opaque-sql");
    assert_eq!(rules(&[], &["DO $$ BEGIN this is nothing $$;"]), "opaque-sql");
}

#[test]
fn a_finding_in_a_do_block_stands_where_the_clause_does() {
    let sql = "DO $$\nBEGIN\n  ALTER TABLE t\n    DROP COLUMN c;\nEND $$;";
    let found = judge(&[], &[sql]);
    let drop = found.iter().find(|f| f.rule == "drop-column").unwrap();
    assert_eq!((drop.line, drop.column, drop.end_line, drop.end_column), (4, 5, 4, 18));
    let found = judge(&[], &["DO $$ BEGIN EXECUTE 'ALTER TABLE t DROP c'; END $$;"]);
    let drop = found.iter().find(|f| f.rule == "drop-column").unwrap();
    assert_eq!((drop.line, drop.column), (1, 36), "{drop:?}");
}

const WIPE: &str = "CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE t; END $$;\n";

#[test]
fn a_routine_is_code_once_it_is_called() {
    for (then, expected) in [
        ("", ""),
        ("SELECT wipe();", "drop-table"),
        ("SELECT public.wipe();", "drop-table"),
        ("SELECT other.wipe();", "opaque-sql"),
        ("DO $$ BEGIN PERFORM wipe(); END $$;", "drop-table"),
        ("INSERT INTO u SELECT wipe();", "drop-table"),
        (
            "CREATE TABLE n (a int); CREATE TRIGGER g BEFORE INSERT ON n FOR EACH ROW EXECUTE FUNCTION wipe();",
            "drop-table",
        ),
        ("CREATE FUNCTION two() RETURNS void LANGUAGE sql AS 'SELECT wipe()'; SELECT two();", "drop-table"),
        ("CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT wipe(); END; CALL p();", "drop-table"),
        ("CREATE FUNCTION py() RETURNS int LANGUAGE plpython3u AS 'x'; SELECT py();", "opaque-sql"),
        ("CREATE FUNCTION me() RETURNS int LANGUAGE sql AS 'SELECT me()'; SELECT me();", "opaque-sql"),
    ] {
        assert_eq!(rules(&[], &[&format!("{WIPE}{then}")]), expected, "{then}");
    }
    assert_eq!(rules(&[], &[WIPE, "SELECT wipe();"]), "drop-table");
    let found = judge(&[], &[WIPE, "SELECT wipe();"]);
    let drop = found.iter().find(|f| f.rule == "drop-table").unwrap();
    assert!(drop.reason.starts_with("drops table t (in wipe(), m.sql:1): "), "{}", drop.reason);
}

#[test]
fn a_result_type_that_changes_is_refused() {
    let old = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    let new = "CREATE OR REPLACE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT 1';";
    assert_eq!(rules(&[old], &[new]), "~replace-routine replace-routine");
    assert_eq!(rules(&[old], &[&new.replace("bigint", "int")]), "~replace-routine");
}

const WRAPPED: (Transaction, Splitting) = (Transaction::Around, Splitting::Statements);
const ONE_QUERY: (Transaction, Splitting) = (Transaction::None, Splitting::Whole);
const EACH: (Transaction, Splitting) = (Transaction::None, Splitting::Statements);

#[test]
fn transactions_are_the_runners_the_files_and_the_servers() {
    let index = "CREATE INDEX CONCURRENTLY i ON t (a);";
    let validate =
        "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k;";
    let label = "CREATE TYPE m AS ENUM ('a'); ALTER TYPE m ADD VALUE 'x'; INSERT INTO t VALUES ('x');";
    for (how, sql, expected) in [
        (WRAPPED, index.to_owned(), "concurrently-in-transaction"),
        (ONE_QUERY, index.to_owned(), ""),
        (ONE_QUERY, format!("{index} SELECT 1;"), "concurrently-in-transaction"),
        (EACH, format!("{index} SELECT 1;"), ""),
        (EACH, format!("BEGIN; {index} COMMIT;"), "concurrently-in-transaction"),
        (EACH, format!("BEGIN; SELECT 1; COMMIT; {index}"), ""),
        (PLAIN, format!("SELECT 1; {index}"), ""),
        (WRAPPED, validate.to_owned(), "~new-write-restriction ~wide-lock-window validate-in-same-tx"),
        (EACH, validate.to_owned(), "~new-write-restriction"),
        (
            EACH,
            format!("BEGIN; {validate} COMMIT;"),
            "~new-write-restriction ~wide-lock-window validate-in-same-tx",
        ),
        (WRAPPED, label.to_owned(), "enum-value-used-in-tx"),
        (EACH, label.to_owned(), ""),
        (
            WRAPPED,
            "ALTER TYPE m ADD VALUE 'x'; ALTER TYPE m ADD VALUE 'y' AFTER 'x';".to_owned(),
            "~enum-add-value ~enum-add-value",
        ),
        (
            WRAPPED,
            "ALTER TABLE t ADD c int; UPDATE t SET c = 1 WHERE c IS NULL;".to_owned(),
            "~stale-plan ~wide-lock-window",
        ),
        (EACH, "ALTER TABLE t ADD c int; UPDATE t SET c = 1 WHERE c IS NULL;".to_owned(), "~stale-plan"),
        (
            WRAPPED,
            "ALTER TABLE t ADD c int; CREATE TABLE n (a int); INSERT INTO n VALUES (1);".to_owned(),
            "~stale-plan",
        ),
    ] {
        assert_eq!(shown(&judge_as(how, None, &[], &[&sql])), expected, "{how:?} {sql}");
    }
}

#[test]
fn a_lock_timeout_is_missed_once_and_only_on_old_tables() {
    let count = |sql: &str| judge(&[], &[sql]).iter().filter(|f| f.rule == "lock-timeout-missing").count();
    assert_eq!(count("ALTER TABLE t ADD c int; ALTER TABLE u ADD c int;"), 1);
    assert_eq!(count("SET LOCAL lock_timeout = '2s'; ALTER TABLE t ADD c int;"), 0);
    assert_eq!(count("SELECT set_config('lock_timeout', '2s', true); ALTER TABLE t ADD c int;"), 0);
    assert_eq!(count("SET lock_timeout = 0; ALTER TABLE t ADD c int;"), 1);
    assert_eq!(count("ALTER TABLE t ADD c int; SET lock_timeout = '2s';"), 1);
    assert_eq!(count("CREATE TABLE t (a int); ALTER TABLE t ADD c int;"), 0);
    assert_eq!(count("CREATE INDEX CONCURRENTLY i ON t (a); UPDATE t SET a = 1 WHERE b;"), 0);
}

#[test]
fn a_lock_timeout_that_is_missing_everywhere_is_said_once_with_every_place() {
    let waits = "ALTER TABLE t ADD a int; ALTER TABLE t ADD b int;";
    let said = |files: &[&str]| -> Vec<String> {
        let found = judge(&[], files);
        let found = found.iter().filter(|finding| finding.rule == "lock-timeout-missing");
        found.map(|finding| format!("{}: {}", finding.line, finding.reason)).collect()
    };
    let one = said(&[waits]);
    assert!(one.len() == 1 && !one[0].contains("the same in"), "{one:?}");
    let set = "SET lock_timeout = '2s'; ALTER TABLE t ADD c int;";
    let some = said(&["SELECT 1;", waits, set, "\nDROP TABLE u;"]);
    assert!(
        some.len() == 1 && some[0].starts_with("1: ") && some[0].ends_with("; the same in m.sql:2"),
        "{some:?}"
    );
    let many = said(&[waits; 20]);
    assert!(many[0].ends_with("m.sql:1 and 11 more files"), "{many:?}");
}

#[test]
fn set_not_null_passes_after_a_check_that_an_earlier_transaction_validated() {
    let add = "ALTER TABLE t ADD CONSTRAINT k CHECK (c IS NOT NULL) NOT VALID;";
    let validate = "ALTER TABLE t VALIDATE CONSTRAINT k;";
    let set = "ALTER TABLE t ALTER c SET NOT NULL;";
    assert_eq!(rules(&[], &[add, validate, set]), "~new-write-restriction");
    assert_eq!(rules(&[add, validate], &[set]), "");
    assert_eq!(rules(&["ALTER TABLE t ADD CONSTRAINT k CHECK (c IS NOT NULL);"], &[set]), "");
    assert_eq!(rules(&[add], &[set]), "set-not-null");
    assert_eq!(rules(&[add], &[&format!("{validate}{set}")]), "set-not-null");
    assert_eq!(rules(&[add, validate, "ALTER TABLE t DROP CONSTRAINT k;"], &[set]), "set-not-null");
    assert_eq!(rules(&[add, validate], &["ALTER TABLE t ALTER d SET NOT NULL;"]), "set-not-null");
}

#[test]
fn what_older_files_say_of_a_column_counts() {
    let drop = "ALTER TABLE t ALTER c DROP DEFAULT;";
    assert_eq!(rules(&["CREATE TABLE t (c int DEFAULT 1);"], &[drop]), "~drop-default");
    assert_eq!(rules(&["CREATE TABLE t (c int NOT NULL DEFAULT 1);"], &[drop]), "drop-default");
    assert_eq!(
        rules(&["CREATE TABLE t (c int DEFAULT 1); ALTER TABLE t ALTER c SET NOT NULL;"], &[drop]),
        "drop-default"
    );
    let found = judge(&["CREATE TABLE t (c int);"], &["ALTER TABLE t ALTER c TYPE bigint;"]);
    let change = found.iter().find(|f| f.rule == "alter-column-type").unwrap();
    assert!(
        change.reason.contains(
            "from int to bigint (a value read as integer no longer decodes, the table is rewritten"
        ),
        "{}",
        change.reason
    );
}
