//! What the terminal is: whether there is one to redraw on, how large it is, and what it can write.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use crate::environment::Environment;

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// What a terminal has that does not tell its size, as some serial lines do.
    const USUAL: Self = Self { width: 80, height: 24 };
}

/// A terminal on which lines can be redrawn in place.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Measures it: it may be another size each time.
    pub size: fn() -> Size,
    /// Whether it shows the characters that sparklines are made of, each one column wide.
    pub unicode: bool,
}

impl Terminal {
    /// The terminal that standard output is; `None` where lines are to be plain: a pipe, a file, `TERM` unset or
    /// `dumb`, `CI` set.
    #[must_use]
    pub fn of(environment: &Environment) -> Option<Self> {
        let able = environment.text("TERM").is_some_and(|term| term != "dumb");
        let log = environment.text("CI").is_some_and(|ci| ci != "false" && ci != "0");
        let unicode = unicode(environment);
        (environment.terminal && able && !log).then_some(Self { size: of_standard_output, unicode })
    }
}

/// By the locale's character set. Where East Asian text is usual, terminals may show block elements two columns wide.
fn unicode(environment: &Environment) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| environment.text(name));
    let Some(locale) = locale.map(str::to_ascii_lowercase) else { return false };
    let utf8 = locale.contains("utf-8") || locale.contains("utf8");
    utf8 && !["ja", "ko", "zh"].iter().any(|language| locale.starts_with(language))
}

fn of_standard_output() -> Size {
    let known = tcgetwinsize(std::io::stdout().as_fd()).ok();
    known
        .filter(|size| size.ws_col > 0 && size.ws_row > 0)
        .map_or(Size::USUAL, |size| Size { width: size.ws_col.into(), height: size.ws_row.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(variables: &[(&str, &str)]) -> Option<bool> {
        let environment = Environment {
            variables: variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect(),
            directory: "/".into(),
            root: false,
            host: "deploy".to_owned(),
            terminal: true,
        };
        Terminal::of(&environment).map(|terminal| terminal.unicode)
    }

    #[test]
    fn lines_are_redrawn_only_where_a_person_looks() {
        let cases = [
            (&[][..], None),
            (&[("TERM", "dumb")], None),
            (&[("TERM", "")], None),
            (&[("TERM", "xterm"), ("CI", "true")], None),
            (&[("TERM", "xterm"), ("CI", "false")], Some(false)),
            (&[("TERM", "xterm")], Some(false)),
            (&[("TERM", "linux"), ("LANG", "C.UTF-8")], Some(true)),
            (&[("TERM", "xterm"), ("LANG", "en_GB.utf8")], Some(true)),
            (&[("TERM", "xterm"), ("LANG", "en_GB.utf8"), ("LC_ALL", "C")], Some(false)),
            (&[("TERM", "xterm"), ("LANG", "C"), ("LC_CTYPE", "de_DE.UTF-8")], Some(true)),
            (&[("TERM", "xterm"), ("LANG", "ja_JP.UTF-8")], Some(false)),
        ];
        for (variables, expected) in cases {
            assert_eq!(terminal(variables), expected, "{variables:?}");
        }
    }
}
