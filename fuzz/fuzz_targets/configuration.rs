//! A `canary.toml`: every mistake is told, and none is a panic.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use canary_cli::backend::Registry;
use canary_cli::environment::Environment;
use canary_cli::settings::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let directory = directory();
    if std::fs::write(directory.join("canary.toml"), body).is_err() {
        return;
    }
    let environment = Environment {
        variables: Default::default(),
        directory: directory.clone(),
        root: false,
        host: "deploy".to_owned(),
        terminal: false,
    };
    if let Err(error) = Settings::read(Some(Path::new("canary.toml")), None, &environment, &Registry::default()) {
        assert!(!error.problems.is_empty(), "a refusal without a word");
    }
});

/// A directory of this process, in memory where there is one.
fn directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        // The only one of the process; it goes when the machine's temporary files do.
        tempfile::tempdir_in(parent).expect("a temporary directory can be made").keep()
    })
}
