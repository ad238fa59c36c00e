//! The schema says what the table says.

use serde_json::{Value, json};

use crate::settings::schema::{schema, text};
use crate::settings::{Key, SETTINGS, Setting};
use crate::testing::World;

fn property<'a>(schema: &'a Value, setting: &Setting) -> &'a Value {
    let top = &schema["properties"];
    match setting.section() {
        "" => &top[setting.name()],
        section => &top[section]["properties"][setting.name()],
    }
}

#[test]
fn the_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/canary.schema.json");
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        serde_json::from_str::<Value>(&stored).ok() == Some(schema()),
        "schemas/canary.schema.json is old; run: cargo run -p canary-cli -- schema > schemas/canary.schema.json"
    );
    assert_eq!(serde_json::from_str::<Value>(&text()).unwrap(), schema());
}

#[test]
fn it_knows_every_setting_and_no_other() {
    let schema = schema();
    let mut known = 0;
    for (name, top) in schema["properties"].as_object().unwrap() {
        // What kinds of fleets have of their own is theirs to say.
        let foreign = name == "backend";
        assert!(foreign || top["type"] != "object" || top["additionalProperties"] == false, "{name}");
        known += top["properties"].as_object().map_or(1, serde_json::Map::len);
    }
    // The two more are [[sli]] and [backend.NAME].
    assert_eq!(known, SETTINGS.len() + 2);
    for setting in SETTINGS {
        let about = property(&schema, setting)["description"].as_str().unwrap_or_default();
        assert!(about.starts_with(setting.help.trim()), "{}: {about:?}", setting.key);
    }
}

#[test]
fn every_default_is_what_the_file_would_take() {
    let schema = schema();
    for setting in SETTINGS {
        let Some(default) = property(&schema, setting).get("default") else {
            assert!(setting.fallback.text().is_none(), "{} has a default", setting.key);
            continue;
        };
        // JSON's numbers, texts, lists and booleans are TOML's, too.
        let file = match setting.section() {
            "" => format!("{} = {default}\n", setting.name()),
            section => format!("[{section}]\n{} = {default}\n", setting.name()),
        };
        let settings = World::new().file(&file).read().unwrap_or_else(|error| panic!("{file}: {error}"));
        let plain = World::new().read().unwrap();
        assert_eq!(
            settings.layers.resolved(setting.id).value,
            plain.layers.resolved(setting.id).value,
            "{file}"
        );
    }
}

#[test]
fn kinds_have_their_shapes() {
    let schema = schema();
    let shape = |key: Key| {
        let mut shape = property(&schema, key.setting()).clone();
        shape.as_object_mut().unwrap().remove("description");
        format!("{}: {shape}", key.setting().key)
    };
    let keys = [
        Key::Peers,
        Key::RollBackPeers,
        Key::DrainTimeout,
        Key::DrainOnTimeout,
        Key::Window,
        Key::P95Threshold,
        Key::ErrorThreshold,
        Key::Alpha,
        Key::Judge,
        Key::HoldBudgets,
        Key::HealthPort,
        Key::PrometheusUrl,
        Key::StateDir,
    ];
    insta::assert_snapshot!(keys.map(shape).join("\n"));
    assert_eq!(schema["properties"]["sli"]["items"]["required"], json!(["name"]));
}
