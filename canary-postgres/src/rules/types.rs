//! What a change of a column's type costs besides the cached plans, which every change breaks.

/// In words: whether the table is rewritten, and whether a driver decodes another type.
pub(crate) fn change(from: Option<&str>, to: &str) -> String {
    let (new, new_size) = parts(to);
    let Some((old, old_size)) = from.map(parts) else {
        return "the old type is not in these files: it may rewrite the table, and drivers that check types fail to decode".to_owned();
    };
    let rewrites = rewrites((&old, &old_size), (&new, &new_size));
    let decodes = decoded_as(&old) != decoded_as(&new);
    let rewrite = match rewrites {
        Some(true) => "the table is rewritten under ACCESS EXCLUSIVE",
        Some(false) => "no rewrite",
        None => "a rewrite unless the session's time zone is UTC",
    };
    let decode = if decodes {
        format!("a value read as {} no longer decodes", decoded_as(&old))
    } else {
        "values decode as before".to_owned()
    };
    format!("{decode}, {rewrite}")
}

/// The type's own name, as the catalog spells it, and what stands in its brackets.
fn parts(text: &str) -> (String, Vec<u32>) {
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let (size, after) = rest.split_once(')').unwrap_or(("", ""));
    let name = format!("{} {}", name.trim(), after.trim());
    let name = match name.trim() {
        "int" | "int4" | "serial" => "integer",
        "int8" | "bigserial" => "bigint",
        "int2" | "smallserial" => "smallint",
        "character varying" | "char varying" => "varchar",
        "character" => "char",
        "decimal" => "numeric",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "bool" => "boolean",
        "double precision" => "float8",
        "real" => "float4",
        other => other,
    };
    (name.to_owned(), size.split(',').filter_map(|number| number.trim().parse().ok()).collect())
}

/// Measured on PostgreSQL 15; `None` where the session decides.
fn rewrites((old, old_size): (&str, &[u32]), (new, new_size): (&str, &[u32])) -> Option<bool> {
    let wider = |from: &[u32], to: &[u32]| match (from.first(), to.first()) {
        (_, None) => true,
        (Some(from), Some(to)) => to >= from,
        (None, Some(_)) => false,
    };
    let free = match (old, new) {
        ("varchar" | "text", "text") => true,
        ("text" | "varchar", "varchar") => wider(old_size, new_size),
        ("numeric", "numeric") => {
            wider(old_size, new_size) && (new_size.is_empty() || old_size.get(1) == new_size.get(1))
        }
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => return None,
        _ => old == new && old_size == new_size,
    };
    Some(!free)
}

/// What a driver takes it for; types of one word here are read into the same.
fn decoded_as(name: &str) -> &str {
    match name {
        "varchar" | "text" | "char" | "name" | "citext" => "text",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::change;

    #[test]
    fn says_which_of_the_three() {
        for (from, to, says) in [
            (
                Some("int"),
                "bigint",
                "a value read as integer no longer decodes, the table is rewritten under ACCESS EXCLUSIVE",
            ),
            (Some("varchar(20)"), "varchar(50)", "values decode as before, no rewrite"),
            (
                Some("varchar(50)"),
                "varchar(20)",
                "values decode as before, the table is rewritten under ACCESS EXCLUSIVE",
            ),
            (Some("varchar(50)"), "text", "values decode as before, no rewrite"),
            (Some("numeric(10,2)"), "numeric(14,2)", "values decode as before, no rewrite"),
            (
                Some("numeric(10,2)"),
                "numeric(14,4)",
                "values decode as before, the table is rewritten under ACCESS EXCLUSIVE",
            ),
            (
                Some("timestamp"),
                "timestamp with time zone",
                "a value read as timestamp no longer decodes, a rewrite unless the session's time zone is UTC",
            ),
        ] {
            assert_eq!(change(from, to), says, "{from:?} {to}");
        }
        assert!(change(None, "text").contains("not in these files"));
    }
}
