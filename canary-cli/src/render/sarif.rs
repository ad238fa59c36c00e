//! A gate's findings as a SARIF 2.1.0 log, for code scanning.

use std::collections::BTreeMap;

use canary_core::traits::{Finding, GateVerdict, Review, Severity};
use serde_json::{Value, json};

/// The log, in one line.
#[must_use]
pub fn sarif(review: &Review) -> String {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in &review.findings {
        rules.entry(&finding.rule).or_insert(finding);
    }
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(n, rule)| (*rule, n)).collect();
    let results: Vec<Value> =
        review.findings.iter().map(|finding| result(finding, index[finding.rule.as_str()], review)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "canary-cli gate",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.values().map(|finding| rule(finding)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !matches!(review.verdict, GateVerdict::Undecided { .. }),
                "toolExecutionNotifications": notifications(review),
            }],
            "results": results,
            "properties": { "verdict": review.verdict, "digest": review.digest, "baseline": review.baseline },
        }],
    })
    .to_string()
}

fn rule(finding: &Finding) -> Value {
    json!({
        "id": finding.rule,
        "shortDescription": { "text": finding.rule.replace('-', " ") },
        "help": { "text": finding.remedy },
        "properties": { "sqlstates": finding.sqlstates },
    })
}

fn notifications(review: &Review) -> Vec<Value> {
    let GateVerdict::Undecided { why } = &review.verdict else { return Vec::new() };
    vec![json!({ "level": "error", "message": { "text": why } })]
}

fn result(finding: &Finding, rule: usize, review: &Review) -> Value {
    let level = match finding.severity {
        Severity::Refuse => "error",
        Severity::Warn => "warning",
    };
    let mut location = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&finding.file) } } });
    if let Some(region) = region(finding) {
        location["physicalLocation"]["region"] = region;
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": super::scanning::text(finding) },
        "locations": [location],
    });
    if !finding.grant.is_empty() {
        result["partialFingerprints"] = json!({ "canaryGrant/v1": finding.grant });
    }
    if let Some(suppression) = suppression(finding, review) {
        result["suppressions"] = json!([suppression]);
    }
    result
}

/// A finding that a grant waved through.
fn suppression(finding: &Finding, review: &Review) -> Option<Value> {
    let GateVerdict::Bypassed { grants } = &review.verdict else { return None };
    let covers = |file: &Option<String>| file.as_deref() == Some(&finding.file);
    let grant = grants.iter().find(|grant| grant.rule == finding.rule && covers(&grant.file))?;
    (finding.severity == Severity::Refuse)
        .then(|| json!({ "kind": "external", "justification": format!("{}: {}", grant.actor, grant.reason) }))
}

fn region(finding: &Finding) -> Option<Value> {
    if finding.line == 0 {
        return None;
    }
    let mut region = json!({ "startLine": finding.line });
    if finding.column > 0 {
        region["startColumn"] = finding.column.into();
    }
    let after = (finding.end_line, finding.end_column) > (finding.line, finding.column);
    if finding.column > 0 && finding.end_column > 0 && after {
        region["endLine"] = finding.end_line.into();
        region["endColumn"] = finding.end_column.into();
    }
    Some(region)
}

/// A relative reference (RFC 3986): what may not stand in a path is percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("migrations/2_a b:ä%.sql"), "migrations/2_a%20b%3A%C3%A4%25.sql");
    }
}
