//! The artifact store: binaries of rollouts that are long over go.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::ErrorKind as Io;
use std::path::Path;
use std::{fs, io};

use canary_core::fleet::Digest;
use canary_core::journal::{Entry, Record, rollouts};
use serde_json::json;

use super::Context;
use crate::render::{line, words};

/// Removes what nothing needs any more, at the end of a rollout, while the journal is still held. That something stays stops nothing.
pub(super) fn prune(cx: &Context<'_>) {
    let Ok(journal) = cx.read_journal() else { return };
    let needed = needed(&journal.records, cx.settings.keep_rollouts);
    match remove_others(&cx.store(), &needed) {
        Ok((0, _)) => {}
        Ok((count, bytes)) if cx.screen.json() => {
            cx.screen.line(line("pruned", json!({ "artifacts": count, "bytes": bytes })));
        }
        Ok((count, bytes)) => {
            let what = if count == 1 { "1 binary" } else { &format!("{count} binaries") };
            let told = format!("{what} of older rollouts removed from the store, {}", words::bytes(bytes));
            cx.screen.line(cx.screen.paint.quiet(&told));
        }
        Err(error) => {
            let store = cx.store();
            tracing::warn!(store = %store.display(), error = &error as &dyn std::error::Error, "cannot prune the store");
        }
    }
}

/// The releases and ways back of the last rollouts, what nodes had before each of them, and what they had when one ended last.
pub(super) fn needed(records: &[Record], keep: usize) -> BTreeSet<Digest> {
    let views = rollouts(records);
    let last = &views[views.len().saturating_sub(keep)..];
    let mut needed = BTreeSet::new();
    for view in last {
        needed.insert(view.plan.artifact.facts.sha256);
        needed.extend(view.plan.way_back.as_ref().map(|back| back.facts.sha256));
        needed.extend(view.plan.nodes.iter().filter_map(|node| node.before));
    }
    let reports = records.iter().rev().find_map(|record| match &record.entry {
        Entry::Finished { nodes, .. } => Some(nodes),
        _ => None,
    });
    needed.extend(reports.into_iter().flatten().filter_map(|report| report.installed));
    needed
}

/// Removes every file that a digest names which is not needed; how many they were, and their bytes. Others are not touched.
fn remove_others(store: &Path, needed: &BTreeSet<Digest>) -> io::Result<(usize, u64)> {
    let entries = match fs::read_dir(store) {
        Ok(entries) => entries,
        Err(error) if error.kind() == Io::NotFound => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let (mut count, mut bytes) = (0, 0);
    for entry in entries {
        let entry = entry?;
        let Some(digest) = named(&entry.file_name()) else { continue };
        let facts = entry.metadata()?;
        if !facts.is_file() || needed.contains(&digest) {
            continue;
        }
        fs::remove_file(entry.path())?;
        (count, bytes) = (count + 1, bytes + facts.len());
    }
    Ok((count, bytes))
}

/// The digest that a file is named by, whole or cut off while it was copied.
fn named(name: &OsStr) -> Option<Digest> {
    let name = name.to_str()?;
    name.strip_suffix(".partial").unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    #[test]
    fn what_no_digest_names_or_is_needed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let needed: BTreeSet<_> = [digest("running"), digest("way back")].into();
        let name = |of: &str| digest(of).to_string();
        let old = [name("old"), name("older"), format!("{}.partial", name("cut off"))];
        let stays = [
            name("running"),
            name("way back"),
            format!("{}.partial", name("running")),
            "README".to_owned(),
            format!("{}.sig", name("old")),
            name("old")[1..].to_owned(),
        ];
        for file in old.iter().chain(&stays) {
            fs::write(dir.path().join(file), "12345").unwrap();
        }
        fs::create_dir(dir.path().join(name("a directory"))).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join(name("a link"))).unwrap();
        assert_eq!(remove_others(dir.path(), &needed).unwrap(), (3, 15));
        assert!(old.iter().all(|file| !dir.path().join(file).exists()));
        assert!(stays.iter().all(|file| dir.path().join(file).exists()));
        assert!(dir.path().join(name("a directory")).is_dir());
        assert!(fs::symlink_metadata(dir.path().join(name("a link"))).is_ok());
        assert_eq!(remove_others(dir.path(), &needed).unwrap(), (0, 0));
        assert_eq!(remove_others(&dir.path().join("gone"), &needed).unwrap(), (0, 0));
    }
}
