//! What the set of new migrations has made so far, and what older migrations are known to have made.

use std::collections::{HashMap, HashSet};

use crate::sql::name::Name;
use crate::sql::statement::{Class, ColumnChange, ColumnFacts, EffectKind, Script};

/// A column added by the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewColumn {
    /// Rows written without it get a value.
    pub(crate) has_default: bool,
    /// It refuses NULL.
    pub(crate) not_null: bool,
}

/// Tables the baseline knows, from the older migration files; best effort.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    relations: HashSet<Name>,
    required_domains: HashSet<Name>,
    /// What is known of columns: their type as written, and whether they take NULL.
    columns: HashMap<(Name, String), KnownColumn>,
    /// The result types of routines, as written.
    routines: HashMap<Name, String>,
    /// Checks that say of a column that it is not NULL, and when they were validated.
    not_null_checks: HashMap<(Name, String), NotNullCheck>,
    /// The words, in lower case, of older files that could not be read as SQL: any of them may be a table.
    unread: HashSet<String>,
}

impl Known {
    /// Takes an older file into account.
    pub(crate) fn learn(&mut self, text: &str, script: &Script) {
        let mut unread = !script.errors.is_empty();
        for effect in script.statements.iter().flat_map(|statement| &statement.effects) {
            match &effect.kind {
                EffectKind::Create { class, name, temporary: false, .. } if relation(*class) => {
                    self.relations.insert(public(name));
                }
                EffectKind::Replace { class: Class::View, name } => {
                    self.relations.insert(public(name));
                }
                EffectKind::Drop { class, name } if relation(*class) => {
                    self.relations.remove(&public(name));
                }
                EffectKind::Rename { class, name, to } if relation(*class) => {
                    self.relations.remove(&public(name));
                    self.relations.insert(public(to));
                }
                EffectKind::CreateDomain { name, required: true } => {
                    self.required_domains.insert(public(name));
                }
                EffectKind::Columns { table, columns } => {
                    for (column, facts) in columns {
                        self.learn_column(table, column, facts);
                    }
                }
                EffectKind::AddColumn { table, column, facts, .. } => self.learn_column(table, column, facts),
                EffectKind::AlterColumn { table, column, change, .. } => {
                    self.change_column(table, column, change);
                }
                EffectKind::DropColumn { table, column } => {
                    self.columns.remove(&(public(table), column.clone()));
                }
                EffectKind::Routine { name, returns, .. } => {
                    self.routines.insert(public(name), returns.clone());
                }
                EffectKind::AddConstraint { .. } | EffectKind::ValidateConstraint { .. } => {
                    self.check(&effect.kind, 0);
                }
                EffectKind::DropConstraint { table, name } => {
                    self.not_null_checks.remove(&(public(table), name.clone()));
                }
                EffectKind::Opaque { .. } | EffectKind::Unknown { .. } | EffectKind::Code { .. } => {
                    unread = true;
                }
                _ => {}
            }
        }
        if unread {
            let between = |c: char| !(c.is_alphanumeric() || c == '_' || c == '$');
            self.unread.extend(text.split(between).map(str::to_ascii_lowercase));
        }
    }

    fn learn_column(&mut self, table: &Name, column: &str, facts: &ColumnFacts) {
        let column_of = (public(table), column.to_owned());
        let nullable = !(facts.not_null || facts.primary_key)
            && facts.type_name.as_ref().is_none_or(|name| !self.required_domains.contains(&public(name)));
        self.columns.insert(column_of, KnownColumn { type_text: facts.type_text.clone(), nullable });
    }

    fn change_column(&mut self, table: &Name, column: &str, change: &ColumnChange) {
        let Some(known) = self.columns.get_mut(&(public(table), column.to_owned())) else { return };
        match change {
            ColumnChange::Type { to } => known.type_text.clone_from(to),
            ColumnChange::SetNotNull => known.nullable = false,
            ColumnChange::DropNotNull => known.nullable = true,
            _ => {}
        }
    }

    /// Records a check that a column is not NULL, or its validation, in a transaction.
    fn check(&mut self, kind: &EffectKind, transaction: u64) {
        match kind {
            EffectKind::AddConstraint {
                table,
                name: Some(name),
                not_null_of: Some(column),
                not_valid,
                ..
            } => {
                let validated = (!not_valid).then_some(transaction);
                let check = NotNullCheck { column: column.clone(), validated };
                self.not_null_checks.insert((public(table), name.clone()), check);
            }
            EffectKind::ValidateConstraint { table, name } => {
                if let Some(check) = self.not_null_checks.get_mut(&(public(table), name.clone())) {
                    check.validated.get_or_insert(transaction);
                }
            }
            _ => {}
        }
    }

    /// Whether a plain `CREATE` would find this very object in place.
    fn has(&self, name: &Name) -> bool {
        self.relations.contains(&public(name))
    }

    /// Whether a `CREATE … IF NOT EXISTS` might find an object of that name in place, in whatever schema.
    fn may_have(&self, name: &Name) -> bool {
        self.relations.iter().any(|known| known.object == name.object)
            || self.unread.contains(&name.object.to_ascii_lowercase())
    }
}

/// What older files, or this set, say of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownColumn {
    type_text: String,
    nullable: bool,
}

/// A `CHECK (column IS NOT NULL)`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NotNullCheck {
    column: String,
    /// The transaction that validated it; 0 for an older file's.
    validated: Option<u64>,
}

const fn relation(class: Class) -> bool {
    matches!(class, Class::Table | Class::View | Class::Sequence | Class::Index)
}

fn public(name: &Name) -> Name {
    name.within(Some(name.schema.clone().unwrap_or_else(|| "public".to_owned())))
}

/// The objects the set has made so far.
#[derive(Debug, Default)]
pub(crate) struct NewObjects {
    known: Known,
    made: HashSet<(Namespace, Name)>,
    schemas: HashSet<String>,
    columns: HashMap<(Name, String), NewColumn>,
    required_domains: HashSet<Name>,
    /// How often the search path was switched: a bare name after a switch is not one before it.
    path: usize,
}

/// Names are unique within one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Namespace {
    Relation,
    Routine,
    Type,
    Other,
}

impl From<Class> for Namespace {
    fn from(class: Class) -> Self {
        match class {
            Class::Table | Class::View | Class::Sequence | Class::Index => Self::Relation,
            Class::Routine => Self::Routine,
            Class::Type => Self::Type,
            _ => Self::Other,
        }
    }
}

impl NewObjects {
    /// Nothing made yet, over what older files are known to have made.
    pub(crate) fn over(known: Known) -> Self {
        Self { known, ..Self::default() }
    }

    /// A bare name gets the schema it means: a temporary table's, `public`, or a path nobody knows.
    fn resolve(&self, name: &Name) -> Name {
        if name.schema.is_some() {
            return name.clone();
        }
        let temporary = name.within(Some("pg_temp".to_owned()));
        if self.made.contains(&(Namespace::Relation, temporary.clone())) {
            return temporary;
        }
        match self.path {
            0 => public(name),
            path => name.within(Some(format!("\u{0}search path {path}"))),
        }
    }

    /// The name with its schema, for keys.
    pub(crate) fn resolved(&self, name: &Name) -> Name {
        self.resolve(name)
    }

    /// Records checks of `NOT NULL` that the set adds or validates.
    pub(crate) fn check(&mut self, kind: &EffectKind, transaction: u64) {
        self.known.check(kind, transaction);
    }

    /// Whether a check that an earlier transaction has validated keeps NULL out of the column.
    pub(crate) fn is_checked(&self, table: &Name, column: &str, transaction: u64) -> bool {
        let table = self.resolve(table);
        let mut checks = self.known.not_null_checks.iter();
        checks.any(|((of, _), check)| {
            *of == table && check.column == column && check.validated.is_some_and(|at| at < transaction)
        })
    }

    /// The type of an old column as older files say it.
    pub(crate) fn type_of(&self, table: &Name, column: &str) -> Option<&str> {
        let known = self.known.columns.get(&(self.resolve(table), column.to_owned()))?;
        Some(known.type_text.as_str())
    }

    /// Whether older files say that the column takes NULL.
    pub(crate) fn is_nullable(&self, table: &Name, column: &str) -> bool {
        let known = self.known.columns.get(&(self.resolve(table), column.to_owned()));
        known.is_some_and(|known| known.nullable)
    }

    /// The result type of an old routine, as older files say it.
    pub(crate) fn returned_by(&self, routine: &Name) -> Option<&str> {
        self.known.routines.get(&self.resolve(routine)).map(String::as_str)
    }

    /// Whether the set itself made this object, so that nothing running can rely on it.
    pub(crate) fn is_new(&self, class: Class, name: &Name) -> bool {
        let name = self.resolve(name);
        if class == Class::Schema {
            return self.schemas.contains(&name.object);
        }
        if name.schema.as_ref().is_some_and(|schema| self.schemas.contains(schema)) {
            return true;
        }
        // A routine named without its parameters (a call) may be any of its overloads.
        if class == Class::Routine && !name.object.contains('(') {
            let overload = |made: &Name| {
                made.schema == name.schema && made.object.split('(').next() == Some(&name.object)
            };
            return self.made.iter().any(|(space, made)| *space == Namespace::Routine && overload(made));
        }
        self.made.contains(&(class.into(), name))
    }

    /// Records a `CREATE`; one that may have found the object in place makes nothing new.
    pub(crate) fn create(&mut self, class: Class, name: &Name, if_not_exists: bool, temporary: bool) {
        let name = if temporary { name.within(Some("pg_temp".to_owned())) } else { self.resolve(name) };
        let fresh = match class {
            Class::Schema => !if_not_exists,
            _ if temporary => true,
            _ if relation(class) => !(if_not_exists && self.known.may_have(&name) || self.known.has(&name)),
            _ => !if_not_exists,
        };
        if fresh && class == Class::Schema {
            self.schemas.insert(name.object);
        } else if fresh {
            self.made.insert((class.into(), name));
        }
    }

    /// Records a `DROP` of something the set made.
    pub(crate) fn forget(&mut self, class: Class, name: &Name) {
        let name = self.resolve(name);
        self.made.remove(&(class.into(), name.clone()));
        self.columns.retain(|(table, _), _| *table != name);
        if class == Class::Schema {
            self.schemas.remove(&name.object);
        }
    }

    /// Records a rename or move of something the set made.
    pub(crate) fn rename(&mut self, class: Class, name: &Name, to: &Name) {
        let (from, to) = (self.resolve(name), self.resolve(to));
        if class == Class::Schema {
            if self.schemas.remove(&from.object) {
                self.schemas.insert(to.object);
            }
        } else if self.made.remove(&(class.into(), from)) {
            self.made.insert((class.into(), to));
        }
    }

    /// Records a column added to an old table.
    pub(crate) fn add_column(&mut self, table: &Name, column: &str, state: NewColumn) {
        self.columns.insert((self.resolve(table), column.to_owned()), state);
    }

    /// The column, if the set added it.
    pub(crate) fn column(&mut self, table: &Name, column: &str) -> Option<&mut NewColumn> {
        let key = (self.resolve(table), column.to_owned());
        self.columns.get_mut(&key)
    }

    /// Forgets a column the set added.
    pub(crate) fn drop_column(&mut self, table: &Name, column: &str) -> Option<NewColumn> {
        self.columns.remove(&(self.resolve(table), column.to_owned()))
    }

    /// Records a domain that refuses NULL and has no default.
    pub(crate) fn require_domain(&mut self, name: &Name) {
        let name = self.resolve(name);
        self.required_domains.insert(name);
    }

    /// Whether a column of this type refuses NULL although the column does not say so.
    pub(crate) fn is_required_domain(&self, name: &Name) -> bool {
        let name = self.resolve(name);
        self.required_domains.contains(&name) || self.known.required_domains.contains(&name)
    }

    /// Records that bare names mean something else from here on.
    pub(crate) fn switch_path(&mut self) {
        self.path += 1;
    }
}
