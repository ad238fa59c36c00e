//! What the file scripts print (`facts.sh`, `prepare.sh`, `commit.sh`); pure.

use canary_core::fleet::{Digest, FileFacts};

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lies {
    /// Nothing.
    Absent,
    /// A regular file; the digest is missing where it was not asked for.
    File { size: u64, sha256: Option<Digest> },
    /// A symbolic link to what is named.
    Link(String),
    /// A directory.
    Directory,
    /// A device, socket or pipe.
    Special,
}

impl Lies {
    /// Size and digest of a regular file; `None` when there is nothing.
    ///
    /// # Errors
    /// What lies there instead, as a fragment of a sentence.
    pub(crate) fn facts(&self) -> Result<Option<FileFacts>, String> {
        match self {
            Self::Absent => Ok(None),
            Self::File { size, sha256: Some(sha256) } => Ok(Some(FileFacts { sha256: *sha256, size: *size })),
            Self::File { sha256: None, .. } => Err("a file whose digest was not read".to_owned()),
            other => Err(other.describe()),
        }
    }

    /// Whether a file may be renamed over it.
    ///
    /// # Errors
    /// What lies there instead, as a fragment of a sentence.
    pub(crate) fn replaceable(&self) -> Result<(), String> {
        match self {
            Self::Absent | Self::File { .. } => Ok(()),
            other => Err(other.describe()),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Absent => "nothing".to_owned(),
            Self::File { .. } => "a file".to_owned(),
            Self::Link(target) => format!("a symbolic link to {target}; name the file itself"),
            Self::Directory => "a directory".to_owned(),
            Self::Special => "not a regular file".to_owned(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None => match line {
                "absent" => Some(Self::Absent),
                "directory" => Some(Self::Directory),
                "special" => Some(Self::Special),
                _ => None,
            },
            Some(("link", target)) => Some(Self::Link(crate::error::clean(target, 200))),
            Some(("file", rest)) => {
                let (size, sha256) = rest.split_once(' ')?;
                let sha256 = if sha256 == "-" { None } else { Some(sha256.parse().ok()?) };
                Some(Self::File { size: size.parse().ok()?, sha256 })
            }
            Some(_) => None,
        }
    }
}

/// Reads the output of `facts.sh` for `count` paths; `None` when it is not that.
pub(crate) fn facts(output: &str, count: usize) -> Option<Vec<Lies>> {
    let all: Vec<Lies> = output.lines().map(Lies::parse).collect::<Option<_>>()?;
    (all.len() == count).then_some(all)
}

/// What `prepare.sh` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// The target's directory does not exist.
    NoDirectory,
    /// What lies at the target, and how many bytes are free; `None` where the file system does not tell.
    Ready(Lies, Option<u64>),
}

/// Reads the output of `prepare.sh`; `None` when it is not that.
pub(crate) fn prepared(output: &str) -> Option<Prepared> {
    if output == "no directory\n" {
        return Some(Prepared::NoDirectory);
    }
    let (lies, space) = output.strip_suffix('\n')?.split_once('\n')?;
    let mut numbers = space.strip_prefix("space ")?.split(' ').map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let (free, all, block) = (number()?, number()?, number()?);
    let free = (all != 0).then(|| free.saturating_mul(block));
    Some(Prepared::Ready(Lies::parse(lies)?, free))
}

/// What `commit.sh` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// What arrived is something else; the target is untouched.
    Mismatch(FileFacts),
    /// The file is in place, read back as this.
    Installed(FileFacts),
}

/// Reads the output of `commit.sh`; `None` when it is not that.
pub(crate) fn committed(output: &str) -> Option<Committed> {
    let mut words = output.strip_suffix('\n')?.split(' ');
    let (what, size, sha256) = (words.next()?, words.next()?, words.next()?);
    let facts = FileFacts { sha256: sha256.parse().ok()?, size: size.parse().ok()? };
    match (what, words.next()) {
        ("mismatch", None) => Some(Committed::Mismatch(facts)),
        ("installed", None) => Some(Committed::Installed(facts)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn facts_of_every_kind_of_thing() {
        let output = format!("file 3 {SUM}\nabsent\ndirectory\nspecial\nlink ../v 1\u{1b}\n");
        let all = facts(&output, 5).unwrap();
        assert_eq!(all[0].facts(), Ok(Some(FileFacts { sha256: SUM.parse().unwrap(), size: 3 })));
        assert_eq!(all[1].facts(), Ok(None));
        let said: Vec<_> = all[2..].iter().map(|lies| lies.facts().unwrap_err()).collect();
        assert_eq!(
            said,
            ["a directory", "not a regular file", "a symbolic link to ../v 1 ; name the file itself"]
        );
        assert!(all[..2].iter().all(|lies| lies.replaceable().is_ok()));
        assert!(all[2..].iter().all(|lies| lies.replaceable().is_err()));
    }

    #[test]
    fn what_the_scripts_do_not_print_is_refused() {
        for bad in
            ["", "file\n", "file 3\n", "file x -\n", "file 3 abc\n", "absent x\n", "file -1 -\n", "fil"]
        {
            assert_eq!(facts(bad, 1), None, "{bad:?}");
        }
        assert_eq!(facts("absent\nabsent\n", 1), None);
        for bad in ["", "absent\n", "absent\nspace 1 2\n", "absent\nspace 1 2 x\n", "x\nspace 1 2 3\n"] {
            assert_eq!(prepared(bad), None, "{bad:?}");
        }
        for bad in [
            "",
            "installed 3\n",
            "installed 3 abc\n",
            &format!("installed 3 {SUM}"),
            &format!("installed 3 {SUM} x\n"),
        ] {
            assert_eq!(committed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn preparations_tell_what_is_there_and_how_much_fits() {
        assert_eq!(prepared("no directory\n"), Some(Prepared::NoDirectory));
        assert_eq!(prepared("absent\nspace 10 20 4096\n"), Some(Prepared::Ready(Lies::Absent, Some(40_960))));
        assert_eq!(prepared("absent\nspace 0 0 4096\n"), Some(Prepared::Ready(Lies::Absent, None)));
        let file = Lies::File { size: 7, sha256: None };
        assert_eq!(prepared("file 7 -\nspace 1 1 1\n"), Some(Prepared::Ready(file.clone(), Some(1))));
        assert!(file.replaceable().is_ok());
    }

    #[test]
    fn commits_tell_what_was_done() {
        let facts = FileFacts { sha256: SUM.parse().unwrap(), size: 3 };
        assert_eq!(committed(&format!("installed 3 {SUM}\n")), Some(Committed::Installed(facts)));
        assert_eq!(committed(&format!("mismatch 3 {SUM}\n")), Some(Committed::Mismatch(facts)));
    }
}
