//! The lock file and the suite that lie here are what the sources give.

use std::error::Error;
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;
use canary_postgres::contract::{Contract, MigrationState, Sources, Suite};

const DIRECTORY: &str = env!("CARGO_MANIFEST_DIR");

fn locked() -> Result<Contract, Box<dyn Error>> {
    let text = std::fs::read_to_string(Path::new(DIRECTORY).join("sql-contract.lock"))?;
    Ok(Contract::from_lock(&text)?)
}

#[test]
fn the_sources_ask_what_the_lock_file_says() {
    let fresh = Sources::new(DIRECTORY).extract().unwrap();
    assert_eq!(
        locked().unwrap().differences(&fresh),
        Vec::<String>::new(),
        "`canary-cli contract lock` writes it anew"
    );
    assert!(fresh.coverage.complete() && fresh.coverage.unresolved.is_empty());
    let pools: Vec<_> = fresh.pools.iter().map(|pool| pool.described()).collect();
    assert_eq!(pools, ["sqlx::PgPool with 32-connection limit, 5s acquire timeout"]);
}

#[test]
fn the_schema_hashes_are_of_the_migrations_that_lie_here() {
    let migrations = Path::new(DIRECTORY).join("migrations");
    let mut files: Vec<_> =
        std::fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let state = |path: &PathBuf| MigrationState {
        migration: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: Digest::of(&std::fs::read(path).unwrap()).to_string(),
        schema: None,
    };
    let states: Vec<_> = files.iter().map(state).collect();
    let locked = locked().unwrap();
    assert_eq!(
        locked.schema_differences(&states),
        Vec::<String>::new(),
        "`canary-cli contract lock --shadow local` writes them anew"
    );
    assert_eq!((locked.schema_hashes.len(), locked.server_major), (states.len(), Some(15)));
}

#[test]
fn the_suite_is_what_the_lock_file_gives() {
    let mut suite = Suite::default();
    suite.tenants = "SELECT DISTINCT shard FROM public.routing ORDER BY shard".to_owned();
    suite.fixture = Some("support".to_owned());
    let there = std::fs::read_to_string(Path::new(DIRECTORY).join("tests/sql_contract.rs")).unwrap();
    assert!(
        locked().unwrap().generate(&suite).unwrap() == there,
        "`canary-cli contract generate` writes it anew"
    );
}
