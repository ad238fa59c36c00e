//! Tenants measured on real servers: every gap by the samples that make it, and servers in trouble.

use std::fmt::Write as _;
use std::time::Duration;

use canary_core::time::Timestamp;
use canary_prom::PrometheusTenants;
use canary_tenants::decide::Decision;
use canary_tenants::evidence::{Before, Evidence};
use canary_tenants::gap::GapCode;
use canary_tenants::policy::{Policy, read};
use canary_tenants::round::{Round, decide_round};
use canary_tenants::source::{SourceReply, TenantSource as _};
use canary_testkit::StoredPrometheus;

use crate::pages::{Page, serve};

/// The instant of evaluation: 2026-01-01, 12:00.
const AT: u64 = 1_767_268_800;
const STEP: u64 = 30;

/// How many steps before the instant a tenant has samples, of the last 130.
type Steps = fn(u64) -> bool;

/// One tenant's counters: 300 requests a step, three of 3,000 fail.
fn series(text: &mut String, tenant: &str, steps: Steps, errors: bool, flow: fn(u64) -> u64) {
    let past: Vec<u64> = (0..=130).rev().filter(|back| steps(*back)).collect();
    let mut write = |name: &str, labels: &str, value: &dyn Fn(u64) -> u64| {
        for back in &past {
            let at = AT - back * STEP;
            writeln!(text, "{name}{{tenant=\"{tenant}\"{labels}}} {} {at}", value(flow(130 - back))).unwrap();
        }
    };
    let buckets = [("0.1", 50), ("0.25", 80), ("0.5", 98), ("1", 100), ("+Inf", 100)];
    for (le, percent) in buckets {
        write("http_seconds_bucket", &format!(",le=\"{le}\""), &|n| n * percent / 100);
    }
    write("http_seconds_count", "", &|n| n);
    write("http_requests_total", "", &|n| n);
    if errors {
        write("http_errors_total", "", &|n| n / 1000);
    }
}

fn steady(step: u64) -> u64 {
    step * 300
}

/// The ten cases, as they are told apart by their samples.
fn cases() -> String {
    let mut text = String::new();
    let mut case = |tenant, steps: Steps, errors, flow| series(&mut text, tenant, steps, errors, flow);
    case("healthy", |_| true, true, steady);
    case("ended-10-min", |back| back >= 20, true, steady);
    case("ended-3-min", |back| back >= 6, true, steady);
    case("lossy", |back| matches!(back % 5, 1 | 2 | 4), true, steady);
    case("idle", |_| true, true, |_| 100_000);
    case("no-errors", |_| true, false, steady);
    case("reset", |_| true, true, |step| if step < 125 { step * 300 } else { (step - 125) * 300 });
    case("new", |back| back < 3, true, steady);
    case("one-sample", |back| back == 0, true, steady);
    case("stranger", |_| true, true, steady);
    text.push_str("# EOF\n");
    text
}

fn policy(url: &str, more: &str, tenants: &[&str]) -> Policy {
    let tenants: String = tenants.iter().map(|name| format!("  {name}: {{sources: [eu]}}\n")).collect();
    let text = format!(
        "version: sla/v1\nsources: [{{name: eu, kind: prometheus, url: \"{url}\"{more}}}]\nobjectives:\n\
         \x20 p95: {{kind: quantile, q: \"0.95\", histogram: http_seconds, limit: 600ms}}\n\
         \x20 errors: {{kind: ratio, bad: http_errors_total, total: http_requests_total, limit: \"0.010\"}}\n\
         \x20 burn: {{kind: budget, of: errors, target: \"0.999\", max_burn: \"14.4\"}}\n\
         decision: {{max_breached_tenants: 20}}\ntenants:\n{tenants}"
    );
    read(&text, "sla.yaml").unwrap().at(at())
}

fn at() -> Timestamp {
    Timestamp::from_millis(AT * 1000)
}

async fn ask(policy: &Policy) -> SourceReply {
    let described = &policy.file.sources[0];
    let source = PrometheusTenants::new(described, &policy.file.tenant_label, None).unwrap();
    source.read(&policy.ask(described, at(), Some("v1"), Duration::from_secs(60)), &()).await
}

fn round(policy: &Policy, reply: SourceReply) -> Round {
    let evidence = Evidence {
        policy: policy.digest(),
        at: at(),
        version: None,
        percentage: None,
        before: Before::default(),
        sources: vec![("eu".to_owned(), reply)],
        probes: Vec::new(),
        probes_by: None,
    };
    // What is decided by is what is kept: the lines alone say the same.
    assert_eq!(Evidence::read(&evidence.lines()).unwrap(), evidence);
    decide_round(policy, &evidence)
}

fn code(round: &Round, tenant: &str, objective: &str) -> GapCode {
    let tenant = round.tenants.iter().chain(&round.unlisted).find(|other| other.name == tenant).unwrap();
    tenant.results.iter().find(|result| result.objective == objective).unwrap().judged.code
}

#[tokio::test]
async fn every_gap_gets_its_code_from_real_samples() {
    let Some(server) = StoredPrometheus::start(&cases()) else { return };
    let expected = [
        ("healthy", GapCode::Ok, GapCode::Ok),
        ("ended-10-min", GapCode::Stale, GapCode::Stale),
        ("ended-3-min", GapCode::Stale, GapCode::Stale),
        ("lossy", GapCode::Sparse, GapCode::Sparse),
        ("idle", GapCode::NoTraffic, GapCode::NoTraffic),
        ("no-errors", GapCode::Ok, GapCode::NoErrorSeries),
        ("reset", GapCode::Ok, GapCode::Ok),
        ("new", GapCode::New, GapCode::New),
        ("one-sample", GapCode::New, GapCode::New),
        ("never", GapCode::Absent, GapCode::Absent),
    ];
    let policy = policy(&server.url, "", &expected.map(|(name, ..)| name));
    let reply = ask(&policy).await;
    assert_eq!((&reply.trouble, &reply.refused), (&None, &None), "{reply:?}");
    let round = round(&policy, reply.clone());
    for (tenant, p95, errors) in expected {
        assert_eq!((code(&round, tenant, "p95"), code(&round, tenant, "errors")), (p95, errors), "{tenant}");
    }
    assert_eq!(code(&round, "stranger", "errors"), GapCode::Ok);
    assert_eq!((round.unlisted.len(), round.record.gaps[GapCode::Unlisted.as_str()]), (1, 1));
    // 95 % of the events are within 0.25 + 15/18 × 0.25 s.
    let healthy = &round.tenants.iter().find(|tenant| tenant.name == "healthy").unwrap().results;
    let p95 = healthy.iter().find(|result| result.objective == "p95").unwrap();
    let (seen, errors) = (p95.judged.observed.unwrap(), &reply.found["healthy"]["errors"].measured);
    assert!(seen.abs_diff(458_333) < 1_000, "{seen}");
    assert_eq!(format!("{errors:?}"), "Events { bad: Some(3), total: 3000 }");
    // Every question is for all tenants; those that are missing are asked for once more.
    let texts: Vec<&str> = reply.queries.iter().map(|asked| asked.text.as_str()).collect();
    assert!(texts.len() <= 18 && texts.iter().all(|text| text.contains("by (tenant")), "{texts:#?}");
    assert!(reply.queries.iter().all(|asked| asked.status == 200 && asked.reply.starts_with('{')));
}

#[tokio::test]
async fn two_labels_of_one_tenant_are_a_duplicate() {
    let Some(server) = StoredPrometheus::start(&cases()) else { return };
    let policy =
        policy(&server.url, ", label_map: {reset: healthy, stranger: renamed}", &["healthy", "renamed"]);
    let round = round(&policy, ask(&policy).await);
    assert_eq!(code(&round, "healthy", "errors"), GapCode::Duplicate);
    assert_eq!(code(&round, "renamed", "errors"), GapCode::Ok);
}

#[tokio::test]
async fn what_a_server_cannot_evaluate_is_the_policys_fault() {
    let Some(server) = StoredPrometheus::start(&cases()) else { return };
    let mut policy = policy(&server.url, "", &["healthy"]);
    // A regular expression that RE2 does not take: the selector is well formed, the server refuses it.
    let Some(objective) = policy.file.objectives.get_mut("errors") else { panic!("no ratio") };
    if let canary_tenants::policy::ObjectiveKind::Ratio { total, .. } = &mut objective.kind {
        *total = r#"http_requests_total{tenant=~"(?=a)"}"#.parse().unwrap();
    }
    let reply = ask(&policy).await;
    assert!(reply.refused.as_ref().is_some_and(|why| why.contains("bad_data")), "{reply:?}");
    assert_eq!(round(&policy, reply).decided.decision, Decision::Halt);
}

#[tokio::test]
async fn above_five_thousand_tenants_are_asked_for_in_sets() {
    let mut text = String::new();
    let names: Vec<String> = (0..5_050).map(|i| format!("t-{i:04}")).collect();
    for tenant in names.iter().map(String::as_str).chain(["stranger"]) {
        for back in (0..=11).rev() {
            let at = AT - back * STEP;
            writeln!(text, "http_requests_total{{tenant=\"{tenant}\"}} {} {at}", (11 - back) * 300).unwrap();
        }
    }
    text.push_str("# EOF\n");
    let Some(server) = StoredPrometheus::start(&text) else { return };
    let tenants: String = names.iter().map(|name| format!("  {name}: {{sources: [eu]}}\n")).collect();
    let text = format!(
        "version: sla/v1\nsources: [{{name: eu, kind: prometheus, url: \"{}\"}}]\nobjectives:\n\
         \x20 errors: {{kind: ratio, bad: http_errors_total, total: http_requests_total, limit: \"0.010\"}}\n\
         tenants:\n{tenants}",
        server.url
    );
    let policy = read(&text, "sla.yaml").unwrap().at(at());
    let reply = ask(&policy).await;
    // Eleven sets of total, errors and samples; one question that names everybody; three for the stranger; and what was
    // before the window is asked of nobody, since it is whole.
    assert_eq!((reply.queries.len(), &reply.trouble), (11 * 3 + 1 + 3, &None));
    let round = round(&policy, reply);
    assert_eq!((round.decided.decision, round.record.tenants), (Decision::Approve, 5_050));
    assert_eq!(code(&round, "stranger", "errors"), GapCode::NoErrorSeries);
}

fn json(status: &'static str, body: impl Into<Vec<u8>>) -> Page {
    (status, "application/json".to_owned(), body.into())
}

async fn answered(page: Page) -> Round {
    let address = serve(move |_, _| page.clone()).await;
    let policy = policy(&format!("http://{address}"), "", &["healthy"]);
    let reply = ask(&policy).await;
    round(&policy, reply)
}

#[tokio::test]
async fn a_source_in_trouble_is_named_and_its_tenants_are_unknown() {
    let error =
        |kind: &str, text: &str| format!(r#"{{"status":"error","errorType":"{kind}","error":"{text}"}}"#);
    let vector =
        |more: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[]}}{more}}}"#);
    for (page, expected, says) in [
        (json("500 Internal Server Error", "oops"), GapCode::SourceDown, "oops"),
        (json("503 Service Unavailable", error("timeout", "slow")), GapCode::SourceDown, "slow"),
        (json("429 Too Many Requests", "slow down"), GapCode::SourceDown, "slow down"),
        (
            json("422 Unprocessable Entity", error("execution", "context deadline exceeded")),
            GapCode::SourceDown,
            "deadline exceeded",
        ),
        (json("200 OK", "<html>"), GapCode::SourceDown, "not the expected JSON"),
        (
            json("200 OK", vector(r#","warnings":["no store for eu-2"]"#)),
            GapCode::Partial,
            "no store for eu-2",
        ),
    ] {
        let told = format!("{page:?}");
        let round = answered(page).await;
        assert_eq!((round.decided.decision, round.troubles[0].code), (Decision::Halt, expected), "{told}");
        assert!(round.troubles[0].why.contains(says), "{told}: {}", round.troubles[0].why);
        assert_eq!(round.record.gaps[expected.as_str()], 3);
    }
    let round =
        answered(json("200 OK", vector(r#","warnings":["PromQL info: metric might not be a counter"]"#)))
            .await;
    assert!(round.troubles.is_empty());
}

#[tokio::test]
async fn a_server_that_refuses_or_hangs_is_down_within_the_limit() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hangs = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (address, says) in
        [(closed, "unreachable"), (hangs.local_addr().unwrap(), "no whole answer within 1.5 s")]
    {
        let policy = policy(&format!("http://{address}"), "", &["healthy"]);
        let described = &policy.file.sources[0];
        let source = PrometheusTenants::new(described, "tenant", Some("s3cret")).unwrap();
        let reply = source.read(&policy.ask(described, at(), None, Duration::from_millis(1500)), &()).await;
        let told = format!("{source:?} {source} {reply:?}");
        assert!(!told.contains("s3cret"), "{told}");
        let (code, why) = reply.trouble.clone().unwrap();
        assert_eq!(code, GapCode::SourceDown);
        assert!(why.contains(says) || why.contains("no whole answer"), "{why}");
        assert_eq!(round(&policy, reply).decided.decision, Decision::Halt);
    }
}
