//! The JSON Schema of the configuration file, made from the table: editors complete and check with it.
//!
//! It accepts all that the reading of the file accepts. Some of what it accepts is still refused there: contradictions
//! between settings, and times out of their bounds.

use canary_core::analysis::HoldKind;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::table::{Fallback, SETTINGS, Setting};

/// The schema (draft 2020-12), indented, with a line end.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let mut top = Map::new();
    for setting in SETTINGS {
        let section = setting.section();
        if section.is_empty() {
            top.insert(setting.name().to_owned(), property(setting));
        } else if !top.contains_key(section) {
            top.insert(section.to_owned(), table(section));
        }
    }
    top.insert("sli".to_owned(), json!({
        "description": "The operator's own indicators, judged beside the response time and the error ratio.",
        "type": "array",
        "items": sli(),
    }));
    top.insert(
        "backend".to_owned(),
        json!({
            "description": "The settings of kinds of fleets that are not canary's own, a table each.",
            "type": "object",
            "additionalProperties": { "type": "object" },
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "canary.toml",
        "description": "The settings of canary-cli. Variables and flags come before what the file says.",
        "type": "object",
        "additionalProperties": false,
        "properties": top,
    })
}

fn table(section: &str) -> Value {
    let inside = SETTINGS.iter().filter(|setting| setting.section() == section);
    let properties: Map<_, _> = inside.map(|s| (s.name().to_owned(), property(s))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn sli() -> Value {
    let text =
        |about: &str| json!({ "description": about, "type": "string", "minLength": 1, "maxLength": 4096 });
    let bound = |about: &str| json!({ "description": about, "type": "number" });
    let word =
        |about: &str, words: [&str; 2]| json!({ "description": about, "type": "string", "enum": words });
    let metric = |about: &str| json!({ "description": about, "type": "string", "pattern": "^[A-Za-z_:][A-Za-z0-9_:]*$" });
    let ratio =
        |about: &str| json!({ "description": about, "type": "number", "minimum": 1, "maximum": 1000 });
    let mut name = text("Its name in reports; p95 and error_ratio are the built-in ones.");
    name["pattern"] = json!(r"^\s*[A-Za-z0-9._-]{1,63}\s*$");
    let one_of = |keys: &[&str]| keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "name": name,
            "promql": text("The expression; $window is the time to look back over, $nodes a regular expression of the nodes."),
            "latency_metric": metric("Instead of promql: a histogram, without _bucket."),
            "quantile": {
                "description": "The histogram's quantile.",
                "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1,
            },
            "requests_metric": metric("Instead of promql: a counter of requests, of which the share answered 5xx is taken."),
            "status_label": metric("The counter's label that holds the HTTP status; otherwise prometheus.status_label."),
            "below": bound("A value on the bound or above it is red."),
            "above": bound("A value on the bound or below it is red."),
            "role": word("critical: red alone decides, whatever the score; advisory: is told and decides nothing.", ["critical", "advisory"]),
            "weight": {
                "description": "Its weight in the score, and its part of the chance of a false rollback.",
                "type": "integer", "minimum": 1, "maximum": 1000, "default": 1,
            },
            "margin": ratio("The odds ratio to the baseline that is still accepted. Default: 1.1 for errors, 1.25 for latency."),
            "rules_out": ratio("The odds ratio that a proof of good rules out. Default: 2 for errors, 1.5 for latency."),
            "subject": word("Whose it is; otherwise watch.subject.", ["pool", "canary"]),
        },
        "required": ["name"],
        "if": { "properties": { "name": { "pattern": r"^\s*(p95|error_ratio)\s*$" } } },
        "then": { "not": { "anyOf": one_of(&["promql", "latency_metric", "requests_metric", "below", "above"]) } },
        "else": {
            "allOf": [
                { "oneOf": one_of(&["promql", "latency_metric", "requests_metric"]) },
                { "oneOf": one_of(&["below", "above"]) },
            ],
        },
        "dependentRequired": { "latency_metric": ["quantile"], "quantile": ["latency_metric"], "status_label": ["requests_metric"] },
    })
}

/// One setting: its help, what it must be, and its default where that is one value.
fn property(setting: &Setting) -> Value {
    let mut property = Map::new();
    let help = setting.help.trim();
    let about = match setting.fallback {
        Fallback::Computed(how) => format!("{help} Default: {how}."),
        _ => help.to_owned(),
    };
    property.insert("description".to_owned(), json!(about));
    if let Value::Object(shape) = shape(&setting.kind) {
        property.extend(shape);
    }
    if let Some(default) = default(setting) {
        property.insert("default".to_owned(), default);
    }
    Value::Object(property)
}

/// The default as JSON has it; TOML's types are the same.
fn default(setting: &Setting) -> Option<Value> {
    let text = setting.fallback.text()?;
    Some(match (setting.kind, setting.fallback) {
        (Kind::Flag, _) => json!(text == "true"),
        (Kind::Nodes | Kind::Percents, _) => json!(text.split_whitespace().collect::<Vec<_>>()),
        (_, Fallback::Number(number)) => json!(number),
        (_, Fallback::Count(count)) => json!(count),
        _ => json!(text),
    })
}

/// What the TOML value must be.
fn shape(kind: &Kind) -> Value {
    const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
    let matching = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let list = |items: Value| json!({ "type": "array", "items": items });
    match kind {
        Kind::File => json!({ "type": "string", "minLength": 1 }),
        Kind::RemotePath | Kind::HttpPath => matching("^/"),
        Kind::FileName => matching("^[^/]+$"),
        Kind::Node | Kind::Pool | Kind::Service => matching(NAME),
        Kind::Nodes => json!({ "type": "array", "items": matching(NAME), "uniqueItems": true }),
        Kind::Revision => matching("^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$"),
        Kind::Unit => matching("^[A-Za-z0-9_][A-Za-z0-9:._@-]*$"),
        Kind::Metric => matching("^[A-Za-z_:][A-Za-z0-9_:]*$"),
        Kind::Url => matching("^https?://"),
        Kind::SecureUrl => matching("^https://"),
        Kind::Address => matching("^(unix:/|tcp:[^:]|instance:[A-Za-z0-9])"),
        Kind::Project => matching("^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$"),
        Kind::Role => matching("^[A-Za-z0-9_][A-Za-z0-9_$.@-]{0,62}$"),
        Kind::Shadow => matching("^(off|local|server|postgres(ql)?://.+)$"),
        Kind::GitRef => matching("^[^-]"),
        Kind::Words => json!({ "type": "string", "minLength": 1, "maxLength": 200 }),
        Kind::Time { min, .. } if min.is_zero() => {
            json!({ "anyOf": [matching(r"^\s*([0-9]+\s*[A-Za-zµ]|0+\s*$)"), { "const": 0 }] })
        }
        Kind::Time { .. } => matching(r"^\s*[0-9]+\s*[A-Za-zµ]"),
        Kind::Seconds => json!({
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, matching(r"^\s*[0-9]+\s*[A-Za-zµ]")],
        }),
        Kind::Ratio => json!({
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }, matching(r"%\s*$")],
        }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Part { max } => json!({
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0, "maximum": max }, matching(r"%\s*$")],
        }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Choices(words) => json!({
            "type": "array", "items": { "type": "string", "enum": words }, "uniqueItems": true, "minItems": 1,
        }),
        Kind::Budgets => {
            let time = json!({ "anyOf": [matching(r"^\s*([0-9]+\s*[A-Za-zµ]|0+\s*$)"), { "const": 0 }] });
            let reasons: Map<_, _> =
                HoldKind::ALL.map(|kind| (kind.to_string(), time.clone())).into_iter().collect();
            json!({ "type": "object", "additionalProperties": false, "properties": reasons })
        }
        Kind::Backend => matching(NAME),
        Kind::Loopback => matching(r"^(127\.|\[).*:[0-9]+$"),
        Kind::Places => list(matching(r"^[A-Za-z0-9][A-Za-z0-9._-]*=(127\.|\[).*:[0-9]+$")),
        Kind::Arguments => list(json!({ "type": "string" })),
        Kind::Percents => list(matching(r"^[0-9]{1,2}(\.[0-9]{1,2})?\s*%$")),
        Kind::Assignments => list(matching("^[A-Za-z_][A-Za-z0-9_]*=")),
    }
}
