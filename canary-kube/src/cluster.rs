//! The calls to the API server: each with a deadline, and again where that can help.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    DeleteParams, ListParams, ObjectList, Patch, PatchParams, PostParams, Preconditions, WatchEvent,
    WatchParams,
};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::error::{KubeError, Trouble};
use crate::names::{MANAGED_BY, POD_JOB, ROUND};

/// How often a call is made at most.
const TRIES: u32 = 3;
/// The pause before the second one; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the API server keeps one watch open, in seconds.
pub(crate) const WATCH: u32 = 5;

/// One namespace of a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    jobs: Api<Job>,
    pods: Api<Pod>,
    maps: Api<ConfigMap>,
    limit: Duration,
}

impl Cluster {
    pub(crate) fn new(client: Client, namespace: &str, limit: Duration) -> Self {
        Self {
            jobs: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            maps: Api::namespaced(client, namespace),
            limit,
        }
    }

    /// Creates a Job, and gives it as it was created; one that an earlier try of the same call created is as good.
    pub(crate) async fn create_job(&self, job: &Job) -> Result<Job, KubeError> {
        let name = job.name_any();
        let params = PostParams::default();
        let created = self.again(&format!("create the job {name}"), || self.jobs.create(&params, job)).await;
        match created {
            Err(error) if error.trouble.is(409) => {
                let found = self.job(&name).await?;
                let ours =
                    found.as_ref().is_some_and(|found| found.labels().get(ROUND) == job.labels().get(ROUND));
                found.filter(|_| ours).ok_or(error)
            }
            other => other,
        }
    }

    /// Creates a ConfigMap; one that an earlier try of the same call created is as good: its name is nobody else's.
    pub(crate) async fn create_map(&self, map: &ConfigMap) -> Result<(), KubeError> {
        let doing = format!("create the config map {}", map.name_any());
        let params = PostParams::default();
        match self.again(&doing, || self.maps.create(&params, map)).await {
            Err(error) if !error.trouble.is(409) => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets a Job that was created suspended begin.
    pub(crate) async fn begin(&self, name: &str) -> Result<(), KubeError> {
        let patch = Patch::Merge(json!({ "spec": { "suspend": false } }));
        let params = PatchParams::default();
        self.again(&format!("begin the job {name}"), || self.jobs.patch(name, &params, &patch))
            .await
            .map(drop)
    }

    /// The Job; `None` when there is none.
    pub(crate) async fn job(&self, name: &str) -> Result<Option<Job>, KubeError> {
        self.again(&format!("read the job {name}"), || self.jobs.get_opt(name)).await
    }

    /// All Jobs of this crate in the namespace.
    pub(crate) async fn jobs(&self) -> Result<Vec<Job>, KubeError> {
        let params = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
        self.again("list the jobs of probes", || self.jobs.list(&params)).await.map(|list| list.items)
    }

    /// Removes a Job with its pods and ConfigMaps; none is as good. With `uid`, only that very one.
    pub(crate) async fn remove(&self, name: &str, uid: Option<&str>) -> Result<(), KubeError> {
        let mut params = DeleteParams::background();
        params.preconditions =
            uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        match self.again(&format!("remove the job {name}"), || self.jobs.delete(name, &params)).await {
            Err(error) if !error.trouble.is(404) => Err(error),
            _ => Ok(()),
        }
    }

    /// The pods of a Job, as they are now.
    pub(crate) async fn pods(&self, job: &str) -> Result<ObjectList<Pod>, KubeError> {
        let params = ListParams::default().labels(&format!("{POD_JOB}={job}"));
        self.once(&format!("list the pods of {job}"), self.pods.list(&params)).await
    }

    /// What becomes of them from `version` on, for some seconds.
    pub(crate) async fn watch(&self, job: &str, version: &str) -> Result<Watch, KubeError> {
        let doing = format!("watch the pods of {job}");
        let params =
            WatchParams::default().labels(&format!("{POD_JOB}={job}")).timeout(WATCH).disable_bookmarks();
        let events = async { Ok(self.pods.watch(&params, version).await?.boxed()) };
        let events = self.once(&doing, events).await?;
        Ok(Watch { doing, events, limit: Duration::from_secs(WATCH.into()) + self.limit })
    }

    async fn once<T>(
        &self,
        doing: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, KubeError> {
        let trouble = match tokio::time::timeout(self.limit, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Trouble::of(error),
            Err(_) => Trouble::TimedOut(self.limit),
        };
        Err(KubeError { doing: doing.to_owned(), trouble })
    }

    async fn again<T, F>(&self, doing: &str, call: impl Fn() -> F) -> Result<T, KubeError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.once(doing, call()).await {
                Err(error) if error.trouble.passing() => tracing::debug!("{}", error.told()),
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.once(doing, call()).await
    }
}

/// Events of pods.
pub(crate) struct Watch {
    doing: String,
    events: BoxStream<'static, kube::Result<WatchEvent<Pod>>>,
    limit: Duration,
}

impl Watch {
    /// The next pod that changed; `None` when the watch is over.
    pub(crate) async fn next(&mut self) -> Result<Option<Pod>, KubeError> {
        let failed = |trouble| KubeError { doing: self.doing.clone(), trouble };
        loop {
            let event = tokio::time::timeout(self.limit, self.events.try_next()).await;
            match event.map_err(|_| failed(Trouble::TimedOut(self.limit)))? {
                Ok(Some(WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod))) => {
                    return Ok(Some(pod));
                }
                Ok(Some(WatchEvent::Bookmark(_))) => {}
                Ok(Some(WatchEvent::Error(status))) => {
                    return Err(failed(Trouble::of(kube::Error::Api(status))));
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(failed(Trouble::of(error))),
            }
        }
    }
}
