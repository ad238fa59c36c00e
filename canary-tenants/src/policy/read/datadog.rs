//! Sources that are a Datadog, and what objectives read there.

use std::fmt;

use super::reader::Reader;
use crate::policy::datadog::{DatadogForm, TagSelector};
use crate::policy::file::{KeysFrom, ObjectiveKind, PolicyFile, SourceKind};
use crate::policy::keys;
use crate::policy::tree::{Kind, Node};

/// Refuses keys that hold secrets; their values are not shown.
pub(super) fn no_secrets(reader: &mut Reader, node: &Node<'_>) {
    let Kind::Map(entries) = &node.kind else { return };
    for entry in entries.iter().filter(|entry| keys::SECRETS.contains(&entry.key.as_ref())) {
        let message = format!("`{}` is in the policy, where everybody reads it", entry.key);
        let remedy = "take it out and renew the key; say where it is: keys_from_env: [DD_API_KEY, DD_APP_KEY], or keys_file";
        reader.refuse(entry.at, message, remedy);
    }
}

/// Refuses what only a Datadog has.
pub(super) fn nothing_of_it(reader: &mut Reader, node: &Node<'_>, name: &str) {
    for key in ["site", "keys_from_env", "keys_file"] {
        if let Some(found) = node.get(key) {
            reader.refuse(found.at, format!("{key} of source {name}, which is no datadog"), "leave it out");
        }
    }
}

/// The site of a source.
pub(super) fn site(reader: &mut Reader, node: &Node<'_>, name: &str) -> Option<String> {
    for key in ["url", "bearer_token_file"] {
        if let Some(found) = node.get(key) {
            let message = format!("{key} of source {name}, which is a datadog");
            reader.refuse(found.at, message, "leave it out: it has a `site`, and keys");
        }
    }
    let node = reader.needed(node, "site", format_args!("source {name}, a datadog,"))?;
    let text = reader.text(node, format_args!("site of source {name}"))?.value;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.unwrap_or(&text);
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-') || (rest.is_some() && ":[]".contains(c))
    };
    if host.is_empty() || !host.chars().all(fits) || (rest.is_none() && !host.contains('.')) {
        // Not shown: what is no site may be a key.
        reader.refuse(
            node.at,
            format!("site of source {name} is none"),
            "write the account's: datadoghq.com, datadoghq.eu",
        );
        return None;
    }
    Some(text)
}

/// Where the keys of a source are.
pub(super) fn keys_from(reader: &mut Reader, node: &Node<'_>, name: &str) -> Option<KeysFrom> {
    match (node.get("keys_from_env"), node.get("keys_file")) {
        (Some(from), None) => {
            let names = reader.names(from, format_args!("keys_from_env of source {name}"));
            let named = |text: &str| {
                let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') && text.chars().all(fits)
            };
            let [api, app] = names.as_slice() else {
                let message =
                    format!("keys_from_env of source {name} names {} variables, not two", names.len());
                reader.refuse(from.at, message, "write [DD_API_KEY, DD_APP_KEY]");
                return None;
            };
            for one in [api, app] {
                if !named(&one.value) {
                    // Not shown: it may be the key itself.
                    let message = format!("keys_from_env of source {name} has what is no variable's name");
                    reader.refuse(
                        one.at,
                        message,
                        "name the variables, not the keys: [DD_API_KEY, DD_APP_KEY]",
                    );
                    return None;
                }
            }
            Some(KeysFrom::Env { api: api.value.clone(), app: app.value.clone() })
        }
        (None, Some(file)) => reader
            .text(file, format_args!("keys_file of source {name}"))
            .map(|file| KeysFrom::File(file.value)),
        (both, _) => {
            let has = if both.is_some() {
                "both keys_from_env and keys_file"
            } else {
                "neither keys_from_env nor keys_file"
            };
            reader.refuse(
                node.at,
                format!("source {name} has {has}"),
                "say once where its keys are: keys_from_env: [DD_API_KEY, DD_APP_KEY]",
            );
            None
        }
    }
}

/// What an objective reads at a Datadog.
pub(super) fn form(
    reader: &mut Reader,
    node: &Node<'_>,
    what: fmt::Arguments<'_>,
    kind: &ObjectiveKind,
) -> Option<DatadogForm> {
    let what = format_args!("datadog of {what}");
    match kind {
        ObjectiveKind::Quantile { .. } => {
            reader.table(node, what, keys::DATADOG_QUANTILE);
            let metric = selector(reader, node, "distribution", what);
            let unit = match node.get("unit") {
                None => Some("s".to_owned()),
                Some(unit) => reader.word(unit, format_args!("unit of {what}"), keys::DATADOG_UNITS),
            };
            let unit = match unit?.as_str() {
                "ns" => 1,
                "us" => 1_000,
                "ms" => 1_000_000,
                _ => 1_000_000_000,
            };
            Some(DatadogForm::Distribution { metric: metric?, unit })
        }
        ObjectiveKind::Ratio { .. } => {
            reader.table(node, what, keys::DATADOG_RATIO);
            let good = match (node.get("bad"), node.get("good")) {
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (both, _) => {
                    let has =
                        if both.is_some() { "both `bad` and `good`" } else { "neither `bad` nor `good`" };
                    reader.refuse(node.at, format!("{what} has {has}"), "count one of them beside `total`");
                    return None;
                }
            };
            let part = selector(reader, node, if good { "good" } else { "bad" }, what);
            let total = selector(reader, node, "total", what);
            Some(DatadogForm::Counts { part: part?, good, total: total? })
        }
        ObjectiveKind::Value { .. } => {
            reader.table(node, what, keys::DATADOG_VALUE);
            Some(DatadogForm::Gauge { metric: selector(reader, node, "metric", what)? })
        }
        ObjectiveKind::Budget { .. } | ObjectiveKind::Probe(_) => None,
    }
}

fn selector(
    reader: &mut Reader,
    node: &Node<'_>,
    key: &str,
    what: fmt::Arguments<'_>,
) -> Option<TagSelector> {
    let node = reader.needed(node, key, what)?;
    let text = reader.text(node, format_args!("{key} of {what}"))?.value;
    match text.parse() {
        Ok(selector) => Some(selector),
        Err(why) => {
            let message = format!("{key} of {what} is {}: {why}", node.described());
            reader.refuse(
                node.at,
                message,
                "name a metric, or a metric with tags: http.requests{env:prod,status:5*}",
            );
            None
        }
    }
}

/// Where a source is a Datadog, every objective says what is read there.
pub(super) fn check(reader: &mut Reader, file: &PolicyFile) {
    let source = file.sources.iter().find(|source| matches!(source.kind, SourceKind::Datadog { .. }));
    let Some(source) = source else { return };
    for (name, objective) in &file.objectives {
        if objective.lacks_datadog() {
            let message =
                format!("objective {name} says nothing for source {}, which is a datadog", source.name);
            let remedy = match objective.kind {
                ObjectiveKind::Quantile { .. } => {
                    "add datadog: {distribution: 'http.request.duration{env:prod}'}"
                }
                ObjectiveKind::Ratio { .. } => {
                    "add datadog: {bad: 'http.requests{status:5*}', total: http.requests}"
                }
                _ => "add datadog: {metric: db.pool.in_use}",
            };
            reader.refuse(objective.at, message, remedy);
        }
        let too_fine = matches!(objective.kind, ObjectiveKind::Quantile { q, .. } if q % 100 != 0);
        if too_fine && objective.datadog.is_some() {
            let message = format!("q of objective {name} has more digits than a Datadog's percentiles");
            reader.refuse(objective.at, message, "a percentile has two decimals at most: 0.9999");
        }
    }
}

#[cfg(test)]
mod tests {
    use canary_core::time::Timestamp;

    use crate::policy::{DatadogForm, KeysFrom, SourceKind, read};

    const HEAD: &str = "version: sla/v1\nsources:\n";
    const SOURCE: &str =
        "  - {name: dd, kind: datadog, site: datadoghq.eu, keys_from_env: [DD_API_KEY, DD_APP_KEY]}\n";
    const REST: &str = "objectives:\n  e: {kind: ratio, bad: b, total: t, limit: \"0.01\", datadog: {bad: 'r{status:5*}', total: r}}\ntenants: {a: }\n";

    fn problems(text: &str) -> Vec<String> {
        let error = read(text, "sla.yaml").map(|_| ()).unwrap_err();
        error.problems.iter().map(|one| format!("{} {}", one.at, one.message)).collect()
    }

    #[test]
    fn a_source_an_objective_and_what_decides_by_them() {
        let file = read(&format!("{HEAD}{SOURCE}{REST}"), "sla.yaml").unwrap();
        let env = |api: &str, app: &str| KeysFrom::Env { api: api.to_owned(), app: app.to_owned() };
        assert_eq!(file.sources[0].kind, SourceKind::Datadog { keys: env("DD_API_KEY", "DD_APP_KEY") });
        assert_eq!(file.sources[0].url, "datadoghq.eu");
        let Some(DatadogForm::Counts { part, good: false, total }) = &file.objectives["e"].datadog else {
            panic!("{:?}", file.objectives["e"])
        };
        assert_eq!((part.to_string(), total.to_string()), ("r{status:5*}".to_owned(), "r{*}".to_owned()));
        let of = |text: String| read(&text, "sla.yaml").unwrap().at(Timestamp::from_millis(0));
        let policy = of(format!("{HEAD}{SOURCE}{REST}"));
        // Other counts are another policy; other places of the keys are not.
        let counts = of(format!("{HEAD}{SOURCE}{}", REST.replace("5*", "4*")));
        assert_ne!(policy.digest(), counts.digest());
        let moved = SOURCE.replace("keys_from_env: [DD_API_KEY, DD_APP_KEY]", "keys_file: dd.keys");
        assert_eq!(policy.digest(), of(format!("{HEAD}{moved}{REST}")).digest());
    }

    #[test]
    fn keys_in_the_policy_are_refused_where_they_stand_and_not_shown() {
        let key = "0123456789abcdef0123456789abcdef";
        for (source, place) in [
            (
                format!(
                    "  - {{name: dd, kind: datadog, site: datadoghq.eu, keys_from_env: [DD_API_KEY, {key}]}}\n"
                ),
                "3:79",
            ),
            (
                format!(
                    "  - {{name: dd, kind: datadog, site: datadoghq.eu, keys_file: f, api_key: {key}}}\n"
                ),
                "3:65",
            ),
            (format!("  - {{name: dd, kind: datadog, site: {key}, keys_file: f}}\n"), "3:37"),
            (format!("  - {{name: dd, kind: datadog, site: \"https://{key}@h\", keys_file: f}}\n"), "3:37"),
        ] {
            let told = problems(&format!("{HEAD}{source}{REST}"));
            assert!(told.iter().any(|one| one.starts_with(place)), "{place}: {told:?}");
            assert!(!told.iter().any(|one| one.contains(key)), "{told:?}");
        }
    }

    #[test]
    fn what_lacks_or_does_not_fit_is_named() {
        for (from, to, expected) in [
            (
                ", datadog: {bad: 'r{status:5*}', total: r}",
                "",
                "objective e says nothing for source dd, which is a datadog",
            ),
            ("total: r}", "}", "datadog of objective e has no `total`"),
            (
                "'r{status:5*}'",
                "'sum:r{*}'",
                "bad of datadog of objective e is \"sum:r{*}\": no metric's name",
            ),
            (
                "bad: 'r{status:5*}',",
                "distribution: r,",
                "the key `distribution` of datadog of objective e is not known",
            ),
            ("site: datadoghq.eu, ", "", "source dd, a datadog, has no `site`"),
            (
                ", keys_from_env: [DD_API_KEY, DD_APP_KEY]",
                "",
                "source dd has neither keys_from_env nor keys_file",
            ),
            (
                "[DD_API_KEY, DD_APP_KEY]",
                "[DD_API_KEY]",
                "keys_from_env of source dd names 1 variables, not two",
            ),
            (
                "site: datadoghq.eu",
                "site: datadoghq.eu, url: \"http://h\"",
                "url of source dd, which is a datadog",
            ),
            (
                "kind: datadog, site: datadoghq.eu",
                "kind: prometheus, url: \"http://h\"",
                "keys_from_env of source dd, which is no datadog",
            ),
        ] {
            let text = format!("{HEAD}{SOURCE}{REST}");
            assert!(text.contains(from), "{from}");
            let told = problems(&text.replace(from, to));
            assert!(told.iter().any(|one| one.contains(expected)), "{expected}: {told:?}");
        }
    }
}
