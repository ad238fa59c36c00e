//! One round: the Job is created, its batches are handed over, it begins, its pods are watched, it is removed.

use std::time::Duration;

use kube::ResourceExt as _;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::KubeError;
use crate::fold::{Fold, News, over};
use crate::job::{Order, job, parcel};
use crate::parcels::pack;
use crate::settings::Settings;

/// How long the API server may be away before the round is given up.
const AWAY: Duration = Duration::from_secs(30);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Hears what becomes of batches.
pub(crate) trait Heard: Send {
    /// One began, or was lost.
    fn moved(&mut self, index: usize);
    /// One's results are there.
    fn done(&mut self, index: usize, text: &str);
}

/// Runs batches, given as JSON; each ends with what its pod left, or with why there is nothing.
///
/// Nothing is left behind, even where the future is dropped.
pub(crate) async fn run(
    cluster: &Cluster,
    settings: &Settings,
    mut order: Order,
    batches: &[String],
    heard: &mut dyn Heard,
) -> Vec<Result<String, String>> {
    let nothing = |why: String| vec![Err(why); batches.len()];
    let parcels = match pack(batches) {
        Ok(parcels) => parcels,
        Err(why) => return nothing(why),
    };
    order.parcels = parcels.len();
    let removal = Removal { cluster: cluster.clone(), job: Some(order.names.job.clone()) };
    let begun = async {
        let created = cluster.create_job(&job(&order, settings)).await?;
        let uid = created.uid().unwrap_or_default();
        for (number, data) in parcels.into_iter().enumerate() {
            cluster.create_map(&parcel(&order, number, data, &uid)).await?;
        }
        cluster.begin(&order.names.job).await
    };
    let begun: Result<(), KubeError> = begun.await;
    let ends = match begun {
        Ok(()) => {
            let mut fold = Fold::new(batches.len());
            let why = follow(cluster, settings, &order, &mut fold, heard).await;
            fold.ends(&why)
        }
        Err(error) => nothing(error.told()),
    };
    removal.now().await;
    ends
}

/// Follows the pods until all results are there or none more can be expected; gives why.
async fn follow(
    cluster: &Cluster,
    settings: &Settings,
    order: &Order,
    fold: &mut Fold,
    heard: &mut dyn Heard,
) -> String {
    let end = Instant::now() + order.active;
    let mut moved = Instant::now();
    let mut answered = Instant::now();
    loop {
        let why = match look(cluster, order, fold, heard, &mut moved, end).await {
            Ok(Some(why)) => return why,
            Ok(None) => {
                answered = Instant::now();
                format!("nothing more came within {:?}", order.active)
            }
            // A watch from too far back (410) is one of these: the list is asked for anew.
            Err(error) if !error.trouble.lasting() && answered.elapsed() < AWAY => error.told(),
            Err(error) => return error.told(),
        };
        if fold.whole() || Instant::now() >= end {
            return why;
        }
        if !fold.working() && moved.elapsed() >= settings.start_limit {
            return format!("no pod began within {:?}", settings.start_limit);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks at all pods and the Job, then at what changes for some seconds; gives why it is over, where it is.
async fn look(
    cluster: &Cluster,
    order: &Order,
    fold: &mut Fold,
    heard: &mut dyn Heard,
    moved: &mut Instant,
    end: Instant,
) -> Result<Option<String>, KubeError> {
    let name = &order.names.job;
    // The Job first: what it counted as ended then is in the list of pods.
    let why = match cluster.job(name).await? {
        Some(job) => over(&job),
        None => Some("somebody removed the job".to_owned()),
    };
    let pods = cluster.pods(name).await?;
    pods.items.iter().for_each(|pod| tell(fold.take(pod), heard, moved));
    if fold.whole() {
        return Ok(Some("all results are there".to_owned()));
    }
    if why.is_some() {
        return Ok(why);
    }
    let version = pods.metadata.resource_version.unwrap_or_default();
    let mut watch = cluster.watch(name, &version).await?;
    while let Some(pod) = watch.next().await? {
        tell(fold.take(&pod), heard, moved);
        if fold.whole() || Instant::now() >= end {
            break;
        }
    }
    Ok(None)
}

fn tell(news: News, heard: &mut dyn Heard, moved: &mut Instant) {
    match news {
        News::None => return,
        News::Moved(index) => heard.moved(index),
        News::Done(index, text) => heard.done(index, &text),
    }
    *moved = Instant::now();
}

/// Removes the Job at the end, or when nobody waits for it any more.
struct Removal {
    cluster: Cluster,
    job: Option<String>,
}

impl Removal {
    async fn now(mut self) {
        if let Some(job) = &self.job {
            remove(&self.cluster, job).await;
        }
        self.job = None;
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        let (Some(job), Ok(runtime)) = (self.job.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let cluster = self.cluster.clone();
        runtime.spawn(async move { remove(&cluster, &job).await });
    }
}

async fn remove(cluster: &Cluster, job: &str) {
    if let Err(error) = cluster.remove(job, None).await {
        tracing::warn!("{}; it goes by itself or at the next start", error.told());
    }
}
