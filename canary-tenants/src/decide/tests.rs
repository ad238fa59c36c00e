//! Whole decisions, and that missing data never makes one.

use canary_core::fleet::Digest;
use canary_core::journal::canonical;
use canary_core::time::Timestamp;
use proptest::prelude::*;

use super::{Decided, Decision, ObjectiveResult, Reason, Rule, TenantResult, decide, ruling};
use crate::evidence::{Before, Evidence};
use crate::gap::{Breach, GapCode, Judged};
use crate::policy::ONE;
use crate::source::{Asked, SourceReply};

const RULE: Rule = Rule { threshold: 950_000, max_breached: 3 };

fn judged(score: (u64, u64), breach: Breach) -> Judged {
    let code = if score == (0, ONE) { GapCode::Stale } else { GapCode::Ok };
    Judged {
        code,
        coverage: ONE,
        limit: 10_000,
        limit_adj: 10_000,
        observed: Some(0),
        bounds: None,
        events: 1000,
        score,
        breach,
        certain: breach == Breach::Proven,
    }
}

fn tenant(name: &str, score: (u64, u64), breach: Breach) -> TenantResult {
    let result = ObjectiveResult {
        objective: "errors".to_owned(),
        source: "a".to_owned(),
        judged: judged(score, breach),
    };
    TenantResult {
        name: name.to_owned(),
        weight: 1,
        veto: false,
        breached_before: false,
        burning: false,
        results: vec![result],
    }
}

fn good(name: &str) -> TenantResult {
    tenant(name, (ONE, ONE), Breach::No)
}

fn bad(name: &str) -> TenantResult {
    tenant(name, (0, 0), Breach::Proven)
}

fn unknown(name: &str) -> TenantResult {
    tenant(name, (0, ONE), Breach::Open)
}

/// A fleet of 100: these, and good ones.
fn fleet(some: Vec<TenantResult>) -> Vec<TenantResult> {
    let more = (some.len()..100).map(|i| good(&format!("t{i}")));
    let more: Vec<_> = more.collect();
    some.into_iter().chain(more).collect()
}

fn brief(decided: &Decided) -> (Decision, Vec<&'static str>, u64, u64) {
    (decided.decision, decided.reasons.iter().map(Reason::code).collect(), decided.low, decided.high)
}

#[test]
fn the_first_rule_that_fits_decides() {
    let veto = |mut tenant: TenantResult, before: bool| {
        (tenant.veto, tenant.breached_before) = (true, before);
        tenant
    };
    let many = |count: usize, make: fn(&str) -> TenantResult| {
        (0..count).map(|i| make(&format!("x{i}"))).collect::<Vec<_>>()
    };
    for (name, some, expected) in [
        ("all good", vec![], (Decision::Approve, vec!["high_enough"], ONE, ONE)),
        ("three bad", many(3, bad), (Decision::Approve, vec!["high_enough"], 970_000, 970_000)),
        ("four bad", many(4, bad), (Decision::Halt, vec!["too_many"], 960_000, 960_000)),
        ("six bad", many(6, bad), (Decision::Rollback, vec!["too_low"], 940_000, 940_000)),
        ("six unknown", many(6, unknown), (Decision::Halt, vec!["may_be_too_low", "too_many"], 940_000, ONE)),
        ("all unknown", many(100, unknown), (Decision::Halt, vec!["may_be_too_low", "too_many"], 0, ONE)),
        (
            "a veto, once",
            vec![veto(bad("gold"), false)],
            (Decision::Halt, vec!["veto_once"], 990_000, 990_000),
        ),
        (
            "a veto, twice",
            vec![veto(bad("gold"), true)],
            (Decision::Rollback, vec!["veto"], 990_000, 990_000),
        ),
        (
            "bad before, good now",
            vec![veto(good("gold"), true)],
            (Decision::Approve, vec!["high_enough"], ONE, ONE),
        ),
        (
            "bad before, unknown now",
            vec![veto(unknown("gold"), true)],
            (Decision::Halt, vec!["veto_unknown"], 990_000, ONE),
        ),
    ] {
        assert_eq!(brief(&decide(&fleet(some), &[], RULE)), expected, "{name}");
    }
    let mut burning = veto(good("gold"), false);
    burning.burning = true;
    assert_eq!(brief(&decide(&fleet(vec![burning]), &[], RULE)).1, ["burning"]);
    assert_eq!(brief(&decide(&[], &[], RULE)), (Decision::Halt, vec!["no_tenants"], 0, ONE));
}

#[test]
fn one_tenant_in_twenty_that_counts_five_times_is_seen() {
    let mut heavy = bad("heavy");
    heavy.weight = 6;
    let decided = decide(&fleet(vec![heavy]), &[], RULE);
    assert_eq!((decided.decision, decided.low), (Decision::Rollback, 942_857));
    assert_eq!(decided.high, 942_858);
}

#[test]
fn a_record_is_in_the_journals_form_and_names_the_worst_first() {
    let tenants = fleet(vec![unknown("dark"), bad("down"), tenant("slow", (900_000, 900_000), Breach::Open)]);
    let decided = decide(&tenants, &[], RULE);
    let reply = SourceReply { queries: vec![Asked::default(); 2], ms: 7, ..SourceReply::default() };
    let evidence = Evidence {
        policy: Digest::of(b"policy"),
        at: Timestamp::from_millis(1_705_329_130_000),
        version: Some("v2.14.3".to_owned()),
        percentage: Some(10),
        before: Before::default(),
        sources: vec![("a".to_owned(), reply)],
        probes: Vec::new(),
        probes_by: None,
    };
    let record = ruling(&decided, RULE, &tenants, &evidence, [(GapCode::Unlisted, 2)].into());
    let worst: Vec<_> = record.worst.iter().map(|worst| worst.tenant.as_str()).collect();
    assert_eq!(worst, ["down", "slow", "dark"]);
    let mut text = String::new();
    canonical(&serde_json::to_value(&record).unwrap(), &mut text).unwrap();
    insta::assert_snapshot!(text);
}

fn any_tenant() -> impl Strategy<Value = TenantResult> {
    let result = prop_oneof![
        4 => Just(((ONE, ONE), Breach::No)),
        1 => (0..ONE).prop_map(|score| ((score, score), Breach::Proven)),
        1 => (0..ONE).prop_map(|score| ((score, score), Breach::Open)),
        1 => Just(((0, 0), Breach::Open)),
        1 => Just(((0, ONE), Breach::Open)),
    ];
    let results = prop::collection::vec(result, 1..4);
    (results, 1_u64..10, prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.02)).prop_map(
        |(results, weight, veto, breached_before, burning)| {
            let results = results.into_iter().map(|(score, breach)| ObjectiveResult {
                objective: "errors".to_owned(),
                source: "a".to_owned(),
                judged: judged(score, breach),
            });
            TenantResult {
                name: "t".to_owned(),
                weight,
                veto,
                breached_before,
                burning,
                results: results.collect(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// A mask takes results away: what was a halt stays one, and nothing turns from one decision into the other.
    #[test]
    fn missing_data_never_decides(
        tenants in prop::collection::vec(any_tenant(), 1..40),
        mask in any::<u128>(),
        threshold in 800_000_u64..=ONE,
        max_breached in 0_u64..10,
    ) {
        let rule = Rule { threshold, max_breached };
        let before = decide(&tenants, &[], rule);
        let mut masked = tenants;
        for (i, tenant) in masked.iter_mut().enumerate() {
            for (j, result) in tenant.results.iter_mut().enumerate() {
                if mask >> ((i * 3 + j) % 128) & 1 == 1 {
                    result.judged = judged((0, ONE), Breach::Open);
                    tenant.burning = false;
                }
            }
        }
        let after = decide(&masked, &[], rule);
        prop_assert!(after.decision == before.decision || after.decision == Decision::Halt, "{before:?} became {after:?}");
        prop_assert!(after.low <= before.low && after.high >= before.high);
    }

    #[test]
    fn with_everything_known_the_score_alone_is_held_against_the_threshold(scores in prop::collection::vec(0..=ONE, 1..40)) {
        let rule = Rule { threshold: 950_000, max_breached: u64::MAX };
        let tenants: Vec<_> = scores.iter().map(|score| tenant("t", (*score, *score), Breach::Open)).collect();
        let mean = scores.iter().sum::<u64>() as u128 * 1000 / scores.len() as u128;
        let expected = if mean >= 950_000_000 { Decision::Approve } else { Decision::Rollback };
        prop_assert_eq!(decide(&tenants, &[], rule).decision, expected);
    }
}
