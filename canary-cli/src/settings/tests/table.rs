//! The table itself.

use std::collections::BTreeSet;

use crate::settings::reference::markdown;
use crate::settings::table::{Fallback, SETTINGS};
use crate::testing::World;

#[test]
fn rows_lie_at_their_key_and_names_are_unique() {
    let mut names = BTreeSet::new();
    for (at, setting) in SETTINGS.iter().enumerate() {
        assert_eq!(setting.id as usize, at, "{} lies elsewhere", setting.key);
        for name in [setting.key.to_owned(), setting.variable.to_owned(), format!("--{}", setting.flag)] {
            assert!(names.insert(name.clone()), "{name} is used twice");
        }
        assert!(
            setting.help.ends_with('.') && setting.help.len() < 120,
            "{}: {:?}",
            setting.key,
            setting.help
        );
        assert!(!setting.flag.contains('_') && !setting.key.contains('-'), "{}", setting.key);
    }
}

#[test]
fn every_default_can_be_read() {
    for setting in SETTINGS {
        if let Some(text) = setting.fallback.text() {
            let read = setting.kind.read(&text, true);
            assert!(read.is_ok(), "{}: {text}: {read:?}", setting.key);
        }
    }
}

#[test]
fn every_setting_is_read_as_its_kind() {
    // Building the settings takes each value by the type its kind promises; written values take the same way.
    let settings = World::new().read().unwrap();
    for setting in SETTINGS {
        let unset = settings.layers.resolved(setting.id).value.is_none();
        let may = matches!(setting.fallback, Fallback::Unset | Fallback::Computed(_));
        assert!(!unset || may, "{} has no value", setting.key);
    }
    for (setting, text) in SETTINGS.iter().map(|s| (s, super::good::example(s))) {
        let world = World::new().variable(setting.variable, &text);
        let world = if setting.section() == "incus" { super::good::with_certificates(world) } else { world };
        let world =
            if setting.flag == "builtin-slis" { world } else { world.variable("PROM_NODE_LABEL", "node") };
        let settings = world.read().unwrap_or_else(|error| panic!("{}={text}: {error}", setting.variable));
        let origin = settings.layers.origin(setting.id).to_string();
        assert_eq!(origin, format!("environment variable {}", setting.variable));
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == markdown(),
        "docs/configuration.md is old; run: cargo run -p canary-cli -- configuration > docs/configuration.md"
    );
    for setting in SETTINGS {
        assert!(
            stored.contains(&format!("| `{}` | `--{}` |", setting.variable, setting.flag)),
            "{}",
            setting.key
        );
    }
}
