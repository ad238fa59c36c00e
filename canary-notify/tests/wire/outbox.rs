//! What a killed process did not deliver is sent by the next, once and in order.

use std::time::Duration;

use canary_core::engine::Outcome;
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
async fn what_is_sent_late_is_in_order_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let config = |queue| NotifyConfig {
        ledger: Some(dir.path().join("n.json")),
        choice: Choice::Ends,
        queue,
        ..config()
    };
    let records = refusals(30);
    let receiver = Receiver::answering(vec![Answer::status("200 OK")]).await;
    Notifier::start(config(10), vec![target(&receiver)], &records[..1]).close(LONG).await;
    let report = Notifier::start(config(10), vec![target(&receiver)], &records).close(LONG).await.remove(0);
    let late = ids(&receiver);
    let seqs: Vec<_> =
        late.iter().map(|(id, _)| id.rsplit_once('-').unwrap().1.parse::<u64>().unwrap()).collect();
    assert_eq!(seqs, (20..30).collect::<Vec<_>>());
    assert!(late.iter().all(|(_, late)| *late));
    assert_eq!((report.delivered, report.dropped), (10, 19));
}

#[tokio::test]
async fn nothing_overtakes_what_may_still_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let config = || NotifyConfig { ledger: Some(dir.path().join("n.json")), ..config() };
    let records = refusals(4);
    // Refused for now nine times: more than one row of tries. Then all is well.
    let script =
        vec![Answer::status("503 Service Unavailable"); 9].into_iter().chain([Answer::status("200 OK")]);
    let receiver = Receiver::answering(script.collect()).await;
    let notifier = Notifier::start(config(), vec![target(&receiver)], &records[..1]);
    for record in &records[1..] {
        notifier.emit(&Event::Recorded(record));
    }
    receiver.has_seen(12).await;
    assert!(notifier.close(LONG).await.remove(0).complete());
    let seen: Vec<_> = ids(&receiver).into_iter().map(|(id, _)| id).collect();
    let expected: Vec<_> =
        records[1..].iter().map(|r| format!("{}-{}", r.entry.rollout().unwrap(), r.seq)).collect();
    assert_eq!(seen[..10], vec![expected[0].clone(); 10]);
    assert_eq!(seen[10..], expected[1..]);
}

#[tokio::test]
async fn an_end_without_a_record_is_sent_by_the_next_process_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = || NotifyConfig { ledger: Some(dir.path().join("n.json")), ..config() };
    let away = Receiver::answering(vec![Answer::status("503 Service Unavailable")]).await;
    let first = Notifier::start(config(), vec![target(&away)], &[]);
    first.begin(crate::receiver::rollout(), "ada".to_owned(), None);
    first.abandon(Outcome::Stuck { reason: "r".to_owned() }, "ended early".to_owned());
    let report = first.close(LONG).await.remove(0);
    assert_eq!((report.left, report.delivered), (1, 0));
    let back = Receiver::answering(vec![Answer::status("200 OK")]).await;
    for _ in 0..2 {
        Notifier::start(config(), vec![target(&back)], &refusals(1)).close(LONG).await;
    }
    let early = ids(&back).into_iter().find(|(id, _)| *id == ids(&away)[0].0).unwrap();
    assert!(early.1, "it is late");
    assert_eq!(ids(&back).len(), 2, "the record that came meanwhile, and the end that none tells");
}

#[tokio::test]
async fn a_disk_that_is_full_costs_a_repeat_and_no_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let config = || NotifyConfig { ledger: Some(dir.path().join("n.json")), ..config() };
    let records = refusals(3);
    let good = Receiver::answering(vec![Answer::status("200 OK")]).await;
    Notifier::start(config(), vec![target(&good)], &records[..1]).close(LONG).await;
    // What every write of the spool goes through first is in its way, as no room would be.
    std::fs::create_dir(dir.path().join("n.next")).unwrap();
    let full = Notifier::start(config(), vec![target(&good)], &records[..1]);
    for record in &records[1..] {
        full.emit(&Event::Recorded(record));
    }
    assert!(full.close(LONG).await.remove(0).complete());
    std::fs::remove_dir(dir.path().join("n.next")).unwrap();
    for _ in 0..2 {
        Notifier::start(config(), vec![target(&good)], &records).close(LONG).await;
    }
    let all = ids(&good);
    let expected: Vec<_> =
        [&records[1..], &records[1..]].concat().iter().map(|r| r.seq.to_string()).collect();
    let seqs: Vec<_> = all.iter().map(|(id, _)| id.rsplit_once('-').unwrap().1.to_owned()).collect();
    assert_eq!(seqs, expected, "told, and once more with the same ids");
    assert_eq!(
        all[..2].iter().map(|(id, _)| id).collect::<Vec<_>>(),
        all[2..].iter().map(|(id, _)| id).collect::<Vec<_>>()
    );
}
