//! The judges of the watch.

use std::num::NonZeroU32;

use canary_core::analysis::{FailureBudget, ScoreBounds, ThresholdOptions};
use canary_core::spec::{CommonFault, HoldBudget, Judging, OddsRules, Unproven};

use crate::settings::layers::Layers;
use crate::settings::table::Key;
use crate::settings::values::Given as _;

pub(super) fn build(layers: &Layers) -> Judging {
    let budgets = layers.budgets(Key::HoldBudgets).unwrap_or_default();
    Judging {
        threshold: layers.judges("threshold").then(|| threshold(layers)),
        odds: layers.judges("odds").then(|| odds(layers)),
        score: layers.judges("score").then(|| ScoreBounds {
            pass: layers.ratio(Key::ScorePass).given(),
            fail: layers.ratio(Key::ScoreFail).given(),
        }),
        hold_budgets: budgets.into_iter().map(|(kind, budget)| (kind, HoldBudget(budget))).collect(),
        common_fault: match layers.text(Key::CommonFault).given().as_str() {
            "hold" => CommonFault::Hold,
            _ => CommonFault::Red,
        },
        side_by_side: layers.flag(Key::SideBySide).given(),
    }
}

fn threshold(layers: &Layers) -> ThresholdOptions {
    let count = |key| layers.count(key).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let positive = |key| count(key).and_then(NonZeroU32::new);
    ThresholdOptions {
        consecutive: positive(Key::ConsecutiveFailures),
        budget: count(Key::FailureBudget)
            .map(|failures| FailureBudget { failures, heal_after: positive(Key::HealAfter) }),
        min_samples: count(Key::MinSamples).given(),
    }
}

fn odds(layers: &Layers) -> OddsRules {
    let time = |key| layers.time(key).given();
    OddsRules {
        alpha: layers.ratio(Key::Alpha).given(),
        beta: layers.ratio(Key::Beta).given(),
        early_green: layers.flag(Key::EarlyGreen).given(),
        min_soak: time(Key::MinSoak),
        min_requests: layers.count(Key::EarlyRequests).given(),
        warm_up: time(Key::WarmUp),
        history: time(Key::History),
        unproven: match layers.text(Key::Unproven).given().as_str() {
            "inconclusive" => Unproven::Inconclusive,
            _ => Unproven::Pass,
        },
    }
}
