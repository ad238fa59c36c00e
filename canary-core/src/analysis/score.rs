//! Several SLIs as one score.

use serde::{Deserialize, Serialize};

use crate::analysis::{Ratio, SliVerdict, Verdict};

/// What an SLI has to say in a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Counts by its weight; one of weight 0 counts nothing.
    Weighted(u32),
    /// Red alone decides, and without it there is no green; has no part in the score.
    Critical,
    /// Is only told.
    Advisory,
}

/// The bounds of a score, the part of the weight that is green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreBounds {
    /// Green from here on.
    pub pass: Ratio,
    /// Red below; between both it holds. At most `pass`.
    pub fail: Ratio,
}

/// A score and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// What follows.
    pub verdict: Verdict,
    /// The weight of green SLIs.
    pub green: u64,
    /// The weight of red ones.
    pub red: u64,
    /// The weight of those that decide nothing.
    pub held: u64,
    /// Critical SLIs that are red.
    pub vetoes: Vec<String>,
    /// Critical SLIs that decide nothing.
    pub open: Vec<String>,
    /// Advisory SLIs that are red.
    pub advice: Vec<String>,
}

/// Scores one probe, of SLIs by name.
///
/// Missing data never decides: green means that the score passes even if every held SLI were red, red that it fails
/// even if every one were green.
pub fn score<'a>(
    bounds: &ScoreBounds,
    slis: impl IntoIterator<Item = (&'a str, Role, &'a SliVerdict)>,
) -> Score {
    let mut score = Score {
        verdict: Verdict::Hold,
        green: 0,
        red: 0,
        held: 0,
        vetoes: Vec::new(),
        open: Vec::new(),
        advice: Vec::new(),
    };
    let mut proven = false;
    for (name, role, verdict) in slis {
        match (role, verdict) {
            (Role::Weighted(weight), SliVerdict::Green) => score.green += u64::from(weight),
            (Role::Weighted(weight), SliVerdict::Red) => score.red += u64::from(weight),
            (Role::Weighted(weight), SliVerdict::Hold { .. }) => score.held += u64::from(weight),
            (Role::Critical, SliVerdict::Green) => proven = true,
            (Role::Critical, SliVerdict::Red) => score.vetoes.push(name.to_owned()),
            (Role::Critical, SliVerdict::Hold { .. }) => score.open.push(name.to_owned()),
            (Role::Advisory, SliVerdict::Red) => score.advice.push(name.to_owned()),
            (Role::Advisory, _) => {}
        }
    }
    score.verdict = score.decide(bounds, proven);
    score
}

impl Score {
    fn decide(&self, bounds: &ScoreBounds, proven: bool) -> Verdict {
        if !self.vetoes.is_empty() {
            return Verdict::Red;
        }
        let all = self.green + self.red + self.held;
        let share = |weight: u64| weight as f64 / all as f64;
        if all > 0 && share(self.green + self.held) < bounds.fail.value() {
            return Verdict::Red;
        }
        let passes = if all > 0 { share(self.green) >= bounds.pass.value() } else { proven };
        if passes && self.open.is_empty() { Verdict::Green } else { Verdict::Hold }
    }
}

/// What several judges say together: any red is red, else any hold is a hold; green takes all of them. None: a hold.
pub fn combined(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut together = None;
    for verdict in verdicts {
        together = match (together, verdict) {
            (Some(Verdict::Red), _) | (_, Verdict::Red) => Some(Verdict::Red),
            (Some(Verdict::Hold), _) | (_, Verdict::Hold) => Some(Verdict::Hold),
            _ => Some(Verdict::Green),
        };
    }
    together.unwrap_or(Verdict::Hold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::HoldReason;

    const HELD: SliVerdict = SliVerdict::Hold { why: HoldReason::NoTraffic };

    fn verdict(slis: &[(Role, SliVerdict)]) -> Verdict {
        let bounds = ScoreBounds { pass: Ratio::new(0.75).unwrap(), fail: Ratio::new(0.5).unwrap() };
        score(&bounds, slis.iter().map(|(role, verdict)| ("sli", *role, verdict))).verdict
    }

    #[test]
    fn weights_vetoes_and_advice() {
        use Role::{Advisory, Critical, Weighted};
        use SliVerdict::{Green, Red};
        for (slis, expected) in [
            (vec![(Weighted(3), Green), (Weighted(1), Red)], Verdict::Green),
            (vec![(Weighted(2), Green), (Weighted(1), Red)], Verdict::Hold),
            (vec![(Weighted(1), Green), (Weighted(2), Red)], Verdict::Red),
            (vec![(Weighted(3), Green), (Weighted(1), HELD)], Verdict::Green),
            (vec![(Weighted(2), Green), (Weighted(2), HELD)], Verdict::Hold),
            (vec![(Weighted(3), Red), (Weighted(2), HELD)], Verdict::Red),
            (vec![(Weighted(9), Green), (Critical, Red)], Verdict::Red),
            (vec![(Weighted(9), Green), (Critical, HELD)], Verdict::Hold),
            (vec![(Weighted(9), Green), (Critical, Green)], Verdict::Green),
            (vec![(Critical, Green)], Verdict::Green),
            (vec![(Weighted(1), Green), (Advisory, Red)], Verdict::Green),
            (vec![(Advisory, Green)], Verdict::Hold),
            (vec![(Weighted(0), Red)], Verdict::Hold),
            (vec![], Verdict::Hold),
        ] {
            assert_eq!(verdict(&slis), expected, "{slis:?}");
        }
    }

    #[test]
    fn what_is_red_or_open_is_named() {
        let bounds = ScoreBounds { pass: Ratio::new(0.9).unwrap(), fail: Ratio::new(0.5).unwrap() };
        let slis = [
            ("errors", Role::Critical, &SliVerdict::Red),
            ("payments", Role::Critical, &HELD),
            ("p99", Role::Advisory, &SliVerdict::Red),
            ("p95", Role::Weighted(2), &SliVerdict::Green),
        ];
        let score = score(&bounds, slis);
        assert_eq!((score.green, score.red, score.held), (2, 0, 0));
        assert_eq!(
            (score.vetoes, score.open, score.advice),
            (vec!["errors".to_owned()], vec!["payments".to_owned()], vec!["p99".to_owned()])
        );
    }

    #[test]
    fn any_red_of_any_judge_is_red() {
        use Verdict::{Green, Hold, Red};
        for (verdicts, expected) in [
            (vec![Green, Green], Green),
            (vec![Green, Hold], Hold),
            (vec![Red, Hold, Green], Red),
            (vec![Hold, Green, Red], Red),
            (vec![], Hold),
        ] {
            assert_eq!(combined(verdicts.iter().copied()), expected, "{verdicts:?}");
        }
    }
}
