//! The program in a directory where nothing answers, so that every rollout is refused; and secrets that nothing may show.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");

/// A command with nothing of this process' environment, its state in `state`.
pub(crate) fn program_with(dir: &Path, state: &Path, command: &[&str]) -> Command {
    std::fs::write(dir.join("release"), b"a release").unwrap();
    let mut program = Command::new(PROGRAM);
    program.args(command).args(["--output", "plain"]).current_dir(dir).env_clear();
    program.env("PATH", "/usr/bin:/bin").env("ARTIFACT", dir.join("release")).env("CANARY_STATE_DIR", state);
    program.env("INCUS_SOCKET", dir.join("no.socket")).env("CANARY_HAPROXY_ADDRESS", "unix:/nowhere.sock");
    program.env("LB_URL", "http://127.0.0.1:9").env("PROM_URL", "http://127.0.0.1:9");
    program.env("CANARY_RETRY_BUDGET", "0");
    program
}

/// The same with its state in the directory.
pub(crate) fn program(dir: &Path, command: &[&str]) -> Command {
    program_with(dir, &dir.join("state"), command)
}

/// What was said, none of the secrets in it.
pub(crate) fn said(output: &Output, secrets: &[&str]) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let text = out + &err;
    let shown: Vec<_> = secrets.iter().filter(|secret| text.contains(**secret)).collect();
    assert!(shown.is_empty(), "secrets were shown: {text}");
    text
}

/// Every file below a directory that has one of the secrets in it. What is larger than 8 MiB is a release.
pub(crate) fn holding(dir: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&entry.path(), secrets));
        } else if kind.is_file() && entry.metadata().unwrap().len() < 8 << 20 {
            let bytes = std::fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            if secrets.iter().any(|secret| text.contains(secret)) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}
