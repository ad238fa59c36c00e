//! The table as a YAML file; the only module that knows the reader.
//!
//! ```yaml
//! shards:
//!   - name: shard-1          # the schema's name when left away
//!     schema: tenant_1
//!     database: shop_eu      # another database of the same server
//!     url_file: eu-url       # another server: a file beside this one with its address
//!     tenants: [acme, globex]
//! ```

use std::path::PathBuf;

use serde::Deserialize;

use super::table::Row;

/// Why a file is no table, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub(crate) struct BadYaml {
    /// From 1; 0 when the reader names none.
    pub(crate) line: u64,
    /// From 1; 0 when the reader names none.
    pub(crate) column: u64,
    /// What is wrong.
    pub(crate) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    shards: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    schema: String,
    database: Option<String>,
    url_file: Option<PathBuf>,
    #[serde(default)]
    tenants: Vec<String>,
}

/// Reads the rows.
pub(crate) fn parse(text: &str) -> Result<Vec<Row>, BadYaml> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location();
        let why = error.without_snippet().to_string();
        let why = why.lines().next().unwrap_or_default();
        let (line, column) = place.map_or((0, 0), |place| (place.line(), place.column()));
        let tail = format!(" at line {line}, column {column}");
        BadYaml { line, column, why: why.replace(&tail, "").trim_start_matches("error: ").to_owned() }
    })?;
    let rows = file.shards.into_iter().enumerate().map(|(i, entry)| Row {
        place: format!("shard {}", i + 1),
        shard: entry.name,
        database: entry.database,
        url_file: entry.url_file,
        schema: entry.schema,
        tenants: entry.tenants,
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_shards() {
        let text = "shards:\n  - schema: t_1\n  - name: two\n    schema: t_2\n    database: eu\n    url_file: eu-url\n    tenants: [acme, 'globex']\n";
        let rows = parse(text).unwrap();
        assert_eq!((rows[0].schema.as_str(), rows[0].place.as_str()), ("t_1", "shard 1"));
        assert_eq!(rows[1].tenants, ["acme", "globex"]);
        assert_eq!(rows[1].url_file.as_deref(), Some(std::path::Path::new("eu-url")));
        assert_eq!((rows[1].shard.as_deref(), rows[1].database.as_deref()), (Some("two"), Some("eu")));
    }

    #[test]
    fn says_where_it_is_wrong() {
        for (text, line, part) in [
            ("shards:\n  - schema: a\n    colour: red\n", 3, "colour"),
            ("shards:\n  - name: a\n", 2, "schema"),
            ("shards: [\n", 1, "bracket"),
            ("tenants: []\n", 1, "tenants"),
            ("shards:\n  - schema: [1]\n", 2, ""),
        ] {
            let bad = parse(text).err().unwrap();
            assert!(bad.line == line && bad.column > 0 && bad.why.contains(part), "{text}: {bad:?}");
        }
    }
}
