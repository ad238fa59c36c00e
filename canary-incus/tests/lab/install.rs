//! Installing and fetching, on a running service and against faults.

use std::path::Path;

use canary_core::fleet::{Artifact, RemotePath};
use canary_core::traits::{CallOutcome, ErrorKind, NodeRuntime, RunningBinary};
use canary_incus::IncusNodeRuntime;

use crate::fixture::{Lab, lab, program, sleeps};
use crate::meddler::{Fate, meddle};

async fn current(lab: &Lab, runtime: &IncusNodeRuntime) -> Option<String> {
    let installed = runtime.installed(&lab.node).await.unwrap();
    installed.current.map(|facts| facts.sha256.to_string())
}

#[tokio::test]
async fn a_running_executable_is_replaced_and_the_process_told_apart() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let (v1, v2) = (program(dir.path(), "v1"), program(dir.path(), "v2"));
    let runtime = lab.service("replaced", &sleeps("replaced")).await;
    assert_eq!(runtime.installed(&lab.node).await.unwrap().current, None);

    let report = runtime.install(&lab.node, &v1).await.unwrap();
    assert_eq!((report.changed, report.facts), (true, v1.facts));
    let state = lab.restarted(&runtime).await;

    assert!(runtime.install(&lab.node, &v2).await.unwrap().changed);
    let stale = runtime.service(&lab.node).await.unwrap();
    assert_eq!((stale.running, stale.pid), (RunningBinary::Replaced, state.pid));
    assert_eq!(
        lab.sh(&format!("readlink /proc/{}/exe", stale.pid.unwrap())).await,
        "/opt/replaced/api (deleted)\n"
    );

    let state = lab.restarted(&runtime).await;
    assert_ne!(state.pid, stale.pid);
    assert_eq!(current(&lab, &runtime).await, Some(v2.facts.sha256.to_string()));
    assert_eq!(lab.list("/opt/replaced").await, ["api"]);
    lab.sh("stat -c '%a %u:%g' /opt/replaced/api | grep -qx '755 0:0'").await;
}

#[tokio::test]
async fn the_same_digest_writes_nothing() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service("same", &sleeps("same")).await;
    let v1 = program(dir.path(), "v1");
    runtime.install(&lab.node, &v1).await.unwrap();
    let stat = "stat -c '%i %Y %Z' /opt/same /opt/same/api";
    let before = lab.sh(stat).await;
    let report = runtime.install(&lab.node, &v1).await.unwrap();
    assert_eq!((report.changed, report.facts), (false, v1.facts));
    assert_eq!(lab.sh(stat).await, before);
}

#[tokio::test]
async fn mode_owner_and_capabilities_stay() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service("owned", &sleeps("owned")).await;
    runtime.install(&lab.node, &program(dir.path(), "v1")).await.unwrap();
    // CAP_NET_BIND_SERVICE, effective: struct vfs_cap_data of linux/capability.h, version 2.
    let capability = "python3 -c \"import os, struct; os.setxattr('/opt/owned/api', 'security.capability', struct.pack('<5I', 0x02000001, 1 << 10, 0, 0, 0))\"";
    lab.sh(&format!("chown veza:veza /opt/owned/api && chmod 0750 /opt/owned/api && {capability}")).await;
    let attributes = "stat -c '%a %U:%G' /opt/owned/api; python3 -c \"import os; print(os.getxattr('/opt/owned/api', 'security.capability').hex())\"";
    let before = lab.sh(attributes).await;
    assert!(before.starts_with("750 veza:veza\n"), "{before}");
    assert!(runtime.install(&lab.node, &program(dir.path(), "v2")).await.unwrap().changed);
    assert_eq!(lab.sh(attributes).await, before);
}

#[tokio::test]
async fn an_artifact_that_changed_here_is_refused() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service("changed", &sleeps("changed")).await;
    let (v1, v2) = (program(dir.path(), "v1"), program(dir.path(), "v2"));
    runtime.install(&lab.node, &v1).await.unwrap();

    let whole = std::fs::read(&v2.path).unwrap();
    let same_length: Vec<u8> = whole.iter().map(|byte| !byte).collect();
    for spoilt in [&whole[..whole.len() / 2], &same_length] {
        std::fs::write(&v2.path, spoilt).unwrap();
        let found = Artifact::read(&v2.path).unwrap().facts.sha256;
        let error = runtime.install(&lab.node, &v2).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Mismatch, CallOutcome::NotApplied));
        let chain = error.chain();
        assert!(chain.contains("has changed since it was planned"), "{chain}");
        assert!(
            chain.contains(&found.to_string()) && chain.contains(&v2.facts.sha256.to_string()),
            "{chain}"
        );
    }
    std::fs::remove_file(&v2.path).unwrap();
    let error = runtime.install(&lab.node, &v2).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::LocalIo, CallOutcome::NotApplied));
    assert_eq!(current(&lab, &runtime).await, Some(v1.facts.sha256.to_string()));
    assert_eq!(lab.list("/opt/changed").await, ["api"]);
}

/// Runs an installation through a spoilt transfer and checks that the old binary is whole and alone.
async fn spoilt(lab: &Lab, name: &str, fate: fn() -> Fate) -> canary_core::traits::BackendError {
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service(name, &sleeps(name)).await;
    let (v1, v2) = (program(dir.path(), "v1"), program(dir.path(), "v2"));
    runtime.install(&lab.node, &v1).await.unwrap();
    let meddler = meddle(&lab.socket, move |line| {
        Box::pin(async move {
            if line.starts_with("POST") && line.contains("/files?") { fate() } else { Fate::Pass }
        })
    });
    let through = lab.runtime(&meddler.client, &format!("/opt/{name}/api"), name);
    let error = through.install(&lab.node, &v2).await.unwrap_err();
    assert_eq!(error.outcome(), CallOutcome::NotApplied, "{error}");
    assert_eq!(current(lab, &runtime).await, Some(v1.facts.sha256.to_string()));
    // What a broken connection leaves there may still be on its way: the next call clears it at the latest.
    assert!(runtime.install(&lab.node, &v2).await.unwrap().changed);
    assert_eq!(lab.list(&format!("/opt/{name}")).await, ["api"]);
    error
}

#[tokio::test]
async fn a_truncated_transfer_is_noticed_in_the_instance() {
    let Some(lab) = lab().await else { return };
    let error = spoilt(&lab, "truncated", || Fate::Shorten(1000)).await;
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.message().contains("the file in place is untouched"), "{error}");
}

#[tokio::test]
async fn a_broken_transfer_leaves_the_old_binary() {
    let Some(lab) = lab().await else { return };
    let error = spoilt(&lab, "broken", || Fate::Cut(10_000)).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_binary() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service("full", &sleeps("full")).await;
    // Room for one version and most of another.
    lab.sh("mount -t tmpfs -o size=64k tmpfs /opt/full").await;
    let (v1, v2) = (program(dir.path(), "v1"), program(dir.path(), "v2"));
    assert!(v1.facts.size > 36_000 && v1.facts.size < 60_000, "{:?}", v1.facts);
    runtime.install(&lab.node, &v1).await.unwrap();

    let error = runtime.install(&lab.node, &v2).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Exhausted, CallOutcome::NotApplied), "{error}");
    assert!(error.message().starts_with("no space left on device"), "{error}");

    // The same when the space goes only after it was looked at.
    lab.sh("mount -o remount,size=120k /opt/full").await;
    let (client, node) = (lab.client.clone(), lab.node.clone());
    let meddler = meddle(&lab.socket, move |line| {
        let (client, node) = (client.clone(), node.clone());
        Box::pin(async move {
            if line.starts_with("POST") && line.contains("/files?") {
                let fill = ["mount", "-o", "remount,size=64k", "/opt/full"];
                let done = client.exec(&node, "test", &fill, std::time::Duration::from_secs(10)).await;
                assert_eq!(done.unwrap().code, 0);
            }
            Fate::Pass
        })
    });
    let through = lab.runtime(&meddler.client, "/opt/full/api", "full");
    let error = through.install(&lab.node, &v2).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Exhausted, CallOutcome::NotApplied), "{error}");
    assert_eq!(current(&lab, &runtime).await, Some(v1.facts.sha256.to_string()));
    assert_eq!(lab.list("/opt/full").await, ["api"]);
    lab.sh("umount /opt/full").await;
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_and_nothing_else() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service("leftovers", &sleeps("leftovers")).await;
    lab.sh("cd /opt/leftovers && touch api.canary-0123456789ab api.previous api.canary-notes other.canary-0123456789ab && ln -s /etc/passwd api.canary-ba9876543210").await;
    runtime.install(&lab.node, &program(dir.path(), "v1")).await.unwrap();
    assert_eq!(
        lab.list("/opt/leftovers").await,
        ["api", "api.canary-notes", "api.previous", "other.canary-0123456789ab"]
    );
    lab.sh("test -s /etc/passwd").await;
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_refused() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let v1 = program(dir.path(), "v1");
    lab.sh(
        "mkdir -p /opt/odd/dir && touch /opt/odd/real && ln -s real /opt/odd/link && mkfifo /opt/odd/pipe",
    )
    .await;
    let cases = [
        ("/opt/odd/dir", ErrorKind::Refused, "what lies there is a directory"),
        (
            "/opt/odd/link",
            ErrorKind::Refused,
            "what lies there is a symbolic link to real; name the file itself",
        ),
        ("/opt/odd/pipe", ErrorKind::Refused, "what lies there is not a regular file"),
        ("/opt/odd/missing/api", ErrorKind::NotFound, "its directory does not exist there"),
    ];
    for (target, kind, message) in cases {
        let runtime = lab.runtime(&lab.client, target, "odd");
        let error = runtime.install(&lab.node, &v1).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome(), error.message()),
            (kind, CallOutcome::NotApplied, message)
        );
        if kind == ErrorKind::Refused {
            let path = RemotePath::new(target).unwrap();
            let error = runtime.inspect(&lab.node, &path).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Refused, message));
            assert_eq!(
                runtime.fetch(&lab.node, &path, &dir.path().join("x")).await.unwrap_err().kind(),
                kind
            );
        }
    }
    assert_eq!(lab.list("/opt/odd").await, ["dir", "link", "pipe", "real"]);
}

#[tokio::test]
async fn paths_with_anything_in_them_are_only_paths() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let v1 = program(dir.path(), "v1");
    let odd = "/opt/o d d/$(touch /tmp/pwned2)'\"`id`;&|é*?[a]\\n #%20&path=x";
    let made =
        lab.client.exec(&lab.node, "test", &["mkdir", "-p", odd], std::time::Duration::from_secs(10)).await;
    assert_eq!(made.unwrap().code, 0);
    let target = format!("{odd}/-api $HOME");
    let runtime = lab.runtime(&lab.client, &target, "odd");
    for changed in [true, false] {
        let report = runtime.install(&lab.node, &v1).await.unwrap();
        assert_eq!((report.changed, report.facts), (changed, v1.facts));
    }
    let path = RemotePath::new(&target).unwrap();
    assert_eq!(runtime.inspect(&lab.node, &path).await.unwrap(), Some(v1.facts));
    let into = dir.path().join("fetched");
    assert_eq!(runtime.fetch(&lab.node, &path, &into).await.unwrap(), v1.facts);
    assert_eq!(lab.sh("test -e /tmp/pwned2 && echo yes || echo no").await, "no\n");
}

#[tokio::test]
async fn a_file_is_fetched_whole_or_not_at_all() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = lab.service("fetched", &sleeps("fetched")).await;
    let v1 = program(dir.path(), "v1");
    runtime.install(&lab.node, &v1).await.unwrap();
    lab.sh("cp /opt/fetched/api /opt/fetched/api.previous").await;
    let installed = runtime.installed(&lab.node).await.unwrap();
    let previous = installed.previous.unwrap();
    assert_eq!((previous.path.as_str(), previous.facts), ("/opt/fetched/api.previous", v1.facts));

    let out = tempfile::tempdir().unwrap();
    let into = out.path().join("good");
    assert_eq!(runtime.fetch(&lab.node, &previous.path, &into).await.unwrap(), v1.facts);
    assert_eq!(std::fs::read(&into).unwrap(), std::fs::read(&v1.path).unwrap());

    let missing = RemotePath::new("/opt/fetched/none").unwrap();
    let error = runtime.fetch(&lab.node, &missing, &out.path().join("none")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let nowhere = out.path().join("no/such/directory/api");
    let error = runtime.fetch(&lab.node, &previous.path, &nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo, "{error}");
    assert_eq!(names(out.path()), ["good"]);
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
