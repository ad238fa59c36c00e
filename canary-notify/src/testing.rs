//! Notices for tests.

use canary_core::engine::{AfterHold, Outcome};
use canary_core::fleet::{Artifact, Digest, FileFacts, NodeId};
use canary_core::journal::{Anchor, Chain, Decision, Entry, NodeReport, Record, RolloutId};
use canary_core::plan::{Origin, Plan, PlannedNode, Purpose, Step, WayBack, Work};
use canary_core::spec::RolloutSpec;
use canary_core::time::Timestamp;
use canary_core::traits::{ActiveState, AdminState, Operational};
use canary_testkit::decided;

use crate::config::About;
use crate::notice::{Kind, Notice};

/// 2024-01-15T14:32:10Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_705_329_130_000);

pub(crate) fn about() -> About {
    About {
        service: "api".to_owned(),
        pool: "api_pool".to_owned(),
        environment: "production".to_owned(),
        host: "deploy".to_owned(),
    }
}

pub(crate) fn ended() -> Notice {
    let node = NodeId::new("b1").unwrap();
    Notice {
        id: "20240115T143210Z-00000007-12".to_owned(),
        kind: Kind::Ended,
        time: NOW,
        rollout: Some(RolloutId::new(NOW, 7)),
        service: "api".to_owned(),
        pool: "api_pool".to_owned(),
        environment: "production".to_owned(),
        host: "deploy".to_owned(),
        purpose: Some(Purpose::RollOut),
        actor: Some("ada".to_owned()),
        reason: Some("ticket 7".to_owned()),
        canary: Some(node.clone()),
        artifact: Some(Digest::of(b"new")),
        previous: Some(Digest::of(b"old")),
        summary: "rolled back: error_ratio 0.05 (bound < 0.005)".to_owned(),
        details: Vec::new(),
        outcome: Some(Outcome::RolledBack { reason: "error_ratio 0.05 (bound < 0.005)".to_owned() }),
        nodes: vec![NodeReport {
            node,
            installed: Some(Digest::of(b"old")),
            service: Some(ActiveState::Active),
            admin: Some(AdminState::Ready),
            operational: Some(Operational::Up),
            problems: Vec::new(),
        }],
        decision: None,
        anchor: Some(Anchor { log: "07".repeat(16), seq: 12, hash: Digest::of(b"record 12") }),
        recorded: true,
        late: false,
    }
}

/// A notice of each kind, and a test's, which knows the least.
pub(crate) fn notices() -> Vec<Notice> {
    let of = |kind| match kind {
        Kind::Ended => ended(),
        Kind::Test => Notice {
            rollout: None,
            purpose: None,
            actor: None,
            reason: None,
            canary: None,
            artifact: None,
            previous: None,
            outcome: None,
            nodes: Vec::new(),
            anchor: None,
            kind,
            ..ended()
        },
        Kind::CheckApproved | Kind::CheckHalted | Kind::CheckRolledBack => Notice {
            decision: Some(Box::new(decided(Decision::Halt))),
            outcome: None,
            nodes: Vec::new(),
            kind,
            ..ended()
        },
        kind => Notice { outcome: None, nodes: Vec::new(), kind, ..ended() },
    };
    Kind::ALL.into_iter().map(of).collect()
}

/// The plan of a rollout to two nodes.
pub(crate) fn plan(purpose: Purpose) -> Plan {
    let [canary, peer] = ["b1", "b2"].map(|name| NodeId::new(name).unwrap());
    let spec = RolloutSpec::new(
        "api".parse().unwrap(),
        "api_pool".parse().unwrap(),
        canary.clone(),
        vec![peer.clone()],
    );
    let planned = |node: &NodeId| PlannedNode {
        node: node.clone(),
        before: Some(Digest::of(b"old")),
        work: Work::Replace,
    };
    let facts = |bytes: &[u8]| FileFacts { sha256: Digest::of(bytes), size: 3 };
    Plan {
        purpose,
        spec,
        artifact: Artifact { path: "/srv/new".into(), facts: facts(b"new") },
        way_back: Some(WayBack { origin: Origin::Host { path: "/srv/old".into() }, facts: facts(b"old") }),
        store: "/var/lib/canary/api/artifacts".into(),
        nodes: vec![planned(&canary), planned(&peer)],
        steps: vec![Step::stage()],
        weights: None,
        warnings: Vec::new(),
    }
}

/// Records of these entries, a second apart.
pub(crate) fn records(entries: Vec<Entry>) -> Vec<Record> {
    let mut chain = Chain::new([7; 16]);
    let mut records = Vec::new();
    for (i, entry) in entries.into_iter().enumerate() {
        let time = NOW.plus(std::time::Duration::from_secs(i as u64));
        let (record, _) = chain.record(time, entry).unwrap();
        chain = Chain::after(&record);
        records.push(record);
    }
    records
}

/// The id of the rollout at hand.
pub(crate) fn id() -> RolloutId {
    RolloutId::new(NOW, 7)
}

/// The beginning of a rollout.
pub(crate) fn started(purpose: Purpose) -> Entry {
    Entry::Started {
        rollout: id(),
        actor: "ada".to_owned(),
        reason: None,
        permit: None,
        plan: Box::new(plan(purpose)),
    }
}

/// Its end.
pub(crate) fn finished(outcome: Outcome) -> Entry {
    Entry::Finished { rollout: id(), outcome, nodes: ended().nodes }
}

/// Every way a rollout can end.
pub(crate) fn outcomes() -> Vec<Outcome> {
    let why = || "why".to_owned();
    vec![
        Outcome::Completed { changed: true },
        Outcome::Completed { changed: false },
        Outcome::Refused { reasons: vec![why()] },
        Outcome::RolledBack { reason: why() },
        Outcome::Halted { reason: why() },
        Outcome::Inconclusive { why: why(), then: AfterHold::Kept },
        Outcome::Inconclusive { why: why(), then: AfterHold::RolledBack },
        Outcome::Stuck { reason: why() },
        Outcome::Interrupted { at: why() },
    ]
}
