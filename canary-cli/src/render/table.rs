//! Columns.

/// Aligns rows of cells: every column as wide as its widest cell, two blanks between, nothing at the end of a line.
#[must_use]
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell)).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width - visible(cell) + 2));
            }
            line.truncate(line.trim_end().len());
            line
        })
        .collect()
}

/// How many characters of a cell are seen: colours are not.
fn visible(cell: &str) -> usize {
    let mut count = 0;
    let mut hidden = false;
    for c in cell.chars() {
        match (hidden, c) {
            (false, '\u{1b}') => hidden = true,
            (true, 'm') => hidden = false,
            (true, _) => {}
            (false, _) => count += 1,
        }
    }
    count
}
