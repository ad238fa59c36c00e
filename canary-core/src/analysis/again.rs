//! Judges a recorded probe once more: by the policy it was judged by, or by another.

use super::compare::{Compared, Comparison};
use super::hold::HoldReason;
use super::odds::OddsWatch;
use super::threshold::ThresholdState;
use super::verdict::{JudgedSli, SliVerdict, Whose, judged_by_bound};
use super::watch::{Observation, Seen};
use crate::spec::{CommonFault, WatchPolicy};
use crate::traits::CheckVerdict;

/// What a watch carries from one probe to the next.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// The counts of patience.
    pub patience: ThresholdState,
    /// The SLIs whose last probe waits to be confirmed.
    pub unconfirmed: std::collections::BTreeSet<String>,
    /// The comparison so far.
    pub odds: Option<OddsWatch>,
}

impl Carried {
    /// The comparison is fixed anew.
    pub fn calibrate(&mut self, comparison: &Comparison) {
        self.odds = Some(comparison.begin());
    }

    /// Judges a probe's evidence: the values, counts and answers in `seen`, without the verdicts that stand beside them. What a reading was held
    /// for without a value (no data, a source that was down) stays: that is evidence.
    ///
    /// SLIs that `policy` does not have are left out. A value that was known only as the lower end of an open bucket, and that `policy`'s bound
    /// is above, counts as that value.
    #[must_use]
    pub fn judge(&mut self, policy: &WatchPolicy, seen: &Observation) -> Observation {
        let slis = seen.slis.iter().filter_map(|told| self.sli(policy, told)).collect();
        let compared = seen.compared.as_ref().filter(|_| policy.judging.odds.is_some());
        let compared = compared.and_then(|poll| {
            let odds = self.odds.as_mut()?;
            Some(Compared::poll(odds, poll.tables.clone(), poll.elapsed))
        });
        let unknown = |check: &str| {
            let same = |report: &&crate::traits::CheckReport| report.check == check;
            let report = seen.checks.iter().find(same);
            report.is_some_and(|report| matches!(report.verdict, CheckVerdict::Unknown { .. }))
        };
        // What the judges add themselves is added again.
        let own = |why: &&HoldReason| match why {
            HoldReason::Score { .. } => false,
            HoldReason::Check { check, .. } => !unknown(check),
            HoldReason::Uncalibrated { .. } | HoldReason::NoisierThanHistory { .. } => false,
            _ => true,
        };
        let mut holds: Vec<_> = seen.holds.iter().filter(own).cloned().collect();
        // Where the comparison's own hold stood: after what could not be read, before what the balancer sent.
        let share = |why: &HoldReason| matches!(why, HoldReason::Share { .. });
        let at = holds.iter().position(share).unwrap_or(holds.len());
        if let Some(why) = compared.as_ref().and_then(Compared::distrust) {
            holds.insert(at, why);
        }
        let (at, window, checks) = (seen.at, seen.window, seen.checks.clone());
        let judged =
            Observation::judged(policy, self.patience, Seen { at, window, slis, compared, holds, checks });
        if let Some(patience) = &judged.patience {
            self.patience = patience.state;
        }
        self.unconfirmed = judged.unconfirmed();
        judged
    }

    fn sli(&self, policy: &WatchPolicy, told: &JudgedSli) -> Option<JudgedSli> {
        let sli = policy.slis.iter().find(|sli| sli.name == told.sli)?;
        let verdict = match told.value {
            None => told.verdict.clone(),
            Some(value) => judged_by_bound(sli, value, told),
        };
        let mut again = JudgedSli { bound: sli.bound, verdict, ..told.clone() };
        let baseline = told.beside.get(&Whose::Baseline);
        if let (Some(baseline), CommonFault::Hold) = (baseline, policy.judging.common_fault) {
            let confirmed = self.unconfirmed.contains(&told.sli);
            again.share_fault(*baseline, sli.judging.much_worse(&sli.kind), confirmed);
        }
        Some(again)
    }
}

/// Whether a hold is of the reading itself, and stays whatever the bound is.
pub(super) const fn of_the_reading(verdict: &SliVerdict) -> bool {
    matches!(verdict, SliVerdict::Hold { why: HoldReason::Warnings { .. } })
}

/// Whether a value is known only as the lower end of an open bucket.
pub(super) const fn is_open(verdict: &SliVerdict) -> bool {
    matches!(verdict, SliVerdict::Hold { why: HoldReason::OutOfBuckets { .. } })
}
