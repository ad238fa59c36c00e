//! Names, parcels, settings, and the message at its limit.

use canary_tenants::probe::{ProbeBatch, ProbeResult, Try, TryEnd, Verdict, brief, read_brief};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::strict;
use crate::job::{Order, job, parcel};
use crate::names::Names;
use crate::parcels::{PARCEL, PARCELS, pack};
use crate::pods::{Said, said};
use crate::{Settings, SettingsError};

fn order(execution: &str, completions: usize) -> Order {
    Order {
        names: Names::new(execution, "owner", [0xab; 8]),
        execution: execution.to_owned(),
        completions,
        parallelism: 5,
        parcels: 2,
        active: std::time::Duration::from_millis(500),
        until: 1,
    }
}

#[test]
fn objects_are_valid_whatever_the_execution_is_called() {
    let settings =
        Settings::new("probes", "canary-probe:1", "owner").unwrap().with_service_account("prober").unwrap();
    for execution in
        ["canary-2024-01-15T14:32:10Z-k7x2p", "", "ÄÖÜ/../\n\u{0}", &"x".repeat(5000), "-Upper.Case-"]
    {
        let order = order(execution, 99_999);
        let value = serde_json::to_value(job(&order, &settings)).unwrap();
        assert_eq!(strict::job(&value), Ok(()), "{execution:?}");
        assert_eq!(value["metadata"]["annotations"]["canary-probe/execution"], execution);
        let map = parcel(&order, 15, [("batch-0.json".to_owned(), "{}".to_owned())].into(), "uid");
        assert_eq!(strict::config_map(&serde_json::to_value(map).unwrap()), Ok(()), "{execution:?}");
    }
    assert_ne!(Names::new("a", "o", [1; 8]), Names::new("a", "o", [2; 8]), "two starts of one execution");
}

#[test]
fn a_job_as_it_is_sent() {
    let settings = Settings::new("probes", "canary-probe:1", "owner").unwrap();
    let value = serde_json::to_value(job(&order("e", 25), &settings)).unwrap();
    let spec = &value["spec"];
    let brief = json!({
        "activeDeadlineSeconds": 1, "backoffLimitPerIndex": 1, "completionMode": "Indexed", "completions": 25, "parallelism": 5,
        "podFailurePolicy": { "rules": [
            { "action": "FailIndex", "onExitCodes": { "containerName": "probe", "operator": "In", "values": [1] } },
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
        ] },
        "suspend": true, "ttlSecondsAfterFinished": 300, "template": spec["template"],
    });
    assert_eq!(*spec, brief);
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(
        container["args"],
        json!(["/batches/batch-$(PROBE_INDEX).json", "--brief", "/dev/termination-log"])
    );
}

#[test]
fn settings_that_the_api_server_would_refuse_are_refused_here() {
    for namespace in ["", "Upper", "-a", "a-", "a.b", "a b", "ä", &"x".repeat(64)] {
        let refused = Settings::new(namespace, "i", "o");
        assert!(matches!(refused, Err(SettingsError::Name { what: "the namespace", .. })), "{namespace:?}");
    }
    for image in ["", " a", "a\n", &"x".repeat(1025)] {
        assert!(matches!(Settings::new("a", image, "o"), Err(SettingsError::Image(_))), "{image:?}");
    }
    assert!(Settings::new("a", "i", "o").unwrap().with_service_account("A").is_err());
}

#[test]
fn parcels_hold_every_batch_once_and_what_is_too_much_is_refused_in_words() {
    let batches: Vec<_> =
        (0..500).map(|number| format!("{{\"batch\":{number},\"fill\":\"{}\"}}", "x".repeat(4000))).collect();
    let parcels = pack(&batches).unwrap();
    assert_eq!(parcels.len(), 3);
    for (index, batch) in batches.iter().enumerate() {
        let holders: Vec<_> =
            parcels.iter().filter_map(|parcel| parcel.get(&crate::parcels::batch_file(&index))).collect();
        assert_eq!(holders, [batch]);
    }
    for parcel in &parcels {
        let size: usize = parcel.iter().map(|(name, batch)| name.len() + batch.len()).sum();
        assert!(size <= PARCEL, "{size}");
    }
    let huge = pack(&["x".repeat(PARCEL + 1)]).unwrap_err();
    assert!(huge.contains("a smaller tenant_batch_size is needed"), "{huge}");
    let many = pack(&vec!["x".repeat(PARCEL - 100); PARCELS + 1]).unwrap_err();
    assert!(many.contains("16 ConfigMaps"), "{many}");
}

/// The longest that a batch of 20 can say: names, words and numbers at their limits.
#[test]
fn twenty_tenants_fit_into_a_termination_message_whatever_they_say() {
    let one = Try {
        at_ms: u64::MAX >> 11,
        took_us: u64::MAX >> 11,
        status: Some(65_535),
        end: TryEnd::Unreachable,
        error: None,
    };
    let why = "\u{1}\"é\u{1f600}".repeat(500);
    let result = |number: usize| ProbeResult {
        objective: "o".repeat(63),
        tenant: format!("{}{number}", "t".repeat(250)),
        verdict: Verdict::Unhealthy { why: why.clone() },
        tries: vec![one.clone(); 50],
    };
    let results: Vec<_> = (0..20).map(result).collect();
    let text = brief(&results, 4096).expect("it does not fit");
    assert!(text.len() <= 4096, "{}", text.len());
    let targets: Vec<_> = results
        .iter()
        .map(|result| json!({ "tenant": result.tenant, "url": "http://h/", "limit_us": 1 }))
        .collect();
    let check = json!({
        "expect": [200], "body": [], "timeout_us": 1, "tries": 1, "budget_us": 1, "base_us": 1, "cap_us": 1, "spread_us": 1,
    });
    let batch: ProbeBatch = serde_json::from_value(json!({
        "schema": "probe/v1", "round": "r", "index": 0, "objective": "o".repeat(63), "group": "g", "check": check, "in_flight": 20,
        "targets": targets,
    }))
    .unwrap();
    let read = read_brief(&batch, &text, "not read");
    assert!(read.iter().all(|result| matches!(result.verdict, Verdict::Unhealthy { .. })), "{read:?}");
    assert!(read.iter().zip(&results).all(|(read, was)| read.tenant == was.tenant && read.tries.len() == 1));
}

#[test]
fn pods_say_what_they_say() {
    let pod = |status: serde_json::Value| -> Pod {
        serde_json::from_value(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": status }))
            .unwrap()
    };
    let state = |state: serde_json::Value| {
        pod(json!({ "containerStatuses": [{
            "name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }] }))
    };
    assert_eq!(said(&pod(json!({}))), Said::Waiting(None));
    assert_eq!(said(&pod(json!({ "phase": "Pending" }))), Said::Waiting(None));
    assert_eq!(said(&state(json!({ "waiting": { "reason": "ContainerCreating" } }))), Said::Waiting(None));
    let pulled =
        said(&state(json!({ "waiting": { "reason": "ErrImagePull", "message": "not\n  found\u{1b}[31m" } })));
    assert_eq!(pulled, Said::Waiting(Some("ErrImagePull: not found[31m".to_owned())));
    assert_eq!(said(&state(json!({ "running": {} }))), Said::Running);
    let well = said(&state(json!({ "terminated": { "exitCode": 0, "message": "[]" } })));
    assert_eq!(well, Said::Message("[]".to_owned()));
    let unhealthy =
        said(&state(json!({ "terminated": { "exitCode": 1, "reason": "Error", "message": "[1]" } })));
    assert_eq!(unhealthy, Said::Message("[1]".to_owned()));
    let whole_but_failed =
        said(&state(json!({ "terminated": { "exitCode": 2, "reason": "Error", "message": "[]" } })));
    assert_eq!(whole_but_failed, Said::Lost("the probe was cut short: Error, exit code 2".to_owned()));
    let failed = said(&pod(json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" })));
    assert_eq!(failed, Said::Lost("the pod failed: Evicted: low on memory".to_owned()));
    // Another container, as a service mesh adds one, is not asked.
    let other = said(&pod(json!({ "phase": "Pending", "containerStatuses": [{
        "name": "proxy", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "running": {} },
    }] })));
    assert_eq!(other, Said::Waiting(None));
}
