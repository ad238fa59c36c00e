//! What a project itself says about its migrations: macros in its Rust sources, modules of its `go.mod`, settings files.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use super::Convention;

/// The most files that are looked at.
const MAX_FILES: usize = 50_000;

/// The largest source that is parsed, in bytes: larger ones are generated.
const MAX_SOURCE: u64 = 2 << 20;

/// What was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The tool.
    pub(crate) convention: Convention,
    /// What says so, and where.
    pub(crate) by: String,
}

/// What a project says, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Project {
    /// Dependencies that run migrations.
    pub(crate) dependencies: Vec<Claim>,
    /// Settings files of such tools.
    pub(crate) settings: Vec<Claim>,
}

impl Project {
    /// Looks below the work tree `root` for what runs the migrations in `dir`. Reads files and nothing else; what cannot be
    /// read says nothing.
    pub(crate) fn look(root: &Path, dir: &Path) -> Self {
        let mut project = Self::default();
        let mut left = MAX_FILES;
        project.sources(root, root, dir, &mut left);
        let here = dir.ancestors().take_while(|ancestor| ancestor.starts_with(root));
        for place in here {
            project.go(root, place);
            project.settings(root, place, place == dir);
        }
        project
    }

    fn sources(&mut self, root: &Path, below: &Path, dir: &Path, left: &mut usize) {
        let Ok(entries) = fs::read_dir(below) else { return };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Ok(kind) = entry.file_type() else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                return;
            }
            if kind.is_dir() {
                if !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules" | "vendor") {
                    self.sources(root, &path, dir, left);
                }
            } else if kind.is_file() && name.ends_with(".rs") {
                self.source(root, &path, dir);
            }
        }
    }

    fn source(&mut self, root: &Path, path: &Path, dir: &Path) {
        if fs::metadata(path).map_or(true, |facts| facts.len() > MAX_SOURCE) {
            return;
        }
        let Ok(text) = fs::read_to_string(path) else { return };
        if !text.contains("migrate!") && !text.contains("embed_migrations!") {
            return;
        }
        let Ok(file) = syn::parse_file(&text) else { return };
        let mut found = Macros { text: &text, found: Vec::new() };
        found.visit_file(&file);
        let manifest =
            path.ancestors().find(|ancestor| ancestor.join("Cargo.toml").is_file()).unwrap_or(root);
        for (convention, what, argument) in found.found {
            let named =
                argument.or_else(|| (convention == Convention::Sqlx).then(|| "migrations".to_owned()));
            let meant = named.map(|named| manifest.join(named));
            let same = |meant: PathBuf| meant.canonicalize().is_ok_and(|meant| meant == dir);
            if meant.is_none_or(same) {
                let place = path.strip_prefix(root).unwrap_or(path).display().to_string();
                self.dependencies.push(Claim { convention, by: format!("{what} in {place}") });
            }
        }
    }

    fn go(&mut self, root: &Path, place: &Path) {
        let path = place.join("go.mod");
        let Ok(text) = fs::read_to_string(&path) else { return };
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        for line in text.lines().filter(|line| !line.contains("// indirect")) {
            let line = line.trim().trim_start_matches("require ").trim();
            for (module, convention) in [
                ("github.com/pressly/goose", Convention::Goose),
                ("github.com/golang-migrate/migrate", Convention::GolangMigrate),
                ("github.com/rubenv/sql-migrate", Convention::SqlMigrate),
                ("github.com/jackc/tern", Convention::Tern),
                ("github.com/amacneil/dbmate", Convention::Dbmate),
            ] {
                if line.starts_with(module) {
                    self.dependencies.push(Claim { convention, by: format!("{module} in {shown}") });
                }
            }
        }
    }

    fn settings(&mut self, root: &Path, place: &Path, is_dir: bool) {
        for (name, convention) in [
            ("diesel.toml", Convention::Diesel),
            ("sqlx.toml", Convention::Sqlx),
            (".goose.yaml", Convention::Goose),
            ("dbconfig.yml", Convention::SqlMigrate),
            ("tern.conf", Convention::Tern),
            ("flyway.conf", Convention::Flyway),
            ("flyway.toml", Convention::Flyway),
            ("liquibase.properties", Convention::Liquibase),
            ("atlas.hcl", Convention::Atlas),
            ("atlas.sum", Convention::Atlas),
        ] {
            let path = place.join(name);
            if path.is_file() && (is_dir || name != "atlas.sum") {
                let by = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                self.settings.push(Claim { convention, by });
            }
        }
    }
}

struct Macros<'a> {
    text: &'a str,
    found: Vec<(Convention, String, Option<String>)>,
}

impl<'ast> Visit<'ast> for Macros<'_> {
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let path: Vec<String> = called.path.segments.iter().map(|part| part.ident.to_string()).collect();
        let argument = called.parse_body::<syn::LitStr>().ok().map(|literal| literal.value());
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let conventions: &[Convention] = match path[..] {
            [.., "sqlx", "migrate"] => &[Convention::Sqlx],
            ["migrate"] if self.text.contains("sqlx") => &[Convention::Sqlx],
            [.., "refinery", "embed_migrations"] => &[Convention::Refinery],
            [.., "diesel_migrations", "embed_migrations"] => &[Convention::Diesel],
            ["embed_migrations"] => {
                match (self.text.contains("refinery"), self.text.contains("diesel_migrations")) {
                    (true, false) => &[Convention::Refinery],
                    (false, _) => &[Convention::Diesel],
                    (true, true) => &[Convention::Refinery, Convention::Diesel],
                }
            }
            _ => &[],
        };
        for convention in conventions {
            self.found.push((*convention, format!("{}!", path.join("::")), argument.clone()));
        }
        visit::visit_macro(self, called);
    }
}
