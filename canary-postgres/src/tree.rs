//! Where the migrations' files are read: in the work tree, or in a commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;

use crate::git::{Git, Listed};
use crate::source::{self, MAX_BYTES, MAX_FILES, Unreadable};

/// The files below the migrations' directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Those on the disk: the work tree's root and the directory, both without symbolic links.
    Disk { root: PathBuf, dir: PathBuf },
    /// Those of a commit, by their path below the directory.
    Commit(BTreeMap<PathBuf, Committed>),
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    text: Result<String, Unreadable>,
    digest: Digest,
    /// A submodule, which is a directory of files that the commit does not hold.
    submodule: bool,
}

impl Tree {
    /// Reads what a commit holds below a directory, which is given as a path below the root.
    pub(crate) async fn at(git: &Git, commit: &str, below: &Path) -> Result<Self, String> {
        let listed = git.list(commit, below).await.map_err(|error| error.to_string())?;
        if listed.len() > MAX_FILES {
            return Err(format!("{} holds more than {MAX_FILES} files", below.display()));
        }
        let fits = |file: &&Listed| file.is_file() && file.size <= MAX_BYTES;
        let objects: Vec<String> = listed.iter().filter(fits).map(|file| file.object.clone()).collect();
        let mut contents = git.blobs(&objects).await.map_err(|error| error.to_string())?.into_iter();
        let mut files = BTreeMap::new();
        for file in &listed {
            let content = if fits(&file) { contents.next() } else { None };
            let Ok(path) = file.path.strip_prefix(below) else { continue };
            files.insert(path.to_owned(), Committed::of(file, content));
        }
        Ok(Self::Commit(files))
    }

    /// Every file, by its path below the directory.
    pub(crate) fn list(&self) -> Result<Vec<PathBuf>, String> {
        match self {
            Self::Disk { dir, .. } if dir.exists() => source::list(dir),
            Self::Disk { .. } => Ok(Vec::new()),
            Self::Commit(files) => {
                Ok(files.iter().filter(|(_, file)| !file.submodule).map(|(path, _)| path.clone()).collect())
            }
        }
    }

    /// A file's text.
    pub(crate) fn read(&self, path: &Path) -> Result<String, Unreadable> {
        match self {
            Self::Disk { root, dir } => source::read(root, &dir.join(path)),
            Self::Commit(files) => match files.get(path) {
                Some(file) => file.text.clone(),
                None => Err(Unreadable::Io("it is not in the commit".to_owned())),
            },
        }
    }

    /// A digest that changes whenever what lies at the path does.
    pub(crate) fn digest(&self, path: &Path) -> Digest {
        match self {
            Self::Disk { root, dir } => source::digest(root, &dir.join(path)),
            Self::Commit(files) => files.get(path).map_or_else(|| Digest::of(b"nothing"), |file| file.digest),
        }
    }

    /// Whether it is a link to a directory, or a submodule.
    pub(crate) fn is_directory(&self, path: &Path) -> bool {
        match self {
            Self::Disk { dir, .. } => dir.join(path).is_dir(),
            Self::Commit(files) => files.get(path).is_some_and(|file| file.submodule),
        }
    }
}

impl Committed {
    fn of(file: &Listed, content: Option<Vec<u8>>) -> Self {
        let digest = Digest::of(file.object.as_bytes());
        let text = match content {
            Some(content) => source::text(content),
            // Where it leads is no question of the commit's.
            None if file.is_file() => Err(Unreadable::TooLarge(file.size)),
            None => Err(Unreadable::NotAFile),
        };
        Self { text, digest, submodule: file.is_submodule() }
    }
}
