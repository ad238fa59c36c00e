//! What is known of each batch: pure.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use crate::pods::{self, Said};

/// One batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Batch {
    #[default]
    Unseen,
    Waiting(String),
    Running,
    Lost(String),
    Done(String),
}

/// All batches of a round.
#[derive(Debug)]
pub(crate) struct Fold(Vec<Batch>);

/// What a pod's news change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing.
    None,
    /// A batch began or was lost.
    Moved(usize),
    /// A batch's results are there.
    Done(usize, String),
}

impl Fold {
    pub(crate) fn new(batches: usize) -> Self {
        Self(vec![Batch::Unseen; batches])
    }

    /// Takes what a pod says. Results stay, whatever becomes of their pod; a batch that was lost may have another pod.
    pub(crate) fn take(&mut self, pod: &Pod) -> News {
        let Some(index) = pods::index(pod) else { return News::None };
        let Some(batch) = self.0.get_mut(index) else { return News::None };
        if matches!(batch, Batch::Done(_)) {
            return News::None;
        }
        let next = match pods::said(pod) {
            Said::Message(text) => {
                *batch = Batch::Done(text.clone());
                return News::Done(index, text);
            }
            Said::Running => Batch::Running,
            Said::Lost(why) => Batch::Lost(why),
            // What stood in the way of the pod before is more than that this one has not begun.
            Said::Waiting(None) => return News::None,
            Said::Waiting(Some(why)) => {
                *batch = Batch::Waiting(why);
                return News::None;
            }
        };
        let moved = *batch != next;
        *batch = next;
        if moved { News::Moved(index) } else { News::None }
    }

    /// Whether all results are there.
    pub(crate) fn whole(&self) -> bool {
        self.0.iter().all(|batch| matches!(batch, Batch::Done(_)))
    }

    /// Whether a pod is at work.
    pub(crate) fn working(&self) -> bool {
        self.0.contains(&Batch::Running)
    }

    /// Each batch's results, or why there are none: its own reason, where it has one, before the round's.
    pub(crate) fn ends(self, round: &str) -> Vec<Result<String, String>> {
        let end = |batch| match batch {
            Batch::Done(text) => Ok(text),
            Batch::Lost(why) => Err(why),
            Batch::Waiting(why) => Err(format!("its pod did not begin: {why}")),
            Batch::Running => Err(format!("its pod did not end: {round}")),
            Batch::Unseen => Err(round.to_owned()),
        };
        self.0.into_iter().map(end).collect()
    }
}

/// Why a Job is over; `None` while it is not.
pub(crate) fn over(job: &Job) -> Option<String> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended = conditions
        .iter()
        .find(|one| one.status == "True" && matches!(one.type_.as_str(), "Complete" | "Failed"))?;
    Some(match ended.type_.as_str() {
        "Complete" => "the job is complete, and this batch left no results".to_owned(),
        _ => format!("the job failed: {}", pods::cut(&pods::words(&ended.reason, &ended.message))),
    })
}
