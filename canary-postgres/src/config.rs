//! What the gate is told by its caller.

use std::path::PathBuf;

use crate::Convention;

/// Where the migrations are, what they are new against, and whether refusals are waved through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// The root of a git work tree, or any directory in it.
    pub repository: PathBuf,
    /// The migrations' directory: relative to `repository`, or absolute.
    pub dir: PathBuf,
    /// The revision that is running: files that came after it are judged. A branch, tag or commit.
    pub base: String,
    /// The tool that runs the migrations; found out from all files together when not set.
    pub convention: Option<Convention>,
    /// Waves everything through that would be refused or undecided.
    pub force: Option<Force>,
}

impl GateConfig {
    /// The base when nobody says otherwise.
    pub const DEFAULT_BASE: &'static str = "origin/main";

    /// Judges what is new since `origin/main` in `dir`, with the convention found out and nothing forced.
    pub fn new(repository: impl Into<PathBuf>, dir: impl Into<PathBuf>) -> Self {
        Self {
            repository: repository.into(),
            dir: dir.into(),
            base: Self::DEFAULT_BASE.to_owned(),
            convention: None,
            force: None,
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
