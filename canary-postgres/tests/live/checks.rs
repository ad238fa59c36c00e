//! All checks together, as the engine and `contract check` ask them.

use std::time::Duration;

use canary_core::time::Timestamp;
use canary_core::traits::{CheckAsk, CheckStage, CheckVerdict, ReleaseCheck as _};
use canary_postgres::checks::{SchemaCheckConfig, SchemaChecks, SchemaReport, Status, check_all};
use canary_postgres::contract::Budgets;
use canary_postgres::live::{Connection, DatabaseUrl, Session};
use canary_postgres::routing::{Routing, SchemaPattern};

use crate::{server, service};

pub(crate) fn config(url: &DatabaseUrl) -> SchemaCheckConfig {
    let routing = Routing::Schemas(SchemaPattern::parse(r"t\_%").unwrap());
    let mut config = SchemaCheckConfig::new(url.clone(), routing);
    config.contract = Some(service::contract());
    config.budgets = Budgets { p99_ms: 10_000, acquire_p99_ms: 10_000, pool_utilisation_percent: 100 };
    (config.requests, config.rate) = (60, 300);
    config
}

async fn look(config: &SchemaCheckConfig) -> SchemaReport {
    check_all(config, CheckStage::Before, Timestamp::from_millis(1_700_000_000_000)).await
}

fn told(report: &SchemaReport) -> Vec<String> {
    report.findings.iter().map(|f| format!("{:?} {f}", f.gravity)).collect()
}

#[tokio::test]
async fn the_drifted_shard_is_named_and_stops_the_release() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "checks", &service::tenants(8)).await;
    let fine = look(&config(&url)).await;
    assert_eq!(told(&fine), [""; 0], "{fine:#?}");
    assert_eq!(fine.recommendation(), "Safe to proceed with the traffic shift.");

    server::write(
        &url,
        "ALTER TABLE t_3.users ALTER created_at DROP DEFAULT, ALTER created_at TYPE bigint USING 1",
    )
    .await;
    let report = look(&config(&url)).await;
    let told = told(&report);
    for said in [
        "Refuse t_3: users.created_at is bigint, 7 others timestamptz",
        "Refuse t_3: src/users.rs:10: User.created_at: expected DateTime<Utc> (from timestamptz), found bigint",
    ] {
        assert!(told.iter().any(|text| text == said), "{told:#?}");
    }
    let statuses: Vec<_> = report.steps.iter().map(|step| step.status).collect();
    use Status::{Failure, Success};
    assert_eq!(statuses, [Success, Failure, Failure, Success, Success], "{report:#?}");

    let log = serde_json::to_value(report.log()).unwrap();
    let keys = |value: &serde_json::Value| {
        value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        keys(&log),
        set(&["workflow_id", "timestamp", "steps", "recommendation", "execution_time_ms"])
    );
    assert_eq!(keys(&log["steps"][0]), set(&["step", "action", "status", "details", "duration_ms"]));
    let actions: Vec<_> =
        log["steps"].as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "parse_rust_service_config",
            "introspect_sql_schema",
            "analyze_contract_definitions",
            "generate_deterministic_validators",
            "validate_canary_endpoint"
        ]
    );
    assert_eq!(
        log["steps"][0]["details"],
        "Detected sqlx::PgPool with 8 connections at most, 5s acquire timeout (src/main.rs:9)"
    );
    assert!(
        log["steps"][1]["details"]
            .as_str()
            .unwrap()
            .starts_with("8 tenant shards in 1 database, 2 distinct schemas, schema hash mismatch on t_3; ")
    );
    assert!(log["steps"][3]["details"].as_str().unwrap().contains("P99 latency baseline: "));
    assert!(log["recommendation"].as_str().unwrap().starts_with("Do not shift traffic: t_3: "), "{log:#}");
    assert_eq!(
        (&log["timestamp"], &log["workflow_id"]),
        (&"2023-11-14T22:13:20.000Z".into(), &"shop_schema_check_20231114T221320000Z".into())
    );
}

#[tokio::test]
async fn the_engine_is_told_to_pass_to_fail_or_that_nobody_knows() {
    let cluster = server::own(40).await;
    cluster.create_database("engine").await.unwrap();
    let url = DatabaseUrl::parse(&cluster.url("engine")).unwrap();
    server::write(&url, &service::tenants(3)).await;
    let ask = |stage| CheckAsk {
        service: "shop".parse().unwrap(),
        canary: "backend-2".parse().unwrap(),
        stage,
        release: None,
        at: Timestamp::from_millis(1),
        limit: Duration::from_secs(60),
    };
    let checks = SchemaChecks::new(config(&url));
    for stage in [CheckStage::Before, CheckStage::Watch] {
        let report = checks.check(&ask(stage)).await.unwrap();
        assert_eq!(report.verdict, CheckVerdict::Pass, "{report:?}");
    }
    // The pools of two releases at once do not fit any more.
    let mut large = config(&url);
    large.instances = 5;
    let report = SchemaChecks::new(large).check(&ask(CheckStage::Watch)).await.unwrap();
    assert_eq!(report.verdict, CheckVerdict::Fail);
    assert!(report.to_string().contains("are 53 connections; the server has 37"), "{report}");
    // Nearly no connection is left: nothing is broken, and nothing is known.
    let mut taken = Vec::new();
    for _ in 0..32 {
        taken.push(Connection::open(&url, &Session::default()).await.unwrap());
    }
    let report = checks.check(&ask(CheckStage::Before)).await.unwrap();
    assert!(
        matches!(&report.verdict, CheckVerdict::Unknown { why } if why.contains("connections are free")),
        "{report:?}"
    );
    drop(taken);
    // The server is gone.
    cluster.stop().await.unwrap();
    let report = checks.check(&ask(CheckStage::Watch)).await.unwrap();
    assert!(matches!(report.verdict, CheckVerdict::Unknown { .. }), "{report:?}");
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_leaves_a_whole_report() {
    let cluster = server::own(40).await;
    cluster.create_database("dies").await.unwrap();
    let url = DatabaseUrl::parse(&cluster.url("dies")).unwrap();
    server::write(&url, &service::tenants(3)).await;
    let mut config = config(&url);
    (config.requests, config.rate) = (2000, 200);
    let running = tokio::spawn(async move { look(&config).await });
    // In the middle of the load, which takes ten seconds.
    let watcher = Connection::open(&url, &Session::default()).await.unwrap();
    loop {
        let rows = watcher
            .query("count", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'canary'", &[])
            .await
            .unwrap();
        if rows[0].get::<_, i64>(0) > 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.stop().await.unwrap();
    let report = running.await.unwrap();
    assert_eq!(report.steps.len(), 5);
    assert!(!told(&report).is_empty(), "{report:#?}");
    assert_ne!(report.recommendation(), "Safe to proceed with the traffic shift.");
}

#[tokio::test]
async fn budgets_that_are_overrun_name_what_is_overrun() {
    let cluster = server::shared().await;
    let url = server::database(&cluster, "budgets", &service::tenants(2)).await;
    let mut config = config(&url);
    config.budgets = Budgets { p99_ms: 0, acquire_p99_ms: 10_000, pool_utilisation_percent: 100 };
    let report = look(&config).await;
    assert!(
        told(&report)[0].starts_with("Refuse latency: p99 is ")
            && told(&report)[0].ends_with("the budget is 0 ms"),
        "{report:#?}"
    );
    // One connection for more than it can do.
    config.budgets = Budgets { p99_ms: 10_000, acquire_p99_ms: 0, pool_utilisation_percent: 0 };
    (config.pool, config.rate) = (Some(1), 2000);
    let report = look(&config).await;
    assert!(
        told(&report).iter().any(|text| text.starts_with("Refuse pool: one caller of a hundred waits")),
        "{report:#?}"
    );
    assert!(told(&report).iter().any(|text| text.contains("in use, the budget is 0%")), "{report:#?}");
    // No time at all: every step says that it was not done.
    config.limit = Duration::ZERO;
    let report = look(&config).await;
    assert!(
        told(&report).iter().any(|text| text.starts_with("Undecided introspect_sql_schema: not done within")),
        "{report:#?}"
    );
}
