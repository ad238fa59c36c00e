//! A service of several processes on this host, by the real program: `serve` holds it, the other commands roll it.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::os::unix::process::ExitStatusExt as _;

use canary_core::fleet::{Artifact, NodeId};
use canary_core::traits::{AdminState, LoadBalancer as _, NodeRuntime as _, PoolState};
use canary_demo::service::Fault;

use crate::site::{Site, kill, load, said, until};

impl Site {
    async fn pids(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        for name in ["api-1", "api-2", "api-3"] {
            pids.push(self.client().service(&node(name)).await.unwrap().pid.unwrap());
        }
        pids
    }

    async fn admin(&self, name: &str) -> Option<AdminState> {
        let pool: PoolState = self.client().servers().await.ok()?;
        Some(pool.server(&node(name))?.admin)
    }

    /// Every node has this release, is ready and up.
    async fn all_have(&self, version: &str) {
        let expected = canary_core::fleet::Artifact::read(self.path(version)).unwrap().facts;
        let client = self.client();
        for server in client.servers().await.unwrap().servers {
            assert!(server.serving(), "{server:?}");
            let installed = client.installed(&server.node).await.unwrap();
            assert_eq!(installed.current, Some(expected), "{}", server.node);
        }
    }
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_release_and_a_bad_one_under_load() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let (code, text) = site.run(&["doctor"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok    holder "), "{text}");
    let load = load(&site, &["/", "/work?ms=5"]).await;

    site.release("v2", &[]);
    let (code, text) = site.run(&["plan", "--artifact", "v2"]);
    assert!(code == Some(0) && text.contains("api-3  now "), "{text}");
    let (code, text) = site.run(&["run", "--artifact", "v2"]);
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    site.all_have("v2").await;

    site.release("v3", &[Fault::Errors { rate_ppm: 300_000 }]);
    let (code, text) = site.run(&["run", "--artifact", "v3"]);
    assert!(code == Some(20) && text.contains("\nrolled back: api-3: watch: error_ratio "), "{text}");
    site.all_have("v2").await;

    let stored = |version: &str| {
        let facts = Artifact::read(site.path(version)).unwrap().facts;
        site.path("state/api/artifacts").join(facts.sha256.to_string()).exists()
    };
    assert!(
        ["v1", "v2", "v3"].iter().all(|version| stored(version)),
        "what was rolled out or may be rolled back to stays"
    );
    let (code, text) = site.run(&["rollback", "--rollback-binary", "v1", "--keep-rollouts", "1"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\n1 binary of older rollouts removed from the store, "), "{text}");
    assert_eq!(["v1", "v2", "v3"].map(stored), [true, true, false], "{text}");
    site.all_have("v1").await;
    let summary = load.stop().await;
    assert_eq!(summary.failed_not_by("v3").count(), 0, "{summary}");
    assert!(summary.failed_total > 0 && summary.answers_of_version("v2") > 0, "{summary}");

    assert_eq!(holder.end("TERM").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
    assert!(!site.path("state/api/control.sock").exists());
    let log = std::fs::read_to_string(site.path("serve.log")).unwrap();
    assert!(log.contains("api-3: active (running), process ") && log.ends_with("\nstopped\n"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_killed_twice_does_not_end_the_rollout() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let before = site.pids().await;
    // Requests that take a while, so that a drain does.
    let load = load(&site, &["/work?ms=400"]).await;
    site.release("v2", &[]);
    let run = site.command(&["run", "--artifact", "v2", "--output", "plain"]).spawn().unwrap();

    until("a drain", async || (site.admin("api-3").await? == AdminState::Drain).then_some(())).await;
    assert_eq!(holder.end("KILL").signal(), Some(9));
    let saved = std::fs::read_to_string(site.path("state/api/nodes/balancer.json")).unwrap();
    assert!(saved.contains(r#""api-3":{"admin":"drain""#), "{saved}");
    assert_eq!(site.left_running().iter().filter(|pid| before.contains(pid)).count(), 3);
    let holder = site.serve(2).await;
    assert_eq!(site.pids().await[..2], before[..2]);

    let new = canary_core::fleet::Artifact::read(site.path("v2")).unwrap().facts;
    until("the watch", async || {
        let there = site.client().installed(&node("api-3")).await.ok()?.current == Some(new);
        let ready = site.admin("api-3").await? == AdminState::Ready;
        let journal = std::fs::read_to_string(site.path("state/api/journal.jsonl")).ok()?;
        (there && ready && journal.contains("\"observed\"")).then_some(())
    })
    .await;
    assert_eq!(holder.end("KILL").signal(), Some(9));
    let holder = site.serve(3).await;

    let (code, text) = said(&run.wait_with_output().unwrap());
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    site.all_have("v2").await;
    load.stop().await;
    assert_eq!(holder.end("INT").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_is_resumed_without_a_lost_request() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let load = load(&site, &["/work?ms=400"]).await;
    site.release("v2", &[]);
    let mut run = site.command(&["run", "--artifact", "v2"]).spawn().unwrap();
    until("a drain", async || (site.admin("api-3").await? == AdminState::Drain).then_some(())).await;
    kill("KILL", run.id());
    assert_eq!(run.wait().unwrap().signal(), Some(9));
    let (_, text) = site.run(&["status"]);
    assert!(text.contains("`canary-cli resume` goes on"), "{text}");
    let (code, text) = site.run(&["resume"]);
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    site.all_have("v2").await;
    let summary = load.stop().await;
    assert_eq!(summary.failed_total, 0, "{summary}");
    assert_eq!(holder.end("TERM").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
}

#[test]
fn without_a_holder_the_command_that_starts_one_is_named() {
    let site = Site::new();
    let mut text = String::new();
    for arguments in [
        &["doctor"][..],
        &["run", "--artifact", "v1"],
        &["status"],
        &["serve", "--backend", "haproxy-incus", "--window", "0"],
    ] {
        let (code, said) = site.run(arguments);
        text += &format!("=== {} ({code:?})\n{said}", arguments.join(" "));
    }
    let text = text.replace(site.dir.path().to_str().unwrap(), "[DIR]");
    assert!(
        text.contains(
            "nobody listens at [DIR]/state/api/control.sock: start the fleet with `canary-cli serve`"
        )
    );
    insta::assert_snapshot!(text);
}
