//! Tenants in several databases of one server.

use canary_core::time::Timestamp;
use canary_core::traits::CheckStage;
use canary_postgres::checks::check_all;
use canary_postgres::routing::Routing;

use crate::checks::config;
use crate::{server, service};

#[tokio::test]
async fn shards_of_several_servers_are_held_against_each_other() {
    let (one, other) = (server::shared().await, server::own(40).await);
    let first = server::database(&one, "servers", &service::tenants(1)).await;
    let second = service::tenants(1) + "ALTER TABLE t_1.orders ALTER user_id SET NOT NULL";
    let second = server::database(&other, "servers", &second).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("eu-url"), other.url("servers")).unwrap();
    let table = directory.path().join("routes.yaml");
    let shards = "shards:\n  - {name: us, schema: t_1}\n  - {name: eu, schema: t_1, url_file: eu-url}\n";
    std::fs::write(&table, shards).unwrap();
    let mut config = config(&first);
    config.routing = Routing::File(table.clone());
    let told = async || {
        let report = check_all(&config, CheckStage::Before, Timestamp::from_millis(1)).await;
        report.findings.iter().map(|finding| format!("{:?} {finding}", finding.gravity)).collect::<Vec<_>>()
    };
    assert_eq!(told().await, ["Refuse eu: orders.user_id: null is refused, 1 other allowed"]);
    server::write(&second, "ALTER TABLE t_1.orders ALTER user_id DROP NOT NULL").await;
    assert_eq!(told().await, [""; 0]);

    std::fs::write(directory.path().join("eu-url"), "postgres://app:hunter2@db:no-port/servers").unwrap();
    let wrong = told().await;
    assert!(
        wrong[0].starts_with("Undecided routing: the routing table ") && wrong[0].contains("eu-url"),
        "{wrong:?}"
    );
    assert!(!wrong[0].contains("hunter2"), "{wrong:?}");
}

#[tokio::test]
async fn shards_of_several_databases_are_held_against_each_other() {
    let cluster = server::shared().await;
    let first = server::database(&cluster, "several_eu", &service::tenants(2)).await;
    server::database(&cluster, "several_us", &service::tenants(1)).await;
    let drifted = service::tenants(1) + "ALTER TABLE t_1.orders ADD COLUMN paid boolean";
    server::database(&cluster, "several_ap", &drifted).await;
    let directory = tempfile::tempdir().unwrap();
    let table = directory.path().join("routes.yaml");
    // The same schema's name in each of them: only a shard's own name tells them apart.
    let shard = |name: &str, database: &str, schema: &str| {
        format!("  - {{name: {name}, database: {database}, schema: {schema}, tenants: [of-{name}]}}\n")
    };
    let rows = [("eu-1", "several_eu", "t_1"), ("eu-2", "several_eu", "t_2"), ("us", "several_us", "t_1")];
    let rows = rows.map(|(name, database, schema)| shard(name, database, schema)).concat();
    let with = |more: &str| std::fs::write(&table, format!("shards:\n{rows}{more}")).unwrap();
    let mut config = config(&first);
    config.routing = Routing::File(table.clone());
    let told = async || {
        let report = check_all(&config, CheckStage::Before, Timestamp::from_millis(1)).await;
        let told = report.findings.iter().map(|finding| format!("{:?} {finding}", finding.gravity));
        (report.steps[1].details.clone(), told.collect::<Vec<_>>())
    };
    with("");
    assert_eq!(told().await, ("3 tenant shards in 2 databases, 1 distinct schema".to_owned(), Vec::new()));

    with(&shard("ap", "several_ap", "t_1"));
    let (details, findings) = told().await;
    assert!(
        details.starts_with("4 tenant shards in 3 databases, 2 distinct schemas, schema hash mismatch on ap")
    );
    assert_eq!(findings, ["Refuse ap: orders.paid is there, 3 others without it"]);

    // A database that is away leaves its own shards undecided; the others are read all the same.
    with(&(shard("ap", "several_ap", "t_1") + &shard("gone", "several_gone", "t_1")));
    let (_, findings) = told().await;
    assert!(
        findings.contains(&"Refuse ap: orders.paid is there, 3 others without it".to_owned()),
        "{findings:#?}"
    );
    assert!(
        findings
            .iter()
            .any(|text| text.starts_with("Undecided database several_gone: ") && text.contains("3D000")),
        "{findings:#?}"
    );
}
