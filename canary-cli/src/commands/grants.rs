//! Grants for single refusals of the gate: given on the command line of one call, and kept nowhere.

use canary_core::time::Timestamp;
use canary_core::traits::{GateVerdict, Review};
use canary_postgres::{Allowance, GrantTarget};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::CommandError;
use crate::settings::Settings;

const ALLOW: &str = "allow";
const UNTIL: &str = "until";
const TICKET: &str = "ticket";
const BY: &str = "by";

/// Adds the arguments that give grants.
pub(crate) fn arguments(command: Command) -> Command {
    let given = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).help_heading("Bypass")
    };
    command
        .arg(
            given(
                ALLOW,
                "RULE@PATH#DIGEST",
                "Lets one refusal of the gate pass, named as the refusal prints it; can be repeated",
            )
            .action(ArgAction::Append)
            .requires(UNTIL),
        )
        .arg(given(UNTIL, "TIME", "When the grants end, such as 2026-12-01T12:00:00Z").requires(ALLOW))
        .arg(given(TICKET, "ID", "Where the grants were talked about").requires(ALLOW))
        .arg(given(BY, "NAME", "Who gives the grants [default: the actor]").requires(ALLOW))
}

/// The grants that were given, if any.
///
/// # Errors
/// A usage error: what is wrong with one, or that there is no reason.
pub(crate) fn given(matches: &ArgMatches, settings: &Settings) -> Result<Vec<Allowance>, CommandError> {
    let texts = matches.try_get_many::<String>(ALLOW).ok().flatten().into_iter().flatten();
    let word = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let mut allowances = Vec::new();
    for text in texts {
        let target: GrantTarget = text.parse().map_err(|error: canary_postgres::GrantSyntax| {
            CommandError::usage(format!("--allow: {error}"), "copy it from the refusal")
        })?;
        let reason = settings.reason.clone().ok_or_else(|| {
            CommandError::usage("--allow without a reason", "say why with --reason, for the record")
        })?;
        let until = word(UNTIL).unwrap_or_default();
        let until = Timestamp::try_from(until.clone()).map_err(|error| {
            CommandError::usage(
                format!("--until {until}: {error}"),
                "write a time with its zone, such as 2026-12-01T12:00:00Z",
            )
        })?;
        let actor = word(BY).unwrap_or_else(|| settings.actor.clone());
        allowances.push(Allowance { target, actor, reason, ticket: word(TICKET), until });
    }
    Ok(allowances)
}

/// Whether a review let something pass that it refused.
pub(crate) const fn bypassed(review: &Review) -> bool {
    matches!(review.verdict, GateVerdict::Bypassed { .. })
}
