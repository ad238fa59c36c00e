//! Events: what the documentation of Events v2 and v1 takes.

use std::time::SystemTime;

use canary_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::http::Answer;

/// The oldest that an event may be.
const OLDEST: u64 = 18 * 3600 * 1000;

/// `POST /api/v2/events`.
pub(super) fn v2(body: &Value) -> Answer {
    match event_v2(body) {
        Ok(()) => Answer {
            status: 202,
            body: json!({ "data": { "type": "event", "attributes": { "attributes": { "evt": { "id": "1", "uid": "u" } } } } }),
        },
        Err(why) => Answer::refused(400, why),
    }
}

/// `POST /api/v1/events`.
pub(super) fn v1(body: &Value) -> Answer {
    match event_v1(body) {
        Ok(()) => Answer { status: 202, body: json!({ "status": "ok", "event": { "id": 1 } }) },
        Err(why) => Answer::refused(400, why),
    }
}

fn event_v2(body: &Value) -> Result<(), String> {
    only(body, "body", &["data"])?;
    let data = only(&body["data"], "data", &["type", "attributes"])?;
    if data.get("type") != Some(&json!("event")) {
        return Err("data.type is not event".to_owned());
    }
    let known = [
        "title",
        "message",
        "category",
        "integration_id",
        "tags",
        "aggregation_key",
        "timestamp",
        "host",
        "attributes",
    ];
    let event = &body["data"]["attributes"];
    only(event, "attributes", &known)?;
    text(event, "title", 500, true)?;
    text(event, "message", 4000, false)?;
    text(event, "aggregation_key", 100, false)?;
    text(event, "host", 255, false)?;
    tags(event)?;
    if event.get("integration_id").is_some_and(|id| id != "custom-events") {
        return Err("integration_id is not custom-events".to_owned());
    }
    if let Some(time) = event.get("timestamp") {
        let time: Timestamp =
            serde_json::from_value(time.clone()).map_err(|_| "timestamp is not ISO 8601")?;
        young(time.as_millis())?;
    }
    match event["category"].as_str() {
        Some("change") => change(&event["attributes"]),
        Some("alert") => {
            only(&event["attributes"], "attributes", &["custom", "links", "priority", "status"]).map(drop)
        }
        _ => Err("category is neither change nor alert".to_owned()),
    }
}

fn change(attributes: &Value) -> Result<(), String> {
    let known =
        ["author", "change_metadata", "changed_resource", "impacted_resources", "new_value", "prev_value"];
    let all = only(attributes, "attributes", &known)?;
    let resource = &attributes["changed_resource"];
    only(resource, "changed_resource", &["name", "type"])?;
    text(resource, "name", 128, true)?;
    if !matches!(resource["type"].as_str(), Some("feature_flag" | "configuration")) {
        return Err("changed_resource.type is neither feature_flag nor configuration".to_owned());
    }
    if let Some(author) = all.get("author") {
        only(author, "author", &["name", "type"])?;
        text(author, "name", 128, true)?;
        if !matches!(author["type"].as_str(), Some("user" | "system" | "api" | "automation")) {
            return Err("author.type is none".to_owned());
        }
    }
    if let Some(impacted) = all.get("impacted_resources") {
        let impacted = impacted.as_array().ok_or("impacted_resources is no list")?;
        if impacted.len() > 100
            || impacted.iter().any(|one| one["type"] != "service" || !one["name"].is_string())
        {
            return Err("impacted_resources: at most 100, each a service".to_owned());
        }
    }
    for name in ["change_metadata", "new_value", "prev_value"] {
        let Some(value) = all.get(name) else { continue };
        let map = value.as_object().ok_or_else(|| format!("{name} is no object"))?;
        if map.len() > 100 || depth(value) > 10 {
            return Err(format!("{name}: at most 100 properties and 10 levels"));
        }
    }
    Ok(())
}

fn event_v1(body: &Value) -> Result<(), String> {
    let known = [
        "title",
        "text",
        "tags",
        "alert_type",
        "aggregation_key",
        "date_happened",
        "host",
        "priority",
        "source_type_name",
        "device_name",
        "related_event_id",
    ];
    let all = only(body, "body", &known)?;
    text(body, "title", 500, true)?;
    text(body, "text", 4000, true)?;
    text(body, "aggregation_key", 100, false)?;
    tags(body)?;
    let kinds = ["error", "warning", "info", "success", "user_update", "recommendation", "snapshot"];
    if all.get("alert_type").is_some_and(|kind| !kinds.iter().any(|one| kind == one)) {
        return Err("alert_type is none".to_owned());
    }
    match all.get("date_happened").map(Value::as_u64) {
        None => Ok(()),
        Some(Some(seconds)) => young(seconds * 1000),
        Some(None) => Err("date_happened is no integer".to_owned()),
    }
}

fn only<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let map = value.as_object().ok_or_else(|| format!("{what} is no object"))?;
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{what}: additional property {key} is not allowed")),
        None => Ok(map),
    }
}

fn text(value: &Value, key: &str, most: usize, needed: bool) -> Result<(), String> {
    match &value[key] {
        Value::Null if !needed => Ok(()),
        Value::String(text) if text.chars().count() <= most && !(needed && text.is_empty()) => Ok(()),
        Value::String(_) => Err(format!("{key} is empty or longer than {most}")),
        _ => Err(format!("{key} is no text")),
    }
}

fn tags(value: &Value) -> Result<(), String> {
    let Some(tags) = value.get("tags") else { return Ok(()) };
    let fits = |tag: &Value| tag.as_str().is_some_and(|tag| !tag.is_empty() && tag.chars().count() <= 200);
    match tags.as_array() {
        Some(tags) if tags.len() <= 100 && tags.iter().all(fits) => Ok(()),
        _ => Err("tags: at most 100, each of at most 200 characters".to_owned()),
    }
}

fn young(ms: u64) -> Result<(), String> {
    let now = Timestamp::from(SystemTime::now()).as_millis();
    if now.saturating_sub(ms) > OLDEST { Err("the event is older than 18 hours".to_owned()) } else { Ok(()) }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
