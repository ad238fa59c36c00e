//! The JSON Schema of the file: editors complete and check with it.
//!
//! It accepts all that the reading accepts. Some of what it accepts is still refused there: names that are not in the file,
//! loosening without a reason, what is beyond a hard limit.

use serde_json::{Map, Value, json};

use super::amount::Unit;
use super::file::GapKey;

/// The schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Service levels per tenant (sla/v1)",
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "sources", "objectives", "tenants"],
        "properties": {
            "version": { "const": "sla/v1" },
            "tenant_label": about(label(), "The label that names the tenant. Default: tenant."),
            "sources": { "description": "Where the metrics are.", "type": "array", "minItems": 1, "items": source() },
            "windows": {
                "description": "How far back is looked.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "short": about(time(), "The window of every objective that names none. Default: 5m."),
                    "long": about(time(), "The window of budgets. Default: 1h."),
                },
            },
            "objectives": {
                "description": "What is promised, by name.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": name(),
                "additionalProperties": objective(),
            },
            "gap": about(gap(), "What is done where samples are missing."),
            "decision": decision(),
            "hard_limits": about(overrides(), "Bounds that no layer goes beyond."),
            "tiers": {
                "description": "Layers that several tenants share.",
                "type": "object",
                "propertyNames": name(),
                "additionalProperties": tier(),
            },
            "tenants": {
                "description": "The tenants that are expected, by the value of the tenant's label.",
                "type": "object",
                "propertyNames": { "minLength": 1, "maxLength": 256 },
                "additionalProperties": { "anyOf": [tenant(), { "type": "null" }] },
            },
        },
    })
}

fn about(mut shape: Value, words: &str) -> Value {
    if let Value::Object(shape) = &mut shape {
        shape.insert("description".to_owned(), words.into());
    }
    shape
}

fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn name() -> Value {
    matching("^[A-Za-z0-9_.-]{1,63}$")
}

fn label() -> Value {
    matching("^[A-Za-z_][A-Za-z0-9_]*$")
}

fn text() -> Value {
    matching(r"\S")
}

fn ratio() -> Value {
    matching(r"^\s*([0-9]+(\.[0-9]{1,6})?|[0-9]+(\.[0-9]{1,4})?\s*%)\s*$")
}

fn time() -> Value {
    matching(r"^\s*[0-9]+(\.[0-9]{1,6})?\s*(us|ms|s|m|h)\s*$")
}

/// A whole number; YAML's `100` and `"100"` are the same to the reader.
fn count(least: u64, most: Option<u64>) -> Value {
    let mut number = Map::new();
    number.insert("type".to_owned(), "integer".into());
    number.insert("minimum".to_owned(), least.into());
    if let Some(most) = most {
        number.insert("maximum".to_owned(), most.into());
    }
    json!({ "anyOf": [number, matching("^[0-9]+$")] })
}

fn selector() -> Value {
    about(
        matching(r"^\s*[A-Za-z_:][A-Za-z0-9_:]*\s*(\{.*\}\s*)?$"),
        "A metric, or a metric with matchers; $canary_version stands for the version that is checked.",
    )
}

fn tags() -> Value {
    about(
        matching(r"^\s*[A-Za-z][A-Za-z0-9_.]*\s*(\{.*\}\s*)?$"),
        "A metric, or a metric with tags; $canary_version stands for the version that is checked.",
    )
}

/// What an objective reads at a Datadog.
fn datadog(properties: Value, required: &[&str]) -> Value {
    json!({
        "description": "What is read at sources that are a datadog.",
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

fn source() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "kind"],
        "properties": {
            "name": about(name(), "What tenants and messages call it."),
            "kind": { "description": "What it is.", "enum": ["prometheus", "thanos", "mimir", "datadog"] },
            "url": about(matching("^https?://[^/@]+"), "Its base URL, without credentials."),
            "scrape": about(time(), "The interval of scraping. Default: 30s."),
            "timeout": about(time(), "The deadline of one request. Default: 10s."),
            "tenant_label": about(label(), "The label that names the tenant, where it is another."),
            "label_map": {
                "description": "Names of tenants by what the label says there, where they differ.",
                "type": "object",
                "additionalProperties": text(),
            },
            "org_id": about(matching("^[!-~]+$"), "Of a mimir: X-Scope-OrgID; several joined by |."),
            "replica": { "description": "No label tells replicas apart.", "const": "none" },
            "bearer_token_file": about(text(), "The file with the bearer token, relative to this one."),
            "site": about(text(), "Of a datadog: datadoghq.com, datadoghq.eu, or the URL of what speaks its API."),
            "keys_from_env": {
                "description": "Of a datadog: the variables with its API key and its application key.",
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "items": matching("^[A-Z_][A-Z0-9_]*$"),
            },
            "keys_file": about(text(), "Of a datadog: the file with both keys, relative to this one."),
        },
        "allOf": [
            {
                "if": { "properties": { "kind": { "const": "mimir" } }, "required": ["kind"] },
                "then": { "required": ["org_id"] },
                "else": { "properties": { "org_id": false } },
            },
            {
                "if": { "properties": { "kind": { "const": "datadog" } }, "required": ["kind"] },
                "then": {
                    "required": ["site"],
                    "oneOf": [{ "required": ["keys_from_env"] }, { "required": ["keys_file"] }],
                    "properties": { "url": false, "bearer_token_file": false },
                },
                "else": {
                    "required": ["url"],
                    "properties": { "site": false, "keys_from_env": false, "keys_file": false },
                },
            },
        ],
    })
}

fn objective() -> Value {
    let of = |kind: &str, required: &[&str], properties: Value| {
        let mut properties = properties;
        if let Value::Object(properties) = &mut properties {
            properties.insert("kind".to_owned(), json!({ "const": kind }));
        }
        let mut required = required.to_vec();
        required.push("kind");
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    let mut share = of(
        "ratio",
        &["total", "limit"],
        json!({
            "bad": selector(), "good": selector(), "total": selector(), "limit": ratio(),
            "datadog": datadog(json!({ "bad": tags(), "good": tags(), "total": tags() }), &["total"]),
        }),
    );
    if let Value::Object(share) = &mut share {
        share.insert("oneOf".to_owned(), json!([{ "required": ["bad"] }, { "required": ["good"] }]));
    }
    json!({ "oneOf": [
        of("quantile", &["q", "histogram", "limit"], json!({
            "q": ratio(), "histogram": selector(), "limit": time(),
            "datadog": datadog(json!({ "distribution": tags(), "unit": { "enum": ["s", "ms", "us", "ns"], "default": "s" } }), &["distribution"]),
        })),
        share,
        of("budget", &["of", "target", "max_burn"], json!({
            "of": about(name(), "The ratio that spends it."),
            "target": ratio(),
            "max_burn": ratio(),
            "window": { "enum": ["short", "long"], "default": "long" },
        })),
        of("value", &["metric", "limit"], json!({
            "metric": selector(), "limit": ratio(), "datadog": datadog(json!({ "metric": tags() }), &["metric"]),
        })),
        of("probe", &["url"], probe()),
    ] })
}

fn probe() -> Value {
    let status = count(200, Some(599));
    json!({
        "url": about(matching("^https?://[^/@]+"), "The tenant's endpoint; {tenant} stands for its name, escaped."),
        "expect": {
            "description": "The statuses that are good. Default: 200.",
            "anyOf": [status, { "type": "array", "minItems": 1, "items": status }],
        },
        "body": {
            "description": "What the body, as JSON, must have, by JSON pointer.",
            "type": "object",
            "propertyNames": { "pattern": "^(/.*)?$" },
            "additionalProperties": { "type": ["string", "integer", "boolean", "null"] },
        },
        "limit": about(time(), "The longest good answer. Default: the timeout."),
        "timeout": about(time(), "The deadline of one try. Default: so that all tries fit into timeout_per_tenant_check."),
        "tries": about(count(1, Some(10)), "How often a tenant is tried at most. Default: 3."),
        "ca_file": about(text(), "Root certificates (PEM) instead of the platform's, relative to this file."),
    })
}

fn gap() -> Value {
    let properties: Map<String, Value> = GapKey::ALL
        .into_iter()
        .map(|key| {
            let (least, most) = key.range();
            let shape = match key.unit() {
                Unit::Count => count(least, Some(most)),
                Unit::Scrapes => matching("^[0-9]+x_scrape$"),
                Unit::Choice => json!({ "enum": ["hold", "pass"] }),
                Unit::Ppm | Unit::Micros => ratio(),
            };
            let words = match key {
                GapKey::MinCoverage => "The least share of the expected samples with which a value is known.",
                GapKey::MaxAge => "How old the newest sample may be.",
                GapKey::MinEvents => "The fewest events that a ratio or quantile is judged by.",
                GapKey::Widen => {
                    "How much a bound is widened, in proportion to the samples that are missing."
                }
                GapKey::Patience => "How many rounds a stale tenant is waited for.",
                GapKey::NoTraffic => "Whether a tenant without traffic passes when its probes are green.",
            };
            let words = format!("{words} Default: {}.", key.unit().show(key.fallback()));
            (key.as_str().to_owned(), about(shape, &words))
        })
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn decision() -> Value {
    json!({
        "description": "How the tenants' results become a decision.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "rollback_threshold": about(ratio(), "The score below which a release is taken back. Default: 0.95."),
            "veto_tiers": {
                "description": "Tiers of which one tenant's proven breach is enough.",
                "type": "array",
                "items": name(),
            },
            "max_breached_tenants":
                about(count(0, None), "How many tenants' proven breaches an approval bears. Default: 3."),
            "max_in_flight": about(count(1, Some(10_000)), "How many tenants are probed at once at most. Default: 100."),
            "tenant_batch_size":
                about(count(1, Some(1000)), "How many tenants are dispatched together. Default: 20."),
            "timeout_per_tenant_check": about(time(), "The deadline of all tries of a tenant together. Default: 30s."),
        },
    })
}

fn overrides() -> Value {
    let budget = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": { "target": ratio(), "max_burn": ratio() },
    });
    json!({
        "type": "object",
        "propertyNames": name(),
        "additionalProperties": { "anyOf": [ratio(), time(), budget] },
    })
}

/// What tiers and tenants share.
fn layer() -> Map<String, Value> {
    let mut shared = Map::new();
    let mut add = |key: &str, shape: Value, words: &str| shared.insert(key.to_owned(), about(shape, words));
    add("objectives", overrides(), "Bounds of its own, by objective.");
    add("gap", gap(), "Settings of its own for missing samples.");
    add("reason", text(), "Why less is asked of it.");
    add("ticket", text(), "Where that was agreed.");
    add("until", matching("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), "The last day of that, in UTC.");
    shared
}

fn tier() -> Value {
    let mut properties = layer();
    let weight = about(count(1, Some(1000)), "How much each of its tenants counts in the score. Default: 1.");
    properties.insert("weight".to_owned(), weight);
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn tenant() -> Value {
    let mut properties = layer();
    properties.insert("tier".to_owned(), about(name(), "Its tier."));
    let sources = json!({ "type": "array", "items": name() });
    properties.insert(
        "sources".to_owned(),
        about(sources, "The sources that must all have it. Default: one of them."),
    );
    let exempt = json!({ "type": "boolean" });
    properties
        .insert("exempt".to_owned(), about(exempt, "Left out of the decision; needs reason and until."));
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::keys;

    fn names(shape: &Value) -> Vec<&str> {
        let mut names: Vec<&str> =
            shape["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    fn sorted<'k>(keys: &[&'k str]) -> Vec<&'k str> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn it_knows_every_key_and_no_other() {
        let schema = schema();
        assert_eq!(names(&schema), sorted(keys::TOP));
        let of = |key: &str| &schema["properties"][key];
        assert_eq!(names(&of("sources")["items"]), sorted(keys::SOURCE));
        assert_eq!(names(of("windows")), sorted(keys::WINDOWS));
        assert_eq!(names(of("decision")), sorted(keys::DECISION));
        assert_eq!(names(&of("tiers")["additionalProperties"]), sorted(keys::TIER));
        assert_eq!(names(&of("tenants")["additionalProperties"]["anyOf"][0]), sorted(keys::TENANT));
        assert_eq!(names(of("gap")), sorted(&GapKey::ALL.map(GapKey::as_str)));
        let kinds = of("objectives")["additionalProperties"]["oneOf"].as_array().unwrap();
        let all = [keys::QUANTILE, keys::RATIO, keys::BUDGET, keys::VALUE, keys::PROBE];
        for ((shape, known), kind) in kinds.iter().zip(all).zip(keys::OBJECTIVE_KINDS) {
            assert_eq!((names(shape), &shape["properties"]["kind"]["const"]), (sorted(known), &json!(kind)));
        }
    }
}
