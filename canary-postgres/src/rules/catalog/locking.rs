//! Rules on what makes the running binary wait, or breaks it as well.

use super::{Class, ONLINE, QUIET, REQUIRED, Rule, VALID, refuse, warn};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "alter-column-type",
        Class::BreaksAndLocks,
        "cached statements that return the column fail with 0A000 until their connection is recycled; drivers may no longer decode it, and the table may be rewritten",
        "expand: add a second column of the new type and keep both equal by a trigger; switch: release a binary that uses the new one; contract: drop the old one in a later release.",
    ),
    refuse(
        "set-not-null",
        Class::BreaksAndLocks,
        "INSERTs and UPDATEs of the running binary that leave the column NULL fail with 23502",
        REQUIRED,
    ),
    warn(
        "trigger-change",
        Class::BreaksAndLocks,
        "writes of the running binary do something else than before, and may fail with the trigger's own error (P0001); takes SHARE ROW EXCLUSIVE",
        "check the trigger against what the running binary writes.",
    ),
    refuse(
        "truncate",
        Class::BreaksAndLocks,
        "the rows the running binary works with are gone; waits for and blocks every reader (ACCESS EXCLUSIVE)",
        "delete what is no longer read in batches, after the release that stopped reading it.",
    ),
    warn(
        "unbounded-dml",
        Class::BreaksAndLocks,
        "touches every row of a table in use: row locks held to the end block the running binary's writes",
        "do it in batches outside the migration.",
    ),
    refuse(
        "index-not-concurrent",
        Class::Locks,
        "SHARE lock: the running binary's writes to the table wait until the index is built",
        ONLINE,
    ),
    refuse(
        "drop-index-not-concurrent",
        Class::Locks,
        "ACCESS EXCLUSIVE: the running binary's queries on the table wait; ON CONFLICT that infers a unique index fails with 42P10",
        ONLINE,
    ),
    refuse(
        "reindex-not-concurrent",
        Class::Locks,
        "writes, and reads through the index, wait until it is rebuilt",
        ONLINE,
    ),
    refuse(
        "unique-not-using-index",
        Class::BreaksAndLocks,
        "the index is built under ACCESS EXCLUSIVE: every query on the table waits; duplicate writes of the running binary fail with 23505",
        "CREATE UNIQUE INDEX CONCURRENTLY in a migration of its own, then ADD CONSTRAINT … UNIQUE USING INDEX.",
    ),
    refuse(
        "primary-key-not-using-index",
        Class::BreaksAndLocks,
        "the index is built under ACCESS EXCLUSIVE, and the columns become NOT NULL: 23502 and 23505 for the running binary",
        "CREATE UNIQUE INDEX CONCURRENTLY in a migration of its own, then ADD CONSTRAINT … PRIMARY KEY USING INDEX on columns that are NOT NULL already.",
    ),
    refuse(
        "exclusion-constraint",
        Class::BreaksAndLocks,
        "built under ACCESS EXCLUSIVE, with no online form; conflicting writes of the running binary fail with 23P01",
        QUIET,
    ),
    refuse(
        "fk-not-valid-missing",
        Class::BreaksAndLocks,
        "both tables are locked against writes while every row is checked; writes and parent DELETEs of the running binary that violate it fail with 23503",
        VALID,
    ),
    refuse(
        "check-not-valid-missing",
        Class::BreaksAndLocks,
        "the table is locked while every row is checked; writes of the running binary that violate it fail with 23514",
        VALID,
    ),
    refuse(
        "validate-in-same-tx",
        Class::Locks,
        "the strong lock of the ADD is kept through the scan",
        "VALIDATE CONSTRAINT in a later migration.",
    ),
    refuse(
        "add-column-rewrite",
        Class::Locks,
        "the whole table is rewritten under ACCESS EXCLUSIVE: every query of the running binary on it waits",
        "add the column without it, set the default afterwards, and fill old rows in batches.",
    ),
    refuse(
        "table-rewrite",
        Class::Locks,
        "the table is locked with ACCESS EXCLUSIVE while it is rewritten: every query of the running binary on it waits",
        QUIET,
    ),
    refuse(
        "matview-refresh-not-concurrent",
        Class::Locks,
        "readers of the materialized view wait (ACCESS EXCLUSIVE)",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index.",
    ),
    warn(
        "create-partition-of",
        Class::Locks,
        "takes ACCESS EXCLUSIVE on the parent",
        "CREATE TABLE … (LIKE parent), then ATTACH PARTITION, which does not block.",
    ),
    refuse(
        "explicit-lock",
        Class::Locks,
        "the running binary's queries on the table wait for the lock",
        "leave the locking to the statements themselves, and set lock_timeout.",
    ),
    refuse(
        "domain-constraint",
        Class::BreaksAndLocks,
        "every column of the domain is scanned under lock; writes of the running binary that violate it fail with 23514",
        VALID,
    ),
    refuse(
        "detach-partition-not-concurrent",
        Class::Locks,
        "ACCESS EXCLUSIVE on the parent: every query of the running binary on it waits; the partition's rows vanish from it, and INSERTs of them fail with 23514",
        "switch: release a binary that no longer uses these rows; contract: DETACH PARTITION … CONCURRENTLY, in a later release and outside a transaction.",
    ),
    warn(
        "lock-timeout-missing",
        Class::Locks,
        "without lock_timeout the statement waits behind any long reader, and every later query on the table waits behind it",
        "SET lock_timeout to a few seconds at the top of the file, unless the runner sets it.",
    ),
    warn(
        "wide-lock-window",
        Class::Locks,
        "what the first statement locked stays locked until the transaction ends, through everything after it",
        "one table a migration; no rows and no scans after a strong lock in the same transaction.",
    ),
];
