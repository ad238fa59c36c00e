//! A place in a line.

/// Reads a line from left to right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(line: &'a str) -> Self {
        Self { rest: line }
    }

    /// What is still to be read.
    pub(super) const fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Skips blanks and tabs; says whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        self.rest.len() < before
    }

    /// Reads `c` if it comes next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads as long as `accept` holds.
    pub(super) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Reads a name: a first character that `first` accepts, then those and digits.
    pub(super) fn name(&mut self, first: impl Fn(char) -> bool) -> Option<&'a str> {
        if !self.peek().is_some_and(&first) {
            return None;
        }
        Some(self.take_while(|c| first(c) || c.is_ascii_digit()))
    }

    /// What comes next, for a message.
    pub(super) fn found(&self) -> String {
        self.peek().map_or_else(|| "the end of the line".to_owned(), |c| format!("{c:?}"))
    }
}
