//! The keys of the file: what is known, and what will be.

pub(super) const TOP: &[&str] = &[
    "version",
    "tenant_label",
    "sources",
    "windows",
    "objectives",
    "gap",
    "decision",
    "hard_limits",
    "tiers",
    "tenants",
];
pub(super) const SOURCE: &[&str] = &[
    "name",
    "kind",
    "url",
    "scrape",
    "timeout",
    "tenant_label",
    "label_map",
    "org_id",
    "replica",
    "bearer_token_file",
    "site",
    "keys_from_env",
    "keys_file",
];
/// What must not be in a policy, whatever it is set to.
pub(super) const SECRETS: &[&str] = &[
    "api_key",
    "app_key",
    "application_key",
    "api_keys",
    "keys",
    "dd_api_key",
    "dd_app_key",
    "DD_API_KEY",
    "DD_APP_KEY",
    "token",
    "password",
];
pub(super) const SOURCE_KINDS: &[&str] = &["prometheus", "thanos", "mimir", "datadog"];
pub(super) const WINDOWS: &[&str] = &["short", "long"];
pub(super) const OBJECTIVE_KINDS: &[&str] = &["quantile", "ratio", "budget", "value", "probe"];
pub(super) const QUANTILE: &[&str] = &["kind", "q", "histogram", "limit", "datadog"];
pub(super) const RATIO: &[&str] = &["kind", "bad", "good", "total", "limit", "datadog"];
pub(super) const BUDGET: &[&str] = &["kind", "of", "target", "max_burn", "window"];
pub(super) const VALUE: &[&str] = &["kind", "metric", "limit", "datadog"];
pub(super) const DATADOG_QUANTILE: &[&str] = &["distribution", "unit"];
pub(super) const DATADOG_RATIO: &[&str] = &["bad", "good", "total"];
pub(super) const DATADOG_VALUE: &[&str] = &["metric"];
pub(super) const DATADOG_UNITS: &[&str] = &["s", "ms", "us", "ns"];
pub(super) const PROBE: &[&str] = &["kind", "url", "expect", "body", "limit", "timeout", "tries", "ca_file"];
pub(super) const BUDGET_BOUNDS: &[&str] = &["target", "max_burn"];
pub(super) const DECISION: &[&str] = &[
    "rollback_threshold",
    "veto_tiers",
    "max_breached_tenants",
    "max_in_flight",
    "tenant_batch_size",
    "timeout_per_tenant_check",
];
pub(super) const TIER: &[&str] = &["weight", "objectives", "gap", "reason", "ticket", "until"];
pub(super) const TENANT: &[&str] =
    &["tier", "sources", "exempt", "objectives", "gap", "reason", "ticket", "until"];
