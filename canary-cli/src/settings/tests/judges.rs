//! The judges of the watch, as settings have them.

use std::num::NonZeroU32;
use std::time::Duration;

use canary_core::analysis::{FailureBudget, HoldKind, Role, ScoreBounds, ThresholdOptions};
use canary_core::spec::{CommonFault, HoldBudget, OddsRules, Unproven, WatchPolicy, WatchSubject};
use canary_core::traits::SliKind;

use crate::settings::Key;
use crate::testing::World;

fn watch(world: World) -> WatchPolicy {
    world.read().unwrap().spec.watch.unwrap()
}

#[test]
fn the_default_follows_from_what_the_source_can_tell() {
    let odds = Some(OddsRules::default());
    let local = "[fleet]\nbackend = \"local\"\ncanary = \"b\"\npeers = [\"a\"]\n\
                 [local]\nnodes = [\"a=127.0.0.1:7001\", \"b=127.0.0.1:7002\"]\n";
    for (world, subject, expected) in [
        // The runbook's variables alone name no node: the whole pool, by its bounds.
        (World::new().variable("PROM_URL", "http://p:9090"), WatchSubject::Pool, None),
        (World::new().variable("PROM_NODE_LABEL", "instance"), WatchSubject::Canary, odds.clone()),
        (
            World::new().variable("PROM_NODE_LABEL", "instance").variable("CANARY_WATCH_SUBJECT", "pool"),
            WatchSubject::Pool,
            odds.clone(),
        ),
        // Nobody to compare with.
        (
            World::new().variable("PROM_NODE_LABEL", "instance").variable("PEER_NODES", ""),
            WatchSubject::Canary,
            None,
        ),
        // Metrics pages have no past to learn the noise from.
        (World::new().variable("CANARY_WATCH_SOURCE", "metrics"), WatchSubject::Canary, None),
        (World::new().file(local), WatchSubject::Canary, None),
    ] {
        let watch = watch(world);
        assert_eq!((watch.subject, &watch.judging.odds), (subject, &expected));
        assert_eq!(watch.judging.threshold, Some(ThresholdOptions::default()));
        assert_eq!(watch.judging.side_by_side, subject == WatchSubject::Canary || expected.is_some());
        let held = watch.judging.common_fault == CommonFault::Hold;
        assert_eq!(held, watch.judging.side_by_side);
        assert_eq!(watch.judging.score, None);
    }
}

#[test]
fn a_short_window_has_a_short_warm_up() {
    let warm_up = |window: &str| {
        let world = World::new().variable("PROM_NODE_LABEL", "instance").variable("SLI_WINDOW", window);
        watch(world).judging.odds.unwrap().warm_up
    };
    assert_eq!([warm_up("3600"), warm_up("60")], [30, 6].map(Duration::from_secs));
}

#[test]
fn every_judge_takes_its_settings() {
    let file = r#"
[watch]
judge = ["threshold", "odds", "score"]
alpha = "0.1%"
beta = 0.02
early_green = true
min_soak = "5m"
early_requests = 1000
warm_up = "1m"
history = "2h"
unproven = "inconclusive"
consecutive_failures = 3
min_samples = 4
failure_budget = 5
heal_after = 6
score_pass = 1
score_fail = "50%"
side_by_side = false
[watch.hold_budgets]
source_down = "10m"
no_traffic = "1h 30m"
"#;
    let variables = World::new().file(file).variable("CANARY_HOLD_BUDGETS", "stale=90s");
    let only = watch(variables).judging.hold_budgets;
    assert_eq!(
        only.into_iter().collect::<Vec<_>>(),
        [(HoldKind::Stale, HoldBudget(Duration::from_secs(90)))]
    );
    let judging = watch(World::new().file(file)).judging;
    let ratio = |value: f64| canary_core::analysis::Ratio::new(value).unwrap();
    assert_eq!(
        judging.odds.unwrap(),
        OddsRules {
            alpha: ratio(0.001),
            beta: ratio(0.02),
            early_green: true,
            min_soak: Duration::from_secs(300),
            min_requests: 1000,
            warm_up: Duration::from_secs(60),
            history: Duration::from_secs(7200),
            unproven: Unproven::Inconclusive,
        }
    );
    let heal_after = NonZeroU32::new(6);
    let threshold = ThresholdOptions {
        consecutive: NonZeroU32::new(3),
        budget: Some(FailureBudget { failures: 5, heal_after }),
        min_samples: 4,
    };
    assert_eq!(judging.threshold, Some(threshold));
    assert_eq!(judging.score, Some(ScoreBounds { pass: ratio(1.0), fail: ratio(0.5) }));
    let budgets = [(HoldKind::NoTraffic, 5400), (HoldKind::SourceDown, 600)];
    let budgets = budgets.map(|(kind, seconds)| (kind, HoldBudget(Duration::from_secs(seconds))));
    assert_eq!(judging.hold_budgets.into_iter().collect::<Vec<_>>(), budgets);
    assert_eq!((judging.side_by_side, judging.common_fault), (false, CommonFault::Red));
}

#[test]
fn indicators_say_what_they_are_to_the_judges() {
    let file = r#"
[prometheus]
node_label = "instance"
[[sli]]
name = "checkout"
requests_metric = "checkout_total"
below = 0.01
role = "critical"
[[sli]]
name = "p99"
latency_metric = "http_seconds"
quantile = 0.99
below = 2
weight = 3
margin = 1.5
rules_out = 2.5
[[sli]]
name = "queue"
promql = "max(q)"
below = 10
role = "advisory"
subject = "pool"
[[sli]]
name = "p95"
weight = 2
rules_out = 3
"#;
    let watch = watch(World::new().file(file));
    let told: Vec<_> = watch.slis.iter().map(|sli| (sli.name.as_str(), sli.judging.role)).collect();
    assert_eq!(
        told,
        [
            ("p95", Role::Weighted(2)),
            ("error_ratio", Role::Weighted(1)),
            ("checkout", Role::Critical),
            ("p99", Role::Weighted(3)),
            ("queue", Role::Advisory),
        ]
    );
    let number = |value: f64| canary_core::analysis::Number::new(value);
    assert_eq!((watch.slis[0].judging.margin, watch.slis[0].judging.rules_out), (None, number(3.0)));
    assert_eq!((watch.slis[3].judging.margin, watch.slis[3].judging.rules_out), (number(1.5), number(2.5)));
    assert!(
        matches!(&watch.slis[2].kind, SliKind::ErrorRatio { status_label, .. } if status_label.as_str() == "status")
    );
    assert!(matches!(&watch.slis[3].kind, SliKind::Quantile { quantile, .. } if quantile.value() == 0.99));
    let subjects: Vec<_> = watch.slis.iter().map(|sli| watch.subject_of(sli)).collect();
    assert_eq!(subjects[3..], [WatchSubject::Canary, WatchSubject::Pool]);
}

#[test]
fn what_no_judge_reads_is_pointed_out() {
    let world =
        World::new().file("[watch]\nalpha = 0.05\nheal_after = 3\n").variable("CANARY_SCORE_FAIL", "0.5");
    assert_eq!(
        world.read().unwrap().layers.warnings,
        [
            "watch.alpha = 0.05 (canary.toml:2:9) is not used: odds does not judge, watch.judge = threshold (default)",
            "watch.score_fail = 0.5 (environment variable CANARY_SCORE_FAIL) is not used: score does not judge, \
             watch.judge = threshold (default)",
            "watch.heal_after = 3 (canary.toml:3:14) is not used: there is no watch.failure_budget",
        ]
    );
}

#[test]
fn what_is_shown_can_be_written_again() {
    let budgets = "no_traffic=1h30m stale=90s";
    let settings = World::new()
        .variable("CANARY_HOLD_BUDGETS", budgets)
        .variable("CANARY_JUDGE", "odds score")
        .read()
        .unwrap();
    for (key, variable) in [(Key::HoldBudgets, "CANARY_HOLD_BUDGETS"), (Key::Judge, "CANARY_JUDGE")] {
        let value = settings.layers.resolved(key).value.clone();
        let shown = value.as_ref().unwrap().to_string();
        let again = World::new().variable(variable, &shown).read().unwrap();
        assert_eq!(again.layers.resolved(key).value, value, "{shown}");
    }
}
