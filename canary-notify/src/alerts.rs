//! Alerts for a Prometheus Alertmanager, by its API v2 (`POST /api/v2/alerts`, a list of alerts).
//!
//! An alert is known by its labels: those of one service's rollouts are always the same, so that the next good end resolves
//! what a bad one raised. The Alertmanager itself ends an alert at `endsAt`; nobody raises it again meanwhile.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::notice::{Importance, Kind, Notice};
use crate::webhook::cut;

/// Where alerts go, below the base address.
pub(crate) const PATH: &str = "/api/v2/alerts";
/// How long the alert of an end stays, when no good end resolves it.
const END_STAYS: Duration = Duration::from_secs(24 * 3600);
/// How long one of a rollout in progress stays: its end comes before, or nobody is left to tell it.
const PROBLEM_STAYS: Duration = Duration::from_secs(3600);
/// How long a test stays.
const TEST_STAYS: Duration = Duration::from_secs(60);

/// The alerts of a notice; `None` when it neither raises nor resolves one.
pub(crate) fn body(notice: &Notice) -> Option<Value> {
    let (ends, severity) = match (notice.kind, notice.importance(), notice.is_good()) {
        (Kind::Test, ..) => (notice.time.plus(TEST_STAYS), "info"),
        (Kind::CheckApproved, ..) => (notice.time, "info"),
        (Kind::CheckRolledBack, ..) => (notice.time.plus(END_STAYS), "critical"),
        (_, Importance::End, true) => (notice.time, "info"),
        (_, Importance::End, false) => (notice.time.plus(END_STAYS), "critical"),
        (_, _, false) => (notice.time.plus(PROBLEM_STAYS), "warning"),
        (_, _, true) => return None,
    };
    // A warning that becomes critical is another alert: resolved together, raised one by one.
    let severities: &[&str] = if ends == notice.time { &["warning", "critical"] } else { &[severity] };
    let alert = |severity: &&str| {
        json!({
            "labels": labels(notice, severity),
            "annotations": annotations(notice),
            "startsAt": notice.time,
            "endsAt": ends,
        })
    };
    Some(severities.iter().map(alert).collect())
}

fn labels(notice: &Notice, severity: &str) -> Value {
    let name = match (notice.kind, &notice.decision) {
        (Kind::Test, _) => "CanaryTest",
        (_, Some(_)) => "CanaryHealthCheck",
        (_, None) => "CanaryRollout",
    };
    let all = [
        ("alertname", name),
        ("severity", severity),
        ("service", &notice.service),
        ("pool", &notice.pool),
        ("environment", &notice.environment),
    ];
    // An empty label is no label to an Alertmanager.
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(k, v)| (k.to_owned(), v.into()))
        .collect::<Map<_, _>>()
        .into()
}

fn annotations(notice: &Notice) -> Value {
    let mut all = Map::new();
    let mut put = |key: &str, value: Option<String>| {
        all.extend(value.filter(|text| !text.is_empty()).map(|text| (key.to_owned(), text.into())));
    };
    put("summary", Some(cut(&notice.summary)));
    put("description", Some(cut(&notice.details.join("\n"))));
    put("event", Some(notice.kind.as_str().to_owned()));
    put("id", Some(notice.id.clone()));
    put("rollout", notice.rollout.as_ref().map(ToString::to_string));
    put("artifact", notice.artifact.map(|digest| digest.to_string()));
    put("actor", notice.actor.clone());
    put("host", Some(notice.host.clone()));
    put("anchor", notice.anchor.as_ref().map(ToString::to_string));
    all.into()
}

/// Whether an alert is over at `now`.
#[cfg(test)]
fn over(alert: &Value, now: canary_core::time::Timestamp) -> bool {
    alert["endsAt"].as_str().is_some_and(|ends| ends <= now.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use canary_core::engine::Outcome;

    use super::*;
    use crate::testing;

    fn end(outcome: Outcome) -> Notice {
        Notice { outcome: Some(outcome), ..testing::ended() }
    }

    #[test]
    fn a_bad_end_raises_what_the_next_good_one_resolves() {
        let raised = body(&end(Outcome::Stuck { reason: "r".to_owned() })).unwrap();
        let resolved = body(&end(Outcome::Completed { changed: true })).unwrap();
        let raised = &raised[0];
        assert!(!over(raised, testing::NOW.plus(Duration::from_secs(3600))), "{raised}");
        let same: Vec<_> =
            resolved.as_array().unwrap().iter().filter(|one| one["labels"] == raised["labels"]).collect();
        assert_eq!(same.len(), 1, "{resolved}");
        assert!(resolved.as_array().unwrap().iter().all(|one| over(one, testing::NOW)), "{resolved}");
        let problem = body(&Notice { kind: Kind::CanaryRed, outcome: None, ..testing::ended() }).unwrap();
        assert!(resolved.as_array().unwrap().iter().any(|one| one["labels"] == problem[0]["labels"]));
    }

    /// What the API's `postableAlert` asks for: labels with values, times in order, no others.
    #[test]
    fn every_alert_is_one_that_the_api_takes() {
        for notice in testing::notices() {
            let Some(Value::Array(alerts)) = body(&notice) else {
                assert!(
                    matches!(notice.kind, Kind::Started | Kind::Resumed | Kind::Asked),
                    "{:?}",
                    notice.kind
                );
                continue;
            };
            for alert in &alerts {
                let names: Vec<_> = alert.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(names, ["annotations", "endsAt", "labels", "startsAt"]);
                assert!(alert["startsAt"].as_str() <= alert["endsAt"].as_str());
                for part in ["labels", "annotations"] {
                    let part = alert[part].as_object().unwrap();
                    assert!(part.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())));
                }
                assert!(alert["labels"]["alertname"].is_string());
            }
        }
    }

    #[test]
    fn the_anchor_is_in_it() {
        let notice = testing::ended();
        let alerts = body(&notice).unwrap();
        let line = alerts[0]["annotations"]["anchor"].as_str().unwrap();
        assert_eq!(canary_core::journal::Anchor::find(line), notice.anchor);
    }
}
