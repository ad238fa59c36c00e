//! Where a node keeps what: `<root>/<node>/{bin/<binary>, service.log, state.json}`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::proc::Identity;

/// The paths of one node.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) log: PathBuf,
    state: PathBuf,
}

/// What a runtime that opens the directory later must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) process: Identity,
    /// Automatic restarts so far.
    pub(crate) restarts: u64,
}

impl Layout {
    pub(crate) fn new(root: &Path, node: &str, binary: &str) -> Self {
        let dir = root.join(node);
        Self {
            target: dir.join("bin").join(binary),
            log: dir.join("service.log"),
            state: dir.join("state.json"),
            dir,
        }
    }

    /// Makes the node's directories.
    pub(crate) fn create(&self) -> io::Result<()> {
        fs::create_dir_all(self.dir.join("bin"))
    }

    /// Keeps what must be known later; whole or not at all.
    pub(crate) fn save(&self, saved: &Saved) -> io::Result<()> {
        let partial = self.state.with_extension("json.partial");
        let mut file = fs::File::create(&partial)?;
        serde_json::to_writer(&mut file, saved)?;
        file.flush()?;
        fs::rename(&partial, &self.state)
    }

    /// Nothing runs any more.
    pub(crate) fn forget(&self) {
        // A state file that stays names a process that no longer runs: the reader sees that.
        let _ = fs::remove_file(&self.state);
    }

    /// What was kept; an unreadable file is none.
    pub(crate) fn saved(&self) -> Option<Saved> {
        serde_json::from_slice(&fs::read(&self.state).ok()?).ok()
    }
}
