//! A file system of a test's own that is soon full.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs of some kilobytes, of which not all is a directory's; dropping it unmounts it.
#[derive(Debug)]
pub struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of `kib` KiB; nothing (and says so) where this process may not mount.
    ///
    /// # Panics
    /// When there is no temporary directory to mount it on.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "a test that did not run says so")]
    pub fn mount(kib: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let size = format!("size={kib}k");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        match mount {
            Ok(done) if done.status.success() => Some(Self { directory }),
            other => {
                println!("skipped: a small disk needs root and mount(8): {other:?}");
                None
            }
        }
    }

    /// Its root.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves no byte free.
    ///
    /// # Panics
    /// When there is an end to the room for another reason than that it is full.
    pub fn fill(&self) {
        let path = self.ballast();
        let filled = File::options().create(true).append(true).open(&path).and_then(
            |mut file| -> std::io::Result<Infallible> {
                loop {
                    file.write_all(&[0; 512])?;
                }
            },
        );
        let error: std::io::Error = match filled {
            Ok(never) => match never {},
            Err(error) => error,
        };
        let full = error.kind() == std::io::ErrorKind::StorageFull;
        assert!(full, "cannot fill {}: {error}", path.display());
    }

    /// Makes room again.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn make_room(&self) {
        let path = self.ballast();
        std::fs::remove_file(&path)
            .unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A file that is still open keeps it busy: it then goes away with that file.
        let _ = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
    }
}
