//! The migrations of a project, read as their tool reads them: the older ones, and the new.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canary_core::traits::{Baseline, BaselineSource};

use crate::changes::{ChangeKind, Changes, Looked, look};
use crate::config::GateConfig;
use crate::convention::{
    Convention, Detected, Project, Role, SectionError, Up, detect, has_extension, order,
};
use crate::deep;
use crate::source::Unreadable;
use crate::tree::Tree;

/// Texts of the files below the migrations' directory.
pub(crate) type Texts = BTreeMap<PathBuf, Result<String, Unreadable>>;

/// One migration that a deploy runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Its path below the migrations' directory.
    pub path: PathBuf,
    /// Its text as it lies on the disk.
    pub text: String,
    /// What a deploy runs of it, and how.
    pub up: Up,
}

/// Everything a deploy runs, in the order it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSet {
    /// The tool that runs it.
    pub convention: Convention,
    /// What that was seen by.
    pub convention_by: String,
    /// What the new ones are new against.
    pub baseline: Option<Baseline>,
    /// Those that are there at the baseline.
    pub older: Vec<MigrationFile>,
    /// Those that are not.
    pub new: Vec<MigrationFile>,
}

/// Why there is no set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// It cannot be told which migrations there are, which are new, or how they are read.
    #[error("{0}")]
    Undecided(String),
    /// A migration cannot be read.
    #[error("{} {why}", path.display())]
    Unreadable {
        /// Which, below the directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl MigrationSet {
    /// Asks git what is new and reads the files; changes nothing.
    ///
    /// # Errors
    /// [`SetError`]. No migrations at all, or no new ones, are a set like any other.
    pub async fn read(config: &GateConfig) -> Result<Self, SetError> {
        let changes = match look(config).await {
            Looked::Changes(changes) => changes,
            Looked::NothingNew { changes: Some(changes), .. } => changes,
            Looked::NothingNew { changes: None, .. } => return Ok(Self::empty()),
            Looked::Undecided(why) => return Err(SetError::Undecided(why)),
        };
        let config = config.clone();
        tokio::task::spawn_blocking(move || Self::of(&config, &changes))
            .await
            .map_err(|error| SetError::Undecided(format!("reading the migrations ended early: {error}")))?
    }

    /// Reads every migration that is there, without asking git which of them are new: all count as older.
    ///
    /// # Errors
    /// [`SetError`]. A directory that is not there is a set without migrations.
    pub fn whole(config: &GateConfig) -> Result<Self, SetError> {
        let dir = config.repository.join(&config.dir);
        let canonical = |path: &Path| {
            let failed =
                |error| SetError::Undecided(format!("{} cannot be looked at: {error}", path.display()));
            path.canonicalize().map_err(failed)
        };
        if !dir.exists() {
            return Ok(Self::empty());
        }
        let (root, dir) = (canonical(&config.repository)?, canonical(&dir)?);
        let root = if dir.starts_with(&root) { root } else { dir.clone() };
        let found = BaselineSource::Ref { name: String::new() };
        let changes = Changes {
            tree: Tree::Disk { root: root.clone(), dir: dir.clone() },
            root,
            dir,
            files: BTreeMap::new(),
            since: String::new(),
            baseline: Baseline { revision: String::new(), found },
        };
        Ok(Self { baseline: None, ..Self::of(config, &changes)? })
    }

    const fn empty() -> Self {
        Self {
            convention: Convention::Plain,
            convention_by: String::new(),
            baseline: None,
            older: Vec::new(),
            new: Vec::new(),
        }
    }

    fn of(config: &GateConfig, changes: &Changes) -> Result<Self, SetError> {
        let loaded = Loaded::read(config, changes).map_err(SetError::Undecided)?;
        let Detected { convention, by } = loaded.detected.clone();
        let mut set = Self {
            convention,
            convention_by: by,
            baseline: Some(changes.baseline.clone()),
            older: Vec::new(),
            new: Vec::new(),
        };
        let mut paths: Vec<&PathBuf> = loaded.texts.keys().collect();
        paths.sort_by_cached_key(|path| order(path));
        for path in paths.into_iter().filter(|path| convention.role(path) == Role::Up) {
            let unreadable = |why: String| SetError::Unreadable { path: path.clone(), why };
            let text = match &loaded.texts[path] {
                Ok(text) => text.clone(),
                Err(error) => return Err(unreadable(error.to_string())),
            };
            let up = loaded.up(changes, path, &text).map_err(|error| unreadable(error.to_string()))?;
            let file = MigrationFile { path: path.clone(), text, up };
            match changes.files.get(path) {
                Some(ChangeKind::Added) => set.new.push(file),
                Some(_) if convention.repeatable(path) => set.new.push(file),
                _ => set.older.push(file),
            }
        }
        Ok(set)
    }
}

/// The files' texts and the convention they follow.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) texts: Texts,
    pub(crate) detected: Detected,
}

impl Loaded {
    /// Reads every `.sql` file below the directory and finds the convention.
    pub(crate) fn read(config: &GateConfig, changes: &Changes) -> Result<Self, String> {
        let listed = changes.tree.list()?;
        let sql: Vec<PathBuf> = listed.into_iter().filter(|path| has_extension(path, "sql")).collect();
        let texts = deep::each(&sql, |path| changes.tree.read(path));
        // What no thread could be had for is read here.
        let read = |(path, text): (PathBuf, Option<_>)| {
            let text = text.unwrap_or_else(|| changes.tree.read(&path));
            (path, text)
        };
        let texts: Texts = sql.into_iter().zip(texts).map(read).collect();
        let detected = match config.convention {
            Some(convention) => Detected { convention, by: "as set".to_owned() },
            None => detect(
                &Project::look(&changes.root, &changes.dir),
                texts.iter().filter_map(|(path, text)| Some((path.as_path(), text.as_deref().ok()?))),
            )?,
        };
        Ok(Self { texts, detected })
    }

    /// What a deploy runs of a file.
    pub(crate) fn up(&self, changes: &Changes, path: &Path, text: &str) -> Result<Up, SectionError> {
        let convention = self.detected.convention;
        let side = convention.side_file(path).and_then(|side| changes.tree.read(&side).ok());
        convention.read(text, side.as_deref())
    }
}
