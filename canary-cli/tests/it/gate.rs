//! `gate` by the real program, on a repository of its own: what people read, what programs read, and grants.

#![expect(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::process::Output;

use crate::site::service::{Service, printed};
use serde_json::Value;

const NEW: &str = "-- gate: allow drop-column, nobody reads it\nSET lock_timeout = '2s';\nALTER TABLE users\n\tDROP COLUMN \"émail表\",\n\tADD COLUMN nick text;\nCREATE INDEX users_nick\n  ON users (nick);\n";

/// A repository with one migration that runs and one that is new.
struct Gate(Service);

impl Gate {
    fn new(text: &str) -> Self {
        let old = ("migrations/1_users.sql", "CREATE TABLE users (id int, \"émail表\" text);\n");
        let service = Service::with(old, ("migrations/2_nick.sql", text));
        service.git(&["commit", "-q", "--allow-empty", "-m", "more"]);
        Self(service)
    }

    fn gate(&self, arguments: &[&str]) -> Output {
        self.0.command(arguments).output().unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        told(&self.gate(arguments))
    }

    /// The target that a refusal of this rule prints.
    fn target(&self, rule: &str) -> String {
        let said = self.said(&[]);
        let line = said.lines().find(|line| line.contains(&format!("--allow '{rule}@"))).unwrap();
        line.split('\'').nth(1).unwrap().to_owned()
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.0.path().join("state/api_pool/journal.jsonl")).unwrap_or_default()
    }
}

fn told(output: &Output) -> String {
    format!("{:?}\n{}", output.status.code().unwrap(), printed(output))
}

const UNTIL: [&str; 4] = ["--until", "2999-01-01T00:00:00Z", "--reason", "nobody reads it"];

#[test]
fn people_see_the_clause_what_breaks_and_the_way_that_does_not() {
    insta::assert_snapshot!(Gate::new(NEW).said(&[]));
}

#[test]
fn github_gets_annotations() {
    let service = Gate::new("DROP TABLE users; -- 100%, all: of it\n");
    insta::assert_snapshot!(service.said(&["--output", "github"]));
}

/// An object of SARIF 2.1.0 (its schema, `definitions`): what it must have, what it may have, and what lies in it.
struct Form {
    required: &'static [&'static str],
    allowed: &'static [&'static str],
    inside: &'static [(&'static str, &'static str)],
}

/// The forms of the objects that a log of the gate is made of; none takes properties that are not listed.
fn form(name: &str) -> Form {
    let (required, allowed, inside): (&[_], &[_], &[_]) = match name {
        "log" => (&["version", "runs"], &["$schema"], &[("runs", "run")]),
        "run" => (
            &["tool"],
            &["columnKind", "invocations", "results", "properties"],
            &[("tool", "tool"), ("invocations", "invocation"), ("results", "result")],
        ),
        "tool" => (&["driver"], &[], &[("driver", "toolComponent")]),
        "toolComponent" => {
            (&["name"], &["version", "semanticVersion", "rules"], &[("rules", "reportingDescriptor")])
        }
        "reportingDescriptor" => (
            &["id"],
            &["shortDescription", "help", "properties"],
            &[("shortDescription", "message"), ("help", "message")],
        ),
        "message" => (&["text"], &[], &[]),
        "invocation" => (
            &["executionSuccessful"],
            &["toolExecutionNotifications"],
            &[("toolExecutionNotifications", "notification")],
        ),
        "notification" => (&["message"], &["level"], &[("message", "message")]),
        "result" => (
            &["message"],
            &["ruleId", "ruleIndex", "level", "locations", "partialFingerprints", "suppressions"],
            &[("message", "message"), ("locations", "location"), ("suppressions", "suppression")],
        ),
        "location" => (&[], &["physicalLocation"], &[("physicalLocation", "physicalLocation")]),
        "physicalLocation" => (
            &["artifactLocation"],
            &["region"],
            &[("artifactLocation", "artifactLocation"), ("region", "region")],
        ),
        "artifactLocation" => (&["uri"], &[], &[]),
        "region" => (&["startLine"], &["startColumn", "endLine", "endColumn"], &[]),
        "suppression" => (&["kind"], &["justification"], &[]),
        other => panic!("no form {other}"),
    };
    Form { required, allowed, inside }
}

/// Holds an object, and everything in it, against its form.
fn check_form(name: &str, value: &Value) {
    let object = value.as_object().unwrap_or_else(|| panic!("{name} is no object: {value}"));
    let Form { required, allowed, inside } = form(name);
    for property in required {
        assert!(object.contains_key(*property), "{name} has no {property}: {value}");
    }
    for property in object.keys() {
        assert!(
            required.contains(&property.as_str()) || allowed.contains(&property.as_str()),
            "{name} takes no {property}"
        );
    }
    for (property, form) in inside {
        match object.get(*property) {
            Some(Value::Array(items)) => items.iter().for_each(|item| check_form(form, item)),
            Some(one) => check_form(form, one),
            None => {}
        }
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    for (property, words) in [
        ("level", &["none", "note", "warning", "error"][..]),
        ("columnKind", &["utf16CodeUnits", "unicodeCodePoints"]),
        ("kind", &["inSource", "external"]),
    ] {
        if let Some(value) = object.get(property) {
            assert!(words.contains(&value.as_str().unwrap()), "{name}.{property} is {value}");
        }
    }
    if let Some(prints) = object.get("partialFingerprints") {
        assert!(prints.as_object().unwrap().values().all(Value::is_string), "{prints}");
    }
    if let Some(uri) = object.get("uri").and_then(text) {
        assert!(!uri.is_empty() && uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
    }
}

/// What SARIF 2.1.0 requires of a log: the forms of its objects; rules that are found by their index; regions of lines from 1 that
/// do not end before they begin.
fn check_sarif(log: &Value) -> &Vec<Value> {
    check_form("log", log);
    assert_eq!(
        (&log["version"], &log["$schema"]),
        (&"2.1.0".into(), &"https://json.schemastore.org/sarif-2.1.0.json".into())
    );
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let rules = runs[0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(runs[0]["invocations"][0]["executionSuccessful"].is_boolean());
    let results = runs[0]["results"].as_array().unwrap();
    for result in results {
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let Some(region) = result["locations"][0]["physicalLocation"]["region"].as_object() else { continue };
        let number = |name: &str| region.get(name).map_or(1, |value| value.as_u64().unwrap());
        assert!(number("startLine") >= 1 && number("startColumn") >= 1);
        let end = region.get("endLine").map_or_else(|| number("startLine"), |v| v.as_u64().unwrap());
        let end = (end, number("endColumn"));
        assert!(!region.contains_key("endColumn") || end > (number("startLine"), number("startColumn")));
    }
    results
}

#[test]
fn code_scanning_gets_a_sarif_log() {
    let service = Gate::new(NEW);
    let log = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&service.gate(&[&["--output", "sarif"], arguments].concat()).stdout).unwrap()
    };
    let refused = log(&[]);
    let results = check_sarif(&refused);
    let drop = results.iter().find(|result| result["ruleId"] == "drop-column").unwrap();
    let region = &drop["locations"][0]["physicalLocation"]["region"];
    let places =
        ["startLine", "startColumn", "endLine", "endColumn"].map(|name| region[name].as_u64().unwrap());
    assert_eq!(places, [4, 2, 4, 22]);
    assert!(drop.get("suppressions").is_none());

    let target = service.target("drop-column");
    let index = service.target("index-not-concurrent");
    let bypassed = log(&[&["--allow", &target, "--allow", &index], &UNTIL[..]].concat());
    let waved = |result: &&Value| result["suppressions"][0]["kind"] == "external";
    assert_eq!(check_sarif(&bypassed).iter().filter(waved).count(), 2);

    service.0.write("migrations/3_gone.sql", "DROP TABEL users;\n\u{feff}DROP TABLE \u{1}x;\n");
    std::fs::remove_file(service.0.path().join("migrations/1_users.sql")).unwrap();
    assert!(check_sarif(&log(&[])).len() > results.len());
    let unknown = service.gate(&["--output", "sarif", "--migrations-base", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(2), "a base twice is a mistake: {}", told(&unknown));
    service.0.git(&["tag", "-d", "v1"]);
    let undecided = log(&[]);
    check_sarif(&undecided);
    let said = &undecided["runs"][0]["invocations"][0]["toolExecutionNotifications"][0];
    assert!(said["message"]["text"].as_str().unwrap().contains("the base v1 is unknown here"), "{said}");
}

#[test]
fn a_grant_lets_one_rule_in_one_file_pass_and_is_on_record_before_it_does() {
    let service = Gate::new("SET lock_timeout = '2s';\nDROP TABLE users;\n");
    let target = service.target("drop-table");
    assert_eq!(service.journal(), "");
    let grant = [&["--allow", &target, "--ticket", "OPS-7", "--by", "grace"], &UNTIL[..]].concat();
    let said = service.said(&grant);
    assert!(
        said.starts_with("0\n")
            && said.contains("waved through by grace: drop-table: migrations/2_nick.sql:2:12"),
        "{said}"
    );
    let journal = service.journal();
    let record = journal.lines().last().unwrap();
    for words in ["gate_reviewed", "OPS-7", "grace", "nobody reads it", "2999-01-01", "waved_through"] {
        assert!(record.contains(words), "{words} in {record}");
    }

    service.0.write("migrations/2_nick.sql", "SET lock_timeout = '2s';\nDROP TABLE users; \n");
    let edited = service.said(&grant);
    assert!(edited.starts_with("10\n") && edited.contains("grant-unusable"), "{edited}");
    assert_eq!(service.journal(), journal, "what is refused is not on record here");
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let service = Gate::new("DROP TABLE users;\n");
    let target = service.target("drop-table");
    // A file where the journal's directory should be.
    service.0.write("state", "");
    let output = service.gate(&[&["--allow", &target], &UNTIL[..]].concat());
    assert_eq!(output.status.code(), Some(10), "{}", told(&output));
    assert!(output.stdout.is_empty(), "{}", told(&output));
    let forced = service.0.command(&[]).env("FORCE_MIGRATE", "1").output().unwrap();
    assert_eq!(forced.status.code(), Some(10), "{}", told(&forced));
}

#[test]
fn grants_are_given_whole_or_not_at_all() {
    let service = Gate::new("DROP TABLE users;\n");
    let target = service.target("drop-table");
    for (arguments, words) in [
        (vec!["--allow", &target], "--until"),
        (vec!["--allow", &target, "--until", "2999-01-01T00:00:00Z"], "without a reason"),
        (vec!["--allow", &target, "--until", "tomorrow", "--reason", "x"], "--until tomorrow"),
        (
            vec!["--allow", "*@x#000000000000", "--until", "2999-01-01T00:00:00Z", "--reason", "x"],
            "one rule in one file",
        ),
        (
            vec!["--allow", "drop-table", "--until", "2999-01-01T00:00:00Z", "--reason", "x"],
            "RULE@PATH#DIGEST",
        ),
    ] {
        let said = service.said(&arguments);
        assert!(said.starts_with("2\n") && said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn force_says_finding_by_finding_what_it_waves_through() {
    let service = Gate::new(NEW);
    let output = service.0.command(&[]).env("FORCE_MIGRATE", "1").output().unwrap();
    let said = told(&output);
    assert!(said.starts_with("0\n"), "{said}");
    for words in [
        "waved through by ada@ops: drop-column: migrations/2_nick.sql:4:2",
        "waved through by ada@ops: index-not-concurrent:",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(service.journal().lines().last().unwrap().contains("index-not-concurrent"));
}

#[test]
fn what_is_said_is_said_once_and_counted_right() {
    let service = Gate::new("DROP TABEL users;\n");
    let said = service.said(&[]);
    assert!(said.contains("expected command, found DROP (and 2 more errors after it)"), "{said}");
    let why = "whose history holds the commit that is checked out";
    std::fs::remove_file(service.0.path().join("migrations/2_nick.sql")).unwrap();
    service.0.git(&["tag", "-f", "v1"]);
    let nothing = service.said(&[]);
    assert!(nothing.starts_with("0\ngate      nothing new: "), "{nothing}");
    assert_eq!((nothing.matches(why).count(), nothing.lines().count()), (1, 2), "{nothing}");
    service.0.git(&["tag", "-d", "v1"]);
    let undecided = service.said(&[]);
    assert!(undecided.starts_with("22\ngate      undecided\n"), "{undecided}");
    assert_eq!(undecided.matches("the base v1 is unknown here").count(), 1, "{undecided}");
}

#[test]
fn tools_that_see_the_whole_repository_are_told_the_whole_path() {
    let old = ("services/shop/migrations/1_users.sql", "CREATE TABLE users (id int, \"émail表\" text);\n");
    let service = Service::with(old, ("services/shop/migrations/2_nick.sql", NEW));
    let below = service.path().join("services/shop");
    let run = |output: &str| {
        let arguments = ["--convention", "plain", "--output", output];
        told(&service.command(&arguments).current_dir(&below).output().unwrap())
    };
    let github = run("github");
    assert!(github.contains("::error file=services/shop/migrations/2_nick.sql,line=4,"), "{github}");
    assert!(run("sarif").contains(r#""uri":"services/shop/migrations/2_nick.sql""#));
    assert!(run("human").contains("\n  migrations/2_nick.sql:4:2: refused"));
}

#[test]
fn rules_that_only_lock_can_be_warnings() {
    let service = Gate::new("SET lock_timeout = '2s';\nCREATE INDEX i ON users (id);\n");
    assert!(service.said(&[]).starts_with("10\n"));
    let said = service.said(&["--migrations-locks", "warn"]);
    assert!(
        said.starts_with("0\ngate      pass\n") && said.contains("warning: index-not-concurrent"),
        "{said}"
    );
}
