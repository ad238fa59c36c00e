//! The journal: one line a record, hash-chained, under a signed head; and the history that is folded from it.

mod account;
mod anchor;
mod chain;
mod decided;
mod entry;
mod file;
mod form;
mod guard;
mod history;
mod lease;
mod line;
mod memory;
mod sealing;
mod tree;
mod verify;

#[cfg(test)]
mod tests;

pub use account::{
    Account, AskedFor, ComparedAccount, EvidenceAt, FailedStep, HoldAccount, SliAccount, WatchAccount,
};
pub use anchor::Anchor;
pub use chain::{Chain, Record, canonical};
pub use decided::{AskedSource, Beat, Decided, Decision, Ruling, WorstResult};
pub use entry::{Entry, Handover, NodeReport, Request, RolloutId, StepResult, Wish};
pub use file::{FileJournal, ReadJournal, Writer, read};
pub use guard::Guard;
pub use history::{History, Released, RolloutView, RunningRelease, StepStatus, rollouts};
pub use line::{Line, parse_line};
pub use memory::MemoryJournal;
pub use sealing::{Head, Seal, head_path};
pub use tree::Tree;
pub use verify::{Damage, Known, Mark, Verified, verify};
