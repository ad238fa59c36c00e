//! Whatever is written: it is understood or refused with words, and what is understood means the same wherever it stands.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use crate::settings::Setting;
use crate::settings::table::SETTINGS;
use crate::testing::World;

fn setting() -> impl Strategy<Value = &'static Setting> {
    select(SETTINGS.iter().collect::<Vec<_>>())
}

/// Values that look like something, and values that do not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-+]?[0-9]{1,20}(\\.[0-9]{1,5})?(ns|ms|s|m|h|d| s)?",
        "[a-z0-9./:=, -]{0,40}",
        "(unix|tcp|instance|http|https):[^ ]{0,30}",
        any::<String>(),
    ]
}

fn example_of(setting: &Setting) -> impl Strategy<Value = String> + use<> {
    prop_oneof![1 => Just(super::good::example(setting)), 2 => value()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_variable_is_understood_or_refused_by_name(
        (setting, text) in setting().prop_flat_map(|setting| (Just(setting), example_of(setting)))
    ) {
        let world = World::new().variable(setting.variable, &text);
        if let Err(error) = world.read() {
            let words = error.to_string();
            // What a value makes impossible may lie in another setting; then that one is named.
            prop_assert!(words.contains(setting.variable) || words.contains(setting.key), "{words}");
        }
    }

    #[test]
    fn any_file_is_read_or_refused_with_words(body in any::<Vec<u8>>()) {
        if let Err(error) = World::new().file(body).read() {
            prop_assert!(error.to_string().contains("canary.toml"), "{error}");
        }
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused_with_words(
        written in prop::collection::vec((setting(), literal()), 1..6)
    ) {
        // The keys outside all sections come first, as TOML wants it.
        let mut sections = BTreeMap::<&str, String>::new();
        for (setting, literal) in written {
            let key = setting.key.rsplit('.').next().unwrap_or(setting.key);
            let lines = sections.entry(setting.section()).or_default();
            lines.push_str(&format!("{key} = {literal}\n"));
        }
        let file: String = sections
            .iter()
            .map(|(section, lines)| if section.is_empty() { lines.clone() } else { format!("[{section}]\n{lines}") })
            .collect();
        if let Err(error) = World::new().file(&file).read() {
            prop_assert!(error.to_string().contains("canary.toml"), "{error}\n{file}");
        }
    }
}

/// A value as TOML writes it; now and then one that is none.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => value().prop_map(|text| format!("{text:?}")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| format!("{number:?}")),
        1 => any::<bool>().prop_map(|flag| flag.to_string()),
        1 => prop::collection::vec(value(), 0..3).prop_map(|all| format!("{all:?}")),
        1 => value(),
    ]
}
