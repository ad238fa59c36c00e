//! Replies no Prometheus of ours gives on demand: other servers, proxies, broken and partial answers.

use std::time::Duration;

use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, ErrorKind, Retry, Sample, SliKind, SliQuery, SliSource, Subject};
use canary_prom::{PrometheusConfig, PrometheusSource};

use crate::pages::{Page, serve};

fn query(kind: SliKind) -> SliQuery {
    let (window, at) = (Duration::from_secs(60), Timestamp::from_millis(1_705_329_130_123));
    SliQuery { name: "sli".to_owned(), kind, subject: Subject::Pool, window, at }
}

fn expression() -> SliKind {
    SliKind::Expression { promql: "up".to_owned() }
}

fn json(status: &'static str, body: &str) -> Page {
    (status, "application/json".to_owned(), body.into())
}

async fn ask(kind: SliKind, page: Page) -> Result<Sample, BackendError> {
    let address = serve(move |_, _| page.clone()).await;
    let source = PrometheusSource::new(PrometheusConfig::new(format!("http://{address}"))).unwrap();
    source.sample(&[query(kind)]).await.pop().unwrap()
}

#[tokio::test]
async fn every_failure_has_its_kind_and_its_words() {
    let html = |status| (status, "text/html".to_owned(), b"<html>\n<title>Login</title>".to_vec());
    let vector = |result: &str| {
        format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":{result}}}}}")
    };
    let cases = [
        (html("200 OK"), ErrorKind::Protocol, true, "not the expected JSON: <html> <title>Login</title>"),
        (html("404 Not Found"), ErrorKind::NotFound, false, "no Prometheus query API at this URL: <html>"),
        (html("502 Bad Gateway"), ErrorKind::Unreachable, true, "<html>"),
        (html("403 Forbidden"), ErrorKind::Unauthorised, false, "<html>"),
        (html("401 Unauthorized"), ErrorKind::Unauthorised, false, "<html>"),
        (html("302 Found"), ErrorKind::Protocol, false, "redirected to elsewhere; use that URL"),
        (
            json("200 OK", vector("[{\"metric\":{}").trim_end_matches('}')),
            ErrorKind::Protocol,
            true,
            "truncated JSON",
        ),
        (
            json("200 OK", "{\"status\":\"succ"),
            ErrorKind::Protocol,
            true,
            "truncated JSON: {\"status\":\"succ",
        ),
        (json("200 OK", ""), ErrorKind::Protocol, true, "not the expected JSON: an empty body"),
        (json("200 OK", "{}"), ErrorKind::Protocol, true, "not the expected JSON: {}"),
        (json("200 OK", "{\"status\":\"success\"}"), ErrorKind::Protocol, false, "a success without data"),
        (json("200 OK", &vector("{}")), ErrorKind::Protocol, true, "not the expected JSON"),
        (
            json("200 OK", &vector("[{\"metric\":{},\"value\":[1,\"x\"]}]")),
            ErrorKind::Protocol,
            true,
            "not the expected",
        ),
        (
            json("200 OK", &vector("[{\"metric\":{},\"histogram\":[1,{}]}]")),
            ErrorKind::Unsupported,
            false,
            "the series is a native histogram",
        ),
        (
            json(
                "400 Bad Request",
                "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:5: parse error\"}",
            ),
            ErrorKind::Refused,
            false,
            "bad_data: 1:5: parse error",
        ),
        (
            json(
                "422 Unprocessable Entity",
                "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many\"}",
            ),
            ErrorKind::Refused,
            false,
            "execution: too many",
        ),
        (
            json(
                "503 Service Unavailable",
                "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"slow\"}",
            ),
            ErrorKind::TimedOut,
            true,
            "timeout: slow",
        ),
        (json("503 Service Unavailable", "starting"), ErrorKind::Unreachable, true, "starting"),
        (json("429 Too Many Requests", "slow down"), ErrorKind::Exhausted, true, "slow down"),
        (json("500 Internal Server Error", "oops"), ErrorKind::Other, true, "oops"),
        (
            json("200 OK", "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"odd\"}"),
            ErrorKind::Refused,
            false,
            "execution: odd",
        ),
    ];
    for (page, kind, transient, says) in cases {
        let told = format!("{page:?}");
        let error = ask(expression(), page).await.expect_err(&told);
        assert_eq!(error.kind(), kind, "{told}: {}", error.chain());
        assert_eq!(error.retry() != Retry::Permanent, transient, "{told}: {}", error.chain());
        assert!(error.message().starts_with(says), "{told}: {}", error.chain());
        assert!(error.message().len() < 400, "{told}: {}", error.chain());
    }
}

#[tokio::test]
async fn a_scalar_where_a_vector_is_needed_is_refused() {
    let page =
        json("200 OK", "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"1\"]}}");
    let kind = SliKind::ErrorRatio { metric: "m".parse().unwrap(), status_label: "status".parse().unwrap() };
    let error = ask(kind, page).await.unwrap_err();
    assert_eq!(error.message(), "the answer is a scalar, not one number");
}

#[tokio::test]
async fn warnings_and_infos_reach_the_sample() {
    let page = json(
        "200 OK",
        "{\"status\":\"success\",\"warnings\":[\"partial response\"],\"infos\":[\"metric might not be a counter\"],\
         \"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"1\"]}]}}",
    );
    let sample = ask(expression(), page).await.unwrap();
    assert_eq!(sample.warnings, ["partial response", "info: metric might not be a counter"]);
}

#[tokio::test]
async fn long_answers_are_cut_by_the_limit_and_evidence_by_its_own() {
    let element = format!("{{\"metric\":{{\"path\":\"{}\"}},\"value\":[1,\"1\"]}}", "x".repeat(1000));
    let many = |count| {
        let all = vec![element.as_str(); count].join(",");
        json(
            "200 OK",
            &format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{all}]}}}}"),
        )
    };
    let sample = ask(expression(), many(10_000)).await.unwrap();
    assert_eq!(format!("{:?}", sample.reading), "SeveralSeries { count: 10000 }");
    assert_eq!(sample.queries[0].reply.chars().count(), 500);
    let error = ask(expression(), many(20_000)).await.unwrap_err();
    assert_eq!(error.message(), "the body is longer than the limit of 16777216 bytes");
}

#[tokio::test]
async fn stores_without_a_version_page_answer_a_ping() {
    let address = serve(|path, _| match path {
        "/prefix/api/v1/query" => json(
            "200 OK",
            "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"1\"]}}",
        ),
        _ => json("404 Not Found", "no such page"),
    })
    .await;
    let at = Timestamp::from_millis(0);
    let source = |url: String| PrometheusSource::new(PrometheusConfig::new(url)).unwrap();
    let info = source(format!("http://{address}/prefix/")).ping(at).await.unwrap();
    assert_eq!(info.version, None);
    let error = source(format!("http://{address}")).ping(at).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn settings_are_checked_and_secrets_never_shown() {
    let mut config = PrometheusConfig::new("http://prom:s3cret@prom.lxd:9090");
    config.bearer_token = Some("t0ken".to_owned());
    let source = PrometheusSource::new(config.clone()).unwrap();
    assert_eq!(source.to_string(), "Prometheus at http://prom.lxd:9090");
    let debug = format!("{config:?} {source:?}");
    assert!(!debug.contains("s3cret") && !debug.contains("t0ken"), "{debug}");
    config.node_label = Some("a:b".parse().unwrap());
    let error = PrometheusSource::new(config).unwrap_err();
    assert_eq!(error.to_string(), "\"a:b\" is not a label name: ':' is only allowed in metric names");
    let error = PrometheusSource::new(PrometheusConfig::new("prom.lxd:9090")).unwrap_err();
    assert!(error.to_string().contains("it must start with http:// or https://"), "{error}");
}
