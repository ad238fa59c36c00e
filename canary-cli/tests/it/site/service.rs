//! A service's repository with migrations, and the program in it.

use std::path::Path;
use std::process::{Command, Output};

/// A repository with one migration that runs, at the tag `v1`, and one that is new.
pub(crate) struct Service(tempfile::TempDir);

impl Service {
    /// Each migration as its path and its text.
    pub(crate) fn with(old: (&str, &str), new: (&str, &str)) -> Self {
        let service = Self(tempfile::tempdir().unwrap());
        service.write(old.0, old.1);
        for arguments in
            [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "users"], &["tag", "v1"]]
        {
            service.git(arguments);
        }
        service.write(new.0, new.1);
        service
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Always with the same person at the same time, so that commits have the same names in every run.
    pub(crate) fn git(&self, arguments: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
            .args(["-c", "commit.gpgSign=false"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// `gate` against the tag.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canary-cli"));
        command.env_clear().env("HOME", self.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command.env("CANARY_STATE_DIR", self.path().join("state")).env("CANARY_ACTOR", "ada@ops");
        command.current_dir(self.path()).arg("gate").args(["--base", "v1"]).args(arguments);
        command
    }
}

/// Everything that a program printed.
pub(crate) fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
