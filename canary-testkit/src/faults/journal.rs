//! The layer in front of a journal, which has an error of its own.

use async_trait::async_trait;
use canary_core::journal::{Entry, Record};
use canary_core::traits::{Journal, JournalError};

use super::{Fault, Faulty};

fn failed(action: &'static str, why: &str) -> JournalError {
    JournalError::Io { action, path: "the journal".to_owned(), source: std::io::Error::other(why.to_owned()) }
}

impl Faulty<dyn Journal> {
    async fn struck(&self, fault: Fault, entry: Entry) -> Result<Record, JournalError> {
        let append = "append to";
        match fault {
            Fault::Delay(delay) => {
                self.clock.sleep(delay).await;
                self.inner.append(entry).await
            }
            Fault::ReplyLost | Fault::Timeout { applied: true, .. } => {
                self.inner.append(entry).await?;
                Err(failed(append, "made to fail after the record was written"))
            }
            Fault::DieBefore => {
                self.faults.died().await;
                Err(failed(append, "the engine is dead"))
            }
            Fault::DieAfter => {
                // Nobody is there to hear of it.
                let _ = self.inner.append(entry).await;
                self.faults.died().await;
                Err(failed(append, "the engine is dead"))
            }
            Fault::Error { .. } | Fault::Timeout { .. } | Fault::Stale | Fault::Partial(_) => {
                Err(failed(append, "made to fail"))
            }
        }
    }
}

#[async_trait]
impl Journal for Faulty<dyn Journal> {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        match self.faults.strike("append") {
            None => self.inner.append(entry).await,
            Some(fault) => self.struck(fault, entry).await,
        }
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        match self.faults.strike("records") {
            None | Some(Fault::Delay(_)) => self.inner.records().await,
            Some(_) => Err(failed("read", "made to fail")),
        }
    }
}
