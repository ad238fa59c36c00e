//! Out: an SLO for each tenant and objective.

use std::fmt::Write as _;

use canary_core::fleet::Digest;

use super::{API, Converted, Note, note, quoted};
use crate::policy::amount::{ONE, Unit};
use crate::policy::effective::{EffectiveBounds, Policy};
use crate::policy::file::{ObjectiveKind, Part};
use crate::policy::selector::{Matcher, Operator, Selector};

/// The period of an exported budget.
const BUDGET_WINDOW: &str = "30d";
/// The share of time of a threshold, which a policy does not have.
const THRESHOLD_TARGET: &str = "0.99";

/// Writes what holds for every tenant that is not exempt.
#[must_use]
pub fn export(policy: &Policy) -> Converted {
    let mut text = String::new();
    let mut notes = Vec::new();
    for source in &policy.file.sources {
        // proof: writing to a String cannot fail, here and below, so the result says nothing.
        let _ = write!(
            text,
            "---\napiVersion: {API}\nkind: DataSource\nmetadata:\n  name: {}\nspec:\n  type: Prometheus\n  connectionDetails:\n    url: {}\n",
            quoted(&source.name),
            quoted(&source.url)
        );
    }
    for (name, tenant) in &policy.tenants {
        if tenant.exempt.is_some() {
            note(&mut notes, format!("tenant {name}"), "exempt: no SLO is written");
            continue;
        }
        let source =
            tenant.sources.first().or_else(|| policy.file.sources.first().map(|source| &source.name));
        for (objective, bounds) in &tenant.objectives {
            let one =
                One { policy, tenant: name, objective, bounds, source: source.map_or("", String::as_str) };
            match one.spec(&mut notes) {
                Some(spec) => text.push_str(&one.document(&spec)),
                None => note(&mut notes, format!("objective {objective}"), one.missing()),
            }
        }
    }
    notes.sort();
    Converted { text, notes }
}

struct One<'p> {
    policy: &'p Policy,
    tenant: &'p str,
    objective: &'p str,
    bounds: &'p EffectiveBounds,
    source: &'p str,
}

/// The parts of a document that depend on the objective's kind.
struct Spec {
    indicator: String,
    window: String,
    objective: String,
}

impl One<'_> {
    /// Why there is no document.
    fn missing(&self) -> &'static str {
        match self.policy.file.objectives.get(self.objective).map(|objective| &objective.kind) {
            Some(ObjectiveKind::Probe(_)) => "a probe has no counterpart, and is not written",
            _ => "its ratio is not in the file",
        }
    }

    fn spec(&self, notes: &mut Vec<Note>) -> Option<Spec> {
        let kind = |name: &str| self.policy.file.objectives.get(name).map(|objective| &objective.kind);
        let limit = self.bounds.limit.value;
        let minutes = self.policy.file.windows.short.div_ceil(60 * ONE).max(1);
        let window = format!("{minutes}m");
        let target = |limit: u64| format!("      target: {}\n", Unit::Ppm.show(ONE.saturating_sub(limit)));
        Some(match kind(self.objective)? {
            ObjectiveKind::Ratio { part, total } => {
                Spec { indicator: self.ratio(part, total), window, objective: target(limit) }
            }
            ObjectiveKind::Budget { of, .. } => {
                let ObjectiveKind::Ratio { part, total } = kind(of)? else { return None };
                let about = format!("objective {}", self.objective);
                note(notes, about, "its burn rate has no counterpart; the target is written");
                let limit = ONE.saturating_sub(self.bounds.target.as_ref()?.value);
                Spec {
                    indicator: self.ratio(part, total),
                    window: BUDGET_WINDOW.to_owned(),
                    objective: target(limit),
                }
            }
            ObjectiveKind::Quantile { q, histogram } => {
                let mut buckets = self.narrowed(histogram);
                buckets.metric.push_str("_bucket");
                let q = Unit::Ppm.show(*q);
                let query = format!("histogram_quantile({q}, sum by (le) (rate({buckets}[{window}])))");
                self.threshold(&query, limit, window, notes)
            }
            ObjectiveKind::Value { metric } => {
                let query = format!("max(max_over_time({}[{window}]))", self.narrowed(metric));
                self.threshold(&query, limit, window, notes)
            }
            ObjectiveKind::Probe(_) => return None,
        })
    }

    /// The selector with the tenant's own series alone.
    fn narrowed(&self, selector: &Selector) -> Selector {
        let mut selector = selector.clone();
        let source = self.policy.file.sources.iter().find(|source| source.name == self.source);
        let label = source.and_then(|source| source.tenant_label.as_ref());
        selector.matchers.push(Matcher {
            label: label.unwrap_or(&self.policy.file.tenant_label).clone(),
            operator: Operator::Equal,
            value: self.tenant.to_owned(),
        });
        selector
    }

    fn ratio(&self, part: &Part, total: &Selector) -> String {
        let (word, part) = match part {
            Part::Bad(part) => ("bad", part),
            Part::Good(part) => ("good", part),
        };
        let metric = |name: &str, selector: &Selector| {
            let query = format!("sum({})", self.narrowed(selector));
            format!("        {name}:\n{}", self.metric_source(&query, "          "))
        };
        format!("      ratioMetric:\n        counter: true\n{}{}", metric(word, part), metric("total", total))
    }

    fn threshold(&self, query: &str, limit: u64, window: String, notes: &mut Vec<Note>) -> Spec {
        let about = format!("objective {}", self.objective);
        note(
            notes,
            about,
            format!("a policy has no share of time for a threshold; target {THRESHOLD_TARGET} is written"),
        );
        // Seconds in microseconds and ratios in ppm are written alike.
        let value = Unit::Ppm.show(limit);
        Spec {
            indicator: format!("      thresholdMetric:\n{}", self.metric_source(query, "        ")),
            window,
            objective: format!("      op: lte\n      value: {value}\n      target: {THRESHOLD_TARGET}\n"),
        }
    }

    fn metric_source(&self, query: &str, indent: &str) -> String {
        format!(
            "{indent}metricSource:\n{indent}  metricSourceRef: {}\n{indent}  type: Prometheus\n{indent}  spec:\n{indent}    query: {}\n",
            quoted(self.source),
            quoted(query)
        )
    }

    fn document(&self, spec: &Spec) -> String {
        let name = self.name();
        let (tenant, objective) = (quoted(self.tenant), quoted(self.objective));
        format!(
            "---\napiVersion: {API}\nkind: SLO\nmetadata:\n  name: {name}\n  labels:\n    tenant: {tenant}\n    objective: {objective}\nspec:\n  service: {service}\n  indicator:\n    metadata:\n      name: {name}\n    spec:\n{indicator}  timeWindow:\n    - duration: {window}\n      isRolling: true\n  budgetingMethod: Occurrences\n  objectives:\n    - displayName: {objective}\n{bounds}",
            service = quoted(&dns(self.tenant)),
            indicator = spec.indicator,
            window = spec.window,
            bounds = spec.objective,
        )
    }

    /// A DNS name that no other tenant and objective has.
    fn name(&self) -> String {
        let plain = format!("{}-{}", dns(self.tenant), dns(self.objective));
        let digest = Digest::of(format!("{}\0{}", self.tenant, self.objective).as_bytes()).to_string();
        let start: String = plain.chars().take(54).collect();
        format!("{}-{}", start.trim_end_matches('-'), digest.get(..8).unwrap_or_default())
    }
}

fn dns(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "tenant".to_owned() } else { name.to_owned() }
}
