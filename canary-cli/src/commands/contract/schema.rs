//! What the migrations make of a tenant's schema, for the lock file.

use canary_core::fleet::Digest;
use canary_postgres::contract::{Contract, MigrationState, SchemaHash};
use canary_postgres::shadow::{Migration, Shadow};
use canary_postgres::{MigrationFile, MigrationSet, SetError};

use crate::commands::{Context, runtime};
use crate::error::{CommandError, ErrorKind, chain};
use crate::wiring;

/// The schema that stands for a tenant's own, where tenants have schemas; its name is no part of the hashes.
const TENANT: &str = "canary_tenant";

/// The migrations as they are now.
pub(super) struct Migrated {
    /// Each of them, in the order they run.
    states: Vec<MigrationState>,
    /// The major version of the server that replayed them; none where they were only read.
    major: Option<u32>,
    /// What was taken for granted, in words.
    notes: Vec<String>,
}

impl Migrated {
    /// Reads the migrations, and replays them where shadow runs are on. Nothing where they are off and `locked` has no hashes: then
    /// nobody asks.
    ///
    /// # Errors
    /// Migrations that cannot be read, no server, or one that refuses a migration.
    pub(super) fn of(cx: &Context<'_>, locked: Option<&Contract>) -> Result<Option<Self>, CommandError> {
        let shadow = wiring::shadow(&cx.settings)?;
        if shadow.is_none() && locked.is_none_or(|locked| locked.schema_hashes.is_empty()) {
            return Ok(None);
        }
        let config = wiring::gate_config(&cx.settings, cx.environment)?;
        let read = |error: SetError| {
            let hint = "name the directory with --migrations-dir, the tool that runs them with --migrations-convention";
            CommandError::new(ErrorKind::Undecided, format!("the migrations: {error}"), hint)
        };
        let files = MigrationSet::whole(&config).map_err(read)?.older;
        let mut migrated = Self { states: files.iter().map(state).collect(), major: None, notes: Vec::new() };
        if let Some(shadow) = shadow.filter(|_| !files.is_empty()) {
            let named = |file: &MigrationFile| config.dir.join(&file.path).display().to_string();
            let migrations: Vec<_> = files.iter().map(|file| Migration::of(&named(file), &file.up)).collect();
            migrated.replay(cx, shadow, &migrations)?;
        }
        Ok(Some(migrated))
    }

    fn replay(
        &mut self,
        cx: &Context<'_>,
        shadow: Shadow,
        migrations: &[Migration],
    ) -> Result<(), CommandError> {
        let database = &cx.settings.database;
        let schema = if database.schemas == "public" { "public" } else { TENANT };
        let shadow = Shadow { search_path: database.search_path.clone(), ..shadow };
        let failed = |error: &dyn std::error::Error| {
            let hint = "the migrations must run from nothing, on PostgreSQL's programs here (--shadow local) or on a server that answers; --shadow off leaves schema hashes out";
            CommandError::new(ErrorKind::Undecided, format!("replay the migrations: {}", chain(error)), hint)
        };
        let done = runtime()?.block_on(shadow.hashes(migrations, schema)).map_err(|error| failed(&error))?;
        for (state, schema) in self.states.iter_mut().zip(done.after) {
            state.schema = Some(schema);
        }
        (self.major, self.notes) = (Some(done.major), done.notes);
        Ok(())
    }

    /// Puts into a contract what is known now: the hashes of this run, else the old ones while they are of these migrations. Says
    /// what became of them.
    pub(super) fn keep(&self, fresh: &mut Contract, old: Option<&Contract>) -> Vec<String> {
        if let Some(major) = self.major {
            let kept = self.states.iter().skip(self.states.len().saturating_sub(SchemaHash::KEPT));
            fresh.schema_hashes = kept.filter_map(hashed).collect();
            fresh.server_major = Some(major);
            let mut lines = self.notes();
            lines.extend(fresh.schema_hashes.last().map(|last| {
                let (count, short) = (self.states.len(), last.schema.get(..12).unwrap_or_default());
                format!(
                    "  schema      {short} after {}; {} replayed on PostgreSQL {major}",
                    last.migration,
                    migrations(count)
                )
            }));
            return lines;
        }
        let Some(old) = old else { return Vec::new() };
        let differences = old.schema_differences(&self.states);
        if differences.is_empty() {
            fresh.schema_hashes.clone_from(&old.schema_hashes);
            fresh.server_major = old.server_major;
            return Vec::new();
        }
        let mut lines: Vec<_> = differences.iter().map(|line| format!("  {line}")).collect();
        lines.push("  schema      the file's hashes were of other migrations and are left out; --shadow local takes them anew".to_owned());
        lines
    }

    /// What a lock file's schema hashes say else, and what could not be compared.
    pub(super) fn compared(&self, locked: &Contract) -> (Vec<String>, Vec<String>) {
        let mut notes = self.notes();
        if let (true, Some(_), Some(last)) = (locked.schema_hashes.is_empty(), self.major, self.states.last())
        {
            return (vec![format!("+ schema hashes, the last after {}", last.migration)], notes);
        }
        let same = self.major == locked.server_major;
        let mut states = self.states.clone();
        if let (false, Some(major)) = (same, self.major) {
            let of = locked.server_major.unwrap_or_default();
            notes.push(format!(
                "  schema      the file's hashes are of PostgreSQL {of}, this run's of {major}: not compared"
            ));
            states.iter_mut().for_each(|state| state.schema = None);
        }
        (locked.schema_differences(&states), notes)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.iter().map(|note| format!("  {note}")).collect()
    }
}

fn state(file: &MigrationFile) -> MigrationState {
    let parts = file.path.components().map(|part| part.as_os_str().to_string_lossy());
    MigrationState {
        migration: parts.collect::<Vec<_>>().join("/"),
        text: Digest::of(file.text.as_bytes()).to_string(),
        schema: None,
    }
}

fn hashed(state: &MigrationState) -> Option<SchemaHash> {
    let MigrationState { migration, text, schema } = state.clone();
    Some(SchemaHash { migration, text, schema: schema? })
}

fn migrations(count: usize) -> String {
    format!("{count} migration{}", if count == 1 { "" } else { "s" })
}
