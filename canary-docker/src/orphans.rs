//! Containers of runs that have ended without them.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::query_parameters::ListContainersOptions;

use crate::container::remove;
use crate::engine::{CALL, within};
use crate::owner;

/// Labels of every container.
pub(crate) const ROUND: &str = "canary.probe.round";
pub(crate) const OWNER: &str = "canary.probe.owner";
pub(crate) const UNTIL: &str = "canary.probe.until";

/// Removes the containers whose process has ended, and those past their time, wherever their process is.
pub(crate) async fn sweep(docker: &Docker) -> Result<usize, String> {
    let filters = HashMap::from([("label".to_owned(), vec![ROUND.to_owned()])]);
    let options =
        ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
    let found = within(CALL, "listing containers", docker.list_containers(Some(options))).await?;
    let now = now_ms();
    let mut removed = 0;
    for container in found {
        let (Some(id), Some(labels)) = (container.id, container.labels) else { continue };
        let late =
            labels.get(UNTIL).and_then(|until| until.parse::<u64>().ok()).is_none_or(|until| until < now);
        if late || labels.get(OWNER).is_some_and(|label| owner::ended(label)) {
            remove(docker, &id).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes what a round of this process's own has left when its deadline passed.
pub(crate) async fn clear(docker: &Docker, round: &str) -> Result<(), String> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("{ROUND}={round}")])]);
    let options =
        ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
    for container in within(CALL, "listing containers", docker.list_containers(Some(options))).await? {
        if let Some(id) = container.id {
            remove(docker, &id).await?;
        }
    }
    Ok(())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
