//! The journal: one line a record, hash-chained; and the history that is folded from it.

mod account;
mod chain;
mod entry;
mod file;
mod history;
mod lease;
mod memory;

#[cfg(test)]
mod tests;

pub use account::{
    Account, AskedFor, ComparedAccount, EvidenceAt, FailedStep, HoldAccount, SliAccount, WatchAccount,
};
pub use chain::{Chain, Record, canonical, parse_line};
pub use entry::{Entry, NodeReport, Request, RolloutId, StepResult, Wish};
pub use file::{FileJournal, ReadJournal, Writer, read};
pub use history::{History, Released, RolloutView, RunningRelease, StepStatus, rollouts};
pub use memory::MemoryJournal;
