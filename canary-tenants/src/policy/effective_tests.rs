//! What holds on which day, and what a change changes.

use canary_core::journal;
use canary_core::time::Timestamp;

use super::{Origin, Policy, PolicyDiff, read};

const SAMPLE: &str = include_str!("sample.yaml");

fn on(text: &str, day: &str) -> Policy {
    let now = Timestamp::try_from(format!("{day}T12:00:00Z")).unwrap();
    read(text, "sla.yaml").unwrap().at(now)
}

fn limit(policy: &Policy, tenant: &str, objective: &str) -> (u64, Origin) {
    let limit = &policy.tenants[tenant].objectives[objective].limit;
    (limit.value, limit.origin)
}

#[test]
fn the_later_layer_is_over_the_earlier() {
    let policy = on(SAMPLE, "2026-11-22");
    assert!(matches!(limit(&policy, "acme", "latency_p95"), (250_000, Origin::Tier(at)) if at.line == 19));
    assert!(
        matches!(limit(&policy, "globex", "latency_p95"), (400_000, Origin::Defaults(at)) if at.line == 9)
    );
    assert!(
        matches!(limit(&policy, "slowco", "latency_p95"), (900_000, Origin::Tenant(at)) if at.line == 25)
    );
    let acme = &policy.tenants["acme"];
    let burn = &acme.objectives["availability"];
    assert_eq!((burn.limit.value, burn.target.as_ref().unwrap().value), (14_400_000, 999_500));
    assert!(acme.veto && acme.weight.value == 5 && acme.sources == ["eu-1"]);
    assert_eq!(burn.target.as_ref().unwrap().over.as_ref().unwrap().value, 999_000);
    assert!(policy.tenants["oldco"].exempt.is_some() && policy.lapsed.is_empty());
    assert_eq!(policy.tenants["initech"], policy.unlisted);
}

#[test]
fn an_exception_ends_with_its_last_day() {
    let policy = on(SAMPLE, "2027-03-31");
    assert_eq!(limit(&policy, "slowco", "latency_p95").0, 900_000);
    let policy = on(SAMPLE, "2027-04-01");
    assert_eq!(limit(&policy, "slowco", "latency_p95").0, 400_000);
    assert!(policy.tenants["oldco"].exempt.is_none());
    let lapsed: Vec<_> =
        policy.lapsed.iter().map(|lapsed| format!("{} {}", lapsed.of, lapsed.until)).collect();
    assert_eq!(lapsed, ["tenants.slowco 2027-03-31", "tenants.oldco 2026-12-31"]);
}

#[test]
fn what_is_tighter_does_not_end() {
    let text = SAMPLE.replace("{latency_p95: 900ms}", "{latency_p95: 900ms, error_rate: \"0.002\"}");
    let policy = on(&text, "2027-04-01");
    assert_eq!(limit(&policy, "slowco", "latency_p95").0, 400_000);
    assert_eq!(limit(&policy, "slowco", "error_rate").0, 2_000);
}

#[test]
fn the_digest_is_of_what_decides() {
    let policy = on(SAMPLE, "2026-11-22");
    let moved =
        on(&format!("# a comment\n{}", SAMPLE.replace("legacy import", "another reason")), "2026-11-23");
    assert_eq!(policy.digest(), moved.digest());
    let other = on(&SAMPLE.replace("900ms", "901ms"), "2026-11-22");
    assert_ne!(policy.digest(), other.digest());
    assert_ne!(policy.digest(), on(SAMPLE, "2027-04-01").digest());
    // Known bytes: a change of the form must not go unseen, as decisions name the digest.
    insta::assert_snapshot!(format!("{}\n{}", policy.digest(), policy.canonical()));
    // Written in parts, and in the form of a whole.
    let mut whole = String::new();
    journal::canonical(&serde_json::from_str(&policy.canonical()).unwrap(), &mut whole).unwrap();
    assert_eq!(policy.canonical(), whole);
}

#[test]
fn a_difference_is_told_by_tenant() {
    let a = on(SAMPLE, "2026-11-22");
    assert!(PolicyDiff::between(&a, &a).is_empty());
    let text = SAMPLE
        .replace("{latency_p95: 250ms, error_rate: \"0.005\"", "{latency_p95: 300ms, error_rate: \"0.004\"")
        .replace("  globex:  {tier: free}\n", "  newco: {}\n")
        .replace("max_breached_tenants: 3", "max_breached_tenants: 5")
        .replace("long: 1h", "long: 2h");
    let diff = PolicyDiff::between(&a, &on(&text, "2026-11-22"));
    insta::assert_debug_snapshot!(diff);
}

#[test]
fn a_probe_is_in_the_digest_and_a_policy_without_one_keeps_its_own() {
    let probe = "  up: {kind: probe, url: \"http://h/{tenant}\", body: {/ok: true}, limit: 1s}\ngap:";
    let plain = on(SAMPLE, "2026-11-22");
    assert!(!plain.canonical().contains("no_traffic") && !plain.canonical().contains("max_in_flight"));
    let faster = SAMPLE.replace("max_breached_tenants: 3", "max_breached_tenants: 3, max_in_flight: 50");
    assert_eq!(
        on(&faster, "2026-11-22").digest(),
        plain.digest(),
        "how probes run is of no account without one"
    );
    let probed = SAMPLE.replace("gap:  ", probe).replace("patience: 3}", "patience: 3, no_traffic: pass}");
    let (a, b) = (on(&probed, "2026-11-22"), on(&probed.replace("limit: 1s", "limit: 2s"), "2026-11-22"));
    assert!(
        a.canonical().contains("\"no_traffic\":1")
            && a.digest() != b.digest()
            && a.digest() != plain.digest()
    );
    insta::assert_debug_snapshot!(PolicyDiff::between(&plain, &a).global);
    let hold = on(&probed.replace("gap: {widen", "gap: {no_traffic: hold, widen"), "2026-11-22");
    let shown: Vec<_> = hold
        .shown(&hold.tenants["acme"])
        .iter()
        .map(|s| format!("{} {}", s.key, s.unit.show(s.setting.value)))
        .collect();
    assert!(
        shown.contains(&"up 1s".to_owned()) && shown.contains(&"gap.no_traffic hold".to_owned()),
        "{shown:?}"
    );
}
