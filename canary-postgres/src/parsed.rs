//! The migrations of a set, each as its tool reads it, and parsed: on all cores, since nothing else of a review takes as long.

use std::path::Path;

use crate::changes::Changes;
use crate::convention::{Role, SectionError, Splitting, Transaction, Up};
use crate::deep;
use crate::set::Loaded;
use crate::source::Unreadable;
use crate::sql::parse::{gave_up, parse_deep};
use crate::sql::statement::Script;

/// The most bytes of text that are held parsed at a time, but for a file that is larger by itself.
const AHEAD: usize = 16 << 20;

/// What a file weighs at least: also an empty one takes room.
const LEAST: usize = 32 << 10;

/// A migration that was read.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// What a deploy runs of it; an error where its tool would refuse it.
    pub(crate) up: Result<Up, SectionError>,
    /// The statements of that; of a file that its tool refuses, those of the whole text.
    pub(crate) script: Script,
}

/// A file that may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a Path,
    /// Its text, where it is there.
    pub(crate) text: Option<&'a Result<String, Unreadable>>,
    /// Whether it is to be parsed.
    pub(crate) parse: bool,
}

impl<'a> Wanted<'a> {
    /// A file's text, where it can be read.
    pub(crate) fn readable(&self) -> Option<&'a str> {
        self.text?.as_deref().ok()
    }
}

/// Hands every file to `take`, in the given order, with what is in it: nothing of one that no deploy runs, that cannot be
/// read, or that is not wanted.
pub(crate) fn each<'a>(
    changes: &Changes,
    loaded: &Loaded,
    files: &[Wanted<'a>],
    mut take: impl FnMut(&Wanted<'a>, Option<Parsed>) + Send,
) {
    deep::in_order(
        files,
        AHEAD,
        |file| file.readable().map_or(0, str::len).max(LEAST),
        |file| file.parse.then(|| parse(changes, loaded, file)).flatten(),
        |file, parsed| take(file, parsed.unwrap_or_else(|| lost(file))),
    );
}

fn parse(changes: &Changes, loaded: &Loaded, file: &Wanted<'_>) -> Option<Parsed> {
    let text = file.readable().filter(|_| loaded.detected.convention.role(file.path) == Role::Up)?;
    let up = loaded.up(changes, file.path, text);
    let run = up.as_ref().map_or(text, |up| up.text.as_str());
    // Whether a byte order mark is refused is the judge's to say; here it has as many blanks as bytes.
    let script = match run.strip_prefix('\u{feff}') {
        Some(rest) => parse_deep(&format!("   {rest}")),
        None => parse_deep(run),
    };
    Some(Parsed { up, script })
}

/// What stands for a file at which the parser gave up.
fn lost(file: &Wanted<'_>) -> Option<Parsed> {
    let text = file.readable()?;
    Some(Parsed { up: Ok(Up::whole(text, Transaction::Unknown, Splitting::Statements)), script: gave_up() })
}
