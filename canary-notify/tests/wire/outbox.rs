//! Ends that a killed process did not deliver are sent by the next, once.

use std::time::Duration;

use canary_core::traits::{Event, EventSink as _};
use canary_notify::{Choice, Notifier, NotifyConfig, Secret, Target};

use crate::receiver::{Answer, Receiver, config, refusals};

const LONG: Duration = Duration::from_secs(30);

fn target(receiver: &Receiver) -> Target {
    Target::webhook(&Secret::new(&receiver.url), Vec::new(), LONG).unwrap()
}

fn ids(receiver: &Receiver) -> Vec<(String, bool)> {
    let id = |request: &crate::receiver::Request| {
        let body = request.json();
        (body["id"].as_str().unwrap().to_owned(), body["late"].as_bool().unwrap())
    };
    receiver.seen().iter().map(id).collect()
}

#[tokio::test]
async fn what_was_not_delivered_is_sent_by_the_next_process_with_the_same_id() {
    let dir = tempfile::tempdir().unwrap();
    let config = || NotifyConfig { ledger: Some(dir.path().join("notified.json")), ..config() };
    let records = refusals(4);
    let good = Receiver::answering(vec![Answer::status("200 OK")]).await;
    // The first process knows of one record, which is of the past, and delivers the second.
    let first = Notifier::start(config(), vec![target(&good)], &records[..1]);
    first.emit(&Event::Recorded(&records[1]));
    first.close(LONG).await;
    assert_eq!(ids(&good), [(format!("{}-1", records[1].entry.rollout().unwrap()), false)]);
    // The second is killed before anything arrives: its receiver hangs, and nobody waits for it.
    let hanging = Receiver::answering(vec![Answer::Hang]).await;
    let second = Notifier::start(config(), vec![target(&hanging)], &records[..2]);
    second.emit(&Event::Recorded(&records[2]));
    hanging.has_seen(1).await;
    let lost = ids(&hanging).remove(0);
    drop(second);
    // The third sends it, and says that it is late; a fourth has nothing to send.
    for expected in [2, 2] {
        let next = Notifier::start(config(), vec![target(&good)], &records[..3]);
        next.close(LONG).await;
        assert_eq!(good.seen().len(), expected);
    }
    assert_eq!(ids(&good)[1], (lost.0, true));
}

#[tokio::test]
async fn what_can_never_arrive_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = || NotifyConfig { ledger: Some(dir.path().join("notified.json")), ..config() };
    let records = refusals(2);
    let gone = Receiver::answering(vec![Answer::status("410 Gone")]).await;
    let first = Notifier::start(config(), vec![target(&gone)], &records[..1]);
    first.emit(&Event::Recorded(&records[1]));
    first.close(LONG).await;
    Notifier::start(config(), vec![target(&gone)], &records).close(LONG).await;
    assert_eq!(gone.seen().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_new_hears_nothing_of_the_past() {
    let dir = tempfile::tempdir().unwrap();
    let config = NotifyConfig { ledger: Some(dir.path().join("notified.json")), ..config() };
    let receiver = Receiver::answering(vec![Answer::status("200 OK")]).await;
    Notifier::start(config, vec![target(&receiver)], &refusals(5)).close(LONG).await;
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn not_more_than_the_last_ten_are_sent_late() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        || NotifyConfig { ledger: Some(dir.path().join("n.json")), choice: Choice::Ends, ..config() };
    let records = refusals(30);
    let receiver = Receiver::answering(vec![Answer::status("200 OK")]).await;
    Notifier::start(config(), vec![target(&receiver)], &records[..1]).close(LONG).await;
    Notifier::start(config(), vec![target(&receiver)], &records).close(LONG).await;
    let late = ids(&receiver);
    assert_eq!(late.len(), 10);
    assert!(late[9].0.ends_with("-29") && late.iter().all(|(_, late)| *late));
}
