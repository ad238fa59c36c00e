//! One line of a page, checked against the grammar and taken apart.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Format;
use super::cursor::Cursor;
use super::number;

/// Why a value in braces is refused (the form of native histograms in drafts of OpenMetrics 2.0).
const NATIVE: &str = "native histograms cannot be read; expose a classic histogram";

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// A sample.
    Sample(Lexed<'a>),
    /// The end of an OpenMetrics page.
    Eof,
    /// Blank, a comment, or metadata.
    Other,
}

/// A sample's parts; the value is still text.
#[derive(Debug, PartialEq)]
pub(super) struct Lexed<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) labels: Vec<(Cow<'a, str>, String)>,
    pub(super) value: &'a str,
    pub(super) timestamp_ms: Option<i64>,
}

impl Lexed<'_> {
    /// The name that stands for every metric in [`Self::plain`].
    pub(super) const METRIC: &'static str = "m";

    /// The label and the value that stand for the label at `index`.
    pub(super) fn token(index: usize) -> (String, String) {
        (format!("l{index}"), format!("v{index}"))
    }

    /// The line with plain tokens for all names and label values, without time and exemplar.
    pub(super) fn plain(&self) -> String {
        let mut text = Self::METRIC.to_owned();
        for i in 0..self.labels.len() {
            // proof: writing to a String cannot fail, so the result says nothing.
            let _ = write!(text, "{}l{i}=\"v{i}\"", if i == 0 { '{' } else { ',' });
        }
        text.push_str(if self.labels.is_empty() { " " } else { "} " });
        text.push_str(self.value);
        text
    }
}

const fn label_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

const fn metric_start(c: char) -> bool {
    label_start(c) || c == ':'
}

/// Takes one line (without its line feed) apart.
///
/// # Errors
/// What is wrong with it.
pub(super) fn lex(line: &str, format: Format) -> Result<Line<'_>, String> {
    if format == Format::OpenMetrics && line == "# EOF" {
        return Ok(Line::Eof);
    }
    let mut at = Cursor::new(line);
    at.blanks();
    match at.peek() {
        None => Ok(Line::Other),
        Some('#') => comment(at, format).map(|()| Line::Other),
        Some(_) => sample(at, format).map(Line::Sample),
    }
}

/// Checks metadata; other comments may hold anything.
fn comment(mut at: Cursor<'_>, format: Format) -> Result<(), String> {
    at.eat('#');
    if !at.blanks() {
        return Ok(());
    }
    let keyword = at.take_while(|c| !matches!(c, ' ' | '\t'));
    let known = matches!(keyword, "HELP" | "TYPE") || (keyword == "UNIT" && format == Format::OpenMetrics);
    if !known || !at.blanks() {
        return Ok(());
    }
    let named =
        if at.peek() == Some('"') { quoted(&mut at).is_ok() } else { at.name(metric_start).is_some() };
    if !named {
        return Err(format!("{keyword} must name a metric, not {}", at.found()));
    }
    if keyword != "TYPE" {
        return Ok(());
    }
    at.blanks();
    let kind = at.rest().trim_end_matches([' ', '\t']);
    let known = match kind {
        "counter" | "gauge" | "histogram" | "summary" => true,
        "untyped" => format == Format::Text,
        "gaugehistogram" | "info" | "stateset" | "unknown" => format == Format::OpenMetrics,
        _ => false,
    };
    if known { Ok(()) } else { Err(format!("{kind:?} is not a metric type")) }
}

fn sample(mut at: Cursor<'_>, format: Format) -> Result<Lexed<'_>, String> {
    let mut name = at.name(metric_start).map(Cow::Borrowed);
    at.blanks();
    let labels = if at.eat('{') { labels(&mut at, &mut name)? } else { Vec::new() };
    let Some(name) = name else {
        return Err(format!("a line must start with a metric name, not {}", at.found()));
    };
    at.blanks();
    if at.peek() == Some('{') {
        return Err(NATIVE.to_owned());
    }
    let value = at.take_while(|c| !matches!(c, ' ' | '\t' | '{'));
    if value.is_empty() {
        return Err(format!("{name} has no value"));
    }
    if !number::is_value(value) {
        return Err(format!("{value:?} is not a number"));
    }
    let timestamp_ms = timestamp(&mut at, format)?;
    at.blanks();
    if format == Format::OpenMetrics && at.peek() == Some('#') {
        exemplar(&mut at)?;
    }
    if at.rest().is_empty() {
        return Ok(Lexed { name, labels, value, timestamp_ms });
    }
    Err(format!("{} after the value", at.found()))
}

fn timestamp(at: &mut Cursor<'_>, format: Format) -> Result<Option<i64>, String> {
    at.blanks();
    if matches!(at.peek(), None | Some('#')) {
        return Ok(None);
    }
    let token = at.take_while(|c| !matches!(c, ' ' | '\t'));
    let time = match format {
        Format::Text => number::text_time(token),
        Format::OpenMetrics => number::open_metrics_time(token),
    };
    time.map(Some).ok_or_else(|| format!("{token:?} is not a timestamp"))
}

/// Reads `# {labels} value [time]` and drops it.
fn exemplar(at: &mut Cursor<'_>) -> Result<(), String> {
    at.eat('#');
    at.blanks();
    if !at.eat('{') {
        return Err(format!("an exemplar must start with its labels, not {}", at.found()));
    }
    let mut named = Some(Cow::Borrowed("exemplar"));
    labels(at, &mut named)?;
    at.blanks();
    let value = at.take_while(|c| !matches!(c, ' ' | '\t'));
    if !number::is_value(value) {
        return Err(format!("{value:?} is not an exemplar's number"));
    }
    timestamp(at, Format::OpenMetrics).map(|_| ())
}

/// Reads labels up to `}`; a quoted text without `=` at the start is the metric's name.
fn labels<'a>(
    at: &mut Cursor<'a>,
    name: &mut Option<Cow<'a, str>>,
) -> Result<Vec<(Cow<'a, str>, String)>, String> {
    let mut labels: Vec<(Cow<'a, str>, String)> = Vec::new();
    loop {
        at.blanks();
        if at.eat('}') {
            return Ok(labels);
        }
        let key: Cow<'a, str> = if at.peek() == Some('"') {
            Cow::Owned(quoted(at)?)
        } else {
            at.name(label_start)
                .map(Cow::Borrowed)
                .ok_or_else(|| format!("a label must start with a letter or '_', not {}", at.found()))?
        };
        at.blanks();
        if at.eat('=') {
            at.blanks();
            let value = quoted(at)?;
            if labels.iter().any(|(other, _)| *other == key) {
                return Err(format!("label {key:?} is there twice"));
            }
            labels.push((key, value));
        } else if name.is_none() && labels.is_empty() && matches!(key, Cow::Owned(_)) {
            *name = Some(key);
        } else if key == "count" && at.peek() == Some(':') {
            return Err(NATIVE.to_owned());
        } else {
            return Err(format!("label {key:?} must be followed by '=', not {}", at.found()));
        }
        at.blanks();
        if !at.eat(',') && at.peek() != Some('}') {
            return Err(format!("labels must be separated by ',', not {}", at.found()));
        }
    }
}

/// Reads a quoted text and decodes `\\`, `\"` and `\n`; other escapes stay as they are, as Prometheus reads them.
fn quoted(at: &mut Cursor<'_>) -> Result<String, String> {
    if !at.eat('"') {
        return Err(format!("a label's value must be quoted, not start with {}", at.found()));
    }
    let mut text = String::new();
    loop {
        text.push_str(at.take_while(|c| !matches!(c, '"' | '\\')));
        if at.eat('"') {
            return Ok(text);
        }
        at.eat('\\');
        match at.peek() {
            None => return Err("a quote is not closed".to_owned()),
            Some('n') => text.push('\n'),
            Some(c @ ('"' | '\\')) => text.push(c),
            Some(c) => text.extend(['\\', c]),
        }
        if let Some(c) = at.peek() {
            at.eat(c);
        }
    }
}
