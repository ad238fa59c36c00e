//! What a pod says: pure.

use k8s_openapi::api::core::v1::{ContainerState, Pod, PodCondition, PodStatus};
use kube::ResourceExt as _;

use crate::job::{CONTAINER, NOT_HEALTHY};
use crate::names::POD_INDEX;

/// Characters of the cluster's own words at most.
const LONGEST: usize = 200;

/// What a pod says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It has not begun; what stands in the way, where that is known.
    Waiting(Option<String>),
    /// It is at work.
    Running,
    /// It ended well and left this.
    Message(String),
    /// It ended otherwise, which says nothing about any tenant.
    Lost(String),
}

/// Which batch a pod has; `None` for a pod that is not of an Indexed Job.
pub(crate) fn index(pod: &Pod) -> Option<usize> {
    let label = pod.labels().get(POD_INDEX).or_else(|| pod.annotations().get(POD_INDEX));
    label?.parse().ok()
}

/// What it says.
pub(crate) fn said(pod: &Pod) -> Said {
    let none = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    let container = status.container_statuses.iter().flatten().find(|container| container.name == CONTAINER);
    let state = container.and_then(|container| container.state.as_ref());
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        let message = ended.message.as_deref().unwrap_or_default();
        return match (ended.exit_code, message) {
            (0, "") => Said::Lost("the probe ended without results".to_owned()),
            (0 | NOT_HEALTHY, message) if !message.is_empty() => Said::Message(message.to_owned()),
            (code, _) => {
                let reason = ended.reason.as_deref().unwrap_or("Error");
                let lost = disrupted(status).unwrap_or_else(|| format!("{reason}, exit code {code}"));
                Said::Lost(format!("the probe was cut short: {}", cut(&lost)))
            }
        };
    }
    if let Some(why) = disrupted(status) {
        return Said::Lost(format!("the pod was taken away: {}", cut(&why)));
    }
    if status.phase.as_deref() == Some("Failed") {
        return Said::Lost(format!("the pod failed: {}", cut(&words(&status.reason, &status.message))));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Said::Lost("the pod is being removed".to_owned());
    }
    if state.is_some_and(|state| state.running.is_some()) {
        return Said::Running;
    }
    Said::Waiting(waiting(status, state))
}

fn waiting(status: &PodStatus, state: Option<&ContainerState>) -> Option<String> {
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let harmless =
            matches!(waiting.reason.as_deref(), None | Some("ContainerCreating" | "PodInitializing"));
        return (!harmless).then(|| cut(&words(&waiting.reason, &waiting.message)));
    }
    let unscheduled = condition(status, "PodScheduled").filter(|found| found.status == "False");
    unscheduled.map(|found| cut(&words(&found.reason, &found.message)))
}

fn disrupted(status: &PodStatus) -> Option<String> {
    let found = condition(status, "DisruptionTarget").filter(|found| found.status == "True")?;
    Some(words(&found.reason, &found.message))
}

fn condition<'s>(status: &'s PodStatus, kind: &str) -> Option<&'s PodCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

/// `ImagePullBackOff: Back-off pulling image`.
pub(crate) fn words(reason: &Option<String>, message: &Option<String>) -> String {
    let parts: Vec<_> = [reason, message].into_iter().flatten().map(String::as_str).collect();
    if parts.is_empty() { "no reason is given".to_owned() } else { parts.join(": ") }
}

/// One line of bounded length: the cluster's words are others' words.
pub(crate) fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
