//! The commands and their arguments.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PathBufValueParser, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::backend::Registry;
use crate::commands::{self, Context, decided, grants, listed, record, replay};
use crate::environment::Environment;
use crate::error::{CommandError, ErrorKind};
use crate::render::{Format, Screen, Terminal, clear_before_panics, line};
use crate::settings::{Setting, Settings, flags, reference, schema};
use crate::telling::Telling;

/// What decides how migrations are read and replayed.
fn replays(setting: &Setting) -> bool {
    let words =
        ["migrations-dir", "migrations-convention", "shadow", "shadow-url-file", "shadow-url-variable"];
    words.contains(&setting.flag) || setting.flag == "database-search-path"
}

/// All commands.
#[must_use]
pub fn command() -> Command {
    let all = |_: &Setting| true;
    let fleet = |s: &Setting| {
        !matches!(s.section(), "migrations" | "watch" | "prometheus" | "datadog" | "metrics" | "database")
    };
    let gate = |s: &Setting| {
        matches!(s.section(), "migrations" | "" | "state")
            || matches!(s.flag, "phase" | "service" | "database-url-file" | "database-url-variable")
    };
    let live = |s: &Setting| matches!(s.section(), "database" | "service");
    let simulated = |s: &Setting| matches!(s.section(), "watch") || matches!(s.flag, "canary" | "peers");
    let served = |s: &Setting| {
        matches!(s.section(), "local" | "state")
            || matches!(s.flag, "backend" | "service" | "pool" | "health-path")
    };
    let flushed = |s: &Setting| {
        matches!(s.section(), "notify" | "state") || matches!(s.flag, "service" | "pool" | "actor")
    };
    let told = |s: &Setting| matches!(s.section(), "notify") || matches!(s.flag, "service" | "pool");
    let judged = |s: &Setting| {
        matches!(s.section(), "state" | "watch")
            || matches!(s.flag, "service" | "pool" | "canary" | "peers" | "decision-log")
    };
    let journal =
        |s: &Setting| matches!(s.section(), "state") || matches!(s.flag, "service" | "pool" | "decision-log");
    Command::new("canary-cli")
        .about("Ships a binary to a fleet, one node at a time, and takes it back when it is bad.")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .after_help(
            "New here: demo. Setting up: init, doctor, plan. Shipping: run, status. When it went wrong: resume, abort, rollback, log, report.",
        )
        .subcommand(grants::arguments(with_settings("run", "Ships the artifact: canary, watch, peers", all)))
        .subcommand(grants::arguments(with_settings(
            "plan",
            "Shows what run would do, and what stands against it",
            all,
        )))
        .subcommand(
            with_settings("resume", "Goes on with an interrupted rollout", fleet)
                .arg(switch("back", "Goes back instead of forward")),
        )
        .subcommand(
            with_settings(
                "rollback",
                "Brings the previous binary back to every node that has another",
                fleet,
            )
            .arg(switch("dry-run", "Shows the plan and changes nothing")),
        )
        .subcommand(with_settings(
            "pause",
            "Lets the rollout in progress begin no further node until it is promoted",
            journal,
        ))
        .subcommand(with_settings(
            "promote",
            "Lets a paused rollout go on, or ends its watch as it stands",
            journal,
        ))
        .subcommand(with_settings("abort", "Takes the rollout in progress back", fleet))
        .subcommand(
            with_settings("status", "Shows the last rollout and what is where", fleet)
                .arg(switch("watch", "Follows the rollout in progress until it ends"))
                .arg(switch("exit-status", "Ends with the rollout's own exit code").requires("watch")),
        )
        .subcommand(
            with_settings("doctor", "Checks everything a rollout needs and changes nothing", all)
                .arg(switch("settings", "Also shows each setting and where it came from")),
        )
        .subcommand(
            grants::arguments(with_settings("gate", "Judges the migrations alone", gate))
                .mut_arg("output", |arg| {
                    arg.value_parser(["human", "plain", "json", "sarif", "github"]).help(
                        "How to write: for people, for logs, as JSON, as a SARIF log, as annotations of GitHub Actions",
                    )
                })
                .mut_arg("migrations.base", |arg| arg.visible_alias("base"))
                .mut_arg("migrations.dir", |arg| arg.visible_alias("dir"))
                .mut_arg("migrations.convention", |arg| arg.visible_alias("convention")),
        )
        .subcommand(commands::contract::command(
            |name, about| with_settings(name, about, |s| s.flag == "revision" || name == "lock" && replays(s)),
            |name, about| with_settings(name, about, live),
        ))
        .subcommand(commands::tenants::command(
            |name, about| with_settings(name, about, |s| name == "probe" && s.section() == "probes"),
            |name, about| with_settings(name, about, |s| s.section() == "probes" || journal(s)),
        ))
        .subcommand(commands::simulate::arguments(with_settings(
            "simulate",
            "Simulates the watch: how soon it would catch a bad release, how often it takes a good one back",
            simulated,
        )))
        .subcommand(
            Command::new("log")
                .about("Reads the journal")
                .subcommand_required(true)
                .subcommand(
                    with_settings(
                        "show",
                        "Shows the records of a rollout, the last one if none is named",
                        journal,
                    )
                    .arg(rollout_argument())
                    .arg(decided::decisions_argument())
                    .arg(switch("all", "Shows every record")),
                )
                .subcommand(decided::list_arguments(with_settings("list", "Lists the rollouts", journal)))
                .subcommand(
                    with_settings(
                        "explain",
                        "Says why a rollout went as it did: the numbers, the bounds, the evidence; the last one if none is named",
                        journal,
                    )
                    .arg(rollout_argument())
                    .arg(decided::decisions_argument()),
                )
                .subcommand(record::verify_arguments(with_settings(
                    "verify",
                    "Checks that the journal is what was written: each line, the chain, the signed head, anchors from elsewhere",
                    journal,
                )))
                .subcommand(
                    with_settings(
                        "anchor",
                        "Prints the last record's number and hash, to be kept where nobody who writes the journal can reach",
                        journal,
                    )
                    .arg(decided::decisions_argument()),
                )
                .subcommand(decided::replay_arguments(replay::arguments(with_settings(
                    "replay",
                    "Decides recorded rollouts once more from their evidence: the same must come out",
                    judged,
                ))))
                .subcommand(record::rotate_arguments(with_settings(
                    "rotate-key",
                    "Has another key sign the journal's head from here on; both keys sign that",
                    journal,
                ))),
        )
        .subcommand(report(journal))
        .subcommand(with_settings(
            "serve",
            "Holds a fleet of processes of this host until it is stopped",
            served,
        ))
        .subcommand(
            Command::new("notify")
                .about("Tries the notifications out, and sends what waits")
                .subcommand_required(true)
                .subcommand(with_settings("test", "Sends each receiver a notification marked as a test", told))
                .subcommand(with_settings("flush", "Sends each receiver what earlier commands could not", flushed)),
        )
        .subcommand(demo())
        .subcommand(init())
        .subcommands(reading())
}

/// The commands that print what there is to know, without any settings.
fn reading() -> [Command; 4] {
    [
        Command::new("configuration").about("Prints every setting with its variable, flag and default"),
        Command::new("schema")
            .about("Prints the JSON Schema of canary.toml, or of another file, for editors")
            .arg(
                Arg::new("of")
                    .long("of")
                    .value_name("FILE")
                    .value_parser(["canary", "sla"])
                    .default_value("canary")
                    .help("Which: canary.toml, or the service levels per tenant"),
            ),
        Command::new("completions").about("Prints the completion script of a shell").arg(
            Arg::new("shell")
                .value_name("SHELL")
                .value_parser(value_parser!(Shell))
                .required(true)
                .help("The shell that reads it"),
        ),
        Command::new("man").about("Prints the manual, or writes a page for each command").arg(
            Arg::new("directory")
                .value_name("DIR")
                .value_parser(PathBufValueParser::new())
                .value_hint(ValueHint::DirPath)
                .help("Where to write the pages; without it they are printed"),
        ),
    ]
}

fn init() -> Command {
    with_settings("init", "Writes a canary.toml for the servers that the balancer has", |_| true)
        .arg(switch("force", "Writes over a file that is there"))
        .arg(to_argument("The file to write; without it, it is printed"))
}

fn report(shown: impl Fn(&Setting) -> bool) -> Command {
    with_settings("report", "Writes one rollout, or one decision by tenants, as a page or a message; the last one if none is named", shown)
        .arg(rollout_argument())
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["html", "md"])
                .default_value("html")
                .help("A self-contained page, or a short Markdown message"),
        )
        .arg(to_argument(
            "The file to write, - for standard output [default: canary-report-ID.html, - for md]",
        ))
        .arg(decided::decisions_argument())
        .arg(switch("force", "Writes over a file that is there"))
}

pub(crate) fn rollout_argument() -> Arg {
    Arg::new("rollout").value_name("ROLLOUT").help("The rollout's id; see log list")
}

fn to_argument(help: &'static str) -> Arg {
    Arg::new("to")
        .short('o')
        .long("to")
        .value_name("PATH")
        .value_parser(PathBufValueParser::new())
        .value_hint(ValueHint::FilePath)
        .help(help)
}

fn demo() -> Command {
    Command::new("demo")
        .about("Shows a good release and a bad one on three processes of this host; needs nothing installed")
        .arg(output_argument())
        .arg(
            Arg::new("fault")
                .long("fault")
                .value_name("FAULT")
                .value_parser(commands::demo::FAULTS)
                .default_value("errors")
                .help("What the second release does wrong"),
        )
        .arg(
            Arg::new("report")
                .long("report")
                .value_name("FILE")
                .num_args(0..=1)
                .value_parser(PathBufValueParser::new())
                .value_hint(ValueHint::FilePath)
                .help(
                    "Writes a page about the last release at the end [default: canary-report-ROLLOUT.html]",
                ),
        )
}

/// What the demo's nodes run: the name of a command that is not for people, so that no list shows it.
const DEMO_SERVICE: &str = "demo-service";

fn demo_service() -> Command {
    let listen = Arg::new("listen").long("listen").value_parser(value_parser!(SocketAddr)).required(true);
    Command::new("canary-cli").subcommand_required(true).subcommand(Command::new(DEMO_SERVICE).arg(listen))
}

fn output_argument() -> Arg {
    Arg::new("output")
        .long("output")
        .value_name("FORMAT")
        .value_parser(["human", "plain", "json"])
        .default_value("human")
        .help("How to write: for people, for logs, or one JSON object a line")
}

fn with_settings(name: &'static str, about: &'static str, shown: impl Fn(&Setting) -> bool) -> Command {
    flags::add(Command::new(name).about(about).arg(file_argument()).arg(output_argument()), shown)
}

pub(crate) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

/// The `-f` of every command that reads settings.
#[must_use]
pub fn file_argument() -> Arg {
    Arg::new("file")
        .short('f')
        .long("file")
        .value_name("PATH")
        .help("The configuration file [default: canary.toml, if there is one]")
        .value_parser(PathBufValueParser::new())
}

/// The file that was named with `-f`.
#[must_use]
pub fn named_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.get_one("file").cloned()
}

/// Runs one command with the process' own arguments, surroundings and output.
#[must_use]
pub(crate) fn main(registry: &Registry) -> ExitCode {
    clear_before_panics();
    let code = match Environment::of_process() {
        Ok(environment) => {
            let arguments = std::env::args_os().collect();
            run(arguments, &environment, registry, std::io::stdout(), &mut std::io::stderr())
        }
        Err(error) => {
            let error = CommandError::usage(
                format!("cannot tell the current directory: {error}"),
                "change to one that exists",
            );
            tell(&mut std::io::stderr(), &error);
            error.exit_code()
        }
    };
    ExitCode::from(code)
}

/// Runs one command and tells what stopped it; the result is the exit code.
pub(crate) fn run(
    arguments: Vec<OsString>,
    environment: &Environment,
    registry: &Registry,
    mut out: impl Write + Send + 'static,
    err: &mut dyn Write,
) -> u8 {
    let service = arguments.get(1).is_some_and(|name| name == DEMO_SERVICE);
    let all = if service { demo_service() } else { command() };
    let program =
        arguments.first().map_or_else(|| "canary-cli".into(), |name| name.to_string_lossy().into_owned());
    let matches = match all.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        // Help and version come as errors, too.
        Err(error) if error.exit_code() == 0 => {
            let _ = write!(out, "{error}").and_then(|()| out.flush());
            return 0;
        }
        Err(error) => {
            let error = CommandError::from(error);
            tell(err, &error);
            return error.exit_code();
        }
    };
    // proof: clap refuses a command line without a command.
    let Some((name, matches)) = matches.subcommand() else { return ErrorKind::Bug.exit_code() };
    if let Some(text) = reading_matter(name, matches, environment) {
        let printed = text.map(|text| {
            let _ = out.write_all(&text).and_then(|()| out.flush());
            0
        });
        return code_of(printed, err);
    }
    if let "demo" | DEMO_SERVICE = name {
        let result = if name == DEMO_SERVICE {
            commands::demo::serve(matches)
        } else {
            let screen = screen(matches, environment, out);
            let result = commands::demo::demo(&program, matches, environment, &screen);
            screen.close();
            result
        };
        return code_of(result, err);
    }
    let leaf = matches.subcommand().map_or(matches, |(_, inner)| inner);
    let screen = screen(leaf, environment, out);
    let result = if name == "init" {
        commands::init::init(matches, environment, registry, &screen)
    } else {
        Settings::read(named_file(leaf).as_deref(), Some(leaf), environment, registry).and_then(
            |mut settings| {
                settings.migrations.allow = grants::given(leaf, &settings)?;
                commands::dispatch(
                    name,
                    matches,
                    Context { settings, environment, screen: &screen, telling: Telling::default() },
                )
            },
        )
    };
    screen.close();
    match result {
        Ok(code) => code,
        Err(error) => {
            if screen.json() {
                screen.line(json_error(&error));
            } else {
                tell(err, &error);
            }
            error.exit_code()
        }
    }
}

fn code_of(result: Result<u8, CommandError>, err: &mut dyn Write) -> u8 {
    result.unwrap_or_else(|error| {
        tell(err, &error);
        error.exit_code()
    })
}

/// What the commands print that need no settings; `None` for the others.
fn reading_matter(
    name: &str,
    matches: &ArgMatches,
    environment: &Environment,
) -> Option<Result<Vec<u8>, CommandError>> {
    Some(match name {
        "configuration" => Ok(reference::markdown().into_bytes()),
        "schema" => Ok(match matches.get_one::<String>("of").map(String::as_str) {
            Some("sla") => format!("{:#}\n", canary_tenants::policy::schema()),
            _ => schema::text(),
        }
        .into_bytes()),
        "completions" => {
            // proof: clap refuses the command without a shell.
            let shell = *matches.get_one::<Shell>("shell")?;
            listed::completions(&command(), shell)
        }
        "man" => match matches.get_one::<PathBuf>("directory") {
            None => listed::pages(&command()),
            Some(directory) => {
                let names = listed::write_pages(&command(), &environment.directory.join(directory));
                names.map(|names| names.iter().flat_map(|name| format!("{name}\n").into_bytes()).collect())
            }
        },
        _ => return None,
    })
}

fn screen(matches: &ArgMatches, environment: &Environment, out: impl Write + Send + 'static) -> Screen {
    let format = match matches.get_one::<String>("output").map(String::as_str) {
        Some("json") => Format::Json,
        Some("plain" | "sarif" | "github") => Format::Plain,
        _ => Format::Human,
    };
    Screen::new(out, format, Terminal::of(environment), environment.text("NO_COLOR").is_none())
}

/// Tells an error; when nobody listens there is nobody left to tell.
fn tell(err: &mut dyn Write, error: &CommandError) {
    let _ = writeln!(err, "{error}");
}

fn json_error(error: &CommandError) -> String {
    let problems: Vec<_> = error
        .problems
        .iter()
        .map(|problem| serde_json::json!({ "message": problem.message, "hint": problem.hint }))
        .collect();
    line("error", serde_json::json!({ "exit_code": error.exit_code(), "problems": problems }))
}
