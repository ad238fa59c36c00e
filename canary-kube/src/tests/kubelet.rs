//! The nodes and the Job controller of the cluster in memory: what becomes of pods.

use serde_json::{Value, json};

use super::cluster::Objects;

/// The bytes of a termination message that are kept.
const MESSAGE: usize = 4096;

/// How a pod ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Well, with this message.
    Well(String),
    /// With this message and the exit code that says that not all tenants are healthy.
    Unhealthy(String),
    /// With another exit code, and why.
    Exit(i64, &'static str),
    /// By the node: it does not count.
    Evicted,
    /// It never begins, for this reason and message.
    Stuck(&'static str, &'static str),
    /// No node takes it.
    Unschedulable,
    /// It never ends.
    Endless,
}

/// Decides how the pod of a batch (its JSON) ends, by index and attempt.
pub(super) type Script = Box<dyn FnMut(usize, usize, &str) -> End + Send>;

/// One step of time: what runs ends, what waits begins, what failed is replaced. Gives the pods that changed.
pub(super) fn step(objects: &mut Objects, script: &mut Script) -> Vec<Value> {
    let mut changed = Vec::new();
    let names: Vec<_> = objects.jobs.keys().cloned().collect();
    for name in names {
        let Some(job) = objects.jobs.get(&name).cloned() else { continue };
        if job["spec"]["suspend"] == true || !job["status"]["conditions"].is_null() {
            continue;
        }
        let completions = usize::try_from(job["spec"]["completions"].as_u64().unwrap_or(0)).unwrap_or(0);
        let parallelism = usize::try_from(job["spec"]["parallelism"].as_u64().unwrap_or(0)).unwrap_or(0);
        let limit = job["spec"]["backoffLimitPerIndex"].as_u64().unwrap_or(0);
        changed.extend(proceed(objects, &name, script));
        let mut failed = false;
        let mut active =
            objects.pods.values().filter(|pod| pod["metadata"]["job"] == *name && live(pod)).count();
        for index in 0..completions {
            let pods = objects.pods_of(&name, index);
            let counted = pods.iter().filter(|pod| phase(pod) == "Failed" && !disrupted(pod)).count() as u64;
            if pods.iter().any(|pod| phase(pod) == "Succeeded" || live(pod)) || active >= parallelism {
                continue;
            }
            // The job's policy for exit code 1: the index has failed, and has no other pod.
            let answered = pods
                .iter()
                .any(|pod| pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1);
            if counted > limit || answered {
                failed = true;
                continue;
            }
            let attempt = pods.len();
            changed.push(objects.add_pod(&name, index, attempt));
            active += 1;
        }
        let done = (0..completions)
            .all(|index| objects.pods_of(&name, index).iter().any(|pod| phase(pod) == "Succeeded"));
        if done {
            objects.condition(&name, "Complete", "CompletionsReached", "");
        } else if failed && active == 0 {
            objects.condition(&name, "Failed", "FailedIndexes", "Job has failed indexes");
        }
    }
    changed
}

fn phase(pod: &Value) -> &str {
    pod["status"]["phase"].as_str().unwrap_or_default()
}

fn live(pod: &Value) -> bool {
    matches!(phase(pod), "Pending" | "Running")
}

fn disrupted(pod: &Value) -> bool {
    pod["status"]["conditions"].as_array().into_iter().flatten().any(|one| one["type"] == "DisruptionTarget")
}

/// What becomes of the pods that there are.
fn proceed(objects: &mut Objects, job: &str, script: &mut Script) -> Vec<Value> {
    let mut changed = Vec::new();
    let names: Vec<_> = objects
        .pods
        .iter()
        .filter(|(_, pod)| pod["metadata"]["job"] == *job && live(pod))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let Some(pod) = objects.pods.get(&name).cloned() else { continue };
        let index = usize::try_from(pod["metadata"]["index"].as_u64().unwrap_or(0)).unwrap_or(0);
        let attempt = usize::try_from(pod["metadata"]["attempt"].as_u64().unwrap_or(0)).unwrap_or(0);
        // A pod whose volume is not there is being created for ever.
        let Some(batch) = objects.batch(job, index) else { continue };
        let status = match (script(index, attempt, &batch), phase(&pod)) {
            (End::Stuck(reason, message), _) => {
                json!({ "phase": "Pending", "containerStatuses": container(&json!({ "waiting": { "reason": reason, "message": message } })) })
            }
            (End::Unschedulable, _) => {
                let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available" });
                json!({ "phase": "Pending", "conditions": [condition] })
            }
            (_, "Pending") | (End::Endless, _) => {
                json!({ "phase": "Running", "containerStatuses": container(&json!({ "running": {} })) })
            }
            (End::Well(message), _) => ended("Succeeded", 0, "Completed", &message),
            (End::Unhealthy(message), _) => ended("Failed", 1, "Error", &message),
            (End::Exit(code, reason), _) => ended("Failed", code, reason, ""),
            (End::Evicted, _) => {
                let condition = json!({ "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": "node was low on memory" });
                json!({ "phase": "Failed", "reason": "Evicted", "conditions": [condition] })
            }
        };
        changed.extend(objects.set_status(&name, status));
    }
    changed
}

fn ended(phase: &str, code: i64, reason: &str, message: &str) -> Value {
    let kept: String =
        String::from_utf8_lossy(&message.as_bytes()[..message.len().min(MESSAGE)]).into_owned();
    let state = json!({ "terminated": { "exitCode": code, "reason": reason, "message": kept } });
    json!({ "phase": phase, "containerStatuses": container(&state) })
}

fn container(state: &Value) -> Value {
    json!([{ "name": "probe", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state }])
}
