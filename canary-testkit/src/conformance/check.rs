//! The suite of [`ReleaseCheck`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{Digest, NodeId, ServiceName};
use canary_core::journal::RolloutId;
use canary_core::time::Timestamp;
use canary_core::traits::{
    CheckAsk, CheckReport, CheckStage, CheckVerdict, CheckedRelease, ReleaseCheck, Severity,
};

use super::suite::{Case, Suite, Verdict, case, must, require};

/// What a bench can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckSkills {
    /// [`CheckBench::warn`].
    pub warn: bool,
    /// [`CheckBench::take_away`].
    pub take_away: bool,
    /// [`CheckBench::silence`].
    pub silence: bool,
}

/// A check to be tested, at first of something that is as a release needs it.
///
/// A bench panics when it cannot do its part.
#[async_trait(?Send)]
pub trait CheckBench {
    /// The check, of what is there now.
    fn check(&self) -> Arc<dyn ReleaseCheck>;

    /// Makes what is looked at such that no release can live with it.
    async fn spoil(&self);

    /// Takes that back.
    async fn mend(&self);

    /// Makes something worth a look that stops nothing.
    async fn warn(&self);

    /// Takes away what is looked at, at once and for all: whoever asks it is refused.
    async fn take_away(&self);

    /// Has what is looked at never answer any more.
    async fn silence(&self);
}

/// How long an answer may take in the cases.
const LIMIT: Duration = Duration::from_secs(20);
/// How long, when none can come.
const SHORT: Duration = Duration::from_secs(2);

/// The suite of [`ReleaseCheck`]: `make` gives a fresh bench for each case.
pub fn release_check<F, M>(skills: CheckSkills, make: M) -> Suite
where
    F: Future<Output = Box<dyn CheckBench>> + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    let mut cases: Vec<Case<dyn CheckBench>> = vec![
        case!(it_has_a_short_name, "name: a short name for columns and records"),
        case!(what_is_good_passes_at_every_stage, "CheckVerdict::Pass: as the release needs it"),
        case!(
            what_is_bad_fails_and_is_named,
            "CheckVerdict::Fail, with a finding that says what, why and what to do"
        ),
        case!(what_was_mended_passes_again, "may be asked at any time, again and again"),
        case!(asking_twice_gives_the_same, "changes nothing, and may be asked again and again"),
        case!(asking_at_the_same_time_is_safe, "may be asked at any time"),
    ];
    if skills.warn {
        cases.push(case!(
            what_only_warns_passes_and_is_told,
            "CheckVerdict::Pass: findings that are no refusal stop nothing, and are told"
        ));
        cases.push(case!(the_gravest_finding_comes_first, "CheckReport::findings: gravest first"));
    }
    if skills.take_away {
        cases.push(case!(
            what_cannot_be_found_out_is_unknown,
            "CheckVerdict::Unknown, or an error: neither good nor bad"
        ));
    }
    if skills.silence {
        cases.push(case!(silence_ends_with_the_limit, "check: answers within CheckAsk::limit"));
    }
    Suite::new("release_check", make, cases)
}

type Bench<'b> = &'b dyn CheckBench;

fn ask(stage: CheckStage, limit: Duration) -> Result<CheckAsk, String> {
    let service = ServiceName::new("app").map_err(|error| error.to_string())?;
    let canary = NodeId::new("n1").map_err(|error| error.to_string())?;
    let at = Timestamp::from_millis(1_700_000_000_000);
    let release = (stage == CheckStage::Watch).then(|| CheckedRelease {
        rollout: RolloutId::new(at, 7),
        artifact: Digest::of(b"release"),
        revision: None,
        share_ppm: Some(100_000),
    });
    Ok(CheckAsk { service, canary, stage, release, at, limit })
}

/// Asks, and holds the report against itself.
async fn look(bench: Bench<'_>, stage: CheckStage) -> Result<CheckReport, String> {
    let check = bench.check();
    let report = must("check", check.check(&ask(stage, LIMIT)?).await)?;
    require!(
        report.check == check.name(),
        "the report is of {:?}, the check is {:?}",
        report.check,
        check.name()
    );
    require!(!report.summary.is_empty(), "it does not say what was looked at");
    let against = report.against().count();
    match &report.verdict {
        CheckVerdict::Pass => require!(against == 0, "it passes in spite of {:?}", report.findings),
        CheckVerdict::Fail => require!(against > 0, "it fails without a finding that says why"),
        CheckVerdict::Unknown { why } => require!(!why.is_empty(), "it does not say why it does not know"),
    }
    Ok(report)
}

async fn it_has_a_short_name(bench: Bench<'_>) -> Verdict {
    let check = bench.check();
    let name = check.name();
    require!(!name.is_empty() && name.len() <= 24, "{name:?} is no short name");
    require!(!name.contains(|c: char| c.is_whitespace() || c.is_control()), "{name:?} is not one word");
    require!(!check.to_string().is_empty(), "its Display says nothing");
    Ok(())
}

async fn what_is_good_passes_at_every_stage(bench: Bench<'_>) -> Verdict {
    for stage in [CheckStage::Before, CheckStage::Watch] {
        let report = look(bench, stage).await?;
        require!(report.verdict == CheckVerdict::Pass, "{stage:?}: {report:?}");
    }
    Ok(())
}

async fn what_is_bad_fails_and_is_named(bench: Bench<'_>) -> Verdict {
    bench.spoil().await;
    let report = look(bench, CheckStage::Before).await?;
    require!(report.verdict == CheckVerdict::Fail, "{report:?}");
    for finding in report.against() {
        require!(
            [&finding.subject, &finding.text, &finding.remedy].iter().all(|text| !text.is_empty()),
            "a finding without subject, text or remedy: {finding:?}"
        );
    }
    Ok(())
}

async fn what_was_mended_passes_again(bench: Bench<'_>) -> Verdict {
    let check = bench.check();
    for (round, bad) in [false, true, false, true, false].into_iter().enumerate() {
        match (round, bad) {
            (0, _) => {}
            (_, true) => bench.spoil().await,
            (_, false) => bench.mend().await,
        }
        // The same one each time: what it saw before says nothing about now.
        let report = must("check", check.check(&ask(CheckStage::Before, LIMIT)?).await)?;
        let expected = if bad { CheckVerdict::Fail } else { CheckVerdict::Pass };
        require!(report.verdict == expected, "round {round}: {report:?}");
    }
    Ok(())
}

async fn asking_twice_gives_the_same(bench: Bench<'_>) -> Verdict {
    bench.spoil().await;
    let (first, second) = (look(bench, CheckStage::Before).await?, look(bench, CheckStage::Before).await?);
    require!(
        first.verdict == second.verdict && first.findings == second.findings,
        "{first:?}, then {second:?}"
    );
    Ok(())
}

async fn asking_at_the_same_time_is_safe(bench: Bench<'_>) -> Verdict {
    bench.spoil().await;
    let (check, ask) = (bench.check(), ask(CheckStage::Before, LIMIT)?);
    let (one, two) = tokio::join!(check.check(&ask), check.check(&ask));
    let (one, two) = (must("check", one)?, must("check", two)?);
    require!(one.verdict == CheckVerdict::Fail && two.verdict == CheckVerdict::Fail, "{one:?} and {two:?}");
    Ok(())
}

async fn what_only_warns_passes_and_is_told(bench: Bench<'_>) -> Verdict {
    bench.warn().await;
    let report = look(bench, CheckStage::Before).await?;
    require!(report.verdict == CheckVerdict::Pass, "{report:?}");
    let told =
        report.findings.iter().any(|finding| finding.severity == Severity::Warn && !finding.text.is_empty());
    require!(told, "nothing is told: {report:?}");
    Ok(())
}

async fn the_gravest_finding_comes_first(bench: Bench<'_>) -> Verdict {
    bench.warn().await;
    bench.spoil().await;
    let report = look(bench, CheckStage::Before).await?;
    let grave: Vec<bool> =
        report.findings.iter().map(|finding| finding.severity == Severity::Refuse).collect();
    require!(grave.first() == Some(&true), "{report:?}");
    require!(grave.is_sorted_by(|a, b| a >= b), "{report:?}");
    Ok(())
}

async fn what_cannot_be_found_out_is_unknown(bench: Bench<'_>) -> Verdict {
    bench.take_away().await;
    for stage in [CheckStage::Before, CheckStage::Watch] {
        // Where nothing could be looked at, an error is as good: the engine takes it for an unknown.
        let Ok(report) = bench.check().check(&ask(stage, LIMIT)?).await else { continue };
        let CheckVerdict::Unknown { why } = &report.verdict else {
            return Err(format!("{stage:?}: {report:?}"));
        };
        require!(!why.is_empty(), "it does not say why");
    }
    Ok(())
}

async fn silence_ends_with_the_limit(bench: Bench<'_>) -> Verdict {
    bench.silence().await;
    let (check, ask) = (bench.check(), ask(CheckStage::Watch, SHORT)?);
    // Much more than the limit: a busy machine is no fault of the check.
    let Ok(answer) = tokio::time::timeout(SHORT * 8, check.check(&ask)).await else {
        return Err(format!("no answer long after the limit of {SHORT:?}"));
    };
    match answer.map(|report| report.verdict) {
        Ok(CheckVerdict::Unknown { .. }) | Err(_) => Ok(()),
        Ok(verdict) => Err(format!("{verdict:?} of something that did not answer")),
    }
}
