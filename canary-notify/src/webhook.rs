//! The webhook's body: JSON, versioned; `docs/notification.schema.json` says what it holds.

use canary_core::engine::Outcome;
use canary_core::journal::NodeReport;
use serde_json::{Value, json};

use crate::figures::{self, figures};
use crate::notice::Notice;

/// The version of the body's form; grows when a field changes its meaning or goes away.
const VERSION: u64 = 1;
/// How many nodes' states a body holds at most; those that need a person come first.
const NODES: usize = 50;
/// How many characters a line of text has at most.
const LINE: usize = 1000;

/// The body of a notice.
pub(crate) fn body(notice: &Notice) -> Value {
    let (nodes, more) = nodes(&notice.nodes);
    json!({
        "v": VERSION,
        "id": notice.id,
        "type": notice.kind.as_str(),
        "timestamp": notice.time,
        "importance": notice.importance().as_str(),
        "good": notice.is_good(),
        "summary": cut(&notice.summary),
        "details": notice.details.iter().map(|line| cut(line)).collect::<Vec<_>>(),
        "recorded": notice.recorded,
        "late": notice.late,
        "data": {
            "service": notice.service,
            "pool": notice.pool,
            "environment": notice.environment,
            "host": notice.host,
            "rollout": notice.rollout,
            "purpose": notice.purpose,
            "actor": notice.actor,
            "reason": notice.reason,
            "canary": notice.canary,
            "artifact": notice.artifact,
            "previous": notice.previous,
            "outcome": notice.outcome_word(),
            "exit_code": notice.outcome.as_ref().map(Outcome::exit_code),
            "nodes": nodes,
            "nodes_left_out": more,
            "journal": notice.anchor,
            "decision": notice.decision.as_deref().map(|decided| figures(decided, LINE)),
        },
    })
}

/// The nodes' states, those with problems first, and how many were left out.
fn nodes(all: &[NodeReport]) -> (Vec<Value>, usize) {
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by_key(|node| node.problems.is_empty());
    let shown = sorted.iter().take(NODES).map(|node| {
        json!({
            "node": node.node,
            "installed": node.installed,
            "service": node.service,
            "admin": node.admin,
            "operational": node.operational,
            "problems": node.problems.iter().map(|line| cut(line)).collect::<Vec<_>>(),
        })
    });
    (shown.collect(), all.len().saturating_sub(NODES))
}

/// The start of a line of text.
pub(crate) fn cut(text: &str) -> String {
    figures::cut(text, LINE)
}

#[cfg(test)]
mod tests {
    use canary_core::journal::NodeReport;

    use super::*;
    use crate::testing;

    /// Follows the published schema as far as it is used there: types, required, no others.
    fn follows(schema: &Value, value: &Value, at: &str) {
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => panic!("{at}: the schema names no type"),
        };
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert!(types.contains(&found), "{at}: {found} is none of {types:?}");
        if let (Some(words), false) = (schema["enum"].as_array(), value.is_null()) {
            assert!(words.contains(value), "{at}: {value} is none of {words:?}");
        }
        if let Some(object) = value.as_object() {
            let known = schema["properties"].as_object().unwrap();
            let required: Vec<_> =
                schema["required"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
            assert_eq!(schema["additionalProperties"], false, "{at}");
            assert!(required.iter().all(|name| object.contains_key(*name)), "{at}: {required:?}");
            for (name, inner) in object {
                let schema = known.get(name).unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
                follows(schema, inner, &format!("{at}.{name}"));
            }
        }
        for inner in value.as_array().into_iter().flatten() {
            follows(&schema["items"], inner, &format!("{at}[]"));
        }
    }

    #[test]
    fn every_notice_follows_the_published_schema() {
        let schema: Value =
            serde_json::from_str(include_str!("../../docs/notification.schema.json")).unwrap();
        for notice in testing::notices() {
            follows(&schema, &body(&notice), notice.kind.as_str());
        }
        let kinds = &schema["properties"]["type"]["enum"];
        let all: Vec<_> = crate::notice::Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(*kinds, json!(all));
    }

    #[test]
    fn a_large_fleet_is_cut_and_its_problems_are_kept() {
        let mut notice = testing::ended();
        let report = |i: usize, problem: bool| NodeReport {
            node: canary_core::fleet::NodeId::new(format!("n{i}")).unwrap(),
            problems: if problem { vec!["unreachable".repeat(1000)] } else { Vec::new() },
            ..notice.nodes[0].clone()
        };
        notice.nodes = (0..1000).map(|i| report(i, i == 999)).collect();
        let body = body(&notice);
        assert_eq!(body["data"]["nodes"][0]["node"], "n999");
        assert_eq!(body["data"]["nodes_left_out"], 950);
        assert!(body.to_string().len() < 20_000);
    }
}
