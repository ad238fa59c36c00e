//! Out: an SLO for each tenant and objective.

use std::fmt::Write as _;

use canary_core::fleet::Digest;

use super::{API, Converted, KIND, Note, ORG_ID, note, quoted};
use crate::policy::amount::{ONE, Unit};
use crate::policy::datadog::{DatadogForm, TagFilter, TagSelector};
use crate::policy::effective::{EffectiveBounds, Policy};
use crate::policy::file::{Objective, ObjectiveKind, Part, Source, SourceKind};
use crate::policy::read::{DEFAULT_SCRAPE, DEFAULT_TIMEOUT};
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
        text.push_str(&data_source(source, &mut notes));
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
                None => note(&mut notes, one.about(), one.missing()),
            }
        }
    }
    notes.sort();
    Converted { text, notes }
}

/// A source; what of it has no counterpart is noted.
fn data_source(source: &Source, notes: &mut Vec<Note>) -> String {
    let datadog = asks_datadog(source);
    let mut text = format!(
        "---\napiVersion: {API}\nkind: DataSource\nmetadata:\n  name: {}\nspec:\n  type: {}\n  connectionDetails:\n    {}: {}\n",
        quoted(&source.name),
        if datadog { "Datadog" } else { "Prometheus" },
        if datadog { "site" } else { "url" },
        quoted(&source.url)
    );
    // What connects to a source is whose it is: these two are ours, and read back.
    // proof: writing to a String cannot fail, so the result says nothing.
    let _ = match &source.kind {
        SourceKind::Prometheus | SourceKind::Datadog { .. } => Ok(()),
        SourceKind::Thanos => writeln!(text, "    {KIND}: thanos"),
        SourceKind::Mimir { org_id } => writeln!(text, "    {KIND}: mimir\n    {ORG_ID}: {}", quoted(org_id)),
    };
    let kept = [
        (source.scrape != DEFAULT_SCRAPE, "scrape"),
        (source.timeout != DEFAULT_TIMEOUT, "timeout"),
        (source.tenant_label.is_some(), "tenant_label"),
        (!source.label_map.is_empty(), "label_map"),
        (source.bearer_token_file.is_some(), "bearer_token_file"),
    ];
    let kept: Vec<_> = kept.into_iter().filter_map(|(there, key)| there.then_some(key)).collect();
    if !kept.is_empty() {
        note(notes, format!("source {}", source.name), format!("not written: {}", kept.join(", ")));
    }
    text
}

const fn asks_datadog(source: &Source) -> bool {
    matches!(source.kind, SourceKind::Datadog { .. })
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
    /// What has no document.
    fn about(&self) -> String {
        if self.unnameable() {
            format!("tenant {}", self.tenant)
        } else {
            format!("objective {}", self.objective)
        }
    }

    /// Why there is no document.
    fn missing(&self) -> &'static str {
        if self.unnameable() {
            return "its name cannot be a Datadog's tag: no SLO is written";
        }
        match self.policy.file.objectives.get(self.objective).map(|objective| &objective.kind) {
            Some(ObjectiveKind::Probe(_)) => "a probe has no counterpart, and is not written",
            _ => "its ratio is not in the file",
        }
    }

    fn spec(&self, notes: &mut Vec<Note>) -> Option<Spec> {
        let named = |name: &str| self.policy.file.objectives.get(name);
        if self.unnameable() {
            return None;
        }
        let limit = self.bounds.limit.value;
        let minutes = self.policy.file.windows.short.div_ceil(60 * ONE).max(1);
        let window = format!("{minutes}m");
        let target = |limit: u64| format!("      target: {}\n", Unit::Ppm.show(ONE.saturating_sub(limit)));
        let objective = named(self.objective)?;
        Some(match &objective.kind {
            ObjectiveKind::Ratio { part, total } => {
                Spec { indicator: self.ratio(objective, part, total), window, objective: target(limit) }
            }
            ObjectiveKind::Budget { of, .. } => {
                let of = named(of)?;
                let ObjectiveKind::Ratio { part, total } = &of.kind else { return None };
                let about = format!("objective {}", self.objective);
                note(notes, about, "its burn rate has no counterpart; the target is written");
                let limit = ONE.saturating_sub(self.bounds.target.as_ref()?.value);
                Spec {
                    indicator: self.ratio(of, part, total),
                    window: BUDGET_WINDOW.to_owned(),
                    objective: target(limit),
                }
            }
            ObjectiveKind::Quantile { q: share, histogram } => {
                let mut buckets = self.narrowed(histogram);
                buckets.metric.push_str("_bucket");
                let q = Unit::Ppm.show(*share);
                let query = format!("histogram_quantile({q}, sum by (le) (rate({buckets}[{window}])))");
                match self.datadog(objective) {
                    Some(DatadogForm::Distribution { metric, unit }) => {
                        let query = format!("p{}:{}", Unit::Ppm.show(*share * 100), self.tagged(metric));
                        let limit = u128::from(limit) * 1_000_000_000 / u128::from((*unit).max(1));
                        self.threshold(&query, u64::try_from(limit).unwrap_or(u64::MAX), window, notes)
                    }
                    _ => self.threshold(&query, limit, window, notes),
                }
            }
            ObjectiveKind::Value { metric } => {
                let query = match self.datadog(objective) {
                    Some(DatadogForm::Gauge { metric }) => format!("max:{}", self.tagged(metric)),
                    _ => format!("max(max_over_time({}[{window}]))", self.narrowed(metric)),
                };
                self.threshold(&query, limit, window, notes)
            }
            ObjectiveKind::Probe(_) => return None,
        })
    }

    /// The selector with the tenant's own series alone.
    fn narrowed(&self, selector: &Selector) -> Selector {
        let mut selector = selector.clone();
        selector.matchers.push(Matcher {
            label: self.label().to_owned(),
            operator: Operator::Equal,
            value: self.tenant.to_owned(),
        });
        selector
    }

    /// Where the tenant's own series are.
    fn described(&self) -> Option<&Source> {
        self.policy.file.sources.iter().find(|source| source.name == self.source)
    }

    /// The label that tenants have there.
    fn label(&self) -> &str {
        let own = self.described().and_then(|source| source.tenant_label.as_ref());
        own.unwrap_or(&self.policy.file.tenant_label)
    }

    /// How it is asked of a Datadog, where its source is one.
    fn datadog<'o>(&self, objective: &'o Objective) -> Option<&'o DatadogForm> {
        objective.datadog.as_ref().filter(|_| self.described().is_some_and(asks_datadog))
    }

    /// The tenant's own value of the tag: in small letters, as Datadog keeps them.
    fn tag(&self) -> String {
        let map = self.described().map(|source| &source.label_map);
        let mapped = map.and_then(|map| map.iter().find(|(_, tenant)| *tenant == self.tenant));
        mapped.map_or_else(|| self.tenant.to_lowercase(), |(value, _)| value.clone())
    }

    /// Whether a Datadog can have no series of this tenant.
    fn unnameable(&self) -> bool {
        let text = format!("m{{{}:{}}}", self.label(), self.tag());
        self.described().is_some_and(asks_datadog) && text.parse::<TagSelector>().is_err()
    }

    /// The metric with the tenant's own series alone.
    fn tagged(&self, selector: &TagSelector) -> String {
        let mut selector = selector.clone();
        selector.filters.push(TagFilter { not: false, key: self.label().to_owned(), value: self.tag() });
        selector.to_string()
    }

    fn ratio(&self, objective: &Objective, part: &Part, total: &Selector) -> String {
        let sum = |selector: &Selector| format!("sum({})", self.narrowed(selector));
        let count = |selector: &TagSelector| format!("sum:{}.as_count()", self.tagged(selector));
        let (word, part, total) = match (self.datadog(objective), part) {
            (Some(DatadogForm::Counts { part, good, total }), _) => {
                (if *good { "good" } else { "bad" }, count(part), count(total))
            }
            (_, Part::Bad(part)) => ("bad", sum(part), sum(total)),
            (_, Part::Good(part)) => ("good", sum(part), sum(total)),
        };
        let metric =
            |name: &str, query: &str| format!("        {name}:\n{}", self.metric_source(query, "          "));
        format!(
            "      ratioMetric:\n        counter: true\n{}{}",
            metric(word, &part),
            metric("total", &total)
        )
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
            "{indent}metricSource:\n{indent}  metricSourceRef: {}\n{indent}  type: {}\n{indent}  spec:\n{indent}    query: {}\n",
            quoted(self.source),
            if self.described().is_some_and(asks_datadog) { "Datadog" } else { "Prometheus" },
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
