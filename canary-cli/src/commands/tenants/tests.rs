//! Whole command lines on small policies.

use crate::testing::World;

/// A policy whose exceptions end long after anybody reads this.
const POLICY: &str = "\
version: sla/v1
sources:
  - {name: eu-1, kind: prometheus, url: \"http://prom-eu-1:9090\"}
objectives:
  latency_p95:  {kind: quantile, q: \"0.95\", histogram: http_request_duration_seconds, limit: 400ms}
  error_rate:   {kind: ratio, bad: http_errors_total, total: http_requests_total, limit: \"0.010\"}
  availability: {kind: budget, of: error_rate, target: \"0.999\", max_burn: \"14.4\"}
decision: {veto_tiers: [gold]}
hard_limits: {latency_p95: 2s}
tiers:
  gold: {weight: 5, objectives: {latency_p95: 250ms}, gap: {widen: \"0\"}}
tenants:
  acme:   {tier: gold, sources: [eu-1], objectives: {latency_p95: 200ms}}
  slowco: {objectives: {latency_p95: 900ms}, reason: \"legacy import\", ticket: OPS-12, until: 9998-03-31}
  oldco:  {exempt: true, reason: \"contract ended\", until: 9998-12-31}
";

fn world(policy: &str) -> World {
    let world = World::new();
    std::fs::write(world.directory.path().join("sla.yaml"), policy).unwrap();
    world
}

fn all(mut world: World, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for arguments in commands {
        world = world.again(arguments);
        text.push_str(&format!("$ canary-cli {}\n{}\n", arguments.join(" "), world.run()));
    }
    text
}

#[test]
fn a_policy_is_linted_and_explained() {
    let commands: &[&[&str]] = &[
        &["tenants", "lint"],
        &["tenants", "lint", "--output", "json"],
        &["tenants", "explain", "acme"],
        &["tenants", "explain", "slowco"],
        &["tenants", "explain", "oldco", "--output", "json"],
        &["tenants", "explain", "acmee"],
        &["tenants", "lint", "nowhere.yaml"],
    ];
    insta::assert_snapshot!(all(world(POLICY), commands));
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_column() {
    let bad = POLICY
        .replace("9998-03-31", "2020-03-31")
        .replace("limit: 400ms", "limit: 400")
        .replace("decision:", "decison:");
    insta::assert_snapshot!(
        "bad_policy",
        all(world(&bad), &[&["tenants", "lint"], &["tenants", "lint", "--output", "json"]])
    );
    let ended = POLICY.replace("9998", "2020");
    let commands: &[&[&str]] =
        &[&["tenants", "lint"], &["tenants", "explain", "slowco"], &["tenants", "explain", "oldco"]];
    insta::assert_snapshot!("ended_exceptions", all(world(&ended), commands));
}

#[test]
fn policies_are_compared_and_converted() {
    let world = world(POLICY);
    let other = POLICY
        .replace("latency_p95: 250ms}", "latency_p95: 250ms, availability: {target: \"0.9995\"}}")
        .replace("latency_p95: 900ms", "latency_p95: 950ms")
        .replace("  oldco:", "  newco: {}\n  oldco:")
        .replace("\"0.010\"", "\"0.020\"");
    std::fs::write(world.directory.path().join("other.yaml"), other).unwrap();
    let commands: &[&[&str]] = &[
        &["tenants", "diff", "sla.yaml", "sla.yaml"],
        &["tenants", "diff", "sla.yaml", "other.yaml"],
        &["tenants", "diff", "sla.yaml", "other.yaml", "--output", "json"],
    ];
    insta::assert_snapshot!("diff", all(world, commands));
}

#[test]
fn what_is_exported_is_a_policy_again() {
    let world = world(POLICY);
    let directory = world.directory.path().to_owned();
    let world = world.again(&["tenants", "export"]);
    let told = world.run();
    let text = told.split_once("--- out\n").unwrap().1.split_once("--- err").unwrap().0;
    assert!(text.contains("# note: tenant oldco: exempt"), "{text}");
    std::fs::write(directory.join("slo.yaml"), text).unwrap();
    let world = world.again(&["tenants", "import", "slo.yaml"]);
    let told = world.run();
    assert!(told.starts_with("exit code 0\n"), "{told}");
    let text = told.split_once("--- out\n").unwrap().1.split_once("--- err").unwrap().0;
    std::fs::write(directory.join("back.yaml"), text).unwrap();
    let world = world.again(&["tenants", "explain", "acme", "--sla", "back.yaml"]);
    let told = world.run();
    assert!(told.contains("latency_p95") && told.contains("200ms"), "{told}");
    std::fs::write(directory.join("other.yaml"), "a: 1\nb: [\n").unwrap();
    let world = world.again(&["tenants", "import", "slo.yaml", "other.yaml"]);
    let told = world.run();
    assert!(told.contains("error: other.yaml:2:4: this is no YAML"), "{told}");
}

#[test]
fn the_stored_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/sla.schema.json");
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        serde_json::from_str::<serde_json::Value>(&stored).ok() == Some(canary_tenants::policy::schema()),
        "schemas/sla.schema.json is old; run: cargo run -p canary-cli -- schema --of sla > schemas/sla.schema.json"
    );
    let printed = World::new().arguments(&["schema", "--of", "sla"]).run();
    assert!(
        printed.starts_with("exit code 0\n")
            && printed.contains("\"title\": \"Service levels per tenant (sla/v1)\"")
    );
}
