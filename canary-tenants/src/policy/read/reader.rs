//! Takes values out of the tree and keeps every problem, so that all are told at once.

use std::fmt;

use crate::policy::amount::Unit;
use crate::policy::place::{Place, Placed, Problem};
use crate::policy::selector::Selector;
use crate::policy::tree::{Entry, Kind, Node, shortened};

/// The most characters of a tenant's name.
const LONGEST_NAME: usize = 256;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
    /// Whether something could not be read, so that what is absent may only be wrong.
    pub(super) incomplete: bool,
}

impl Reader {
    pub(super) fn refuse(&mut self, at: Place, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::new(at, message, remedy));
    }

    /// The entries of a table.
    pub(super) fn entries<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        what: fmt::Arguments<'_>,
    ) -> &'n [Entry<'t>] {
        if let Kind::Map(entries) = &node.kind {
            return entries;
        }
        self.refuse(
            node.at,
            format!("{what} is {}, not a table", node.described()),
            "write `key: value` lines below it",
        );
        &[]
    }

    /// A table of which every key is known; others are refused.
    pub(super) fn table<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        what: fmt::Arguments<'_>,
        known: &[&str],
    ) -> &'n Node<'t> {
        for entry in self.entries(node, what) {
            if !known.contains(&entry.key.as_ref()) {
                self.unknown(
                    entry.at,
                    format_args!("the key `{}` of {what}", shortened(&entry.key)),
                    &entry.key,
                    known,
                );
            }
        }
        node
    }

    /// Refuses a word that is none of `known`.
    pub(super) fn unknown(&mut self, at: Place, what: fmt::Arguments<'_>, word: &str, known: &[&str]) {
        let near = known
            .iter()
            .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
            .filter(|(likeness, _)| *likeness > 0.6)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let remedy = near.map_or_else(
            || format!("there is {}", known.join(", ")),
            |(_, candidate)| format!("did you mean `{candidate}`?"),
        );
        self.refuse(at, format!("{what} is not known"), remedy);
    }

    /// The value of a key that must be there.
    pub(super) fn needed<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        key: &str,
        what: fmt::Arguments<'_>,
    ) -> Option<&'n Node<'t>> {
        let found = node.get(key);
        if found.is_none() && matches!(node.kind, Kind::Map(_)) {
            self.refuse(node.at, format!("{what} has no `{key}`"), format!("add `{key}`"));
        }
        found
    }

    /// Text that says something.
    pub(super) fn text(&mut self, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<Placed<String>> {
        let text = node.text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.refuse(
                node.at,
                format!("{what} is {}, not text", node.described()),
                "write a text that says something",
            );
        }
        Some(Placed { value: text?.to_owned(), at: node.at })
    }

    /// One of several words.
    pub(super) fn word(
        &mut self,
        node: &Node<'_>,
        what: fmt::Arguments<'_>,
        known: &[&str],
    ) -> Option<String> {
        let text = self.text(node, what)?;
        if known.contains(&text.value.as_str()) {
            return Some(text.value);
        }
        let shown = shortened(&text.value);
        self.unknown(node.at, format_args!("{what} `{shown}`"), &text.value, known);
        None
    }

    /// An amount in its unit.
    pub(super) fn amount(
        &mut self,
        node: &Node<'_>,
        what: fmt::Arguments<'_>,
        unit: Unit,
    ) -> Option<Placed<u64>> {
        let refused = |reader: &mut Self, why: &str| {
            reader.refuse(node.at, format!("{what} is {}{why}", node.described()), unit.example());
            None
        };
        let Kind::Scalar { text, quoted } = &node.kind else { return refused(self, "") };
        if unit == Unit::Ppm && !quoted && text.parse::<f64>().is_ok() {
            return refused(self, " without quotes, which readers of YAML round");
        }
        match unit.parse(text) {
            Ok(value) => Some(Placed { value, at: node.at }),
            Err(_) => refused(self, ""),
        }
    }

    /// An amount between two others, both allowed.
    pub(super) fn within(
        &mut self,
        node: &Node<'_>,
        what: fmt::Arguments<'_>,
        unit: Unit,
        (least, most): (u64, u64),
    ) -> Option<Placed<u64>> {
        let amount = self.amount(node, what, unit)?;
        if (least..=most).contains(&amount.value) {
            return Some(amount);
        }
        let (least, most) = (unit.show(least), unit.show(most));
        self.refuse(
            node.at,
            format!("{what} is {}", node.described()),
            format!("it can be {least} to {most}"),
        );
        None
    }

    /// A name of the policy's own: an objective's, a tier's, a source's.
    pub(super) fn own_name(&mut self, text: &str, at: Place, what: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let good = !text.is_empty() && text.len() <= 63 && text.chars().all(fits);
        if !good {
            let message = format!("{:?} is no name of {what}", shortened(text));
            self.refuse(at, message, "take up to 63 letters, digits, `_`, `-` and `.`");
        }
        good
    }

    /// A tenant's name: any value that a label can have and a line can show.
    pub(super) fn tenant_name(&mut self, text: &str, at: Place) -> bool {
        let good =
            !text.is_empty() && text.chars().count() <= LONGEST_NAME && !text.chars().any(char::is_control);
        if !good {
            let message = format!("{:?} is no name of a tenant", shortened(text));
            self.refuse(at, message, format!("take 1 to {LONGEST_NAME} characters that can be shown"));
        }
        good
    }

    /// A label's name.
    pub(super) fn label(&mut self, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<String> {
        let text = self.text(node, what)?.value;
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        if text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit()) {
            return Some(text);
        }
        self.refuse(
            node.at,
            format!("{what} is {}", node.described()),
            "name a label: letters, digits and `_`",
        );
        None
    }

    /// Which series are read.
    pub(super) fn selector(&mut self, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<Selector> {
        let text = self.text(node, what)?.value;
        match text.parse() {
            Ok(selector) => Some(selector),
            Err(why) => {
                let message = format!("{what} is {}: {why}", node.described());
                self.refuse(
                    node.at,
                    message,
                    "name a metric, or a metric with matchers: requests_total{job=\"api\"}",
                );
                None
            }
        }
    }

    /// A list of names.
    pub(super) fn names(&mut self, node: &Node<'_>, what: fmt::Arguments<'_>) -> Vec<Placed<String>> {
        let Kind::List(items) = &node.kind else {
            self.refuse(node.at, format!("{what} is {}, not a list", node.described()), "write [one, two]");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.text(item, what)).collect()
    }
}
