//! Admin states and weights on disk, as HAProxy's `server-state-file` has them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use canary_core::fleet::NodeId;
use canary_core::traits::{AdminState, BackendError, Weight};
use serde::{Deserialize, Serialize};

use crate::error::file_failed;
use crate::{LocalError, ServerConfig};

/// The file's name in the directory of the nodes.
const NAME: &str = "balancer.json";

/// What was asked of each server.
#[derive(Debug, Clone)]
pub(crate) struct SavedStates {
    path: PathBuf,
    whole: Whole,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Whole {
    v: u32,
    servers: BTreeMap<NodeId, SavedServer>,
}

/// One server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SavedServer {
    /// Unset: ready.
    pub(crate) admin: Option<AdminState>,
    /// Unset: as configured.
    pub(crate) weight: Option<Weight>,
}

impl SavedStates {
    /// Reads the file in `root`. One that cannot be read is an error: taking every server for ready would put a drained
    /// one back.
    pub(crate) fn open(root: &Path) -> Result<Self, LocalError> {
        let path = root.join(NAME);
        let whole = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Whole>(&bytes).map_err(io::Error::from).and_then(known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Whole { v: 1, ..Whole::default() }),
            Err(error) => Err(error),
        };
        Ok(Self { whole: whole.map_err(LocalError::io("read the admin states in", &path))?, path })
    }

    /// What is kept of a server.
    pub(crate) fn of(&self, node: &NodeId) -> SavedServer {
        self.whole.servers.get(node).copied().unwrap_or_default()
    }

    /// Sets a server up as it was left.
    pub(crate) fn put_into(&self, server: &mut ServerConfig) {
        let saved = self.of(&server.node);
        server.admin = saved.admin.unwrap_or(server.admin);
        server.weight_now = saved.weight.or(server.weight_now);
    }

    /// The same with one server changed.
    pub(crate) fn with(&self, node: &NodeId, saved: SavedServer) -> Self {
        let mut next = self.clone();
        next.whole.servers.insert(node.clone(), saved);
        next
    }

    /// Writes it, whole or not at all; on disk when it returns.
    pub(crate) fn write(&self, operation: &str) -> Result<(), BackendError> {
        let write = || {
            let partial = self.path.with_extension("json.partial");
            let mut file = File::create(&partial)?;
            serde_json::to_writer(&mut file, &self.whole)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&partial, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        };
        write().map_err(|error| file_failed(operation, "write", &self.path, error))
    }
}

fn known(whole: Whole) -> io::Result<Whole> {
    match whole.v {
        1 => Ok(whole),
        other => Err(io::Error::other(format!("it is of version {other}, which this program does not know"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let node = NodeId::new("n-1").unwrap();
        let empty = SavedStates::open(dir.path()).unwrap();
        assert_eq!(empty.of(&node), SavedServer::default());
        let drained = SavedServer { admin: Some(AdminState::Drain), weight: Some(Weight::new(7).unwrap()) };
        empty.with(&node, drained).write("test").unwrap();
        assert_eq!(SavedStates::open(dir.path()).unwrap().of(&node), drained);
        for text in ["", "{", r#"{"v":2,"servers":{}}"#, r#"{"v":1,"servers":{"n-1":{"admin":"gone"}}}"#] {
            fs::write(dir.path().join(NAME), text).unwrap();
            let error = SavedStates::open(dir.path()).unwrap_err();
            assert!(error.to_string().starts_with("cannot read the admin states in "), "{error}");
        }
    }
}
