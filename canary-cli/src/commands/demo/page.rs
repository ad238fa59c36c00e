//! `demo --report`: a page about the last release.

use std::path::{Path, PathBuf};

use canary_core::journal::read;
use clap::ArgMatches;
use clap::parser::ValueSource;

use super::super::init::there_already;
use super::super::{journal, report};
use crate::environment::Environment;
use crate::error::CommandError;

/// A page that is wanted.
pub(super) struct Page {
    directory: PathBuf,
    /// `None`: named after the rollout.
    file: Option<PathBuf>,
}

impl Page {
    /// The page that was asked for. That its file is there already is said now, not at the end.
    pub(super) fn wanted(
        matches: &ArgMatches,
        environment: &Environment,
    ) -> Result<Option<Self>, CommandError> {
        if matches.value_source("report") != Some(ValueSource::CommandLine) {
            return Ok(None);
        }
        let directory = environment.directory.clone();
        let file = matches.get_one::<PathBuf>("report").cloned();
        match file.as_ref().map(|file| directory.join(file)) {
            Some(path) if path.symlink_metadata().is_ok() => Err(there_already(&path)),
            _ => Ok(Some(Self { directory, file })),
        }
    }

    /// Writes it; gives its path. Without a rollout there is nothing to write.
    pub(super) fn write(self, path: &Path) -> Result<Option<PathBuf>, CommandError> {
        let records = read(path).map_err(|error| journal::explain(&error))?.records;
        let last = records.iter().rev().find_map(|record| record.entry.rollout());
        let Some(id) = last else { return Ok(None) };
        let page = report::of(&records, id)?.html();
        let file = self.file.unwrap_or_else(|| report::file_name(&id.to_string()));
        report::write(&self.directory.join(&file), &page, false)?;
        Ok(Some(file))
    }
}
