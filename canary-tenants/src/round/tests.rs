//! Whole rounds on small fleets, and that masks at the level of what was found never decide.

mod masks;
mod probes;

use std::sync::Arc;

use canary_core::journal::canonical;
use canary_core::time::Timestamp;

use super::{Round, Severity, decide_round};
use crate::decide::{Decision, Reason};
use crate::evidence::{Before, Evidence};
use crate::gap::{Found, GapCode, Measured, OPEN};
use crate::policy::{Policy, read};
use crate::source::{Asked, SourceReply};

const AT: u64 = 1_795_305_600_000;
const SCRAPE: u64 = 30_000_000;

const POLICY: &str = "
version: sla/v1
sources:
  - {name: eu, kind: prometheus, url: \"http://eu:9090\"}
  - {name: us, kind: prometheus, url: \"http://us:9090\"}
windows: {short: 5m, long: 1h}
objectives:
  p95:    {kind: quantile, q: \"0.95\", histogram: h, limit: 400ms}
  errors: {kind: ratio, bad: b_total, total: t_total, limit: \"0.010\"}
  burn:   {kind: budget, of: errors, target: \"0.999\", max_burn: \"14.4\"}
  pool:   {kind: value, metric: pool, limit: \"0.80\"}
decision: {veto_tiers: [gold]}
hard_limits: {errors: \"0.050\"}
tiers: {gold: {weight: 5}}
tenants:
";

pub(super) fn policy(tenants: &str) -> Policy {
    read(&format!("{POLICY}{tenants}"), "sla.yaml").unwrap().at(Timestamp::from_millis(AT))
}

/// As many tenants as are needed to see a mean, all at `eu`.
fn fleet(count: usize) -> String {
    (0..count).map(|i| format!("  t{i:03}: {{sources: [eu]}}\n")).collect()
}

fn events(window_scrapes: u64, bad: u64, total: u64) -> Found {
    Found {
        samples: Some(window_scrapes),
        age: Some(0),
        before: true,
        lately: true,
        measured: Measured::Events { bad: Some(bad), total },
        ..Found::nothing(window_scrapes)
    }
}

/// What a tenant with this many errors of 3,000 requests has; everything else about it is fine.
pub(super) fn tenant(bad: u64) -> Vec<(&'static str, Found)> {
    let latencies =
        Measured::Latencies { buckets: vec![(100_000, 2900), (500_000, 3000), (OPEN, 3000)], q: 950_000 };
    vec![
        ("p95", Found { measured: latencies, ..events(10, 0, 0) }),
        ("errors", events(10, bad, 3000)),
        ("burn", events(120, bad * 12, 36_000)),
        ("burn@short", events(10, bad, 3000)),
        ("pool", Found { measured: Measured::Gauge(Some(500_000)), ..events(10, 0, 0) }),
    ]
}

pub(super) fn reply<'a>(
    tenants: impl IntoIterator<Item = (&'a str, Vec<(&'static str, Found)>)>,
) -> SourceReply {
    let named =
        |found: Vec<(&'static str, Found)>| found.into_iter().map(|(k, v)| (Arc::from(k), v)).collect();
    let asked = Asked {
        text: "sum by (tenant) (increase(t_total[300000ms]))".to_owned(),
        ms: 3,
        rows: 2,
        warnings: vec!["a \"warning\"".to_owned()],
        status: 200,
        reply: "{\"status\":\"success\"}\u{1}".to_owned(),
    };
    let found = tenants.into_iter().map(|(name, found)| (name.to_owned(), named(found)));
    SourceReply { queries: vec![asked], ms: 4, found: found.collect(), ..SourceReply::default() }
}

pub(super) fn evidence(policy: &Policy, eu: SourceReply, us: SourceReply) -> Evidence {
    Evidence {
        policy: policy.digest(),
        at: Timestamp::from_millis(AT),
        version: Some("v2.14.3".to_owned()),
        percentage: Some(10),
        before: Before::default(),
        sources: vec![("eu".to_owned(), eu), ("us".to_owned(), us)],
        probes: Vec::new(),
        probes_by: None,
    }
}

/// A round of tenants that are all at `eu`, and an empty `us`.
fn round(policy: &Policy, eu: SourceReply) -> Round {
    decide_round(policy, &evidence(policy, eu, reply([])))
}

fn codes(round: &Round) -> Vec<&'static str> {
    round.decided.reasons.iter().map(Reason::code).collect()
}

fn all_good(policy: &Policy) -> SourceReply {
    reply(policy.tenants.keys().map(|name| (name.as_str(), tenant(3))))
}

fn with(mut reply: SourceReply, name: &str, found: Vec<(&'static str, Found)>) -> SourceReply {
    reply.found.insert(name.to_owned(), found.into_iter().map(|(k, v)| (Arc::from(k), v)).collect());
    reply
}

fn gap_of(round: &Round, tenant: &str) -> Vec<GapCode> {
    let found = round.tenants.iter().find(|other| other.name == tenant).unwrap();
    let mut codes: Vec<_> = found.results.iter().map(|result| result.judged.code).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn one_slice_failing_is_named_and_with_a_veto_taken_back_in_the_second_round() {
    let policy = policy(&format!("{}  acme: {{tier: gold, sources: [eu]}}\n", fleet(186)));
    // 15 % of one tenant's requests fail; of all requests it is less than a thousandth.
    let bad = with(all_good(&policy), "acme", slice());
    let first = round(&policy, bad.clone());
    assert_eq!((first.decided.decision, codes(&first)), (Decision::Halt, vec!["veto_once"]));
    assert_eq!(
        (first.record.worst[0].tenant.as_str(), first.record.worst[0].observed),
        ("acme", Some(150_000))
    );
    assert!(first.decided.low > 950_000, "the mean alone would approve: {}", first.decided.low);
    let grave: Vec<_> = first.anomalies.iter().filter(|a| a.severity == Severity::Critical).collect();
    assert!(grave.iter().all(|a| a.tenant.as_deref() == Some("acme")) && grave.len() == 1, "{grave:?}");

    let mut again = evidence(&policy, bad, reply([]));
    again.before = first.next;
    let second = decide_round(&policy, &again);
    assert_eq!((second.decided.decision, codes(&second)), (Decision::Rollback, vec!["veto"]));
    // The same without a tier: it is borne, and told.
    let plain = policy_of_187();
    let borne = round(&plain, with(all_good(&plain), "t000", slice()));
    assert_eq!((borne.decided.decision, borne.decided.breached), (Decision::Approve, 1));
    assert!(borne.anomalies.iter().any(|a| a.tenant.as_deref() == Some("t000") && a.code == "breach"));
}

/// 15 % of the last minutes' requests fail; the hour before was fine.
fn slice() -> Vec<(&'static str, Found)> {
    let mut found = tenant(450);
    found[2].1 = events(120, 450, 36_000);
    found
}

fn policy_of_187() -> Policy {
    policy(&fleet(187))
}

#[test]
fn an_outage_of_any_length_is_a_halt_and_names_the_source() {
    let policy = policy_of_187();
    let mut before = Before::default();
    for _ in 0..20 {
        let mut evidence = evidence(
            &policy,
            SourceReply::down("connection refused"),
            SourceReply::down("connection refused"),
        );
        evidence.before = before;
        let round = decide_round(&policy, &evidence);
        assert_eq!(round.decided.decision, Decision::Halt);
        assert_eq!((round.decided.low, round.decided.high), (0, 1_000_000));
        assert_eq!(codes(&round)[..2], ["source_down", "source_down"]);
        assert_eq!(round.anomalies.iter().filter(|a| a.code == "source_down").count(), 2);
        assert!(!round.waits);
        before = round.next;
    }
    let empty = Evidence { sources: Vec::new(), ..evidence(&policy, reply([]), reply([])) };
    assert_eq!(decide_round(&policy, &empty).decided.decision, Decision::Halt);
}

#[test]
fn a_tenant_is_at_all_the_sources_it_names_or_at_one_of_them() {
    let policy = policy("  both: {sources: [eu, us]}\n  any:\n  gone:\n");
    let eu = reply([("both", tenant(3)), ("any", tenant(3))]);
    let round = decide_round(&policy, &evidence(&policy, eu.clone(), reply([])));
    assert_eq!(gap_of(&round, "both"), [GapCode::Ok, GapCode::Absent]);
    assert_eq!(gap_of(&round, "any"), [GapCode::Ok]);
    assert_eq!(gap_of(&round, "gone"), [GapCode::Absent]);
    let gone = round.tenants.iter().find(|tenant| tenant.name == "gone").unwrap();
    assert!(gone.results.iter().all(|result| result.source == "*"));
    // What a source in trouble would say of a tenant that names none is not known.
    let round = decide_round(&policy, &evidence(&policy, eu, SourceReply::down("timeout")));
    assert_eq!(gap_of(&round, "any"), [GapCode::Ok, GapCode::SourceDown]);
    assert_eq!(round.record.gaps["source_down"], 12);
}

#[test]
fn budgets_are_told_as_burn_rates_and_burn_in_both_windows() {
    let policy = policy(&format!("{}  acme: {{tier: gold, sources: [eu]}}\n", fleet(60)));
    let burns = |short: u64, long: u64| {
        let mut found = tenant(3);
        found[2].1 = events(120, long, 36_000);
        found[3].1 = events(10, short, 3000);
        round(&policy, with(all_good(&policy), "acme", found))
    };
    // 2 % of the requests: twenty times what a target of 99.9 % leaves.
    let both = burns(60, 720);
    let burn = both.tenants[0].results.iter().find(|result| result.objective == "burn").unwrap();
    assert_eq!((burn.judged.observed, burn.judged.limit), (Some(20_000_000), 14_400_000));
    assert!(both.tenants[0].burning && both.decided.reasons.contains(&Reason::Burning("acme".to_owned())));
    let long = burns(3, 720);
    assert!(!long.tenants[0].burning && long.decided.decision == Decision::Halt);
}

#[test]
fn who_is_new_or_stale_is_waited_for_with_patience() {
    let policy =
        policy(&format!("{}  acme: {{tier: gold, sources: [eu], gap: {{patience: 2}}}}\n", fleet(20)));
    let acme = |change: fn(&mut Found)| {
        let mut found = tenant(3);
        found.iter_mut().for_each(|(_, found)| change(found));
        with(all_good(&policy), "acme", found)
    };
    let stale = acme(|found| found.age = Some(180_000_000));
    let mut evidence = evidence(&policy, stale, reply([]));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let round = decide_round(&policy, &evidence);
        assert_eq!((round.decided.decision, gap_of(&round, "acme")), (Decision::Halt, vec![GapCode::Stale]));
        waits.push(round.waits);
        evidence.before = round.next;
    }
    assert_eq!(waits, [true, true, false, false]);
    let new = acme(|found| (found.samples, found.before) = (Some(3), false));
    evidence.sources[0].1 = new;
    let round = decide_round(&policy, &evidence);
    assert_eq!((round.waits, gap_of(&round, "acme")), (true, vec![GapCode::New]));
    let thin = acme(|found| found.samples = Some(3));
    evidence.sources[0].1 = thin;
    assert!(!decide_round(&policy, &evidence).waits);
}

#[test]
fn an_answer_with_half_of_the_rows_is_not_whole() {
    let policy = policy_of_187();
    let mut few = all_good(&policy);
    few.found.retain(|name, _| name.as_str() < "t090");
    let round = round(&policy, few);
    assert_eq!((round.troubles[0].code, round.record.gaps["partial"]), (GapCode::Partial, 187 * 4));
    assert_eq!(round.troubles[0].why, "it has 90 of the 187 tenants that name it");
    // Tenants that name no source: only the round before says how many there are.
    let policy = self::policy(&fleet(187).replace("{sources: [eu]}", ""));
    let mut evidence = evidence(&policy, all_good(&policy), reply([]));
    evidence.before = decide_round(&policy, &evidence).next;
    evidence.sources[0].1.found.retain(|name, _| name.as_str() < "t090");
    let round = decide_round(&policy, &evidence);
    assert_eq!(round.troubles[0].why, "it has 90 of the expected tenants, and had 187 the round before");
    assert_eq!(round.next.rows, [("eu".to_owned(), 187)]);
}

#[test]
fn unlisted_tenants_and_ended_exceptions_are_told_and_decide_nothing() {
    let exceptions = "  slow: {objectives: {p95: 900ms}, reason: r, until: 2020-01-01}\n\
                      \x20 left: {exempt: true, reason: r, until: 9998-01-01}\n";
    let policy = policy(&format!("{}{exceptions}", fleet(20)));
    let eu = with(all_good(&policy), "stranger", tenant(3000));
    let round = round(&policy, eu);
    assert_eq!((round.decided.decision, round.record.tenants), (Decision::Approve, 21));
    assert_eq!((round.record.gaps["unlisted"], round.record.gaps["expired_override"]), (1, 1));
    let told: Vec<_> = round.anomalies.iter().map(|a| (a.tenant.as_deref(), a.code)).collect();
    assert!(told.contains(&(Some("stranger"), "breach")) && told.contains(&(Some("stranger"), "unlisted")));
    assert!(told.contains(&(None, "expired_override")));
}

#[test]
fn a_round_follows_another_one_with_newer_samples() {
    let policy = policy("  acme: {tier: gold, sources: [eu]}\n");
    let bad = evidence(&policy, reply([("acme", tenant(450))]), reply([]));
    let after = |ms| Before::of(&policy, &bad, Timestamp::from_millis(AT + ms)).breached.len();
    assert_eq!((after(0), after(SCRAPE / 1000 - 1), after(SCRAPE / 1000), after(3_600_000)), (0, 0, 1, 1));
    assert_eq!(after(3_600_001), 0);
    assert_eq!(Before::of(&policy, &bad, Timestamp::from_millis(AT - 1)), Before::default());
}

/// The lines of evidence, which are in the journal's form, read back and decide the same.
fn canonical_and_back(policy: &Policy, evidence: &Evidence) -> String {
    let lines = evidence.lines();
    for line in lines.lines() {
        let mut canon = String::new();
        canonical(&serde_json::from_str(line).unwrap(), &mut canon).unwrap();
        assert_eq!(line, canon);
    }
    let read = Evidence::read(&lines).unwrap();
    assert_eq!((&read, decide_round(policy, &read)), (evidence, decide_round(policy, evidence)));
    lines
}

#[test]
fn evidence_is_canonical_reads_back_and_decides_the_same() {
    let policy = policy("  \"Müller \\\"&\\\" Söhne\": {tier: gold}\n  b:\n");
    let mut evidence = evidence(&policy, all_good(&policy), SourceReply::down("refused"));
    evidence.before.stale.push(("b".to_owned(), 2));
    let lines = canonical_and_back(&policy, &evidence);
    let mut canon = String::new();
    canonical(&serde_json::to_value(&decide_round(&policy, &evidence).record).unwrap(), &mut canon).unwrap();
    for (text, line) in [("", 1), ("{}\n", 1), (&*lines.replacen("\"source\"", "\"sauce\"", 1), 2)] {
        assert_eq!(Evidence::read(text).unwrap_err().line, line, "{text}");
    }
    let cut =
        lines.lines().filter(|line| !line.contains("\"kind\":\"source\"")).collect::<Vec<_>>().join("\n");
    assert!(Evidence::read(&cut).unwrap_err().to_string().contains("not open"));
}
