//! What the rules say of each change by reading it, with the running binary's queries at hand.

use canary_core::fleet::Digest;
use canary_core::traits::{Finding, MigrationGate as _, Release, Severity};
use canary_postgres::{Convention, GateConfig, MigrationFilesGate};

use crate::repository::Repository;
use crate::rows::{ROWS, Row};
use crate::shop::{SCHEMA, contract};

/// By the row's name, the rules that its change meets, in order; `~` marks a warning.
pub(crate) const READ: &[(&str, &str)] = &[
    ("drop column in use", "drop-column"),
    ("drop column nobody reads, no SELECT *", "drop-column"),
    ("drop column under SELECT *", "drop-column"),
    ("drop column under INSERT without list", "drop-column"),
    ("rename column", "rename-column"),
    ("rename table", "rename-table"),
    ("drop table", "drop-table"),
    ("move table", "move-schema"),
    ("drop view", "drop-view"),
    ("drop function", "drop-routine"),
    ("drop sequence", "drop-sequence"),
    ("rename schema", "rename-schema"),
    ("integer to bigint", "alter-column-type"),
    ("varchar(40) to varchar(200)", "alter-column-type"),
    ("varchar to text", "alter-column-type"),
    ("numeric(10,2) to (14,2)", "alter-column-type"),
    ("text to json under DISTINCT", "alter-column-type"),
    ("add nullable column, table read with SELECT *", "stale-plan"),
    ("add nullable column whose name exists in a joined table", "ambiguous-name"),
    ("add nullable column to the source of INSERT … SELECT *", "stale-plan"),
    ("add nullable column, explicit lists only", ""),
    ("new required column, old INSERT omits it", "drop-default"),
    ("SET NOT NULL", "~unbounded-dml set-not-null"),
    ("DROP DEFAULT of a required column", "drop-default"),
    ("new CHECK NOT VALID", "~new-write-restriction"),
    ("new FOREIGN KEY NOT VALID, old DELETE on the parent", "~new-write-restriction"),
    ("new UNIQUE", "unique-not-using-index"),
    ("drop the UNIQUE behind ON CONFLICT", "drop-constraint"),
    ("drop the PRIMARY KEY behind a GROUP BY", "drop-constraint"),
    ("identity to GENERATED ALWAYS", "identity-always"),
    ("rename enum value, given as a parameter", "rename-enum-value"),
    ("rename enum value, a literal", "rename-enum-value"),
    ("add enum value", "~enum-add-value"),
    ("rename enum type", "rename-type"),
    ("enum to text", "drop-default alter-column-type"),
    ("enum to text, read", "drop-default alter-column-type"),
    ("function with another result type", "drop-routine replace-routine"),
    ("function overload that makes a call ambiguous", ""),
    ("REVOKE", "revoke"),
    ("ENABLE ROW LEVEL SECURITY", "row-security"),
    ("trigger that raises", "~trigger-change"),
    ("table replaced by a partitioned one", "rename-table"),
    ("RULE … INSTEAD NOTHING", "rewrite-rule"),
    ("SET DEFAULT", "~set-default"),
    ("column turned into a generated one that nobody writes", "drop-column add-column-rewrite"),
    ("table renamed and a view put in its place", "rename-table"),
    ("table dropped and recreated alike", "drop-table"),
    ("CREATE INDEX", "index-not-concurrent"),
    ("new table", ""),
    ("view with a column appended", "~replace-view"),
    ("domain check that nobody writes", "domain-constraint"),
];

/// A repository with a directory of migrations for each row.
pub(crate) fn repository() -> Repository {
    let paths: Vec<String> = (0..ROWS.len()).map(|row| format!("row{row}/1_shop.sql")).collect();
    Repository::with(&paths.iter().map(|path| (path.as_str(), SCHEMA)).collect::<Vec<_>>())
}

impl Row {
    /// What reading finds, but for a missing `lock_timeout`, which every row lacks.
    pub(crate) async fn findings(&self, repository: &Repository) -> Result<Vec<Finding>, String> {
        let row = ROWS.iter().position(|row| row.name == self.name).ok_or("a row of the table")?;
        repository.write(&format!("row{row}/2_change.sql"), self.change);
        let config = GateConfig {
            base: "running".into(),
            convention: Some(Convention::Sqlx),
            facts: Some(contract().facts()),
            ..GateConfig::new(repository.path(), format!("row{row}"))
        };
        let service = "shop".parse().map_err(|error| format!("{error}"))?;
        let release = Release::new(service, Digest::of(b"new"));
        let review = MigrationFilesGate::new(config).review(&release).await.map_err(|error| error.chain())?;
        Ok(review.findings.into_iter().filter(|finding| finding.rule != "lock-timeout-missing").collect())
    }

    /// What the table says that reading finds.
    pub(crate) fn read(&self) -> Option<&'static str> {
        READ.iter().find(|(name, _)| *name == self.name).map(|(_, rules)| *rules)
    }

    /// Whether reading refuses it, and whether it says anything at all.
    pub(crate) fn read_refuses(&self) -> (bool, bool) {
        let rules = self.read().unwrap_or_default();
        (rules.split_whitespace().any(|rule| !rule.starts_with('~')), !rules.is_empty())
    }

    /// Holds what reading finds against the table.
    pub(crate) async fn check_read(&self, repository: &Repository) -> Result<(), String> {
        let findings = self.findings(repository).await?;
        let rule = |finding: &Finding| match finding.severity {
            Severity::Refuse => finding.rule.clone(),
            Severity::Warn => format!("~{}", finding.rule),
        };
        let found = findings.iter().map(rule).collect::<Vec<_>>().join(" ");
        if Some(found.as_str()) != self.read() {
            return Err(format!("reading finds {found:?}, the table says {:?}", self.read()));
        }
        Ok(())
    }
}
