use super::*;
use crate::contract::{
    Budgets, ColumnRead, Coverage, EnumType, Field, Place, QueryHash, QueryUse, RowStruct,
};
use tokio_postgres::types::Kind;

fn place() -> Place {
    Place { file: "src/users.rs".to_owned(), line: 12 }
}

fn rust(name: &str) -> RustType {
    let inner = name.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
    RustType { name: inner.unwrap_or(name).to_owned(), stands_for: None, nullable: inner.is_some() }
}

fn contract(fields: &[(&str, &str)]) -> Contract {
    let field = |(column, ty): &(&str, &str)| Field {
        name: (*column).to_owned(),
        column: (*column).to_owned(),
        rust_type: rust(ty),
        default: false,
        json: false,
    };
    let row = RowStruct {
        name: "User".to_owned(),
        place: place(),
        kind: RowKind::FromRow,
        fields: fields.iter().map(field).collect(),
        table: None,
    };
    let mood = EnumType {
        name: "Mood".to_owned(),
        place: place(),
        driver: Driver::Sqlx,
        type_name: "mood".to_owned(),
        integer: false,
        labels: vec!["sad".to_owned(), "ok".to_owned()],
    };
    Contract {
        format: 1,
        tool: String::new(),
        service: "shop".to_owned(),
        revision: None,
        server_major: None,
        drivers: vec![Driver::Sqlx],
        queries: Vec::new(),
        rows: vec![row],
        enums: vec![mood],
        pools: Vec::new(),
        constraints: Vec::new(),
        schema_hashes: Vec::new(),
        budgets: Budgets::default(),
        seed: 1,
        coverage: Coverage::default(),
    }
}

fn query(binding: Binding) -> Query {
    Query {
        hash: QueryHash::of("x"),
        text: "SELECT 1".to_owned(),
        parameters: None,
        columns: None,
        overrides: Vec::new(),
        uses: vec![QueryUse { place: place(), kind: SourceKind::SqlxFunction, binding }],
    }
}

fn seen(name: &str, pg_type: Type, nullable: Option<bool>) -> Seen {
    Seen::new(name, &pg_type, nullable)
}

fn told(binding: Binding, fields: &[(&str, &str)], columns: &[Seen]) -> Vec<String> {
    let told = |m: Mismatch| {
        assert_eq!(m.place, "src/users.rs:12");
        format!("{:?} {}: {} / {}", m.gravity, m.column.unwrap_or_default(), m.expected, m.found)
    };
    compare(&query(binding), columns, &contract(fields)).into_iter().map(told).collect()
}

fn mood(labels: &[&str]) -> Type {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Type::new("mood".to_owned(), 99_999, Kind::Enum(labels), "t".to_owned())
}

#[test]
fn fields_are_held_against_columns() {
    let row = || Binding::Row("User".to_owned());
    let one = |ty: &str, pg: Type, nullable| told(row(), &[("c", ty)], &[seen("c", pg, nullable)]);
    let fits: [(&str, Type, Option<bool>); 9] = [
        ("i64", Type::INT8, Some(false)),
        ("Option<i64>", Type::INT8, Some(true)),
        ("i64", Type::INT8, None),
        ("chrono::DateTime<Utc>", Type::TIMESTAMPTZ, Some(false)),
        ("String", Type::VARCHAR, Some(false)),
        ("Vec<Option<String>>", Type::TEXT_ARRAY, Some(false)),
        ("Vec<u8>", Type::BYTEA, Some(false)),
        ("Mood", mood(&["ok", "sad"]), Some(false)),
        ("Unheard", Type::POINT, Some(false)),
    ];
    for (ty, pg, nullable) in fits {
        assert_eq!(one(ty, pg, nullable), [""; 0], "{ty}");
    }
    let fails = [
        (
            "chrono::DateTime<Utc>",
            Type::INT8,
            "Refuse User.c: chrono::DateTime<Utc> (from timestamptz) / bigint",
        ),
        ("DateTime<Utc>", Type::TIMESTAMP, "Refuse User.c: DateTime<Utc> (from timestamptz) / timestamp"),
        ("i32", Type::INT8, "Refuse User.c: i32 (from integer) / bigint"),
        ("i64", Type::INT4, "Refuse User.c: i64 (from bigint) / integer"),
        ("Vec<i32>", Type::INT8_ARRAY, "Refuse User.c: Vec<i32> (from int4[]) / bigint[]"),
        ("Vec<i32>", Type::INT4, "Refuse User.c: Vec<i32> (from int4[]) / integer"),
        ("Mood", Type::TEXT, "Refuse User.c: Mood (from mood) / text"),
        ("Mood", mood(&["sad"]), "Refuse User.c: Mood with the label ok / enum mood without"),
        (
            "Mood",
            mood(&["sad", "ok", "glad"]),
            "Warn User.c: Mood / enum mood with glad, which cannot be decoded once written",
        ),
    ];
    for (ty, pg, said) in fails {
        assert_eq!(one(ty, pg, Some(false)), [said]);
    }
    assert_eq!(
        one("i64", Type::INT8, Some(true)),
        ["Refuse User.c: i64, never NULL / bigint that may be NULL"]
    );
    assert_eq!(
        told(row(), &[("c", "i64")], &[seen("d", Type::INT8, None)]),
        ["Refuse User.c: i64 / no such column in the result"]
    );
}

#[test]
fn tuples_scalars_reads_and_marks() {
    let columns = [
        seen("a", Type::INT8, Some(true)),
        seen("b!", Type::TEXT, Some(true)),
        seen("c: Mood", Type::TEXT, None),
    ];
    let said =
        told(Binding::Tuple(vec![rust("i64"), rust("String"), rust("String"), rust("bool")]), &[], &columns);
    assert_eq!(
        said,
        [
            "Refuse column 1: i64, never NULL / bigint that may be NULL",
            "Refuse column 3: String (from mood) / text",
            "Refuse column 4: bool / no such column in the result"
        ]
    );
    assert_eq!(
        told(Binding::Scalar(rust("i32")), &[], &columns),
        ["Refuse column 1: i32 (from integer) / bigint"]
    );
    let read = |column: &str, ty: &str| ColumnRead { column: column.to_owned(), rust_type: Some(rust(ty)) };
    assert_eq!(
        told(
            Binding::Reads(vec![read("b", "String"), read("0", "Option<i32>"), read("z", "i32")]),
            &[],
            &columns
        ),
        ["Refuse 0: Option<i32> (from integer) / bigint", "Refuse z: i32 / no such column in the result"]
    );
}
