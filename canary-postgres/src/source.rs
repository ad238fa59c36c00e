//! Migration files as they lie on the disk, read with care.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;

/// The largest file that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 10 << 20;

/// The most files below a migrations' directory.
pub(crate) const MAX_FILES: usize = 100_000;

/// A file that cannot be judged, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not there, or may not be read.
    #[error("cannot be read: {0}")]
    Io(String),
    /// A symbolic link that leads elsewhere.
    #[error("is a symbolic link that leads out of the work tree")]
    Outside,
    /// A directory, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Larger than anybody's migration.
    #[error("has {0} bytes; more than {MAX_BYTES} are not judged")]
    TooLarge(u64),
    /// Not text.
    #[error("is not UTF-8 (byte {at})")]
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
        /// The line it stands in.
        line: u64,
    },
}

impl Unreadable {
    /// The line the trouble is in; 0 when it is the file as a whole.
    pub(crate) const fn line(&self) -> u64 {
        match self {
            Self::NotUtf8 { line, .. } => *line,
            _ => 0,
        }
    }
}

/// Reads a file of the work tree `root`.
pub(crate) fn read(root: &Path, path: &Path) -> Result<String, Unreadable> {
    let io = |error: std::io::Error| Unreadable::Io(error.to_string());
    let real = path.canonicalize().map_err(io)?;
    if !real.starts_with(root) {
        return Err(Unreadable::Outside);
    }
    let facts = fs::metadata(&real).map_err(io)?;
    if !facts.is_file() {
        return Err(Unreadable::NotAFile);
    }
    if facts.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge(facts.len()));
    }
    text(fs::read(&real).map_err(io)?)
}

/// A file's bytes as text.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, Unreadable> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        Unreadable::NotUtf8 { at, line: u64::try_from(lines).unwrap_or(0) + 1 }
    })
}

/// A digest that changes whenever what lies at `path` does: of a file its content, of anything else what it is.
pub(crate) fn digest(root: &Path, path: &Path) -> Digest {
    let content = path.canonicalize().ok().filter(|real| real.starts_with(root) && real.is_file());
    if let Some(digest) = content.and_then(|real| of_content(&real).ok()) {
        return digest;
    }
    let target = fs::read_link(path).map_or_else(|_| String::new(), |target| target.display().to_string());
    let what = read(root, path).err().map_or_else(String::new, |error| error.to_string());
    Digest::of(format!("no content\n{what}\n{target}\n").as_bytes())
}

/// Of a file of any size, in pieces: each one's digest goes into that of the next.
fn of_content(real: &Path) -> std::io::Result<Digest> {
    let mut file = fs::File::open(real)?;
    let mut digest = Digest::of(b"content");
    loop {
        let mut piece = Vec::new();
        if file.by_ref().take(MAX_BYTES).read_to_end(&mut piece)? == 0 {
            return Ok(digest);
        }
        piece.extend_from_slice(digest.to_string().as_bytes());
        digest = Digest::of(&piece);
    }
}

/// Every file below `dir`, by its path below it; symbolic links are listed and not followed.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        let here = dir.join(&below);
        let failed = |error: std::io::Error| format!("{} cannot be listed: {error}", here.display());
        for entry in fs::read_dir(&here).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = below.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
            if found.len() + open.len() > MAX_FILES {
                return Err(format!("{} holds more than {MAX_FILES} files", dir.display()));
            }
        }
    }
    found.sort();
    Ok(found)
}
