//! Every rule with its severity, what breaks, and the safe way.

use canary_core::traits::Severity;

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Its name, as shown and recorded.
    pub(crate) name: &'static str,
    /// Whether it stops the release.
    pub(crate) severity: Severity,
    /// What breaks for the binary that is running, with the SQLSTATE it sees.
    pub(crate) breaks: &'static str,
    /// The deploys that do the same safely.
    pub(crate) remedy: &'static str,
}

const fn refuse(name: &'static str, breaks: &'static str, remedy: &'static str) -> Rule {
    Rule { name, severity: Severity::Refuse, breaks, remedy }
}

const fn warn(name: &'static str, breaks: &'static str, remedy: &'static str) -> Rule {
    Rule { name, severity: Severity::Warn, breaks, remedy }
}

const CONTRACT: &str = "expand: nothing to do; switch: release a binary that no longer names it, on every node; contract: drop it in a \
                        later release.";
const RENAME: &str = "expand: add the new name beside the old one (column kept equal by a trigger, or a view under the other name); \
                      switch: release a binary that uses the new one; contract: drop the old one in a later release.";
const REQUIRED: &str = "expand: add it nullable or with a DEFAULT; switch: release a binary that always writes it, and fill old rows; \
                        contract: SET NOT NULL in a later release.";
const ONLINE: &str = "in a migration of its own, outside a transaction, say CONCURRENTLY.";
const VALID: &str = "expand: add it NOT VALID once every running binary keeps to it; contract: VALIDATE CONSTRAINT in a later migration, \
                     which does not block writers.";
const QUIET: &str =
    "do it in a maintenance window, or build a copy beside it and switch over in a later release.";
const OPAQUE: &str = "write the statements out in the migration, so that they can be judged; or bypass with a name and a reason.";

/// All rules, by name.
pub(crate) const RULES: &[Rule] = &[
    refuse(
        "drop-column",
        "queries of the running binary that name the column fail with 42703, and cached SELECT * statements with 0A000",
        CONTRACT,
    ),
    refuse(
        "drop-table",
        "every query of the running binary on the table fails with 42P01, and its rows are gone",
        CONTRACT,
    ),
    refuse("drop-view", "every query of the running binary on the view fails with 42P01", CONTRACT),
    refuse("drop-routine", "calls by the running binary fail with 42883", CONTRACT),
    refuse(
        "drop-type",
        "queries of the running binary that name the type fail with 42704; CASCADE takes columns along",
        CONTRACT,
    ),
    refuse(
        "drop-schema",
        "everything in the schema goes: queries of the running binary fail with 42P01 or 3F000",
        CONTRACT,
    ),
    refuse(
        "drop-database",
        "the running binary loses its connections and cannot connect again (3D000)",
        CONTRACT,
    ),
    refuse(
        "drop-owned",
        "everything the role owns and every privilege it has goes: 42P01 and 42501 for the running binary",
        CONTRACT,
    ),
    refuse("drop-role", "a binary that connects or switches to the role fails with 28000 or 22023", CONTRACT),
    refuse("drop-sequence", "nextval() in the running binary's INSERTs fails with 42P01", CONTRACT),
    refuse("drop-extension", "its types and functions go: 42883 and 42704 for the running binary", CONTRACT),
    warn(
        "drop-constraint",
        "ON CONFLICT that infers it fails with 42P10, GROUP BY on its key with 42803, and code that matches its name no longer does",
        "make sure that no running binary has ON CONFLICT, GROUP BY or an error match that relies on it; then drop it in a later release.",
    ),
    refuse(
        "drop-default",
        "INSERTs of the running binary that leave the column out fail with 23502 or write NULL",
        "switch: release a binary that always writes the column; contract: drop the default in a later release.",
    ),
    warn(
        "drop-not-null",
        "a running binary that reads the column into a type without NULL fails to decode the first NULL written",
        "release a binary that reads it as optional before any writer stores NULL.",
    ),
    refuse(
        "drop-identity",
        "INSERTs of the running binary that leave the column out fail with 23502",
        "switch: release a binary that writes the column itself; contract: drop the identity in a later release.",
    ),
    refuse(
        "drop-expression",
        "the column is no longer computed: rows written by the running binary hold NULL there (23502 where NOT NULL)",
        "switch: release a binary that writes the column; contract: drop the expression in a later release.",
    ),
    refuse("rename-column", "queries of the running binary that name the old column fail with 42703", RENAME),
    refuse("rename-table", "every query of the running binary under the old name fails with 42P01", RENAME),
    refuse("rename-view", "every query of the running binary under the old name fails with 42P01", RENAME),
    refuse("rename-sequence", "nextval() under the old name fails with 42P01", RENAME),
    refuse(
        "rename-type",
        "queries and drivers that look the type up under its old name fail with 42704",
        RENAME,
    ),
    refuse(
        "rename-enum-value",
        "the running binary that writes or compares the old label fails with 22P02",
        "expand: add the new label; switch: release a binary that reads both and writes the new one, and update old rows; the old label stays.",
    ),
    refuse("rename-schema", "every qualified query of the running binary fails with 42P01 or 3F000", RENAME),
    refuse("rename-routine", "calls by the running binary under the old name fail with 42883", RENAME),
    refuse(
        "move-schema",
        "queries of the running binary no longer find it where it was: 42P01, 42883 or 42704",
        RENAME,
    ),
    warn(
        "rename-constraint",
        "ON CONFLICT ON CONSTRAINT under the old name fails with 42704, and code that matches the name no longer does",
        "make sure that no running binary names it.",
    ),
    warn(
        "rename-index",
        "tools and hints that name the index no longer find it",
        "make sure that nothing names it.",
    ),
    refuse(
        "alter-column-type",
        "cached statements that return the column fail with 0A000 until their connection is recycled, a driver that decodes the old type fails, and most changes rewrite the table under ACCESS EXCLUSIVE",
        "expand: add a second column of the new type and keep both equal by a trigger; switch: release a binary that uses the new one; contract: drop the old one in a later release.",
    ),
    warn(
        "stale-plan",
        "a cached SELECT * or RETURNING * of the running binary fails with 0A000 until its connection is recycled",
        "list columns by name in queries, or recycle the pool's connections after the migration.",
    ),
    refuse(
        "add-column-required",
        "INSERTs of the running binary, which do not know the column, fail with 23502",
        REQUIRED,
    ),
    refuse(
        "set-not-null",
        "INSERTs and UPDATEs of the running binary that leave the column NULL fail with 23502",
        REQUIRED,
    ),
    refuse(
        "identity-always",
        "INSERTs of the running binary that give a value for the column fail with 428C9",
        "use GENERATED BY DEFAULT; switch: release a binary that no longer writes the column; contract: GENERATED ALWAYS in a later release.",
    ),
    warn(
        "new-write-restriction",
        "writes of the running binary that do not keep to it fail with 23505, 23514 or 23503",
        "release a binary that keeps to it before the migration runs.",
    ),
    refuse(
        "row-security",
        "INSERTs of the running binary fail with 42501, and its SELECTs silently return other rows",
        "create policies on new tables only; on an old one release a binary that sets what the policies read, then switch them on in a later release.",
    ),
    refuse(
        "revoke",
        "the running binary fails with 42501",
        "switch: release a binary that no longer needs the privilege; contract: revoke it in a later release.",
    ),
    refuse(
        "rewrite-rule",
        "writes and reads of the running binary are silently rewritten",
        "use a view under another name, or a trigger, and release a binary that expects it.",
    ),
    warn(
        "trigger-change",
        "writes of the running binary do something else than before, and may fail with the trigger's own error (P0001); takes SHARE ROW EXCLUSIVE",
        "check the trigger against what the running binary writes.",
    ),
    warn(
        "replace-routine",
        "the running binary gets other behaviour behind the same name; another result type fails cached statements with 0A000",
        "create it under a new name and release a binary that calls that one.",
    ),
    warn(
        "replace-view",
        "the running binary reads other rows or columns behind the same name",
        "create it under a new name and release a binary that reads that one.",
    ),
    warn(
        "set-default",
        "INSERTs of the running binary that leave the column out write another value than before",
        "make sure that the running binary and the new one read the new value alike.",
    ),
    warn(
        "enum-add-value",
        "safe until the new label is written: then the running binary cannot decode it",
        "write the new label only once every node runs a binary that knows it.",
    ),
    warn(
        "json-column",
        "json has no equality: DISTINCT, UNION and GROUP BY over * in the running binary fail with 42883",
        "use jsonb.",
    ),
    warn(
        "replica-identity",
        "UPDATE and DELETE of the running binary on a published table fail with 55000",
        "keep a replica identity while the table is published.",
    ),
    warn(
        "session-default",
        "new sessions of the running binary start with other settings (search path, timeouts)",
        "make the setting in the new binary's own connections.",
    ),
    warn(
        "owner-change",
        "a running binary that works as the old owner loses the owner's rights: 42501",
        "grant the running binary's role what it needs first.",
    ),
    warn(
        "sequence-change",
        "values that the running binary draws may collide (23505) or run out (2200H)",
        "check the next value against what the column holds.",
    ),
    refuse(
        "truncate",
        "the rows the running binary works with are gone; waits for and blocks every reader (ACCESS EXCLUSIVE)",
        "delete what is no longer read in batches, after the release that stopped reading it.",
    ),
    warn(
        "unbounded-dml",
        "touches every row of a table in use: row locks held to the end block the running binary's writes",
        "do it in batches outside the migration.",
    ),
    refuse(
        "detach-partition",
        "the partition's rows vanish from the parent for the running binary, and INSERTs of them fail with 23514",
        "switch: release a binary that no longer uses these rows; contract: DETACH … CONCURRENTLY in a later release.",
    ),
    warn(
        "index-not-concurrent",
        "SHARE lock: the running binary's writes to the table wait until the index is built",
        ONLINE,
    ),
    warn(
        "drop-index-not-concurrent",
        "ACCESS EXCLUSIVE: the running binary's queries on the table wait; ON CONFLICT that infers a unique index fails with 42P10",
        ONLINE,
    ),
    warn("reindex-not-concurrent", "writes, and reads through the index, wait until it is rebuilt", ONLINE),
    refuse(
        "unique-not-using-index",
        "the index is built under ACCESS EXCLUSIVE: every query on the table waits; duplicate writes of the running binary fail with 23505",
        "CREATE UNIQUE INDEX CONCURRENTLY in a migration of its own, then ADD CONSTRAINT … UNIQUE USING INDEX.",
    ),
    refuse(
        "primary-key-not-using-index",
        "the index is built under ACCESS EXCLUSIVE, and the columns become NOT NULL: 23502 and 23505 for the running binary",
        "CREATE UNIQUE INDEX CONCURRENTLY in a migration of its own, then ADD CONSTRAINT … PRIMARY KEY USING INDEX on columns that are NOT NULL already.",
    ),
    refuse(
        "exclusion-constraint",
        "built under ACCESS EXCLUSIVE, with no online form; conflicting writes of the running binary fail with 23P01",
        QUIET,
    ),
    refuse(
        "fk-not-valid-missing",
        "both tables are locked against writes while every row is checked; writes and parent DELETEs of the running binary that violate it fail with 23503",
        VALID,
    ),
    refuse(
        "check-not-valid-missing",
        "the table is locked while every row is checked; writes of the running binary that violate it fail with 23514",
        VALID,
    ),
    warn(
        "inline-constraint",
        "the constraint on the new column is checked or its index built under ACCESS EXCLUSIVE",
        "add the column first, then the constraint NOT VALID (or an index CONCURRENTLY), then validate it.",
    ),
    warn(
        "validate-in-same-tx",
        "the strong lock of the ADD is kept through the scan",
        "VALIDATE CONSTRAINT in a later migration.",
    ),
    warn(
        "add-column-rewrite",
        "the whole table is rewritten under ACCESS EXCLUSIVE: every query of the running binary on it waits",
        "add the column without it, set the default afterwards, and fill old rows in batches.",
    ),
    warn(
        "table-rewrite",
        "the table is locked with ACCESS EXCLUSIVE while it is rewritten: every query of the running binary on it waits",
        QUIET,
    ),
    warn(
        "matview-refresh-not-concurrent",
        "readers of the materialized view wait (ACCESS EXCLUSIVE)",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index.",
    ),
    warn(
        "create-partition-of",
        "takes ACCESS EXCLUSIVE on the parent",
        "CREATE TABLE … (LIKE parent), then ATTACH PARTITION, which does not block.",
    ),
    warn(
        "explicit-lock",
        "the running binary's queries on the table wait for the lock",
        "leave the locking to the statements themselves, and set lock_timeout.",
    ),
    refuse(
        "domain-constraint",
        "every column of the domain is scanned under lock; writes of the running binary that violate it fail with 23514",
        VALID,
    ),
    refuse(
        "concurrently-in-transaction",
        "the statement cannot run inside a transaction: the migration fails with 25001 half way",
        "put it alone into a migration that runs without a transaction, marked as the convention wants it.",
    ),
    refuse("opaque-sql", "what it does cannot be read from the file", OPAQUE),
    refuse(
        "unparsed-sql",
        "the file cannot be judged",
        "correct the file; if the server does accept it, bypass with a name and a reason.",
    ),
    refuse(
        "out-of-order",
        "runners that keep one number as the version never run it, and others stop at it",
        "give it a version above the newest one that the baseline has.",
    ),
    warn(
        "foreign-marker",
        "the file may have been written for another tool: what it means to leave out is run",
        "keep the markers of the tool that runs the files, and no others.",
    ),
    refuse("unknown-statement", "a form that is on no list of statements known to be safe", OPAQUE),
    refuse(
        "edited-migration",
        "the running database has applied the file as it was: the edit never runs there, and runners that keep checksums refuse to start",
        "restore the file and put the change into a new migration.",
    ),
    refuse(
        "deleted-migration",
        "runners that find an applied migration missing refuse to start; what it created stays",
        "restore the file; undo its effect in a new migration.",
    ),
];

/// The rule of this name. Every name used in this crate is in the table (a test walks them); an unknown one answers
/// with `unknown-statement`, which refuses.
pub(crate) fn rule(name: &str) -> Rule {
    RULES.iter().find(|rule| rule.name == name).copied().unwrap_or(refuse(
        "unknown-statement",
        "a rule that is not in the table",
        OPAQUE,
    ))
}
