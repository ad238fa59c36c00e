//! The scripts that run inside instances: constants, whose only variable parts are positional parameters.

/// A POSIX shell script, run as `sh -c TEXT canary ARGUMENTS…`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script(pub(crate) &'static str);

/// Wraps every command: a deadline inside the instance, and the exit status on the last line of the output.
pub(crate) const RUN: Script = Script(include_str!("scripts/run.sh"));

/// What lies at some paths.
pub(crate) const FACTS: Script = Script(include_str!("scripts/facts.sh"));

/// The first half of an installation: clears leftovers, says what is there.
pub(crate) const PREPARE: Script = Script(include_str!("scripts/prepare.sh"));

/// The second half: verifies and renames.
pub(crate) const COMMIT: Script = Script(include_str!("scripts/commit.sh"));

/// The unit's state.
pub(crate) const SERVICE: Script = Script(include_str!("scripts/service.sh"));

/// Restarts the unit and reads its state, in one run.
pub(crate) const RESTART: Script =
    Script(concat!(include_str!("scripts/restart.sh"), include_str!("scripts/service.sh")));

/// The unit's last journal lines.
pub(crate) const LOGS: Script = Script(include_str!("scripts/logs.sh"));

/// One health check with the first HTTP tool there is.
pub(crate) const CHECK: Script = Script(include_str!("scripts/check.sh"));

/// The exit status of [`CHECK`] where there is no tool.
pub(crate) const NO_TOOL: i32 = 42;
