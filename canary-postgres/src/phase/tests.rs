use canary_core::fleet::{Digest, ReleasePhase};
use canary_core::traits::{Finding, RunsWhere, Severity};

use super::{Contracts, PhaseReview, has_word, of_the_baseline, review, sample, takes_away};
use crate::contract::{Computed, Place};

fn found(rule: &str, object: &str) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Refuse,
        file: "migrations/2_x.sql".to_owned(),
        line: 3,
        object: Some(object.to_owned()),
        ..Finding::default()
    }
}

fn runs(node: &str, binary: Option<&str>) -> RunsWhere {
    RunsWhere {
        node: node.parse().unwrap(),
        artifact: binary.map(|binary| Digest::of(binary.as_bytes())),
        revision: None,
    }
}

fn contracts(known: &[(&str, &[&str])]) -> Contracts {
    known.iter().map(|(binary, texts)| (Digest::of(binary.as_bytes()), Some(sample(texts)))).collect()
}

fn reasons(review: &PhaseReview) -> Vec<&str> {
    review.findings.iter().map(|finding| finding.reason.as_str()).collect()
}

#[test]
fn what_takes_away() {
    for rule in ["drop-column", "drop-table", "rename-column", "alter-column-type", "set-not-null", "revoke"]
    {
        assert!(takes_away(rule), "{rule}");
    }
    for rule in [
        "index-not-concurrent",
        "drop-index-not-concurrent",
        "lock-timeout-missing",
        "stale-plan",
        "set-default",
    ] {
        assert!(!takes_away(rule), "{rule}");
    }
}

#[test]
fn a_release_without_a_phase_has_nothing_to_keep_to() {
    let review = review(None, &[found("drop-column", "public.users.old")], &[], &Contracts::new());
    assert_eq!(review, PhaseReview::default());
}

#[test]
fn expand_and_migrate_take_nothing_away() {
    let all = [found("drop-column", "public.users.old"), found("index-not-concurrent", "public.users")];
    for (phase, does) in [(ReleasePhase::Expand, "only adds"), (ReleasePhase::Migrate, "only fills")] {
        let review = review(Some(phase), &all, &[], &Contracts::new());
        assert_eq!(review.findings.len(), 1, "{phase}");
        let finding = &review.findings[0];
        assert_eq!(
            (finding.rule.as_str(), finding.line, finding.severity),
            ("phase-order", 3, Severity::Refuse)
        );
        assert!(finding.reason.contains(does), "{}", finding.reason);
        assert_eq!(review.doubts, Vec::<String>::new());
    }
}

#[test]
fn contract_waits_until_no_node_names_it() {
    let drop = [found("drop-column", "public.users.legacy")];
    let phase = Some(ReleasePhase::Contract);
    let new: (&str, &[&str]) = ("new", &["SELECT id, email FROM users"]);
    let old: (&str, &[&str]) = ("old", &["SELECT id FROM users", "SELECT legacy FROM users"]);
    let known = contracts(&[new, old]);
    let half = [runs("api-1", Some("new")), runs("api-2", Some("old"))];
    let stopped = review(phase, &drop, &half, &known);
    assert_eq!(reasons(&stopped).len(), 1, "{stopped:?}");
    assert!(reasons(&stopped)[0].starts_with("api-2 still runs "), "{stopped:?}");
    assert_eq!(stopped.findings[0].breaks, ["src/db.rs:2"]);
    let all = [runs("api-1", Some("new")), runs("api-2", Some("new"))];
    assert_eq!(review(phase, &drop, &all, &known), PhaseReview::default());
    // A binary is told once, however many nodes run it.
    let fleet: Vec<RunsWhere> = (1..=7).map(|n| runs(&format!("api-{n}"), Some("old"))).collect();
    let stopped = review(phase, &drop, &fleet, &known);
    assert_eq!(reasons(&stopped).len(), 1, "{stopped:?}");
    let told = "api-1, api-2, api-3, api-4, api-5 and 2 more still run ";
    assert!(reasons(&stopped)[0].starts_with(told), "{stopped:?}");
}

#[test]
fn the_baseline_stands_for_what_runs_and_is_said_to() {
    let drop = [found("drop-column", "public.users.legacy")];
    let nobody = RunsWhere { artifact: Some(of_the_baseline()), ..runs("baseline", None) };
    let known = Contracts::from([(of_the_baseline(), Some(sample(&["SELECT legacy FROM users"])))]);
    let stopped = review(Some(ReleasePhase::Contract), &drop, &[nobody], &known);
    assert_eq!(
        reasons(&stopped),
        [
            "no node is seen from here, so what runs is taken to be the baseline's binary, which names public.users.legacy \
             (src/db.rs:1)"
        ]
    );
}

#[test]
fn a_star_and_a_table_name_their_columns() {
    let phase = Some(ReleasePhase::Contract);
    for (text, named) in [
        ("SELECT * FROM users", true),
        ("INSERT INTO users VALUES ($1)", true),
        ("SELECT id FROM users", false),
        ("SELECT * FROM other", false),
    ] {
        let review = review(
            phase,
            &[found("drop-column", "public.users.legacy")],
            &[runs("api-1", Some("b"))],
            &contracts(&[("b", &[text])]),
        );
        assert_eq!(!review.findings.is_empty(), named, "{text}");
    }
    let review = review(
        phase,
        &[found("drop-table", "public.users")],
        &[runs("api-1", Some("b"))],
        &contracts(&[("b", &["DELETE FROM users"])]),
    );
    assert_eq!(review.findings.len(), 1);
}

#[test]
fn what_is_not_known_is_a_doubt() {
    let drop = [found("drop-column", "public.users.legacy")];
    let phase = Some(ReleasePhase::Contract);
    let none = review(phase, &drop, &[], &Contracts::new());
    assert!(none.doubts[0].contains("not known what the nodes run"), "{none:?}");
    let unread = review(phase, &drop, &[runs("api-1", None)], &Contracts::new());
    assert_eq!(unread.doubts, ["it is not known what api-1 runs"]);
    let unknown = review(phase, &drop, &[runs("api-1", Some("b"))], &Contracts::new());
    assert!(unknown.doubts[0].contains("whose SQL contract is not known"), "{unknown:?}");
    let mut partly = sample(&["SELECT 1"]);
    partly.coverage.computed.push(Computed {
        place: Place { file: "src/db.rs".to_owned(), line: 9 },
        call: "sqlx::query".to_owned(),
        made_by: "format!".to_owned(),
    });
    let contracts = Contracts::from([(Digest::of(b"b"), Some(partly))]);
    let partly = review(phase, &drop, &[runs("api-1", Some("b"))], &contracts);
    assert!(partly.doubts[0].contains("1 is computed"), "{partly:?}");
}

#[test]
fn words() {
    assert!(has_word("UPDATE t SET \"Qty\" = $1", "qty"));
    assert!(!has_word("SELECT sub_total", "total"));
    assert!(!has_word("SELECT 1", ""));
}
