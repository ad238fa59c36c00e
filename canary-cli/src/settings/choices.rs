//! The words that some settings choose from.

/// The parts that a release can have in a change of the schema.
pub(super) const PHASES: &[&str] = &["expand", "migrate", "contract"];

/// What shadow runs start from.
pub(super) const SHADOW_BASES: &[&str] = &["auto", "replay"];

/// What a shadow run's proof is worth.
pub(super) const PROOFS: &[&str] = &["strict", "accept"];

/// Where probes run.
pub(super) const PLACES: &[&str] = &["in-process", "docker", "kubernetes"];

/// The conventions of migration files that can be named.
pub const CONVENTIONS: &[&str] = &[
    "auto",
    "sqlx",
    "diesel",
    "golang-migrate",
    "goose",
    "dbmate",
    "sql-migrate",
    "refinery",
    "tern",
    "flyway",
    "liquibase",
    "atlas",
    "psql",
    "plain",
];
