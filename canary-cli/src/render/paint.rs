//! Colours, where the terminal has them and the operator wants them.

/// Wraps words in colours, or leaves them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Whether there are colours at all.
    pub on: bool,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// What went well.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What wants a look.
    #[must_use]
    pub fn careful(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What went wrong.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// What is of less interest.
    #[must_use]
    pub fn quiet(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What is of most interest.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
