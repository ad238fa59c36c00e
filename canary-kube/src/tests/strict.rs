//! What the API server refuses, by the API reference of `batch/v1` and `v1` and "Object Names and IDs".

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A reason to refuse.
pub(super) type Refusal = Result<(), String>;

fn must(holds: bool, what: &str) -> Refusal {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// A DNS label (RFC 1123), which is stricter than the subdomain that most objects may have.
fn label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| plain(c) || c == '-')
        && name.starts_with(plain)
        && name.ends_with(plain)
}

fn labels(of: &Value) -> Refusal {
    for (key, value) in of.as_object().into_iter().flatten() {
        let (prefix, name) = key.split_once('/').unwrap_or(("x", key));
        let fine = |text: &str| {
            let ends = |c: char| c.is_ascii_alphanumeric();
            text.len() <= 63
                && text.chars().all(|c| ends(c) || "-_.".contains(c))
                && (text.is_empty() || (text.starts_with(ends) && text.ends_with(ends)))
        };
        must(prefix.split('.').all(label) && fine(name) && !name.is_empty(), &format!("label key {key:?}"))?;
        must(value.as_str().is_some_and(fine), &format!("label value {value}"))?;
    }
    Ok(())
}

/// Whether all fields are known ones of the right kind: what is read and written again is the same.
fn fields<T: Serialize + DeserializeOwned>(object: &Value) -> Refusal {
    let read: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    let again = serde_json::to_value(read).map_err(|error| error.to_string())?;
    must(again == *object, "strict decoding error: unknown field")
}

pub(super) fn job(job: &Value) -> Refusal {
    fields::<Job>(job)?;
    must(job["metadata"]["name"].as_str().is_some_and(label), "metadata.name")?;
    labels(&job["metadata"]["labels"])?;
    let spec = &job["spec"];
    let (completions, parallelism) = (spec["completions"].as_i64(), spec["parallelism"].as_i64());
    must(
        spec["completionMode"] == "Indexed" && completions.is_some_and(|count| count > 0),
        "completions: required when Indexed",
    )?;
    must(parallelism.is_some_and(|count| (1..=100_000).contains(&count)), "parallelism")?;
    // The hostname of a pod is the job's name and its index.
    let host =
        format!("{}-{}", job["metadata"]["name"].as_str().unwrap_or_default(), completions.unwrap_or(0) - 1);
    must(label(&host), "pod hostname")?;
    must(spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds > 0), "activeDeadlineSeconds")?;
    must(spec["ttlSecondsAfterFinished"] == 300, "ttlSecondsAfterFinished")?;
    must(spec["backoffLimitPerIndex"].as_i64().is_some_and(|limit| limit >= 0), "backoffLimitPerIndex")?;
    must(spec["suspend"] == true, "a job whose batches are not there yet begins")?;
    for rule in spec["podFailurePolicy"]["rules"].as_array().into_iter().flatten() {
        must(
            ["FailJob", "FailIndex", "Ignore", "Count"].iter().any(|action| rule["action"] == *action),
            "rule.action",
        )?;
        must(
            rule["onExitCodes"].is_null() != rule["onPodConditions"].is_null(),
            "one of onExitCodes and onPodConditions",
        )?;
        let codes = &rule["onExitCodes"];
        if !codes.is_null() {
            must(
                codes["containerName"] == spec["template"]["spec"]["containers"][0]["name"],
                "onExitCodes.containerName",
            )?;
            let values: Vec<_> = codes["values"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_i64)
                .collect();
            must(
                codes["operator"] == "In" && values.iter().all(|code| (1..=255).contains(code)),
                "onExitCodes.values",
            )?;
            must(!values.is_empty() && values.is_sorted(), "onExitCodes.values")?;
        }
        for pattern in rule["onPodConditions"].as_array().into_iter().flatten() {
            must(
                ["True", "False", "Unknown"].iter().any(|status| pattern["status"] == *status),
                "pattern.status",
            )?;
        }
    }
    template(&spec["template"])
}

fn template(template: &Value) -> Refusal {
    labels(&template["metadata"]["labels"])?;
    let spec = &template["spec"];
    // Demanded by backoffLimitPerIndex and podFailurePolicy both.
    must(spec["restartPolicy"] == "Never", "restartPolicy")?;
    let volumes: Vec<_> =
        spec["volumes"].as_array().into_iter().flatten().map(|volume| &volume["name"]).collect();
    let containers = spec["containers"].as_array().cloned().unwrap_or_default();
    must(containers.len() == 1, "one container")?;
    for container in &containers {
        must(container["name"].as_str().is_some_and(label), "container name")?;
        must(
            container["image"].as_str().is_some_and(|image| !image.is_empty() && image.trim() == image),
            "image",
        )?;
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            must(volumes.contains(&&mount["name"]), "a mount without its volume")?;
            must(mount["mountPath"].as_str().is_some_and(|path| !path.contains(':')), "mountPath")?;
        }
        for part in container["args"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let named =
                part.split("$(").skip(1).filter_map(|rest| rest.split_once(')')).map(|(name, _)| name);
            for name in named {
                let declared =
                    container["env"].as_array().into_iter().flatten().any(|env| env["name"] == *name);
                must(declared, "a variable that is not expanded")?;
            }
        }
        restricted(&container["securityContext"])?;
        must(container["terminationMessagePolicy"] == "File", "terminationMessagePolicy")?;
    }
    let pod = &spec["securityContext"];
    must(
        pod["runAsNonRoot"] == true && pod["seccompProfile"]["type"] == "RuntimeDefault",
        "the restricted profile",
    )?;
    must(pod["runAsUser"].as_i64().is_some_and(|user| user > 0), "runAsUser")?;
    must(spec["automountServiceAccountToken"] == false, "credentials in the pod")
}

/// The restricted profile of the Pod Security Standards.
fn restricted(context: &Value) -> Refusal {
    must(context["allowPrivilegeEscalation"] == false && context["privileged"] == false, "privileges")?;
    must(context["capabilities"]["drop"] == serde_json::json!(["ALL"]), "capabilities")?;
    must(context["capabilities"]["add"].is_null(), "capabilities")?;
    must(context["readOnlyRootFilesystem"] == true, "readOnlyRootFilesystem")
}

pub(super) fn config_map(map: &Value) -> Refusal {
    fields::<ConfigMap>(map)?;
    must(map["metadata"]["name"].as_str().is_some_and(label), "metadata.name")?;
    labels(&map["metadata"]["labels"])?;
    let mut total = 0;
    for (key, value) in map["data"].as_object().into_iter().flatten() {
        must(
            key.len() <= 253 && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
            "data key",
        )?;
        total += value.as_str().map_or(0, str::len);
    }
    must(total <= 1_048_576, "Too long: must have at most 1048576 bytes")
}
