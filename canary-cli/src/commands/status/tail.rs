//! Reads a journal that another process writes: each time only what is new.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use canary_core::journal::{Chain, Record, parse_line};
use canary_core::traits::JournalError;

/// How far a journal has been read.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    /// Device and inode of the file that was read: another file starts anew.
    file: Option<(u64, u64)>,
    /// The length of the whole lines so far.
    read: u64,
    lines: u64,
    chain: Option<Chain>,
}

impl Tail {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, file: None, read: 0, lines: 0, chain: None }
    }

    /// Gives every whole record that is new, oldest first. A file that is not there yet has none; a last line without
    /// its end is being written, and read when it is whole. Another file in its place, or one that was cut, is read
    /// from its start.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] with the line where the chain does not hold; [`JournalError::Io`].
    pub(super) fn read(&mut self, mut take: impl FnMut(Record)) -> Result<(), JournalError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("open", error)),
        };
        let meta = file.metadata().map_err(|error| self.failed("read", error))?;
        if !meta.is_file() {
            return Err(self.failed("read", io::Error::other("it is not a regular file")));
        }
        let id = Some((meta.dev(), meta.ino()));
        if self.file != id || meta.len() < self.read {
            (self.file, self.read, self.lines, self.chain) = (id, 0, 0, None);
        }
        if meta.len() == self.read {
            return Ok(());
        }
        let mut file = BufReader::new(file);
        file.seek(SeekFrom::Start(self.read)).map_err(|error| self.failed("read", error))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            file.read_until(b'\n', &mut line).map_err(|error| self.failed("read", error))?;
            let Some(whole) = line.strip_suffix(b"\n") else { return Ok(()) };
            let record = parse_line(whole).map_err(|why| self.damaged(why))?;
            let chain = Chain::accept(self.chain.as_ref(), &record).map_err(|why| self.damaged(why))?;
            self.chain = Some(chain);
            self.read += line.len() as u64;
            self.lines += 1;
            take(record);
        }
    }

    fn failed(&self, action: &'static str, source: io::Error) -> JournalError {
        JournalError::Io { action, path: self.path.display().to_string(), source }
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::Damaged { path: self.path.display().to_string(), line: self.lines + 1, why }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use canary_core::journal::Entry;
    use canary_core::time::Timestamp;

    use super::*;

    fn lines(random: u8, count: usize) -> Vec<Vec<u8>> {
        let mut chain = Chain::new([random; 16]);
        let line = |_| {
            let entry = Entry::Genesis { engine: "0.1.0".to_owned() };
            let (record, line) = chain.record(Timestamp::from_millis(0), entry).unwrap();
            chain = Chain::after(&record);
            line
        };
        (0..count).map(line).collect()
    }

    fn append(path: &Path, bytes: &[u8]) {
        std::fs::File::options().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    fn seqs(tail: &mut Tail) -> Vec<u64> {
        let mut seqs = Vec::new();
        tail.read(|record| seqs.push(record.seq)).unwrap();
        seqs
    }

    #[test]
    fn only_what_is_new_and_whole_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut tail = Tail::new(path.clone());
        assert_eq!(seqs(&mut tail), [0; 0], "no file yet");
        let lines = lines(1, 4);
        append(&path, &lines[..2].concat());
        assert_eq!(seqs(&mut tail), [0, 1]);
        assert_eq!(seqs(&mut tail), [0; 0]);
        append(&path, &lines[2][..40]);
        assert_eq!(seqs(&mut tail), [0; 0], "a torn line");
        append(&path, &lines[2][40..]);
        append(&path, &lines[3][..1]);
        assert_eq!(seqs(&mut tail), [2]);
        // The next writer cuts the torn line off and goes on.
        let whole = lines[..3].concat().len() as u64;
        std::fs::File::options().write(true).open(&path).unwrap().set_len(whole).unwrap();
        append(&path, &lines[3]);
        assert_eq!(seqs(&mut tail), [3]);
    }

    #[test]
    fn another_file_is_read_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut tail = Tail::new(path.clone());
        append(&path, &lines(1, 2).concat());
        assert_eq!(seqs(&mut tail), [0, 1]);
        // The first stays, so that the second cannot get its inode.
        std::fs::rename(&path, dir.path().join("aside")).unwrap();
        assert_eq!(seqs(&mut tail), [0; 0]);
        append(&path, &lines(2, 3).concat());
        assert_eq!(seqs(&mut tail), [0, 1, 2]);
    }

    #[test]
    fn a_line_that_was_changed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        append(&path, &lines(1, 2).concat());
        append(&path, &lines(2, 1).concat());
        let mut tail = Tail::new(path.clone());
        let error = tail.read(|_| {}).unwrap_err().to_string();
        let path = path.display();
        assert_eq!(error, format!("{path}, line 3: sequence number 0 where 2 comes next"));
    }
}
