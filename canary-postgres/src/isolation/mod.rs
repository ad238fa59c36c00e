//! Does anything of one tenant reach into another's schema?
//!
//! The server's own book of dependencies (keys, views, triggers, defaults, policies, types, inheritance), the texts of functions
//! that it keeps no book of, search paths that new connections start with, and rights that make row security void.

use std::collections::BTreeMap;

use crate::describe::Gravity;
use crate::live::{Connection, Failure};

const DEPENDS: &str = include_str!("depends.sql");
const BODIES: &str = include_str!("bodies.sql");

/// Something that lets tenants meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// How grave it is.
    pub gravity: Gravity,
    /// The schema it is found in; none for what concerns all.
    pub schema: Option<String>,
    /// What it is, in words.
    pub text: String,
}

/// Looks at the tenants' schemas of one database; `role` is the application's.
///
/// # Errors
/// As [`Connection::query`].
pub async fn read_breaches(
    connection: &Connection,
    schemas: &[String],
    role: Option<&str>,
) -> Result<Vec<Breach>, Failure> {
    let mut found = Vec::new();
    let refuse =
        |schema: String, text: String| Breach { gravity: Gravity::Refuse, schema: Some(schema), text };
    for row in connection.query("look for dependencies between tenants", DEPENDS, &[&schemas]).await? {
        let [what, own, other_what, other]: [String; 4] = std::array::from_fn(|i| row.get(i));
        found.push(refuse(own, format!("{what} reaches into {other}: {other_what}")));
    }
    for row in connection.query("look into functions", BODIES, &[&schemas]).await? {
        let [function, own, other]: [String; 3] = std::array::from_fn(|i| row.get(i));
        found.push(refuse(own, format!("function {function} names schema {other}")));
    }
    search_paths(connection, schemas, role, &mut found).await?;
    definers(connection, schemas, &mut found).await?;
    open_schemas(connection, schemas, &mut found).await?;
    if let Some(role) = role {
        row_security(connection, schemas, role, &mut found).await?;
    }
    Ok(found)
}

/// A tenant's schema in the search path that the application's connections start with.
async fn search_paths(
    connection: &Connection,
    schemas: &[String],
    role: Option<&str>,
    found: &mut Vec<Breach>,
) -> Result<(), Failure> {
    let sql = "SELECT coalesce(r.rolname::text, 'every role'), substr(c, length('search_path=') + 1) \
               FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c \
               WHERE c LIKE 'search\\_path=%' AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
               AND (s.setrole = 0 OR r.rolname = coalesce(nullif($1::text, ''), session_user::text))";
    let rows = connection.query("read search paths", sql, &[&role.unwrap_or("")]).await?;
    for row in rows {
        let (who, path): (String, String) = (row.get(0), row.get(1));
        let named = path.split(',').map(|name| name.trim().trim_matches('"').to_owned());
        for schema in named.filter(|name| schemas.contains(name)) {
            let text = format!(
                "connections of {who} start with search_path {path}: what forgets to set it works on {schema}"
            );
            found.push(Breach { gravity: Gravity::Refuse, schema: Some(schema), text });
        }
    }
    Ok(())
}

/// Functions with their owner's rights that look names up wherever their caller wants.
async fn definers(
    connection: &Connection,
    schemas: &[String],
    found: &mut Vec<Breach>,
) -> Result<(), Failure> {
    let sql = "SELECT n.nspname::text, p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
               WHERE n.nspname = ANY ($1::text[]) AND p.prosecdef \
               AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%') ORDER BY 1, 2 LIMIT 1000";
    for row in connection.query("read functions' rights", sql, &[&schemas]).await? {
        let (schema, function): (String, String) = (row.get(0), row.get(1));
        let text = format!("function {function} is SECURITY DEFINER without a search_path of its own");
        found.push(Breach { gravity: Gravity::Warn, schema: Some(schema), text });
    }
    Ok(())
}

/// Schemas that anybody may create objects in, to be found before others.
async fn open_schemas(
    connection: &Connection,
    schemas: &[String],
    found: &mut Vec<Breach>,
) -> Result<(), Failure> {
    let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($1::text[]) \
               AND has_schema_privilege('public', oid, 'CREATE') ORDER BY 1";
    for row in connection.query("read schemas' rights", sql, &[&schemas]).await? {
        let text = "every role may create objects in it".to_owned();
        found.push(Breach { gravity: Gravity::Refuse, schema: Some(row.get(0)), text });
    }
    Ok(())
}

/// Tables with row security that does not hold for the application's role.
async fn row_security(
    connection: &Connection,
    schemas: &[String],
    role: &str,
    found: &mut Vec<Breach>,
) -> Result<(), Failure> {
    let sql = "SELECT CASE WHEN r.rolsuper THEN 'a superuser' WHEN r.rolbypassrls THEN 'one with BYPASSRLS' \
                      ELSE 'their owner, and they do not force it' END, c.relname::text, count(*) \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = $2::text \
               WHERE n.nspname = ANY ($1::text[]) AND c.relrowsecurity \
               AND (r.rolsuper OR r.rolbypassrls OR (NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE'))) \
               GROUP BY 1, 2 ORDER BY 2";
    let rows = connection.query("read row security", sql, &[&schemas, &role]).await?;
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (why, table, count): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        tables.entry(why).or_default().push(format!("{table} ({count} schemas)"));
    }
    for (why, tables) in tables {
        let text =
            format!("row security does not hold for role {role}, which is {why}: {}", tables.join(", "));
        found.push(Breach { gravity: Gravity::Warn, schema: None, text });
    }
    Ok(())
}
