//! Whole command lines on a small service.

use crate::testing::World;

const SOURCE: &str = r#"
#[derive(sqlx::FromRow)]
struct User { id: i64, email: Option<String> }
async fn find(pool: &PgPool, table: &str) -> sqlx::Result<User> {
    PgPoolOptions::new().max_connections(32).acquire_timeout(Duration::from_secs(5)).connect("x").await?;
    sqlx::query(&format!("SELECT * FROM {table}")).execute(pool).await?;
    sqlx::query_as::<_, User>("SELECT id, email FROM users WHERE id = $1").bind(1).fetch_one(pool).await
}
"#;

fn service() -> World {
    let world = World::new();
    let directory = world.directory.path();
    std::fs::create_dir(directory.join("src")).unwrap();
    let manifest = "[package]\nname = \"users\"\n[dependencies]\nsqlx = \"0.8\"\n";
    std::fs::write(directory.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(directory.join("src/lib.rs"), SOURCE).unwrap();
    world
}

#[test]
fn a_contract_is_locked_compared_and_made_a_suite() {
    let world = service().arguments(&["contract", "lock", "--p99-ms", "40"]);
    let mut text = world.run();
    let world = world.again(&["contract", "lock", "--locked"]);
    text.push_str(&world.run());
    let moved = SOURCE.replace("id: i64", "id: i32").replace("WHERE id", "WHERE  id");
    std::fs::write(world.directory.path().join("src/lib.rs"), moved).unwrap();
    text.push_str(&world.run());
    let world = world.again(&["contract", "generate"]);
    text.push_str(&world.run());
    let world = world.again(&["contract", "generate", "--locked", "--tenants", "SELECT 'a'"]);
    text.push_str(&world.run());
    let suite = std::fs::read_to_string(world.directory.path().join("tests/sql_contract.rs")).unwrap();
    assert!(suite.contains("Duration::from_millis(40)") && !suite.contains("AssertSqlSafe"));
    insta::assert_snapshot!(text);
}

#[test]
fn budgets_are_kept_and_an_edited_lock_file_is_refused() {
    let world = service().arguments(&["contract", "lock", "--p99-ms", "40"]);
    world.run();
    let world = world.again(&["contract", "lock"]);
    world.run();
    let lock = world.directory.path().join("sql-contract.lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    assert!(text.contains("\"p99_ms\": 40"));
    std::fs::write(&lock, text.replace("\"p99_ms\": 40", "\"p99_ms\": 4000")).unwrap();
    let said: Vec<String> = ["lock", "generate"].iter().map(|command| service_at(&world, command)).collect();
    for said in said {
        assert!(said.starts_with("exit code 10\n") && said.contains("it was edited"), "{said}");
        assert!(said.contains("hint: delete it"), "{said}");
    }
}

fn service_at(world: &World, command: &str) -> String {
    let lock = world.directory.path().join("sql-contract.lock").display().to_string();
    let source = world.directory.path().display().to_string();
    let own =
        if command == "lock" { vec!["--source", &source, "--out", &lock] } else { vec!["--lock", &lock] };
    World::new().arguments(&[vec!["contract", command], own].concat()).run()
}

#[test]
fn what_is_missing_is_said() {
    let mut text = String::new();
    for arguments in [
        &["contract", "lock", "--source", "nowhere"][..],
        &["contract", "lock"],
        &["contract", "lock", "--locked"],
        &["contract", "generate"],
    ] {
        let world = if arguments.len() == 2 { World::new() } else { service() };
        text.push_str(&world.arguments(arguments).run());
    }
    insta::assert_snapshot!(text);
}
