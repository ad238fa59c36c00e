//! The program as a value, so that another can add to it.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use crate::backend::{FleetBackend, Registry};
use crate::cli;
use crate::environment::Environment;

/// The command line with the kinds of fleets that it knows.
///
/// ```no_run
/// use canary_cli::backend::{Connected, FleetBackend};
/// use canary_cli::{error::CommandError, settings::Settings};
///
/// #[derive(Debug)]
/// struct Mine;
///
/// #[async_trait::async_trait]
/// impl FleetBackend for Mine {
///     fn name(&self) -> &'static str {
///         "mine"
///     }
///
///     async fn connect(&self, settings: &Settings) -> Result<Connected, CommandError> {
/// #       fn set_up(_: &Settings, _: &std::collections::BTreeMap<String, String>) -> Result<Connected, CommandError> {
/// #           Err(CommandError::usage("this example has no fleet", ""))
/// #       }
///         // What stands under [backend.mine] in the file, as any type that serde can read.
///         let own = settings.own.read()?;
///         set_up(settings, &own)
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     canary_cli::Cli::new().with_backend(Mine).main()
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cli {
    registry: Registry,
}

impl Cli {
    /// The program as canary ships it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of fleet; one of the same name is replaced.
    #[must_use]
    pub fn with_backend(mut self, backend: impl FleetBackend) -> Self {
        self.registry.add(Arc::new(backend));
        self
    }

    /// Runs one command and tells what stopped it; the result is the exit code.
    pub fn run(
        &self,
        arguments: Vec<OsString>,
        environment: &Environment,
        out: impl Write + Send + 'static,
        err: &mut dyn Write,
    ) -> u8 {
        cli::run(arguments, environment, &self.registry, out, err)
    }

    /// Runs one command with the process' own arguments, surroundings and output.
    #[must_use]
    pub fn main(self) -> ExitCode {
        cli::main(&self.registry)
    }
}
