//! The kinds of gaps.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is the matter with the samples of a tenant, or that nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCode {
    /// Enough samples, young enough.
    Ok,
    /// Some are missing; the bound is widened and the value judged.
    Sparse,
    /// The total is there and the part that is counted apart never was: none of it happened.
    NoErrorSeries,
    /// So many are missing that the value is not known.
    Thin,
    /// The newest sample is too old.
    Stale,
    /// The first sample is younger than the window.
    New,
    /// Samples are there, and too few events in them.
    NoTraffic,
    /// The quantile is in the open bucket, and the bound beyond the last finite one.
    TopBucket,
    /// Expected, and nowhere in an hour.
    Absent,
    /// More than one row.
    Duplicate,
    /// The source says itself that its answer is not whole.
    Partial,
    /// The source did not answer.
    SourceDown,
    /// A tenant that the policy does not list: it is judged by the defaults and told, and counts for nothing.
    Unlisted,
    /// An exception of the policy has ended: the bound below it holds.
    ExpiredOverride,
}

impl GapCode {
    /// All, from the harmless to the grave.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Sparse,
        Self::NoErrorSeries,
        Self::Thin,
        Self::Stale,
        Self::New,
        Self::NoTraffic,
        Self::TopBucket,
        Self::Absent,
        Self::Duplicate,
        Self::Partial,
        Self::SourceDown,
        Self::Unlisted,
        Self::ExpiredOverride,
    ];

    /// As records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Sparse => "sparse",
            Self::NoErrorSeries => "no_error_series",
            Self::Thin => "thin",
            Self::Stale => "stale",
            Self::New => "new",
            Self::NoTraffic => "no_traffic",
            Self::TopBucket => "top_bucket",
            Self::Absent => "absent",
            Self::Duplicate => "duplicate",
            Self::Partial => "partial",
            Self::SourceDown => "source_down",
            Self::Unlisted => "unlisted",
            Self::ExpiredOverride => "expired_override",
        }
    }

    /// Whether the value is known all the same.
    #[must_use]
    pub const fn known(self) -> bool {
        matches!(self, Self::Ok | Self::Sparse | Self::NoErrorSeries)
    }
}

impl fmt::Display for GapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
