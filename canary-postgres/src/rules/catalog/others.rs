//! Rules on migrations that fail or cannot be judged, and on the files themselves.

use super::{Class, OPAQUE, Rule, refuse, warn};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "concurrently-in-transaction",
        Class::Fails,
        "the statement cannot run inside a transaction: the migration fails with 25001 half way",
        "put it alone into a migration that runs without a transaction, marked as the convention wants it.",
    ),
    refuse("opaque-sql", Class::Fails, "what it does cannot be read from the file", OPAQUE),
    refuse(
        "unparsed-sql",
        Class::Fails,
        "the file cannot be judged",
        "correct the file; if the server does accept it, bypass with a name and a reason.",
    ),
    refuse(
        "out-of-order",
        Class::Process,
        "a database that is in use gets it after what later numbers did, or never",
        "give it a version above the newest one that the baseline has.",
    ),
    warn(
        "foreign-marker",
        Class::Process,
        "the file may have been written for another tool: what it means to leave out is run",
        "keep the markers of the tool that runs the files, and no others.",
    ),
    refuse(
        "unknown-statement",
        Class::Fails,
        "a form that is on no list of statements known to be safe",
        OPAQUE,
    ),
    refuse(
        "edited-migration",
        Class::Process,
        "the running database has applied the file as it was: the edit never runs there, and runners that keep checksums refuse to start",
        "restore the file and put the change into a new migration.",
    ),
    refuse(
        "deleted-migration",
        Class::Process,
        "runners that find an applied migration missing refuse to start; what it created stays",
        "restore the file; undo its effect in a new migration.",
    ),
    refuse(
        "enum-value-used-in-tx",
        Class::Fails,
        "a new label cannot be used before its transaction ends: the migration fails with 55P04",
        "add the label in a migration of its own and use it in a later one.",
    ),
    refuse(
        "grant-unusable",
        Class::Process,
        "what it was given for is refused as if there were none",
        "take it out, or ask for one that names what is refused now.",
    ),
    refuse(
        "baseline-unusable",
        Class::Process,
        "nothing tells which migrations are new",
        "name as the base a revision that is running and that this clone has.",
    ),
    refuse(
        "convention-unclear",
        Class::Process,
        "nothing tells which parts of the files a deploy runs",
        "set the convention to the tool that runs the migrations.",
    ),
];
