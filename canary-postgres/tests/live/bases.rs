//! Shadow runs that start from the tenants' live schemas, one of each kind.

use canary_core::fleet::Digest;
use canary_core::traits::{GateVerdict, Release};
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::Routing;
use canary_postgres::shadow::Shadow;
use canary_postgres::{
    ContractStore, Convention, Examined, GateConfig, LOCK_FILE, LiveSchemas, MigrationFilesGate, SchemaGate,
};

use crate::contracts::contract;
use crate::repository::{Repository, refused, undecided};
use crate::server;

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());\n";

fn tenant(name: &str, created: &str) -> String {
    format!(
        "CREATE SCHEMA {name}; CREATE TABLE {name}.users (id int PRIMARY KEY, email text NOT NULL, created_at {created});
         GRANT USAGE ON SCHEMA {name} TO app_bases; GRANT ALL ON {name}.users TO app_bases;"
    )
}

fn service() -> Repository {
    let lock = contract("db.rs", &["SELECT id, email FROM users WHERE id = $1"]).to_lock().unwrap();
    Repository::with(&[("migrations/1_users.sql", USERS), (LOCK_FILE, &lock)])
}

fn live(url: &DatabaseUrl) -> LiveSchemas {
    LiveSchemas {
        url: url.clone(),
        session: Session { role: Some("app_bases".to_owned()), ..Session::default() },
        routing: Routing::Query(
            "SELECT shard, database, schema FROM public.routes ORDER BY shard".to_owned(),
        ),
        search_path: vec!["{schema}".to_owned(), "public".to_owned()],
        connections: 4,
        most: LiveSchemas::MOST,
    }
}

async fn examine(repository: &Repository, live: LiveSchemas) -> Examined {
    let config = GateConfig { convention: Some(Convention::Sqlx), ..repository.config() };
    let contracts = ContractStore::at(repository.path().join("state"));
    let shadow = Shadow { role: Some("app_bases".to_owned()), ..Shadow::default() };
    let gate =
        SchemaGate::new(MigrationFilesGate::new(config), contracts).with_shadow(shadow).with_live(live);
    gate.examine(&Release::new("api".parse().unwrap(), Digest::of(b"new"))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_on_the_drifted_schema_alone_is_refused_for_it_alone() {
    let cluster = server::shared().await;
    let (same, drifted) = ("timestamptz NOT NULL DEFAULT now()", "bigint NOT NULL DEFAULT 0");
    let shards = "CREATE TABLE routes (shard text, database text, schema text);
        INSERT INTO routes VALUES ('a', 'bases', 'tenant_a'), ('b', 'bases', 'tenant_b'), ('c', 'bases', 'tenant_c'),
                                  ('d', 'bases_2', 'tenant_d'); GRANT SELECT ON routes TO app_bases;";
    let setup = ["tenant_a", "tenant_b"].map(|name| tenant(name, same)).concat();
    let setup = format!("CREATE ROLE app_bases; {setup}{}{shards}", tenant("tenant_c", drifted));
    let url = server::database(&cluster, "bases", &setup).await;
    // The same tables beside it: one kind of schema is the shared ones', too.
    let other = format!(
        "CREATE TABLE routes (shard text, database text, schema text); GRANT SELECT ON routes TO app_bases; {}",
        tenant("tenant_d", same)
    );
    server::database(&cluster, "bases_2", &other).await;

    let repository = service();
    let dated = "ALTER TABLE users ADD COLUMN seen_at timestamptz;\nUPDATE users SET seen_at = created_at WHERE seen_at IS NULL;\n";
    repository.write("migrations/2_dated.sql", dated);
    let seen = examine(&repository, live(&url)).await;
    assert_eq!(refused(&seen.review), ["migration-fails migrations/2_dated.sql:2"], "{:#?}", seen.review);
    let finding = seen.review.findings.iter().find(|finding| finding.rule == "migration-fails").unwrap();
    assert_eq!(finding.sqlstates, ["42804"]);
    assert!(finding.reason.ends_with("; on 1 of 2 distinct schemas, that of c"), "{}", finding.reason);
    let shards: Vec<_> = seen.shadows.iter().map(|report| report.shards.join(" ")).collect();
    assert_eq!(shards, ["a b d", "c"]);
    assert!(seen.shadows[0].proves() && seen.shadows[0].base == "the schema of a, that of 3 shards");
    let evidence = seen.review.evidence.join("\n");
    assert!(evidence.contains("4 shards in 2 databases, 2 distinct schemas"), "{evidence}");
    assert!(evidence.contains("ACCESS EXCLUSIVE on {schema}.users"), "{evidence}");

    // What breaks everywhere is said once.
    repository.write("migrations/2_dated.sql", "ALTER TABLE users RENAME email TO mail;\n");
    let seen = examine(&repository, live(&url)).await;
    let broken: Vec<_> =
        seen.review.findings.iter().filter(|finding| finding.rule == "query-fails").collect();
    assert!(broken.len() == 1 && !broken[0].reason.contains("distinct"), "{broken:#?}");

    // What is not looked at is in doubt, and so is what has run already.
    repository.write("migrations/2_dated.sql", "CREATE TABLE fresh (id int);\n");
    assert_eq!(examine(&repository, live(&url)).await.review.verdict, GateVerdict::Pass);
    let some = examine(&repository, LiveSchemas { most: 1, ..live(&url) }).await;
    let why = undecided(&some.review);
    assert!(
        why.contains("1 more distinct schemas than the 1 that are tried are not looked at, those of c"),
        "{why}"
    );
    server::write(&url, "CREATE TABLE tenant_c.fresh (id int)").await;
    let again = examine(&repository, live(&url)).await;
    let why = undecided(&again.review);
    assert!(
        why.contains("may have run there") && why.contains("(the schema of c, that of this shard alone)"),
        "{why}"
    );

    // A live server that does not answer is no pass, and nothing was made on the one that does.
    let gone = url.with_database("no_such_database");
    let why = examine(&repository, live(&gone)).await;
    assert!(
        undecided(&why.review).contains("the tenants' schemas cannot be read"),
        "{:?}",
        why.review.verdict
    );
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let text = "SELECT 1 FROM pg_database WHERE datname LIKE 'canary%'";
    assert!(connection.query("look", text, &[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_locked_is_not_taken_for_one_that_was_tried() {
    let cluster = server::shared().await;
    let same = "timestamptz NOT NULL DEFAULT now()";
    // The text of a view cannot be read while its table is locked.
    let of = |name: &str| {
        format!("{}; CREATE VIEW {name}.mails AS SELECT email FROM {name}.users;", tenant(name, same))
    };
    let setup = format!(
        "CREATE ROLE app_bases_locked; CREATE TABLE routes (shard text, database text, schema text);
         INSERT INTO routes VALUES ('a', 'bases_locked', 'tenant_a'), ('b', 'bases_locked', 'tenant_b'); {}{}",
        of("tenant_a"),
        of("tenant_b")
    )
    .replace("app_bases;", "app_bases_locked;");
    let url = server::database(&cluster, "bases_locked", &setup).await;
    let holder = Connection::open(&url, &Session { read_only: false, ..Session::default() }).await.unwrap();
    holder.batch("lock", "BEGIN; LOCK TABLE tenant_b.users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut live = live(&url);
    live.session.role = None;
    live.session.lock_timeout = std::time::Duration::from_millis(200);
    let repository = service();
    repository.write("migrations/2_note.sql", "ALTER TABLE users ADD COLUMN note text;\n");
    let seen = examine(&repository, live).await;
    let why = format!("{:?}", seen.review.verdict);
    assert!(!matches!(seen.review.verdict, GateVerdict::Pass), "{:#?}", seen.review);
    assert!(why.contains("the schema of b cannot be read: users is locked (ACCESS EXCLUSIVE)"), "{why}");
}
