//! The Job and its ConfigMaps: pure.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapProjection, Container, EnvVar, EnvVarSource, LocalObjectReference,
    ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, ProjectedVolumeSource,
    ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::names::{EXECUTION, Names, POD_INDEX, UNTIL};
use crate::parcels::batch_file;
use crate::settings::Settings;

/// The one container of a pod.
pub(crate) const CONTAINER: &str = "probe";
/// Where batches are in it.
const BATCHES: &str = "/batches";
/// The variable with the index of the pod's batch.
const INDEX: &str = "PROBE_INDEX";
/// Where it leaves its results: the default of `terminationMessagePath`, of which 4096 bytes are kept.
const MESSAGE: &str = "/dev/termination-log";
/// How long a finished Job stays where nobody removes it, in seconds: finished Jobs in heaps stop a cluster's scheduling.
const TTL: i32 = 300;
/// The exit code of a probe whose tenants have results and are not all healthy.
pub(crate) const NOT_HEALTHY: i32 = 1;
/// `nobody`.
const USER: i64 = 65_534;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) names: Names,
    /// The execution's id.
    pub(crate) execution: String,
    /// Pods, one a batch.
    pub(crate) completions: usize,
    /// Pods at once.
    pub(crate) parallelism: usize,
    /// ConfigMaps that hold the batches.
    pub(crate) parcels: usize,
    /// How long the Job may be active.
    pub(crate) active: std::time::Duration,
    /// From when on nobody waits for it, in milliseconds since 1970 (UTC).
    pub(crate) until: u64,
}

/// The Job of a round, suspended: no pod begins before its batches are there.
pub(crate) fn job(order: &Order, settings: &Settings) -> Job {
    let annotations = [(EXECUTION, order.execution.clone()), (UNTIL, order.until.to_string())];
    let metadata = ObjectMeta {
        name: Some(order.names.job.clone()),
        labels: Some(order.names.labels.clone()),
        annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value)).into()),
        ..ObjectMeta::default()
    };
    let spec = JobSpec {
        active_deadline_seconds: Some(i64::try_from(order.active.as_secs()).unwrap_or(i64::MAX).max(1)),
        // Once more where the node, not the probe, is at fault; disruptions do not even count.
        backoff_limit_per_index: Some(1),
        completion_mode: Some("Indexed".to_owned()),
        completions: Some(number(order.completions)),
        parallelism: Some(number(order.parallelism)),
        pod_failure_policy: Some(PodFailurePolicy { rules: vec![answered(), disruptions()] }),
        suspend: Some(true),
        template: template(order, settings),
        ttl_seconds_after_finished: Some(TTL),
        ..JobSpec::default()
    };
    Job { metadata, spec: Some(spec), status: None }
}

/// The program ends with 1 where a tenant is not healthy: that is a result, and to ask again would be to ask twice.
fn answered() -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: "FailIndex".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(CONTAINER.to_owned()),
            operator: "In".to_owned(),
            values: vec![NOT_HEALTHY],
        }),
        on_pod_conditions: None,
    }
}

fn disruptions() -> PodFailurePolicyRule {
    let pattern = PodFailurePolicyOnPodConditionsPattern {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
    };
    PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_pod_conditions: Some(vec![pattern]),
        on_exit_codes: None,
    }
}

fn template(order: &Order, settings: &Settings) -> PodTemplateSpec {
    let secrets = settings.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() });
    let spec = PodSpec {
        automount_service_account_token: Some(false),
        containers: vec![container(&settings.image)],
        enable_service_links: Some(false),
        image_pull_secrets: Some(secrets.collect::<Vec<_>>()).filter(|secrets| !secrets.is_empty()),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        service_account_name: settings.service_account.clone(),
        termination_grace_period_seconds: Some(5),
        volumes: Some(vec![volume(order)]),
        ..PodSpec::default()
    };
    let metadata = ObjectMeta { labels: Some(order.names.labels.clone()), ..ObjectMeta::default() };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn container(image: &str) -> Container {
    let quantities = |cpu: &str, memory: &str| {
        BTreeMap::from(
            [("cpu", cpu), ("memory", memory)]
                .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned()))),
        )
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(image.to_owned()),
        args: Some(vec![
            format!("{BATCHES}/{}", batch_file(&format!("$({INDEX})"))),
            "--brief".to_owned(),
            MESSAGE.to_owned(),
        ]),
        env: Some(vec![EnvVar {
            name: INDEX.to_owned(),
            value: None,
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".to_owned()),
                    field_path: format!("metadata.annotations['{POD_INDEX}']"),
                }),
                ..EnvVarSource::default()
            }),
        }]),
        resources: Some(ResourceRequirements {
            requests: Some(quantities("20m", "16Mi")),
            limits: Some(quantities("500m", "64Mi")),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            privileged: Some(false),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        termination_message_path: Some(MESSAGE.to_owned()),
        termination_message_policy: Some("File".to_owned()),
        volume_mounts: Some(vec![VolumeMount {
            name: "batches".to_owned(),
            mount_path: BATCHES.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    }
}

/// All parcels in one directory.
fn volume(order: &Order) -> Volume {
    let sources = (0..order.parcels).map(|number| VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: order.names.parcel(number),
            items: None,
            optional: Some(false),
        }),
        ..VolumeProjection::default()
    });
    let projected = ProjectedVolumeSource { default_mode: Some(0o444), sources: Some(sources.collect()) };
    Volume { name: "batches".to_owned(), projected: Some(projected), ..Volume::default() }
}

/// One parcel, which goes with its Job.
pub(crate) fn parcel(order: &Order, number: usize, data: BTreeMap<String, String>, uid: &str) -> ConfigMap {
    let owner = OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: order.names.job.clone(),
        uid: uid.to_owned(),
        controller: None,
        block_owner_deletion: None,
    };
    let metadata = ObjectMeta {
        name: Some(order.names.parcel(number)),
        labels: Some(order.names.labels.clone()),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: Some(data), binary_data: None, immutable: Some(true) }
}

fn number(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX).max(1)
}
