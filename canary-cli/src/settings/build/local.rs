//! The settings of a fleet of processes.

use std::path::Path;

use canary_local::OnStop;

use crate::environment::Environment;
use crate::settings::layers::Layers;
use crate::settings::values::Given as _;
use crate::settings::{Key, LocalSettings};

/// `own` is the service's directory in the directory of the journals.
pub(super) fn build(layers: &Layers, environment: &Environment, own: &Path) -> LocalSettings {
    let path = |key| layers.path(key).map(|path| environment.directory.join(path));
    LocalSettings {
        nodes: layers.places(Key::LocalNodes).unwrap_or_default(),
        listen: layers.loopback(Key::LocalListen).given(),
        first: path(Key::LocalFirst),
        args: layers.arguments(Key::LocalArgs).unwrap_or_default(),
        env: layers.assignments(Key::LocalEnv).unwrap_or_default(),
        env_file: path(Key::LocalEnvFile),
        dir: path(Key::LocalDir).unwrap_or_else(|| own.join("nodes")),
        socket: path(Key::LocalSocket).unwrap_or_else(|| own.join("control.sock")),
        check_interval: layers.time(Key::LocalCheckInterval).given(),
        stop_timeout: layers.time(Key::LocalStopTimeout).given(),
        close_timeout: layers.time(Key::LocalCloseTimeout).given(),
        on_stop: match layers.text(Key::LocalOnStop).given().as_str() {
            "keep" => OnStop::Keep,
            _ => OnStop::End,
        },
    }
}
