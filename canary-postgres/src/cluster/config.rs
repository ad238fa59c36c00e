//! What a throw-away server is made of.

use std::path::PathBuf;
use std::time::Duration;

/// How a throw-away server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The directory that its own is made in. Short, since a socket's path has at most 107 bytes.
    pub parent: PathBuf,
    /// Where the server's programs are; looked for when not set.
    pub programs: Option<PathBuf>,
    /// The major version wanted; the newest one found when not set.
    pub major: Option<u32>,
    /// The most connections at a time.
    pub max_connections: u16,
    /// More server settings (`timezone` is the migration runner's matter).
    pub settings: Vec<(String, String)>,
    /// The longest that making the data directory and coming up may take, each.
    pub deadline: Duration,
}

impl Default for ClusterConfig {
    /// In `/tmp`, the newest server there is, 50 connections, 60 s.
    fn default() -> Self {
        Self {
            parent: PathBuf::from("/tmp"),
            programs: None,
            major: None,
            max_connections: 50,
            settings: Vec::new(),
            deadline: Duration::from_secs(60),
        }
    }
}
