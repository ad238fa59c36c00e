//! Requests of other programs, one file each in a directory that only the service's operators may write.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Control;
use crate::journal::{Request, RolloutId, Wish};
use crate::traits::Clock;

/// How often the engine looks into the directory.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest request that is read.
const LARGEST: u64 = 16 * 1024;
/// The longest name or reason, in characters.
const LONGEST_TEXT: usize = 1000;

/// What can be wrong with a request or its directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// The operating system said no.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// What was asked cannot be written down.
    #[error("{0}")]
    Unfit(String),
}

/// A request as it lies in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    v: u8,
    rollout: RolloutId,
    wish: Wish,
    actor: String,
    reason: Option<String>,
}

/// A directory of requests. The engine reads it while a rollout runs; whoever may write the state directory may ask.
///
/// A request is a file that appears by a rename, so it is never seen half-written. It names the rollout it is meant
/// for: one that comes too late is thrown away, never obeyed by the next rollout. It goes when its answer is in the
/// journal, and is answered once, whatever dies in between.
#[derive(Debug, Clone)]
pub struct Inbox {
    dir: PathBuf,
}

impl Inbox {
    /// The inbox in that directory, which need not exist yet.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Leaves a request under an id of the caller's choice, which must be new: letters, digits and `-`.
    ///
    /// # Errors
    /// [`InboxError`]: then nothing was asked.
    pub fn leave(&self, rollout: &RolloutId, id: &str, request: &Request) -> Result<(), InboxError> {
        let fits =
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !fits {
            return Err(InboxError::Unfit(format!("{id:?} is no id of a request")));
        }
        check_text("actor", &request.actor)?;
        request.reason.as_deref().map_or(Ok(()), |reason| check_text("reason", reason))?;
        let letter = Letter {
            v: 1,
            rollout: rollout.clone(),
            wish: request.wish,
            actor: request.actor.clone(),
            reason: request.reason.clone(),
        };
        let text = serde_json::to_vec(&letter).map_err(|e| InboxError::Unfit(e.to_string()))?;
        self.create_dir()?;
        let (part, path) = (self.dir.join(format!(".{id}.part")), self.letter(id));
        let written = File::create(&part)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &path));
        written.map_err(|e| io_error("write", &path, e))
    }

    /// Whether a request is still there: nobody has recorded an answer to it yet.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.letter(id).exists()
    }

    /// Takes a request away; it does not matter whether it is there.
    ///
    /// # Errors
    /// [`InboxError::Io`].
    pub fn remove(&self, id: &str) -> Result<(), InboxError> {
        let path = self.letter(id);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path, e)),
            _ => Ok(()),
        }
    }

    /// The requests for `rollout`, oldest first. Those for another rollout and what is no request are removed.
    ///
    /// # Errors
    /// [`InboxError::Io`] when the directory cannot be read.
    pub fn collect(&self, rollout: &RolloutId) -> Result<Vec<Request>, InboxError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_error("read", &self.dir, e)),
        };
        let mut found = Vec::new();
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let Some(id) =
                path.extension().filter(|ext| *ext == "json").and_then(|_| path.file_stem()?.to_str())
            else {
                continue;
            };
            match read_letter(&path) {
                Some((when, uid, letter)) if letter.rollout == *rollout => {
                    let Letter { wish, actor, reason, .. } = letter;
                    found.push((
                        when,
                        Request { id: Some(id.to_owned()), wish, actor, reason, uid: Some(uid) },
                    ));
                }
                // A request that nobody can answer any more; whether it could be removed shows next time.
                _ => drop(fs::remove_file(&path)),
            }
        }
        found.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        Ok(found.into_iter().map(|(_, request)| request).collect())
    }

    /// Hands requests to `control` and clears away what is answered, until it is dropped.
    pub async fn attend(&self, rollout: &RolloutId, control: &Control, clock: &dyn Clock) -> Infallible {
        let mut handed = BTreeSet::new();
        loop {
            self.clear(control);
            // A directory that cannot be read hides requests, but must not end a rollout.
            for request in self.collect(rollout).unwrap_or_default() {
                if request.id.clone().is_some_and(|id| handed.insert(id)) {
                    control.ask(request);
                }
            }
            clock.sleep(PAUSE).await;
        }
    }

    /// Clears away what is answered.
    pub fn clear(&self, control: &Control) {
        for id in control.take_answered() {
            // One that cannot be removed is known by its id and not answered twice.
            let _ = self.remove(&id);
        }
    }

    fn letter(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn create_dir(&self) -> Result<(), InboxError> {
        let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        created.map_err(|e| io_error("create", &self.dir, e))
    }
}

/// A request with its file's time and owner; `None` for what is no request.
fn read_letter(path: &Path) -> Option<(i64, u32, Letter)> {
    let facts = fs::symlink_metadata(path).ok()?;
    if !facts.is_file() || facts.len() > LARGEST {
        return None;
    }
    let mut text = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    let letter: Letter = serde_json::from_slice(&text).ok()?;
    let fits = letter.v == 1
        && check_text("actor", &letter.actor).is_ok()
        && letter.reason.as_deref().is_none_or(|reason| check_text("reason", reason).is_ok());
    fits.then(|| {
        (facts.mtime().saturating_mul(1_000_000_000).saturating_add(facts.mtime_nsec()), facts.uid(), letter)
    })
}

fn check_text(what: &str, text: &str) -> Result<(), InboxError> {
    if text.chars().count() > LONGEST_TEXT {
        return Err(InboxError::Unfit(format!("the {what} is longer than {LONGEST_TEXT} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(InboxError::Unfit(format!("the {what} {text:?} holds a control character")));
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> InboxError {
    InboxError::Io { action, path: path.display().to_string(), source }
}
