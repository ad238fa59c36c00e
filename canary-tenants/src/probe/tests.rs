//! Templates into which nothing is injected, results that add up, breakers, and rounds of whole policies.

use std::collections::BTreeMap;

use canary_core::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::gap::Breach;
use crate::policy;

fn filled(template: &str, tenant: &str) -> String {
    let url: UrlTemplate = template.parse().unwrap_or_else(|why| panic!("{template}: {why}"));
    url.endpoint(tenant).unwrap_or_else(|why| panic!("{template} {tenant}: {why}")).to_string()
}

#[test]
fn a_name_stays_where_it_was_put() {
    for (template, tenant, url) in [
        ("http://h/t/{tenant}/health", "acme", "http://h/t/acme/health"),
        ("http://h/t/{tenant}", "a/../b?c#d", "http://h/t/a%2F..%2Fb%3Fc%23d"),
        ("http://h?t={tenant}", "a&b=c d%\r\nHost: x", "http://h/?t=a%26b%3Dc%20d%25%0D%0AHost%3A%20x"),
        ("http://h/{tenant}", "Zoë", "http://h/Zo%C3%AB"),
        ("https://{tenant}.api.example:443/", "acme-1", "https://acme-1.api.example/"),
        ("https://[::1]:8443/%7Bx/{tenant}", "{tenant}", "https://[::1]:8443/%7Bx/%7Btenant%7D"),
        ("http://h/x..{tenant}", "..", "http://h/x...."),
    ] {
        assert_eq!(filled(template, tenant), url);
        let endpoint: Endpoint = url.parse().unwrap();
        assert_eq!(endpoint.to_string(), url, "what was filled in reads back");
    }
    for (template, tenant) in [
        ("http://{tenant}.h/", "evil.example/"),
        ("http://{tenant}.h/", "a.b"),
        ("http://{tenant}/", "127.0.0.1"),
        ("http://{tenant}.h/", "-a"),
        ("http://{tenant}.h/", "a@b"),
        ("http://{tenant}.h/", ""),
        ("http://h/{tenant}/health", ".."),
        ("http://h/{tenant}/health", "."),
        ("http://h/%2e{tenant}/health", "."),
    ] {
        let url: UrlTemplate = template.parse().unwrap();
        assert!(url.endpoint(tenant).is_err(), "{template} took {tenant:?}");
    }
    for template in [
        "ftp://h/",
        "h/{tenant}",
        "http://",
        "http://u:p@h/",
        "http://h:0/",
        "http://h:+80/",
        "http://h:99999/",
        "http://h/{version}",
        "http://h/a b",
        "http://h/\r\nX: y",
        "http://h/#x",
        "http://h/%zz",
        "http://h/../x",
        "http://[::1/",
        "http://h_{/",
        "http://ä/",
    ] {
        assert!(template.parse::<UrlTemplate>().is_err(), "{template}");
    }
}

proptest! {
    #[test]
    fn whatever_the_name_only_it_changes(tenant in ".{1,40}") {
        let url: UrlTemplate = "http://h:1/a/{tenant}/b?c={tenant}&d".parse().unwrap();
        match url.endpoint(&tenant) {
            Ok(endpoint) => {
                prop_assert_eq!((endpoint.host.as_str(), endpoint.port), ("h", 1));
                let name = endpoint.path.strip_prefix("/a/").and_then(|rest| rest.split_once("/b?c=")).map(|parts| parts.0);
                let name = name.unwrap();
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{}", name);
                prop_assert_eq!(&endpoint.path, &format!("/a/{name}/b?c={name}&d"));
            }
            Err(_) => prop_assert!(tenant == "." || tenant == ".."),
        }
    }
}

fn try_(end: TryEnd) -> Try {
    let error = (end != TryEnd::Good).then(|| end.to_string());
    Try { at_ms: 1_763_790_000_000, took_us: 5_000, status: None, end, error }
}

fn result(tenant: &str, ends: &[TryEnd]) -> ProbeResult {
    let tries: Vec<Try> = ends.iter().map(|end| try_(*end)).collect();
    ProbeResult {
        objective: "probe".to_owned(),
        tenant: tenant.to_owned(),
        verdict: Verdict::of(&tries),
        tries,
    }
}

#[test]
fn one_good_try_is_enough_and_a_proof_outweighs_what_stood_in_the_way() {
    use TryEnd::*;
    for (ends, verdict) in [
        (&[Status, Good][..], "healthy"),
        (&[Status, Unreachable], "unhealthy"),
        (&[Unreachable, Refused], "unhealthy"),
        (&[TimedOut], "unhealthy"),
        (&[Certificate], "unhealthy"),
        (&[Unresolved, Unreachable, Tls, Failed], "unknown"),
        (&[], "unknown"),
    ] {
        assert_eq!(result("t", ends).verdict.as_str(), verdict, "{ends:?}");
    }
    assert_eq!(result("t", &[Status, Unreachable]).verdict.why(), Some("another status"));
    let [good, bad, open] = [[Good], [Status], [Tls]].map(|ends| judged(&result("t", &ends), 7_000));
    assert_eq!((good.score, good.breach, good.observed), ((1_000_000, 1_000_000), Breach::No, Some(5_000)));
    assert_eq!((bad.score, bad.breach), ((0, 0), Breach::Proven));
    assert_eq!((open.score, open.breach, open.observed), ((0, 1_000_000), Breach::Open, None));
}

fn batch(index: u32, tenants: &[&str]) -> ProbeBatch {
    let check = ProbeCheck {
        expect: vec![200],
        body: vec![BodyMatch { pointer: "/status".to_owned(), value: "ok".into() }],
        timeout_us: 1_000,
        tries: 1,
        budget_us: 1_000,
        base_us: 0,
        cap_us: 0,
        spread_us: 0,
        ca_pem: None,
    };
    let target = |tenant: &&str| ProbeTarget {
        tenant: (*tenant).to_owned(),
        url: format!("http://h/{tenant}"),
        limit_us: 1_000,
        addresses: Vec::new(),
    };
    ProbeBatch {
        schema: SCHEMA.to_owned(),
        round: "r".to_owned(),
        index,
        objective: "probe".to_owned(),
        group: "http://h:80".to_owned(),
        check,
        in_flight: 2,
        targets: tenants.iter().map(target).collect(),
    }
}

#[test]
fn a_batch_and_its_results_have_one_json_form() {
    let batch = batch(3, &["acme"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&batch).unwrap());
    assert_eq!(serde_json::from_str::<ProbeBatch>(&serde_json::to_string(&batch).unwrap()).unwrap(), batch);
    insta::assert_snapshot!(lines(&[
        result("acme", &[TryEnd::Status, TryEnd::Good]),
        result("Zoë", &[TryEnd::Tls])
    ]));
}

#[test]
fn what_is_missing_or_does_not_add_up_is_unknown() {
    use TryEnd::*;
    let batch = batch(0, &["a", "b", "c"]);
    let all = [result("a", &[Good]), result("b", &[Status]), result("c", &[Tls])];
    let text = lines(&all);
    assert_eq!(read_lines(&batch, &text, "cut"), all);
    let verdicts = |text: &str| -> Vec<&'static str> {
        read_lines(&batch, text, "cut").iter().map(|result| result.verdict.as_str()).collect()
    };
    // Cut anywhere: what is whole stays, the rest is unknown, and nothing panics.
    for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let seen = verdicts(&text[..at]);
        assert!(
            seen.iter().zip(["healthy", "unhealthy", "unknown"]).all(|(s, v)| *s == v || *s == "unknown"),
            "{at}"
        );
    }
    let without_b: String =
        text.lines().filter(|line| !line.contains("\"b\"")).map(|line| format!("{line}\n")).collect();
    assert_eq!(verdicts(&without_b), ["unknown"; 3], "the count names three");
    assert_eq!(verdicts(&format!("noise\n{text}")), ["healthy", "unhealthy", "unknown"]);
    assert_eq!(verdicts(&text.replace("\"probe\"", "\"other\"")), ["unknown"; 3]);
    assert_eq!(verdicts(""), ["unknown"; 3]);
}

#[test]
fn brief_results_fit_where_little_fits() {
    use TryEnd::*;
    let names: Vec<String> = (0..20).map(|n| format!("tenant-{n:02}-{}", "x".repeat(200))).collect();
    let batch = batch(0, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let ends = |n: usize| [[Good, Good], [Good, Status], [Tls, Unreachable]][n % 3];
    let mut all: Vec<_> = names.iter().enumerate().map(|(n, name)| result(name, &ends(n)[1..])).collect();
    assert_eq!(read_brief(&batch, &brief(&all, 4096).unwrap(), "cut"), all);
    for result in &mut all {
        if let Verdict::Unhealthy { why } | Verdict::Unknown { why } = &mut result.verdict {
            *why = "w".repeat(2000);
        }
    }
    let text = brief(&all, 4096).unwrap();
    assert!(text.len() <= 4096);
    let read = read_brief(&batch, &text, "cut");
    assert!(
        read.iter().zip(&all).all(|(a, b)| a.verdict.as_str() == b.verdict.as_str() && a.tenant == b.tenant)
    );
    assert_eq!(brief(&all, 100), None);
    for text in ["", "[]", "garbage", &text[..text.len() - 1]] {
        assert!(
            read_brief(&batch, text, "cut").iter().all(|result| result.verdict.why() == Some("cut")),
            "{text}"
        );
    }
}

#[test]
fn a_group_is_silent_when_its_whole_first_batch_is() {
    use TryEnd::*;
    let (first, second) = (batch(0, &["a", "b"]), batch(1, &["c"]));
    let mut breaker = Breaker::default();
    breaker.start(&first);
    breaker.start(&second);
    assert!(
        !breaker.heard(&first, &result("a", &[TimedOut]))
            && !breaker.heard(&second, &result("c", &[TimedOut]))
    );
    assert!(breaker.open(&first.group).is_none());
    assert!(breaker.heard(&first, &result("b", &[Unreachable, TimedOut])));
    let mut late = result("c", &[TimedOut]);
    breaker.settle(&second, &mut late);
    assert!(
        late.verdict.as_str() == "unknown" && late.verdict.why().unwrap().contains("http://h:80 is silent")
    );
    let mut bad = result("c", &[TimedOut, Status]);
    breaker.settle(&second, &mut bad);
    assert_eq!(bad.verdict.as_str(), "unhealthy", "what answered is known");
    // One answer, of whatever batch, and it is the tenants that are slow, not the group.
    let mut breaker = Breaker::default();
    breaker.start(&first);
    breaker.start(&second);
    breaker.heard(&second, &result("c", &[Status]));
    assert!(
        !breaker.heard(&first, &result("a", &[TimedOut]))
            && !breaker.heard(&first, &result("b", &[TimedOut]))
    );
    assert!(breaker.open(&first.group).is_none());
}

#[test]
fn a_round_has_every_tenant_that_is_not_exempt() {
    let mut text = "version: sla/v1\nsources: [{name: a, kind: prometheus, url: 'http://p'}]\nobjectives:\n  up: {kind: probe, url: 'http://h/{tenant}', limit: 400ms}\n  deep: {kind: probe, url: 'https://{tenant}.h', tries: 2}\ndecision: {tenant_batch_size: 4, max_in_flight: 3, timeout_per_tenant_check: 5s}\ntiers: {gold: {objectives: {up: 100ms}}}\ntenants:\n  old: {exempt: true, reason: r, until: 2030-01-01}\n".to_owned();
    for n in 0..9 {
        text.push_str(&format!("  t{n}: {{{}}}\n", if n == 4 { "tier: gold" } else { "" }));
    }
    let policy = policy::read(&text, "f").unwrap().at(Timestamp::from_millis(0));
    let roots = BTreeMap::from([("deep".to_owned(), "PEM".to_owned())]);
    let round = ProbeRound::of(&policy, "exec-1", &roots);
    let sizes: Vec<_> =
        round.batches.iter().map(|b| (b.index, b.objective.as_str(), b.targets.len())).collect();
    assert_eq!(
        sizes,
        [(0, "deep", 4), (1, "deep", 4), (2, "deep", 1), (3, "up", 4), (4, "up", 4), (5, "up", 1)]
    );
    assert_eq!(
        (round.len(), round.in_flight, round.batches[0].in_flight, round.batches[2].in_flight),
        (18, 3, 3, 1)
    );
    let deep = &round.batches[0];
    assert_eq!((deep.targets[0].url.as_str(), deep.check.ca_pem.as_deref()), ("https://t0.h/", Some("PEM")));
    // (5 s - a pause of 1 s) / 2 tries; and (5 s - 1 s - 2 s) / 3.
    assert_eq!((deep.check.timeout_us, deep.targets[0].limit_us), (2_000_000, 2_000_000));
    assert_eq!((round.batches[3].check.timeout_us, round.batches[3].targets[0].limit_us), (666_666, 400_000));
    assert_eq!(round.batches[4].targets[0].limit_us, 100_000);
    assert_eq!(round.deadline.as_secs(), 6 * 5 + 30);
    let whole = round.complete(vec![ProbeResult::unknown("up", "t3", "x")], "lost");
    assert_eq!(whole.len(), 18);
    assert_eq!(whole.iter().filter(|result| result.verdict.why() == Some("lost")).count(), 17);
    let none = ProbeRound::of(
        &policy::read(include_str!("../policy/sample.yaml"), "f").unwrap().at(Timestamp::from_millis(0)),
        "e",
        &BTreeMap::new(),
    );
    assert!(none.is_empty() && none.batches.is_empty());
}
