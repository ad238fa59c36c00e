use super::*;
use crate::contract::extract::from_texts;

fn contract() -> Contract {
    from_texts(
        &[(
            "a.rs",
            r#"#[derive(Type)] #[sqlx(type_name = "app.mood", rename_all = "lowercase")] enum Mood { Good, Bad }
               #[derive(Type)] #[repr(i16)] enum Level { Low }"#,
        )],
        &["sqlx"],
    )
}

fn rust(name: &str) -> RustType {
    match name.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')) {
        Some(inner) => RustType { name: inner.to_owned(), stands_for: None, nullable: true },
        None => RustType { name: name.to_owned(), stands_for: None, nullable: false },
    }
}

#[test]
fn integers_fit_by_equality_and_times_by_their_zone() {
    let contract = contract();
    let table = TypeTable::new(Driver::Sqlx, &contract);
    for (name, pg, fits) in [
        ("i64", "int8", true),
        ("i64", "int4", false),
        ("i32", "int8", false),
        ("i16", "int2", true),
        ("u32", "oid", true),
        ("String", "varchar", true),
        ("&'a str", "citext", true),
        ("Box<str>", "text", true),
        ("Cow<'static, str>", "bpchar", true),
        ("String", "uuid", false),
        ("DateTime<Utc>", "timestamptz", true),
        ("chrono::DateTime<chrono::Utc>", "timestamptz", true),
        ("DateTime<Utc>", "timestamp", false),
        ("DateTime<Utc>", "int8", false),
        ("chrono::NaiveDateTime", "timestamp", true),
        ("NaiveDateTime", "timestamptz", false),
        ("time::OffsetDateTime", "timestamptz", true),
        ("Vec<u8>", "bytea", true),
        ("Vec<i64>", "_int8", true),
        ("Vec<i64>", "_int4", false),
        ("Vec<Option<String>>", "_text", true),
        ("[i32; 3]", "_int4", true),
        ("serde_json::Value", "jsonb", true),
        ("Json<Data>", "json", true),
        ("Json<Data>", "text", false),
        ("Decimal", "numeric", true),
        ("f64", "numeric", false),
        ("Mood", "mood", true),
        ("Mood", "text", false),
        ("Vec<Mood>", "_mood", true),
        ("Level", "int2", true),
        ("Level", "int4", false),
        ("PgRange<DateTime<Utc>>", "tstzrange", true),
    ] {
        let judged = table.decodes(&rust(name), &PgColumn::new(pg, Some(false)));
        assert_eq!(judged.is_ok(), fits, "{name} of {pg}: {judged:?}");
        assert_ne!(judged, Ok(Fit::Unknown), "{name}");
    }
    assert_eq!(table.decodes(&rust("Money"), &PgColumn::new("int8", Some(true))), Ok(Fit::Unknown));
    let said = table.decodes(&rust("DateTime<Utc>"), &PgColumn::new("int8", None)).unwrap_err();
    assert_eq!(said.to_string(), "DateTime<Utc> decodes timestamptz, the column is int8");
    assert_eq!(table.decoded(&rust("Vec<i32>")), ["_int4"]);
}

#[test]
fn drivers_differ_where_they_do() {
    let contract = contract();
    let (sqlx, tokio) =
        (TypeTable::new(Driver::Sqlx, &contract), TypeTable::new(Driver::TokioPostgres, &contract));
    let column = |pg| PgColumn::new(pg, Some(false));
    assert_eq!(sqlx.decodes(&rust("SystemTime"), &column("timestamptz")), Ok(Fit::Unknown));
    assert_eq!(tokio.decodes(&rust("SystemTime"), &column("timestamptz")), Ok(Fit::Fits));
    assert!(sqlx.decodes(&rust("String"), &column("ltree")).is_err());
    assert!(tokio.decodes(&rust("String"), &column("ltree")).is_ok());
}

#[test]
fn nulls_need_an_option_and_aliases_count_by_what_they_stand_for() {
    let contract = contract();
    let table = TypeTable::new(Driver::Sqlx, &contract);
    let nullable = PgColumn::new("int8", Some(true));
    assert_eq!(table.decodes(&rust("i64"), &nullable), Err(Violation::Null { rust: "i64".to_owned() }));
    assert_eq!(table.decodes(&rust("Option<i64>"), &nullable), Ok(Fit::Fits));
    assert_eq!(table.decodes(&rust("i64"), &PgColumn::new("int8", None)), Ok(Fit::Fits));
    let id = RustType { name: "UserId".to_owned(), stands_for: Some("i64".to_owned()), nullable: false };
    assert_eq!(
        table.decodes(&id, &PgColumn::new("int4", None)).unwrap_err().to_string(),
        "UserId decodes int8, the column is int4"
    );
}

#[test]
fn labels_of_both_sides_are_compared() {
    let contract = contract();
    let table = TypeTable::new(Driver::Sqlx, &contract);
    let with = |labels: &[&str]| PgColumn {
        labels: Some(labels.iter().map(|label| (*label).to_owned()).collect()),
        ..PgColumn::new("mood", Some(false))
    };
    assert_eq!(table.decodes(&rust("Mood"), &with(&["bad", "good"])), Ok(Fit::Fits));
    let said = table.decodes(&rust("Mood"), &with(&["good", "so so"])).unwrap_err();
    assert_eq!(said.to_string(), "labels of Mood: 'so so' cannot be read, 'bad' cannot be written");
}

#[test]
fn json_fields_and_diesel_columns_have_their_own_rules() {
    let contract = contract();
    let table = TypeTable::new(Driver::Sqlx, &contract);
    let field = |name: &str, json| Field {
        name: "f".to_owned(),
        column: "f".to_owned(),
        rust_type: rust(name),
        default: false,
        json,
    };
    let judge = |kind, field: &Field, pg: &str| table.field(kind, field, &PgColumn::new(pg, Some(false)));
    assert!(judge(RowKind::FromRow, &field("Data", true), "jsonb").is_ok());
    assert!(judge(RowKind::FromRow, &field("Data", true), "text").is_err());
    assert!(judge(RowKind::Table, &field("Array<Nullable<Text>>", false), "_text").is_ok());
    assert!(judge(RowKind::Table, &field("Int8", false), "int4").is_err());
    assert!(judge(RowKind::Table, &field("Varchar", false), "text").is_ok());
    assert_eq!(judge(RowKind::Table, &field("MoodMapping", false), "mood"), Ok(Fit::Unknown));
}
