//! Tables with a header line: columns are found by name, never by position.

use super::{CodecError, excerpt};

/// A header and the rows under it.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    header: Vec<&'a str>,
    rows: Vec<Vec<String>>,
}

impl<'a> Table<'a> {
    /// Reads lines of blank-separated fields under a `# ` header; every row must be as wide as the header.
    pub(crate) fn blanks(text: &'a str, expected: &'static str) -> Result<Self, CodecError> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let names = first.strip_prefix("# ").ok_or_else(|| wrong_header(expected, first))?;
        let header: Vec<&str> = names.split_ascii_whitespace().collect();
        let rows = rest.lines().filter(|line| !line.is_empty());
        let rows = rows.map(|line| line.split_ascii_whitespace().map(str::to_owned).collect()).collect();
        let table = Self { header, rows };
        table.check_widths(table.header.len(), true)?;
        Ok(table)
    }

    /// Reads CSV under a `# ` header. Rows must reach to the `-` column, after which come the columns of HAProxy's
    /// modules, whose number differs between builds.
    pub(crate) fn csv(text: &'a str, expected: &'static str) -> Result<Self, CodecError> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let names = first.strip_prefix("# ").ok_or_else(|| wrong_header(expected, first))?;
        let header: Vec<&str> = names.trim_end_matches(['\r', ',']).split(',').collect();
        let table = Self { rows: csv_rows(rest)?, header };
        let fixed = table.header.iter().position(|name| *name == "-").unwrap_or(table.header.len());
        table.check_widths(fixed, false)?;
        Ok(table)
    }

    fn check_widths(&self, expected: usize, exact: bool) -> Result<(), CodecError> {
        for (index, row) in self.rows.iter().enumerate() {
            let found = row.len();
            if found < expected || (exact && found > expected) {
                return Err(CodecError::Width { row: index + 1, found, expected });
            }
        }
        Ok(())
    }

    /// The rows, each with access to its fields by column name.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let rows = self.rows.iter().enumerate();
        rows.map(|(index, fields)| Row { number: index + 1, header: &self.header, fields })
    }
}

fn wrong_header(expected: &'static str, found: &str) -> CodecError {
    CodecError::Expected { expected, found: excerpt(found) }
}

/// Splits CSV as HAProxy writes it: a field is quoted when it has to be, a quote in it is doubled, and a quoted field
/// may hold a line feed (the management guide, "CSV format").
fn csv_rows(text: &str) -> Result<Vec<Vec<String>>, CodecError> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                // A line without anything is no row.
                if row.len() > 1 || row.iter().any(|only| !only.is_empty()) {
                    rows.push(std::mem::take(&mut row));
                }
                row.clear();
            }
            other => field.push(other),
        }
    }
    if quoted {
        let expected = "a closing quote";
        return Err(CodecError::Expected { expected, found: excerpt(&field) });
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

/// One row of a [`Table`].
#[derive(Debug)]
pub(crate) struct Row<'a> {
    number: usize,
    header: &'a [&'a str],
    fields: &'a [String],
}

impl Row<'_> {
    /// The field of that column; `None` when there is no such column.
    pub(crate) fn optional(&self, column: &str) -> Option<&str> {
        let index = self.header.iter().position(|name| *name == column)?;
        self.fields.get(index).map(String::as_str)
    }

    /// The field of that column.
    pub(crate) fn text(&self, column: &'static str) -> Result<&str, CodecError> {
        self.optional(column).ok_or(CodecError::Missing(column))
    }

    /// The field of that column as a number.
    pub(crate) fn number<N: std::str::FromStr>(&self, column: &'static str) -> Result<N, CodecError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(column, text, "a number in range"))
    }

    /// Says that a field does not hold what it should.
    pub(crate) fn wrong(&self, column: &'static str, value: &str, expected: &'static str) -> CodecError {
        CodecError::Field { row: self.number, column, value: excerpt(value), expected }
    }
}
