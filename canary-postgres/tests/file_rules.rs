//! The rules about files, their history and grants, both ways; and what a finding carries.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod repository;

use canary_core::traits::{GateVerdict, Review, Severity};
use canary_postgres::{Allowance, Base, Convention, Force, GateConfig};
use repository::{Repository, USERS, refused, review, undecided};

fn warned(review: &Review) -> Vec<String> {
    let warnings = review.findings.iter().filter(|finding| finding.severity == Severity::Warn);
    warnings.map(|finding| format!("{} {}:{}", finding.rule, finding.file, finding.line)).collect()
}

fn as_tool(repository: &Repository, convention: Convention) -> GateConfig {
    let mut config = repository.config();
    config.convention = Some(convention);
    config
}

#[test]
fn a_late_number_is_what_its_runner_makes_of_it() {
    let name = |convention: Convention, number: u32| match convention {
        Convention::GolangMigrate => format!("migrations/{number}_x.up.sql"),
        Convention::Refinery | Convention::Flyway => format!("migrations/V{number}__x.sql"),
        Convention::Diesel => format!("migrations/{number}_x/up.sql"),
        _ => format!("migrations/{number}_x.sql"),
    };
    let text = |convention: Convention| match convention {
        Convention::Goose => "-- +goose Up\nSELECT 1;",
        Convention::Dbmate => "-- migrate:up\nSELECT 1;",
        Convention::SqlMigrate => "-- +migrate Up\nSELECT 1;",
        Convention::Liquibase => "--liquibase formatted sql\n--changeset a:1\nSELECT 1;",
        _ => "SELECT 1;",
    };
    for (convention, expected) in [
        (Convention::Sqlx, Some(Severity::Warn)),
        (Convention::Diesel, Some(Severity::Warn)),
        (Convention::Dbmate, Some(Severity::Warn)),
        (Convention::SqlMigrate, Some(Severity::Warn)),
        (Convention::Plain, Some(Severity::Warn)),
        (Convention::GolangMigrate, Some(Severity::Refuse)),
        (Convention::Tern, Some(Severity::Refuse)),
        (Convention::Goose, Some(Severity::Refuse)),
        (Convention::Refinery, Some(Severity::Refuse)),
        (Convention::Flyway, Some(Severity::Refuse)),
        (Convention::Atlas, Some(Severity::Refuse)),
        (Convention::Liquibase, None),
    ] {
        let repository = Repository::with(&[(&name(convention, 20), text(convention))]);
        repository.write(&name(convention, 30), text(convention));
        let in_order = review(as_tool(&repository, convention));
        assert!(in_order.findings.is_empty(), "{convention}: {:?}", in_order.findings);
        repository.write(&name(convention, 3), text(convention));
        let late = review(as_tool(&repository, convention));
        let found: Vec<_> = late.findings.iter().map(|f| (f.rule.as_str(), f.severity)).collect();
        let expected: Vec<_> = expected.map(|severity| ("out-of-order", severity)).into_iter().collect();
        assert_eq!(found, expected, "{convention}");
    }
}

#[test]
fn a_marker_of_another_tool_is_warned_of_and_hides_nothing() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "SELECT 1;\n-- +goose Down\nDROP TABLE users;\n");
    let review_of = |convention| review(as_tool(&repository, convention));
    let sqlx = review_of(Convention::Sqlx);
    assert_eq!(refused(&sqlx), ["drop-table migrations/2_b.sql:3"]);
    assert!(warned(&sqlx).contains(&"foreign-marker migrations/2_b.sql:2".to_owned()));
    repository.write("migrations/2_b.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nDROP TABLE users;\n");
    assert!(review_of(Convention::Goose).findings.is_empty());
}

#[test]
fn two_tools_are_refused_with_the_question_and_the_setting_answers_it() {
    let repository = Repository::with(&[USERS]);
    repository.write("Cargo.toml", "");
    repository.write("src/a.rs", "fn a() { sqlx::migrate!(); }");
    repository.write("src/b.rs", "refinery::embed_migrations!(\"migrations\");");
    repository.write("migrations/2_b.sql", "SELECT 1;");
    let asked = repository.review();
    assert!(undecided(&asked).contains("set the convention to the one that runs these migrations"));
    assert_eq!(refused(&asked), ["convention-unclear migrations:0"]);
    assert_eq!(review(as_tool(&repository, Convention::Sqlx)).verdict, GateVerdict::Pass);
    repository.remove("src/b.rs");
    let found = repository.review();
    assert_eq!(found.verdict, GateVerdict::Pass);
    assert!(
        found.evidence.contains(&"convention sqlx: sqlx::migrate! in src/a.rs".to_owned()),
        "{:?}",
        found.evidence
    );
}

#[test]
fn the_revision_that_is_running_is_the_baseline_itself() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "SELECT 1;");
    repository.commit("second");
    let head = repository.revision();
    repository.git(&["checkout", "-q", "-b", "older", "running"]);
    let mut config = repository.config();
    config.base = Base::Running { revision: head.clone(), rollout: "20260101T000000Z-00000001".to_owned() };
    // Going back to a revision that lacks what runs: against a branch this would be nothing new.
    let back = review(config.clone());
    assert_eq!(refused(&back), ["deleted-migration migrations/2_b.sql:0"]);
    let told = back.baseline.unwrap().to_string();
    assert_eq!(told, format!("{}, what rollout 20260101T000000Z-00000001 left running", &head[..12]));
    repository.git(&["checkout", "-q", "main"]);
    assert!(matches!(review(config.clone()).verdict, GateVerdict::NothingNew { .. }));
    config.base = Base::Running { revision: "0".repeat(40), rollout: "20260101T000000Z-00000001".to_owned() };
    let unknown = review(config);
    assert!(undecided(&unknown).contains("is unknown here"), "{:?}", unknown.verdict);
    assert_eq!(refused(&unknown), ["baseline-unusable migrations:0"]);
}

#[test]
fn a_migration_with_no_number_stops_sqlx() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/x_y.sql", "SELECT 1;");
    assert_eq!(
        refused(&review(as_tool(&repository, Convention::Sqlx))),
        ["unparsed-sql migrations/x_y.sql:0"]
    );
    assert_eq!(review(as_tool(&repository, Convention::Plain)).verdict, GateVerdict::Pass);
}

#[test]
fn transactions_are_the_conventions() {
    let index = "SET lock_timeout = '1s';\nCREATE INDEX CONCURRENTLY i ON users (id);";
    let alone = "CREATE INDEX CONCURRENTLY i ON users (id);";
    for (convention, path, text, side, expected) in [
        (Convention::Sqlx, "2_b.sql", alone.to_owned(), None, false),
        (Convention::Sqlx, "2_b.sql", format!("-- no-transaction\n{alone}"), None, true),
        (Convention::Sqlx, "2_b.sql", format!("-- no-transaction\n{index}"), None, false),
        (Convention::Sqlx, "2_b.sql", format!(" -- no-transaction\n{alone}"), None, false),
        (Convention::Diesel, "2_b/up.sql", alone.to_owned(), None, false),
        (
            Convention::Diesel,
            "2_b/up.sql",
            alone.to_owned(),
            Some(("2_b/metadata.toml", "run_in_transaction = false")),
            true,
        ),
        (Convention::GolangMigrate, "2_b.up.sql", alone.to_owned(), None, true),
        (Convention::GolangMigrate, "2_b.up.sql", index.to_owned(), None, false),
        (
            Convention::Goose,
            "2_b.sql",
            format!("-- +goose NO TRANSACTION\n-- +goose Up\n{index}"),
            None,
            true,
        ),
        (Convention::Goose, "2_b.sql", format!("-- +goose Up\n{index}"), None, false),
        (Convention::Dbmate, "2_b.sql", format!("-- migrate:up transaction:false\n{alone}"), None, true),
        (Convention::SqlMigrate, "2_b.sql", format!("-- +migrate Up notransaction\n{index}"), None, true),
        (Convention::Refinery, "V2__b.sql", alone.to_owned(), None, false),
        (Convention::Tern, "2_b.sql", format!("---- tern: disable-tx ----\n{index}"), None, true),
        (Convention::Tern, "2_b.sql", alone.to_owned(), None, false),
        (Convention::Flyway, "V2__b.sql", alone.to_owned(), None, true),
        (Convention::Flyway, "V2__b.sql", index.to_owned(), None, false),
        (
            Convention::Flyway,
            "V2__b.sql",
            index.to_owned(),
            Some(("V2__b.sql.conf", "executeInTransaction=false")),
            true,
        ),
        (
            Convention::Liquibase,
            "b.sql",
            format!("--liquibase formatted sql\n--changeset a:1 runInTransaction:false\n{index}"),
            None,
            true,
        ),
        (
            Convention::Liquibase,
            "b.sql",
            format!("--liquibase formatted sql\n--changeset a:1\n{index}"),
            None,
            false,
        ),
        (Convention::Atlas, "2_b.sql", format!("-- atlas:txmode none\n{index}"), None, true),
        (Convention::Atlas, "2_b.sql", alone.to_owned(), None, false),
        (Convention::Psql, "2_b.sql", format!("\\set x 1\n{index}"), None, true),
        (Convention::Psql, "2_b.sql", format!("BEGIN;\n{index}\nCOMMIT;"), None, false),
    ] {
        let repository = Repository::with(&[]);
        repository.write(&format!("migrations/{path}"), &text);
        if let Some((side, settings)) = side {
            repository.write(&format!("migrations/{side}"), settings);
        }
        let found = review(as_tool(&repository, convention));
        let fails = found.findings.iter().any(|f| f.rule == "concurrently-in-transaction");
        assert_eq!(!fails, expected, "{convention} {text:?}: {:?}", refused(&found));
    }
}

fn grant(target: &str, until: &str) -> Allowance {
    Allowance {
        target: target.parse().unwrap(),
        actor: "grace".to_owned(),
        reason: "read nowhere".to_owned(),
        ticket: Some("OPS-7".to_owned()),
        until: until.to_owned().try_into().unwrap(),
    }
}

const LATER: &str = "2999-01-01T00:00:00Z";

#[test]
fn a_grant_is_for_one_rule_in_one_file_as_it_was_refused() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "DROP TABLE a; DROP TABLE b; DROP VIEW v;");
    repository.write("migrations/3_c.sql", "DROP TABLE c;");
    let target = |rule: &str, file: &str| {
        let review = repository.review();
        review.findings.iter().find(|f| f.rule == rule && f.file == file).unwrap().grant.clone()
    };
    let with = |allow: Vec<Allowance>| review(GateConfig { allow, ..repository.config() });
    let (tables, view, other) = (
        target("drop-table", "migrations/2_b.sql"),
        target("drop-view", "migrations/2_b.sql"),
        target("drop-table", "migrations/3_c.sql"),
    );
    assert_eq!(with(vec![grant(&tables, LATER)]).verdict, GateVerdict::Refused);
    let all = || vec![grant(&tables, LATER), grant(&view, LATER), grant(&other, LATER)];
    let passed = with(all());
    let GateVerdict::Bypassed { grants } = &passed.verdict else { panic!("{:?}", passed.verdict) };
    assert_eq!(grants.iter().map(|grant| grant.waved_through.len()).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(
        (grants[0].ticket.as_deref(), grants[0].file.as_deref()),
        (Some("OPS-7"), Some("migrations/2_b.sql"))
    );
    assert!(passed.permit().is_some());

    let mut one_expired = all();
    one_expired[2] = grant(&other, "2001-01-01T00:00:00Z");
    let refused_again = with(one_expired);
    assert_eq!(refused_again.verdict, GateVerdict::Refused);
    assert!(refused(&refused_again).contains(&"grant-unusable migrations/3_c.sql:0".to_owned()));
    repository.write("migrations/3_c.sql", "DROP TABLE c; ");
    assert_eq!(with(all()).verdict, GateVerdict::Refused, "the file has other content");

    let repository = Repository::with(&[USERS]);
    let needless = review(GateConfig { allow: vec![grant(&other, LATER)], ..repository.config() });
    assert_eq!(refused(&needless), ["grant-unusable migrations/3_c.sql:0"]);
    assert!(needless.permit().is_none());
}

#[test]
fn force_does_not_wave_a_wrong_grant_through() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "DROP TABLE a;");
    let force = Some(Force { actor: "ada".to_owned(), reason: "outage".to_owned() });
    let allow = vec![grant("drop-view@migrations/2_b.sql#000000000000", LATER)];
    let forced = GateConfig { force, ..repository.config() };
    assert!(matches!(review(forced.clone()).verdict, GateVerdict::Bypassed { .. }));
    assert_eq!(review(GateConfig { allow, ..forced }).verdict, GateVerdict::Refused);
}

#[test]
fn an_undecided_review_can_be_granted_as_it_stands() {
    let repository = Repository::with(&[USERS]);
    let mut config = repository.config();
    config.base = "nowhere".into();
    let asked = review(config.clone());
    config.allow = vec![grant(&asked.findings[0].grant, LATER)];
    let GateVerdict::Bypassed { grants } = review(config.clone()).verdict else { panic!() };
    assert_eq!(grants[0].rule, "baseline-unusable");
    config.base = "elsewhere".into();
    assert!(review(config).permit().is_none());
}

#[test]
fn comments_that_ask_are_shown_and_grant_nothing() {
    let repository = Repository::with(&[USERS]);
    repository.write("migrations/2_b.sql", "-- gate: allow drop-table\nDROP TABLE a;\n");
    let review = repository.review();
    assert_eq!(review.verdict, GateVerdict::Refused);
    let asked = "migrations/2_b.sql:1 asks to allow drop-table: a request, not a grant".to_owned();
    assert!(review.evidence.contains(&asked), "{:?}", review.evidence);
}

#[test]
fn findings_carry_the_clause_its_end_and_its_codes() {
    let repository = Repository::with(&[USERS]);
    repository
        .write("migrations/2_b.sql", "ALTER TABLE users\r\n\tDROP COLUMN email,\r\n  DROP\r\n    id;\r\n");
    let review = repository.review();
    let drops: Vec<_> = review.findings.iter().filter(|f| f.rule == "drop-column").collect();
    let first = drops[0];
    assert_eq!((first.line, first.column, first.end_line, first.end_column), (2, 2, 2, 19));
    assert_eq!((first.source.len(), first.source[0].text.as_str()), (1, "\tDROP COLUMN email,"));
    assert_eq!((first.source[0].from, first.source[0].to), (1, 18));
    assert_eq!(first.sqlstates, ["0A000", "42703"]);
    assert_eq!(first.steps.len(), 3);
    let second = drops[1];
    let lines: Vec<_> = second.source.iter().map(|l| (l.line, l.from, l.to)).collect();
    assert_eq!(lines, [(3, 2, 6), (4, 4, 6)]);
}
