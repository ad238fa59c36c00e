//! What a `/metrics` page says, read so that nothing is lost, guessed or skipped.
//!
//! The numbers are read by the crate `prometheus-parse`, behind a strict lexer: every line is checked against the
//! grammar first, and every quoted text is swapped for a plain token and put back afterwards, because that crate cuts
//! label values at commas, drops samples whose labels hold `}` or `=`, does not decode escapes, and skips what it
//! does not understand without a word.

mod cursor;
mod lexer;
mod number;

use std::io;

use prometheus_parse::{Scrape, Value};

use lexer::{Lexed, Line};

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
}

impl Format {
    /// The format that an HTTP `Content-Type` announces; a missing one means [`Self::Text`].
    ///
    /// # Errors
    /// [`ExpositionError`] naming what came instead: protobuf, HTML, JSON.
    pub fn from_content_type(content_type: &str) -> Result<Self, ExpositionError> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let refuse = |what: &str| Err(ExpositionError { line: 0, reason: format!("the page is {what}") });
        match kind.as_str() {
            "application/openmetrics-text" => Ok(Self::OpenMetrics),
            "application/vnd.google.protobuf" => refuse("protobuf; only the text formats can be read"),
            "text/html" | "application/xhtml+xml" => refuse("HTML, not metrics; is the URL right?"),
            "application/json" => refuse("JSON, not metrics; is the URL right?"),
            _ => Ok(Self::Text),
        }
    }
}

/// One sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// The metric's name, with its suffix (`_bucket`, `_total`).
    pub name: String,
    /// The labels in the page's order, values decoded.
    pub labels: Vec<(String, String)>,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// The time the page gives it, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

/// Says where a page breaks the format, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", if *line == 0 { String::new() } else { format!("line {line}: ") })]
pub struct ExpositionError {
    /// The line, from 1; 0 for the page as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl From<ExpositionError> for io::Error {
    fn from(error: ExpositionError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads a whole page.
///
/// # Errors
/// [`ExpositionError`] for the first line that breaks the format, for a page that ends in the middle of a line (or,
/// in OpenMetrics, without `# EOF`), and for native histograms.
pub fn parse(body: &[u8], format: Format) -> Result<Vec<MetricSample>, ExpositionError> {
    parse_where(body, format, |_| true)
}

/// Reads a page and keeps the samples whose metric's name `wanted` accepts; all lines are checked the same.
///
/// # Errors
/// As [`parse`].
pub fn parse_where(
    body: &[u8],
    format: Format,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<MetricSample>, ExpositionError> {
    let lines = Lines { rest: whole(body, format)?, number: 0, format, ended: false };
    let mut kept = Vec::new();
    let mut plain = Vec::new();
    for lexed in lines {
        let (line, sample) = lexed?;
        if wanted(&sample.name) {
            plain.push(sample.plain());
            kept.push((line, sample));
        }
    }
    let read = Scrape::parse(plain.into_iter().map(Ok))
        .map_err(|error| ExpositionError { line: 0, reason: error.to_string() })?;
    if read.samples.len() != kept.len() {
        let reason = format!("{} lines became {} samples", kept.len(), read.samples.len());
        return Err(ExpositionError { line: 0, reason });
    }
    kept.into_iter().zip(read.samples).map(|((line, lexed), read)| restored(line, lexed, &read)).collect()
}

/// Puts names and label values back, after checking that the sample is the line's.
fn restored(
    line: usize,
    lexed: Lexed<'_>,
    read: &prometheus_parse::Sample,
) -> Result<MetricSample, ExpositionError> {
    let Value::Untyped(value) = read.value else {
        return Err(ExpositionError { line, reason: "the line is no single number".to_owned() });
    };
    let tokens = (0..lexed.labels.len()).all(|i| {
        let (key, token) = Lexed::token(i);
        read.labels.get(&key) == Some(token.as_str())
    });
    if read.metric != Lexed::METRIC || read.labels.len() != lexed.labels.len() || !tokens {
        return Err(ExpositionError { line, reason: "the line was read as another sample".to_owned() });
    }
    let labels = lexed.labels.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    Ok(MetricSample { name: lexed.name.into_owned(), labels, value, timestamp_ms: lexed.timestamp_ms })
}

/// The page as text, unless it is visibly cut off.
fn whole(body: &[u8], format: Format) -> Result<&str, ExpositionError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let before = &body[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ExpositionError { line, reason: "not UTF-8 text".to_owned() }
    })?;
    let last = text.lines().count();
    let cut = |reason: &str| Err(ExpositionError { line: last, reason: reason.to_owned() });
    match format {
        Format::Text if !text.is_empty() && !text.ends_with('\n') => {
            cut("the page ends in the middle of a line: it is truncated")
        }
        Format::OpenMetrics if text.lines().next_back().map(str::trim_end) != Some("# EOF") => {
            cut("the page does not end with \"# EOF\": it is truncated")
        }
        _ => Ok(text),
    }
}

/// The samples of a page, lexed, with their line numbers.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
    format: Format,
    ended: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<(usize, Lexed<'a>), ExpositionError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            self.number += 1;
            let refuse = |reason: String| Some(Err(ExpositionError { line: self.number, reason }));
            if self.ended {
                return refuse("text after \"# EOF\"".to_owned());
            }
            match lexer::lex(line, self.format) {
                Ok(Line::Sample(sample)) => return Some(Ok((self.number, sample))),
                Ok(Line::Eof) => self.ended = true,
                Ok(Line::Other) => {}
                Err(reason) => return refuse(reason),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
