//! Restarts, states and logs of real systemd units.

use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{ActiveState, ErrorKind, NodeRuntime, RunningBinary};
use canary_incus::{Endpoint, IncusClient, IncusConfig, Timeouts};

use crate::fixture::{lab, program, sleeps};

#[tokio::test]
async fn a_crash_loop_is_seen_and_left_again() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let unit = format!("{}\nRestart=always\nRestartSec=100ms", sleeps("crashing"));
    let runtime = lab.service("crashing", &unit).await;
    lab.sh("printf '#!/bin/sh\\necho dying\\nexit 3\\n' >/opt/crashing/api && chmod 755 /opt/crashing/api")
        .await;
    // The start itself succeeds: systemd has done its part once the process exists.
    runtime.restart(&lab.node).await.unwrap();
    let mut counts = Vec::new();
    lab.until("NRestarts has grown twice", async || {
        let restarts = runtime.service(&lab.node).await.unwrap().restarts;
        if counts.last() != Some(&restarts) {
            counts.push(restarts);
        }
        counts.len() > 2
    })
    .await;
    assert!(counts.is_sorted(), "{counts:?}");
    // Five starts within ten seconds, and systemd gives up (its default).
    lab.until("the unit has failed for good", async || {
        runtime.service(&lab.node).await.unwrap().active == ActiveState::Failed
    })
    .await;
    let state = runtime.service(&lab.node).await.unwrap();
    assert_eq!((state.pid, state.running), (None, RunningBinary::None));
    assert!(runtime.logs(&lab.node, 50).await.unwrap().iter().any(|line| line.contains("dying")));

    // The way back must not be barred by the count of the failed starts.
    runtime.install(&lab.node, &program(dir.path(), "good")).await.unwrap();
    let state = lab.restarted(&runtime).await;
    assert_eq!((state.active, state.restarts), (ActiveState::Active, 0));
}

#[tokio::test]
async fn a_restart_that_fails_says_why() {
    let Some(lab) = lab().await else { return };
    let runtime =
        lab.service("failing", "[Service]\nExecStartPre=/bin/false\nExecStart=/bin/sleep 3600").await;
    let error = runtime.restart(&lab.node).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("Job for failing.service failed"), "{error}");
    assert!(error.message().contains("the unit is failed, exit-code"), "{error}");
}

#[tokio::test]
async fn a_restart_that_hangs_is_not_waited_for() {
    let Some(lab) = lab().await else { return };
    lab.service("hanging", "[Service]\nType=notify\nExecStart=/bin/sleep 3600").await;
    let mut config = IncusConfig::new(Endpoint::Unix(lab.socket.clone()));
    config.timeouts = Timeouts { restart: Duration::from_secs(1), ..Timeouts::default() };
    let client = IncusClient::new(&config).unwrap();
    let runtime = lab.runtime(&client, "/opt/hanging/api", "hanging");
    let error = runtime.restart(&lab.node).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.message(), "systemctl restart was not done after 1 s; the unit is activating (start)");
    lab.sh("systemctl stop hanging").await;
}

#[tokio::test]
async fn a_wrapper_is_not_taken_for_the_binary() {
    let Some(lab) = lab().await else { return };
    let runtime = lab.service("wrapped", "[Service]\nExecStart=/opt/wrapped/api").await;
    lab.sh("printf '#!/bin/sh\\nsleep 3600 & wait\\n' >/opt/wrapped/api && chmod 755 /opt/wrapped/api").await;
    let state = runtime.restart(&lab.node).await.unwrap();
    lab.until("the shell runs", async || {
        runtime.service(&lab.node).await.unwrap().running == RunningBinary::Unknown
    })
    .await;
    assert_eq!(state.active, ActiveState::Active);
    lab.sh("systemctl stop wrapped").await;
    let state = runtime.service(&lab.node).await.unwrap();
    assert_eq!((state.pid, state.running), (None, RunningBinary::None));
}

#[tokio::test]
async fn a_binary_reached_through_linked_directories_is_in_place() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    lab.service(
        "linked",
        "[Service]\nPrivateTmp=yes\nProtectSystem=strict\nExecStart=/opt/linked-too/api 3600",
    )
    .await;
    lab.sh("ln -sfn linked /opt/linked-too").await;
    let runtime = lab.runtime(&lab.client, "/opt/linked-too/api", "linked");
    runtime.install(&lab.node, &program(dir.path(), "v1")).await.unwrap();
    lab.restarted(&runtime).await;
    runtime.install(&lab.node, &program(dir.path(), "v2")).await.unwrap();
    assert_eq!(runtime.service(&lab.node).await.unwrap().running, RunningBinary::Replaced);
}

#[tokio::test]
async fn units_and_instances_that_are_not_there() {
    let Some(lab) = lab().await else { return };
    let runtime = lab.runtime(&lab.client, "/opt/none/api", "no-such-unit");
    let errors = [
        runtime.service(&lab.node).await.unwrap_err(),
        runtime.restart(&lab.node).await.unwrap_err(),
        runtime.logs(&lab.node, 5).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "there is no unit no-such-unit"));
    }
    let nobody = NodeId::new("canary-incus-nobody").unwrap();
    for node in [&nobody, &lab.stopped] {
        assert_eq!(runtime.installed(node).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(runtime.service(node).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(runtime.restart(node).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(runtime.logs(node, 5).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(lab.client.exists(&lab.stopped).await.unwrap());
    assert!(!lab.client.exists(&nobody).await.unwrap());
}

#[tokio::test]
async fn log_lines_are_the_last_ones_cut_and_clean() {
    let Some(lab) = lab().await else { return };
    let runtime = lab.service("logging", "[Service]\nType=oneshot\nExecStart=/opt/logging/api").await;
    lab.sh("cat >/opt/logging/api <<'END'\n#!/bin/sh\nfor i in 1 2 3 4 5; do echo line $i; done\nprintf '\\033[31mred\\033[0m\\n'\nhead -c 5000 /dev/zero | tr '\\0' x; echo\nEND\nchmod 755 /opt/logging/api").await;
    runtime.restart(&lab.node).await.unwrap();
    lab.until("the journal has the last line", async || {
        runtime.logs(&lab.node, 100).await.unwrap().iter().any(|line| line.contains("Finished"))
    })
    .await;
    let all = runtime.logs(&lab.node, 100).await.unwrap();
    let at = |text: &str| {
        all.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {all:#?}"))
    };
    assert!(at("line 1") < at("line 5") && at("line 5") < at("red") && at("red") < at("xxxx"), "{all:#?}");
    assert!(
        all.iter().all(|line| line.chars().count() <= 401 && !line.chars().any(char::is_control)),
        "{all:#?}"
    );
    assert_eq!(runtime.logs(&lab.node, 2).await.unwrap(), all[all.len() - 2..]);
}
