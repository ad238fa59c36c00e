//! The files of a service: which there are, whose they are, and which drivers their packages name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::contract::model::Driver;

/// Larger files are generated and hold no queries that a person wrote.
const LARGEST: u64 = 8 << 20;

/// What was found below a directory, each list sorted.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rust sources.
    pub(super) sources: Vec<Source>,
    /// `.sqlx/query-*.json`.
    pub(super) offline: Vec<PathBuf>,
    /// The packages, by directory; the first is the service's.
    pub(super) packages: Vec<Package>,
    /// What could not be looked at, with the reason.
    pub(super) lost: Vec<(PathBuf, String)>,
}

/// A Rust source file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The index of its package, the innermost one.
    pub(super) package: usize,
}

/// A directory with a `Cargo.toml`, or the directory that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) directory: PathBuf,
    pub(super) name: Option<String>,
    /// What it depends on, by the names of packages; `None` when it has no `Cargo.toml`: anything may be.
    pub(super) dependencies: Option<Vec<String>>,
}

impl Package {
    /// Whether one of these packages is among what it depends on, or nothing is known.
    pub(super) fn uses(&self, names: &[&str]) -> bool {
        self.dependencies.as_ref().is_none_or(|all| all.iter().any(|name| names.contains(&name.as_str())))
    }

    /// Whether it may speak through this driver.
    pub(super) fn speaks(&self, driver: Driver) -> bool {
        self.uses(match driver {
            Driver::Sqlx => &["sqlx", "sqlx-core", "sqlx-postgres"],
            Driver::TokioPostgres => {
                &["tokio-postgres", "postgres", "deadpool-postgres", "bb8-postgres", "r2d2_postgres"]
            }
            Driver::Diesel => &["diesel", "diesel-async"],
        })
    }
}

/// Looks through a directory. Build output, hidden directories and, unless `tests`, tests, benches and examples are
/// passed over.
pub(super) fn find(root: &Path, tests: bool) -> Found {
    let mut found = Found::default();
    let mut manifests = BTreeMap::new();
    let mut sources = Vec::new();
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !passed_over(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                found.lost.push((path, error.to_string()));
                continue;
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path();
        let name = entry.file_name().to_string_lossy();
        if name == "Cargo.toml" {
            manifests.insert(path.parent().unwrap_or(root).to_owned(), manifest(path));
        } else if name.ends_with(".rs") {
            match entry.metadata() {
                Ok(facts) if facts.len() > LARGEST => {
                    found
                        .lost
                        .push((path.to_owned(), format!("{} bytes are more than is read", facts.len())));
                }
                _ => sources.push(path.to_owned()),
            }
        } else if name.starts_with("query-") && name.ends_with(".json") && in_offline_directory(path) {
            found.offline.push(path.to_owned());
        }
    }
    manifests.entry(root.to_owned()).or_insert((None, None));
    found.packages = manifests
        .into_iter()
        .map(|(directory, (name, dependencies))| Package { directory, name, dependencies })
        .collect();
    for path in sources {
        let package = owner(&found.packages, &path);
        if tests || !is_test(&path, &found.packages[package].directory) {
            found.sources.push(Source { path, package });
        }
    }
    found
}

fn passed_over(entry: &walkdir::DirEntry) -> bool {
    if !entry.file_type().is_dir() {
        return false;
    }
    let name = entry.file_name().to_string_lossy();
    (name.starts_with('.') && name != ".sqlx")
        || matches!(&*name, "target" | "node_modules")
        || entry.path().join("CACHEDIR.TAG").exists()
}

fn in_offline_directory(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == ".sqlx")
}

/// The innermost package that holds a file.
fn owner(packages: &[Package], path: &Path) -> usize {
    let holders = packages.iter().enumerate().filter(|(_, package)| path.starts_with(&package.directory));
    holders.max_by_key(|(_, package)| package.directory.components().count()).map_or(0, |(at, _)| at)
}

/// Whether cargo builds a file for tests, benches, examples or the build alone.
fn is_test(path: &Path, package: &Path) -> bool {
    let inside = path.strip_prefix(package).unwrap_or(path);
    let first = inside.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    matches!(first.as_deref(), Some("tests" | "benches" | "examples" | "build.rs"))
        || inside.file_name().is_some_and(|name| name == "tests.rs")
        || inside.components().any(|part| part.as_os_str() == "tests")
}

/// The package's name and what it depends on; nothing where it cannot be read.
fn manifest(path: &Path) -> (Option<String>, Option<Vec<String>>) {
    let Some(table) = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok())
    else {
        return (None, None);
    };
    let name =
        table.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str).map(str::to_owned);
    let mut all = Vec::new();
    let mut sections = vec![table.get("dependencies"), table.get("dev-dependencies")];
    let targets = table.get("target").and_then(toml::Value::as_table);
    sections.extend(targets.into_iter().flat_map(|targets| targets.values().map(|t| t.get("dependencies"))));
    for (key, value) in sections.into_iter().flatten().filter_map(toml::Value::as_table).flatten() {
        // `db = { package = "sqlx" }` is called by another name.
        let package = value.get("package").and_then(toml::Value::as_str);
        all.push(package.unwrap_or(key).to_owned());
    }
    (name, Some(all))
}
