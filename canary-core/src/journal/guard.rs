//! What a writer holds its journal against, so that one that was cut, changed or put in another's place is not gone on with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::verify::Met;
use super::{Known, Mark, Record, Seal, Tree};
use crate::traits::JournalError;

/// What guards a journal: a signature over its head, and what is known of it from elsewhere.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Signs the head.
    pub seal: Arc<dyn Seal>,
    /// What is known of the journal. One that is otherwise, or is not there, is refused.
    pub known: Vec<Mark>,
    /// Where the head is written to as well, whenever it is signed: out of reach of who can write the journal, if it is to help. A failure to write there is
    /// logged and stops nothing: an older head is an anchor as well. Read it into [`Self::known`].
    pub copy: Option<PathBuf>,
}

impl Guard {
    /// A signature alone.
    #[must_use]
    pub const fn new(seal: Arc<dyn Seal>) -> Self {
        Self { seal, known: Vec::new(), copy: None }
    }

    /// Holds the records that were read against what is known of them.
    ///
    /// # Errors
    /// [`JournalError::Anchor`] with the first that is not as it is known, or that is not there.
    pub(super) fn hold(&self, journal: &Path, records: &[Record]) -> Result<(), JournalError> {
        let refuse = |mark: &Mark, why| {
            let (path, by) = (journal.display().to_string(), mark.by.clone());
            Err(JournalError::Anchor { path, why, by })
        };
        let mut marks: Vec<_> = self.known.iter().collect();
        marks.sort_by_key(|mark| mark.seq);
        let mut tree = Tree::default();
        let mut rest = records.iter();
        for mark in marks {
            let by = &mark.by;
            let Some(record) = usize::try_from(mark.seq).ok().and_then(|seq| records.get(seq)) else {
                let why = match records.len() {
                    0 => format!("it is gone: {by} knows its record {}", mark.seq),
                    size => format!("it ends with record {}, {by} knows record {}", size - 1, mark.seq),
                };
                return refuse(mark, why);
            };
            if let Known::Root(_) = mark.known {
                let missing = mark.seq + 1 - tree.size();
                // proof: the records are there up to the mark's, and a tree takes no more than there are.
                let missing = usize::try_from(missing).unwrap_or(usize::MAX);
                rest.by_ref().take(missing).for_each(|record| tree.push(&record.hash));
            }
            let met = Met { log: &record.log, hash: &record.hash, tree: &tree };
            if let Err(why) = met.is(mark) {
                return refuse(mark, format!("record {}: {why}", mark.seq));
            }
        }
        Ok(())
    }
}
