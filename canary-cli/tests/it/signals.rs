//! Signals to a running rollout, by the real program: the first stops at a safe point, the second goes back at once, the third
//! ends the process and leaves a journal that is true.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::process::Child;

use canary_core::fleet::{Artifact, NodeId};
use canary_core::traits::{LoadBalancer as _, NodeRuntime as _};
use canary_demo::service::Fault;

use crate::site::{Site, kill, load, said, until};

/// A rollout of a release that does not come up: its canary is out of rotation and waits for its health.
struct Stuck {
    site: Site,
    run: Child,
}

impl Stuck {
    async fn new(site: Site) -> Self {
        site.release("v2", &[Fault::SlowStart { ms: 110_000 }]);
        let run = site.command(&["run", "--artifact", "v2", "--output", "plain"]).spawn().unwrap();
        let stuck = Self { site, run };
        stuck.until_recorded(&["\"step_started\"", "\"check_health\""]).await;
        stuck
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.site.path("state/api/journal.jsonl")).unwrap_or_default()
    }

    /// Waits for a record that has all of these.
    async fn until_recorded(&self, parts: &[&str]) {
        let recorded = || self.journal().lines().any(|line| parts.iter().all(|part| line.contains(part)));
        until(parts[0], async || recorded().then_some(())).await;
    }
}

async fn everywhere(site: &Site, version: &str) {
    let expected = Artifact::read(site.path(version)).unwrap().facts;
    for server in site.client().servers().await.unwrap().servers {
        assert!(server.serving(), "{server:?}");
        let installed = site.client().installed(&server.node).await.unwrap();
        assert_eq!(installed.current, Some(expected), "{}", server.node);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_signal_goes_back_at_once() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    let stuck = Stuck::new(site).await;
    kill("INT", stuck.run.id());
    stuck.until_recorded(&["\"asked\"", "\"stop\""]).await;
    // It does not stop while a node is drained and half-way.
    kill("TERM", stuck.run.id());
    let Stuck { site, run } = stuck;
    let (code, text) = said(&run.wait_with_output().unwrap());
    assert_eq!(code, Some(20), "{text}");
    assert!(
        text.contains("stopping at the next safe point") && text.contains("going back; once more"),
        "{text}"
    );
    everywhere(&site, "v1").await;
    assert_eq!(load.stop().await.failed_total, 0);
    assert_eq!(holder.end("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_third_signal_ends_the_process_and_the_journal_is_true() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let stuck = Stuck::new(site).await;
    // Nothing that is asked of the fleet is answered any more: the way back cannot end by itself.
    kill("STOP", holder.0.id());
    kill("INT", stuck.run.id());
    stuck.until_recorded(&["\"asked\"", "\"stop\""]).await;
    kill("INT", stuck.run.id());
    stuck.until_recorded(&["\"asked\"", "\"abort\""]).await;
    kill("INT", stuck.run.id());
    let Stuck { site, run } = stuck;
    let (code, text) = said(&run.wait_with_output().unwrap());
    kill("CONT", holder.0.id());
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("ended at once: `canary-cli status` shows what is where"), "{text}");
    let api_3 = NodeId::new("api-3").unwrap();
    until("the holder to answer again", async || site.client().service(&api_3).await.ok()).await;
    let (_, text) = site.run(&["status"]);
    assert!(text.contains("`canary-cli resume` goes on"), "{text}");
    // What was asked for still is: whoever goes on goes back.
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, Some(20), "{text}");
    everywhere(&site, "v1").await;
    assert_eq!(holder.end("TERM").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
}
