//! A strict reader of what this crate writes: every tag closed in order, every attribute quoted, every `&` an escape.

use std::collections::BTreeSet;

/// Elements that have no end.
const VOID: [&str; 1] = ["meta"];

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Each element with its attributes.
    pub(super) elements: Vec<(String, Vec<(String, String)>)>,
    /// All text outside of tags, unescaped.
    pub(super) text: String,
}

impl Page {
    /// Reads a page, and fails on what is not as it must be.
    pub(super) fn read(page: &str) -> Self {
        let mut left = page.strip_prefix("<!DOCTYPE html>").expect("no document type");
        let (mut all, mut open) = (Self::default(), Vec::new());
        while let Some(at) = left.find('<') {
            let (text, rest) = left.split_at(at);
            // A style sheet is not text, and holds no tag.
            if open.last().is_none_or(|name| name != "style") {
                all.text.push_str(&unescaped(text));
            }
            let (tag, rest) = rest[1..].split_once('>').expect("a tag without an end");
            left = rest;
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "closed out of order");
                continue;
            }
            let (name, attributes) = element(tag);
            if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
                open.push(name.clone());
            }
            all.elements.push((name, attributes));
        }
        assert!(open.is_empty(), "left open: {open:?}");
        assert_eq!(left.trim(), "", "text after the end");
        all
    }

    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.elements.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.elements.iter().flat_map(|(_, all)| all).map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A tag's name and attributes. The writers escape `>` in values, so that a tag ends at the first.
fn element(tag: &str) -> (String, Vec<(String, String)>) {
    let tag = tag.trim_end_matches('/');
    let (name, mut left) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    left = left.trim_start();
    while !left.is_empty() {
        let (key, rest) =
            left.split_once("=\"").unwrap_or_else(|| panic!("not an attribute: {left:?} in {tag:?}"));
        let (value, rest) = rest.split_once('"').unwrap_or_else(|| panic!("no end of {left:?}"));
        for word in [name, key] {
            let fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
            assert!(!word.is_empty() && word.chars().all(fine), "{word:?} in {tag:?}");
        }
        attributes.push((key.to_owned(), unescaped(value)));
        left = rest.trim_start();
    }
    (name.to_owned(), attributes)
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("a bare & in {text:?}"));
        plain.push_str(match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "#39" | "apos" => "'",
            other => panic!("the escape {other:?}"),
        });
        plain.push_str(rest);
    }
    plain
}
