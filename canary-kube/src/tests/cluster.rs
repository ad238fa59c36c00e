//! The objects of the cluster in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// All objects of one namespace.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) jobs: BTreeMap<String, Value>,
    pub(super) maps: BTreeMap<String, Value>,
    pub(super) pods: BTreeMap<String, Value>,
    pub(super) version: u64,
}

impl Objects {
    /// Fills in what the API server does, and keeps it.
    pub(super) fn created(&mut self, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["namespace"] = json!("probes");
        object
    }

    pub(super) fn add_pod(&mut self, job: &str, index: usize, attempt: usize) -> Value {
        self.version += 1;
        let name = format!("{job}-{index}-{attempt:05}");
        let labels = json!({
            "batch.kubernetes.io/job-name": job,
            "batch.kubernetes.io/job-completion-index": index.to_string(),
        });
        let metadata = json!({
            "name": name, "labels": labels, "resourceVersion": self.version.to_string(),
            "job": job, "index": index, "attempt": attempt,
        });
        let status = json!({ "phase": "Pending", "containerStatuses": [{
            "name": "probe", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ContainerCreating" } },
        }] });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": { "containers": [] }, "status": status });
        self.pods.insert(name, pod.clone());
        pod
    }

    /// The pods of one index, in the order of their attempts.
    pub(super) fn pods_of(&self, job: &str, index: usize) -> Vec<&Value> {
        let prefix = format!("{job}-{index}-");
        let from = self.pods.range(prefix.clone()..);
        from.take_while(|(name, _)| name.starts_with(&prefix)).map(|(_, pod)| pod).collect()
    }

    /// The changed pod, where it did change.
    pub(super) fn set_status(&mut self, name: &str, status: Value) -> Option<Value> {
        self.version += 1;
        let version = self.version.to_string();
        let pod = self.pods.get_mut(name).filter(|pod| pod["status"] != status)?;
        pod["status"] = status;
        pod["metadata"]["resourceVersion"] = json!(version);
        Some(pod.clone())
    }

    pub(super) fn condition(&mut self, job: &str, kind: &str, reason: &str, message: &str) {
        if let Some(job) = self.jobs.get_mut(job) {
            let condition = json!({ "type": kind, "status": "True", "reason": reason, "message": message });
            job["status"]["conditions"] = json!([condition]);
        }
    }

    /// The file of a batch in the volume of a pod; `None` where one of the volume's ConfigMaps is missing.
    pub(super) fn batch(&self, job: &str, index: usize) -> Option<String> {
        let sources = &self.jobs.get(job)?["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"];
        let mut file = None;
        for source in sources.as_array()? {
            let map = self.maps.get(source["configMap"]["name"].as_str()?)?;
            file = file
                .or_else(|| map["data"].get(crate::parcels::batch_file(&index))?.as_str().map(str::to_owned));
        }
        file
    }

    /// Removes a Job and, as the garbage collector does, what it owns.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(job) = self.jobs.remove(name) else { return };
        let uid = &job["metadata"]["uid"];
        self.maps.retain(|_, map| map["metadata"]["ownerReferences"][0]["uid"] != *uid);
        self.pods.retain(|_, pod| pod["metadata"]["job"] != *name);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.maps.is_empty() && self.pods.is_empty()
    }
}
