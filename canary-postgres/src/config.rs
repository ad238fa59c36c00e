//! What the gate is told by its caller.

use std::fmt;
use std::path::PathBuf;

use crate::Convention;
use crate::grants::Allowance;
use crate::rules::{BinaryFacts, Locks};

/// Where the migrations are, what they are new against, and whether refusals are waved through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// The root of a git work tree, or any directory in it.
    pub repository: PathBuf,
    /// The migrations' directory: relative to `repository`, or absolute.
    pub dir: PathBuf,
    /// What the migrations are new against.
    pub base: Base,
    /// The commit whose migrations are judged; those of the work tree when not set.
    pub at: Option<String>,
    /// The tool that runs the migrations; found out from all files together when not set.
    pub convention: Option<Convention>,
    /// Grants for single refusals.
    pub allow: Vec<Allowance>,
    /// Waves everything through that would be refused or undecided.
    pub force: Option<Force>,
    /// What is known of the binary that is running; without it rules judge for any binary.
    pub facts: Option<BinaryFacts>,
    /// What becomes of changes that only lock.
    pub locks: Locks,
}

impl GateConfig {
    /// The base when nobody says otherwise.
    pub const DEFAULT_BASE: &'static str = "origin/main";

    /// Judges what is new since `origin/main` in `dir`, with the convention found out and nothing forced.
    pub fn new(repository: impl Into<PathBuf>, dir: impl Into<PathBuf>) -> Self {
        Self {
            repository: repository.into(),
            dir: dir.into(),
            base: Base::from(Self::DEFAULT_BASE),
            at: None,
            convention: None,
            allow: Vec::new(),
            force: None,
            facts: None,
            locks: Locks::default(),
        }
    }
}

/// What migrations are new against, and how that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A branch, tag or commit: what came since the candidate left it is new.
    Ref(String),
    /// The revision that is running, from the record of the rollout that brought it everywhere: what differs from it is
    /// new, and what it had and the candidate has not is missing.
    Running {
        /// The commit.
        revision: String,
        /// The rollout.
        rollout: String,
    },
}

impl Base {
    /// What git is asked for.
    #[must_use]
    pub fn revision(&self) -> &str {
        match self {
            Self::Ref(name) => name,
            Self::Running { revision, .. } => revision,
        }
    }
}

impl From<&str> for Base {
    fn from(name: &str) -> Self {
        Self::Ref(name.to_owned())
    }
}

impl From<String> for Base {
    fn from(name: String) -> Self {
        Self::Ref(name)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ref(name) => f.pad(name),
            Self::Running { revision, rollout } => {
                let short: String = revision.chars().take(12).collect();
                write!(f, "{short}, what rollout {rollout} left running")
            }
        }
    }
}

/// Who waves refusals through, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Force {
    /// A person, or the variable that was set.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}
