//! The migrations of a set, each as its tool reads it, and parsed: on all cores, since nothing else of a review takes as long.

use std::path::{Path, PathBuf};

use crate::changes::Changes;
use crate::convention::{Role, SectionError, Splitting, Transaction, Up};
use crate::deep;
use crate::set::Loaded;
use crate::sql::parse::{gave_up, parse_deep};
use crate::sql::statement::Script;

/// The most files that are held parsed at a time.
const FILES: usize = 512;

/// The most bytes of text that are held parsed at a time, but for a file that is larger by itself.
const BYTES: usize = 16 << 20;

/// A migration that was read.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// What a deploy runs of it; an error where its tool would refuse it.
    pub(crate) up: Result<Up, SectionError>,
    /// The statements of that; of a file that its tool refuses, those of the whole text.
    pub(crate) script: Script,
}

/// Hands every file to `take`, in the given order, with what is in it: nothing of one that no deploy runs, that cannot be
/// read, or that is not wanted.
pub(crate) fn each<'a>(
    changes: &Changes,
    loaded: &'a Loaded,
    files: &[(&'a PathBuf, bool)],
    mut take: impl FnMut(&'a Path, Option<Parsed>),
) {
    let mut left = files;
    while !left.is_empty() {
        let (batch, rest) = left.split_at(batch(loaded, left));
        let parsed =
            deep::each(batch, |(path, wanted)| wanted.then(|| parse(changes, loaded, path)).flatten());
        for ((path, _), parsed) in batch.iter().zip(parsed) {
            take(path, parsed.unwrap_or_else(|| lost(loaded, path)));
        }
        left = rest;
    }
}

/// How many of the files are parsed next.
fn batch(loaded: &Loaded, files: &[(&PathBuf, bool)]) -> usize {
    let mut bytes = 0;
    let fit = files.iter().take(FILES).take_while(|(path, _)| {
        bytes += loaded.text(path).map_or(0, str::len);
        bytes <= BYTES
    });
    fit.count().max(1)
}

fn parse(changes: &Changes, loaded: &Loaded, path: &Path) -> Option<Parsed> {
    let text = loaded.text(path).filter(|_| loaded.detected.convention.role(path) == Role::Up)?;
    let up = loaded.up(changes, path, text);
    let run = up.as_ref().map_or(text, |up| up.text.as_str());
    // Whether a byte order mark is refused is the judge's to say; here it has as many blanks as bytes.
    let script = match run.strip_prefix('\u{feff}') {
        Some(rest) => parse_deep(&format!("   {rest}")),
        None => parse_deep(run),
    };
    Some(Parsed { up, script })
}

/// What stands for a file at which the parser gave up.
fn lost(loaded: &Loaded, path: &Path) -> Option<Parsed> {
    let text = loaded.text(path)?;
    Some(Parsed { up: Ok(Up::whole(text, Transaction::Unknown, Splitting::Statements)), script: gave_up() })
}
