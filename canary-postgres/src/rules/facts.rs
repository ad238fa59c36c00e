//! What is known of the binary that is running: with it, warnings that depend on its queries are decided.

use std::collections::BTreeSet;

use crate::sql::parse;

/// What a running binary relies on, as far as it is known.
///
/// Filled from its contract; without one nothing is known, and rules keep the severity they have for any binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BinaryFacts {
    /// Whether `queries` are all it sends: only then does it count that none of them is concerned.
    pub complete: bool,
    /// Its queries.
    pub queries: Vec<KnownQuery>,
    /// Columns that it reads into a type without NULL.
    pub required_columns: Vec<RequiredColumn>,
    /// Names of constraints and indexes that its code matches in errors: name and place.
    pub matched_names: Vec<(String, String)>,
    /// Whether a run on a throw-away database with full coverage found nothing that breaks.
    pub shadow_is_clean: bool,
}

impl BinaryFacts {
    /// The facts of several binaries that run side by side; complete when those of each are.
    #[must_use]
    pub fn of_all(binaries: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self { complete: true, ..Self::default() };
        for binary in binaries {
            all.complete &= binary.complete;
            all.queries.extend(
                binary.queries.into_iter().filter(|query| !all.queries.contains(query)).collect::<Vec<_>>(),
            );
            let new = |column: &RequiredColumn| !all.required_columns.contains(column);
            let columns: Vec<_> = binary.required_columns.into_iter().filter(new).collect();
            all.required_columns.extend(columns);
            all.matched_names.extend(binary.matched_names);
        }
        all
    }
}

/// A query of the running binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownQuery {
    /// Its text.
    pub text: String,
    /// Where it stands in the binary's sources (`src/users.rs:42`).
    pub place: String,
}

/// A column that is read into a type without NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredColumn {
    /// The table, when it is known.
    pub table: Option<String>,
    /// The column.
    pub column: String,
    /// The field it is read into, and where (`User.email, src/users.rs:12`).
    pub place: String,
}

/// The facts, with each query read once.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    facts: Option<BinaryFacts>,
    queries: Vec<Words>,
}

/// The words of a query, folded as the server folds names.
#[derive(Debug)]
struct Words {
    names: BTreeSet<String>,
    /// Names without a table before them.
    bare: BTreeSet<String>,
    /// `SELECT *`, `t.*`, `RETURNING *`.
    star: bool,
    on_conflict: bool,
    groups: bool,
    writes: bool,
}

impl Reading {
    pub(crate) fn of(facts: Option<BinaryFacts>) -> Self {
        let queries = facts.iter().flat_map(|facts| &facts.queries).map(|query| Words::of(&query.text));
        Self { queries: queries.collect(), facts }
    }

    /// Whether nothing but what is listed is sent.
    pub(crate) fn complete(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.complete)
    }

    pub(crate) fn shadow_is_clean(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.complete && facts.shadow_is_clean)
    }

    fn places(&self, concerned: impl Fn(&Words) -> bool) -> Vec<String> {
        let queries = self.facts.iter().flat_map(|facts| &facts.queries).zip(&self.queries);
        queries.filter(|(_, words)| concerned(words)).map(|(query, _)| query.place.clone()).collect()
    }

    /// Queries that name a relation, a type or a routine.
    pub(crate) fn naming(&self, object: &str) -> Vec<String> {
        self.places(|words| words.names.contains(object))
    }

    /// Queries that name a column of a relation, or take all of them.
    pub(crate) fn reading(&self, table: &str, column: &str) -> Vec<String> {
        self.places(|words| words.names.contains(table) && (words.star || words.names.contains(column)))
    }

    /// Queries that return every column of a relation.
    pub(crate) fn with_star(&self, table: &str) -> Vec<String> {
        self.places(|words| words.star && words.names.contains(table))
    }

    /// Queries of a relation that name, with no table before it, a column that the relation has not had so far.
    pub(crate) fn ambiguous(&self, table: &str, column: &str) -> Vec<String> {
        self.places(|words| words.names.contains(table) && words.bare.contains(column))
    }

    /// Queries that write to a relation.
    pub(crate) fn writing(&self, table: &str) -> Vec<String> {
        self.places(|words| words.writes && words.names.contains(table))
    }

    /// Queries that infer a constraint of the relation, group by its key, or name it, and code that matches its name.
    pub(crate) fn relying_on(&self, table: &str, constraint: &str) -> Vec<String> {
        let mut places = self.places(|words| {
            words.names.contains(table) && (words.on_conflict || words.groups)
                || words.names.contains(constraint)
        });
        places.extend(self.matching(constraint));
        places
    }

    /// Queries and code that name a constraint or an index.
    pub(crate) fn matching(&self, name: &str) -> Vec<String> {
        let named = self.facts.iter().flat_map(|facts| &facts.matched_names);
        let mut places: Vec<String> =
            named.filter(|(matched, _)| matched == name).map(|(_, place)| place.clone()).collect();
        places.extend(self.places(|words| words.on_conflict && words.names.contains(name)));
        places
    }

    /// Fields without NULL that a column is read into.
    pub(crate) fn required(&self, table: &str, column: &str) -> Vec<String> {
        let required = self.facts.iter().flat_map(|facts| &facts.required_columns);
        let concerned = required.filter(|required| {
            required.column == column && required.table.as_deref().is_none_or(|of| of == table)
        });
        concerned.map(|required| required.place.clone()).collect()
    }
}

impl Words {
    fn of(query: &str) -> Self {
        let parse::Words { all: names, bare, star } = parse::words(query);
        let has = |word: &str| names.contains(word);
        Self {
            bare,
            star,
            on_conflict: has("conflict"),
            groups: has("group"),
            writes: ["insert", "update", "delete", "merge"].iter().any(|verb| has(verb)),
            names,
        }
    }
}
