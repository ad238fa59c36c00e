//! The decision table: the first rule that fits.

use canary_core::journal::Decision;

use super::tenant::TenantResult;
use crate::gap::GapCode;
use crate::policy::{ONE, Unit};

/// What is decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The score below which a release is taken back, in ppm.
    pub threshold: u64,
    /// How many tenants an approval bears that are in breach, or of which that is not known.
    pub max_breached: u64,
}

/// A source that did not answer, or not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTrouble {
    /// The source.
    pub source: String,
    /// [`GapCode::SourceDown`] or [`GapCode::Partial`].
    pub code: GapCode,
    /// What came back.
    pub why: String,
}

/// One reason, and what would change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A tenant with a veto is in breach, the second round in a row.
    Veto(String),
    /// A tenant with a veto spends its error budget too fast in both windows.
    Burning(String),
    /// Even if all that is unknown were perfect, the score is too low.
    TooLow,
    /// The score is high enough, whatever is unknown.
    HighEnough,
    /// What is unknown could make the score too low.
    MayBeTooLow,
    /// A tenant with a veto is in breach, the first round.
    VetoOnce(String),
    /// It is not known whether a tenant with a veto is in breach.
    VetoUnknown(String),
    /// More tenants in breach, or unknown, than an approval bears.
    TooMany {
        /// Proven breaches.
        breached: u64,
        /// Tenants that are not in proven breach and of which not all is known.
        unknown: u64,
    },
    /// A source did not answer, or not whole: what it has of any tenant is not known.
    Source(SourceTrouble),
    /// There is no tenant to decide by.
    NoTenants,
}

/// A decision with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What becomes of the release.
    pub decision: Decision,
    /// Why; at least one.
    pub reasons: Vec<Reason>,
    /// The least score, in ppm, rounded down.
    pub low: u64,
    /// The most, rounded up.
    pub high: u64,
    /// Tenants in proven breach.
    pub breached: u64,
    /// Other tenants of which not all is known.
    pub unknown: u64,
}

/// Decides, by tenants that are not exempt.
///
/// Replacing what is known of any tenant by nothing never makes an approval or a rollback of a halt: a tenant that is unknown counts
/// against `max_breached` as one in breach does, or what is missing would approve. A source in trouble is in the way of any approval.
#[must_use]
pub fn decide(tenants: &[TenantResult], troubles: &[SourceTrouble], rule: Rule) -> Decided {
    let mut sums = (0_u128, 0_u128, 0_u128);
    let (mut breached, mut unknown) = (0_u64, 0_u64);
    for tenant in tenants {
        let ((low, high), weight) = (tenant.score(), u128::from(tenant.weight));
        sums = (sums.0 + weight * u128::from(low), sums.1 + weight * u128::from(high), sums.2 + weight);
        if tenant.breached() {
            breached += 1;
        } else if tenant.unknown() {
            unknown += 1;
        }
    }
    let (low, high, weights) = sums;
    let needed = u128::from(rule.threshold) * weights;
    let (decision, reasons) = if weights == 0 {
        (Decision::Halt, vec![Reason::NoTenants])
    } else {
        let back = rollback(tenants, high < needed);
        let sources = troubles.iter().cloned().map(Reason::Source);
        let held: Vec<_> = sources.chain(halt(tenants, rule, low < needed, breached, unknown)).collect();
        match (back.is_empty(), held.is_empty()) {
            (false, _) => (Decision::Rollback, back),
            (true, true) => (Decision::Approve, vec![Reason::HighEnough]),
            (true, false) => (Decision::Halt, held),
        }
    };
    let ppm = |value: u128| u64::try_from(value).unwrap_or(ONE);
    let (low, high) = match weights {
        0 => (0, ONE),
        _ => (ppm(low / weights), ppm(high.div_ceil(weights))),
    };
    Decided { decision, reasons, low, high, breached, unknown }
}

fn rollback(tenants: &[TenantResult], too_low: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for tenant in tenants.iter().filter(|tenant| tenant.veto) {
        if tenant.certain() && tenant.breached_before {
            reasons.push(Reason::Veto(tenant.name.clone()));
        }
        if tenant.burning {
            reasons.push(Reason::Burning(tenant.name.clone()));
        }
    }
    if too_low {
        reasons.push(Reason::TooLow);
    }
    reasons
}

/// What stands against an approval.
fn halt(tenants: &[TenantResult], rule: Rule, may_be_low: bool, breached: u64, unknown: u64) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for tenant in tenants.iter().filter(|tenant| tenant.veto) {
        if tenant.breached() {
            reasons.push(Reason::VetoOnce(tenant.name.clone()));
        } else if tenant.unknown() {
            reasons.push(Reason::VetoUnknown(tenant.name.clone()));
        }
    }
    if may_be_low {
        reasons.push(Reason::MayBeTooLow);
    }
    if breached.saturating_add(unknown) > rule.max_breached {
        reasons.push(Reason::TooMany { breached, unknown });
    }
    reasons
}

impl Reason {
    /// Its code, for records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Veto(_) => "veto",
            Self::Burning(_) => "burning",
            Self::TooLow => "too_low",
            Self::HighEnough => "high_enough",
            Self::MayBeTooLow => "may_be_too_low",
            Self::VetoOnce(_) => "veto_once",
            Self::VetoUnknown(_) => "veto_unknown",
            Self::TooMany { .. } => "too_many",
            Self::Source(trouble) => trouble.code.as_str(),
            Self::NoTenants => "no_tenants",
        }
    }

    /// The reason in words, with the numbers of its decision.
    #[must_use]
    pub fn told(&self, decided: &Decided, rule: Rule) -> String {
        let show = |amount| Unit::Ppm.show(amount);
        let threshold = show(rule.threshold);
        match self {
            Self::Veto(name) => format!("{name} is in breach, the second round in a row, and has a veto"),
            Self::Burning(name) => {
                format!("{name} spends its error budget too fast in both windows, and has a veto")
            }
            Self::TooLow => format!("the score is at most {}, below {threshold}", show(decided.high)),
            Self::HighEnough => format!("the score is at least {}; {threshold} is enough", show(decided.low)),
            Self::MayBeTooLow => {
                format!(
                    "the score is {} to {}, and {threshold} is needed",
                    show(decided.low),
                    show(decided.high)
                )
            }
            Self::VetoOnce(name) => format!("{name} is in breach, and has a veto"),
            Self::VetoUnknown(name) => {
                format!("it is not known whether {name} is in breach, and it has a veto")
            }
            Self::TooMany { breached, unknown } => {
                format!(
                    "{breached} tenant(s) in breach and {unknown} unknown; {} are borne",
                    rule.max_breached
                )
            }
            Self::Source(SourceTrouble { source, code: GapCode::Partial, why }) => {
                format!("the answer of source {source} is not whole: {why}")
            }
            Self::Source(SourceTrouble { source, why, .. }) => {
                format!("source {source} does not answer: {why}")
            }
            Self::NoTenants => "there is no tenant to decide by".to_owned(),
        }
    }

    /// What would change it.
    #[must_use]
    pub fn way_out(&self) -> String {
        match self {
            Self::Veto(name) | Self::Burning(name) => {
                format!("nothing, for this release: {name} is worse off with it")
            }
            Self::TooLow => "nothing, for this release: more data cannot raise the score enough".to_owned(),
            Self::HighEnough => "a tenant in breach".to_owned(),
            Self::MayBeTooLow | Self::TooMany { .. } => {
                "data of the tenants that are unknown, or fewer in breach".to_owned()
            }
            Self::VetoOnce(name) => format!("the next round: {name} recovers, or the release is taken back"),
            Self::VetoUnknown(name) => format!("data of {name}"),
            Self::Source(trouble) => format!("a whole answer of source {}", trouble.source),
            Self::NoTenants => "a policy with a tenant that is not exempt".to_owned(),
        }
    }
}
