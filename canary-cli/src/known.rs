//! What is known of a journal beyond its own files, and so what a writer holds it against: the last record that receivers were told of, and a copy of its
//! signed head.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use canary_core::engine::Check;
use canary_core::journal::{Guard, Known, Mark, Record, Seal};
use canary_notify::last_told;
use canary_seal::anchors;

use crate::render::words;
use crate::settings::Settings;

/// Where something is known of a journal.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    /// How far its receivers were told.
    told: PathBuf,
    /// The copy of its head.
    copy: Option<PathBuf>,
}

impl Elsewhere {
    /// Of the journal of rollouts.
    pub(crate) fn of_rollouts(settings: &Settings) -> Self {
        Self { told: cursors(settings), copy: copy(settings, "journal") }
    }

    /// Of the record of decisions.
    pub(crate) fn of_decisions(settings: &Settings) -> Self {
        Self { copy: copy(settings, "decisions"), ..Self::beside(&settings.tenants.decision_log) }
    }

    /// Of a log whose receivers' cursors lie beside it, and of whose head there is no copy.
    pub(crate) fn beside(log: &Path) -> Self {
        Self { told: log.with_extension("notified.json"), copy: None }
    }

    /// What a journal is opened under.
    ///
    /// # Errors
    /// The copy of the head is there and cannot be read, or is none.
    pub(crate) fn guard(&self, seal: Arc<dyn Seal>) -> Result<Guard, String> {
        Ok(Guard { seal, known: self.marks()?, copy: self.copy.clone() })
    }

    fn marks(&self) -> Result<Vec<Mark>, String> {
        let told = last_told(&self.told).map(|anchor| Mark {
            log: Some(anchor.log),
            seq: anchor.seq,
            known: Known::Hash(anchor.hash),
            by: self.told.display().to_string(),
        });
        let mut marks: Vec<_> = told.into_iter().collect();
        if let Some(copy) = &self.copy {
            let unusable = |why: String| format!("state.head_copies: {why}");
            match std::fs::read_to_string(copy) {
                Ok(text) => {
                    let found = anchors(&text, &copy.display().to_string());
                    marks.extend(found.map_err(|error| unusable(error.to_string()))?);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(format!("cannot read {}: {error}", copy.display()))),
            }
        }
        Ok(marks)
    }

    /// What `doctor` says of it; nothing of a journal that has no record.
    pub(crate) fn check(&self, name: &str, records: &[Record]) -> Option<Check> {
        let last = records.last()?;
        if let Some(place) = self.copy.as_deref().and_then(Path::parent).filter(|place| !place.is_dir()) {
            let text =
                format!("state.head_copies: {} is no directory: no head is copied there", place.display());
            return Some(Check::warn(name, text));
        }
        let marks = match self.marks() {
            Ok(marks) => marks,
            Err(why) => return Some(Check::failed(name, why)),
        };
        let known = marks.iter().map(|mark| format!("{} knows record {}", mark.by, mark.seq));
        let known = known.collect::<Vec<_>>().join("; ");
        if known.is_empty() {
            return Some(Check::warn(
                name,
                "nothing is known of it beyond its own files: if it were deleted with its .head, the next command would begin a new one; set state.head_copies, or notify a receiver, or keep `log anchor` elsewhere",
            ));
        }
        Some(Check::ok(
            name,
            format!("of {}, the last {}: {known}", words::count(records.len(), "record"), last.seq),
        ))
    }
}

/// How far the receivers of rollouts were told.
pub(crate) fn cursors(settings: &Settings) -> PathBuf {
    settings.state_dir.join(settings.spec.service.as_str()).join("notified.json")
}

/// What to do where a journal is not what is known of it; `by` knows it.
pub(crate) fn hint(by: &str) -> String {
    format!(
        "nothing was written: keep what is there as evidence and bring the journal, its .head and what lies beside it back from a copy that is as new; if somebody put it away on purpose, have {by} put away with it"
    )
}

fn copy(settings: &Settings, journal: &str) -> Option<PathBuf> {
    let directory = settings.head_copies.as_ref()?;
    Some(directory.join(format!("{}-{journal}.head", settings.spec.service)))
}
