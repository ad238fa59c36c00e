//! Drifts planted in real schemas, each found and named.

use std::collections::BTreeMap;

use canary_postgres::drift::{Expected, State, Survey, read_hashes, survey};
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::{Routes, Routing, SchemaPattern, read_routes};

use crate::server;

/// One tenant's schema, with something of every kind; `S` stands for its name.
const TENANT: &str = r#"
CREATE SCHEMA "S";
CREATE TYPE "S".mood AS ENUM ('sad', 'ok');
CREATE DOMAIN "S".mail AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE "S".users (id bigserial PRIMARY KEY, email "S".mail NOT NULL, mood "S".mood DEFAULT 'ok',
  name varchar(40), created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE "S".orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric(10,2) DEFAULT 0,
  user_id bigint REFERENCES "S".users (id), CONSTRAINT positive CHECK (total >= 0));
CREATE TABLE "S".events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE "S".events_24 PARTITION OF "S".events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE INDEX users_name ON "S".users (name);
CREATE VIEW "S".spent AS SELECT u.id, sum(o.total) AS total FROM "S".users u JOIN "S".orders o ON o.user_id = u.id GROUP BY 1;
CREATE FUNCTION "S".touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 FROM "S".users; RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON "S".users FOR EACH ROW EXECUTE FUNCTION "S".touch();
ALTER TABLE "S".users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON "S".users USING (email <> '');
GRANT USAGE ON SCHEMA "S" TO app_drift; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "S" TO app_drift;
"#;

fn tenants(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| TENANT.replace('S', "\0").replace("\"\0\"", &format!("\"{name}\"")).replace('\0', "S"))
        .collect()
}

async fn look(url: &DatabaseUrl, expected: &Expected) -> (Routes, Survey) {
    let session = Session::default();
    let connection = Connection::open(url, &session).await.unwrap();
    let routing = Routing::Schemas(SchemaPattern::parse("t-%").unwrap());
    let routes = read_routes(&routing, &connection, url).await.unwrap();
    let found = survey(&routes, &session, Some("app_drift"), expected, 4).await;
    (routes, found)
}

fn words(routes: &Routes, survey: &Survey) -> BTreeMap<String, Vec<String>> {
    let named = |group: usize| routes.shards[survey.groups[group].members[0]].name.clone();
    survey
        .drifts
        .iter()
        .map(|(g, found)| (named(*g), found.iter().map(|d| d.text.clone()).collect()))
        .collect()
}

#[tokio::test]
async fn each_planted_drift_is_found_and_named() {
    let names = ["t-a", "t-b", "t-c", "t-d", "t-e"];
    let setup = format!("CREATE ROLE app_drift; {}", tenants(&names));
    let cluster = server::shared().await;
    let url = server::database(&cluster, "drift", &setup).await;
    let (_, equal) = look(&url, &Expected::default()).await;
    assert_eq!(
        (equal.groups.len(), equal.groups[0].members.len()),
        (1, 5),
        "equal schemas have equal hashes"
    );

    // What is planted in t-c, how it is undone, and what is said.
    let drifts = [
        (
            r#"DROP VIEW "t-c".spent; ALTER TABLE "t-c".users ALTER created_at DROP DEFAULT, ALTER created_at TYPE bigint USING 1"#,
            "users.created_at is bigint, 4 others timestamptz",
        ),
        (
            r#"ALTER TABLE "t-c".users ALTER created_at DROP NOT NULL"#,
            "users.created_at: null is allowed, 4 others refused",
        ),
        (r#"ALTER TABLE "t-c".orders ALTER total SET DEFAULT 1"#, "orders.total: default is 1, 4 others 0"),
        (r#"DROP INDEX "t-c".users_name"#, "index users_name is missing, 4 others with it"),
        (r#"ALTER TYPE "t-c".mood ADD VALUE 'glad'"#, "enum mood: labels is sad,ok,glad, 4 others sad,ok"),
        (
            r#"CREATE OR REPLACE FUNCTION "t-c".touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"#,
            "function touch() has another body than 4 others",
        ),
        (
            r#"ALTER TABLE "t-c".users DISABLE TRIGGER touched"#,
            "trigger users.touched: enabled is no, 4 others yes",
        ),
        (
            r#"ALTER TABLE "t-c".users DISABLE ROW LEVEL SECURITY"#,
            "relation users: row security is off, 4 others on",
        ),
        (
            r#"ALTER POLICY own ON "t-c".users USING (true)"#,
            "policy users.own: using is true, 4 others ((email)::text <> ''::text)",
        ),
        (
            r#"REVOKE INSERT ON "t-c".users FROM app_drift"#,
            "the grants on users: of the role is SELECT, 4 others SELECT,INSERT",
        ),
        (
            r#"ALTER SEQUENCE "t-c".users_id_seq INCREMENT 10"#,
            "sequence users_id_seq: increment is 10, 4 others 1",
        ),
        (
            r#"ALTER TABLE "t-c".events DETACH PARTITION "t-c".events_24"#,
            "relation events_24: partition bound is none",
        ),
        (
            r#"ALTER TABLE "t-c".orders DROP CONSTRAINT positive"#,
            "constraint orders.positive is missing, 4 others with it",
        ),
        (r#"ALTER TABLE "t-c".users ADD COLUMN extra int"#, "users.extra is there, 4 others without it"),
        (r#"DROP TABLE "t-c".events"#, "relation events is missing, 4 others with it"),
        (
            r#"CREATE OR REPLACE VIEW "t-c".spent AS SELECT 1::bigint AS id, 2::numeric AS total"#,
            "view spent: definition is",
        ),
        (
            r#"ALTER TABLE "t-c".orders DROP CONSTRAINT orders_user_id_fkey; ALTER TABLE "t-c".orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES "t-a".users (id)"#,
            r#"REFERENCES "t-a".users(id)"#,
        ),
    ];
    for (statement, said) in drifts {
        server::write(&url, statement).await;
        let (routes, found) = look(&url, &Expected::default()).await;
        let words = words(&routes, &found);
        assert_eq!(words.keys().collect::<Vec<_>>(), ["t-c"], "{statement}");
        assert!(words["t-c"].iter().any(|text| text.contains(said)), "{statement}: {words:#?}");
        server::write(&url, &format!(r#"DROP SCHEMA "t-c" CASCADE; {}"#, tenants(&["t-c"]))).await;
    }
    let (_, equal) = look(&url, &Expected::default()).await;
    assert_eq!(equal.groups.len(), 1);
}

#[tokio::test]
async fn what_is_expected_decides_not_what_most_have() {
    let names = ["t-a", "t-b", "t-c", "t-d"];
    let setup = format!(
        "DO $$ BEGIN CREATE ROLE app_drift; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; {}",
        tenants(&names)
    );
    let cluster = server::shared().await;
    let url = server::database(&cluster, "expected", &setup).await;
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let hash = async || {
        // Without a role: what the lock file has.
        read_hashes(&connection, &["t-a".to_owned()], None).await.unwrap().hashes["t-a"].clone()
    };
    let before = hash().await;
    server::write(
        &url,
        r#"ALTER TABLE "t-a".users ADD COLUMN phone text; ALTER TABLE "t-d".users ADD COLUMN fax text"#,
    )
    .await;
    let expected = Expected { before: vec![before], after: Some(hash().await), major: Some(15) };
    let states = |found: &Survey| found.groups.iter().map(|g| (g.state, g.members.len())).collect::<Vec<_>>();
    let (routes, found) = look(&url, &expected).await;
    assert_eq!(states(&found), [(State::Done, 1), (State::Late, 2), (State::Drifted, 1)]);
    let words = words(&routes, &found);
    assert_eq!(
        words["t-d"],
        ["users.fax is there, 3 others without it", "users.phone is missing, 1 other with it"]
    );
    // Hashes of another version say nothing; the book of a migration runner is no part of a schema.
    let (_, found) = look(&url, &Expected { major: Some(14), ..expected.clone() }).await;
    assert_eq!(states(&found), [(State::Common, 2), (State::Odd, 1), (State::Odd, 1)]);
    server::write(&url, r#"CREATE TABLE "t-a"._sqlx_migrations (version bigint PRIMARY KEY)"#).await;
    // What the role may do makes groups of its own, and is none of what is expected.
    server::write(
        &url,
        r#"REVOKE INSERT ON "t-b".users FROM app_drift; GRANT SELECT (id) ON "t-b".users TO app_drift"#,
    )
    .await;
    let (_, found) = look(&url, &expected).await;
    assert_eq!(states(&found), [(State::Done, 1), (State::Late, 1), (State::Late, 1), (State::Drifted, 1)]);
}

#[tokio::test]
async fn a_schema_that_changes_meanwhile_does_not_fail_the_others() {
    let setup = "CREATE ROLE app_moving; CREATE SCHEMA \"t-still\"; CREATE TABLE \"t-still\".x (y int)";
    let cluster = server::shared().await;
    let url = server::database(&cluster, "moving", setup).await;
    let writer = url.clone();
    let churn = tokio::spawn(async move {
        loop {
            server::write(&writer, "CREATE SCHEMA \"t-m\"; CREATE TABLE \"t-m\".a (b int CHECK (b > 0)); CREATE VIEW \"t-m\".v AS SELECT b FROM \"t-m\".a; DROP SCHEMA \"t-m\" CASCADE").await;
        }
    });
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let schemas = ["t-still".to_owned(), "t-m".to_owned()];
    for _ in 0..60 {
        let read = read_hashes(&connection, &schemas, None).await.unwrap();
        assert!(read.hashes.contains_key("t-still"), "{read:?}");
    }
    churn.abort();
}
