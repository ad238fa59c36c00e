//! The listener's role: hear of every record and of what is being waited for.

use std::fmt::{Debug, Display};
use std::time::Duration;

use crate::fleet::NodeId;
use crate::journal::Record;

/// What a wait looks like at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The step that waits.
    pub step: String,
    /// The node it is about, if any.
    pub node: Option<NodeId>,
    /// What is waited for (`0 sessions in progress`).
    pub waiting_for: String,
    /// What was seen last (`3 sessions in progress`).
    pub seen: String,
    /// For how long already.
    pub elapsed: Duration,
    /// For how long at most.
    pub limit: Duration,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A record was written.
    Recorded(&'a Record),
    /// A wait goes on; not recorded.
    Waiting(&'a Progress),
    /// A record could not be written; the rollout takes the safe path and tells it here alone.
    Unrecorded {
        /// What would have been recorded.
        entry: &'a crate::journal::Entry,
        /// Why it was not.
        why: &'a str,
    },
}

/// Hears of events. Must return at once: whatever takes time is queued by the sink.
pub trait EventSink: Display + Debug + Send + Sync + 'static {
    /// Takes note of an event.
    fn emit(&self, event: &Event<'_>);
}
