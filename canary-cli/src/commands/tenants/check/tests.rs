//! Whole rounds by the command, against a real Prometheus with samples of the test's own.

use std::fmt::Write as _;

use canary_testkit::StoredPrometheus;

use crate::testing::World;

/// 2026-01-01, 12:00.
const AT: u64 = 1_767_268_800;
const INSTANT: &str = "2026-01-01T12:00:00Z";
const STEP: u64 = 30;

/// Counters of tenants over an hour and five minutes: `bad` of 1,000 requests fail within the last `recent` steps.
fn samples(tenants: &[(&str, u64)]) -> String {
    let mut text = String::new();
    for (tenant, bad) in tenants {
        let mut write = |name: &str, value: &dyn Fn(u64) -> u64| {
            for step in 0..=130 {
                let at = AT - (130 - step) * STEP;
                writeln!(text, "{name}{{tenant=\"{tenant}\",version=\"v2.14.3\"}} {} {at}", value(step))
                    .unwrap();
            }
        };
        write("http_requests_total", &|step| step * 1000);
        // It began two minutes ago: an hour's budget hardly shows it.
        write("http_errors_total", &|step| step + step.saturating_sub(126) * bad);
    }
    text.push_str("# EOF\n");
    text
}

fn policy(url: &str) -> String {
    format!(
        "version: sla/v1\nsources: [{{name: eu-1, kind: prometheus, url: \"{url}\"}}]\nobjectives:\n\
         \x20 error_rate: {{kind: ratio, bad: 'http_errors_total{{version=\"$canary_version\"}}', total: http_requests_total, limit: \"0.010\"}}\n\
         \x20 availability: {{kind: budget, of: error_rate, target: \"0.99\", max_burn: \"14.4\"}}\n\
         decision: {{veto_tiers: [gold]}}\ntiers: {{gold: {{weight: 5}}}}\ntenants:\n\
         \x20 acme: {{tier: gold, sources: [eu-1]}}\n"
    ) + &(0..186).map(|i| format!("  t{i:03}: {{sources: [eu-1]}}\n")).collect::<String>()
}

fn world(url: &str) -> World {
    with(&policy(url))
}

/// A world with this policy, whose state is its own.
fn with(policy: &str) -> World {
    let world = World::new();
    std::fs::write(world.directory.path().join("sla.yaml"), policy).unwrap();
    let state = world.directory.path().join("state").display().to_string();
    world.variable("CANARY_STATE_DIR", state)
}

fn fleet(acme: u64) -> String {
    let names: Vec<String> = (0..186).map(|i| format!("t{i:03}")).collect();
    let mut all = vec![("acme", acme)];
    all.extend(names.iter().map(|name| (name.as_str(), 0)));
    samples(&all)
}

const CHECK: &[&str] =
    &["tenants", "check", "--canary-version", "v2.14.3", "--rollout-percentage", "10", "--at", INSTANT];

/// Times, names of executions, ports, and hashes.
fn stable(text: &str, url: &str) -> String {
    let text = text.replace(url, "[URL]");
    let mut stable = String::new();
    for word in text.split_inclusive([' ', '\n', ',', '}', '"']) {
        let bare = word.trim_end_matches([' ', '\n', ',', '}', '"']);
        let rest = &word[bare.len()..];
        let seconds = bare
            .strip_suffix('s')
            .is_some_and(|number| number.contains('.') && number.parse::<f64>().is_ok());
        let shown = if bare.starts_with("canary-2026-01-01T12:00:00Z-") {
            "[EXECUTION]".to_owned()
        } else if bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            "[SHA256]".to_owned()
        } else if seconds {
            "[TOOK]".to_owned()
        } else if let Some((key, _)) = bare.split_once("duration_ms\":") {
            format!("{key}duration_ms\":[MS]")
        } else {
            bare.to_owned()
        };
        stable.push_str(&shown);
        stable.push_str(rest);
    }
    // `":12` has its number in the next word.
    let mut lines = String::new();
    let mut parts = stable.split("duration_ms\":");
    lines.push_str(parts.next().unwrap_or_default());
    for part in parts {
        lines.push_str("duration_ms\":[MS]");
        lines.push_str(
            part.strip_prefix("[MS]").unwrap_or(part).trim_start_matches(|c: char| c.is_ascii_digit()),
        );
    }
    lines
}

#[test]
fn a_slice_that_fails_halts_and_is_named() {
    let Some(server) = StoredPrometheus::start(&fleet(250)) else { return };
    let world = world(&server.url).arguments(CHECK);
    insta::assert_snapshot!(stable(&world.run(), &server.url));
    let mut json = CHECK.to_vec();
    json.extend(["--output", "json"]);
    insta::assert_snapshot!("as_json", stable(&world.again(&json).run(), &server.url));
}

#[test]
fn a_fleet_that_keeps_its_promises_is_approved() {
    let Some(server) = StoredPrometheus::start(&fleet(0)) else { return };
    insta::assert_snapshot!(stable(&world(&server.url).arguments(CHECK).run(), &server.url));
}

#[test]
fn a_policy_that_cannot_be_asked_is_told_and_decides_nothing() {
    let Some(server) = StoredPrometheus::start(&fleet(0)) else { return };
    let mut world = world(&server.url);
    let mut text = String::new();
    let bad = policy(&server.url)
        .replace("total: http_requests_total", "total: 'http_requests_total{a=~\"(?=x)\"}'");
    for (policy, arguments) in [
        (policy(&server.url), &["tenants", "check"][..]),
        (bad, CHECK),
        (policy(&server.url).replace("limit: \"0.010\"", "limit: 0.010"), CHECK),
        (policy(&server.url).replace("kind: prometheus", "kind: prometheus, bearer_token_file: gone"), CHECK),
    ] {
        std::fs::write(world.directory.path().join("sla.yaml"), policy).unwrap();
        world = world.again(arguments);
        text.push_str(&stable(&world.run(), &server.url));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_second_round_in_a_row_takes_the_release_back() {
    let Some(server) = StoredPrometheus::start(&fleet(250)) else { return };
    let mut world = world(&server.url);
    let mut codes = Vec::new();
    // The same samples once more are the same round; newer ones are the next.
    for at in ["2026-01-01T11:59:15Z", "2026-01-01T11:59:25Z", "2026-01-01T11:59:55Z"] {
        let mut arguments = CHECK.to_vec();
        arguments.truncate(6);
        arguments.extend(["--at", at]);
        world = world.again(&arguments);
        let told = world.run();
        codes.push(told.lines().next().unwrap_or_default().to_owned());
        assert!(told.contains("log_decision_audit_trail") && told.contains("audit hash"), "{told}");
    }
    assert_eq!(codes, ["exit code 22", "exit code 22", "exit code 20"]);
}

#[test]
fn nothing_is_approved_without_a_record_and_a_halt_stands() {
    for (bad, code, says) in [
        (0, "exit code 10", "error: nothing is approved, since it cannot be recorded: "),
        (250, "exit code 22", "not recorded in "),
    ] {
        let Some(server) = StoredPrometheus::start(&fleet(bad)) else { return };
        let world = world(&server.url);
        std::fs::write(world.directory.path().join("file"), "in the way").unwrap();
        let mut arguments = CHECK.to_vec();
        arguments.extend(["--decision-log", "file/decisions.jsonl"]);
        let told = world.arguments(&arguments).run();
        assert!(told.starts_with(code) && told.contains(says), "{told}");
    }
}

#[test]
fn an_outage_of_all_sources_is_a_halt_in_bounded_time() {
    // A listener that nobody accepts from: connections open and nothing comes.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut arguments = CHECK.to_vec();
    arguments.extend(["--deadline", "500ms"]);
    insta::assert_snapshot!(stable(&world(&url).arguments(&arguments).run(), &url));
}

/// Answers 200 to `acme` and 503 to everybody else, for as long as the test runs.
fn endpoint() -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/{{tenant}}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap_or(0);
            let good = head[..read].starts_with(b"GET /acme ");
            let status = if good { "200 OK" } else { "503 Service Unavailable" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    url
}

/// Two tenants that are known by their own endpoints alone.
fn probed(more: &str) -> String {
    format!(
        "version: sla/v1\nsources: [{{name: eu-1, kind: prometheus, url: \"http://127.0.0.1:9\"}}]\nobjectives:\n\
         \x20 up: {{kind: probe, url: \"{}\", tries: 1{more}}}\ntenants: {{acme: , other: }}\n",
        endpoint()
    )
}

/// Digests by name, wherever they stand, and how long a source took.
fn undigested(text: &str) -> String {
    let hex = |part: &str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|part| {
        let bare = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if hex(bare) { part.replace(bare, "[SHA256]") } else { part.to_owned() }
    });
    let text: String = parts.collect();
    let line = |line: &str| match line.split_once(" queries in ") {
        Some((head, _)) => format!("{head} queries in [MS] ms\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn where_tenants_own_endpoints_were_asked_from_is_told_afterwards() {
    // Nobody is among the worst, with a latency that is another every time.
    let world = with(&probed("").replace(", other: ", ""));
    let world = world.arguments(CHECK);
    world.run();
    let world = world.again(&["log", "explain", "--decisions"]);
    insta::assert_snapshot!("explained", undigested(&stable(&world.run(), "127.0.0.1:9")));
    let world = world.again(&["log", "explain", "--decisions", "--output", "json"]);
    let text = world.run();
    assert!(text.contains("\"probes_by\":\"this process\""), "{text}");
    let world = world.again(&["report", "--decisions", "-o", "decision.html"]);
    world.run();
    let page = std::fs::read_to_string(world.directory.path().join("decision.html")).unwrap();
    assert!(page.contains(">Probes by<") && page.contains(">this process<"), "{page}");
}

#[test]
fn tenants_own_endpoints_are_asked_and_decide() {
    let world = with(&probed("")).arguments(CHECK);
    let text = world.run();
    assert!(text.contains("2 probe(s) by this process: 1 healthy, 1 unhealthy, 0 unknown"), "{text}");
    assert!(text.contains("status 503, not 200"), "{text}");
    assert!(text.contains(": unhealthy (limit: "), "{text}");
    // Roots that cannot be read are not replaced by others.
    std::fs::write(world.directory.path().join("sla.yaml"), probed(", ca_file: gone.pem")).unwrap();
    let text = world.again(CHECK).run();
    assert!(text.contains("ca_file of objective up: cannot read") && text.contains("gone.pem"), "{text}");
}
