//! The suite of [`MigrationGate`].

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::traits::{GateVerdict, MigrationGate, Release, Review, Severity};

use super::suite::{Case, Suite, Verdict, case, must, require};

/// What a bench can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateSkills {
    /// [`GateBench::confuse`].
    pub confuse: bool,
}

/// A gate to be tested, at first with nothing new to judge.
///
/// A bench panics when it cannot do its part.
#[async_trait(?Send)]
pub trait GateBench {
    /// The gate, on what is there now.
    fn gate(&self) -> Arc<dyn MigrationGate>;

    /// What is to be released.
    fn release(&self) -> Release;

    /// Adds something new that the running binary can live with; `number` makes it differ.
    async fn add_compatible(&self, number: u32);

    /// Adds something new that breaks the running binary.
    async fn add_breaking(&self);

    /// Makes it impossible to tell what is new.
    async fn confuse(&self);
}

/// The suite of [`MigrationGate`]: `make` gives a fresh bench for each case.
pub fn migration_gate<F, M>(skills: GateSkills, make: M) -> Suite
where
    F: Future<Output = Box<dyn GateBench>> + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    let mut cases: Vec<Case<dyn GateBench>> = vec![
        case!(nothing_new_says_why, "Verdict::NothingNew: what was looked at"),
        case!(what_is_compatible_passes, "Verdict::Pass: everything new is compatible"),
        case!(what_breaks_is_refused_by_place, "Verdict::Refused, with a finding that names file and reason"),
        case!(one_bad_among_good_is_refused, "review: looks at everything new"),
        case!(the_digest_covers_what_was_judged, "Review::digest: over everything that was judged"),
        case!(looking_changes_nothing, "review: changes nothing"),
    ];
    if skills.confuse {
        cases.push(case!(
            what_cannot_be_told_is_undecided,
            "Verdict::Undecided: the question could not be answered"
        ));
    }
    Suite::new("migration_gate", make, cases)
}

type Bench<'b> = &'b dyn GateBench;

async fn review(bench: Bench<'_>) -> Result<Review, String> {
    let review = must("review", bench.gate().review(&bench.release()).await)?;
    let refusals = review.findings.iter().filter(|finding| finding.severity == Severity::Refuse).count();
    match review.verdict {
        GateVerdict::Pass | GateVerdict::NothingNew { .. } => {
            require!(refusals == 0, "{} in spite of {:?}", review.verdict, review.findings);
        }
        GateVerdict::Refused => require!(refusals > 0, "refused without a finding that says why"),
        GateVerdict::Bypassed { .. } | GateVerdict::Undecided { .. } => {}
    }
    Ok(review)
}

async fn nothing_new_says_why(bench: Bench<'_>) -> Verdict {
    let review = review(bench).await?;
    let GateVerdict::NothingNew { why } = &review.verdict else { return Err(format!("{review:?}")) };
    require!(!why.is_empty(), "it does not say what was looked at");
    require!(review.permit().is_some(), "no permit");
    Ok(())
}

async fn what_is_compatible_passes(bench: Bench<'_>) -> Verdict {
    bench.add_compatible(1).await;
    let review = review(bench).await?;
    require!(review.verdict == GateVerdict::Pass, "{review:?}");
    require!(review.permit().is_some(), "no permit");
    require!(!review.evidence.is_empty(), "nothing is said of what was looked at");
    Ok(())
}

async fn what_breaks_is_refused_by_place(bench: Bench<'_>) -> Verdict {
    bench.add_breaking().await;
    let review = review(bench).await?;
    require!(review.verdict == GateVerdict::Refused && review.permit().is_none(), "{review:?}");
    let finding = review.findings.iter().find(|finding| finding.severity == Severity::Refuse);
    let Some(finding) = finding else { return Err("no finding refuses".to_owned()) };
    let told = [&finding.rule, &finding.file, &finding.reason, &finding.remedy];
    require!(
        told.iter().all(|text| !text.is_empty()),
        "a finding without rule, file, reason or remedy: {finding:?}"
    );
    Ok(())
}

async fn one_bad_among_good_is_refused(bench: Bench<'_>) -> Verdict {
    bench.add_compatible(1).await;
    bench.add_breaking().await;
    let review = review(bench).await?;
    require!(review.verdict == GateVerdict::Refused, "{review:?}");
    Ok(())
}

async fn the_digest_covers_what_was_judged(bench: Bench<'_>) -> Verdict {
    bench.add_compatible(1).await;
    let one = review(bench).await?.digest;
    require!(review(bench).await?.digest == one, "the same content has two digests");
    bench.add_compatible(2).await;
    require!(review(bench).await?.digest != one, "other content has the same digest");
    Ok(())
}

async fn looking_changes_nothing(bench: Bench<'_>) -> Verdict {
    bench.add_breaking().await;
    let (first, second) = (review(bench).await?, review(bench).await?);
    require!(first == second, "{first:?}, then {second:?}");
    Ok(())
}

async fn what_cannot_be_told_is_undecided(bench: Bench<'_>) -> Verdict {
    bench.add_compatible(1).await;
    bench.confuse().await;
    match bench.gate().review(&bench.release()).await {
        Ok(review) => {
            let GateVerdict::Undecided { why } = &review.verdict else { return Err(format!("{review:?}")) };
            require!(!why.is_empty(), "it does not say why");
            require!(review.permit().is_none(), "an undecided review gives a permit");
            Ok(())
        }
        // Where nothing could be looked at, an error is as good: the engine takes it for an undecided review.
        Err(_) => Ok(()),
    }
}
