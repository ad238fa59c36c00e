//! What dead runs left behind.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use crate::cluster::Cluster;
use crate::error::KubeError;
use crate::names::{OWNER, UNTIL, short};

/// Removes Jobs of this owner's earlier runs, and those for which nobody waits any more; gives their number.
pub(crate) async fn sweep(cluster: &Cluster, owner: &str, now: u64) -> Result<usize, KubeError> {
    let owner = short(owner);
    let mut removed = 0;
    for job in cluster.jobs().await? {
        if dead(&job, &owner, now) {
            cluster.remove(&job.name_any(), job.uid().as_deref()).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// An owner runs one round at a time: what it has when one begins is of a dead run. Of others only time tells.
fn dead(job: &Job, owner: &str, now: u64) -> bool {
    let own = job.labels().get(OWNER).is_some_and(|of| of == owner);
    let until = job.annotations().get(UNTIL).and_then(|until| until.parse::<u64>().ok());
    job.metadata.deletion_timestamp.is_none() && (own || until.is_some_and(|until| until < now))
}
