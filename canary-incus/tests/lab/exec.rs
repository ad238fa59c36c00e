//! Commands in the instance, and what becomes of their results.

use std::sync::atomic::Ordering;
use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{CallOutcome, ErrorKind};
use canary_http::Method;

use crate::fixture::{INSTANCE, api, lab};
use crate::meddler::{Fate, meddle};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let Some(lab) = lab().await else { return };
    let hostile =
        ["a b", "$(touch /tmp/pwned)", "`id`", "\"'", "; reboot", "é\u{1f600}", "-n", "", "a\nb", "*"];
    let mut command = vec!["printf", "%s\\0"];
    command.extend(hostile);
    let output = lab.client.exec(&lab.node, "test", &command, LIMIT).await.unwrap();
    let expected: String = hostile.iter().map(|text| format!("{text}\0")).collect();
    assert_eq!((output.code, output.stdout_text()), (0, expected));
    assert_eq!(lab.sh("test -e /tmp/pwned && echo yes || echo no").await, "no\n");
}

#[tokio::test]
async fn status_and_both_streams_come_back() {
    let Some(lab) = lab().await else { return };
    let command = ["sh", "-c", "printf out; printf err >&2; exit 3"];
    let output = lab.client.exec(&lab.node, "test", &command, LIMIT).await.unwrap();
    assert_eq!((output.code, output.stdout_text(), output.stderr_text()), (3, "out".into(), "err".into()));
    let missing = lab.client.exec(&lab.node, "test", &["no-such-command"], LIMIT).await.unwrap();
    assert_eq!(missing.code, 127);
    let killed = lab.client.exec(&lab.node, "test", &["sh", "-c", "kill -KILL $$"], LIMIT).await.unwrap();
    assert_eq!(killed.code, 137);
}

#[tokio::test]
async fn a_result_outlives_the_operation() {
    let Some(lab) = lab().await else { return };
    let daemon = lab.socket.clone();
    let meddler = meddle(&lab.socket, move |line| {
        let daemon = daemon.clone();
        Box::pin(async move {
            if let Some(rest) = line.strip_prefix("GET ").filter(|rest| rest.contains("/wait?")) {
                // Until the daemon has forgotten the operation, as it does five seconds after its end.
                let path = rest.split("/wait?").next().unwrap().to_owned();
                while api(&daemon, Method::GET, &path, None).await.is_some() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Fate::Pass
        })
    });
    let command = ["sh", "-c", "printf kept; printf too >&2; exit 7"];
    let output = meddler.client.exec(&lab.node, "test", &command, LIMIT).await.unwrap();
    assert_eq!((output.code, output.stdout_text(), output.stderr_text()), (7, "kept".into(), "too".into()));

    // And nothing of it stays with the daemon.
    let seen = meddler.seen.lock().unwrap().join("\n");
    let id = seen.split("/1.0/operations/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let path = format!("/1.0/instances/{INSTANCE}/logs/exec-output");
    lab.until("the recorded output is removed", async || {
        !api(&lab.socket, Method::GET, &path, None).await.unwrap().to_string().contains(&id)
    })
    .await;
}

#[tokio::test]
async fn an_overdue_command_is_ended_in_the_instance() {
    let Some(lab) = lab().await else { return };
    // Both the shell and its child, one of which does not listen.
    let command = ["sh", "-c", "trap '' TERM; sleep 98765 & wait; sleep 98765"];
    let error = lab.client.exec(&lab.node, "test", &command, Duration::from_secs(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TimedOut, CallOutcome::Unknown));
    assert_eq!(
        error.to_string(),
        "incus: test: timed out: not done within 1 s and ended in the instance (node=canary-incus-test)"
    );
    lab.until("the shell is gone", async || {
        lab.sh("grep -lz 'sleep 9876[5]' /proc/[0-9]*/cmdline 2>/dev/null | wc -l").await.trim() == "0"
    })
    .await;
}

#[tokio::test]
async fn a_lost_reply_leaves_the_outcome_unknown() {
    let Some(lab) = lab().await else { return };
    let meddler = meddle(&lab.socket, |line| {
        Box::pin(async move { if line.contains("/exec?") { Fate::LoseReply } else { Fate::Pass } })
    });
    let marker = "/tmp/canary-lost-reply";
    let error = meddler.client.exec(&lab.node, "test", &["touch", marker], LIMIT).await.unwrap_err();
    assert_eq!(error.outcome(), CallOutcome::Unknown, "{error}");
    lab.until("the command has run all the same", async || {
        lab.sh(&format!("test -e {marker} && echo yes || echo no")).await == "yes\n"
    })
    .await;
}

#[tokio::test]
async fn instances_that_cannot_run_commands_are_named() {
    let Some(lab) = lab().await else { return };
    let nobody = NodeId::new("canary-incus-nobody").unwrap();
    let error = lab.client.exec(&nobody, "test", &["true"], LIMIT).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotFound, CallOutcome::NotApplied));
    assert_eq!(error.message(), "there is no instance canary-incus-nobody in project default");
    let error = lab.client.exec(&lab.stopped, "test", &["true"], LIMIT).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotFound, CallOutcome::NotApplied));
    assert_eq!(error.message(), "instance canary-incus-test-stopped exists but is not running");
}

#[tokio::test]
async fn no_connection_is_ever_silent() {
    let Some(lab) = lab().await else { return };
    let meddler = meddle(&lab.socket, |_| Box::pin(async { Fate::Pass }));
    for _ in 0..5 {
        let one = || meddler.client.exec(&lab.node, "test", &["true"], LIMIT);
        let (a, b) = tokio::join!(one(), one());
        assert_eq!((a.unwrap().code, b.unwrap().code), (0, 0));
    }
    // One silent connection would stop the daemon for all its clients.
    // The recorded output is removed in the background: the last requests may still be under way.
    let requests = || meddler.seen.lock().unwrap().len();
    lab.until("all requests were made", async || requests() == 60).await;
    assert_eq!((meddler.accepted.load(Ordering::SeqCst), requests()), (60, 60));
}
