//! Shares from readings, table by table.

use proptest::prelude::*;

use super::*;
use crate::fleet::PoolName;
use crate::traits::{AdminState, Server};

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn weight(value: u16) -> Weight {
    Weight::new(value).unwrap()
}

fn server((name, value, served): (&str, u16, u64)) -> Server {
    Server {
        node: id(name),
        address: None,
        admin: AdminState::Ready,
        operational: Operational::Up,
        checked: true,
        weight: weight(value),
        configured_weight: weight(100),
        backup: false,
        sessions: 0,
        queued: 0,
        served,
    }
}

fn pool(servers: &[(&str, u16, u64)]) -> PoolState {
    PoolState {
        pool: PoolName::new("api_pool").unwrap(),
        epoch: "1".to_owned(),
        algorithm: Some("roundrobin".to_owned()),
        sticky: None,
        servers: servers.iter().copied().map(server).collect(),
    }
}

/// What two readings come to, with nothing planned.
fn between(first: &PoolState, second: &PoolState) -> Option<ShareSeen> {
    let mut memory = ShareMemory::default();
    assert_eq!(memory.look(first, &id("a"), None), None, "one reading says nothing");
    memory.look(second, &id("a"), None).cloned()
}

#[test]
fn the_share_is_held_against_the_weights_that_take_requests() {
    let first = pool(&[("a", 5, 10), ("b", 100, 1000), ("c", 100, 0)]);
    let mut second = pool(&[("a", 5, 510), ("b", 100, 11_000), ("c", 100, 10_000)]);
    let seen = between(&first, &second).unwrap();
    let expected = 5.0 / 205.0;
    assert!((seen.expected.value() - expected).abs() < 1e-12 && seen.requests == 20_500);
    assert!((seen.seen.value() - 500.0 / 20_500.0).abs() < 1e-12);
    let chance = 4.0 * (expected * (1.0 - expected) / 20_500.0_f64).sqrt();
    assert!((seen.within.value() - (expected / 2.0 + chance)).abs() < 1e-12);
    assert!(!seen.off());
    // One that takes nothing in either reading is no part of it, and a backup is none.
    for out in [AdminState::Drain, AdminState::Maint] {
        let (mut first, mut second) = (first.clone(), second.clone());
        (first.servers[2].admin, second.servers[2].admin) = (out, out);
        let seen = between(&first, &second).unwrap();
        assert_eq!((seen.requests, seen.expected), (10_500, Ratio::new(5.0 / 105.0).unwrap()));
    }
    let mut backup = first;
    (backup.servers[2].backup, second.servers[2].backup) = (true, true);
    assert_eq!(between(&backup, &second).unwrap().requests, 10_500);
}

#[test]
fn few_requests_decide_nothing_and_add_up() {
    let mut memory = ShareMemory::default();
    let canary = id("a");
    memory.look(&pool(&[("a", 100, 0), ("b", 100, 0)]), &canary, None);
    for served in [1, 20, 63] {
        let now = pool(&[("a", 100, 0), ("b", 100, served)]);
        assert_eq!(memory.look(&now, &canary, None), None, "{served}");
        assert_eq!(memory.hold(&now, &canary, None), None);
    }
    let now = pool(&[("a", 100, 0), ("b", 100, 65)]);
    let seen = memory.look(&now, &canary, None).unwrap();
    assert!(seen.off() && seen.requests == 65, "{seen:?}");
    // The judgement stands until there is another.
    let later = pool(&[("a", 100, 1), ("b", 100, 66)]);
    assert!(memory.look(&later, &canary, None).is_some_and(ShareSeen::off));
    assert!(memory.hold(&later, &canary, None).is_some());
    let even = pool(&[("a", 100, 500), ("b", 100, 565)]);
    assert!(memory.look(&even, &canary, None).is_some_and(|seen| !seen.off()));
    assert_eq!(memory.hold(&even, &canary, None), None);
}

#[test]
fn readings_that_cannot_be_compared_begin_anew() {
    let first = pool(&[("a", 100, 1000), ("b", 100, 1000)]);
    let second = pool(&[("a", 100, 1000), ("b", 100, 3000)]);
    assert!(between(&first, &second).unwrap().off());
    type Change = fn(&mut PoolState);
    let changes: [(&str, Change); 6] = [
        ("another process", |pool| pool.epoch = "2".to_owned()),
        ("a counter that was cleared", |pool| pool.servers[0].served = 999),
        ("another weight", |pool| pool.servers[1].weight = weight(99)),
        ("one that is out", |pool| pool.servers[1].admin = AdminState::Drain),
        ("one that is gone", |pool| drop(pool.servers.pop())),
        ("one that is another", |pool| pool.servers[1].node = id("x")),
    ];
    for (what, change) in changes {
        let mut second = second.clone();
        change(&mut second);
        assert_eq!(between(&first, &second), None, "{what}");
    }
    // The canary alone, or without requests of its own, has no share to speak of.
    assert_eq!(between(&pool(&[("a", 100, 0)]), &pool(&[("a", 100, 900)])), None);
    let drained = |served| {
        let mut pool = pool(&[("a", 100, 0), ("b", 100, served)]);
        pool.servers[0].admin = AdminState::Drain;
        pool
    };
    assert_eq!(between(&drained(0), &drained(900)), None);
}

#[test]
fn an_algorithm_that_does_not_share_by_weights_is_judged_only_against_a_plan() {
    for name in ["first", "leastconn", "source", "uri", "url_param", "hdr", "rdp-cookie", "hash"] {
        let with = |served| PoolState {
            algorithm: Some(name.to_owned()),
            ..pool(&[("a", 100, 0), ("b", 100, served)])
        };
        assert_eq!(between(&with(0), &with(1000)), None, "{name}");
        let mut memory = ShareMemory::default();
        memory.look(&with(0), &id("a"), Some(weight(100)));
        assert!(memory.look(&with(1000), &id("a"), Some(weight(100))).is_some_and(ShareSeen::off), "{name}");
    }
}

#[test]
fn what_the_balancer_shows_is_named() {
    let mut memory = ShareMemory::default();
    let (canary, planned) = (id("a"), Some(weight(5)));
    let with = |epoch: &str, own, other| {
        let mut pool = pool(&[("a", 100, own), ("b", 100, other)]);
        pool.epoch = epoch.to_owned();
        pool.servers[0].operational = Operational::Starting;
        (pool.algorithm, pool.sticky) = (Some("source".to_owned()), Some("cookie \"SRV\"".to_owned()));
        pool
    };
    memory.look(&with("1", 0, 0), &canary, planned);
    memory.look(&with("2", 0, 0), &canary, planned);
    let now = with("2", 5000, 5000);
    assert!(memory.look(&now, &canary, planned).is_some_and(ShareSeen::off));
    let hold = memory.hold(&now, &canary, planned).unwrap();
    assert_eq!(
        hold.to_string(),
        "the canary got 50% of 10000 requests, its weight stands for 4.762% (within 3.233%): its weight is 100, 5 was planned; \
         it is in its slow start; balance source does not follow weights alone; clients are bound to servers by a cookie \
         \"SRV\"; the balancer's process is another, and an old one may still serve"
    );
    let json = serde_json::to_string(&hold).unwrap();
    assert_eq!(serde_json::from_str::<ShareHold>(&json).unwrap(), hold);
    assert!(json.contains("\"type\":\"off\"") && json.contains("\"expected\":\"0.047"), "{json}");
    // Without anything to be seen it still holds, and says what it saw.
    let mut memory = ShareMemory::default();
    memory.look(&pool(&[("a", 100, 0), ("b", 100, 0)]), &canary, None);
    let now = pool(&[("a", 100, 0), ("b", 100, 1000)]);
    memory.look(&now, &canary, None);
    let hold = memory.hold(&now, &canary, None).unwrap().to_string();
    assert_eq!(hold, "the canary got 0% of 1000 requests, its weight stands for 50% (within 31.32%)");
}

proptest! {
    /// Shares as a balancer gives them that takes turns are never off, whatever the weights.
    #[test]
    fn turns_are_never_off(own in 1_u16..=256, other in 1_u16..=256, requests in 1_u64..200_000) {
        let expected = f64::from(own) / f64::from(own + other);
        let canary = (requests as f64 * expected) as u64;
        if let Some(seen) = ShareSeen::of(expected, canary, requests, TOLERANCE) {
            prop_assert!(!seen.off());
            prop_assert!(expected >= 1.0 / 512.0 && requests as f64 >= 64.0 * (1.0 - expected) / expected - 1.0);
            // Enough to judge by is enough to see that nothing comes.
            prop_assert!(ShareSeen::of(expected, 0, requests + 1, TOLERANCE).unwrap().off());
        }
    }

    /// Any readings are answered.
    #[test]
    fn any_readings(values in proptest::collection::vec((0_u16..=256, any::<u64>()), 1..5), later in any::<u64>()) {
        let of = |add: u64| {
            let names = ["a", "b", "c", "d"];
            let servers: Vec<_> =
                names.into_iter().zip(&values).map(|(n, (w, s))| (n, *w, s.saturating_add(add) >> 3)).collect();
            pool(&servers)
        };
        let mut memory = ShareMemory::default();
        for add in [0, later, later / 2, u64::MAX] {
            let now = of(add);
            memory.look(&now, &id("a"), Some(weight(7)));
            let _ = memory.hold(&now, &id("a"), None).map(|hold| hold.to_string());
        }
    }
}
