//! Rounds with probes: what is proven, what is open, who passes without traffic.

use canary_core::time::Timestamp;

use super::{AT, POLICY, all_good, canonical_and_back, events, evidence, reply, tenant, with};
use crate::decide::Decision;
use crate::evidence::Evidence;
use crate::gap::{Breach, GapCode, Measured};
use crate::policy::{Policy, read};
use crate::probe::{ProbeResult, Try, TryEnd, Verdict};
use crate::round::{Round, decide_round};

fn probed(gap: &str, tenants: &str) -> Policy {
    let probe = format!(
        "  up: {{kind: probe, url: \"http://h/{{tenant}}\", limit: 400ms}}\ngap: {{{gap}}}\ndecision:"
    );
    let text = format!("{}{tenants}", POLICY.replace("decision:", &probe));
    read(&text, "sla.yaml").unwrap_or_else(|error| panic!("{error:?}")).at(Timestamp::from_millis(AT))
}

fn probe(tenant: &str, end: TryEnd) -> ProbeResult {
    let error = (end != TryEnd::Good).then(|| format!("{end} \"ü\""));
    let tries = vec![Try { at_ms: AT, end, error, status: None, took_us: 5_000 }];
    ProbeResult { objective: "up".to_owned(), tenant: tenant.to_owned(), verdict: Verdict::of(&tries), tries }
}

/// A round in which `acme` has this answer, and everybody else a good one.
fn round(policy: &Policy, eu: crate::source::SourceReply, acme: Option<TryEnd>) -> (Evidence, Round) {
    let mut evidence = evidence(policy, eu, reply([]));
    for name in policy.tenants.keys() {
        let end = if name == "acme" { acme } else { Some(TryEnd::Good) };
        evidence.probes.extend(end.map(|end| probe(name, end)));
    }
    evidence.probes_by = Some("this process".to_owned());
    let round = decide_round(policy, &evidence);
    (evidence, round)
}

const TENANTS: &str = "  acme: {tier: gold, sources: [eu]}\n  b: {sources: [eu]}\n  c: {sources: [eu]}\n";

#[test]
fn an_unhealthy_tenant_is_a_proven_breach_and_an_unknown_one_leaves_it_open() {
    let policy = probed("", TENANTS);
    let of = |end| round(&policy, all_good(&policy), end).1;
    assert_eq!(of(Some(TryEnd::Good)).decided.decision, Decision::Approve);
    for (end, breached, code) in [
        (Some(TryEnd::Status), true, GapCode::Ok),
        (Some(TryEnd::Tls), false, GapCode::SourceDown),
        (None, false, GapCode::SourceDown),
    ] {
        let round = of(end);
        let acme = round.tenants.iter().find(|tenant| tenant.name == "acme").unwrap();
        let up = acme.results.iter().find(|result| result.objective == "up").unwrap();
        assert_eq!((acme.breached(), up.judged.code, up.source.as_str()), (breached, code, "probe"));
        // Five of seven weights: broken for certain is below the threshold, open is not decided.
        let expected = if breached { Decision::Rollback } else { Decision::Halt };
        assert_eq!(round.decided.decision, expected, "{end:?}");
        let told = round.anomalies.iter().find(|a| a.objective.as_deref() == Some("up")).unwrap();
        assert_eq!((told.tenant.as_deref(), told.text.is_empty()), (Some("acme"), false), "{told:?}");
    }
}

#[test]
fn who_has_no_traffic_passes_with_a_green_probe_where_the_tier_says_so() {
    let quiet = |policy: &Policy, bad: u64, total: u64| {
        let mut found = tenant(3);
        for (_, found) in &mut found {
            if !matches!(found.measured, Measured::Gauge(_)) {
                found.measured = Measured::Events { bad: Some(bad), total };
            }
        }
        assert_eq!(events(10, 0, 0).samples, Some(10));
        with(all_good(policy), "acme", found)
    };
    let hold = probed("", TENANTS);
    let pass = probed("no_traffic: pass", TENANTS);
    for (policy, (bad, total), end, decision) in [
        (&hold, (0, 0), Some(TryEnd::Good), Decision::Halt),
        (&pass, (0, 0), Some(TryEnd::Good), Decision::Approve),
        (&pass, (0, 20), Some(TryEnd::Good), Decision::Approve),
        // Few events that all failed are not nothing.
        (&pass, (20, 20), Some(TryEnd::Good), Decision::Halt),
        (&pass, (0, 0), Some(TryEnd::Unreachable), Decision::Halt),
        (&pass, (0, 0), None, Decision::Halt),
        (&pass, (0, 0), Some(TryEnd::Refused), Decision::Rollback),
    ] {
        let (_, round) = round(policy, quiet(policy, bad, total), end);
        assert_eq!(round.decided.decision, decision, "{bad}/{total} {end:?} {:?}", round.decided.reasons);
        let acme = round.tenants.iter().find(|tenant| tenant.name == "acme").unwrap();
        assert!(acme.results.iter().any(|result| result.judged.code == GapCode::NoTraffic), "the code stays");
    }
    // A tier can hold what the file lets pass.
    let gold = probed("no_traffic: pass", TENANTS);
    assert!(gold.canonical().contains("no_traffic"));
    let text = "tiers: {gold: {weight: 5, gap: {no_traffic: hold}}}";
    let strict = POLICY.replace("tiers: {gold: {weight: 5}}", text);
    let strict = strict.replace(
        "decision:",
        "  up: {kind: probe, url: \"http://h/{tenant}\"}\ngap: {no_traffic: pass}\ndecision:",
    );
    let strict = read(&format!("{strict}{TENANTS}"), "f").unwrap().at(Timestamp::from_millis(AT));
    assert_eq!(round(&strict, quiet(&strict, 0, 0), Some(TryEnd::Good)).1.decided.decision, Decision::Halt);
}

#[test]
fn evidence_with_probes_is_canonical_and_reads_back() {
    let policy = probed("", TENANTS);
    let (evidence, _) = round(&policy, all_good(&policy), Some(TryEnd::Status));
    assert_eq!(evidence.probes.len(), 3);
    let lines = canonical_and_back(&policy, &evidence);
    // Evidence from before it was recorded who asked reads, and keeps its digest.
    let before = lines.replacen(",\"probes_by\":\"this process\"", "", 1);
    assert!(before.len() < lines.len() && Evidence::read(&before).unwrap().lines() == before);
}

#[test]
fn where_all_is_probed_sources_have_nothing_to_miss() {
    let text = "version: sla/v1\nsources: [{name: eu, kind: prometheus, url: 'http://h'}]\nobjectives: {up: {kind: probe, url: 'http://h/{tenant}'}}\ntenants:\n";
    let tenants: String = (0..20).map(|n| format!("  t{n}: {{sources: [eu]}}\n")).collect();
    let policy = read(&format!("{text}{tenants}  acme: {{sources: [eu]}}\n"), "f")
        .unwrap()
        .at(Timestamp::from_millis(AT));
    assert!(policy.measures().is_empty());
    let (_, good) = round(&policy, reply([]), Some(TryEnd::Good));
    assert_eq!(good.decided.decision, Decision::Approve);
    assert!(good.tenants.iter().all(|tenant| tenant.results.iter().all(|r| r.judged.breach == Breach::No)));
}
