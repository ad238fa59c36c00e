//! Patience of the runbook's rule: how many red probes it takes.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::analysis::Verdict;

/// When red probes decide. Without any option the first one does, as the runbook has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ThresholdOptions {
    /// So many red probes in a row decide.
    pub consecutive: Option<NonZeroU32>,
    /// More red probes than this budget decide, in a row or not.
    pub budget: Option<FailureBudget>,
    /// No red decides before so many probes with data.
    pub min_samples: u32,
}

/// Red probes that may be, and how they are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureBudget {
    /// How many red probes are borne.
    pub failures: u32,
    /// So many green probes in a row make up for one red; `None`: nothing does.
    pub heal_after: Option<NonZeroU32>,
}

/// What a probe means with patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum ThresholdVerdict {
    /// Within the bounds.
    Green,
    /// Outside, and not yet often enough.
    Borne {
        /// Red probes in a row.
        in_a_row: u32,
        /// Red probes that were not made up for.
        failures: u32,
    },
    /// Outside, and that decides.
    Red,
    /// Decides nothing, and changes no count.
    Hold,
}

impl ThresholdVerdict {
    /// What it is to a watch: what is borne is time with data that decided nothing.
    #[must_use]
    pub const fn probe(self) -> Verdict {
        match self {
            Self::Green | Self::Borne { .. } => Verdict::Green,
            Self::Red => Verdict::Red,
            Self::Hold => Verdict::Hold,
        }
    }
}

/// The counts of one watch: a fold over its probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ThresholdState {
    samples: u32,
    reds_in_a_row: u32,
    greens_in_a_row: u32,
    failures: u32,
}

impl ThresholdState {
    /// No probe yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { samples: 0, reds_in_a_row: 0, greens_in_a_row: 0, failures: 0 }
    }

    /// Takes one probe into account. A hold neither continues nor breaks a row.
    pub fn observe(&mut self, options: &ThresholdOptions, probe: Verdict) -> ThresholdVerdict {
        match probe {
            Verdict::Hold => return ThresholdVerdict::Hold,
            Verdict::Green => self.green(options),
            Verdict::Red => {
                self.reds_in_a_row = self.reds_in_a_row.saturating_add(1);
                self.failures = self.failures.saturating_add(1);
                self.greens_in_a_row = 0;
            }
        }
        self.samples = self.samples.saturating_add(1);
        match probe {
            Verdict::Red if self.samples >= options.min_samples && self.enough(options) => {
                ThresholdVerdict::Red
            }
            Verdict::Red => ThresholdVerdict::Borne { in_a_row: self.reds_in_a_row, failures: self.failures },
            _ => ThresholdVerdict::Green,
        }
    }

    fn green(&mut self, options: &ThresholdOptions) {
        self.reds_in_a_row = 0;
        self.greens_in_a_row = self.greens_in_a_row.saturating_add(1);
        let heals = options.budget.and_then(|budget| budget.heal_after);
        if heals.is_some_and(|after| self.greens_in_a_row.is_multiple_of(after.get())) {
            self.failures = self.failures.saturating_sub(1);
        }
    }

    fn enough(&self, options: &ThresholdOptions) -> bool {
        let row = options.consecutive.map(|needed| self.reds_in_a_row >= needed.get());
        let spent = options.budget.map(|budget| self.failures > budget.failures);
        match (row, spent) {
            (None, None) => true,
            (row, spent) => row == Some(true) || spent == Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts of probes given as letters: `g`reen, `r`ed, `h`old; borne ones as `b`.
    fn run(options: ThresholdOptions, probes: &str) -> String {
        let mut state = ThresholdState::default();
        let say = |letter: char| {
            let probe = match letter {
                'g' => Verdict::Green,
                'r' => Verdict::Red,
                _ => Verdict::Hold,
            };
            match state.observe(&options, probe) {
                ThresholdVerdict::Green => 'g',
                ThresholdVerdict::Borne { .. } => 'b',
                ThresholdVerdict::Red => 'R',
                ThresholdVerdict::Hold => 'h',
            }
        };
        probes.chars().map(say).collect()
    }

    #[test]
    fn how_many_red_probes_decide() {
        let plain = ThresholdOptions::default();
        let row = ThresholdOptions { consecutive: NonZeroU32::new(3), ..plain };
        let samples = ThresholdOptions { min_samples: 4, ..plain };
        let budget = |failures, heal| {
            let budget = FailureBudget { failures, heal_after: NonZeroU32::new(heal) };
            ThresholdOptions { budget: Some(budget), ..plain }
        };
        let both = ThresholdOptions { consecutive: NonZeroU32::new(2), ..budget(2, 0) };
        for (options, probes, expected) in [
            (plain, "ghr", "ghR"),
            (row, "rrgrrr", "bbgbbR"),
            (row, "rrhr", "bbhR"),
            (samples, "rrrr", "bbbR"),
            (samples, "hhhr", "hhhb"),
            (budget(2, 0), "rgrggggr", "bgbggggR"),
            (budget(2, 3), "rgrgggrgggr", "bgbgggbgggb"),
            (budget(2, 3), "rrggr", "bbggR"),
            (budget(2, 3), "rrgghgr", "bbgghgb"),
            (both, "rgrgr", "bgbgR"),
            (both, "rr", "bR"),
        ] {
            assert_eq!(run(options, probes), expected, "{options:?}");
        }
    }
}
