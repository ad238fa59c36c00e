use std::path::{Path, PathBuf};

use canary_core::fleet::Artifact;
use canary_demo::service::{Fault, Trailer, stamp};

/// Releases of the sample service, made from one binary with other trailers.
#[derive(Debug)]
pub struct Releases {
    base: PathBuf,
    directory: PathBuf,
}

impl Releases {
    /// Makes releases from `base` in `directory`.
    #[must_use]
    pub fn new(base: &Path, directory: &Path) -> Self {
        Self { base: base.to_owned(), directory: directory.to_owned() }
    }

    /// A release of this version that does these things wrong.
    ///
    /// # Errors
    /// A file could not be read or written.
    pub fn make(&self, version: &str, faults: &[Fault]) -> anyhow::Result<Artifact> {
        let path = self.directory.join(format!("veza-api-{version}"));
        let trailer = faults.iter().cloned().fold(Trailer::new(version), Trailer::with);
        stamp(&self.base, &path, &trailer)?;
        Ok(Artifact::read(path)?)
    }
}
