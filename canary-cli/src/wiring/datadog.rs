//! From settings to the indicators of a Datadog.

use canary_datadog::{DatadogSlis, DatadogSlisConfig, Keys, Site};

use super::{secret_file, unusable};
use crate::error::CommandError;
use crate::settings::{DatadogSettings, Key, Settings};

/// The source of a watch's indicators.
///
/// # Errors
/// A site, a metric or a key that cannot be used; shows no key.
pub(super) fn slis(settings: &Settings, named: &DatadogSettings) -> Result<DatadogSlis, CommandError> {
    let site = Site::parse(&named.site).map_err(|error| unusable(settings, Key::DatadogSite, &error))?;
    let mut config = DatadogSlisConfig::new(site, keys(settings, named)?);
    config.node_tag.clone_from(&named.node_tag);
    for (name, key, text) in &named.metrics {
        let selector = text.parse().map_err(|error| unusable(settings, *key, &error))?;
        config.metrics.insert(name.to_string(), selector);
    }
    config.latency_unit = match named.latency_unit.as_str() {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        _ => 1.0,
    };
    DatadogSlis::new(config).map_err(|error| unusable(settings, Key::DatadogKeyFile, &error))
}

fn keys(settings: &Settings, named: &DatadogSettings) -> Result<Keys, CommandError> {
    let unusable = |error| unusable(settings, Key::DatadogKeyFile, &error);
    if let Some(path) = &named.key_file {
        return Keys::parse(&secret_file(settings, Key::DatadogKeyFile, path)?).map_err(unusable);
    }
    let variable = |name: &str| {
        named.variables.text(name).ok_or_else(|| {
            CommandError::usage(
                format!("watch.source is datadog, and neither datadog.key_file nor {name} is set"),
                "set DD_API_KEY and DD_APP_KEY, or name a file that has both lines",
            )
        })
    };
    Keys::new(variable("DD_API_KEY")?, Some(variable("DD_APP_KEY")?)).map_err(unusable)
}
