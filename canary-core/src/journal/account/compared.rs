//! The comparison with the baseline over a watch: what it was fixed to, what was counted, how the evidence grew.

use serde::{Deserialize, Serialize};

use crate::analysis::odds::{OddsJudgement, OddsVerdict, Table};
use crate::analysis::{Comparison, Observation};
use crate::plan::Action;
use crate::time::Timestamp;

use super::super::{Entry, Record};

/// The evidence after a poll.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvidenceAt {
    /// When.
    pub at: Timestamp,
    /// Evidence of all SLIs together that the canary is worse, in nats.
    pub ln_e: f64,
}

/// A watch's comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedAccount {
    /// What it was fixed to.
    pub fixed: Comparison,
    /// Each SLI's tables in the order of `fixed`, all polls together.
    pub seen: Vec<Vec<Table>>,
    /// What it said after its last poll.
    pub last: OddsJudgement,
    /// What it would have said there, had the window ended.
    pub closing: OddsVerdict,
    /// The evidence poll by poll.
    pub evidence: Vec<EvidenceAt>,
}

impl ComparedAccount {
    /// The comparison of the last watch of these records, which are of one rollout; `None` where nothing was compared.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let mut fold = ComparedFold::default();
        records.into_iter().for_each(|record| fold.take(record));
        fold.account()
    }
}

/// A comparison while its records are gone through.
#[derive(Debug, Default)]
pub(super) struct ComparedFold {
    fixed: Option<Comparison>,
    account: Option<ComparedAccount>,
}

impl ComparedFold {
    pub(super) fn take(&mut self, record: &Record) {
        match &record.entry {
            // Another watch compares anew.
            Entry::Calibrated { comparison, .. } => {
                self.fixed = Some((**comparison).clone());
                self.account = None;
            }
            Entry::Observed { step, observation, .. } if step.action == Action::Watch => {
                self.observe(observation);
            }
            _ => {}
        }
    }

    fn observe(&mut self, observation: &Observation) {
        let (Some(fixed), Some(compared)) = (&self.fixed, &observation.compared) else { return };
        let account = self.account.get_or_insert_with(|| ComparedAccount {
            fixed: fixed.clone(),
            seen: fixed.slis.iter().map(|sli| vec![Table::default(); sli.tables.len()]).collect(),
            last: compared.judgement.clone(),
            closing: compared.closing.clone(),
            evidence: Vec::new(),
        });
        for (seen, counted) in account.seen.iter_mut().zip(&compared.tables) {
            seen.iter_mut().zip(counted).for_each(|(seen, table)| *seen += *table);
        }
        account.last.clone_from(&compared.judgement);
        account.closing.clone_from(&compared.closing);
        // JSON has no infinity; no evidence at all is as far from red as can be told.
        let ln_e = compared.judgement.evidence.ln_e.clamp(f64::MIN, f64::MAX);
        account.evidence.push(EvidenceAt { at: observation.at, ln_e });
    }

    pub(super) fn account(self) -> Option<ComparedAccount> {
        self.account
    }
}
