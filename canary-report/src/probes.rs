//! What a probe says beside its SLIs' values.

use canary_core::analysis::odds::OddsVerdict;
use canary_core::analysis::{HoldReason, JudgedSli, Observation, SliVerdict, ThresholdVerdict, Verdict};

use canary_core::traits::CheckVerdict;

use crate::words;

/// The bound of a reading, and what the others have: `< 0.5, baseline 0.011`.
#[must_use]
pub fn bound(judged: &JudgedSli) -> String {
    let beside = judged.beside.iter().map(|(whose, value)| format!(", {whose} {}", words::number(*value)));
    format!("{}{}", judged.bound, beside.collect::<String>())
}

/// What the judges say beyond each SLI: patience, the score, the comparison, and why the probe as a whole holds.
#[must_use]
pub fn judges(observation: &Observation) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(ThresholdVerdict::Borne { in_a_row, failures }) = observation.patience.map(|p| p.said) {
        said.push(format!("borne ({in_a_row} in a row, {failures} not made up for)"));
    }
    if let Some(score) = &observation.score {
        let all = score.green + score.red + score.held;
        let verdict = match score.verdict {
            Verdict::Green => "green",
            Verdict::Red => "red",
            Verdict::Hold => "undecided",
        };
        said.push(format!("score {verdict} ({} of {all} green)", score.green));
    }
    if let Some(compared) = &observation.compared {
        let part = (100.0 * compared.judgement.evidence.part()).floor();
        match compared.judgement.verdict {
            OddsVerdict::Red => said.push("worse than the baseline".to_owned()),
            OddsVerdict::Green => said.push("proven not to be much worse than the baseline".to_owned()),
            _ => said.push(format!("evidence {part:.0} %")),
        }
    }
    said.extend(observation.checks.iter().filter_map(|report| match report.verdict {
        CheckVerdict::Pass => Some(format!("check {} passed", report.check)),
        CheckVerdict::Fail => Some(format!("check {report}")),
        // Told as a hold.
        CheckVerdict::Unknown { .. } => None,
    }));
    let score = |hold: &&HoldReason| !matches!(hold, HoldReason::Score { .. });
    said.extend(observation.holds.iter().filter(score).map(ToString::to_string));
    said
}

/// What makes a hold the same as the one before: evidence grows, and is no other reason.
#[must_use]
pub fn held_for(observation: &Observation) -> String {
    let told = |hold: &HoldReason| match hold {
        HoldReason::Uncalibrated { .. } | HoldReason::NoisierThanHistory { .. } => hold.kind().to_string(),
        other => other.to_string(),
    };
    let of_slis = observation.slis.iter().filter_map(|judged| match &judged.verdict {
        SliVerdict::Hold { why } => Some(format!("{}: {}", judged.sli, told(why))),
        SliVerdict::Green | SliVerdict::Red => None,
    });
    of_slis.chain(observation.holds.iter().map(told)).collect::<Vec<_>>().join(", ")
}
