//! Whether everything that decisions rest on is still what it was.

use std::path::Path;

use canary_core::journal::{Entry, Line};
use canary_seal::Kept;

use crate::error::{CommandError, ErrorKind, chain};

/// What a decision's record says its kind is.
const DECIDED: &str = "decided";

/// Checks the files that a journal's decisions name by their digest, and tells of how many decisions they are. The journal itself holds; records of
/// other kinds are not looked at, so that those of later versions do no harm.
///
/// # Errors
/// The first that is missing, changed or not readable, with the decision that names it.
pub(crate) fn check_kept(journal: &Path) -> Result<usize, CommandError> {
    let damaged = |seq: u64, why: String| {
        CommandError::new(
            ErrorKind::Damaged,
            format!("{}: record {seq}: {why}", journal.display()),
            "the record names what it rests on by its SHA-256: bring the file back from a copy, or keep what is there as evidence",
        )
    };
    let text = std::fs::read(journal).map_err(|error| {
        CommandError::usage(
            format!("cannot read {}: {error}", journal.display()),
            "name a file that this user may read",
        )
    })?;
    let kept = Kept::beside(journal);
    let mut checked = 0;
    for (seq, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let Ok(line) = Line::read(line) else { continue };
        if line.kind != DECIDED {
            continue;
        }
        let record = line.record().map_err(|why| damaged(seq as u64, why))?;
        if let Entry::Decided(decided) = &record.entry {
            kept.check(decided).map_err(|error| damaged(record.seq, chain(&error)))?;
            checked += 1;
        }
    }
    Ok(checked)
}
