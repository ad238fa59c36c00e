//! Names for tests, of the words of a query.

use std::collections::BTreeSet;

use heck::ToSnakeCase;

/// The longest name, in characters.
const LONGEST: usize = 70;

/// Gives every query another name.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeSet<String>,
}

impl Names {
    /// `select_users_by_tenant_id_and_email`: the verb, the first table, the columns that are compared with parameters.
    pub(super) fn of(&mut self, text: &str) -> String {
        let words = words(text);
        let verb = words.first().map_or("query", String::as_str).to_owned();
        let table = match verb.as_str() {
            "select" | "with" | "delete" => after(&words, "from"),
            "insert" | "merge" => after(&words, "into"),
            "update" | "table" => words.get(1).cloned(),
            _ => None,
        };
        let compared: Vec<String> = words
            .windows(3)
            .filter(|three| {
                matches!(three[1].as_str(), "=" | "<" | ">" | "like" | "in") && three[2].starts_with('$')
            })
            .map(|three| three[0].rsplit('.').next().unwrap_or_default().to_owned())
            .filter(|column| {
                column.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !column.is_empty()
            })
            .collect();
        let mut name = [Some(verb), table].into_iter().flatten().collect::<Vec<_>>().join("_");
        if !compared.is_empty() && !name.starts_with("insert") {
            name = format!("{name}_by_{}", compared.join("_and_"));
        }
        let name: String = snake(&name).chars().take(LONGEST).collect();
        let mut unique = name.clone();
        let mut nth = 1;
        while !self.given.insert(unique.clone()) {
            nth += 1;
            unique = format!("{name}_{nth}");
        }
        unique
    }
}

/// A name as Rust's functions have them.
pub(super) fn snake(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = name.to_snake_case();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("query_{name}") }
}

fn after(words: &[String], mark: &str) -> Option<String> {
    let at = words.iter().position(|word| word == mark)?;
    words.get(at + 1).filter(|word| *word != "(").cloned()
}

/// The words and signs of a text, in lower case, quotes removed.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        let part = c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
        match (part, c) {
            (true, c) if open => words.last_mut().into_iter().for_each(|word| word.extend(c.to_lowercase())),
            (true, c) => words.push(c.to_lowercase().collect()),
            (false, '"') => continue,
            (false, c) if !c.is_whitespace() => words.push(c.to_string()),
            _ => {}
        }
        open = part;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_query_does() {
        let mut names = Names::default();
        for (text, name) in [
            (
                "SELECT id FROM users WHERE tenant_id = $1 AND u.email = $2",
                "select_users_by_tenant_id_and_email",
            ),
            (
                "SELECT id FROM users WHERE tenant_id = $1 AND u.email = $2 LIMIT 1",
                "select_users_by_tenant_id_and_email_2",
            ),
            ("INSERT INTO orders (a) VALUES ($1)", "insert_orders"),
            ("UPDATE \"Users\" SET a = $1", "update_users_by_a"),
            ("SELECT DISTINCT shard FROM public.routing", "select_public_routing"),
            ("SELECT 1", "select"),
            ("WITH a AS (SELECT 1) SELECT * FROM a", "with_a"),
            ("", "query"),
        ] {
            assert_eq!(names.of(text), name);
        }
    }
}
