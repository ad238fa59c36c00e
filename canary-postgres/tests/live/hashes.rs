//! Schema hashes from a replay of the migrations, held against schemas that really ran them.

use std::sync::Arc;

use canary_core::time::Timestamp;
use canary_core::traits::CheckStage;
use canary_postgres::checks::check_all;
use canary_postgres::contract::{Contract, SchemaHash};
use canary_postgres::drift::read_hashes;
use canary_postgres::live::{Connection, Session};
use canary_postgres::shadow::{MigratedSchema, Migration, Shadow, ShadowError};
use canary_postgres::{Convention, MigrationFile};

use crate::checks::config;
use crate::{server, service};

const FILES: [(&str, &str); 3] = [
    (
        "1_users.sql",
        "CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL, mood mood, nick text, created_at timestamptz NOT NULL DEFAULT now());",
    ),
    (
        "2_orders.sql",
        "CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users (id), total numeric NOT NULL DEFAULT 0);
         GRANT SELECT ON orders TO app_of_nobody;",
    ),
    ("3_recent.sql", "CREATE VIEW recent AS SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id;"),
];

fn migrations(files: &[(&str, &str)]) -> Vec<Migration> {
    let of = |(name, text): &(&str, &str)| {
        let up = Convention::Sqlx.read(text, None).unwrap();
        let file = MigrationFile { path: name.into(), text: (*text).to_owned(), up };
        Migration::of(name, &file.up)
    };
    files.iter().map(of).collect()
}

async fn replayed(files: &[(&str, &str)], schema: &str) -> Result<MigratedSchema, ShadowError> {
    let search_path = vec!["{schema}".to_owned(), "public".to_owned()];
    Shadow { search_path, ..Shadow::default() }.hashes(&migrations(files), schema).await
}

#[tokio::test]
async fn what_a_replay_hashes_to_is_what_migrated_tenants_have() {
    let seen = replayed(&FILES, "canary_tenant").await.unwrap();
    assert_eq!((seen.major, seen.after.len()), (15, 3));
    assert_eq!(seen.notes, ["the role app_of_nobody is taken to be there: 2_orders.sql names it"]);
    // Neither the run nor the schema's name is part of a hash.
    assert_eq!(replayed(&FILES, "public").await.unwrap().after, seen.after);

    // Shards that ran them all, two, one, and something else; the second with a runner's book and other grants.
    let cluster = server::shared().await;
    let tenant = |n: u32, files: usize| {
        let text: String = FILES[..files].iter().map(|(_, text)| *text).collect();
        format!("CREATE SCHEMA t_{n}; SET search_path = t_{n}; {text}")
    };
    let setup = format!(
        "CREATE ROLE app_of_nobody; {} {} {} {} {}",
        tenant(1, 3),
        tenant(2, 3),
        tenant(3, 2),
        tenant(4, 1),
        tenant(5, 3)
    ) + "CREATE TABLE t_2._sqlx_migrations (version bigint PRIMARY KEY); REVOKE ALL ON t_2.orders FROM app_of_nobody;
         ALTER TABLE t_5.users ALTER created_at DROP DEFAULT, ALTER created_at TYPE bigint USING 1;";
    let url = server::database(&cluster, "replayed", &setup).await;
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let schemas = ["t_1", "t_2", "t_3", "t_4"].map(str::to_owned);
    let live = read_hashes(&connection, &schemas, None).await.unwrap().hashes;
    let live: Vec<_> = schemas.iter().map(|schema| live[schema].clone()).collect();
    let [first, second, last] = seen.after.clone().try_into().unwrap();
    assert_eq!(live, [last.clone(), last, second, first]);

    // Held against by the check as the application's role, whose grants differ.
    let hashes = FILES.iter().zip(seen.after).map(|((name, _), schema)| SchemaHash {
        migration: (*name).to_owned(),
        text: String::new(),
        schema,
    });
    let contract = Contract {
        server_major: Some(15),
        schema_hashes: hashes.collect(),
        ..service::contract().as_ref().clone()
    };
    let mut config = config(&url);
    config.session.role = Some("app_of_nobody".to_owned());
    config.requests = 0;
    let told = async |contract: Contract| {
        let config = canary_postgres::checks::SchemaCheckConfig {
            contract: Some(Arc::new(contract)),
            ..config.clone()
        };
        let report = check_all(&config, CheckStage::Before, Timestamp::from_millis(1)).await;
        let findings = report
            .findings
            .iter()
            .filter(|finding| finding.action == canary_postgres::checks::Action::IntrospectSqlSchema);
        let told = findings.map(|finding| format!("{:?} {finding}", finding.gravity)).collect::<Vec<_>>();
        (report.steps[1].details.clone(), told)
    };
    let (details, findings) = told(contract.clone()).await;
    assert!(details.contains("2 migrated, 2 not yet, schema hash mismatch on t_5"), "{details}");
    for said in [
        "Warn t_3: not migrated yet: the schema is as after 2_orders.sql",
        "Warn t_4: not migrated yet: the schema is as after 1_users.sql",
    ] {
        assert!(findings.iter().any(|text| text == said), "{findings:#?}");
    }
    assert!(
        findings.iter().any(|text| text.starts_with("Refuse t_5: users.created_at is bigint")),
        "{findings:#?}"
    );
    assert!(
        !findings.iter().any(|text| text.contains("t_1") || text.starts_with("Refuse t_3")),
        "{findings:#?}"
    );

    // Hashes of another major version say nothing, and that is said.
    let (_, findings) = told(Contract { server_major: Some(14), ..contract }).await;
    let said = "Warn version: the lock file's schema hashes are of PostgreSQL 14, ";
    assert!(findings.iter().any(|text| text.starts_with(said)), "{findings:#?}");
    assert!(!findings.iter().any(|text| text.contains("not migrated yet")), "{findings:#?}");
}

#[tokio::test]
async fn migrations_that_cannot_be_replayed_are_told() {
    let broken = [FILES[0], ("2_x.sql", "CREATE TABLE x (y int);\nALTER TABLE nothing ADD COLUMN z int;")];
    let error = replayed(&broken, "canary_tenant").await.unwrap_err().to_string();
    assert_eq!(error, "2_x.sql:2: relation \"nothing\" does not exist (42P01)");
    let elsewhere = [("1_x.sql", "CREATE TABLE public.x (y int);")];
    let error = replayed(&elsewhere, "canary_tenant").await.unwrap_err();
    assert!(matches!(error, ShadowError::Empty(_)), "{error}");
}
