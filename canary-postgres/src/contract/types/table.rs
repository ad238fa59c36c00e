//! Which PostgreSQL types a Rust type decodes, by driver, as data.
//!
//! Sources: sqlx 0.8 and 0.9 (`sqlx-postgres/src/types/*`, `Type::compatible`), postgres-types 0.2 (`FromSql::accepts`), diesel 2
//! (`diesel::sql_types`). Integers fit by equality: an `int4` read into an `i64` is an error in both drivers.

use crate::contract::model::Driver;

/// One row: names in Rust, the types they decode under sqlx, and under tokio-postgres.
pub(super) struct Row {
    /// The last names of paths.
    pub(super) rust: &'static [&'static str],
    /// The names of types as `pg_type.typname` has them.
    pub(super) sqlx: &'static [&'static str],
    /// The same for postgres-types; empty where it is as with sqlx.
    pub(super) tokio_postgres: &'static [&'static str],
}

const fn both(rust: &'static [&'static str], pg: &'static [&'static str]) -> Row {
    Row { rust, sqlx: pg, tokio_postgres: &[] }
}

/// The table.
pub(super) const TABLE: &[Row] = &[
    both(&["bool"], &["bool"]),
    both(&["i8"], &["char"]),
    both(&["i16"], &["int2"]),
    both(&["i32"], &["int4"]),
    both(&["i64"], &["int8"]),
    both(&["u32", "Oid"], &["oid"]),
    both(&["f32"], &["float4"]),
    both(&["f64"], &["float8"]),
    Row {
        rust: &["String", "str"],
        sqlx: &["text", "varchar", "bpchar", "name", "citext", "unknown"],
        tokio_postgres: &[
            "text",
            "varchar",
            "bpchar",
            "name",
            "citext",
            "unknown",
            "ltree",
            "lquery",
            "ltxtquery",
        ],
    },
    both(&["Bytes"], &["bytea"]),
    both(&["Uuid"], &["uuid"]),
    both(&["Decimal", "BigDecimal"], &["numeric"]),
    both(&["PgMoney"], &["money"]),
    both(&["NaiveDateTime", "PrimitiveDateTime"], &["timestamp"]),
    both(
        &["DateTime<Utc>", "DateTime<Local>", "DateTime<FixedOffset>", "OffsetDateTime", "UtcDateTime"],
        &["timestamptz"],
    ),
    Row { rust: &["SystemTime"], sqlx: &[], tokio_postgres: &["timestamp", "timestamptz"] },
    both(&["NaiveDate", "Date"], &["date"]),
    both(&["NaiveTime", "Time"], &["time"]),
    both(&["PgTimeTz"], &["timetz"]),
    both(&["PgInterval"], &["interval"]),
    both(&["Value", "JsonValue", "Json", "JsonRawValue"], &["json", "jsonb"]),
    both(&["IpNetwork", "IpNet", "IpCidr"], &["inet", "cidr"]),
    Row { rust: &["IpAddr"], sqlx: &["inet", "cidr"], tokio_postgres: &["inet"] },
    both(&["MacAddress", "MacAddress6", "Eui48"], &["macaddr"]),
    both(&["BitVec"], &["bit", "varbit"]),
    both(&["PgHstore"], &["hstore"]),
    both(&["PgLTree"], &["ltree"]),
    both(&["PgLQuery"], &["lquery"]),
    both(&["PgCiText"], &["citext"]),
    both(&["PgPoint", "Point"], &["point"]),
    both(&["PgBox", "Rect"], &["box"]),
    both(&["PgLine"], &["line"]),
    both(&["PgLSeg"], &["lseg"]),
    both(&["PgPath", "LineString"], &["path"]),
    both(&["PgPolygon"], &["polygon"]),
    both(&["PgCircle"], &["circle"]),
    both(&["PgRange<i32>"], &["int4range"]),
    both(&["PgRange<i64>"], &["int8range"]),
    both(&["PgRange<Decimal>", "PgRange<BigDecimal>"], &["numrange"]),
    both(&["PgRange<NaiveDate>", "PgRange<Date>"], &["daterange"]),
    both(&["PgRange<NaiveDateTime>", "PgRange<PrimitiveDateTime>"], &["tsrange"]),
    both(&["PgRange<DateTime<Utc>>", "PgRange<OffsetDateTime>"], &["tstzrange"]),
];

/// diesel's SQL types and the server's, for the columns of `table!`.
pub(super) const DIESEL: &[(&[&str], &str)] = &[
    (&["Bool"], "bool"),
    (&["CChar"], "char"),
    (&["Int2", "SmallInt", "SmallSerial"], "int2"),
    (&["Int4", "Integer", "Serial"], "int4"),
    (&["Int8", "BigInt", "BigSerial"], "int8"),
    (&["Float4", "Float"], "float4"),
    (&["Float8", "Double"], "float8"),
    (&["Numeric", "Decimal"], "numeric"),
    (&["Money"], "money"),
    (&["Oid"], "oid"),
    (&["Text", "String"], "text"),
    (&["Varchar", "VarChar"], "varchar"),
    (&["Bpchar", "Char"], "bpchar"),
    (&["Citext"], "citext"),
    (&["Bytea", "Binary"], "bytea"),
    (&["Uuid"], "uuid"),
    (&["Timestamp"], "timestamp"),
    (&["Timestamptz", "TimestamptzSqlite"], "timestamptz"),
    (&["Date"], "date"),
    (&["Time"], "time"),
    (&["Interval"], "interval"),
    (&["Json"], "json"),
    (&["Jsonb"], "jsonb"),
    (&["Inet"], "inet"),
    (&["Cidr"], "cidr"),
    (&["MacAddr"], "macaddr"),
];

/// The types that a Rust type decodes; `None` when the table does not know it.
///
/// `name` is the last name of the path with its generics' last names: `DateTime<Utc>`.
pub(super) fn decoded_by(driver: Driver, name: &str) -> Option<&'static [&'static str]> {
    let bare = name.split_once('<').map_or(name, |(bare, _)| bare);
    let row = TABLE.iter().find(|row| row.rust.contains(&name) || row.rust.contains(&bare))?;
    let own = match driver {
        Driver::TokioPostgres if !row.tokio_postgres.is_empty() => row.tokio_postgres,
        _ => row.sqlx,
    };
    (!own.is_empty()).then_some(own)
}

/// The type that one of diesel's stands for.
pub(super) fn diesel(name: &str) -> Option<&'static str> {
    DIESEL.iter().find(|(names, _)| names.contains(&name)).map(|(_, pg)| *pg)
}
