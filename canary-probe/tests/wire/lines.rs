//! Connections that are kept: used again, and never the reason of a verdict.

use std::sync::atomic::Ordering;

use canary_tenants::probe::{ProbeBatch, TryEnd, Verdict};

use super::server::{Server, start};
use super::{CA, SECOND, batch, ends, run};

/// Ten tenants whose paths end with this.
fn ten(server: &Server, path: &str) -> ProbeBatch {
    let names: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    batch(&format!("http://{}/{{tenant}}/{path}", server.address), &names)
}

fn opened(server: &Server) -> usize {
    server.seen.connections.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_window_of_tenants_has_as_many_connections() {
    let server = start(None).await;
    let of = |index| ProbeBatch { index, objective: format!("up{index}"), ..ten(&server, "keep") };
    let batches = (0..4).map(of).collect();
    let results = run(batches, 3).await;
    assert!(results.len() == 40 && results.iter().all(|result| result.verdict == Verdict::Healthy));
    assert!(opened(&server) <= 3, "{}", opened(&server));
}

#[tokio::test]
async fn the_end_of_a_connection_is_no_verdict() {
    // Closed after each answer, and at the second request instead of an answer.
    for path in ["ok", "fickle"] {
        let server = start(None).await;
        let results = run(vec![ten(&server, path)], 1).await;
        for result in &results {
            let ends: Vec<_> = result.tries.iter().map(|once| once.end).collect();
            assert_eq!((ends, &result.verdict), (vec![TryEnd::Good], &Verdict::Healthy), "{path}");
        }
        assert_eq!(opened(&server), 10, "{path}");
    }
}

#[tokio::test]
async fn nothing_over_a_connection_that_was_used_before_is_asked_over_another() {
    let server = start(None).await;
    let mut mute = batch(&format!("http://{}/{{tenant}}/mute", server.address), &["a", "b"]);
    // The new one's answer is in time by its own clock.
    (mute.check.timeout_us, mute.targets[0].limit_us, mute.targets[1].limit_us) =
        (4 * SECOND, 2 * SECOND - 1, 2 * SECOND - 1);
    let results = run(vec![mute], 1).await;
    assert_eq!(ends(&results), [("a", vec![TryEnd::Good], "healthy"), ("b", vec![TryEnd::Good], "healthy")]);
    assert_eq!((server.seen.of("/b/mute"), opened(&server)), (2, 2));
    // Who is silent there, too, is.
    let mut silent = batch(&format!("http://{}/{{tenant}}", server.address), &["keep", "hang"]);
    silent.check.timeout_us = SECOND / 2;
    let results = run(vec![silent], 1).await;
    assert_eq!(ends(&results)[1], ("hang", vec![TryEnd::TimedOut], "unhealthy"));
    assert_eq!((server.seen.of("/hang"), opened(&server)), (2, 4));
}

#[tokio::test]
async fn one_that_was_believed_by_other_roots_is_not_used() {
    let server = start(Some(include_str!("data/server.pem"))).await;
    let of = |index, roots: &str| {
        let mut batch =
            batch(&format!("https://localhost:{}/{{tenant}}/keep", server.address.port()), &["a"]);
        (batch.index, batch.objective) = (index, format!("up{index}"));
        (batch.check.ca_pem, batch.targets[0].addresses) =
            (Some(roots.to_owned()), vec![server.address.ip()]);
        batch
    };
    let results = run(vec![of(0, CA), of(1, CA), of(2, include_str!("data/expired.pem"))], 1).await;
    let ends: Vec<_> = results.iter().map(|result| result.tries[0].end).collect();
    assert_eq!(ends, [TryEnd::Good, TryEnd::Good, TryEnd::Tls]);
    assert_eq!(opened(&server), 2, "the second went over the first one's");
}
