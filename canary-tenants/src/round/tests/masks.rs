//! Masks at the level of what was found: taking away what is known never makes a halt an approval or a rollback.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::{evidence, policy, reply, tenant};
use crate::decide::Decision;
use crate::evidence::{Before, Evidence};
use crate::gap::{Found, GapCode, Measured};
use crate::policy::Policy;
use crate::round::decide_round;
use crate::source::SourceReply;

/// Six tenants: two with a veto, some at both sources, one at any.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let mut tenants =
        "  a: {tier: gold, sources: [eu, us]}\n  b: {tier: gold, sources: [eu]}\n  c:\n".to_owned();
    (0..3).for_each(|i| tenants.push_str(&format!("  t{i}: {{sources: [{}]}}\n", ["eu", "us"][i % 2])));
    policy(&tenants)
});

/// What can happen to what was found of one tenant at one source, in one measure.
fn mask(found: &mut Found, how: u8) {
    match how {
        1 => found.trouble = Some(GapCode::Duplicate),
        2 => (found.samples, found.age, found.measured) = (None, None, Measured::Nothing),
        3 => found.age = Some(600_000_000),
        4 => (found.samples, found.before) = (Some(1), false),
        5 => found.samples = Some(1),
        6 => found.trouble = Some(GapCode::Partial),
        _ => {}
    }
}

fn masked(mut evidence: Evidence, hows: &[u8], down: (u8, u8)) -> Evidence {
    let mut hows = hows.iter().cycle();
    let both = [("eu", down.0), ("us", down.1)];
    for ((_, reply), (_, down)) in evidence.sources.iter_mut().zip(both) {
        match down {
            0 => *reply = SourceReply::down("timeout"),
            1 => reply.trouble = Some((GapCode::Partial, "a store is missing".to_owned())),
            _ => {}
        }
        for found in reply.found.values_mut().flat_map(|found| found.values_mut()) {
            mask(found, *hows.next().unwrap_or(&0));
        }
        // A tenant that names its sources and is nowhere in them.
        reply.found.retain(|name, _| name == "c" || hows.next() != Some(&7));
    }
    evidence
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let bad = prop_oneof![6 => Just(3_u64), 2 => 3_u64..60, 1 => 60_u64..3000];
    (prop::collection::vec(bad, 12), any::<u8>()).prop_map(|(bad, breached)| {
        let names: Vec<&String> = POLICY.tenants.keys().collect();
        let at = |offset: usize| {
            reply(names.iter().enumerate().map(|(i, name)| (name.as_str(), tenant(bad[offset + i]))))
        };
        let mut evidence = evidence(&POLICY, at(0), at(6));
        let before = names.iter().enumerate().filter(|(i, _)| breached >> i & 1 == 1);
        evidence.before = Before {
            breached: before.map(|(_, name)| (*name).clone()).collect(),
            rows: vec![("eu".to_owned(), 6), ("us".to_owned(), 6)],
            stale: Vec::new(),
        };
        evidence
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn missing_data_never_decides(
        evidence in any_evidence(),
        hows in prop::collection::vec(prop_oneof![5 => Just(0_u8), 1 => 1..8_u8], 1..32),
        down in (0..12_u8, 0..12_u8),
    ) {
        let before = decide_round(&POLICY, &evidence);
        let after = decide_round(&POLICY, &masked(evidence, &hows, down));
        let kept = after.decided.decision == before.decided.decision || after.decided.decision == Decision::Halt;
        prop_assert!(kept, "{:?} became {:?}", before.decided, after.decided);
        prop_assert!(after.decided.low <= before.decided.low && after.decided.high >= before.decided.high);
    }
}

#[test]
fn the_masks_reach_every_decision() {
    let mut good = evidence(&POLICY, reply([]), reply([]));
    for (_, reply) in &mut good.sources {
        let named =
            |name: &String| (name.clone(), tenant(3).into_iter().map(|(k, v)| (Arc::from(k), v)).collect());
        reply.found = POLICY.tenants.keys().map(named).collect();
    }
    assert_eq!(decide_round(&POLICY, &good).decided.decision, Decision::Approve);
    for (_, reply) in &mut good.sources {
        reply.found.values_mut().flat_map(|found| found.values_mut()).for_each(|found| {
            if let Measured::Events { bad, total } = &mut found.measured {
                *bad = Some(*total);
            }
        });
    }
    assert_eq!(decide_round(&POLICY, &good).decided.decision, Decision::Rollback);
    assert_eq!(decide_round(&POLICY, &masked(good, &[0], (0, 0))).decided.decision, Decision::Halt);
}
