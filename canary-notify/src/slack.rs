//! A Slack-compatible payload for incoming webhooks: `text` for the notification, blocks for the message.

use canary_core::journal::NodeReport;
use serde_json::{Value, json};

use crate::notice::{Importance, Notice};
use crate::webhook::cut;

/// How many nodes are listed.
const NODES: usize = 10;
/// A section's text may have 3000 characters; escaping makes it longer, so each part is cut well before.
const DETAILS: usize = 2000;

/// The body of a notice.
pub(crate) fn body(notice: &Notice) -> Value {
    let headline = headline(notice);
    let mut blocks =
        vec![section(&format!("{} *{}*\n{}", sign(notice), headline, escape(&cut(&notice.summary))))];
    let mut lines: Vec<_> = notice.details.iter().map(|line| line.replace('`', "'")).collect();
    lines.extend(notice.nodes.iter().take(NODES).map(node));
    if notice.nodes.len() > NODES {
        lines.push(format!("and {} more nodes", notice.nodes.len() - NODES));
    }
    if !lines.is_empty() {
        let text: String = lines.join("\n").chars().take(DETAILS).collect();
        // Escaped after the cut, so that no entity is cut in two; the limit holds for all but absurd texts.
        let escaped = escape(&text);
        let fits = if escaped.chars().count() > 2900 {
            escape(&text.replace(['&', '<', '>'], "?"))
        } else {
            escaped
        };
        blocks.push(section(&format!("```{fits}```")));
    }
    let mut elements = vec![json!({ "type": "mrkdwn", "text": context(notice) })];
    let anchor = notice.anchor.as_ref();
    elements.extend(anchor.map(|anchor| json!({ "type": "mrkdwn", "text": escape(&anchor.to_string()) })));
    blocks.push(json!({ "type": "context", "elements": elements }));
    json!({ "text": format!("{headline}: {}", escape(&cut(&notice.summary))), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

fn sign(notice: &Notice) -> &'static str {
    match (notice.is_good(), notice.importance()) {
        (true, Importance::End) => ":white_check_mark:",
        (true, _) => ":information_source:",
        (false, Importance::End) => ":x:",
        (false, _) => ":warning:",
    }
}

/// `api (production)`; the summary says the rest.
fn headline(notice: &Notice) -> String {
    format!("{} ({})", escape(&notice.service), escape(&notice.environment))
}

fn node(report: &NodeReport) -> String {
    let word = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    let mut line = format!(
        "{}  {}  service {}  balancer {}",
        report.node,
        word(report.installed.map(|digest| digest.short())),
        word(report.service.map(|state| state.to_string())),
        word(report.admin.map(|state| state.to_string())),
    );
    for problem in &report.problems {
        line.push_str(&format!("  {}", problem.replace('`', "'")));
    }
    line
}

fn context(notice: &Notice) -> String {
    let mut parts = Vec::new();
    parts.extend(notice.rollout.as_ref().map(|rollout| format!("rollout {rollout}")));
    parts.extend(notice.artifact.map(|digest| format!("artifact {}", digest.short())));
    parts.extend(notice.actor.as_ref().map(|actor| format!("by {actor}")));
    parts.extend(notice.reason.as_ref().map(|reason| format!("because: {reason}")));
    parts.push(format!("on {}", notice.host));
    parts.push(notice.time.to_string());
    if notice.late {
        parts.push("delivered late".to_owned());
    }
    if !notice.recorded && notice.rollout.is_some() {
        parts.push("not in the journal".to_owned());
    }
    escape(&cut(&parts.join(" · ")))
}

/// The three characters that Slack reads as its own: mentions and links cannot be written from outside.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn texts(value: &Value, all: &mut Vec<String>) {
        match value {
            Value::String(text) => all.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
            Value::Object(fields) => fields.values().for_each(|field| texts(field, all)),
            _ => {}
        }
    }

    #[test]
    fn an_end_names_outcome_reason_and_nodes() {
        let body = body(&testing::ended());
        assert_eq!(body["text"], "api (production): rolled back: error_ratio 0.05 (bound &lt; 0.005)");
        let mut all = Vec::new();
        texts(&body, &mut all);
        let all = all.join("\n");
        for word in [
            ":x:",
            "b1",
            "rollout 20240115T143210Z-00000007",
            "by ada",
            "artifact ",
            "canary-anchor log=0707",
        ] {
            assert!(all.contains(word), "no {word} in {all}");
        }
    }

    #[test]
    fn nothing_from_outside_is_a_mention_a_link_or_a_way_out_of_the_code() {
        let mut notice = testing::ended();
        let hostile = "<!channel> <https://evil|here> & ``` *";
        notice.summary = hostile.repeat(400);
        notice.details = vec![hostile.repeat(400)];
        notice.reason = Some(hostile.to_owned());
        let body = body(&notice);
        let mut all = Vec::new();
        texts(&body, &mut all);
        for text in &all {
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            assert!(text.chars().count() <= 3000 + 2000, "{}", text.chars().count());
        }
        let code = body["blocks"][1]["text"]["text"].as_str().unwrap();
        assert_eq!(code.matches("```").count(), 2, "{code}");
        assert!(code.chars().count() <= 3000);
    }
}
