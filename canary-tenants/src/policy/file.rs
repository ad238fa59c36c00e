//! What a policy's file says, layer by layer, in checked types.

use std::collections::BTreeMap;

use super::amount::{ONE, Unit};
use super::datadog::DatadogForm;
use super::date::Day;
use super::place::{Place, Placed};
use super::probing::{Probe, Probing};
use super::selector::Selector;

/// A file that was read: everything in it fits together, whatever day it is.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// The file, as it was named.
    pub file: String,
    /// The label that names the tenant, where a source has no other.
    pub tenant_label: String,
    /// Where the metrics are, in the order written; at least one.
    pub sources: Vec<Source>,
    /// How far back is looked.
    pub windows: Windows,
    /// What is promised, by name; at least one.
    pub objectives: BTreeMap<String, Objective>,
    /// The settings for gaps, as far as the file has them for everyone.
    pub gap: GapLayer,
    /// How the tenants' results become a decision.
    pub decision: Decision,
    /// Bounds that no layer goes beyond.
    pub hard_limits: BTreeMap<String, Bounds>,
    /// Layers that several tenants share.
    pub tiers: BTreeMap<String, Tier>,
    /// The tenants that are expected.
    pub tenants: BTreeMap<String, Tenant>,
}

impl PolicyFile {
    /// Whether an objective is a probe.
    #[must_use]
    pub fn probes(&self) -> bool {
        self.objectives.values().any(|objective| matches!(objective.kind, ObjectiveKind::Probe(_)))
    }
}

/// A place that answers queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What tenants and messages call it.
    pub name: String,
    /// Where it stands in the file.
    pub at: Place,
    /// What it is.
    pub kind: SourceKind,
    /// Its base URL, without credentials; of a Datadog its site.
    pub url: String,
    /// The interval of scraping, in microseconds.
    pub scrape: u64,
    /// The deadline of one request, in microseconds.
    pub timeout: u64,
    /// The label that names the tenant, where it is another than the policy's.
    pub tenant_label: Option<String>,
    /// Names of tenants by what the label says there, where they differ.
    pub label_map: BTreeMap<String, String>,
    /// The file with the bearer token, relative to the policy's directory.
    pub bearer_token_file: Option<String>,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A Prometheus.
    Prometheus,
    /// A Thanos querier: partial responses are refused.
    Thanos,
    /// A Mimir or Cortex, with its organisation (`X-Scope-OrgID`; several joined by `|`).
    Mimir {
        /// The organisation.
        org_id: String,
    },
    /// A Datadog; [`Source::url`] is its site.
    Datadog {
        /// Where its keys are; they are never in the policy.
        keys: KeysFrom,
    },
}

/// Where a Datadog's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// In these environment variables.
    Env {
        /// The API key's.
        api: String,
        /// The application key's.
        app: String,
    },
    /// In a file, relative to the policy's directory: lines `DD_API_KEY=…` and `DD_APP_KEY=…`.
    File(String),
}

impl SourceKind {
    /// As the file has it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Thanos => "thanos",
            Self::Mimir { .. } => "mimir",
            Self::Datadog { .. } => "datadog",
        }
    }
}

/// How far back is looked, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// The window of every objective that names none.
    pub short: u64,
    /// The window of budgets.
    pub long: u64,
}

/// One of [`Windows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The short one.
    Short,
    /// The long one.
    Long,
}

impl Window {
    /// As the file has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

/// Something promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// Where it stands in the file.
    pub at: Place,
    /// What is measured.
    pub kind: ObjectiveKind,
    /// What everyone is promised who has nothing else.
    pub bounds: Bounds,
    /// What is read at sources that are a Datadog.
    pub datadog: Option<DatadogForm>,
}

/// What an objective measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectiveKind {
    /// A quantile of a histogram of seconds.
    Quantile {
        /// The quantile, in ppm.
        q: u64,
        /// The histogram, without `_bucket`.
        histogram: Selector,
    },
    /// A share of all events.
    Ratio {
        /// The counter of some of them.
        part: Part,
        /// The counter of all.
        total: Selector,
    },
    /// How fast an error budget is spent: 1 spends it in just its period.
    Budget {
        /// The ratio that spends it.
        of: String,
        /// How far back is looked.
        window: Window,
    },
    /// A gauge; of several series and samples of a tenant, the largest.
    Value {
        /// The gauge.
        metric: Selector,
    },
    /// A request to the tenant's own endpoint, and how long a good answer takes.
    Probe(Box<Probe>),
}

/// Which events a ratio counts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Those that are bad.
    Bad(Selector),
    /// Those that are good: all others are bad.
    Good(Selector),
}

impl ObjectiveKind {
    /// The selectors it reads; none of a budget, whose ratio has them, or of a probe.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Quantile { histogram, .. } => vec![histogram],
            Self::Ratio { part: Part::Bad(part) | Part::Good(part), total } => vec![part, total],
            Self::Value { metric } => vec![metric],
            Self::Budget { .. } | Self::Probe(_) => Vec::new(),
        }
    }

    /// As the file has it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Quantile { .. } => "quantile",
            Self::Ratio { .. } => "ratio",
            Self::Budget { .. } => "budget",
            Self::Value { .. } => "value",
            Self::Probe(_) => "probe",
        }
    }

    /// What its limit counts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        match self {
            Self::Quantile { .. } | Self::Probe(_) => Unit::Micros,
            Self::Ratio { .. } | Self::Budget { .. } | Self::Value { .. } => Unit::Ppm,
        }
    }
}

/// The bounds of an objective in one layer; values of a layer that says nothing are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// The most that is allowed, in the objective's unit; of a budget, the burn rate.
    pub limit: Option<Placed<u64>>,
    /// A budget's target, in ppm.
    pub target: Option<Placed<u64>>,
}

/// A setting for gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKey {
    /// The least share of the expected samples with which a value is known.
    MinCoverage,
    /// How old the newest sample may be.
    MaxAge,
    /// The fewest events that a ratio or quantile is judged by.
    MinEvents,
    /// How much a bound is widened when no sample is there, in proportion to those that are missing.
    Widen,
    /// How many rounds a stale tenant is waited for.
    Patience,
    /// Whether a tenant without traffic passes when its probes are green: 0 holds, 1 passes.
    NoTraffic,
}

impl GapKey {
    /// All, in the order of documents and of [`GapLayer`].
    pub const ALL: [Self; 6] =
        [Self::MinCoverage, Self::MaxAge, Self::MinEvents, Self::Widen, Self::Patience, Self::NoTraffic];

    /// As the file has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MinCoverage => "min_coverage",
            Self::MaxAge => "max_age",
            Self::MinEvents => "min_events",
            Self::Widen => "widen",
            Self::Patience => "patience",
            Self::NoTraffic => "no_traffic",
        }
    }

    /// What it counts.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::MinCoverage | Self::Widen => Unit::Ppm,
            Self::MaxAge => Unit::Scrapes,
            Self::MinEvents | Self::Patience => Unit::Count,
            Self::NoTraffic => Unit::Choice,
        }
    }

    /// Its value where no layer has one.
    #[must_use]
    pub const fn fallback(self) -> u64 {
        match self {
            Self::MinCoverage => 600_000,
            Self::MaxAge => 2,
            Self::MinEvents => 100,
            Self::Widen => 250_000,
            Self::Patience => 3,
            Self::NoTraffic => 0,
        }
    }

    /// The least and the most it can be.
    #[must_use]
    pub const fn range(self) -> (u64, u64) {
        match self {
            Self::MinCoverage => (0, 950_000),
            Self::MaxAge | Self::Patience => (1, 100),
            Self::MinEvents => (1, ONE),
            Self::Widen => (0, 250_000),
            Self::NoTraffic => (0, 1),
        }
    }

    /// Whether more of it asks less of a tenant.
    #[must_use]
    pub const fn more_is_looser(self) -> bool {
        matches!(self, Self::MaxAge | Self::Widen | Self::Patience | Self::NoTraffic)
    }
}

/// The settings for gaps of one layer, by [`GapKey`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GapLayer([Option<Placed<u64>>; GapKey::ALL.len()]);

impl GapLayer {
    /// What the layer says.
    #[must_use]
    pub const fn get(&self, key: GapKey) -> Option<&Placed<u64>> {
        self.0[key as usize].as_ref()
    }

    pub(super) fn set(&mut self, key: GapKey, value: Option<Placed<u64>>) {
        self.0[key as usize] = value;
    }
}

/// How the tenants' results become a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The score below which a release is taken back, in ppm.
    pub rollback_threshold: u64,
    /// Tiers of which one tenant's proven breach is enough.
    pub veto_tiers: Vec<String>,
    /// How many tenants' proven breaches an approval bears.
    pub max_breached_tenants: u64,
    /// How tenants are probed, where an objective is a probe.
    pub probing: Probing,
}

/// What a layer of overrides says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// Bounds, by objective.
    pub objectives: BTreeMap<String, Bounds>,
    /// Settings for gaps.
    pub gap: GapLayer,
    /// Why it loosens or exempts.
    pub reason: Option<String>,
    /// Where that was agreed.
    pub ticket: Option<String>,
    /// The last day of what it loosens or exempts.
    pub until: Option<Placed<Day>>,
}

/// A layer that several tenants share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Where it stands in the file.
    pub at: Place,
    /// How much each of its tenants counts in the score.
    pub weight: Option<Placed<u64>>,
    /// Its overrides.
    pub layer: Layer,
}

/// A tenant that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Where it stands in the file.
    pub at: Place,
    /// Its tier.
    pub tier: Option<Placed<String>>,
    /// The sources that must all have it; when none is named, one of the policy's is enough.
    pub sources: Vec<String>,
    /// Where it is exempted.
    pub exempt: Option<Place>,
    /// Its overrides.
    pub layer: Layer,
}
