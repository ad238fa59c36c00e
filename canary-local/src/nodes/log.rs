//! The node's log file: what its process wrote to stdout and stderr.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::error::clean;

/// The characters of a line that are kept.
const LINE: usize = 400;
/// How much of the file's end is looked at.
const TAIL: u64 = 1024 * 1024;
/// A larger file is moved aside at the next start.
const LARGE: u64 = 16 * 1024 * 1024;

/// Opens the log for a process that is about to start.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > LARGE) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines, oldest first; none when nothing was ever written.
pub(crate) fn last_lines(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may be cut.
    let all: Vec<&str> = text.lines().skip(usize::from(from > 0)).collect();
    Ok(all[all.len().saturating_sub(lines)..].iter().map(|line| clean(line, LINE)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_clean_and_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("service.log");
        assert_eq!(last_lines(&path, 3).unwrap(), Vec::<String>::new());
        fs::write(&path, format!("one\ntwo\u{1b}[2J\n{}\nfour", "x".repeat(500))).unwrap();
        let lines = last_lines(&path, 3).unwrap();
        assert_eq!(lines[0], "two [2J");
        assert_eq!(lines[1], format!("{}…", "x".repeat(400)));
        assert_eq!(lines[2], "four");
        assert_eq!(last_lines(&path, 0).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_large_file_is_read_from_its_end_and_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("service.log");
        let line = format!("{}\n", "y".repeat(99));
        fs::write(&path, line.repeat(170_000)).unwrap();
        assert_eq!(last_lines(&path, 60_000).unwrap().len(), 10_485);
        drop(open(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert!(path.with_extension("log.1").exists());
    }
}
