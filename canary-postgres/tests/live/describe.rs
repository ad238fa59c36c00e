//! The contract held against real schemas.

use canary_postgres::contract::{MatchedConstraint, Place};
use canary_postgres::describe::{Described, describe};
use canary_postgres::routing::Routes;

use crate::{server, service};

fn told(routes: &Routes, described: &Described) -> Vec<String> {
    let told = |v: &canary_postgres::describe::Violation| {
        let shards: Vec<_> = v.shards.iter().map(|i| routes.shards[*i].name.as_str()).collect();
        let (m, code) = (&v.mismatch, v.sqlstate.clone().unwrap_or_default());
        format!(
            "{} {:?} {} {}: {} / {} {code}",
            shards.join(","),
            m.gravity,
            m.place,
            m.column.clone().unwrap_or_default(),
            m.expected,
            m.found
        )
    };
    described.violations.iter().map(told).collect()
}

#[tokio::test]
async fn what_a_shard_breaks_is_named_with_its_line() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "describe", &service::tenants(6)).await;
    let routes = service::routes(&url).await;
    let contract = service::contract();
    let fine = describe(&routes, &contract, &service::how(), None).await;
    assert_eq!((fine.shards, fine.statements, told(&routes, &fine)), (6, 24, vec![]), "{:?}", fine.failed);

    server::write(
        &url,
        "ALTER TABLE t_3.users ALTER created_at DROP DEFAULT, ALTER created_at TYPE bigint USING 1;
         ALTER TABLE t_2.users ALTER email DROP NOT NULL; ALTER TABLE t_5.users ALTER email DROP NOT NULL;
         ALTER TABLE t_4.users RENAME nick TO nickname;
         ALTER TYPE t_6.mood ADD VALUE 'glad';
         DROP TABLE t_1.orders; CREATE TABLE public.orders (id bigint, total numeric)",
    )
    .await;
    let broken = describe(&routes, &contract, &service::how(), None).await;
    assert_eq!(
        told(&routes, &broken),
        [
            "t_4 Refuse src/users.rs:10 : a query that can be prepared / column \"nick\" does not exist 42703",
            "t_3 Refuse src/users.rs:10 User.created_at: DateTime<Utc> (from timestamptz) / bigint ",
            "t_2,t_5 Refuse src/users.rs:10 User.email: String, never NULL / text that may be NULL ",
            "t_6 Warn src/users.rs:10 User.mood: Option<Mood> / enum mood with glad, which cannot be decoded once written ",
        ]
    );
    // A tenant that goes away in the middle of it.
    server::write(&url, "DROP SCHEMA t_5 CASCADE").await;
    let gone = describe(&routes, &contract, &service::how(), None).await;
    let gone = told(&routes, &gone);
    assert!(
        gone.iter()
            .any(|text| text.starts_with("t_5") && text.ends_with("relation \"users\" does not exist 42P01")),
        "{gone:#?}"
    );
}

#[tokio::test]
async fn a_query_that_reads_another_schema_than_its_own_is_found() {
    let cluster = server::shared().await;
    let setup = format!(
        "{}; CREATE TABLE public.users AS SELECT * FROM t_1.users; ALTER TABLE public.users ALTER id SET NOT NULL, ALTER email SET NOT NULL, ALTER created_at SET NOT NULL",
        service::tenants(3)
    );
    let url = server::database(&cluster, "leak", &setup).await;
    let routes = service::routes(&url).await;
    server::write(&url, "DROP TABLE t_2.users CASCADE").await;
    let leaked = describe(&routes, &service::contract(), &service::how(), None).await;
    let told = told(&routes, &leaked);
    assert!(
        told.iter()
            .any(|text| text
                == "t_2 Refuse src/users.rs:10 : users of the tenant's own schema / public.users "),
        "{told:#?}"
    );
}

#[tokio::test]
async fn constraints_that_errors_are_known_by_must_be_on_every_shard() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "constraints", &service::tenants(4)).await;
    let routes = service::routes(&url).await;
    let mut contract = (*service::contract()).clone();
    contract.constraints = ["orders_user_id_fkey", "users_email_key"]
        .into_iter()
        .zip([7, 9])
        .map(|(name, line)| MatchedConstraint {
            name: name.to_owned(),
            place: Place { file: "src/errors.rs".to_owned(), line },
        })
        .collect();
    let contract = std::sync::Arc::new(contract);
    // A constraint, a unique index, and an error that a function makes: the server names each of them alike.
    server::write(
        &url,
        "ALTER TABLE t_1.users ADD CONSTRAINT users_email_key UNIQUE (email); CREATE UNIQUE INDEX users_email_key ON t_2.users (email);
         CREATE INDEX users_email_key ON t_3.users (email);
         CREATE FUNCTION t_4.once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE unique_violation USING CONSTRAINT = 'users_email_key'; END $$;
         ALTER TABLE t_2.orders RENAME CONSTRAINT orders_user_id_fkey TO orders_of_user; ALTER TABLE t_4.orders DROP CONSTRAINT orders_user_id_fkey",
    )
    .await;
    let described = describe(&routes, &contract, &service::how(), None).await;
    assert_eq!(
        told(&routes, &described),
        [
            "t_2,t_4 Refuse src/errors.rs:7 : constraint or unique index orders_user_id_fkey, which errors are known by / none ",
            "t_3 Refuse src/errors.rs:9 : constraint or unique index users_email_key, which errors are known by / none ",
        ],
        "{described:?}"
    );
    // One of the shared schema does for all.
    server::write(&url, "CREATE TABLE public.keys (a int CONSTRAINT users_email_key UNIQUE)").await;
    let described = describe(&routes, &contract, &service::how(), None).await;
    assert_eq!(told(&routes, &described).len(), 1, "{described:?}");
}

#[tokio::test]
async fn a_lock_on_a_table_leaves_the_shard_undecided() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "locked", &service::tenants(2)).await;
    let routes = service::routes(&url).await;
    let session = canary_postgres::live::Session { read_only: false, ..Default::default() };
    let holder = canary_postgres::live::Connection::open(&url, &session).await.unwrap();
    holder.batch("lock", "BEGIN; LOCK TABLE t_1.users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut how = service::how();
    how.session.lock_timeout = std::time::Duration::from_millis(100);
    let described = describe(&routes, &service::contract(), &how, None).await;
    assert_eq!((described.shards, described.violations.len()), (1, 0));
    let (shard, failure) = &described.failed[0];
    assert_eq!((*shard, failure.sqlstate()), (0, Some("55P03")), "{failure}");
}
