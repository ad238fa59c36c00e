//! `log verify`, `log anchor`, `log rotate-key`: whether the record is what was written, and how to know that later.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_core::journal::{Anchor, Mark};
use canary_core::traits::{Clock, SystemClock};
use canary_seal::{
    Ed25519Seal, Finding, Fingerprint, HeadState, Sealed, SigningKey, Verification, anchors, handover, verify,
};
use clap::builder::{PathBufValueParser, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::decided::{check_kept, decisions_argument};
use super::journal::explain;
use super::{Context, random};
use crate::decisions::{DecisionLog, next_key};
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::line;

/// How long a last line without its end is looked at again: a writer may be at it.
const AT_IT: Duration = Duration::from_secs(1);

fn file(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .value_name(value)
        .value_parser(PathBufValueParser::new())
        .value_hint(ValueHint::FilePath)
        .help(help)
}

/// The arguments of `log verify`.
pub(crate) fn verify_arguments(command: Command) -> Command {
    command
        .arg(file("journal", "JOURNAL", "The journal's file; without it, the service's"))
        .arg(
            decisions_argument().conflicts_with("journal"),
        )
        .arg(
            file("anchor", "FILE", "What was noted of it elsewhere: lines of `log anchor`, JSON with seq and hash, a checkpoint, a copy; - for standard input")
                .long("anchor")
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("FINGERPRINT")
                .value_parser(|text: &str| text.parse::<Fingerprint>().map_err(|error| error.to_string()))
                .help("The key that must have signed; without it, the one in state.signing_key_file, if it is there"),
        )
}

/// The arguments of `log rotate-key`.
pub(crate) fn rotate_arguments(command: Command) -> Command {
    command.arg(
        file("to", "PATH", "The new key, made when it is not there; without it, the key in state.signing_key_file is replaced")
            .long("to"),
    )
}

/// Verifies a journal, its head and its keys, and holds it against anchors.
pub(super) fn check(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let at = |path: &PathBuf| cx.environment.directory.join(path);
    let own = || {
        if matches.get_flag("decisions") {
            DecisionLog::of(&cx.settings).path().to_owned()
        } else {
            cx.journal_path()
        }
    };
    let journal = matches.get_one("journal").map_or_else(own, at);
    let marks = marks(cx, matches)?;
    let trusted = match matches.get_one::<Fingerprint>("key") {
        Some(key) => Some(*key),
        None => {
            own_key(cx, matches.contains_id("journal") && matches.get_one::<PathBuf>("journal").is_some())?
        }
    };
    let until = Instant::now() + AT_IT;
    let found = loop {
        let found = verify(&journal, &marks, trusted).map_err(|error| {
            CommandError::usage(
                chain(&error),
                "name the right service, state directory (CANARY_STATE_DIR) or file",
            )
        })?;
        match found {
            Err(Finding::Torn { .. }) if Instant::now() < until => std::thread::sleep(AT_IT / 20),
            found => break found,
        }
    };
    match found {
        Ok(found) => {
            let decisions = check_kept(&journal)?;
            show(cx, &journal, &found, decisions);
            Ok(0)
        }
        Err(finding) if cx.screen.json() => {
            let code = ErrorKind::Damaged.exit_code();
            cx.screen.line(line(
                "damage",
                json!({ "journal": journal, "finding": finding, "message": finding.to_string(), "exit_code": code }),
            ));
            Ok(code)
        }
        Err(finding) => Err(damaged(&journal, &finding)),
    }
}

fn damaged(journal: &Path, finding: &Finding) -> CommandError {
    let hint = match finding {
        Finding::Torn { .. } => {
            "the next command that writes moves it aside and records that; if nobody wrote, keep the file as evidence"
        }
        Finding::Key { .. } => {
            "compare the key's fingerprint with the one you know (--key); keep the file as evidence"
        }
        _ => "everything before it holds; keep the file and its .head as evidence",
    };
    let message = match finding {
        Finding::Head { .. } => finding.to_string(),
        _ => format!("{}: {finding}", journal.display()),
    };
    CommandError::new(ErrorKind::Damaged, message, hint)
}

fn show(cx: &Context<'_>, path: &Path, found: &Verification, decisions: usize) {
    let Verification { journal, head } = found;
    let last = journal.records - 1;
    if cx.screen.json() {
        let head = match head {
            HeadState::Unsigned => serde_json::Value::Null,
            HeadState::Signed(Sealed { size, key, trusted }) => {
                json!({ "records": size, "key": key.to_string(), "trusted": trusted })
            }
        };
        let what = json!({
            "journal": path, "log": journal.log, "records": journal.records, "seq": last, "hash": journal.hash,
            "root": journal.root, "from": journal.span.0, "to": journal.span.1, "head": head,
            "anchors": journal.marks - u64::from(!head.is_null()), "set_back": journal.set_back,
            "decisions": decisions,
        });
        cx.screen.line(line("verified", what));
        return;
    }
    let mut lines = vec![
        format!(
            "{} holds: {} records from {} to {}",
            path.display(),
            journal.records,
            journal.span.0,
            journal.span.1
        ),
        format!("  log   {}", journal.log),
        format!("  last  record {last}, hash {}", journal.hash),
        format!("  root  {}", journal.root),
    ];
    match head {
        HeadState::Unsigned => {
            lines.push("  head  not signed: whoever can write the file can write a whole new one".to_owned());
        }
        HeadState::Signed(Sealed { size, key, trusted }) => {
            let word = if *trusted {
                ""
            } else {
                "; that is the journal's own word: give the one you know with --key"
            };
            lines.push(format!("  head  over {size} records, signed with the key {key}{word}"));
        }
    }
    let anchors = journal.marks - u64::from(matches!(head, HeadState::Signed(_)));
    if anchors > 0 {
        lines.push(format!("  anchors  {anchors}, all as they were noted"));
    }
    if decisions > 0 {
        lines.push(format!("  decisions  {decisions}, each with its evidence and its policy as they were"));
    }
    if journal.set_back > 0 {
        lines.push(format!(
            "  note: {} records are older than the one before: the clock was set back",
            journal.set_back
        ));
    }
    cx.screen.lines(lines);
}

/// Everything that was noted elsewhere.
fn marks(cx: &Context<'_>, matches: &ArgMatches) -> Result<Vec<Mark>, CommandError> {
    let mut marks = Vec::new();
    for path in matches.get_many::<PathBuf>("anchor").into_iter().flatten() {
        let name =
            if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
        let text = if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(cx.environment.directory.join(path))
        };
        let text = text.map_err(|error| {
            CommandError::usage(
                format!("cannot read the anchor {name}: {error}"),
                "name a file that this user may read",
            )
        })?;
        let found = anchors(&text, &name).map_err(|error| {
            CommandError::usage(error.to_string(), "give what `canary-cli log anchor` or a notification said")
        })?;
        marks.extend(found);
    }
    Ok(marks)
}

/// The key of this service, if it is there; of a journal that was named, only a key that was named as well.
fn own_key(cx: &Context<'_>, other: bool) -> Result<Option<Fingerprint>, CommandError> {
    let path = &cx.settings.signing_key_file;
    if other || !path.exists() {
        return Ok(None);
    }
    let key = SigningKey::read(path).map_err(|error| cx.cannot_sign(&error))?;
    Ok(Fingerprint::of(key.public()))
}

/// Prints the last record's number and hash, to be kept elsewhere.
pub(super) fn anchor(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let (path, records) = if matches.get_flag("decisions") {
        let log = DecisionLog::of(&cx.settings);
        (log.path().to_owned(), log.read().map_err(|error| error.explain())?.records)
    } else {
        (cx.journal_path(), cx.read_journal()?.records)
    };
    let Some(anchor) = records.last().map(Anchor::from) else {
        let message = format!("{} has no record yet", path.display());
        return Err(CommandError::usage(
            message,
            "name the right service or state directory (CANARY_SERVICE, CANARY_STATE_DIR)",
        ));
    };
    cx.screen.line(if cx.screen.json() { line("anchor", json!(anchor)) } else { anchor.to_string() });
    Ok(0)
}

/// Has another key sign from here on.
pub(super) async fn rotate(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let path = &cx.settings.signing_key_file;
    let open = cx.open_journal(&clock).await?;
    let cannot = |error| cx.cannot_sign(&error);
    let old = SigningKey::read(path).map_err(cannot)?;
    let given = matches.get_one::<PathBuf>("to").map(|path| cx.environment.directory.join(path));
    let place = given.clone().unwrap_or_else(|| next_key(path));
    let new = SigningKey::read_or_make(&place, &random::<32>()?).map_err(cannot)?;
    if new.public() == old.public() {
        let message = format!("{} holds the key that signs already", place.display());
        return Err(CommandError::usage(message, "name another file with --to"));
    }
    // The record of decisions comes first: until the journal names the new key, the old one is kept.
    let (decisions, before, after) = (DecisionLog::of(&cx.settings), old.clone(), new.clone());
    let handed = tokio::task::spawn_blocking(move || decisions.hand_over(&before, &after)).await;
    handed.map_err(|error| CommandError::bug(error.to_string()))?.map_err(|error| error.explain())?;
    let log = open.records.first().map_or("", |record| record.log.as_str());
    let said = handover(log, &old, &new);
    let seal = Arc::new(Ed25519Seal::new(new.clone()));
    let journal = Arc::clone(&open.journal);
    let result = tokio::task::spawn_blocking(move || journal.hand_over(seal, said)).await;
    let record =
        result.map_err(|error| CommandError::bug(error.to_string()))?.map_err(|error| explain(&error))?;
    if given.is_none() {
        SigningKey::replace(&place, path).map_err(cannot)?;
    }
    // proof: a key that was read has a fingerprint.
    let fingerprint = Fingerprint::of(new.public()).map(|key| key.to_string()).unwrap_or_default();
    if cx.screen.json() {
        cx.screen.line(line("key", json!({ "key": fingerprint, "seq": record.seq })));
    } else {
        cx.screen.line(format!(
            "record {}: the head is signed with the key {fingerprint} from here on",
            record.seq
        ));
        if given.is_some() {
            cx.screen
                .line(format!("set state.signing_key_file to {} before the next command", place.display()));
        }
    }
    Ok(0)
}
