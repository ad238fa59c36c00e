//! A decision about a release as a notice: what was decided, by which numbers, and who stood worst.

use canary_core::journal::{Decided, Decision, Record, WorstResult};

use crate::config::About;
use crate::notice::{Kind, Notice};

impl Kind {
    /// The kind of a decision's notice.
    #[must_use]
    pub const fn of(decision: Decision) -> Self {
        match decision {
            Decision::Approve => Self::CheckApproved,
            Decision::Halt => Self::CheckHalted,
            Decision::Rollback => Self::CheckRolledBack,
        }
    }
}

/// The notice of a decision's record. It stands for itself: a decision may belong to no rollout.
pub(crate) fn notice(about: &About, record: &Record, decided: &Decided) -> Notice {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let named = decided.rollout.as_ref().map_or_else(|| decided.execution.clone(), ToString::to_string);
    let named: String = named.chars().map(plain).collect();
    Notice {
        // Records of the rollout's own journal have numbers of their own, and ids by them.
        id: format!("{named}-decision-{}", record.seq),
        kind: Kind::of(decided.ruling.decision),
        time: record.time,
        rollout: decided.rollout.clone(),
        service: about.service.clone(),
        pool: about.pool.clone(),
        environment: about.environment.clone(),
        host: decided.host.clone(),
        purpose: None,
        actor: Some(decided.actor.clone()),
        reason: decided.reason.clone(),
        canary: None,
        artifact: decided.artifact,
        previous: None,
        summary: summary(decided),
        details: details(decided),
        outcome: None,
        nodes: Vec::new(),
        decision: Some(Box::new(decided.clone())),
        anchor: Some(record.into()),
        recorded: true,
        late: false,
    }
}

/// `HALT of v2.14.3: score 0.967, between 0.949 and 0.981, 0.95 needed; 187 tenants, 1 in breach, 3 unknown`.
fn summary(decided: &Decided) -> String {
    let ruling = &decided.ruling;
    let mut text = ruling.decision.to_string();
    text.extend(ruling.version.iter().map(|version| format!(" of {version}")));
    text.extend(ruling.percentage.map(|percentage| format!(" at {percentage} %")));
    text.push_str(": ");
    text.extend(ruling.score_ppm.map(|score| format!("score {}, ", ppm(score))));
    text.push_str(&format!(
        "between {} and {}, {} needed; {} tenants, {} in breach, {} unknown",
        ppm(ruling.lo_ppm),
        ppm(ruling.hi_ppm),
        ppm(ruling.threshold_ppm),
        ruling.tenants,
        ruling.breached,
        ruling.unknown
    ));
    text
}

fn details(decided: &Decided) -> Vec<String> {
    let ruling = &decided.ruling;
    let mut lines = Vec::new();
    if !ruling.reasons.is_empty() {
        lines.push(format!("reasons: {}", ruling.reasons.join(", ")));
    }
    lines.extend(ruling.worst.iter().map(worst));
    let gaps = ruling.gaps.iter().filter(|(code, _)| *code != "ok");
    let gaps: Vec<_> = gaps.map(|(code, count)| format!("{code} {count}")).collect();
    if !gaps.is_empty() {
        lines.push(format!("gaps: {}", gaps.join(", ")));
    }
    for source in ruling.sources.iter().filter(|source| !source.warnings.is_empty()) {
        lines.push(format!("{} warns: {}", source.name, source.warnings.join("; ")));
    }
    lines.push(format!("evidence {}", decided.evidence_sha256));
    lines.push(format!("policy {}", ruling.policy_sha256));
    lines
}

/// In the objective's own unit, which the record does not name: millionths, or microseconds.
fn worst(result: &WorstResult) -> String {
    let observed = result.observed.map_or_else(|| "unknown".to_owned(), |observed| observed.to_string());
    format!(
        "{} {} at {}: {observed} of {} ({}, {} events)",
        result.tenant, result.objective, result.source, result.limit_adj, result.code, result.n
    )
}

/// Millionths as a decimal number.
fn ppm(value: u64) -> String {
    let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use canary_core::journal::{Entry, RolloutId};

    use super::*;
    use crate::config::{Choice, NotifyConfig};
    use crate::story::Story;
    use crate::testing;

    fn told(decided: Decided) -> Notice {
        let record = testing::records(vec![Entry::Decided(Box::new(decided))]).remove(0);
        let mut story = Story::new(testing::about(), NotifyConfig::new(testing::about()).hold_after);
        let notice = story.recorded(&record).unwrap();
        assert_eq!(notice.anchor.as_ref().map(|anchor| anchor.hash), Some(record.hash));
        assert!(story.open().is_none(), "a decision is no rollout that could be left open");
        notice
    }

    #[test]
    fn each_decision_has_its_kind_its_numbers_and_its_worst() {
        let notice = told(canary_testkit::decided(Decision::Halt));
        assert_eq!(notice.kind.as_str(), "canary.health_check.halted");
        assert_eq!(notice.id, "canary-2026-11-22T14-32-10Z-k7x2p-decision-0");
        assert_eq!(notice.seq(), Some(0));
        assert_eq!(
            notice.summary,
            "HALT of v2.14.3 at 10 %: score 0.967, between 0.949 and 0.981, 0.95 needed; 187 tenants, 1 in breach, 3 unknown"
        );
        assert!(
            notice
                .details
                .contains(&"acme error_rate at eu-1: 150000 of 11000 (sparse, 4200 events)".to_owned())
        );
        assert!(notice.details.contains(&"gaps: sparse 1, stale 3".to_owned()), "{:?}", notice.details);
        for (decision, kind, good) in [
            (Decision::Approve, "canary.health_check.approved", true),
            (Decision::Rollback, "canary.health_check.rolled_back", false),
        ] {
            let notice = told(canary_testkit::decided(decision));
            assert_eq!((notice.kind.as_str(), notice.is_good()), (kind, good));
            assert_eq!(Choice::Problems.wants(&notice), !good);
        }
    }

    #[test]
    fn one_of_a_rollouts_watch_is_named_by_it() {
        let decided = Decided { rollout: Some(testing::id()), ..canary_testkit::decided(Decision::Approve) };
        assert_eq!(told(decided).id, format!("{}-decision-0", testing::id()));
    }

    #[test]
    fn of_a_rollouts_probes_the_changes_alone_are_told() {
        use Decision::{Approve, Halt, Rollback};
        let by = |decision, rollout: Option<u32>| {
            let rollout = rollout.map(|n| RolloutId::new(testing::NOW, n));
            Entry::Decided(Box::new(Decided { rollout, ..canary_testkit::decided(decision) }))
        };
        let entries = vec![
            by(Approve, Some(1)),
            by(Approve, Some(1)),
            by(Halt, Some(2)),
            by(Halt, Some(1)),
            by(Approve, None),
            by(Approve, None),
            by(Halt, Some(1)),
            by(Approve, Some(1)),
            by(Rollback, Some(1)),
            by(Halt, Some(2)),
        ];
        let mut story = Story::new(testing::about(), NotifyConfig::new(testing::about()).hold_after);
        let records = testing::records(entries);
        let told: Vec<_> = records.iter().filter_map(|record| story.recorded(record)?.seq()).collect();
        assert_eq!(told, [0, 2, 3, 4, 5, 7, 8], "what is asked for by hand is told each time");
    }
}
