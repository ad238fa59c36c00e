//! Why a probe decides nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Number, ShareHold, round};

/// Why a probe decides nothing. None of these is a bad canary or a good one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HoldReason {
    /// No request was counted.
    NoTraffic,
    /// Fewer requests than a reading must rest on.
    TooFewRequests {
        /// Requests counted.
        seen: u64,
        /// Requests needed.
        needed: u64,
    },
    /// No series matches the query.
    Absent,
    /// The newest sample is too old.
    Stale,
    /// The store could not be asked, or did not answer properly.
    SourceDown {
        /// The error, whole.
        error: String,
    },
    /// The value is not a number.
    NotANumber,
    /// The value is plus or minus infinity.
    Infinite,
    /// The query gives more than one series.
    SeveralSeries {
        /// How many.
        count: u64,
    },
    /// The value lies above the histogram's largest bound, and so does the threshold.
    OutOfBuckets {
        /// The largest finite bound.
        largest: Number,
    },
    /// The store warned that its answer may be partial.
    Warnings {
        /// Its words.
        warnings: Vec<String>,
    },
    /// The watch began less than a rate's window ago: there are no two samples to compare yet.
    Filling,
    /// The comparison sees a worse canary, but nothing is known of its nodes' noise.
    Uncalibrated {
        /// The evidence, in words.
        evidence: String,
    },
    /// The comparison sees a worse canary, but its nodes are noisier than they were before.
    NoisierThanHistory {
        /// The evidence, in words.
        evidence: String,
    },
    /// The baseline is outside the bound as well, and the canary not much worse.
    CommonFault {
        /// The baseline's value.
        baseline: Number,
    },
    /// Outside the bound for the first time, and worse than the baseline: nodes are sampled at different moments, so that trouble
    /// of all of them shows on one before the others. The next probe confirms it.
    Unconfirmed {
        /// The baseline's value.
        baseline: Number,
    },
    /// The score is neither high enough nor low enough.
    Score {
        /// The weight of green SLIs over all.
        green: u64,
        /// All weight.
        all: u64,
    },
    /// The canary does not get the part of the requests that it should.
    Share {
        /// What is known of it.
        hold: ShareHold,
    },
    /// A check of one's own could not answer.
    Check {
        /// The check.
        check: String,
        /// Why not.
        why: String,
    },
}

/// The kind of a [`HoldReason`]: what a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// [`HoldReason::NoTraffic`].
    NoTraffic,
    /// [`HoldReason::TooFewRequests`].
    TooFewRequests,
    /// [`HoldReason::Absent`].
    Absent,
    /// [`HoldReason::Stale`].
    Stale,
    /// [`HoldReason::SourceDown`].
    SourceDown,
    /// [`HoldReason::NotANumber`] and [`HoldReason::Infinite`].
    NotANumber,
    /// [`HoldReason::SeveralSeries`].
    SeveralSeries,
    /// [`HoldReason::OutOfBuckets`].
    OutOfBuckets,
    /// [`HoldReason::Warnings`].
    Warnings,
    /// [`HoldReason::Filling`].
    Filling,
    /// [`HoldReason::Uncalibrated`].
    Uncalibrated,
    /// [`HoldReason::NoisierThanHistory`].
    NoisierThanHistory,
    /// [`HoldReason::CommonFault`] and [`HoldReason::Unconfirmed`].
    CommonFault,
    /// [`HoldReason::Score`].
    Score,
    /// [`HoldReason::Share`].
    Share,
    /// [`HoldReason::Check`].
    Check,
}

impl HoldKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::NoTraffic,
        Self::TooFewRequests,
        Self::Absent,
        Self::Stale,
        Self::SourceDown,
        Self::NotANumber,
        Self::SeveralSeries,
        Self::OutOfBuckets,
        Self::Warnings,
        Self::Filling,
        Self::Uncalibrated,
        Self::NoisierThanHistory,
        Self::CommonFault,
        Self::Score,
        Self::Share,
        Self::Check,
    ];

    /// The kind as one word, as settings name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoTraffic => "no_traffic",
            Self::TooFewRequests => "too_few_requests",
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::SourceDown => "source_down",
            Self::NotANumber => "not_a_number",
            Self::SeveralSeries => "several_series",
            Self::OutOfBuckets => "out_of_buckets",
            Self::Warnings => "warnings",
            Self::Filling => "filling",
            Self::Uncalibrated => "uncalibrated",
            Self::NoisierThanHistory => "noisier_than_history",
            Self::CommonFault => "common_fault",
            Self::Score => "score",
            Self::Share => "share",
            Self::Check => "check",
        }
    }
}

impl fmt::Display for HoldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl HoldReason {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> HoldKind {
        match self {
            Self::NoTraffic => HoldKind::NoTraffic,
            Self::TooFewRequests { .. } => HoldKind::TooFewRequests,
            Self::Absent => HoldKind::Absent,
            Self::Stale => HoldKind::Stale,
            Self::SourceDown { .. } => HoldKind::SourceDown,
            Self::NotANumber | Self::Infinite => HoldKind::NotANumber,
            Self::SeveralSeries { .. } => HoldKind::SeveralSeries,
            Self::OutOfBuckets { .. } => HoldKind::OutOfBuckets,
            Self::Warnings { .. } => HoldKind::Warnings,
            Self::Filling => HoldKind::Filling,
            Self::Uncalibrated { .. } => HoldKind::Uncalibrated,
            Self::NoisierThanHistory { .. } => HoldKind::NoisierThanHistory,
            Self::CommonFault { .. } | Self::Unconfirmed { .. } => HoldKind::CommonFault,
            Self::Score { .. } => HoldKind::Score,
            Self::Share { .. } => HoldKind::Share,
            Self::Check { .. } => HoldKind::Check,
        }
    }

    /// A hold on account of the canary's share.
    #[must_use]
    pub const fn share(hold: ShareHold) -> Self {
        Self::Share { hold }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTraffic => f.write_str("no traffic"),
            Self::TooFewRequests { seen, needed } => write!(f, "too few requests ({seen} of {needed})"),
            Self::Absent => f.write_str("no data: no series matches"),
            Self::Stale => f.write_str("stale: the newest sample is too old"),
            Self::SourceDown { error } => write!(f, "source down: {error}"),
            Self::NotANumber => f.write_str("not a number"),
            Self::Infinite => f.write_str("infinite"),
            Self::SeveralSeries { count } => write!(f, "{count} series where one is needed"),
            Self::OutOfBuckets { largest } => {
                write!(f, "above the histogram's largest bound {largest}, as the threshold is")
            }
            Self::Warnings { warnings } => write!(f, "possibly partial data: {}", warnings.join("; ")),
            Self::Filling => f.write_str("waiting for a second sample since the watch began"),
            Self::Uncalibrated { evidence } => {
                write!(f, "worse than the baseline, but without a history of their noise: {evidence}")
            }
            Self::NoisierThanHistory { evidence } => {
                write!(f, "worse than the baseline, but noisier than before the release: {evidence}")
            }
            Self::Unconfirmed { baseline } => {
                write!(
                    f,
                    "outside the bound, the baseline is at {}: the next probe confirms it",
                    round(*baseline)
                )
            }
            Self::CommonFault { baseline } => {
                write!(
                    f,
                    "outside the bound as the baseline is ({}): trouble that all nodes share",
                    round(*baseline)
                )
            }
            Self::Score { green, all } => write!(f, "score undecided: {green} of {all} green"),
            Self::Share { hold } => hold.fmt(f),
            Self::Check { check, why } => write!(f, "check {check}: {why}"),
        }
    }
}
