//! A notice as an event: bodies of Events v2 and v1 that hold the documented limits whatever is in the notice.

use canary_notify::{Importance, Kind, Notice, cut, figures};
use serde_json::{Map, Value, json};

/// The longest title, in characters.
const TITLE: usize = 500;
/// The longest message.
const MESSAGE: usize = 4000;
/// The longest aggregation key, and the longest name of a resource, which may be 128.
const NAME: usize = 100;
/// The longest tag.
const TAG: usize = 200;
/// The longest host.
const HOST: usize = 255;
/// How much of the message nodes and details have, so that the anchor's line always fits behind them.
const WORDS: usize = MESSAGE - 300;
/// The longest text within the metadata.
const VALUE: usize = 500;
/// How old an event may be, in milliseconds: Datadog refuses what is older than 18 hours.
pub(crate) const OLDEST_MS: u64 = 18 * 3600 * 1000;

/// The body of `POST /api/v2/events`: a change of the service's configuration, which is the category for what somebody did.
pub(crate) fn v2(notice: &Notice) -> Value {
    let mut attributes = json!({
        "changed_resource": { "name": cut(&notice.service, NAME), "type": "configuration" },
        "impacted_resources": [{ "name": cut(&notice.service, NAME), "type": "service" }],
        "change_metadata": metadata(notice),
    });
    if let Some(actor) = notice.actor.as_ref().filter(|actor| !actor.is_empty()) {
        attributes["author"] = json!({ "name": cut(actor, NAME), "type": "user" });
    }
    for (key, digest) in [("new_value", notice.artifact), ("prev_value", notice.previous)] {
        if let Some(digest) = digest {
            attributes[key] = json!({ "sha256": digest });
        }
    }
    json!({ "data": { "type": "event", "attributes": {
        "title": title(notice),
        "message": message(notice),
        "category": "change",
        "integration_id": "custom-events",
        "tags": tags(notice),
        "aggregation_key": aggregation_key(notice),
        "timestamp": notice.time,
        "host": cut(&notice.host, HOST),
        "attributes": attributes,
    } } })
}

/// The body of `POST /api/v1/events`, for accounts and proxies that have no v2.
pub(crate) fn v1(notice: &Notice) -> Value {
    let kind = match (notice.is_good(), notice.importance()) {
        (true, Importance::End) => "success",
        (true, _) => "info",
        (false, Importance::End) => "error",
        (false, _) => "warning",
    };
    json!({
        "title": title(notice),
        "text": message(notice),
        "tags": tags(notice),
        "aggregation_key": aggregation_key(notice),
        "date_happened": notice.time.as_millis() / 1000,
        "alert_type": kind,
        "host": cut(&notice.host, HOST),
    })
}

fn title(notice: &Notice) -> String {
    cut(&format!("{} ({}): {}", notice.service, notice.environment, notice.summary), TITLE)
}

fn message(notice: &Notice) -> String {
    let mut lines = vec![format!("{}: {}", notice.kind.as_str(), notice.summary)];
    lines.extend(notice.details.iter().cloned());
    for node in &notice.nodes {
        let word = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
        lines.push(format!(
            "{}: {}, balancer {}{}",
            node.node,
            word(node.installed.map(|digest| digest.short())),
            word(node.admin.map(|state| state.to_string())),
            node.problems.iter().map(|problem| format!("; {problem}")).collect::<String>(),
        ));
    }
    let mut text = cut(&lines.join("\n"), WORDS);
    if let Some(anchor) = &notice.anchor {
        text.push_str(&format!("\n{anchor}"));
    }
    text
}

/// Names what was asked about for good: whoever has seen number and hash of a record has seen the event.
fn tags(notice: &Notice) -> Vec<String> {
    let mut tags = vec![
        format!("service:{}", notice.service),
        format!("env:{}", notice.environment),
        format!("pool:{}", notice.pool),
        format!("canary_event:{}", notice.kind.as_str()),
        format!("canary_id:{}", notice.id),
        "source:canary".to_owned(),
    ];
    if let Some(decided) = &notice.decision {
        tags.push(format!("decision:{}", decided.ruling.decision.as_str().to_lowercase()));
        tags.extend(decided.ruling.version.iter().map(|version| format!("version:{version}")));
    }
    tags.extend(notice.outcome_word().map(|word| format!("outcome:{word}")));
    tags.extend(notice.rollout.as_ref().map(|rollout| format!("canary_rollout:{rollout}")));
    if let Some(anchor) = &notice.anchor {
        tags.push(format!("canary_seq:{}", anchor.seq));
        tags.push(format!("canary_hash:{}", anchor.hash));
    }
    if notice.late {
        tags.push("late:true".to_owned());
    }
    tags.into_iter().map(|tag| cut(&tag.replace(char::is_whitespace, "_"), TAG)).collect()
}

fn aggregation_key(notice: &Notice) -> String {
    let rollout = notice.rollout.as_ref().map(ToString::to_string);
    let execution = || notice.decision.as_ref().map(|decided| decided.execution.clone());
    cut(&rollout.or_else(execution).unwrap_or_else(|| notice.id.clone()), NAME)
}

/// What programs read: counts, digests, and which record it is. Never near 100 properties.
fn metadata(notice: &Notice) -> Value {
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            all.insert(key.to_owned(), value);
        }
    };
    put("event", notice.kind.as_str().into());
    put("id", notice.id.clone().into());
    put("recorded", notice.recorded.into());
    put("rollout", json!(notice.rollout));
    put("purpose", json!(notice.purpose));
    put("reason", json!(notice.reason.as_ref().map(|reason| cut(reason, VALUE))));
    put("canary", json!(notice.canary));
    put("outcome", json!(notice.outcome_word()));
    put("exit_code", json!(notice.outcome.as_ref().map(canary_core::engine::Outcome::exit_code)));
    if notice.kind == Kind::Ended {
        put("nodes", notice.nodes.len().into());
        put(
            "nodes_with_problems",
            notice.nodes.iter().filter(|node| !node.problems.is_empty()).count().into(),
        );
    }
    if let Some(decided) = &notice.decision {
        let mut figures = figures(decided, NAME);
        figures["gaps"] = json!(decided.ruling.gaps);
        put("decision", figures);
    }
    if let Some(anchor) = &notice.anchor {
        put("log", anchor.log.clone().into());
        put("seq", anchor.seq.into());
        put("hash", json!(anchor.hash));
    }
    all.into()
}
