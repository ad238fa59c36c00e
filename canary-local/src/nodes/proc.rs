//! What `/proc` says of a process (proc(5)), and who a process is beyond its number.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use canary_core::traits::RunningBinary;
use serde::{Deserialize, Serialize};

/// A file, whatever its name is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileId {
    dev: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self { dev: meta.dev(), inode: meta.ino() })
    }
}

/// A process that no other can be taken for: numbers are used again, this is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Clock ticks between the boot and its start.
    pub(crate) started: u64,
    /// The boot.
    pub(crate) boot: String,
    /// The file it executes; unknown when it ended at once.
    pub(crate) exe: Option<FileId>,
}

impl Identity {
    /// Reads who has this number now; `None` when nobody has, or only the remains of one that ended.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let (state, _) = stat(pid)?;
        if matches!(state, 'Z' | 'X') { None } else { Self::of_own_child(pid) }
    }

    /// Reads who an own child is, also one that has ended and was not waited for yet.
    pub(crate) fn of_own_child(pid: u32) -> Option<Self> {
        let (_, started) = stat(pid)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        Some(Self { pid, started, boot, exe: FileId::of(&exe(pid)) })
    }

    /// Finds a process that nobody noted down: one that executes `target` in `dir` and leads a group.
    ///
    /// Whoever starts a process can be killed before it is noted.
    pub(crate) fn stray(dir: &Path, target: &Path) -> Option<Self> {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut found = numbers.filter(|pid| is_stray(*pid, dir, target));
        Self::read(found.next()?)
    }

    /// Whether this very process runs.
    pub(crate) fn runs(&self) -> bool {
        self.exe.is_some() && Self::read(self.pid).as_ref() == Some(self)
    }
}

fn exe(pid: u32) -> std::path::PathBuf {
    format!("/proc/{pid}/exe").into()
}

/// The state's letter and the start time, fields 3 and 22 of `/proc/PID/stat`.
fn stat(pid: u32) -> Option<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<(char, u64)> {
    // The second field, the name, may hold anything, also blanks and brackets.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

/// See [`Identity::stray`].
fn is_stray(pid: u32, dir: &Path, target: &Path) -> bool {
    let linked = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let runs = linked("exe");
    let gone = format!("{} (deleted)", target.display());
    if (runs != target && runs.as_os_str() != gone.as_str()) || linked("cwd") != dir {
        return false;
    }
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(2)?.parse().ok())
        == Some(pid)
}

/// Whether a process executes the file that lies at `target`.
pub(crate) fn running(pid: u32, target: &Path) -> RunningBinary {
    match stat(pid) {
        None | Some(('Z' | 'X', _)) => return RunningBinary::None,
        Some(_) => {}
    }
    let link = exe(pid);
    let Some(runs) = FileId::of(&link) else { return RunningBinary::Unknown };
    if FileId::of(target) == Some(runs) {
        return RunningBinary::InPlace;
    }
    let path = fs::read_link(link).unwrap_or_default();
    let replaced =
        path.to_string_lossy().strip_suffix(" (deleted)").is_some_and(|path| Path::new(path) == target);
    if replaced { RunningBinary::Replaced } else { RunningBinary::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        for name in ["sh", "a b", ") R 9 9", "((x)"] {
            assert_eq!(parse_stat(&format!("77 ({name}) {tail}")), Some(('S', 4242)), "{name}");
        }
        assert_eq!(parse_stat("77 (sh) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn this_process_is_itself_and_nobody_else() {
        let me = Identity::read(std::process::id()).unwrap();
        assert!(me.runs());
        assert!(!Identity { started: me.started + 1, ..me.clone() }.runs());
        assert!(!Identity { boot: "another".to_owned(), ..me.clone() }.runs());
        assert!(!Identity { exe: None, ..me.clone() }.runs());
        assert!(!Identity { exe: FileId::of(Path::new("/")), ..me }.runs());
    }
}
