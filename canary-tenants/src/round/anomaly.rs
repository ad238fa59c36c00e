//! What there is to look at after a round, whatever was decided.

use serde::{Deserialize, Serialize};

use super::ground::Ground;
use super::probes;
use crate::decide::{ObjectiveResult, SourceTrouble, TenantResult};
use crate::gap::{Breach, GapCode};
use crate::policy::{ONE, Unit};

/// How grave something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is in the way of an approval, or takes the release back.
    Critical,
    /// Somebody has to look.
    Warning,
    /// It is told, and no more.
    Info,
}

impl Severity {
    /// As records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// How grave it is.
    pub severity: Severity,
    /// Whom it is about; absent when it is a whole source or the policy.
    pub tenant: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// The objective; several, joined by commas, where the same is the matter with all.
    pub objective: Option<String>,
    /// A gap's code, `breach`, `over` (above the limit, not proven), `few_events` or `burning`.
    pub code: &'static str,
    /// What was seen.
    pub text: String,
}

/// All of them, the gravest first, then by tenant.
pub(super) fn all(
    ground: &Ground<'_>,
    tenants: &[TenantResult],
    unlisted: &[TenantResult],
    troubles: &[SourceTrouble],
) -> Vec<Anomaly> {
    let mut all: Vec<Anomaly> = troubles.iter().map(source).collect();
    all.extend(ground.policy.lapsed.iter().map(|lapsed| Anomaly {
        severity: Severity::Warning,
        tenant: None,
        source: None,
        objective: None,
        code: GapCode::ExpiredOverride.as_str(),
        text: format!("{} ended with {}: what it loosens or exempts holds no more", lapsed.of, lapsed.until),
    }));
    for tenant in tenants {
        of_tenant(ground, tenant, &mut all);
    }
    for tenant in unlisted {
        all.push(Anomaly {
            text: "metrics have it and the policy does not: judged by the defaults, it counts for nothing"
                .to_owned(),
            ..about(tenant, None, Severity::Info, GapCode::Unlisted.as_str())
        });
        all.extend(tenant.results.iter().filter_map(|result| known(ground, tenant, result)));
    }
    all.sort_by_key(|anomaly| anomaly.severity);
    all
}

fn source(trouble: &SourceTrouble) -> Anomaly {
    Anomaly {
        severity: Severity::Critical,
        tenant: None,
        source: Some(trouble.source.clone()),
        objective: None,
        code: trouble.code.as_str(),
        text: trouble.why.clone(),
    }
}

fn about(
    tenant: &TenantResult,
    result: Option<&ObjectiveResult>,
    severity: Severity,
    code: &'static str,
) -> Anomaly {
    Anomaly {
        severity,
        tenant: Some(tenant.name.clone()),
        source: result.map(|result| result.source.clone()),
        objective: result.map(|result| result.objective.clone()),
        code,
        text: String::new(),
    }
}

fn of_tenant(ground: &Ground<'_>, tenant: &TenantResult, all: &mut Vec<Anomaly>) {
    if tenant.burning {
        let severity = if tenant.veto { Severity::Critical } else { Severity::Warning };
        let text = "it spends its error budget too fast in both windows".to_owned();
        all.push(Anomaly { text, ..about(tenant, None, severity, "burning") });
    }
    let first = all.len();
    for result in &tenant.results {
        if result.source == probes::SOURCE {
            all.extend(probed(ground, tenant, result));
            continue;
        }
        if let Some(anomaly) = known(ground, tenant, result) {
            all.push(anomaly);
            continue;
        }
        let code = result.judged.code;
        // What a whole source lacks is told once.
        if code.known() || matches!(code, GapCode::SourceDown | GapCode::Partial) {
            continue;
        }
        let same = all[first..].iter_mut().find(|other| {
            other.code == code.as_str() && other.source.as_deref() == Some(result.source.as_str())
        });
        if let Some(Anomaly { objective: Some(objectives), .. }) = same {
            objectives.push_str(", ");
            objectives.push_str(&result.objective);
        } else {
            let severity = if tenant.veto { Severity::Critical } else { milder(code) };
            all.push(Anomaly {
                text: missing(result),
                ..about(tenant, Some(result), severity, code.as_str())
            });
        }
    }
}

/// What is the matter with a tenant's own answer.
fn probed(ground: &Ground<'_>, tenant: &TenantResult, result: &ObjectiveResult) -> Option<Anomaly> {
    let code = match result.judged.breach {
        Breach::No => return None,
        Breach::Proven => "breach",
        Breach::Open => "probe_unknown",
    };
    let severity = if tenant.veto { Severity::Critical } else { Severity::Warning };
    let text = probes::why(ground, &tenant.name, &result.objective);
    Some(Anomaly { text, ..about(tenant, Some(result), severity, code) })
}

const fn milder(code: GapCode) -> Severity {
    match code {
        GapCode::New | GapCode::NoTraffic => Severity::Info,
        _ => Severity::Warning,
    }
}

/// What is the matter with a value that is known.
fn known(ground: &Ground<'_>, tenant: &TenantResult, result: &ObjectiveResult) -> Option<Anomaly> {
    let judged = &result.judged;
    let grave = if tenant.veto { Severity::Critical } else { Severity::Warning };
    let (severity, code) = match judged.breach {
        Breach::Proven => (grave, "breach"),
        Breach::Open if judged.code.known() && judged.score.0 == judged.score.1 && judged.score.1 < ONE => {
            (Severity::Warning, "over")
        }
        Breach::Open if judged.code.known() => (Severity::Info, "few_events"),
        Breach::No if judged.code == GapCode::Sparse => (Severity::Info, GapCode::Sparse.as_str()),
        _ => return None,
    };
    let kind = ground.policy.file.objectives.get(&result.objective).map(|objective| &objective.kind);
    let unit = kind.map_or(Unit::Ppm, |kind| kind.unit());
    let mut text = judged.observed.map_or_else(|| "not observed".to_owned(), |seen| shown(unit, seen));
    text.push_str(&format!(", limit {}", unit.show(judged.limit)));
    if judged.limit_adj != judged.limit {
        let (wide, part) = (unit.show(judged.limit_adj), Unit::Ppm.show(judged.coverage));
        text.push_str(&format!(" (widened to {wide}: {part} of the samples)"));
    }
    if judged.events > 0 {
        text.push_str(&format!(", {} events", judged.events));
    }
    Some(Anomaly { text, ..about(tenant, Some(result), severity, code) })
}

/// An observed amount; times to the tenth of a millisecond, which is what a histogram can say at best.
fn shown(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Micros if amount >= 1000 => unit.show(amount / 100 * 100),
        _ => unit.show(amount),
    }
}

fn missing(result: &ObjectiveResult) -> String {
    let coverage = result.judged.coverage;
    match result.judged.code {
        GapCode::Thin => format!("{} of the samples are there", Unit::Ppm.show(coverage)),
        GapCode::Stale => "its newest sample is too old".to_owned(),
        GapCode::New => "its first sample is younger than the window".to_owned(),
        GapCode::NoTraffic => format!("{} events in the window: too few to judge by", result.judged.events),
        GapCode::TopBucket => {
            "the quantile is in the open bucket, and the limit beyond the last finite bound".to_owned()
        }
        GapCode::Absent => "expected, and not in any sample of the last hour".to_owned(),
        GapCode::Duplicate => "more than one row: which is right is not known".to_owned(),
        other => other.as_str().to_owned(),
    }
}
