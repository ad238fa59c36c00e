//! Notices as events.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary_core::engine::Outcome;
use canary_core::fleet::Digest;
use canary_core::journal::{Anchor, Chain, Entry, Record, RolloutId};
use canary_core::time::Timestamp;
use canary_core::traits::{Event, EventSink as _};
use canary_datadog::{DatadogEvents, Keys, Site};
use canary_notify::{About, Kind, Notice, Notifier, NotifyConfig, Report, RetrySchedule, Target};
use canary_testkit::datadog::{API_KEY, DatadogServer, Whim};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(30);

fn target(server: &DatadogServer, key: &str) -> Target {
    let site = Site::parse(&server.url()).unwrap();
    let events = DatadogEvents::new(site, Keys::new(key, None).unwrap(), LONG).unwrap();
    Target::courier(Arc::new(events))
}

fn about() -> About {
    About {
        service: "api".to_owned(),
        pool: "api_pool".to_owned(),
        environment: "test".to_owned(),
        host: "deploy".to_owned(),
    }
}

fn config() -> NotifyConfig {
    let retry = RetrySchedule {
        attempts: 4,
        first: Duration::from_millis(5),
        cap: Duration::from_secs(2),
        timeout: Duration::from_secs(20),
    };
    NotifyConfig { retry, ..NotifyConfig::new(about()) }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// A journal of so many refusals, the last of them just now.
fn refusals(count: u64) -> Vec<Record> {
    let mut chain = Chain::new([7; 16]);
    let one = |i: u64| {
        let time = Timestamp::from_millis(now().as_millis() - (count - i) * 1000);
        let rollout = RolloutId::new(time, u32::try_from(i).unwrap());
        let entry = Entry::Refused { rollout, actor: "ada".to_owned(), reasons: vec![format!("no {i}")] };
        let (record, _) = chain.record(time, entry).unwrap();
        chain = Chain::after(&record);
        record
    };
    (0..count).map(one).collect()
}

async fn tell(target: Target, records: &[Record]) -> Report {
    let notifier = Notifier::start(config(), vec![target], &[]);
    for record in records {
        notifier.emit(&Event::Recorded(record));
    }
    notifier.close(LONG).await.remove(0)
}

fn tags(event: &Value) -> Vec<&str> {
    let tags = event["data"]["attributes"]["tags"].as_array().or_else(|| event["tags"].as_array());
    tags.unwrap().iter().map(|tag| tag.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_record_is_an_event_with_its_anchor() {
    let server = DatadogServer::start(0).unwrap();
    let records = refusals(2);
    let report = tell(target(&server, API_KEY), &records).await;
    assert!(report.complete() && report.delivered == 2, "{report:?}");
    let events = server.events();
    for (event, record) in events.iter().zip(&records) {
        let anchor = Anchor::from(record);
        let attributes = &event["data"]["attributes"];
        assert_eq!(attributes["aggregation_key"], record.entry.rollout().unwrap().to_string());
        assert!(tags(event).contains(&format!("canary_seq:{}", record.seq).as_str()));
        assert!(tags(event).contains(&format!("canary_hash:{}", record.hash).as_str()));
        let metadata = &attributes["attributes"]["change_metadata"];
        assert_eq!((&metadata["seq"], &metadata["outcome"]), (&record.seq.into(), &"refused".into()));
        // What `log verify --anchor` reads can be taken from the message as it is.
        assert_eq!(
            Anchor::find(attributes["message"].as_str().unwrap().lines().last().unwrap()),
            Some(anchor)
        );
    }
    assert!(server.exchanges().iter().all(|one| one.path == "/api/v2/events" && one.status == 202));
}

#[tokio::test]
async fn where_there_is_no_v2_it_is_v1() {
    let server = DatadogServer::start(0).unwrap();
    server.without_events_v2();
    let report = tell(target(&server, API_KEY), &refusals(3)).await;
    assert_eq!((report.delivered, report.failed), (3, 0), "{report:?}");
    let paths: Vec<_> = server.exchanges().into_iter().map(|one| (one.path, one.status)).collect();
    let expected =
        [("/api/v2/events", 404), ("/api/v1/events", 202), ("/api/v1/events", 202), ("/api/v1/events", 202)];
    assert_eq!(paths, expected.map(|(path, status)| (path.to_owned(), status)));
    let event = server.events().remove(0);
    assert_eq!(
        (&event["alert_type"], &event["title"]),
        (&"error".into(), &"api (test): refused; nothing was changed".into())
    );
    assert!(tags(&event).contains(&"canary_seq:0"));
}

#[tokio::test]
async fn whatever_a_notice_holds_both_forms_are_taken() {
    let server = DatadogServer::start(0).unwrap();
    let long = "<ü> `x` \n".repeat(2000);
    let huge = Notice {
        id: "r-7".to_owned(),
        kind: Kind::Ended,
        time: now(),
        rollout: Some(RolloutId::new(now(), 7)),
        service: long.clone(),
        pool: long.clone(),
        environment: long.clone(),
        host: long.clone(),
        purpose: None,
        actor: Some(long.clone()),
        reason: Some(long.clone()),
        canary: None,
        artifact: Some(Digest::of(b"new")),
        previous: Some(Digest::of(b"old")),
        summary: long.clone(),
        details: vec![long.clone(); 20],
        outcome: Some(Outcome::Stuck { reason: long }),
        nodes: Vec::new(),
        decision: None,
        anchor: Some(Anchor { log: "07".repeat(16), seq: 7, hash: Digest::of(b"record 7") }),
        recorded: true,
        late: true,
    };
    let least = Notice {
        service: "s".to_owned(),
        host: String::new(),
        actor: Some(String::new()),
        kind: Kind::Test,
        rollout: None,
        outcome: None,
        details: Vec::new(),
        summary: String::new(),
        anchor: None,
        ..huge.clone()
    };
    for v2 in [true, false] {
        if !v2 {
            server.without_events_v2();
        }
        for notice in [&huge, &least] {
            let site = Site::parse(&server.url()).unwrap();
            let events = DatadogEvents::new(site, Keys::new(API_KEY, None).unwrap(), LONG).unwrap();
            canary_notify::Courier::carry(&events, notice, now(), LONG).await.unwrap();
        }
    }
    let events = server.events();
    assert_eq!(events.len(), 4);
    assert!(server.exchanges()[..2].iter().all(|one| one.path == "/api/v2/events" && one.status == 202));
    let message = events[0]["data"]["attributes"]["message"].as_str().unwrap();
    assert_eq!(Anchor::find(message), huge.anchor, "the anchor is not cut away");
}

#[tokio::test]
async fn what_is_older_than_18_hours_is_not_sent_and_said() {
    let server = DatadogServer::start(0).unwrap();
    let mut chain = Chain::new([7; 16]);
    let mut records = Vec::new();
    for hours in [19, 17] {
        let time = Timestamp::from_millis(now().as_millis() - hours * 3_600_000);
        let entry =
            Entry::Refused { rollout: RolloutId::new(time, 1), actor: "ada".to_owned(), reasons: Vec::new() };
        let (record, _) = chain.record(time, entry).unwrap();
        chain = Chain::after(&record);
        records.push(record);
    }
    let report = tell(target(&server, API_KEY), &records).await;
    assert_eq!((report.delivered, report.failed, server.exchanges().len()), (1, 1, 1), "{report:?}");
    assert!(report.error.unwrap().contains("older than 18 h"));
}

#[tokio::test]
async fn a_key_that_is_refused_is_final_and_not_shown() {
    let server = DatadogServer::start(0).unwrap();
    let wrong = "a-key-that-nobody-knows";
    let report = tell(target(&server, wrong), &refusals(1)).await;
    assert_eq!((report.failed, server.exchanges().len()), (1, 1));
    let shown = format!("{report:?}");
    assert!(shown.contains("403") && !shown.contains(wrong), "{shown}");
    assert!(!format!("{:?}", target(&server, wrong)).contains(wrong));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_5xx_is_tried_again() {
    let server = DatadogServer::start(0).unwrap();
    server.next(Whim::RateLimit { reset: 1 });
    server.next(Whim::Status(503));
    let report = tell(target(&server, API_KEY), &refusals(2)).await;
    assert_eq!((report.delivered, report.failed), (2, 0), "{report:?}");
    let statuses: Vec<_> = server.exchanges().iter().map(|one| one.status).collect();
    // The limit's second was waited out: no second 429.
    assert_eq!(statuses, [429, 503, 202, 202]);
}

#[tokio::test]
async fn a_decision_is_an_event_with_its_numbers_its_worst_and_its_anchor() {
    let server = DatadogServer::start(0).unwrap();
    let decided: canary_core::journal::Decided =
        serde_json::from_str(include_str!("../recorded/decided.json")).unwrap();
    let (record, _) = Chain::new([7; 16]).record(now(), Entry::Decided(Box::new(decided.clone()))).unwrap();
    let report = tell(target(&server, API_KEY), std::slice::from_ref(&record)).await;
    assert!(report.complete() && report.delivered == 1, "{report:?}");
    let event = server.events().remove(0);
    let attributes = &event["data"]["attributes"];
    assert_eq!(attributes["aggregation_key"], "canary-2026-11-22T14:32:10Z-k7x2p");
    assert!(tags(&event).contains(&"canary_event:canary.health_check.halted"));
    assert_eq!(Anchor::find(attributes["message"].as_str().unwrap()), Some(Anchor::from(&record)));
    // The recorded form: what programs on the other side read.
    let text = serde_json::to_string_pretty(
        &event["data"]["attributes"]["attributes"]["change_metadata"]["decision"],
    );
    assert_eq!(text.unwrap().trim(), include_str!("../recorded/decision-in-event.json").trim());
}
