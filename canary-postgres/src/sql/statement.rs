//! The intermediate form: what a statement does, with nothing of the parser in it.

use std::ops::Range;

use super::name::Name;
use super::position::Span;

/// A parsed file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Script {
    /// The statements, in order.
    pub(crate) statements: Vec<Statement>,
    /// What could not be parsed.
    pub(crate) errors: Vec<ParseError>,
}

impl Script {
    /// The statements that begin within a range of bytes.
    pub(crate) fn within(&self, range: &Range<usize>) -> &[Statement] {
        let before = |at: usize| self.statements.partition_point(|statement| statement.span.start < at);
        let (from, to) = (before(range.start), before(range.end));
        self.statements.get(from..to).unwrap_or_default()
    }
}

/// One thing the parser did not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// The byte it was found at.
    pub(crate) at: usize,
    /// The parser's words.
    pub(crate) message: String,
}

/// One statement and everything it does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Where it stands, without blanks around it.
    pub(crate) span: Span,
    /// Its effects; none for a statement that changes nothing a binary can see.
    pub(crate) effects: Vec<Effect>,
}

/// One effect and the clause that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The clause.
    pub(crate) span: Span,
    /// What it does.
    pub(crate) kind: EffectKind,
}

/// A kind of database object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Table,
    View,
    Sequence,
    Index,
    Type,
    Schema,
    Routine,
    Extension,
    Database,
    Role,
    Owned,
}

impl Class {
    /// The word for it in a sentence.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Sequence => "sequence",
            Self::Index => "index",
            Self::Type => "type",
            Self::Schema => "schema",
            Self::Routine => "routine",
            Self::Extension => "extension",
            Self::Database => "database",
            Self::Role => "role",
            Self::Owned => "everything owned by",
        }
    }
}

/// What matters about a column that is added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one clause, each read by name")]
pub(crate) struct ColumnFacts {
    /// Its type's name; empty for built-in types spelled in several words.
    pub(crate) type_name: Option<Name>,
    /// `NOT NULL`.
    pub(crate) not_null: bool,
    /// Rows written without it get a value: a default that is not NULL, serial, identity, generated.
    pub(crate) has_default: bool,
    /// Why every existing row must be rewritten, if so.
    pub(crate) rewrite: Option<&'static str>,
    /// `PRIMARY KEY`.
    pub(crate) primary_key: bool,
    /// `UNIQUE`.
    pub(crate) unique: bool,
    /// `CHECK`.
    pub(crate) check: bool,
    /// `REFERENCES`.
    pub(crate) references: bool,
    /// The type is `json`, which has no equality.
    pub(crate) json: bool,
    /// The type as written, in lower case.
    pub(crate) type_text: String,
}

/// The code of a routine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Body {
    /// What it does when it runs, with spans in the file that defines it.
    pub(crate) effects: Vec<Effect>,
    /// Why it cannot be read, if so.
    pub(crate) unreadable: Option<String>,
}

/// A kind of table constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConstraintKind {
    PrimaryKey,
    Unique,
    Check,
    ForeignKey,
    Exclude,
}

/// What an `ALTER COLUMN` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnChange {
    Type {
        /// The new type as written, in lower case.
        to: String,
    },
    SetNotNull,
    DropNotNull,
    SetDefault {
        null: bool,
    },
    DropDefault,
    DropIdentity,
    DropExpression,
    AddIdentity {
        always: bool,
    },
    IdentityAlways,
}

/// What a statement or clause does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EffectKind {
    Create {
        class: Class,
        name: Name,
        if_not_exists: bool,
        temporary: bool,
    },
    /// The columns of a table that is created.
    Columns {
        table: Name,
        columns: Vec<(String, ColumnFacts)>,
    },
    CreateDomain {
        name: Name,
        required: bool,
    },
    Replace {
        class: Class,
        name: Name,
    },
    /// A routine's code; nothing until something calls it.
    Routine {
        name: Name,
        returns: String,
        body: Body,
    },
    /// Code that runs here and now.
    Code {
        effects: Vec<Effect>,
    },
    Begin,
    End,
    LockTimeout {
        on: bool,
    },
    PartitionOf {
        parent: Name,
    },
    Drop {
        class: Class,
        name: Name,
    },
    Rename {
        class: Class,
        name: Name,
        to: Name,
    },
    Move {
        class: Class,
        name: Name,
    },
    Owner {
        class: Class,
        name: Name,
    },
    AddColumn {
        table: Name,
        column: String,
        if_not_exists: bool,
        facts: ColumnFacts,
    },
    DropColumn {
        table: Name,
        column: String,
    },
    RenameColumn {
        table: Name,
        column: String,
        to: String,
    },
    AlterColumn {
        table: Name,
        column: String,
        change: ColumnChange,
    },
    AddConstraint {
        table: Name,
        kind: ConstraintKind,
        name: Option<String>,
        not_valid: bool,
        using_index: bool,
        /// The column of a `CHECK (column IS NOT NULL)`.
        not_null_of: Option<String>,
        /// The other table of a foreign key.
        parent: Option<Name>,
    },
    ValidateConstraint {
        table: Name,
        name: String,
    },
    DropConstraint {
        table: Name,
        name: String,
    },
    RenameConstraint {
        table: Name,
        name: String,
    },
    AlterConstraint {
        table: Name,
        name: String,
    },
    DomainConstraint {
        domain: Name,
        what: &'static str,
        refuse: &'static str,
    },
    RowSecurity {
        table: Name,
        what: &'static str,
    },
    Trigger {
        table: Name,
        what: &'static str,
        /// What it runs, when it is created.
        function: Option<Name>,
    },
    RewriteRule {
        table: Name,
    },
    Rewrite {
        table: Name,
        what: &'static str,
    },
    ReplicaIdentity {
        table: Name,
    },
    Detach {
        table: Name,
        partition: Name,
        concurrently: bool,
    },
    CreateIndex {
        name: Option<Name>,
        table: Name,
        unique: bool,
        concurrently: bool,
        if_not_exists: bool,
    },
    DropIndex {
        name: Name,
        concurrently: bool,
    },
    Reindex {
        what: String,
    },
    Refresh {
        view: Name,
    },
    Truncate {
        table: Name,
    },
    Dml {
        verb: &'static str,
        table: Name,
        bounded: bool,
    },
    Lock {
        table: Name,
        mode: String,
    },
    AddEnumValue {
        name: Name,
        label: String,
    },
    RenameEnumValue {
        name: Name,
    },
    AddAttribute {
        name: Name,
    },
    SequenceChange {
        name: Name,
    },
    RoutineChange {
        name: Name,
    },
    Revoke {
        objects: Vec<(Class, Name)>,
        what: String,
    },
    SessionDefault {
        what: String,
    },
    SearchPath,
    Calls {
        functions: Vec<Name>,
        computed: bool,
    },
    Concurrently,
    Opaque {
        what: String,
    },
    Unknown {
        what: String,
    },
}
