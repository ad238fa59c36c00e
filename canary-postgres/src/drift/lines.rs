//! The lines of one schema.

use std::collections::BTreeMap;

/// What separates the parts of a line; no name can hold it unescaped in the wrong place without making the hash differ.
const PART: char = '\u{1f}';

/// A schema as facts about its objects: by kind and name, then by the fact's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaLines {
    pub(super) objects: BTreeMap<(String, String), BTreeMap<String, String>>,
}

impl SchemaLines {
    /// Takes the lines as the catalog's query gives them.
    pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut objects = BTreeMap::new();
        for line in lines {
            let mut parts = line.split(PART);
            let (kind, object) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let facts = parts.map(|fact| fact.split_once('=').unwrap_or((fact, "")));
            let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            objects.insert((kind.to_owned(), object.to_owned()), facts);
        }
        Self { objects }
    }

    /// What servers of every major version word alike: tables and columns, enum labels, sequences, grants; of indexes, functions
    /// and triggers that they are there. Definitions and defaults are worded by each in its own way.
    pub(super) fn alike(&self) -> Self {
        const ALIKE: [(&str, &[&str]); 10] = [
            ("relation", &["kind", "persistence", "row security", "row security of the owner"]),
            ("column", &["type", "null", "identity", "generated"]),
            ("columns", &["order"]),
            ("index", &["valid"]),
            ("function", &["language", "volatility", "strict", "rights"]),
            ("trigger", &["enabled"]),
            ("enum", &["labels"]),
            ("domain", &["type", "null"]),
            ("sequence", &["type", "start", "increment", "minimum", "maximum", "cache", "cycle"]),
            ("grants", &["of the role"]),
        ];
        let kept = self.objects.iter().filter_map(|(key, facts)| {
            let (_, names) = ALIKE.iter().find(|(kind, _)| *kind == key.0)?;
            let facts = facts.iter().filter(|(name, _)| names.contains(&name.as_str()));
            Some((key.clone(), facts.map(|(name, value)| (name.clone(), value.clone())).collect()))
        });
        Self { objects: kept.collect() }
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}
