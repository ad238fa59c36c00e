//! Names in SQL.

/// A name as an SQL identifier: always in double quotes, a double quote within doubled.
///
/// The only way names get into SQL text here; whatever can be a parameter is one. PostgreSQL, "Lexical Structure", 4.1.1.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars().filter(|c| *c != '\0') {
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let cases = [
            ("users", r#""users""#),
            ("Ünïcode x", r#""Ünïcode x""#),
            (r#"a"; DROP TABLE t; --"#, r#""a""; DROP TABLE t; --""#),
            ("a\0b", r#""ab""#),
            ("", r#""""#),
        ];
        for (name, quoted) in cases {
            assert_eq!(quote_identifier(name), quoted);
        }
    }
}
