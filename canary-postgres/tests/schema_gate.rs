//! The gate with shadow runs and phases, on real repositories and throw-away servers.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod contracts;
mod repository;

use std::time::Duration;

use canary_core::fleet::{Digest, Provenance, ReleasePhase};
use canary_core::traits::{GateVerdict, Release, ReleaseDirection, RunsWhere, Severity};
use canary_postgres::shadow::Shadow;
use canary_postgres::{
    Allowance, ContractStore, Convention, Examined, Force, GateConfig, LOCK_FILE, MigrationFilesGate,
    SchemaGate, StoredContract,
};

use contracts::contract;
use repository::{Repository, refused, undecided};

const USERS: (&str, &str) = (
    "migrations/1_users.sql",
    "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, legacy text);\nGRANT ALL ON users TO webapp;\n",
);

fn service(queries: &[&str]) -> Repository {
    let lock = contract("db.rs", queries).to_lock().unwrap();
    Repository::with(&[USERS, (LOCK_FILE, &lock)])
}

fn config(repository: &Repository) -> GateConfig {
    GateConfig { convention: Some(Convention::Sqlx), ..repository.config() }
}

fn gate(config: GateConfig) -> SchemaGate {
    let contracts = ContractStore::at(config.repository.join("state"));
    SchemaGate::new(MigrationFilesGate::new(config), contracts)
}

fn release() -> Release {
    Release::new("api".parse().unwrap(), Digest::of(b"new"))
}

fn examine(gate: &SchemaGate, release: &Release) -> Examined {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(gate.examine(release)).unwrap()
}

fn runs(node: &str, binary: &[u8]) -> RunsWhere {
    RunsWhere { node: node.parse().unwrap(), artifact: Some(Digest::of(binary)), revision: None }
}

#[test]
fn a_column_that_is_added_under_select_star_breaks_prepared_statements() {
    let repository = service(&["SELECT * FROM users WHERE id = $1", "SELECT email FROM users"]);
    repository.write("migrations/2_add.sql", "ALTER TABLE users ADD COLUMN nick text;\n");
    let without = examine(&gate(config(&repository)), &release());
    assert_eq!(
        refused(&without.review),
        ["stale-plan migrations/2_add.sql:1"],
        "reading sees it by the contract at the baseline"
    );
    let with = gate(config(&repository)).with_shadow(Shadow::default());
    let seen = examine(&with, &release());
    assert_eq!(seen.review.verdict, GateVerdict::Refused);
    assert_eq!(
        refused(&seen.review),
        ["stale-plan migrations/2_add.sql:1", "stale-plan migrations/2_add.sql:0"]
    );
    let refusal = |finding: &&canary_core::traits::Finding| finding.severity == Severity::Refuse;
    let finding = seen.review.findings.iter().filter(refusal).find(|finding| finding.line == 0).unwrap();
    assert_eq!(
        (finding.sqlstates.as_slice(), finding.breaks.as_slice()),
        (&["0A000".to_owned()][..], &["src/db.rs:1".to_owned()][..])
    );
    let report = &seen.shadows[0];
    assert_eq!((report.queries, report.judged), (Some(2), 2));
    assert!(report.way_back.as_ref().unwrap().safe, "new connections of the old binary work");
    assert!(
        report.notes.iter().any(|note| note.contains("the role webapp is taken to be there")),
        "{:?}",
        report.notes
    );
    let evidence = seen.review.evidence.join("\n");
    assert!(
        evidence.contains("migrations/2_add.sql:1: metadata only; ACCESS EXCLUSIVE on public.users"),
        "{evidence}"
    );

    // A grant is bound to what was refused, the shadow's findings as much as any.
    let until = canary_core::time::Timestamp::from_millis(4_000_000_000_000);
    let (actor, reason) = ("ada".to_owned(), "connections are recycled".to_owned());
    let wanted: std::collections::BTreeSet<_> =
        seen.review.findings.iter().filter(refusal).map(|finding| finding.grant.clone()).collect();
    let granted = |target: &String| Allowance {
        target: target.parse().unwrap(),
        actor: actor.clone(),
        reason: reason.clone(),
        ticket: None,
        until,
    };
    let allow = wanted.iter().map(granted).collect();
    let granted = gate(GateConfig { allow, ..config(&repository) }).with_shadow(Shadow::default());
    let seen = examine(&granted, &release());
    let GateVerdict::Bypassed { grants } = &seen.review.verdict else { panic!("{:#?}", seen.review) };
    assert_eq!(grants[0].rule, "stale-plan");
}

#[test]
fn a_gate_that_takes_too_long_is_cut_off_and_undecided_whatever_was_granted() {
    let repository = service(&["SELECT email FROM users"]);
    repository.write("migrations/2_add.sql", "CREATE TABLE fresh (id int);\n");
    let late = |config: GateConfig| examine(&gate(config).within(Duration::ZERO), &release()).review;
    let review = late(config(&repository));
    let GateVerdict::Undecided { why } = &review.verdict else { panic!("{review:#?}") };
    assert!(why.starts_with("no answer within 0s, the gate's limit; it was cut off"), "{why}");
    let finding = &review.findings[0];
    assert_eq!((finding.grant.as_str(), finding.severity), ("", Severity::Refuse));
    assert!(finding.remedy.contains("more time"), "{finding:?}");
    assert!(review.permit().is_none());

    // Whoever forces it is told what nobody has seen.
    let force = Some(Force { actor: "ada".to_owned(), reason: "it burns".to_owned() });
    let forced = late(GateConfig { force, ..config(&repository) });
    let GateVerdict::Bypassed { grants } = &forced.verdict else { panic!("{forced:#?}") };
    assert!(grants[0].waved_through[0].contains("no answer within 0s"), "{grants:?}");
}

#[test]
fn what_cannot_be_looked_at_is_undecided_and_what_fails_is_refused() {
    let repository = service(&["SELECT email FROM users", "SELECT nothing FROM nowhere"]);
    repository.write("migrations/2_add.sql", "CREATE TABLE fresh (id int);\n");
    let gate = gate(config(&repository)).with_shadow(Shadow::default());
    let seen = examine(&gate, &release());
    let why = undecided(&seen.review);
    assert!(
        why.contains("1 of 2 queries do not work") && why.contains("src/db.rs:2") && why.contains("42P01"),
        "{why}"
    );

    repository.write(LOCK_FILE, contract("db.rs", &["SELECT email FROM users"]).to_lock().unwrap());
    repository.commit("a contract that holds");
    repository.git(&["branch", "-f", "running"]);
    repository.write("migrations/3_more.sql", "CREATE EXTENSION no_such_extension;\n");
    let seen = examine(&gate, &release());
    let doubts = &seen.shadows[0].doubts;
    assert!(doubts[0].contains("the shadow server lacks an extension"), "{doubts:?}");
    assert!(seen.review.permit().is_none());

    // 22012: no rule sees it; it fails all the same.
    repository
        .write("migrations/3_more.sql", "CREATE TABLE more (id int);\nINSERT INTO more VALUES (1 / 0);\n");
    let seen = examine(&gate, &release());
    assert_eq!(refused(&seen.review), ["migration-fails migrations/3_more.sql:2"], "{:#?}", seen.review);
    assert_eq!(
        seen.review.findings.iter().find(|f| f.rule == "migration-fails").unwrap().sqlstates,
        ["22012"]
    );
}

#[test]
fn contract_waits_for_the_last_node_and_a_proof_lifts_the_drop() {
    let repository = service(&["SELECT id, legacy FROM users"]);
    let next = contract("db.rs", &["SELECT id, email FROM users"]);
    repository.write(LOCK_FILE, next.to_lock().unwrap());
    repository.write("migrations/2_drop.sql", "ALTER TABLE users DROP COLUMN legacy;\n");
    let store = ContractStore::at(repository.path().join("state"));
    let old = contract("db.rs", &["SELECT id, legacy FROM users"]);
    store.save(&Digest::of(b"old"), &StoredContract { revision: None, contract: old }).unwrap();
    store.save(&Digest::of(b"next"), &StoredContract { revision: None, contract: next }).unwrap();
    let plain = gate(config(&repository));
    let proving = gate(config(&repository)).with_shadow(Shadow::default()).accepting_proof();
    let from = Provenance { revision: None, phase: Some(ReleasePhase::Contract) };
    let of = |running: Vec<RunsWhere>| Release { from: from.clone(), running, ..release() };

    let half = examine(&proving, &of(vec![runs("api-1", b"next"), runs("api-2", b"old")]));
    assert_eq!(half.review.verdict, GateVerdict::Refused);
    let phase = half.review.findings.iter().find(|finding| finding.rule == "phase-order").unwrap();
    assert!(phase.reason.starts_with("api-2 still runs "), "{}", phase.reason);
    assert_eq!(half.shadows.len(), 2, "one for each binary that runs");

    let all = of(vec![runs("api-1", b"next"), runs("api-2", b"next")]);
    let strict = examine(&plain, &all);
    assert_eq!(refused(&strict.review), ["drop-column migrations/2_drop.sql:1"]);
    let proven = examine(&proving, &all);
    assert_eq!(proven.review.verdict, GateVerdict::Pass, "{:#?}", proven.review);
    let lifted = proven.review.findings.iter().find(|finding| finding.rule == "drop-column").unwrap();
    assert!(lifted.severity == Severity::Warn && lifted.reason.contains("proven"), "{lifted:?}");

    let unknown = examine(&proving, &of(vec![runs("api-1", b"next"), runs("api-2", b"who knows")]));
    assert!(unknown.review.permit().is_none(), "{:#?}", unknown.review);
    assert!(
        unknown
            .review
            .findings
            .iter()
            .any(|finding| finding.reason.contains("whose SQL contract is not known here"))
    );

    // No phase but contract is proven anything.
    let expand = Release { from: Provenance { phase: Some(ReleasePhase::Expand), ..from.clone() }, ..all };
    let early = examine(&proving, &expand);
    assert!(
        refused(&early.review).contains(&"phase-order migrations/2_drop.sql:1".to_owned()),
        "{:#?}",
        early.review
    );
}

#[test]
fn the_old_binary_comes_back_only_to_a_schema_it_works_with() {
    let repository = service(&["SELECT id, legacy FROM users"]);
    repository.write("migrations/2_add.sql", "CREATE TABLE fresh (id int);\n");
    repository.commit("adds");
    let gate = gate(config(&repository)).with_shadow(Shadow::default());
    let from = Provenance { revision: Some("running".parse().unwrap()), phase: None };
    let back = Release {
        direction: ReleaseDirection::Back,
        from,
        ..Release::new("api".parse().unwrap(), Digest::of(b"old"))
    };
    let open = examine(&gate, &back);
    assert_eq!(open.review.verdict, GateVerdict::Pass, "{:#?}", open.review);

    repository.write("migrations/3_drop.sql", "ALTER TABLE users DROP COLUMN legacy;\n");
    repository.commit("drops");
    let closed = examine(&gate, &back);
    assert_eq!(closed.review.verdict, GateVerdict::Refused);
    let first = closed.review.findings.iter().find(|finding| finding.severity == Severity::Refuse).unwrap();
    assert!(first.reason.starts_with("src/db.rs:1: column \"legacy\" does not exist"), "{}", first.reason);
    assert_eq!(
        (first.file.as_str(), first.sqlstates.as_slice()),
        ("migrations/3_drop.sql", &["42703".to_owned()][..])
    );

    // Without a shadow run, what was taken away stands for what it can break.
    let read = examine(&self::gate(config(&repository)), &back);
    assert_eq!(refused(&read.review), ["drop-column migrations/3_drop.sql:1"]);
    // Nobody knows what the binary has not seen.
    let unknown = Release { from: Provenance::default(), ..back };
    let seen = examine(&self::gate(config(&repository)), &unknown);
    assert!(
        undecided(&seen.review).contains("which revision the binary that is to come back was built from")
    );
}

#[test]
fn what_has_run_is_what_the_running_revision_brought_wherever_the_work_tree_stands() {
    let repository = service(&["SELECT id, legacy FROM users"]);
    repository.write("migrations/2_add.sql", "CREATE TABLE fresh (id int);\n");
    repository.commit("adds");
    let adds = repository.revision();
    repository.write("migrations/3_drop.sql", "ALTER TABLE users DROP COLUMN legacy;\n");
    repository.commit("drops");
    let drops = repository.revision();
    let gate = gate(config(&repository));
    let from = Provenance { revision: Some("running".parse().unwrap()), phase: None };
    let back = |revisions: &[(&str, Option<&str>)]| Release {
        direction: ReleaseDirection::Back,
        from: from.clone(),
        running: revisions
            .iter()
            .map(|(node, revision)| RunsWhere {
                revision: revision.map(|revision| revision.parse().unwrap()),
                ..runs(node, b"new")
            })
            .collect(),
        ..Release::new("api".parse().unwrap(), Digest::of(b"old"))
    };
    let asked = |revisions: &[(&str, Option<&str>)]| examine(&gate, &back(revisions)).review;
    let dropped = ["drop-column migrations/3_drop.sql:1"];

    // The drop is in the work tree, and no node runs it.
    let open = asked(&[("api-1", Some(&adds)), ("api-2", Some(&adds))]);
    assert_eq!(open.verdict, GateVerdict::Pass, "{:#?}", open.findings);
    let says = format!("those of {}, which runs, read from git", &adds[..12]);
    assert!(open.evidence[0].ends_with(&says), "{:?}", open.evidence);

    // One node runs it, and the work tree has been put back.
    repository.git(&["checkout", "-q", &adds]);
    repository.write("migrations/4_rename.sql", "ALTER TABLE users RENAME COLUMN email TO mail;\n");
    let closed = asked(&[("api-1", Some(&adds)), ("api-2", Some(&drops))]);
    assert_eq!(refused(&closed), dropped);
    assert!(closed.evidence[0].contains(&drops[..12]), "{:?}", closed.evidence);
    let same = asked(&[("api-1", Some("running"))]);
    assert!(matches!(same.verdict, GateVerdict::NothingNew { .. }), "{:#?}", same.verdict);

    // Where the record does not tell, the work tree stands, and it is said why.
    for (running, why) in [
        (&[][..], "nothing is known of what runs"),
        (&[("api-1", Some(adds.as_str())), ("api-2", None)], "no revision of what api-2 runs"),
        (&[("api-1", Some("0123456789012345678901234567890123456789"))], "is not in this clone"),
    ] {
        let review = asked(running);
        assert_eq!(refused(&review), ["rename-column migrations/4_rename.sql:1"]);
        assert!(review.evidence[0].contains("the work tree") && review.evidence[0].contains(why));
    }
    repository.git(&["checkout", "-q", "-b", "aside", "running"]);
    repository.commit("aside");
    let aside = repository.revision();
    let apart = asked(&[("api-1", Some(&adds)), ("api-2", Some(&aside))]);
    assert!(apart.evidence[0].contains("none holds the others"), "{:?}", apart.evidence);
}

#[test]
fn the_old_binary_is_tried_on_the_schema_of_what_runs() {
    let repository = service(&["SELECT id, legacy FROM users"]);
    repository.write("migrations/2_drop.sql", "ALTER TABLE users DROP COLUMN legacy;\n");
    repository.commit("drops");
    let drops = repository.revision();
    repository.git(&["checkout", "-q", "running"]);
    let gate = gate(config(&repository)).with_shadow(Shadow::default());
    let running = RunsWhere { revision: Some(drops.parse().unwrap()), ..runs("api-1", b"new") };
    let back = Release {
        direction: ReleaseDirection::Back,
        from: Provenance { revision: Some("running".parse().unwrap()), phase: None },
        running: vec![running],
        ..Release::new("api".parse().unwrap(), Digest::of(b"old"))
    };
    let seen = examine(&gate, &back);
    assert_eq!(refused(&seen.review), ["query-fails migrations/2_drop.sql:0"], "{:#?}", seen.review);
    assert_eq!(seen.review.findings[0].sqlstates, ["42703"]);
}
