//! The world holds its own promises: rise and fall, start-up, strictness, metrics that come late.

use std::time::Duration;

use canary_core::analysis::Number;
use canary_core::fleet::{Artifact, Digest};
use canary_core::traits::*;

use super::*;

const OLD: &[u8] = b"old";
const NEW: &[u8] = b"new";

fn world() -> World {
    World::new(WorldConfig::new(&["a", "b"]), Arc::new(VirtualClock::new()), OLD, Behaviour::good())
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

async fn up(world: &World, name: &str) -> bool {
    world.servers().await.unwrap().server(&node(name)).unwrap().serving()
}

#[tokio::test]
async fn a_server_falls_after_three_bad_checks_and_rises_after_two_good_ones() {
    let world = world();
    world.clock().advance(ms(1));
    world.stop_service(&node("a"));
    let mut seen = Vec::new();
    for _ in 0..4 {
        world.clock().advance(ms(2000));
        seen.push(up(&world, "a").await);
    }
    assert_eq!(seen, [true, true, false, false], "bad checks at 2, 4 and 6 s");
    world.start_service(&node("a"));
    let mut seen = Vec::new();
    for _ in 0..3 {
        world.clock().advance(ms(2000));
        seen.push(up(&world, "a").await);
    }
    assert_eq!(seen, [false, true, true]);
}

#[tokio::test]
async fn long_spans_end_like_short_ones() {
    let (one, many) = (world(), world());
    for world in [&one, &many] {
        world.with_node(&node("a"), |node| node.ailing_ms = vec![(10_000, 60_000), (3_000_000, 3_000_100)]);
    }
    let mut jumps = 0;
    for step in [9_000, 5_000, 200, 1, 40_000, 30_000, 3_000_000, 600_000] {
        one.clock().advance(ms(step));
        for _ in 0..step {
            many.clock().advance(ms(1));
            jumps += u64::from(!many.server(&node("a")).unwrap().up);
        }
        assert_eq!(one.server(&node("a")).unwrap().up, many.server(&node("a")).unwrap().up, "after {step}");
    }
    assert!(jumps > 0, "it was never down");
}

#[tokio::test]
async fn a_node_that_takes_requests_is_not_changed() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("new"), NEW).unwrap();
    world.binary(NEW, Behaviour::good().after(Duration::from_secs(5)));
    let (a, artifact) = (node("a"), Artifact::read(dir.path().join("new")).unwrap());
    assert_eq!(world.install(&a, &artifact).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(world.restart(&a).await.unwrap_err().kind(), ErrorKind::Refused);
    world.set_admin(&a, AdminState::Drain).await.unwrap();
    assert!(world.install(&a, &artifact).await.unwrap().changed);
    assert_eq!(world.service(&a).await.unwrap().running, RunningBinary::Replaced);
    assert_eq!(world.restart(&a).await.unwrap().running, RunningBinary::InPlace);
    assert!(!world.node(&a).unwrap().healthy_at(4999) && world.node(&a).unwrap().healthy_at(5000));
    let installed = world.trace().into_iter().find_map(|traced| match traced.what {
        Happening::Installed { before, digest, serving, .. } => Some((before, digest, serving)),
        _ => None,
    });
    assert_eq!(installed, Some((Some(Digest::of(OLD)), Digest::of(NEW), false)));
}

#[tokio::test]
async fn a_crashing_service_is_given_up() {
    let world = world();
    world.binary(NEW, Behaviour::crashing());
    world.with_node(&node("a"), |node| node.installed = Some(Digest::of(NEW)));
    world.start_service(&node("a"));
    assert_eq!(world.service(&node("a")).await.unwrap().active, ActiveState::Activating);
    world.clock().advance(ms(1000));
    let state = world.service(&node("a")).await.unwrap();
    assert_eq!((state.active, state.restarts, state.pid), (ActiveState::Failed, 5, None));
}

#[tokio::test]
async fn errors_are_seen_only_once_they_were_scraped() {
    let world = world();
    world.clock().advance(Duration::from_secs(100));
    world.binary(NEW, Behaviour::failing(0.2));
    world.with_node(&node("a"), |node| node.installed = Some(Digest::of(NEW)));
    world.start_service(&node("a"));
    let ratio = async || {
        let query = SliQuery {
            name: "errors".to_owned(),
            kind: SliKind::ErrorRatio {
                metric: REQUESTS_METRIC.parse().unwrap(),
                status_label: "status".parse().unwrap(),
            },
            subject: Subject::Pool,
            window: Duration::from_secs(60),
            at: world.clock().now(),
        };
        world.sample(&[query]).await.remove(0).unwrap().reading
    };
    world.clock().advance(ms(5400));
    assert_eq!(ratio().await, Reading::Value { value: Number::new(0.0).unwrap() });
    world.clock().advance(ms(100));
    let Reading::Value { value } = ratio().await else { panic!("no value") };
    assert!((value.value() - 0.1 * 5.0 / 55.0).abs() < 1e-9, "{value}");
}

#[tokio::test]
async fn requests_in_progress_outlast_a_drain() {
    let world = world();
    world.clock().advance(ms(1000));
    world.with_server(&node("a"), |server| server.long_requests.push(9000));
    let pool = world.set_admin(&node("a"), AdminState::Drain).await.unwrap();
    assert_eq!(pool.server(&node("a")).unwrap().sessions, 2, "a long one and the last of the usual");
    world.clock().advance(ms(20));
    assert_eq!(world.servers().await.unwrap().server(&node("a")).unwrap().sessions, 1);
    world.clock().advance(ms(8000));
    assert_eq!(world.servers().await.unwrap().server(&node("a")).unwrap().sessions, 0);
}

fn errors_of(world: &World, name: &str) -> CounterQuery {
    let (metric, status_label) = (REQUESTS_METRIC.parse().unwrap(), "status".parse().unwrap());
    let (kind, at) = (SliKind::ErrorRatio { metric, status_label }, world.clock().now());
    CounterQuery { name: "errors".to_owned(), kind, nodes: vec![node(name)], at }
}

async fn held(world: &World, name: &str) -> Vec<(u64, Vec<u64>)> {
    let mut answers = world.counters(&[errors_of(world, name)]).await;
    let series = answers.pop().unwrap().unwrap().series;
    let start = VirtualClock::start();
    series.into_iter().map(|one| (one.at.since(start).as_secs(), one.values)).collect()
}

#[tokio::test]
async fn counters_are_as_of_the_last_scrape_and_begin_anew_with_the_process() {
    let world = world();
    world.binary(NEW, Behaviour::failing(0.2));
    world.with_node(&node("a"), |node| node.installed = Some(Digest::of(NEW)));
    world.clock().advance(ms(9999));
    // Half of 100 requests a second; the scrape at 10 s is half a second away from being there.
    assert_eq!(held(&world, "a").await, [(5, vec![250, 250])]);
    world.clock().advance(ms(501));
    assert_eq!(held(&world, "a").await, [(10, vec![500, 500])]);
    world.clock().advance(ms(1500));
    world.start_service(&node("a"));
    assert_eq!(held(&world, "a").await, [(10, vec![500, 500])]);
    world.clock().advance(ms(9000));
    // Eight seconds since 12 s, a fifth of them failed.
    assert_eq!(held(&world, "a").await, [(20, vec![320, 320]), (20, vec![0, 80])]);
    let history = world.history(&errors_of(&world, "a"), ms(30_000), ms(5000)).await.unwrap();
    let steps: Vec<&[u64]> = history.nodes[0].steps.iter().map(Vec::as_slice).collect();
    let (unknown, whole): (&[u64], &[u64]) = (&[], &[250, 250]);
    // The instant is 21 s: steps end at -4, 1, 6, 11, 16 and 21 s.
    assert_eq!(steps, [unknown, unknown, whole, whole, &[120, 150], &[200, 250]]);
    world.stop_service(&node("a"));
    world.clock().advance(ms(5000));
    assert_eq!(held(&world, "a").await, []);
    assert_eq!(held(&world, "c").await, []);
}
