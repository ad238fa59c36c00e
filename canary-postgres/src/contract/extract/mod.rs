//! From sources to a [`Contract`]: every file is parsed once, on all processors, then what they say is put together.
//!
//! ```text
//!  find (files) ─► visit (a file each: items, calls, reads, pools) ─► RawFile … ─► assemble ─► Contract
//!                     └─ fold: what an expression comes to                 └─ constants, types and structs by name
//! ```

mod assemble;
mod attributes;
mod calls;
mod constraints;
mod depth;
mod diesel;
mod files;
mod fold;
mod items;
mod names;
mod offline;
mod pools;
mod raw;
mod reads;
mod rows;
mod syntax;
mod text;
mod visit;

use std::path::{Path, PathBuf};

use syn::visit::Visit as _;

use self::files::{Found, Package, Source};
use self::fold::Scope;
use self::raw::RawFile;
use super::model::{Contract, Place, Unreadable};
use crate::deep;

/// Where a service's sources are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sources {
    /// The directory with the service's `Cargo.toml`, or a workspace.
    pub directory: PathBuf,
    /// Whether tests, benches and examples count as well.
    pub tests: bool,
}

/// Why nothing could be extracted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The directory cannot be read.
    #[error("cannot read the sources in {}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds no Rust source.
    #[error("there is no Rust source in {}", .0.display())]
    Empty(PathBuf),
}

impl Sources {
    /// The sources in a directory, without tests.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), tests: false }
    }

    /// Reads the sources: equal files give equal contracts, on any machine. It takes about a millisecond a file and a
    /// processor. Files that cannot be read or parsed are named in the contract's coverage.
    ///
    /// # Errors
    ///
    /// There is no such directory, or no Rust source in it.
    pub fn extract(&self) -> Result<Contract, ExtractError> {
        let failed = |source| ExtractError::Directory { directory: self.directory.clone(), source };
        std::fs::read_dir(&self.directory).map_err(failed)?;
        let found = files::find(&self.directory, self.tests);
        if found.sources.is_empty() && found.lost.is_empty() {
            return Err(ExtractError::Empty(self.directory.clone()));
        }
        let raw = self.read_all(&found);
        Ok(assemble::assemble(&self.directory, &found, raw))
    }

    /// Every file's facts, in the order of the files.
    fn read_all(&self, found: &Found) -> Vec<RawFile> {
        let read = deep::each(&found.sources, |source| {
            read_file(&self.directory, &source.path, found, source.package, self.tests)
        });
        // A file that no thread came back with is told as such, not left out.
        let lost = |source: &Source| {
            let shown = relative(&self.directory, &source.path);
            unreadable(shown, source.package, (1, 1), "the parser gave up")
        };
        found.sources.iter().zip(read).map(|(source, read)| read.unwrap_or_else(|| lost(source))).collect()
    }
}

fn read_file(root: &Path, path: &Path, found: &Found, package: usize, tests: bool) -> RawFile {
    let shown = relative(root, path);
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let raw = read_text(&shown, &text, &found.packages[package], path.parent(), tests);
            RawFile { package, ..raw }
        }
        Err(error) => unreadable(shown, package, (1, 1), &format!("cannot be read: {error}")),
    }
}

/// Reads one file's text.
fn read_text(shown: &str, text: &str, package: &Package, directory: Option<&Path>, tests: bool) -> RawFile {
    if let Some(line) = depth::too_deep(text) {
        return unreadable(shown.to_owned(), 0, (line, 1), "nested too deep to be parsed");
    }
    let parsed = match syn::parse_file(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let start = error.span().start();
            let line = u32::try_from(start.line).unwrap_or(u32::MAX);
            let column = u32::try_from(start.column).unwrap_or(u32::MAX).saturating_add(1);
            return unreadable(shown.to_owned(), 0, (line.max(1), column), &format!("not Rust: {error}"));
        }
    };
    let mut file = visit::File {
        path: shown,
        package,
        tests,
        raw: RawFile::default(),
        scope: Scope { directory: directory.map(Path::to_owned), ..Scope::default() },
        frame: reads::Frame::default(),
        expected: None,
        imported: Vec::new(),
        holds: false,
        closure_holds: false,
    };
    // What a file imports counts for all of it, wherever the `use` stands.
    for item in &parsed.items {
        if let syn::Item::Use(item) = item {
            calls::imports(&item.tree, false, &mut file.imported);
        }
    }
    file.visit_file(&parsed);
    let raw = file.raw;
    drop(parsed);
    // Positions are kept for the whole thread; the next file begins anew.
    proc_macro2::extra::invalidate_current_thread_spans();
    raw
}

fn unreadable(file: String, package: usize, (line, column): (u32, u32), why: &str) -> RawFile {
    let place = Place { file, line };
    RawFile {
        package,
        unreadable: vec![Unreadable { place, column, why: why.to_owned() }],
        ..RawFile::default()
    }
}

/// A path below the root, with `/`.
fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Extracts from texts alone: the way in for tests and fuzzing, without a directory.
#[cfg(any(test, fuzzing))]
pub(crate) fn from_texts(texts: &[(&str, &str)], dependencies: &[&str]) -> Contract {
    let package = Package {
        directory: PathBuf::from("/nowhere"),
        name: Some("sample".to_owned()),
        dependencies: Some(dependencies.iter().map(|name| (*name).to_owned()).collect()),
    };
    let read = deep::each(texts, |(name, text)| read_text(name, text, &package, None, false));
    let raw = read.into_iter().flatten().collect();
    let found = Found { packages: vec![package.clone()], ..Found::default() };
    assemble::assemble(Path::new("/nowhere"), &found, raw)
}

#[cfg(test)]
mod tests;
