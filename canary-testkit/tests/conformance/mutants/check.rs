//! Release checks with one fault each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::traits::*;
use libtest_mimic::Trial;

use super::{Broken, broken, caught};
use crate::fakes::{Twist, check_suite};

#[derive(Debug, Clone, Copy, PartialEq)]
enum WrongCheck {
    PassesWhatIsBad,
    FailsWithoutAWord,
    RemembersTheFirstFailure,
    SaysAnotherName,
    TakesAwayForGood,
    WarnsAreFatal,
    KeepsWarningsToItself,
    ListsBackwards,
    CountsItsQuestions,
    AnswersEveryOtherQuestion,
    IgnoresTheLimit,
    IsNameless,
    KnowsNothingInTheWatch,
}

#[async_trait]
impl ReleaseCheck for Broken<dyn ReleaseCheck, WrongCheck> {
    fn name(&self) -> &str {
        if self.wrong == WrongCheck::IsNameless { "" } else { self.inner.name() }
    }

    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        let answer = self.inner.check(ask).await;
        let times = self.count.fetch_add(1, Ordering::SeqCst);
        let mut report = match (self.wrong, answer) {
            (WrongCheck::TakesAwayForGood, Err(_)) => CheckReport {
                check: self.name().to_owned(),
                verdict: CheckVerdict::Pass,
                summary: "nothing was found".to_owned(),
                findings: Vec::new(),
                more: 0,
            },
            (_, answer) => answer?,
        };
        match self.wrong {
            WrongCheck::PassesWhatIsBad if report.verdict == CheckVerdict::Fail => {
                (report.verdict, report.findings) = (CheckVerdict::Pass, Vec::new());
            }
            WrongCheck::FailsWithoutAWord => report.findings.iter_mut().for_each(|f| f.remedy.clear()),
            WrongCheck::RemembersTheFirstFailure => {
                let failed = report.verdict == CheckVerdict::Fail;
                if self.flag.fetch_or(failed, Ordering::SeqCst) {
                    report.verdict = CheckVerdict::Fail;
                }
            }
            WrongCheck::SaysAnotherName => report.check.push('2'),
            WrongCheck::WarnsAreFatal if !report.findings.is_empty() => report.verdict = CheckVerdict::Fail,
            WrongCheck::KeepsWarningsToItself => report.findings.retain(|f| f.severity == Severity::Refuse),
            WrongCheck::ListsBackwards => report.findings.reverse(),
            WrongCheck::CountsItsQuestions => {
                report.findings.iter_mut().for_each(|f| f.text = format!("question {times}"));
            }
            WrongCheck::AnswersEveryOtherQuestion if times % 2 == 1 => {
                (report.verdict, report.findings) = (CheckVerdict::Pass, Vec::new());
            }
            WrongCheck::IgnoresTheLimit if matches!(report.verdict, CheckVerdict::Unknown { .. }) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            WrongCheck::KnowsNothingInTheWatch if ask.stage == CheckStage::Watch => {
                return Ok(CheckReport::unknown(self.name(), "not now"));
            }
            _ => {}
        }
        Ok(report)
    }
}

pub(super) fn checks(trials: &mut Vec<Trial>) {
    use WrongCheck::*;
    for (wrong, case) in [
        (PassesWhatIsBad, "what_is_bad_fails_and_is_named"),
        (FailsWithoutAWord, "what_is_bad_fails_and_is_named"),
        (RemembersTheFirstFailure, "what_was_mended_passes_again"),
        (SaysAnotherName, "what_is_good_passes_at_every_stage"),
        (KnowsNothingInTheWatch, "what_is_good_passes_at_every_stage"),
        (TakesAwayForGood, "what_cannot_be_found_out_is_unknown"),
        (WarnsAreFatal, "what_only_warns_passes_and_is_told"),
        (KeepsWarningsToItself, "what_only_warns_passes_and_is_told"),
        (ListsBackwards, "the_gravest_finding_comes_first"),
        (CountsItsQuestions, "asking_twice_gives_the_same"),
        (AnswersEveryOtherQuestion, "asking_at_the_same_time_is_safe"),
        (IgnoresTheLimit, "silence_ends_with_the_limit"),
        (IsNameless, "it_has_a_short_name"),
    ] {
        let twist: Twist<dyn ReleaseCheck> = Arc::new(move |it| Arc::new(broken(it, wrong)));
        caught(trials, wrong, case, check_suite(twist));
    }
}
