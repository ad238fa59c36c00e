//! What a released binary asks of the database, kept for the releases after it.

use std::io::ErrorKind as Io;

use canary_core::plan::Plan;
use canary_postgres::contract::Contract;
use canary_postgres::{LOCK_FILE, StoredContract};

use super::Context;
use crate::error::{CommandError, ErrorKind, chain};
use crate::wiring;

/// Keeps the contract of the binary that is about to be rolled out, by its digest: from the first node on it may be what runs.
/// A service without a contract has none to keep.
pub(super) fn contract(cx: &Context<'_>, plan: &Plan) -> Result<(), CommandError> {
    let path = cx.environment.directory.join(LOCK_FILE);
    let refused = |why: String| {
        let message = format!("{} {why}", path.display());
        CommandError::new(
            ErrorKind::Refused,
            message,
            "make it anew with `canary-cli contract lock`, and commit it",
        )
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == Io::NotFound => return Ok(()),
        Err(error) => return Err(refused(format!("cannot be read: {error}"))),
    };
    let contract = Contract::from_lock(&text).map_err(|error| refused(chain(&error)))?;
    let stored = StoredContract { revision: plan.spec.from.revision.clone(), contract };
    wiring::contracts(&cx.settings).save(&plan.artifact.facts.sha256, &stored).map_err(|error| {
        let hint = "name a directory that this user may write with CANARY_STATE_DIR or --state-dir";
        CommandError::new(ErrorKind::Refused, chain(&error), hint)
    })
}
