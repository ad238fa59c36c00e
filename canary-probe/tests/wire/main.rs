//! Probes over the wire: good and bad servers, TLS, windows, silent groups, the program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lines;
mod program;
mod server;

use std::sync::Mutex;
use std::time::Duration;

use canary_probe::{InProcess, SystemNames, resolve_round};
use canary_tenants::probe::{
    BodyMatch, ProbeBatch, ProbeCheck, ProbeProgress, ProbeResult, ProbeRound, ProbeRunner, TryEnd, Verdict,
};
use server::{Server, start};

const SECOND: u64 = 1_000_000;
const CA: &str = include_str!("data/ca.pem");

pub(crate) fn batch(template: &str, tenants: &[&str]) -> ProbeBatch {
    let check = ProbeCheck {
        body: vec![BodyMatch { pointer: "/status".to_owned(), value: "ok".into() }],
        timeout_us: 20 * SECOND,
        tries: 1,
        budget_us: 60 * SECOND,
        base_us: 1_000,
        cap_us: 2_000,
        spread_us: 1_000,
        ..ProbeCheck::default()
    };
    let url = template.parse().unwrap();
    ProbeRound::asking("round", "up", &url, tenants, &check, tenants.len()).unwrap().batches.remove(0)
}

pub(crate) fn round(batches: Vec<ProbeBatch>, in_flight: u32) -> ProbeRound {
    ProbeRound { id: "round".to_owned(), batches, in_flight, deadline: Duration::from_secs(120) }
}

async fn run(batches: Vec<ProbeBatch>, in_flight: u32) -> Vec<ProbeResult> {
    InProcess::default().run(&round(batches, in_flight), &()).await
}

fn at(server: &Server) -> String {
    format!("http://{}/{{tenant}}", server.address)
}

fn ends(results: &[ProbeResult]) -> Vec<(&str, Vec<TryEnd>, &str)> {
    let of = |result: &ProbeResult| result.tries.iter().map(|try_| try_.end).collect();
    results.iter().map(|r| (r.tenant.as_str(), of(r), r.verdict.as_str())).collect()
}

#[tokio::test]
async fn every_kind_of_answer_has_its_meaning() {
    let server = start(None).await;
    let mut good = batch(
        &at(&server),
        &["ok", "wrong", "text", "down", "redirect", "garbage", "nothing", "cut", "huge", "heads"],
    );
    good.check.expect = vec![200, 204];
    let results = run(vec![good], 20).await;
    use TryEnd::*;
    let bad = |name, end| (name, vec![end], "unhealthy");
    assert_eq!(
        ends(&results),
        [
            ("ok", vec![Good], "healthy"),
            bad("wrong", Body),
            bad("text", Body),
            bad("down", Status),
            bad("redirect", Status),
            bad("garbage", Broken),
            bad("nothing", Broken),
            bad("cut", Broken),
            bad("huge", Body),
            bad("heads", Broken),
        ]
    );
    assert_eq!(server.seen.of("/ok"), 1, "the redirect was not followed");
    let told: Vec<_> =
        results.iter().map(|result| result.verdict.why().unwrap_or_default().to_owned()).collect();
    assert_eq!(told[1], "\"/status\" is \"no\", not \"ok\"");
    assert_eq!(told[4], "status 302, not 200 or 204");
    assert!(
        results.iter().all(|result| result.tries[0].at_ms > 1_700_000_000_000 && result.tries[0].took_us > 0)
    );
    // Where no body is asked for, any will do.
    let mut any = batch(&at(&server), &["huge", "text"]);
    any.check.body.clear();
    assert_eq!(
        ends(&run(vec![any], 2).await),
        [("huge", vec![Good], "healthy"), ("text", vec![Good], "healthy")]
    );
}

#[tokio::test]
async fn what_is_late_is_unhealthy_and_what_cannot_be_reached_is_unknown() {
    let server = start(None).await;
    let mut late = batch(&at(&server), &["ok", "hang", "drip"]);
    late.check.timeout_us = SECOND / 5;
    let results = run(vec![late], 3).await;
    use TryEnd::*;
    assert_eq!(
        ends(&results),
        [
            ("ok", vec![Good], "healthy"),
            ("hang", vec![TimedOut], "unhealthy"),
            ("drip", vec![TimedOut], "unhealthy")
        ]
    );
    let mut slow = batch(&at(&server), &["slow"]);
    slow.targets[0].limit_us = 50_000;
    assert_eq!(ends(&run(vec![slow], 1).await), [("slow", vec![Slow], "unhealthy")]);
    // A port that was free a moment ago: nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = run(vec![batch(&format!("http://{free}/{{tenant}}"), &["a"])], 1).await;
    assert_eq!(ends(&refused), [("a", vec![Refused], "unhealthy")]);
    let unnamed = run(vec![batch("http://no-such-host.invalid/{tenant}", &["a"])], 1).await;
    assert_eq!(ends(&unnamed), [("a", vec![Unresolved], "unknown")]);
}

#[tokio::test]
async fn tries_go_on_until_one_is_good_within_the_budget() {
    let server = start(None).await;
    let mut flaky = batch(&at(&server), &["flaky", "down"]);
    flaky.check.tries = 3;
    use TryEnd::*;
    let results = run(vec![flaky], 2).await;
    assert_eq!(
        ends(&results),
        [("flaky", vec![Status, Status, Good], "healthy"), ("down", vec![Status; 3], "unhealthy")]
    );
    // One try that hangs uses the budget up; there is no second one.
    let mut hang = batch(&at(&server), &["hang", "ok"]);
    (hang.check.tries, hang.check.budget_us) = (10, SECOND / 5);
    assert_eq!(ends(&run(vec![hang], 2).await)[0], ("hang", vec![TimedOut], "unhealthy"));
}

#[tokio::test]
async fn names_are_escaped_on_the_wire() {
    let server = start(None).await;
    let names = ["a b", "x\r\nHost: evil", "../ok", "ä?b#c"];
    let results =
        run(vec![batch(&format!("http://{}/t/{{tenant}}/health", server.address), &names)], 4).await;
    assert!(results.iter().all(|result| result.verdict == Verdict::Healthy), "{results:?}");
    let paths: Vec<String> = server.seen.paths.lock().unwrap().keys().cloned().collect();
    assert_eq!(
        paths,
        [
            "/t/%C3%A4%3Fb%23c/health",
            "/t/..%2Fok/health",
            "/t/a%20b/health",
            "/t/x%0D%0AHost%3A%20evil/health"
        ]
    );
}

#[tokio::test]
async fn certificates_are_held_against_the_policys_own_roots() {
    use TryEnd::*;
    let of = |certificate: &'static str, host: &'static str, roots: Option<&'static str>| async move {
        let server = start(Some(certificate)).await;
        let mut batch = batch(&format!("https://{host}:{}/{{tenant}}", server.address.port()), &["ok"]);
        batch.check.ca_pem = roots.map(str::to_owned);
        batch.targets[0].addresses = vec![server.address.ip()];
        let result = run(vec![batch], 1).await.remove(0);
        (result.tries[0].end, result.verdict.as_str())
    };
    let good = include_str!("data/server.pem");
    assert_eq!(of(good, "localhost", Some(CA)).await, (Good, "healthy"));
    assert_eq!(of(good, "127.0.0.1", Some(CA)).await, (Good, "healthy"));
    assert_eq!(of(good, "other.name", Some(CA)).await, (Certificate, "unhealthy"));
    assert_eq!(
        of(include_str!("data/other-name.pem"), "localhost", Some(CA)).await,
        (Certificate, "unhealthy")
    );
    assert_eq!(of(include_str!("data/expired.pem"), "localhost", Some(CA)).await, (Certificate, "unhealthy"));
    // Whose root nobody knows may be our own mistake.
    let other_root = include_str!("data/expired.pem");
    assert_eq!(of(good, "localhost", Some(other_root)).await, (Tls, "unknown"));
    assert_eq!(of(good, "localhost", Some("no certificate")).await, (Failed, "unknown"));
    let plain = start(None).await;
    let mut batch = batch(&format!("https://{}/{{tenant}}", plain.address), &["garbage"]);
    (batch.check.ca_pem, batch.check.timeout_us) = (Some(CA.to_owned()), SECOND / 5);
    let result = run(vec![batch], 1).await.remove(0);
    assert!(matches!(result.tries[0].end, Tls | TimedOut), "{result:?}");
}

/// Counts what it hears.
#[derive(Default)]
struct Heard(Mutex<(Vec<u32>, usize)>);

impl ProbeProgress for Heard {
    fn started(&self, batch: &ProbeBatch) {
        self.0.lock().unwrap().0.push(batch.index);
    }

    fn done(&self, _: &ProbeResult) {
        self.0.lock().unwrap().1 += 1;
    }
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn one_that_is_held_up_holds_nobody_else() {
    let server = start(None).await;
    let mut batches = Vec::new();
    for index in 0..5_u32 {
        let names: Vec<String> = (0..4)
            .map(|n| if index == 0 && n == 0 { "held".to_owned() } else { format!("t{index}{n}") })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        batches.push(ProbeBatch { index, ..batch(&at(&server), &names) });
    }
    let heard = std::sync::Arc::new(Heard::default());
    let (round, progress) = (round(batches, 3), std::sync::Arc::clone(&heard));
    let running = tokio::spawn(async move { InProcess::default().run(&round, progress.as_ref()).await });
    // Barrier batches would stop at the first one; here all others are done while one is held.
    until("19 are done while one is held", || heard.0.lock().unwrap().1 == 19).await;
    assert_eq!(server.seen.now(), 1);
    server.seen.release.notify_one();
    let results = running.await.unwrap();
    assert!(results.len() == 20 && results.iter().all(|result| result.verdict == Verdict::Healthy));
    assert_eq!(results[0].tenant, "held", "results are in the round's order");
    assert_eq!(heard.0.lock().unwrap().0, [0, 1, 2, 3, 4]);
    assert!(server.seen.most.load(std::sync::atomic::Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_silent_group_makes_the_rest_unknown_at_once() {
    let (server, other) = (start(None).await, start(None).await);
    let silent = |index, names: &[&str]| {
        let mut batch =
            ProbeBatch { index, ..batch(&format!("http://{}/{{tenant}}/hang", server.address), names) };
        batch.check.timeout_us = SECOND / 5;
        batch
    };
    let fine = ProbeBatch { index: 2, ..batch(&at(&other), &["x", "y"]) };
    let results = run(vec![silent(0, &["a", "b"]), silent(1, &["c", "d", "e", "f"]), fine], 3).await;
    let (down, up) = results.split_at(6);
    assert!(up.iter().all(|result| result.verdict == Verdict::Healthy), "the other group goes on: {up:?}");
    for result in down {
        let why = result.verdict.why().unwrap();
        assert!(
            result.verdict.as_str() == "unknown" && why.contains(&server.address.to_string()),
            "{result:?}"
        );
    }
    assert_eq!(server.seen.of("/f/hang") + server.seen.of("/e/hang"), 0, "the last ones were not asked");
    // One of the first batch that answers, and each is judged alone.
    let mut mixed = batch(&at(&server), &["hang", "down"]);
    mixed.check.timeout_us = SECOND / 5;
    let verdicts: Vec<_> = run(vec![mixed], 2).await.iter().map(|result| result.verdict.as_str()).collect();
    assert_eq!(verdicts, ["unhealthy", "unhealthy"]);
}

#[tokio::test]
async fn a_round_ends_with_its_deadline() {
    let server = start(None).await;
    let mut late = round(vec![batch(&at(&server), &["ok", "hang", "x"])], 2);
    late.deadline = Duration::from_secs(2);
    late.batches[0].check.tries = 1;
    late.in_flight = 2;
    let results = InProcess::default().run(&late, &()).await;
    let told: Vec<_> = results.iter().map(|result| result.verdict.as_str()).collect();
    assert_eq!(told, ["healthy", "unknown", "healthy"]);
    assert!(results[1].verdict.why().unwrap().contains("deadline"));
}

#[tokio::test]
async fn hosts_are_resolved_once_for_those_who_cannot() {
    let mut round = round(
        vec![
            batch("http://localhost:1/{tenant}", &["a", "b"]),
            batch("http://no-such-host.invalid/{tenant}", &["c"]),
        ],
        1,
    );
    resolve_round(&mut round, &SystemNames, Duration::from_secs(10)).await;
    let of = |batch: usize| {
        round.batches[batch]
            .targets
            .iter()
            .map(|t| t.addresses.iter().any(|a| a.is_loopback()))
            .collect::<Vec<_>>()
    };
    assert_eq!((of(0), of(1)), (vec![true, true], vec![false]));
}
