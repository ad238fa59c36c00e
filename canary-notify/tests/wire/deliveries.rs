//! What a receiver gets, and what its answers lead to.

use std::time::{Duration, SystemTime};

use canary_core::engine::Outcome;
use canary_core::time::Timestamp;
use canary_core::traits::{Event, EventSink as _};
use canary_notify::{Choice, Notifier, NotifyConfig, Report, Secret, SigningSecret, Target, signature};

use crate::receiver::{Answer, Receiver, config, ended, rollout};

const LONG: Duration = Duration::from_secs(30);
const KEYS: &str = "a-new-and-long-shared-secret\nan-old-and-long-shared-secret";
const TOKEN: &str = "T0000-B0000-abcdefghijklmnop";

fn secrets() -> Vec<SigningSecret> {
    SigningSecret::parse_all(&Secret::new(KEYS)).unwrap()
}

fn webhook(receiver: &Receiver) -> Target {
    Target::webhook(&Secret::new(format!("{}/hook/{TOKEN}?key={TOKEN}", receiver.url)), secrets(), LONG)
        .unwrap()
}

/// Tells of one end, and gives how the receiver fared.
async fn tell(target: Target, config: NotifyConfig) -> Report {
    let notifier = Notifier::start(config, vec![target], &[]);
    notifier.emit(&Event::Recorded(&ended(Outcome::Completed { changed: true })));
    notifier.close(LONG).await.remove(0)
}

#[tokio::test]
async fn a_webhook_is_signed_by_every_secret() {
    let receiver = Receiver::answering(vec![Answer::status("204 No Content")]).await;
    let before = Timestamp::from(SystemTime::now()).as_millis() / 1000;
    let report = tell(webhook(&receiver), config()).await;
    assert!(report.complete() && report.delivered == 1, "{report:?}");
    let request = receiver.seen().remove(0);
    assert!(
        request.head.starts_with(&format!("POST /hook/{TOKEN}?key={TOKEN} HTTP/1.1")),
        "{}",
        request.head
    );
    let id = request.header("webhook-id").unwrap();
    assert_eq!(id, format!("{}-0", rollout()));
    let time: u64 = request.header("webhook-timestamp").unwrap().parse().unwrap();
    assert!(time >= before);
    let expected = signature(&secrets(), &id, time, request.body.as_bytes());
    assert_eq!(request.header("webhook-signature").unwrap(), expected);
    assert_eq!(expected.matches("v1,").count(), 2);
    assert_eq!(request.json()["id"], id);
    assert_eq!(request.json()["data"]["outcome"], "completed");
}

#[tokio::test]
async fn slack_and_cdevents_get_their_own_forms() {
    let receiver = Receiver::answering(vec![Answer::status("200 OK")]).await;
    let address = Secret::new(format!("{}/services/{TOKEN}", receiver.url));
    let slack = Target::slack(&address, LONG).unwrap();
    tell(slack, config()).await;
    let token = Secret::new("a-bearer-token");
    let cdevents = Target::cdevents(&address, "/canary/deploy".to_owned(), Some(&token), LONG).unwrap();
    assert!(!format!("{cdevents:?}").contains("bearer-token"));
    tell(cdevents, config()).await;
    let seen = receiver.seen();
    assert_eq!(seen[0].json()["text"], "api (test): completed");
    assert_eq!(seen[1].header("authorization").unwrap(), "Bearer a-bearer-token");
    assert_eq!(seen[1].header("content-type").unwrap(), "application/cdevents+json; charset=utf-8");
    assert_eq!(seen[1].header("ce-id").unwrap(), seen[1].json()["context"]["id"]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_id() {
    let script = vec![
        Answer::status("500 Internal Server Error"),
        Answer::with("429 Too Many Requests", "retry-after: 1\r\n"),
        Answer::Close,
        Answer::status("200 OK"),
    ];
    let receiver = Receiver::answering(script).await;
    let report = tell(webhook(&receiver), config()).await;
    assert_eq!((report.delivered, report.failed), (1, 0), "{report:?}");
    let ids: Vec<_> = receiver.seen().iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test]
async fn what_cannot_pass_is_tried_once_and_the_secret_is_not_shown() {
    let elsewhere = Receiver::answering(vec![Answer::status("200 OK")]).await;
    let echo = format!("no such hook: /hook/{TOKEN}?key={TOKEN}");
    let answers = [
        Answer::status("400 Bad Request"),
        Answer::status("410 Gone"),
        Answer::with("302 Found", &format!("location: {}\r\n", elsewhere.url)),
        Answer::with("307 Temporary Redirect", &format!("location: {}\r\n", elsewhere.url)),
        Answer::Raw(format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{echo}", echo.len())),
        Answer::Endless("403 Forbidden"),
    ];
    for answer in answers {
        let receiver = Receiver::answering(vec![answer.clone()]).await;
        let report = tell(webhook(&receiver), config()).await;
        assert_eq!((report.delivered, report.failed), (0, 1), "{answer:?}: {report:?}");
        assert_eq!(receiver.seen().len(), 1, "{answer:?}");
        let shown = format!("{report:?}");
        assert!(!shown.contains(TOKEN) && !shown.contains("shared-secret"), "{shown}");
        assert!(shown.len() < 2000, "{}", shown.len());
    }
    assert_eq!(elsewhere.seen().len(), 0, "a redirect was followed");
}

#[tokio::test]
async fn an_endless_answer_that_is_good_is_good() {
    let receiver = Receiver::answering(vec![Answer::Endless("200 OK")]).await;
    assert_eq!(tell(webhook(&receiver), config()).await.delivered, 1);
}

#[tokio::test]
async fn tries_end_and_nobody_listening_is_an_error_without_the_path() {
    let receiver = Receiver::answering(vec![Answer::status("503 Service Unavailable")]).await;
    let report = tell(webhook(&receiver), config()).await;
    assert_eq!((report.left, receiver.seen().len()), (1, 4));
    // A port that was free a moment ago: nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target::slack(&Secret::new(format!("http://{free}/services/{TOKEN}")), LONG).unwrap();
    let report = tell(target, config()).await;
    assert!(!report.complete() && report.left == 1 && report.oldest.is_some());
    let error = report.error.unwrap();
    assert!(error.contains("no connection") && !error.contains(TOKEN), "{error}");
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_the_deadline_and_no_more() {
    let receiver = Receiver::answering(vec![Answer::Hang]).await;
    let notifier = Notifier::start(config(), vec![webhook(&receiver)], &[]);
    for _ in 0..3 {
        // Returns at once, or this test never ends: nothing is awaited.
        notifier.emit(&Event::Recorded(&ended(Outcome::Stuck { reason: "r".to_owned() })));
    }
    receiver.has_seen(1).await;
    let report = notifier.close(Duration::from_millis(50)).await.remove(0);
    assert_eq!((report.delivered, report.failed, report.left), (0, 0, 3), "{report:?}");
}

#[tokio::test]
async fn one_dead_receiver_does_not_hold_up_another() {
    let (dead, alive) = (
        Receiver::answering(vec![Answer::Hang]).await,
        Receiver::answering(vec![Answer::status("200 OK")]).await,
    );
    let slack = Target::slack(&Secret::new(&alive.url), LONG).unwrap();
    let notifier = Notifier::start(config(), vec![webhook(&dead), slack], &[]);
    notifier.emit(&Event::Recorded(&ended(Outcome::Completed { changed: true })));
    alive.has_seen(1).await;
    let reports = notifier.close(Duration::from_millis(50)).await;
    assert_eq!((reports[0].left, reports[1].delivered), (1, 1));
}

#[tokio::test]
async fn only_what_is_wanted_is_sent() {
    for (choice, completed, stuck) in [(Choice::All, 1, 1), (Choice::Problems, 0, 1), (Choice::Ends, 1, 1)] {
        for (outcome, expected) in [
            (Outcome::Completed { changed: true }, completed),
            (Outcome::Stuck { reason: "r".to_owned() }, stuck),
        ] {
            let receiver = Receiver::answering(vec![Answer::status("200 OK")]).await;
            let notifier =
                Notifier::start(NotifyConfig { choice, ..config() }, vec![webhook(&receiver)], &[]);
            notifier.emit(&Event::Recorded(&ended(outcome.clone())));
            notifier.close(LONG).await;
            assert_eq!(receiver.seen().len(), expected, "{choice:?} {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_test_says_that_it_is_one() {
    let receiver = Receiver::answering(vec![Answer::status("200 OK"), Answer::status("500 Oops")]).await;
    Notifier::test(&webhook(&receiver), &config()).await.unwrap();
    assert_eq!(receiver.seen()[0].json()["type"], "test");
    let error = Notifier::test(&webhook(&receiver), &config()).await.unwrap_err();
    assert!(error.to_string().contains("500") && !error.to_string().contains(TOKEN), "{error}");
}
