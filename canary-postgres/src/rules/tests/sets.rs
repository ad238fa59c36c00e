//! Sets of several files, over older ones.

use super::rules;

#[test]
fn a_later_file_is_judged_with_what_an_earlier_one_made() {
    assert_eq!(rules(&[], &["CREATE TABLE t (a int);", "ALTER TABLE t DROP a;"]), "");
    assert_eq!(rules(&[], &["ALTER TABLE t DROP a;", "CREATE TABLE t (a int);"]), "drop-column");
    assert_eq!(
        rules(&[], &["ALTER TABLE t ADD c int;", "ALTER TABLE t ALTER c SET NOT NULL;"]),
        "~stale-plan set-not-null"
    );
    let added = "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;";
    assert_eq!(rules(&[], &[added, "ALTER TABLE t VALIDATE CONSTRAINT k;"]), "~new-write-restriction");
}

#[test]
fn if_not_exists_of_a_known_table_makes_nothing_new() {
    let file = "CREATE TABLE IF NOT EXISTS users (a int); ALTER TABLE users DROP a;";
    assert_eq!(rules(&[], &[file]), "");
    assert_eq!(rules(&["CREATE TABLE users (a int);"], &[file]), "drop-column");
    assert_eq!(rules(&["CREATE TABLE users (a int);", "DROP TABLE users;"], &[file]), "");
    assert_eq!(
        rules(&["CREATE TABLE people (a int); ALTER TABLE people RENAME TO users;"], &[file]),
        "drop-column"
    );
    assert_eq!(rules(&["this is no sql about Users at all"], &[file]), "drop-column");
    assert_eq!(rules(&["this is no sql about superusers at all"], &[file]), "");
    assert_eq!(rules(&["DO $$ BEGIN CREATE TABLE users (a int); END $$;"], &[file]), "drop-column");
}

#[test]
fn a_plain_create_of_a_known_table_makes_nothing_new() {
    let file = "CREATE TABLE users (a int); ALTER TABLE users DROP a;";
    assert_eq!(rules(&["CREATE TABLE public.users (a int);"], &[file]), "drop-column");
    assert_eq!(rules(&["CREATE TABLE other.users (a int);"], &[file]), "");
}

#[test]
fn a_required_domain_of_an_older_file_is_remembered() {
    assert_eq!(
        rules(&["CREATE DOMAIN d AS int NOT NULL;"], &["ALTER TABLE t ADD c d;"]),
        "add-column-required ~stale-plan"
    );
}
