//! The flags of the settings, made from the table.

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::kind::Kind;
use super::origin::Origin;
use super::raw::Gathered;
use super::table::{SETTINGS, Setting};
use crate::error::Problem;

/// Adds a flag for each setting that `shown` keeps; the others are accepted but not listed.
#[must_use]
pub fn add(command: Command, shown: impl Fn(&Setting) -> bool) -> Command {
    SETTINGS.iter().fold(command, |command, setting| command.arg(flag(setting).hide(!shown(setting))))
}

fn flag(setting: &'static Setting) -> Arg {
    let section = setting.section();
    let heading = match section {
        "" => "Record".to_owned(),
        "haproxy" => "HAProxy".to_owned(),
        other => other[..1].to_uppercase() + &other[1..],
    };
    let arg = Arg::new(setting.key)
        .long(setting.flag)
        .help(help(setting))
        .help_heading(heading)
        .value_parser(OsStringValueParser::new())
        .action(ArgAction::Set);
    match setting.kind {
        Kind::Flag => {
            arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        // An argument may begin with a dash.
        Kind::Arguments => arg.value_name("ARGUMENTS").allow_hyphen_values(true),
        Kind::File => arg.value_name("PATH").value_hint(ValueHint::AnyPath),
        kind => arg.value_name(value_name(&kind)),
    }
}

fn value_name(kind: &Kind) -> String {
    match kind {
        Kind::Choice(_) => "CHOICE".to_owned(),
        Kind::Choices(_) => "CHOICES".to_owned(),
        kind => kind.shape().replace(' ', "_"),
    }
}

fn help(setting: &Setting) -> String {
    let mut help = setting.about().to_owned();
    if let Kind::Choice(words) | Kind::Choices(words) = setting.kind {
        help.push_str(&format!(" ({})", words.join(", ")));
    }
    match setting.fallback {
        super::table::Fallback::Computed(how) => help.push_str(&format!(" [default: {how}]")),
        other => {
            if let Some(default) = other.text() {
                help.push_str(&format!(" [default: {default}]"));
            }
        }
    }
    help.push_str(&format!(" [variable: {}]", setting.variable));
    help
}

/// Reads the flags that were given.
pub(super) fn read(matches: &ArgMatches, gathered: &mut Gathered) {
    for setting in SETTINGS {
        let Ok(Some(value)) = matches.try_get_one::<OsString>(setting.key) else { continue };
        let Some(text) = value.to_str() else {
            let message = format!("flag --{}: its value is not UTF-8 text", setting.flag);
            gathered.refuse(setting.id, Problem::new(message, "write plain text"));
            continue;
        };
        gathered.read(setting, text, Origin::Flag(setting.flag));
    }
}
