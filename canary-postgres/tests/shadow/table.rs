//! The table of changes as a whole: nothing is missing, nothing is uncaught, and the manual says the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use canary_postgres::shadow::Level;

use crate::read::READ;
use crate::rows::{ROWS, Row};

/// The changes whose effect on a running binary is known from measurements, each with its rows here.
const KNOWN: &[(&str, &[&str])] = &[
    ("drop column in use", &["drop column in use"]),
    ("drop column nobody reads", &["drop column nobody reads, no SELECT *"]),
    (
        "drop column under SELECT * or INSERT without list",
        &["drop column under SELECT *", "drop column under INSERT without list"],
    ),
    ("rename column", &["rename column"]),
    (
        "rename, drop, move table; drop view, function, sequence; rename schema",
        &[
            "rename table",
            "drop table",
            "move table",
            "drop view",
            "drop function",
            "drop sequence",
            "rename schema",
        ],
    ),
    ("integer to bigint", &["integer to bigint"]),
    ("a wider type", &["varchar(40) to varchar(200)", "varchar to text", "numeric(10,2) to (14,2)"]),
    ("text to json under DISTINCT", &["text to json under DISTINCT"]),
    ("add column under SELECT *", &["add nullable column, table read with SELECT *"]),
    ("add column of a joined table's name", &["add nullable column whose name exists in a joined table"]),
    ("add column to the source of INSERT", &["add nullable column to the source of INSERT … SELECT *"]),
    ("add column, explicit lists", &["add nullable column, explicit lists only"]),
    ("new required column", &["new required column, old INSERT omits it"]),
    ("SET NOT NULL, DROP DEFAULT", &["SET NOT NULL", "DROP DEFAULT of a required column"]),
    ("new CHECK NOT VALID", &["new CHECK NOT VALID"]),
    ("new FOREIGN KEY NOT VALID", &["new FOREIGN KEY NOT VALID, old DELETE on the parent"]),
    ("new UNIQUE", &["new UNIQUE"]),
    ("drop UNIQUE behind ON CONFLICT", &["drop the UNIQUE behind ON CONFLICT"]),
    ("drop PRIMARY KEY behind GROUP BY", &["drop the PRIMARY KEY behind a GROUP BY"]),
    ("identity to GENERATED ALWAYS", &["identity to GENERATED ALWAYS"]),
    ("rename enum value", &["rename enum value, given as a parameter", "rename enum value, a literal"]),
    ("add enum value", &["add enum value"]),
    ("rename enum type", &["rename enum type"]),
    ("enum to text", &["enum to text", "enum to text, read"]),
    ("function with another result type", &["function with another result type"]),
    ("ambiguous function overload", &["function overload that makes a call ambiguous"]),
    ("REVOKE", &["REVOKE"]),
    ("ENABLE ROW LEVEL SECURITY", &["ENABLE ROW LEVEL SECURITY"]),
    (
        "trigger that raises; table replaced by a partitioned one",
        &["trigger that raises", "table replaced by a partitioned one"],
    ),
    (
        "other data",
        &["RULE … INSTEAD NOTHING", "SET DEFAULT", "column turned into a generated one that nobody writes"],
    ),
    (
        "another thing of the same form",
        &["table renamed and a view put in its place", "table dropped and recreated alike"],
    ),
    (
        "what only adds",
        &["CREATE INDEX", "new table", "view with a column appended", "domain check that nobody writes"],
    ),
];

/// Every known change has its rows, every row is one of them, and what breaks is refused by a level or by a rule.
pub(crate) fn is_whole() -> Result<(), String> {
    let named: Vec<&str> = KNOWN.iter().flat_map(|(_, rows)| *rows).copied().collect();
    let rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    let read: Vec<&str> = READ.iter().map(|(name, _)| *name).collect();
    for (what, list) in [("known", &named), ("rows", &rows), ("read", &read)] {
        if list.iter().collect::<BTreeSet<_>>().len() != list.len() {
            return Err(format!("a name is twice among {what}"));
        }
    }
    let apart = |a: &[&str], b: &[&str]| -> Vec<String> {
        a.iter().filter(|name| !b.contains(name)).map(|name| (*name).to_owned()).collect()
    };
    for (list, other) in [(&named, &rows), (&rows, &named), (&rows, &read), (&read, &rows)] {
        let missing = apart(list, other);
        if !missing.is_empty() {
            return Err(format!("not everywhere: {missing:?}"));
        }
    }
    let uncaught: Vec<&str> = ROWS.iter().filter(|row| !row.is_caught()).map(|row| row.name).collect();
    if uncaught.is_empty() { Ok(()) } else { Err(format!("neither a level nor a rule: {uncaught:?}")) }
}

const BEGIN: &str = "<!-- changes: written by a test -->\n";
const END: &str = "<!-- changes: end -->\n";

/// The manual's table is this one; `CANARY_UPDATE_DOCS=1` writes it.
pub(crate) fn is_in_the_manual() -> Result<(), String> {
    let mut text = String::from(
        "\n| change | connection from before | new one | shadow | read |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in ROWS {
        line(&mut text, row);
    }
    text.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/shadow.md");
    let manual = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let parts = manual.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let Some((before, (written, after))) = parts else { return Err("the table's place is gone".to_owned()) };
    if std::env::var_os("CANARY_UPDATE_DOCS").is_some() {
        let whole = format!("{before}{BEGIN}{text}{END}{after}");
        return std::fs::write(&path, whole).map_err(|error| error.to_string());
    }
    if written == text {
        return Ok(());
    }
    Err("docs/shadow.md is not the table of changes; run this test with CANARY_UPDATE_DOCS=1".to_owned())
}

fn line(text: &mut String, row: &Row) {
    let (old, new) = row.codes;
    let gets = |code: &str| match (code, row.query, row.other_data) {
        ("", "", true) => "other data".to_owned(),
        ("", _, _) => "works".to_owned(),
        (code, _, _) => code.to_owned(),
    };
    let levels = row.levels.iter().map(|level| short(*level)).collect::<Vec<_>>();
    let levels = match (levels.is_empty(), row.warns) {
        (false, _) => levels.join(", "),
        (true, "") => "—".to_owned(),
        (true, rule) => format!("warns: {rule}"),
    };
    let rules: Vec<String> = row
        .read()
        .unwrap_or_default()
        .split_whitespace()
        .map(|rule| rule.strip_prefix('~').map_or_else(|| rule.to_owned(), |rule| format!("*{rule}*")))
        .collect();
    let rules = if rules.is_empty() { "—".to_owned() } else { rules.join(", ") };
    // proof: writing to a String cannot fail.
    let _infallible = writeln!(
        text,
        "| {} | {} | {} | {levels} | {rules} |",
        row.name.replace('*', "\\*"),
        gets(old),
        gets(new)
    );
}

const fn short(level: Level) -> &'static str {
    match level {
        Level::Apply => "apply",
        Level::Prepare => "L1",
        Level::Describe => "L2",
        Level::OldConnection => "old connection",
        Level::Explain => "L3",
        Level::Catalog => "L4",
    }
}
