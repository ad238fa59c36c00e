//! The gate on real git repositories, made by each test.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::fs;
use std::path::PathBuf;

use canary_core::traits::{GateVerdict, Review};
use canary_postgres::{Convention, Force, GateConfig};

mod repository;

use repository::{Repository, USERS, git, nothing_new, refused, review, undecided};

#[test]
fn committed_staged_and_untracked_files_are_new() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_committed.sql", "ALTER TABLE users DROP COLUMN a;");
    repository.commit("second");
    repository.write("migrations/3_staged.sql", "\n\nALTER TABLE users DROP COLUMN b;");
    repository.git(&["add", "-A"]);
    repository.write("migrations/4_untracked.sql", "ALTER TABLE users DROP COLUMN c;");
    repository.write(".gitignore", "5_ignored.sql\n");
    repository.write("migrations/5_ignored.sql", "ALTER TABLE users DROP COLUMN d;");
    repository.write("elsewhere/6_x.sql", "DROP TABLE users;");
    let review = repository.review();
    assert_eq!(review.verdict, GateVerdict::Refused);
    assert_eq!(
        refused(&review),
        [
            "drop-column migrations/2_committed.sql:1",
            "drop-column migrations/3_staged.sql:3",
            "drop-column migrations/4_untracked.sql:1",
            "drop-column migrations/5_ignored.sql:1",
        ]
    );
    assert!(review.permit().is_none());
    assert!(
        review.evidence.contains(&"migrations/3_staged.sql, 1 statement".to_owned()),
        "{:?}",
        review.evidence
    );
}

#[test]
fn additive_migrations_pass_and_give_a_permit() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_more.sql", "CREATE TABLE t (a int);\nALTER TABLE t DROP a;\n");
    let review = repository.review();
    assert_eq!((review.verdict.clone(), review.findings.len()), (GateVerdict::Pass, 0));
    assert_eq!(review.permit().unwrap().review(), review.digest);
}

#[test]
fn files_of_the_running_branch_that_came_later_are_not_missing_here() {
    let repository = Repository::with(&[USERS]);
    repository.git(&["checkout", "-q", "running"]);
    repository.write("migrations/2_theirs.sql", "DROP TABLE users;");
    repository.commit("theirs");
    repository.git(&["checkout", "-q", "main"]);
    repository.write("migrations/3_ours.sql", "CREATE TABLE t (a int);");
    repository.commit("ours");
    assert_eq!(repository.review().verdict, GateVerdict::Pass);
}

#[test]
fn nothing_new_says_why() {
    let repository = Repository::with(&[USERS]);
    let review = repository.review();
    let why = nothing_new(&review).to_owned();
    assert!(why.contains("name the revision that is running as the base"), "{why}");
    assert!(review.permit().is_some());

    repository.write("src/main.rs", "fn main() {}");
    repository.commit("code only");
    let review = repository.review();
    assert!(nothing_new(&review).starts_with("no file in migrations differs from running ("));

    let mut config = repository.config();
    config.dir = PathBuf::from("db/migrate");
    assert!(nothing_new(&review_of(config)).contains("there is no migrations directory at "));

    repository.write("migrations/README.md", "how to");
    assert!(nothing_new(&repository.review()).contains("no migrations that a deploy runs"));
}

fn review_of(config: GateConfig) -> Review {
    review(config)
}

#[test]
fn a_missing_directory_needs_no_repository_and_hides_no_deletion() {
    let plain = tempfile::tempdir().unwrap();
    assert!(
        nothing_new(&review(GateConfig::new(plain.path(), "migrations"))).contains("no migrations directory")
    );

    let repository = Repository::with(&[USERS]);
    fs::remove_dir_all(repository.path().join("migrations")).unwrap();
    assert_eq!(refused(&repository.review()), ["deleted-migration migrations/1_users.sql:0"]);
}

#[test]
fn edited_deleted_and_renamed_migrations_are_refused() {
    let repository =
        Repository::with(&[USERS, ("migrations/2_b.sql", "SELECT 1;"), ("migrations/3_c.sql", "SELECT 1;")]);
    repository.write("migrations/1_users.sql", "CREATE TABLE users (id bigint);");
    repository.remove("migrations/2_b.sql");
    repository.git(&["mv", "migrations/3_c.sql", "migrations/4_c.sql"]);
    assert_eq!(
        refused(&repository.review()),
        [
            "edited-migration migrations/1_users.sql:0",
            "deleted-migration migrations/2_b.sql:0",
            "deleted-migration migrations/3_c.sql:0",
        ]
    );
}

#[test]
fn what_git_cannot_tell_is_undecided_with_what_to_do() {
    let plain = tempfile::tempdir().unwrap();
    fs::create_dir(plain.path().join("migrations")).unwrap();
    let why = undecided(&review(GateConfig::new(plain.path(), "migrations"))).to_owned();
    assert!(why.contains("is not a git work tree") && why.contains("run the gate in a clone"), "{why}");

    let repository = Repository::with(&[USERS]);
    let with_base = |base: &str| {
        let mut config = repository.config();
        config.base = base.into();
        undecided(&review(config)).to_owned()
    };
    assert_eq!(with_base("origin/main"), "the base origin/main is unknown here; run git fetch origin main");
    assert!(with_base("v9").contains("run git fetch origin v9, or name a revision"));
    assert!(with_base("--output=x").contains("must not start with '-'"));
    assert!(with_base("HEAD..running").contains("it names a range"));
    assert!(!repository.path().join("x").exists());

    let unborn = tempfile::tempdir().unwrap();
    git(unborn.path(), &["init", "-q"]);
    fs::create_dir(unborn.path().join("migrations")).unwrap();
    assert!(undecided(&review(GateConfig::new(unborn.path(), "migrations"))).contains("no commit yet"));

    repository.git(&["checkout", "-q", "--orphan", "other"]);
    repository.commit("unrelated");
    assert!(undecided(&repository.review()).contains("have no common history"));
}

#[test]
fn a_shallow_clone_that_misses_the_merge_base_is_undecided() {
    let repository = Repository::with(&[USERS]);
    repository.git(&["checkout", "-q", "running"]);
    repository.commit("theirs");
    repository.git(&["checkout", "-q", "main"]);
    repository.commit("ours");
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", repository.path().display());
    git(clone.path(), &["clone", "-q", "--depth", "1", "--no-single-branch", &url, "."]);
    let mut config = GateConfig::new(clone.path(), "migrations");
    config.base = "origin/running".into();
    let why = undecided(&review(config)).to_owned();
    assert!(why.contains("shallow") && why.contains("git fetch --unshallow"), "{why}");
}

#[test]
fn a_directory_outside_or_no_directory_is_undecided() {
    let repository = Repository::with(&[USERS]);
    let outside = tempfile::tempdir().unwrap();
    let mut config = repository.config();
    config.dir = outside.path().to_owned();
    assert!(undecided(&review(config)).contains("lies outside the work tree"));
    let mut config = repository.config();
    config.dir = PathBuf::from("README.md");
    assert!(undecided(&review(config)).contains("is not a directory"));
}

#[test]
fn the_repository_may_be_a_subdirectory_and_the_directory_absolute() {
    let repository = Repository::with(&[("api/migrations/1_a.sql", "SELECT 1;")]);
    repository.write("api/migrations/2_b.sql", "DROP TABLE t;");
    let mut config = repository.config();
    config.repository = repository.path().join("api");
    assert_eq!(refused(&review(config.clone())), ["drop-table migrations/2_b.sql:1"]);
    config.dir = repository.path().join("api/migrations");
    let file = config.dir.join("2_b.sql");
    assert_eq!(refused(&review(config)), [format!("drop-table {}:1", file.display())]);
}

#[test]
fn odd_names_are_paths_and_nothing_else() {
    let repository = Repository::with(&[USERS]);
    for name in ["2_a b.sql", "3_$(touch x).sql", "4_;\n.sql", "5_*.sql", "6_ä.sql", ":(top)7.sql"] {
        repository.write(&format!("migrations/{name}"), "SELECT 1;");
    }
    repository.write("migrations/-8.sql", "DROP TABLE users;");
    let review = repository.review();
    assert_eq!(refused(&review), ["drop-table migrations/-8.sql:1"]);
    assert_eq!(review.evidence.iter().filter(|line| line.ends_with(", 1 statement")).count(), 7);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let repository = Repository::with(&[USERS]);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), repository.path().join("migrations/2_link.sql")).unwrap();
    std::os::unix::fs::symlink("/", repository.path().join("migrations/3_dir")).unwrap();
    repository.write("migrations/4_latin.sql", b"SELECT 1;\n-- \xe4\nDROP TABLE t;");
    repository.write("migrations/5_huge.sql", vec![b' '; (10 << 20) + 1]);
    repository.write("migrations/6_bom.sql", "\u{feff}SELECT 1;");
    repository.write("migrations/7_quote.sql", "SELECT 1;\r\nSELECT 'open;\r\n");
    repository.write("migrations/8_program.go", "package x");
    repository.write("migrations/9_empty.sql", "");
    repository.write("migrations/10_crlf.sql", "SELECT 1;\r\nDROP TABLE t;\r\n");
    let review = repository.review();
    assert_eq!(
        refused(&review),
        [
            "unparsed-sql migrations/2_link.sql:0",
            "unparsed-sql migrations/3_dir:0",
            "unparsed-sql migrations/4_latin.sql:2",
            "unparsed-sql migrations/5_huge.sql:0",
            "unparsed-sql migrations/6_bom.sql:1",
            "unparsed-sql migrations/7_quote.sql:2",
            "opaque-sql migrations/8_program.go:0",
            "drop-table migrations/10_crlf.sql:2",
        ]
    );
    let reason = |file: &str| review.findings.iter().find(|f| f.file.contains(file)).unwrap().reason.clone();
    assert!(reason("2_link").contains("leads out of the work tree"));
    assert!(reason("4_latin").contains("is not UTF-8 (byte 13)"));
    assert!(reason("5_huge").contains("more than 10485760 are not judged"));
    assert!(review.evidence.contains(&"migrations/9_empty.sql, 0 statements".to_owned()));
}

#[test]
fn every_convention_leaves_its_way_back_alone() {
    for (convention, up, down) in [
        (Convention::Sqlx, "2_b.up.sql", Some("2_b.down.sql")),
        (Convention::GolangMigrate, "2_b.up.sql", Some("2_b.down.sql")),
        (Convention::Diesel, "2_b/up.sql", Some("2_b/down.sql")),
        (Convention::Flyway, "V2__b.sql", Some("U2__b.sql")),
        (Convention::Goose, "2_b.sql", None),
        (Convention::Dbmate, "2_b.sql", None),
        (Convention::SqlMigrate, "2_b.sql", None),
    ] {
        let (before, after) = match convention {
            Convention::Goose => ("-- +goose Up\n", "\n-- +goose Down\nDROP TABLE users;"),
            Convention::Dbmate => ("-- migrate:up\n", "\n-- migrate:down\nDROP TABLE users;"),
            Convention::SqlMigrate => ("-- +migrate Up\n", "\n-- +migrate Down\nDROP TABLE users;"),
            _ => ("", ""),
        };
        for (sql, expected) in
            [("CREATE TABLE t (a int);", GateVerdict::Pass), ("DROP TABLE users;", GateVerdict::Refused)]
        {
            let repository = Repository::with(&[]);
            repository.write(&format!("migrations/{up}"), format!("{before}{sql}{after}"));
            if let Some(down) = down {
                repository.write(&format!("migrations/{down}"), "DROP TABLE users;");
            }
            let mut config = repository.config();
            config.convention = Some(convention);
            let review = review(config);
            assert_eq!(review.verdict, expected, "{convention}: {:?}", review.findings);
        }
    }
}

#[test]
fn a_marker_of_another_tool_is_a_comment() {
    let repository = Repository::with(&[]);
    repository.write("migrations/1_a.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nDROP TABLE users;");
    assert_eq!(repository.review().verdict, GateVerdict::Pass);
    let mut config = repository.config();
    config.convention = Some(Convention::Sqlx);
    assert_eq!(refused(&review(config)), ["drop-table migrations/1_a.sql:4"]);
    repository.write("migrations/2_b.sql", "DROP TABLE users;");
    assert!(undecided(&repository.review()).contains("set the convention to one of"));
}

#[test]
fn repeatable_migrations_of_flyway_may_change() {
    let repository =
        Repository::with(&[("migrations/R__v.sql", "SELECT 1;"), ("migrations/V1__a.sql", "SELECT 1;")]);
    repository.write("migrations/R__v.sql", "CREATE TABLE t (a int);");
    assert_eq!(repository.review().verdict, GateVerdict::Pass);
    repository.write("migrations/R__v.sql", "CREATE TABLE ${schema} (a int);");
    assert!(refused(&repository.review()).contains(&"opaque-sql migrations/R__v.sql:1".to_owned()));
}

#[test]
fn force_waves_through_and_says_what() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "DROP TABLE users; ALTER TABLE a DROP b; ALTER TABLE a DROP c;");
    let plain = repository.review();
    let mut config = repository.config();
    config.force = Some(Force { actor: "alice".to_owned(), reason: "split in my head".to_owned() });
    let forced = review(config.clone());
    let GateVerdict::Bypassed { grants } = &forced.verdict else { panic!("{:?}", forced.verdict) };
    let grants: Vec<_> =
        grants.iter().map(|g| (g.rule.as_str(), g.actor.as_str(), g.reason.as_str())).collect();
    assert_eq!(
        grants,
        [("drop-table", "alice", "split in my head"), ("drop-column", "alice", "split in my head")]
    );
    assert_eq!((forced.findings.len(), forced.digest), (plain.findings.len(), plain.digest));
    assert!(forced.permit().is_some() && plain.permit().is_none());

    config.base = "nowhere".into();
    let unknown = review(config.clone());
    assert!(
        matches!(&unknown.verdict, GateVerdict::Bypassed { grants } if grants[0].rule == "baseline-unusable")
    );
    assert!(unknown.findings[0].reason.starts_with("the base nowhere is unknown here"));

    repository.write("migrations/2_b.sql", "SELECT 1;");
    config.base = "running".into();
    let needless = review(config);
    assert_eq!(needless.verdict, GateVerdict::Pass);
    assert!(needless.evidence.contains(&"a bypass was given and not needed".to_owned()));
}

#[test]
fn the_digest_is_of_names_and_contents() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "DROP TABLE users;");
    let first = repository.review().digest;
    assert_eq!(first, repository.review().digest);
    repository.commit("committing changes nothing");
    assert_eq!(first, repository.review().digest);
    repository.write("migrations/2_b.sql", "DROP TABLE users; ");
    let edited = repository.review().digest;
    repository.write("migrations/2_b.sql", "DROP TABLE users;");
    fs::rename(repository.path().join("migrations/2_b.sql"), repository.path().join("migrations/3_b.sql"))
        .unwrap();
    let renamed = repository.review().digest;
    assert!(first != edited && first != renamed && edited != renamed);
}

#[test]
fn files_are_judged_in_the_order_they_run() {
    let repository = Repository::with(&[]);
    repository.write("migrations/10_drop.sql", "ALTER TABLE t DROP a;");
    repository.write("migrations/9_create.sql", "CREATE TABLE t (a int);");
    assert_eq!(repository.review().verdict, GateVerdict::Pass);
    repository.write("migrations/8_drop.sql", "ALTER TABLE t DROP a;");
    assert_eq!(refused(&repository.review()), ["drop-column migrations/8_drop.sql:1"]);
}

#[test]
fn git_is_asked_about_the_named_repository_only() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "DROP TABLE users;");
    // A hook or monitor configured in the repository must not be started by looking at it.
    let trap = repository.path().join("trap");
    repository.git(&["config", "core.fsmonitor", &format!("touch {}", trap.display())]);
    repository.git(&["config", "diff.external", &format!("touch {}", trap.display())]);
    let _left_by_the_test_itself = fs::remove_file(&trap);
    assert_eq!(refused(&repository.review()), ["drop-table migrations/2_b.sql:1"]);
    assert!(!trap.exists());
}
