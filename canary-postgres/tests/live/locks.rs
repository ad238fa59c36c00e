//! A table that somebody holds locked costs its own tenant's answer and no other's.

use std::time::Duration;

use canary_core::time::Timestamp;
use canary_core::traits::CheckStage;
use canary_postgres::checks::check_all;
use canary_postgres::describe::Gravity;
use canary_postgres::live::{Connection, Session};

use crate::checks::config;
use crate::{server, service};

#[tokio::test]
async fn a_locked_table_leaves_one_tenant_undecided_and_says_who_holds_it() {
    let cluster = server::shared().await;
    // The text of a view cannot be read while a table of it is locked.
    let views: String =
        (1..=4).map(|i| format!("CREATE VIEW t_{i}.names AS SELECT email FROM t_{i}.users;")).collect();
    let url = server::database(&cluster, "held", &(service::tenants(4) + &views)).await;
    server::write(&url, "ALTER TABLE t_4.orders ALTER total TYPE numeric(20, 2)").await;
    let holds =
        Session { read_only: false, application_name: "a migration".to_owned(), ..Session::default() };
    let holder = Connection::open(&url, &holds).await.unwrap();
    holder.batch("lock", "BEGIN; LOCK TABLE t_2.users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let pid = holder.query("ask", "SELECT pg_backend_pid()", &[]).await.unwrap()[0].get::<_, i32>(0);

    let mut config = config(&url);
    config.session.lock_timeout = Duration::from_millis(200);
    let report = check_all(&config, CheckStage::Before, Timestamp::from_millis(1)).await;
    let grave: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.gravity > Gravity::Warn)
        .map(|finding| format!("{:?} {finding}", finding.gravity))
        .collect();
    assert_eq!(
        grave,
        [
            "Refuse t_4: orders.total is numeric(20,2), 2 others numeric".to_owned(),
            format!(
                "Undecided t_2: not read: users is locked (ACCESS EXCLUSIVE) by process {pid} (a migration)"
            ),
        ],
        "{report:#?}"
    );
    // The other three were asked, and under load, too.
    assert!(report.steps[2].details.contains("on 3 shards"), "{report:#?}");
    assert!(report.steps[3].details.contains("P99 latency baseline: "), "{report:#?}");

    holder.batch("let go", "ROLLBACK").await.unwrap();
    let report = check_all(&config, CheckStage::Before, Timestamp::from_millis(1)).await;
    assert!(report.findings.iter().all(|finding| finding.subject != "t_2"), "{report:#?}");
}
