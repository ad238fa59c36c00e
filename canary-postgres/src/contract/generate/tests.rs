use super::*;
use crate::contract::extract::from_texts;

const SOURCE: &str = r#"
    #[derive(FromRow)] struct User { id: i64, #[sqlx(default)] note: String, #[sqlx(json)] data: Data }
    fn f() {
        sqlx::query_as::<_, User>("SELECT id, note, data FROM users WHERE id = $1");
        sqlx::query("UPDATE users SET note = '$9' WHERE id = $2");
        sqlx::query("SELECT 1 FROM users FOR UPDATE");
        sqlx::query("SET x = 1");
    }"#;

#[test]
fn a_suite_is_rust_and_names_what_is_read() {
    let contract = from_texts(&[("src/lib.rs", SOURCE)], &["sqlx"]);
    let text = contract.generate(&Suite::default()).unwrap();
    syn::parse_file(&text).unwrap();
    assert_eq!(contract.generate(&Suite::default()).unwrap(), text);
    for line in [
        "/// src/lib.rs:4, read into `User`.",
        "    parameters: 1,",
        "    parameters: 2,",
        r#"        Read { column: "id", rust: "i64", types: &["int8"], optional: false },"#,
        r#"        Read { column: "note", rust: "String", types: &["text", "varchar", "char", "name", "citext", "unknown"], optional: true },"#,
        r#"        Read { column: "data", rust: "Data", types: &["json", "jsonb"], optional: false },"#,
        "const TIMED: &[&Query] = &[\n    &SELECT_USERS_BY_ID,\n];",
        "async fn update_users_by_id() {",
        "async fn rows_of_user_are_alike_for_every_tenant() {",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("#[tokio::test]").count(), 5);
}

#[test]
fn every_form_of_a_suite_is_rust() {
    let suite = Suite { tenants: "SELECT '\"'".to_owned(), fixture: Some("support".to_owned()) };
    let sqlx = from_texts(&[("src/lib.rs", SOURCE)], &["sqlx"]);
    let text = sqlx.generate(&suite).unwrap();
    syn::parse_file(&text).unwrap();
    // The same bytes compile with sqlx 0.8, which has none of these, and with 0.9.
    assert!(["AssertSqlSafe", "SqlStr", "SqlSafeStr"].iter().all(|name| !text.contains(name)), "{text}");
    let source = "async fn f(c: &Client) { c.query(\"SELECT a FROM t\", &[]); }";
    let tokio = from_texts(&[("src/lib.rs", source)], &["tokio-postgres"]);
    let text = tokio.generate(&suite).unwrap();
    syn::parse_file(&text).unwrap();
    assert!(text.contains("tokio_postgres::Client") && !text.contains("sqlx"));
}

#[test]
fn what_cannot_be_tested_is_said() {
    let none = from_texts(&[("src/lib.rs", "fn f() { sqlx::query(\"SET x = 1\"); }")], &["sqlx"]);
    assert_eq!(none.generate(&Suite::default()), Err(GenerateError::Nothing));
    let diesel = from_texts(&[("src/lib.rs", "fn f() { diesel::sql_query(\"SELECT 1\"); }")], &["diesel"]);
    assert_eq!(diesel.generate(&Suite::default()), Err(GenerateError::Driver(Driver::Diesel)));
    let odd = Suite { fixture: Some("a; fn".to_owned()), ..Suite::default() };
    let sqlx = from_texts(&[("src/lib.rs", SOURCE)], &["sqlx"]);
    assert!(matches!(sqlx.generate(&odd), Err(GenerateError::Fixture(_))));
}
