//! YAML as a tree in which every key and value knows its place; the only module that knows the parser.
//!
//! Anchors, aliases, merges and tags are refused: what several tenants share is a tier's to say, and a file without them
//! says where each value comes from.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::place::{Place, Problem};

/// How deep a document may nest.
const DEEPEST: usize = 32;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node<'t> {
    pub(crate) at: Place,
    pub(crate) kind: Kind<'t>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind<'t> {
    /// Text; `quoted` when it was written in quotes or as a block.
    Scalar {
        text: Cow<'t, str>,
        quoted: bool,
    },
    List(Vec<Node<'t>>),
    Map(Vec<Entry<'t>>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) at: Place,
    pub(crate) value: Node<'t>,
}

impl<'t> Node<'t> {
    /// Whether nothing was written (`key:`, `~`, `null`).
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, quoted: false } if matches!(text.as_ref(), "" | "~" | "null"))
    }

    /// What it is, in words, for messages.
    pub(crate) fn described(&self) -> String {
        match &self.kind {
            _ if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } => format!("{:?}", shortened(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a table".to_owned(),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Its text, when it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }
}

/// The start of a text that may be long.
pub(crate) fn shortened(text: &str) -> String {
    let mut start: String = text.chars().take(80).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// Reads every document of a text.
pub(crate) fn documents(text: &str) -> Result<Vec<Node<'_>>, Problem> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let why = error.info().to_owned();
            Problem::new(place(*error.marker()), format!("this is no YAML: {why}"), "mend the line")
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.done)
}

/// Reads a text with one document.
pub(crate) fn document(text: &str) -> Result<Node<'_>, Problem> {
    let mut all = documents(text)?;
    if let Some(second) = all.get(1) {
        return Err(Problem::new(second.at, "a second document", "write one document to a file"));
    }
    all.pop().ok_or_else(|| {
        let start = Place { line: 1, column: 1 };
        Problem::new(start, "the file is empty", "begin with `version: sla/v1`")
    })
}

fn place(mark: Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(mark.line().max(1)), column: number(mark.col().saturating_add(1)) }
}

enum Open<'t> {
    List(Place, Vec<Node<'t>>),
    Map {
        at: Place,
        entries: Vec<Entry<'t>>,
        seen: HashMap<Cow<'t, str>, Place>,
        key: Option<(Cow<'t, str>, Place)>,
    },
}

#[derive(Default)]
struct Builder<'t> {
    open: Vec<Open<'t>>,
    done: Vec<Node<'t>>,
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), Problem> {
        let at = place(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_extras(at, anchor, tag.is_some())?;
                let quoted = style != ScalarStyle::Plain;
                self.put(Node { at, kind: Kind::Scalar { text, quoted } })
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_extras(at, anchor, tag.is_some())?;
                self.push(at, Open::List(at, Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_extras(at, anchor, tag.is_some())?;
                self.push(at, Open::Map { at, entries: Vec::new(), seen: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, items)) => self.put(Node { at, kind: Kind::List(items) }),
                Some(Open::Map { at, entries, .. }) => self.put(Node { at, kind: Kind::Map(entries) }),
                None => Ok(()),
            },
            Event::Alias(_) | Event::UnresolvedAlias(_) => Err(extras(at)),
            // Comments, and where streams and documents begin and end.
            _ => Ok(()),
        }
    }

    fn push(&mut self, at: Place, open: Open<'t>) -> Result<(), Problem> {
        if self.open.len() >= DEEPEST {
            let message = format!("it nests deeper than {DEEPEST} levels");
            return Err(Problem::new(at, message, "a policy has no use for that"));
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(no_key(at));
        }
        self.open.push(open);
        Ok(())
    }

    fn put(&mut self, node: Node<'t>) -> Result<(), Problem> {
        match self.open.last_mut() {
            None => self.done.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { entries, seen, key, .. }) => match key.take() {
                Some((key, at)) => entries.push(Entry { key, at, value: node }),
                None => {
                    let at = node.at;
                    let Kind::Scalar { text, .. } = node.kind else { return Err(no_key(at)) };
                    if let Some(first) = seen.insert(text.clone(), at) {
                        let message = format!("`{}` is there twice; first at {first}", shortened(&text));
                        return Err(Problem::new(at, message, "keep one of them"));
                    }
                    *key = Some((text, at));
                }
            },
        }
        Ok(())
    }
}

fn no_key(at: Place) -> Problem {
    Problem::new(at, "a key that is no plain text", "write `key: value`")
}

fn extras(at: Place) -> Problem {
    let remedy = "write the value out; what several tenants share belongs into a tier";
    Problem::new(at, "anchors, aliases and tags are not read", remedy)
}

fn refuse_extras(at: Place, anchor: usize, tag: bool) -> Result<(), Problem> {
    if anchor > 0 || tag { Err(extras(at)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let node = document("a: 1\nb:\n  - x\n  - {c: \"2\"}\n").unwrap();
        let Kind::Map(entries) = &node.kind else { panic!("{node:?}") };
        assert_eq!(
            (entries[1].at, entries[0].value.at),
            (Place { line: 2, column: 1 }, Place { line: 1, column: 4 })
        );
        let Kind::List(items) = &entries[1].value.kind else { panic!("{node:?}") };
        let c = items[1].get("c").unwrap();
        assert_eq!((c.at, c.text()), (Place { line: 4, column: 9 }, Some("2")));
    }

    #[test]
    fn what_hides_where_a_value_comes_from_is_refused() {
        for (text, part, at) in [
            ("a: &x 1\n", "anchors", "1:7"),
            ("a: !!str 1\n", "anchors", "1:10"),
            ("a: 1\nb: 2\na: 3\n", "first at 1:1", "3:1"),
            ("? [a]\n: 1\n", "no plain text", "1:3"),
            ("a: [1\n", "no YAML", "1:4"),
            ("a: 1\n---\nb: 2\n", "second document", "3:1"),
            ("", "empty", "1:1"),
        ] {
            let problem = document(text).unwrap_err();
            assert!(problem.message.contains(part), "{text:?}: {problem}");
            assert_eq!(problem.at.to_string(), at, "{text:?}: {problem}");
        }
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        assert!(document(&deep).unwrap_err().message.contains("deeper"));
    }
}
