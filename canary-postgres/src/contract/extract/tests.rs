use proptest::prelude::*;

use super::*;
use crate::contract::model::{Binding, Query, RowStruct, Setting};

const SQLX: &[&str] = &["sqlx"];
const TOKIO: &[&str] = &["tokio-postgres", "deadpool-postgres"];

fn sqlx(text: &str) -> Contract {
    from_texts(&[("src/lib.rs", text)], SQLX)
}

/// A query on one line: text, then what each use makes of the rows.
fn shown(query: &Query) -> String {
    let uses =
        query.uses.iter().map(|used| format!("{}:{:?}:{}", used.place.line, used.kind, bound(&used.binding)));
    format!("{} <- {}", query.text, uses.collect::<Vec<_>>().join(", "))
}

fn bound(binding: &Binding) -> String {
    match binding {
        Binding::None => "-".to_owned(),
        Binding::Row(name) => name.clone(),
        Binding::Tuple(parts) => {
            format!("({})", parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        Binding::Scalar(one) => one.to_string(),
        Binding::Record => "record".to_owned(),
        Binding::Reads(reads) => {
            let of = |read: &crate::contract::model::ColumnRead| {
                format!(
                    "{}={}",
                    read.column,
                    read.rust_type.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)
                )
            };
            format!("[{}]", reads.iter().map(of).collect::<Vec<_>>().join(" "))
        }
    }
}

fn queries(contract: &Contract) -> Vec<String> {
    contract.queries.iter().map(shown).collect()
}

fn computed(contract: &Contract) -> Vec<String> {
    contract.coverage.computed.iter().map(|c| format!("{} {} {}", c.place.line, c.call, c.made_by)).collect()
}

fn row(row: &RowStruct) -> String {
    let fields = row.fields.iter().map(|f| {
        let stands = f.rust_type.stands_for.as_ref().map_or_else(String::new, |inner| format!("={inner}"));
        let marks = [(f.default, "default"), (f.json, "json")];
        let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, word)| format!(" {word}")).collect();
        format!("{}<-{}: {}{stands}{marks}", f.name, f.column, f.rust_type)
    });
    format!("{} {:?}: {}", row.name, row.kind, fields.collect::<Vec<_>>().join(", "))
}

#[test]
fn functions_and_macros_of_sqlx_are_found_with_what_their_rows_become() {
    let contract = sqlx(
        r##"
        use sqlx::{query_as, Row};
        #[derive(sqlx::FromRow)] pub struct User { id: i64, email: String }
        struct Plain { id: i32 }
        async fn all(pool: &PgPool) -> Result<Vec<User>, sqlx::Error> {
            sqlx::query_as::<_, User>("SELECT id, email FROM users").fetch_all(pool).await?;
            query_as::<_, (i64, Option<String>)>(r#"SELECT id, "Email" FROM users"#).fetch_all(pool).await?;
            sqlx::query_as!(Plain, "SELECT id FROM plain WHERE a = $1", a as _).fetch_all(pool).await?;
            sqlx::query_as_unchecked!(models::Plain, "SELECT id FROM plain").fetch_all(pool).await?;
            let n: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(pool).await?;
            sqlx::query_scalar::<_, Option<i32>>("SELECT max(n) FROM users").fetch_one(pool).await?;
            sqlx::query!("DELETE FROM users WHERE id = $1", 1).execute(pool).await?;
            pool.execute("SET search_path TO x").await?;
            sqlx::query_as("SELECT * FROM users ORDER BY 1").fetch_all(pool).await
        }
        async fn one(pool: &PgPool) -> sqlx::Result<i64> {
            let row = sqlx::query("SELECT id, at FROM t").fetch_one(pool).await?;
            let at = row.try_get::<DateTime<Utc>, _>("at")?;
            Ok(row.get("id"))
        }
        "##,
    );
    assert_eq!(
        queries(&contract),
        [
            "DELETE FROM users WHERE id = $1 <- 12:SqlxMacro:record",
            "SELECT * FROM users ORDER BY 1 <- 14:SqlxFunction:User",
            "SELECT count(*) FROM users <- 10:SqlxFunction:i64",
            "SELECT id FROM plain <- 9:SqlxUncheckedMacro:Plain",
            "SELECT id FROM plain WHERE a = $1 <- 8:SqlxMacro:Plain",
            "SELECT id, \"Email\" FROM users <- 7:SqlxFunction:(i64, Option<String>)",
            "SELECT id, at FROM t <- 17:SqlxFunction:[at=DateTime<Utc> id=?]",
            "SELECT id, email FROM users <- 6:SqlxFunction:User",
            "SELECT max(n) FROM users <- 11:SqlxFunction:Option<i32>",
            "SET search_path TO x <- 13:SqlxFunction:-",
        ]
    );
    assert!(contract.coverage.complete() && contract.coverage.unresolved.is_empty());
    assert_eq!(contract.coverage.known, 10);
    let preparable = contract.queries.iter().filter(|query| query.preparable()).count();
    assert_eq!(preparable, 9);
}

#[test]
fn constants_are_folded_and_what_is_made_at_run_time_is_listed() {
    let contract = from_texts(
        &[
            (
                "src/sql.rs",
                r#"pub const COLUMNS: &str = "id, email"; pub const BY_ID: &str = concat!("SELECT 1", " FROM a");
                   pub struct Q; impl Q { pub const FIND: &'static str = "SELECT 2 FROM b"; }
                   const LOOP: &str = OTHER; const OTHER: &str = LOOP;"#,
            ),
            (
                "src/lib.rs",
                r#"use sqlx::query;
                async fn f(pool: &PgPool, table: &str, flag: bool) {
                    query(sql::BY_ID); query(Q::FIND); query(&format!("SELECT {COLUMNS} FROM users WHERE {}", "x = $1"));
                    let local = "SELECT 3"; query(local); query(if flag { "SELECT 4" } else { "SELECT 5" });
                    let a = match flag { true => "SELECT 6", false => "SELECT 7" }; query(&a.to_string());
                    query(&("SELECT ".to_owned() + COLUMNS)); query("SELECT '{}'");
                    query(&format!("SELECT * FROM {table}"));
                    query(&format!("SELECT * FROM {}", name()));
                    let mut sql = String::from("SELECT 8"); sql.push_str(" x"); query(&sql);
                    query(table); query(LOOP); query(unknown::CONSTANT); query(&self.sql());
                    let b = QueryBuilder::new("SELECT 9");
                    query(&format!("{{}} {:?}", 1));
                    for local in many { query(local); }
                    query(local);
                }"#,
            ),
        ],
        SQLX,
    );
    let texts: Vec<_> = contract.queries.iter().map(|query| query.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "SELECT '{}'",
            "SELECT 1 FROM a",
            "SELECT 2 FROM b",
            "SELECT 3",
            "SELECT 4",
            "SELECT 5",
            "SELECT 6",
            "SELECT 7",
            "SELECT id, email",
            "SELECT id, email FROM users WHERE x = $1",
        ]
    );
    assert_eq!(contract.queries[3].uses.len(), 2, "the loop's name is another one");
    assert_eq!(
        computed(&contract),
        [
            "7 sqlx::query `format!`",
            "8 sqlx::query `format!`",
            "9 sqlx::query the variable `sql`, which changes",
            "10 sqlx::query `sql()`",
            "10 sqlx::query `unknown::CONSTANT`",
            "10 sqlx::query constants that name one another",
            "10 sqlx::query the parameter `table`",
            "11 QueryBuilder `QueryBuilder`",
            "12 sqlx::query `format!`",
            "13 sqlx::query the variable `local`",
        ]
    );
    assert!(!contract.coverage.complete());
}

#[test]
fn rows_follow_every_attribute() {
    let contract = sqlx(
        r#"
        type Id = i64; type When = chrono::DateTime<Utc>;
        #[derive(sqlx::Type)] #[sqlx(transparent)] struct UserId(Id);
        #[derive(Type)] #[sqlx(type_name = "mood", rename_all = "snake_case")] enum Mood { VeryGood, #[sqlx(rename = "meh")] Bad }
        #[derive(sqlx::Type)] #[repr(i32)] enum Level { Low = 1 }
        #[derive(Debug, FromRow)] #[sqlx(rename_all = "camelCase")]
        struct User {
            id: UserId, created_at: When, #[sqlx(rename = "E")] email: Option<String>, tags: Vec<UserId>,
            #[sqlx(default)] note: String, #[sqlx(skip)] cache: Vec<u8>, #[sqlx(json)] data: Option<Data>,
            #[sqlx(json(nullable))] more: Option<Data>, #[sqlx(try_from = "i32")] count: u8, r#type: Mood,
            #[sqlx(flatten)] address: Address, maybe: Option<UserId>,
        }
        #[derive(FromRow)] struct Address { street: String }
        struct Unbound { id: i64 }
        "#,
    );
    let user = contract.row("User").unwrap();
    assert_eq!(
        row(user),
        "User FromRow: id<-id: UserId=i64, created_at<-createdAt: When=chrono::DateTime<Utc>, email<-E: Option<String>, \
         tags<-tags: Vec<UserId>=Vec<i64>, note<-note: String default, data<-data: Data json, \
         more<-more: Option<Data> json, count<-count: i32, type<-type: Mood, address.street<-street: String, \
         maybe<-maybe: Option<UserId>=i64"
    );
    assert!(contract.row("Unbound").is_none());
    let mood = contract.enum_type("Mood").unwrap();
    assert_eq!((mood.type_name.as_str(), mood.labels.join(",")), ("mood", "very_good,meh".to_owned()));
    let level = contract.enum_type("Level").unwrap();
    assert!(level.integer && level.type_name == "i32" && level.labels.is_empty());
}

#[test]
fn structs_of_one_name_are_told_apart_by_their_file() {
    let struct_of = |field: &str| format!("#[derive(FromRow)] pub struct User {{ {field}: i64 }}");
    let (a, b) = (struct_of("a"), struct_of("b"));
    let a = format!("{a} fn f() {{ sqlx::query_as::<_, User>(\"SELECT a FROM t\"); }}");
    let c = "fn f() { sqlx::query_as::<_, User>(\"SELECT 1\"); }";
    let contract = from_texts(&[("src/a.rs", &a), ("src/b.rs", &b), ("src/c.rs", c)], SQLX);
    let names: Vec<_> = contract.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["src/a.rs#User", "src/b.rs#User"]);
    assert_eq!(contract.queries[1].uses[0].binding, Binding::Row("src/a.rs#User".to_owned()));
    assert_eq!(contract.coverage.unresolved[0].place.file, "src/c.rs");
}

#[test]
fn the_methods_of_tokio_postgres_are_found_and_others_of_their_name_are_not() {
    let contract = from_texts(
        &[(
            "src/lib.rs",
            r#"
            struct User { id: i32, name: Option<String> }
            impl From<&Row> for User { fn from(row: &Row) -> Self { Self { id: row.get("user_id"), name: row.get(1) } } }
            const FIND: &str = "SELECT user_id, name FROM users WHERE id = $1";
            async fn f(client: &Client, statement: &Statement, sql: &str) {
                let rows = client.query(FIND, &[&1]).await?;
                rows.iter().map(User::from)
            }
            async fn g(client: &Client, statement: &Statement, sql: &str) {
                let s = client.prepare_cached("SELECT a, b FROM t").await?;
                client.query_one(&s, &[]).await?;
                client.query(statement, &[]).await?;
                client.query(sql, &[]).await?;
                http.get(url).query(&[("a", 1)]).send();
                page.query("users", &[]);
                map.get("key");
                row.get::<_, i64>("a");
            }"#,
        )],
        TOKIO,
    );
    assert_eq!(
        queries(&contract),
        [
            "SELECT a, b FROM t <- 10:TokioPostgres:-",
            "SELECT user_id, name FROM users WHERE id = $1 <- 6:TokioPostgres:User"
        ]
    );
    assert_eq!(computed(&contract), ["13 .query the parameter `sql`"]);
    assert_eq!(row(&contract.rows[0]), "User Manual: id<-user_id: i32, name<-1: Option<String>");
}

#[test]
fn tables_of_diesel_become_queries_of_all_their_columns() {
    let contract = from_texts(
        &[(
            "src/schema.rs",
            r#"
            diesel::table! { use diesel::sql_types::*; use crate::Mood;
                /// The users.
                #[sql_name = "user"] users (id) { id -> Int8, #[sql_name = "type"] kind -> Nullable<Text>, tags -> Array<Nullable<Text>>, } }
            diesel::table! { audit.log (id) { id -> Int4 } }
            #[derive(Queryable)] #[diesel(table_name = users)] struct User { id: i64, #[diesel(column_name = kind)] k: Option<String> }
            fn f() { diesel::sql_query("SELECT 1"); }
            "#,
        )],
        &["diesel"],
    );
    assert_eq!(
        queries(&contract),
        [
            "SELECT \"id\" FROM \"audit\".\"log\" <- 5:DieselTable:table log",
            "SELECT \"id\", \"type\", \"tags\" FROM \"user\" <- 2:DieselTable:table user",
            "SELECT 1 <- 7:DieselSql:-",
        ]
    );
    let rows: Vec<_> = contract.rows.iter().map(row).collect();
    assert_eq!(rows[0], "User Queryable: id<-id: i64, k<-kind: Option<String>");
    assert_eq!(
        rows[2],
        "table user Table: id<-id: Int8, kind<-type: Option<Text>, tags<-tags: Array<Nullable<Text>>"
    );
}

fn setting(setting: &Setting) -> String {
    match setting {
        Setting::Known { value, place } => {
            format!("{} at {}", value.number().map_or(-1, u64::cast_signed), place.line)
        }
        Setting::Default { value } => format!("default {}", value.number().map_or(-1, u64::cast_signed)),
        Setting::FromEnvironment { name, otherwise, .. } => format!("${name} else {otherwise:?}"),
        Setting::Unknown { why, .. } => why.clone(),
    }
}

fn pools(contract: &Contract) -> Vec<String> {
    let all = contract.pools.iter().map(|p| {
        let settings = [&p.max_connections, &p.acquire_timeout_ms, &p.idle_timeout_ms, &p.max_lifetime_ms];
        format!("{} {}", p.library, settings.map(setting).join(" | "))
    });
    all.collect()
}

#[test]
fn pools_say_what_they_are_given_by_default_or_by_the_environment() {
    let contract = sqlx(
        r#"
        const SIZE: u32 = 4 * 8;
        const WAIT: Duration = Duration::from_secs(5);
        async fn a() {
            PgPoolOptions::new()
                .max_connections(SIZE)
                .acquire_timeout(WAIT)
                .idle_timeout(None)
                .connect("x").await?;
        }
        async fn b() {
            let size: u32 = std::env::var("POOL").ok().and_then(|v| v.parse().ok()).unwrap_or(7);
            let mut options = PgPoolOptions::new().max_connections(size);
            options = options.acquire_timeout(Duration::from_secs(env_or("WAIT", 3)));
            options.max_lifetime(Duration::from_mins(2)).connect_with(o).await?;
            PoolOptions::<Sqlite>::new().max_connections(1);
            PgPool::connect(url).await?;
            PgPoolOptions::new().max_connections(config.pool.size).acquire_timeout(Duration::from_millis(1500)).idle_timeout(Some(Duration::new(1, 500_000_000)));
        }
        "#,
    );
    assert_eq!(
        pools(&contract),
        [
            "sqlx::PgPool 32 at 6 | 5000 at 7 | -1 at 8 | default 1800000",
            "sqlx::PgPool $POOL else Some(7) | $WAIT else Some(3000) | default 600000 | 120000 at 15",
            "sqlx::PgPool default 10 | default 30000 | default 600000 | default 1800000",
            "sqlx::PgPool `config.pool.size` | 1500 at 18 | 1500 at 18 | default 1800000",
        ]
    );
    let other = |text: &str, dependencies: &[&str]| pools(&from_texts(&[("src/lib.rs", text)], dependencies));
    assert_eq!(
        other(
            "fn f() { let p = bb8::Pool::builder().max_size(15).connection_timeout(Duration::from_secs(2)).build(m); }",
            &["bb8"]
        ),
        ["bb8 15 at 1 | 2000 at 1 | default 600000 | default 1800000"]
    );
    assert_eq!(
        other(
            "fn f() { Pool::builder(m).max_size(16).wait_timeout(Some(Duration::from_secs(1))); cfg.pool = Some(PoolConfig::new(9)); }",
            &["deadpool-postgres"]
        ),
        [
            "deadpool 16 at 1 | 1000 at 1 | default -1 | default -1",
            "deadpool 9 at 1 | default -1 | default -1 | default -1"
        ]
    );
    assert_eq!(
        other(
            "fn f() { PoolConfig { max_size: 3, timeouts: Timeouts { wait: Some(Duration::from_secs(4)), create: None } }; }",
            &["deadpool"]
        ),
        ["deadpool 3 at 1 | 4000 at 1 | default -1 | default -1"]
    );
}

#[test]
fn what_is_for_tests_does_not_count_and_what_cannot_be_read_is_named() {
    let contract = from_texts(
        &[
            (
                "src/a.rs",
                "#[cfg(test)] mod tests { fn f() { sqlx::query(\"SELECT 1\"); } } #[tokio::test] async fn t() { sqlx::query(\"SELECT 2\"); }",
            ),
            ("src/b.rs", "fn f() {\n  let = ;\n}"),
            ("src/c.rs", &"(".repeat(100_000)),
            ("src/d.rs", &format!("const X: i32 = {}1;", "-".repeat(100_000))),
        ],
        SQLX,
    );
    assert!(contract.queries.is_empty());
    let lost: Vec<_> =
        contract.coverage.unreadable.iter().map(|u| format!("{}:{} {}", u.place, u.column, u.why)).collect();
    assert!(lost[0].starts_with("src/b.rs:2:7 not Rust: expected"), "{}", lost[0]);
    assert_eq!(lost[1], "src/c.rs:1:1 nested too deep to be parsed");
    assert_eq!(lost.len(), 3);
}

proptest! {
    #[test]
    fn no_source_makes_the_extraction_panic(text in ".{0,200}", words in proptest::collection::vec(0_usize..WORDS.len(), 0..60)) {
        let soup: String = words.into_iter().map(|at| WORDS[at]).collect::<Vec<_>>().join(" ");
        let contract = from_texts(&[("a.rs", &text), ("b.rs", &soup), ("c.rs", &format!("fn f() {{ {soup} }}"))], &[]);
        let lock = contract.to_lock().unwrap();
        prop_assert_eq!(Contract::from_lock(&lock).unwrap(), contract);
    }
}

const WORDS: &[&str] = &[
    "sqlx::query(",
    "sqlx::query_as::<_, T>(",
    "query_as!(",
    "query_file!(",
    "\"SELECT 1\"",
    "\"{}\"",
    "\"{a\"",
    "format!(",
    "concat!(",
    ")",
    "(",
    "{",
    "}",
    ";",
    ",",
    "let",
    "x",
    "=",
    "&x",
    "PgPoolOptions::new()",
    ".max_connections(",
    "Pool::builder()",
    ".get(",
    "1",
    "99999999999999999999",
    "Duration::from_secs(",
    "#[derive(FromRow)]",
    "struct T",
    "a: Option<T>",
    "#[sqlx(flatten)]",
    "#[sqlx(json(nullable), rename = )]",
    "enum E",
    "impl T",
    "fn g()",
    "const C: &str =",
    "C",
    "if",
    "else",
    "match",
    "=>",
    "table! {",
    "a (b)",
    "->",
    "Nullable<Int4>",
    "env::var(",
    ".unwrap_or(",
    "type T = Vec<T>;",
    "'a'",
    "r#type",
    "\"",
    "use sqlx::query;",
    "Self::C",
    "T { a: row.get(\"a\") }",
    "0.5e300",
];
