//! What a person is told when a command cannot do its work, and the exit code that goes with it.

use std::fmt;

/// Why a command ends early; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A bug in the program itself: exit code 1.
    Bug,
    /// Arguments, variables or the configuration file are wrong; nothing was changed: exit code 2.
    Usage,
    /// A gate, the plan's check or the pre-flight said no; nothing was changed: exit code 10.
    Refused,
    /// A question could not be answered: exit code 22.
    Undecided,
    /// A person is needed: exit code 30.
    Stuck,
    /// The record is not what was written: exit code 40.
    Damaged,
    /// Another process writes the journal: exit code 41.
    Busy,
    /// Stopped by a signal: exit code 130.
    Interrupted,
}

impl ErrorKind {
    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Refused => 10,
            Self::Undecided => 22,
            Self::Stuck => 30,
            Self::Damaged => 40,
            Self::Busy => 41,
            Self::Interrupted => 130,
        }
    }
}

/// One thing that is wrong: what was being done, to what, what came back, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong and where.
    pub message: String,
    /// What to do next; empty when the message says it all.
    pub hint: String,
}

impl Problem {
    /// A problem and its remedy.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint) }
    }
}

/// Everything that stopped a command, told at once.
///
/// Shown as `error: …` and `hint: …` lines, a pair for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The problems, in the order found; at least one.
    pub problems: Vec<Problem>,
}

impl CommandError {
    /// An error with one problem.
    pub fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, problems: vec![Problem::new(message, hint)] }
    }

    /// Wrong arguments, variables or configuration.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message, hint)
    }

    /// Several problems of the configuration.
    #[must_use]
    pub const fn settings(problems: Vec<Problem>) -> Self {
        Self { kind: ErrorKind::Usage, problems }
    }

    /// Something that cannot happen, happened.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Bug,
            message,
            "this is a bug in canary; please report it with the command and the journal",
        )
    }

    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.problems.len() > 1 {
            write!(f, "\n{} problems", self.problems.len())?;
        }
        if self.kind == ErrorKind::Usage { f.write_str("\nNothing was changed.") } else { Ok(()) }
    }
}

impl std::error::Error for CommandError {}

impl From<clap::Error> for CommandError {
    /// Takes the words of clap's message: its first paragraph, and its tips as the hint.
    fn from(error: clap::Error) -> Self {
        let text = error.to_string();
        let mut paragraphs =
            text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
        let message = paragraphs.next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let tips: Vec<_> =
            paragraphs.filter_map(|part| part.strip_prefix("tip: ").map(str::to_owned)).collect();
        let hint = if tips.is_empty() { "--help lists what there is".to_owned() } else { tips.join("; ") };
        Self::usage(message, hint)
    }
}

/// An error with its causes on one line, each said once.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}
