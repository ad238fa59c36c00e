use std::fs;

use super::*;
use crate::journal::RolloutId;
use crate::time::Timestamp;

fn rollout(random: u32) -> RolloutId {
    RolloutId::new(Timestamp::from_millis(1_700_000_000_000), random)
}

fn request(wish: Wish) -> Request {
    Request { reason: Some("lunch".to_owned()), ..Request::new(wish, "ada") }
}

#[test]
fn a_request_arrives_as_it_was_left_and_goes_when_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(dir.path().join("requests"));
    assert_eq!(inbox.collect(&rollout(1)).unwrap(), []);
    inbox.leave(&rollout(1), "b2", &request(Wish::Pause)).unwrap();
    inbox.leave(&rollout(1), "a1", &request(Wish::Abort)).unwrap();
    let found = inbox.collect(&rollout(1)).unwrap();
    let seen: Vec<_> =
        found.iter().map(|r| (r.id.as_deref().unwrap(), r.wish, r.reason.as_deref())).collect();
    assert_eq!(
        seen,
        [("b2", Wish::Pause, Some("lunch")), ("a1", Wish::Abort, Some("lunch"))],
        "oldest first"
    );
    assert!(found.iter().all(|r| r.uid.is_some() && r.actor == "ada"));

    let control = Control::default();
    control.answered("b2");
    inbox.clear(&control);
    assert!(!inbox.has("b2") && inbox.has("a1"));
}

#[test]
fn a_request_for_another_rollout_is_thrown_away_not_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(dir.path());
    inbox.leave(&rollout(1), "late", &request(Wish::Abort)).unwrap();
    assert_eq!(inbox.collect(&rollout(2)).unwrap(), []);
    assert!(!inbox.has("late"));
}

#[test]
fn what_is_no_request_is_never_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(dir.path());
    inbox.leave(&rollout(1), "good", &request(Wish::Pause)).unwrap();
    let text = fs::read_to_string(dir.path().join("good.json")).unwrap();
    let huge = text.replace("lunch", &"x".repeat(20_000));
    let escapes = text.replace("lunch", "\\u001b[2J");
    let cases: [(&str, &[u8]); 6] = [
        ("empty.json", b""),
        ("half.json", &text.as_bytes()[..20]),
        ("huge.json", huge.as_bytes()),
        ("escapes.json", escapes.as_bytes()),
        ("binary.json", &[0xff, 0xfe, 0]),
        ("version.json", &text.replace("\"v\":1", "\"v\":2").into_bytes()),
    ];
    for (name, bytes) in cases {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    fs::write(dir.path().join("elsewhere"), &text).unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("link.json")).unwrap();
    let found = inbox.collect(&rollout(1)).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["elsewhere", "good.json"]);
}

#[test]
fn unfit_words_and_ids_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(dir.path().join("requests"));
    for id in ["", "../up", "a b", "ü", &"x".repeat(65)] {
        let error = inbox.leave(&rollout(1), id, &request(Wish::Pause)).unwrap_err();
        assert!(error.to_string().contains("is no id"), "{error}");
    }
    for actor in ["a\nb", "\u{1b}[2J", &"x".repeat(1001)] {
        assert!(inbox.leave(&rollout(1), "a", &Request::new(Wish::Pause, actor)).is_err());
    }
    assert!(!dir.path().join("requests").exists());
}

#[tokio::test]
async fn a_wish_is_kept_until_somebody_listens_and_the_stronger_end_stays() {
    let control = Control::default();
    for wish in [Wish::Pause, Wish::Abort, Wish::Stop] {
        control.ask(Request::new(wish, "ada"));
    }
    assert_eq!(control.end_asked(), Some(Wish::Abort));
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(control.next().await.wish);
    }
    assert_eq!(heard, [Wish::Pause, Wish::Abort, Wish::Stop]);
    assert_eq!(control.take(), None);
}
