//! The record of decisions: a journal of its own, and beside it what each decision rests on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canary_core::engine::Check;
use canary_core::fleet::Digest;
use canary_core::journal::{Beat, Decided, Entry, FileJournal, ReadJournal, Record, RolloutId, Writer, read};
use canary_core::traits::{Clock, Journal as _, JournalError, SystemClock};
use canary_seal::{Ed25519Seal, Kept, KeptError, KeptKind, KeyError, SigningKey, handover};
use canary_tenants::evidence::Evidence;
use canary_tenants::policy::Policy;
use canary_tenants::round::Round;
use tokio::time::Instant;

use crate::error::{CommandError, ErrorKind, chain};
use crate::known::{self, Elsewhere};
use crate::settings::Settings;

/// How long a log that another process writes is waited for: a record takes some milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// How long git may take to say of which commit the policy is.
const GIT: Duration = Duration::from_secs(2);

/// Why a decision is not in the record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The log itself.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What it rests on.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// The key that signs the log.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Something of the system's.
    #[error("{0}")]
    System(String),
}

impl RecordError {
    /// The error with what to do about it.
    pub(crate) fn explain(&self) -> CommandError {
        let (kind, hint) = match self {
            Self::Journal(JournalError::Anchor { by, .. }) => {
                return CommandError::new(ErrorKind::Damaged, chain(self), known::hint(by));
            }
            Self::Journal(JournalError::Locked { .. } | JournalError::Fenced { .. }) => {
                (ErrorKind::Busy, "wait until the other command is done, then ask again")
            }
            Self::Journal(JournalError::Head { .. } | JournalError::Damaged { .. }) => (
                ErrorKind::Damaged,
                "nothing was added: compare it with its anchors (`canary-cli log verify --decisions --anchor FILE`); keep the log, its .head and what lies beside it as evidence, then move them aside together",
            ),
            Self::Kept(KeptError::Changed { .. } | KeptError::Missing(_)) => (
                ErrorKind::Damaged,
                "`canary-cli log verify --decisions` tells what else is not as it was written",
            ),
            Self::Journal(_) | Self::Kept(_) | Self::Key(_) => (
                ErrorKind::Refused,
                "name a file in a directory that this user may write with CANARY_DECISION_LOG or --decision-log, and see that the disk is not full",
            ),
            Self::System(_) => (ErrorKind::Refused, ""),
        };
        CommandError::new(kind, chain(self), hint)
    }
}

/// A decision to be recorded, beside what its round and its evidence say.
#[derive(Debug)]
pub(crate) struct NewDecision<'a> {
    /// Names the round.
    pub(crate) execution: String,
    /// The rollout whose watch it is made for.
    pub(crate) rollout: Option<RolloutId>,
    /// The binary, where it is known.
    pub(crate) artifact: Option<Digest>,
    /// What the round came to.
    pub(crate) round: &'a Round,
    /// What it was decided by.
    pub(crate) policy: &'a Policy,
    /// The policy's file as it was written.
    pub(crate) policy_text: &'a str,
    /// Where it lies.
    pub(crate) policy_path: &'a Path,
    /// What it rests on.
    pub(crate) evidence: Arc<Evidence>,
}

/// The record of decisions of a service.
#[derive(Debug, Clone)]
pub(crate) struct DecisionLog {
    path: PathBuf,
    key: PathBuf,
    elsewhere: Elsewhere,
    writer: Writer,
    reason: Option<String>,
    clock: Arc<dyn Clock>,
}

impl DecisionLog {
    /// The one that the settings name.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            path: settings.tenants.decision_log.clone(),
            key: settings.signing_key_file.clone(),
            elsewhere: Elsewhere::of_decisions(settings),
            writer: Writer {
                pid: std::process::id(),
                host: settings.tenants.host.clone(),
                actor: settings.actor.clone(),
                engine: env!("CARGO_PKG_VERSION").to_owned(),
            },
            reason: settings.reason.clone(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// One with a key of its own, for tests.
    #[cfg(test)]
    pub(crate) fn in_directory(directory: &Path, clock: Arc<dyn Clock>) -> Self {
        let path = directory.join("decisions.jsonl");
        Self {
            elsewhere: Elsewhere::beside(&path),
            path,
            key: directory.join("signing.key"),
            writer: Writer {
                pid: std::process::id(),
                host: "h".to_owned(),
                actor: "ada".to_owned(),
                engine: "0".to_owned(),
            },
            reason: None,
            clock,
        }
    }

    /// The clock that its records have their time of.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// What `doctor` says of what is known of it elsewhere; a log that is not there is none.
    pub(crate) fn check(&self) -> Option<Check> {
        let journal = match self.read() {
            Ok(journal) => journal,
            Err(error) => return Some(Check::failed("decisions", chain(&error))),
        };
        self.elsewhere.check("decisions", &journal.records)
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What lies beside it.
    pub(crate) fn kept(&self) -> Kept {
        Kept::beside(&self.path)
    }

    /// Reads it without locking it.
    pub(crate) fn read(&self) -> Result<ReadJournal, RecordError> {
        Ok(read(&self.path)?)
    }

    /// Records a decision: first what it rests on, then itself, all of it durable and the head signed when this returns.
    ///
    /// A log that another process writes is waited for, for ten seconds. What was kept for a decision that then could not be recorded is left and harms nothing.
    ///
    /// # Errors
    /// [`RecordError`]; nobody may act on an approval then.
    pub(crate) async fn append(&self, new: NewDecision<'_>) -> Result<Record, RecordError> {
        let (kept, evidence) = (self.kept(), new.evidence);
        let (policy, text) = (new.policy.canonical(), new.policy_text.to_owned());
        let digests = blocking(move || {
            Ok::<_, KeptError>((
                kept.put_from(KeptKind::Evidence, |out| evidence.write(out))?,
                kept.put(KeptKind::Policy, policy.as_bytes())?,
                kept.put(KeptKind::PolicyFile, text.as_bytes())?,
            ))
        });
        let (evidence_sha256, policy_sha256, policy_file_sha256) = digests.await??;
        let policy_commit = commit(new.policy_path).await;
        let ruling = new.round.record.clone();
        debug_assert_eq!(
            policy_sha256, ruling.policy_sha256,
            "the evidence names the policy it was decided by"
        );
        let journal = self.open().await?;
        let supersedes = replaced(&journal.records().await?, new.rollout.as_ref(), ruling.version.as_deref());
        let decided = Decided {
            execution: new.execution,
            rollout: new.rollout,
            artifact: new.artifact,
            ruling,
            policy_file_sha256,
            policy_commit,
            evidence_sha256,
            supersedes,
            actor: self.writer.actor.clone(),
            reason: self.reason.clone(),
            host: self.writer.host.clone(),
            pid: self.writer.pid.into(),
            engine: self.writer.engine.clone(),
        };
        Ok(journal.append(Entry::Decided(Box::new(decided))).await?)
    }

    /// Records a sign of life of a rollout's rounds.
    ///
    /// # Errors
    /// [`RecordError`].
    pub(crate) async fn beat(&self, rollout: &RolloutId, beat: Beat) -> Result<Record, RecordError> {
        let journal = self.open().await?;
        let records = journal.records().await?;
        let decisions = records.iter().filter(|record| of_rollout(record, rollout)).count() as u64;
        let (rollout, actor) = (rollout.clone(), self.writer.actor.clone());
        Ok(journal.append(Entry::Heartbeat { rollout, actor, beat, decisions }).await?)
    }

    /// The last decision about a release, and what it rests on; `None` when there is none.
    ///
    /// # Errors
    /// The log cannot be read, or what the decision rests on is missing or was changed.
    pub(crate) fn last(
        &self,
        rollout: Option<&RolloutId>,
        version: Option<&str>,
    ) -> Result<Option<(Decided, Evidence)>, RecordError> {
        let records = self.read()?.records;
        let Some(seq) = replaced(&records, rollout, version) else { return Ok(None) };
        let decided = records.into_iter().find(|record| record.seq == seq).map(|record| record.entry);
        let Some(Entry::Decided(decided)) = decided else { return Ok(None) };
        let evidence = evidence(&self.kept(), &decided)?;
        Ok(Some((*decided, evidence)))
    }

    /// Opens the log under its signed head.
    pub(crate) async fn open(&self) -> Result<FileJournal, RecordError> {
        let until = Instant::now() + BUSY;
        loop {
            let log = self.clone();
            match blocking(move || log.open_now()).await? {
                Err(RecordError::Journal(JournalError::Locked { .. })) if Instant::now() < until => {
                    tokio::time::sleep(BUSY / 200).await;
                }
                opened => return opened,
            }
        }
    }

    fn open_now(&self) -> Result<FileJournal, RecordError> {
        let opened = self.open_with(SigningKey::read_or_make(&self.key, &random::<32>()?)?);
        // A change of keys that was killed before the journal of rollouts had it, too: the log names the next key already.
        let next = next_key(&self.key);
        match &opened {
            Err(RecordError::Journal(JournalError::Head { .. })) if next.exists() => {
                self.open_with(SigningKey::read(&next)?).or(opened)
            }
            _ => opened,
        }
    }

    fn open_with(&self, key: SigningKey) -> Result<FileJournal, RecordError> {
        let guard = self.elsewhere.guard(Arc::new(Ed25519Seal::new(key))).map_err(RecordError::System)?;
        Ok(FileJournal::open_guarded(
            &self.path,
            &self.writer,
            random::<16>()?,
            Arc::clone(&self.clock),
            guard,
        )?)
    }

    /// Has another key sign the log from here on; one that does already, or a log that is not there, is left alone. Blocking.
    ///
    /// # Errors
    /// [`RecordError`].
    pub(crate) fn hand_over(&self, old: &SigningKey, new: &SigningKey) -> Result<(), RecordError> {
        if !self.path.exists() {
            return Ok(());
        }
        let log = match self.open_with(old.clone()) {
            Err(error @ RecordError::Journal(JournalError::Head { .. })) => {
                return self.open_with(new.clone()).map(drop).map_err(|_| error);
            }
            opened => opened?,
        };
        let id = self.read()?.records.first().map(|first| first.log.clone()).unwrap_or_default();
        log.hand_over(Arc::new(Ed25519Seal::new(new.clone())), handover(&id, old, new))?;
        Ok(())
    }
}

/// What a decision rests on.
///
/// # Errors
/// It is missing or was changed, or this version cannot read it.
pub(crate) fn evidence(kept: &Kept, decided: &Decided) -> Result<Evidence, RecordError> {
    let bytes = kept.read(KeptKind::Evidence, decided.evidence_sha256)?;
    let path = || kept.path(KeptKind::Evidence, decided.evidence_sha256).display().to_string();
    let text =
        String::from_utf8(bytes).map_err(|error| RecordError::System(format!("{}: {error}", path())))?;
    Evidence::read(&text).map_err(|error| RecordError::System(format!("{}: {error}", path())))
}

/// Where the next key waits until the journal names it.
pub(crate) fn next_key(path: &Path) -> PathBuf {
    path.with_extension("key-next")
}

/// The last decision about the same release: of the same rollout, else by hand and of the same version.
fn replaced(records: &[Record], rollout: Option<&RolloutId>, version: Option<&str>) -> Option<u64> {
    let same = |record: &&Record| match (&record.entry, rollout) {
        (Entry::Decided(_), Some(rollout)) => of_rollout(record, rollout),
        (Entry::Decided(decided), None) => {
            decided.rollout.is_none() && decided.ruling.version.as_deref() == version
        }
        _ => false,
    };
    records.iter().rev().find(same).map(|record| record.seq)
}

fn of_rollout(record: &Record, rollout: &RolloutId) -> bool {
    matches!(&record.entry, Entry::Decided(decided) if decided.rollout.as_ref() == Some(rollout))
}

/// The commit that a file is as of; `None` when it was changed since, or git does not know it or does not answer.
async fn commit(path: &Path) -> Option<String> {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name()?;
    let git = |arguments: &[&str]| {
        let mut git = tokio::process::Command::new("git");
        git.arg("-C").arg(directory).args(arguments).arg("--").arg(name).kill_on_drop(true);
        async move {
            tokio::time::timeout(GIT, git.output()).await.ok()?.ok().filter(|output| output.status.success())
        }
    };
    git(&["diff", "--quiet", "HEAD"]).await?;
    let found = git(&["log", "-1", "--format=%H"]).await?;
    let text = String::from_utf8(found.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|commit| !commit.is_empty())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RecordError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| RecordError::System(error.to_string()))
}

fn random<const N: usize>() -> Result<[u8; N], RecordError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| RecordError::System(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}
