//! CDEvents 0.5.0 in the HTTP binding of `CloudEvents` 1.0, binary mode: the context in `ce-` headers, the whole event
//! in the body (`CloudEvents` Binding for `CDEvents`, structured content).
//!
//! What has a type of its own there gets it: `service.deployed`, `.upgraded`, `.rolledback` (all 0.3.0) for what the
//! fleet runs after the end, `incident.detected` (0.3.0) for what needs a person. The rest are custom events,
//! `dev.cdeventsx.canary-rollout.<predicate>.0.1.0` and, for decisions, `dev.cdeventsx.canary-healthcheck.<predicate>.0.1.0`.

use canary_core::engine::Outcome;
use canary_core::fleet::Digest;
use canary_core::plan::Purpose;
use serde_json::{Value, json};

use crate::notice::{Kind, Notice};
use crate::webhook;

/// The version of `CDEvents` that events follow.
const SPEC: &str = "0.5.0";

/// An event: its headers and its body.
pub(crate) struct CdEvent {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

/// The event of a notice.
pub(crate) fn event(notice: &Notice, source: &str) -> CdEvent {
    let (kind, subject) = match shape(notice) {
        Shape::Service(predicate, artifact) => {
            let content =
                json!({ "environment": { "id": notice.environment }, "artifactId": purl(notice, artifact) });
            (
                format!("dev.cdevents.service.{predicate}.0.3.0"),
                json!({ "id": notice.service, "source": source, "content": content }),
            )
        }
        Shape::Incident => ("dev.cdevents.incident.detected.0.3.0".to_owned(), incident(notice, source)),
        Shape::Custom(predicate) => {
            let content =
                json!({ "service": { "id": notice.service }, "environment": { "id": notice.environment } });
            let id = notice.rollout.as_ref().map_or_else(|| notice.id.clone(), ToString::to_string);
            let subject = if notice.decision.is_some() { "healthcheck" } else { "rollout" };
            (
                format!("dev.cdeventsx.canary-{subject}.{predicate}.0.1.0"),
                json!({ "id": id, "source": source, "content": content }),
            )
        }
    };
    let headers = vec![
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", notice.id.clone()),
        ("ce-source", source.to_owned()),
        ("ce-type", kind.clone()),
        ("ce-subject", subject["id"].as_str().unwrap_or_default().to_owned()),
        ("ce-time", notice.time.to_string()),
    ];
    let body = json!({
        "context": {
            "specversion": SPEC,
            "id": notice.id,
            "source": source,
            "type": kind,
            "timestamp": notice.time,
        },
        "subject": subject,
        "customData": webhook::body(notice),
        "customDataContentType": "application/json",
    });
    CdEvent { headers, body }
}

enum Shape {
    /// What the service runs from now on.
    Service(&'static str, Digest),
    /// Somebody should look.
    Incident,
    /// What `CDEvents` has no word for.
    Custom(&'static str),
}

fn shape(notice: &Notice) -> Shape {
    let ended = match (notice.kind, &notice.outcome) {
        (Kind::Ended, Some(outcome)) => outcome,
        (Kind::CanaryRed | Kind::HoldExpired | Kind::JournalLost, _) => return Shape::Incident,
        (kind, _) => return Shape::Custom(predicate(kind)),
    };
    match (ended, notice.purpose, notice.artifact, notice.previous) {
        (Outcome::Completed { changed: true }, Some(Purpose::RollBack), Some(artifact), _) => {
            Shape::Service("rolledback", artifact)
        }
        (Outcome::Completed { changed: true }, _, Some(artifact), Some(_)) => {
            Shape::Service("upgraded", artifact)
        }
        (Outcome::Completed { changed: true }, _, Some(artifact), None) => {
            Shape::Service("deployed", artifact)
        }
        (Outcome::RolledBack { .. }, _, _, Some(previous)) => Shape::Service("rolledback", previous),
        (Outcome::Completed { .. }, ..) => Shape::Custom("completed"),
        (Outcome::Refused { .. }, ..) => Shape::Custom("refused"),
        (Outcome::RolledBack { .. }, ..) => Shape::Custom("rolledback"),
        (Outcome::Interrupted { .. }, ..) => Shape::Custom("interrupted"),
        (Outcome::Halted { .. } | Outcome::Inconclusive { .. } | Outcome::Stuck { .. }, ..) => {
            Shape::Incident
        }
    }
}

const fn predicate(kind: Kind) -> &'static str {
    match kind {
        Kind::Started => "started",
        Kind::Resumed => "resumed",
        Kind::GateRefused => "gaterefused",
        Kind::GateUndecided => "gateundecided",
        Kind::GateForced => "gateforced",
        Kind::Holding | Kind::HoldExpired => "holding",
        Kind::Waiting => "waiting",
        Kind::GoingBack => "goingback",
        Kind::Asked => "asked",
        Kind::CheckApproved => "approved",
        Kind::CheckHalted => "halted",
        Kind::CheckRolledBack => "rolledback",
        Kind::CanaryRed | Kind::JournalLost | Kind::Ended => "reported",
        Kind::Test => "tested",
    }
}

fn incident(notice: &Notice, source: &str) -> Value {
    let mut content = json!({
        "description": webhook::cut(&notice.summary),
        "environment": { "id": notice.environment },
        "service": { "id": notice.service },
    });
    if let Some(artifact) = notice.artifact {
        content["artifactId"] = purl(notice, artifact).into();
    }
    json!({ "id": notice.id, "source": source, "content": content })
}

/// A package URL of the type `generic`, with the digest as its version, so that it names one binary and no other.
fn purl(notice: &Notice, artifact: Digest) -> String {
    format!("pkg:generic/{}@sha256%3A{artifact}", notice.service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn kind_of(notice: &Notice) -> String {
        event(notice, "/canary/deploy").body["context"]["type"].as_str().unwrap().to_owned()
    }

    #[test]
    fn each_end_has_the_type_that_fits() {
        let reason = || "r".to_owned();
        let ends = [
            (Outcome::Completed { changed: true }, "dev.cdevents.service.upgraded.0.3.0"),
            (Outcome::Completed { changed: false }, "dev.cdeventsx.canary-rollout.completed.0.1.0"),
            (Outcome::RolledBack { reason: reason() }, "dev.cdevents.service.rolledback.0.3.0"),
            (Outcome::Refused { reasons: vec![] }, "dev.cdeventsx.canary-rollout.refused.0.1.0"),
            (Outcome::Halted { reason: reason() }, "dev.cdevents.incident.detected.0.3.0"),
            (Outcome::Stuck { reason: reason() }, "dev.cdevents.incident.detected.0.3.0"),
            (Outcome::Interrupted { at: reason() }, "dev.cdeventsx.canary-rollout.interrupted.0.1.0"),
        ];
        for (outcome, expected) in ends {
            let notice = Notice { outcome: Some(outcome), ..testing::ended() };
            assert_eq!(kind_of(&notice), expected);
        }
        let first = Notice {
            outcome: Some(Outcome::Completed { changed: true }),
            previous: None,
            ..testing::ended()
        };
        assert_eq!(kind_of(&first), "dev.cdevents.service.deployed.0.3.0");
        let back = Notice { purpose: Some(Purpose::RollBack), ..first };
        assert_eq!(kind_of(&back), "dev.cdevents.service.rolledback.0.3.0");
    }

    /// What the schemas of `CDEvents` 0.5.0 ask for: these fields and no others.
    #[test]
    fn every_event_has_the_fields_of_its_schema() {
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for notice in testing::notices() {
            let CdEvent { headers, body } = event(&notice, "/canary/deploy");
            assert_eq!(names(&body), ["context", "customData", "customDataContentType", "subject"]);
            assert_eq!(names(&body["context"]), ["id", "source", "specversion", "timestamp", "type"]);
            assert_eq!(names(&body["subject"]), ["content", "id", "source"]);
            assert_eq!(body["context"]["specversion"], "0.5.0");
            let kind = body["context"]["type"].as_str().unwrap();
            let content = names(&body["subject"]["content"]);
            if kind.starts_with("dev.cdevents.service.") {
                assert_eq!(content, ["artifactId", "environment"]);
                assert!(
                    body["subject"]["content"]["environment"]["id"].as_str().is_some_and(|id| !id.is_empty())
                );
            } else if kind.starts_with("dev.cdevents.incident.") {
                assert!(content.iter().all(|name| {
                    ["artifactId", "description", "environment", "service"].contains(&name.as_str())
                }));
            } else {
                let subject = if notice.decision.is_some() { "healthcheck" } else { "rollout" };
                assert!(kind.starts_with(&format!("dev.cdeventsx.canary-{subject}.")), "{kind}");
            }
            // The binding: the CloudEvent repeats id, source, type, subject and time of the CDEvent.
            let header = |name: &str| headers.iter().find(|(n, _)| *n == name).unwrap().1.clone();
            for (name, field) in
                [("ce-id", "id"), ("ce-source", "source"), ("ce-type", "type"), ("ce-time", "timestamp")]
            {
                assert_eq!(header(name), body["context"][field]);
            }
            assert_eq!(header("ce-subject"), body["subject"]["id"]);
            assert_eq!(header("ce-specversion"), "1.0");
        }
    }

    #[test]
    fn an_artifact_is_named_by_its_whole_digest() {
        let notice = Notice { outcome: Some(Outcome::Completed { changed: true }), ..testing::ended() };
        let body = event(&notice, "/canary/deploy").body;
        let expected = format!("pkg:generic/api@sha256%3A{}", notice.artifact.unwrap());
        assert_eq!(body["subject"]["content"]["artifactId"], expected);
    }
}
