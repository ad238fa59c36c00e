//! What is new in the migrations' directory since the base revision: committed, staged, edited and untracked.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use canary_core::traits::{Baseline, BaselineSource};

use crate::config::{Base, GateConfig};
use crate::git::{self, Git, GitError};
use crate::tree::Tree;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Edited,
    Deleted,
}

impl ChangeKind {
    /// One letter, as git shows it.
    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Edited => 'M',
            Self::Deleted => 'D',
        }
    }
}

/// Everything that differs from the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The work tree's root, without symbolic links.
    pub(crate) root: PathBuf,
    /// The migrations' directory, without symbolic links; it may no longer exist.
    pub(crate) dir: PathBuf,
    /// Where the files are read.
    pub(crate) tree: Tree,
    /// What happened to which file, by its path below `dir`.
    pub(crate) files: BTreeMap<PathBuf, ChangeKind>,
    /// What they are new against, for evidence.
    pub(crate) since: String,
    /// The same, for programs.
    pub(crate) baseline: Baseline,
}

/// The answer to "what is new?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// These files.
    Changes(Changes),
    /// Nothing, why, and what was looked at.
    NothingNew { why: String, changes: Option<Changes> },
    /// It cannot be told, why not, and what to do.
    Undecided(String),
}

/// Asks git what is new. Changes nothing and fetches nothing.
pub(crate) async fn look(config: &GateConfig) -> Looked {
    if let Some(commit) = &config.at {
        return match committed(config, commit).await {
            Ok(changes) if changes.files.is_empty() => Looked::NothingNew {
                why: format!(
                    "no file in {} differs between {} and {}",
                    config.dir.display(),
                    changes.since,
                    short(commit)
                ),
                changes: Some(changes),
            },
            Ok(changes) => Looked::Changes(changes),
            Err(why) => Looked::Undecided(why),
        };
    }
    let dir = config.repository.join(&config.dir);
    let missing = match tokio::fs::metadata(&dir).await {
        Ok(found) if found.is_dir() => false,
        Ok(_) => {
            return Looked::Undecided(format!(
                "{} is not a directory; name the migrations' directory",
                dir.display()
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            return Looked::Undecided(format!(
                "the migrations' directory {} cannot be looked at: {error}",
                dir.display()
            ));
        }
    };
    match changes(config, &dir, missing).await {
        Ok(changes) if changes.files.is_empty() && missing => {
            Looked::NothingNew { why: absent(&dir), changes: Some(changes) }
        }
        Ok(changes) if changes.files.is_empty() => Looked::NothingNew {
            why: format!("no file in {} differs from {}", config.dir.display(), changes.since),
            changes: Some(changes),
        },
        Ok(changes) => Looked::Changes(changes),
        Err(_) if missing => Looked::NothingNew { why: absent(&dir), changes: None },
        Err(why) => Looked::Undecided(why),
    }
}

fn absent(dir: &Path) -> String {
    format!("there is no migrations directory at {}", dir.display())
}

async fn changes(config: &GateConfig, dir: &Path, missing: bool) -> Result<Changes, String> {
    git::check_ref(config.base.revision())
        .map_err(|why| format!("the base {:?} is not a revision: {why}", config.base.revision()))?;
    let root = root(&config.repository).await?;
    let dir = if missing { dir_in(&config.repository, &config.dir)? } else { canonical(dir)? };
    let below = dir.strip_prefix(&root).map_err(|_| outside(&dir, &root))?;
    let git = Git::at(&root);
    let (baseline, since) = baseline(&git, &config.base, "HEAD").await?;
    let pathspec = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let mut files = differing(&git, &[&baseline.revision], pathspec).await?;
    untracked(&git, pathspec, &mut files).await?;
    let files = under(below, files);
    let tree = Tree::Disk { root: root.clone(), dir: dir.clone() };
    Ok(Changes { files, tree, dir, root, since, baseline })
}

/// What a commit has that the base has not.
async fn committed(config: &GateConfig, commit: &str) -> Result<Changes, String> {
    for (what, name) in [("base", config.base.revision()), ("commit", commit)] {
        git::check_ref(name).map_err(|why| format!("the {what} {name:?} is not a revision: {why}"))?;
    }
    let root = root(&config.repository).await?;
    let dir = config.repository.join(&config.dir);
    let dir = if dir.exists() { canonical(&dir)? } else { dir_in(&config.repository, &config.dir)? };
    let below = dir.strip_prefix(&root).map_err(|_| outside(&dir, &root))?;
    let git = Git::at(&root);
    let (baseline, since) = baseline(&git, &config.base, commit).await?;
    let pathspec = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let files = under(below, differing(&git, &[&baseline.revision, commit], pathspec).await?);
    let tree = Tree::at(&git, commit, below).await?;
    Ok(Changes { files, tree, dir, root, since, baseline })
}

/// The same files by their path below a directory.
fn under(below: &Path, files: BTreeMap<PathBuf, ChangeKind>) -> BTreeMap<PathBuf, ChangeKind> {
    let files = files.into_iter();
    files.filter_map(|(path, kind)| Some((path.strip_prefix(below).ok()?.to_owned(), kind))).collect()
}

fn outside(dir: &Path, root: &Path) -> String {
    format!(
        "the migrations' directory {} lies outside the work tree {}; name one inside it",
        dir.display(),
        root.display()
    )
}

fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

fn canonical(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{} cannot be looked at: {error}", path.display()))
}

/// Where a directory that is not there would be.
fn dir_in(repository: &Path, dir: &Path) -> Result<PathBuf, String> {
    Ok(canonical(repository)?.join(dir))
}

async fn root(repository: &Path) -> Result<PathBuf, String> {
    match Git::at(repository).line(&["rev-parse", "--show-toplevel"]).await {
        Ok(root) => canonical(Path::new(&root)),
        Err(GitError::Failed { stderr, .. }) if stderr.contains("dubious ownership") => Err(format!(
            "git does not trust {0}, which belongs to another user; run git config --global --add safe.directory {0}",
            repository.display()
        )),
        Err(GitError::Failed { stderr, .. }) => Err(format!(
            "{} is not a git work tree, so nothing tells which migrations are new ({stderr}); run the gate in a clone of the service's repository",
            repository.display()
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// The commit to compare `head` with, and how to speak of it.
async fn baseline(git: &Git, base: &Base, head: &str) -> Result<(Baseline, String), String> {
    let commit = |name: &str| format!("{name}^{{commit}}");
    let verify = async |name: &str| {
        git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit(name)]).await
    };
    let head = match verify(head).await {
        Ok(head) => head,
        Err(GitError::Failed { .. }) if head != "HEAD" => {
            return Err(format!("the commit {} is unknown here; run git fetch origin", short(head)));
        }
        Err(GitError::Failed { .. }) => {
            return Err("the repository has no commit yet; commit the migrations first".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    let tip = match verify(base.revision()).await {
        Ok(tip) => tip,
        Err(GitError::Failed { .. }) => {
            return Err(format!("the base {base} is unknown here; {}", fetch(base)));
        }
        Err(error) => return Err(error.to_string()),
    };
    let name = match base {
        Base::Running { rollout, .. } => {
            let found = BaselineSource::Journal { rollout: rollout.clone() };
            let baseline = Baseline { revision: tip, found };
            let since = baseline.to_string();
            return Ok((baseline, since));
        }
        Base::Ref(name) => name,
    };
    let merge_base = match git.line(&["merge-base", &head, &tip]).await {
        Ok(merge_base) => merge_base,
        Err(GitError::Failed { code: 1, .. }) => return Err(no_merge_base(git, name).await),
        Err(error) => return Err(error.to_string()),
    };
    let found = if merge_base == tip {
        BaselineSource::Ref { name: name.clone() }
    } else {
        BaselineSource::MergeBase { name: name.clone() }
    };
    let baseline = Baseline { revision: merge_base, found };
    let since = if baseline.revision == head {
        format!(
            "{base}, whose history holds the commit that is checked out ({}): if this branch is itself what is deployed, \
             name the revision that is running as the base",
            short(&head)
        )
    } else {
        baseline.to_string()
    };
    Ok((baseline, since))
}

fn fetch(base: &Base) -> String {
    let Base::Ref(base) = base else {
        return "run git fetch origin, in a clone with the full history".to_owned();
    };
    match base.split_once('/') {
        Some((remote, branch)) => format!("run git fetch {remote} {branch}"),
        None => format!("run git fetch origin {base}, or name a revision this clone has"),
    }
}

async fn no_merge_base(git: &Git, base: &str) -> String {
    match git.line(&["rev-parse", "--is-shallow-repository"]).await {
        Ok(shallow) if shallow == "true" => format!(
            "this clone is shallow and does not reach back to where it left {base}; run git fetch --unshallow (in CI: fetch the full history)"
        ),
        _ => format!(
            "the commit that is checked out and {base} have no common history; name a base they share"
        ),
    }
}

/// What differs between a commit and the work tree, or between two commits.
async fn differing(
    git: &Git,
    commits: &[&str],
    pathspec: &Path,
) -> Result<BTreeMap<PathBuf, ChangeKind>, String> {
    let words = ["diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none"];
    let mut arguments: Vec<&OsStr> = words.iter().chain(commits).map(OsStr::new).collect();
    arguments.extend([OsStr::new("--"), pathspec.as_os_str()]);
    let output = git.run(&arguments).await.map_err(|error| error.to_string())?;
    let mut files = BTreeMap::new();
    let mut fields = git::paths(&output).into_iter();
    while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
        let kind = match status.to_string_lossy().chars().next() {
            Some('A') => ChangeKind::Added,
            Some('D') => ChangeKind::Deleted,
            // Edited, unmerged, or its type changed (a file became a link).
            _ => ChangeKind::Edited,
        };
        files.insert(PathBuf::from(path), kind);
    }
    Ok(files)
}

/// Adds what git does not know.
async fn untracked(
    git: &Git,
    pathspec: &Path,
    files: &mut BTreeMap<PathBuf, ChangeKind>,
) -> Result<(), String> {
    // Ignored files too: a runner does not read .gitignore.
    let arguments =
        ["ls-files".as_ref(), "--others".as_ref(), "-z".as_ref(), "--".as_ref(), pathspec.as_os_str()];
    let output = git.run(&arguments).await.map_err(|error| error.to_string())?;
    for path in git::paths(&output) {
        if path.to_string_lossy().ends_with('/') {
            return Err(format!(
                "{} is a git repository of its own; its files cannot be compared with the base",
                path.to_string_lossy()
            ));
        }
        let again = |kind: &mut ChangeKind| {
            *kind = if *kind == ChangeKind::Deleted { ChangeKind::Edited } else { ChangeKind::Added };
        };
        files.entry(PathBuf::from(path)).and_modify(again).or_insert(ChangeKind::Added);
    }
    Ok(())
}
